"""A client's first bytes in any order, cut anywhere, sent twice, with other bytes, or with their beginning unseen."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.pieces import Pieces
from sensor.streams import MAX_BYTES, MAX_PIECES, MAX_SEGMENTS, MAX_UNSTARTED, StreamHello
from sensor.tls import Reading, read_stream
from tests.sensor.building import Talk, bare_hello, client_hello, in_records, names, record_of

NAME = b"www.one.example"
HELLO = client_hello(NAME.decode())
SHORT = record_of(bare_hello(NAME))
REQUEST = b"GET /a?b HTTP/1.1\r\nUser-Agent: x\r\nHost: www.one.example:8080\r\nAccept: */*\r\n\r\n"
BASE = 4242


def cut(data: bytes, *at: int) -> list[tuple[int, bytes]]:
    """(offset, bytes) of the parts between the cuts."""
    edges = sorted({0, *at, len(data)})
    return [(a, data[a:b]) for a, b in itertools.pairwise(edges)]


def feed(parts: list[tuple[int, bytes]], *, base: int = BASE, known: bool = True) -> list[Reading]:
    stream = StreamHello(base if known else -1)
    return [stream.feed((base + offset) & 0xFFFFFFFF, data) for offset, data in parts]


def check(readings: list[Reading], name: bytes = NAME) -> None:
    """The name at the end, nothing wrong before it, and completeness exactly at the end."""
    assert readings[-1].name == name
    assert readings[-1].complete
    assert all(r.name in (None, name) and not r.complete for r in readings[:-1])


@pytest.mark.parametrize("data", [HELLO, in_records(HELLO, 3, 100), REQUEST], ids=["hello", "records", "request"])
def test_every_cut_in_both_orders(data: bytes) -> None:
    for at in range(1, len(data)):
        first, second = cut(data, at)
        readings = feed([first, second])
        assert readings[-1].name == NAME, at
        assert not any(r.name not in (None, NAME) for r in readings)
        check(feed([second, first]))


@pytest.mark.parametrize("data", [HELLO, SHORT, REQUEST], ids=["hello", "short", "request"])
def test_every_order_of_five_segments(data: bytes) -> None:
    step = len(data) // 5 + 1
    for order in itertools.permutations(cut(data, *range(step, len(data), step))):
        readings = feed(list(order))
        name = [r.name for r in readings]
        assert name[-1] == NAME
        assert set(name) <= {None, NAME}


def test_one_byte_segments_in_order_and_backwards() -> None:
    parts = cut(SHORT, *range(1, len(SHORT)))
    assert len(parts) <= MAX_SEGMENTS
    check(feed(parts))
    check(feed(parts[::-1]))


@given(st.lists(st.integers(1, len(HELLO) - 1), max_size=40), st.randoms(use_true_random=False))
def test_any_cuts_in_any_order(cuts: list[int], random: object) -> None:
    parts = cut(HELLO, *cuts)
    random.shuffle(parts)  # type: ignore[attr-defined]
    check(feed(parts))


@given(
    st.lists(st.tuples(st.integers(0, len(HELLO) - 1), st.integers(1, 200)), max_size=25),
    st.lists(st.integers(1, len(HELLO) - 1), max_size=6),
    st.randoms(use_true_random=False),
)
def test_overlaps_and_retransmissions(extra: list[tuple[int, int]], cuts: list[int], random: object) -> None:
    parts = cut(HELLO, *cuts) + [(at, HELLO[at : at + size]) for at, size in extra]
    random.shuffle(parts)  # type: ignore[attr-defined]
    readings = feed(parts)
    assert readings[-1].name == NAME
    assert {r.name for r in readings} <= {None, NAME}


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, len(SHORT) - 1), min_size=1, max_size=4))
def test_sequence_numbers_wrap(base: int, cuts: list[int]) -> None:
    check(feed(cut(SHORT, *cuts)[::-1], base=base))


def test_the_wrap_lies_inside_the_name() -> None:
    base = -(SHORT.index(NAME) + 4) & 0xFFFFFFFF
    for order in itertools.permutations(cut(SHORT, 30, SHORT.index(NAME) + 4, SHORT.index(NAME) + 9)):
        check(feed(list(order), base=base))


@given(st.lists(st.tuples(st.integers(0, 40), st.binary(min_size=1, max_size=30)), min_size=1, max_size=12))
def test_a_byte_that_came_first_is_kept(parts: list[tuple[int, bytes]]) -> None:
    """Against a slow model: a dictionary from offset to the byte that came first."""
    stream, model = Pieces(), dict[int, int]()
    for offset, data in parts:
        for i, byte in enumerate(data):
            model.setdefault(offset + i, byte)
        stream.add(offset, data)
        known = bytes(model[i] for i in itertools.takewhile(model.__contains__, itertools.count()))
        assert stream.data == known


def test_a_retransmission_with_another_name_changes_nothing() -> None:
    other = SHORT.replace(b"www.one", b"www.two")
    at = SHORT.index(NAME)
    check(feed([(10, SHORT[10:]), (0, other)]))
    check(feed([(at, SHORT[at:]), (at - 3, other[at - 3 :]), (0, other)]))


@pytest.mark.parametrize("data", [SHORT, REQUEST], ids=["hello", "request"])
def test_a_beginning_whose_number_nobody_knows(data: bytes) -> None:
    check(feed(cut(data, 20, 60), known=False))
    for order in itertools.permutations(cut(data, 20, 60)):
        assert feed(list(order), known=False)[-1].name == NAME


def test_a_stream_seen_from_its_middle_is_given_up() -> None:
    readings = feed([(i * 100, b"\x17\x03\x03" + bytes(97)) for i in range(MAX_UNSTARTED)], known=False)
    assert not any(r.complete for r in readings[:-1])
    assert readings[-1] == Reading(False, True)


def test_a_hello_after_bytes_that_never_came() -> None:
    """After STARTTLS or SOCKS the kernel hands over from the hello on; the SYN's number says nothing then."""
    for at in range(6, len(SHORT)):
        readings = feed([(300 + offset, data) for offset, data in cut(SHORT, at)])
        check(readings)


def test_the_stream_s_own_beginning_goes_before_a_later_hello() -> None:
    inner = SHORT.replace(b"www.one", b"www.two")
    stream = StreamHello(BASE)
    assert stream.feed(BASE + len(SHORT), inner[:40]).name is None
    assert stream.feed(BASE, SHORT).name == NAME


CONNECT = b"CONNECT proxied.one.example:443 HTTP/1.1\r\nHost: proxied.one.example:443\r\n\r\n"


def test_a_connect_tunnel_is_named_by_the_hello_inside() -> None:
    data = CONNECT + HELLO
    for at in range(1, len(data), 7):
        readings = feed(cut(data, at))
        assert readings[-1] == Reading(True, True, NAME)
        assert readings[0].name in (None, b"proxied.one.example", NAME)
        assert not readings[0].complete


def test_whose_name_it_is_in_a_tunnel() -> None:
    stream = StreamHello(BASE)
    assert stream.feed(BASE, CONNECT) == Reading(True, False, b"proxied.one.example")
    assert stream.http
    assert stream.feed(BASE + len(CONNECT), HELLO[:80]).name == b"proxied.one.example"
    assert stream.http
    assert stream.feed(BASE + len(CONNECT) + 80, HELLO[80:]) == Reading(True, True, NAME)
    assert not stream.http


@pytest.mark.parametrize(
    ("inside", "name"),
    [(b"SSH-2.0-x\r\n", b"proxied.one.example"), (client_hello(None), b"proxied.one.example")],
    ids=["no hello", "a hello without a name"],
)
def test_a_tunnel_without_a_name_inside_keeps_the_outer_one(inside: bytes, name: bytes) -> None:
    stream = StreamHello(BASE)
    assert stream.feed(BASE, CONNECT + inside) == Reading(True, True, name)
    assert stream.http


def test_a_connect_without_host_still_leads_to_the_hello() -> None:
    """HTTP/1.0 needs no Host header."""
    head = b"CONNECT proxied.one.example:443 HTTP/1.0\r\n\r\n"
    check(feed([(0, head), (len(head), SHORT[:50]), (len(head) + 50, SHORT[50:])]))


def test_nothing_is_held_beyond_the_caps() -> None:
    many = StreamHello(BASE)
    readings = [many.feed(BASE + 1 + 2 * i, b"x") for i in range(MAX_PIECES + 2)]
    assert [r.complete for r in readings[:40]] == [False] * 40
    assert readings[-1].complete
    for sizes in (1, 1000):
        large, fed = StreamHello(BASE), 100
        assert not large.feed(BASE, HELLO[:100]).complete
        while not large.feed(BASE + fed + 1, bytes(sizes)).complete:
            fed += sizes + (sizes == 1)
        assert large.held <= MAX_BYTES
        assert fed <= MAX_BYTES + MAX_SEGMENTS
    far = StreamHello(BASE)
    assert far.feed(BASE + MAX_BYTES, HELLO) == Reading(False, True)
    assert far.held == 0


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=60)), max_size=12), st.booleans(), st.booleans()
)
def test_arbitrary_segments_never_raise(parts: list[tuple[int, bytes]], known: bool, near: bool) -> None:
    stream = StreamHello(7 if known else -1)
    for sequence, data in parts:
        reading = stream.feed(sequence % 100 if near else sequence, data)
        assert reading.name is None or reading.name != b""


@given(st.binary(max_size=80), st.integers(1, 79))
def test_cutting_a_stream_does_not_change_what_it_says(tail: bytes, at: int) -> None:
    data = SHORT[:50] + tail
    assert feed(cut(data, min(at, len(data) - 1)))[-1] == read_stream(data)


# -- through the meter ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [(), (7,), (100,), (5, 90), (20, 40, 60, 80, 100, 120)])
@pytest.mark.parametrize("data", [HELLO, REQUEST], ids=["hello", "request"])
def test_orders_of_segments_on_the_wire(data: bytes, cuts: tuple[int, ...]) -> None:
    evidence = "sni" if data is HELLO else "http_host"
    orders = itertools.islice(itertools.permutations(cut(data, *(c for c in cuts if c < len(data)))), 30)
    for order in orders:
        talk = Talk(isn=0xFFFFFFD0).open(0)
        for i, (offset, part) in enumerate(order):
            talk.segment(0.01 + i / 1000, offset, part)
        assert names(talk.packets) == [("www.one.example", evidence, False)], order


def test_a_hello_in_the_syn() -> None:
    """TCP Fast Open (RFC 7413): the SYN's data is the stream's beginning."""
    talk = Talk()
    talk.segment(0, -1, HELLO, "S").down(0.01, b"", "SA")
    assert names(talk.packets) == [("www.one.example", "sni", False)]
    talk = Talk()
    talk.segment(0, -1, HELLO[:90], "S").down(0.01, b"", "SA").segment(0.02, 90, HELLO[90:])
    assert names(talk.packets) == [("www.one.example", "sni", False)]


def test_half_a_hello_is_partial() -> None:
    at = HELLO.index(NAME) + len(NAME)
    assert names(Talk().open(0).up(0.1, HELLO[:at]).packets) == [("www.one.example", "sni", True)]
    assert names(Talk().open(0).up(0.1, HELLO[: at - 1]).packets) == [(None, "none", True)]
    assert names(Talk().open(0).segment(0.1, 90, HELLO[90:]).packets) == [(None, "none", False)], "who knows"
    assert names(Talk().up(0.1, b"some bytes of a late capture").packets) == [(None, "none", False)]


def test_a_capture_that_begins_inside_the_handshake() -> None:
    for order in ([0, 1], [1, 0]):
        parts = cut(HELLO, 200)
        talk = Talk()
        for i in order:
            talk.segment(i / 10, *parts[i])
        assert names(talk.packets) == [("www.one.example", "sni", False)], order


def socks(talk: Talk) -> Talk:
    """RFC 1928: greeting, choice, request, reply."""
    talk.up(0.1, b"\x05\x01\x00").down(0.2, b"\x05\x00")
    return talk.up(0.3, b"\x05\x01\x00\x01\xcb\x00\x71\x07\x01\xbb").down(0.4, b"\x05\x00\x00\x01\0\0\0\0\0\0")


def starttls(talk: Talk) -> Talk:
    """RFC 3207."""
    talk.down(0.1, b"220 mail.example ESMTP\r\n").up(0.2, b"EHLO pc\r\n").down(0.3, b"250 STARTTLS\r\n")
    return talk.up(0.4, b"STARTTLS\r\n").down(0.5, b"220 go ahead\r\n")


def connect(talk: Talk) -> Talk:
    return talk.up(0.1, CONNECT).down(0.2, b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize("before", [socks, starttls, connect])
@pytest.mark.parametrize("cuts", [(), (6,), (100,), (150, 300)])
def test_a_hello_that_does_not_come_first(before: object, cuts: tuple[int, ...]) -> None:
    talk = before(Talk().open(0))  # type: ignore[operator]
    for i, (_, part) in enumerate(cut(HELLO, *cuts)):
        talk.up(1 + i / 10, part)
    assert names(talk.packets) == [("www.one.example", "sni", False)]


def test_padded_acknowledgements_are_no_data() -> None:
    """Some drivers leave six zero bytes of Ethernet padding inside the IP length of an ACK."""
    talk = Talk().open(0).segment(0.1, 0, bytes(6), "A").up(0.2, HELLO[:150])
    talk.segment(0.3, 150, bytes(6), "A").up(0.4, HELLO[150:])
    assert names(talk.packets) == [("www.one.example", "sni", False)]


@pytest.mark.parametrize("data", [SHORT, REQUEST], ids=["hello", "request"])
def test_one_byte_segments_on_the_wire(data: bytes) -> None:
    talk = Talk().open(0)
    for i, byte in enumerate(data):
        talk.up(0.01 + i / 1000, bytes([byte]))
    assert [name for name, _, _ in names(talk.packets)] == ["www.one.example"]


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.integers(5, len(SHORT) - 1), st.integers(0, 255)), max_size=2), st.integers(6, len(SHORT) - 1)
)
def test_a_changed_hello_says_the_same_whole_and_in_two_segments(changes: list[tuple[int, int]], at: int) -> None:
    """The kernel reads whole hellos, Python split ones: one truth."""
    data = bytearray(SHORT)
    for index, value in changes:
        data[index] = value
    if data[5] != 1 or int.from_bytes(data[6:9], "big") != len(SHORT) - 9:
        return  # no hello, or one of another length: only whole hellos are compared
    whole = names(Talk().open(0).up(0.1, bytes(data)).packets)
    assert names(Talk().open(0).up(0.1, bytes(data[:at])).up(0.2, bytes(data[at:])).packets) == whole
