"""Cuts a recording to what a sensor needs: headers of everything, and whole what names a flow.

Kept whole: DNS, the client's first records (TLS ClientHello, a request on port 80) and its first QUIC Initials. Of all
else the headers; the sizes stay in them. What means nothing any more and does not compress is zeroed: link addresses,
IPv4 identifications, checksums, TCP windows, and in a ClientHello the random, the session, keys, tickets and the
encrypted inner hello. Times are cut to the millisecond, and of several bare acknowledgements that an end sends on a
connection in one millisecond the last remains, as wireless links and network cards do it too. What is not IPv4 is left
out.
"""

from __future__ import annotations

import gzip
import struct
from collections import Counter
from pathlib import Path

_HEAD = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_INITIALS = 2  # of a QUIC flow: what a hello with ML-KEM takes
_KEY_SHARE, _PSK, _ECH, _TICKET = 51, 41, 0xFE0D, 35


class _Beginning:
    """What a client said first on a TCP connection, until its first record is whole."""

    def __init__(self) -> None:
        self.wanted = -1  # not known yet
        self._parts: list[tuple[bytearray, int]] = []

    def take(self, frame: bytearray, head: int, size: int) -> int:
        """Take a segment whose payload begins at `head`; returns how much of it to keep."""
        if self.wanted < 0:
            record = frame[head] == 22 and size > 5
            self.wanted = 5 + int.from_bytes(frame[head + 3 : head + 5], "big") if record else size
        keep = min(size, self.wanted)
        if keep:
            self._parts.append((frame, head))
            self.wanted -= keep
            if not self.wanted:
                self._blank(keep)
        return keep

    def _blank(self, last: int) -> None:
        sizes = [len(frame) - head for frame, head in self._parts[:-1]] + [last]
        whole = bytearray().join(frame[head:][:size] for (frame, head), size in zip(self._parts, sizes, strict=True))
        if whole[0] == 22:
            blank_hello(whole)
        for (frame, head), size in zip(self._parts, sizes, strict=True):
            frame[head : head + size] = whole[:size]
            del whole[:size]


def blank_hello(record: bytearray) -> None:
    """Zero what is random in a TLS record that holds a whole ClientHello; all lengths stay."""

    def blank(start: int, end: int) -> None:
        record[start:end] = bytes(end - start)

    blank(11, 43)
    session = record[43]
    blank(44, 44 + session)
    at = 44 + session
    at += 2 + int.from_bytes(record[at : at + 2], "big")
    at += 1 + record[at] + 2
    while at + 4 <= len(record):
        kind, size = struct.unpack_from(">HH", record, at)
        at += 4
        if kind == _KEY_SHARE:
            share = at + 2
            while share + 4 <= at + size:
                length = int.from_bytes(record[share + 2 : share + 4], "big")
                blank(share + 4, share + 4 + length)
                share += 4 + length
        elif kind == _PSK:
            identity = int.from_bytes(record[at + 2 : at + 4], "big")
            blank(at + 4, at + 4 + identity)
            binders = at + 2 + int.from_bytes(record[at : at + 2], "big")
            blank(binders + 3, at + size)
        elif kind == _ECH and size > 10:
            blank(at + 10, at + size)
        elif kind == _TICKET:
            blank(at, at + size)
        at += size


def shorten(source: Path, target: Path, outside: int = 198) -> int:
    """Write `target` (pcap in gzip); returns its packets. `outside` is the first byte of servers' addresses."""
    data = source.read_bytes()
    beginnings: dict[bytes, _Beginning] = {}
    initials = Counter[bytes]()
    records: list[tuple[bytes, bytearray, int]] = []
    bare: dict[bytes, tuple[int, int]] = {}  # the last bare acknowledgement of an end: its millisecond, its record
    superseded: set[int] = set()
    at = 24
    while at + 16 <= len(data):
        seconds, micros, captured, original = _RECORD.unpack_from(data, at)
        frame = bytearray(data[at + 16 : at + 16 + captured])
        at += 16 + captured
        if keep := _cut(frame, beginnings, initials, outside):
            if frame[23] == 6 and _is_bare(frame):
                end, moment = bytes(frame[26:38]), seconds * 1000 + micros // 1000
                before, which = bare.get(end, (-1, -1))
                if before == moment:
                    superseded.add(which)
                bare[end] = moment, len(records)
            records.append((_RECORD.pack(seconds, micros // 1000 * 1000, keep, original), frame, keep))
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(_HEAD.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, (head, frame, keep) in enumerate(records):
            if number not in superseded:
                file.write(head + frame[:keep])
    return len(records) - len(superseded)


def _is_bare(frame: bytearray) -> bool:
    """Is it an acknowledgement and nothing else? The frame is IPv4 and TCP."""
    start = 14 + (frame[14] & 15) * 4
    header = (frame[start + 12] >> 4) * 4
    return frame[start + 13] == 0x10 and 14 + int.from_bytes(frame[16:18], "big") == start + header


def _cut(frame: bytearray, beginnings: dict[bytes, _Beginning], initials: Counter[bytes], outside: int) -> int:
    """Zero what means nothing; returns how many bytes to keep, 0 for none."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00":
        return 0
    start = 14 + (frame[14] & 15) * 4
    kind, sent = frame[23], frame[26] != outside
    end = min(len(frame), 14 + int.from_bytes(frame[16:18], "big"))
    flow = bytes(frame[26:34] + frame[start : start + 4])
    if kind == 17:
        head = start + 8
        if b"\x00\x35" in (frame[start : start + 2], frame[start + 2 : start + 4]):
            keep = end
        elif end > head and frame[head] & 0x80:
            initial = sent and frame[head] & 0x30 == 0
            initials[flow] += initial
            keep = end if initial and initials[flow] <= _INITIALS else min(end, head + 17)
        else:
            keep = min(end, head + 1)
        frame[start + 6 : start + 8] = b"\0\0"
    elif kind == 6:
        head = start + (frame[start + 12] >> 4) * 4
        keep = head
        if sent and frame[start + 13] & 2:
            beginnings[flow] = _Beginning()
        elif sent and end > head and flow in beginnings:
            del frame[end:]
            keep += beginnings[flow].take(frame, head, end - head)
        frame[start + 14 : start + 18] = bytes(4)
    else:
        return 0
    frame[0:12] = bytes(12)
    frame[18:20] = frame[24:26] = b"\0\0"
    return keep
