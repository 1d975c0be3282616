"""Upload units, from what the kernel has collected to rows: when each is due, and what it says.

A unit is given out as soon as its first reply is known, or UNANSWERED after it opened; then again as it grows, not
sooner than SPACING after the row before; and a last time when its window is over or its connection has ended. All of
this is by packet time, and each row holds only what was known when it was due: however late `poll` comes, the rows are
the same. Units of one client are told of each other (`prev_*`). It does not know packets; see sensor.collect.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sensor import watch
from sensor.catalogue import Wiki
from sensor.collect import release
from sensor.layout import SECOND
from sensor.watch import ASSUMED_RTT, DOWN, FACTS, K_CLOSED, K_FACT, S_LOST, UNIT_RECORDS, UP, WINDOW, Watch
from sensor.words import Evidence

UNANSWERED = 2 * SECOND
SETTLE = SECOND // 5  # after new records, so that those of one moment go out together
SPACING, LATER_SPACING, LATER = SECOND // 2, 3 * SECOND // 2, 4 * SECOND
AFTER_CLOSE = SECOND // 2
EARLIER = 4  # units told of with a later one
MAX_CLIENTS = 1 << 13  # whose earlier units are remembered
CONTROL = 53  # bytes of HTTP/2's own frames: no answer
EVIDENCE = tuple(Evidence)
NEVER = 1 << 62


class Facts(NamedTuple):
    """A connection, as each of its units repeats it."""

    number: int
    wiki: Wiki
    evidence: Evidence
    client: bytes
    server: bytes
    client_port: int
    server_port: int
    vlan: int
    began: int  # ns
    midstream: bool


def facts_of(words: Any, wikis: list[Wiki]) -> Facts:
    """From FACTS words of sensor.watch."""
    ends = words[watch.F_CLIENT : watch.F_CLIENT + 4].view(np.uint64).byteswap().tobytes()
    ports = int(words[watch.F_PORTS])
    return Facts(
        int(words[watch.F_ID]), wikis[words[watch.F_WIKI]], EVIDENCE[words[watch.F_EVIDENCE]], ends[:16], ends[16:],
        ports >> 16, ports & 0xFFFF, int(words[watch.F_VLAN]) & (1 << 64) - 1, int(words[watch.F_BEGAN]),
        bool(words[watch.F_MIDSTREAM]),
    )  # fmt: skip


@dataclass(slots=True)
class _Unit:
    serial: int
    slot: int
    place: int  # of its connection
    facts: Facts
    opened: int
    rtt: int
    lost: int  # bytes of the connection that were missing when it opened
    before: int  # records from before it opened
    ids: tuple[int, int]  # its own and its connection's
    told: tuple[Any, ...]  # the columns client to midstream of each of its rows
    sent: int  # records that the client had sent on the connection
    usual: tuple[int, ...]  # the percentiles
    revision: int = 0
    emitted: int = 0  # records given out
    last: int = 0  # when, ns
    summary: tuple[int, int, int] | None = None  # once it is over
    times: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


def _summary(unit: _Unit, until: int) -> tuple[int, int, int]:
    """(bytes up, bytes of the answer's first record or 0, when that was known or 0), as known at `until`.

    The upload ends with the client's silence, or with a record that is no control frame and came no sooner than an
    answer can: three quarters of a round trip after the last upload record."""
    if unit.summary is not None:
        return unit.summary
    rtt = unit.rtt or ASSUMED_RTT
    reach, last, up = rtt + rtt // 2 + 30_000_000, unit.opened, 0
    for time, known, size in zip(unit.times, unit.known, unit.sizes, strict=True):
        if known > until or time < unit.opened:
            continue
        if size > 0:
            if up and time - last > reach + (SECOND if size > 4000 else 0):
                break
            up, last = up + size, time
        elif size < -CONTROL and up and time - last > rtt * 3 // 4:
            return up, -size, known
    return up, 0, 0


def _in_order(times: list[int], sizes: list[int]) -> list[int]:
    """Times of records, none before an earlier one of its direction: a later part of the stream may have come first."""
    up = down = 0
    ordered = []
    for time, size in zip(times, sizes, strict=True):
        if size > 0:
            up = time = max(up, time)
        else:
            down = time = max(down, time)
        ordered.append(time)
    return ordered


class Units:
    """See the module's header. `segment_of(client, vlan)` names a client's segment; `key` makes ids unguessable."""

    def __init__(
        self, table: Watch, wikis: list[Wiki], segment_of: Callable[[bytes, int], str], key: bytes = b""
    ) -> None:
        self._watch = table
        self._wikis = wikis
        self._segment_of = segment_of
        self._key = key
        self._units: dict[int, _Unit] = {}  # by serial number
        self._earlier: OrderedDict[bytes, deque[_Unit]] = OrderedDict()  # by client

    def poll(self, now: int) -> Iterator[tuple[Any, ...]]:
        """Rows of UNIT_SCHEMA that are due by `now` (ns), in the order in which they became due."""
        if not self._watch.count[watch.N_OPEN]:
            return
        self._read()
        heap = [(due, serial) for serial, unit in self._units.items() if (due := self._due(unit)) <= now]
        heapq.heapify(heap)
        while heap:
            due, serial = heapq.heappop(heap)
            unit = self._units[serial]
            yield self._row(unit, due)
            if unit.summary is not None:
                del self._units[serial]
                release(self._watch, unit.slot)
            elif (again := self._due(unit)) <= now:
                heapq.heappush(heap, (again, serial))

    def _read(self) -> None:
        """Read what has been collected since the last look."""
        table = self._watch.unit
        for slot in np.flatnonzero(table[:, watch.U_STATE]).tolist():
            words = table[slot]
            unit = self._units.get(int(words[watch.U_SERIAL]))
            if unit is None:
                unit = self._new(slot, words)
            count = int(words[watch.U_COUNT])
            if count == len(unit.sizes) and count <= UNIT_RECORDS // 2:  # beyond that, the last one may have grown
                continue
            rows = self._watch.records[slot, :count]
            times, unit.known, unit.sizes = (rows[:, n].tolist() for n in range(3))
            unit.times = _in_order(times, unit.sizes)

    def _new(self, slot: int, words: Any) -> _Unit:
        """A unit that was not there at the last look: what all of its rows say, and that its client had it."""
        facts, said = facts_of(words[watch.U_FACT : watch.U_FACT + FACTS], self._wikis), words.tolist()
        serial, rtt = said[watch.U_SERIAL], said[watch.U_RTT]
        told = (
            facts.client, facts.server, facts.client_port, facts.server_port, facts.vlan,
            self._segment_of(facts.client, facts.vlan), facts.wiki.service, facts.wiki.host, facts.evidence,
            rtt // 1000, bool(said[watch.U_TLS13]), facts.midstream,
        )  # fmt: skip
        unit = self._units[serial] = _Unit(
            serial, slot, said[watch.U_PLACE], facts, said[watch.U_OPENED], rtt, said[watch.U_LOST],
            said[watch.U_BEFORE], (self._id("unit", serial), self._id("connection", facts.number)), told,
            said[watch.U_CLIENTS], tuple(said[at] for at in (watch.U_P15, watch.U_P50, watch.U_P70, watch.U_P85)),
        )  # fmt: skip
        self._earlier.setdefault(facts.client, deque(maxlen=2 * EARLIER)).append(unit)
        self._earlier.move_to_end(facts.client)
        if len(self._earlier) > MAX_CLIENTS:
            self._earlier.popitem(last=False)
        return unit

    def _ends(self, unit: _Unit) -> int:
        """When it is over: its window, its connection, or its place was needed."""
        words, end = self._watch.unit[unit.slot], unit.opened + WINDOW
        if words[watch.U_STATE] == 2:
            end = min(end, int(words[watch.U_CLOSED]))
        elif self._lives(unit) and (closed := int(self._watch.connection[unit.place, K_CLOSED])):
            end = min(end, closed + AFTER_CLOSE)
        return max(end, unit.last, unit.opened)

    def _lives(self, unit: _Unit) -> bool:
        return int(self._watch.connection[unit.place, K_FACT + watch.F_ID]) == unit.facts.number

    def _due(self, unit: _Unit) -> int:
        """When its next row is to be given out, ns."""
        end = self._ends(unit)
        if not unit.revision:
            return min(end, _summary(unit, NEVER)[2] or end, unit.opened + UNANSWERED)
        if len(unit.known) > unit.emitted:
            spacing = SPACING if unit.last - unit.opened < LATER else LATER_SPACING
            return min(end, max(unit.known[unit.emitted] + SETTLE, unit.last + spacing))
        return end

    def _row(self, unit: _Unit, due: int) -> tuple[Any, ...]:
        """What was known at `due`."""
        count = sum(1 for known in unit.known if known <= due)
        ordered = sorted(zip(unit.times[:count], range(count), unit.sizes, strict=False))
        final = due >= self._ends(unit)
        side = self._watch.side
        if self._lives(unit):
            missing = int(side[unit.place, UP, S_LOST] + side[unit.place, DOWN, S_LOST])
        else:
            missing = int(self._watch.unit[unit.slot, watch.U_MISSING])
        earlier = [
            (unit.opened - other.opened, *_summary(other, due)[:2])
            for other in reversed(self._earlier.get(unit.facts.client, ()))
            if other.opened < unit.opened
        ][:EARLIER]
        sent = sum(1 for size in unit.sizes[unit.before : count] if size > 0)
        row = (
            unit.ids[0], unit.revision, final, due / SECOND, unit.ids[1], unit.opened / SECOND,
            max(unit.times[:count], default=unit.opened) / SECOND, *unit.told, max(0, missing - unit.lost),
            max(0, unit.opened - unit.facts.began) / SECOND, unit.sent + sent, *unit.usual,
            [(time - unit.opened) // 1000 for time, _, _ in ordered], [size for _, _, size in ordered],
            [dt // 1000 for dt, _, _ in earlier], [up for _, up, _ in earlier], [reply for _, _, reply in earlier],
        )  # fmt: skip
        unit.revision, unit.emitted, unit.last = unit.revision + 1, count, due
        if final:
            unit.summary = _summary(unit, due)
            unit.times, unit.known, unit.sizes = [], [], []
        return row

    def _id(self, what: str, number: int) -> int:
        return int.from_bytes(
            hashlib.blake2b(f"{what} {number}".encode(), key=self._key, digest_size=8).digest(), "big"
        )
