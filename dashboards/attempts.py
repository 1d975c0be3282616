"""How often somebody may try to log in: with each failure the wait grows, and nobody can lock another out.

Failures are counted per address (an IPv6 network of 64 bits is one), per account and address, and per account. The
first two wait up to five minutes. An account as a whole waits a few seconds at most, however many fail on it from
elsewhere; and a browser that has logged in to it before (it carries a signed mark) does not wait for others at all. A
try that comes too early is not looked at and prolongs nothing. Old counts are forgotten after an hour, and there is
room for a bounded number of them: memory, not a file, so a restart forgets them all.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

FORGET_S = 3600.0
ROOM = 10_000


@dataclass(slots=True)
class _Count:
    failures: int
    last: float


class Attempts:
    """Counts failures; times are Unix seconds and come with each call. Safe for threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._counts: OrderedDict[tuple[str, ...], _Count] = OrderedDict()
        self._room = room
        self._lock = threading.Lock()

    def wait(self, login: str, address: str, known: bool, now: float) -> float:
        """Seconds until this may be tried; 0: now. `known`: the browser has logged in to this account before."""
        with self._lock:
            return max(self._wait(limit, now) for limit in _limits(login, address, known))

    def failed(self, login: str, address: str, known: bool, now: float) -> None:
        """One more failure."""
        with self._lock:
            for limit in _limits(login, address, known):
                count = self._counts.pop(limit.key, None)
                before = count.failures if count and now - count.last <= FORGET_S else 0
                self._counts[limit.key] = _Count(before + 1, now)
            while len(self._counts) > self._room:
                self._counts.popitem(last=False)

    def worked(self, login: str, address: str, known: bool) -> None:
        """The last failure was none: a log-in. What this browser did wrong on this account before is forgotten."""
        with self._lock:
            pair, *others = _limits(login, address, known)
            self._counts.pop(pair.key, None)
            for limit in others:
                if count := self._counts.get(limit.key):
                    count.failures -= 1

    def _wait(self, limit: _Limit, now: float) -> float:
        count = self._counts.get(limit.key)
        over = count.failures - limit.free if count else -1
        if count is None or over < 0 or now - count.last > FORGET_S:
            return 0.0
        return max(0.0, count.last + min(2.0 ** min(over, 30), limit.longest) - now)


@dataclass(frozen=True, slots=True)
class _Limit:
    """What is counted, how many failures cost no wait, and the longest wait in seconds."""

    key: tuple[str, ...]
    free: int
    longest: float


def _limits(login: str, address: str, known: bool) -> list[_Limit]:
    network = _network(address)
    if known:
        return [_Limit(("known", login, network), 3, 300.0)]
    return [
        _Limit(("pair", login, network), 3, 300.0),
        _Limit(("address", network), 20, 60.0),  # many may sit behind one
        _Limit(("account", login), 10, 5.0),
    ]


def _network(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        return str(IPv6Address(int(found) >> 64 << 64))
    return str(found.ipv4_mapped or found) if isinstance(found, IPv6Address) else str(found)
