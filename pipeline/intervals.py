"""Finds for whole columns of (address, minute) the interval that each lies in: two table look-ups instead of searches.

An address (16 bytes as two uint64) is found in an open hash table; the minute in a table that says, per address and
block of minutes, which interval is the first to look at. Both then step on where they must, the whole column at once,
in pieces that stay in the processor's cache. It knows nothing of what the intervals mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio, odd: spreads neighbours (Knuth, TAOCP 6.4)
_BLOCK_MIN = 32
_MAX_BLOCKS = 1 << 22
_PIECE = 1 << 15


def halves(address: npt.NDArray[np.generic]) -> U64:
    """Addresses as 'S16' or as uint64[n, 2] (high, low half) -> uint64[n, 2]."""
    if address.dtype.kind in "SV":
        return np.ascontiguousarray(address).view(">u8").reshape(-1, 2).astype(np.uint64)
    return address.astype(np.uint64, copy=False)


class Intervals:
    """Intervals of minutes per address. addresses: uint64[m, 2], distinct; each has its (start, end) list, [start, end)
    in order and not overlapping, minutes in 0 .. 2**32-1. An interval's number is its position over all lists."""

    def __init__(self, addresses: U64, spans: Sequence[Sequence[tuple[int, int]]]) -> None:
        self._high, self._low = np.ascontiguousarray(addresses[:, 0]), np.ascontiguousarray(addresses[:, 1])
        flat = [(number << 32 | start, end) for number, own in enumerate(spans) for start, end in own]
        self._keys = np.array([key for key, _ in flat] + [np.iinfo(np.int64).max], np.int64)
        self._ends = np.array([end for _, end in flat] + [0], np.int64)
        self._hash(len(addresses))
        self._blocks(len(addresses))

    def __len__(self) -> int:
        return len(self._keys) - 1

    def find(self, pairs: U64, minutes: npt.NDArray[np.uint32]) -> I64:
        """Addresses uint64[n, 2] and minutes uint32[n] -> number of the interval int64[n], -1 where there is none."""
        found = np.full(len(minutes), -1, np.int64)
        if len(self):
            for start in range(0, len(minutes), _PIECE):
                piece = slice(start, start + _PIECE)
                found[piece] = self._find(pairs[piece], minutes[piece].astype(np.int64))
        return found

    def _find(self, pairs: U64, minute: I64) -> I64:
        number = self._number(pairs)
        known = number >= 0
        key = np.maximum(number, 0) << 32 | minute
        block = np.clip((minute - self._base) >> self._shift, 0, self._width - 1)
        at = self._first[np.maximum(number, 0) * self._width + block]
        rows = np.flatnonzero(self._keys[at + 1] <= key)
        while len(rows):
            at[rows] += 1
            rows = rows[self._keys[at[rows] + 1] <= key[rows]]
        start = self._keys[at]
        known &= (start <= key) & (start >> 32 == number) & (minute < self._ends[at])
        return np.where(known, at, -1)

    def _number(self, pairs: U64) -> I64:
        """The position of each address, -1 for unknown ones."""
        high, low = pairs[:, 0], pairs[:, 1]
        slot = _slots(high, low, self._bits)
        number = self._table[slot]
        rows = np.flatnonzero((number >= 0) & ((self._high[number] != high) | (self._low[number] != low)))
        while len(rows):
            slot[rows] = (slot[rows] + 1) & (len(self._table) - 1)
            number[rows] = new = self._table[slot[rows]]
            rows = rows[(new >= 0) & ((self._high[new] != high[rows]) | (self._low[new] != low[rows]))]
        return number

    def _hash(self, size: int) -> None:
        self._bits = max(4, (8 * size).bit_length())
        self._table = np.full(1 << self._bits, -1, np.int64)
        for number, slot in enumerate(_slots(self._high, self._low, self._bits).tolist()):
            while self._table[slot] >= 0:
                slot = (slot + 1) & (len(self._table) - 1)
            self._table[slot] = number

    def _blocks(self, size: int) -> None:
        minutes = self._keys[:-1] & 0xFFFFFFFF
        self._base = int(minutes.min(initial=0xFFFFFFFF)) if len(self) else 0
        span = int(self._ends.max()) - self._base if len(self) else 1
        self._shift = _BLOCK_MIN.bit_length() - 1
        while ((span >> self._shift) + 1) * size > _MAX_BLOCKS and self._shift < 32:
            self._shift += 1
        self._width = (span >> self._shift) + 1
        starts = self._base + (np.arange(self._width, dtype=np.int64) << self._shift)
        keys = (np.arange(size, dtype=np.int64)[:, None] << 32 | starts).ravel()
        self._first = np.maximum(np.searchsorted(self._keys[:-1], keys, side="right") - 1, 0)


def _slots(high: U64, low: U64, bits: int) -> I64:
    mixed = (low ^ high * _FACTOR) * _FACTOR
    return (mixed >> np.uint64(64 - bits)).astype(np.int64)
