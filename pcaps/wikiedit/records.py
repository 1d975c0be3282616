"""TLS records of a zeroed capture: per connection the moments and sizes, + from the client and - from the server.

The moment of a record is when its header, and all before it, had been seen.
"""

from __future__ import annotations

import gzip
import socket
from dataclasses import dataclass, field
from pathlib import Path

from pcaps.wikiedit.zero import segments

_APPLICATION, _OVERHEAD = 23, 17
_WRAP, _HALF = 1 << 32, 1 << 31


@dataclass(slots=True)
class _Walk:
    next: int
    early: dict[int, bytes] = field(default_factory=dict)
    rest: bytearray = field(default_factory=bytearray)
    left: int = 0


@dataclass(slots=True)
class Connection:
    """One TLS connection; `records` are (time, size) of application data, + up and - down, in order of the capture."""

    client: str
    port: int
    server: str
    opened: float
    round_trip: float = 0.0
    records: list[tuple[float, int]] = field(default_factory=list)


def records(capture: Path) -> list[Connection]:
    """The connections of a capture (pcap in gzip), by the time of their first packet."""
    found: dict[tuple[str, int, str], Connection] = {}
    walks: dict[bytes, _Walk] = {}
    for segment in segments(gzip.decompress(capture.read_bytes())):
        source, target = socket.inet_ntoa(segment.flow[:4]), socket.inet_ntoa(segment.flow[4:8])
        ports = int.from_bytes(segment.flow[8:10], "big"), int.from_bytes(segment.flow[10:12], "big")
        up = ports[1] == 443
        key = (source, ports[0], target) if up else (target, ports[1], source)
        if segment.flags & 2:
            walks[segment.flow] = _Walk((segment.sequence + 1) % _WRAP)
            if up:
                found[key] = Connection(*key, segment.time)
            elif key in found:
                found[key].round_trip = segment.time - found[key].opened
            continue
        walk = walks.get(segment.flow)
        if walk is None or key not in found:
            continue
        data = bytes(segment.frame[segment.start : segment.end])
        ahead = (segment.sequence - walk.next + _HALF) % _WRAP - _HALF
        if ahead > 0:
            walk.early.setdefault(segment.sequence, data)
            continue
        _take(walk, found[key], segment.time, data[-ahead:], up)
        while walk.next in walk.early:
            _take(walk, found[key], segment.time, walk.early.pop(walk.next), up)
    return sorted(found.values(), key=lambda connection: connection.opened)


def _take(walk: _Walk, connection: Connection, moment: float, data: bytes, up: bool) -> None:
    walk.next = (walk.next + len(data)) % _WRAP
    while data:
        if walk.left:
            used = min(walk.left, len(data))
            walk.left -= used
            data = data[used:]
            continue
        used = min(5 - len(walk.rest), len(data))
        walk.rest += data[:used]
        data = data[used:]
        if len(walk.rest) == 5:
            walk.left = int.from_bytes(walk.rest[3:], "big")
            if walk.rest[0] == _APPLICATION:
                size = walk.left - _OVERHEAD
                connection.records.append((moment, size if up else -size))
            walk.rest.clear()
