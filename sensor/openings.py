"""When a client asked another site: one that is in no catalogue.

A button of a service on somebody else's page is fetched a moment after that page; whoever judges use needs to know that
another site was opened just before, but not which one. So of a flow whose name no catalogue entry wants, nothing is
kept but who opened it, or sent a burst to it, and when: the first such moment of each second of packet time. Name,
server and bytes never leave the meter. `Openings` is bounded between two calls of `take`; what is over is dropped and
counted.

It knows neither names nor segments; `as_slices` gives raw slices, so that segments are laid over them as over others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor import layout, memory

MAX_OPENINGS = 1 << 16
_CLIENT = slice(0, 2)
MARK = 1  # in raw slices of openings, in place of the name: the column reader leaves out 0


class Openings:
    """Gathers openings. `dropped` counts what did not fit."""

    def __init__(self) -> None:
        self._pieces: list[Any] = []
        self._held = 0
        self.dropped = 0

    def add(self, rows: Any) -> None:
        """Openings as uint64[n, OPENING]; names and order mean nothing."""
        if not len(rows):
            return
        self._pieces.append(rows)
        self._held += len(rows)
        if self._held > MAX_OPENINGS:
            kept = self._first_of_each_second()
            self.dropped += max(0, len(kept) - MAX_OPENINGS)
            self._pieces = [kept[:MAX_OPENINGS]]
            self._held = len(self._pieces[0])

    def note(self, client: tuple[int, int], time: int, vlan: int) -> None:
        """One opening; an address half may be given as a signed number."""
        row = np.array([[*client, time, 0, vlan]], object) & (1 << 64) - 1
        self.add(row.astype(np.uint64))

    def take(self) -> Any:
        """The openings since the last call as raw slices: who, when, and the VLANs; all else is zero."""
        rows = self._first_of_each_second()
        self._pieces, self._held = [], 0
        words = np.zeros((len(rows), layout.SLICE), np.uint64)
        slices = memory.as_slices(words)
        time = rows[:, layout.O_TIME].view(np.int64)
        words[:, _CLIENT] = rows[:, _CLIENT]
        words[:, layout.S_VLAN] = rows[:, layout.O_VLAN]
        slices.signed[:, layout.S_LAST] = time
        slices.halves[:, layout.S_MINUTE] = time // layout.MINUTE_NS
        slices.halves[:, layout.S_BEGUN] = time % layout.MINUTE_NS // layout.MILLISECOND
        slices.halves[:, layout.S_NAME] = MARK
        return slices

    def _first_of_each_second(self) -> Any:
        """One row for each client, VLAN and second, sorted by these."""
        if not self._pieces:
            return np.zeros((0, layout.OPENING), np.uint64)
        rows = np.concatenate(self._pieces)
        time = rows[:, layout.O_TIME].view(np.int64)
        keys = (time // layout.SECOND, rows[:, layout.O_VLAN], rows[:, 1], rows[:, 0])
        order = np.lexsort((time, *keys))
        first = np.ones(len(rows), bool)
        first[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
        return rows[order[first]]
