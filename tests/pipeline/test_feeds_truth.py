"""What holds for every feed: order means nothing, a cut file invents nothing, doubt is nobody, size is no matter."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.feeds.clocks import offset_by_packets
from pipeline.feeds.kea import read_kea
from pipeline.feeds.reading import Memory, read_feeds
from pipeline.feeds.status import FEEDS_HEALTH, facts_now
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, lines
from pipeline.identity import Bindings, load_bindings
from pipeline.settings import FeedSettings
from pipeline.spans import overlay
from tests.pipeline.feeding import (
    KEA4,
    LAPTOP,
    LOGONS,
    NEW,
    ONE,
    PC,
    PHONE,
    SCHOOL,
    bindings,
    day,
    detail,
    event,
    kea,
    second,
    table,
    who,
)

# ------------------------------------------------------------------------------------------------------- random feeds

CLOCKS = st.integers(0, 11 * 60).map(lambda n: f"{8 + n // 60:02}:{n % 60:02}:{n * 7 % 60:02}")
CARDS = st.sampled_from([PC, LAPTOP, PHONE, NEW])
USERS = st.sampled_from(["t1", "t2", "t3", "p7", "anonymous", "PC-1$"])
SESSIONS = st.sampled_from(["0x1", "0x2", "0x3"])


@st.composite
def lease_row(draw: st.DrawFn) -> str:
    start, end = sorted((draw(CLOCKS), draw(CLOCKS)))
    host, state = draw(st.sampled_from(["", "pc-1", "x"])), draw(st.sampled_from([0, 0, 1, 2, 3]))
    return kea(ONE, draw(CARDS), start, end, host, state)


EVENT_ROW = st.builds(
    event, CLOCKS, st.sampled_from([4624, 4634, 4647, 4778, 4779, 4800, 4801]), USERS, SESSIONS,
    st.sampled_from(["2", "3", "7", "10"]), st.sampled_from(["PC-1", "LT-1"]),
)  # fmt: skip
MESSAGE = st.builds(
    detail, CLOCKS, st.sampled_from(["Start", "Interim-Update", "Stop", "Accounting-On"]), USERS, CARDS,
    st.sampled_from(["A", "B"]), Framed_IP_Address=st.sampled_from([ONE, "0.0.0.0"]),
    Acct_Session_Time=st.integers(0, 9000),
)  # fmt: skip
SIGHTING = st.builds(lambda clock, mac: f"2026-11-17T{clock}Z,{ONE},{mac}", CLOCKS, CARDS)
BLOCK = st.builds(
    lambda start, end, mac, state: (
        f"lease {ONE} {{\n  starts 2 2026/11/17 {min(start, end)};\n  ends 2 2026/11/17 {max(start, end)};\n"
        f"  binding state {state};\n  hardware ethernet {mac};\n}}\n"
    ),
    CLOCKS, CLOCKS, CARDS, st.sampled_from(["active", "active", "free", "abandoned"]),
)  # fmt: skip
AUDIT = st.builds(
    lambda number, clock, mac: f"{number},11/17/26,{clock},x,{ONE},LT-1.school.example,{mac.replace(':', '')},,1,0\n",
    st.sampled_from(["10", "11", "12", "18", "30"]), CLOCKS, CARDS,
)  # fmt: skip
Feeds = dict[str, list[str]]
FEEDS = st.fixed_dictionaries(
    {
        "kea_leases": st.lists(lease_row().map(lambda row: row + "\n"), max_size=6),
        "logons": st.lists(EVENT_ROW.map(lambda row: row + "\n"), max_size=8),
        "radius_detail": st.lists(MESSAGE, max_size=5),
    },
    optional={
        "sightings": st.lists(SIGHTING.map(lambda row: row + "\n"), max_size=5),
        "isc_leases": st.lists(BLOCK, max_size=4),
        "windows_dhcp_logs": st.lists(AUDIT, max_size=4),
    },
)
HEADS = {
    "kea_leases": KEA4 + "\n",
    "logons": LOGONS + "\n",
    "sightings": "time,address,mac\n",
    "windows_dhcp_logs": "Text\n\nID,Date,Time,Description,IP Address,Host Name,MAC Address,User Name\n",
}


def of(feeds: Feeds) -> Bindings:
    return bindings({key: (HEADS.get(key, "") + "".join(records)).encode() for key, records in feeds.items()})


@settings(max_examples=60)
@given(FEEDS, st.randoms(use_true_random=False))
def test_any_order_of_records_gives_the_same_bindings(feeds: Feeds, random: object) -> None:
    shuffled = {key: random.sample(records * 2, 2 * len(records)) for key, records in feeds.items()}  # type: ignore[attr-defined]
    assert day(of(shuffled)) == day(of(feeds)), "nor does it matter that a record is there twice"


@settings(max_examples=60)
@given(FEEDS, st.data())
def test_a_file_cut_anywhere_says_what_its_records_say_and_no_half_of_one(feeds: Feeds, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(feeds)))
    head = HEADS.get(key, "")
    text = head + "".join(feeds[key])
    cut = data.draw(st.integers(0, len(text)))
    whole, torn, end = [], [], len(head)
    for record in feeds[key]:
        end += len(record)
        if end <= cut:
            whole.append(record)
        elif not torn:
            torn = [*whole, record]
    files = {k: (HEADS.get(k, "") + "".join(records)).encode() for k, records in feeds.items()}
    found = bindings({**files, key: text[:cut].encode()})
    assert day(found) in (day(of({**feeds, key: whole})), day(of({**feeds, key: torn or whole})))
    assert found.counts["broken_rows"] == 0, "what is torn is not broken"


@settings(max_examples=50)
@given(FEEDS)
def test_only_who_is_named_by_a_record_is_ever_bound_and_never_two_in_a_minute(feeds: Feeds) -> None:
    found = of(feeds)
    texts = "".join(feeds["logons"]) + "".join(feeds["radius_detail"])
    for person, grade, _, _ in day(found):
        assert (person >= 0) == (grade in (1, 2, 3))
        if grade in (1, 2):
            assert f"t{person + 1}" in texts


@given(CLOCKS, st.integers(0, 59), st.integers(0, 59))
def test_two_people_in_a_minute_are_nobody(clock: str, off: int, on: int) -> None:
    off, on = sorted((off, on))
    rows = [
        event("07:30:00", 4624, "t1", "0x1"),
        event(f"{clock[:6]}{off:02}", 4647, "t1", "0x1"),
        event(f"{clock[:6]}{on:02}", 4624, "t2", "0x2"),
    ]
    lease = table(KEA4, [kea(ONE, PC, "07:00:00", "20:00:00")])
    found = bindings({"kea_leases": lease, "logons": table(LOGONS, rows)})
    assert who(found, clock[:5] + ":00")[0] == ("T2" if off == 0 else "nobody")


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8))
def test_overlay_agrees_with_asking_each_moment(raw: list[tuple[int, int]]) -> None:
    spans = [(start, end, number) for number, (start, end) in enumerate(raw)]
    found = {}
    for start, end, items in overlay(spans):
        assert start < end
        for moment in range(int(start), int(end)):
            assert moment not in found
            found[moment] = items
    for moment in range(31):
        expected = tuple(number for start, end, number in spans if start <= moment < end)
        assert found.get(moment, ()) == expected


# --------------------------------------------------------------------------------------------------------------- text


@given(st.binary(max_size=300), st.sampled_from(["kea_leases", "logons", "isc_leases", "radius_detail", "neighbours"]))
def test_any_bytes_are_read_or_refused(data: bytes, key: str) -> None:
    for head in (b"", HEADS.get(key, "").encode()):
        with suppress(FeedError):
            bindings({key: head + data})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            (KEA4 + "\n").encode("utf-16-le"),
            "logons:1: there are zero bytes, so this is no UTF-8 text; write",
        ),
        (b"\x1f\x8b\x08\x00abc", "logons:1: this is gzip, not text; unpack it"),
        (b"ElfFile\x00\x00", "logons:1: this is EVTX, not text; "),
        (LOGONS.replace(",", ";").encode() + b"\n", "logons:1: the cells are separated by semicolons; "),
    ],
)
def test_what_is_no_text_is_refused_by_name(data: bytes, message: str) -> None:
    with pytest.raises(FeedError) as wrong:
        bindings({"logons": data})
    assert str(wrong.value).startswith(message)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=80), st.integers(1, 9))
def test_lines_are_the_whole_lines_in_every_encoding_and_chunk(text: str, chunk: int) -> None:
    expected = text.split("\n")[:-1]
    for encoding in ("utf-8-sig", "utf-16"):
        log = FeedLog()
        file = FeedFile("x", lambda encoding=encoding: Slow(text.encode(encoding), chunk))  # type: ignore[misc]
        assert [line for _, line in lines(file, log)] == expected
        assert log.torn == bool(text.split("\n")[-1])


class Slow(io.BytesIO):
    """A file that gives its head and then a few bytes at a time."""

    def __init__(self, data: bytes, chunk: int) -> None:
        super().__init__(data)
        self._chunk, self._first = chunk, True

    def read(self, size: int | None = -1) -> bytes:
        size = 4 if self._first else self._chunk
        self._first = False
        return super().read(size)


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 20, 30, 40, 60])
def test_half_a_name_is_nobody_s(cut: int) -> None:
    lease = table(KEA4, [kea(ONE, PC, "07:00:00", "20:00:00")])
    for header, columns in (("TimeCreated,EventId,Computer,TargetLogonId,LogonType,TargetUserName", 6), (LOGONS, 8)):
        cells = dict(zip(LOGONS.split(","), event("09:00:00", 4624, "t12").split(","), strict=True))
        row = ",".join(cells[name] for name in header.split(","))
        found = bindings({"kea_leases": lease, "logons": f"{header}\n{row}"[:-cut].encode()})
        assert who(found, "09:30:00")[0] == "nobody", columns
        assert found.counts["broken_rows"] == 0


def test_a_last_row_without_line_break_counts_if_all_that_is_used_of_it_is_there() -> None:
    lease = table(KEA4, [kea(ONE, NEW, "07:00:00", "20:00:00")])
    assert who(bindings({"kea_leases": lease[:-1]}), "08:30:00") == ("nobody", "N", "no_person")
    message = detail("08:10:00", "Start", "t1").rstrip("\n").encode()
    assert who(bindings({"kea_leases": lease[:-1], "radius_detail": message + b"\n"}), "08:30:00")[0] == "T1"
    assert who(bindings({"kea_leases": lease[:-1], "radius_detail": message}), "08:30:00")[0] == "nobody"
    assert bindings({"kea_leases": lease[:-1]}).counts["addresses"] == 1
    assert bindings({"kea_leases": lease[:-4]}).counts["addresses"] == 0


def test_lines_with_zero_bytes_or_without_end_are_told_and_passed_over() -> None:
    rows = [
        "\0" * 40,
        kea(ONE, LAPTOP, "08:00:00", "09:00:00"),
        "x" * 3_000_000,
        kea(ONE, PHONE, "09:00:00", "10:00:00"),
    ]
    found = bindings({"kea_leases": table(KEA4, rows)})
    assert [problem.split(";")[0] for problem in found.problems] == [
        "kea_leases:2: there are zero bytes in this line",
        "kea_leases:4: the line is endless",
    ]
    assert [who(found, clock)[0] for clock in ("08:30:00", "09:30:00")] == ["T1", "T3"]


def test_a_broken_file_of_any_length_tells_a_few_rows_and_counts_all() -> None:
    found = bindings({"kea_leases": table(KEA4, ["10.0.0.1,half"] * 500 + [kea(ONE, LAPTOP, "08:00:00", "09:00:00")])})
    assert (found.counts["broken_rows"], len(found.problems)) == (500, 20)
    assert who(found, "08:30:00")[0] == "T1"


# -------------------------------------------------------------------------------------------------- clocks and health


def offset(key: str, data: bytes, written: str, **feeds: object) -> float | None:
    file = FeedFile.of(key, data, second(written))
    return bindings({key: [file]}, **feeds).feeds[0].offset_s


def test_a_clock_is_measured_by_the_time_of_the_file() -> None:
    row = table(LOGONS, [event("09:00:00", 4624, "t1")])
    assert offset("logons", row, "09:00:02") == -2
    assert offset("logons", row.replace(b"Z,", b","), "09:00:02", logons_zone="Europe/Dublin") == -2
    assert offset("logons", row, "08:59:30") == 30
    assert offset("logons", row, "15:00:01") is None, "such a file was copied"
    assert offset("kea_leases", table(KEA4, [kea(ONE, LAPTOP, "08:00:00", "12:00:00")]), "08:00:01") == -1
    assert offset("radius_detail", detail("08:00:00", "Start", "t1").encode(), "08:00:05") == -5


def test_a_clock_is_measured_by_packets_where_the_sensor_sees_addresses() -> None:
    rows, seen = [], ["time,address,mac"]
    for n in range(12):
        address, clock = f"10.20.3.{n}", f"{8 + n // 4:02}:{n % 4 * 15:02}"
        rows.append(kea(address, f"00:16:3e:00:03:{n:02x}", f"{clock}:00", "20:00:00"))
        seen += [f"2026-11-17T{clock}:{45 + n % 3}Z,{address},00:16:3e:00:03:{n:02x}"]
        seen += [f"2026-11-17T{clock[:3]}{int(clock[3:]) + 1:02}:45Z,{address},00:16:3e:00:03:{n:02x}"]
    found = bindings({"kea_leases": table(KEA4, rows), "sightings": "\n".join([*seen, ""]).encode()})
    assert (found.feeds[0].offset_s, found.feeds[0].offset_by) == (-46, "packets")
    assert offset_by_packets({b"x": np.array([1.0])}, {b"x": np.array([3.0])}) is None


def health(found: Bindings, now: str) -> dict[str, tuple[str, str]]:
    facts = facts_now(found.feeds, found.counts, second(now))
    return {finding.id: (finding.severity.value, finding.sentence) for finding in FEEDS_HEALTH.examine(facts)}


def test_health_of_feeds() -> None:
    rows = table(LOGONS, [event("09:00:00", 4624, "t1").replace("Z,", ","), "x,4624,a,b,c,d,2,-"])
    file = FeedFile.of("logons.csv", rows, second("08:00:10"))
    found = bindings({"logons": [file]}, logons_zone="UTC")
    now = health(found, "09:00:00")
    assert now["feeds_clock"] == ("fail", "Windows log-ons is 60 min ahead.")
    assert now["feeds_rows"][0] == "warn"
    assert "logons.csv:3: TimeCreated 'x'" in now["feeds_rows"][1]
    assert (now["feeds_there"][0], now["feeds_fresh"][0], now["feeds_routed"][0]) == ("ok", "ok", "unknown")
    later = health(found, "2026-11-19T09:00:00")
    assert later["feeds_fresh"] == ("warn", "No new record for over a day: Windows log-ons.")
    assert health(bindings({}), "09:00:00")["feeds_there"][0] == "warn"
    mends = {f.id: f.mend for f in FEEDS_HEALTH.examine(facts_now(found.feeds, found.counts, second("09:00:00")))}
    assert mends["feeds_clock"] == "It is about a whole hour: correct feeds.logons_zone."


def test_health_of_a_mirror_behind_a_router() -> None:
    rows = [f"2026-11-17T09:00:00Z,10.20.1.{n},{NEW}" for n in range(30)]
    now = health(bindings({"sightings": "\n".join(["time,address,mac", *rows, ""]).encode()}), "09:00:00")
    assert now["feeds_routed"][0] == "warn"
    assert now["feeds_routed"][1].startswith(
        "30 of 30 addresses share 1 hardware addresses: a router stands before them"
    )


# ----------------------------------------------------------------------------------------------------- files and speed


def test_folders_siblings_and_missing_feeds(tmp_path: Path) -> None:
    (tmp_path / "radacct" / "10.9.0.1").mkdir(parents=True)
    (tmp_path / "radacct" / "10.9.0.1" / "detail-20261117").write_text(detail("08:10:00", "Start", "t1"))
    (tmp_path / "kea.csv.2").write_bytes(table(KEA4, [kea(ONE, NEW, "07:00:00", "20:00:00")]))
    feeds = FeedSettings(radius_detail=Path("radacct"), kea_leases=Path("kea.csv"), isc_leases=Path("none"))
    found = load_bindings(SCHOOL, feeds, tmp_path)
    assert who(found, "08:30:00") == ("T1", "A", "none")
    assert found.missing == ("kea.csv", "none")
    assert health(found, "09:00:00")["feeds_there"] == ("fail", "Not there: kea.csv, none.")


def test_a_feed_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "logons.csv"
    path.write_bytes(table(LOGONS, [event("09:00:00", 4624, "t1")]))
    (tmp_path / "kea.csv").write_bytes(table(KEA4, [kea(ONE, PC, "07:00:00", "20:00:00")]))
    feeds, memory = FeedSettings(logons=Path("logons.csv"), kea_leases=Path("kea.csv")), Memory()
    first = read_feeds(SCHOOL, feeds, tmp_path, memory)
    with path.open("ab") as file:
        file.write(f"{event('10:00:00', 4647, 't1')}\n".encode())
    second_time = read_feeds(SCHOOL, feeds, tmp_path, memory)
    assert second_time.feeds[0].read is first.feeds[0].read
    assert [len(facts.feeds[1].read.events) for facts in (first, second_time)] == [1, 2]
    assert who(load_bindings(SCHOOL, feeds, tmp_path, memory), "10:00:00")[0] == "nobody"


def measured(read: Callable[[], object]) -> float:
    start = time.process_time()
    read()
    return time.process_time() - start


def test_a_large_lease_file_is_read_in_a_stream_and_in_little_time(tmp_path: Path) -> None:
    path = tmp_path / "kea.csv"
    begin = int(datetime.fromisoformat("2026-11-01T00:00:00+00:00").timestamp())
    with path.open("w") as file:
        file.write(KEA4 + "\n")
        for n in range(200_000):
            host, at = n % 1500, begin + n
            mac = f"00:16:3e:00:{host >> 8:02x}:{host & 255:02x}"
            file.write(f"10.20.{host >> 8}.{host & 255},{mac},01:{mac},7200,{at + 7200},1,0,0,room-{host},0,,0\n")
    log = FeedLog()
    seconds = measured(lambda: read_kea([FeedFile.at(path)], log, 4).holdings())
    assert log.records == 200_000
    assert path.stat().st_size / seconds > 2e6, "200 MB must not take minutes, even on a slow machine"
