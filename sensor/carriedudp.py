"""What the datagrams of one flow carry, in a few words each (see `sensor.carried`). Never payload.

`UdpWords` is given a flow's datagrams as they came and says for each which QUIC packets it holds, which ranges of the
client's CRYPTO stream those were the first to bring, or that it is Google's older QUIC or DTLS.

Sources: RFC 9000 16 and 17.2, RFC 9369 3.2, RFC 6347 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sensor.carried import HANDSHAKE_WORDS, RECORD_WORDS, HelloFacts, read_hello_facts
from sensor.quic import QuicHello
from sensor.quickeys import V1, V2

_QUIC_WORDS = ("Initial", "0-RTT", "Handshake", "Retry")


@dataclass(slots=True)
class UdpWords:
    """Words for each datagram of a flow, in order of capture."""

    _hello: QuicHello = field(default_factory=QuicHello)
    _quic: bool = False

    def add(self, up: bool, payload: bytes) -> tuple[str, ...]:
        if not payload:
            return ()
        if payload[0] & 0x80 and len(payload) > 6 and (packets := tuple(quic_packets(payload))):
            self._quic = True
            return (*packets, *_google_hello(payload), *self._ranges(payload)) if up else packets
        if len(payload) > 13 and 20 <= payload[0] <= 25 and payload[1] == 0xFE:
            return (_dtls(payload),)
        if self._quic and payload[0] & 0x40:
            return (f"QUIC 1-RTT, {len(payload)} bytes",)
        google = re.match(rb"[\x01-\xff].{0,8}?(Q0\d\d)", payload[:13], re.DOTALL)
        if up and google:
            self._quic = True
            return (f"gQUIC {google[1].decode()}", *_google_hello(payload))
        return (f"{len(payload)} bytes",)

    def hello_facts(self) -> HelloFacts | None:
        return read_hello_facts(self._hello.stream.data)

    def _ranges(self, payload: bytes) -> Iterator[str]:
        """The ranges of the client's CRYPTO stream that this datagram is the first to bring."""
        before = self._hello.stream.ranges()
        self._hello.feed(payload)
        if fresh := list(_beyond(self._hello.stream.ranges(), before)):
            yield "CRYPTO " + ", ".join(f"{start}-{end}" for start, end in fresh)


def _beyond(ranges: list[tuple[int, int]], known: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """What the ranges cover and the known ones do not; both in order and without overlap."""
    for start, end in ranges:
        for known_start, known_end in known:
            if start < known_end and known_start < end:
                if start < known_start:
                    yield start, known_start
                start = known_end
        if start < end:
            yield start, end


def _google_hello(payload: bytes) -> Iterator[str]:
    """Google's hello before TLS, in clear up to Q046."""
    if b"CHLO" in payload:
        yield "Google CHLO"


def quic_packets(datagram: bytes) -> Iterator[str]:
    """The long-header packets of a datagram: type, version, size (RFC 9000 17.2)."""
    at = 0
    while at + 7 <= len(datagram) and datagram[at] & 0x80:
        version = int.from_bytes(datagram[at + 1 : at + 5], "big")
        if version == 0:
            yield "QUIC Version Negotiation"
            return
        kind = (datagram[at] >> 4) - (version == V2) & 3  # RFC 9369 3.2 numbers the types one higher
        p = at + 6 + datagram[at + 5]
        p += 1 + int.from_bytes(datagram[p : p + 1], "big")
        size = -1
        if kind == 0:
            token, p = varint(datagram, p)
            p += max(token, 0)
        if kind < 3:
            size, p = varint(datagram, p)
        if p > len(datagram) or (kind < 3 and (size < 0 or p + size > len(datagram))):
            yield f"QUIC long header, {version_words(version)}"
            return
        end = p + size if kind < 3 else len(datagram)
        yield f"QUIC {_QUIC_WORDS[kind]}, {version_words(version)}, {end - at} bytes"
        at = end


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer (RFC 9000 16) and the offset after it; (-1, at) when cut short."""
    width = 1 << (data[at] >> 6) if at < len(data) else 1
    if at + width > len(data):
        return -1, at
    return int.from_bytes(data[at : at + width], "big") & ((1 << (8 * width - 2)) - 1), at + width


def version_words(version: int) -> str:
    """A QUIC version as people write it."""
    if version in (V1, V2):
        return "version 1" if version == V1 else "version 2"
    if version >> 8 == 0xFF0000:
        return f"draft {version & 0xFF}"
    text = version.to_bytes(4, "big")
    return f"version {text.decode()}" if text.isalnum() and text.isascii() else f"version 0x{version:08x}"


def _dtls(payload: bytes) -> str:
    """The first record of a DTLS datagram; a handshake message's type is in clear until epoch 1 (RFC 6347 4.1)."""
    if payload[0] == 22 and payload[3:5] == b"\0\0":
        return f"DTLS {HANDSHAKE_WORDS.get(payload[13], 'handshake')}, {len(payload)} bytes"
    return f"DTLS {RECORD_WORDS.get(payload[0], 'record')}, {len(payload)} bytes"
