"""Zeroes what a capture of TLS sessions holds of payload; sizes and times stay true.

Of every TCP connection to port 443 remain: link, IP and TCP headers, the 5 bytes of each TLS record header, and the
clear handshake (ClientHello and ServerHello, in which names and sizes stand; what is random in the ClientHello is zero
too). All else becomes zero bytes, so that a packet keeps its length. What is not TCP on port 443 over IPv4 is left out.

A record header is found by walking each direction's stream in order; what comes early waits. Where bytes never come
(the capture lost a packet), the rest of that direction is zero up to its end: nothing is guessed.
"""

from __future__ import annotations

import bisect
import gzip
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pcaps.use.shorten import blank_hello

HEAD = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")
HANDSHAKE, CLIENT_HELLO, SERVER_HELLO = 22, 1, 2
_WRAP = 1 << 32
_HALF = 1 << 31


@dataclass(frozen=True, slots=True)
class Segment:
    """One TCP segment of a capture; `start` and `end` are where its payload stands in `frame`."""

    time: float
    frame: bytearray
    head: bytes
    flow: bytes
    flags: int
    sequence: int
    start: int
    end: int


@dataclass(slots=True)
class _Direction:
    """What has been walked of one direction: the clear bytes by stream offset."""

    base: int
    at: int = 0  # how far the stream was walked
    clear: list[tuple[int, bytes]] = field(default_factory=list)  # (stream offset, bytes that may stay), in order
    header: bytearray = field(default_factory=bytearray)
    left: int = 0  # of the record's body
    body: bytearray | None = None  # of a record that may stay
    early: dict[int, bytes] = field(default_factory=dict)

    def take(self, offset: int, data: bytes) -> None:
        """Walk the new part of a segment's payload, and what waited for it."""
        if offset > self.at:
            if len(data) > len(self.early.get(offset, b"")):
                self.early[offset] = data
            return
        self._walk(data[self.at - offset :])
        while self.early and (next_one := min(self.early)) <= self.at:
            self._walk(self.early.pop(next_one)[self.at - next_one :])

    def _walk(self, data: bytes) -> None:
        while data:
            count = self._body(data) if self.left else self._header(data)
            self.at += count
            data = data[count:]

    def _header(self, data: bytes) -> int:
        part = data[: 5 - len(self.header)]
        self.clear.append((self.at, part))
        self.header += part
        if len(self.header) == 5:
            self.left = int.from_bytes(self.header[3:], "big")
            self.body = bytearray(self.header) if self.header[0] == HANDSHAKE and self.left > 40 else None
            self.header.clear()
        return len(part)

    def _body(self, data: bytes) -> int:
        part = data[: self.left]
        self.left -= len(part)
        if self.body is not None:
            self.body += part
            if self.body[5] not in (CLIENT_HELLO, SERVER_HELLO):
                self.body = None
            elif not self.left:
                if self.body[5] == CLIENT_HELLO:
                    blank_hello(self.body)
                self.clear.append((self.at + len(part) - len(self.body) + 5, bytes(self.body[5:])))
                self.body = None
        return len(part)

    def masked(self, offset: int, size: int) -> bytes:
        """That part of the stream with all zeroed that must not stay."""
        result = bytearray(size)
        first = max(0, bisect.bisect_right(self.clear, offset, key=lambda pair: pair[0]) - 1)
        for start, part in self.clear[first:]:
            if start >= offset + size:
                break
            low, high = max(start, offset), min(start + len(part), offset + size)
            if low < high:
                result[low - offset : high - offset] = part[low - start : high - start]
        return bytes(result)


def segments(data: bytes) -> Iterator[Segment]:
    """The TCP segments over IPv4 and Ethernet to or from port 443 of a classic pcap file's bytes."""
    at = HEAD.size
    while at + RECORD.size <= len(data):
        seconds, micros, captured, _ = RECORD.unpack_from(data, at)
        frame = bytearray(data[at + RECORD.size : at + RECORD.size + captured])
        head = data[at : at + RECORD.size]
        at += RECORD.size + captured
        if len(frame) < 54 or frame[12:14] != b"\x08\x00" or frame[23] != 6:
            continue
        tcp = 14 + (frame[14] & 15) * 4
        if b"\x01\xbb" not in (frame[tcp : tcp + 2], frame[tcp + 2 : tcp + 4]):
            continue
        start = tcp + (frame[tcp + 12] >> 4) * 4
        end = min(len(frame), 14 + int.from_bytes(frame[16:18], "big"))
        flow = bytes(frame[26:34] + frame[tcp : tcp + 4])
        sequence = int.from_bytes(frame[tcp + 4 : tcp + 8], "big")
        yield Segment(seconds + micros / 1e6, frame, head, flow, frame[tcp + 13], sequence, start, end)


def _offset(direction: _Direction, segment: Segment) -> int:
    near = (segment.sequence - direction.base - direction.at + _HALF) % _WRAP - _HALF
    return direction.at + near


def zero(source: Path, target: Path) -> int:
    """Write `target` (pcap in gzip) from the raw `source`; returns its packets."""
    directions: dict[bytes, _Direction] = {}
    kept: list[tuple[Segment, _Direction, int]] = []
    for segment in segments(source.read_bytes()):
        began = directions.get(segment.flow)
        if began is None or (segment.flags & 2 and (segment.sequence + 1) % _WRAP != began.base):
            # Of a stream whose beginning was not seen nothing can stay: it waits for a byte that does not come.
            directions[segment.flow] = _Direction((segment.sequence + (1 if segment.flags & 2 else -1)) % _WRAP)
        direction = directions[segment.flow]
        offset = _offset(direction, segment) if segment.end > segment.start else 0
        direction.take(offset, bytes(segment.frame[segment.start : segment.end]))
        kept.append((segment, direction, offset))
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(HEAD.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for segment, direction, offset in kept:
            size = segment.end - segment.start
            segment.frame[segment.start : segment.end] = direction.masked(offset, size)
            del segment.frame[segment.end :]
            size = len(segment.frame)
            file.write(segment.head[:8] + struct.pack("<II", size, size) + segment.frame)
    return len(kept)
