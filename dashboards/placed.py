"""What the timetable makes of a day, for all staff together: states by bell period, and how fresh that is.

The same day plan as judging uses (pipeline.place). What is told are shares of the staff's time in a period, to the
nearest five per cent, as minutes over the length of a period would count people; and nothing of fewer than twenty
people, of whom a share would do the same. States of fewer than ten people are never told apart: they are put together
with the next smallest until ten are, because one teacher's absence is nobody's business on a page. Pure; it knows no
HTML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType

import numpy as np

from dashboards.figures import SMALLEST_GROUP
from pipeline.place import Codes, DayPlan, bands, clock_text, place_day
from pipeline.school import LACKING, School
from pipeline.sheet import Mask
from pipeline.tables import zone_of
from pipeline.words import Allowed, State

OTHER = "other"
FEWEST = 20
"""Staff of whom shares may be told."""
GROUPS: Mapping[State, str] = MappingProxyType(
    {
        **dict.fromkeys((State.TEACHING, State.REGISTRATION, State.EXAM), "lessons"),
        **dict.fromkeys((State.COVER, State.DUTY, State.MEETING, State.INSET), "duties"),
        State.NON_CONTACT: "non_contact",
        **dict.fromkeys((State.BREAK, State.LUNCH), "free"),
        **dict.fromkeys((State.OUTSIDE_HOURS, State.NON_WORKING_DAY, State.NOT_IN_POST), "not_at_work"),
        **dict.fromkeys((State.ABSENT, State.TRIP, State.HOME_WORKING), "away"),
        State.UNKNOWN: "unknown",
    }
)
"""States as the page tells them; kinds of absence are one."""
LABELS: Mapping[str, str] = MappingProxyType(
    {
        "lessons": "Lessons, registration, exams",
        "duties": "Duty, cover, meetings",
        "non_contact": "Non-contact time",
        "free": "Break and lunch",
        "not_at_work": "Not at work",
        "away": "Absent, on a trip or at home",
        "unknown": "Unknown",
        OTHER: "Other, too few people to tell apart",
    }
)


@dataclass(frozen=True, slots=True)
class PlacedPeriod:
    """One bell period (local times). `shares`: of the staff's time, by group of states; empty where the school is too
    small. `allowed`: those in which clause 6.13 allows use: yes, no, unknown."""

    slot: str
    kind: str
    start: str
    end: str
    shares: Mapping[str, float]
    allowed: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new something is that a day rests on. `found`: what there is, with {values} to be filled in."""

    what: str
    found: str
    values: Mapping[str, object]
    good: bool
    mend: str


@dataclass(frozen=True, slots=True)
class PlacedDay:
    """Everything the Timetable page says of a day."""

    day: date
    week: str
    kind: str
    periods: tuple[PlacedPeriod, ...]
    groups: tuple[str, ...]
    fresh: tuple[Freshness, ...]


def placed_day(school: School, day: date) -> PlacedDay:
    """A day of a school as its files have it now."""
    plan = place_day(school, day)
    periods = tuple(_period(plan, *band) for band in bands(school, day))
    used = {group for period in periods for group in period.shares}
    groups = tuple(group for group in LABELS if group in used)
    return PlacedDay(day, plan.week, str(plan.kind), periods, groups, freshness(school, day))


def _period(plan: DayPlan, slot: str, kind: str, start: int, end: int) -> PlacedPeriod:
    states, answers = plan.state[:, start:end], plan.allowed[:, start:end]
    told, whole = _told(states), max(states.size, 1)
    shares = {group: _rounded(minutes / whole) for group, minutes in told.items()} if len(states) >= FEWEST else {}
    return PlacedPeriod(slot, kind, clock_text(start), clock_text(end), shares, _allowed(answers))


def _rounded(share: float) -> float:
    return round(20 * share) / 20


def _told(states: Codes) -> dict[str, int]:
    """Staff-minutes by group of states, none of which fewer than ten people have; empty if that cannot be."""
    people: dict[str, Mask] = {}
    minutes: dict[str, int] = {}
    for state in State:
        here = states == state.code
        if here.any():
            group = GROUPS[state]
            people[group] = people[group] | here.any(axis=1) if group in people else here.any(axis=1)
            minutes[group] = minutes.get(group, 0) + int(here.sum())
    few = [group for group in people if people[group].sum() < SMALLEST_GROUP]
    rest = sorted((group for group in people if group not in few), key=lambda group: int(people[group].sum()))
    if not few:
        return minutes
    together = np.logical_or.reduce([people[group] for group in few])
    while together.sum() < SMALLEST_GROUP and rest:
        together = together | people[rest[0]]
        few.append(rest.pop(0))
    if together.sum() < SMALLEST_GROUP:
        return {}
    return {**{group: minutes[group] for group in minutes if group in rest}, OTHER: sum(minutes[g] for g in few)}


def _allowed(answers: Codes) -> dict[str, float]:
    if len(answers) < FEWEST or not answers.size:
        return {}
    return {answer.value: _rounded(float((answers == answer.code).mean())) for answer in Allowed}


def freshness(school: School, day: date) -> tuple[Freshness, ...]:
    """What the day rests on, and how new it is."""
    covering = sum(duty.valid_from <= day <= duty.valid_to for duty in school.duties)
    entered = [row.entered for row in school.exceptions if row.entered is not None]
    newest = datetime.fromtimestamp(max(entered), UTC).astimezone(zone_of(school.settings.zone)) if entered else None
    rows = sum(row.date_from <= day <= row.date_to for row in school.calendar)
    booked = {"count": len(school.exceptions_on.get(day, ()))}
    hold = "{count} rows hold on this day"
    found = [
        Freshness(
            "Duty rota", hold, {"count": covering}, covering > 0,
            "Import the duty rota of this date; until then break and lunch are unknown.",
        ),
        Freshness(
            "Cover, swaps and absences",
            "{count} on this day; the newest was entered on {when}" if newest else "{count} on this day",
            {**booked, "when": f"{newest:%Y-%m-%d, %H:%M}"} if newest else booked,
            "exceptions.csv" not in school.missing,
            "Import the cover sheet; its header alone says that there are none.",
        ),
        Freshness("Calendar", hold, {"count": rows}, rows > 0, "Import the term or holiday of this date."),
    ]  # fmt: skip
    found += [
        Freshness(name, "there is no such file: {lacking}", {"lacking": LACKING[name]}, False, "Import it.")
        for name in school.missing
        if name not in ("exceptions.csv", "duties.csv", "calendar.csv")
    ]
    return tuple(found)
