"""Places minutes in the school's day: person and minute -> state, allowed by clause 6.13, reason.

`Planner` computes a date once: 1440 columns, the local wall-clock minutes, for every member of staff; `Places` looks
whole columns of (person, UTC minute) up in it. On top of pipeline.precedence and pipeline.dated it lays the boundary
margin (domain.md 2.7): real bells and clocks drift, so a minute that is forbidden or allowed is unknown if the opposite
holds, or may hold for want of data, less than the margin away. Minutes of absence are no such opposite. The margin does
not reach over midnight. Without a list of exceptions nothing that is scheduled is known to have happened: what would be
forbidden is unknown. On the day the clock goes back, both passes of an hour have the same answers.

A person's day without dated exceptions depends on few things: the sort of day, its weekday, letter and bells, and which
of the person's rows are valid. A year has few such days, so each is painted once and kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.bells import Times
from pipeline.calendar import LocalClock, SchoolDay, Slot, bell_slots, school_day
from pipeline.cells import ALLOWED_OF, BOUNDARY, IS_NO, REASON_OF, STATE_OF, UNRECORDED, Cells, words_of
from pipeline.dated import person_day
from pipeline.precedence import Rota
from pipeline.rows import ALL, ANY
from pipeline.school import School
from pipeline.sheet import Mask
from pipeline.swaps import taken_from_nobody
from pipeline.tables import DAY_MIN
from pipeline.words import Allowed, Reason, State

Codes = npt.NDArray[np.int8]
_SURE = (Reason.AWAY, Reason.NOT_IN_POST, Reason.RELEASED)  # unknown, but not because anything is missing
_KEPT_DAYS = 1 << 14  # days of one person, 1440 bytes each


@dataclass(frozen=True, eq=False)
class DayPlan:
    """A date for all staff. Columns are local wall-clock minutes.

    week: A, B or empty; kind: word of pipeline.calendar.DayKind. state, allowed, reason: int8[n_staff, 1440], codes of
    pipeline.words. slot: int16[n_groups, 1440], position in `slots` or -1. group: int16[n_staff + 1], bell group of
    each person: a row of `slot` and a position in `groups`; the last one, at -1, is nobody's: the largest group."""

    day: date
    week: str
    kind: str
    state: Codes
    allowed: Codes
    reason: Codes
    slots: tuple[Slot, ...]
    slot: npt.NDArray[np.int16]
    groups: tuple[str, ...]
    group: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Placed minutes: day int32[n] (date ordinal), minute int16[n] (local), codes int8[n] of pipeline.words."""

    day: npt.NDArray[np.int32]
    minute: npt.NDArray[np.int16]
    state: Codes
    allowed: Codes
    reason: Codes


class Places:
    """The day plans of a school, computed when first asked for and kept (`keep` of them at most)."""

    def __init__(self, school: School, keep: int = 32) -> None:
        self.school = school
        self.clock = LocalClock(school.settings.zone)
        self._planner = Planner(school)
        self._keep = keep
        self._plans: dict[int, DayPlan] = {}

    def plan(self, day: int) -> DayPlan:
        """The plan of a date ordinal."""
        if day not in self._plans:
            while len(self._plans) >= self._keep:
                del self._plans[next(iter(self._plans))]
            self._plans[day] = self._planner.plan(date.fromordinal(day))
        return self._plans[day]

    def look_up(self, person: npt.NDArray[np.int32], minutes: npt.NDArray[np.uint32]) -> Placed:
        """Persons int32[n] (-1 nobody) and UTC minutes uint32[n] -> where these minutes lie in each person's day.
        Nobody's minutes are unknown for the reason no_person."""
        day, minute = self.clock.split(minutes)
        nobody = person < 0
        blank = (State.UNKNOWN.code, Allowed.UNKNOWN.code, Reason.NO_PERSON.code)
        columns = [np.full(len(day), code, np.int8) for code in blank]
        if not nobody.all():
            days = _distinct(day)
            for ordinal in days:
                plan = self.plan(ordinal)
                rows: Mask | slice = slice(None) if len(days) == 1 else day == ordinal
                at = np.where(nobody[rows], 0, person[rows]).astype(np.int64) * DAY_MIN + minute[rows]
                for column, table in zip(columns, (plan.state, plan.allowed, plan.reason), strict=True):
                    column[rows] = table.ravel().take(at)
            for column, code in zip(columns, blank, strict=True):
                column[nobody] = code
        return Placed(day, minute, *columns)


class Planner:
    """Computes dates of a school for all staff; never fails, what is missing is unknown."""

    def __init__(self, school: School) -> None:
        self.school = school
        self._recorded = "exceptions.csv" not in school.missing
        self._changes = [_changes(school, person) for person in range(len(school.staff))]
        self._days: dict[Hashable, Cells] = {}
        self._rung: dict[Hashable, dict[str, Times]] = {}
        self._group_names = [*(person.bell_group for person in school.staff), _main_group(school)]

    def plan(self, day: date) -> DayPlan:
        """A date for all staff."""
        on = school_day(self.school, day)
        bells = (on.kind.free, on.schedule, day.isoweekday())
        rota = Rota(self.school, on, rung=self._rung.setdefault(bells, {}))
        cells = self._cells(rota)
        groups = rota.groups or ("",)
        slots = tuple(dict.fromkeys(slot for group in rota.groups for slot in rota.times[group].slots))
        number = {slot: position for position, slot in enumerate(slots)}
        slot = np.full((len(groups), DAY_MIN), -1, np.int16)
        for row, group in enumerate(rota.groups):
            own = np.array([number[s] for s in rota.times[group].slots] + [-1], np.int16)
            slot[row] = own[rota.times[group].index]
        group_of = np.array([groups.index(name) for name in self._group_names], np.int16)
        state, allowed, reason = (words_of(cells, table) for table in (STATE_OF, ALLOWED_OF, REASON_OF))
        return DayPlan(day, on.week, on.kind, state, allowed, reason, slots, slot, groups, group_of)

    def _cells(self, rota: Rota) -> Cells:
        """All staff's cells of a date, with what the margin and a missing list of exceptions add."""
        taken = taken_from_nobody(rota)
        cells = np.zeros((len(self.school.staff), DAY_MIN), np.uint8)
        todo = []
        sort = _sort_of_day(rota)
        dated = {row.person for row in self.school.exceptions_on.get(rota.on.day, ())}
        swapped = bool(taken)
        for person, changes in enumerate(self._changes):
            plain = not (dated & {person, ALL}) and not (swapped and person in self.school.duties_of)
            key = (person, bisect_right(changes, rota.on.day.toordinal()), sort)
            if plain and key in self._days:
                cells[person] = self._days[key]
            else:
                cells[person] = person_day(rota, person, taken).cells
                todo.append((person, key if plain else None))
        rows = [person for person, _ in todo]
        cells[rows] = answered(cells[rows], self.school.settings.boundary_margin_min, self._recorded)
        if len(self._days) > _KEPT_DAYS:
            self._days.clear()
        self._days |= {key: cells[person].copy() for person, key in todo if key}
        return cells


def place_day(school: School, day: date) -> DayPlan:
    """Computes one date for all staff."""
    return Planner(school).plan(day)


def answered(cells: Cells, margin: int, recorded: bool) -> Cells:
    """Cells uint8[n, 1440] with BOUNDARY and UNRECORDED added. recorded: there is a list of exceptions."""
    found = cells.copy()
    if not recorded:
        found[IS_NO[cells]] += UNRECORDED
    allowed, reason = words_of(found, ALLOWED_OF), words_of(found, REASON_OF)
    found[near_a_change(allowed, reason, margin)] += BOUNDARY
    return found


def _changes(school: School, person: int) -> list[int]:
    """The dates (ordinals) from which other rows of a person are valid than before."""
    staff = school.staff[person]
    spans = [(staff.contract_start, staff.contract_end)]
    for rows in (school.patterns_of, school.lessons_of, school.duties_of):
        spans += [(row.valid_from, row.valid_to) for row in rows.get(person, ())]
    return sorted({start.toordinal() for start, _ in spans} | {end.toordinal() + 1 for _, end in spans})


def _sort_of_day(rota: Rota) -> Hashable:
    """Dates with the same are alike for everybody whose valid rows are the same."""
    on: SchoolDay = rota.on
    calendar = (on.kind, on.covered, on.weeks, on.clash, on.schedule, on.hours, on.twilight)
    return (on.day.isoweekday(), *calendar, rota.fresh)


def state_rows(plan: DayPlan, staff_index: int) -> list[dict[str, str]]:
    """A person's day as rows of `from`, `to` (HH:MM, local), `state`, `allowed`, `reason`, without gaps."""
    triple = np.stack([plan.state[staff_index], plan.allowed[staff_index], plan.reason[staff_index]])
    cuts = [0, *(np.flatnonzero((triple[:, 1:] != triple[:, :-1]).any(axis=0)) + 1).tolist(), DAY_MIN]
    states, answers, reasons = list(State), list(Allowed), list(Reason)
    return [
        {
            "from": clock_text(start),
            "to": clock_text(end),
            "state": states[triple[0, start]].value,
            "allowed": answers[triple[1, start]].value,
            "reason": reasons[triple[2, start]].value,
        }
        for start, end in pairwise(cuts)
    ]


def bands(school: School, day: date) -> list[tuple[str, str, int, int]]:
    """The bell slots of the group that most staff belong to: (slot, kind, start, end) in local minutes, by start."""
    slots = bell_slots(school, school_day(school, day), _main_group(school))
    return [(slot.name, slot.kind, slot.start, slot.end) for slot in slots]


def clock_text(minute: int) -> str:
    """A minute of the day as HH:MM; the end of the day is 24:00."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _main_group(school: School) -> str:
    counts = Counter(person.bell_group for person in school.staff)
    return min(counts, key=lambda group: (group in ("", ANY), -counts[group], group)) if counts else ""


def near_a_change(allowed: Codes, reason: Codes, margin: int) -> Mask:
    """Minutes that lie within the margin of their opposite, bool[n, 1440]."""
    no, yes = allowed == Allowed.NO.code, allowed == Allowed.YES.code
    maybe = yes | ((allowed == Allowed.UNKNOWN.code) & ~np.isin(reason, [sure.code for sure in _SURE]))
    near: Mask = (no & within(maybe, margin)) | (yes & within(no, margin))
    return near


def within(mask: Mask, margin: int) -> Mask:
    """Minutes at most `margin` away from one that is set; margin 0 sets nothing else."""
    count = np.zeros((len(mask), DAY_MIN + 1), np.int32)
    np.cumsum(mask, axis=1, out=count[:, 1:])
    at = np.arange(DAY_MIN)
    high, low = np.minimum(at + margin + 1, DAY_MIN), np.maximum(at - margin, 0)
    near: Mask = count[:, high] > count[:, low]
    return near


def _distinct(day: npt.NDArray[np.int32]) -> list[int]:
    if not len(day):
        return []
    low, high = int(day.min()), int(day.max())
    if high - low > 1 << 16:
        return [int(d) for d in np.unique(day)]
    return (np.flatnonzero(np.bincount(day - low)) + low).tolist()
