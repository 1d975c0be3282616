"""Dated exceptions over a person's day: cover, swaps, meetings, exams, INSET, absence, trips, home working, closures.

Three tiers, the later one wins (domain.md 2.7): work (cover, duty_swap_to, meeting, exam, inset), away (absent, leave,
trip, home_working), closed. Within a tier the later `entered_at` wins; two different records of the same or of an
unknown time are a conflict. A duty_swap_from takes away the recurring duty, and a duty_swap_to that was entered before
it. A lesson_off takes away the lesson, and leaves contracted time. An exception that names a slot which its date does
not have leaves the whole day of that person unknown. Work of everybody (`*`) is none of those who have the day off, and
unknown for those of whom that is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

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
    MEETING,
    NO_BELLS,
    NO_CALENDAR,
    NO_PATTERN,
    NOT_IN_POST,
    TRIP,
    UNCLEAR,
    Cells,
)
from pipeline.precedence import Mask, Rota, blank, inset_breaks, undated, working_hours
from pipeline.rows import ALL, Dated, ExceptionKind
from pipeline.tables import DAY_MIN

_WORK = {
    ExceptionKind.COVER: COVER,
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
}
_NOTHING = 255
_Placed = tuple[Dated, Mask, int]


def person_day(rota: Rota, person: int, taken: Mask) -> Cells:
    """A person's day, uint8[1440] of positions in pipeline.cells.CELLS. `taken` is of `taken_from_nobody`."""
    rows = [row for row in rota.school.exceptions_on.get(rota.on.day, ()) if row.person in (person, ALL)]
    times = rota.times[rota.school.staff[person].bell_group]
    masks = [times.place(row.when) for row in rows]
    placed = [(row, mask) for row, mask in zip(rows, masks, strict=True) if mask is not None]
    given = [(row, mask) for row, mask in placed if row.kind is ExceptionKind.SWAP_FROM]
    released, off = blank(), blank()
    for row, mask in placed:
        released |= mask & (row.kind is ExceptionKind.SWAP_FROM)
        off |= mask & (row.kind is ExceptionKind.LESSON_OFF)
    cells = undated(rota, person, released, taken, off)
    if cells[0] == NOT_IN_POST or not _open(rota):
        return cells
    if len(placed) < len(rows):
        return np.full_like(cells, NO_BELLS)
    work = []
    for row, mask in placed:
        if row.kind is ExceptionKind.INSET and row.when is None:
            work += _inset(rota, person, row)
        elif row.kind in _WORK and row.person == ALL:
            work += _everybody(rota, person, row, mask)
        elif row.kind in _WORK:
            work.append((row, mask, _WORK[row.kind]))
    for tier in (
        _tier(_swapped(work, given)),
        _tier((row, mask, _AWAY[row.kind]) for row, mask in placed if row.kind in _AWAY),
        _tier((row, mask, DAY_OFF) for row, mask in placed if row.kind is ExceptionKind.CLOSED),
    ):
        cells = np.where(tier == _NOTHING, cells, tier)
    return cells


def taken_from_nobody(rota: Rota) -> Mask:
    """Minutes of duties that somebody took over (duty_swap_to) on a date, while no one else is recorded to have given a
    duty away (duty_swap_from) in any of the swap's minutes: bool[1440]. A swap without a place may be anywhere."""
    found = blank()
    swaps: dict[ExceptionKind, list[tuple[int, Mask]]] = {ExceptionKind.SWAP_TO: [], ExceptionKind.SWAP_FROM: []}
    for row in rota.school.exceptions_on.get(rota.on.day, ()):
        if row.kind in swaps and row.person != ALL:
            mask = rota.times[rota.school.staff[row.person].bell_group].place(row.when)
            if mask is not None:
                swaps[row.kind].append((row.person, mask))
            elif row.kind is ExceptionKind.SWAP_TO:
                found[:] = True
    for taker, mask in swaps[ExceptionKind.SWAP_TO]:
        givers = swaps[ExceptionKind.SWAP_FROM]
        if not any(giver != taker and (mask & other).any() for giver, other in givers):
            found |= mask
    return found


def _open(rota: Rota) -> bool:
    """Is this a date on which dated exceptions count? On free days and where the calendar is silent they do not."""
    kind = rota.on.kind
    return not (kind.free or kind is DayKind.UNKNOWN or (kind is DayKind.WEEKEND and not rota.on.covered))


def _tier(records: Iterable[_Placed]) -> npt.NDArray[np.uint8]:
    """The winners of one tier, minute by minute; _NOTHING where it has no record."""
    cells = np.full(DAY_MIN, _NOTHING, np.uint8)
    latest = np.full(DAY_MIN, -np.inf)
    for row, mask, cell in sorted(records, key=lambda record: (record[0].entered is None, record[0].entered or 0)):
        entered = np.inf if row.entered is None else row.entered
        known = np.isfinite(entered)
        newer = mask & ((latest < entered) if known else (cells == _NOTHING))
        clash = mask & ~newer & (cells != cell)
        cells[newer] = cell
        cells[clash] = CONFLICT
        latest[mask] = entered
    return cells


def _swapped(work: Iterable[_Placed], given: Sequence[tuple[Dated, Mask]]) -> Iterable[_Placed]:
    """The work records, with each duty_swap_to cut where the person gave a duty away again."""
    for row, mask, cell in work:
        if row.kind is not ExceptionKind.SWAP_TO:
            yield row, mask, cell
            continue
        unclear, gone = blank(), blank()
        for other, minutes in given:
            if row.entered is None or other.entered is None or row.entered == other.entered:
                unclear |= minutes
            elif other.entered > row.entered:
                gone |= minutes
        yield row, mask & ~gone & ~unclear, cell
        yield row, mask & ~gone & unclear, CONFLICT


def _everybody(rota: Rota, person: int, row: Dated, mask: Mask) -> list[_Placed]:
    """A record of work for everybody, as far as it is one for this person."""
    work = working_hours(rota, person)
    if not work.known:
        return [(row, mask, NO_PATTERN)]
    if all(work.off):
        return []
    return [(row, mask, NO_CALENDAR if any(work.off) else _WORK[row.kind])]


def _inset(rota: Rota, person: int, row: Dated) -> list[_Placed]:
    """A whole day of INSET for one person: the contracted hours, in which breaks are unknown."""
    work = working_hours(rota, person)
    if not work.known:
        return [(row, ~blank(), NO_PATTERN)]
    breaks = inset_breaks(rota, rota.school.staff[person])
    return [(row, work.paid & ~breaks, INSET), (row, work.paid & breaks, INSET_BREAK)]
