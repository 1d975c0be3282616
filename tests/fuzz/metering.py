"""The whole meter over hostile bytes, small, and what must hold of everything it says.

`Watched` runs a meter whose bounded reads are counted (interpreted kernel only: NUMBA_DISABLE_JIT=1, where a read
outside the block raises IndexError), so that work is bounded by bytes and packets rather than by a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sensor import frames, layout, load
from sensor.dns import Answers
from sensor.meter import Meter, MeterLimits, RawSlices
from sensor.readers import EVIDENCE_CODES

SKIP_FRAGMENT = frames.SKIP_FRAGMENT
LIMITS = MeterLimits(max_flows=64, names=1 << 8, first_flows=16, dns_names=16)
READS_A_PACKET, READS_A_BYTE = 4000, 40  # more than any honest packet needs; quadratic work exceeds it soon


class Watched:
    """See the module's header."""

    def __init__(self) -> None:
        self.answers = 0
        numbers: dict[str, int] = {}
        self.meter = Meter(
            lambda name: numbers.setdefault(name, len(numbers) + 1), LIMITS, emit_all=True, on_answers=self._count
        )
        self.reads = 0

    def _count(self, client: bytes, server: bytes, _: Answers) -> None:
        assert len(client) == len(server) == 16
        self.answers += 1

    def feed(self, buffer: Any, start: int, end: int, state: Any, interfaces: Any | None = None) -> int:
        """As Meter.feed, every bounded read counted."""
        read: Callable[[Any, int, int, int], int] | None = getattr(load, "_read", None)
        if read is None:
            return self.meter.feed(buffer, start, end, state, interfaces)

        def counted(buffer: Any, offset: int, end: int, size: int) -> int:
            self.reads += 1
            return read(buffer, offset, end, size)

        load._read = counted
        try:
            return self.meter.feed(buffer, start, end, state, interfaces)
        finally:
            load._read = read

    def finish(self, size: int) -> list[RawSlices]:
        """The end of the stream of `size` bytes: everything written out, and looked at."""
        self.meter.finish()
        ready, c = self.meter.take(), self.meter.counters
        packets, skipped = int(c[layout.C_PACKETS]), int(c[layout.C_SKIP :].sum())
        fragments = int(c[layout.C_SKIP + SKIP_FRAGMENT])  # what they make together counts as a packet again
        assert self.reads <= READS_A_PACKET * (packets + 1) + READS_A_BYTE * size, f"{self.reads} reads"
        assert not c[layout.C_USED], "every flow was written out"
        counted = sum(int(r.halves[:, [layout.S_PACKETS_UP, layout.S_PACKETS_DOWN]].sum()) for r in ready)
        assert 0 <= counted + self.meter.dropped_waiting - (packets - skipped) <= fragments, (packets, skipped, counted)
        octets = sum(int(r.signed[:, [layout.S_BYTES_UP, layout.S_BYTES_DOWN]].sum()) for r in ready)
        assert fragments or self.meter.dropped_waiting or octets == c[layout.C_BYTES], (octets, c[layout.C_BYTES])
        for rows in ready:
            self._check(rows)
        return ready

    def _check(self, rows: RawSlices) -> None:
        h = rows.halves
        for n in range(len(rows.words)):
            name = self.meter.name_of(int(h[n, layout.S_NAME]))
            assert all(0x21 <= ord(c) <= 0x7E for c in name), name
            assert name == name.lower()
            code = (int(h[n, layout.S_FLAGS]) & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT
            assert code < len(EVIDENCE_CODES)
            assert int(rows.words[n, 4]) >> 24 & 0xFF in (6, 17), "TCP or UDP"
        assert (h[:, layout.S_PACKETS_UP].astype(np.int64) + h[:, layout.S_PACKETS_DOWN] > 0).all()
        assert (h[:, layout.S_BURST_LARGEST] <= h[:, layout.S_BURST_BYTES]).all()


def slices_as_text(ready: list[RawSlices]) -> list[str]:
    """Slices in an order of their own, to be compared."""
    return sorted(" ".join(map(str, row)) for r in ready for row in r.words.tolist())
