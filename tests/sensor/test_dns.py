"""DNS messages: as other libraries write them, cut short, hostile, and with records that few readers know."""

from __future__ import annotations

import ipaddress
import struct
import time

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRROPT

from sensor.dns import MAX_RECORDS, Answers, read_answers
from sensor.dnsmemory import DnsMemory
from sensor.slices import pack_address
from tests.sensor.building import CLIENT, SERVER, dns_message

V6 = "2001:db8::7"


def rows(answers: Answers | None) -> list[tuple[str, str, int, str]]:
    assert answers is not None
    return [(r.name, r.type, r.ttl, r.data) for r in answers.records]


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
    answers = read_answers(bytes(message))
    assert answers is not None
    assert answers.qname == "www.one.example"
    assert rows(answers) == [
        ("www.one.example", "CNAME", 300, "edge.cdn.example"),
        ("edge.cdn.example", "A", 60, "203.0.113.7"),
        ("edge.cdn.example", "AAAA", 61, "2001:db8::7"),
    ]


def test_a_message_packed_by_dpkt_with_compression() -> None:
    question = dpkt.dns.DNS.Q(name="www.one.example", type=1, cls=1)
    record = dpkt.dns.DNS.RR(name="www.one.example", type=1, cls=1, ttl=30, rdata=bytes([203, 0, 113, 7]))
    packed = bytes(dpkt.dns.DNS(op=0x8180, qd=[question], an=[record]))
    assert packed.count(b"example") == 1, "dpkt points to the question's name"
    assert rows(read_answers(packed)) == [("www.one.example", "A", 30, "203.0.113.7")]


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
    assert [a.type for a in whole.records] == ["CNAME", "A", "A"]
    for size in range(len(message)):
        cut = read_answers(message[:size])
        assert cut is None or cut.records == whole.records[: len(cut.records)]


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (b"\xc3\xa9\x01", "\\195\\169\\001"),
        (b"\xff\x01A", "\\255\\001a"),
        (b"a.b", "a\\.b"),
        (b"a\\b", "a\\\\b"),
        (b"a b", "a\\032b"),
        (b"a\0b", "a\\000b"),
        (b"x" * 63, "x" * 63),
        (b"_dns", "_dns"),
    ],
)
def test_labels_of_any_bytes_can_be_read(label: bytes, text: str) -> None:
    """As in RFC 1035 5.1, so that two names never look the same."""
    name = bytes([len(label)]) + label + b"\3one\7example\0"
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, 1, 0, 0) + name + struct.pack(">HH", 1, 1)
    record = struct.pack(">HHIH", 1, 1, 60, 4) + bytes([203, 0, 113, 7])
    for owner in (b"\xc0\x0c", name):
        answers = read_answers(head + owner + record)
        assert rows(answers) == [(f"{text}.one.example", "A", 60, SERVER)]
        assert answers
        assert answers.qname == f"{text}.one.example"


def wire(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def message_of(
    *records: tuple[str, int, bytes], qname: str = "www.one.example", ttl: int = 60, counts: tuple[int, int] = (0, 0)
) -> bytes:
    """A response to one question with raw records of class IN; `counts`: how many authority and additional."""
    answers = len(records) - sum(counts)
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, answers, *counts) + wire(qname) + struct.pack(">HH", 1, 1)
    return head + b"".join(
        wire(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data for owner, kind, data in records
    )


def service_data(priority: int, target: str, **values: bytes) -> bytes:
    """SvcParams by key number, k4=... (RFC 9460 2.2)."""
    params = b"".join(struct.pack(">HH", int(key[1:]), len(v)) + v for key, v in values.items())
    return struct.pack(">H", priority) + wire(target) + params


HINT4, HINT6 = bytes([203, 0, 113, 7, 203, 0, 113, 8]), ipaddress.IPv6Address(V6).packed


@pytest.mark.parametrize("kind", [64, 65])
def test_https_records_carry_hints_targets_and_ech(kind: int) -> None:
    data = service_data(1, "", k1=b"\x02h2\x02h3", k4=HINT4, k5=b"\0\x45\xfe\x0d", k6=HINT6)
    answers = read_answers(
        message_of(("www.one.example", kind, data), ("www.one.example", kind, service_data(0, "x.cdn")))
    )
    assert answers is not None
    first, alias = answers.services
    assert (first.name, first.priority, first.target, first.ech) == ("www.one.example", 1, "", True)
    assert first.hints == tuple(pack_address(a) for a in ("203.0.113.7", "203.0.113.8", V6))
    assert (alias.priority, alias.target, alias.hints, alias.ech) == (0, "x.cdn", (), False)
    assert answers.records == ()


def test_hints_that_are_cut_short_are_left_out() -> None:
    for hint in (b"", b"\1\2\3", HINT4[:7]):
        answers = read_answers(message_of(("www.one.example", 65, service_data(1, "", k4=hint, k6=hint))))
        assert answers is not None
        assert len(answers.services[0].hints) == len(hint) // 4
    longer = service_data(1, "") + struct.pack(">HH", 4, 400) + HINT4  # a length beyond the record
    answers = read_answers(message_of(("www.one.example", 65, longer), ("a.example", 1, b"\1\2\3\4")))
    assert answers is not None
    assert len(answers.services[0].hints) == 2
    assert rows(answers) == [("a.example", "A", 60, "1.2.3.4")]


def test_only_mdns_is_believed_beyond_its_answers() -> None:
    message = message_of(("www.one.example", 1, b"\1\2\3\4"), ("www.one.example", 1, b"\5\6\7\x08"), counts=(0, 1))
    assert [r.data for r in (read_answers(message) or Answers("")).records] == ["1.2.3.4"]
    assert [r.data for r in (read_answers(message, every_section=True) or Answers("")).records] == [
        "1.2.3.4",
        "5.6.7.8",
    ]


def test_records_of_other_classes_are_no_addresses() -> None:
    message = bytearray(dns_message("www.one.example", [SERVER]))
    at = message.rindex(b"\0\1\0\1") + 2
    for group, count in ((1, 1), (0x8001, 1), (3, 0), (255, 0)):
        message[at : at + 2] = group.to_bytes(2, "big")
        assert len((read_answers(bytes(message)) or Answers("")).records) == count


def test_a_name_has_255_bytes_at_most() -> None:
    for labels, name in ((127, True), (128, False)):
        long = b"\1a" * labels + b"\0"
        head = struct.pack(">HHHHHH", 1, 0x8180, 1, 1, 0, 0) + long + struct.pack(">HH", 1, 1)
        answers = read_answers(head + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes(4))
        assert bool(answers and answers.qname) == name


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


def test_what_comes_before_a_name_that_never_ends_is_kept() -> None:
    message = bytearray(message_of(("a.example", 1, bytes(4)), ("b.example", 1, bytes(4))))
    at = message.index(b"\1b\7example")
    message[at : at + 11] = struct.pack(">H", 0xC000 | at) + bytes(9)
    assert rows(read_answers(bytes(message))) == [("a.example", "A", 60, "0.0.0.0")]


@pytest.mark.parametrize(("count", "answers"), [(8000, 3000), (900, 130), (30, 5000)])
def test_a_message_that_is_costly_to_read_is_not_read_for_long(count: int, answers: int) -> None:
    message = pointers(count, answers)
    begun = time.process_time()
    read_answers(message)
    assert time.process_time() - begun < 0.5, "one datagram must not hold the sensor up"


def test_a_message_of_long_names_is_not_read_for_long() -> None:
    """Every record's owner begins one label later in a name of 127 labels: at worst a quarter of a million labels."""
    long = b"\1a" * 126 + b"\0"
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, 4000, 0, 0) + long + struct.pack(">HH", 1, 1)
    pointers_to = [0xC000 | 12 + 2 * (n % 126) for n in range(4000)]
    message = head + b"".join(struct.pack(">HHHIH", p, 1, 1, 60, 4) + bytes(4) for p in pointers_to)
    begun = time.process_time()
    answers = read_answers(message)
    assert time.process_time() - begun < 0.1
    assert answers is not None
    assert len(answers.records) <= MAX_RECORDS


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


label = st.binary(min_size=1, max_size=20)
names_of = st.lists(label, min_size=1, max_size=5)


@given(names_of, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=20), st.booleans())
def test_what_a_second_hand_writes_is_read(
    question: list[bytes], records: list[tuple[int, int]], compress: bool
) -> None:
    """Owners are the question's name from its n-th label on, written out or pointed to."""

    def text(labels: list[bytes]) -> str:
        escaped = [
            "".join("\\" + chr(b) if b in b".\\" else chr(b) if 33 <= b <= 126 else f"\\{b:03d}" for b in x.lower())
            for x in labels
        ]
        return ".".join(escaped)

    offsets = [12 + sum(1 + len(x) for x in question[:n]) for n in range(len(question))]
    name = b"".join(bytes([len(x)]) + x for x in question) + b"\0"
    message = struct.pack(">HHHHHH", 7, 0x8400, 1, len(records), 0, 0) + name + struct.pack(">HH", 28, 1)
    expected = []
    for skip, ttl in records:
        n = skip % len(question)
        owner = struct.pack(">H", 0xC000 | offsets[n]) if compress else name[offsets[n] - 12 :]
        address = ttl.to_bytes(4, "big")
        message += owner + struct.pack(">HHIH", 1, 1, ttl, 4) + address
        expected.append((text(question[n:]), "A", ttl, str(ipaddress.IPv4Address(address))))
    if records:
        assert rows(read_answers(message)) == expected
    else:
        assert read_answers(message) is None
