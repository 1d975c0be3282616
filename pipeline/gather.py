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
from pipeline.traffic import I64, NEVER, Part, Traffic, merge
from pipeline.windows import WINDOW_MIN, start_of
from sensor.words import Evidence, Segment

_NO_PART = len(Part)
_UNLISTED, _ELSEWHERE = -1, -2  # in place of a service: not in the catalogue; another site was opened
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
_AT_ONCE = 1 << 17  # slices whose columns fit a processor's cache
_DENSE = 1 << 16  # windows that are counted by position; a wider span (broken clocks) is sorted first


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
    for start in range(0, table.num_rows, _AT_ONCE):
        traffic, counted = _gather_some(table.slice(start, _AT_ONCE), clients, scope)
        pieces.append(traffic)
        counts += counted
    return merge(Traffic.join(pieces)) if len(pieces) > 2 else pieces[-1], counts


def _gather_some(table: pa.Table, clients: Clients, scope: Scope) -> tuple[Traffic, Counter[tuple[int, str]]]:
    table = table.unify_dictionaries().combine_chunks()
    positions = {service: n for n, service in enumerate(scope.services)}
    segment = _mapped(table, "segment", lambda word: _SEGMENTS.index(word) if word in _SEGMENTS else _UNKNOWN)
    service = _mapped(table, "service", lambda word: positions.get(word, _ELSEWHERE if word == "" else _UNLISTED))
    part = _mapped(table, "role", lambda word: _PARTS.get(word, _NO_PART))
    evidence = _mapped(table, "evidence", lambda word: _EVIDENCE.index(word) if word in _EVIDENCE else 0)
    minute = _ints(table, "minute")
    staff, listed, elsewhere = segment == _STAFF, service >= 0, service == _ELSEWHERE
    scored, known = part <= Part.CONTENT, part < _NO_PART
    if not scope.dns_named_flows:
        scored &= evidence != _EVIDENCE.index(Evidence.DNS)
    counts = _count(
        minute,
        segment,
        slices_unlisted=staff & (service == _UNLISTED),
        slices_unscored=staff & listed & ~scored,
        slices_elsewhere=staff & elsewhere,
    )
    rows = np.flatnonzero(staff & (listed & (scored | (known & (part > Part.CONTENT))) | elsewhere))
    encoded = table.column("client").chunk(0).take(pa.array(rows)).dictionary_encode()
    number = clients.numbers(encoded.dictionary.to_pylist())
    first = _ints(table, "first_ms", rows)
    begun: npt.NDArray[np.bool_] = table.column("first_of_flow").chunk(0).to_numpy(zero_copy_only=False)[rows]
    of = service[rows]
    other = of == _ELSEWHERE
    traffic = Traffic(
        who=number[encoded.indices.to_numpy()] if len(rows) else np.zeros(0, np.int64),
        service=np.where(other, len(scope.services), of),
        minute=minute[rows],
        part=np.where(other, 0, part[rows]),
        up=_ints(table, "bytes_up", rows),
        down=_ints(table, "bytes_down", rows),
        first=first,
        last=_ints(table, "last_ms", rows),
        named=np.left_shift(1, evidence[rows]),
        note=np.zeros(len(rows), np.int64),
        flows=np.ones(len(rows), np.int64),
        opened=np.where(begun, first, NEVER),
        asked=np.where(other, np.left_shift(1, np.minimum(first // 1000, 59)), _ints(table, "burst_seconds", rows)),
        largest=_ints(table, "burst_largest", rows),
    )
    return merge(traffic), counts


def _ints(table: pa.Table, name: str, rows: I64 | slice = slice(None)) -> I64:
    values: npt.NDArray[np.integer] = table.column(name).chunk(0).to_numpy()
    return values[rows].astype(np.int64)


def _mapped(table: pa.Table, name: str, code: Callable[[str], int]) -> I64:
    """A dictionary column as numbers: `code` is asked once per word."""
    column = table.column(name).chunk(0)
    codes = np.array([code(word) for word in column.dictionary.to_pylist()], np.int64)
    mapped: I64 = codes[column.indices.to_numpy()]
    return mapped


def _count(minute: I64, segment: I64, **metrics: npt.NDArray[np.bool_]) -> Counter[tuple[int, str]]:
    window = minute // WINDOW_MIN
    base = int(window.min())
    if int(window.max()) - base < _DENSE:
        starts, window = np.arange(base, int(window.max()) + 1), window - base
    else:
        starts, window = np.unique(window, return_inverse=True)
    counts: Counter[tuple[int, str]] = Counter()
    for metric, chosen in (
        ("slices", slice(None)),
        *((f"slices_{word}", segment == code) for code, word in enumerate(_SEGMENTS)),
        *metrics.items(),
    ):
        number = np.bincount(window[chosen], minlength=len(starts))
        for position in np.flatnonzero(number).tolist():
            counts[int(starts[position]) * WINDOW_MIN, metric] += int(number[position])
    return counts


def window_starts(traffic: Traffic, counts: Counter[tuple[int, str]]) -> I64:
    """Starts of the windows that have anything to store, sorted."""
    counted = np.array([start for start, _ in counts], np.int64)
    return np.unique(np.concatenate([start_of(traffic.minute), counted])) // WINDOW_MIN * WINDOW_MIN
