"""What a live worker says of itself: a small file in the spool's folder, renewed every few seconds, for the doctor.

It holds counters only, of the last minutes and not since the start, so that a bad morning is not diluted and not
remembered for ever; no address and no name.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RECENT_S = 600.0
STALE_S = 60.0  # after which a worker that should write every few seconds is not running
_PREFIX, _SUFFIX = "worker-", ".status"


@dataclass(frozen=True, slots=True)
class Status:
    """One worker. `time` and `since` in Unix seconds: what is counted lies between. `state`: what it last said."""

    worker: str
    interface: str
    pid: int
    state: str
    time: float
    since: float
    counters: dict[str, int]
    clients_seen: int
    clients_of_one_mac: int


class Recent:
    """Counters of the last RECENT_S, from counters since the start."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Mapping[str, int]]] = deque()

    def add(self, now: float, counters: Mapping[str, int]) -> tuple[float, dict[str, int]]:
        """Since when, and what was counted since then."""
        self._kept.append((now, counters))
        while len(self._kept) > 2 and self._kept[1][0] <= now - RECENT_S:
            self._kept.popleft()
        since, before = self._kept[0]
        return since, {name: count - before.get(name, 0) for name, count in counters.items()}


def write_status(folder: Path, status: Status) -> None:
    """Replace the worker's file. Raises OSError."""
    path = _path(folder, status.worker)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(asdict(status)), encoding="utf-8")
    os.replace(temporary, path)


def remove_status(folder: Path, worker: str) -> None:
    """The worker ends."""
    _path(folder, worker).unlink(missing_ok=True)


def _path(folder: Path, worker: str) -> Path:
    return folder / f"{_PREFIX}{worker}{_SUFFIX}"


def read_statuses(folder: Path, now: float) -> tuple[Status, ...]:
    """The workers that run now, by name; files that are stale or broken do not count."""
    found = []
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}") if folder.is_dir() else ():
        try:
            status = Status(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            continue
        if abs(now - status.time) <= STALE_S:
            found.append(status)
    return tuple(sorted(found, key=lambda status: status.worker))


def total(statuses: Sequence[Status]) -> dict[str, int]:
    """The counters of all workers together."""
    sums: Counter[str] = Counter()
    for status in statuses:
        sums.update(status.counters)
    return dict(sums)
