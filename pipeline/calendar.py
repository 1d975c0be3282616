"""What sort of day a date is for a school, which week letter and bells it has, and local time from UTC.

The grammar of calendar.csv (`date_from,date_to,kind,value`; dates inclusive, an empty date_to is one day; row order
means nothing, rows may overlap):

| kind | value | meaning |
|---|---|---|
| term | a name | school days are the weekdays in it that no row below takes away |
| holiday, bank_holiday, closure | a name | nobody works; wins over term and inset: leave INSET days out of holidays |
| inset | a name, or hours as `09:00-12:30` | INSET for everybody at work; hours, if given, replace the pattern's, \
and from 15:00 on are a twilight: a school day, and INSET besides |
| week_a, week_b | - | every week (Monday to Sunday) that the row touches has this letter |
| bell_override | schedule of bells.csv | these bells instead of `normal`; the shortest unbroken range wins, however \
many rows it is written in |

A weekday that no term, week_a, week_b, inset or free-day row covers is one of which the calendar says nothing. In a
week that has no letter, or both, rows of week A and B are both possible, and what differs between them is unknown: a
school with a one-week timetable needs no week rows and writes `*` as the week everywhere. The default schedule is
`normal`, or the only one there is; where it names a weekday, its `*` rows (Monday to Friday) do not hold on it. Facts
about calendars in Wales: domain.md 2.6. This module knows dates and bells, not people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pipeline.rows import ANY, Bell, CalendarKind, CalendarRow, Duty, Lesson, Pattern, Span, Week
from pipeline.school import School
from pipeline.tables import DAY_MIN, zone_of

DEFAULT_SCHEDULE = "normal"
TWILIGHT_MIN = 15 * 60
_EPOCH = date(1970, 1, 1).toordinal()
_LAST_DAY = date(9998, 12, 31).toordinal() - _EPOCH
_KEPT_DAYS = 1 << 16
_DENSE_DAYS = 4096  # spans up to this are looked up by position, wider ones by search


class DayKind(StrEnum):
    """What sort of day a date is."""

    SCHOOL = "school"
    INSET = "inset"
    HOLIDAY = "holiday"
    BANK_HOLIDAY = "bank_holiday"
    CLOSURE = "closure"
    WEEKEND = "weekend"
    UNKNOWN = "unknown"

    @property
    def free(self) -> bool:
        """Nobody works on such a day."""
        return self in (DayKind.HOLIDAY, DayKind.BANK_HOLIDAY, DayKind.CLOSURE)


@dataclass(frozen=True, slots=True)
class SchoolDay:
    """A date as the calendar sees it.

    covered: some row says that this is term. weeks: the letters that this date may have, both where the calendar does
    not tell; clash: it says both. schedule: the bells. hours: of an INSET day, None for those of the patterns; several
    contradict each other. twilight: INSET after a school day. rows: what the calendar says of the date, letters
    included."""

    day: date
    kind: DayKind
    covered: bool
    weeks: tuple[Week, ...]
    clash: bool
    schedule: str | None
    hours: frozenset[Span | None] = frozenset()
    twilight: frozenset[Span] = frozenset()
    rows: tuple[CalendarRow, ...] = ()

    @property
    def week(self) -> str:
        """The letter for people: A, B, or nothing."""
        return self.weeks[0].upper() if len(self.weeks) == 1 else ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A bell slot of one date."""

    name: str
    kind: str
    start: int
    end: int
    group: str
    line: int = 0


def school_day(school: School, day: date) -> SchoolDay:
    """What the calendar says about a date."""
    rows = [row for row in school.calendar if row.date_from <= day <= row.date_to]
    kinds = {row.kind for row in rows}
    letters, weeks, clash = _weeks(school, day)
    covered = bool(kinds & {CalendarKind.TERM, CalendarKind.WEEK_A, CalendarKind.WEEK_B})
    ordinary = DayKind.SCHOOL if covered else DayKind.UNKNOWN
    kind = DayKind.WEEKEND if day.isoweekday() > 5 else ordinary
    inset = [row for row in rows if row.kind is CalendarKind.INSET]
    late = {row.hours for row in inset if row.hours is not None and row.hours.start >= TWILIGHT_MIN}
    twilight = frozenset(late if kind is DayKind.SCHOOL else ())
    hours = frozenset(row.hours for row in inset) - twilight
    if hours:
        kind, hours, twilight = DayKind.INSET, hours | twilight, frozenset()
    free = (
        (CalendarKind.CLOSURE, DayKind.CLOSURE),
        (CalendarKind.BANK_HOLIDAY, DayKind.BANK_HOLIDAY),
        (CalendarKind.HOLIDAY, DayKind.HOLIDAY),
    )
    kind = next((word for sort, word in free if sort in kinds), kind)
    told = tuple(dict.fromkeys([*rows, *letters]))
    return SchoolDay(day, kind, covered, weeks, clash, _schedule(school, rows, day), hours, twilight, told)


def holds(row: Duty | Lesson | Pattern, day: date, *weeks: Week) -> bool:
    """Does a recurring row hold on a date whose week has one of these letters?"""
    valid = row.weekday == day.isoweekday() and row.valid_from <= day <= row.valid_to
    return valid and row.week in (Week.EVERY, *weeks)


def bell_slots(school: School, on: SchoolDay, group: str) -> tuple[Slot, ...]:
    """The slots of a bell group on a date, by start: the group's own rows, and rows of `*` whose slot it has not."""
    general = [bell for bell in bells_on(school, on) if bell.group == ANY]
    own = [bell for bell in bells_on(school, on) if bell.group == group != ANY]
    names = {bell.slot for bell in own}
    found = own + [bell for bell in general if bell.slot not in names]
    slots = (Slot(bell.slot, bell.kind.value, bell.start, bell.end, bell.group, bell.line) for bell in found)
    return tuple(sorted(slots, key=lambda slot: (slot.start, slot.end, slot.group == ANY, slot.name)))


def bells_on(school: School, on: SchoolDay) -> list[Bell]:
    """Every bell row of a date, of all groups; none on a free day."""
    if on.kind.free or on.schedule is None:
        return []
    rows = [bell for bell in school.bells if bell.schedule == on.schedule]
    named = [bell for bell in rows if bell.weekday == on.day.isoweekday()]
    return named or [bell for bell in rows if bell.weekday is None and on.day.isoweekday() <= 5]


def _weeks(school: School, day: date) -> tuple[list[CalendarRow], tuple[Week, ...], bool]:
    """The rows that give a date's week its letter, the letters that it may have, and whether it has both."""
    monday = day - timedelta(days=min(day.isoweekday() - 1, day.toordinal() - 1))
    sunday = date.fromordinal(min(monday.toordinal() + 6, date.max.toordinal()))
    sorts = {CalendarKind.WEEK_A: Week.A, CalendarKind.WEEK_B: Week.B}
    rows = [row for row in school.calendar if row.kind in sorts and row.date_from <= sunday and monday <= row.date_to]
    found = {sorts[row.kind] for row in rows}
    return (rows, tuple(found), False) if len(found) == 1 else (rows, (Week.A, Week.B), len(found) == 2)


def _schedule(school: School, rows: list[CalendarRow], day: date) -> str | None:
    overrides = [row for row in rows if row.kind is CalendarKind.BELL_OVERRIDE]
    if overrides:
        runs = {row.value: _run(school, row.value, day) for row in overrides}
        shortest = [name for name, days in runs.items() if days == min(runs.values())]
        return shortest[0] if len(shortest) == 1 else None
    names = {bell.schedule for bell in school.bells}
    return DEFAULT_SCHEDULE if DEFAULT_SCHEDULE in names or len(names) != 1 else names.pop()


def _run(school: School, name: str, day: date) -> int:
    """Days around a date on which rows override the bells by this schedule without a gap."""
    rows = [row for row in school.calendar if row.kind is CalendarKind.BELL_OVERRIDE and row.value == name]
    spans = sorted((row.date_from.toordinal(), row.date_to.toordinal()) for row in rows)
    first, last = spans[0]
    for start, end in spans:
        if start > last + 1:
            if last >= day.toordinal():
                break
            first, last = start, end
        last = max(last, end)
    return last - first


class LocalClock:
    """Local wall-clock time of a zone, for whole columns of UTC minutes (minutes since 1970-01-01 00:00 UTC).

    A zone may change its offset once in a UTC day; minutes after the year 9998 are taken as its end."""

    def __init__(self, zone: str) -> None:
        self._zone = zone_of(zone)
        self._offsets: dict[int, tuple[int, int, int]] = {}

    def split(self, minutes: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int16]]:
        """UTC minutes uint32[n] -> (day ordinal as of `date.toordinal` int32[n], local minute of day int16[n])."""
        if not len(minutes):
            return np.empty(0, np.int32), np.empty(0, np.int16)
        last = _LAST_DAY * DAY_MIN
        utc = np.asarray(minutes)
        if int(utc.max()) >= last:
            utc = np.minimum(utc, last - 1)
        utc = utc.astype(np.uint32, copy=False)
        low, high = int(utc.min()) // DAY_MIN, int(utc.max()) // DAY_MIN
        if high - low <= _DENSE_DAYS:
            days = range(low, high + 1)
            position = utc // np.uint32(DAY_MIN) - np.uint32(low)
        else:
            distinct, inverse = np.unique(utc // np.uint32(DAY_MIN), return_inverse=True)
            days, position = distinct.tolist(), inverse
        before, after, change = np.array([self._day(day) for day in days], np.int64).T
        if len(before) == 1 and before[0] == after[0]:
            offset: npt.NDArray[np.int64] | int = int(before[0])
        else:
            offset = np.where(utc < change[position], before[position], after[position])
        local = utc.astype(np.int64) + offset
        day, minute = np.divmod(local, DAY_MIN)
        return (day + _EPOCH).astype(np.int32), minute.astype(np.int16)

    def utc(self, day: date, minute: int) -> int:
        """The UTC minute of a local minute of a date (1440 is the next midnight). Where the clock goes back it is
        the first of the two; a minute that the clock leaves out is moved on by as much as it jumps."""
        base = day + timedelta(days=minute // DAY_MIN)
        local = datetime(base.year, base.month, base.day, minute % DAY_MIN // 60, minute % 60, tzinfo=self._zone)
        return int(local.timestamp()) // 60

    def _day(self, day: int) -> tuple[int, int, int]:
        """Offsets at the start and at the end of a UTC day, and the UTC minute from which the second holds."""
        if day not in self._offsets:
            if len(self._offsets) >= _KEPT_DAYS:
                self._offsets.clear()
            low, high = day * DAY_MIN, (day + 1) * DAY_MIN
            before, after = self._offset(low), self._offset(high)
            if before != after:
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if self._offset(middle) == before else (low, middle)
            self._offsets[day] = before, after, high
        return self._offsets[day]

    def _offset(self, minute: int) -> int:
        moment = datetime.fromtimestamp(minute * 60, UTC).astimezone(self._zone)
        shift = moment.utcoffset() or timedelta()
        return int(shift.total_seconds()) // 60
