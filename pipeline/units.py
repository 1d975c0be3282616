"""Merged traffic laid out by (who, service, minute): the two sides of each, its neighbours, and sets of seconds.

A set of seconds is an int64 whose bit s stands for second s of a minute. This module knows no rules and no limits; it
is the arithmetic under pipeline.activity.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.traffic import I64, MINUTE_MS, NEVER, Mask, Part, Traffic
from pipeline.windows import REACH_MIN

SECONDS = 60
_ALL = (1 << SECONDS) - 1
_Number = TypeVar("_Number", np.int64, np.bool_)


class Units:
    """The (who, service, minute) of merged rows, sorted by these, and which rows of traffic make each up."""

    def __init__(self, rows: Traffic) -> None:
        self.rows = rows
        new = (rows.who[1:] != rows.who[:-1]) | (rows.service[1:] != rows.service[:-1])
        self.starts = np.flatnonzero(np.concatenate(([True], new | (rows.minute[1:] != rows.minute[:-1]))))
        unit = np.zeros(len(rows), np.int64)
        unit[self.starts[1:]] = 1
        self.of_row = np.cumsum(unit)
        self.who, self.service, self.minute = (c[self.starts] for c in (rows.who, rows.service, rows.minute))
        pair = np.cumsum(np.concatenate(([0], new.astype(np.int64))))[self.starts]
        base = int(rows.minute.min())
        self.place = pair * (int(rows.minute.max()) - base + 2 * REACH_MIN) + self.minute - base
        """Rises along the units; of two units of one user and service it differs by the minutes between them."""
        self.beside = np.diff(self.place) == 1
        """Of all units but the last: is the next one the same user's and service's next minute?"""

    def before(self, values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        """Of each unit the value of the minute before it, 0 where there is none."""
        found = np.zeros_like(values)
        found[1:] = np.where(self.beside, values[:-1], 0)
        return found

    def after(self, values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        """Of each unit the value of the minute after it, 0 where there is none."""
        found = np.zeros_like(values)
        found[:-1] = np.where(self.beside, values[1:], 0)
        return found

    def sum_back(self, values: I64, rows: I64, minutes: int) -> I64:
        """Of these units the sum of `values` over their minute and those before it, so many in all."""
        until = np.concatenate(([0], np.cumsum(values)))
        low = np.searchsorted(self.place, self.place[rows] - minutes + 1)
        total: I64 = until[rows + 1] - until[low]
        return total

    def near(self, first: I64, last: I64, content: Side, within_ms: int) -> Mask:
        """E2: does contact with the service, from `first` to `last`, lie near the content of each unit? Only the same
        and the two adjacent minutes matter, as `within_ms` is at most a minute."""
        near = first < NEVER
        near[1:] |= self.beside & (content.first[1:] + MINUTE_MS - last[:-1] <= within_ms)
        near[:-1] |= self.beside & (first[1:] + MINUTE_MS - content.last[:-1] <= within_ms)
        return near

    def around(self, values: I64) -> I64:
        """Of each unit the sum of the values of its minute and of the two beside it."""
        total: I64 = self.before(values) + values + self.after(values)
        return total

    def elsewhere(self, others: Traffic) -> tuple[I64, I64]:
        """In which seconds of each unit's minute, and of the one before, its user asked other sites."""
        if not len(others):
            return np.zeros(len(self.starts), np.int64), np.zeros(len(self.starts), np.int64)
        base = min(int(others.minute.min()), int(self.minute.min()) - 1)
        width = max(int(others.minute.max()), int(self.minute.max())) - base + 1
        known = others.who * width + others.minute - base  # sorted, as merged rows of one service are

        def at(minute: I64) -> I64:
            wanted = self.who * width + minute - base
            found = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
            return np.where(known[found] == wanted, others.asked[found], 0)

        return at(self.minute), at(self.minute - 1)


class Side:
    """The columns of the rows of one part of the services, one value for each unit."""

    def __init__(self, units: Units, part: Part) -> None:
        where = np.flatnonzero(units.rows.part == part)
        self._units, self._where, self._at = units, where, units.of_row[where]
        self.first, self.last = self._spread("first", NEVER), self._spread("last", -NEVER)
        self.opened = self._spread("opened", NEVER)
        self.up, self.down, self.largest = (self._spread(name) for name in ("up", "down", "largest"))
        self.flows, self.asked = self._spread("flows"), self._spread("asked")

    def _spread(self, name: str, missing: int = 0) -> I64:
        column = np.full(len(self._units.starts), missing, np.int64)
        column[self._at] = getattr(self._units.rows, name)[self._where]
        return column


def requests(asked: I64) -> I64:
    """E14: how many requests the seconds of bursts stand for; those of successive seconds are one."""
    found: I64 = np.bitwise_count(asked & ~(asked << 1)).astype(np.int64)
    return found


def quick(asked: I64, within_s: int) -> Mask:
    """Are there two requests in the seconds of a minute that lie at most so many seconds apart?"""
    began = asked & ~(asked << 1)
    found = np.zeros_like(began)
    for n in range(2, within_s + 1):
        found |= began & (began << n)
    close: Mask = found != 0
    return close


def recurring(before: I64, asked: I64, after: I64) -> Mask:
    """Do half of the requests in the seconds of a minute, or more, come in the minutes before and after, too, at the
    same second or one beside it?"""
    again = asked & (before | before << 1 | before >> 1) & (after | after << 1 | after >> 1)
    often: Mask = 2 * np.bitwise_count(again) >= np.bitwise_count(asked)
    return often


def second_of(milliseconds: I64) -> I64:
    """The second in which a moment of the minute lies, as a set; empty for NEVER."""
    return np.where(milliseconds < NEVER, np.left_shift(1, np.minimum(milliseconds // 1000, SECONDS - 1)), 0)


def following(seconds: I64, before: I64, at_most: int) -> I64:
    """The seconds of a minute that are, or lie at most so many after, seconds of it or of the minute before."""
    found = seconds.copy()
    for n in range(1, at_most + 1):
        found |= (seconds << n) | (before >> (SECONDS - n))
    return found & _ALL


def steady(minutes: list[I64], at_least: int, percent: int) -> Mask:
    """Do the requests in each row of successive minutes come at distances that vary by less than `percent` of their
    mean (standard deviation), and are there at least so many distances?"""
    bits = np.concatenate([_bits(asked & ~(asked << 1)) for asked in minutes], axis=1)
    row, second = np.nonzero(bits)
    same = row[1:] == row[:-1]
    gap = (second[1:] - second[:-1])[same].astype(np.float64)
    n, total, squares = (np.bincount(row[1:][same], weights, len(bits)) for weights in (None, gap, gap * gap))
    spread = 10_000 * (n * squares - total**2)  # whole numbers, so that equal is equal
    regular: Mask = (n >= at_least) & (spread < percent**2 * total**2)
    return regular


def _bits(seconds: I64) -> Mask:
    octets = np.ascontiguousarray(seconds.astype("<i8")).view(np.uint8).reshape(-1, 8)
    return np.unpackbits(octets, axis=1, count=SECONDS, bitorder="little").astype(bool)
