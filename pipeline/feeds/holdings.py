"""Who held an address when: records of one feed put together to holdings.

Theory. A record says that an address belongs to a hardware address from `start`, until `end` at the latest. The record
with the latest start rules: a lease that ends early because the address is lent again ends when the next one starts. A
record without hardware (given back, deleted, declined) ends what came before it. A record that begins when another of
the same hardware address still holds is a renewal: both are one holding. A closed record tells when a lease really
ended and beats the expected end of the same lease. Two hardware addresses with the same start both hold the address, so
that nobody does. None of this depends on the order of records: files may be read twice, turned around or rotated.

A hardware address with very many addresses at once is no device but a router (or a proxy) between the device and
whoever looked: `routers` finds them.

Times are Unix seconds by the clock of the feed. Records are kept as columns: a lease file of 200 MB has two million.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

GONE = -1
MAX_TIME = float((1 << 32) * 60 - 60)  # the last minute that fits into 32 bits
ADDRESSES_OF_A_DEVICE = {4: 16, 6: 64}
_IPV4 = b"\0" * 10 + b"\xff\xff"


@dataclass(frozen=True, slots=True)
class Holding:
    """An address held by a hardware address, Unix seconds [start, end). host: the short name it gave, if any.

    sort: what says so, as `lease`; at: FILE:LINE of its first record."""

    address: bytes
    mac: int
    host: str
    start: float
    end: float
    sort: str
    at: str


@dataclass(slots=True)
class Records:
    """The records of one feed. `sort`: what its holdings are called."""

    sort: str
    _addresses: dict[bytes, int] = field(default_factory=dict)
    _files: dict[str, int] = field(default_factory=dict)
    _hosts: dict[str, int] = field(default_factory=dict)
    _names: array[int] = field(default_factory=lambda: array("q"))
    _times: array[float] = field(default_factory=lambda: array("d"))

    def add(
        self,
        address: bytes,
        mac: int | None,
        start: float,
        end: float,
        file: str,
        line: int,
        host: str = "",
        closed: bool = False,
    ) -> None:
        """Notes that `address` belongs to `mac` (None: to nobody) from start to end. closed: end has happened."""
        numbers = (
            self._addresses.setdefault(address, len(self._addresses)),
            GONE if mac is None else mac,
            self._hosts.setdefault(host, len(self._hosts)),
            self._files.setdefault(file, len(self._files)),
            line,
            closed,
        )
        self._names.extend(numbers)
        self._times.extend((start, end))

    def __len__(self) -> int:
        return len(self._times) // 2

    def starts(self) -> dict[bytes, npt.NDArray[np.float64]]:
        """When records of each address with hardware begin, in order."""
        if not len(self):
            return {}
        columns = np.frombuffer(self._names, np.int64).reshape(-1, 6)
        known = columns[:, 1] >= 0
        address, start = columns[known, 0], np.frombuffer(self._times).reshape(-1, 2)[known, 0]
        order = np.lexsort((start, address))
        cuts = np.searchsorted(address[order], np.arange(1, len(self._addresses)))
        return dict(zip(self._addresses, np.split(start[order], cuts), strict=True))

    def holdings(self) -> list[Holding]:
        """What the records say, by address and start."""
        if not len(self):
            return []
        hosts, files, addresses = list(self._hosts), list(self._files), list(self._addresses)
        columns = np.frombuffer(self._names, np.int64).reshape(-1, 6)
        times = np.clip(np.frombuffer(self._times).reshape(-1, 2), 0, MAX_TIME)
        rank = np.empty(len(hosts), np.int64)
        rank[sorted(range(len(hosts)), key=hosts.__getitem__)] = np.arange(len(hosts))
        order = np.lexsort(
            (columns[:, 4], columns[:, 3], rank[columns[:, 2]], columns[:, 1], times[:, 0], columns[:, 0])
        )
        (address, mac, host, file, line, closed), (start, end) = columns[order].T, times[order].T

        leads = _changes(address, start, mac)  # the first record of each lease; the last has its host name
        last = np.append(leads[1:], len(order)) - 1
        expected = np.maximum.reduceat(np.where(closed, 0.0, end), leads)
        ended = np.minimum.reduceat(np.where(closed, end, np.inf), leads)
        end, host = np.where(np.isinf(ended), expected, ended), host[last]
        address, mac, start, file, line = (column[leads] for column in (address, mac, start, file, line))

        slots = _changes(address, start)
        follows = np.append(start[slots[1:]], np.inf)
        follows[np.append(address[slots[1:]] != address[slots[:-1]], True)] = np.inf
        end = np.minimum(end, follows[np.searchsorted(slots, np.arange(len(start)), side="right") - 1])

        kept = np.flatnonzero((mac != GONE) & (end > start))
        if not len(kept):
            return []
        address, mac, host, start, end, file, line = (
            column[kept] for column in (address, mac, host, start, end, file, line)
        )
        joined = np.zeros(len(kept), bool)
        joined[1:] = (end[:-1] == start[1:]) & (
            (address[1:] == address[:-1]) & (mac[1:] == mac[:-1]) & (host[1:] == host[:-1])
        )
        first = np.flatnonzero(~joined)
        final = np.append(first[1:], len(kept)) - 1
        found = zip(
            *(column[first].tolist() for column in (address, mac, host, start, file, line)),
            end[final].tolist(),
            strict=True,
        )
        return [
            Holding(addresses[a], m, hosts[h], begin, until, self.sort, f"{files[f]}:{n}")
            for a, m, h, begin, f, n, until in found
        ]


def _changes(*columns: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Positions at which any of the sorted columns has another value than before; the first is one."""
    changed = np.ones(len(columns[0]), bool)
    changed[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(changed)


def routers(holdings: Iterable[Holding]) -> frozenset[int]:
    """Hardware addresses that hold more addresses at once than a device does (ADDRESSES_OF_A_DEVICE)."""
    by_mac: defaultdict[tuple[int, int], list[Holding]] = defaultdict(list)
    for holding in holdings:
        by_mac[holding.mac, 4 if holding.address.startswith(_IPV4) else 6].append(holding)
    return frozenset(mac for (mac, version), own in by_mac.items() if _at_once(own) > ADDRESSES_OF_A_DEVICE[version])


def _at_once(holdings: Sequence[Holding]) -> int:
    """The largest number of addresses held at one time."""
    if len({holding.address for holding in holdings}) <= min(ADDRESSES_OF_A_DEVICE.values()):
        return 0
    held: defaultdict[bytes, int] = defaultdict(int)
    changes = sorted(
        change
        for holding in holdings
        for change in ((holding.start, 1, holding.address), (holding.end, -1, holding.address))
    )
    most = now = 0
    for _, step, address in changes:
        before = held[address] > 0
        held[address] += step
        now += (held[address] > 0) - before
        most = max(most, now)
    return most
