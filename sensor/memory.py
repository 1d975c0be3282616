"""Memory for the kernel: flow tables and slice buffers, on huge pages where the system has them.

It lays out what `sensor.layout` names; it reads and writes nothing in it.
"""

from __future__ import annotations

import contextlib
import mmap
from typing import Any

import numpy as np

from sensor import layout


def _allocate(rows: int, words: int) -> Any:
    """Zeroed uint64[rows, words], on huge pages where the system has them (a table walk misses the TLB otherwise)."""
    size = rows * words * 8
    if size < 4 << 20:
        return np.zeros((rows, words), np.uint64)
    memory = mmap.mmap(-1, (size + (2 << 20) - 1) & ~((2 << 20) - 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without transparent huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint64, rows * words).reshape(rows, words)


def new_flows(flows: int) -> layout.Flows:
    """An empty table with room for so many flows and for as many again, so that probes stay short."""
    capacity = 1 << (2 * flows - 1).bit_length()
    words = _allocate(capacity, layout.ROW)
    cold = _allocate(capacity, layout.COLD)
    return layout.Flows(
        words, words.view(np.int64), words.view(np.uint32), cold.view(np.int64), cold, cold.view(np.float64)
    )


def new_slices(rows: int) -> layout.Slices:
    return as_slices(np.zeros((rows, layout.SLICE), np.uint64))


def as_slices(words: Any) -> layout.Slices:
    return layout.Slices(
        words, words.view(np.int64), words.view(np.uint32), words.view(np.float64), np.zeros(1, np.int64)
    )
