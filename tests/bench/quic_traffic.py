"""A QUIC mix: flows of ten datagrams, each with a destination connection id and Initial keys of its own.

Half of the clients send a hello that one Initial holds, in one CRYPTO frame; the other half send a browser's hello with
an ML-KEM key share, over two Initials and in frames out of order. Every Initial is really encrypted under keys of its
own connection id: none is used twice. What follows (the server's flight, 1-RTT data) is random bytes behind real
headers, since no observer has the keys. It measures nothing.

Sources: RFC 9000 17.2 and 19.6, RFC 9001 5.2.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from sensor.bench_traffic import HYBRID_SHARE, MANY_NAMES, UDP, Plan, hello_message, interleaved, joined, written
from tests.sensor.building import crypto_frame, initial_packet

DATAGRAM = 1200
PACKETS_A_FLOW = 10
ROOM = DATAGRAM - (1 + 4 + 1 + 8 + 1 + 1 + 2 + 1) - 16  # for frames, between the header and the AEAD's tag
PLAIN_SHARE = b"\x00\x1d\x00\x20" + b"k" * 32


def initials(name: str, key_id: bytes, hybrid: bool) -> tuple[bytes, ...]:
    """A client's first flight, one or two datagrams."""
    parameters = (0x39, b"\x0f\x00\x01\x04\x80\x00\x75\x30\x04\x04\x80\x10\x00\x00")
    share = HYBRID_SHARE if hybrid else PLAIN_SHARE
    message = hello_message(name, key_share=share, more=(parameters,))
    if not hybrid:
        return (_sealed([(0, message)], key_id, 0),)
    cut = len(message) - 900
    return (
        _sealed([(cut + 450, message[cut + 450 :]), (0, message[:500])], key_id, 0),
        _sealed([(500, message[500 : cut + 450])], key_id, 1),
    )


def _sealed(frames: list[tuple[int, bytes]], key_id: bytes, number: int) -> bytes:
    """An Initial of a datagram's size with these pieces of the hello, PING between and PADDING after them."""
    payload = b"\x01".join(crypto_frame(offset, data) for offset, data in frames)
    return initial_packet(payload.ljust(ROOM, b"\0"), key_id=key_id, number=number, number_bytes=1)


def quic_mix(flows: int, *, minutes: float = 2, seed: int = 1) -> Any:
    """The capture: Initials, the server's flight, then data both ways; an odd flow's hello takes two Initials."""
    rng = random.Random(seed)
    contents: list[bytes] = []
    place = np.full((flows, PACKETS_A_FLOW), -1, np.int64)  # which of the contents
    long = b"\xc0\x00\x00\x00\x01\x00\x08" + rng.randbytes(8)
    server = (long + b"\x00\x44\x96" + rng.randbytes(1400))[:DATAGRAM]
    finished = (b"\xe0" + long[1:5] + b"\x08" + rng.randbytes(8) + b"\x00\x40\x40" + rng.randbytes(80))[:100]
    shared = [server, finished, b"\x41" + rng.randbytes(39), b"\x42" + rng.randbytes(DATAGRAM - 1)]
    contents += shared
    for flow in range(flows):
        first = initials(MANY_NAMES[flow % len(MANY_NAMES)], rng.randbytes(8), flow % 2 == 1)
        later = [0, 0, 1, 3, 2, 3, 3, 2, 3][: PACKETS_A_FLOW - len(first)]
        place[flow] = [*range(len(contents), len(contents) + len(first)), *later]
        contents += first
    flow, stage, time = interleaved(flows, PACKETS_A_FLOW, 256, minutes, seed)
    data, starts, sizes = joined(contents)
    which = place[flow, stage]
    up = (which >= len(shared)) | (which == 1) | (which == 2)
    flags = np.zeros(len(flow), np.uint8)
    return written(Plan(flow, time, up, flags, starts[which], sizes[which].astype(np.int32)), data, flows, UDP)
