"""IP packets wrapped as mirrors and networks wrap them: tags, labels, tunnels; and what the kernel makes of a frame."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from tests.sensor.bpf_machine import Skb
from tests.sensor.building import ethernet, ip, udp

Wrap = Callable[[bytes, str, str], bytes]  # (inner IP packet, tunnel's source, tunnel's target) -> outer IP packet


def gre(kind: int, data: bytes, source: str, target: str, flags: int = 0) -> bytes:
    """GRE with the optional words that the flags announce."""
    words = sum(bool(flags & bit) for bit in (0x8000, 0x2000, 0x1000))
    return ip(source, target, 47, struct.pack(">HH", flags, kind) + bytes(range(1, 1 + 4 * words)) + data)


def vxlan(data: bytes, source: str, target: str) -> bytes:
    return udp(source, 54321, target, 4789, b"\x08\0\0\0\0\0\x2a\0" + data)


def geneve(kind: int, data: bytes, source: str, target: str, options: bytes = b"") -> bytes:
    head = struct.pack(">BBHI", len(options) // 4, 0, kind, 0x2A00)
    return udp(source, 54322, target, 6081, head + options + data)


def _type(packet: bytes) -> int:
    return 0x86DD if packet[0] >> 4 == 6 else 0x0800


TUNNELS: dict[str, Wrap] = {
    "GRE": lambda p, s, t: gre(_type(p), p, s, t),
    "GRE with key, checksum and sequence": lambda p, s, t: gre(_type(p), p, s, t, 0xB000),
    "GRE, bridged": lambda p, s, t: gre(0x6558, ethernet(p), s, t, 0x2000),
    "ERSPAN I": lambda p, s, t: gre(0x88BE, ethernet(p), s, t),
    "ERSPAN II": lambda p, s, t: gre(0x88BE, b"\x10\x0a\0\x01\0\0\0\x02" + ethernet(p, (10,)), s, t, 0x1000),
    "ERSPAN III": lambda p, s, t: gre(0x22EB, b"\x20\x0a\0\x01" + bytes(8) + ethernet(p), s, t, 0x1000),
    "ERSPAN III with subheader": lambda p, s, t: gre(
        0x22EB, b"\x20\x0a\0\x01" + bytes(7) + b"\x01" + bytes(8) + ethernet(p), s, t, 0x1000
    ),
    "VXLAN": lambda p, s, t: vxlan(ethernet(p), s, t),
    "VXLAN with tags": lambda p, s, t: vxlan(ethernet(p, (100, 20)), s, t),
    "Geneve": lambda p, s, t: geneve(0x6558, ethernet(p, (10,)), s, t),
    "Geneve with options": lambda p, s, t: geneve(_type(p), p, s, t, bytes(12)),
    "TZSP": lambda p, s, t: udp(s, 54323, t, 37008, b"\1\0\0\1\1" + ethernet(p, (10,))),
    "IP in IP": lambda p, s, t: ip(s, t, 41 if p[0] >> 4 == 6 else 4, p),
}


def mpls(packet: bytes, labels: int) -> bytes:
    stack = b"".join(struct.pack(">I", (100 + n) << 12 | (n == labels - 1) << 8 | 64) for n in range(labels))
    return bytes(12) + b"\x88\x47" + stack + packet


def pppoe(packet: bytes) -> bytes:
    kind = 0x57 if packet[0] >> 4 == 6 else 0x21
    return bytes(12) + b"\x88\x64" + struct.pack(">BBHHH", 0x11, 0, 1, 2 + len(packet), kind) + packet


def received(frame: bytes) -> Skb:
    """A frame from the wire as a raw socket's filter sees it: the outer VLAN tag is taken out."""
    if frame[12:14] in (b"\x81\x00", b"\x88\xa8"):
        frame = frame[:12] + frame[16:]
    return Skb(frame, int.from_bytes(frame[12:14], "big"))


def fanned(frame: bytes) -> Skb:
    """The same as the program of a fanout group sees it: from the network header on."""
    skb = received(frame)
    return Skb(skb.data[14:], skb.protocol)


def sent(frame: bytes) -> Skb:
    """A frame that this machine sends, as the program of a fanout group sees it."""
    skb = received(frame)
    return Skb(skb.data, skb.protocol, 4)


def wrapped(packet: bytes, tunnels: Sequence[str], ends: Sequence[tuple[str, str]]) -> bytes:
    """The packet inside tunnels, innermost first."""
    for name, (source, target) in zip(tunnels, ends, strict=True):
        packet = TUNNELS[name](packet, source, target)
    return packet
