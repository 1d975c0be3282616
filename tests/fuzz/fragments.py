"""Fuzz target: IP packets in fragments, in any order, overlapping and hostile, through the whole meter.

The first two bytes choose how an honest packet is cut and shuffled; the rest is a list of foreign fragments of the
same packet that come in between. Without foreign fragments, the hello's name is read.
"""

from __future__ import annotations

import random
import struct

import numpy as np

from sensor import walk
from tests.fuzz.metering import Watched
from tests.fuzz.parts import join, split
from tests.sensor.building import CLIENT, SECOND, SERVER, START, Packet, bare_hello, ethernet, ip, pcap, record_of, tcp

HELLO = record_of(bare_hello(b"www.one.example", padding=900))
MORE = 0x2000


def seeds() -> list[bytes]:
    body = tcp(CLIENT, 50000, SERVER, 443, seq=1, flags="PA", data=HELLO)[20:]
    foreign = [struct.pack(">H", at // 8 | more) + body[at : at + 64] for at, more in ((0, MORE), (64, MORE), (960, 0))]
    return [
        b"\0\0",
        b"\x01\x07",
        b"\x02\x09" + join(foreign),
        b"\x03\x11" + join(foreign[::-1]),
        b"\x04\0" + join([b"\x1f\xffhello"]),
    ]


def fragment(field: int, body: bytes) -> Packet:
    return Packet(START * SECOND, ethernet(ip(CLIENT, SERVER, 6, body, fragment=field)))


def packets(data: bytes) -> list[Packet]:
    """The fragments that an input stands for, after the handshake."""
    chance, foreign = random.Random(data[:2]), [f for f in split(data[2:], 20) if len(f) >= 2]
    body = tcp(CLIENT, 50000, SERVER, 443, seq=1, flags="PA", data=HELLO)[20:]
    at, out = 0, []
    while at < len(body):
        size = 8 * chance.choice((1, 3, 10, 40))
        out.append(fragment(at // 8 | (MORE if at + size < len(body) else 0), body[at : at + size]))
        at += size
    if chance.random() < 0.5:
        chance.shuffle(out)
    for f in foreign:
        out.insert(chance.randrange(len(out) + 1), fragment(int.from_bytes(f[:2], "big"), f[2:1500]))
    syn = Packet(START * SECOND, ethernet(tcp(CLIENT, 50000, SERVER, 443, seq=0, flags="S")))
    return [syn, *out]


def run(data: bytes) -> None:
    block = np.frombuffer(pcap(packets(data)), np.uint8)
    state = walk.new_state()
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1, 1
    watched = Watched()
    assert watched.feed(block, 24, len(block), state) == len(block)
    watched.finish(len(block))
    if not split(data[2:]):
        assert "www.one.example" in watched.names


def capture(data: bytes) -> bytes:
    """The input as a capture file."""
    return pcap(packets(data))
