"""Fuzz target: frames of every link type, tagged and tunnelled, through the whole meter.

The first byte of the input chooses the link type; the rest is a list of frames.
"""

from __future__ import annotations

import itertools

import numpy as np
from scapy.layers.inet import GRE, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import CookedLinux, Dot1Q
from scapy.layers.l2 import Ether as AnyEther
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN

from sensor import walk
from tests.fuzz.metering import Watched
from tests.fuzz.parts import join, split
from tests.sensor.building import SECOND, START, Packet, bare_hello, pcap, record_of
from tests.sensor.twin_captures import datagrams, pieces, shapes

LINKS = (1, 0, 9, 12, 14, 101, 108, 113, 228, 229, 276, 50, 51, 104, 105, 127, 147, 0xFFFF)  # two are unknown
MAX_FRAMES = 24


def seeds() -> list[bytes]:
    ether = AnyEther(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    four = IP(src="10.20.0.5", dst="203.0.113.7") / TCP(sport=50000, dport=443, flags="PA")
    inner = four / record_of(bare_hello(b"www.one.example"))
    wrapped = [
        ether / PPPoE() / PPP() / inner,
        ether / IP(src="192.0.2.1", dst="192.0.2.2") / GRE() / inner,
        ether / IP(src="192.0.2.1", dst="192.0.2.2") / GRE(proto=0x6558) / ether / inner,
        ether / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=9, dport=4789) / VXLAN(vni=7) / ether / inner,
        ether / AnyEther(bytes(ether)[:12] + b"\x88\x47\x00\x01\x01\x40" + bytes(inner))[0],
        ether / Dot1Q(vlan=3) / IPv6(src="fd00::5", dst="2001:db8::7") / IPv6ExtHdrFragment() / inner.payload,
        ether
        / IP(src="192.0.2.1", dst="192.0.2.2", proto=47)
        / (bytes.fromhex("100088be00000001") + bytes(8))
        / ether
        / inner,
    ]
    every = {
        1: [*(bytes(p) for p in wrapped), *(p.frame for p in shapes())],
        101: [p.frame[14:] for p in pieces()[:8]],
        113: [bytes(CookedLinux()) + p.frame[14:] for p in pieces()[:4]],
        276: [b"\x08\0" + bytes(18) + p.frame[14:] for p in pieces()[:4]],
        0: [b"\2\0\0\0" + p.frame[14:] for p in pieces()[:4]],
        108: [b"\0\0\0\2" + p.frame[14:] for p in datagrams()[-4:]],
        9: [b"\xff\x03\0\x21" + p.frame[14:] for p in pieces()[:4]],
    }
    alone = [bytes([0]) + join([bytes(p)]) for p in wrapped]
    return alone + [bytes([LINKS.index(link)]) + join(frames) for link, frames in every.items()]


def packets(data: bytes) -> tuple[int, list[Packet]]:
    """The link type and the frames that an input stands for."""
    times = itertools.count(START * SECOND, 7 * SECOND)
    frames = split(data[1:], MAX_FRAMES)
    return LINKS[data[0] % len(LINKS)] if data else 1, [Packet(next(times), frame) for frame in frames]


def run(data: bytes) -> None:
    link, frames = packets(data)
    block = np.frombuffer(pcap(frames), np.uint8)
    state = walk.new_state()
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1, link
    watched = Watched()
    assert watched.feed(block, 24, len(block), state) == len(block)
    watched.finish(len(block))


def capture(data: bytes) -> bytes:
    """The input as a capture file."""
    link, frames = packets(data)
    return pcap(frames, link=link)
