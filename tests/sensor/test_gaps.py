"""Bytes that a mirror lost are counted, and only those: against a slow model that remembers every byte."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sensor import gaps
from sensor.frames import new_batch
from sensor.load import load32
from tests.sensor.building import CLIENT, SECOND, SERVER, Packet, Talk, ethernet, feed, new_sensor, ns, tcp

FLAGS = {"F": 1, "S": 2, "R": 4, "A": 16}


@dataclass(frozen=True)
class Segment:
    """A segment of a stream; `at` and `acknowledges` are offsets into the streams, so they do not wrap."""

    side: int
    at: int
    size: int
    acknowledges: int = 0
    flags: str = "A"


@dataclass
class Follower:
    """The kernel's follower of one flow, fed segment by segment."""

    isn: tuple[int, int] = (1000, 5000)
    table: np.ndarray = field(default_factory=gaps.new_gaps)
    now: int = 1_000 * SECOND

    def see(self, s: Segment, after_ns: int = 1000) -> None:
        self.now += after_ns
        batch = new_batch()
        sequence = (self.isn[s.side] + s.at) & 0xFFFFFFFF
        packet = tcp("10.0.0.1", 50000, "10.0.0.2", 443, seq=sequence, flags=s.flags)
        if s.side:
            packet = tcp("10.0.0.2", 443, "10.0.0.1", 50000, seq=sequence, flags=s.flags)
        header = bytearray(packet[20:40])
        header[8:12] = ((self.isn[1 - s.side] + s.acknowledges) & 0xFFFFFFFF).to_bytes(4, "big")
        buffer = np.frombuffer(bytes(header) + bytes(64), np.uint8)
        batch.hash[0] = np.uint64(1 << 63)
        batch.key[0, 4] = np.uint64(50000 << 48 | 443 << 32 | 6 << 24 | 1)
        batch.source_is_b[0], batch.time[0], batch.sequence[0] = s.side, self.now, sequence
        batch.flags[0] = sum(FLAGS[f] for f in s.flags)
        batch.payload[0], batch.payload_end[0], batch.payload_length[0] = 20, 20, s.size
        assert load32(buffer, 4, 20) == sequence
        gaps.look_for_gaps(buffer, batch, np.uint64(0), self.table)

    def counts(self) -> dict[str, int]:
        gaps.settle_gaps(self.table, self.now + 60 * SECOND)
        return dict(zip(gaps.COUNTED, map(int, self.table[gaps.ROWS]), strict=False))


class Model:
    """Remembers each byte of both directions."""

    def __init__(self) -> None:
        self.seen: tuple[set[int], set[int]] = (set(), set())
        self.first: list[int | None] = [None, None]
        self.end = [0, 0]
        self.most_holes = 0

    def see(self, s: Segment) -> None:
        if self.first[s.side] is None and s.size > 1:
            self.first[s.side] = self.end[s.side] = s.at
        if self.first[s.side] is not None:
            self.seen[s.side].update(range(s.at, s.at + s.size))
            self.end[s.side] = max(self.end[s.side], s.at + s.size)
        if self.first[1 - s.side] is not None:
            self.end[1 - s.side] = max(self.end[1 - s.side], s.acknowledges)
        self.most_holes = max(self.most_holes, *(self._holes(side) for side in (0, 1)))

    def missing(self, side: int) -> list[int]:
        first = self.first[side]
        return [] if first is None else [n for n in range(first, self.end[side]) if n not in self.seen[side]]

    def _holes(self, side: int) -> int:
        missing = set(self.missing(side))
        return sum(n - 1 not in missing for n in missing)

    def counts(self) -> tuple[int, int]:
        passed = sum(self.end[side] - (self.first[side] or 0) for side in (0, 1) if self.first[side] is not None)
        return sum(len(self.missing(side)) for side in (0, 1)), passed


@st.composite
def conversations(draw: st.DrawFn) -> list[Segment]:
    """Two streams cut into segments, some lost, some sent again, some out of order, with acknowledgments."""
    rng = random.Random(draw(st.integers(0, 1 << 32)))
    at, out = [0, 0], []
    for _ in range(draw(st.integers(1, 30))):
        side = rng.randrange(2)
        size = rng.choice((0, 1, 2, 7, 30))
        out.append(Segment(side, at[side], size, at[1 - side]))
        at[side] += size
    lost = draw(st.sampled_from([0.0, 0.1, 0.4]))
    kept = [s for s in out if rng.random() >= lost]
    for _ in range(rng.randrange(4)):
        if kept:
            again = rng.choice(out)
            cut = rng.randrange(again.size + 1)
            kept.insert(rng.randrange(len(kept) + 1), Segment(again.side, again.at + cut, again.size - cut, 0))
    for _ in range(rng.randrange(4)):
        if len(kept) > 1:
            n = rng.randrange(len(kept) - 1)
            kept[n], kept[n + 1] = kept[n + 1], kept[n]
    for _ in range(rng.randrange(3)):
        if kept:
            n = rng.randrange(len(kept))
            s = kept[n]
            kept.insert(n + 1, Segment(s.side, max(0, s.at + s.size - 1), rng.choice((0, 1)), s.acknowledges))  # alive?
    return kept


@settings(max_examples=500)
@given(conversations(), st.sampled_from([(1000, 5000), (0xFFFFFFF0, 0xFFFFFFC0), (0x7FFFFFF0, 0)]))
def test_what_is_lost_is_what_a_slow_model_misses(segments: list[Segment], isn: tuple[int, int]) -> None:
    follower, model = Follower(isn), Model()
    for s in segments:
        follower.see(s)
        model.see(s)
    assume(model.most_holes <= gaps.HOLES)
    counts = follower.counts()
    assert (counts["gap_bytes"], counts["gap_checked_bytes"]) == model.counts()


def test_many_holes_are_lost_at_once_and_never_too_many() -> None:
    follower = Follower()
    for n in range(100):
        follower.see(Segment(0, n * 20, 10))
    assert follower.counts()["gap_bytes"] == 99 * 10
    assert follower.counts()["gap_checked_bytes"] == 99 * 20 + 10


def test_a_hole_may_be_filled_for_ten_seconds() -> None:
    follower = Follower()
    for at in (0, 20):
        follower.see(Segment(0, at, 10))
    gaps.settle_gaps(follower.table, follower.now + 9 * SECOND)
    follower.see(Segment(0, 10, 10))
    assert follower.counts()["gap_bytes"] == 0
    follower.see(Segment(0, 40, 10))
    gaps.settle_gaps(follower.table, follower.now + 11 * SECOND)
    follower.see(Segment(0, 30, 10))
    assert follower.counts()["gap_bytes"] == 10


def test_a_new_connection_of_the_same_ports_begins_anew() -> None:
    follower = Follower()
    follower.see(Segment(0, 0, 100))
    follower.see(Segment(0, 5_000_000, 0, flags="S"))
    follower.see(Segment(0, 5_000_001, 100))
    assert follower.counts()["gap_bytes"] == 0


def test_a_reset_and_a_leap_of_a_gigabyte_lose_nothing() -> None:
    follower = Follower()
    follower.see(Segment(0, 0, 100))
    follower.see(Segment(1, 900_000, 0, 77_000, flags="RA"))
    follower.see(Segment(0, 1_900_000_000, 100))
    assert follower.counts()["gap_bytes"] == 0


def test_a_flow_seen_from_one_side_is_told() -> None:
    one, both = Follower(), Follower()
    for n in range(40):
        one.see(Segment(1, n * 10, 10, n))
        both.see(Segment(n % 2, n // 2 * 10, 10))
    assert [f.counts()["tcp_one_way"] for f in (one, both)] == [1, 0]
    assert [f.counts()["tcp_sampled"] for f in (one, both)] == [1, 1]


def conversation(port: int, packets: int = 60) -> list[Packet]:
    """A download with its acknowledgments, which say what has come."""
    talk, out = Talk(client_port=port).open(0), []
    for n in range(packets):
        talk.down(1 + n / 100, b"d" * 1000)
        reply = bytearray(tcp(CLIENT, port, SERVER, 443, seq=1001))
        reply[28:32] = (7001 + 1000 * (n + 1)).to_bytes(4, "big")
        out += [talk.packets[-1], Packet(ns(1 + n / 100 + 0.001), ethernet(bytes(reply)))]
    return [*talk.packets[:3], *out]


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_the_share_that_a_mirror_lost_is_found_by_the_sensor(loss: float) -> None:
    rng, sensor = random.Random(5), new_sensor()
    packets = [p for port in range(20000, 22000) for p in conversation(port) if rng.random() >= loss]
    feed(sensor, packets)
    sensor.meter.finish()
    counters = sensor.counters()
    assert counters["tcp_sampled"] > 30
    assert counters["tcp_one_way"] == 0
    assert counters["gap_checked_bytes"] > 1_000_000
    assert abs(counters["gap_bytes"] / counters["gap_checked_bytes"] - loss) < (0.01 if loss else 1e-9)


def test_one_way_is_told_by_the_sensor() -> None:
    sensor = new_sensor()
    packets = [p for port in range(20000, 22000) for p in conversation(port) if p.frame[26:30] == bytes([10, 20, 0, 5])]
    feed(sensor, packets)
    assert sensor.counters()["tcp_sampled"] > 30
    assert sensor.counters()["tcp_one_way"] == sensor.counters()["tcp_sampled"]
