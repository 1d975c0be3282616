"""Whatever carries a packet, the innermost one is the flow; what only looks like a tunnel is none."""

from __future__ import annotations

import itertools
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop, Jumbo
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from sensor.wire import TUNNEL_PORTS
from tests.sensor.building import Packet, classify, ns, pcap
from tests.sensor.layers import C4, C6, S4, S6, SHORT, E, check, four, report_of, six
from tests.sensor.wrappings import A4, A6, B4, INNER, LINKS, O4, OVER_IP, OVER_LINK, TEREDO, Wrap, capwap, udp, wifi

BOTH = [pytest.param(four, False, id="IPv4"), pytest.param(six, True, id="IPv6")]


@pytest.mark.parametrize(("packet", "v6"), BOTH)
@pytest.mark.parametrize("name", OVER_IP)
def test_the_innermost_packet_counts(name: str, packet: Wrap, v6: bool) -> None:
    check(E / OVER_IP[name](packet()), v6=v6)


@pytest.mark.parametrize("name", TEREDO)
def test_teredo(name: str) -> None:
    check(E / TEREDO[name](six()), v6=True)


@pytest.mark.parametrize(("packet", "v6"), BOTH)
@pytest.mark.parametrize("name", OVER_LINK)
def test_what_lies_between_link_and_ip(name: str, packet: Wrap, v6: bool) -> None:
    check(OVER_LINK[name](packet()), v6=v6)


@pytest.mark.parametrize(("packet", "v6"), BOTH)
@pytest.mark.parametrize("name", LINKS)
def test_rare_links(name: str, packet: Wrap, v6: bool) -> None:
    link, wrap = LINKS[name]
    check(wrap(packet()), link=link, v6=v6)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(sorted(OVER_IP)), min_size=2, max_size=4),
    st.sampled_from([None, *OVER_LINK]),
    st.booleans(),
)
def test_stacks_of_tunnels(names: list[str], below: str | None, v6: bool) -> None:
    packet = six() if v6 else four()
    for name in names:
        packet = OVER_IP[name](packet)
    check(OVER_LINK[below](packet) if below else E / packet, v6=v6)


TAGGED = E / Dot1Q(vlan=10) / O4


@pytest.mark.parametrize(
    ("frame", "vlan"),
    [
        (TAGGED / UDP(sport=5, dport=4789) / VXLAN(vni=1) / INNER / four(), (10,)),
        (TAGGED / UDP(sport=5, dport=4789) / VXLAN(vni=1) / INNER / Dot1Q(vlan=20) / four(), (20,)),
        (TAGGED / GRE(proto=0x6558) / INNER / Dot1AD(vlan=5) / Dot1Q(vlan=6) / four(), (5, 6)),
        (TAGGED / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II(vlan=30) / INNER / four(), (30,)),
        (TAGGED / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II(vlan=30) / INNER / Dot1Q(vlan=40) / four(), (40,)),
        (TAGGED / GRE(proto=0x22EB, seqnum_present=1) / ERSPAN_III(vlan=30) / INNER / four(), (30,)),
        (TAGGED / four(), (10,)),
    ],
    ids=["outer only", "inner", "inner stack", "ERSPAN II", "ERSPAN II and tag", "ERSPAN III", "IP in IP"],
)  # fmt: skip
def test_the_vlan_stack_of_the_innermost_frame_that_has_one(frame: Layer, vlan: tuple[int, ...]) -> None:
    check(frame, vlan=vlan)


@pytest.mark.parametrize("name", [*OVER_IP, *TEREDO])
def test_every_cut_of_a_tunnel(name: str) -> None:
    """A cut packet is counted as what it is or not at all; a name is never a part of one."""
    packet = six(SHORT)
    wrap = OVER_IP.get(name) or TEREDO[name]
    frame = bytes(E / wrap(packet))
    report = classify(pcap([Packet(ns(size), frame[:size]) for size in range(len(frame) + 1)]))
    assert report.packets == len(frame) + 1
    inner = [flow for flow in report.flows if flow["client"] == C6]
    assert [flow["name"] for flow in inner] == ["www.one.example"]
    assert inner[0]["packets_up"] == len(SHORT) + 1, "as soon as the inner headers are there"
    others = [flow for flow in report.flows if flow["client"] != C6]
    assert all(flow["name"] is None and flow["client"] in (A4, A6) for flow in others)
    assert all(str(reason) in ("cut short", "malformed") for reason, _ in report.skipped)


def tunnel_header(port: int, data: bytes, inner: Layer | None = None) -> Layer:
    return E / udp(port, data + bytes(inner or INNER / four()))


@pytest.mark.parametrize(
    "frame",
    [
        tunnel_header(4789, b"\0\0\0\0\0\0\x2a\0"),
        tunnel_header(4789, b"\x09\0\0\0\0\0\x2a\0"),
        tunnel_header(4789, b"\x08\0\0\1\0\0\x2a\0"),
        tunnel_header(4789, b"\x08\0\0\0\0\0\x2a\1"),
        tunnel_header(4789, b"\x08\0\0\0\0\0\x2a\0", four()),
        tunnel_header(6081, b"\x40\0\x65\x58\0\0\x2a\0"),
        tunnel_header(6081, b"\0\1\x65\x58\0\0\x2a\0"),
        tunnel_header(6081, b"\0\0\x86\xdd\0\0\x2a\0", four()),
        tunnel_header(6081, b"\0\0\x12\x34\0\0\x2a\0", four()),
        tunnel_header(2152, b"\x30\xff\xff\xff\0\0\0\1", four()),
        tunnel_header(2152, struct.pack(">BBHI", 0x30, 1, len(four()), 1), four()),
        tunnel_header(2152, struct.pack(">BBHI", 0x20, 255, len(four()), 1), four()),
        tunnel_header(2152, struct.pack(">BBHI", 0x30, 255, 20, 1), Raw(b"\x50" * 20)),
        tunnel_header(3544, b"", four()),
        tunnel_header(3544, b"", Raw(bytes(six())[:30])),
        tunnel_header(5247, b"\1\0\0\0"),
        tunnel_header(5247, struct.pack(">II", 2 << 19 | 0x80, 0)),
        tunnel_header(5247, struct.pack(">II", 1 << 19, 0)),
        E / udp(5247, capwap(wifi(four(), flags=0x41), radio=True)),
        tunnel_header(4790, b"\x0c\0\0\x09\0\0\x2a\0", four()),
        tunnel_header(37008, b"\2\0\0\1\1"),
        tunnel_header(1701, b"\xc8\2\0\x14\0\1\0\0\0\0\0\0"),
        E / udp(1701, b"\0\2\0\1\0\2\xc0\x21" + bytes(20)),
        E / udp(443, VXLAN(vni=42) / INNER / four()),
    ],
    ids=[
        "VXLAN without I", "VXLAN, reserved flag", "VXLAN, reserved bits", "VXLAN, reserved byte",
        "VXLAN without Ethernet",
        "Geneve version 1", "Geneve, reserved bits", "Geneve, other version of IP", "Geneve of something",
        "GTP-U too long", "GTP-U echo", "GTP prime", "GTP-U without IP",
        "Teredo without IPv6", "Teredo too short",
        "CAPWAP in DTLS", "CAPWAP fragment", "CAPWAP header too short", "CAPWAP, encrypted by the radio",
        "VXLAN-GPE of something", "TZSP of another version", "L2TP control", "PPP control in L2TP", "another port",
    ],
)  # fmt: skip
def test_what_is_no_tunnel_stays_a_datagram(frame: Layer) -> None:
    (flow,) = report_of(bytes(frame))
    assert (flow["client"], flow["server"], flow["transport"], flow["name"]) == (A4, B4, "udp", None)
    assert flow["bytes_up"] == len(bytes(frame)) - 14


@settings(max_examples=200)
@given(st.sampled_from(TUNNEL_PORTS), st.booleans(), st.binary(max_size=120), st.binary(max_size=4))
def test_anything_sent_to_the_port_of_a_tunnel(port: int, v6: bool, data: bytes, head: bytes) -> None:
    outer = IPv6(src=C6, dst=S6) if v6 else IP(src=C4, dst=S4)
    report = classify(pcap([Packet(ns(0), bytes(E / outer / UDP(sport=port, dport=port) / Raw(head + data)))]))
    assert report.packets == 1
    assert all(flow["name"] is None for flow in report.flows)


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(OVER_IP)),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    st.integers(0, 150),
)
def test_changed_tunnels(name: str, changes: list[tuple[int, int]], cut: int) -> None:
    frame = bytearray(bytes(E / OVER_IP[name](six(SHORT))))
    for at, value in changes:
        frame[at % len(frame)] = value
    report = classify(pcap([Packet(ns(0), bytes(frame[: max(1, len(frame) - cut)]))]))
    assert report.packets == 1
    for flow in report.flows:
        assert flow["name"] is None or str(flow["name"]).split("\\")[0].encode() in bytes(frame).lower()


@pytest.mark.parametrize("name", ["GRE", "GRE of Ethernet", "VXLAN", "IP in IP"])
def test_nesting_has_an_end(name: str) -> None:
    packet = four()
    for _ in range(30):
        packet = OVER_IP[name](packet)
    report = classify(pcap([Packet(ns(0), bytes(E / packet))]))
    assert (report.flows, report.skipped) == ([], [("malformed", 1)])


@pytest.mark.parametrize(
    "packet",
    [
        OVER_IP["VXLAN"](IP(src=S4, dst=C4) / ICMP(type=3, code=3) / four(SHORT)),
        OVER_IP["GRE"](IP(src=S4, dst=C4) / ICMP(type=3, code=3) / four(SHORT)),
        udp(4789, VXLAN(vni=1) / INNER / ARP()),
        udp(6081, GENEVE(proto=0x6558) / INNER / ARP()),
        IP(src=S4, dst=C4) / ICMP(type=3, code=3) / OVER_IP["VXLAN"](four(SHORT)),
        O4 / GRE(proto=0x88BE, seqnum_present=1) / ERSPAN_II() / INNER / ARP(),
        O4 / GRE(proto=0x2000) / Raw(bytes(four(SHORT))),
    ],
    ids=[
        "ICMP in VXLAN",
        "ICMP in GRE",
        "ARP in VXLAN",
        "ARP in Geneve",
        "VXLAN in ICMP",
        "ARP in ERSPAN",
        "CDP in GRE",
    ],
)
def test_a_tunnel_that_carries_no_flow(packet: Layer) -> None:
    report = classify(pcap([Packet(ns(0), bytes(E / packet))]))
    assert (report.flows, report.skipped) == ([], [])


def test_more_than_64_kilobytes_in_one_frame() -> None:
    """BIG TCP: the length is in a jumbo payload option, or nowhere."""
    head, data = TCP(sport=50000, dport=443, flags="PA"), SHORT + bytes(70_000)
    size = 20 + len(data)
    jumbo = IPv6(src=C6, dst=S6, plen=0, nh=0) / IPv6ExtHdrHopByHop(nh=6, options=[Jumbo(jumboplen=size + 8)])
    check(bytes(E / jumbo) + bytes(head) + data, v6=True, ip_bytes=40 + 8 + size)
    check(bytes(E / jumbo) + bytes(head) + data[:1000], v6=True, ip_bytes=40 + 8 + size)
    check(bytes(E / IPv6(src=C6, dst=S6, plen=0, nh=6)) + bytes(head) + data, v6=True, ip_bytes=40 + size)
    check(bytes(E / IP(src=C4, dst=S4, len=0, proto=6)) + bytes(head) + data, ip_bytes=20 + size)
    inner = bytes(INNER / IP(src=C4, dst=S4, len=0, proto=6)) + bytes(head) + data
    outer = bytes(E / IP(src=A4, dst=B4, len=0, proto=17)) + struct.pack(">HHHH", 5, 4789, 0, 0)
    check(outer + bytes(VXLAN(vni=1)) + inner, ip_bytes=20 + size)


READ_OTHERWISE = {  # Wireshark asks for preferences or guesses by other rules
    "ERSPAN II without a number",
    "ERSPAN III of IP",
    "CAPWAP of 802.11",
    "CAPWAP with QoS and radio",
    "Ethernet over MPLS",
    "Ethernet over MPLS, control word",
    "Ethernet over MPLS to 45:..",
}


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_wireshark_says_the_same(tmp_path: Path) -> None:
    """Every frame of these tests that Wireshark knows how to read has the same client and name there."""
    wraps = {name: lambda p, wrap=wrap: E / wrap(p) for name, wrap in OVER_IP.items()} | OVER_LINK
    inner = (
        IP(src=C4, dst=S4) / TCP(sport=port, dport=443, flags="PA") / Raw(SHORT) for port in itertools.count(40000)
    )
    frames = {name: bytes(wrap(next(inner))) for name, wrap in wraps.items()}
    path = tmp_path / "tunnels.pcap"
    path.write_bytes(pcap([Packet(ns(i), frame) for i, frame in enumerate(frames.values())]))
    fields = ["-e", "ip.src", "-e", "tls.handshake.extensions_server_name"]
    ports = ["-d", "udp.port==8472,vxlan", "-d", "udp.port==37008,tzsp"]
    command = ["tshark", "-r", str(path), *ports, "-T", "fields", *fields]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    answers = dict(zip(frames, (line.split("\t") for line in run.stdout.split("\n")), strict=False))
    other = {name for name, (source, sni) in answers.items() if (source[-len(C4) :], sni) != (C4, "www.one.example")}
    assert other == READ_OTHERWISE
