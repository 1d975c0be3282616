"""Records of a pcap file are read ahead from several places at once; what is walked is what the file says, always."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor import walk
from sensor.frames import BATCH, new_batch

HEADER = 24
START = 1_794_909_600


def record(seconds: int, fraction: int, payload: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}IIII", seconds, fraction, len(payload), len(payload)) + payload


def capture(records: list[bytes]) -> Any:
    return np.frombuffer(bytes(HEADER) + b"".join(records), np.uint8).copy()


def state_of(order: str = "<") -> Any:
    state = walk.new_state()
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, order == "<", 1, 1
    return state


def walked(buffer: Any, state: Any, start: int = HEADER, end: int | None = None) -> tuple[list[tuple[int, int]], int]:
    """(offset of the frame, time in ns) of every record, and where the walk ended."""
    batch, found, at = new_batch(), [], start
    while True:
        n, at = walk.walk_pcap(buffer, at, len(buffer) if end is None else end, state, batch, BATCH)
        if n == 0:
            return found, int(at)
        found += [(int(batch.frame[k]), int(batch.time[k])) for k in range(n)]
        assert all(batch.end[k] <= len(buffer) for k in range(n))


def listed(records: list[bytes], order: str = "<") -> list[tuple[int, int]]:
    """The same, read one after the other."""
    found, at = [], HEADER
    for one in records:
        seconds, fraction = struct.unpack(f"{order}II", one[:8])
        found.append((at + 16, seconds * 1_000_000_000 + fraction))
        at += len(one)
    return found


def many(sizes: np.random.Generator, count: int, order: str = "<") -> list[bytes]:
    return [record(START + n // 50, n, bytes(int(sizes.integers(0, 1500))), order) for n in range(count)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_lanes_of_a_file_are_walked_in_order(order: str) -> None:
    records = many(np.random.default_rng(4), 9_000, order)
    buffer = capture(records)
    assert len(buffer) > 3 * walk.LANES * walk.LANE_BYTES
    assert walked(buffer, state_of(order)) == (listed(records, order), len(buffer))


def test_a_payload_that_looks_like_records_misleads_nobody() -> None:
    decoy = record(START, 1, bytes(84)) * 14
    random = np.random.default_rng(5)
    records = [record(START + n // 50, n, decoy[int(random.integers(0, 100)) :]) for n in range(3_000)]
    assert walked(capture(records), state_of()) == (listed(records), len(capture(records)))


def test_what_was_read_ahead_of_one_buffer_is_not_believed_of_the_next() -> None:
    """As when a packed capture is read: each part of it lies in a new buffer, and the state goes on."""
    state = state_of()
    first = [record(START, n, bytes(100)) for n in range(500)]
    walked(capture(first), state, end=HEADER + 100 * 116)
    second = [record(START + 9, n, bytes(100 if n < 120 else 40)) for n in range(500)]
    assert walked(capture(second), state)[0] == listed(second)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 3_000), st.integers(0, 40))
def test_a_file_that_ends_anywhere_gives_its_whole_records(seed: int, count: int, cut: int) -> None:
    records = many(np.random.default_rng(seed), count)
    buffer = capture(records)[: -cut or None]
    found, end = walked(buffer, state_of())
    whole = [
        place for place, one in zip(listed(records), records, strict=True) if place[0] - 16 + len(one) <= len(buffer)
    ]
    assert found == whole
    assert end == (HEADER if not whole else whole[-1][0] - 16 + len(records[len(whole) - 1]))


def test_a_record_that_makes_no_sense_stops_the_walk_where_it_is() -> None:
    records = many(np.random.default_rng(6), 400)
    buffer, state = (
        capture([*records, struct.pack("<IIII", START, 0, walk.MAX_RECORD + 1, 60), bytes(1 << 21)]),
        state_of(),
    )
    found, end = walked(buffer, state)
    assert found == listed(records)
    assert state[walk.BROKEN] == end + 1
