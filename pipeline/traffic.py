"""What users exchanged with services, minute by minute, as columns; and when they opened other sites.

Traffic is rows of (who, service, minute, part of the service) with sums, extremes and bit sets, all of whole numbers,
so that `merge` can add up rows of the same key in any order and in any cuts with the same result. `who` is any number
that stands for one user of the network: a client, or later a person. Rows whose service lies beyond the list of
services only say in which seconds other sites, in no catalogue, were asked.
This module knows no rules, names, addresses, calendars or time zones; minutes count from 1970-01-01 00:00 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Self

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]

MINUTE_MS = 60_000
NEVER = 1 << 30  # milliseconds: later than any packet
_SUMS = {
    **dict.fromkeys(("up", "down", "flows"), np.add),
    **dict.fromkeys(("first", "opened"), np.minimum),
    **dict.fromkeys(("last", "largest", "note"), np.maximum),
    **dict.fromkeys(("named", "asked"), np.bitwise_or),
}


class Part(IntEnum):
    """Hosts of a service by what they show: its own site; the interface that programs call; pictures, films and code;
    what other people's pages have of it (widgets, adverts); and what only holds a line open for news."""

    SITE = 0
    INTERFACE = 1
    CONTENT = 2
    ASIDE = 3
    PUSH = 4


@dataclass(frozen=True, slots=True)
class Traffic:
    """Columns of equal length: what one user exchanged in a minute with one part of a service.

    who int64 (>= 0); service int64 (position in a list of services; beyond it see above); minute int64;
    part int64 (Part). Then int64, times in milliseconds after the minute began:
    up, down: bytes. first, last: packets. named: bit set of sensor.words.Evidence positions. note: whatever the caller
    wants back (of merged rows the largest). flows: how many there were. opened: the first packet of the first one that
    began in this minute, else NEVER. asked: the seconds in which a client burst came (bit set). largest: bytes of the
    largest burst.
    """

    who: I64
    service: I64
    minute: I64
    part: I64
    up: I64
    down: I64
    first: I64
    last: I64
    named: I64
    note: I64
    flows: I64
    opened: I64
    asked: I64
    largest: I64

    def __len__(self) -> int:
        return len(self.who)

    def take(self, rows: npt.NDArray[np.integer] | Mask) -> Self:
        """The rows at these positions, or where the mask is true."""
        return type(self)(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def join(cls, pieces: list[Self]) -> Self:
        """All rows of all pieces (at least one)."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(cls)))

    @classmethod
    def none(cls) -> Self:
        """No rows."""
        return cls(*(np.zeros(0, np.int64) for _ in fields(cls)))


def groups_of(who: I64, service: I64, minute: I64, part: I64) -> tuple[I64, I64, dict[str, I64]]:
    """Brings rows (at least one) of the same four values together: the rows in order of these, where in that order
    each group starts, and the four columns of the groups."""
    base = int(minute.min())
    width = int(minute.max()) - base + 1
    kinds = int(service.max()) + 1
    if (int(who.max()) + 1) * kinds * width * len(Part) >= 1 << 63:
        raise ValueError("too many users, services and minutes at once; judge a shorter time")
    key = ((who * kinds + service) * width + (minute - base)) * len(Part) + part
    order = np.argsort(key)
    key = key[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    whole, found_part = np.divmod(key[starts], len(Part))
    rest, found_minute = np.divmod(whole, width)
    found_who, found_service = np.divmod(rest, kinds)
    keys = {"who": found_who, "service": found_service, "minute": found_minute + base, "part": found_part}
    return order, starts, keys


def add_up(keys: Mapping[str, I64], starts: I64, column: Callable[[str], I64]) -> Traffic:
    """One row for each group of `groups_of`; `column`: any other column of Traffic, its rows in the groups' order."""
    return Traffic(**keys, **{name: sums.reduceat(column(name), starts) for name, sums in _SUMS.items()})


def merge(rows: Traffic) -> Traffic:
    """Adds up rows with the same who, service, minute and part; sorts by these. Their order does not matter."""
    if not len(rows):
        return rows
    order, starts, keys = groups_of(rows.who, rows.service, rows.minute, rows.part)
    return add_up(keys, starts, lambda name: getattr(rows, name)[order])


def without_idle_openings(rows: Traffic, services: int) -> Traffic:
    """Without the requests to other sites by who exchanged nothing with a service in that minute or the next."""
    openings = np.flatnonzero(rows.service >= services)
    if not len(openings):
        return rows
    base = int(rows.minute.min())
    width = int(rows.minute.max()) - base + 3
    key = rows.who * width + rows.minute - base
    busy = key[rows.service < services]
    at = key[openings]
    idle = ~(np.isin(at, busy) | np.isin(at + 1, busy))
    kept = np.ones(len(rows), bool)
    kept[openings[idle]] = False
    return rows.take(kept)
