"""Fuzz target: `quic.QuicHello` on a client's datagrams as they are (sensor's own decryption in between).

The input is a list of datagrams. A name is never longer than what was sent.
"""

from __future__ import annotations

from sensor.quic import MAX_DATAGRAMS, QuicHello
from sensor.tls import UNDECIDED
from tests.fuzz.parts import join, split
from tests.sensor.building import V2, bare_hello, crypto_frame, datagram, initial_packet, pcap, quic_datagrams


def seeds() -> list[bytes]:
    hello = bare_hello(b"www.one.example", padding=300)
    half = crypto_frame(0, hello[:200]), crypto_frame(200, hello[200:])
    google = b"CHLO\x02\0\0\0SNI\0\x0f\0\0\0VER\0\x13\0\0\0www.one.exampleQ043"
    salts = {
        0xFF00001D: "afbfec289993d24c9e9786f19c6111e04390a899",
        0xFF000017: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
        0xFACEB002: "c3eef712c72ebb5a11a7d2432bb46365bef9f502",
    }
    return [
        join(quic_datagrams("www.one.example")),
        join(quic_datagrams("www.two.example", alpn=40)),
        join(quic_datagrams("www.one.example", version=V2)),
        join([initial_packet(half[1], number=1), initial_packet(half[0])]),
        join([initial_packet(half[1], number=1, token=b"t" * 40) + initial_packet(half[0])]),
        *(join([initial_packet(half[0], version=v, salt=bytes.fromhex(salt))]) for v, salt in salts.items()),
        join([b"\x0d" + bytes(8) + b"Q043\x01" + bytes(12) + b"\xa0\x01\x00\x04" + google]),
        join([b"\xc3Q046\x50" + bytes(8) + b"\0\0\0\x01" + bytes(12) + google]),
    ]


def run(data: bytes) -> None:
    datagrams, reader = split(data, MAX_DATAGRAMS), QuicHello()
    reading = UNDECIDED
    for sent in datagrams:
        reading = reader.feed(sent)
        if reading.complete:
            break
    assert reading.name is None or (reading.is_hello and 0 < len(reading.name) <= sum(map(len, datagrams)))


def capture(data: bytes) -> bytes:
    """The datagrams on the wire, as a capture file."""
    return pcap(datagram(n, d) for n, d in enumerate(split(data, MAX_DATAGRAMS)))
