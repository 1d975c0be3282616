"""A second `place_day`, one minute at a time, written from the precedence list over the files' own text.

It is slow on purpose and shares nothing with the product: no types, no tables, no order of painting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from tests.pipeline.schools import GRID, HEADERS

Row = dict[str, str]
Answer = tuple[str, str, str]
Name = tuple[str, str] | None  # of a duty: slot or start, and end; None for any
BREAKS = ("break", "lunch")
DAY_OFF = ("non_working_day", "yes", "non_working_day")
CONFLICT = ("unknown", "unknown", "conflict")
INSET_BREAK = ("inset", "unknown", "inset_break")
WORK = {
    "cover": "cover",
    "duty": "duty",
    "duty_swap_to": "duty",
    "meeting": "meeting",
    "exam": "exam",
    "inset": "inset",
    "unclear": "",
}
AWAY = {
    "absent": ("absent", "unknown", "away"),
    "leave": ("absent", "unknown", "away"),
    "trip": ("trip", "unknown", "away"),
    "home_working": ("home_working", "unknown", "away"),
    "released": ("unknown", "unknown", "released"),
}
TAKES = {"duty_swap_from": ("duty", "duty_swap_to"), "cancelled": ("cover", "exam", "meeting")}
MAYBE, AGREED = "maybe", "agreed"


def unknown(reason: str) -> Answer:
    return "unknown", "unknown", reason


def no(state: str) -> Answer:
    return state, "no", "non_contact" if state == "non_contact" else "scheduled"


def minute_of(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def duty_name(row: Row) -> Name:
    """How a row names a duty: by its slot, or by its times."""
    return row["slot_or_start"], row["end"]


def together(one: Row, other: Row) -> bool:
    """Were two rows entered within an hour, as far as is known?"""
    if not one["entered_at"] or not other["entered_at"]:
        return True
    at, since = (datetime.fromisoformat(row["entered_at"]) for row in (one, other))
    return abs(at - since) <= timedelta(hours=1)


def within(day: date, first: str, last: str) -> bool:
    return (first or "0001-01-01") <= day.isoformat() <= (last or "9999-12-31")


class SlowPlace:
    """A school of rows without headers and a date."""

    def __init__(self, tables: Mapping[str, Sequence[str]], day: date, recorded: bool = True) -> None:
        self.day, self.recorded = day, recorded
        self.rows: dict[str, list[Row]] = {
            name: [dict(zip(header.split(","), row.split(","), strict=True)) for row in tables.get(name, ())]
            for name, header in HEADERS.items()
        }
        self.weekday = str(day.isoweekday())
        self.today = [r for r in self.rows["calendar"] if within(day, r["date_from"], r["date_to"] or r["date_from"])]
        self.kinds = {row["kind"] for row in self.today}
        self.term = bool(self.kinds & {"term", "week_a", "week_b"})
        monday = day - timedelta(day.weekday())
        week = [monday + timedelta(n) for n in range(7)]
        self.said = {
            row["kind"][-1].upper()
            for row in self.rows["calendar"]
            if row["kind"] in ("week_a", "week_b") and any(within(d, row["date_from"], row["date_to"]) for d in week)
        }
        overrides = sorted((self.run(row), row["value"]) for row in self.today if row["kind"] == "bell_override")
        schedules = {row["schedule"] for row in self.rows["bells"]}
        schedule: str | None = "normal" if "normal" in schedules or len(schedules) != 1 else next(iter(schedules))
        if overrides:
            first = {name for length, name in overrides if length == overrides[0][0]}
            schedule = overrides[0][1] if len(first) == 1 else None
        named = [r for r in self.rows["bells"] if r["schedule"] == schedule and r["weekday"] == self.weekday]
        stars = [r for r in self.rows["bells"] if r["schedule"] == schedule and r["weekday"] == "*"]
        self.bells = named or (stars if int(self.weekday) < 6 else [])
        if self.kinds & {"holiday", "closure", "bank_holiday"}:
            self.bells = []
        self.twilight: list[str] = []
        if self.term and int(self.weekday) < 6:
            self.twilight = [
                r["value"] for r in self.today if r["kind"] == "inset" and r["value"][:1].isdigit() and late(r["value"])
            ]
        days = [r["value"] if r["value"][:1].isdigit() else "" for r in self.today if r["kind"] == "inset"]
        self.inset = set(days) if set(days) - set(self.twilight) else set()
        if self.inset:
            self.twilight = []
        self.fresh = any(within(day, r["valid_from"], r["valid_to"]) for r in self.rows["duties"])

    def run(self, row: Row) -> int:
        """How many days around this one the schedule of a bell override is rung without a gap."""
        days = {
            date.fromisoformat(r["date_from"]) + timedelta(n)
            for r in self.rows["calendar"]
            if r["kind"] == "bell_override" and r["value"] == row["value"]
            for n in range(
                (date.fromisoformat(r["date_to"] or r["date_from"]) - date.fromisoformat(r["date_from"])).days + 1
            )
        }
        first = last = self.day
        while first - timedelta(1) in days:
            first -= timedelta(1)
        while last + timedelta(1) in days:
            last += timedelta(1)
        return (last - first).days

    # bells

    def slots(self, group: str) -> list[Row]:
        own = [r for r in self.bells if r["group"] == group and group not in ("", "*")]
        return own + [r for r in self.bells if r["group"] == "*" and r["slot"] not in {o["slot"] for o in own}]

    def slot_at(self, group: str, minute: int) -> Row | None:
        here = [r for r in self.slots(group) if minute_of(r["start"]) <= minute < minute_of(r["end"])]
        return min(here, key=lambda r: r["group"] == "*") if here else None

    def clear(self, group: str, minute: int) -> bool:
        """Do the bells say what this minute is?"""
        if self.foreign_break(group, minute):
            return False
        if self.slot_at(group, minute):
            return True
        slots = self.slots(group)
        earlier = [r for r in slots if minute_of(r["end"]) <= minute]
        later = [r for r in slots if minute_of(r["start"]) > minute]
        if not earlier:
            return bool(later) and first_of(later)["kind"] == "before"
        return not later and last_of(earlier)["kind"] == "after"

    def covers(self, group: str, start: str, end: str, minute: int) -> bool | str | None:
        """Does a time or slot cover the minute, or may it? None: there is no such slot on this date."""
        if not start:
            return True
        if end:
            return minute_of(start) <= minute < minute_of(end)
        if any(r["slot"] == start for r in self.slots(group)):
            at = self.slot_at(group, minute)
            return at is not None and at["slot"] == start
        times = {(r["start"], r["end"]) for r in self.bells if r["slot"] == start}
        if not times:
            return None
        inside = [minute_of(first) <= minute < minute_of(last) for first, last in times]
        nowhere = group in ("", "*") and not self.slots(group)
        if all(inside):
            return True if nowhere else AGREED
        return MAYBE if any(inside) else False

    def foreign_break(self, group: str, minute: int) -> bool:
        own = {r["kind"] for r in self.slots(group)}
        return any(
            r["kind"] in BREAKS and r["kind"] not in own and minute_of(r["start"]) <= minute < minute_of(r["end"])
            for r in self.bells
        )

    # the week

    def recurring(self, table: str, who: str, week: str) -> list[Row]:
        return [
            r
            for r in self.rows[table]
            if r["staff_id"] == who
            and within(self.day, r["valid_from"], r["valid_to"])
            and r["week"] in ("*", week)
            and r["weekday"] == self.weekday
        ]

    def hours(self, who: str, week: str, minute: int) -> tuple[str, bool]:
        """(paid | unpaid | outside | day_off | none, is a pattern known)"""
        known = any(
            r["staff_id"] == who and within(self.day, r["valid_from"], r["valid_to"]) for r in self.rows["patterns"]
        )
        today = self.recurring("patterns", who, week)
        if not today:
            return ("day_off" if known or int(self.weekday) > 5 else "none"), known
        found = "outside"
        for row in today:
            if minute_of(row["start"]) <= minute < minute_of(row["end"]):
                start, end = row["unpaid_break_start"], row["unpaid_break_end"]
                if not (start and minute_of(start) <= minute < minute_of(end)):
                    return "paid", True
                found = "unpaid"
        return found, True

    def midday(self, staff: Row, week: str, minute: int) -> bool:
        """Is the minute paid by a post that is about lunch?"""
        if staff["role"] in ("teacher", "leadership", "trainee"):
            return False
        for row in self.recurring("patterns", staff["staff_id"], week):
            hours = range(minute_of(row["start"]), minute_of(row["end"]))
            lunch = [
                m
                for m in hours
                if any(r["kind"] == "lunch" and minute_of(r["start"]) <= m < minute_of(r["end"]) for r in self.bells)
            ]
            if minute in hours and not row["unpaid_break_start"] and len(lunch) * 2 >= len(hours):
                return True
        return False

    def plain(self, staff: Row, week: str, minute: int, freed: set[str], taken: set[Name]) -> Answer:
        """An undated minute if the week has this letter."""
        who, group, leads = staff["staff_id"], staff["bell_group"], staff["role"] == "leadership"
        hours, known = self.hours(who, week, minute)
        away = {"day_off": DAY_OFF, "none": unknown("no_pattern"), "outside": ("outside_hours", "yes", "outside_hours")}
        rest = unknown("leadership_hours") if leads and hours != "day_off" else away.get(hours, ("", "", ""))
        if self.inset:
            return self.inset_minute(group, hours, known, rest, leads, minute)
        if known and hours != "day_off":
            for span in self.twilight:
                start, end = span.split("-")
                if minute_of(start) <= minute < minute_of(end):
                    return no("inset")
        duties = [
            (r["kind"], self.covers(group, r["slot_or_start"], r["end"], minute), bool({None, duty_name(r)} & taken))
            for r in self.recurring("duties", who, week)
        ]
        fits = all(covers is not None for _, covers, _ in duties)
        if "duty" in freed:
            duties = []
        day_off = known and hours == "day_off"
        standby = [covers for kind, covers, _ in duties if kind == "cover_standby" and covers]
        real = [covers for kind, covers, gone in duties if kind != "cover_standby" and covers and not gone]
        lost = [covers for kind, covers, gone in duties if kind != "cover_standby" and covers and gone]
        below = self.lesson(staff, week, minute, (hours, known, fits), rest, standby, "lesson" in freed)
        if not day_off and (True in real or (AGREED in real and below[1] == "no")):
            return no("duty")
        return (below if below[1] == "no" else CONFLICT) if real or lost else below

    def inset_minute(self, group: str, hours: str, known: bool, rest: Answer, leads: bool, minute: int) -> Answer:
        if hours == "day_off":
            return DAY_OFF
        working = set()
        for span in self.inset:
            start, end = span.split("-") if span else ("", "")
            working.add(minute_of(start) <= minute < minute_of(end) if span else hours == "paid")
        if known and working == {True}:
            return no("inset") if self.clear(group, minute) and self.works_or_edge(group, minute) else INSET_BREAK
        if known and len(working) == 2:
            return CONFLICT
        if self.inset == {""} and hours == "unpaid":
            return ("break", "yes", "break_not_on_duty")
        return rest if hours in ("none", "outside") or leads else ("outside_hours", "yes", "outside_hours")

    def works_or_edge(self, group: str, minute: int) -> bool:
        at = self.slot_at(group, minute)
        return at is None or at["kind"] not in BREAKS

    def lesson(
        self,
        staff: Row,
        week: str,
        minute: int,
        worked: tuple[str, bool, bool],
        rest: Answer,
        standby: list[bool | str],
        cancelled: bool,
    ) -> Answer:
        group = staff["bell_group"]
        hours, known, fits = worked
        rows = [
            (r, self.covers(group, r["slot"], "", minute)) for r in self.recurring("timetable", staff["staff_id"], week)
        ]
        released = hours != "day_off" and any(r["activity"] == "released" and covers for r, covers in rows)
        answer = unknown("released") if released else self.empty(staff, week, minute, hours, rest, fits)
        kinds = {r["slot"]: r["kind"] for r in self.slots(group)}
        booked: list[tuple[str, bool | str]] = [("non_contact", covers) for covers in standby]
        booked += [("", covers) for row, covers in rows if row["activity"] == "unknown" and covers and not cancelled]
        for activity, wanted in (("meeting", None), ("lesson", True), ("lesson", False)):
            for row, covers in rows:
                registers = kinds.get(row["slot"]) == "registration"
                if row["activity"] == activity and covers and not cancelled and wanted in (None, registers):
                    sort = "meeting" if activity == "meeting" else "registration" if registers else "teaching"
                    booked.append((sort, covers))
        for sort, covers in booked:
            if not sort:
                answer = unknown("unclear")
            elif covers is True and not (known and hours == "day_off"):
                answer = no(sort)
            elif answer[1] != "no":
                answer = CONFLICT
            elif covers == AGREED and not (known and hours == "day_off"):
                answer = no(sort)
        return answer

    def empty(self, staff: Row, week: str, minute: int, hours: str, rest: Answer, fits: bool) -> Answer:
        """A minute in which nothing is booked."""
        group, leads = staff["bell_group"], staff["role"] == "leadership"
        at = self.slot_at(group, minute)
        kind = at["kind"] if at else ""
        if hours == "unpaid":
            return ("lunch" if kind == "lunch" else "break"), "yes", "break_not_on_duty"
        midday = hours == "paid" and self.midday(staff, week, minute)
        if kind in BREAKS and not midday and (hours == "paid" or (leads and hours != "day_off")):
            fresh = self.fresh and fits
            return (kind, "yes", "break_not_on_duty") if fresh else (kind, "unknown", "duty_data_missing")
        if hours == "paid" and not leads:
            return no("non_contact") if self.clear(group, minute) else unknown("no_bells")
        return rest

    # the day

    def undated(self, staff: Row, minute: int, freed: set[str], taken: set[Name]) -> Answer:
        weeks = sorted(self.said) if len(self.said) == 1 else ["A", "B"]
        first, *more = [self.plain(staff, week, minute, freed, taken) for week in weeks]
        for other in more:
            if other != first:
                if first[1] == other[1] == "no":
                    return no("non_contact") if no("non_contact") in (first, other) else first
                return CONFLICT if CONFLICT in (first, other) else self.unlettered()
        return first

    def unlettered(self) -> Answer:
        return CONFLICT if self.said else unknown("no_calendar")

    def taken(self, minute: int) -> set[Name]:
        """Names of duties in this minute of which more people took than gave; None for any duty."""
        rota = {
            duty_name(r)
            for week in (sorted(self.said) if len(self.said) == 1 else ["A", "B"])
            for r in self.rows["duties"]
            if r in self.recurring("duties", r["staff_id"], week)
        }
        found: set[Name] = set()
        groups = {r["staff_id"]: r["bell_group"] for r in self.rows["staff"]}
        swaps = [
            r
            for r in self.rows["exceptions"]
            if r["date"] == self.day.isoformat() and r["staff_id"] != "*" and r["kind"].startswith("duty_swap")
        ]

        def span(row: Row) -> set[int] | None:
            group = groups[row["staff_id"]]
            found = {m for m in range(0, 1440, GRID) if self.covers(group, row["start_or_slot"], row["end"], m)}
            return None if self.covers(group, row["start_or_slot"], row["end"], 0) is None else found

        for row in swaps:
            if row["kind"] == "duty_swap_to":
                mine = span(row)
                if mine is None:
                    found.add(None)
                    continue
                among = [r for r in swaps if (span(r) or set()) & mine and together(r, row)]
                takers = {r["staff_id"] for r in among if r["kind"] == "duty_swap_to"} | {row["staff_id"]}
                givers = {r["staff_id"] for r in among if r["kind"] == "duty_swap_from"} - {row["staff_id"]}
                if minute in mine and len(givers) < len(takers):
                    name = duty_name({"slot_or_start": row["start_or_slot"], "end": row["end"]})
                    found.add(name if name in rota else None)
        return found

    def raw(self, staff: Row, minute: int) -> Answer:
        """A minute without the margin."""
        who, group = staff["staff_id"], staff["bell_group"]
        if not within(self.day, staff["contract_start"], staff["contract_end"]):
            return "not_in_post", "unknown", "not_in_post"
        if self.kinds & {"closure", "holiday", "bank_holiday"}:
            return DAY_OFF
        if int(self.weekday) > 5:
            if not self.term and "inset" not in self.kinds:
                return DAY_OFF
        elif not self.term and not self.inset:
            return unknown("no_calendar")
        dated = [
            r for r in self.rows["exceptions"] if r["date"] == self.day.isoformat() and r["staff_id"] in (who, "*")
        ]
        covered = [(r, self.covers(group, r["start_or_slot"], r["end"], minute)) for r in dated]
        if any(covers is None for _, covers in covered):
            return unknown("no_bells")
        if any(r["kind"] in TAKES and self.somewhere(group, r) for r in dated):
            return CONFLICT
        taking = [r for r, covers in covered if covers and r["kind"] in TAKES]
        freed = {"duty" if r["kind"] == "duty_swap_from" else "lesson" for r in taking}
        undated = self.undated(staff, minute, freed, self.taken(minute))
        closed = [(r, DAY_OFF if c is True else CONFLICT) for r, c in covered if c and r["kind"] == "closed"]
        if closed:
            return laid(closed)
        away = [(r, AWAY[r["kind"]] if c is True else CONFLICT) for r, c in covered if c and r["kind"] in AWAY]
        if away:
            return laid(away)
        work = []
        for row, covers in covered:
            if row["kind"] not in WORK or not covers:
                continue
            answer = self.work(staff, row, minute, covers, undated)
            if answer is not None:
                answer = given_again(row, [r for r in taking if row["kind"] in TAKES[r["kind"]]], answer)
            if answer is not None:
                work.append((row, answer))
        return laid(work) if work else undated

    def somewhere(self, group: str, row: Row) -> bool:
        """Is there a minute of the day in which a record may be, but not surely?"""
        return any(
            self.covers(group, row["start_or_slot"], row["end"], m) in (MAYBE, AGREED) for m in range(0, 1440, GRID)
        )

    def work(self, staff: Row, row: Row, minute: int, covers: bool | str, undated: Answer) -> Answer | None:
        """What a record of work means for a person in a minute that it covers, or may cover."""
        if row["kind"] == "inset" and not row["start_or_slot"]:
            return self.inset_day(staff, minute, undated)
        if row["staff_id"] == "*":
            off = self.off(staff["staff_id"])
            known = self.hours(staff["staff_id"], "A", minute)[1]
            if known and all(off):
                return None
            if row["kind"] != "unclear" and (not known or any(off)):
                if undated[1] == "no" or undated == CONFLICT:
                    return CONFLICT if undated == CONFLICT else None
                return self.unlettered() if known else unknown("no_pattern")
        if row["kind"] == "unclear":
            return unknown("unclear")
        if covers is not True:
            return None if undated[1] == "no" else CONFLICT
        return no(WORK[row["kind"]])

    def off(self, who: str) -> list[bool]:
        """Has the person the day off, by possible week?"""
        weeks = sorted(self.said) if len(self.said) == 1 else ["A", "B"]
        return [self.hours(who, week, 0)[0] == "day_off" for week in weeks]

    def inset_day(self, staff: Row, minute: int, undated: Answer) -> Answer | None:
        weeks = sorted(self.said) if len(self.said) == 1 else ["A", "B"]
        found = [self.hours(staff["staff_id"], week, minute) for week in weeks]
        if not found[0][1]:
            return unknown("no_pattern")
        if any(hours != "paid" for hours, _ in found):
            return CONFLICT if undated[1] == "no" else None
        group = staff["bell_group"]
        return no("inset") if self.clear(group, minute) and self.works_or_edge(group, minute) else INSET_BREAK

    def person(self, staff: Row, margin: int) -> list[Answer]:
        """All 1440 minutes."""
        blocks = [self.raw(staff, minute) for minute in range(0, 1440, GRID)]
        if not self.recorded:
            blocks = [(state, "unknown", "no_exceptions") if a == "no" else (state, a, r) for state, a, r in blocks]
        day = [blocks[minute // GRID] for minute in range(1440)]
        return [blurred(day, minute, margin) for minute in range(1440)]


def late(span: str) -> bool:
    return minute_of(span.split("-")[0]) >= 15 * 60


def first_of(slots: list[Row]) -> Row:
    return min(slots, key=lambda r: (minute_of(r["start"]), minute_of(r["end"]), r["group"] == "*", r["slot"]))


def last_of(slots: list[Row]) -> Row:
    ordered = sorted(slots, key=lambda r: (minute_of(r["start"]), minute_of(r["end"]), r["group"] == "*", r["slot"]))
    return max(ordered, key=lambda r: minute_of(r["end"]))


def given_again(row: Row, given: list[Row], answer: Answer) -> Answer | None:
    """A duty that was taken over, with the person's own duty_swap_from of the minute."""
    mine = row["entered_at"]
    if any(mine and other["entered_at"] and other["entered_at"] > mine for other in given):
        return None
    if any(not mine or not other["entered_at"] or other["entered_at"] == mine for other in given):
        return CONFLICT
    return answer


def laid(records: list[tuple[Row, Answer]]) -> Answer:
    """The later of one's own and of everybody's records; one's own if nobody knows, and neither allows anything."""
    own = [(row["entered_at"], answer) for row, answer in records if row["staff_id"] != "*"]
    general = [(row["entered_at"], answer) for row, answer in records if row["staff_id"] == "*"]
    if not own or not general:
        return latest(own or general)
    mine, theirs = latest(own), latest(general)
    if all(entered for entered, _ in own + general):
        at, since = (max(entered for entered, _ in side) for side in (own, general))
        if at != since:
            return mine if at > since else theirs
    return mine if mine == theirs or mine[1] == theirs[1] == "no" else CONFLICT


def latest(records: list[tuple[str, Answer]]) -> Answer:
    """The later entry wins; two that differ and cannot be ordered are a conflict."""
    timed = [entered for entered, _ in records if entered]
    last = {answer for entered, answer in records if entered and entered == max(timed)}
    every = last | {answer for entered, answer in records if not entered}
    return every.pop() if len(every) == 1 else CONFLICT


def blurred(day: list[Answer], minute: int, margin: int) -> Answer:
    """A minute with the margin: unknown if the opposite holds, or may hold, less than the margin away."""
    state, allowed, _ = day[minute]
    near = day[max(minute - margin, 0) : minute + margin + 1]
    maybe = [a == "yes" or (a == "unknown" and r not in ("away", "not_in_post", "released")) for _, a, r in near]
    if (allowed == "yes" and any(a == "no" for _, a, _ in near)) or (allowed == "no" and any(maybe)):
        return state, "unknown", "boundary"
    return day[minute]
