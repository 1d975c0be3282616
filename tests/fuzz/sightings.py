"""Fuzz target: `neighbours` and `leases` on arbitrary packets, and what `Sightings` makes of them.

The input is a list of packets: each one's first byte says whether it is ARP and NDP or DHCP, and on which VLAN it came.
Nothing of a pupil is told, and no more of an address or a hardware address than the bounds allow.
"""

from __future__ import annotations

from collections import Counter

from scapy.layers.inet import UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from sensor.layout import TODO_DHCP, TODO_NEIGHBOUR
from sensor.settings import SegmentRule
from sensor.sightings import MAX_ADDRESSES, MAX_MACS, Sightings, Watched
from sensor.slices import unpack_address
from sensor.words import Segment
from tests.fuzz.parts import join, split
from tests.sensor.building import Packet, ns, pcap
from tests.sensor.lending import ack, advertisement, lent6, reply, request, solicitation

RULES = (
    SegmentRule(segment=Segment.STAFF, vlans=(10,), subnets=("10.20.0.0/21",)),
    SegmentRule(segment=Segment.PUPIL, vlans=(20,), subnets=("10.20.32.0/19", "2001:db8:99::/48")),
)
NEVER = ("10.20.32.", "2001:db8:99:", "fe80:", "ff", "169.254.", "127.", "224.", "0.")
DHCP, PUPILS = 1, 2  # bits of the first byte


def seeds() -> list[bytes]:
    neighbours = [request(), reply(), request("10.20.40.1"), solicitation(), advertisement(), solicitation("::", None)]
    leases = [ack(), ack("10.20.33.3", kind="nak"), lent6(), lent6(relays=2), lent6("2001:db8:99::7")]
    told = [b"\0" + bytes(packet) for packet in neighbours] + [b"\1" + bytes(p[UDP].payload) for p in leases]
    return [join([one]) for one in told] + [join(told), join(b"\2" + one[1:] for one in told)]


def run(data: bytes) -> None:
    noted, told = Sightings(Watched(RULES)), 0
    for n, part in enumerate(split(data, 64)):
        head, packet = part[:1] or b"\0", part[1:]
        vlan = 0x1000 | (20 if head[0] & PUPILS else 10)
        noted.read(TODO_DHCP if head[0] & DHCP else TODO_NEIGHBOUR, packet, ns(n), vlan)
        if head[0] & PUPILS:
            assert len(noted._rows) == told, "of the pupils' network"
        told = len(noted._rows)
    assert noted.counts["told"] == told
    rows = noted.take().to_pylist()
    for row in rows:
        address = unpack_address(row["address"])
        assert not address.startswith(("10.20.32.", "2001:db8:99:", "fe80:", "ff", "169.254.", "127.", "224.", "0.")), (
            address
        )
        assert 0 < row["mac"] < 1 << 48
        assert not row["mac"] >> 40 & 1, "one card"
        assert row["lease_s"] <= 86_400
    pairs = {(row["address"], row["mac"]) for row in rows}
    assert max(Counter(address for address, _ in pairs).values(), default=0) <= MAX_MACS
    assert max(Counter(mac for _, mac in pairs).values(), default=0) <= MAX_ADDRESSES
    assert not noted._rows


def capture(data: bytes) -> bytes:
    """The packets on the wire, as a capture file; DHCP as the payload of a server's datagrams."""
    frames = []
    for part in split(data, 64):
        head, packet = part[:1] or b"\0", part[1:]
        frame = Ether(src="00:16:3e:00:00:02", dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=20 if head[0] & PUPILS else 10)
        if head[0] & DHCP:
            six = packet[236:240] != b"\x63\x82\x53\x63"
            outer = (lent6() if six else ack()).copy()
            outer[UDP].remove_payload()
            frames.append(bytes(frame / outer / Raw(packet)))
        else:
            arp = packet[:1] == b"\0"
            frame.getlayer(Dot1Q).type = 0x0806 if arp else 0x86DD
            frames.append(bytes(frame) + packet)
    return pcap(Packet(ns(n), data) for n, data in enumerate(frames))
