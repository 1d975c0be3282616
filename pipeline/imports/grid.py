"""Bells from the times of lessons: what lies between two lessons is a break, or lunch if it is long and around noon.

Timetable programs know when lessons are, not what the time between them is. The guess is shown with every import, and
bells.csv says better: where it exists, nothing here is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from pipeline.imports.tables import Line
from pipeline.place import clock_text

_SHORTEST = 5  # minutes between lessons that are a break, not the way to the next room
_LUNCH = 30  # minutes from which a break that touches _NOON is lunch
_NOON = (11 * 60 + 30, 14 * 60)


class Period(NamedTuple):
    """A lesson's time on one weekday (0: Monday to Friday)."""

    weekday: int
    name: str
    start: int
    end: int
    at: Line


def bells_of(periods: Iterable[Period]) -> tuple[list[Line], list[str]]:
    """Rows of bells.csv, and what was guessed. Periods that overlap are refused at their line."""
    days: dict[int, list[Period]] = {}
    for period in periods:
        days.setdefault(period.weekday, []).append(period)
    rows: list[Line] = []
    guessed: dict[str, None] = {}
    for weekday, listed in sorted(days.items()):
        day = sorted(listed, key=lambda p: (p.start, p.end))
        for one, other in pairwise(day):
            if other.start < one.end:
                what = f"{other.name} at {clock_text(other.start)} begins before {one.name} ends"
                raise other.at.fail(what, "correct the times, or give bells.csv")
        rows += [_bell(p.weekday, p.name, "lesson", p.start, p.end, p.at) for p in day]
        for one, other in _gaps(day):
            lunch = other.start - one.end >= _LUNCH and one.end < _NOON[1] and other.start > _NOON[0]
            name = f"{'LUN' if lunch else 'BRK'}-{other.name}"
            rows.append(_bell(weekday, name, "lunch" if lunch else "break", one.end, other.start, other.at))
            guessed[f"{clock_text(one.end)}-{clock_text(other.start)} {'lunch' if lunch else 'break'}"] = None
    note = [f"bells made from the lesson times; between lessons: {', '.join(guessed)}"] if guessed else []
    return rows, note


def _gaps(day: Sequence[Period]) -> list[tuple[Period, Period]]:
    return [(one, other) for one, other in pairwise(day) if other.start - one.end >= _SHORTEST]


def _bell(weekday: int, slot: str, kind: str, start: int, end: int, at: Line) -> Line:
    cells = {
        "schedule": "normal",
        "weekday": str(weekday or "*"),
        "slot": slot,
        "kind": kind,
        "start": clock_text(start),
        "end": clock_text(end),
        "group": "*",
    }
    return Line(cells, at.file, at.line)
