"""The bells of a made-up school: periods, break, one lunch or two by key stage, short Fridays, exam season."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Slot:
    """A bell slot: [start, end) in minutes, of one bell group or of all ("*")."""

    name: str
    kind: str
    group: str
    start: int
    end: int


def bells(rng: Random, split: bool, short_friday: bool) -> dict[int, list[Slot]]:
    """The slots of Monday to Friday."""
    count, length = rng.choice(((5, 60), (6, 50), (4, 75), (5, 58)))
    begins, form = rng.choice((8 * 60 + 30, 8 * 60 + 40, 8 * 60 + 45)), rng.choice((15, 20, 25))
    pause, lunch = rng.choice((15, 20)), rng.choice((40, 45, 50, 60))
    week = {}
    for weekday in range(1, 6):
        periods, each = (count - 1, length - 5) if weekday == 5 and short_friday else (count, length)
        slots = [
            Slot("GATE", "before", "*", begins - 15, begins),
            Slot("REG", "registration", "*", begins, begins + form),
        ]
        before_break, before_lunch = (1, 2) if periods < 5 else (2, 3 if periods < 6 else 4)
        at = begins + form
        for number in range(1, periods + 1):
            name = f"P{number}"
            if number == before_lunch + 1 and split:
                slots.append(Slot("LUN", "lunch", "KS3", at, at + lunch))
                slots.append(Slot(name, "lesson", "KS3", at + lunch, at + lunch + each))
                slots.append(Slot(name, "lesson", "KS4", at, at + each))
                slots.append(Slot("LUN", "lunch", "KS4", at + each, at + each + lunch))
                at += each + lunch
                continue
            if number == before_lunch + 1:
                slots.append(Slot("LUN", "lunch", "*", at, at + lunch))
                at += lunch
            slots.append(Slot(name, "lesson", "*", at, at + each))
            at += each
            if number == before_break:
                slots.append(Slot("BRK", "break", "*", at, at + pause))
                at += pause
        slots.append(Slot("BUS", "after", "*", at, at + 15))
        week[weekday] = slots
    return week


def exam_bells(week: dict[int, list[Slot]]) -> dict[int, list[Slot]]:
    """In the exam season everything after the first lesson is ten minutes later, and that lesson so much longer."""
    moved = {}
    for weekday, slots in week.items():
        cut = next(s.end for s in slots if s.name == "P1")
        moved[weekday] = [
            Slot(s.name, s.kind, s.group, s.start + 10 * (s.start >= cut), s.end + 10 * (s.end >= cut)) for s in slots
        ]
    return moved
