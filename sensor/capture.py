"""Capture files as blocks for the kernel: pcap (both byte orders, micro- and nanoseconds), pcapng, and either in gzip.

`open_capture` looks at the first bytes and refuses what is no capture by name. A plain file is memory-mapped; a
compressed one is read in chunks, each beginning with the rest of the one before. It does not read records
(`sensor.walk`).

Sources: draft-ietf-opsawg-pcap 4, draft-ietf-opsawg-pcapng 4.
"""

from __future__ import annotations

import gzip
import mmap
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sensor import walk
from sensor.formats import HEAD, foreign
from sensor.memory import read_soon

CHUNK = 64 << 20  # bytes of capture handled at a time

Feed = Callable[[Any, int, int, Any, Any], int]

_MAGIC = {  # first four bytes -> (little-endian, nanoseconds)
    b"\xa1\xb2\xc3\xd4": (0, 0),
    b"\xd4\xc3\xb2\xa1": (1, 0),
    b"\xa1\xb2\x3c\x4d": (0, 1),
    b"\x4d\x3c\xb2\xa1": (1, 1),
}
_PCAPNG = b"\x0a\x0d\x0d\x0a"
_PCAPNG_ORDERS = (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a")
_GZIP = b"\x1f\x8b"


class CaptureError(ValueError):
    """The file is no capture that we read; the message names the file and the mend."""


@dataclass(slots=True)
class Capture:
    """An open capture: walker state and its bytes, chunk by chunk. `position` counts bytes read, for progress."""

    path: Path
    state: Any
    interfaces: Any
    size: int
    header: int
    compressed: bool
    position: int = 0
    note: str = ""

    def read(self, feed: Feed) -> Iterator[None]:
        """Give the capture to `feed` in chunks; yields after each, so that the caller can take what is ready.

        feed(buffer, start, end, state, interfaces) returns where it stopped: at `start` only if no record is left.
        """
        yield from self._read_packed(feed) if self.compressed else self._read_mapped(feed)
        if self.state[walk.BROKEN]:
            self.note = "a record makes no sense; the rest of the file was not read"

    def _read_mapped(self, feed: Feed) -> Iterator[None]:
        at, chunk = self.header, CHUNK
        if self.size <= at:
            return
        with self.path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), self.size, access=mmap.ACCESS_COPY)
        buffer = np.frombuffer(memory, np.uint8)
        while at < self.size and not self.state[walk.BROKEN]:
            end = min(at + chunk, self.size)
            read_soon(memory, at, end)
            after = feed(buffer, at, end, self.state, self.interfaces)
            if after == at and end == self.size:
                self.note = f"the last record is cut short ({end - at} bytes left over)"
                return
            chunk = CHUNK if after > at else chunk * 2
            at = self.position = after
            yield

    def _read_packed(self, feed: Feed) -> Iterator[None]:
        rest, at = np.zeros(0, np.uint8), self.header
        with self.path.open("rb") as raw:
            for data in self._unpack(raw):
                buffer = np.concatenate([rest, np.frombuffer(data, np.uint8)])
                while (after := feed(buffer, at, len(buffer), self.state, self.interfaces)) > at:
                    at, self.position = after, raw.tell()
                    yield
                rest, at = buffer[at:].copy(), 0
                if self.state[walk.BROKEN]:
                    return
        if len(rest) and not self.note:
            self.note = f"the last record is cut short ({len(rest)} bytes left over)"

    def _unpack(self, raw: BinaryIO) -> Iterator[bytearray]:
        """A gzip file's contents in chunks; if it ends badly, everything before that."""
        data = bytearray()
        with gzip.open(raw, "rb") as file:
            try:
                while part := file.read1(1 << 20):
                    data += part
                    if len(data) >= CHUNK:
                        yield data
                        data = bytearray()
            except (EOFError, OSError, zlib.error) as error:
                self.note = f"the gzip stream ends badly ({error}); what came before was read"
        if data:
            yield data


def open_capture(path: Path) -> Capture:
    """Recognise a capture file. Raises CaptureError for anything else, OSError if it cannot be read."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    compressed = head.startswith(_GZIP)
    if compressed:
        try:
            with gzip.open(path, "rb") as packed:
                head = packed.read(HEAD)
        except (EOFError, OSError, zlib.error) as error:
            raise CaptureError(f"{path}: the gzip file is broken ({error}); copy it again") from None
    state = walk.new_state()
    if head[:4] in _MAGIC:
        if len(head) < 24:
            raise CaptureError(f"{path}: the pcap header is cut short; record the capture again")
        swapped, nano = _MAGIC[head[:4]]
        state[walk.FORMAT] = walk.FORMAT_PCAP
        state[walk.SWAPPED] = swapped
        state[walk.NANO] = nano
        state[walk.LINK] = int.from_bytes(head[20:24], "little" if swapped else "big") & 0xFFFF
        header = 24
    elif head[:4] == _PCAPNG:
        if len(head) >= 12 and head[8:12] not in _PCAPNG_ORDERS:
            raise CaptureError(f"{path}: the pcapng header has no byte order; copy the file again, not as text")
        state[walk.FORMAT] = walk.FORMAT_PCAPNG
        header = 0
    else:
        if other := foreign(head):
            raise CaptureError(f"{path}: this is {other[0]}; {other[1]}")
        what = "empty" if not head else "no pcap or pcapng capture"
        raise CaptureError(f"{path}: this file is {what}; give a file recorded by tcpdump, dumpcap or Wireshark")
    return Capture(path, state, walk.new_interfaces(), path.stat().st_size, header, compressed)
