"""Memory for the kernel: flow tables and slice buffers, on huge pages where the system has them.

It lays out what `sensor.layout` names; it reads and writes nothing in it.
"""

from __future__ import annotations

import contextlib
import mmap
import weakref
from typing import Any

import numpy as np

from sensor import layout

HUGE_PAGE = 2 << 20
_POPULATE_READ, _POPULATE_WRITE = 22, 23  # madvise(2), Linux 5.14; the mmap module does not name them


def _advise(memory: mmap.mmap, advice: int, start: int = 0, size: int | None = None) -> None:
    """Tell the system what memory is for; one that does not know the advice goes on without."""
    with contextlib.suppress(OSError, ValueError):
        memory.madvise(advice, start, len(memory) - start if size is None else size)


def claim(memory: mmap.mmap, size: int) -> None:
    """Have the first `size` bytes there at once: page by page, each would cost a packet more than a hundred others."""
    _advise(memory, _POPULATE_WRITE, 0, min(len(memory), size + -size % mmap.PAGESIZE))


def read_soon(memory: mmap.mmap, start: int, end: int) -> None:
    """The same for bytes of a file that are read next."""
    start -= start % mmap.PAGESIZE
    _advise(memory, _POPULATE_READ, start, end - start)


def new_memory(size: int) -> mmap.mmap:
    """Zeroed memory from a page's start; on huge pages if it is large (else a table walk misses the TLB).

    It is private: anonymous memory that is shared gets no huge pages.
    """
    memory = mmap.mmap(-1, max(size + -size % HUGE_PAGE, HUGE_PAGE), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= 2 * HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        _advise(memory, mmap.MADV_HUGEPAGE)
    return memory


class Pool:
    """Memory of one size that is used again when nobody looks at it any more: fresh pages are dear."""

    def __init__(self, kept: int = 4) -> None:
        self._free: list[mmap.mmap] = []
        self._kept = kept

    def take(self, size: int) -> Any:
        """uint8[size], its contents anything. It comes back by itself when the last view of it is gone."""
        fitting = [memory for memory in self._free if len(memory) >= size]
        memory = min(fitting, key=len) if fitting else new_memory(size)
        if fitting:
            self._free.remove(memory)
        array = np.frombuffer(memory, np.uint8, size)
        weakref.finalize(array, self._give_back, memory)
        return array

    def _give_back(self, memory: mmap.mmap) -> None:
        if len(self._free) < self._kept:
            self._free.append(memory)


def _rows(rows: int, words: int) -> Any:
    """Zeroed uint64[rows, words]."""
    return np.frombuffer(new_memory(rows * words * 8), np.uint64, rows * words).reshape(rows, words)


def _claim_rows(array: Any, rows: int) -> None:
    claim(array.base.base.obj, rows * array.strides[0])  # the array, its one-dimensional base, the memory


def new_index(flows: int) -> Any:
    """An empty index for so many flows, at most half full, so that few buckets overflow."""
    index = _rows(1 << (2 * flows - 1).bit_length(), 1)
    _claim_rows(index, len(index))
    return index.reshape(-1)


def claim_flows(flows: layout.Flows, rows: int) -> None:
    """Have the first rows of a table there at once."""
    _claim_rows(flows.words, rows)
    _claim_rows(flows.keys, rows)


def new_flows(flows: int, max_flows: int, claimed: int) -> layout.Flows:
    """An empty table, its index for `flows`, its rows for `max_flows`, the first `claimed` there at once."""
    words = _rows(max_flows + 1, layout.ROW)
    cold = _rows(max_flows + 1, layout.COLD)
    table = layout.Flows(
        new_index(flows),
        words,
        words.view(np.int64),
        words.view(np.uint32),
        cold.view(np.int64),
        cold,
        cold.view(np.float64),
    )
    claim_flows(table, claimed + 1)
    return table


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
    openings = np.zeros((layout.OPENINGS, layout.OPENING), np.uint64)
    return layout.Todo(
        words,
        words.view(np.int64),
        np.zeros(1, np.int64),
        gather,
        clients,
        openings,
        np.zeros(1, np.int64),
        np.zeros(layout.HEARD, np.uint64),
        np.zeros(2, np.int64),
        np.zeros((layout.WATCH_BUFFER, layout.WATCH_ITEM), np.int64),
        np.zeros(3, np.int64),
        np.zeros((layout.HANDSHAKES, layout.HANDSHAKE), np.int64),
        np.zeros(layout.PAIRS, np.uint64),
    )


def new_slices(rows: int) -> layout.Slices:
    """A buffer for so many raw slices."""
    return as_slices(np.zeros((rows, layout.SLICE), np.uint64))


def as_slices(words: Any) -> layout.Slices:
    """Raw slices, seen as the kernel sees them."""
    return layout.Slices(
        words, words.view(np.int64), words.view(np.uint32), words.view(np.float32), np.zeros(1, np.int64)
    )
