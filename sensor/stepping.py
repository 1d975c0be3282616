"""A capture fed to a meter a few frames at a time, so that somebody can look at the meter in between.

Frames are numbered from 1 as in Wireshark. It does not know what is looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor import walk
from sensor.capture import open_capture
from sensor.frames import new_batch
from sensor.meter import Meter


@dataclass(frozen=True, slots=True)
class Fed:
    """Some frames that the meter has just been fed: number of the first, how many, and where each lies.

    Where the meter's last batch has other places, it held a datagram that was put together from fragments.
    """

    number: int
    count: int
    buffer: Any
    places: Any

    def elsewhere(self, batch: Any) -> bool:
        return bool((batch.frame[: self.count] != self.places).any())


def feed_few(path: Path, meter: Meter, sizes: Callable[[int], int]) -> Iterator[Fed]:
    """Feed a capture a few frames at a time: `sizes(number)` of them from frame `number` on, at most BATCH."""
    capture, ahead = open_capture(path), new_batch()
    number, fed = 1, Fed(1, 0, None, None)

    def feed(buffer: Any, start: int, end: int, state: Any, interfaces: Any) -> int:
        nonlocal fed
        trial = state.copy()  # walking ahead must not move the capture's own state
        if state[walk.FORMAT] == walk.FORMAT_PCAP:
            count, after = walk.walk_pcap(buffer, start, end, trial, ahead, sizes(number))
        else:
            count, after = walk.walk_pcapng(buffer, start, end, trial, interfaces.copy(), ahead, sizes(number))
        fed = Fed(number, int(count), buffer, ahead.frame[:count])
        return meter.feed(buffer, start, int(after) if count else end, state, interfaces)

    for _ in capture.read(feed):
        if fed.count:
            yield fed
        number += fed.count
