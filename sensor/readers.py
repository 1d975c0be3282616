"""The rare work: packets that the kernel put on its to-do list, read by ordinary Python.

`Readers.work` goes through the list while the block is still at hand. TCP streams whose hello did not come in order,
HTTP requests, QUIC and DTLS hellos are gathered per flow, bounded in number and bytes; DNS answers go to the memory of
names (`sensor.dnsreader`), IP fragments to `fragments`. What was found is handed to `settle`. It does not know the
flow table.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from sensor import layout
from sensor.dnsreader import DnsReader, OnAnswers, OnTold
from sensor.dtls import DtlsHello
from sensor.fragments import Reassembler
from sensor.gather import free_place
from sensor.quic import QuicHello
from sensor.streams import StreamHello
from sensor.words import Evidence

EVIDENCE_CODES = tuple(Evidence)
SNI, QUIC_SNI, HTTP_HOST, DNS = (
    EVIDENCE_CODES.index(e) for e in (Evidence.SNI, Evidence.QUIC_SNI, Evidence.HTTP_HOST, Evidence.DNS)
)
MAX_LOOKING = 16384  # flows whose hello is being put together
MAX_HELD = 64 << 20  # bytes of theirs
OWN_FIRST = 64  # the oldest flows, searched for one of the newcomer's client when there are too many

QUIC_KEYS = 40  # the bit that tells the keys of QUIC's readers, two for each flow, from flows' numbers

Looker = StreamHello | QuicHello | DtlsHello


class Finding(NamedTuple):
    """What was read for the flow of a to-do item: a name or None, and whether the search is over."""

    name: bytes | None
    evidence: int
    partial: bool
    done: bool
    ech: bool = False
    hello: bool = True  # the sender showed that it is the client


class Readers:
    """See the module's header. `settle(words, finding)` is called for each finding, with the to-do item's words."""

    def __init__(
        self,
        settle: Callable[[list[int], Finding], None],
        dns_names: int,
        on_answers: OnAnswers | None = None,
        on_told: OnTold | None = None,
    ) -> None:
        self._settle = settle
        self._looking: OrderedDict[int, Looker] = OrderedDict()
        self._client_of: dict[int, int] = {}
        self._held_by: dict[int, int] = {}
        self._held = 0
        self.dns = DnsReader(dns_names, on_answers, on_told)
        self.fragments = Reassembler()
        self.dropped_looking = 0
        self._found = set[int]()  # flows of the present list whose hello is whole: the kernel does not know it yet

    def work(self, todo: layout.Todo, buffer: Any) -> None:
        """Read every packet of the list, and empty it."""
        count = int(todo.count[0])
        if not count:
            return
        addresses = todo.words[:count, :4].byteswap().tobytes()
        for item, words in enumerate(todo.signed[:count].tolist()):
            kind, start, end = words[layout.T_KIND], words[layout.T_PAYLOAD], words[layout.T_END]
            if kind == layout.TODO_QUIC:
                if words[layout.T_UID] not in self._found:
                    self._read_quic(words, buffer[start:end].tobytes())
            elif kind == layout.TODO_STREAM:
                self._read_stream(words, buffer[start:end].tobytes())
            elif kind == layout.TODO_GATHERED:
                self._read_stream(words, todo.gather.bytes[start:end].tobytes())
                free_place(todo.gather, start // layout.GATHER_BYTES)
            elif kind == layout.TODO_DNS or kind == layout.TODO_DNS_TCP:
                self._read_dns(words, addresses[32 * item : 32 * item + 32], buffer[start:end].tobytes())
            elif kind == layout.TODO_FRAGMENT:
                vlan = int(todo.words[item, layout.T_VLAN])
                self.fragments.add(buffer[start:end].tobytes(), words[layout.T_TIME], vlan)
            else:
                self._read_dtls(words, buffer[start:end].tobytes())
        todo.count[0] = 0
        self._found.clear()

    def _looker(self, uid: int, words: list[int], make: Callable[[], Looker]) -> Looker:
        looker = self._looking.get(uid)
        if looker is None:
            client = words[3 if words[layout.T_FROM_B] else 1]
            if len(self._looking) >= MAX_LOOKING:
                self._drop_for(client)
            looker = self._looking[uid] = make()
            self._client_of[uid] = client
        return looker

    def _drop_for(self, client: int) -> None:
        """Make room for a client: the oldest flow goes, but rather one of the few oldest that is the client's own.

        So one that begins hellos without end pushes out its own.
        """
        oldest = itertools.islice(self._looking, OWN_FIRST)
        own = (uid for uid in oldest if self._client_of[uid] == client)
        self._forget(next(own, next(iter(self._looking))))
        self.dropped_looking += 1

    def _forget(self, uid: int) -> None:
        self._looking.pop(uid, None)
        self._client_of.pop(uid, None)
        self._held -= self._held_by.pop(uid, 0)

    def _hold(self, uid: int, held: int) -> None:
        """Take note of the bytes that a flow's looker keeps; others go if all of them keep too many."""
        self._held += held - self._held_by.get(uid, 0)
        self._held_by[uid] = held
        client = self._client_of[uid]
        while self._held > MAX_HELD:
            self._drop_for(client)

    def _read_stream(self, words: list[int], payload: bytes) -> None:
        uid = words[layout.T_UID]
        looker = self._looking.get(uid)
        if looker is None:
            looker = self._looker(uid, words, lambda: StreamHello(words[layout.T_NEXT]))
        if not isinstance(looker, StreamHello):
            return
        reading = looker.feed(words[layout.T_SEQUENCE] & 0xFFFFFFFF, payload, bool(words[layout.T_FILLER]))
        if reading.complete:
            self._forget(uid)
        else:
            self._hold(uid, looker.held)
        if reading != looker.told:
            looker.told = reading
            partial = reading.is_hello and not reading.complete and not looker.http
            evidence = HTTP_HOST if looker.http else SNI
            self._settle(words, Finding(reading.name, evidence, partial, reading.complete, reading.ech))

    def _read_dtls(self, words: list[int], payload: bytes) -> None:
        uid = words[layout.T_UID]
        looker = self._looker(uid, words, DtlsHello)
        if not isinstance(looker, DtlsHello):
            return
        reading = looker.feed(payload)
        if reading.complete:
            self._forget(uid)
        else:
            self._hold(uid, looker.held)
        if reading.complete or reading.is_hello:
            self._settle(words, Finding(reading.name, SNI, not reading.complete, reading.complete, reading.ech))

    def _read_quic(self, words: list[int], payload: bytes) -> None:
        """Each direction has its own reader: either may be the client, and only a client's packets can be opened."""
        key = words[layout.T_UID] << 1 | words[layout.T_FROM_B] | 1 << QUIC_KEYS
        looker = self._looking.get(key)
        if looker is None:
            looker = QuicHello()
        elif not isinstance(looker, QuicHello):
            return
        reading = looker.feed(payload)
        if reading.complete:
            self._forget(key)
            if reading.is_hello:
                self._found.add(words[layout.T_UID])
        else:
            if key not in self._looking:
                self._looker(key, words, lambda: looker)
            self._hold(key, looker.held)
        if reading.complete or reading.is_hello:
            hello, done = reading.is_hello, reading.complete
            self._settle(words, Finding(reading.name, QUIC_SNI, hello and not done, done, reading.ech, hello))

    def _read_dns(self, words: list[int], addresses: bytes, payload: bytes) -> None:
        low, high = addresses[:16], addresses[16:]
        from_b, now = words[layout.T_FROM_B], words[layout.T_TIME] / layout.SECOND
        server, client = (high, low) if from_b else (low, high)
        if words[layout.T_KIND] == layout.TODO_DNS_TCP:
            stream = words[layout.T_UID] << 1 | from_b
            self.dns.segment(stream, client, server, words[layout.T_SEQUENCE] & 0xFFFFFFFF, payload, now)
        else:
            self.dns.datagram(client, server, words[4] >> (32 if from_b else 48) & 0xFFFF, payload, now)
