"""Pauses: times in which nobody is observed (an industrial action, an evacuation), with the reason, as a file.

`pauses.csv` lies in the school's folder and is written by `begin` and `end` only; the process that watches notices it
there. What happened in a paused minute is dropped before anything is judged, and the coverage of its window says how
many minutes were paused and why. A pause cannot be entered for times that are over: they were observed.
"""

from __future__ import annotations

import csv
import fcntl
import io
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.tables import InputError, Row, read_rows
from pipeline.windows import WINDOW_MIN
from sensor.durable import write_whole

FILE = "pauses.csv"
COLUMNS = ("paused_from", "paused_until", "reason", "by")
_NEVER = 1 << 40  # minutes

I64 = npt.NDArray[np.int64]


class PauseReason(StrEnum):
    """Why nobody is observed."""

    INDUSTRIAL_ACTION = "industrial_action"
    EVACUATION = "evacuation"
    EXAM_EMERGENCY = "exam_emergency"
    BEREAVEMENT = "bereavement"
    LEGAL_ADVICE = "legal_advice"
    MAINTENANCE = "maintenance"
    OTHER = "other"


class PauseError(InputError):
    """The file of pauses, or a change of it, is wrong."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Minutes since 1970, [start, end): each minute that the pause touches."""

    start: int
    end: int
    reason: PauseReason

    @property
    def open(self) -> bool:
        """It lasts until somebody ends it."""
        return self.end >= _NEVER


def read_pauses(data: bytes, file: str = FILE) -> tuple[Pause, ...]:
    """The pauses in the bytes of a file. Raises PauseError."""
    return tuple(_pause(row) for row in read_rows(file, data, COLUMNS, PauseError))


def _pause(row: Row) -> Pause:
    start, end = row.instant("paused_from", UTC), row.instant("paused_until", UTC)
    if start is None:
        raise row.fail("paused_from is empty", "write when the pause began, as 2026-11-17T09:00:00Z")
    if end is not None and end < start:
        raise row.fail("paused_until lies before paused_from", "swap or correct them")
    last = _NEVER if end is None else math.ceil(end / 60)
    return Pause(math.floor(start / 60), last, row.word("reason", PauseReason))


def paused(minute: I64, pauses: Sequence[Pause]) -> npt.NDArray[np.bool_]:
    """Which minutes lie in a pause."""
    found = np.zeros(len(minute), bool)
    for pause in pauses:
        found |= (minute >= pause.start) & (minute < pause.end)
    return found


def paused_in(start: int, end: int, pauses: Sequence[Pause]) -> Counter[str]:
    """How many of the minutes [start, end) were paused, by reason; of several reasons the first."""
    of = {minute: p.reason.value for p in reversed(pauses) for minute in range(max(start, p.start), min(end, p.end))}
    return Counter(of.values())


def filled(pauses: Sequence[Pause], first: int, end: int) -> I64:
    """The windows from `first` to `end` (minutes) that a pause fills: starts, sorted."""
    found = [
        np.arange(max(-(-pause.start // WINDOW_MIN), first // WINDOW_MIN), min(pause.end, end) // WINDOW_MIN)
        for pause in pauses
    ]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *found])) * WINDOW_MIN


def pause_at(now: float, pauses: Sequence[Pause]) -> Pause | None:
    """The pause that lasts at this time (Unix seconds), or None."""
    return next((pause for pause in pauses if pause.start * 60 <= now < pause.end * 60), None)


def begin(folder: Path, now: float, reason: PauseReason, by: str, until: float | None = None) -> Pause:
    """Begins a pause now. Raises PauseError if one lasts already, or if `until` (Unix seconds) is not in the future."""
    if until is not None and until <= now:
        raise PauseError(FILE, 1, "the end of the pause is not in the future", "give a later time, or none")
    with _held(folder) as rows:
        if pause_at(now, _read(rows)):
            raise PauseError(FILE, len(rows), "a pause lasts already", "end it first: schoolgate resume")
        rows.append([_time(now), "" if until is None else _time(until), reason.value, by])
        _write(folder, rows)
        return _read(rows)[-1]


def end(folder: Path, now: float) -> Pause:
    """Ends the pause that lasts. Raises PauseError if there is none."""
    with _held(folder) as rows:
        found = _read(rows)
        lasting = pause_at(now, found)
        if lasting is None:
            raise PauseError(FILE, 1, "there is no pause to end", "nothing has to be done: monitoring is on")
        number = found.index(lasting) + 1
        rows[number][1] = _time(now)
        _write(folder, rows)
        return _read(rows)[number - 1]


class _held:
    """The rows of the file, header first, while no other process changes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> list[list[str]]:
        self._lock = os.open(self._folder, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        path = self._folder / FILE
        data = path.read_bytes() if path.is_file() else b""
        if not data.strip():
            return [list(COLUMNS)]
        read_pauses(data)
        rows = read_rows(FILE, data, COLUMNS, PauseError)
        return [list(COLUMNS), *([row.get(name) for name in COLUMNS] for row in rows)]

    def __exit__(self, *exception: object) -> None:
        os.close(self._lock)


def _read(rows: list[list[str]]) -> tuple[Pause, ...]:
    return read_pauses(_text(rows).encode())


def _text(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(folder: Path, rows: list[list[str]]) -> None:
    """Replaces the file as a whole."""
    write_whole(folder / FILE, _text(rows).encode())


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
