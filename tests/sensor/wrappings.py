"""Every way to carry a packet that the sensor unwraps, as scapy builds it.

OVER_IP: from an IP packet to an IP packet around it, so that they can be stacked. OVER_LINK: from an IP packet to an
Ethernet frame. LINKS: from an IP packet to (link type, frame).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from scapy.contrib.erspan import ERSPAN_I, ERSPAN_II, ERSPAN_III, ERSPAN_PlatformSpecific
from scapy.contrib.etherip import EtherIP
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS, EoMCW
from scapy.contrib.nsh import NSH
from scapy.contrib.tzsp import TZSP, TZSPTagEnd, TZSPTagPadding, TZSPTagRawRSSIByte
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH
from scapy.layers.l2 import GRE, GRE_PPTP, LLC, SNAP, Dot3, Ether
from scapy.layers.l2tp import L2TP
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as Layer
from scapy.packet import Raw

Wrap = Callable[[Layer], Layer]

A4, B4, A6, B6 = "192.0.2.1", "192.0.2.2", "2001:db8:ffff::1", "2001:db8:ffff::2"
O4, O6 = IP(src=A4, dst=B4), IPv6(src=A6, dst=B6)
INNER = Ether(src="02:00:00:00:00:03", dst="02:00:00:00:00:04")
STATION = "02:00:00:00:00:05"


def version(packet: Layer) -> int:
    return int(bytes(packet)[0] >> 4)


def ethertype(packet: Layer) -> int:
    return 0x0800 if version(packet) == 4 else 0x86DD


def inner(packet: Layer) -> Layer:
    """The packet in an Ethernet frame of its own."""
    return INNER / packet


def ppp(packet: Layer) -> Layer:
    return PPP(proto=0x21 if version(packet) == 4 else 0x57) / packet


def udp(target: int, data: Layer | bytes, source: int = 55555, outer: Layer = O4) -> Layer:
    return outer / UDP(sport=source, dport=target) / (Raw(data) if isinstance(data, bytes) else data)


def gre(kind: int, data: Layer, **fields: int) -> Layer:
    return O4 / GRE(proto=kind, **fields) / data


def wifi(packet: Layer, *, flags: int = 1, qos: bool = False, swap: bool = False) -> Layer:
    """An 802.11 data frame; flags 1 to the network, 2 from it, 3 between access points."""
    head = Dot11(type=2, subtype=8 if qos else 0, FCfield=flags, addr1=STATION, addr2=STATION, addr3=STATION)
    if flags == 3:
        head.addr4 = STATION
    frame = bytes(head / Dot11QoS() if qos else head) + bytes(snap(packet))
    return Raw(frame[1::-1] + frame[2:] if swap else frame)


def snap(packet: Layer, oui: int = 0) -> Layer:
    return LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=oui, code=ethertype(packet)) / packet


def capwap(frame: Layer, *, radio: bool = False, words: int = 2) -> bytes:
    """RFC 5415 4.3: T says that the frame is as the radio had it (WBID 1)."""
    head = words << 19 | ((1 << 9 | 1 << 8) if radio else 0) | (0x20 if words > 2 else 0)
    return struct.pack(">II", head, 0) + bytes(4 * (words - 2)) + bytes(frame)


def gpe(kind: int, frame: Layer) -> bytes:
    return struct.pack(">BxxBI", 0x0C, kind, 42 << 8) + bytes(frame)


def teredo(packet: Layer, *, authenticated: bool = False, origin: bool = False) -> bytes:
    head = b"\0\1\2\3" + bytes(5) + bytes(8) + b"\0" if authenticated else b""
    return head + (b"\0\0" + bytes(6) if origin else b"") + bytes(packet)


def etherip(frame: Layer) -> Layer:
    layer = O4 / EtherIP() / frame
    layer[IP].proto = 97
    return layer


OVER_IP: dict[str, Wrap] = {
    "IP in IP": lambda p: O4 / p,
    "IP in IPv6": lambda p: O6 / p,
    "AH": lambda p: O4 / AH(nh=4 if version(p) == 4 else 41, payloadlen=4, icv=bytes(12), spi=7) / p,
    "GRE": lambda p: gre(ethertype(p), p),
    "GRE in IPv6": lambda p: O6 / GRE(proto=ethertype(p)) / p,
    "GRE with checksum, key and number": lambda p: gre(
        ethertype(p), p, chksum_present=1, key_present=1, seqnum_present=1
    ),
    "GRE of Ethernet": lambda p: gre(0x6558, inner(p)),
    "NVGRE": lambda p: gre(0x6558, inner(p), key_present=1, key=42 << 8),
    "PPTP": lambda p: O4 / GRE_PPTP(seqnum_present=1, acknum_present=1) / HDLC() / ppp(p),
    "MPLS in GRE": lambda p: gre(0x8847, MPLS(label=16, s=1) / p),
    "ERSPAN I": lambda p: O4 / GRE(proto=0x88BE) / ERSPAN_I() / inner(p),
    "ERSPAN II": lambda p: O4 / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / inner(p),
    "ERSPAN II without a number": lambda p: O4 / GRE(proto=0x88BE) / Raw(bytes(ERSPAN_II() / inner(p))),
    "ERSPAN III": lambda p: O4 / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III() / inner(p),
    "ERSPAN III with a subheader": lambda p: (
        O4 / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(o=1) / ERSPAN_PlatformSpecific() / inner(p)
    ),
    "ERSPAN III of IP": lambda p: O4 / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(ft=2) / Raw(bytes(p)),
    "VXLAN": lambda p: udp(4789, VXLAN(flags=8, vni=42) / inner(p)),
    "VXLAN in IPv6": lambda p: udp(4789, VXLAN(flags=8, vni=42) / inner(p), outer=O6),
    "VXLAN with a group": lambda p: udp(4789, VXLAN(flags=0x88, gpid=7, gpflags=0x48, vni=42) / inner(p)),
    "VXLAN as Linux had it": lambda p: udp(8472, bytes(VXLAN(flags=8, vni=42) / inner(p))),
    "VXLAN that tells its protocol": lambda p: udp(4789, VXLAN(vni=42) / inner(p)),
    "VXLAN-GPE of IP": lambda p: udp(4790, gpe(1 if version(p) == 4 else 2, p)),
    "VXLAN-GPE of Ethernet": lambda p: udp(4790, gpe(3, inner(p))),
    "NSH in VXLAN-GPE": lambda p: udp(4790, gpe(4, NSH(mdtype=1, nextproto=3, length=6) / inner(p))),
    "Geneve": lambda p: udp(6081, GENEVE(vni=42, proto=0x6558) / inner(p)),
    "Geneve of IP": lambda p: udp(6081, GENEVE(vni=42, proto=ethertype(p)) / p),
    "Geneve with options": lambda p: udp(
        6081, struct.pack(">BBHI", 3, 0x40, 0x6558, 42 << 8) + b"\1\2\x80\2" + bytes(8) + bytes(inner(p))
    ),
    "GTP-U": lambda p: udp(2152, GTP_U_Header(teid=42) / p),
    "GTP-U with a number": lambda p: udp(2152, GTP_U_Header(teid=42, S=1, seq=9) / p),
    "GTP-U with an extension": lambda p: udp(
        2152, GTP_U_Header(teid=42, E=1, next_ex=0x85) / GTPPDUSessionContainer(type=1, QFI=1) / p
    ),
    "CAPWAP of 802.3": lambda p: udp(5247, capwap(inner(p))),
    "CAPWAP of 802.11": lambda p: udp(5247, capwap(wifi(p), radio=True)),
    "CAPWAP with QoS and radio": lambda p: udp(5247, capwap(wifi(p, qos=True), radio=True, words=4)),
    "CAPWAP from the controller, swapped": lambda p: udp(
        40000, capwap(wifi(p, flags=2, swap=True), radio=True), source=5247
    ),
    "TZSP": lambda p: udp(37008, TZSP(type=0, encapsulated_protocol=1) / TZSPTagEnd() / inner(p)),
    "TZSP of 802.11": lambda p: udp(
        37008,
        TZSP(type=0, encapsulated_protocol=18) / TZSPTagPadding() / TZSPTagRawRSSIByte() / TZSPTagEnd() / wifi(p),
    ),
    "MPLS in UDP": lambda p: udp(6635, bytes(MPLS(label=16, s=1) / p)),
    "MPLS in IP": lambda p: IP(src=A4, dst=B4, proto=137) / MPLS(label=16, s=1) / p,
    "Ethernet in IP": lambda p: etherip(inner(p)),
    "L2TP": lambda p: udp(1701, L2TP(hdr=0, version=2, tunnel_id=1, session_id=2) / HDLC() / ppp(p)),
    "L2TP with all fields": lambda p: udp(1701, l2tp(p)),
}  # fmt: skip


def l2tp(packet: Layer) -> bytes:
    data = b"\xff\x03" + bytes(ppp(packet))
    return struct.pack(">HHHHHHH", 0x4A02, 16 + len(data), 1, 2, 3, 4, 2) + b"\0\0" + data


TEREDO: dict[str, Wrap] = {  # IPv6 only
    "Teredo": lambda p: udp(3544, teredo(p)),
    "Teredo from the server": lambda p: udp(50001, teredo(p, origin=True), source=3544),
    "Teredo with all headers": lambda p: udp(3544, teredo(p, authenticated=True, origin=True)),
}

E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
LABELS = MPLS(label=16, s=0) / MPLS(label=17, s=0) / MPLS(label=18, s=1)
CONTROL = Raw(bytes(EoMCW(seq=7)))

OVER_LINK: dict[str, Wrap] = {
    "MPLS": lambda p: E / MPLS(label=16, s=1) / p,
    "MPLS, three labels": lambda p: E / LABELS / p,
    "MPLS, upstream": lambda p: Ether(bytes(E)[:12] + b"\x88\x48") / MPLS(label=16, s=1) / p,
    "Ethernet over MPLS": lambda p: E / MPLS(label=16, s=1) / Raw(bytes(inner(p))),
    "Ethernet over MPLS, control word": lambda p: E / MPLS(label=16, s=1) / CONTROL / Raw(bytes(inner(p))),
    "Ethernet over MPLS to 45:..": lambda p: E / MPLS(label=16, s=1) / Raw(b"\x45\0\xff\xff\0\4" + bytes(inner(p))[6:]),
    "PPPoE": lambda p: E / PPPoE(sessionid=7) / ppp(p),
    "MPLS in PPPoE": lambda p: E / PPPoE(sessionid=7) / PPP(proto=0x281) / MPLS(label=16, s=1) / p,
    "SNAP": lambda p: Dot3(src=E.src, dst=E.dst) / snap(p),
    "SNAP of 802.1H": lambda p: Dot3(src=E.src, dst=E.dst) / snap(p, 0xF8),
    "NSH": lambda p: Ether(bytes(E)[:12] + b"\x89\x4f") / NSH(mdtype=1, nextproto=3, length=6) / inner(p),
    "Cisco metadata": lambda p: Raw(
        bytes(E)[:12] + b"\x89\x09\1\1\0\1\0\7" + ethertype(p).to_bytes(2, "big") + bytes(p)
    ),
}

LINKS: dict[str, tuple[int, Wrap]] = {
    "Cisco HDLC": (104, lambda p: Raw(b"\x0f\0" + ethertype(p).to_bytes(2, "big") + bytes(p))),
    "Cisco HDLC as PPP": (9, lambda p: Raw(b"\x0f\0" + ethertype(p).to_bytes(2, "big") + bytes(p))),
    "per-packet information": (192, lambda p: Raw(b"\0\0\x08\0\1\0\0\0" + bytes(E / p))),
    "pktap": (258, lambda p: Raw(b"\x6c\0\0\0\1\0\0\0\1\0\0\0" + bytes(96) + bytes(E / p))),
    "PPP in HDLC": (50, lambda p: HDLC() / ppp(p)),
    "PPPoE": (51, lambda p: PPPoE(sessionid=7) / ppp(p)),
    "802.11": (105, wifi),
    "802.11 from the network, QoS": (105, lambda p: wifi(p, flags=2, qos=True)),
    "802.11 between access points": (105, lambda p: wifi(p, flags=3, qos=True)),
    "radiotap": (127, lambda p: RadioTap() / Dot11(bytes(wifi(p)))),
    "radiotap, padded": (
        127,
        lambda p: Raw(bytes(RadioTap()) + bytes(wifi(p, qos=True))[:26] + b"\0\0" + bytes(snap(p))),
    ),
    "cooked, LLC": (113, lambda p: Raw(bytes(14) + b"\0\4" + bytes(snap(p)))),
}
