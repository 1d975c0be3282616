"""One flow, packet by packet: what we read, and whether tshark reads the same. Here tshark is the oracle."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.carried import TcpWords, read_hello_facts
from sensor.carriedudp import UdpWords, quic_packets
from sensor.choose import ChoiceError, Flow, flow_text, parse_flow, select
from sensor.classify import classify_file
from sensor.explain import FlowReading, read_flow
from sensor.tshark import Opinion, SeenName, TsharkError, compare, read_names, read_opinion, tshark_version
from sensor.words import Evidence
from tests.conftest import SampleDay
from tests.sensor.building import (
    CATALOGUE,
    CLIENT,
    RESOLVER,
    SERVER,
    V2,
    Packet,
    Talk,
    bare_hello,
    client_hello,
    datagram,
    dns_answer,
    ethernet,
    in_records,
    ip,
    pcap,
    pcapng_interface,
    pcapng_packet,
    pcapng_section,
    quic_datagrams,
    record_of,
    start_of,
)
from tests.sensor.golden import HELLO, captures_folder, ends_of_flow, plain, rows, without_port

NAME = "www.one.example"
READ_BY_CLIENT = (*HELLO, "http_host")
# Where tshark 4.0 reads no name: padding inside the IP length spoils its reassembly, and CRYPTO frames that overlap.
ENOUGH = 6 << 20  # bytes of a capture for tshark to read
DISPUTED = ("heuristic_tcp_ack_payload.pcap", "padded_acknowledgements.pcap", "overlapping_crypto_frames.pcap")


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Sequence[Packet]], Path]:
    def write(packets: Sequence[Packet]) -> Path:
        path = tmp_path / "capture.pcap"
        path.write_bytes(pcap(packets))
        return path

    return write


def explained(path: Path, nth: int = 0, limit: int = 200) -> FlowReading:
    return read_flow(path, classify_file(path, CATALOGUE).flows[nth], limit)


def request(path: str = "/") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nCookie: secret\r\n\r\n".encode()


def backwards(data: bytes, size: int) -> Talk:
    talk = Talk().open(1)
    pieces = [(at, data[at : at + size]) for at in range(0, len(data), size)]
    for n, (at, piece) in enumerate(reversed(pieces)):
        talk.segment(1 + n / 100, at, piece)
    return talk


ECH = b"\xfe\x0d\0\x04ABCD"
LONG = client_hello(NAME, alpn=30)
BUILT: dict[str, list[Packet]] = {
    "hello": Talk().open(1).up(1, client_hello(NAME)).packets,
    "hello over IPv6": Talk("fd00::5", "2001:db8::7").open(1).up(1, client_hello(NAME)).packets,
    "hello in a VLAN": Talk(vlans=(10, 20)).open(1).up(1, client_hello(NAME)).packets,
    "hello in two segments": Talk().open(1).up(1, LONG[:900]).up(1.1, LONG[900:]).packets,
    "hello backwards": backwards(LONG, 700).packets,
    "hello in three records": Talk().open(1).up(1, in_records(LONG, 100, 300)).packets,
    "nameless hello": Talk().open(1).up(1, client_hello(None)).packets,
    "hello with ECH": Talk().open(1).up(1, record_of(bare_hello(NAME.encode(), extensions=ECH))).packets,
    "QUIC 1": [datagram(1, data) for data in quic_datagrams(NAME)],
    "QUIC 2": [datagram(1, data) for data in quic_datagrams(NAME, version=V2)],
    "QUIC over three datagrams": [datagram(1 + n, d) for n, d in enumerate(quic_datagrams(NAME, alpn=40))],
    "HTTP": Talk(server_port=80).open(1).up(1, request()).down(1, b"HTTP/1.1 204 No Content\r\n\r\n").packets,
    "DNS": [dns_answer(1, NAME, [SERVER]), *Talk(server_port=4433).open(2).up(2, bytes(range(200))).packets],
    "nothing": Talk(server_port=4433).open(1).up(1, bytes(range(200))).packets,
}  # fmt: skip


@pytest.mark.parametrize("what", BUILT)
def test_tshark_agrees(what: str, written: Callable[[Sequence[Packet]], Path]) -> None:
    path = written(BUILT[what])
    reading = explained(path, -1)
    opinion = read_opinion(path, reading)
    assert compare(reading, opinion).agree, compare(reading, opinion).sentence
    expected = {"DNS": "dns", "HTTP": "http_host", "nothing": "none", "nameless hello": "none"}.get(what)
    assert reading.flow["evidence"] == (expected or ("quic_sni" if "QUIC" in what else "sni"))
    assert set(opinion.protocols) == {step.frame for step in reading.steps}
    assert opinion.ech == (what == "hello with ECH")
    assert opinion.remark == ""


def test_each_packet_says_what_it_brought(written: Callable[[Sequence[Packet]], Path]) -> None:
    hello, size = client_hello(NAME), len(client_hello(NAME))
    talk = Talk().open(1).up(1.5, hello[:100]).up(1.6, hello[100:])
    talk.segment(1.7, 0, hello[:100]).down(2, b"\x15\x03\x03\0\x02\x02\x28").close(3)
    reading = explained(written([datagram(0, b"another flow"), *talk.packets]), 1)
    assert [step.frame for step in reading.steps] == list(range(2, 11))
    assert [step.flags for step in reading.steps] == ["S", "SA", "A", "PA", "PA", "PA", "PA", "FA", "FA"]
    assert [step.up for step in reading.steps] == [True, False, True, True, True, True, False, True, False]
    assert [step.sequence for step in reading.steps] == [0, 0, 1, 1, 101, 1, 1, size + 1, 8]
    assert [step.carried for step in reading.steps[3:7]] == [
        (f"ClientHello bytes 0-100 of {size}",),
        (f"ClientHello bytes 100-{size} of {size}",),
        (f"ClientHello bytes 0-100 of {size}", "all seen before"),
        ("TLS alert, 7 bytes",),
    ]
    assert reading.steps[3].bytes == 40 + 100
    assert reading.steps[3].payload == 100
    assert reading.steps[3].time - reading.steps[0].time == pytest.approx(0.5)
    assert reading.named_at == 6
    assert [step.named for step in reading.steps if step.named] == [f"{NAME} by sni"]
    assert reading.hello is not None
    assert reading.hello.whole
    assert not reading.hello.ech
    assert "TLS 1.3" in reading.hello.versions


def test_a_hello_ahead_of_a_gap_and_its_ranges_in_quic(written: Callable[[Sequence[Packet]], Path]) -> None:
    reading = explained(written(BUILT["hello backwards"]))
    assert "ahead of a gap" in reading.steps[3].carried
    assert reading.named_at == reading.steps[-1].frame
    reading = explained(written(BUILT["QUIC over three datagrams"]))
    ranges = [re.findall(r"CRYPTO (\d+)-(\d+)", " ".join(step.carried)) for step in reading.steps]
    starts, ends = ([int(pair[k]) for (pair,) in ranges] for k in (0, 1))
    assert starts == [0, *ends[:-1]]
    assert reading.hello is not None
    assert reading.hello.size == ends[-1]
    assert all(step.carried[0].startswith("QUIC Initial, version 1, ") for step in reading.steps)


def test_names_from_dns_point_to_the_answer_that_was_in_time(written: Callable[[Sequence[Packet]], Path]) -> None:
    talk = Talk().open(100).up(100, bytes(range(200)))
    packets = [
        dns_answer(1, "old.one.example", [SERVER], ttl=60),
        dns_answer(90, NAME, ["198.51.100.1", SERVER], ttl=60),
        dns_answer(91, "www.two.example", [SERVER], client="10.20.0.6"),
        dns_answer(92, "elsewhere.example", ["198.51.100.2"]),
        *talk.packets,
    ]
    reading = explained(written(packets), -1)
    assert [(told.frame, told.name, told.resolver, told.ttl, told.in_time) for told in reading.told] == [
        (1, "old.one.example", RESOLVER, 60, False),
        (2, NAME, RESOLVER, 60, True),
    ]
    assert reading.flow["evidence"] == "dns"
    assert reading.named_at == 2


def test_connections_with_the_same_ports_are_told_apart(written: Callable[[Sequence[Packet]], Path]) -> None:
    first = Talk(isn=1000).open(1).up(1, client_hello("a.one.example")).close(2)
    second = Talk(isn=900_000).open(30).up(30, client_hello("b.two.example")).up(31, b"more")
    path = written([*first.packets, *second.packets])
    one, two = (explained(path, n) for n in (0, 1))
    assert (one.flow["name"], two.flow["name"]) == ("a.one.example", "b.two.example")
    assert [step.frame for step in one.steps] == list(range(1, len(first.packets) + 1))
    assert [step.frame for step in two.steps] == [len(first.packets) + n for n in range(1, len(second.packets) + 1)]
    assert two.steps[0].sequence == 0


def test_a_datagram_in_fragments_counts_at_its_last_one(written: Callable[[Sequence[Packet]], Path]) -> None:
    (data,) = quic_datagrams(NAME)
    whole = datagram(1, data)
    packet, (first, second) = whole.frame[14:], (slice(20, 628), slice(628, None))
    pieces = [ip(CLIENT, SERVER, 17, packet[part], fragment=field) for part, field in ((first, 0x2000), (second, 76))]
    path = written([datagram(0, b"before"), *(Packet(whole.time, ethernet(piece)) for piece in pieces)])
    flow = next(n for n, flow in enumerate(classify_file(path, CATALOGUE).flows) if flow["name"])
    reading = explained(path, flow)
    assert reading.steps[-1].frame == reading.named_at == 3
    assert reading.steps[-1].carried == ("put together from fragments",)
    assert compare(reading, read_opinion(path, reading)).agree


def test_a_long_flow_is_cut_and_counted(written: Callable[[Sequence[Packet]], Path]) -> None:
    talk = Talk().open(1).up(1, client_hello(NAME))
    for n in range(300):
        talk.down(2 + n / 100, b"\x17\x03\x03\0\x05hello")
    path = written(talk.packets)
    reading = explained(path, limit=50)
    assert len(reading.steps) == 50
    assert reading.packets == len(talk.packets)
    assert reading.last_frame == len(talk.packets)
    opinion = read_opinion(path, reading)
    assert len(opinion.protocols) == 50
    assert compare(reading, opinion).agree


def test_pcapng_frames_are_numbered_as_tshark_does(tmp_path: Path) -> None:
    packets = Talk().open(1).up(1, client_hello(NAME)).packets
    data = pcapng_section() + pcapng_interface(resolution=9)
    data += b"".join(pcapng_packet(p.frame, p.time) for p in packets[:2])
    data += pcapng_interface(link=101, resolution=9)
    data += b"".join(pcapng_packet(p.frame[14:], p.time, interface=1) for p in packets[2:])
    path = tmp_path / "capture.pcapng"
    path.write_bytes(data)
    reading = explained(path)
    opinion = read_opinion(path, reading)
    assert [step.frame for step in reading.steps] == sorted(opinion.protocols) == [1, 2, 3, 4]
    assert [seen.frame for seen in opinion.names] == [4] == [reading.named_at]


def test_a_capture_that_is_cut_short_is_still_compared(written: Callable[[Sequence[Packet]], Path]) -> None:
    path = written([*BUILT["hello"], datagram(5, bytes(500))])
    path.write_bytes(path.read_bytes()[:-100])
    reading = explained(path)
    opinion = read_opinion(path, reading)
    assert compare(reading, opinion).agree
    assert opinion.remark == "tshark could not read the capture to its end"


def test_words_hold_no_payload_and_no_path(written: Callable[[Sequence[Packet]], Path]) -> None:
    talk = (
        Talk(server_port=80).open(1).up(1, request("/private?q=diary")).down(1, b"HTTP/1.1 200 OK\r\n\r\nconfidential")
    )
    reading = explained(written(talk.packets))
    assert reading.steps[3].carried == (f"HTTP GET request to {NAME}",)
    assert reading.steps[4].carried == ("HTTP response 200",)
    assert not re.search("private|diary|secret|confidential", repr(reading))


# -- the sentence at the end


def verdict(
    name: str | None, evidence: str, seen: list[tuple[str, Evidence]], told: str = "", read: Sequence[str] = ()
) -> tuple[bool, str]:
    opinion = Opinion("4.0", names=[SeenName(4, *one) for one in seen])
    opinion.told = [SeenName(1, told, Evidence.DNS)] if told else []
    said = compare(FlowReading({"name": name, "evidence": evidence}, names=list(read)), opinion)
    return said.agree, said.sentence


def test_the_verdict_says_what_differs() -> None:
    assert verdict(NAME, "sni", [("other.example", Evidence.SNI)]) == (
        False, f"They differ: we read {NAME} by sni, tshark 4.0 reads other.example.",
    )  # fmt: skip
    assert verdict(NAME, "sni", []) == (False, f"They differ: we read {NAME} by sni, tshark 4.0 reads no name.")
    assert verdict(None, "none", [(NAME, Evidence.SNI)])[0] is False
    assert verdict(NAME, "http_host", [(NAME, Evidence.SNI)])[0] is False  # the same name, out of other bytes
    assert verdict(NAME, "dns", [], told=NAME)[0] is True
    assert verdict(NAME, "dns", [], told="other.example")[0] is False
    assert verdict(NAME, "dns", [("other.example", Evidence.SNI)], told=NAME)[0] is False
    assert verdict(NAME, "dns", [("outer.example", Evidence.SNI)], told=NAME, read=["outer.example"]) == (
        True, f"Both agree: the hello names outer.example, which hides another name, and DNS gave this client {NAME} "
        "before it.",
    )  # fmt: skip
    assert verdict(None, "none", []) == (True, "Both agree: neither we nor tshark 4.0 read a name in this flow.")


def test_without_tshark_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    with pytest.raises(TsharkError, match="apt-get install tshark"):
        tshark_version()


# -- choosing


FLOWS: list[Flow] = [
    {"client": "10.0.0.1", "client_port": 5000, "server": "192.0.2.7", "server_port": 443, "name": "www.one.example"},
    {"client": "fd00::1", "client_port": 5001, "server": "2001:db8::7", "server_port": 443, "name": None},
]  # fmt: skip


@pytest.mark.parametrize("flow", FLOWS, ids=flow_text)
def test_a_flow_can_be_named_in_either_direction(flow: Flow) -> None:
    there = parse_flow(flow_text(flow))
    assert select(FLOWS, there) == [flow]
    assert select(FLOWS, (*there[2:], *there[:2])) == [flow]


def test_flows_are_found_by_address_and_by_a_name_or_one_below_it() -> None:
    assert select(FLOWS, client="10.0.0.1") == FLOWS[:1]
    assert select(FLOWS, server="2001:db8::7") == FLOWS[1:]
    assert select(FLOWS, name="One.Example.") == FLOWS[:1]
    assert select(FLOWS, name="ne.example") == []
    assert select(FLOWS) == FLOWS


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1:1", "10.0.0.1-10.0.0.2", "10.0.0.300:1-10.0.0.2:2", "fd00::1:1-fd00::2:2"]
)
def test_what_names_no_flow_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ChoiceError, match=r"CLIENT:PORT-SERVER:PORT, as 10\.20\.0\.5:50000-"):
        parse_flow(text)


def test_addresses_may_be_spelt_in_any_way() -> None:
    assert parse_flow("[FD00:0::1]:5001-[2001:DB8::7]:443") == ("fd00::1", 5001, "2001:db8::7", 443)


# -- any bytes


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 2**32 - 1), st.booleans(), st.booleans(), st.binary(max_size=80)))
)
def test_any_segments_have_words(segments: list[tuple[bool, int, bool, bool, bytes]]) -> None:
    words = TcpWords()
    for segment in segments:
        words.add(*segment)
    assert len(words.words()) == len(segments)
    words.hello_facts()


@given(st.integers(0, 600), st.integers(0, 600), st.binary(max_size=4))
def test_any_mutation_of_a_hello_has_words(cut: int, at: int, other: bytes) -> None:
    hello = bytearray(client_hello(NAME))
    hello[at : at + len(other)] = other
    words = TcpWords()
    words.add(True, 7, False, True, bytes(hello[:cut]))
    words.add(True, 7 + cut, False, True, bytes(hello[cut:]))
    assert len(words.words()) == 2
    read_hello_facts(bytes(hello[5:]))


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=80))), st.integers(0, 60), st.binary(max_size=4))
def test_any_datagrams_have_words(datagrams: list[tuple[bool, bytes]], at: int, other: bytes) -> None:
    quic = bytearray(quic_datagrams(NAME)[0])
    quic[at : at + len(other)] = other
    words = UdpWords()
    for up, data in [*datagrams, (True, bytes(quic))]:
        assert all(words.add(up, data)) or not data
    words.hello_facts()
    assert len(list(quic_packets(bytes(quic)))) <= len(quic)


# -- tshark as the oracle for whole captures


def differences(path: Path, also_right: Iterable[str] = ()) -> tuple[int, list[str]]:
    """How many flows have a name to one or the other, and those whose names differ. SNI beats Host.

    Where tshark reads no name, ours is no difference if others read it too, or if tshark is known to fail there.
    """
    theirs = read_names(path)
    ours = {
        ends_of_flow(flow): (plain(flow["name"]), flow["evidence"])
        for flow in classify_file(path, CATALOGUE).flows
        if flow["evidence"] in READ_BY_CLIENT
    }
    found = []
    for ends in {*ours, *theirs}:
        seen = theirs.get(ends, set())
        hellos = {name for name in seen if name[1] in HELLO}
        excused = not seen and (path.name in DISPUTED or ours[ends][0] in also_right)
        if ours.get(ends) not in (hellos or seen) and not excused:
            found.append(f"{path.name} {ends}: ours {ours.get(ends)}, tshark {sorted(seen)[:3]}")
    return len({*ours, *theirs}), found


def project_captures() -> list[Path]:
    return sorted(path for path in (Path(__file__).parents[2] / "pcaps").rglob("*.pcap*") if path.is_file())


@pytest.mark.parametrize("path", project_captures(), ids=lambda path: path.stem)
def test_the_captures_of_the_project_read_the_same_to_tshark(path: Path, tmp_path: Path) -> None:
    start = tmp_path / path.name.removesuffix(".gz")
    start.write_bytes(start_of(path, ENOUGH))
    assert differences(start)[1] == []


def test_the_sample_day_reads_the_same_to_tshark(sample_day: SampleDay, tmp_path: Path) -> None:
    morning = tmp_path / "morning.pcap"
    morning.write_bytes(start_of(sample_day.capture, ENOUGH))
    count, found = differences(morning)
    assert found == []
    assert count > 100


@pytest.mark.skipif(captures_folder() is None, reason="no captures: set SCHOOLGATE_CAPTURES to a folder with them")
def test_real_captures_read_the_same_to_tshark() -> None:
    folder = captures_folder()
    assert folder is not None
    names = defaultdict(set)
    for name, column in (("truth_sni.jsonl", "sni"), ("truth_http.jsonl", "host")):
        for row in rows(folder, name):
            if row.get(column) and "fuzz" not in row["file"]:
                names[row["file"]].add(without_port(row[column]))
    flows, found = 0, list[str]()
    for file in sorted(names)[::8]:
        count, differ = differences(folder / file, names[file])
        flows += count
        found += differ
    assert len(found) <= 0.01 * flows, found
