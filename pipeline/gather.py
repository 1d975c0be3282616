"""Slices to traffic: keeps what can show use by staff, adds it up per client, service and minute, counts the rest.

This is the only step whose cost grows with the number of slices; everything after it works on far fewer rows. Clients
are numbered in the order they are met, by a registry that lives in memory only. It does not know who the clients are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.rules import ASIDE_ROLES, CONTENT_ROLES, INTERFACE_ROLES, PUSH_ROLES, SITE_ROLES
from pipeline.traffic import I64, NEVER, Part, Traffic, add_up, groups_of, merge
from pipeline.units import second_of
from pipeline.windows import WINDOW_MIN, start_of
from sensor.words import Evidence, Segment

_NO_PART = len(Part)
_UNLISTED, _ELSEWHERE = -1, -2  # in place of a service: not in the catalogue; another site was opened
_NONE, _UNSCORED = np.int32(0), np.int32(3)
_SEGMENTS = tuple(word.value for word in Segment)
_EVIDENCE = tuple(word.value for word in Evidence)
_STAFF, _UNKNOWN = _SEGMENTS.index(Segment.STAFF), _SEGMENTS.index(Segment.UNKNOWN)
_PARTS: dict[str, Part] = {
    **dict.fromkeys(SITE_ROLES, Part.SITE),
    **dict.fromkeys(INTERFACE_ROLES, Part.INTERFACE),
    **dict.fromkeys(CONTENT_ROLES, Part.CONTENT),
    **dict.fromkeys(ASIDE_ROLES, Part.ASIDE),
    **dict.fromkeys(PUSH_ROLES, Part.PUSH),
}
_AT_ONCE = 1 << 16  # slices whose columns fit a processor's cache
_DENSE = 1 << 16  # windows that are counted by position; a wider span (broken clocks) is sorted first
_NEEDED = (
    "minute", "first_ms", "last_ms", "first_of_flow", "client", "segment", "service", "role", "evidence", "bytes_up",
    "bytes_down", "burst_seconds", "burst_largest",
)  # fmt: skip
_OTHERS = ("", "slices_unlisted", "slices_elsewhere", "slices_unscored")  # a slice of staff counts in one of them
_METRICS = [["slices", f"slices_{word}", other] for word in _SEGMENTS for other in _OTHERS]


class Clients:
    """Numbers for client addresses (16 bytes each), in order of first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, addresses: Sequence[bytes]) -> I64:
        """The number of each address; new ones are added."""
        known = self._numbers
        return np.array([known.setdefault(address, len(known)) for address in addresses], np.int64)

    def addresses(self) -> npt.NDArray[np.bytes_]:
        """All addresses, 'S16', position = number."""
        return np.array(list(self._numbers), "S16")

    def keep(self, numbers: I64) -> tuple[Clients, I64]:
        """A registry of these numbers only, and the new number of each."""
        used, position = np.unique(numbers, return_inverse=True)
        addresses = list(self._numbers)
        kept = Clients()
        kept.numbers([addresses[n] for n in used.tolist()])
        return kept, position.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Scope:
    """What to gather: the services by position, and whether a flow named only by DNS counts."""

    services: tuple[str, ...]
    dns_named_flows: bool


def gather(table: pa.Table, clients: Clients, scope: Scope) -> tuple[Traffic, Counter[tuple[int, str]]]:
    """Slices (sensor.slices.SLICE_SCHEMA) to merged traffic by client number, and counts by (window start, metric).

    Metrics: slices, slices_SEGMENT; of the staff segment also slices_unlisted (a service the catalogue does not know),
    slices_unscored (hosts that never show use: rule E1, or named by DNS where that is excluded), slices_elsewhere (that
    only say when another site was opened).
    """
    pieces, counts = [Traffic.none()], Counter[tuple[int, str]]()
    for batch in table.select(list(_NEEDED)).to_batches(max_chunksize=_AT_ONCE):
        if batch.num_rows:
            traffic, counted = _gather_some(batch, clients, scope)
            pieces.append(traffic)
            counts += counted
    return merge(Traffic.join(pieces)) if len(pieces) > 2 else pieces[-1], counts


def _gather_some(batch: pa.RecordBatch, clients: Clients, scope: Scope) -> tuple[Traffic, Counter[tuple[int, str]]]:
    positions = {service: n for n, service in enumerate(scope.services)}
    segment = _mapped(batch, "segment", lambda word: _SEGMENTS.index(word) if word in _SEGMENTS else _UNKNOWN)
    service = _mapped(batch, "service", lambda word: positions.get(word, _ELSEWHERE if word == "" else _UNLISTED))
    part = _mapped(batch, "role", lambda word: _PARTS.get(word, _NO_PART))
    evidence = _mapped(batch, "evidence", lambda word: _EVIDENCE.index(word) if word in _EVIDENCE else 0)
    staff, listed, elsewhere = segment == _STAFF, service >= 0, service == _ELSEWHERE
    scored, known = part <= Part.CONTENT, part < _NO_PART
    if not scope.dns_named_flows:
        scored &= evidence != _EVIDENCE.index(Evidence.DNS)
    other = np.where(listed, np.where(scored, _NONE, _UNSCORED), -service)
    minute = batch.column("minute").to_numpy()
    counts = _count(minute, segment * len(_OTHERS) + staff * other)
    rows = np.flatnonzero(staff & (listed & (scored | (known & (part > Part.CONTENT))) | elsewhere))
    if not len(rows):
        return Traffic.none(), counts
    encoded = batch.column("client").take(pa.array(rows)).dictionary_encode()
    addresses = np.frombuffer(encoded.dictionary.buffers()[1], "V16", len(encoded.dictionary)).tolist()
    who = clients.numbers(addresses)[encoded.indices.to_numpy()]
    of = np.where(elsewhere, len(scope.services), service)[rows].astype(np.int64)
    sort = np.where(elsewhere, 0, part)[rows].astype(np.int64)
    order, starts, keys = groups_of(who, of, minute[rows].astype(np.int64), sort)
    rows = rows[order]

    def ints(name: str) -> I64:
        values: npt.NDArray[np.integer] = batch.column(name).to_numpy()
        return values[rows].astype(np.int64)

    first = ints("first_ms")
    begun: npt.NDArray[np.bool_] = batch.column("first_of_flow").to_numpy(zero_copy_only=False)[rows]
    columns = {
        "up": ints("bytes_up"),
        "down": ints("bytes_down"),
        "first": first,
        "last": ints("last_ms"),
        "named": np.left_shift(1, evidence[rows].astype(np.int64)),
        "note": np.zeros(len(rows), np.int64),
        "flows": np.ones(len(rows), np.int64),
        "opened": np.where(begun, first, NEVER),
        "asked": np.where(elsewhere[rows], second_of(first), ints("burst_seconds")),
        "largest": ints("burst_largest"),
    }
    return add_up(keys, starts, columns.__getitem__), counts


def _mapped(batch: pa.RecordBatch, name: str, code: Callable[[str], int]) -> npt.NDArray[np.int32]:
    """A dictionary column as numbers: `code` is asked once per word."""
    column = batch.column(name)
    codes = np.array([code(word) for word in column.dictionary.to_pylist()], np.int32)
    mapped: npt.NDArray[np.int32] = codes[column.indices.to_numpy()]
    return mapped


def _count(minute: npt.NDArray[np.integer], metrics: npt.NDArray[np.integer]) -> Counter[tuple[int, str]]:
    """How often each of _METRICS comes in each window."""
    window = minute // WINDOW_MIN
    base = int(window.min())
    if int(window.max()) - base < _DENSE:
        starts, window = np.arange(base, int(window.max()) + 1), (window - base).astype(np.int32)
    else:
        starts, window = np.unique(window, return_inverse=True)
    found = np.bincount(window * len(_METRICS) + metrics)
    counts: Counter[tuple[int, str]] = Counter()
    for place in np.flatnonzero(found).tolist():
        start = int(starts[place // len(_METRICS)]) * WINDOW_MIN
        for metric in _METRICS[place % len(_METRICS)]:
            if metric:
                counts[start, metric] += int(found[place])
    return counts


def window_starts(traffic: Traffic, counts: Counter[tuple[int, str]]) -> I64:
    """Starts of the windows that have anything to store, sorted."""
    counted = np.array([start for start, _ in counts], np.int64)
    return np.unique(np.concatenate([start_of(traffic.minute), counted])) // WINDOW_MIN * WINDOW_MIN
