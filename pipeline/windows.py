"""Windows of packet time: which are closed, which minutes each one needs, what it is called in the store.

Packet time is cut into five-minute windows. The rows of a window are a pure function of the slices of its own minutes,
of 74 before and of ten after; so whoever computes a window, before or after a crash, alone or together with others,
gets the same rows. A window is closed when everything it needs has been seen. To say whether a minute is
active, REACH_MIN minutes before it and AHEAD_MIN after it are needed (rules E2 to E5); so episodes look less far than
slices are kept. Times here are minutes since 1970-01-01 00:00 UTC. This module knows no traffic, people or store.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

WINDOW_MIN = 5
LOOK_BACK_MIN = 60
LOOK_AHEAD_MIN = 10
_STAMP = len("2026-11-17T09:00Z")
REACH_MIN, AHEAD_MIN = 14, 3  # how far back and ahead from a minute one must look to say whether it is active
PART_MIN = 30  # a long episode is told in parts that begin on multiples of this, see pipeline.judge.parts

Minutes = npt.NDArray[np.int64]


def start_of(minute: Minutes) -> Minutes:
    """Start of the window that each minute lies in."""
    return minute - minute % WINDOW_MIN


def first_needed(start: int) -> int:
    """The first minute whose slices a window needs."""
    return start - LOOK_BACK_MIN - REACH_MIN


def end_needed(start: int) -> int:
    """The minute after the last one whose slices a window needs."""
    return start + WINDOW_MIN + LOOK_AHEAD_MIN


def first_open(until: float) -> int:
    """Start of the first window that is not closed, when all slices of minutes that ended before `until` (Unix
    seconds) have been seen."""
    return math.floor((until / 60 - LOOK_AHEAD_MIN) / WINDOW_MIN) * WINDOW_MIN


def view(minute: Minutes) -> tuple[Minutes, Minutes]:
    """Active minutes that the window of each minute may look at: (the first, the one after the last)."""
    start = start_of(minute)
    return start - LOOK_BACK_MIN, start + (WINDOW_MIN + LOOK_AHEAD_MIN - AHEAD_MIN)


def batch_key(school: str, sensor: str, start: int) -> str:
    """The name under which a window's rows are stored, once."""
    return f"{school}/{sensor}/{as_time(start):%Y-%m-%dT%H:%MZ}"


def end_known(names: Iterable[str], key: str) -> int:
    """The end of the latest window among batch names, of the school and sensor of this batch key; 0 if none."""
    times = (name[len(key) - _STAMP :] for name in names if name[: len(key) - _STAMP] == key[:-_STAMP])
    latest = max((time for time in times if time[:1].isdigit()), default="")  # groups of windows begin with a word
    return int(datetime.fromisoformat(latest).timestamp()) // 60 + WINDOW_MIN if latest else 0


def as_time(minute: int) -> datetime:
    """A minute number as a time in UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)
