"""Packets that scapy puts together for the tests of frames: one hello of one client, and what must be read of it."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from tests.sensor.building import Packet, bare_hello, classify, client_hello, ns, pcap, record_of

C4, S4, C6, S6 = "10.20.0.5", "203.0.113.7", "fd00:20::5", "2001:db8::7"
HELLO = client_hello("www.one.example")
SHORT = record_of(bare_hello(b"www.one.example"))


def tcp(data: bytes = HELLO) -> Layer:
    return TCP(sport=50000, dport=443, seq=1, ack=1, flags="PA") / Raw(data)


def four(data: bytes = HELLO) -> Layer:
    return IP(src=C4, dst=S4) / tcp(data)


def six(data: bytes = HELLO) -> Layer:
    return IPv6(src=C6, dst=S6) / tcp(data)


def report_of(*frames: bytes, link: int = 1) -> list[dict[str, object]]:
    return classify(pcap([Packet(ns(i / 10), f) for i, f in enumerate(frames)], link=link)).flows


def check(
    frame: Layer | bytes, *, link: int = 1, v6: bool = False, vlan: tuple[int, ...] = (), ip_bytes: int | None = None
) -> None:
    (flow,) = report_of(bytes(frame), link=link)
    ends = (flow["client"], flow["client_port"], flow["server"], flow["server_port"], flow["transport"])
    assert ends == ((C6, 50000, S6, 443, "tcp") if v6 else (C4, 50000, S4, 443, "tcp"))
    assert (flow["name"], flow["evidence"], flow["vlan"]) == ("www.one.example", "sni", list(vlan))
    assert (flow["packets_up"], flow["packets_down"], flow["bytes_down"]) == (1, 0, 0)
    assert flow["bytes_up"] == (ip_bytes or len(six() if v6 else four()))


E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
