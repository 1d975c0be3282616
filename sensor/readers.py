"""The rare work: packets that the kernel put on its to-do list, read by ordinary Python.

`Readers.work` goes through the list while the block is still at hand. Hellos in several segments and QUIC hellos are
gathered per flow, bounded; DNS answers go to the memory of names, IP fragments to `fragments`. What was found is handed
to `settle`. It does not know the flow table.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sensor import layout
from sensor.dns import Answers, DnsMemory, read_answers
from sensor.fragments import Reassembler
from sensor.quic import QuicHello
from sensor.streams import StreamHello
from sensor.words import Evidence

EVIDENCE_CODES = tuple(Evidence)
SNI, QUIC_SNI, HTTP_HOST, DNS = (
    EVIDENCE_CODES.index(e) for e in (Evidence.SNI, Evidence.QUIC_SNI, Evidence.HTTP_HOST, Evidence.DNS)
)
MAX_LOOKING = 16384  # flows whose hello is being put together


@dataclass(frozen=True, slots=True)
class Finding:
    """What was read for the flow of a to-do item: a name or None, and whether the search is over."""

    name: bytes | None
    evidence: int
    partial: bool
    done: bool


class Readers:
    """See the module's header. `settle(row, finding)` is called for each finding, with the to-do item's words."""

    def __init__(
        self,
        settle: Callable[[Any, Finding], None],
        dns_names: int,
        on_answers: Callable[[bytes, bytes, Answers], None] | None = None,
    ) -> None:
        self._settle = settle
        self._on_answers = on_answers
        self._looking: OrderedDict[int, StreamHello | QuicHello] = OrderedDict()
        self.dns = DnsMemory(dns_names)
        self.fragments = Reassembler()
        self.dropped_looking = 0

    def work(self, todo: layout.Todo, buffer: Any) -> None:
        """Read every packet of the list, and empty it."""
        for i in range(int(todo.count[0])):
            row = todo.words[i]
            kind = int(row[layout.T_KIND])
            payload = buffer[int(row[layout.T_PAYLOAD]) : int(row[layout.T_END])].tobytes()
            if kind == layout.TODO_DNS:
                self._read_dns(row, payload)
            elif kind == layout.TODO_FRAGMENT:
                self.fragments.add(payload, int(row[layout.T_TIME]), int(row[layout.T_VLAN]))
            elif kind == layout.TODO_QUIC:
                self._read_quic(row, payload)
            else:
                self._read_stream(row, payload)
        todo.count[0] = 0

    def _looker(self, uid: int, make: Callable[[], StreamHello | QuicHello]) -> StreamHello | QuicHello:
        looker = self._looking.get(uid)
        if looker is None:
            looker = self._looking[uid] = make()
            if len(self._looking) > MAX_LOOKING:
                self._looking.popitem(last=False)
                self.dropped_looking += 1
        return looker

    def _read_stream(self, row: Any, payload: bytes) -> None:
        uid, base = int(row[layout.T_UID]), int(row[layout.T_NEXT].astype("int64"))
        looker = self._looker(uid, lambda: StreamHello(base))
        if not isinstance(looker, StreamHello):
            return
        reading = looker.feed(int(row[layout.T_SEQUENCE]) & 0xFFFFFFFF, payload)
        if reading.complete:
            self._looking.pop(uid, None)
        if reading.complete or reading.is_hello:
            partial = not reading.complete and not looker.http
            self._settle(row, Finding(reading.name, HTTP_HOST if looker.http else SNI, partial, reading.complete))

    def _read_quic(self, row: Any, payload: bytes) -> None:
        uid = int(row[layout.T_UID])
        looker = self._looker(uid, QuicHello)
        if not isinstance(looker, QuicHello):
            return
        reading = looker.feed(payload)
        if reading.complete:
            self._looking.pop(uid, None)
        if reading.complete or reading.is_hello:
            self._settle(row, Finding(reading.name, QUIC_SNI, not reading.complete, reading.complete))

    def _read_dns(self, row: Any, payload: bytes) -> None:
        answers = read_answers(payload)
        if answers is None:
            return
        low, high = row[0:2].byteswap().tobytes(), row[2:4].byteswap().tobytes()
        server, client = (high, low) if int(row[layout.T_FROM_B]) else (low, high)
        if self._on_answers:
            self._on_answers(client, server, answers)
        self.dns.learn(client, answers, int(row[layout.T_TIME]) / layout.SECOND)
