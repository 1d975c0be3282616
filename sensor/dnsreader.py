"""DNS payloads from the kernel's to-do list: read, counted, and remembered for the client that got them.

`DnsReader` takes datagrams and TCP segments that a DNS server sent. It puts TCP streams back together, bounded, and
decides by port what an answer is worth: DNS teaches names, mDNS and LLMNR only local ones, to an address of one client.

It does not know flows. Sources: RFC 1035 4.2, RFC 6762 (mDNS, port 5353), RFC 4795 (LLMNR, port 5355).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from sensor.dns import MAPPED, Answers, read_answers
from sensor.dnsmemory import DnsMemory
from sensor.dnsstream import DnsStream

MDNS, LLMNR = 5353, 5355
MAX_STREAMS = 512  # TCP connections whose messages are being put together; 128 kB each at most

OnAnswers = Callable[[bytes, bytes, Answers], None]
OnTold = Callable[[bytes, Answers, float], None]


class DnsReader:
    """See the module's header. `on_answers(client, server, answers)` is told of each message that could be read,
    `on_told(client, answers, now)` of each that teaches names."""

    def __init__(self, capacity: int, on_answers: OnAnswers | None = None, on_told: OnTold | None = None) -> None:
        self.memory = DnsMemory(capacity)
        self._on_answers = on_answers
        self._on_told = on_told
        self._streams: OrderedDict[int, DnsStream] = OrderedDict()
        self.answers = 0
        self.unreadable = 0
        self.https = 0  # answers that carry an HTTPS or SVCB record
        self.https_ech = 0  # of these, the ones with an ECH configuration
        self.dropped_streams = 0  # given up in the middle of a message

    def datagram(self, client: bytes, server: bytes, port: int, payload: bytes, now: float) -> None:
        """A message in a UDP datagram from `port` of the server. Addresses are 16 bytes, `now` Unix seconds."""
        answers = read_answers(payload, every_section=port == MDNS)
        if answers is None:
            if len(payload) < 12 or (payload[2] & 0x80 and payload[6:8] != b"\0\0"):
                self.unreadable += 1
            return
        self.answers += 1
        if answers.services:
            self.https += 1
            self.https_ech += any(service.ech for service in answers.services)
        if self._on_answers:
            self._on_answers(client, server, answers)
        if port not in (MDNS, LLMNR):
            self.memory.learn(client, answers, now)
            if self._on_told:
                self._on_told(client, answers, now)
        elif not _is_multicast(client):
            self.memory.learn_local(client, answers, now)

    def segment(self, uid: int, client: bytes, server: bytes, sequence: int, payload: bytes, now: float) -> None:
        """A TCP segment from port 53 of the server; `uid` tells connections apart."""
        stream = self._streams.get(uid)
        if stream is None:
            stream = self._streams[uid] = DnsStream()
            if len(self._streams) > MAX_STREAMS:
                _, oldest = self._streams.popitem(last=False)
                self.dropped_streams += bool(oldest.ready or oldest.waiting)
        else:
            self._streams.move_to_end(uid)
        for message in stream.feed(sequence, payload):
            self.datagram(client, server, 53, message, now)


def _is_multicast(address: bytes) -> bool:
    return address[12] >> 4 == 0xE if address.startswith(MAPPED) else address[0] == 0xFF
