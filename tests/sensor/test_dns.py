"""DNS answers as other libraries write them, hostile ones, and what one client's memory may say about its flows."""

from __future__ import annotations

import struct
import time

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRROPT

from sensor.dns import MAX_NAMES_PER_PAIR, MAX_TTL, Answer, Answers, DnsMemory, read_answers
from sensor.slices import pack_address
from tests.sensor.building import (
    CLIENT,
    OTHER_CLIENT,
    RESOLVER,
    SERVER,
    Packet,
    Talk,
    classify,
    client_hello,
    dns_answer,
    dns_message,
    ethernet,
    names,
    ns,
    udp,
)

# -- reading ----------------------------------------------------------------------------------------------------------


def test_a_chain_written_by_scapy() -> None:
    message = DNS(
        qr=1,
        qd=DNSQR(qname="WWW.One.example"),
        an=[
            DNSRR(rrname="WWW.One.example", type="CNAME", ttl=300, rdata="edge.cdn.example"),
            DNSRR(rrname="edge.cdn.example", type="A", ttl=60, rdata="203.0.113.7"),
            DNSRR(rrname="edge.cdn.example", type="AAAA", ttl=61, rdata="2001:db8::7"),
            DNSRR(rrname="edge.cdn.example", type="TXT", ttl=1, rdata=b"x"),
        ],
        ar=[DNSRROPT(rclass=1232)],
    )
    assert read_answers(bytes(message)) == Answers(
        "www.one.example",
        (
            Answer("www.one.example", "CNAME", 300, "edge.cdn.example"),
            Answer("edge.cdn.example", "A", 60, "203.0.113.7"),
            Answer("edge.cdn.example", "AAAA", 61, "2001:db8::7"),
        ),
    )


def test_a_message_packed_by_dpkt_with_compression() -> None:
    question = dpkt.dns.DNS.Q(name="www.one.example", type=1, cls=1)
    record = dpkt.dns.DNS.RR(name="www.one.example", type=1, cls=1, ttl=30, rdata=bytes([203, 0, 113, 7]))
    packed = bytes(dpkt.dns.DNS(op=0x8180, qd=[question], an=[record]))
    assert packed.count(b"example") == 1, "dpkt points to the question's name"
    assert read_answers(packed) == Answers("www.one.example", (Answer("www.one.example", "A", 30, "203.0.113.7"),))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 11,
        bytes(DNS(rd=1, qd=DNSQR(qname="www.one.example"))),  # a question
        bytes(DNS(qr=1, rcode=3, qd=DNSQR(qname="www.one.example"))),  # no such name
    ],
)
def test_what_is_no_answer(message: bytes) -> None:
    assert read_answers(message) is None


def test_every_cut_of_a_message() -> None:
    message = dns_message("www.one.example", ["203.0.113.7", "203.0.113.8"], cnames=["edge.cdn.example"])
    whole = read_answers(message)
    assert whole is not None
    assert [a.type for a in whole.answers] == ["CNAME", "A", "A"]
    for size in range(len(message)):
        cut = read_answers(message[:size])
        assert cut is None or cut.answers == whole.answers[: len(cut.answers)]


def test_names_of_odd_bytes() -> None:
    """What dpkt can decode (UTF-8) is escaped; a message that it cannot decode is not read."""
    message = dns_message("odd.one.example", ["203.0.113.7"])
    answers = read_answers(message.replace(b"odd", b"\xc3\xa9\x01"))
    assert answers is not None
    assert answers.qname == "\\xc3\\xa9\\x01.one.example"
    assert answers.answers[0].name == answers.qname
    assert read_answers(message.replace(b"odd", b"\xff\x01A")) is None


def pointers(count: int, answers: int) -> bytes:
    """A chain of pointers in a NULL record, each to the one before; then answers named by its end."""
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, 1 + answers, 0, 0) + b"\1a\0" + b"\0\1\0\1"
    head += b"\xc0\x0c" + struct.pack(">HHIH", 10, 1, 60, 2 * count)
    earlier = [0xC00C, *(0xC000 | len(head) + 2 * n for n in range(count - 1))]
    chain = b"".join(struct.pack(">H", pointer) for pointer in earlier)
    record = struct.pack(">HHHIH", 0xC000 | len(head) + 2 * (count - 1), 1, 1, 60, 4) + bytes([203, 0, 113, 7])
    return head + chain + record * answers


@pytest.mark.parametrize(
    "name",
    [b"\xc0\x0c", b"\1a\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\xc0\xff", b"\xff\xff", b"\x3f", b"\x80a\0", b"\xc0"],
    ids=[
        "to itself",
        "round a label",
        "in a ring",
        "beyond the end",
        "far beyond",
        "a long label",
        "a reserved kind",
        "half",
    ],
)
def test_names_that_never_end(name: bytes) -> None:
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, 1, 0, 0)
    tail = name + struct.pack(">HHIH", 1, 1, 60, 4) + bytes(4)
    assert read_answers(head + name + b"\0\1\0\1" + tail) is None


@pytest.mark.parametrize(("count", "answers"), [(8000, 3000), (900, 130)])
def test_a_message_that_is_costly_to_read_is_not_read_for_long(count: int, answers: int) -> None:
    message = pointers(count, answers)
    begun = time.process_time()
    read_answers(message)
    assert time.process_time() - begun < 0.5, "one datagram must not hold the sensor up"


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 4), st.integers(0, 70))
def test_arbitrary_bytes_never_raise(data: bytes, questions: int, answers: int) -> None:
    for message in (data, struct.pack(">HHHHHH", 1, 0x8180, questions, answers, 0, 0) + data):
        read = read_answers(message)
        if read is not None:
            DnsMemory(9).learn(pack_address(CLIENT), read, 0.0)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=5))
def test_changed_messages_never_raise(changes: list[tuple[int, int]]) -> None:
    chain = bytearray(bytes(DNS(qr=1, qd=DNSQR(qname="a.example"), an=DNSRR(rrname="a.example", rdata="203.0.113.7"))))
    for at, value in changes:
        chain[at % len(chain)] = value
    read_answers(bytes(chain))


# -- memory -----------------------------------------------------------------------------------------------------------

ME, OTHER, HOST = pack_address(CLIENT), pack_address(OTHER_CLIENT), pack_address(SERVER)


def told(name: str, *addresses: str, ttl: int = 60, owner: str = "") -> Answers:
    return Answers(name, tuple(Answer(owner or name, "AAAA" if ":" in a else "A", ttl, a) for a in addresses))


def test_a_name_holds_from_the_answer_until_its_time_is_over() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", SERVER), 1000.0)
    for when, names_then in ((999.9, ()), (1000.0, ("a.example",)), (1060.0, ("a.example",)), (1060.1, ())):
        assert memory.names(ME, HOST, when) == names_then, when
    assert memory.names(OTHER, HOST, 1001.0) == ()
    assert memory.names(ME, OTHER, 1001.0) == ()


def test_telling_it_again_makes_it_longer_and_a_gap_stays_a_gap() -> None:
    memory = DnsMemory(100)
    for now in (1000.0, 1050.0, 1200.0):
        memory.learn(ME, told("a.example", SERVER), now)
    seen = [memory.names(ME, HOST, when) for when in (1005.0, 1109.0, 1150.0, 1201.0)]
    assert seen == [("a.example",), ("a.example",), (), ("a.example",)]


def test_two_names_of_one_address_are_both_there() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", SERVER, ttl=100), 1000.0)
    memory.learn(ME, told("b.example", SERVER, ttl=10), 1005.0)
    assert memory.names(ME, HOST, 1001.0) == ("a.example",)
    assert memory.names(ME, HOST, 1006.0) == ("b.example", "a.example")
    assert memory.names(ME, HOST, 1016.0) == ("a.example",)


def test_a_chain_lives_as_long_as_its_shortest_record_and_long_promises_are_cut() -> None:
    memory = DnsMemory(100)
    chain = Answers("a.example", (Answer("a.example", "CNAME", 5, "b.example"), Answer("b.example", "A", 900, SERVER)))
    memory.learn(ME, chain, 0.0)
    assert memory.names(ME, HOST, 5.0) == ("a.example",)
    assert memory.names(ME, HOST, 6.0) == ()
    memory.learn(OTHER, told("a.example", SERVER, ttl=2**31), 0.0)
    assert memory.names(OTHER, HOST, MAX_TTL) == ("a.example",)
    assert memory.names(OTHER, HOST, MAX_TTL + 1.0) == ()


def test_addresses_of_other_names_in_the_same_message_are_not_believed() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", SERVER, owner="www.bank.example"), 0.0)
    ring = (Answer("a.example", "CNAME", 60, "b.example"), Answer("b.example", "CNAME", 60, "a.example"))
    memory.learn(ME, Answers("a.example", (*ring, Answer("c.example", "A", 60, SERVER))), 0.0)
    assert len(memory) == 0


def test_six_addresses_of_both_families() -> None:
    memory = DnsMemory(100)
    memory.learn(ME, told("a.example", "203.0.113.1", "203.0.113.2", "2001:db8::1"), 0.0)
    assert len(memory) == 3
    assert memory.names(ME, pack_address("2001:db8::1"), 1.0) == ("a.example",)


def test_names_beyond_the_cap_leave_doubt() -> None:
    memory = DnsMemory(100)
    for n in range(MAX_NAMES_PER_PAIR + 5):
        memory.learn(ME, told(f"n{n}.example", SERVER), float(n))
    names = memory.names(ME, HOST, 20.0)
    assert names == (*(f"n{n}.example" for n in range(12, 12 - MAX_NAMES_PER_PAIR, -1)), "")


def test_the_oldest_pair_goes_first_and_is_counted() -> None:
    memory = DnsMemory(3)
    for n in (1, 2, 3, 1, 4):
        memory.learn(ME, told("a.example", f"203.0.113.{n}"), 0.0)
    known = [n for n in range(1, 5) if memory.names(ME, pack_address(f"203.0.113.{n}"), 0.0)]
    assert (known, memory.evicted, len(memory)) == ([1, 3, 4], 1, 3)


# -- evidence, through the meter --------------------------------------------------------------------------------------


def nameless(time: float, *, client: str = CLIENT, port: int = 50000, server: str = SERVER) -> list[Packet]:
    """A TCP flow without a hello."""
    talk = Talk(client=client, server=server, client_port=port, server_port=993).open(time)
    return talk.up(time + 0.1, b"hello, world").down(time + 0.2, b"hello, you").packets


def found(packets: list[Packet]) -> list[tuple[str | None, str]]:
    """(name, evidence) of the flows that are not DNS."""
    return [(f["name"], f["evidence"]) for f in classify(packets).flows if f["server_port"] != 53]


def test_an_answer_names_the_flow_that_follows() -> None:
    assert found([dns_answer(0, "www.one.example", [SERVER]), *nameless(1)]) == [("www.one.example", "dns")]
    assert found([dns_answer(0, "www.one.example", ["2001:db8::7"]), *nameless(1)]) == [(None, "none")]


@pytest.mark.parametrize(
    ("answer", "flow", "name"),
    [(0.0, 59.9, "www.one.example"), (0.0, 60.2, None), (5.0, 4.0, None), (5.0, 5.1, "www.one.example")],
    ids=["just in time", "too late", "the flow was first", "at once"],
)
def test_the_answer_must_be_alive_when_the_flow_begins(answer: float, flow: float, name: str | None) -> None:
    packets = sorted([dns_answer(answer, "www.one.example", [SERVER]), *nameless(flow)], key=lambda p: p.time)
    assert [n for n, _ in found(packets)] == [name]


def test_a_later_answer_does_not_unname_a_flow_or_name_an_older_one() -> None:
    answers = [dns_answer(t, "www.one.example", [SERVER], ttl=30) for t in (0, 100)]
    packets = [answers[0], *nameless(10), *nameless(50, port=50001), answers[1], *nameless(110, port=50002)]
    assert [n for n, _ in found(packets)] == ["www.one.example", None, "www.one.example"]


def test_what_another_client_was_told_names_nothing_of_mine() -> None:
    packets = [dns_answer(0, "www.one.example", [SERVER], client=OTHER_CLIENT), *nameless(1)]
    assert found(packets) == [(None, "none")]
    assert found([*packets, *nameless(2, client=OTHER_CLIENT)]) == [(None, "none"), ("www.one.example", "dns")]


def test_two_names_for_one_address_are_doubt() -> None:
    first, second = dns_answer(0, "www.one.example", [SERVER]), dns_answer(0.5, "www.two.example", [SERVER])
    assert found([first, second, *nameless(1)]) == [(None, "none")]
    assert found([first, *nameless(0.2), second]) == [("www.one.example", "dns")], "the second came later"


def test_the_hello_goes_before_the_answer() -> None:
    talk = Talk().open(1).up(1.1, client_hello("www.two.example"))
    assert found([dns_answer(0, "www.one.example", [SERVER]), *talk.packets]) == [("www.two.example", "sni")]
    silent = Talk().open(1).up(1.1, client_hello(None))
    assert found([dns_answer(0, "www.one.example", [SERVER]), *silent.packets]) == [("www.one.example", "dns")]


def test_a_flow_to_a_resolver_is_never_named_by_its_address() -> None:
    packets = [dns_answer(0, "dns.one.example", [RESOLVER]), dns_answer(1, "www.two.example", [SERVER])]
    assert {name for name, _, _ in names(packets)} == {None}


def test_answers_are_given_out_with_their_ends() -> None:
    report = classify([dns_answer(0, "www.one.example", [SERVER, "2001:db8::7"], ttl=9)], dns_only=True)
    (row,) = report.answers
    assert (row["client"], row["server"], row["qname"]) == (CLIENT, RESOLVER, "www.one.example")
    assert [(a["type"], a["ttl"], a["data"]) for a in row["answers"]] == [("A", 9, SERVER), ("AAAA", 9, "2001:db8::7")]
    assert report.flows == []


def test_an_answer_over_ipv6() -> None:
    client = "fd00:20::5"
    message = dns_message("www.one.example", ["2001:db8::7"])
    answer = Packet(ns(0), ethernet(udp("fd00:20::1", 53, client, 40053, message)))
    assert found([answer, *nameless(1, client=client, server="2001:db8::7")]) == [("www.one.example", "dns")]
