"""A second `place_day`, one minute at a time, written from the precedence list over the files' own text.

It is slow on purpose and shares nothing with the product: no types, no tables, no order of painting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from tests.pipeline.schools import GRID, HEADERS

Row = dict[str, str]
Answer = tuple[str, str, str]
BREAKS = ("break", "lunch")
DAY_OFF = ("non_working_day", "yes", "non_working_day")
CONFLICT = ("unknown", "unknown", "conflict")
WORK = {"cover": "cover", "duty_swap_to": "duty", "meeting": "meeting", "exam": "exam", "inset": "inset", "unclear": ""}
AWAY = {"absent": "absent", "leave": "absent", "trip": "trip", "home_working": "home_working"}


def unknown(reason: str) -> Answer:
    return "unknown", "unknown", reason


def no(state: str) -> Answer:
    return state, "no", "non_contact" if state == "non_contact" else "scheduled"


def minute_of(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def within(day: date, first: str, last: str) -> bool:
    return (first or "0001-01-01") <= day.isoformat() <= (last or "9999-12-31")


class SlowPlace:
    """A school of rows without headers and a date."""

    def __init__(self, tables: Mapping[str, Sequence[str]], day: date) -> None:
        self.day = day
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
        overrides = sorted(
            (date.fromisoformat(r["date_to"] or r["date_from"]) - date.fromisoformat(r["date_from"]), r["value"])
            for r in self.today
            if r["kind"] == "bell_override"
        )
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
        self.fresh = any(within(day, r["valid_from"], r["valid_to"]) for r in self.rows["duties"])

    # bells

    def slots(self, group: str) -> list[Row]:
        own = [r for r in self.bells if r["group"] == group and group not in ("", "*")]
        return own + [r for r in self.bells if r["group"] == "*" and r["slot"] not in {o["slot"] for o in own}]

    def slot_at(self, group: str, minute: int) -> Row | None:
        here = [r for r in self.slots(group) if minute_of(r["start"]) <= minute < minute_of(r["end"])]
        return min(here, key=lambda r: r["group"] == "*") if here else None

    def covers(self, group: str, start: str, end: str, minute: int) -> bool | None:
        """Does a time or slot cover the minute? None: there is no such slot on this date."""
        if not start:
            return True
        if end:
            return minute_of(start) <= minute < minute_of(end)
        if any(r["slot"] == start for r in self.slots(group)):
            at = self.slot_at(group, minute)
            return at is not None and at["slot"] == start
        times = {(r["start"], r["end"]) for r in self.bells if r["slot"] == start}
        if len(times) != 1:
            return None
        ((first, last),) = times
        return minute_of(first) <= minute < minute_of(last)

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

    def plain(self, staff: Row, week: str, minute: int, given: bool, taken: bool, off: bool) -> Answer:
        """An undated minute if the week has this letter."""
        who, group, leads = staff["staff_id"], staff["bell_group"], staff["role"] == "leadership"
        hours, known = self.hours(who, week, minute)
        at = self.slot_at(group, minute)
        kind = at["kind"] if at else ""
        away = {"day_off": DAY_OFF, "none": unknown("no_pattern"), "outside": ("outside_hours", "yes", "outside_hours")}
        rest = unknown("leadership_hours") if leads and hours != "day_off" else away.get(hours, ("", "", ""))
        if "inset" in self.kinds:
            own = {r["value"] for r in self.today if r["kind"] == "inset" and r["value"][:1].isdigit()}
            if hours == "day_off":
                return DAY_OFF
            working = hours == "paid"
            if own:
                start, end = next(iter(own)).split("-")
                working = minute_of(start) <= minute < minute_of(end)
            if working and known:
                maybe = kind in BREAKS or self.foreign_break(group, minute) or not self.slots(group)
                return ("inset", "unknown", "inset_break") if maybe else no("inset")
            if own:
                return rest if hours in ("none", "outside") or leads else away["outside"]
            return ("break", "yes", "break_not_on_duty") if hours == "unpaid" else rest
        duties = [
            r["kind"]
            for r in self.recurring("duties", who, week)
            if not given and self.covers(group, r["slot_or_start"], r["end"], minute)
        ]
        below = self.lesson(staff, week, minute, hours, rest, kind, "cover_standby" in duties, off)
        if any(duty != "cover_standby" for duty in duties):
            if not taken:
                return no("duty")
            return below if below[1] == "no" else CONFLICT
        return below

    def lesson(
        self, staff: Row, week: str, minute: int, hours: str, rest: Answer, kind: str, standby: bool, off: bool
    ) -> Answer:
        group, leads = staff["bell_group"], staff["role"] == "leadership"
        booked = {}
        for row in self.recurring("timetable", staff["staff_id"], week):
            if self.covers(group, row["slot"], "", minute) and not (off and row["activity"] in ("lesson", "unknown")):
                named = {r["slot"]: r["kind"] for r in self.slots(group)}.get(row["slot"], "")
                booked[row["activity"]] = named
                if row["activity"] == "lesson":
                    booked["registration" if named == "registration" else "teaching"] = ""
        for activity in ("teaching", "registration", "meeting"):
            if activity in booked:
                return no(activity)
        if "unknown" in booked:
            return unknown("unclear")
        if standby:
            return no("non_contact")
        if hours == "unpaid":
            return ("lunch" if kind == "lunch" else "break"), "yes", "break_not_on_duty"
        if kind in BREAKS and (hours == "paid" or (leads and hours != "day_off")):
            return (kind, "yes", "break_not_on_duty") if self.fresh else (kind, "unknown", "duty_data_missing")
        if hours == "paid" and not leads:
            if not self.slots(group) or self.foreign_break(group, minute):
                return unknown("no_bells")
            return no("non_contact")
        return rest

    # the day

    def undated(self, staff: Row, minute: int, given: bool, taken: bool, off: bool) -> Answer:
        weeks = sorted(self.said) if len(self.said) == 1 else ["A", "B"]
        first, *more = [self.plain(staff, week, minute, given, taken, off) for week in weeks]
        for other in more:
            if other != first:
                if first[1] == other[1] == "no":
                    return no("non_contact") if no("non_contact") in (first, other) else first
                return CONFLICT if self.said else unknown("no_calendar")
        return first

    def taken(self, minute: int) -> bool:
        """Is there a swap that somebody took from nobody in this minute?"""
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
                    return True
                givers = [g for g in swaps if g["kind"] == "duty_swap_from" and g["staff_id"] != row["staff_id"]]
                if minute in mine and not any((span(g) or set()) & mine for g in givers):
                    return True
        return False

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
        elif not self.term and "inset" not in self.kinds:
            return unknown("no_calendar")
        dated = [
            r for r in self.rows["exceptions"] if r["date"] == self.day.isoformat() and r["staff_id"] in (who, "*")
        ]
        if any(self.covers(group, r["start_or_slot"], r["end"], minute) is None for r in dated):
            return unknown("no_bells")
        here = [r for r in dated if self.covers(group, r["start_or_slot"], r["end"], minute)]
        given = [r for r in here if r["kind"] == "duty_swap_from"]
        off = any(r["kind"] == "lesson_off" for r in here)
        undated = self.undated(staff, minute, bool(given), self.taken(minute), off)
        if any(r["kind"] == "closed" for r in here):
            return DAY_OFF
        away = [(r["entered_at"], (AWAY[r["kind"]], "unknown", "away")) for r in here if r["kind"] in AWAY]
        if away:
            return latest(away)
        work = []
        for row in here:
            if row["kind"] not in WORK:
                continue
            answer = self.work(staff, row, minute)
            if row["kind"] == "duty_swap_to" and answer is not None:
                answer = given_again(row, given, answer)
            if answer is not None:
                work.append((row["entered_at"], answer))
        return latest(work) if work else undated

    def work(self, staff: Row, row: Row, minute: int) -> Answer | None:
        """What a record of work means for a person in a minute that it covers."""
        if row["kind"] == "inset" and not row["start_or_slot"]:
            return self.inset_day(staff, minute)
        if row["staff_id"] == "*":
            off = self.off(staff["staff_id"])
            if not self.hours(staff["staff_id"], "A", minute)[1]:
                return unknown("no_pattern")
            if any(off):
                return None if all(off) else unknown("no_calendar")
        return no(WORK[row["kind"]]) if WORK[row["kind"]] else unknown("unclear")

    def off(self, who: str) -> list[bool]:
        """Has the person the day off, by possible week?"""
        weeks = sorted(self.said) if len(self.said) == 1 else ["A", "B"]
        return [self.hours(who, week, 0)[0] == "day_off" for week in weeks]

    def inset_day(self, staff: Row, minute: int) -> Answer | None:
        weeks = sorted(self.said) if len(self.said) == 1 else ["A", "B"]
        found = [self.hours(staff["staff_id"], week, minute) for week in weeks]
        if not found[0][1]:
            return unknown("no_pattern")
        if any(hours != "paid" for hours, _ in found):
            return None
        group = staff["bell_group"]
        at = self.slot_at(group, minute)
        maybe = (at and at["kind"] in BREAKS) or self.foreign_break(group, minute) or not self.slots(group)
        return ("inset", "unknown", "inset_break") if maybe else no("inset")

    def person(self, staff: Row, margin: int) -> list[Answer]:
        """All 1440 minutes."""
        blocks = [self.raw(staff, minute) for minute in range(0, 1440, GRID)]
        day = [blocks[minute // GRID] for minute in range(1440)]
        return [blurred(day, minute, margin) for minute in range(1440)]


def given_again(row: Row, given: list[Row], answer: Answer) -> Answer | None:
    """A duty that was taken over, with the person's own duty_swap_from of the minute."""
    mine = row["entered_at"]
    if any(mine and other["entered_at"] and other["entered_at"] > mine for other in given):
        return None
    if any(not mine or not other["entered_at"] or other["entered_at"] == mine for other in given):
        return CONFLICT
    return answer


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
    maybe = [a == "yes" or (a == "unknown" and r not in ("away", "not_in_post")) for _, a, r in near]
    if (allowed == "yes" and any(a == "no" for _, a, _ in near)) or (allowed == "no" and any(maybe)):
        return state, "unknown", "boundary"
    return day[minute]
