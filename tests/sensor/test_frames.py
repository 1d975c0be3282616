"""Frames of every link type and stack of headers that scapy can build give the same flow and the same name."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Timestamp
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Loopback
from scapy.layers.ppp import HDLC, PPP
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from tests.sensor.building import Packet, classify, ns, pcap
from tests.sensor.layers import C4, C6, S4, S6, SHORT, E, check, four, report_of, six, tcp


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize(
    ("tags", "vlan"),
    [
        ([], ()),
        ([Dot1Q(vlan=10)], (10,)),
        ([Dot1Q(vlan=4094, prio=7)], (4094,)),
        ([Dot1AD(vlan=100), Dot1Q(vlan=20)], (100, 20)),
        ([Dot1Q(vlan=1), Dot1Q(vlan=2), Dot1Q(vlan=3)], (1, 2, 3)),
        ([Dot1AD(vlan=1), Dot1Q(vlan=2), Dot1Q(vlan=3), Dot1Q(vlan=4)], (1, 2, 3, 4)),
    ],
)
def test_ethernet_and_vlan_stacks(v6: bool, tags: list[Layer], vlan: tuple[int, ...]) -> None:
    frame = E
    for tag in tags:
        frame = frame / tag
    check(frame / (six() if v6 else four()), v6=v6, vlan=vlan)


def test_an_old_qinq_ethertype() -> None:
    check(bytes(E / Dot1AD(vlan=5) / four()).replace(b"\x88\xa8", b"\x91\x00", 1), vlan=(5,))


def attributes(order: str, packet: bytes) -> bytes:
    """NFLOG's list: a packet header, a prefix of three bytes, the packet."""
    listed = ((1, b"\x08\0\1\0"), (10, b"in\0"), (9, packet))
    return b"".join(
        (struct.pack(order + "HH", 4 + len(data), kind) + data).ljust(-(-(4 + len(data)) // 4) * 4, b"\0")
        for kind, data in listed
    )


LINKS: dict[str, tuple[int, Callable[[Layer], bytes]]] = {
    "raw": (101, bytes),
    "raw of OpenBSD": (12, bytes),
    "raw of others": (14, bytes),
    "null": (0, lambda p: bytes(Loopback(type=2 if p.version == 4 else 24) / p)),
    "null from a big-endian host": (0, lambda p: (b"\0\0\0\2" if p.version == 4 else b"\0\0\0\x1e") + bytes(p)),
    "null from a little-endian host": (0, lambda p: (b"\2\0\0\0" if p.version == 4 else b"\x1c\0\0\0") + bytes(p)),
    "loop": (108, lambda p: (b"\0\0\0\2" if p.version == 4 else b"\0\0\0\x18") + bytes(p)),
    "cooked": (113, lambda p: bytes(CookedLinux(proto=0x0800 if p.version == 4 else 0x86DD) / p)),
    "cooked 2": (276, lambda p: bytes(CookedLinuxV2(proto=0x0800 if p.version == 4 else 0x86DD) / p)),
    "nflog": (239, lambda p: bytes((2 if p.version == 4 else 10, 0, 0, 5)) + attributes("<", bytes(p))),
    "nflog from a big-endian host": (239, lambda p: bytes((2, 0, 0, 5)) + attributes(">", bytes(p))),
    "arcnet": (129, lambda p: b"\x50\xbe\x06\x08\xf0" + bytes(p)),
    "arcnet of RFC 1201": (129, lambda p: b"\x50\xbe\xf0\x53\xd4\0\1\x69" + bytes(p)),
    "ppp": (9, lambda p: bytes(PPP(proto=0x21 if p.version == 4 else 0x57) / p)),
    "ppp in hdlc": (9, lambda p: bytes(HDLC() / PPP(proto=0x21 if p.version == 4 else 0x57) / p)),
    "ppp, compressed": (9, lambda p: (b"\x21" if p.version == 4 else b"\x57") + bytes(p)),
}


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize("which", LINKS)
def test_other_links(which: str, v6: bool) -> None:
    link, wrap = LINKS[which]
    check(wrap(six() if v6 else four()), link=link, v6=v6)


def test_links_for_one_family_only() -> None:
    check(four(), link=228)
    check(six(), link=229, v6=True)


def test_a_vlan_tag_behind_a_cooked_header() -> None:
    check(CookedLinux(proto=0x8100) / Dot1Q(vlan=9) / four(), link=113, vlan=(9,))


def test_an_unknown_link_is_counted() -> None:
    report = classify(pcap([Packet(ns(0), bytes(E / four()))], link=147))
    assert report.flows == []
    assert report.skipped == [("unknown link type", 1)]


PAD = [PadN(otype=1, optdata=b"\0" * 4)]


@pytest.mark.parametrize(
    "headers",
    [
        IPv6ExtHdrHopByHop(options=PAD),
        IPv6ExtHdrDestOpt(options=PAD),
        IPv6ExtHdrRouting(addresses=["2001:db8::9"]),
        AH(nh=6, payloadlen=4, icv=bytes(12), spi=7),
        IPv6ExtHdrFragment(id=7),
        IPv6ExtHdrHopByHop(options=PAD)
        / IPv6ExtHdrRouting()
        / IPv6ExtHdrFragment(id=7)
        / IPv6ExtHdrDestOpt(options=PAD),
    ],
    ids=["hop by hop", "destination", "routing", "authentication", "atomic fragment", "all"],
)
def test_ipv6_extension_headers(headers: Layer) -> None:
    packet = IPv6(src=C6, dst=S6) / headers / tcp()
    check(E / packet, v6=True, ip_bytes=len(packet))


def test_ipv4_options_and_tcp_options() -> None:
    packet = IP(src=C4, dst=S4, options=IPOption_Timestamp()) / tcp()
    packet[TCP].options = [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]
    check(E / packet, ip_bytes=len(packet))


@pytest.mark.parametrize(
    ("outer", "v6"),
    [
        (IP(src="192.0.2.1", dst="192.0.2.2") / four(), False),
        (IP(src="192.0.2.1", dst="192.0.2.2") / six(), True),
        (IPv6(src="fe80::1", dst="fe80::2") / four(), False),
        (IPv6(src="fe80::1", dst="fe80::2") / six(), True),
        (IP(src="192.0.2.1", dst="192.0.2.2") / IPv6(src="fe80::1", dst="fe80::2") / four(), False),
    ],
    ids=["4in4", "6in4", "4in6", "6in6", "4in6in4"],
)
def test_the_innermost_addresses_of_ip_in_ip(outer: Layer, v6: bool) -> None:
    check(E / outer, v6=v6)


def test_a_tunnel_without_end() -> None:
    packet = four()
    for _ in range(30):
        packet = IP(src="192.0.2.1", dst="192.0.2.2") / packet
    assert report_of(bytes(E / packet)) == []


def test_padding_after_the_packet_is_not_payload() -> None:
    check(bytes(E / four(SHORT)) + bytes(300), ip_bytes=len(four(SHORT)))
    syn = E / IP(src=C4, dst=S4) / TCP(sport=50000, dport=443, flags="S")
    (flow,) = report_of(bytes(syn).ljust(60, b"\x16"))
    assert (flow["bytes_up"], flow["name"]) == (40, None)
    padded = bytes(IPv6(src=C6, dst=S6) / UDP(sport=50000, dport=443) / Raw(b"x" * 10)) + bytes(20)
    (flow,) = report_of(padded, link=101)
    assert flow["bytes_up"] == 58


def test_a_length_that_offloading_left_out() -> None:
    """The kernel may hand over large packets before their length is filled in."""
    frame = bytearray(bytes(E / four()))
    struct.pack_into(">H", frame, 16, 0)
    check(bytes(frame))
    frame = bytearray(bytes(E / six()))
    struct.pack_into(">H", frame, 18, 0)
    check(bytes(frame), v6=True)


def test_cut_frames_keep_their_lengths() -> None:
    """Bytes are IP total lengths, whatever the snap length left of the packet."""
    whole = bytes(E / four())
    (flow,) = classify(pcap([Packet(ns(0), whole)], snap=96)).flows
    assert (flow["bytes_up"], flow["name"]) == (len(whole) - 14, None)
    at = whole.index(b"www.one.example") + len("www.one.example")
    (flow,) = classify(pcap([Packet(ns(0), whole)], snap=at)).flows
    assert (flow["name"], flow["partial"]) == ("www.one.example", True)


@pytest.mark.parametrize(
    "packet", [four(SHORT), six(SHORT), IP(src=C4, dst=S4) / UDP(sport=50000, dport=443) / Raw(bytes(30))]
)
def test_every_cut_of_a_frame(packet: Layer) -> None:
    frame = bytes(E / Dot1Q(vlan=3) / packet)
    headers = 18 + (len(packet) - len(packet[Raw]))
    for size in range(len(frame) + 1):
        report = classify(pcap([Packet(ns(0), frame[:size])]))
        assert len(report.flows) == (1 if size >= headers else 0), size
        assert report.packets == 1
        if 18 < size < headers:
            assert report.skipped == [("cut short", 1)], size
        for flow in report.flows:
            assert flow["bytes_up"] == len(packet)


@pytest.mark.parametrize(
    "packet",
    [
        E / IP(src=S4, dst=C4) / ICMP(type=3, code=3) / four(SHORT),
        E / IPv6(src=S6, dst=C6) / ICMPv6DestUnreach(code=4) / six(SHORT),
        E / IP(src=C4, dst=S4) / ICMP() / Raw(SHORT),
        E / ARP(psrc=C4, pdst=S4),
        E / IP(src=C4, dst=S4, proto=132) / Raw(bytes(40)),
    ],
    ids=["quoted in ICMP", "quoted in ICMPv6", "ping", "ARP", "SCTP"],
)
def test_what_is_no_flow(packet: Layer) -> None:
    report = classify(pcap([Packet(ns(0), bytes(packet))]))
    assert (report.flows, report.skipped, report.packets) == ([], [], 1)


@pytest.mark.parametrize(
    ("at", "value"),
    [(14, 0x44), (14, 0x65), (14, 0x55), (17, 19), (46, 0x40)],
    ids=["header of 16 bytes", "version 6", "version 5", "total length 19", "TCP header of 16 bytes"],
)
def test_malformed_headers_are_counted(at: int, value: int) -> None:
    frame = bytearray(bytes(E / four(b"x")))
    frame[at] = value
    if at == 17:
        frame[16] = 0
    report = classify(pcap([Packet(ns(0), bytes(frame))]))
    assert (report.flows, report.skipped) == ([], [("malformed", 1)])


def test_both_directions_are_one_flow() -> None:
    there = E / IP(src=C4, dst=S4) / TCP(sport=50000, dport=443, flags="S")
    back = E / IP(src=S4, dst=C4) / TCP(sport=443, dport=50000, flags="SA")
    for frames in ([there, back], [back, there], [back], [there]):
        (flow,) = report_of(*(bytes(f) for f in frames))
        assert (flow["client"], flow["server"], flow["server_port"]) == (C4, S4, 443)
        assert (flow["packets_up"], flow["packets_down"]) == (frames.count(there), frames.count(back))


def test_a_flow_seen_late_has_its_client_by_the_known_port() -> None:
    for transport in (UDP(sport=443, dport=50000) / Raw(b"x"), TCP(sport=443, dport=50000, flags="A")):
        (flow,) = report_of(bytes(E / IP(src=S4, dst=C4) / transport))
        assert (flow["client"], flow["server"]) == (C4, S4)


def test_the_same_addresses_on_both_sides() -> None:
    frame = E / IP(src=C4, dst=C4) / TCP(sport=50000, dport=443, flags="S")
    (flow,) = report_of(bytes(frame))
    assert (flow["client_port"], flow["server_port"]) == (50000, 443)


ALL_LINKS = [0, 1, 9, 12, 14, 101, 108, 113, 228, 229, 276]


@settings(max_examples=200)
@given(st.sampled_from(ALL_LINKS), st.lists(st.binary(max_size=90), min_size=1, max_size=20))
def test_arbitrary_frames(link: int, frames: list[bytes]) -> None:
    report = classify(pcap([Packet(ns(i), f) for i, f in enumerate(frames)], link=link))
    assert report.packets == len(frames)


SEEDS = [
    bytes(E / Dot1Q(vlan=3) / IP(src="192.0.2.1", dst="192.0.2.2") / six(SHORT)),
    bytes(E / IPv6(src=C6, dst=S6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(id=1) / tcp(SHORT)),
    bytes(E / IP(src=C4, dst=S4) / UDP(sport=53, dport=50000) / Raw(bytes(40))),
]


@settings(max_examples=200)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    st.integers(0, 150),
)
def test_changed_frames(seed: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    frame = bytearray(seed)
    for at, value in changes:
        frame[at % len(frame)] = value
    report = classify(pcap([Packet(ns(0), bytes(frame[: max(1, len(frame) - cut)]))]))
    assert report.packets == 1
    for flow in report.flows:
        assert flow["name"] is None or str(flow["name"]).split("\\")[0].encode() in bytes(frame).lower()
