"""Sightings that contradict each other: nobody is named by an address that two devices claim at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.feeds.contested import Seen, settle
from pipeline.feeds.text import FeedFile
from pipeline.identity import Bindings
from sensor.sightings import SIGHTING_SCHEMA
from sensor.slices import pack_address
from tests.pipeline.feeding import (
    KEA4,
    LAPTOP,
    LOGONS,
    NOBODY,
    ONE,
    PC,
    PHONE,
    SEVERAL,
    SIX,
    bindings,
    event,
    kea,
    second,
    table,
    who,
)

OF_LAPTOP, OF_PHONE = ("T1", "C", "none"), ("T3", "C", "none")
NEW_SIX = "2001:db8:20:10:5c1e:77aa:1:3"
Who = tuple[str, str, str]
Row = tuple[str, str, str, str, int]  # clock, address, hardware address, how, lease


def arrow(rows: Sequence[Row]) -> bytes:
    """A sensor's file."""
    clocks, addresses, macs, hows, leases = zip(*rows, strict=True)
    columns = [
        pa.array([float(second(clock)) for clock in clocks]),
        pa.array(list(map(pack_address, addresses)), pa.binary(16)),
        pa.array([int(mac.replace(":", ""), 16) for mac in macs], pa.uint64()),
        pa.array(hows).dictionary_encode().cast(SIGHTING_SCHEMA.field("how").type),
        pa.array(leases, pa.uint32()),
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, SIGHTING_SCHEMA) as writer:
        writer.write_table(pa.Table.from_arrays(columns, schema=SIGHTING_SCHEMA))
    return bytes(sink.getvalue().to_pybytes())


def arp(clock: str, mac: str, address: str = ONE) -> Row:
    return clock, address, mac, "arp", 0


def ndp(clock: str, mac: str, address: str = SIX) -> Row:
    return clock, address, mac, "ndp", 0


def seen(*rows: Row, **feeds: bytes) -> Bindings:
    return bindings({"sightings": [FeedFile.of("mirror", arrow(rows), own=True)], **feeds})


def hours(found: Bindings, *clocks: str, address: str = ONE) -> list[Who]:
    return [who(found, clock, address) for clock in clocks]


def test_an_address_that_passes_on_is_the_newest_ones() -> None:
    found = seen(arp("09:00:00", LAPTOP), arp("09:10:00", LAPTOP), arp("09:30:00", PHONE), arp("09:40:00", PHONE))
    assert hours(found, "09:29:00", "09:31:00", "09:59:00") == [OF_LAPTOP, OF_PHONE, OF_PHONE]


def test_who_is_seen_again_contests_what_was_said_meanwhile() -> None:
    found = seen(arp("09:00:00", LAPTOP), arp("09:10:00", PHONE), arp("09:20:00", LAPTOP), arp("09:30:00", LAPTOP))
    assert hours(found, "09:05:00", "09:12:00", "09:25:00", "09:31:00") == [OF_LAPTOP, SEVERAL, SEVERAL, OF_LAPTOP]
    assert found.feeds[0].left_out == {"contested": 2}


def test_two_that_both_stay_are_nobody_until_one_is_silent() -> None:
    both = [arp(f"09:{n:02}:00", PHONE if n % 2 else LAPTOP) for n in range(50)]
    found = seen(*both)
    assert {one for n in range(1, 50) for one in hours(found, f"09:{n:02}:00")} == {SEVERAL}
    assert hours(found, "10:30:00") == [SEVERAL]


def test_a_stranger_that_claims_an_address_takes_it_and_gives_it_to_nobody() -> None:
    found = seen(arp("09:00:00", LAPTOP), arp("09:10:00", "00:16:3e:99:99:99"), arp("09:11:00", LAPTOP))
    assert hours(found, "09:05:00", "09:12:00") == [OF_LAPTOP, SEVERAL]


def test_a_lease_outlasts_a_sighting_of_the_same_card() -> None:
    rows = [("08:00:00", ONE, LAPTOP, "dhcp", 8 * 3600), arp("08:01:00", LAPTOP), arp("08:30:00", LAPTOP)]
    assert hours(seen(*rows), "12:00:00", "15:59:00", "16:01:00") == [OF_LAPTOP, OF_LAPTOP, NOBODY]
    rows.append(arp("12:30:00", PHONE))
    assert hours(seen(*rows), "12:00:00", "12:31:00", "13:31:00") == [OF_LAPTOP, OF_PHONE, NOBODY]


def test_a_privacy_address_is_its_devices_for_a_day_and_the_newest_rules() -> None:
    found = seen(ndp("09:00:00", LAPTOP), ndp("10:00:00", LAPTOP, NEW_SIX))
    assert hours(found, "09:30:00", "2026-11-18T08:59:00", address=SIX) == [OF_LAPTOP, OF_LAPTOP]
    assert hours(found, "10:30:00", address=NEW_SIX) == [OF_LAPTOP]


def test_a_log_on_on_a_device_that_is_only_seen_is_grade_b() -> None:
    log_ons = "\n".join([LOGONS, event("09:00:00", 4624, "t2"), ""]).encode()
    found = seen(arp("08:55:00", PC), ndp("08:56:00", PC), logons=log_ons)
    assert hours(found, "09:30:00") == hours(found, "09:30:00", address=SIX) == [("T2", "B", "none")]


def test_a_lease_of_another_feed_and_a_sighting_that_contradict_are_nobody() -> None:
    lease = table(KEA4, [kea(ONE, LAPTOP, "08:00:00", "12:00:00")])
    assert hours(seen(arp("09:00:00", PHONE), kea_leases=lease), "08:30:00", "09:30:00") == [OF_LAPTOP, SEVERAL]


@pytest.mark.parametrize(
    ("rows", "known"),
    [
        ([], NOBODY),
        ([arp("08:00:00", LAPTOP)], OF_LAPTOP),
        ([ndp("08:00:00", LAPTOP)], OF_LAPTOP),
        ([arp("08:00:00", PHONE)], NOBODY),
        ([arp("08:00:00", LAPTOP), ndp("10:00:00", PHONE)], NOBODY),
        ([arp("08:00:00", LAPTOP), ("08:10:00", NEW_SIX, LAPTOP, "duid", 7200)], NOBODY),
        ([arp("08:00:00", LAPTOP), ("08:10:00", "2001:db8:99::7", LAPTOP, "duid", 7200)], OF_LAPTOP),
    ],
)
def test_a_clients_identifier_counts_only_if_nothing_speaks_against_it(rows: list[Row], known: Who) -> None:
    found = seen(("08:00:00", SIX, LAPTOP, "duid", 7200), *rows)
    assert hours(found, "09:30:00", address=SIX) == [known]
    assert found.feeds[0].left_out.get("unconfirmed", 0) == (0 if known == OF_LAPTOP else 1 + (NEW_SIX in str(rows)))


def test_a_router_that_answers_for_all_binds_nobody() -> None:
    found = seen(*(arp("09:00:00", LAPTOP, f"10.20.1.{n}") for n in range(40)), arp("09:00:00", PHONE))
    assert hours(found, "09:30:00", address="10.20.1.7") == [NOBODY]
    assert hours(found, "09:30:00") == [OF_PHONE]
    assert (found.counts["routers"], found.counts["behind_routers"]) == (1, 40)


def test_a_broken_file_of_the_sensor_is_passed_over_and_told() -> None:
    good, bad = arrow([arp("09:00:00", LAPTOP)]), arrow([arp("09:00:00", PHONE)])[:-30]
    files = [FeedFile.of("1.arrow", bad, own=True), FeedFile.of("2.arrow", good, own=True)]
    found = bindings({"sightings": files})
    assert hours(found, "09:30:00") == [OF_LAPTOP]
    assert found.problems[0].startswith("1.arrow:1: this Arrow file cannot be read")


TIMES = st.integers(0, 120).map(lambda n: 60.0 * n)
SIGHTINGS = st.lists(st.tuples(TIMES, st.sampled_from([1, 2, 3]), st.sampled_from([1800.0, 3600.0])), max_size=25)


@given(SIGHTINGS)
def test_nothing_is_made_up_and_order_is_irrelevant(rows: list[tuple[float, int, float]]) -> None:
    """Each sighting stays, and never for shorter; what is added contests one at its very time."""
    own = [Seen(b"a" * 16, time, mac, time + hold, "f", n) for n, (time, mac, hold) in enumerate(rows)]
    settled = list(settle(own, counts := Counter[str]()))
    assert Counter((s.time, s.mac) for s in own) <= Counter((s.time, s.mac) for s in settled)
    assert len(settled) == len(own) + counts["contested"]
    assert {s.time for s in settled} == {s.time for s in own}
    longest = {(s.time, s.mac): s.end for s in sorted(settled, key=lambda s: s.end)}
    assert all(longest[s.time, s.mac] >= s.end for s in own)
    again = list(settle(own[::-1], Counter[str]()))
    assert sorted((s.time, s.mac, s.end) for s in again) == sorted((s.time, s.mac, s.end) for s in settled)


@given(SIGHTINGS)
def test_between_two_sightings_of_a_card_no_other_has_the_address_alone(rows: list[tuple[float, int, float]]) -> None:
    own = [Seen(b"a" * 16, time, mac, time + hold, "f", n) for n, (time, mac, hold) in enumerate(rows)]
    settled = list(settle(own, Counter[str]()))
    for first in own:
        for last in own:
            if first.mac == last.mac and first.time < last.time <= first.end:
                for between in own:
                    if between.mac != first.mac and first.time < between.time < last.time:
                        assert len({s.mac for s in settled if s.time == between.time}) > 1
