"""Bytes of a stream that arrive in any order, overlapping or twice: what came first is kept.

`data` is what is contiguous from offset 0. What came beyond a gap waits in pieces that neither overlap nor touch what
is known, and joins when the gap closes. The caller bounds it by `held` and by `pieces`.
"""

from __future__ import annotations

import bisect


class Pieces:
    """See the module's header."""

    __slots__ = ("_later", "_offsets", "data", "held")

    def __init__(self) -> None:
        self.data = b""
        self.held = 0  # bytes
        self._later: list[bytes] = []
        self._offsets: list[int] = []  # where each of them begins

    @property
    def pieces(self) -> int:
        """How many lie beyond gaps."""
        return len(self._later)

    @property
    def next_piece(self) -> int:
        """Where the first piece beyond a gap begins; -1 if there is none."""
        return self._offsets[0] if self._offsets else -1

    def ranges(self) -> list[tuple[int, int]]:
        """What is known, as (start, end) in order."""
        later = [(at, at + len(piece)) for at, piece in zip(self._offsets, self._later, strict=True)]
        return [(0, len(self.data)), *later] if self.data else later

    def add(self, offset: int, payload: bytes) -> None:
        """Take what is new of the bytes at `offset`."""
        if offset == len(self.data) and not self._later:
            self.data += payload
            self.held += len(payload)
            return
        end, start = offset + len(payload), max(offset, len(self.data))
        if start >= end:
            return
        first = bisect.bisect_right(self._offsets, start) - 1
        if first < 0 or self._offsets[first] + len(self._later[first]) < start:
            first += 1
        merged, last = bytearray(payload[start - offset :]), first
        self.held += len(merged)
        while last < len(self._later) and self._offsets[last] <= end:  # it overlaps or touches: known bytes stay
            known, at = self._later[last], self._offsets[last]
            if at < start:
                merged[0:0] = known[: start - at]
                self.held += start - at
                start = at
            before = len(merged)
            merged[at - start : at - start + len(known)] = known
            self.held += len(merged) - before - len(known)
            last += 1
        self._offsets[first:last] = [start]
        self._later[first:last] = [bytes(merged)]
        if start == len(self.data):
            self.data += self._later.pop(0)
            del self._offsets[0]

    def from_offset(self, start: int) -> bytes:
        """The contiguous bytes from `start` on."""
        if start < len(self.data):
            return self.data[start:]
        i = bisect.bisect_right(self._offsets, start) - 1
        return self._later[i][start - self._offsets[i] :] if i >= 0 else b""
