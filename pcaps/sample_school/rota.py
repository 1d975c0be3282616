"""The school's day as its tables say it, read with plain code: the truth's own view of who should be where.

This repeats, simply and separately, what the product's `place` decides; the two are compared in tests. It covers what
the sample school uses and no more. Where the product may fairly answer otherwise (leadership outside booked time), the
script stays away.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import date
from pathlib import Path

YES, NO, UNKNOWN = "yes", "no", "unknown"
ALLOWED = {
    "non_working_day": YES, "outside_hours": YES, "break": YES, "lunch": YES, "teaching": NO, "registration": NO,
    "cover": NO, "duty": NO, "meeting": NO, "exam": NO, "non_contact": NO,
}  # fmt: skip
CLEAR = 6  # minutes kept between a scripted use and any change: the school's margin of 5, and one more
Row = dict[str, str]


def minute_of(clock: str) -> int:
    """Minute of the day of "HH:MM"."""
    return int(clock[:2]) * 60 + int(clock[3:5])


def clock_of(minute: int) -> str:
    """The inverse of `minute_of`."""
    return f"{minute // 60:02}:{minute % 60:02}"


@dataclass(frozen=True)
class Stretch:
    """A run of minutes [start, end) of one state; `label` says what it is in the tables, such as a slot or a kind."""

    start: int
    end: int
    state: str
    allowed: str
    label: str

    @property
    def clear(self) -> tuple[int, int]:
        """The part that is far from any change."""
        return self.start + (CLEAR if self.start else 0), self.end - (CLEAR if self.end < 1440 else 0)


class Rota:
    """The tables of one folder for one day. Raises ValueError for a day on which the school is not taught."""

    def __init__(self, folder: Path, day: date) -> None:
        self.day = day
        self.weekday = str(day.isoweekday())
        self.tables = {path.stem: _read(path) for path in sorted(folder.glob("*.csv"))}
        covering = [r for r in self.tables["calendar"] if r["date_from"] <= day.isoformat() <= r["date_to"]]
        kinds = {r["kind"] for r in covering}
        weeks = kinds & {"week_a", "week_b"}
        if "term" not in kinds or kinds & {"holiday", "inset", "closure", "bank_holiday"} or not weeks:
            raise ValueError(f"{day} is no taught day of this school; choose one in calendar.csv such as 2026-11-17")
        self.week = weeks.pop()[-1].upper()
        self.schedule = next((r["value"] for r in covering if r["kind"] == "bell_override"), "normal")
        self.staff = {r["staff_id"]: r for r in self.tables["staff"]}
        if not self.slots("*"):
            raise ValueError(f"{day} has no bells; choose a day from Monday to Friday")

    def slots(self, group: str) -> dict[str, tuple[int, int, str]]:
        """Slots of a bell group today: name to (start, end, kind)."""
        return {
            r["slot"]: (minute_of(r["start"]), minute_of(r["end"]), r["kind"])
            for r in self.tables["bells"]
            if r["schedule"] == self.schedule and r["weekday"] == self.weekday and r["group"] in {"*", group}
        }

    def _today(self, table: str, who: str) -> list[Row]:
        return [
            r
            for r in self.tables[table]
            if r["staff_id"] == who
            and r["week"] in {"*", self.week}
            and r["weekday"] == self.weekday
            and r["valid_from"] <= self.day.isoformat() <= (r["valid_to"] or "9999")
        ]

    def stretches(self, who: str) -> list[Stretch]:
        """A person's whole day without gaps."""
        group = self.staff[who]["bell_group"]
        slots = self.slots(group)
        states: list[tuple[str, str]] = [("unknown", "no pattern")] * 1440

        def paint(start: int, end: int, state: str, label: str) -> None:
            states[start:end] = [(state, label)] * (end - start)

        def span(row: Row, key: str) -> tuple[int, int]:
            begin, end = row[key], row["end"]
            if not begin:
                return 0, 1440
            if begin in slots:
                return slots[begin][:2]
            return minute_of(begin), minute_of(end)

        has_pattern = any(r["staff_id"] == who for r in self.tables["patterns"])
        leads = self.staff[who]["role"] == "leadership"
        hours = self._today("patterns", who)
        if has_pattern:
            paint(0, 1440, "outside_hours" if hours else "non_working_day", "pattern")
        for row in hours:
            paint(minute_of(row["start"]), minute_of(row["end"]), "non_contact", "pattern")
        if hours or leads:
            for name, (start, end, kind) in slots.items():
                if kind in {"break", "lunch"} and (leads or any(s[0] == "non_contact" for s in states[start:end])):
                    paint(start, end, kind, name)
        for row in hours:
            if row["unpaid_break_start"]:
                paint(minute_of(row["unpaid_break_start"]), minute_of(row["unpaid_break_end"]), "lunch", "unpaid break")
        if hours or leads:
            for row in self._today("timetable", who):
                if row["activity"] in {"lesson", "meeting"}:
                    start, end, kind = slots[row["slot"]]
                    lesson = "registration" if kind == "registration" else "teaching"
                    paint(start, end, lesson if row["activity"] == "lesson" else "meeting", row["slot"])
            dated = [r for r in self.tables["exceptions"] if r["staff_id"] == who and r["date"] == self.day.isoformat()]
            swapped = {r["start_or_slot"] for r in dated if r["kind"] == "duty_swap_from"}
            for row in self._today("duties", who):
                if row["slot_or_start"] not in swapped:
                    paint(*span(row, "slot_or_start"), "duty", row["kind"])
            for row in sorted(dated, key=lambda r: r["kind"] in {"absent", "leave", "trip"}):
                if row["kind"] != "duty_swap_from":
                    state = {"duty_swap_to": "duty", "leave": "absent"}.get(row["kind"], row["kind"])
                    paint(*span(row, "start_or_slot"), state, row["kind"])
        return _runs(states)

    def administers(self, who: str, service: str) -> bool:
        """Is this person an administrator or moderator of a live official site on the service?"""
        return any(
            r["service"] == service
            and who in (r["administrators"] + ";" + r["moderators"]).split(";")
            and "" != r["go_live"] <= self.day.isoformat() <= (r["closure"] or "9999")
            for r in self.tables["official_sites"]
        )


def _runs(states: list[tuple[str, str]]) -> list[Stretch]:
    runs: list[Stretch] = []
    start = 0
    for minute in range(1, 1441):
        if minute == 1440 or states[minute] != states[start]:
            state, label = states[start]
            runs.append(Stretch(start, minute, state, ALLOWED.get(state, UNKNOWN), label))
            start = minute
    return runs


def _read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
