"""Capture files of every shape: byte orders, resolutions, interfaces, compression, cuts, and what is no capture."""

from __future__ import annotations

import gzip
import itertools
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor import capture
from sensor.capture import CaptureError, open_capture
from sensor.classify import FileReport
from tests.sensor.building import (
    SECOND,
    START,
    Packet,
    Talk,
    classify,
    client_hello,
    datagram,
    new_sensor,
    ns,
    pcap,
    pcapng_block,
    pcapng_interface,
    pcapng_packet,
    pcapng_section,
)

TALK = Talk(vlans=(7,)).open(0.000001).up(0.25, client_hello("www.one.example")).down(0.5, b"x" * 900).close(61.123456)
PACKETS = TALK.packets


def facts(report: FileReport) -> list[dict[str, object]]:
    return [{k: v for k, v in flow.items() if k != "file"} for flow in report.flows]


EXPECTED = facts(classify(PACKETS))


def test_what_the_packets_say() -> None:
    (flow,) = EXPECTED
    assert (flow["name"], flow["service"], flow["vlan"]) == ("www.one.example", "one", [7])
    assert (flow["packets_up"], flow["packets_down"]) == (4, 3)
    assert (flow["first"], flow["last"]) == (START + 0.000001, START + 61.123456)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_pcap_in_all_its_variants(order: str, nano: bool, packed: bool) -> None:
    data = pcap(PACKETS, order=order, nano=nano)
    report = classify(gzip.compress(data) if packed else data)
    assert facts(report) == EXPECTED
    assert (report.packets, report.note, report.skipped) == (len(PACKETS), "", [])


@pytest.mark.parametrize("order", ["<", ">"])
def test_nanoseconds_are_kept(order: str) -> None:
    (flow,) = classify(pcap([Packet(ns(0) + 123_456_789, PACKETS[0].frame)], order=order)).flows
    assert flow["first"] == (ns(0) + 123_456_789) / SECOND


def test_a_frame_check_sequence_in_the_link_field() -> None:
    """The upper bits of a pcap's link type say how long the FCS is (draft-ietf-opsawg-pcap 4)."""
    data = bytearray(pcap(PACKETS))
    struct.pack_into("<I", data, 20, 0x24000001)
    assert facts(classify(bytes(data))) == EXPECTED


def pcapng(order: str = "<", resolution: int | None = None, offset: int = 0) -> bytes:
    """The packets on two interfaces in turn: one Ethernet in the resolution given, one raw IP in nanoseconds."""
    if resolution is None:
        ticks_a_second = 10**6
    else:
        ticks_a_second = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    out = pcapng_section(order) + pcapng_interface(order, resolution=resolution, offset=offset)
    out += pcapng_interface(order, link=101, resolution=9)
    for i, packet in enumerate(PACKETS):
        if i % 2:
            out += pcapng_packet(packet.frame[18:], packet.time, order, interface=1)
        else:
            out += pcapng_packet(packet.frame, (packet.time - offset * SECOND) * ticks_a_second // SECOND, order)
        out += pcapng_block(0x0BAD, b"a block of somebody's own", order)
    return out


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("resolution", "offset"),
    [
        (None, 0),
        (6, 0),
        (9, 0),
        (3, 0),
        (0x80 | 20, 0),
        (0x80 | 30, 0),
        (6, 1_000_000_000),
        (6, -3600),
        (12, START - 9),
    ],
)
def test_pcapng_with_two_interfaces(order: str, packed: bool, resolution: int | None, offset: int) -> None:
    data = pcapng(order, resolution, offset)
    report = classify(gzip.compress(data) if packed else data)
    assert (report.packets, report.note, len(report.flows)) == (len(PACKETS), "", 1)
    coarse = 1e-3 if resolution == 3 else 2e-6
    for key, value in EXPECTED[0].items():
        got = report.flows[0][key]
        if key in ("first", "last"):
            assert abs(got - value) <= coarse, key
        elif key == "vlan":
            assert got == [7]
        else:
            assert got == value, key


def test_sections_of_both_byte_orders_in_one_file() -> None:
    """A new section forgets the interfaces of the one before."""
    half = len(PACKETS) // 2
    out = b""
    for order, packets in (("<", PACKETS[:half]), (">", PACKETS[half:])):
        out += pcapng_section(order) + pcapng_interface(order)
        out += b"".join(pcapng_packet(p.frame, p.time // 1000, order) for p in packets)
    assert facts(classify(out)) == EXPECTED
    lost = classify(out.replace(pcapng_section(">") + pcapng_interface(">"), pcapng_section(">")))
    assert lost.packets == half
    assert "makes no sense" in lost.note


def test_old_and_simple_packet_blocks() -> None:
    frame = PACKETS[0].frame
    simple = pcapng_block(3, struct.pack("<I", len(frame)) + frame)
    ticks = PACKETS[0].time // 1000
    old = pcapng_block(2, struct.pack("<HHIIII", 0, 9, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame)
    report = classify(pcapng_section() + pcapng_interface() + old)
    assert [f["first"] for f in report.flows] == [EXPECTED[0]["first"]]
    report = classify(pcapng_section() + pcapng_interface(snap=60) + simple)
    assert [(f["packets_up"], f["first"]) for f in report.flows] == [(1, 0.0)], "simple packets carry no time"


def test_a_file_without_packets() -> None:
    for data in (pcap([]), pcapng_section(), pcapng_section() + pcapng_interface(), gzip.compress(pcap([]))):
        report = classify(data)
        assert (report.packets, report.flows, report.note) == (0, [], "")


def whole_packets(size: int, data: bytes, packets: int) -> int:
    """How many records lie whole in the first `size` bytes of a pcap."""
    ends = itertools.accumulate((16 + len(p.frame) for p in PACKETS[:packets]), initial=24)
    return sum(end <= size for end in ends) - 1


@pytest.mark.parametrize("packed", [False, True])
def test_a_pcap_cut_at_every_byte(packed: bool) -> None:
    data = pcap(PACKETS[:3])
    for size in range(24, len(data)):
        report = classify(gzip.compress(data[:size], 1) if packed else data[:size])
        known = whole_packets(size, data, 3)
        assert report.packets == known
        left = size - 24 - sum(16 + len(p.frame) for p in PACKETS[:known])
        assert ("cut short" in report.note) == (left > 0), size


def test_a_pcapng_cut_at_every_byte() -> None:
    data = pcapng()
    before = 0
    for size in range(28, len(data), 3):
        report = classify(data[:size])
        assert before <= report.packets <= len(PACKETS)
        before = report.packets
    assert before == len(PACKETS)


def test_a_gzip_file_that_ends_badly_gives_what_came_before() -> None:
    talk = Talk().open(0)
    for i in range(3000):
        talk.up(i / 100, bytes([i % 251]) * (i % 300))
    packed = gzip.compress(pcap(talk.packets), 1)
    whole = len(talk.packets)
    assert classify(packed).packets == whole
    last = classify(packed[:-8])
    assert last.packets == whole, "only the checksum is missing"
    assert "ends badly" in last.note
    assert whole // 3 < classify(packed[: len(packed) // 2]).packets < whole
    changed = bytearray(packed)
    changed[len(packed) // 2] ^= 0xFF
    report = classify(bytes(changed))
    assert "ends badly" in report.note or report.packets == whole or "makes no sense" in report.note


@pytest.mark.parametrize("packed", [False, True])
def test_files_larger_than_a_chunk(monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """Records lie across the ends of chunks; one is larger than a chunk."""
    monkeypatch.setattr(capture, "CHUNK", 1000)
    talk = Talk().open(0).up(0.1, client_hello("www.one.example"))
    for i in range(100):
        talk.up(1 + i / 10, bytes([i]) * (i * 7))
    talk.up(30, bytes(5000)).down(31, b"x")
    data = pcap(talk.packets)
    report = classify(gzip.compress(data) if packed else data)
    (flow,) = report.flows
    assert (report.packets, flow["name"], flow["last"]) == (len(talk.packets), "www.one.example", START + 31)
    assert flow["bytes_up"] + flow["bytes_down"] == sum(len(p.frame) - 14 for p in talk.packets)


@pytest.mark.parametrize("packed", [False, True])
def test_how_far_it_is_read_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, packed: bool) -> None:
    """`position` of `size` bytes of the file, for a progress bar."""
    monkeypatch.setattr(capture, "CHUNK", 500)
    data = pcap(PACKETS * 10)
    path = tmp_path / "day.pcap"
    path.write_bytes(gzip.compress(data) if packed else data)
    opened, sensor = open_capture(path), new_sensor()
    seen = [opened.position for _ in opened.read(sensor.feed)]
    assert seen == sorted(seen)
    assert packed or len(seen) > 3
    assert 0 < seen[0] <= seen[-1] == opened.size == path.stat().st_size


def test_a_record_that_makes_no_sense_ends_the_file() -> None:
    data = pcap(PACKETS)
    broken = bytearray(data)
    at = 24 + sum(16 + len(p.frame) for p in PACKETS[:2])
    struct.pack_into("<I", broken, at + 8, 1 << 30)
    for content in (bytes(broken), gzip.compress(bytes(broken))):
        report = classify(content)
        assert report.packets == 2
        assert "makes no sense" in report.note


def refusal(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "given.file"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as caught:
        open_capture(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def erf() -> bytes:
    """A record of Endace's: time as a little-endian fixed-point number, type Ethernet, lengths."""
    return struct.pack("<Q", START << 32) + struct.pack(">BBHHH", 2, 4, 80, 0, 60) + bytes(64)


def etl(kind: int) -> bytes:
    """The beginning of a Windows event trace: buffer header, marker."""
    return struct.pack("<I", 65536) + bytes(68) + bytes([2, 0, kind, 0xC0])


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"snoop\0\0\0\0\0\0\2\0\0\0\4", "snoop"),
        (b"RTSS\0\0", "Network Monitor 1"),
        (b"GMBU\0\0", "Network Monitor 2"),
        (b"TRSNIFF data    \x1a\4", "Sniffer"),
        (b"\x34\xcd\xb2\xa1" + bytes(20), "modified"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (b"\xfd7zXZ\0\0", "xz"),
        (b"XCP\x00002.001\0", "NetXRay"),
        (b"iptrace 2.0", "iptrace"),
        (b"ObserverPktBufferVersion=15.00", "Observer"),
        (b"\x05VNFm\0\0\0", "Visual Networks"),
        (b"\x7fver\0\0\0\x09", "OmniPeek"),
        (b"\xaa\xaa\xaa\xaa\x20\0\0\0", "5View"),
        (b"TR\0d\0\0\0\0", "nettl"),
        (b"\x01\x10L\0\1\5", "LANalyzer"),
        (b"\xac\x01\0\x1c" + bytes(20), "IXIA"),
        (erf(), "ERF"),
        (etl(2), "ETL"),
        (etl(1), "ETL"),
        (b"\x04\x22\x4d\x18", "lz4"),
        (b"day.pcap".ljust(257, b"\0") + b"ustar\00000", "tar"),
        (b"\n\r\r\n\x1c\0\0\0MAGI", "byte order"),
        (b"BZh91AY", "bzip2"),
        (b"", "empty"),
        (b"time,client\n", "no pcap"),
        (b"\xd4\xc3\xb2\xa1\2\0\4\0", "header is cut short"),
        (b"\x1f\x8b\x08\0\0", "gzip file is broken"),
        (gzip.compress(b""), "empty"),
        (gzip.compress(b"snoop\0\0\0"), "snoop"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, content: bytes, what: str) -> None:
    message = refusal(tmp_path, content)
    assert what in message
    assert "; " in message, "the mend"


def test_a_zip_archive_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "made.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("day.pcap", pcap(PACKETS))
    assert "zip archive" in refusal(tmp_path, path.read_bytes())


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_capture(tmp_path / "missing.pcap")


CHANGE = st.tuples(st.integers(0, 5000), st.integers(0, 255))


@settings(max_examples=150)
@given(st.sampled_from(["pcap", "pcapng", "gz"]), st.lists(CHANGE, max_size=6), st.integers(0, 400))
def test_changed_files_are_read_or_refused(kind: str, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray({"pcap": pcap(PACKETS), "pcapng": pcapng(), "gz": gzip.compress(pcap(PACKETS))}[kind])
    for at, value in changes:
        data[at % len(data)] = value
    try:
        report = classify(bytes(data[: max(0, len(data) - cut)]))
    except CaptureError:
        return
    assert report.packets <= len(PACKETS) + 50


@settings(max_examples=100)
@given(
    st.binary(max_size=300), st.sampled_from([pcap([]), pcapng_section(), pcapng_section(">") + pcapng_interface(">")])
)
def test_arbitrary_records(data: bytes, head: bytes) -> None:
    classify(head + data)


def test_times_that_no_clock_has() -> None:
    """pcapng ticks may say anything; the flow is still there."""
    for ticks in (0, 2**63, 2**64 - 1, 2**62):
        for resolution in (6, 9, 0, 0x80, 0x80 | 63, 18):
            report = classify(
                pcapng_section() + pcapng_interface(resolution=resolution) + pcapng_packet(PACKETS[0].frame, ticks)
            )
            assert len(report.flows) == 1, (ticks, resolution)


def test_packets_out_of_order_stay_one_flow() -> None:
    packets = [datagram(t, b"x" * 20) for t in (0.5, 0.1, 59, 61, 60.5, 0.3)]
    (flow,) = classify(packets).flows
    assert flow["packets_up"] == 6
