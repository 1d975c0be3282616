"""Upload units: the same of the same conversation, however its bytes come; and nothing of what it says."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sensor import watch
from sensor.catalogue import CatalogueError, load_catalogue
from sensor.sense import Sensor
from sensor.settings import SegmentRule
from sensor.slices import pack_address
from sensor.uploadtables import CUE_SCHEMA, HTTP_SCHEMA, UNIT_SCHEMA
from sensor.words import Segment as Network
from tests.sensor.building import CLIENT, SERVER, START, Packet, bare_hello, dns_answer, record_of
from tests.sensor.building import feed as feed_sensor
from tests.sensor.wiki_traffic import (
    CATALOGUE,
    REPLY,
    SECRET,
    UPLOAD_AT,
    Segment,
    cut,
    data_record,
    finals,
    joined,
    packets_of,
    repeated,
    seen,
    shape,
    shuffled,
    visit,
)

PLAIN = [shape(row) for row in finals(seen(packets_of(visit())))]


def test_an_upload_is_a_unit_with_the_records_around_it_and_reading_is_none() -> None:
    first, second = finals(seen(packets_of(visit())))
    assert first["opened"] == pytest.approx(START + UPLOAD_AT, abs=1e-6)
    assert (first["service"], first["host"], first["evidence"]) == ("wikipedia", "en.wikipedia.org", "sni")
    assert (first["rtt_us"], first["tls13"], first["midstream"], first["gaps"]) == (20_000, True, False, 0)
    assert first["client"] == pack_address(CLIENT)
    assert first["server"] == pack_address(SERVER)
    sizes = dict(zip(first["rec_dt_us"], first["rec_size"], strict=True))
    assert -REPLY in first["rec_size"]
    assert sizes[250_000] == -REPLY
    assert {size for dt, size in sizes.items() if 0 <= dt < 10_000} >= {6000}
    assert (second["prev_up"], second["prev_reply"], second["prev_dt_us"]) == ([6080], [REPLY], [10_000_000])
    assert not seen(packets_of(s for s in visit() if s.time < UPLOAD_AT)).units.num_rows


def test_a_unit_is_given_out_when_its_reply_is_known_and_grows() -> None:
    rows = [row for row in seen(packets_of(visit())).units.to_pylist() if row["opened"] < START + UPLOAD_AT + 1]
    assert [row["revision"] for row in rows] == list(range(len(rows)))
    assert rows[0]["known"] == pytest.approx(START + UPLOAD_AT + 0.25)
    assert -REPLY in rows[0]["rec_size"]
    assert rows[1]["known"] <= START + UPLOAD_AT + 1.0
    assert [row["final"] for row in rows] == [False] * (len(rows) - 1) + [True]
    for row in rows:
        assert row["opened"] + max(row["rec_dt_us"]) / 1e6 <= row["known"] + 1e-5, "no row knows the future"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7])
def test_headers_cut_anywhere_say_the_same(size: int) -> None:
    """Each byte of a header may lie in a segment of its own."""
    near = [s for s in visit() if abs(s.time - UPLOAD_AT) < 0.3]
    segments = [s for s in visit() if s not in near] + cut(near, size)
    assert [shape(row) for row in finals(seen(packets_of(sorted(segments, key=lambda s: s.time))))] == PLAIN


@pytest.mark.parametrize("size", [61, 100, 999])
def test_segments_of_any_size_say_the_same(size: int) -> None:
    assert [shape(row) for row in finals(seen(packets_of(cut(visit(), size))))] == PLAIN


def test_frames_merged_by_the_card_say_the_same() -> None:
    assert [shape(row) for row in finals(seen(packets_of(joined(visit()))))] == PLAIN


@settings(max_examples=40)
@given(st.integers(0, 1 << 30), st.sampled_from([1448, 700]))
def test_order_and_repetition_do_not_matter(seed: int, size: int) -> None:
    chance = random.Random(seed)
    spoiled = shuffled(repeated(cut(visit(), size) if size < 1448 else visit(), chance), chance)
    assert [(row[0], row[1]) for row in map(shape, finals(seen(packets_of(spoiled))))] == [row[:2] for row in PLAIN]


@settings(max_examples=60)
@given(st.integers(0, 1 << 30))
@example(256)  # the first packet of the upload and all of the next request are lost: no header is seen for 3 s
def test_with_lost_packets_an_upload_is_still_a_unit_of_about_its_size(seed: int) -> None:
    chance = random.Random(seed)
    kept = [s for n, s in enumerate(visit()) if n < 2 or chance.random() > 0.03]
    rows = finals(seen(packets_of(kept)))
    sent = sum(len(s.data) for s in visit() if s.up and abs(s.time - UPLOAD_AT) < 0.2)
    came = sum(len(s.data) for s in kept if s.up and abs(s.time - UPLOAD_AT) < 0.2)
    if came < sent / 2:
        return
    near = [row for row in rows if abs(row["opened"] - START - UPLOAD_AT) < 0.5]
    assert near
    up = sum(size for row in near[:1] for size in row["rec_size"] if size > 1000)
    assert up >= 5000


def test_a_capture_that_begins_in_the_middle_knows_the_wiki_from_dns_or_from_another_connection() -> None:
    late = packets_of([s for s in visit() if s.time > 2.5], opened=False)
    assert not seen(late).units.num_rows, "nothing says whose connection this is"
    told = [dns_answer(-1.0, "cy.wikipedia.org", [SERVER]), *late]
    rows = finals(seen(told))
    assert {(row["host"], row["evidence"], row["midstream"]) for row in rows} == {("cy.wikipedia.org", "dns", True)}
    assert [shape(row)[0][-3:] for row in rows] == [row[0][-3:] for row in PLAIN]
    other = packets_of([s for s in visit("de.m.wikipedia.org") if s.time < 0.3], port=50001)
    rows = [row for row in finals(seen([*other, *late])) if row["client_port"] == 50000]
    assert {(row["host"], row["evidence"], row["midstream"]) for row in rows} == {("de.wikipedia.org", "none", True)}
    doubt = [dns_answer(-1.0, "cy.wikipedia.org", [SERVER]), dns_answer(-0.9, "www.example.org", [SERVER]), *late]
    assert not seen(doubt).units.num_rows


def test_one_direction_alone_is_enough_to_see_that_something_was_sent() -> None:
    rows = finals(seen(packets_of(s for s in visit() if s.up)[:1] + packets_of([s for s in visit() if s.up])[2:]))
    assert [shape(row)[0] for row in rows] == [row[0] for row in PLAIN]
    assert {row["rtt_us"] for row in rows} == {0}


def test_tls_12_is_told_from_tls_13() -> None:
    old, new = (finals(seen(packets_of(visit(version=version))))[0] for version in (b"\x03\x03", b"\x03\x04"))
    assert (old["tls13"], new["tls13"]) == (False, True)
    assert max(old["rec_size"]) == max(new["rec_size"]) - 7, "a record of AES-GCM has seven bytes more beside its text"


def test_a_script_s_small_edit_is_a_unit_as_it_never_asks_for_many_things_at_once() -> None:
    exchanges = [(52, 95), (144,), (314,), (399,), (452,), (53, 171, 26)]
    segments, sent = visit()[:2], {True: len(visit()[0].data), False: 0}
    sent[False] = sum(len(s.data) for s in visit()[1:3])
    segments = visit()[:3]
    for n, sizes in enumerate(exchanges):
        for up, data in ((True, b"".join(map(data_record, sizes))), (False, data_record(1330))):
            segments.append(Segment(1.0 + 3 * n + (not up) * 0.3, up, sent[up], data))
            sent[up] += len(data)
    rows = finals(seen(packets_of(segments)))
    assert any(abs(row["opened"] - START - 16.0) < 0.1 and 171 in row["rec_size"] for row in rows)


def test_cues_and_hosts_that_are_only_that() -> None:
    wikimedia = ("auth", "assets-hcaptcha", "cxserver", "upload", "intake-analytics", "commons.m")
    names = (*(f"{name}.wikimedia.org" for name in wikimedia), "www.example.org", "www.facebook.com")
    packets: list[Packet] = []
    for n, name in enumerate(names):
        packets += packets_of(visit(name), port=50000 + n)
    packets.sort(key=lambda packet: packet.time)
    tables = seen(packets, [SegmentRule(segment=Network.PUPIL, subnets=(f"{CLIENT}/32",))])
    cues = tables.cues.to_pylist()
    assert [cue["cue"] for cue in cues] == ["auth", "hcaptcha", "cxserver", "upload_media", "beacon", "wiki_open"]
    assert {(cue["segment"], cue["evidence"], cue["client"]) for cue in cues} == {
        ("pupil", "sni", pack_address(CLIENT))
    }
    hosts = {row["host"] for row in tables.units.to_pylist()}
    assert hosts == {"auth.wikimedia.org", "cxserver.wikimedia.org", "commons.wikimedia.org"}
    assert {row["segment"] for row in tables.units.to_pylist()} == {"pupil"}
    asked = seen([dns_answer(1.0, "hcaptcha.wikimedia.org", [SERVER])]).cues.to_pylist()
    assert [(cue["cue"], cue["evidence"], cue["time"]) for cue in asked] == [("hcaptcha", "dns", START + 1.0)]


def test_a_school_names_its_own_mediawiki(tmp_path: Path) -> None:
    own = tmp_path / "services.csv"
    header, row = "service,domain,match,role,watch,name,kind", "ourwiki,wiki.school.example,full,primary,text,Our wiki"
    own.write_text(f"{header}\n{row},encyclopaedia\n")
    rows = finals(seen(packets_of(visit("wiki.school.example")), catalogue=load_catalogue(own)))
    assert {(row["service"], row["host"]) for row in rows} == {("ourwiki", "wiki.school.example")}
    assert not seen(packets_of(visit("wiki.school.example"))).units.num_rows
    own.write_text(own.read_text().replace(",text,", ",page,"))
    with pytest.raises(CatalogueError, match=r"services.csv:2: watch 'page' is not known; use one of text, auth"):
        load_catalogue(own)


def test_more_connections_than_there_is_room_for_are_counted_and_the_newest_are_followed() -> None:
    sensor = Sensor(CATALOGUE, ())
    hello = record_of(bare_hello(b"en.wikipedia.org"))
    crowd, packets = watch.CONNECTIONS + 500, list[Packet]()
    for n in range(crowd):
        client = f"10.40.{n // 250}.{n % 250 + 1}"
        packets += packets_of([Segment(n * 1e-3, True, 0, hello)], client=client)
    feed_sensor(sensor, packets)
    counters = sensor.counters()
    assert counters["wiki_connections"] == crowd
    assert counters["wiki_connections_evicted"] == 500
    last = packets_of([Segment(s.time + 60, s.up, s.offset, s.data) for s in visit()], port=60001)
    feed_sensor(sensor, last)
    sensor.uploads.finish(sensor.meter.latest_ns)
    assert {row["client_port"] for row in sensor.uploads.take().units.to_pylist()} == {60001}


def test_nothing_of_what_was_sent_stays() -> None:
    sensor = Sensor(CATALOGUE, ())
    packets = packets_of(shuffled(cut(visit(), 61), random.Random(1)))
    feed_sensor(sensor, packets)
    memory = b"".join(array.tobytes() for array in sensor.uploads.memory)
    assert not [at for at in range(len(SECRET) - 6) if SECRET[at : at + 6] in memory]
    sensor.uploads.finish(sensor.meter.latest_ns)
    tables = sensor.uploads.take()
    assert tables.units.num_rows
    for table, schema in zip(tables, (UNIT_SCHEMA, CUE_SCHEMA, HTTP_SCHEMA), strict=True):
        assert table.schema.equals(schema)
        assert "CANARY" not in str(table.to_pylist())


def test_what_is_no_tls_is_passed_by() -> None:
    chance = random.Random(5)
    junk = [Segment(1 + n / 100, bool(n % 2), 0, chance.randbytes(1400)) for n in range(200)]
    at = {True: len(visit()[0].data), False: 0}
    segments = [visit()[0]]
    for s in junk:
        segments.append(Segment(s.time, s.up, at[s.up], s.data))
        at[s.up] += len(s.data)
    seen(packets_of(segments))


def test_a_cue_host_on_the_same_server_tells_that_a_connection_seen_late_is_a_wiki_s() -> None:
    late = packets_of([s for s in visit() if s.time > 2.5], opened=False)
    for name, found in (("intake-analytics.wikimedia.org", True), ("upload.wikimedia.org", False)):
        other = packets_of([s for s in visit(name) if s.time < 0.3], port=50001)
        rows = finals(seen([*other, *late]))
        assert [(row["service"], row["host"], row["evidence"]) for row in rows] == [
            ("wikipedia", name, "none")
        ] * 2 * found


def test_blocks_of_any_size_say_the_same() -> None:
    """Names that the catalogue has not been asked about, flows without one, requests in the clear: what the kernel must
    leave to Python comes between what it follows itself."""
    other = [replace(s, data=s.data.replace(b"en.wikipedia", b"de.wikipedia")) for s in visit()]
    form = [
        Segment(2.0, True, 0, b"GET /wiki/A HTTP/1.1\r\nHost: en.wikipedia.org\r\n\r\n"),
        Segment(2.1, True, 47, b"POST /w/index.php?action=submit HTTP/1.1\r\nHost: en.wikipedia.org\r\n\r\n"),
        Segment(2.2, False, 0, b"HTTP/1.1 302 Found\r\n\r\n"),
    ]
    packets = [
        *packets_of(visit()),
        *packets_of(other, port=50001),
        *packets_of((s for s in visit() if s.time > 1), port=50002, opened=False),
        *packets_of(form, port=50003, server_port=80),
    ]
    packets.sort(key=lambda packet: packet.time)
    said = []
    for block in (len(packets), 1, 2, 7):
        sensor = Sensor(CATALOGUE, ())
        for at in range(0, len(packets), block):
            feed_sensor(sensor, packets[at : at + block])
        sensor.uploads.finish(sensor.meter.latest_ns)
        said.append([sorted(map(repr, table.to_pylist())) for table in sensor.uploads.take()])
    assert [len(rows) > 0 for rows in said[0]] == [True, True, True]
    assert said[1:] == said[:1] * 3
