"""The first bytes of a client's TCP stream, put back in order, until a name can be read from them.

`StreamHello` is given the payloads of one flow's client, in any order, and answers with a `Reading`: a TLS hello, an
HTTP request's Host, or that there is no name. When two segments disagree about a byte, the one that came first is
kept. All is bounded: segments and bytes of a flow here, the number of flows by the caller.

It does not know flows or clocks. Source: RFC 9293 3.4 (sequence numbers are modulo 2^32).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sensor import http, tls
from sensor.tls import NOT_A_HELLO, UNDECIDED, Reading

MAX_SEGMENTS = 128
MAX_BYTES = 32768
MAX_UNSTARTED = 4  # segments looked at before giving up on seeing a hello's first byte


@dataclass(slots=True)
class StreamHello:
    """`base`: sequence number of the first payload byte, -1 while unknown (the capture began late)."""

    base: int = -1
    segments: list[tuple[int, bytes]] = field(default_factory=list)  # (sequence, payload) as they came
    held: int = 0
    http: bool = False

    def feed(self, sequence: int, payload: bytes) -> Reading:
        """Take a segment. `Reading.complete` means that nothing more is wanted."""
        if not any(known == sequence and len(data) >= len(payload) for known, data in self.segments):
            if self.held + len(payload) > MAX_BYTES or len(self.segments) >= MAX_SEGMENTS:
                return self._give_up()
            self.segments.append((sequence, payload))
            self.held += len(payload)
        if self.base < 0:
            self.base = self._start()
            if self.base < 0:
                return UNDECIDED if len(self.segments) < MAX_UNSTARTED else NOT_A_HELLO
        return self._read(self._beginning())

    def _start(self) -> int:
        """Where a hello or request begins among segments of unknown order; -1 if none is here yet."""
        for sequence, payload in self.segments:
            if tls.read_stream(payload).is_hello or http.looks_like_request(payload):
                return sequence
        return -1

    def _beginning(self) -> bytes:
        """What is contiguous from the stream's first byte; if nothing is, from a later hello's.

        A hello may follow bytes that never come here: a SOCKS or PROXY header, what was said before STARTTLS.
        """
        data = self._contiguous(self.base)
        if not data:
            for sequence, payload in self.segments:
                if payload[:2] == b"\x16\x03" and payload[5:6] == b"\x01":
                    return self._contiguous(sequence)
        return data

    def _contiguous(self, base: int) -> bytes:
        """The bytes from `base` on, up to the first gap."""
        data, known = bytearray(), bytearray()
        for sequence, payload in reversed(self.segments):  # what came first is written last
            offset = (sequence - base) & 0xFFFFFFFF
            if offset < MAX_BYTES:
                more = bytes(max(0, offset + len(payload) - len(data)))
                data += more
                known += more
                data[offset : offset + len(payload)] = payload
                known[offset : offset + len(payload)] = b"\x01" * len(payload)
        gap = known.find(0)
        return bytes(data) if gap < 0 else bytes(data[:gap])

    def _read(self, data: bytes) -> Reading:
        if not data:
            return UNDECIDED
        reading = tls.read_stream(data)
        if reading.is_hello:
            return reading
        self.http = http.looks_like_request(data)
        if not self.http:
            return NOT_A_HELLO
        if http.is_connect(data):
            return self._through_tunnel(data)
        return http.read_host(data)

    def _through_tunnel(self, data: bytes) -> Reading:
        """A CONNECT request, whose host is the name until a hello inside the tunnel says more (RFC 9110 9.3.6)."""
        outer = http.read_host(data)
        if not outer.is_hello:  # no request after all, however much follows
            return outer
        _, _, inside = http.split_head(data)
        if not inside:
            return Reading(outer.is_hello, not outer.is_hello, outer.name)
        inner = tls.read_stream(inside)
        if not inner.is_hello or (inner.complete and inner.name is None):
            return outer
        self.http = inner.name is None
        return Reading(True, inner.complete, inner.name or outer.name)

    def _give_up(self) -> Reading:
        reading = self._read(self._beginning()) if self.base >= 0 else NOT_A_HELLO
        return Reading(reading.is_hello, True, reading.name)
