"""Duties that somebody took over on a date while nobody is recorded to have given one away: one half of a swap.

Whose duty it was is not known then, so it may be that of anybody who has it by the rota. A swap that names the duty as
rows of the rota do, by the slot or by the very times, is about one of these rows; any other may be about any. What
becomes of such minutes stands in pipeline.precedence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from pipeline.calendar import holds
from pipeline.rows import ALL, Dated, Duty, ExceptionKind, When
from pipeline.sheet import Mask, blank

if TYPE_CHECKING:
    from pipeline.precedence import Rota


_TOGETHER_S = 3600


class Taken(NamedTuple):
    """Minutes of duties that somebody took over from nobody knows whom: of those named so by the rota, and of any."""

    named: Mapping[When, Mask]
    unnamed: Mask

    def of(self, duty: Duty) -> Mask:
        """The minutes in which this duty may be the one that was taken over."""
        return self.unnamed | self.named.get(duty.when, self.unnamed)

    def __bool__(self) -> bool:
        return bool(self.named) or bool(self.unnamed.any())


NOTHING_TAKEN = Taken({}, blank())


def taken_from_nobody(rota: Rota) -> Taken:
    """Duties that more people took over (duty_swap_to) on a date than others are recorded to have given away
    (duty_swap_from) in any of the swap's minutes, within an hour of each other's entering. Whose duty was taken over is
    not known then. A swap without a place may be anywhere."""
    names = {duty.when for duty in rota.school.duties if holds(duty, rota.on.day, *rota.on.weeks)}
    named: dict[When, Mask] = {}
    unnamed = blank()
    swaps: dict[ExceptionKind, list[tuple[Dated, Mask]]] = {ExceptionKind.SWAP_TO: [], ExceptionKind.SWAP_FROM: []}
    for row in rota.school.exceptions_on.get(rota.on.day, ()):
        if row.kind in swaps and row.person != ALL:
            where = rota.times[rota.school.staff[row.person].bell_group].place(row.when)
            if where is not None:
                swaps[row.kind].append((row, where.sure | where.maybe))
            elif row.kind is ExceptionKind.SWAP_TO:
                unnamed[:] = True

    def alike(kind: ExceptionKind, row: Dated, mask: Mask) -> set[int]:
        """The people of the rows of a kind that may be of the same swap."""
        return {other.person for other, its in swaps[kind] if (mask & its).any() and _together(row, other)}

    for row, mask in swaps[ExceptionKind.SWAP_TO]:
        givers, takers = (alike(kind, row, mask) for kind in (ExceptionKind.SWAP_FROM, ExceptionKind.SWAP_TO))
        if len(givers - {row.person}) < len(takers | {row.person}):
            if row.when in names:
                named[row.when] = named.get(row.when, blank()) | mask
            else:
                unnamed |= mask
    return Taken(named, unnamed)


def _together(one: Dated, other: Dated) -> bool:
    """May two rows be halves of one swap? Not if it is known that they were not entered together."""
    return one.entered is None or other.entered is None or abs(one.entered - other.entered) <= _TOGETHER_S
