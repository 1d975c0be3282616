"""The bench captures are what they are said to be, and the meter counts every packet and names every flow of them."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dpkt
import numpy as np
import pytest

from sensor.bench import HEADER, run_full
from sensor.bench_traffic import CAPTURES, MANY_NAMES, MEAN_BYTES, SEGMENT, capture
from sensor.catalogue import load_catalogue
from sensor.sense import Sensor
from tests.bench.captures import TITLES, Captures, title

FLOWS = {"even": 300, "hot": 300, "few": 500, "million": 5000, "storm": 1000, "hybrid": 250}
PACKETS = {"even": 10_000, "hot": 10_000, "few": 10_000, "million": 20_000, "storm": 10_000, "hybrid": 2_500}
QUIC_FLOWS = 40


def made(name: str) -> bytes:
    """A small one, of about ten thousand packets."""
    return CAPTURES[name](10_000).tobytes()


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Time in ns and frame of each record of a capture, whose lengths must end with it."""
    at = HEADER
    while at < len(data):
        seconds, nanos, kept, whole = struct.unpack_from("<IIII", data, at)
        assert kept == whole
        yield seconds * 10**9 + nanos, data[at + 16 : at + 16 + kept]
        at += 16 + kept
    assert at == len(data)


def flow_of(frame: bytes) -> tuple[Any, ...]:
    """Addresses and ports, client first: the server has port 443."""
    ip = dpkt.ethernet.Ethernet(frame).data
    ends = (ip.src, ip.data.sport), (ip.dst, ip.data.dport)
    return ends if ip.data.dport == 443 else ends[::-1]


@pytest.mark.parametrize("name", CAPTURES)
def test_every_packet_is_counted_and_every_flow_named(name: str) -> None:
    _, counters = run_full(np.frombuffer(bytearray(made(name)), np.uint8), Sensor(load_catalogue(), ()))
    assert counters["packets"] == PACKETS[name]
    assert counters["flows_all"] == counters["flows"] == counters["flows_named"] == FLOWS[name]
    assert counters["skipped"] == counters["evicted"] == 0


@pytest.mark.parametrize("name", ["even", "hot", "few", "million"])
def test_sizes_and_times_of_a_gateway(name: str) -> None:
    found = list(frames(made(name)))
    assert sum(len(frame) for _, frame in found) / len(found) == pytest.approx(MEAN_BYTES, abs=1)
    times = [time for time, _ in found]
    assert times == sorted(times)
    assert times[-1] - times[0] >= 30 * 60 * 10**9
    assert len({flow_of(frame) for _, frame in found}) == FLOWS[name]


def test_another_mean_can_be_asked_for() -> None:
    for mean in (300, 600, 1000):
        found = [len(frame) for _, frame in frames(capture(20_000, 200, mean=mean).tobytes())]
        assert np.mean(found) == pytest.approx(mean, abs=2)
    with pytest.raises(ValueError, match="at least 500 packets"):
        capture(499, 100)


def test_headers_are_those_of_a_real_stack() -> None:
    expected: dict[tuple[Any, ...], int] = {}
    numbers = set()
    for _, frame in frames(made("even")):
        ip = dpkt.ethernet.Ethernet(frame).data
        assert dpkt.in_cksum(frame[14:34]) == 0
        assert ip.len == len(frame) - 14
        tcp, side = ip.data, (ip.src, ip.data.sport, ip.dst, ip.data.dport)
        assert tcp.seq == expected.get(side, tcp.seq)
        if tcp.flags & dpkt.tcp.TH_ACK:
            assert tcp.ack == expected.get((side[2], side[3], side[0], side[1]), tcp.ack)
        expected[side] = tcp.seq + len(tcp.data) + bool(tcp.flags & (dpkt.tcp.TH_SYN | dpkt.tcp.TH_FIN)) & 0xFFFFFFFF
        numbers.add((side, ip.id))
        if tcp.data[:3] == b"\x17\x03\x03":
            assert int.from_bytes(tcp.data[3:5], "big") == len(tcp.data) - 5
    assert len(numbers) == PACKETS["even"]  # nothing that could be taken for a duplicate


def test_hot_flows_are_two_in_a_hundred_with_four_fifths_of_the_packets() -> None:
    count = Counter(flow_of(frame) for _, frame in frames(capture(40_000, 1_000, hot=0.8).tobytes()))
    busiest = sum(packets for _, packets in count.most_common(20))
    assert 0.8 * (40_000 - 5 * 1_000) - 500 <= busiest <= 0.8 * 40_000 + 500


def test_flows_of_the_million_have_four_packets_and_are_open_together() -> None:
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for n, (_, frame) in enumerate(frames(made("million"))):
        places[flow_of(frame)].append(n)
    assert {len(where) for where in places.values()} == {4}
    half = PACKETS["million"] // 2
    assert sum(where[0] < half < where[-1] for where in places.values()) > 0.6 * len(places)


@pytest.mark.parametrize("name", ["storm", "hybrid"])
def test_a_storm_is_ten_packets_a_flow_from_syn_to_fin(name: str) -> None:
    flows: dict[tuple[Any, ...], list[dpkt.tcp.TCP]] = defaultdict(list)
    for _, frame in frames(made(name)):
        flows[flow_of(frame)].append(dpkt.ethernet.Ethernet(frame).data.data)
    late = 0
    for packets in flows.values():
        assert len(packets) == 10
        assert packets[0].flags == dpkt.tcp.TH_SYN
        assert all(packet.flags & dpkt.tcp.TH_FIN for packet in packets[-2:])
        hello = packets[3].data
        if name == "hybrid":
            assert len(hello) == SEGMENT
            late += any(host.encode() in packets[4].data for host in MANY_NAMES)
            hello += packets[4].data
        record = dpkt.ssl.TLSRecord(hello)
        assert len(record.data) == len(hello) - 5
    if name == "hybrid":
        assert late == len(flows) // 2


def test_every_initial_of_the_quic_mix_has_a_connection_id_of_its_own(tmp_path: Path) -> None:
    captures = Captures(tmp_path, QUIC_FLOWS / 10_000)
    data = captures.file("quic").read_bytes()
    assert captures.file("quic").read_bytes() == data
    assert captures.bytes("quic").tobytes() == data
    ids: dict[tuple[Any, ...], set[bytes]] = defaultdict(set)
    initials: Counter[tuple[Any, ...]] = Counter()
    count: Counter[tuple[Any, ...]] = Counter()
    for _, frame in frames(data):
        udp = dpkt.ethernet.Ethernet(frame).data.data
        count[flow_of(frame)] += 1
        if udp.dport == 443 and udp.data[0] & 0xF0 == 0xC0:
            assert len(udp.data) == 1200
            initials[flow_of(frame)] += 1
            ids[flow_of(frame)].add(udp.data[6 : 6 + udp.data[5]])
    assert set(count.values()) == {10}
    assert Counter(initials.values()) == {1: QUIC_FLOWS // 2, 2: QUIC_FLOWS // 2}
    assert all(len(found) == 1 for found in ids.values())
    assert len(set.union(*ids.values())) == QUIC_FLOWS
    _, counters = run_full(captures.bytes("quic"), Sensor(load_catalogue(), ()))
    assert counters["packets"] == 10 * QUIC_FLOWS
    assert counters["flows_named"] == counters["flows_all"] == QUIC_FLOWS


def test_every_capture_has_a_title() -> None:
    assert set(TITLES) == {*CAPTURES, "quic"}
    assert title("even", 60_000) == "60,000 flows used evenly"
