"""Windows: closed only when everything they need has been seen, and named for good."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.windows import AHEAD_MIN, REACH_MIN, batch_key, end_needed, first_needed, first_open, start_of, view


@given(st.floats(0, 4e9))
def test_closed_windows_have_all_they_need(until: float) -> None:
    start = first_open(until)
    assert start % 5 == 0
    assert (start + 5 + 10) * 60 > until, "the first open window still waits for slices"
    assert (start + 10) * 60 <= until, "the window before it does not"
    assert end_needed(start - 5) * 60 <= until


@given(st.integers(100, 1 << 32))
def test_a_window_sees_no_further_than_its_slices_reach(minute: int) -> None:
    (start,) = start_of(np.array([minute])).tolist()
    ((first,), (end,)) = (side.tolist() for side in view(np.array([minute])))
    assert start <= minute < start + 5
    assert (first, end) == (start - 60, start + 12)
    assert first_needed(start) == first - REACH_MIN, "whether a minute is active depends on those before it"
    assert end_needed(start) == end + AHEAD_MIN, "and on those after it"


def test_batch_keys() -> None:
    assert batch_key("ysgol", "gate", 29_914_560) == "ysgol/gate/2026-11-17T00:00Z"
