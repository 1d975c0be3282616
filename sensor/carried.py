"""What the packets of one flow carry, in a few words each: for whoever looks into a capture. Never payload or a path.

`TcpWords` is given a connection's segments as they came and says for each what it brought: a ClientHello or which
bytes of one, TLS records, the head of an HTTP request, bytes seen before or ahead of a gap. `read_hello_facts` lists
what a ClientHello says of itself. These words describe; which name a flow has is decided elsewhere (`sensor.kernel`,
`sensor.readers`). `sensor.carriedudp` does the same for datagrams.

All is bounded by MAX_STREAM bytes a direction. Sources: RFC 8446 4.1.2 and 5.1, RFC 9293 3.4, draft-ietf-tls-esni
(ECH is extension 0xfe0d).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sensor import http

MAX_STREAM = 1 << 19
_FIRST_RECORD = re.compile(rb"\x16\x03[\x00-\x04]..[\x01\x02]\x00..\x03[\x00-\x04]", re.DOTALL)
RECORD_WORDS = {20: "change cipher spec", 21: "alert", 22: "handshake", 23: "application data", 24: "heartbeat"}
HANDSHAKE_WORDS = {
    1: "ClientHello", 2: "ServerHello", 4: "NewSessionTicket", 11: "Certificate", 12: "ServerKeyExchange",
    13: "CertificateRequest", 14: "ServerHelloDone", 16: "ClientKeyExchange", 22: "CertificateStatus",
}  # fmt: skip
_ALPN, _VERSIONS, _ECH, _ESNI = 16, 43, 0xFE0D, 0xFFCE
_TLS_VERSIONS = {0x300: "SSL 3", 0x301: "TLS 1.0", 0x302: "TLS 1.1", 0x303: "TLS 1.2", 0x304: "TLS 1.3"}


@dataclass(frozen=True, slots=True)
class HelloFacts:
    """What a ClientHello says of itself, as far as it is here. `size`: of the whole message, bytes."""

    size: int
    whole: bool
    ech: bool
    protocols: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


def read_hello_facts(message: bytes) -> HelloFacts | None:
    """Read a ClientHello handshake message of which a prefix is here; None if it is none."""
    if len(message) < 4 or message[0] != 1:
        return None
    size = 4 + int.from_bytes(message[1:4], "big")
    ech, protocols, versions = False, [], []
    for kind, body in _extensions(message[:size]):
        if kind in (_ECH, _ESNI):
            ech = True
        elif kind == _ALPN:
            at = 2
            while at < len(body):
                protocols.append(body[at + 1 : at + 1 + body[at]].decode("ascii", "backslashreplace"))
                at += 1 + body[at]
        elif kind == _VERSIONS:
            numbers = (int.from_bytes(body[at : at + 2], "big") for at in range(1, len(body) - 1, 2))
            versions += [_TLS_VERSIONS[number] for number in numbers if number in _TLS_VERSIONS]
    return HelloFacts(size, len(message) >= size, ech, tuple(protocols[:16]), tuple(versions[:8]))


def _extensions(hello: bytes) -> Iterator[tuple[int, bytes]]:
    """Types and bodies of the extensions of a (perhaps cut) ClientHello."""
    at = 4 + 2 + 32
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        at += width + int.from_bytes(hello[at : at + width], "big")
    at += 2
    while at + 4 <= len(hello):
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        yield int.from_bytes(hello[at : at + 2], "big"), hello[at + 4 : at + 4 + size]
        at += 4 + size


# -- TCP ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Record:
    """A TLS record of a stream: where its header begins, where it ends, its content type and what it says in clear."""

    start: int
    end: int
    words: str


@dataclass(slots=True)
class _Stream:
    """One direction's bytes; of two that disagree the first to come is kept, as the sensor does."""

    base: int = -1
    data: bytearray = field(default_factory=bytearray)
    known: bytearray = field(default_factory=bytearray)

    def add(self, sequence: int, payload: bytes) -> tuple[int, str]:
        """Offset of a segment (negative: before the stream's first known byte), and a remark on its place."""
        if self.base < 0:
            self.base = sequence
        offset = (sequence - self.base + (1 << 31)) % (1 << 32) - (1 << 31)
        end = offset + len(payload)
        if offset < 0 or end > MAX_STREAM:
            return offset, ""
        before = self.contiguous()
        if len(self.data) < end:
            self.known += bytes(end - len(self.data))
            self.data += bytes(end - len(self.data))
        fresh = [n for n in range(offset, end) if not self.known[n]]
        for n in fresh:
            self.data[n] = payload[n - offset]
            self.known[n] = 1
        again = "all seen before" if not fresh else "ahead of a gap" if offset > before else ""
        return offset, again

    def contiguous(self) -> int:
        gap = self.known.find(0)
        return len(self.known) if gap < 0 else gap

    def records(self) -> list[_Record]:
        """The TLS records that begin among the contiguous bytes: from the first hello on, else from the start.

        A stream whose beginning was not captured may begin amid a record; what its bytes look like then is by chance.
        """
        data = bytes(self.data[: self.contiguous()])
        first = _FIRST_RECORD.search(data)
        found: list[_Record] = []
        at, in_clear = (first.start() if first else 0), True
        while at + 5 <= len(data) and data[at] in RECORD_WORDS and data[at + 1] == 3 and data[at + 2] <= 4:
            end = at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
            words = RECORD_WORDS[data[at]]
            if data[at] == 22:
                words = _messages(data[at + 5 : end]) if in_clear else "encrypted handshake"
            in_clear = in_clear and data[at] != 20
            found.append(_Record(at, end, words))
            at = end
        return found

    def hello(self) -> tuple[bytes, int, int]:
        """The bytes of a ClientHello message that are here, and where it lies in the stream; (b"", 0, 0) without."""
        data = bytes(self.data[: self.contiguous()])
        message, start, end, size = bytearray(), -1, 0, 4
        for record in self.records():
            if start < 0 and data[record.start + 5 : record.start + 6] != b"\x01":
                break
            start = record.start if start < 0 else start
            message += data[record.start + 5 : record.end]
            size = 4 + int.from_bytes(message[1:4], "big") if len(message) >= 4 else 4
            end = record.end
            if record.end - 5 - record.start + len(message) >= size:
                break
        return bytes(message[:size]), max(start, 0), end


def _messages(body: bytes) -> str:
    """Names of the handshake messages that begin in a record in the clear."""
    names, at = [], 0
    while at + 4 <= len(body):
        names.append(HANDSHAKE_WORDS.get(body[at], "handshake"))
        at += 4 + int.from_bytes(body[at + 1 : at + 4], "big")
    return " + ".join(dict.fromkeys(names)) or "handshake"


@dataclass(slots=True)
class TcpWords:
    """Words for each segment of a connection. `add` every packet in order of capture, then ask for `words`."""

    _streams: tuple[_Stream, _Stream] = field(default_factory=lambda: (_Stream(), _Stream()))
    _segments: list[tuple[bool, int, bytes, str]] = field(default_factory=list)

    def add(self, up: bool, sequence: int, syn: bool, push: bool, payload: bytes) -> None:
        stream = self._streams[up]
        sequence = (sequence + syn) & 0xFFFFFFFF
        if syn and not stream.data:
            stream.base = sequence
        if len(payload) <= 6 and not push and payload and not any(payload):
            self._segments.append((up, -1, payload, "padding inside the IP length"))
        elif payload:
            self._segments.append((up, *_placed(stream, sequence, payload)))
        else:
            self._segments.append((up, -1, b"", ""))

    def hello_facts(self) -> HelloFacts | None:
        return read_hello_facts(self._streams[True].hello()[0])

    def words(self) -> list[tuple[str, ...]]:
        """For each packet what it carried, in order."""
        records = [stream.records() for stream in self._streams]
        _, start, end = self._streams[True].hello()
        return [
            (*self._carried(up, offset, payload, records[up], start, end), *([remark] if remark else []))
            for up, offset, payload, remark in self._segments
        ]

    def _carried(
        self, up: bool, offset: int, payload: bytes, records: list[_Record], start: int, end: int
    ) -> Iterator[str]:
        if offset < 0 or not payload:
            return
        stop = offset + len(payload)
        said = False
        if up and offset < end and stop > start:
            said = True
            first, last = max(offset, start) - start, min(stop, end) - start
            size = end - start
            yield (
                f"ClientHello, {size} bytes" if last - first == size else f"ClientHello bytes {first}-{last} of {size}"
            )
        begun = [r for r in records if offset <= r.start < stop and not (up and start <= r.start < end)]
        for words in dict.fromkeys(record.words for record in begun):
            same = [record for record in begun if record.words == words]
            size = sum(record.end - record.start for record in same)
            said = True
            yield f"TLS {words}, {size} bytes" + (f" in {len(same)} records" if len(same) > 1 else "")
        if not said:
            yield _cleartext(up, payload) or f"{len(payload)} bytes"


def _placed(stream: _Stream, sequence: int, payload: bytes) -> tuple[int, bytes, str]:
    offset, remark = stream.add(sequence, payload)
    return offset, payload, remark


def _cleartext(up: bool, payload: bytes) -> str:
    """An HTTP request's method and host, or a response's status; '' for anything else."""
    if up and http.looks_like_request(payload):
        method = payload.partition(b" ")[0].decode("ascii", "replace")
        host = http.read_host(payload).name
        return f"HTTP {method} request" + (f" to {host.decode('ascii', 'backslashreplace')}" if host else "")
    status = re.match(rb"HTTP/1\.[01] (\d{3})", payload)
    return f"HTTP response {int(status[1])}" if status else ""
