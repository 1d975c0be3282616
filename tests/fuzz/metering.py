"""The whole meter over hostile bytes, small, and what must hold of everything it says.

`Watched` runs a meter whose bounded reads are counted (interpreted kernel only: NUMBA_DISABLE_JIT=1, where a read
outside the block raises IndexError), so that work is bounded by bytes and packets rather than by a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sensor import frames, layout, load
from sensor.catalogue import Wiki
from sensor.dns import Answers
from sensor.meter import Meter, MeterLimits
from sensor.readers import EVIDENCE_CODES
from sensor.sense import segment_table
from sensor.uploads import Uploads
from sensor.words import Watch

SKIP_FRAGMENT = frames.SKIP_FRAGMENT
LIMITS = MeterLimits(max_flows=64, names=1 << 8, first_flows=16, dns_names=16)
READS_A_PACKET, READS_A_BYTE = 4000, 40  # more than any honest packet needs; quadratic work exceeds it soon


def _wiki_of(name: str) -> Wiki | None:
    return Wiki("wiki", Watch.TEXT, name) if len(name) % 2 else None


class Watched:
    """See the module's header."""

    def __init__(self) -> None:
        self.answers = 0
        numbers: dict[str, int] = {}
        self.rows: list[tuple[Any, list[str]]] = []  # raw slices with their names
        self.meter = Meter(
            lambda name: numbers.setdefault(name, len(numbers) + 1),
            self._keep,
            LIMITS,
            emit_all=True,
            on_answers=self._count,
            uploads=Uploads(_wiki_of, segment_table(())),
        )
        self.reads = 0

    def _count(self, client: bytes, server: bytes, _: Answers) -> None:
        assert len(client) == len(server) == 16
        self.answers += 1

    def _keep(self, slices: layout.Slices, count: int) -> None:
        words = slices.words[:count].copy()
        self.rows.append((words, [self.meter.name_of(int(n)) for n in words.view(np.uint32)[:, layout.S_NAME]]))

    @property
    def names(self) -> set[str]:
        """Every name that was given."""
        return {name for _, names in self.rows for name in names}

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

    def finish(self, size: int) -> list[str]:
        """The end of the stream of `size` bytes: everything written out, looked at, and given as sorted text."""
        self.meter.finish()
        c = self.meter.counters
        packets, skipped = int(c[layout.C_PACKETS]), int(c[layout.C_SKIP :].sum())
        fragments = int(c[layout.C_SKIP + SKIP_FRAGMENT])  # what they make together counts as a packet again
        assert self.reads <= READS_A_PACKET * (packets + 1) + READS_A_BYTE * size, f"{self.reads} reads"
        rows = self.meter.flows.halves[: int(c[layout.C_ROWS]) + 1, [layout.PACKETS_AB, layout.PACKETS_BA]]
        assert not rows.any(), "every flow was written out"
        counted = octets = 0
        for words, names in self.rows:
            halves, signed = words.view(np.uint32), words.view(np.int64)
            counted += int(halves[:, [layout.S_PACKETS_UP, layout.S_PACKETS_DOWN]].sum())
            octets += int(signed[:, [layout.S_BYTES_UP, layout.S_BYTES_DOWN]].sum())
            self._check(words, halves, names)
        assert 0 <= counted + self.meter.dropped_waiting - (packets - skipped) <= fragments, (packets, skipped, counted)
        assert fragments or self.meter.dropped_waiting or octets == c[layout.C_BYTES], (octets, c[layout.C_BYTES])
        return sorted(
            f"{row} {name}" for words, names in self.rows for row, name in zip(words.tolist(), names, strict=True)
        )

    def _check(self, words: Any, halves: Any, names: list[str]) -> None:
        for name in names:
            assert all(0x21 <= ord(c) <= 0x7E for c in name), name
            assert name == name.lower()
        evidence = (halves[:, layout.S_FLAGS] & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT
        assert (evidence < len(EVIDENCE_CODES)).all()
        assert np.isin(words[:, 4] >> np.uint64(24) & np.uint64(0xFF), (6, 17)).all(), "TCP or UDP"
        assert (halves[:, layout.S_PACKETS_UP].astype(np.int64) + halves[:, layout.S_PACKETS_DOWN] > 0).all()
