"""The recorded sessions of the wiki laboratory: they parse, truth and captures agree, and no payload is left in them.

The captures are walked here with dpkt, not with the code that zeroed them.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcaps.wikiedit import HERE, TRUTH, rows, truth
from pcaps.wikiedit.records import records
from pcaps.wikiedit.zero import zero

SESSIONS = {row["sid"]: row for row in rows(HERE, "sessions")}
CLEAR_HANDSHAKE = {1: "ClientHello", 2: "ServerHello"}


def packets(path: Path) -> Iterator[tuple[float, dpkt.ip.IP, dpkt.tcp.TCP]]:
    """Every packet of a capture; all must be TCP over IPv4 to or from port 443."""
    for moment, frame in dpkt.pcap.Reader(io.BytesIO(gzip.decompress(path.read_bytes()))):
        packet = dpkt.ethernet.Ethernet(frame).data
        assert isinstance(packet, dpkt.ip.IP)
        segment = packet.data
        assert isinstance(segment, dpkt.tcp.TCP)
        assert 443 in (segment.sport, segment.dport)
        yield moment, packet, segment


def streams(path: Path) -> dict[tuple[bytes, int, bytes, int], bytes]:
    """Each direction's bytes put together, up to the first that is missing."""
    parts: dict[tuple[bytes, int, bytes, int], dict[int, bytes]] = defaultdict(dict)
    first: dict[tuple[bytes, int, bytes, int], int] = {}
    for _, packet, segment in packets(path):
        key = (packet.src, segment.sport, packet.dst, segment.dport)
        if segment.flags & dpkt.tcp.TH_SYN:
            first[key] = (segment.seq + 1) & 0xFFFFFFFF
        elif segment.data and key in first:
            parts[key].setdefault((segment.seq - first[key]) & 0xFFFFFFFF, bytes(segment.data))
    whole = {}
    for key, by_offset in parts.items():
        stream = b""
        for offset in sorted(by_offset):
            if offset > len(stream):
                break
            stream += by_offset[offset][len(stream) - offset :]
        whole[key] = stream
    return whole


def tls_records(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of the records of a stream; the last may be cut short."""
    at = 0
    while at + 5 <= len(stream):
        size = int.from_bytes(stream[at + 3 : at + 5], "big")
        yield stream[at], stream[at + 5 : at + 5 + size]
        at += 5 + size


# --------------------------------------------------------------------------------------------------- what is committed


def test_captures_and_truth_name_the_same_sessions() -> None:
    assert {path.name.split(".")[0] for path in HERE.glob("*.pcap.gz")} == set(SESSIONS)
    for name in TRUTH:
        assert {row["sid"] for row in rows(HERE, name)} <= set(SESSIONS)


def test_there_are_both_browsers_scripts_and_many_ways_to_save_and_not_to() -> None:
    assert {row["browser"] for row in SESSIONS.values()} >= {"chromium", "firefox"}
    assert any(row["scenario"].startswith("api_") for row in SESSIONS.values())
    assert {"save_small", "save_section", "save_large", "save_ve", "save_mobile"} <= {
        row["action"] for row in rows(HERE, "saves")
    }
    assert len([row for row in SESSIONS.values() if not row["saves"] and row["page_views"] > 5]) >= 5


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in HERE.glob("*.pcap.gz")) < 3 << 20


@pytest.mark.parametrize("sid", sorted(SESSIONS))
def test_truth_lies_within_its_capture(sid: str) -> None:
    clients: set[str] = set()
    moments: list[float] = []
    for moment, packet, segment in packets(HERE / f"{sid}.pcap.gz"):
        moments.append(moment)
        if segment.dport == 443:
            clients.add(f"{socket.inet_ntoa(packet.src)}:{segment.sport}")
    assert {client.split(":")[0] for client in clients} == {SESSIONS[sid]["client"]}
    for name, key in (("saves", "time"), ("page_views", "time"), ("uploads", "start")):
        for row in (row for row in rows(HERE, name) if row["sid"] == sid):
            assert min(moments) - 0.01 <= row[key] <= max(moments)
            assert row["client"] in clients
    for name in ("saves", "page_views"):
        assert len([row for row in rows(HERE, name) if row["sid"] == sid]) == SESSIONS[sid][name]


@pytest.mark.parametrize("sid", sorted(SESSIONS))
def test_every_save_is_on_the_wire_with_its_bytes(sid: str) -> None:
    connections = {f"{c.client}:{c.port}": c for c in records(HERE / f"{sid}.pcap.gz")}
    for save in (row for row in rows(HERE, "saves") if row["sid"] == sid):
        connection = connections[save["client"]]
        near = [size for at, size in connection.records if size > 0 and -2 < at - save["time"] < 2]
        assert sum(near) >= save["post_bytes"]


@pytest.mark.parametrize("sid", sorted(SESSIONS))
def test_no_payload_is_left(sid: str) -> None:
    hellos = 0
    for stream in streams(HERE / f"{sid}.pcap.gz").values():
        for kind, body in tls_records(stream):
            assert kind in (20, 21, 22, 23)
            if kind == 22 and body and body[0] in CLEAR_HANDSHAKE:
                if body[0] == 1:
                    hellos += 1
                    assert not any(body[6:38]), "the ClientHello's random"
                    assert re.search(rb"wiki[pm]edia\.org", body)
            else:
                assert not any(body)
    assert hellos


@pytest.mark.parametrize("sid", sorted(SESSIONS))
def test_packets_outside_of_streams_hold_nothing_either(sid: str) -> None:
    whole = streams(HERE / f"{sid}.pcap.gz")
    known = b"".join(whole.values())
    for _, _, segment in packets(HERE / f"{sid}.pcap.gz"):
        data = bytes(segment.data)
        assert not any(data) or data in known


# ------------------------------------------------------------------------------------------------------ how it is made

_CLIENT, _SERVER = socket.inet_aton("10.88.1.2"), socket.inet_aton("10.99.0.10")


def _frame(up: bool, sequence: int, data: bytes, flags: int = 0x18) -> bytes:
    ports = (50000, 443) if up else (443, 50000)
    tcp = dpkt.tcp.TCP(sport=ports[0], dport=ports[1], seq=sequence & 0xFFFFFFFF, flags=flags, data=data)
    ends = (_CLIENT, _SERVER) if up else (_SERVER, _CLIENT)
    packet = dpkt.ip.IP(src=ends[0], dst=ends[1], p=6, data=tcp, len=40 + len(data))
    return bytes(dpkt.ethernet.Ethernet(src=b"\2" * 6, dst=b"\4" * 6, type=0x0800, data=packet))


def _write(path: Path, frames: list[bytes]) -> None:
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        for number, frame in enumerate(frames):
            writer.writepkt(frame, 1000.0 + number / 100)


SECRET = b"\xaa"
_pieces = st.lists(st.integers(1, 1400), min_size=1, max_size=12)


@settings(max_examples=60)
@given(sizes=st.lists(st.integers(17, 3000), min_size=1, max_size=8), cuts=_pieces, seed=st.integers(0, 2**32 - 1))
def test_sizes_survive_and_secrets_do_not(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], cuts: list[int], seed: int
) -> None:
    """However records fall into packets, wherever sequence numbers wrap, with packets sent twice and swapped."""
    folder = tmp_path_factory.mktemp("zero")
    stream = b"".join(b"\x17\x03\x03" + size.to_bytes(2, "big") + SECRET * size for size in sizes)
    wanted = b"".join(b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size) for size in sizes)
    frames, at, turn = [_frame(True, seed, b"", 2), _frame(False, 7, b"", 0x12)], 0, 0
    payloads = [b"", b""]
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        frames += [_frame(True, seed + 1 + at, stream[at : at + size])] * 2
        payloads += [wanted[at : at + size]] * 2
        if turn % 3 == 2:
            frames[-3:-1], payloads[-3:-1] = frames[-3:-1][::-1], payloads[-3:-1][::-1]
        at += size
        turn += 1
    _write(folder / "raw.pcap", frames)
    assert zero(folder / "raw.pcap", folder / "cut.pcap.gz") == len(frames)
    assert [bytes(segment.data) for *_, segment in packets(folder / "cut.pcap.gz")] == payloads
    (connection,) = records(folder / "cut.pcap.gz")
    assert [size for _, size in connection.records] == [size - 17 for size in sizes]


def test_where_packets_are_missing_nothing_is_guessed(tmp_path: Path) -> None:
    record = b"\x17\x03\x03\x00\x64" + SECRET * 100
    frames = [_frame(True, 0, b"", 2), _frame(True, 1, record), _frame(True, 300, SECRET * 50 + record)]
    frames += [_frame(False, 900, SECRET * 40)]  # a direction whose beginning was not seen
    _write(tmp_path / "raw.pcap", frames)
    zero(tmp_path / "raw.pcap", tmp_path / "cut.pcap.gz")
    assert not any(SECRET in segment.data for *_, segment in packets(tmp_path / "cut.pcap.gz"))
    assert [size for _, size in records(tmp_path / "cut.pcap.gz")[0].records] == [83]


def test_a_certificate_in_clear_does_not_stay(tmp_path: Path) -> None:
    certificate = b"\x16\x03\x03\x00\x64\x0b" + SECRET * 99
    _write(tmp_path / "raw.pcap", [_frame(False, 0, b"", 2), _frame(False, 1, certificate)])
    zero(tmp_path / "raw.pcap", tmp_path / "cut.pcap.gz")
    assert not any(SECRET in segment.data for *_, segment in packets(tmp_path / "cut.pcap.gz"))


def _post(**changes: Any) -> dict[str, Any]:
    post = {"time": 50.0, "seconds": 0.2, "client": "10.88.1.2:50000", "script": "index.php", "action": "submit"}
    post |= {"paction": "", "special": "", "section": "", "preview": False, "undo": 0, "mobile": False, "bytes": 3000}
    return post | {"saved": {"null": False, "page_bytes": 5000}} | changes


@pytest.mark.parametrize(
    ("changes", "kind", "action"),
    [
        ({}, "SAVE", "save_small"),
        ({"saved": {"null": False, "page_bytes": 90_000}}, "SAVE", "save_large"),
        ({"section": "2"}, "SAVE", "save_section"),
        ({"section": "new"}, "SAVE", "save_talk"),
        ({"undo": 77}, "SAVE", "save_undo"),
        ({"script": "api.php", "action": "edit", "mobile": True}, "SAVE", "save_mobile"),
        ({"script": "api.php", "action": "visualeditoredit", "paction": "save"}, "SAVE", "save_ve"),
        ({"saved": {"null": True, "page_bytes": 5000}}, "null_save", ""),
        ({"saved": None, "preview": True}, "preview", ""),
        ({"saved": None}, "save_failed", ""),
        ({"saved": None, "script": "api.php", "action": "stashedit"}, "stashedit", ""),
        ({"saved": None, "action": "", "special": "UserLogin"}, "login", ""),
    ],
)
def test_what_a_post_was(changes: dict[str, Any], kind: str, action: str) -> None:
    post = _post(**changes)
    assert truth.kind_of(post) == kind
    assert [row["action"] for row in truth.saves("L1", "save_small", [post])] == ([action] if action else [])


def test_an_upload_is_named_after_the_post_that_arrived_with_it() -> None:
    found = [truth.Upload("10.88.1.2:50000", at, at + 0.01, 3000) for at in (49.99, 60.0, 70.0)]
    beacon = {"client": "10.88.1.2:50000", "time": 60.02, "method": "POST", "host": "intake-analytics.wikimedia.org"}
    labelled = truth.label_uploads("L1", found, [_post()], [beacon], 0.3)
    assert [row["truth"] for row in labelled] == ["SAVE", "beacon", "none"]


def test_a_log_is_read_from_where_the_session_began(tmp_path: Path) -> None:
    lines = [json.dumps({"time": at, "client": "10.88.1.2:1"}, separators=(",", ":")) for at in (1, 2, 3, 9)]
    log = tmp_path / "log"
    log.write_text("\n".join(lines) + '\n{"time":4,"client":"10.88.1.2:1"', encoding="utf-8")  # still being written
    assert [row["time"] for row in truth.read_log(log, len(lines[0]) + 1, 2, 5, "10.88.1.2")] == [2, 3]
