"""One person's day as 1440 cells: what the person is scheduled to do in each minute (precedence of domain.md 2.7).

First match, from the top: not in post; free day; dated: closed, away, work (pipeline.dated); INSET day; duty; lesson
and registration; recurring meeting; break and lunch; non-contact inside the pattern; outside hours; unknown. The code
paints from the bottom, so that what comes later wins.

What the files leave open is decided so:
- A pattern that is valid but has no row for the weekday is a day off. No valid pattern: unknown, except what is
  booked and weekends. Leadership: only what is booked counts as work, breaks are breaks, and the rest of a
  working day is unknown.
- A paid post covers another post's unpaid break. An unpaid break is break whatever the rota says of the date.
- A stand-by for cover is contracted time without a lesson, not a duty.
- Where the week letter is unknown both weeks are computed; what differs is unknown, unless neither allows anything.
- Somebody whose bell group has no lunch (or no break) on a date: minutes in which another group has one are unknown.
- A duty that somebody took over while nobody is recorded to have given one away makes that minute of the rota unknown
  for all others who have it: one of them is free.
- On INSET days nothing recurring happens; the bells' breaks are unknown, all of it is where no bells are known.

It does not know the boundary margin (pipeline.place) and never looks at the clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.calendar import DayKind, SchoolDay, Slot, bell_slots, bells_on, school_day
from pipeline.cells import (
    BREAK,
    BREAK_NO_ROTA,
    CONFLICT,
    DAY_OFF,
    DUTY,
    INSET,
    INSET_BREAK,
    IS_NO,
    LEADERSHIP,
    LUNCH,
    LUNCH_NO_ROTA,
    MEETING,
    NO_BELLS,
    NO_CALENDAR,
    NO_PATTERN,
    NON_CONTACT,
    NOT_IN_POST,
    OUTSIDE,
    REGISTRATION,
    TEACHING,
    UNCLEAR,
    Cells,
)
from pipeline.rows import ANY, Activity, DutyKind, SlotKind, Span, Staff, StaffRole, Week, When
from pipeline.school import School
from pipeline.tables import DAY_MIN

Mask = npt.NDArray[np.bool_]


def blank() -> Mask:
    """No minute of the day."""
    return np.zeros(DAY_MIN, np.bool_)


def minutes_of(span: Span | Slot | None) -> Mask:
    """The minutes of a span as bool[1440]."""
    mask = blank()
    if span is not None:
        mask[span.start : span.end] = True
    return mask


class Times:
    """The bells of one date for one bell group: where its slots, breaks and lunches lie."""

    def __init__(self, school: School, on: SchoolDay, group: str) -> None:
        self.slots = bell_slots(school, on, group)
        self.known = bool(self.slots)
        self.index = np.full(DAY_MIN, -1, np.int16)
        for position in sorted(range(len(self.slots)), key=lambda p: self.slots[p].group != ANY):
            slot = self.slots[position]
            self.index[slot.start : slot.end] = position
        rows = bells_on(school, on)
        self._abroad = {bell.slot: {(b.start, b.end) for b in rows if b.slot == bell.slot} for bell in rows}
        self._named = {slot.name: position for position, slot in enumerate(self.slots)}
        self.breaks = self._kind(SlotKind.BREAK)
        self.lunches = self._kind(SlotKind.LUNCH)
        self.unsure = blank()
        own = {slot.kind for slot in self.slots}
        for bell in rows:
            if bell.kind in (SlotKind.BREAK, SlotKind.LUNCH) and bell.kind.value not in own:
                self.unsure[bell.start : bell.end] = True

    def _kind(self, kind: SlotKind) -> Mask:
        return np.isin(self.index, [p for p, slot in enumerate(self.slots) if slot.kind == kind])

    def kind(self, slot: str) -> str:
        """The kind of a slot of this group; empty if it has none of that name."""
        return self.slots[self._named[slot]].kind if slot in self._named else ""

    def place(self, when: When) -> Mask | None:
        """The minutes of a time, a slot or the whole day; None where this date has no such slot. A slot that only other
        groups have is found if they agree on its times."""
        if when is None:
            return np.ones(DAY_MIN, np.bool_)
        if isinstance(when, Span):
            return minutes_of(when)
        if when in self._named:
            return np.equal(self.index, self._named[when])
        times = self._abroad.get(when, set())
        return minutes_of(Span(*next(iter(times)))) if len(times) == 1 else None


@dataclass(frozen=True)
class Rota:
    """What a date is for everybody: the calendar, whether the duty rota covers it, and the bells by group."""

    school: School
    on: SchoolDay

    @cached_property
    def fresh(self) -> bool:
        """Duty data is fresh on a date that rows of the rota cover."""
        return any(duty.valid_from <= self.on.day <= duty.valid_to for duty in self.school.duties)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return tuple(sorted({person.bell_group for person in self.school.staff}))

    @cached_property
    def times(self) -> dict[str, Times]:
        return {group: Times(self.school, self.on, group) for group in self.groups}


def rota_of(school: School, day: date) -> Rota:
    """The date as it is for everybody."""
    return Rota(school, school_day(school, day))


def undated(rota: Rota, person: int, released: Mask, taken: Mask, off: Mask) -> Cells:
    """A person's day without dated exceptions, uint8[1440] of positions in CELLS.

    released: minutes whose duties the person gave away. taken: minutes of a duty taken over from nobody knows whom.
    off: minutes whose lessons do not take place."""
    on, staff = rota.on, rota.school.staff[person]
    if not staff.contract_start <= on.day <= staff.contract_end:
        return _all(NOT_IN_POST)
    if on.kind.free or (on.kind is DayKind.WEEKEND and not on.covered):
        return _all(DAY_OFF)
    if on.kind is DayKind.UNKNOWN:
        return _all(NO_CALENDAR)
    first, *others = [_week(rota, person, staff, week, released, taken, off) for week in on.weeks]
    for other in others:
        differ, quiet = first != other, IS_NO[first] & IS_NO[other]
        first[differ & quiet & (other == NON_CONTACT)] = NON_CONTACT
        first[differ & ~quiet] = CONFLICT if on.clash else NO_CALENDAR
    return first


def _all(cell: int) -> Cells:
    return np.full(DAY_MIN, cell, np.uint8)


def _week(rota: Rota, person: int, staff: Staff, week: Week, released: Mask, taken: Mask, off: Mask) -> Cells:
    """The day if its week has this letter."""
    hours = _Hours(rota, person, staff, week)
    if rota.on.kind is DayKind.INSET:
        return _inset_day(rota, staff, hours)
    times = rota.times[staff.bell_group]
    cells = hours.base.copy()
    cells[hours.paid] = NON_CONTACT if times.known else NO_BELLS
    cells[hours.paid & times.unsure] = NO_BELLS
    if hours.leads:
        cells[hours.paid] = LEADERSHIP
    at_school = hours.paid | hours.unpaid | hours.open
    cells[at_school & times.breaks] = BREAK if rota.fresh else BREAK_NO_ROTA
    cells[at_school & times.lunches] = LUNCH if rota.fresh else LUNCH_NO_ROTA
    cells[hours.unpaid] = BREAK
    cells[hours.unpaid & times.lunches] = LUNCH
    duties = [
        (duty.kind, mask)
        for duty in rota.school.duties_of.get(person, ())
        if _holds(rota, duty.valid_from, duty.valid_to, duty.week, duty.weekday, week)
        and (mask := times.place(duty.when)) is not None
    ]
    for kind, mask in duties:
        if kind is DutyKind.COVER_STANDBY:
            cells[mask & ~released] = NON_CONTACT
    _lessons(cells, rota, person, times, week, off)
    for kind, mask in duties:
        if kind is not DutyKind.COVER_STANDBY:
            cells[mask & ~released & ~taken] = DUTY
            cells[mask & ~released & taken & ~IS_NO[cells]] = CONFLICT
    return cells


def _holds(rota: Rota, first: date, last: date, letter: Week, weekday: int, week: Week) -> bool:
    """Does a recurring row hold on this date, if its week is `week`?"""
    on = rota.on.day
    return first <= on <= last and weekday == on.isoweekday() and letter in (Week.EVERY, week)


def _lessons(cells: Cells, rota: Rota, person: int, times: Times, week: Week, off: Mask) -> None:
    rows = [
        (row.activity, times.kind(row.slot) == SlotKind.REGISTRATION, mask)
        for row in rota.school.lessons_of.get(person, ())
        if _holds(rota, row.valid_from, row.valid_to, row.week, row.weekday, week)
        and (mask := times.place(row.slot)) is not None
    ]
    for activity, registers, cell in (
        (Activity.UNKNOWN, None, UNCLEAR),
        (Activity.MEETING, None, MEETING),
        (Activity.LESSON, True, REGISTRATION),
        (Activity.LESSON, False, TEACHING),
    ):
        for booked, registration, mask in rows:
            if booked is activity and registers in (None, registration):
                cells[mask if activity is Activity.MEETING else mask & ~off] = cell


class _Hours:
    """A person's contracted hours on a date.

    base: uint8[1440], what holds outside them; paid, unpaid: bool[1440]; open: hours are unknown, breaks count."""

    def __init__(self, rota: Rota, person: int, staff: Staff, week: Week) -> None:
        on = rota.on.day
        valid = [p for p in rota.school.patterns_of.get(person, ()) if p.valid_from <= on <= p.valid_to]
        today = [p for p in valid if _holds(rota, p.valid_from, p.valid_to, p.week, p.weekday, week)]
        self.leads = staff.role is StaffRole.LEADERSHIP
        self.known = bool(valid)
        self.off = not today if valid else on.isoweekday() > 5
        self.open = blank()
        self.paid, self.unpaid = blank(), blank()
        for pattern in today:
            self.paid |= minutes_of(pattern.hours) & ~minutes_of(pattern.unpaid)
            self.unpaid |= minutes_of(pattern.unpaid)
        self.unpaid &= ~self.paid
        if self.off:
            self.base = _all(DAY_OFF)
        elif self.leads:
            self.base, self.open = _all(LEADERSHIP), ~blank()
        else:
            self.base = _all(OUTSIDE if valid else NO_PATTERN)


def _inset_day(rota: Rota, staff: Staff, hours: _Hours) -> Cells:
    cells = hours.base.copy()
    if hours.off:
        return cells
    own = rota.on.hours
    work = minutes_of(own) if own is not None else hours.paid
    unpaid = blank() if own is not None else hours.unpaid
    if hours.known:
        cells[work] = INSET
        cells[work & inset_breaks(rota, staff)] = INSET_BREAK
    cells[unpaid] = BREAK
    return cells


def inset_breaks(rota: Rota, staff: Staff) -> Mask:
    """Minutes of an INSET day that may be break, as far as the bells tell: all of them where there are no bells."""
    times = rota.times[staff.bell_group]
    return times.breaks | times.lunches | times.unsure if times.known else ~blank()


class WorkingHours(NamedTuple):
    """A person's hours on a date. known: a pattern is valid. off: has the day off, per possible week. paid: bool[1440],
    minutes that are paid in every possible week."""

    known: bool
    off: tuple[bool, ...]
    paid: Mask


def working_hours(rota: Rota, person: int) -> WorkingHours:
    """When a person works on a date, as far as the patterns tell."""
    staff = rota.school.staff[person]
    found = [_Hours(rota, person, staff, week) for week in rota.on.weeks]
    paid = np.logical_and.reduce([hours.paid for hours in found])
    return WorkingHours(found[0].known, tuple(hours.off for hours in found), paid)
