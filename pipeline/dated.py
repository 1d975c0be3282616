"""Dated exceptions over a person's day: cover, swaps, meetings, exams, INSET, absence, trips, home working, closures.

Three tiers, the later one wins (domain.md 2.7): work (cover, duty, duty_swap_to, meeting, exam, inset, unclear), away
(absent, leave, trip, home_working, released), closed. Within a tier the later `entered_at` wins; two different records
of the same or of an unknown time are a conflict, except that a person's own record goes before one of everybody (`*`)
where neither allows anything: whoever has a meeting of his own is not at the school's INSET. Two kinds take away
instead: duty_swap_from the recurring duty, and a duty or duty_swap_to that was entered before it; cancelled the
recurring lesson or meeting, and a cover, exam or meeting that was entered before it. What is left is what the day holds
without: contracted time, not free time.

When a record was entered does not matter otherwise: one that came after the event counts as if it had been there. An
exception that names a slot which its date does not have leaves the whole day of that person unknown; one of which the
bells do not tell surely where it lies is a conflict where it may lie. Work of everybody (`*`) is none of those who have
the day off, and unknown for those of whom that is not known, unless they are not free either way. What is unclear hides
what is scheduled: nobody knows which of the two holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.bells import Where
from pipeline.calendar import DayKind
from pipeline.cells import (
    ABSENT,
    CONFLICT,
    COVER,
    DAY_OFF,
    DUTY,
    EXAM,
    HOME_WORKING,
    INSET,
    INSET_BREAK,
    IS_NO,
    MEETING,
    NO_BELLS,
    NO_PATTERN,
    RELEASED,
    TRIP,
    UNCLEAR,
)
from pipeline.precedence import Freed, Rota, in_post, inset_breaks, undated, working_hours
from pipeline.rows import ALL, Dated, ExceptionKind
from pipeline.sheet import NOTHING, Mask, Sheet, blank
from pipeline.swaps import Taken
from pipeline.tables import DAY_MIN

_WORK = {
    ExceptionKind.COVER: COVER,
    ExceptionKind.DUTY: DUTY,
    ExceptionKind.SWAP_TO: DUTY,
    ExceptionKind.MEETING: MEETING,
    ExceptionKind.EXAM: EXAM,
    ExceptionKind.INSET: INSET,
    ExceptionKind.UNCLEAR: UNCLEAR,
}
_AWAY = {
    ExceptionKind.ABSENT: ABSENT,
    ExceptionKind.LEAVE: ABSENT,
    ExceptionKind.TRIP: TRIP,
    ExceptionKind.HOME_WORKING: HOME_WORKING,
    ExceptionKind.RELEASED: RELEASED,
}
_TAKES = {  # what takes away, and the dated work that it takes
    ExceptionKind.SWAP_FROM: (ExceptionKind.DUTY, ExceptionKind.SWAP_TO),
    ExceptionKind.CANCELLED: (ExceptionKind.COVER, ExceptionKind.EXAM, ExceptionKind.MEETING),
}


class _Placed(NamedTuple):
    """A record, the minutes that it is about and the cell that it gives them."""

    row: Dated
    minutes: Mask
    cell: int


def person_day(rota: Rota, person: int, taken: Taken) -> Sheet:
    """A person's day. `taken` is of `taken_from_nobody`."""
    rows = [row for row in rota.school.exceptions_on.get(rota.on.day, ()) if row.person in (person, ALL)]
    if not rows or not in_post(rota, person) or not _open(rota):
        return undated(rota, person, Freed(blank(), blank(), taken))
    times = rota.times[rota.school.staff[person].bell_group]
    placed = [(row, where) for row in rows if (where := times.place(row.when)) is not None]
    if len(placed) < len(rows):
        homeless = [row for row in rows if times.place(row.when) is None]
        return rota.sheet(NO_BELLS, *homeless, "bells.csv")
    taking = [(row, where) for row, where in placed if row.kind in _TAKES]
    if unclear := [row for row, where in taking if where.maybe.any()]:
        return rota.sheet(CONFLICT, *unclear, "bells.csv")

    freed = {kind: blank() for kind in _TAKES}
    for row, where in taking:
        freed[row.kind] |= where.sure
    sheet = undated(rota, person, Freed(freed[ExceptionKind.SWAP_FROM], freed[ExceptionKind.CANCELLED], taken))
    for row, where in taking:
        sheet.also(where.sure, [row])
    work: list[_Placed] = []
    for row, where in placed:
        if row.kind is ExceptionKind.INSET and row.when is None:
            work += _inset(rota, person, row, sheet)
        elif row.kind in _WORK:
            work += _everybody(rota, person, row, where, sheet) if row.person == ALL else _own(row, where, sheet)
    away = [record for row, where in placed if row.kind in _AWAY for record in _cells(row, where, _AWAY[row.kind])]
    closed = [r for row, where in placed if row.kind is ExceptionKind.CLOSED for r in _cells(row, where, DAY_OFF)]
    for records in (_taken_away(work, taking), away, closed):
        sheet.lay(_laid(rota, list(records)))
    return sheet


def _open(rota: Rota) -> bool:
    """Is this a date on which dated exceptions count? On free days and where the calendar is silent they do not."""
    kind = rota.on.kind
    return not (kind.free or kind is DayKind.UNKNOWN or (kind is DayKind.WEEKEND and not rota.on.covered))


def _laid(rota: Rota, records: Sequence[_Placed]) -> Sheet:
    """What one tier says: the person's own records, and those of everybody. Where both speak the later one wins; if
    that is not known, and neither allows anything, the person's own; else they contradict each other."""
    own, at = _tier(rota, [record for record in records if record.row.person != ALL])
    general, since = _tier(rota, [record for record in records if record.row.person == ALL])
    both = (own.cells != NOTHING) & (general.cells != NOTHING)
    ordered = np.isfinite(at) & np.isfinite(since) & (at != since)
    later = both & ordered & (since > at)
    quiet = IS_NO[np.where(both, own.cells, 0)] & IS_NO[np.where(both, general.cells, 0)]
    clash = both & ~ordered & ~quiet & (own.cells != general.cells)
    own.either(general, clash, CONFLICT)
    general.cells[(own.cells != NOTHING) & ~later] = NOTHING
    own.lay(general)
    return own


def _tier(rota: Rota, records: Iterable[_Placed]) -> tuple[Sheet, npt.NDArray[np.float64]]:
    """The winners among records, minute by minute, NOTHING where there is none; and when they were entered (infinity:
    that is not known)."""
    sheet = rota.sheet(NOTHING)
    latest = np.full(DAY_MIN, -np.inf)
    for row, mask, cell in sorted(records, key=lambda record: (record.row.entered is None, record.row.entered or 0)):
        entered = np.inf if row.entered is None else row.entered
        newer = mask & ((sheet.cells == NOTHING) if row.entered is None else (latest < entered))
        clash = mask & ~newer & (sheet.cells != cell)
        sheet.also(mask & ~newer, [row])
        sheet.paint(newer, cell, row)
        sheet.doubt(clash, CONFLICT)
        latest[mask] = entered
    return sheet, latest


def _cells(row: Dated, where: Where, cell: int) -> list[_Placed]:
    return [_Placed(row, where.sure, cell), _Placed(row, where.maybe, CONFLICT)]


def _own(row: Dated, where: Where, without: Sheet) -> list[_Placed]:
    """A record of work; where it may lie, minutes that are not free either way stay as they are without it."""
    if row.kind is ExceptionKind.UNCLEAR:
        return [_Placed(row, where.sure | where.maybe, UNCLEAR)]
    return _cells(row, where._replace(maybe=where.maybe & ~IS_NO[without.cells]), _WORK[row.kind])


def _taken_away(work: Iterable[_Placed], taking: Sequence[tuple[Dated, Where]]) -> Iterable[_Placed]:
    """The work records, each cut where another record took it away later."""
    for row, mask, cell in work:
        unclear, gone = blank(), blank()
        for other, where in taking:
            if row.kind not in _TAKES[other.kind]:
                continue
            if row.entered is None or other.entered is None or row.entered == other.entered:
                unclear |= where.sure
            elif other.entered > row.entered:
                gone |= where.sure
        yield _Placed(row, mask & ~gone & ~unclear, cell)
        yield _Placed(row, mask & ~gone & unclear, CONFLICT)


def _everybody(rota: Rota, person: int, row: Dated, where: Where, without: Sheet) -> list[_Placed]:
    """A record of work for everybody, as far as it is one for this person; `without` is the day without it."""
    work = working_hours(rota, person)
    if all(work.off) and work.known:
        return []
    cell = NO_PATTERN if not work.known else rota.unlettered
    if row.kind is not ExceptionKind.UNCLEAR and (not work.known or any(work.off)):
        minutes, conflict = (where.sure | where.maybe) & ~IS_NO[without.cells], without.cells == CONFLICT
        return [_Placed(row, minutes & ~conflict, cell), _Placed(row, minutes & conflict, CONFLICT)]
    return _own(row, where, without)


def _inset(rota: Rota, person: int, row: Dated, without: Sheet) -> list[_Placed]:
    """A whole day of INSET for one person: the contracted hours, in which breaks are unknown. What is booked outside
    them contradicts it. `without` is the day without it."""
    work = working_hours(rota, person)
    if not work.known:
        return [_Placed(row, ~blank(), NO_PATTERN)]
    breaks = inset_breaks(rota, rota.school.staff[person])
    booked = IS_NO[without.cells] & ~work.paid
    inset = [_Placed(row, work.paid & ~breaks, INSET), _Placed(row, work.paid & breaks, INSET_BREAK)]
    return [*inset, _Placed(row, booked, CONFLICT)]
