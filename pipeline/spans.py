"""Spans of time laid over each other: which of them hold when.

Standard name: a sweep over the sorted ends. It knows nothing of what the spans mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")


def overlay(spans: Iterable[tuple[float, float, Item]]) -> Iterator[tuple[float, float, tuple[Item, ...]]]:
    """Spans [start, end) with what they carry -> pieces in order, each with what all spans that hold in it carry, in
    order of the spans. Empty spans and times without any are left out."""
    own = [span for span in spans if span[0] < span[1]]
    if all(before[1] <= after[0] for before, after in pairwise(own)):
        for start, end, item in own:
            yield start, end, (item,)
        return
    changes = sorted(
        change for number, (start, end, _) in enumerate(own) for change in ((start, number), (end, ~number))
    )
    active: set[int] = set()
    since = 0.0
    for time, number in changes:
        if active and time > since:
            yield since, time, tuple(own[n][2] for n in sorted(active))
        since = time
        if number >= 0:
            active.add(number)
        else:
            active.discard(~number)
