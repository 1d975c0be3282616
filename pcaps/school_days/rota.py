"""The day of a generated school as people lived it: the truth's own view of who was scheduled for what.

Painted in plain order from the tables and from the `hidden` changes that no table holds, apart from the product's code
(domain facts 2.7). What the policy leaves open is unknown: leadership outside booked time, people without a pattern,
absence, trips, home working.
"""

from __future__ import annotations

from pcaps.sample_school.rota import ALLOWED, UNKNOWN, minute_of
from pcaps.school_days.tables import School, header

FREE, WORK = "yes", "no"
STATES = {**ALLOWED, "inset": "no"}
Row = dict[str, str]


class Rota:
    """Everybody's minutes on the school's date."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.weekday = str(school.day.isoweekday())
        self.staff = {row[0]: dict(zip(header("staff"), row, strict=True)) for row in school.tables["staff"]}
        self.dated = self._rows("exceptions") + [
            dict(zip(header("exceptions"), row, strict=True)) for row in school.hidden
        ]
        day = school.day.isoformat()
        week = {r["kind"][-1].upper() for r in self._rows("calendar") if r["kind"][:4] == "week" and
                r["date_from"] <= day <= r["date_to"]}  # fmt: skip
        self.letters = week | {"*"}

    def _rows(self, table: str) -> list[Row]:
        return [dict(zip(header(table), row, strict=True)) for row in self.school.tables[table]]

    def _span(self, who: str, start: str, end: str) -> tuple[int, int]:
        if not start:
            return 0, 1440
        if start[0].isdigit():
            return minute_of(start), minute_of(end)
        group = self.staff[who]["bell_group"]
        slots = [s for s in self.school.slots[int(self.weekday)] if s.name == start]
        own = [s for s in slots if s.group in {group, "*"}] or slots
        return own[0].start, own[0].end

    def states(self, who: str) -> list[str]:
        """The state of each of the 1440 minutes."""
        leads, day = who[0] == "L", ["unknown"] * 1440
        group = self.staff[who]["bell_group"]

        def paint(start: int, end: int, state: str) -> None:
            day[start:end] = [state] * (end - start)

        def today(table: str) -> list[Row]:
            return [
                r
                for r in self._rows(table)
                if r["staff_id"] == who and r["weekday"] == self.weekday and r["week"] in self.letters
            ]

        patterns = [r for r in self._rows("patterns") if r["staff_id"] == who]
        hours = [r for r in patterns if r["weekday"] == self.weekday]
        if patterns:
            paint(0, 1440, "outside_hours" if hours else "non_working_day")
        for r in hours:
            paint(minute_of(r["start"]), minute_of(r["end"]), "non_contact")
        if hours or leads:
            for slot in self.school.slots[int(self.weekday)]:
                if slot.kind in {"break", "lunch"} and slot.group in {group, "*"}:
                    for minute in range(slot.start, slot.end):
                        if leads or day[minute] == "non_contact":
                            day[minute] = slot.kind
            for r in hours:
                if r["unpaid_break_start"]:
                    paint(minute_of(r["unpaid_break_start"]), minute_of(r["unpaid_break_end"]), "lunch")
            for r in today("timetable"):
                if r["activity"] in {"lesson", "meeting"}:
                    state = "teaching" if r["slot"] != "REG" else "registration"
                    paint(*self._span(who, r["slot"], ""), state if r["activity"] == "lesson" else "meeting")
            given = {r["start_or_slot"] for r in self.dated if r["staff_id"] == who and r["kind"] == "duty_swap_from"}
            for r in today("duties"):
                if r["kind"] != "cover_standby" and r["slot_or_start"] not in given:
                    paint(*self._span(who, r["slot_or_start"], r["end"]), "duty")
        order = (
            "duty_swap_to",
            "cover",
            "exam",
            "meeting",
            "inset",
            "trip",
            "home_working",
            "absent",
            "leave",
            "closed",
        )
        for kind in order:
            for r in self.dated:
                if r["kind"] == kind and (
                    r["staff_id"] == who or (r["staff_id"] == "*" and (hours or kind == "closed"))
                ):
                    state = {"duty_swap_to": "duty", "leave": "absent", "closed": "non_working_day"}.get(kind, kind)
                    paint(*self._span(who, r["start_or_slot"], r["end"]), state)
        return day

    def administers(self, who: str, service: str) -> bool:
        """Is this person an administrator or moderator of a live official site on the service?"""
        return any(
            r["service"] == service
            and who in (r["administrators"] + ";" + r["moderators"]).split(";")
            and r["go_live"] <= self.school.day.isoformat() <= r["closure"]
            for r in self._rows("official_sites")
        )


def allowed(states: list[str]) -> list[str]:
    """Clause 6.13 for each minute of a day of states."""
    return [STATES.get(state, UNKNOWN) for state in states]


def near_change(answers: list[str], margin: int) -> list[bool]:
    """Which minutes lie less than `margin` minutes from a change of what is allowed."""
    near = [False] * len(answers)
    for minute in range(1, len(answers)):
        if answers[minute] != answers[minute - 1]:
            near[max(0, minute - margin) : minute + margin] = [True] * (minute + margin - max(0, minute - margin))
    return near[: len(answers)]
