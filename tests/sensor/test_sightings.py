"""Who is seen to have which address: ARP, NDP and DHCP on the mirror, their rules and their bounds."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp6 import DUID_LL
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet as Layer

from sensor import sightings
from sensor.layout import TODO_DHCP, TODO_NEIGHBOUR, TOLD_A_SECOND
from sensor.leases import read_lease
from sensor.meter import MeterLimits
from sensor.neighbours import Unreadable, read_neighbour
from sensor.sense import Sensor, sensor_of
from sensor.settings import SegmentRule, SensorSettings
from sensor.sightings import Sightings, Watched
from sensor.slices import unpack_address
from sensor.words import Segment
from tests.sensor.building import CATALOGUE, START, Packet, Talk, feed, ns, taken
from tests.sensor.lending import (
    FOUR,
    GATEWAY,
    LAPTOP,
    LINK,
    NOBODY,
    OTHER,
    PC,
    ROUTER,
    SIX,
    ack,
    advertisement,
    by_uuid,
    lent6,
    octets,
    on_wire,
    reply,
    request,
    solicitation,
)
from tests.sensor.wrappings import OVER_IP

RULES = (
    SegmentRule(segment=Segment.STAFF, vlans=(10,), subnets=("10.20.0.0/21", "2001:db8:20:10::/64")),
    SegmentRule(segment=Segment.PUPIL, vlans=(20,), subnets=("10.20.32.0/19", "10.20.4.0/24")),
    SegmentRule(segment=Segment.GUEST, vlans=(30,)),
)
Row = tuple[str, str, str, int]


def sensor(rules: Sequence[SegmentRule] = ()) -> Sensor:
    return Sensor(CATALOGUE, rules, MeterLimits(), watched=Watched(rules))


def rows(table: pa.Table) -> list[Row]:
    """Address, hardware address, how and lease of each row."""
    return [
        (unpack_address(row["address"]), row["mac"].to_bytes(6, "big").hex(":"), row["how"], row["lease_s"])
        for row in table.to_pylist()
    ]


def seen(*packets: Layer | Packet, rules: Sequence[SegmentRule] = (), vlans: Sequence[int] = ()) -> list[Row]:
    """What a sensor tells of these packets, a second apart."""
    watching = sensor(rules)
    feed(watching, [p if isinstance(p, Packet) else on_wire(n, p, vlans=vlans) for n, p in enumerate(packets)])
    return rows(watching.sightings())


ARP_FOUR, NDP_SIX = (FOUR, LAPTOP, "arp", 0), (SIX, LAPTOP, "ndp", 0)


@pytest.mark.parametrize(
    ("packet", "told"),
    {
        "ARP request": (request(), [ARP_FOUR]),
        "ARP reply": (reply(), [ARP_FOUR]),
        "gratuitous ARP request": (request(target=FOUR), [ARP_FOUR]),
        "gratuitous ARP reply": (ARP(op=2, hwsrc=LAPTOP, psrc=FOUR, hwdst=LAPTOP, pdst=FOUR), [ARP_FOUR]),
        "ARP probe": (request("0.0.0.0", target=FOUR), []),
        "ARP from a group": (request(mac="01:16:3e:00:00:02"), []),
        "ARP from no card": (request(mac=NOBODY), []),
        "RARP": (ARP(op=3, hwsrc=LAPTOP, psrc=FOUR, hwdst=LAPTOP, pdst=FOUR), []),
        "InARP": (ARP(op=9, hwsrc=LAPTOP, psrc=FOUR, hwdst=LAPTOP, pdst=FOUR), []),
        "ARP of another protocol": (ARP(op=1, ptype=0x86DD, hwsrc=LAPTOP, psrc=FOUR, pdst=GATEWAY), []),
        "ARP of a link": (request("169.254.7.7"), []),
        "solicitation": (solicitation(), [NDP_SIX]),
        "solicitation without its card": (solicitation(mac=None), []),
        "duplicate address detection": (solicitation("::", None, SIX), []),
        "detection that names a card": (solicitation("::", LAPTOP, SIX), []),
        "solicitation of a link": (solicitation(LINK), []),
        "advertisement": (advertisement(), [NDP_SIX]),
        "advertisement for others": (advertisement(override=0), []),
        "advertisement without its card": (advertisement(mac=None), []),
        "advertisement for a group": (advertisement("ff02::1"), []),
        "solicitation from elsewhere": (solicitation(hops=254), []),
        "advertisement from elsewhere": (advertisement(hops=64), []),
        "DHCP ACK": (ack(), [(FOUR, LAPTOP, "dhcp", 28_800)]),
        "DHCP ACK to a relay": (ack(to=("10.20.0.254", 67)), [(FOUR, LAPTOP, "dhcp", 28_800)]),
        "DHCP ACK for ever": (ack(lease=0xFFFFFFFF), [(FOUR, LAPTOP, "dhcp", 86_400)]),
        "DHCP ACK without a time": (ack(lease=None), [(FOUR, LAPTOP, "dhcp", 0)]),
        "DHCP ACK to INFORM": (ack("0.0.0.0"), []),
        "DHCP OFFER": (ack(kind="offer"), []),
        "DHCP NAK": (ack(kind="nak"), []),
        "DHCPv6 Reply": (lent6(), [(SIX, LAPTOP, "duid", 7200)]),
        "DHCPv6 Reply, DUID-LL": (lent6(duid=DUID_LL(lladdr=PC)), [(SIX, PC, "duid", 7200)]),
        "DHCPv6 Reply, relayed": (lent6(relays=1), [(SIX, LAPTOP, "duid", 7200)]),
        "DHCPv6 Reply, relayed twice": (lent6(relays=2), [(SIX, LAPTOP, "duid", 7200)]),
        "DHCPv6 Reply, relayed for ever": (lent6(relays=12), []),
        "DHCPv6 Reply to a DUID without card": (lent6(duid=by_uuid()), []),
        "DHCPv6 lease that is over": (lent6(valid=0), []),
    }.values(),
)
def test_what_a_packet_says(packet: Layer, told: list[Row]) -> None:
    assert seen(packet) == told
    assert seen(packet, vlans=(5, 10)) == told, "under VLAN tags"


def test_what_a_client_says_to_a_dhcp_server_is_no_lease() -> None:
    asking = IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / ack(kind="request")[UDP].payload
    assert seen(asking) == []


def test_a_broken_checksum_is_not_believed() -> None:
    frame = bytearray(on_wire(0, solicitation()).frame)
    frame[-1] ^= 1
    watching = sensor()
    feed(watching, [Packet(ns(0), bytes(frame))])
    assert (rows(watching.sightings()), watching.counters()["sightings_unreadable"]) == ([], 1)


def test_a_lease_in_fragments_and_in_a_tunnel_is_read() -> None:
    pieces = [Packet(ns(n), bytes(Ether() / piece)) for n, piece in enumerate(fragment(ack(), 200))]
    assert len(pieces) > 1
    assert seen(*pieces) == [(FOUR, LAPTOP, "dhcp", 28_800)]
    tunnel = OVER_IP["VXLAN"]
    assert seen(tunnel(ack())) == [(FOUR, LAPTOP, "dhcp", 28_800)]


def test_options_of_dhcp_may_lie_in_other_fields() -> None:
    message = bytearray(bytes(ack()[UDP].payload))
    end = message.index(b"\x35\x01\x05", 240)
    overloaded = message[:240] + b"\x34\x01\x01\xff"
    overloaded[108:236] = (bytes(message[end : end + 3]) + b"\x33\x04\x00\x00\x0e\x10\xff").ljust(128, b"\0")
    (lease,) = read_lease(bytes(overloaded))
    assert (lease.mac, lease.lease_s) == (int.from_bytes(octets(LAPTOP), "big"), 3600)


@pytest.mark.parametrize(
    ("address", "vlans", "told"),
    [
        ("10.20.0.1", (), True),
        ("10.20.0.1", (10,), True),
        ("10.20.0.1", (20,), False),
        ("10.20.4.7", (), False),
        ("10.20.40.1", (), False),
        ("192.0.2.1", (), True),
        ("192.0.2.1", (30,), False),
        ("192.0.2.1", (30, 10), True),
    ],
)
def test_pupils_and_guests_are_not_noted(address: str, vlans: Sequence[int], told: bool) -> None:
    watching = sensor(RULES)
    feed(watching, [on_wire(0, request(address), vlans=vlans), on_wire(1, reply(address, PC), vlans=vlans)])
    assert (watching.sightings().num_rows, watching.counters()["sightings_elsewhere"]) == ((2, 0) if told else (0, 2))
    assert bool(watching._sightings and watching._sightings._pairs) == told, "nothing of them is held in memory"


def test_exempt_networks_are_not_noted_and_a_sensor_may_be_told_to_note_nobody() -> None:
    exempt = sensor_of(SensorSettings(exempt=("10.20.0.0/30",)))
    nobody = sensor_of(SensorSettings(sightings=False))
    for watching in (exempt, nobody):
        feed(watching, [on_wire(0, request()), on_wire(1, request("10.20.0.9", PC)), on_wire(2, ack())])
    assert rows(exempt.sightings()) == [("10.20.0.9", PC, "arp", 0)]
    assert nobody.sightings().num_rows == 0


def test_the_same_is_told_again_after_ten_minutes_and_a_change_at_once() -> None:
    times = [on_wire(t, request()) for t in range(0, 1300, 20)]
    watching = sensor()
    feed(watching, times)
    assert [row["time"] - START for row in watching.sightings().to_pylist()] == [0, 600, 1200]
    assert watching.sightings().num_rows == 0, "once"
    changes = [
        on_wire(0, request()),
        on_wire(30, request(mac=PC)),
        on_wire(40, request()),
        on_wire(41, request(mac=PC)),
    ]
    assert [mac for _, mac, _, _ in seen(*changes)] == [LAPTOP, PC, LAPTOP, PC]


def test_no_host_name_and_nothing_but_addresses_is_in_the_table() -> None:
    watching = sensor()
    feed(watching, [on_wire(0, ack()), on_wire(1, request()), on_wire(2, lent6())])
    table = watching.sightings()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    assert b"canary" not in sink.getvalue().to_pybytes()
    assert set(table.column_names) == {"time", "address", "mac", "how", "lease_s"}
    assert set(table["how"].to_pylist()) <= {"arp", "ndp", "dhcp", "duid"}


# ------------------------------------------------------------------------------------------------------------ floods


def crowd(count: int, address: Callable[[int], str], mac: Callable[[int], str], second: float = 0.0) -> list[Packet]:
    """So many announcements within a second."""
    return [on_wire(second + n / count / 2, request(address(n), mac(n))) for n in range(count)]


def spread(n: int) -> str:
    return f"10.21.{n >> 8 & 255}.{n & 255}"


def card(n: int) -> str:
    return (0x0200_0000_0000 + n).to_bytes(6, "big").hex(":")


def test_one_frame_that_goes_round_for_ever_costs_one_reading_a_second() -> None:
    watching = sensor()
    reads = 0
    of = watching._sightings
    assert of is not None
    read = of.read

    def counted(kind: int, packet: bytes, time: int, vlan: int) -> None:
        nonlocal reads
        reads += 1
        read(kind, packet, time, vlan)

    of.read = counted  # type: ignore[method-assign]
    feed(watching, [on_wire(n / 1000, request()) for n in range(3000)])
    assert reads == 3
    assert rows(watching.sightings()) == [ARP_FOUR]


def test_of_a_storm_only_so_much_is_read_and_the_rest_is_counted() -> None:
    storm = crowd(TOLD_A_SECOND + 900, spread, card)
    watching = sensor()
    feed(watching, [*storm, on_wire(1.5, request())])
    told = rows(watching.sightings())
    counters = watching.counters()
    assert len(told) <= sightings.NEW_A_MINUTE
    assert counters["sightings_dropped"] >= TOLD_A_SECOND + 901 - sightings.NEW_A_MINUTE
    assert counters["packets"] == TOLD_A_SECOND + 901


def test_a_storm_takes_nothing_from_other_packets() -> None:
    talk = Talk().open(0.1).up(0.2, b"GET / HTTP/1.1\r\nHost: www.one.example\r\n\r\n")
    watching = sensor()
    feed(watching, sorted([*crowd(6000, spread, card), *talk.packets], key=lambda packet: packet.time))
    watching.meter.finish()
    assert [row["service"] for row in taken(watching)] == ["one"]


def test_who_answers_for_many_is_told_often_enough_to_be_known_as_a_router_and_no_oftener() -> None:
    watching = sensor()
    feed(watching, crowd(2000, spread, lambda n: ROUTER))
    assert watching.sightings().num_rows == sightings.MAX_ADDRESSES
    assert watching.counters()["sightings_of_routers"] == 2000 - sightings.MAX_ADDRESSES


def test_an_address_that_all_claim_is_told_for_a_few() -> None:
    watching = sensor()
    feed(watching, crowd(100, lambda n: FOUR, card))
    assert watching.sightings().num_rows == sightings.MAX_MACS


def test_the_table_is_bounded_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "MAX_PAIRS", 50)
    watching = sensor()
    feed(watching, [*crowd(200, spread, card), on_wire(7200, request())])
    assert watching.counters()["sightings_evicted"] == 150
    assert watching._sightings is not None
    assert len(watching._sightings._pairs) == 1, "what was silent for an hour is forgotten"
    assert set(watching._sightings._latest) == {b"\0" * 10 + b"\xff\xff\x0a\x14\x00\x01"}


# ------------------------------------------------------------------------------------------------------ hostile bytes


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_neighbour, read_lease):
        try:
            read(data)
        except Unreadable:
            continue


@given(
    st.randoms(use_true_random=False),
    st.sampled_from([request(), solicitation(), advertisement(), ack(), lent6(relays=2)]),
)
def test_changed_packets_are_read_or_refused_and_counts_add_up(chance: random.Random, packet: Layer) -> None:
    lent = UDP in packet
    data = bytearray(bytes(packet[UDP].payload if lent else packet))
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    del data[chance.randrange(1, len(data) + 1) :]
    noted = Sightings(Watched(RULES))
    noted.read(TODO_DHCP if lent else TODO_NEIGHBOUR, bytes(data), ns(0), 0)
    table = noted.take()
    assert table.num_rows == noted.counts["told"]
    assert all(len(row["address"]) == 16 and 0 < row["mac"] < 1 << 48 for row in table.to_pylist())


def test_addresses_that_are_told_are_those_of_the_packets() -> None:
    assert seen(request(OTHER, PC)) == [(OTHER, PC, "arp", 0)]
