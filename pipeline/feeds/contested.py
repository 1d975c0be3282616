"""Sightings of one address that contradict each other: what they leave of each other.

Theory. ARP and NDP believe whoever speaks, so a sighting may be a lie. The newest one counts as long as nobody speaks
against it: an address that was lent again has a new device, and the old one is silent. But where a hardware address is
seen again after another one was seen at its address, within the time for which a sighting holds, both were there at
once: from the other one's first sighting to the last contradiction two devices hold the address, so that it is nobody's
(`pipeline.claims`). What was seen before stands.

A sighting does not cut a lease of the same device short. The hardware address in a DHCPv6 client's identifier is that
of some card that the system had once, and copies of a system share it: such a sighting (`duid`) counts only if that
card was itself seen in the network, nobody else was seen at the address, and it stands for one address of a /64.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

DUID = "duid"


class Seen(NamedTuple):
    """A sighting: `mac` was at `address` at `time` and is taken to be there until `end`. `how` may be empty."""

    address: bytes
    time: float
    mac: int
    end: float
    file: str
    line: int
    how: str = ""


def settle(sightings: Iterable[Seen], counts: Counter[str]) -> Iterator[Seen]:
    """The sightings as they stand; of a contested address one for each of two devices, with the same time.

    counts: `contested` and `unconfirmed` sightings are added."""
    by_address: defaultdict[bytes, list[Seen]] = defaultdict(list)
    for seen in _confirmed(sightings, counts):
        by_address[seen.address].append(seen)
    for own in by_address.values():
        own.sort(key=lambda seen: (seen.time, seen.mac, seen.end, seen.file, seen.line))
        yield from _settle_one(own, counts)


def _confirmed(sightings: Iterable[Seen], counts: Counter[str]) -> Iterator[Seen]:
    doubtful: list[Seen] = []
    at: defaultdict[bytes, set[int]] = defaultdict(set)
    macs: set[int] = set()
    for seen in sightings:
        if seen.how == DUID:
            doubtful.append(seen)
        else:
            at[seen.address].add(seen.mac)
            macs.add(seen.mac)
            yield seen
    alike: defaultdict[tuple[int, bytes], set[bytes]] = defaultdict(set)
    for seen in doubtful:
        alike[seen.mac, seen.address[:8]].add(seen.address)
    for seen in doubtful:
        alone = len(alike[seen.mac, seen.address[:8]]) == 1
        if seen.mac in macs and alone and at.get(seen.address, set()) <= {seen.mac}:
            yield seen
        else:
            counts["unconfirmed"] += 1


def _settle_one(own: Sequence[Seen], counts: Counter[str]) -> Iterator[Seen]:
    """The same for the sightings of one address, in order of time."""
    contested = _contested(own)
    ends: dict[int, float] = {}
    last, other = own[0], own[0]  # `other`: the latest one of another hardware address
    for seen, doubt in zip(own, contested, strict=True):
        if seen.mac != last.mac:
            other = last
        last = seen
        if not doubt:
            ends = {seen.mac: max(seen.end, ends.get(seen.mac, 0.0))}
            yield seen._replace(end=ends[seen.mac])
            continue
        counts["contested"] += 1
        ends[seen.mac] = max(seen.end, ends.get(seen.mac, 0.0))
        yield seen._replace(end=ends[seen.mac])
        yield other._replace(time=seen.time, end=max(ends.get(other.mac, other.end), other.end))


def _contested(own: Sequence[Seen]) -> list[bool]:
    """Which of an address's sightings lie between two of one hardware address, with another one's among them."""
    if len({seen.mac for seen in own}) == 1:
        return [False] * len(own)
    steps = [0] * (len(own) + 1)
    before: dict[int, tuple[int, float]] = {}
    for n, seen in enumerate(own):
        at, end = before.get(seen.mac, (n, seen.end))
        if at < n - 1 and end >= seen.time:
            steps[at + 1] += 1
            steps[n + 1] -= 1
        before[seen.mac] = n, max(end, seen.end)
    return [depth > 0 for depth in accumulate(steps[:-1])]
