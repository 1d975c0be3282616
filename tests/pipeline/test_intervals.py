"""Column look-up of intervals against a plain one."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.intervals import Intervals, halves

ADDRESSES = st.lists(st.binary(min_size=16, max_size=16), max_size=12, unique=True)


def pairs_of(addresses: list[bytes]) -> np.ndarray:
    return halves(np.array(addresses, "S16"))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[bytes], list[list[tuple[int, int]]]]:
    addresses = draw(ADDRESSES)
    top = draw(st.sampled_from([60, 5_000, 2**32 - 1]))
    spans = []
    for _ in addresses:
        cuts = sorted(draw(st.sets(st.integers(0, top), max_size=12)))
        spans.append(list(zip(cuts[::2], cuts[1::2], strict=False)))
    return addresses, spans


@given(tables(), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2**32 - 1)), max_size=40), st.randoms())
def test_finds_what_a_plain_search_finds(table, questions, rng) -> None:  # type: ignore[no-untyped-def]
    addresses, spans = table
    edges = [edge for own in spans for span in own for edge in (span[0] - 1, *span, span[1] - 1) if 0 <= edge < 2**32]
    asked = [(addresses[a] if a < len(addresses) else bytes([a] * 16), minute) for a, minute in questions]
    asked += [(address, edge) for address in addresses for edge in edges]
    rng.shuffle(asked)
    number = {}
    for address, own in zip(addresses, spans, strict=True):
        for span in own:
            number[address, span] = len(number)
    expected = [
        next((n for (a, (s, e)), n in number.items() if a == address and s <= m < e), -1) for address, m in asked
    ]
    intervals = Intervals(pairs_of(addresses), spans)
    found = intervals.find(pairs_of([a for a, _ in asked]), np.array([m for _, m in asked], np.uint32))
    assert found.tolist() == expected
    assert len(intervals) == len(number)


def test_halves_of_both_forms() -> None:
    address = b"\0" * 10 + b"\xff\xff\x0a\x14\0\0"  # ends in zeros, which 'S16' drops when read one by one
    assert halves(np.array([address], "S16")).tolist() == [[0, 0x0000FFFF0A140000]]
    given_pairs = np.array([[1, 2]], np.uint64)
    assert halves(given_pairs).tolist() == [[1, 2]]


def test_addresses_of_one_slot_are_kept_apart() -> None:
    many = [n.to_bytes(8, "big") + bytes(8) for n in range(1, 4000)]
    intervals = Intervals(pairs_of(many), [[(n, n + 1)] for n in range(len(many))])
    found = intervals.find(pairs_of(many), np.arange(len(many), dtype=np.uint32))
    assert found.tolist() == list(range(len(many)))


def test_it_is_fast() -> None:
    rng = np.random.default_rng(5)
    addresses = [b"\0" * 10 + b"\xff\xff" + int(n).to_bytes(4, "big") for n in range(0x0A140000, 0x0A140000 + 1500)]
    spans = [[(start, start + 25) for start in range(29_000_000, 29_001_440, 30)] for _ in addresses]
    intervals = Intervals(pairs_of(addresses), spans)
    rows = 1_000_000
    asked = pairs_of(addresses)[rng.integers(0, 1500, rows)]
    minutes = (29_000_000 + rng.integers(0, 1440, rows)).astype(np.uint32)
    best = min(_seconds(intervals, asked, minutes) for _ in range(3))
    assert rows / best > 1_000_000  # a fifth of what it does on a quiet machine


def _seconds(intervals: Intervals, asked: np.ndarray, minutes: np.ndarray) -> float:
    start = time.process_time()  # not moved by what else the machine does
    found = intervals.find(asked, minutes)
    assert (found >= 0).mean() > 0.8
    return time.process_time() - start
