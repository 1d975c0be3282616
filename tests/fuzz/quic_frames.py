"""Fuzz target: what lies inside QUIC Initial packets, sealed with the right keys so that the frame reader is reached.

The input is a list of plaintext payloads; each is sealed in an Initial of its own, and for comparison all go into one
datagram. Versions 1, 2 and a draft, as the first byte says.
"""

from __future__ import annotations

from sensor.quic import QuicHello
from sensor.tls import Reading
from tests.fuzz.parts import join, split
from tests.fuzz.tls_hello import settled
from tests.sensor.building import (
    SALT_DRAFT_29,
    SALT_V1,
    SALT_V2,
    V2,
    bare_hello,
    client_hello,
    crypto_frame,
    initial_packet,
)

VERSIONS = ((1, SALT_V1), (V2, SALT_V2), (0xFF00001D, SALT_DRAFT_29), (0x1A2A3A4A, SALT_V1))
MAX_PACKETS = 6


def seeds() -> list[bytes]:
    hello, real = bare_hello(b"www.one.example", padding=200), client_hello("www.two.example", alpn=10)[5:]
    thirds = [crypto_frame(at, hello[at : at + 100]) for at in range(0, len(hello), 100)]
    ack = b"\x02\x05\0\x01\x02\0\0" + b"\x03\x05\0\0\x02\x01\x01\x01"
    return [
        b"\0" + join([crypto_frame(0, hello)]),
        b"\x01" + join([bytes(20) + b"\x01" + crypto_frame(0, hello) + bytes(30)]),
        b"\x02" + join([b"".join(thirds[::-1])]),
        b"\0" + join(reversed(thirds)),
        b"\x03" + join([ack + crypto_frame(0, real[:700]), crypto_frame(700, real[700:])]),
        b"\0" + join([crypto_frame(0, hello[:60]) + crypto_frame(30, hello[30:]), b"\x1c\0\0\0"]),
    ]


def run(data: bytes) -> None:
    version, salt = VERSIONS[data[0] % len(VERSIONS)] if data else VERSIONS[0]
    sealed = [
        initial_packet(payload[:4000] + bytes(max(0, 4 - len(payload))), version=version, salt=salt, number=n)
        for n, payload in enumerate(split(data[1:], MAX_PACKETS))
    ]
    reader, readings = QuicHello(), []
    for packet in sealed:
        readings.append(reader.feed(packet))
        if readings[-1].complete:
            break
    settled([r for r in readings if r.is_hello])
    apart = readings[-1] if readings else Reading(False, False)
    together = QuicHello().feed(b"".join(sealed))
    assert apart.name is None or together.name in (apart.name, None), f"apart: {apart}; in one datagram: {together}"
