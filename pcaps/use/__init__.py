"""Real browsers at use, at widgets and asleep: captures with a label for each minute of each service; see README.md."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
HALVES = ("tune", "held")
INSIDE = "10.20.0.0/16"  # where the clients are


@dataclass(frozen=True, slots=True)
class Labelled:
    """One client, service and minute (since 1970): what it was, and for how many seconds somebody was at it."""

    capture: str
    client: str
    scenario: str
    browser: str
    service: str
    minute: int
    label: str
    seconds: float


def captures(half: str) -> list[Path]:
    """The captures of a half, sorted."""
    return sorted(HERE.glob(f"{half}-*.pcap.gz"))


def truth(half: str) -> list[Labelled]:
    """Every labelled minute of a half."""
    rows: list[Labelled] = []
    for path in sorted(HERE.glob(f"{half}-*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            minutes, _ = row.pop("minutes"), row.pop("spans", None)
            rows += [Labelled(minute=int(m), label=w, seconds=s, **row) for m, (w, s) in minutes.items()]
    return rows
