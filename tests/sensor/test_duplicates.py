"""A packet that the mirror delivers twice counts once; a packet that was sent twice counts twice."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from sensor.classify import CLASSIFY_LIMITS
from sensor.duplicates import BARE_NS, ROUTED_NS, SAME_NS
from sensor.meter import MeterLimits
from sensor.sense import sensor_of
from sensor.settings import SensorSettings
from tests.sensor.building import Packet, Talk, classify, client_hello, feed, new_sensor, ns, taken
from tests.sensor.layers import C4, C6, HELLO, S4, S6, E
from tests.sensor.wrappings import OVER_IP

FAR = Ether(src="02:00:00:00:00:09", dst="02:00:00:00:00:0a")
FOUR = IP(src=C4, dst=S4, id=77) / TCP(sport=50000, dport=443, seq=9, flags="PA") / HELLO
SIX = IPv6(src=C6, dst=S6, fl=5) / TCP(sport=50000, dport=443, seq=9, flags="PA") / HELLO
DATAGRAM = IP(src=C4, dst=S4, id=77) / UDP(sport=50000, dport=443) / Raw(b"x" * 100)
BOTH = pytest.mark.parametrize("packet", [FOUR, SIX, DATAGRAM], ids=["TCP", "TCP, IPv6", "UDP"])


def changed(packet: Layer, **fields: Any) -> Layer:
    """The packet with other fields, its checksums made anew."""
    out = type(packet)(bytes(packet))
    for name, value in fields.items():
        (out if name in ("ttl", "hlim", "id", "fl", "tos") else out.payload).setfieldval(name, value)
    for layer in (out, out.payload):
        if "chksum" in layer.fields:
            layer.delfieldval("chksum")
    return type(packet)(bytes(out))


def routed(packet: Layer, hops: int = 1) -> Layer:
    """The packet behind a router."""
    if packet.version == 4:
        return changed(packet, ttl=packet.ttl - hops)
    return changed(packet, hlim=packet.hlim - hops)


def counted(*frames: tuple[int, Layer], limits: MeterLimits = CLASSIFY_LIMITS) -> int:
    """Packets that the flow had, of frames with their times in ns after the first."""
    report = classify([Packet(ns(1) + time, bytes(frame)) for time, frame in frames], limits=limits)
    (flow,) = report.flows
    assert (report.packets, report.skipped) == (len(frames), [])
    return int(flow["packets_up"])


@BOTH
def test_both_sides_of_a_router(packet: Layer) -> None:
    """Other addresses below, another VLAN, a lower time to live, soon."""
    there = Dot1Q(vlan=20) / routed(packet)
    assert counted((0, E / packet), (200_000, FAR / there)) == 1
    assert counted((0, E / packet), (ROUTED_NS - 600, FAR / there)) == 1
    assert counted((0, FAR / there), (0, E / packet)) == 1, "in whatever order"
    assert counted((0, E / packet), (ROUTED_NS + 600, FAR / there)) == 2
    assert counted((0, E / packet), (9, FAR / routed(packet)), (20, FAR / routed(packet, 2))) == 1


@BOTH
def test_both_directions_of_one_port(packet: Layer) -> None:
    assert counted((0, E / packet), (50_000, E / packet)) == 1
    assert counted((0, E / packet), (50_000, E / Dot1Q(vlan=7) / packet), (60_000, E / packet)) == 1
    assert counted((0, E / packet), (SAME_NS + 600, E / packet)) == 2


def test_a_router_may_change_the_class_of_service() -> None:
    assert counted((0, E / FOUR), (9000, FAR / changed(routed(FOUR), tos=0xB8))) == 1


@pytest.mark.parametrize(
    "again",
    [
        changed(FOUR, id=78),
        changed(FOUR, seq=10),
        changed(FOUR, ack=10),
        changed(FOUR, flags="A"),
        changed(FOUR, window=7),
        changed(FOUR, options=[("Timestamp", (5, 6))]),
        IP(bytes(IP(src=C4, dst=S4, id=77) / FOUR[TCP].copy() / b"more")),
        changed(IP(bytes(FOUR)[:-1] + b"\1"), id=77),
    ],
    ids=["identification", "sequence", "acknowledgement", "flags", "window", "timestamp", "length", "payload"],
)
def test_what_was_sent_again_counts_again(again: Layer) -> None:
    """At the same moment even."""
    assert counted((0, E / FOUR), (1000, E / again)) == 2


@BOTH
def test_an_ordinary_retransmission_counts(packet: Layer) -> None:
    """It comes later than any mirror's second copy, were it the same to the last bit."""
    for milliseconds in (2, 10, 40, 200, 1000):
        assert counted((0, E / packet), (milliseconds * 1_000_000, E / packet)) == 2


NO_DATA = TCP(sport=50000, dport=443, seq=9, flags="A")


@pytest.mark.parametrize("ip", [IPv6(src=C6, dst=S6), IP(src=C4, dst=S4, id=0)], ids=["IPv6", "IPv4 without one"])
def test_without_an_identification(ip: Layer) -> None:
    """Acknowledgements are repeated in good faith; data are not, unless a moment later."""
    bare, full = type(ip)(bytes(ip / NO_DATA)), type(ip)(bytes(ip / NO_DATA / HELLO))
    assert counted((0, E / bare), (20_000, E / bare)) == 2
    assert counted((0, E / full), (20_000, E / full)) == 1
    assert counted((0, E / full), (BARE_NS + 600, E / full)) == 2
    assert counted((0, E / bare), (200_000, FAR / routed(bare))) == 1
    assert counted((0, E / full), (200_000, FAR / routed(full))) == 1


def test_packets_that_repeat_for_a_long_time_are_no_duplicates() -> None:
    """Each is compared with the first one that counted, so silence cannot be stretched."""
    beats = [(i * 700_000, E / FOUR) for i in range(20)]
    assert counted(*beats) == 10


def test_a_packet_without_a_checksum_is_never_a_duplicate() -> None:
    silent = IP(src=C4, dst=S4, id=77) / UDP(sport=50000, dport=443, chksum=0) / Raw(b"x" * 100)
    assert counted((0, E / silent), (1000, E / silent)) == 2


@pytest.mark.parametrize("name", ["VXLAN", "ERSPAN II", "GRE", "IP in IPv6"])
def test_before_and_inside_a_tunnel(name: str) -> None:
    assert counted((0, E / FOUR), (90_000, E / OVER_IP[name](routed(FOUR)))) == 1


def test_both_are_kept_if_the_school_says_so() -> None:
    frames = [Packet(ns(1), bytes(E / FOUR)), Packet(ns(1) + 200_000, bytes(FAR / routed(FOUR)))]
    for settings, packets in (SensorSettings(duplicates="keep"), 2), (SensorSettings(), 1):
        sensor = sensor_of(settings)
        feed(sensor, frames)
        counters = sensor.counters()
        assert (counters["packets"], counters["duplicates"]) == (2, 2 - packets)
        assert counters["bytes"] == packets * len(FOUR)


def conversation() -> list[Packet]:
    """A connection with checksums and identifications, hello and all, over two minutes."""
    talk = Talk().open(1).up(1.1, client_hello("www.one.example"))
    for i in range(40):
        talk.down(2 + i * 3, b"d" * 900).segment(2 + i * 3, 517, b"", "A").up(2.5 + i * 3, b"u" * (20 + i * 12))
    out = []
    for number, p in enumerate(talk.close(125).packets):
        out.append(Packet(p.time, bytes(E / changed(IP(p.frame[14:]), id=number + 1))))
    return out


def rows_of(packets: list[Packet]) -> list[dict[str, Any]]:
    sensor = new_sensor()
    feed(sensor, packets)
    sensor.meter.finish()
    return taken(sensor)


@pytest.mark.parametrize("seed", range(20))
def test_a_conversation_seen_twice_is_the_conversation(seed: int) -> None:
    """Some packets come twice or thrice, some by the router; slices are the same."""
    once, chance = conversation(), random.Random(seed)
    twice = list(once)
    for p in once:
        for _ in range(chance.randrange(3)):
            hops = chance.randrange(3)
            delay = chance.randrange((ROUTED_NS if hops else SAME_NS) // 2)
            twice.append(Packet(p.time + delay, bytes(FAR / routed(IP(p.frame[14:]), hops))))
    assert rows_of(sorted(twice, key=lambda p: p.time)) == rows_of(once)
