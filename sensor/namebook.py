"""The names of one meter, seen from Python: the text and service of each number that the kernel gave a name.

The kernel interns names it reads (`sensor.names`); `learn` asks the catalogue about each new one, once. When the table
is full, `forget` keeps one name for each service and drops the rest. It does not know flows beyond their name column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sensor.names import COUNT, MAX_NAME, OUTER, intern, new_names

Lookup = Callable[[str], int]  # host name -> 0, 1 + index of a (service, role) pair, or OUTER, DOH, VPN

MAX_REMEMBERED = 1 << 14


_SHOWN = [chr(b) if 0x21 <= b <= 0x7E else f"\\x{b:02x}" for b in bytes(range(256)).lower()]


def name_text(raw: bytes) -> str:
    """A name as the wire had it, lower case, bytes outside printable ASCII as \\xNN."""
    return "".join([_SHOWN[b] for b in raw])


class NameBook:
    """See the module's header. `table` is what the kernel works on; it is replaced by `forget`."""

    def __init__(self, lookup: Lookup, capacity: int, wiki_of: Callable[[str], int]) -> None:
        self.lookup = lookup
        self._wiki_of = wiki_of
        self._capacity = capacity
        self.table = new_names(capacity, capacity * 32)
        self._text: list[str] = [""]
        self._numbers: dict[bytes, int] = {}  # of raw names that Python read, so that each is interned once
        self.has_outer = False

    def text(self, number: int) -> str:
        """The text of a name; '' for 0."""
        return self._text[number]

    def learn(self) -> None:
        """Ask the catalogue about names that the kernel has read since the last call."""
        names = self.table
        for number in range(len(self._text), int(names.state[COUNT])):
            start = int(names.start[number])
            text = name_text(names.arena[start : start + int(names.length[number])].tobytes())
            self._text.append(text)
            names.service[number] = service = self.lookup(text)
            names.watch[number] = self._wiki_of(text)
            self.has_outer |= service == OUTER

    def number_of(self, raw: bytes) -> int:
        """The number of a name as the wire had it; 0 if it is longer than any name."""
        number = self._numbers.get(raw, 0)
        if not number:
            number = self.number(name_text(raw))
            if number and len(self._numbers) < MAX_REMEMBERED:
                self._numbers[raw] = number
        return number

    def number(self, text: str) -> int:
        """The number of a name that Python found; 0 if it is longer than any name."""
        raw = np.frombuffer(text.encode("latin-1", "replace"), np.uint8).copy()
        number = int(intern(self.table, raw, 0, len(raw), len(raw)))
        while not number and 0 < len(raw) <= MAX_NAME:  # full: the kernel will ask to `forget`, but not before its time
            self._enlarge()
            number = int(intern(self.table, raw, 0, len(raw), len(raw)))
        self.learn()
        return number

    def forget(self, column: Any) -> None:
        """The table is full: keep one name for each (service, role) and wiki, and mend a column of name numbers."""
        said = self._said()
        keep: dict[int, str] = {}
        for number in range(1, len(self._text)):
            keep.setdefault(said[number], self._text[number])
        if 2 * len(keep) >= len(self._text) - 1:  # little to forget, as when every name is a service of its own
            self._enlarge()
            return
        self.table = new_names(self._capacity, self._capacity * 32)
        self._text = [""]
        self._numbers.clear()
        fresh = {service: self.number(text) for service, text in keep.items()}
        mapped = np.array([0, *(fresh[s] for s in said[1:])], np.uint32)
        column[:] = mapped[column]

    def _said(self) -> list[int]:
        """What the catalogue says of each name, as one number: its service, and its wiki."""
        count, names = len(self._text), self.table
        said: list[int] = (names.service[:count].astype(np.int64) * (1 << 16) + names.watch[:count]).tolist()
        return said

    def _enlarge(self) -> None:
        """A table of twice the size; every name keeps its number."""
        old, larger = self.table, new_names(len(self.table.hash) * 2, len(self.table.arena) * 2)
        for number in range(1, len(self._text)):
            start, length = int(old.start[number]), int(old.length[number])
            intern(larger, old.arena, start, length, start + length)
        larger.service[: len(self._text)] = old.service[: len(self._text)]
        larger.watch[: len(self._text)] = old.watch[: len(self._text)]
        self.table = larger
