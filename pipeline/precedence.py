"""One person's day without dated exceptions: what the person is scheduled to do in each minute (domain.md 2.7).

First match, from the top: not in post; free day; INSET day; duty; lesson and registration; recurring meeting; perhaps a
lesson (unclear); stand-by; released; break and lunch; non-contact inside the pattern; outside hours; unknown. The code
paints from the bottom, so that what comes later wins; pipeline.dated lays cover, absence and their like on top.

What the files leave open is decided so:
- A pattern that is valid but has no row for the weekday is a day off; what is booked then contradicts it and is
  unknown. No valid pattern: unknown, except what is booked and weekends; so it is with governors, volunteers and
  contractors who have no hours. Leadership: only what is booked counts as work, breaks are breaks, and the rest of a
  working day is unknown.
- A paid post covers another post's unpaid break. An unpaid break is break whatever the rota says of the date. A post,
  other than a teacher's, of which lunches fill at least half is a midday supervisor's: lunch is its work.
- Paid time is non-contact only where the bells tell that no break is rung (pipeline.bells); else it is unknown.
- A duty in a slot that the date's bells do not have may be in any break: breaks and lunch are unknown.
- A stand-by for cover is contracted time without a lesson, not a duty. A twilight is for all who are at work that day.
- Where the week letter is unknown both weeks are computed; what differs is unknown, unless neither allows anything.
- A duty that somebody took over while nobody is recorded to have given one away makes that minute of the rota unknown
  for all others who have it (pipeline.swaps): one of them is free.
- On INSET days nothing recurring happens; the bells' breaks are unknown, all of it is where no bells are known. Hours
  of INSET that contradict each other leave the difference unknown.

It does not know the boundary margin (pipeline.place) and never looks at the clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipeline.bells import Times, Where
from pipeline.calendar import DayKind, SchoolDay, holds, school_day
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
    RELEASED,
    TEACHING,
    UNCLEAR,
)
from pipeline.rows import Activity, Duty, DutyKind, Lesson, SlotKind, Staff, StaffRole, Week
from pipeline.school import School
from pipeline.sheet import Mask, Sheet, Source, TracedSheet, blank, minutes_of
from pipeline.swaps import NOTHING_TAKEN, Taken


@dataclass(frozen=True)
class Rota:
    """What a date is for everybody: the calendar, whether the duty rota covers it, and the bells by group.

    traced: sheets remember which rows decided. rung: bells by group, shared by dates that have the same."""

    school: School
    on: SchoolDay
    traced: bool = False
    rung: dict[str, Times] = field(default_factory=dict)

    @cached_property
    def fresh(self) -> bool:
        """Duty data is fresh on a date that rows of the rota cover."""
        return any(duty.valid_from <= self.on.day <= duty.valid_to for duty in self.school.duties)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return tuple(sorted({person.bell_group for person in self.school.staff}))

    @cached_property
    def times(self) -> Mapping[str, Times]:
        for group in self.groups:
            if group not in self.rung:
                self.rung[group] = Times(self.school, self.on, group)
        return self.rung

    def sheet(self, cell: int, *rows: Source) -> Sheet:
        """A new sheet of one cell, decided by these rows."""
        return TracedSheet(cell, rows) if self.traced else Sheet(cell)

    @property
    def unlettered(self) -> int:
        """The cell of what differs between the weeks that the date may belong to."""
        return CONFLICT if self.on.clash else NO_CALENDAR


def rota_of(school: School, day: date, traced: bool = False) -> Rota:
    """The date as it is for everybody."""
    return Rota(school, school_day(school, day), traced)


class Freed(NamedTuple):
    """Minutes in which dated records free a person: duties given away, lessons and meetings cancelled; and duties that
    somebody took over from nobody knows whom."""

    duties: Mask
    lessons: Mask
    taken: Taken


NOT_FREED = Freed(blank(), blank(), NOTHING_TAKEN)


def in_post(rota: Rota, person: int) -> bool:
    """Does the person's contract cover the date?"""
    staff = rota.school.staff[person]
    return staff.contract_start <= rota.on.day <= staff.contract_end


def undated(rota: Rota, person: int, freed: Freed = NOT_FREED) -> Sheet:
    """A person's day without dated exceptions."""
    on, staff = rota.on, rota.school.staff[person]
    if not in_post(rota, person):
        return rota.sheet(NOT_IN_POST, staff)
    if on.kind.free or (on.kind is DayKind.WEEKEND and not on.covered):
        free = [row for row in on.rows if row.kind.value == on.kind.value]
        return rota.sheet(DAY_OFF, *(free or ("calendar.csv",)))
    if on.kind is DayKind.UNKNOWN:
        return rota.sheet(NO_CALENDAR, "calendar.csv")
    first, *others = [_week(rota, person, staff, week, freed) for week in on.weeks]
    for other in others:
        one, two = first.cells, other.cells
        differ, quiet = one != two, IS_NO[one] & IS_NO[two]
        unclear = (one == CONFLICT) | (two == CONFLICT)
        first.either(other, differ & quiet & (two == NON_CONTACT), NON_CONTACT)
        first.either(other, differ & ~quiet, rota.unlettered)
        first.either(other, differ & ~quiet & unclear, CONFLICT)
        first.also(differ & ~quiet, on.rows or ("calendar.csv",))
    return first


def _week(rota: Rota, person: int, staff: Staff, week: Week, freed: Freed) -> Sheet:
    """The day if its week has this letter."""
    hours = Hours(rota, person, week)
    if rota.on.kind is DayKind.INSET:
        return _inset_day(rota, staff, hours)
    times = rota.times[staff.bell_group]
    sheet = hours.sheet()
    sheet.paint(hours.paid, LEADERSHIP if hours.leads else NON_CONTACT, *hours.today)
    sheet.ring(hours.paid, times.index, times.slots)
    if not hours.leads:
        sheet.doubt(hours.paid & ~times.clear, NO_BELLS, "bells.csv")

    mine = [duty for duty in rota.school.duties_of.get(person, ()) if holds(duty, rota.on.day, week)]
    duties = [(duty, times.place(duty.when)) for duty in mine]
    _breaks(sheet, rota, times, hours, [duty for duty, where in duties if where is None])
    booked = [(duty, where) for duty, where in duties if where is not None]
    held = [row for row in rota.school.lessons_of.get(person, ()) if holds(row, rota.on.day, week)]
    lessons = [(row, where) for row in held if (where := times.place(row.slot)) is not None]
    for lesson, where in lessons:
        if lesson.activity is Activity.RELEASED and not hours.off:
            sheet.paint(where.sure | where.maybe, RELEASED, lesson)
    for duty, where in booked:
        if duty.kind is DutyKind.COVER_STANDBY:
            _book(sheet, hours, where, NON_CONTACT, freed.duties, duty)
    _lessons(sheet, lessons, times, hours, freed.lessons)
    for duty, where in booked:
        if duty.kind is not DutyKind.COVER_STANDBY:
            taken = freed.taken.of(duty)
            _book(sheet, hours, where, DUTY, freed.duties | taken, duty)
            sheet.doubt_unless_no((where.sure | where.maybe) & taken & ~freed.duties, CONFLICT, duty)
    if hours.known and not hours.off:
        for span in rota.on.twilight:
            sheet.paint(minutes_of(span), INSET, *rota.on.rows)
    return sheet


def _book(sheet: Sheet, hours: Hours, where: Where, cell: int, freed: Mask, row: Duty | Lesson) -> None:
    """What is booked is what the person does, except that it contradicts a day off."""
    if hours.known and hours.off:
        sheet.doubt_unless_no((where.sure | where.maybe) & ~freed, CONFLICT, row)
        return
    sheet.paint((where.sure | where.agreed & IS_NO[sheet.cells]) & ~freed, cell, row)
    sheet.doubt_unless_no(where.maybe & ~freed, CONFLICT, row, "bells.csv")


def _breaks(sheet: Sheet, rota: Rota, times: Times, hours: Hours, homeless: list[Duty]) -> None:
    at_school = (hours.paid & ~hours.midday) | hours.unpaid | hours.open
    fresh = rota.fresh and not homeless
    for minutes, free, no_rota in ((times.breaks, BREAK, BREAK_NO_ROTA), (times.lunches, LUNCH, LUNCH_NO_ROTA)):
        sheet.paint(at_school & minutes, free if fresh else no_rota, *(() if fresh else homeless or ("duties.csv",)))
        sheet.paint(hours.unpaid & minutes, free, *hours.today)
        sheet.ring(at_school & minutes, times.index, times.slots)
    sheet.paint(hours.unpaid & ~times.lunches & ~times.breaks, BREAK, *hours.today)


def _lessons(sheet: Sheet, rows: list[tuple[Lesson, Where]], times: Times, hours: Hours, cancelled: Mask) -> None:
    for row, where in rows:
        if row.activity is Activity.UNKNOWN:
            sheet.paint((where.sure | where.maybe) & ~cancelled, UNCLEAR, row)
    for activity, registers, cell in (
        (Activity.MEETING, None, MEETING),
        (Activity.LESSON, True, REGISTRATION),
        (Activity.LESSON, False, TEACHING),
    ):
        for row, where in rows:
            if row.activity is activity and registers in (None, times.kind(row.slot) == SlotKind.REGISTRATION):
                _book(sheet, hours, where, cell, cancelled, row)
                sheet.ring(where.sure & ~cancelled, times.index, times.slots)


class Hours:
    """A person's contracted hours on a date, if its week is `week`.

    known: a pattern is valid; off: the person has the day off; base: the cell of what lies outside the hours; paid,
    unpaid, midday: bool[1440], midday the paid minutes of a midday supervisor's post; open: hours are unknown, breaks
    count. today: the patterns of this date."""

    def __init__(self, rota: Rota, person: int, week: Week) -> None:
        staff = rota.school.staff[person]
        patterns = rota.school.patterns_of.get(person, ())
        valid = [row for row in patterns if row.valid_from <= rota.on.day <= row.valid_to]
        self._rota = rota
        self.today = [row for row in valid if holds(row, rota.on.day, week)]
        self.leads = staff.role is StaffRole.LEADERSHIP
        self.known = bool(valid)
        self.off = not self.today if valid else rota.on.day.isoweekday() > 5
        self.open, self.paid, self.unpaid, self.midday = blank(), blank(), blank(), blank()
        teaches = staff.role in (StaffRole.TEACHER, StaffRole.LEADERSHIP, StaffRole.TRAINEE)
        lunches = rota.times[staff.bell_group].all_lunches
        for pattern in self.today:
            hours, unpaid = minutes_of(pattern.hours), minutes_of(pattern.unpaid)
            self.paid |= hours & ~unpaid
            self.unpaid |= unpaid
            if not teaches and pattern.unpaid is None and 2 * int((hours & lunches).sum()) >= int(hours.sum()):
                self.midday |= hours
        self.unpaid &= ~self.paid
        if self.off:
            self.base = DAY_OFF
        elif self.leads:
            self.base, self.open = LEADERSHIP, ~blank()
        else:
            self.base = OUTSIDE if valid else NO_PATTERN

    def sheet(self) -> Sheet:
        """The day without anything in it."""
        return self._rota.sheet(self.base, *(self.today or ("staff.csv" if self.leads else "patterns.csv",)))


def _inset_day(rota: Rota, staff: Staff, hours: Hours) -> Sheet:
    sheet = hours.sheet()
    if hours.off:
        return sheet
    rows = rota.on.rows
    if rota.on.hours == {None}:
        sheet.paint(hours.unpaid, BREAK, *hours.today)
    if hours.known:
        spans = [hours.paid if span is None else minutes_of(span) for span in rota.on.hours]
        work = np.logical_and.reduce(spans)
        sheet.paint(work, INSET, *rows)
        sheet.paint(work & inset_breaks(rota, staff), INSET_BREAK, *rows)
        sheet.doubt(np.logical_or.reduce(spans) & ~work, CONFLICT, *rows)
    return sheet


def inset_breaks(rota: Rota, staff: Staff) -> Mask:
    """Minutes of an INSET day that may be break, as far as the bells tell: all of them where there are no bells."""
    return ~rota.times[staff.bell_group].work


class WorkingHours(NamedTuple):
    """A person's hours on a date. known: a pattern is valid. off: has the day off, per possible week. paid: bool[1440],
    minutes that are paid in every possible week."""

    known: bool
    off: tuple[bool, ...]
    paid: Mask


def working_hours(rota: Rota, person: int) -> WorkingHours:
    """When a person works on a date, as far as the patterns tell."""
    found = [Hours(rota, person, week) for week in rota.on.weeks]
    paid = np.logical_and.reduce([hours.paid for hours in found])
    return WorkingHours(found[0].known, tuple(hours.off for hours in found), paid)
