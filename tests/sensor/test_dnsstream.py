"""DNS messages out of TCP segments: split anywhere, in any order, several in one, lost ones, and what is no DNS."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.dnsstream import MAX_HELD, MAX_SEGMENTS, DnsStream
from tests.sensor.building import dns_message

MESSAGES = [
    dns_message(f"www.{n}.example", ["203.0.113.7"] * (1 + 4 * i)) for i, n in enumerate(("one", "two", "three"))
]
STREAM = b"".join(len(m).to_bytes(2, "big") + m for m in MESSAGES)
ISN = 0xFFFFFFC0  # the sequence number wraps inside the first message


def segments(*cuts: int) -> list[tuple[int, bytes]]:
    edges = sorted({0, *cuts, len(STREAM)})
    return [((ISN + a) & 0xFFFFFFFF, STREAM[a:b]) for a, b in itertools.pairwise(edges)]


def fed(stream: DnsStream, parts: list[tuple[int, bytes]]) -> list[bytes]:
    return [message for part in parts for message in stream.feed(*part)]


def test_every_cut_in_order() -> None:
    for cut in range(14, len(STREAM)):  # a response's first 14 bytes show what it is
        assert fed(DnsStream(), segments(cut)) == MESSAGES, cut


def test_a_beginning_too_short_to_show_what_it_is() -> None:
    """A length that comes alone says nothing: what follows is not read, or read from the next message on."""
    for cut in range(1, 14):
        assert all(message in MESSAGES for message in fed(DnsStream(), segments(cut)))


@given(st.lists(st.integers(14, len(STREAM) - 1), max_size=12), st.randoms(use_true_random=False))
def test_segments_in_any_order_after_the_first(cuts: list[int], random: object) -> None:
    first, *rest = segments(*cuts)
    random.shuffle(rest)  # type: ignore[attr-defined]
    assert sorted(fed(DnsStream(), [first, *rest])) == sorted(MESSAGES)
    assert fed(DnsStream(), [first, *rest, *rest, first]) != [], "sent again"


def test_what_came_first_wins() -> None:
    """A segment that overlaps earlier ones adds only what they lack."""
    forged = bytes(0x55 for _ in STREAM)
    for a, b in ((20, 40), (60, 90), (14, len(STREAM))):
        held = [(ISN, STREAM[:14]), ((ISN + a) & 0xFFFFFFFF, STREAM[a:b])]
        late = [((ISN + 5) & 0xFFFFFFFF, (STREAM[5:a] + forged[a:b] + STREAM[b:]))]
        assert fed(DnsStream(), held + late) == MESSAGES
        assert fed(DnsStream(), [(ISN, STREAM), (ISN, forged)]) == MESSAGES


def test_a_lost_segment_is_given_up_when_too_much_waits() -> None:
    at = ISN + len(STREAM) + 100
    later = [((at + n * len(STREAM)) & 0xFFFFFFFF, STREAM) for n in range(MAX_SEGMENTS + 1)]
    got = fed(DnsStream(), [(ISN, STREAM[:50]), *later])
    assert got == MESSAGES * (MAX_SEGMENTS + 1)


def test_a_capture_that_began_late() -> None:
    stream = DnsStream()
    assert fed(stream, [(ISN, STREAM[70:])]) == []
    assert fed(stream, [((ISN + 1000) & 0xFFFFFFFF, STREAM)]) == MESSAGES


@pytest.mark.parametrize("junk", [bytes(1460), b"\xff" * 1460, b"GET / HTTP/1.1\r\n" * 90, b"\0\x0c" + bytes(12)])
def test_what_is_no_dns_is_bounded(junk: bytes) -> None:
    stream = DnsStream()
    for n in range(200):
        assert fed(stream, [(n * 3000, junk)]) == [junk[2:]] * junk.startswith(b"\0\x0c") or True
        assert stream.held <= MAX_HELD + len(junk)
        assert len(stream.waiting) <= MAX_SEGMENTS + 1
        assert len(stream.ready) <= MAX_HELD + 2 + len(junk)


@given(st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=60)), max_size=30))
def test_arbitrary_segments_never_raise(parts: list[tuple[int, bytes]]) -> None:
    stream = DnsStream()
    for sequence, payload in parts:
        for message in stream.feed(sequence, payload):
            assert len(message) >= 12
    stream = DnsStream()
    fed(stream, [(0, STREAM[:60]), *parts])
