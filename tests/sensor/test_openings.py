"""Slices that only say when a member of staff opened a site of no catalogue: whose, when, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor import layout, openings
from sensor.openings import Openings
from sensor.sense import segment_table
from sensor.settings import SegmentRule
from sensor.slices import pack_vlan, unpack_address
from sensor.words import Segment
from tests.sensor.building import (
    CLIENT,
    SERVER,
    START,
    Packet,
    Talk,
    bare_hello,
    datagram,
    dns_answer,
    feed,
    in_records,
    new_sensor,
    quic_datagrams,
    record_of,
    taken,
)

RULES = (
    SegmentRule(segment=Segment.STAFF, vlans=(10,), subnets=(f"{CLIENT}/32",)),
    SegmentRule(segment=Segment.PUPIL, vlans=(20,), subnets=("10.99.0.0/16",)),
)
ELSEWHERE = b"news.elsewhere.example"


def opened(packets: list[Packet], *, finish: bool = True) -> list[tuple[str, float]]:
    """(client, seconds after START) of each opening."""
    sensor = new_sensor(RULES)
    feed(sensor, sorted(packets, key=lambda p: p.time))
    if finish:
        sensor.meter.finish()
    rows = [row for row in taken(sensor) if row["service"] == ""]
    for row in rows:
        assert (row["segment"], row["evidence"], row["role"], row["first_of_flow"]) == (
            "staff",
            "none",
            "primary",
            True,
        )
        assert row["first_ms"] == row["last_ms"]
        told = {"minute", "first_ms", "last_ms", "first_of_flow", "client", "segment", "service", "role", "evidence"}
        others = {name: value for name, value in row.items() if name not in told | {"vlan"}}
        assert not any(v if isinstance(v, int | float) else v.strip(b"\0") for v in others.values()), others
    return sorted((unpack_address(r["client"]), r["minute"] * 60 - START + r["first_ms"] / 1000) for r in rows)


def connection(at: float, name: bytes, port: int, **options: Any) -> list[Packet]:
    talk = Talk(client_port=port, **options).open(at).up(at + 0.125, record_of(bare_hello(name)))
    return talk.down(at + 0.2, b"x" * 500).close(at + 0.5).packets


def test_of_a_site_in_no_catalogue_the_first_moment_of_each_second_is_told() -> None:
    packets = [p for n, at in enumerate((3, 3.5, 4.2)) for p in connection(at, ELSEWHERE + b"%d" % n, 50000 + n)]
    packets += connection(6, b"www.one.example", 50009)  # a catalogue's service
    packets += connection(7, b"doh.example", 50010)  # hides what is asked, opens nothing
    assert opened(packets) == [(CLIENT, 3.125), (CLIENT, 4.325)]


def test_a_request_on_a_connection_that_is_there_is_told_too() -> None:
    talk = Talk(client_port=50000).open(1).up(1.125, record_of(bare_hello(ELSEWHERE)))
    talk.up(5.25, b"x" * 299).up(5.5, b"x" * 10).up(5.75, b"x" * 400).up(9.5, b"x" * 300).up(12.5, b"x" * 299)
    mine = Talk(client_port=50001).open(1).up(1.5, record_of(bare_hello(b"www.one.example"))).up(20.5, b"x" * 400)
    assert opened([*talk.packets, *mine.packets]) == [(CLIENT, 1.125), (CLIENT, 5.5), (CLIENT, 9.5)]


def test_it_is_told_at_once_and_only_once() -> None:
    sensor = new_sensor(RULES)
    feed(sensor, connection(3, ELSEWHERE, 50000))
    assert [row["service"] for row in taken(sensor)] == [""]
    sensor.meter.finish()
    assert taken(sensor) == []


def test_pupils_guests_and_strangers_are_not_told_of() -> None:
    packets = connection(1, ELSEWHERE, 50000, client="10.99.0.1") + connection(2, ELSEWHERE, 50001, client="10.1.1.1")
    packets += connection(3, ELSEWHERE, 50002, vlans=(20,))  # the VLAN contradicts the subnet
    packets += connection(4, ELSEWHERE, 50003, client="10.1.1.2", vlans=(10,))
    assert opened(packets) == [("10.1.1.2", 4.125)]


@pytest.mark.parametrize("how", ["split", "records", "quic", "http", "ipv6"])
def test_however_the_name_is_read(how: str) -> None:
    whole = record_of(bare_hello(ELSEWHERE, padding=900))
    talk = Talk(client_port=50000).open(2)
    if how == "split":
        packets = talk.up(2.125, whole[:700]).up(2.25, whole[700:]).packets
    elif how == "records":
        packets = talk.up(2.25, in_records(whole, 100, 200)).packets
    elif how == "quic":
        packets = [datagram(2.25, data) for data in quic_datagrams(ELSEWHERE.decode())]
    elif how == "http":
        packets = talk.up(2.25, b"GET / HTTP/1.1\r\nHost: " + ELSEWHERE + b"\r\n\r\n").packets
    else:
        packets = connection(2.125, ELSEWHERE, 50001, client="2001:db8::5", server="2001:db8::7", vlans=(10,))
        assert opened(packets) == [("2001:db8::5", 2.25)]
        return
    assert opened(packets) in ([(CLIENT, 2.25)], [(CLIENT, 2.125)])


def test_a_name_from_dns_counts_from_the_flows_first_packet() -> None:
    nameless = Talk(client_port=50000).open(2.25).up(2.5, b"\x17\x03\x03 no hello").close(3).packets
    assert opened([dns_answer(1, ELSEWHERE.decode(), [SERVER]), *nameless]) == [(CLIENT, 2.25)]
    assert opened([dns_answer(1, "www.one.example", [SERVER]), *nameless]) == []
    assert opened(nameless) == []


def test_a_storm_of_openings_loses_none_below_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the kernel's list holds, all in one block; above the cap they are counted."""
    clients = [f"10.1.{n >> 8}.{n & 255}" for n in range(layout.OPENINGS + 300)]
    packets = [p for n, client in enumerate(clients) for p in connection(n / 1000, ELSEWHERE, 50000, client=client)]
    packets.sort(key=lambda p: p.time)
    for cap, lost in ((openings.MAX_OPENINGS, 0), (1000, len(clients) - 1000)):
        monkeypatch.setattr(openings, "MAX_OPENINGS", cap)
        sensor = new_sensor((SegmentRule(segment=Segment.STAFF, subnets=("10.1.0.0/16",)),))
        feed(sensor, packets)
        rows = [row for row in taken(sensor) if row["service"] == ""]
        assert len(rows) == len(clients) - lost
        assert sensor.counters()["openings_dropped"] == lost


moments = st.tuples(st.integers(1, 3), st.integers(0, 4_000_000_000), st.sampled_from([0, 10]))


@given(st.lists(moments, max_size=40), st.randoms(use_true_random=False))
def test_openings_against_a_slow_model(given_moments: list[tuple[int, int, int]], rng: Any) -> None:
    first: dict[tuple[int, int, int], int] = {}
    for client, at, vlan in given_moments:
        key = client, vlan, at // layout.SECOND
        first[key] = min(first.get(key, at), at)
    kept = Openings(segment_table(()), 0)
    for client, at, vlan in given_moments:
        if rng.random() < 0.5:
            kept.note([(client, -1, at, 0, pack_vlan([vlan]) if vlan else 0)])
        else:
            row = [client, (1 << 64) - 1, at, 77, pack_vlan([vlan]) if vlan else 0]
            kept.add(np.array([row], np.uint64), 1, np.zeros(78, np.int32))
    raw, count = kept.take()
    marked = raw.words[:count][raw.halves[:count, layout.S_NAME] == openings.MARK]
    assert sorted((int(w[0]), int(w[layout.S_LAST])) for w in marked) == sorted(
        (key[0], at) for key, at in first.items()
    )
    assert kept.take()[1] == 0
