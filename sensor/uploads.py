"""Upload units: what may be an edit of a wiki, told by the sizes and times of TLS records.

Theory of operation. A flow that leads to a wiki's host (sensor.catalogue, wikis.csv) is watched: sensor.records follows
its TLS records and opens a unit when a client sends more than it usually does. This module decides which flows are
watched, knows whose they are, and gives each unit out as rows of UNIT_SCHEMA: one as soon as the first reply is known
(or UNANSWERED later), and again as it grows, until WINDOW after it opened. A row holds sizes and times only. Whether a
unit was an edit is decided by pipeline/. Reading makes a unit seldom; else nothing of it leaves but that a wiki was
opened (a cue).

A name is the client's own: its hello, its request, or a DNS answer that this client got. A connection whose beginning
was not seen takes the name from such an answer, or from another connection of this client to this server. HTTP/2 may
carry requests to several hosts on one connection (same address, same certificate), so `host` is what the connection
was opened for, not where each request went.

Other tables: CUE_SCHEMA, a client's new connection to (or question for) a host that says something about editing;
HTTP_SCHEMA, POST requests to a wiki that were sent in the clear (sensor.posts).

All is bounded; `counters` says what was left out. Times are packet times: emission depends on packets and on the `now`
that the caller gives, so a capture always gives the same rows.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from sensor import layout, records
from sensor.catalogue import Wiki
from sensor.columns import Segments
from sensor.dns import Answers
from sensor.dnsmemory import DnsMemory
from sensor.layout import SECOND
from sensor.records import WINDOW
from sensor.slices import _field, _WORD  # noqa: PLC2701
from sensor.todo import mix_pair
from sensor.words import Evidence, Segment, Watch

UNANSWERED = 2 * SECOND
SETTLE = SECOND // 5  # after new records, so that those of one moment go out together
SPACING, LATER_SPACING, LATER = SECOND // 2, 3 * SECOND // 2, 4 * SECOND
AFTER_CLOSE = SECOND // 2
POLL_EVERY = SECOND // 4
IDLE = 600 * SECOND
MAX_ROWS = 1 << 14  # between two calls of `take`
MAX_REMEMBERED = 1 << 13  # clients and pairs
EARLIER = 4  # units told of with a later one
FOLLOWED = (Watch.TEXT, Watch.AUTH, Watch.CXSERVER)

_I32 = pa.list_(pa.field("item", pa.int32(), nullable=False))
UNIT_SCHEMA = pa.schema(
    [
        _field("unit", pa.uint64(), "id, keyed anew by every live process"),
        _field("revision", pa.uint16(), "0, 1, 2...: how often the unit has been given out before"),
        _field("final", pa.bool_(), "no further revision comes"),
        _field("known", pa.float64(), "Unix seconds: packet time by which all that this row says was known"),
        _field("connection", pa.uint64(), "id of the connection, keyed likewise"),
        _field("opened", pa.float64(), "Unix seconds: first byte of the first upload record"),
        _field("seen", pa.float64(), "Unix seconds: the last record of this row"),
        _field("client", pa.binary(16), "the client's address; IPv4 as ::ffff:a.b.c.d"),
        _field("server", pa.binary(16), "the server's"),
        _field("client_port", pa.uint16(), "TCP port of the client"),
        _field("server_port", pa.uint16(), "TCP port of the server"),
        _field("vlan", pa.uint64(), "VLAN stack (sensor.slices.pack_vlan); 0 when untagged"),
        _field("segment", _WORD, "staff, pupil, guest or unknown"),
        _field("service", _WORD, "catalogue id"),
        _field("host", _WORD, "the wiki, by the name that the connection was opened for; mobile counts as the wiki"),
        _field("evidence", _WORD, "how that name is known; `none`: from another connection of this client and server"),
        _field("rtt_us", pa.uint32(), "least time from SYN to SYN/ACK between this client and server; 0 unknown"),
        _field("tls13", pa.bool_(), "TLS 1.3 was chosen, or nobody saw; else sizes are of TLS 1.2 with AES-GCM"),
        _field("midstream", pa.bool_(), "the connection's beginning was not seen"),
        _field("gaps", pa.uint32(), "bytes missing from both directions since the unit opened"),
        _field("age_s", pa.float32(), "age of the connection when the unit opened"),
        _field("client_records", pa.uint32(), "records that the client has sent on the connection"),
        _field("p15", pa.int32(), "usual size of the client's records: 15th percentile of the last 16 before, B"),
        _field("p50", pa.int32(), "median of the last 32"),
        _field("p70", pa.int32(), "70th percentile of the last 16"),
        _field("p85", pa.int32(), "85th percentile of the last 32"),
        _field("rec_dt_us", _I32, "records from 3 s before to 20 s after `opened`: when, relative to it; a client's "
               "record has the time of its last byte, a server's of its first"),
        _field("rec_size", _I32, "plaintext bytes, + from the client, - from the server; from the fourth of a run of "
               "server records over 1000 B on, they count as one; at most 512 records"),
        _field("prev_dt_us", pa.list_(pa.field("item", pa.int64(), nullable=False)), "up to four earlier units of this "
               "client on any wiki connection, latest first: how long before this one they opened"),
        _field("prev_up", _I32, "bytes that they sent up"),
        _field("prev_reply", _I32, "bytes of the first record of the answer; 0 none seen"),
    ]
)  # fmt: skip
CUE_SCHEMA = pa.schema(
    [
        _field("time", pa.float64(), "Unix seconds"),
        _field("client", pa.binary(16), "who"),
        _field("vlan", pa.uint64(), "VLAN stack; 0 for a cue from DNS"),
        _field("segment", _WORD, "staff, pupil, guest or unknown"),
        _field("service", _WORD, "catalogue id"),
        _field("cue", _WORD, "hcaptcha, auth, cxserver, upload_media, beacon; wiki_open: a text host"),
        _field("evidence", _WORD, "sni, http_host...: a connection was opened; dns: the name was asked for"),
    ]
)
HTTP_SCHEMA = pa.schema(
    [
        _field("time", pa.float64(), "Unix seconds: the request's first segment"),
        _field("known", pa.float64(), "Unix seconds: packet time by which the row was known"),
        _field("client", pa.binary(16), "who"),
        _field("server", pa.binary(16), "whom"),
        _field("client_port", pa.uint16(), "TCP port of the client"),
        _field("server_port", pa.uint16(), "TCP port of the server"),
        _field("vlan", pa.uint64(), "VLAN stack"),
        _field("segment", _WORD, "staff, pupil, guest or unknown"),
        _field("service", _WORD, "catalogue id"),
        _field("host", _WORD, "the wiki"),
        _field("method", _WORD, "POST"),
        _field("edit", pa.bool_(), "action=submit, or api.php with an action that changes a page"),
        _field("status", pa.uint16(), "HTTP status of the answer; 0 none seen. A form that was saved is redirected (302)"),
    ]
)  # fmt: skip


class Tables(NamedTuple):
    """What is ready: rows of UNIT_SCHEMA, CUE_SCHEMA and HTTP_SCHEMA."""

    units: pa.Table
    cues: pa.Table
    http: pa.Table


@dataclass(frozen=True, slots=True)
class _Connection:
    id: int
    wiki: Wiki
    client: bytes
    server: bytes
    client_port: int
    server_port: int
    vlan: int
    segment: str
    evidence: str
    began: int  # ns
    midstream: bool


@dataclass(slots=True)
class _Unit:
    id: int
    slot: int
    connection: _Connection
    place: int  # of the connection in records.Watch
    opened: int
    rtt: int
    revision: int = 0
    emitted: int = 0  # records given out
    last: int = 0  # when, ns
    over: bool = False
    summary: tuple[int, int, int] = (0, 0, 0)  # once it is over
    times: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


def _summary(unit: _Unit, until: int) -> tuple[int, int, int]:
    """(bytes up, bytes of the answer's first record or 0, when that was known or 0), as known at `until`.

    The upload ends with the client's silence, or with an answer that is no control frame and came no sooner than an
    answer can (reference: three quarters of a round trip after the last upload record)."""
    if unit.over:
        return unit.summary
    rtt = unit.rtt or records.ASSUMED_RTT
    reach, last, up = rtt + rtt // 2 + 30_000_000, unit.opened, 0
    for time, known, size in zip(unit.times, unit.known, unit.sizes, strict=True):
        if known > until or time < unit.opened:
            continue
        if size > 0:
            if up and time - last > reach + (SECOND if size > 4000 else 0):
                break
            up, last = up + size, time
        elif size < -53 and up and time - last > rtt * 3 // 4:
            return up, -size, known
    return up, 0, 0


class Uploads:
    """See the module's header. `wiki_of` is Catalogue.wiki; `rows`: of the flow table; `key` makes ids unguessable."""

    def __init__(self, wiki_of: Callable[[str], Wiki | None], segments: Segments, rows: int, key: bytes = b"") -> None:
        self.wiki_of = wiki_of
        self._segments = segments
        self._watch = records.new_watch(rows)
        self._key = key
        self._made = 0
        self._free = list(range(records.CONNECTIONS, 0, -1))
        self._connections: dict[int, _Connection] = {}  # by place
        self._units: dict[int, _Unit] = {}  # by serial number
        self._earlier: OrderedDict[bytes, deque[_Unit]] = OrderedDict()  # by client, oldest first
        self._rtt: OrderedDict[tuple[bytes, bytes], int] = OrderedDict()
        self._wiki: OrderedDict[tuple[bytes, bytes], Wiki] = OrderedDict()  # what a client's own bytes said of a server
        self._polled = self._swept = self._latest = 0
        self._unit_rows: list[tuple[Any, ...]] = []
        self._cue_rows: list[tuple[Any, ...]] = []
        self._http_rows: list[tuple[Any, ...]] = []
        self.evicted = 0
        self.dropped = 0

    def is_watched(self, name: str) -> bool:
        """Is a flow with this name to be watched?"""
        return self.wiki_of(name) is not None

    def counters(self) -> dict[str, int]:
        """What was done, and what had no room."""
        count = self._watch.count
        return {
            "wiki_connections": self._made,
            "wiki_connections_evicted": self.evicted,
            "upload_units": int(count[records.N_UNITS]),
            "upload_units_cut": int(count[records.N_UNITS_CUT]),
            "upload_rows_dropped": self.dropped,
            "tls_resynced": int(count[records.N_RESYNCED]),
        }

    # -- packets ------------------------------------------------------------------------------------------------

    def follow(
        self, flows: layout.Flows, todo: layout.Todo, buffer: Any, text: Callable[[int], str], dns: DnsMemory
    ) -> None:
        """Take the packets of Todo.watched; the caller empties it."""
        at, count = 0, int(todo.watching[0])
        self._latest = max(self._latest, int(todo.watched[:count, layout.W_TIME].max()))
        while (at := int(records.follow(self._watch, todo, at, buffer))) < count:
            self._meet(flows, todo, todo.watched[at], text, dns)
        if self._latest - self._polled >= POLL_EVERY:
            self.poll(self._latest)

    def learn(self, todo: layout.Todo, client: bytes, answers: Answers, now: float) -> None:
        """A DNS answer: a wiki's name gives a cue, and tells which nameless flows to look at."""
        wiki = self.wiki_of(answers.qname) if answers.qname else None
        if wiki is None:
            return
        if wiki.watch is not Watch.TEXT:
            self._cue(now, client, 0, wiki, Evidence.DNS)
        addresses = [record.address for record in answers.records if record.address]
        for address in (*addresses, *(hint for service in answers.services for hint in service.hints)):
            self._expect(todo, client, address)

    def _expect(self, todo: layout.Todo, client: bytes, server: bytes) -> None:
        pair = mix_pair(*(np.uint64(half) for half in (*_halves(client), *_halves(server))))
        todo.pairs[int(pair) >> 52] = pair

    def _meet(
        self, flows: layout.Flows, todo: layout.Todo, item: Any, text: Callable[[int], str], dns: DnsMemory
    ) -> None:
        """The first packet of a flow: take a place for it, or have it watched no longer."""
        row, h = int(item[layout.W_ROW]), int(item[layout.W_HASH])
        item[layout.W_FLAGS] &= ~layout.W_FIRST
        old = int(self._watch.of_row[row])
        if old > 0:
            self._forget(old)
        self._watch.of_row[row] = -1
        if int(flows.signed[row, layout.HASH]) != h:  # the row is another flow's by now
            return
        connection = self._identify(flows, row, text, dns)
        if connection is not None and self._admit(todo, connection, row, h, int(item[layout.W_TIME])):
            return
        flows.halves[row, layout.FLAGS] &= ~(layout.WATCHED | layout.WATCH_TOLD) & layout.LOW32

    def _identify(
        self, flows: layout.Flows, row: int, text: Callable[[int], str], dns: DnsMemory
    ) -> _Connection | None:
        flags, number = int(flows.halves[row, layout.FLAGS]), int(flows.halves[row, layout.NAME])
        key = flows.keys[row, :5]
        ends = [key[0:2].byteswap().tobytes(), key[2:4].byteswap().tobytes()]
        ports = [int(key[4]) >> 48, int(key[4]) >> 32 & 0xFFFF]
        client = flags & layout.CLIENT_IS_B
        pair, began = (ends[client], ends[1 - client]), int(flows.cold[row, layout.FLOW_FIRST])
        evidence = _EVIDENCE[(flags & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT]
        wiki: Wiki | None = None
        if number:
            wiki = self.wiki_of(text(number))
        elif flags & layout.LOOK_MASK == layout.LOOK_DONE:
            wikis = {self.wiki_of(name) for name in dns.names(*pair, began / SECOND)}
            evidence = Evidence.DNS
            if not wikis:
                wikis, evidence = {self._wiki.get(pair)}, Evidence.NONE
            if all(wikis) and len({w.service for w in wikis if w}) == 1:
                wiki = sorted((w for w in wikis if w), key=lambda w: (w.watch is not Watch.TEXT, w.host))[0]
        if wiki is None:
            return None
        self._made += 1
        vlan = int(flows.cold[row, layout.VLAN]) & (1 << 64) - 1
        return _Connection(
            self._id("connection", self._made), wiki, *pair, ports[client], ports[1 - client], vlan,
            self._segment(pair[0], vlan), evidence, began, not flags & layout.SYN_SEEN,
        )  # fmt: skip

    def _admit(self, todo: layout.Todo, connection: _Connection, row: int, h: int, now: int) -> bool:
        """Take a place for a connection; False if only the cue was wanted."""
        pair, wiki = (connection.client, connection.server), connection.wiki
        own = connection.evidence not in (Evidence.DNS, Evidence.NONE)
        if own or not connection.midstream:
            self._cue(now / SECOND, connection.client, connection.vlan, wiki, connection.evidence, connection.segment)
        if wiki.watch not in FOLLOWED:
            return False
        if own:
            _remember(self._wiki, pair, wiki)
            self._expect(todo, *pair)
        half = (h & (1 << 64) - 1) >> 1
        shake = todo.handshakes[half & (layout.HANDSHAKES - 1)]
        if int(shake[layout.H_HASH]) == half and shake[layout.H_RTT] > 0:
            _remember(self._rtt, pair, min(int(shake[layout.H_RTT]), self._rtt.get(pair, 1 << 62)))
        plain = connection.evidence == Evidence.HTTP_HOST
        place = self._place()
        records.begin(self._watch, place, row, h, records.NOT_TLS if plain else 1, self._rtt.get(pair, 0))
        self._watch.connection[place, records.K_LAST] = now
        self._connections[place] = connection
        return True

    def _place(self) -> int:
        """A free place, if need be that of the connection which has been silent for longest."""
        if not self._free:
            last = self._watch.connection[1:, records.K_LAST]
            self._forget(int(last.argmin()) + 1)
            self.evicted += 1
        return self._free.pop()

    def _forget(self, place: int) -> None:
        self._note_units()
        records.forget(self._watch, place, self._latest)
        del self._connections[place]
        self._free.append(place)

    # -- units --------------------------------------------------------------------------------------------------

    def poll(self, now: int) -> None:
        """Give out what is due by `now` (ns), in the order in which it became due; forget what has ended."""
        self._polled = max(self._polled, now)
        self._note_units()
        heap = [(due, serial) for serial, unit in self._units.items() if (due := self._due(unit)) <= now]
        heapq.heapify(heap)
        while heap:
            due, serial = heapq.heappop(heap)
            unit = self._units[serial]
            self._emit(unit, due)
            if unit.over:
                del self._units[serial]
                records.release(self._watch, unit.slot)
            elif (again := self._due(unit)) <= now:
                heapq.heappush(heap, (again, serial))
        if now - self._swept > 10 * SECOND:
            self._swept = now
            self._sweep(now)

    def finish(self, now: int) -> None:
        """The stream has ended: give out everything as it is."""
        self.poll(now)
        for place in list(self._connections):
            self._forget(place)
        self.poll(now)
        for unit in list(self._units.values()):
            self._watch.unit[unit.slot, records.U_CLOSED] = now
        self.poll(now)

    def _sweep(self, now: int) -> None:
        table = self._watch.connection
        closed = (table[:, records.K_CLOSED] > 0) & (now - table[:, records.K_LAST] > 5 * SECOND)
        gone = (table[:, records.K_STATE] != 0) & (closed | (now - table[:, records.K_LAST] > IDLE))
        for place in np.flatnonzero(gone).tolist():
            self._forget(place)

    def _note_units(self) -> None:
        """Read what the kernel has collected since the last look."""
        table = self._watch.unit
        for slot in np.flatnonzero(table[:, records.U_STATE]).tolist():
            serial, count = int(table[slot, records.U_SERIAL]), int(table[slot, records.U_COUNT])
            unit = self._units.get(serial)
            if unit is None:
                place = int(table[slot, records.U_CONNECTION])
                connection = self._connections[place]
                rtt = self._rtt.get((connection.client, connection.server), 0)
                opened = int(table[slot, records.U_OPENED])
                unit = _Unit(self._id("unit", serial), slot, connection, place, opened, rtt)
                self._units[serial] = unit
                earlier = self._earlier.get(connection.client) or deque(maxlen=2 * EARLIER)
                earlier.append(unit)
                _remember(self._earlier, connection.client, earlier)
            rows = self._watch.records[slot, :count]
            unit.times, unit.known, unit.sizes = (rows[:, n].tolist() for n in range(3))

    def _due(self, unit: _Unit) -> int:
        """When its next row is to be given out, ns."""
        state = self._watch.unit[unit.slot]
        end = unit.opened + WINDOW
        if int(state[records.U_STATE]) == 2:
            end = min(end, int(state[records.U_CLOSED]))
        elif self._connections.get(unit.place) is unit.connection:
            closed = int(self._watch.connection[unit.place, records.K_CLOSED])
            end = min(end, closed + AFTER_CLOSE) if closed else end
        end = max(end, unit.last)
        if not unit.revision:
            answered = _summary(unit, 1 << 62)[2]
            return min(end, answered or end, unit.opened + UNANSWERED)
        if len(unit.known) > unit.emitted:
            spacing = SPACING if unit.last - unit.opened < LATER else LATER_SPACING
            return min(end, max(unit.known[unit.emitted] + SETTLE, unit.last + spacing))
        return end

    def _emit(self, unit: _Unit, due: int) -> None:
        """A row with what was known at `due`."""
        state, connection = self._watch.unit[unit.slot], unit.connection
        count = sum(1 for known in unit.known if known <= due)
        sizes = unit.sizes[:count]
        ended = int(state[records.U_STATE]) == 2 and due >= int(state[records.U_CLOSED])
        closed = int(self._watch.connection[unit.place, records.K_CLOSED])
        if self._connections.get(unit.place) is not unit.connection:
            ended = True
        over = ended or due >= unit.opened + WINDOW or bool(closed and due >= closed + AFTER_CLOSE)
        side = self._watch.side[unit.place]
        lost = int(side[:, records.S_LOST].sum()) - int(state[records.U_LOST])
        earlier = [
            (unit.opened - other.opened, *_summary(other, due)[:2])
            for other in reversed(self._earlier.get(connection.client, ()))
            if other.opened < unit.opened
        ][:EARLIER]
        before = int(state[records.U_BEFORE])
        clients = int(state[records.U_CLIENTS]) + sum(1 for size in sizes[before:] if size > 0)
        row = (
            unit.id, unit.revision, over, due / SECOND, connection.id, unit.opened / SECOND,
            max(unit.times[:count], default=unit.opened) / SECOND, connection.client, connection.server,
            connection.client_port, connection.server_port, connection.vlan, connection.segment,
            connection.wiki.service, connection.wiki.host, connection.evidence, unit.rtt // 1000,
            bool(self._watch.connection[unit.place, records.K_TLS13]), connection.midstream, max(0, lost),
            max(0, unit.opened - connection.began) / SECOND, clients,
            *(int(state[at]) for at in (records.U_P15, records.U_P50, records.U_P70, records.U_P85)),
            [(time - unit.opened) // 1000 for time in unit.times[:count]], sizes,
            [dt // 1000 for dt, _, _ in earlier], [up for _, up, _ in earlier], [reply for _, _, reply in earlier],
        )  # fmt: skip
        unit.revision, unit.emitted, unit.last = unit.revision + 1, count, due
        self._add(self._unit_rows, row)
        if over:
            unit.summary, unit.over = _summary(unit, due), True
            unit.times, unit.known, unit.sizes = [], [], []

    # -- rows ---------------------------------------------------------------------------------------------------

    def _cue(
        self, when: float, client: bytes, vlan: int, wiki: Wiki, evidence: str, segment: str | None = None
    ) -> None:
        word = "wiki_open" if wiki.watch is Watch.TEXT else str(wiki.watch)
        segment = self._segment(client, vlan) if segment is None else segment
        self._add(self._cue_rows, (when, client, vlan, segment, wiki.service, word, evidence))

    def _add(self, rows: list[tuple[Any, ...]], row: tuple[Any, ...]) -> None:
        if len(rows) >= MAX_ROWS:
            self.dropped += 1
        else:
            rows.append(row)

    def take(self) -> Tables:
        """The rows since the last call."""
        tables = Tables(
            _table(UNIT_SCHEMA, self._unit_rows), _table(CUE_SCHEMA, self._cue_rows),
            _table(HTTP_SCHEMA, self._http_rows),
        )  # fmt: skip
        for rows in (self._unit_rows, self._cue_rows, self._http_rows):
            rows.clear()
        return tables

    def _id(self, what: str, number: int) -> int:
        return int.from_bytes(
            hashlib.blake2b(f"{what} {number}".encode(), key=self._key, digest_size=8).digest(), "big"
        )

    def _segment(self, client: bytes, vlan: int) -> str:
        """As sensor.columns.unpack: the narrowest subnet's; unknown if the innermost VLAN says another one."""
        high, low = _halves(client)
        rules, found = self._segments, 0
        for n, code in enumerate(rules.code.tolist()):
            first, last = rules.first[n].tolist(), rules.last[n].tolist()
            if tuple(first) <= (high, low) <= tuple(last):
                found = code
        if vlan:
            tagged = int(rules.by_vlan[vlan & 0xFFF])
            if not found:
                found = tagged
            elif tagged and tagged != found:
                found = 0
        return str(_SEGMENTS[found])


_EVIDENCE, _SEGMENTS = tuple(Evidence), tuple(Segment)


def _halves(address: bytes) -> tuple[int, int]:
    return int.from_bytes(address[:8], "big"), int.from_bytes(address[8:], "big")


def _remember(memory: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """As memory[key] = value, latest last, bounded."""
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > MAX_REMEMBERED:
        memory.popitem(last=False)


def _table(schema: pa.Schema, rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = []
    for column, kind in zip(columns, schema.types, strict=True):
        if pa.types.is_dictionary(kind):
            arrays.append(pa.array([str(word) for word in column], pa.string()).dictionary_encode().cast(kind))
        else:
            arrays.append(pa.array(column, kind))
    return pa.Table.from_arrays(arrays, schema=schema)
