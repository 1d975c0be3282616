"""When a client asked another site: one that is in no catalogue.

A button of a service on somebody else's page is fetched a moment after that page; whoever judges use needs to know that
another site was opened just before, but not which one. So of a flow whose name no catalogue entry wants, nothing is
kept but who opened it, or sent a burst to it, and when: the first such moment of each second of packet time. Name,
server and bytes never leave the meter, and of clients in other segments than the one that is asked for (staff), nothing
at all is kept. `Openings` is bounded between two calls of `take`; what is over is dropped and
counted.

It does not know names; it gives raw slices, so that columns are made of them as of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sensor import layout, memory
from sensor.columns import Segments, segment_of
from sensor.layout import MILLISECOND, MINUTE_NS, O_NAME, O_TIME, O_VLAN, S_BEGUN, S_LAST, S_MINUTE, S_NAME, S_VLAN
from sensor.load import fold, kernel

MAX_OPENINGS = 1 << 16
MARK = 1  # in raw slices of openings, in place of the name: the column reader leaves out 0
_SECOND = np.uint64(layout.SECOND)
_M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_HALF = 32


@kernel
def _keep(rows, count, service, segments, segment, slices, at, end):
    """Write those of the first `count` openings whose name no catalogue entry wants to raw slices at..end - 1, if their
    client's segment is the one asked for.

    Returns the place after the last one written, and how many had no room.
    """
    dropped = 0
    for n in range(count):
        if service[np.int64(rows[n, O_NAME])] != 0:
            continue
        if segment_of(rows[n, 0], rows[n, 1], rows[n, O_VLAN], segments) != segment:
            continue
        if at >= end:
            dropped += 1
            continue
        time = np.int64(rows[n, O_TIME])
        slices.words[at, 0] = rows[n, 0]
        slices.words[at, 1] = rows[n, 1]
        slices.words[at, S_VLAN] = rows[n, O_VLAN]
        slices.signed[at, S_LAST] = time
        slices.halves[at, S_MINUTE] = time // MINUTE_NS
        slices.halves[at, S_BEGUN] = time % MINUTE_NS // MILLISECOND
        at += 1
    return at, dropped


@kernel
def _mark_firsts(slices, count, slots, turn):
    """Give the first opening of each client, VLAN and second the name MARK, all others none.

    `slots` is an open-addressing table of rows, at most half full; an entry of another `turn` is an empty one.
    """
    words = slices.words
    mask = np.uint64(len(slots) - 1)
    for n in range(count):
        slices.halves[n, S_NAME] = MARK
        second = words[n, S_LAST] // _SECOND
        spread = fold(words[n, 0] ^ _M1, words[n, 1] ^ _M2) ^ fold(words[n, S_VLAN] ^ _M2, second ^ _M1)
        at = np.int64(spread & mask)
        while slots[at] >> _HALF == turn:
            other = slots[at] & layout.LOW32
            same = (words[other, 0] == words[n, 0]) & (words[other, 1] == words[n, 1])
            if same & (words[other, S_VLAN] == words[n, S_VLAN]) & (words[other, S_LAST] // _SECOND == second):
                break
            at = (at + 1) & (len(slots) - 1)
        if slots[at] >> _HALF == turn:
            other = slots[at] & layout.LOW32
            if words[other, S_LAST] <= words[n, S_LAST]:
                slices.halves[n, S_NAME] = 0
                continue
            slices.halves[other, S_NAME] = 0
        slots[at] = turn << _HALF | n


class Openings:
    """Gathers openings of clients in one segment (its code) as raw slices, in memory that is used again. `dropped`
    counts what did not fit."""

    def __init__(self, segments: Segments, segment: int) -> None:
        self._segments, self._segment = segments, segment
        self._slices = memory.new_slices(MAX_OPENINGS)
        self._slots = np.zeros(1 << (2 * MAX_OPENINGS - 1).bit_length(), np.int64)
        self._turn = 0
        self._count = 0
        self._full = False
        self.dropped = 0

    def add(self, rows: Any, count: int, service: Any) -> None:
        """The first `count` openings of uint64[n, OPENING]; `service`, by name, is not 0 where one is wanted."""
        if self._count + count > MAX_OPENINGS and not self._full:
            self._forget_repeated()
            self._full = self._count > MAX_OPENINGS // 2  # so many in earnest: looking for repeated ones again is dear
        self._count, dropped = _keep(
            rows, count, service, self._segments, self._segment, self._slices, self._count, MAX_OPENINGS
        )
        self.dropped += dropped

    def note(self, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
        """Openings whose names no entry wants: client's address, time, 0, VLANs; as signed numbers."""
        self.add(np.array(rows, np.int64).view(np.uint64), len(rows), np.zeros(1, np.int32))

    def take(self) -> tuple[layout.Slices, int]:
        """The openings since the last call as raw slices, until the next one: who, when, and the VLANs; their number.

        The first of each second has the name MARK, what repeats it has none.
        """
        self._mark()
        count, self._count, self._full = self._count, 0, False
        return self._slices, count

    def _mark(self) -> None:
        self._turn += 1
        _mark_firsts(self._slices, self._count, self._slots, self._turn)

    def _forget_repeated(self) -> None:
        self._mark()
        words = self._slices.words[: self._count]
        kept = words[self._slices.halves[: self._count, S_NAME] == MARK]
        words[: len(kept)] = kept
        self._count = len(kept)
