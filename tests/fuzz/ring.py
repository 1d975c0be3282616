"""Fuzz target: blocks of a capture ring whose headers say anything; the kernel's memory is not to be trusted either.

The first byte of the input is the number of packets that the block claims, the second where its first header lies.
"""

from __future__ import annotations

import struct

import numpy as np

from sensor import walk
from tests.fuzz.metering import Watched
from tests.sensor.building import Packet
from tests.sensor.twin_captures import conversation, datagrams, pieces

HEADER = 48


def block_of(packets: list[Packet], tag: int = 0) -> bytes:
    """A TPACKET_V3 block's frames (struct tpacket3_hdr, little-endian; frames aligned to sixteen bytes)."""
    out = b""
    for n, p in enumerate(packets):
        size = (HEADER + len(p.frame) + 15) & ~15
        step = size if n + 1 < len(packets) else 0
        seconds, rest = divmod(p.time, 10**9)
        status = 1 | (1 << 4 if tag else 0)
        head = struct.pack(
            "<IIIIIIHHIIHH", step, seconds, rest, len(p.frame), len(p.frame), status, HEADER, 62, 0, tag, 0, 0
        )
        out += (head.ljust(HEADER, b"\0") + p.frame).ljust(size, b"\0")
    return out


def seeds() -> list[bytes]:
    return [
        bytes([n, 0]) + block_of(packets, tag)
        for n, packets, tag in ((8, pieces()[:8], 0), (5, conversation()[:5], 7), (9, datagrams()[-6:], 0))
    ]


def run(data: bytes) -> None:
    claimed, start = (data[0], data[1]) if len(data) >= 2 else (0, 0)
    block = np.frombuffer(data[2:].ljust(HEADER, b"\0"), np.uint8)
    state = walk.new_state()
    state[walk.FORMAT], state[walk.LINK], state[walk.LEFT] = walk.FORMAT_RING, 1, claimed
    watched = Watched()
    watched.feed(block, min(start, len(block)), len(block), state)
    watched.finish(len(block))
