"""Hellos of real stacks, cut everywhere: through the whole sensor, many connections in one capture.

What a case must give is asked of `sensor.tls.read_stream` on the bytes that are contiguous from the stream's
beginning, the first version of each byte; the recorded truth (pcaps/hellos) says what the whole hello names. A name is
right or absent, never wrong. `pytest -s` prints how many cases each class ran.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from pcaps.hellos import Hello, hellos
from sensor import layout, walk
from sensor.dtls import DtlsHello
from sensor.layout import GATHER_PLACES
from sensor.meter import Meter, MeterLimits
from sensor.namebook import name_text
from sensor.tls import read_stream
from tests.sensor.building import START, datagram, in_records, names

HELLOS = {hello.label: hello for hello in hellos()}
DTLS = {hello.label: hello for hello in hellos("udp")}
MANY = 12_000  # connections in one capture
IN_TURN = GATHER_PLACES - 96  # the same, when all are half done at once
FLIGHT = b"\x14\x03\x03\0\1\1"  # what the client says after its hello
ISN = 0xFFFFFF00  # numbers wrap inside most hellos

Segment = tuple[int, bytes]  # offset in the client's stream, bytes
Outcome = tuple[str | None, bool, bool]  # name, partial, ech


@dataclass(frozen=True, slots=True)
class Case:
    """A connection: the client's segments in order of arrival, and what must be said of it."""

    hello: str
    segments: tuple[Segment, ...]
    expected: Outcome
    syn: bool = True
    push: bool = True


# -- what must come out ---------------------------------------------------------------------------------------------


@functools.cache
def prefix_outcome(label: str, size: int) -> Outcome:
    """What the first `size` bytes of a hello give."""
    reading = read_stream(HELLOS[label].stream[:size]) if size else None
    if reading is None or not reading.is_hello:
        return None, False, False
    name = name_text(reading.name) if reading.name else None
    return name, not reading.complete, reading.ech


def contiguous(segments: Iterable[Segment]) -> bytes:
    """A slow model: the first version of each byte, up to the first that never came."""
    first: dict[int, int] = {}
    for offset, data in segments:
        for i, byte in enumerate(data, offset):
            first.setdefault(i, byte)
    return bytes(first[i] for i in itertools.takewhile(first.__contains__, itertools.count()))


def outcome(data: bytes) -> Outcome:
    reading = read_stream(data)
    name = name_text(reading.name) if reading.name else None
    return name, reading.is_hello and not reading.complete, reading.ech


def test_the_truth_agrees_with_the_reader_on_whole_hellos() -> None:
    assert len(HELLOS) >= 20
    assert sum(h.mlkem for h in HELLOS.values()) >= 8
    assert sum(h.ech for h in HELLOS.values()) >= 5
    for label, hello in HELLOS.items():
        assert prefix_outcome(label, len(hello.stream)) == (hello.name, False, hello.ech), label


# -- captures -------------------------------------------------------------------------------------------------------


def packet(number: int, time: int, offset: int, data: bytes, flags: int) -> bytes:
    """A record of a pcap file: client 10.a.b.c (its number) to 203.0.113.7:443."""
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0, 0x0A000000 | number, 0xCB007107)
    tcp = struct.pack(">HHIIBBHHH", 50000, 443, (ISN + 1 + offset) & 0xFFFFFFFF, 0, 0x50, flags, 65535, 0, 0)
    size = 54 + len(data)
    head = struct.pack("<IIII", START + time // 1_000_000, time % 1_000_000, size, size)
    return head + b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\0" + ip + tcp + data


def capture(cases: list[Case], interleaved: bool) -> bytes:
    """All cases as one pcap: one connection after another, or every connection's next packet in turn."""
    timelines = []
    for number, case in enumerate(cases):
        flags = 0x18 if case.push else 0x10
        packets = [(-1, b"", 2)] if case.syn else []
        packets += [(offset, data, flags) for offset, data in case.segments]
        timelines.append([(number, offset, data, f) for offset, data, f in packets])
    if interleaved:
        order: Iterable[tuple[int, int, bytes, int]] = (
            p for turn in itertools.zip_longest(*timelines) for p in turn if p is not None
        )
    else:
        order = itertools.chain.from_iterable(timelines)
    parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
    parts += [packet(number, at, offset, data, flags) for at, (number, offset, data, flags) in enumerate(order)]
    return b"".join(parts)


def said(data: bytes, count: int) -> list[Outcome]:
    """What the sensor says of each connection."""
    known: dict[str, int] = {}
    out: list[Outcome] = [(None, False, False)] * count

    def give(slices: layout.Slices, rows: int) -> None:
        halves = slices.halves[:rows]
        numbers, names = slices.words[:rows, 1] & np.uint64(0xFFFFFF), halves[:, layout.S_NAME]
        for number, name, flags in zip(
            numbers.tolist(), names.tolist(), halves[:, layout.S_FLAGS].tolist(), strict=True
        ):
            out[number] = meter.name_of(name) or None, bool(flags & layout.PARTIAL), bool(flags & layout.ECH)

    limits = MeterLimits(names=1 << 13, first_flows=1 << 14)
    meter = Meter(lambda name: known.setdefault(name, len(known) + 1), give, limits, emit_all=True)
    state, buffer = walk.new_state(), np.frombuffer(bytearray(data), np.uint8)
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1
    assert meter.feed(buffer, 24, len(data), state) == len(data)
    meter.finish()
    return out


def run(title: str, cases: Iterable[Case], interleaved: bool = False) -> None:
    """Every case gives what it must."""
    total, wrong = 0, []
    iterator = iter(cases)
    while some := list(itertools.islice(iterator, IN_TURN if interleaved else MANY)):
        results = said(capture(some, interleaved), len(some))
        total += len(some)
        for case, result in zip(some, results, strict=True):
            if result != case.expected:
                wrong.append((case.hello, [(o, len(d)) for o, d in case.segments], case.expected, result))
    print(f"{title}: {total} cases, {len(wrong)} wrong")
    assert total > 0
    assert not wrong, wrong[:5]


def whole(label: str) -> Outcome:
    return prefix_outcome(label, len(HELLOS[label].stream))


def splits() -> Iterator[tuple[str, bytes, int]]:
    """Every hello, its stream, and every place to cut it in two."""
    for label, hello in HELLOS.items():
        for at in range(1, len(hello.stream)):
            yield label, hello.stream, at


# -- classes of cases -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("interleaved", [False, True], ids=["one after another", "in turn"])
def test_two_segments(interleaved: bool) -> None:
    cases = (Case(h, ((0, s[:at]), (at, s[at:])), whole(h)) for h, s, at in splits())
    run("two segments", cases, interleaved)


def test_two_segments_the_later_one_first() -> None:
    run("two segments, reversed", (Case(h, ((at, s[at:]), (0, s[:at])), whole(h)) for h, s, at in splits()))


@pytest.mark.parametrize("again", [1, 7, 200])
def test_overlapping_segments(again: int) -> None:
    """The second segment begins with bytes that the first also has, or the other way round."""

    def cases() -> Iterator[Case]:
        for n, (h, s, at) in enumerate(splits()):
            pieces = (0, s[: at + again]), (at, s[at:])
            yield Case(h, pieces if n & 1 else pieces[::-1], whole(h))

    run(f"overlap of {again}", cases())


def other_bytes(hello: Hello) -> bytes:
    """The same hello for another name of the same length, and with nothing else alike."""
    data = bytes(b ^ 0x5A for b in hello.stream)
    if hello.name:
        at, end = (hello.stream.index(hello.name.encode()) + k for k in (0, len(hello.name)))
        data = data[:at] + b"x" * (end - at) + data[end:]
    return data


def test_a_retransmission_with_other_bytes_changes_nothing() -> None:
    """What came first wins: the first part again with other bytes, then both parts at once with other bytes."""

    def cases() -> Iterator[Case]:
        for label, hello in HELLOS.items():
            s, other = hello.stream, other_bytes(hello)
            named = s.replace(hello.name.encode(), b"x" * len(hello.name)) if hello.name else s
            for at in range(1, len(s)):
                bad = named if at & 1 else other
                yield Case(label, ((0, s[:at]), (0, bad[:at]), (at, s[at:])), whole(label))
                yield Case(label, ((at, s[at:]), (at, bad[at:]), (0, bad[: at // 2] * 0 + s)), whole(label))

    run("other bytes again", cases())


@pytest.mark.parametrize("later_first", [False, True])
def test_overlap_with_other_bytes(later_first: bool) -> None:
    """Two versions of the bytes between two places; the oracle is the slow model."""

    def cases() -> Iterator[Case]:
        for label, hello in HELLOS.items():
            s, other = hello.stream, other_bytes(hello)
            for at in range(5, len(s) - 1, 3):
                back = min(at, 1 + at % 60)
                pieces: tuple[Segment, ...] = ((0, s[:at]), (at - back, other[at - back : at] + s[at:]))
                if later_first:
                    pieces = ((at, s[at:]), (0, s[:at] + other[at : at + back]))
                expected = outcome(contiguous(pieces))
                assert expected == whole(label)
                yield Case(label, pieces, expected)

    run("overlap with other bytes", cases())


@pytest.mark.parametrize("missing", [1, 9, 300])
@pytest.mark.parametrize("later_first", [False, True])
def test_a_missing_piece(missing: int, later_first: bool) -> None:
    """The name is right and partial if it lies whole before the gap, else there is none."""

    def cases() -> Iterator[Case]:
        for h, s, at in splits():
            if at + missing < len(s):
                pieces = (0, s[:at]), (at + missing, s[at + missing :])
                yield Case(h, pieces[::-1] if later_first else pieces, prefix_outcome(h, at))

    run(f"a gap of {missing}", cases())


def test_only_the_beginning() -> None:
    run("only the beginning", (Case(h, ((0, s[:at]),), prefix_outcome(h, at)) for h, s, at in splits()))


def test_only_the_end_names_nothing() -> None:
    nothing = None, False, False
    run("only the end", (Case(h, ((at, s[at:]),), nothing, syn=at % 2 == 0) for h, s, at in splits()))


def test_three_segments_in_every_order() -> None:
    def cases() -> Iterator[Case]:
        for label, hello in HELLOS.items():
            s = hello.stream
            name = hello.stream.find(hello.name.encode()) if hello.name else 60
            grid = sorted(
                {1, 5, 6, 9, 10, 43, 44, name - 5, name, name + 3, len(s) // 2, len(s) - 1, *range(90, len(s), 250)}
            )
            for a, b in itertools.combinations([g for g in grid if 0 < g < len(s)], 2):
                for order in itertools.permutations(((0, s[:a]), (a, s[a:b]), (b, s[b:]))):
                    yield Case(label, order, whole(label))

    run("three segments", cases())


@pytest.mark.parametrize("push", [True, False])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_tiny_segments(size: int, push: bool) -> None:
    """Without PSH, those of zero bytes look like ACKs with link-layer padding; what comes next shows what they are."""

    def cases() -> Iterator[Case]:
        for label, hello in HELLOS.items():
            pieces = [(at, hello.stream[at : at + size]) for at in range(0, len(hello.stream), size)]
            yield Case(label, (*pieces, (len(hello.stream), FLIGHT)), whole(label), push=push)
            if push:
                yield Case(label, tuple(pieces[::-1]), whole(label))
                middle = len(pieces) // 2
                yield Case(label, (*pieces[middle:], *pieces[:middle]), whole(label))

    run(f"segments of {size}", cases(), interleaved=True)


def test_two_records() -> None:
    """In one segment, cut where the second record begins, and cut inside it; in order and reversed."""

    def cases() -> Iterator[Case]:
        for h, s, at in splits():
            if at < len(s) - 5:
                r = in_records(s, at)
                yield Case(h, ((0, r),), whole(h))
                for cut in (at + 5, min(at + 12, len(r) - 1)):
                    pieces = (0, r[:cut]), (cut, r[cut:])
                    yield Case(h, pieces if at & 1 else pieces[::-1], whole(h))

    run("two records", cases())


def test_the_later_record_alone_names_nothing() -> None:
    def cases() -> Iterator[Case]:
        for h, s, at in splits():
            if at < len(s) - 5:
                rest = in_records(s, at)[at + 5 :]
                assert outcome(rest)[0] is None
                yield Case(h, ((at + 5, rest),), outcome(rest), syn=at % 2 == 0)

    run("the later record alone", cases())


@pytest.mark.parametrize("later_first", [False, True])
def test_a_capture_that_starts_after_the_syn(later_first: bool) -> None:
    def cases() -> Iterator[Case]:
        for h, s, at in splits():
            pieces = (0, s[:at]), (at, s[at:])
            yield Case(h, pieces[::-1] if later_first else pieces, whole(h), syn=False)

    run("late start", cases())


def test_a_hello_in_the_syn_and_after_it() -> None:
    """TCP Fast Open: the SYN carries the beginning; it is sent again without."""
    for label, hello in HELLOS.items():
        data = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)]
        count = len(hello.stream)
        for at in range(1, count):
            data.append(packet(at, at * 3, -1, hello.stream[:at], 2))
            data.append(packet(at, at * 3 + 1, 0, hello.stream if at & 1 else hello.stream[at:], 0x18))
            if not at & 1:
                data[-1] = packet(at, at * 3 + 1, at, hello.stream[at:], 0x18)
        assert said(b"".join(data), count)[1:] == [whole(label)] * (count - 1), label


# -- DTLS -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", DTLS)
def test_dtls_hellos_on_the_wire(label: str) -> None:
    hello = DTLS[label]
    for order in (hello.parts, hello.parts[::-1], hello.parts + hello.parts):
        packets = [datagram(i / 10, data, server_port=4433) for i, data in enumerate(order)]
        assert names(packets) == [(hello.name, "sni", False)]


def in_fragments(datagram_bytes: bytes, size: int) -> list[bytes]:
    """The one hello of a datagram in fragments of `size`, each in a record and datagram of its own (RFC 6347 4.2.3)."""
    head, message = datagram_bytes[:13], datagram_bytes[25:]
    kind, length, number = datagram_bytes[13:14], datagram_bytes[14:17], datagram_bytes[17:19]
    out = []
    for at in range(0, len(message), size):
        part = message[at : at + size]
        body = kind + length + number + at.to_bytes(3, "big") + len(part).to_bytes(3, "big") + part
        out.append(head[:11] + struct.pack(">H", len(body)) + body)
    return out


@pytest.mark.parametrize("label", [label for label, hello in DTLS.items() if len(hello.parts) == 1])
def test_dtls_fragments_of_every_size_and_order(label: str) -> None:
    hello = DTLS[label]
    assert hello.name
    whole_at = hello.stream.index(hello.name.encode()) + len(hello.name) - 25
    for size in range(1, len(hello.stream) - 25):
        fragments = in_fragments(hello.stream, size)
        for order in (fragments, fragments[::-1]):
            looker = DtlsHello()
            readings = [looker.feed(f) for f in order]
            assert {r.name for r in readings} <= {None, hello.name.encode()}
            if len(order) <= 60:
                assert readings[-1].name == hello.name.encode()
                assert readings[-1].complete
        looker = DtlsHello()
        reading = [looker.feed(f) for f in fragments[:-1]][-1]
        if len(fragments) <= 60:
            here = size * (len(fragments) - 1)
            assert reading.name == (hello.name.encode() if here >= whole_at else None)
            assert not reading.complete
