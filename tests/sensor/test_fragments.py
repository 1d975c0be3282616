"""IP fragments become the packet that was sent, once, in whatever order they come; and nothing grows without bound."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, PadN, fragment6
from scapy.layers.l2 import Dot1Q
from scapy.packet import Packet as Layer
from scapy.packet import Raw

from sensor.fragments import MAX_LENGTH, PIECE_COST, TIMEOUT_NS, Reassembler, as_block, read_fragment
from tests.sensor.building import (
    CLIENT,
    RESOLVER,
    SERVER,
    Packet,
    Talk,
    classify,
    datagram,
    dns_message,
    feed,
    new_sensor,
    ns,
    pcap,
    quic_datagrams,
    slices,
    taken,
)
from tests.sensor.layers import C4, C6, HELLO, S4, S6, SHORT, E, check, four, tcp
from tests.sensor.wrappings import OVER_IP

PAD = [PadN(otype=1, optdata=b"\0" * 4)]
WHOLE4 = IP(src=C4, dst=S4, id=77) / tcp()
WHOLE6 = IPv6(src=C6, dst=S6) / IPv6ExtHdrHopByHop(options=PAD) / IPv6ExtHdrFragment(id=77) / tcp()


def pieces4(size: int = 200, packet: Layer = WHOLE4) -> list[Layer]:
    return [IP(bytes(p)) for p in fragment(packet, size)]


def pieces6(size: int = 300) -> list[Layer]:
    return [IPv6(bytes(p)) for p in fragment6(WHOLE6, size)]


def frames(pieces: list[Layer]) -> list[Packet]:
    return [Packet(ns(i / 1000), bytes(E / p)) for i, p in enumerate(pieces)]


def one_flow(packets: list[Packet]) -> dict[str, object]:
    report = classify(packets)
    (flow,) = report.flows
    assert (report.packets, report.skipped) == (len(packets), [])
    return flow


@pytest.mark.parametrize("order", ["as sent", "backwards", "shuffled", "each twice", "last first"])
@pytest.mark.parametrize("v6", [False, True])
def test_a_hello_in_fragments(v6: bool, order: str) -> None:
    pieces = pieces6() if v6 else pieces4()
    if order == "backwards":
        pieces = pieces[::-1]
    elif order == "shuffled":
        random.Random(1).shuffle(pieces)
    elif order == "each twice":
        pieces = [p for p in pieces for _ in range(2)]
    elif order == "last first":
        pieces = pieces[-1:] + pieces[:-1]
    flow = one_flow(frames(pieces))
    assert (flow["client"], flow["server_port"], flow["name"], flow["partial"]) == (
        (C6 if v6 else C4),
        443,
        "www.one.example",
        False,
    )
    assert (flow["packets_up"], flow["bytes_up"]) == (1, len(WHOLE6) - 8 if v6 else len(WHOLE4))


def test_fragments_count_as_frames_once_and_as_one_packet_at_the_last_ones_time() -> None:
    sensor = new_sensor()
    feed(sensor, [Packet(p.time + ns(0.5) - ns(0), p.frame) for p in frames(pieces4())])
    sensor.meter.finish()
    (row,) = taken(sensor)
    counters = sensor.counters()
    assert (counters["packets"], counters["fragments_completed"]) == (len(pieces4()), 1)
    assert (counters["bytes"], row["bytes_up"], row["packets_up"]) == (len(WHOLE4), len(WHOLE4), 1)
    assert row["first_ms"] == 500 + len(pieces4()) - 1


def test_vlan_tags_stay() -> None:
    packets = [Packet(ns(i), bytes(E / Dot1Q(vlan=10) / Dot1Q(vlan=20) / p)) for i, p in enumerate(pieces4())]
    assert one_flow(packets)["vlan"] == [10, 20]


@pytest.mark.parametrize("name", ["VXLAN", "ERSPAN II", "GRE", "IP in IPv6"])
def test_fragments_inside_a_tunnel(name: str) -> None:
    assert one_flow(frames([OVER_IP[name](p) for p in pieces4()]))["name"] == "www.one.example"


@pytest.mark.parametrize("name", ["VXLAN", "ERSPAN II", "GRE", "IP in IP"])
def test_a_tunnel_in_fragments(name: str) -> None:
    """As a mirror's frames come that became too long by the header around them."""
    flow = one_flow(frames(pieces4(400, OVER_IP[name](four()))))
    assert (flow["client"], flow["name"], flow["bytes_up"]) == (C4, "www.one.example", len(four()))


def test_fragments_in_a_tunnel_in_fragments() -> None:
    outer = [fragment(OVER_IP["GRE"](p), 104) for p in pieces4(400)]
    for number, some in enumerate(outer):
        for p in some:
            p.id = number
    assert one_flow(frames([IP(bytes(p)) for some in outer for p in some]))["name"] == "www.one.example"


def test_quic_in_fragments() -> None:
    data = quic_datagrams("www.one.example")[0]
    packet = IP(src=C4, dst=S4, id=9) / UDP(sport=50000, dport=443) / Raw(data)
    flow = one_flow(frames(pieces4(600, packet)))
    assert (flow["name"], flow["evidence"], flow["transport"]) == ("www.one.example", "quic_sni", "udp")


def test_a_long_dns_answer_in_fragments() -> None:
    message = dns_message("www.one.example", [SERVER] + ["198.51.100.1"] * 59)
    packet = IP(src=RESOLVER, dst=CLIENT, id=9) / UDP(sport=53, dport=40053) / Raw(message)
    talk = Talk(server_port=5222).open(5).up(6, b"hello, world")
    (row,) = [r for r in slices([*frames(pieces4(600, packet)), *talk.packets]) if r["service"]]
    assert (row["service"], row["evidence"]) == ("one", "dns")


def test_the_first_bytes_win_and_overlaps_are_counted() -> None:
    """RFC 5722 forbids overlaps; who sends them wants two readers to see two things."""
    other = HELLO.replace(b"www.one.example", b"www.two.example")
    pieces, false = pieces4(), pieces4(200, IP(src=C4, dst=S4, id=77) / tcp(other))
    sensor = new_sensor()
    mixed = [p for pair in zip(pieces, false, strict=True) for p in pair]
    feed(sensor, frames(mixed))
    sensor.meter.finish()
    (row,) = taken(sensor)
    assert (row["service"], sensor.counters()["fragments_completed"]) == ("one", 1)
    differ = sum(bytes(a) != bytes(b) for a, b in zip(pieces[:-1], false[:-1], strict=True))
    assert sensor.counters()["fragments_overlapping"] == differ > 0


def test_what_is_not_whole_counts_as_far_as_it_goes() -> None:
    """A lost fragment: the addresses and ports are true, and the name, if it came."""
    pieces = pieces4(400)
    sensor = new_sensor()
    feed(sensor, frames(pieces[:-1]))
    assert sensor.table().num_rows == 0
    sensor.meter.finish()
    (row,) = taken(sensor)
    length = sum(len(p) - 20 for p in pieces[:-1]) + 20
    assert (row["service"], row["bytes_up"], row["packets_up"]) == ("one", length, 1)
    assert sensor.counters()["fragments_expired"] == 1
    report = classify(frames(pieces[1:]))
    assert (report.flows, report.skipped) == ([], [("incomplete fragments", 1)])


def test_old_fragments_go_by_packet_time() -> None:
    pieces = frames(pieces4(400))
    late = [Packet(p.time + TIMEOUT_NS + ns(1) - ns(0), p.frame) for p in pieces]
    sensor = new_sensor()
    feed(sensor, [*pieces[:1], *late[1:]])
    counters = sensor.counters()
    assert (counters["fragments_completed"], counters["fragments_expired"]) == (0, 1)
    sensor.meter.sweep(late[-1].time + TIMEOUT_NS + 1, 0)
    assert sensor.counters()["fragments_expired"] == 2, "also when nothing more comes"


def test_a_sweep_never_writes_into_a_minute_that_is_over() -> None:
    sensor = new_sensor()
    feed(sensor, frames(pieces4(400)[:-1]))
    later = ns(100)
    sensor.meter.sweep(ns(20), later // 60_000_000_000)
    until = sensor.meter.complete_until
    sensor.meter.sweep(later, later // 60_000_000_000)
    sensor.meter.finish()
    rows = taken(sensor)
    assert [row["minute"] * 60 >= until for row in rows] == [True]


def test_snap_length_cuts_do_not_hinder() -> None:
    """What was not captured is missing from the payload, not from the count."""
    report = classify(pcap(frames(pieces4(400)), snap=14 + 20 + 60))
    (flow,) = report.flows
    assert (flow["bytes_up"], flow["packets_up"], flow["name"]) == (len(WHOLE4), 1, None)


def test_the_unfragmentable_part_stays() -> None:
    """Headers before the fragment header, and those behind it, are where they were."""
    inner = IPv6ExtHdrDestOpt(options=PAD) / tcp()
    packet = IPv6(src=C6, dst=S6) / IPv6ExtHdrHopByHop(options=PAD) / IPv6ExtHdrFragment(id=7) / inner
    reassembler = Reassembler()
    for p in fragment6(packet, 300):
        reassembler.add(bytes(p), 1, 0)
    (whole,) = reassembler.take()
    assert IPv6(whole.packet)[TCP].payload.load == HELLO
    assert len(whole.packet) == 40 + IPv6(whole.packet).plen == len(packet) - 8


@pytest.mark.parametrize(
    "packet",
    [
        IP(src=C4, dst=S4, id=1, flags="MF") / Raw(bytes(15)),
        IP(src=C4, dst=S4, id=1, flags="MF"),
        IP(src=C4, dst=S4, id=1, frag=8189) / Raw(bytes(64)),
        IP(src=C4, dst=S4, id=1, frag=4, len=10) / Raw(bytes(64)),
        IPv6(src=C6, dst=S6) / IPv6ExtHdrFragment(id=1, m=1) / Raw(bytes(15)),
        IPv6(src=C6, dst=S6) / IPv6ExtHdrFragment(id=1, offset=8189) / Raw(bytes(64)),
    ],
    ids=["no multiple of 8", "empty", "beyond 64 KiB", "shorter than its header", "no multiple of 8, v6", "beyond, v6"],
)
def test_fragments_that_make_no_sense(packet: Layer) -> None:
    report = classify(frames([packet]))
    assert report.flows == []
    assert [count for _, count in report.skipped] == [1]


def test_an_end_that_another_fragment_contradicts() -> None:
    first, middle, last = pieces4(200)
    early = IP(src=C4, dst=S4, id=77, proto=6) / Raw(bytes(80))
    behind = IP(src=C4, dst=S4, id=77, frag=last.frag + 8, proto=6) / Raw(bytes(80))
    reassembler = Reassembler()
    for p in (first, early, last, behind, middle):
        reassembler.add(bytes(p), 1, 0)
    (whole,) = reassembler.take()
    assert whole.packet[20:] == bytes(WHOLE4)[20:]
    assert (reassembler.dropped, reassembler.completed) == (2, 1)


# -- the reassembler beside a slow model ------------------------------------------------------------------------------

Sent = tuple[int, int, bool, int]  # start / 8, length, more, what its bytes are


def ip_fragment(start: int, length: int, more: bool, fill: int) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 5, start | more << 13, 64, 17, 0)
    return head + bytes(8) + bytes([fill]) * length


def model(sent: list[Sent]) -> tuple[bytes | None, int]:
    """Byte by byte: (the datagram, fragments that contradict its end)."""
    got: dict[int, int] = {}
    total, furthest, refused = 0, 0, 0
    for start, length, more, fill in sent:
        begin, stop = start * 8, start * 8 + length
        if (total and (stop > total or (not more and stop != total))) or (not total and not more and stop < furthest):
            refused += 1
            continue
        total = total if more else stop
        furthest = max(furthest, stop)
        for at in range(begin, stop):
            got.setdefault(at, fill)
        if total and len(got) == total:
            return bytes(got[at] for at in range(total)), refused
    return None, refused


fragments_sent = st.tuples(st.integers(0, 8), st.sampled_from([8, 16, 24, 40]), st.booleans(), st.integers(0, 255))


@settings(max_examples=1000)
@given(st.lists(fragments_sent, max_size=14))
def test_any_fragments_of_one_datagram(sent: list[Sent]) -> None:
    expected, refused = model(sent)
    reassembler, out = Reassembler(), []
    for item in sent:
        reassembler.add(ip_fragment(*item), 1, 0)
        out += reassembler.take()
    assert [d.packet[20:] for d in out] == ([expected] if expected is not None else [])
    assert (reassembler.completed, reassembler.dropped) == (len(out), refused)
    assert reassembler.held == sum(pieces.cost for pieces in reassembler._pending.values())
    reassembler.expire(10**18)
    assert (reassembler.held, reassembler.completed + reassembler.expired) == (0, bool(sent))


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=80), max_size=30), st.booleans())
def test_arbitrary_fragments(bodies: list[bytes], v6: bool) -> None:
    reassembler = Reassembler(max_datagrams=4, max_bytes=2000)
    head = bytes([0x60, 0, 0, 0, 0, 60, 44, 64]) if v6 else b"\x45"
    for n, body in enumerate(bodies):
        reassembler.add(head + body, n, 0)
        read_fragment(body)
    assert len(reassembler._pending) <= 4
    block = as_block(reassembler.take())
    assert classify(block).packets >= 0


def test_a_flood_of_fragments_stays_within_bounds() -> None:
    reassembler = Reassembler(max_datagrams=100, max_bytes=50_000)
    chance = random.Random(1)
    for n in range(20_000):
        start = chance.randrange(0, 8000)
        packet = struct.pack(">BBHHHBBHII", 0x45, 0, 60, n & 0xFFFF, start | 0x2000, 64, 17, 0, n, 1) + bytes(40)
        reassembler.add(packet, n * 1000, 0)
        assert reassembler.held <= 50_000
        assert len(reassembler._pending) <= 100
    assert reassembler.dropped >= 20_000 - 100
    tiny = Reassembler(max_bytes=50_000)
    for start in range(0, MAX_LENGTH // 8 - 3, 2):
        tiny.add(ip_fragment(start, 8, True, 0), 1, 0)
        assert tiny.held <= 50_000 + PIECE_COST


def test_honest_fragments_pass_through_a_flood() -> None:
    flood = (
        struct.pack(">BBHHHBBHII", 0x45, 0, 60, n & 0xFFFF, 0x2005, 64, 17, 0, 0x0A000000 + n, 1) + bytes(40)
        for n in range(6000)
    )
    packets = []
    for p in frames(pieces4()):
        packets += [Packet(p.time, bytes(E)[:12] + b"\x08\0" + next(flood)) for _ in range(800)]
        packets.append(p)
    assert [flow["name"] for flow in classify(packets).flows if flow["client"] == C4] == ["www.one.example"]


def test_fragments_of_two_that_share_an_identification() -> None:
    """The identification is the sender's own: other addresses or another protocol make another datagram."""
    one = pieces4(400)
    two = pieces4(400, IP(src="10.20.0.6", dst=S4, id=77) / tcp(HELLO.replace(b"www.one.", b"www.two.")))
    report = classify(frames([p for pair in zip(one, two, strict=True) for p in pair]))
    assert sorted(str(flow["name"]) for flow in report.flows) == ["www.one.example", "www.two.example"]


def test_an_identification_used_again() -> None:
    packets = []
    for second in (0, 40, 40.5):
        for p in frames(pieces4(400, IP(src=C4, dst=S4, id=77) / UDP(sport=5000, dport=6000) / Raw(SHORT * 4))):
            packets.append(Packet(p.time + ns(second) - ns(0), p.frame))
    (flow,) = classify(packets).flows
    assert flow["packets_up"] == 3


def test_an_atomic_fragment_is_a_packet() -> None:
    check(E / IPv6(src=C6, dst=S6) / IPv6ExtHdrFragment(id=7) / tcp(), v6=True, ip_bytes=40 + 8 + 20 + len(HELLO))
    assert classify([datagram(0, b"x" * 20)]).packets == 1
