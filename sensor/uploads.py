"""What may be edits of wikis: upload units, cues, and requests in the clear, from the packets of watched flows.

Theory of operation. A flow that leads to a wiki's host (sensor.catalogue, wikis.csv) is watched: the kernel puts its
packets on a list (Todo.watched), sensor.follow and sensor.records follow its TLS records, sensor.collect gathers units,
sensor.units gives them out as rows of sensor.uploadtables. Whether a unit was an edit is decided by pipeline/. Reading
makes a unit seldom; else nothing of it leaves but that a wiki was opened (a cue).

A name is the client's own: its hello, its request, or a DNS answer that this client got. A connection whose beginning
was not seen takes the name from such an answer, or from another connection of this client to this server; even that
of a host which gives no more than a cue, as one server has them all (upload.wikimedia.org apart). HTTP/2 may
carry requests to several hosts on one connection (same address, same certificate), so a unit's host is what the
connection was opened for, not where each request went.

All is bounded; `counters` says what was left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sensor import layout, watch
from sensor.catalogue import Wiki
from sensor.collect import release
from sensor.columns import Segments, segments_of
from sensor.dns import Answers
from sensor.dnsmemory import DnsMemory
from sensor.follow import SWEEP_EVERY, admit, dismiss, follow, forget_all, sweep
from sensor.layout import PAIRS, SECOND
from sensor.names import Names
from sensor.posts import Post, Posts
from sensor.todo import mix_pair
from sensor.units import EVIDENCE, Facts, Units, facts_of
from sensor.uploadtables import CUE_SCHEMA, HTTP_SCHEMA, NOTHING, UNIT_SCHEMA, Tables, table_of
from sensor.words import Evidence, Segment, Watch

POLL_EVERY = SECOND // 4  # of packet time
MAX_ROWS = 1 << 14  # of each kind, between two calls of `take`
MAX_WIKIS = 1 << 12
FOLLOWED = (Watch.TEXT, Watch.AUTH, Watch.CXSERVER)
_SEGMENTS = tuple(Segment)


class Uploads:
    """See the module's header. `wiki_of` is Catalogue.wiki; `key` makes ids unguessable."""

    def __init__(self, wiki_of: Callable[[str], Wiki | None], segments: Segments, key: bytes = b"") -> None:
        self._wiki_of = wiki_of
        self._segments = segments
        self.memory = watch.new_watch(MAX_WIKIS)
        self._wikis = [Wiki("", Watch.TEXT, "")]  # by number; 0 is none
        self._numbers: dict[Wiki, int] = {}
        self._units = Units(self.memory, self._wikis, self._segment, key)
        self._plain: dict[int, tuple[Posts, int, Facts]] = {}  # by number of the connection; its place
        self._polled = 0
        self._unit_rows: list[tuple[Any, ...]] = []
        self._cue_rows: list[tuple[Any, ...]] = []
        self._http_rows: list[tuple[Any, ...]] = []
        self.dropped = 0

    def number_of(self, name: str) -> int:
        """The number of the wiki that a name belongs to; 0 if none."""
        wiki = self._wiki_of(name)
        return 0 if wiki is None else self._number(wiki)

    def _number(self, wiki: Wiki) -> int:
        if wiki not in self._numbers and len(self._wikis) >= MAX_WIKIS - len(Watch):  # rather not all of its host
            wiki = Wiki(wiki.service, wiki.watch, "")
            if wiki not in self._numbers and len(self._wikis) >= MAX_WIKIS:
                return 0
        if wiki not in self._numbers:
            self._numbers[wiki] = number = len(self._wikis)
            self._wikis.append(wiki)
            shared = 0 if wiki.watch is Watch.UPLOAD_MEDIA else watch.SHARED
            self.memory.followed[number] = watch.FOLLOWED if wiki.watch in FOLLOWED else shared
        return self._numbers[wiki]

    def counters(self) -> dict[str, int]:
        """What was done, and what had no room."""
        count = self.memory.count
        return {
            "wiki_connections": int(count[watch.N_CONNECTIONS]),
            "wiki_connections_evicted": int(count[watch.N_EVICTED]),
            "upload_units": int(count[watch.N_UNITS]),
            "upload_units_cut": int(count[watch.N_UNITS_CUT]),
            "upload_rows_dropped": self.dropped + int(count[watch.N_CUES_LOST]),
            "wiki_records": int(count[watch.N_RECORDS]),
            "wiki_records_resynced": int(count[watch.N_RESYNCED]),
        }

    def load(self, flows: layout.Flows, names: Names, todo: layout.Todo) -> None:
        """Have the compiled parts there before the first packet; `todo` is empty."""
        small = watch.new_watch(2)
        small.followed[1] = 1
        follow(small, flows, names, todo, np.zeros(0, np.uint8), True)
        admit(small, flows, todo, 0, 1, EVIDENCE.index(Evidence.DNS), 0)  # row 0 is no flow
        dismiss(flows, 0)
        flows.words[0] = 0  # nor has it a connection
        forget_all(small, 0)
        sweep(small, 0)
        release(small, 0)
        self._pair(bytes(16), bytes(16))
        self._segment(bytes(16), 0)

    # -- packets ------------------------------------------------------------------------------------------------

    def follow(self, flows: layout.Flows, names: Names, todo: layout.Todo, buffer: Any, dns: DnsMemory) -> None:
        """Take the packets that the kernel has left: of flows that it knows too little of, and those in the clear."""
        if todo.watching[layout.SEEN] < todo.watching[layout.LISTED]:
            while not follow(self.memory, flows, names, todo, buffer, True):
                self._meet_nameless(flows, todo, todo.watched[todo.watching[layout.SEEN]], dns)
        if kept := int(todo.watching[layout.KEPT]):
            self._read_plain(todo.watched[:kept], buffer)
            todo.watching[:] = 0
        if (latest := int(self.memory.count[watch.N_LATEST])) - self._polled >= POLL_EVERY:
            self.poll(latest)

    def _meet_nameless(self, flows: layout.Flows, todo: layout.Todo, item: Any, dns: DnsMemory) -> None:
        """A flow without a name: what DNS told this client of the server, or what it said itself elsewhere."""
        row = int(item[layout.W_ROW]) & layout.LOW32
        client = 2 * (int(flows.halves[row, layout.FLAGS]) & layout.CLIENT_IS_B)
        ends = [flows.keys[row, at : at + 2].byteswap().tobytes() for at in (client, 2 - client)]
        told = dns.names(ends[0], ends[1], int(flows.cold[row, layout.FLOW_FIRST]) / SECOND)
        numbers, evidence = {self.number_of(name) for name in told}, Evidence.DNS
        if not numbers:
            pair = self._pair(*ends) >> 1
            known, number = self.memory.own[pair & (PAIRS - 1)].tolist()
            numbers, evidence = {number if known == pair else 0}, Evidence.NONE
        services = {self._wikis[number].service for number in numbers}
        if 0 in numbers or len(services) != 1:
            dismiss(flows, row)
            return
        wiki = min((self._wikis[n] for n in numbers), key=lambda wiki: (wiki.watch is not Watch.TEXT, wiki.host))
        number = self._number(wiki if wiki.watch is Watch.UPLOAD_MEDIA else replace(wiki, watch=Watch.TEXT))
        now, code = int(item[layout.W_TIME]), EVIDENCE.index(evidence)
        if not admit(self.memory, flows, todo, row, number, code, now):
            dismiss(flows, row)

    def learn(self, todo: layout.Todo, client: bytes, answers: Answers, now: float) -> None:
        """A DNS answer: a wiki's name gives a cue, and tells which nameless flows to look at."""
        wiki = self._wiki_of(answers.qname) if answers.qname else None
        if wiki is None:
            return
        if wiki.watch is not Watch.TEXT:
            segment = self._segment(client, 0)
            row = (now, client, 0, segment, wiki.service, wiki.watch, Evidence.DNS)
            self._add(self._cue_rows, row)
        addresses = [record.address for record in answers.records if record.address]
        for address in (*addresses, *(hint for service in answers.services for hint in service.hints)):
            pair = self._pair(client, address)
            todo.pairs[pair >> 52] = pair

    @staticmethod
    def _pair(client: bytes, server: bytes) -> int:
        return int(mix_pair(*np.frombuffer(client + server, ">u8").astype(np.uint64)))

    # -- requests in the clear ----------------------------------------------------------------------------------

    def _read_plain(self, items: Any, buffer: Any) -> None:
        table = self.memory.connection
        for time, start, end, _, sequence, h, row, flags in items.tolist():
            place = row >> layout.W_PLACE
            if int(self.memory.line[place, watch.L_HASH]) != h or end <= start:
                continue
            facts = table[place, watch.K_FACT : watch.K_FACT + watch.FACTS]
            number = int(facts[watch.F_ID])
            if number not in self._plain:
                self._plain[number] = (Posts(), place, facts_of(facts, self._wikis))
            posts = self._plain[number][0]
            if flags & layout.W_FROM_CLIENT:
                post = posts.up(sequence, buffer[start:end].tobytes(), time)
            else:
                post = posts.down(buffer[start : min(end, start + 16)].tobytes())
            self._posted(self._plain[number][2], post, time)

    def _posted(self, c: Facts, post: Post | None, now: int) -> None:
        if post:
            row = (
                post.time / SECOND, now / SECOND, c.client, c.server, c.client_port, c.server_port, c.vlan,
                self._segment(c.client, c.vlan), c.wiki.service, c.wiki.host, "POST", post.edit, post.status,
            )  # fmt: skip
            self._add(self._http_rows, row)

    def _end_plain(self, now: int) -> None:
        """Give out what nobody has answered on connections that have gone."""
        for number, (posts, place, facts) in list(self._plain.items()):
            if int(self.memory.connection[place, watch.K_FACT + watch.F_ID]) != number or not self._lives(place):
                self._posted(facts, posts.end(), now)
                del self._plain[number]

    def _lives(self, place: int) -> bool:
        return bool(self.memory.connection[place, watch.K_ROW])

    # -- what is ready ------------------------------------------------------------------------------------------

    def poll(self, now: int) -> None:
        """Make rows of what is due by `now` (ns of packet time), and forget connections that have ended."""
        self._polled = max(self._polled, now)
        for row in self._units.poll(now):
            self._add(self._unit_rows, row)
        if self.memory.count[watch.N_CUES] > watch.CUES // 2:
            self._take_cues()
        if now - int(self.memory.count[watch.N_SWEPT_AT]) > SWEEP_EVERY:
            sweep(self.memory, now)
        if self._plain:
            self._end_plain(now)

    def finish(self, now: int) -> None:
        """The stream has ended: make rows of everything as it is."""
        self.poll(now)
        forget_all(self.memory, now)
        self.poll(now)
        self._end_plain(now)

    def take(self) -> Tables:
        """The rows since the last call."""
        self._take_cues()
        kinds = ((UNIT_SCHEMA, self._unit_rows), (CUE_SCHEMA, self._cue_rows), (HTTP_SCHEMA, self._http_rows))
        tables = Tables(*(table_of(*kind) if kind[1] else none for kind, none in zip(kinds, NOTHING, strict=True)))
        for _, rows in kinds:
            rows.clear()
        return tables

    def _take_cues(self) -> None:
        """Make rows of the connections that were opened."""
        count = int(self.memory.count[watch.N_CUES])
        self.memory.count[watch.N_CUES] = 0
        if not count:
            return
        cues = self.memory.cue[:count]
        clients = np.ascontiguousarray(cues[:, watch.Q_CLIENT : watch.Q_CLIENT + 2]).view(np.uint64)
        vlans = cues[:, watch.Q_VLAN].astype(np.uint64)
        addresses = clients.byteswap().tobytes()
        shown = [self._wikis[wiki] for wiki in cues[:, watch.Q_WIKI].tolist()]
        rows = zip(
            (cues[:, watch.Q_TIME] / SECOND).tolist(),
            [addresses[at : at + 16] for at in range(0, 16 * count, 16)],
            vlans.tolist(),
            self._segments_of(clients, vlans),
            [wiki.service for wiki in shown],
            ["wiki_open" if wiki.watch is Watch.TEXT else wiki.watch for wiki in shown],
            [EVIDENCE[code] for code in cues[:, watch.Q_EVIDENCE].tolist()],
            strict=True,
        )
        room = MAX_ROWS - len(self._cue_rows)
        self._cue_rows.extend(itertools.islice(rows, room))
        self.dropped += max(0, count - room)

    def _add(self, rows: list[tuple[Any, ...]], row: tuple[Any, ...]) -> None:
        if len(rows) >= MAX_ROWS:
            self.dropped += 1
        else:
            rows.append(row)

    def _segment(self, client: bytes, vlan: int) -> str:
        return self._segments_of(np.frombuffer(client, ">u8").astype(np.uint64)[None], np.array([vlan], np.uint64))[0]

    def _segments_of(self, clients: Any, vlans: Any) -> list[str]:
        """Segments of clients (uint64[n, 2]) in their VLANs (uint64[n])."""
        codes = np.zeros(len(clients), np.int16)
        segments_of(clients, vlans, self._segments, codes)
        return [_SEGMENTS[code] for code in codes.tolist()]
