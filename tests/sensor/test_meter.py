"""The flow table and its slices: against a slow model, and one promise after another by hand-made timelines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor import readers, settling, walk
from sensor.layout import GATHER_PLACES
from sensor.meter import MeterLimits
from sensor.sense import Sensor
from sensor.slices import pack_address, pack_vlan
from tests.sensor.building import (
    CLIENT,
    OTHER_CLIENT,
    SERVER,
    START,
    Packet,
    Talk,
    bare_hello,
    classify,
    client_hello,
    crypto_frame,
    datagram,
    dns_answer,
    feed,
    in_records,
    initial_packet,
    new_sensor,
    ns,
    pcap,
    record_of,
    slices,
    taken,
)

HELLO = client_hello("www.one.example")
MINUTE = START // 60


def hello(name: str) -> bytes:
    return record_of(bare_hello(name.encode()))


def named(port: int, name: str, time: float = 0.0, **options: Any) -> Talk:
    """A connection whose hello has been sent."""
    return Talk(client_port=port, **options).open(time).up(time + 0.001, hello(name))


def by_time(*talks: Talk | list[Packet]) -> list[Packet]:
    packets = [p for t in talks for p in (t.packets if isinstance(t, Talk) else t)]
    return sorted(packets, key=lambda p: p.time)


# -- against a slow model ---------------------------------------------------------------------------------------------


@dataclass
class SlowFlow:
    """What the slices of one flow must say, told packet by packet in whole milliseconds."""

    minutes: dict[int, dict[str, Any]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    last_up: int = -10_000
    run: int = 0
    burst_before: int | None = None

    def add(self, ms: int, up: bool, ip_bytes: int, payload: int) -> None:
        row = self.minutes[ms // 60_000]
        row.setdefault("first_ms", ms % 60_000)
        row["last_ms"] = ms % 60_000
        row["packets_up" if up else "packets_down"] += 1
        row["bytes_up" if up else "bytes_down"] += ip_bytes
        if not up or not payload:
            return
        before = self.run if ms - self.last_up < 1000 else 0
        self.last_up, self.run = ms, before + payload
        if self.run < 300:
            return
        if before < 300:
            row["bursts"] += 1
            row["burst_seconds"] |= 1 << ms // 1000 % 60
            row["burst_bytes"] += self.run
            if self.burst_before is not None:
                row["gap_sum"] += (ms - self.burst_before) / 1000
                row["gap_sumsq"] += ((ms - self.burst_before) / 1000) ** 2
            self.burst_before = ms
        else:
            row["burst_bytes"] += payload
        row["burst_largest"] = max(row["burst_largest"], self.run)


STEP = st.tuples(
    st.sampled_from([0, 1, 40, 400, 999, 1000, 1001, 7000, 59_000, 61_000]),  # ms since the flow's last packet
    st.booleans(),
    st.sampled_from([0, 1, 99, 100, 200, 299, 300, 301, 1400]),
)


@settings(max_examples=150)
@given(st.lists(st.lists(STEP, max_size=25), min_size=1, max_size=4), st.integers(0, 59_999), st.integers(1, 7))
def test_slices_against_a_slow_model(flows: list[list[tuple[int, bool, int]]], offset: int, chunk: int) -> None:
    talks, models = [], {}
    for n, steps in enumerate(flows):
        talk, model = Talk(client_port=50000 + n), SlowFlow()
        ms = offset + n * 17
        talk.open(ms / 1000).up(ms / 1000, HELLO)
        for up, size, payload in ((True, 40, 0), (False, 40, 0), (True, 40, 0), (True, 40 + len(HELLO), len(HELLO))):
            model.add(ms, up, size, payload)
        for wait, up, payload in steps:
            ms += wait
            (talk.up if up else talk.down)(ms / 1000, b"\x17" * payload)
            model.add(ms, up, 40 + payload, payload)
        talks.append(talk)
        models[50000 + n] = model
    packets = by_time(*talks)
    sensor = new_sensor()
    for i in range(0, len(packets), chunk):
        feed(sensor, packets[i : i + chunk])
    sensor.meter.finish()
    rows = taken(sensor)
    assert len(rows) == sum(len(m.minutes) for m in models.values())
    for row in rows:
        model = models[row["client_port"]]
        expected = model.minutes[row["minute"] - MINUTE]
        for key in ("packets_up", "packets_down", "bytes_up", "bytes_down", "first_ms", "last_ms"):
            assert row[key] == expected[key], key
        for key in ("bursts", "burst_seconds", "burst_bytes", "burst_largest"):
            assert row[key] == expected[key], key
        assert row["gap_sum"] == pytest.approx(expected["gap_sum"])
        assert row["gap_sumsq"] == pytest.approx(expected["gap_sumsq"])
        assert row["first_of_flow"] == (row["minute"] - MINUTE == min(model.minutes))
        assert (row["service"], row["role"], row["evidence"]) == ("one", "primary", "sni")


def test_the_columns_of_a_slice() -> None:
    talk = named(50001, "cdn.one.example", 1.5, vlans=(100, 20)).down(2.25, b"x" * 100)
    (row,) = slices(talk.packets)
    assert row == {
        "minute": MINUTE, "first_ms": 1500, "last_ms": 2250, "first_of_flow": True,
        "client": pack_address(CLIENT), "server": pack_address(SERVER), "client_port": 50001, "server_port": 443,
        "transport": 6, "vlan": pack_vlan([100, 20]), "segment": "unknown", "service": "one", "role": "cdn",
        "evidence": "sni", "bytes_up": 80 + 40 + len(hello("cdn.one.example")), "bytes_down": 180, "packets_up": 3,
        "packets_down": 2, "bursts": 0, "burst_bytes": 0, "burst_largest": 0, "gap_sum": 0.0, "gap_sumsq": 0.0,
            "burst_seconds": 0,
    }  # fmt: skip


def test_slices_of_a_flow_sum_to_the_flow() -> None:
    talk = named(50001, "www.one.example")
    for i in range(400):
        talk.up(i * 1.7, b"u" * (i % 90)).down(i * 1.7 + 0.5, b"d" * (i % 1300))
    packets = by_time(talk)
    rows = slices(packets)
    (flow,) = classify(packets).flows
    for key in ("bytes_up", "bytes_down", "packets_up", "packets_down"):
        assert sum(row[key] for row in rows) == flow[key]
    assert [row["minute"] for row in rows] == sorted({p.time // 60_000_000_000 for p in packets})
    assert [row["first_of_flow"] for row in rows] == [True] + [False] * (len(rows) - 1)


# -- where a flow ends and another begins -----------------------------------------------------------------------------


def flows_of(packets: Iterable[Packet]) -> list[tuple[str | None, int]]:
    """(name, packets) of each flow."""
    return [(f["name"], f["packets_up"] + f["packets_down"]) for f in classify(packets).flows]


def test_the_same_ports_again() -> None:
    first = named(50001, "www.one.example").close(5)
    again = named(50001, "www.two.example", 8, isn=99_000)
    assert flows_of(by_time(first, again)) == [("www.one.example", 6), ("www.two.example", 4)]
    abrupt = named(50001, "www.two.example", 8, isn=99_000)
    assert flows_of(by_time(named(50001, "www.one.example"), abrupt)) == [
        ("www.one.example", 4),
        ("www.two.example", 4),
    ]
    rows = slices(by_time(first, again))
    assert [(row["service"], row["first_of_flow"]) for row in rows] == [("one", True), ("two", True)]


def test_a_syn_sent_again_is_the_same_flow() -> None:
    talk = Talk().segment(0, -1, b"", "S").segment(1, -1, b"", "S").open(3).up(3.1, HELLO)
    assert flows_of(talk.packets) == [("www.one.example", 6)]
    once_closed = Talk().segment(0, -1, b"", "S").down(0.1, b"", "RA").segment(1, -1, b"", "S").down(1.1, b"", "RA")
    assert flows_of(once_closed.packets) == [(None, 2), (None, 2)]


def begun(packets: list[Packet]) -> list[int]:
    """Slices that begin a flow: their minutes; with short idle limits."""
    rows = slices(packets, tcp_idle_s=200, udp_idle_s=100)
    return [row["minute"] - MINUTE for row in rows if row["first_of_flow"]]


@pytest.mark.parametrize(("silence", "flows"), [(199, 1), (201, 2)])
def test_silence_ends_a_tcp_flow(silence: float, flows: int) -> None:
    talk = named(50001, "www.one.example").up(silence + 0.001, HELLO)
    assert len(begun(talk.packets)) == flows


@pytest.mark.parametrize(("silence", "flows"), [(99, 1), (101, 2)])
def test_silence_ends_a_udp_flow(silence: float, flows: int) -> None:
    initial = initial_packet(crypto_frame(0, bare_hello(b"www.one.example")))
    assert len(begun([datagram(0, initial), datagram(silence, initial)])) == flows


def test_idle_flows_are_swept_out_and_begin_anew() -> None:
    """Other traffic drives the clock; the swept flow's next packet belongs to a flow whose name nobody saw."""
    clock = named(2, "www.two.example", client=OTHER_CLIENT)
    for t in range(4000):
        clock.up(1 + t / 4, b"x")
    sensor = new_sensor(tcp_idle_s=200)
    feed(sensor, by_time(clock, named(50001, "www.one.example").close(3)))
    before = sensor.counters()["flows_all"]
    feed(sensor, Talk(client_port=50001, sent=500).up(1005, b"x").packets)
    assert sensor.counters()["flows_all"] == before + 1
    sensor.meter.finish()
    assert sum(row["service"] == "one" for row in taken(sensor)) == 1


def test_many_flows_grow_the_table_and_none_is_lost() -> None:
    count = 5000
    talks = []
    for n in range(count):
        talk = named(1024 + n, "www.one.example", n / 1000)
        talks.append(talk.up(70 + n / 1000, b"x" * 10).down(71 + n / 1000, b"y"))
    sensor = new_sensor(first_flows=64)
    feed(sensor, by_time(*talks))
    sensor.meter.finish()
    rows = taken(sensor)
    assert sensor.counters()["evicted"] == 0
    assert sensor.counters()["flows_all"] == count
    per_port: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        per_port[row["client_port"]].append((row["packets_up"], row["packets_down"]))
    assert len(per_port) == count
    assert set(map(tuple, per_port.values())) == {((3, 1), (1, 1))}


def test_beyond_max_flows_the_stalest_goes_and_is_written() -> None:
    count, cap = 6000, 1000
    talks = [named(1024 + n, "www.one.example", n / 100) for n in range(count)]
    sensor = new_sensor(max_flows=cap)
    feed(sensor, by_time(*talks))
    counters = sensor.counters()
    assert counters["evicted"] == count - cap
    sensor.meter.finish()
    rows = taken(sensor)
    assert sum(row["packets_up"] + row["packets_down"] for row in rows) == 4 * count
    assert {row["client_port"] for row in rows} == set(range(1024, 1024 + count))
    assert {row["service"] for row in rows} == {"one"}


def test_a_flood_does_not_push_out_who_is_talking() -> None:
    """Of eight neighbours the stalest goes, so that a flow that goes on mostly stays."""
    steady = [named(2000 + n, "www.one.example") for n in range(20)]
    for talk in steady:
        for t in range(1, 200):
            talk.up(t / 10, b"x")
    flood = [named(10_000 + n, "www.two.example", 0.01 + n / 1000) for n in range(19_000)]
    rows = slices(by_time(*steady, *flood), max_flows=1000)
    again = sum(row["first_of_flow"] for row in rows if row["client_port"] < 10_000)
    assert again < 2 * len(steady)


# -- names ------------------------------------------------------------------------------------------------------------


def test_a_hello_in_two_blocks_and_two_minutes_names_the_first_minute_too() -> None:
    talk = Talk().open(58).up(59, HELLO[:100]).up(60.5, HELLO[100:])
    sensor = new_sensor()
    for packet in talk.packets[:-1]:
        feed(sensor, [packet])
        assert taken(sensor) == []
    feed(sensor, talk.packets[-1:])
    rows = taken(sensor)
    sensor.meter.finish()
    rows += taken(sensor)
    assert [(r["minute"] - MINUTE, r["service"], r["evidence"], r["first_of_flow"]) for r in rows] == [
        (0, "one", "sni", True),
        (1, "one", "sni", False),
    ]


def test_the_same_for_quic() -> None:
    message = bare_hello(b"www.one.example", padding=500)
    parts = [initial_packet(crypto_frame(at, message[at : at + 300])) for at in (0, 300)]
    rows = slices([datagram(59, parts[1]), datagram(61, parts[0])])
    assert [(r["minute"] - MINUTE, r["service"], r["evidence"], r["transport"]) for r in rows] == [
        (0, "one", "quic_sni", 17),
        (1, "one", "quic_sni", 17),
    ]


def test_a_name_is_found_although_its_flow_ended_in_the_same_block() -> None:
    """Python reads split hellos, QUIC and HTTP after the block; by then the ports may be another flow's."""
    split = Talk().open(0).up(0.1, HELLO[:90]).up(0.2, HELLO[90:])
    request = Talk(isn=9_000).open(2).up(2.1, b"GET / HTTP/1.1\r\nHost: www.two.example\r\n\r\n").close(3)
    half = Talk(isn=50_000).open(4).up(4.1, record_of(bare_hello(b"www.three.example", padding=90))[:100])
    other = Talk(isn=90_000).open(6).up(6.1, b"hello, world")
    packets = by_time(split, request, half, other)
    assert [(f["name"], f["evidence"], f["partial"]) for f in classify(packets).flows] == [
        ("www.one.example", "sni", False),
        ("www.two.example", "http_host", False),
        ("www.three.example", "sni", True),
        (None, "none", False),
    ]
    assert [row["service"] for row in slices(packets)] == ["one", "two", "three"]


def test_a_minute_waits_for_its_name_only_so_long() -> None:
    """After a minute of other packets the half hello's slices go without a name; `until` waits no longer."""
    clock = Talk(client=OTHER_CLIENT)
    for t in range(2000):
        clock.up(t / 2, b"\x17\x03\x03")
    talk = Talk().open(1).up(2, HELLO[:80]).down(100, b"").up(250, HELLO[80:])
    packets = by_time(talk, clock)
    sensor = new_sensor()
    feed(sensor, [p for p in packets if p.time < ns(200)])
    assert taken(sensor) == []
    feed(sensor, [p for p in packets if p.time >= ns(200)])
    assert [row["minute"] - MINUTE for row in taken(sensor)] == [1, 4]
    assert sensor.meter.complete_until >= START + 600


def test_slices_that_wait_hold_until_back() -> None:
    sensor = new_sensor()
    feed(sensor, Talk().open(1).up(2, HELLO[:80]).packets)
    sensor.meter.sweep((START + 62) * 10**9, MINUTE + 1)
    assert sensor.meter.complete_until == START, "the minute is written but waits for its name"
    feed(sensor, Talk(sent=80).up(63, HELLO[80:]).packets)
    sensor.meter.flush()
    assert sensor.meter.complete_until == START + 60
    assert [row["minute"] for row in taken(sensor)] == [MINUTE]


def test_flows_without_a_service_give_nothing() -> None:
    talks = [
        named(50001, "www.nowhere.example"),
        Talk(client_port=50002).open(0).up(0.1, client_hello(None)),
        Talk(client_port=50003).open(0).up(0.1, b"hello"),
        Talk(client_port=50004).open(0),
    ]
    sensor = new_sensor()
    feed(sensor, by_time(*talks))
    sensor.meter.finish()
    assert taken(sensor) == []
    counters = sensor.counters()
    assert (counters["flows_all"], counters["flows_named"], counters["packets"]) == (4, 1, 15)


def test_names_are_told_apart_from_blind_ones() -> None:
    sensor = new_sensor()
    feed(sensor, by_time(named(1, "doh.example"), named(2, "doh.example"), named(3, "www.one.example")))
    assert sensor.counters()["names_blind"] == 1, "one name, however often"


def test_a_full_name_table_forgets_names_but_not_services() -> None:
    count = 20_000
    talks = []
    for n in range(count):
        name = f"n{n}.{('one', 'two', 'nowhere')[n % 3]}.example" if n % 3 < 2 else f"n{n}.nowhere.net"
        talks.append(named(1024 + n, name, n / 1000).up(65 + n / 1000, b"x"))
    rows = slices(by_time(*talks), names=1 << 13)
    got = {row["client_port"]: row["service"] for row in rows}
    assert got == {1024 + n: ("one", "two")[n % 3] for n in range(count) if n % 3 < 2}
    assert len(rows) == 2 * len(got)


def test_more_names_than_the_table_holds_are_all_told_right() -> None:
    """`classify` gives every name; its table grows, and no flow is given another's name."""
    count = 9000
    talks = [named(1024 + n, f"n{n}.x.example", n / 1000).up(65 + n / 1000, b"x") for n in range(count)]
    for size in (1 << 10, 1 << 13):
        flows = classify(by_time(*talks), limits=MeterLimits(names=size)).flows
        assert [f["name"] for f in flows] == [f"n{f['client_port'] - 1024}.x.example" for f in flows]
        assert len(flows) == count


def test_endless_half_hellos_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """In several TLS records they are Python's: the oldest go."""
    monkeypatch.setattr(readers, "MAX_LOOKING", 100)
    sensor, half = new_sensor(), in_records(HELLO, 60)[:90]
    feed(sensor, by_time(*(Talk(client_port=1024 + n).open(n / 100).up(n / 100, half) for n in range(1000))))
    assert len(sensor.meter.readers._looking) == 100
    assert sensor.counters()["hellos_dropped"] == 900


def test_the_bytes_of_half_hellos_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_HELD", 9000)
    sensor, half = new_sensor(), in_records(HELLO, 60)[:90]
    feed(sensor, by_time(*(Talk(client_port=1024 + n).open(n / 100).up(n / 100, half) for n in range(1000))))
    assert len(sensor.meter.readers._looking) == 100
    assert sensor.counters()["hellos_dropped"] == 900


def test_half_hellos_that_the_kernel_gathers_are_bounded_and_counted() -> None:
    """One in 4096 places; who finds its place taken is counted, and who comes later is served."""
    sensor, count = new_sensor(), GATHER_PLACES + 500
    talks = [Talk(client_port=1024 + n).open(n / 100).up(n / 100, HELLO[:90]) for n in range(count)]
    feed(sensor, by_time(*talks))
    rest = [Talk(client_port=1024 + n).segment(60 + n / 100, 90, HELLO[90:]) for n in range(count)]
    feed(sensor, by_time(*rest))
    counters = sensor.counters()
    assert (counters["hellos_dropped"], counters["flows_named"]) == (500, GATHER_PLACES)
    feed(sensor, Talk(client_port=900).open(200).up(200.1, HELLO[:90]).up(200.2, HELLO[90:]).packets)
    assert sensor.counters()["flows_named"] == GATHER_PLACES + 1


def test_slices_that_wait_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "MAX_WAITING", 50)
    sensor = new_sensor()
    talks = [Talk(client_port=1024 + n).open(n / 100).up(n / 100, HELLO[:80]) for n in range(200)]
    feed(sensor, by_time(*talks))
    sensor.meter.sweep((START + 61) * 10**9, MINUTE + 1)
    assert sensor.counters()["slices_unnamed_dropped"] == 150


def test_dns_names_slices_only_of_that_client_and_in_time() -> None:
    def flow(client: str, port: int, time: float) -> Talk:
        return Talk(client=client, client_port=port, server_port=993).open(time).up(time + 0.1, b"hello, world")

    packets = by_time(
        [dns_answer(0, "www.one.example", [SERVER], ttl=60)],
        flow(CLIENT, 50001, 1),
        flow(OTHER_CLIENT, 50002, 1),
        flow(CLIENT, 50003, 61),
    )
    rows = slices(packets)
    assert [(r["client_port"], r["service"], r["evidence"]) for r in rows] == [(50001, "one", "dns")]


def test_dns_names_of_one_service_are_no_doubt_and_of_two_are() -> None:
    def rows(*names: str) -> list[str]:
        answers = [dns_answer(i / 10, name, [SERVER]) for i, name in enumerate(names)]
        talk = Talk(server_port=993).open(1).up(1.1, b"hello, world")
        return [row["service"] for row in slices([*answers, *talk.packets])]

    assert rows("www.one.example", "m.one.example") == ["one"]
    assert rows("www.one.example", "cdn.one.example") == [], "another role is doubt too"
    assert rows("www.one.example", "www.two.example") == []
    assert rows("www.one.example", "www.nowhere.example") == []


def test_a_flow_named_by_dns_is_so_in_every_minute_until_a_hello_says_better() -> None:
    talk = Talk(server_port=993).open(1).up(1.1, b"hello, world").up(70, b"x").up(130, b"x")
    rows = slices([dns_answer(0, "www.one.example", [SERVER]), *talk.packets])
    assert [(r["service"], r["evidence"]) for r in rows] == [("one", "dns")] * 3
    talk = Talk().open(1).up(1.1, client_hello("www.two.example"))
    rows = slices([dns_answer(0, "www.one.example", [SERVER]), *talk.packets])
    assert [(r["service"], r["evidence"]) for r in rows] == [("two", "sni")]


# -- until, counters, and the life of a sensor ------------------------------------------------------------------------


def read_in_stretches(sensor: Sensor, packets: list[Packet]) -> list[Any]:
    """Tables as a replay takes them: after each sweep, then the end."""
    data = pcap(packets)
    state, buffer, at, tables = walk.new_state(), np.frombuffer(bytearray(data), np.uint8), 24, []
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1, 1
    while at < len(data):
        after = sensor.feed_capture(buffer, at, len(data), state, walk.new_interfaces())
        assert after > at, "it goes on"
        at = after
        tables.append(sensor.table())
    sensor.meter.finish()
    return [*tables, sensor.table()]


def test_until_is_kept_and_counters_sum() -> None:
    """No slice of a minute that ended before a table's `until` comes in a later table."""
    talks = []
    for n in range(60):
        talk = Talk(client_port=50000 + n).open(n * 40)
        cut = (n * 9) % len(HELLO)
        talk.up(n * 40 + 1, HELLO[:cut]).up(n * 40 + 1 + n % 50, HELLO[cut:])
        for i in range(20):
            talk.up(n * 40 + 60 + i * 13, b"x" * 500)
        talks.append(talk)
    packets = by_time(*talks)
    sensor = new_sensor()
    tables = read_in_stretches(sensor, packets)
    assert len(tables) > 5
    promised, last_from, totals = 0.0, 0.0, defaultdict(int)
    for table in tables:
        metadata = {k.decode(): v.decode() for k, v in table.schema.metadata.items()}
        assert all(60 * (m + 1) > promised for m in table["minute"].to_pylist())
        assert float(metadata["until"]) >= promised
        assert float(metadata["from"]) >= last_from
        promised, last_from = float(metadata["until"]), float(metadata["from"])
        for key, value in json.loads(metadata["counters"]).items():
            totals[key] += value
    assert promised >= packets[-1].time / 1e9 - 600
    assert totals == sensor.counters()
    assert totals["packets"] == len(packets)
    assert totals["bytes"] == sum(len(p.frame) - 14 for p in packets)
    rows = [row for table in tables for row in table.to_pylist()]
    assert sum(row["packets_up"] + row["packets_down"] for row in rows) == len(packets), "every flow got its name"


def test_stretches_and_one_go_give_the_same() -> None:
    talks = [named(50000 + n, "www.one.example", n * 37).up(n * 37 + 400, b"x" * 400) for n in range(40)]
    packets = by_time(*talks)
    rows = [row for table in read_in_stretches(new_sensor(), packets) for row in table.to_pylist()]
    order = lambda row: (row["minute"], row["client_port"], row["first_ms"])  # noqa: E731
    assert sorted(rows, key=order) == sorted(slices(packets), key=order)


def test_a_silent_wire_holds_nothing_back() -> None:
    """A live worker sweeps by the wall clock."""
    sensor = new_sensor()
    feed(sensor, named(50001, "www.one.example", 30).packets)
    assert taken(sensor) == []
    sensor.meter.sweep((START + 62) * 10**9, MINUTE + 1)
    assert [row["minute"] for row in taken(sensor)] == [MINUTE]
    assert sensor.meter.complete_until == START + 60
    feed(sensor, Talk(client_port=50001, sent=300).up(70, b"x").packets)
    sensor.meter.sweep((START + 122) * 10**9, MINUTE + 2)
    assert [(row["minute"], row["first_of_flow"]) for row in taken(sensor)] == [(MINUTE + 1, False)]
    assert sensor.meter.complete_until == START + 120


def test_an_end_writes_the_open_minute_without_promising_it() -> None:
    sensor = new_sensor()
    feed(sensor, named(50001, "www.one.example", 30).packets)
    sensor.meter.finish()
    table = sensor.table()
    assert table.num_rows == 1
    assert float(table.schema.metadata[b"until"]) <= START
    feed(sensor, named(50002, "www.one.example", 45).packets)
    sensor.meter.finish()
    assert [row["client_port"] for row in taken(sensor)] == [50002], "and the stream may go on"


def test_a_seeded_table_gives_the_same_slices() -> None:
    packets = by_time(*(named(50000 + n, "www.one.example", n) for n in range(200)))
    expected = slices(packets)
    for seed in (1, 2**63 - 1):
        sensor = Sensor(new_sensor()._catalogue, (), seed=seed)
        feed(sensor, packets)
        sensor.meter.finish()
        assert taken(sensor) == expected


def test_records_split_between_segments() -> None:
    stream = in_records(HELLO, 30, 30)
    talk = Talk().open(0).up(0.1, stream[:50]).up(0.2, stream[50:])
    assert [row["service"] for row in slices(talk.packets)] == ["one"]
