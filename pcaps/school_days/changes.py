"""What is different on the day itself: absence and cover, trips, exams, meetings, swapped duties, events for everybody.

Gives rows of exceptions.csv, and rows that happened but were never written down: one half of a swap.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from pcaps.sample_school.rota import clock_of
from pcaps.school_days.bells import Slot

Rows = list[tuple[str, ...]]


class Day(NamedTuple):
    """A date at a school: its slots, who teaches until the end of it, and the rows of the rota that hold on it."""

    date: date
    event: str
    exams: bool
    slots: list[Slot]
    teachers: list[str]
    office: list[str]
    group: dict[str, str]
    booked: set[tuple[str, str]]  # person and slot of lessons and meetings
    duties: list[tuple[str, str]]  # person and slot, of breaks and lunches

    @property
    def end(self) -> int:
        return max(slot.end for slot in self.slots)


def changes(day: Day, rng: Random) -> tuple[Rows, Rows]:
    """Rows of exceptions that the school has, and those that nobody wrote down."""
    found, hidden = Rows(), Rows()
    yesterday, morning = f"{day.date - timedelta(days=1)}T15:40:00", f"{day.date}T07:40:00"
    evening = f"{day.date}T17:20:00"
    here, booked, taken = list(day.teachers), set(day.booked), set[str]()
    rng.shuffle(here)

    def add(who: str, start: str, end: str, kind: str, entered: str = yesterday, written: bool = True) -> None:
        (found if written else hidden).append((day.date.isoformat(), who, start, end, kind, "", entered))

    def somebody(slot: str) -> str | None:
        for who in here:
            own = {s.name for s in day.slots if s.kind == "lesson" and s.group in {"*", day.group[who]}}
            if who not in taken and (who, slot) not in booked and slot in own:
                return who
        return None

    for who in [here.pop() for _ in range(rng.randint(2, 5))]:
        add(who, "", "", rng.choice(("absent", "absent", "leave")), morning)
        for slot in sorted(s for w, s in booked if w == who and s.startswith("P")):
            if cover := somebody(slot):
                booked.add((cover, slot))
                add(cover, slot, "", "cover", morning)
    for who in here[: rng.randint(1, 3)]:
        taken.add(who)
        add(who, "09:15", "14:45", "trip")
    for slot in ("P1", "P2", "P3") * 3 if day.exams else ():
        if invigilator := somebody(slot):
            taken.add(invigilator)
            add(invigilator, slot, "", "exam")
    _swaps(day, rng, here, taken, (yesterday, morning, evening), add)
    for who in rng.sample(here, min(8, len(here))):
        if who not in taken and rng.random() < 0.6:
            add(who, clock_of(day.end + 10), clock_of(day.end + 60), "meeting")
    for who in rng.sample(day.office, min(2, len(day.office))):
        add(who, "", "", "home_working")
    if day.event == "twilight":
        add("*", clock_of(day.end + 15), clock_of(day.end + 75), "inset")
    elif day.event == "inset_afternoon":
        add("*", clock_of(max(s.end for s in day.slots if s.kind == "lunch")), clock_of(day.end), "inset")
    elif day.event == "closed_at_noon":
        add("*", "13:00", "23:59", "closed", f"{day.date}T12:20:00")
    return sorted(found), hidden


def _swaps(day: Day, rng: Random, here: list[str], taken: set[str], entered: tuple[str, ...], add) -> None:  # type: ignore[no-untyped-def]
    """Duties that change hands: written down before or afterwards, both halves, or one and never the other."""
    for who, slot in rng.sample(day.duties, min(4, len(day.duties))):
        others = [t for t in here if (t, slot) not in day.duties and t not in taken and day.group[t] == day.group[who]]
        if who in taken or who not in here or not others:
            continue
        other, when, written = rng.choice(others), rng.choice(entered), rng.choice(("both", "both", "to", "from"))
        taken |= {who, other}
        add(who, slot, "", "duty_swap_from", when, written != "to")
        add(other, slot, "", "duty_swap_to", when, written != "from")
