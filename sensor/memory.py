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
    """Zeroed uint64[rows, words] from a page's start; on huge pages if it is large (else a table walk misses the TLB).

    Private memory: anonymous memory that is shared gets no huge pages.
    """
    size = rows * words * 8
    memory = mmap.mmap(-1, size + (-size & (2 << 20) - 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= 4 << 20 and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without transparent huge pages
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, np.uint64, rows * words).reshape(rows, words)


def new_index(flows: int) -> Any:
    """An empty index for so many flows, at most half full, so that few buckets overflow."""
    return _allocate(1 << (2 * flows - 1).bit_length(), 1).reshape(-1)


def new_flows(flows: int, max_flows: int) -> layout.Flows:
    """An empty table, its index for `flows`, its rows for `max_flows`: memory that is not touched is not there.

    The first rows are touched here, as a fresh page costs a packet more than a hundred others.
    """
    words = _allocate(max_flows + 1, layout.ROW)
    cold = _allocate(max_flows + 1, layout.COLD)
    words[: flows + 1] = 0
    cold[: flows + 1] = 0
    return layout.Flows(
        new_index(flows),
        words,
        words.view(np.int64),
        words.view(np.uint32),
        cold.view(np.int64),
        cold,
        cold.view(np.float64),
    )


def new_todo(rows: int) -> layout.Todo:
    """An empty to-do list, with room for the hellos that the kernel gathers and the clients that it sees."""
    words = np.zeros((rows, layout.TODO), np.uint64)
    gather = layout.Gather(
        np.zeros(layout.GATHER_PLACES * layout.GATHER_BYTES, np.uint8),
        np.zeros((layout.GATHER_PLACES, 6), np.int64),
        np.arange(layout.GATHER_PLACES)[::-1].copy(),
        np.array([layout.GATHER_PLACES, 0, 0]),
    )
    clients = np.zeros((layout.CLIENTS, 2), np.uint64)
    return layout.Todo(words, words.view(np.int64), np.zeros(1, np.int64), gather, clients)


def new_slices(rows: int) -> layout.Slices:
    """A buffer for so many raw slices."""
    return as_slices(np.zeros((rows, layout.SLICE), np.uint64))


def as_slices(words: Any) -> layout.Slices:
    """Raw slices, seen as the kernel sees them."""
    return layout.Slices(
        words, words.view(np.int64), words.view(np.uint32), words.view(np.float32), np.zeros(1, np.int64)
    )
