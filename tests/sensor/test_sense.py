"""Whose network a client is in: subnets and VLANs against a slow model."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.bench import HEADER, pcap_state
from sensor.bench_traffic import capture
from sensor.catalogue import load_catalogue
from sensor.columns import no_sink
from sensor.layout import Slices
from sensor.sense import Sensor
from sensor.settings import SegmentRule
from sensor.slices import SLICE_SCHEMA, describe, pack_address, pack_vlan, unpack_address, unpack_vlan
from sensor.words import Segment
from tests.sensor.building import SERVER, Talk, bare_hello, feed, new_sensor, record_of, taken

RULES = (
    SegmentRule(segment=Segment.STAFF, vlans=(10,), subnets=("10.20.0.0/16", "fd00:20::/64")),
    SegmentRule(segment=Segment.PUPIL, vlans=(20, 21), subnets=("10.20.32.0/20", "10.30.0.0/16")),
    SegmentRule(segment=Segment.GUEST, subnets=("10.20.40.0/24", "fd00:20::8000:0:0:0/65")),
)
CLIENTS = ["10.20.0.0", "10.20.31.255", "10.20.32.0", "10.20.40.7", "10.20.255.255", "10.21.0.0", "10.30.1.1"]
CLIENTS += ["fd00:20::1", "fd00:20::8000:0:0:1", "fd00:21::1", "0.0.0.0", "255.255.255.255"]


def slow_segment(client: str, vlans: tuple[int, ...]) -> Segment:
    """The narrowest subnet's segment; unknown if the innermost VLAN says another."""
    address = ipaddress.ip_address(client)
    matches = [(net.prefixlen, rule.segment) for rule in RULES for net in rule.subnets if address in net]
    by_subnet = max(matches, default=(0, Segment.UNKNOWN))[1]
    by_vlan = next((rule.segment for rule in RULES if vlans and vlans[-1] in rule.vlans), Segment.UNKNOWN)
    known = {by_subnet, by_vlan} - {Segment.UNKNOWN}
    return known.pop() if len(known) == 1 else Segment.UNKNOWN


@given(
    st.lists(st.tuples(st.sampled_from(CLIENTS), st.lists(st.sampled_from([10, 20, 21, 99]), max_size=3)), max_size=20)
)
def test_segments_against_a_slow_model(clients: list[tuple[str, list[int]]]) -> None:
    sensor, expected = new_sensor(RULES), []
    for n, (client, vlans) in enumerate(clients):
        server = SERVER if "." in client else "2001:db8::7"
        talk = Talk(client=client, server=server, client_port=50000 + n, vlans=tuple(vlans)).open(n / 100)
        feed(sensor, talk.up(n / 100, record_of(bare_hello(b"www.one.example"))).packets)
        expected.append(str(slow_segment(client, tuple(vlans))))
    sensor.meter.finish()
    rows = sorted(taken(sensor), key=lambda row: row["client_port"])
    assert [row["segment"] for row in rows] == expected
    assert [unpack_address(row["client"]) for row in rows] == [client for client, _ in clients]
    assert [unpack_vlan(row["vlan"]) for row in rows] == [vlans for _, vlans in clients]


def test_without_rules_nobody_is_known() -> None:
    sensor = new_sensor()
    feed(sensor, Talk(vlans=(10,)).open(0).up(0.1, record_of(bare_hello(b"www.one.example"))).packets)
    sensor.meter.finish()
    assert [row["segment"] for row in taken(sensor)] == ["unknown"]


def test_slices_that_the_kernel_writes_itself_are_the_same() -> None:
    """Most go to columns at once; those of names that are new to it are raw, and would be if there were no columns."""
    buffer = capture(6_000, 90, hot=0.5)

    def rows(sensor: Sensor) -> tuple[list[tuple[object, ...]], int]:
        """The slices, and how many of them came raw."""
        state, at, found, unpacked = pcap_state(), HEADER, [], 0

        def collect(slices: Slices, count: int) -> None:
            nonlocal unpacked
            unpacked += count
            sensor._collect(slices, count)

        sensor.meter._give = collect
        while (after := sensor.feed(buffer, at, min(at + (1 << 18), len(buffer)), state)) > at:
            found += taken(sensor)
            at = after
        sensor.meter.finish()
        return sorted(tuple(row.values()) for row in found + taken(sensor)), unpacked

    nothing, raw = no_sink(), Sensor(load_catalogue(), RULES)
    raw.meter._sink = lambda: nothing
    wanted, all_raw = rows(raw)
    found, some_raw = rows(Sensor(load_catalogue(), RULES))
    assert found == wanted
    assert some_raw < all_raw / 2


def test_an_empty_table_has_the_schema() -> None:
    table = new_sensor().table()
    assert table.schema.equals(SLICE_SCHEMA)
    assert table.num_rows == 0
    assert [line.split()[0] for line in describe().splitlines()] == SLICE_SCHEMA.names


@pytest.mark.parametrize("text", ["10.0.0.1", "2001:db8::1", "::1", "0.0.0.0"])
def test_addresses_pack_and_unpack(text: str) -> None:
    assert len(pack_address(text)) == 16
    assert unpack_address(pack_address(text)) == text


@given(st.lists(st.integers(0, 4095), max_size=4))
def test_vlan_stacks_pack_and_unpack(tags: list[int]) -> None:
    assert unpack_vlan(pack_vlan(tags)) == tags
