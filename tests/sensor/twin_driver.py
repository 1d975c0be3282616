"""Reads captures named on stdin, one a line, and prints what the meter says of each as one line of JSON.

Run by test_twins with NUMBA_DISABLE_JIT=1: the same kernel source, interpreted, with bounds checked.
"""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sensor.capture import CaptureError, open_capture
from sensor.catalogue import Wiki
from sensor.columns import Sink, new_columns
from sensor.frames import BATCH
from sensor.layout import Slices
from sensor.load import INTERPRETED
from sensor.meter import Meter, MeterLimits
from sensor.openings import Openings
from sensor.sense import segment_table
from sensor.sightings import Sightings, Watched
from sensor.uploads import Uploads
from sensor.words import Watch

LIMITS = MeterLimits(names=1 << 13, first_flows=1 << 7)
SHOWN = 200  # slices given in full; of more, a digest
POURED = 1 << 10  # slices that the kernel writes to columns before they are looked at
PAIRS = np.arange(1 << 15, dtype=np.int16)  # stands for services and roles


def reading(path: Path) -> dict[str, Any]:
    """Everything that a capture says, as plain values; or how reading it failed."""
    try:
        return _metered(path)
    except CaptureError as error:
        return {"refused": str(error)}
    except Exception:
        return {"failed": traceback.format_exc()}


def _metered(path: Path) -> dict[str, Any]:
    capture, numbers, answers = open_capture(path), dict[str, int](), list[str]()
    seen = Sightings(Watched(()))
    digest, rows = hashlib.sha256(), list[list[int]]()

    def give(slices: Slices, count: int) -> None:
        words = slices.words[:count]  # every word of every slice: bursts and gaps too
        digest.update(words.tobytes())
        rows.extend(words[: max(0, SHOWN - len(rows))].tolist())

    columns, filled = new_columns(POURED), np.zeros(1, np.int64)

    def take_poured() -> None:
        for column in columns:
            digest.update(column[: filled[0]].tobytes())
        rows.extend([minute] for minute in columns.minute[: min(filled[0], max(0, SHOWN - len(rows)))].tolist())
        filled[0] = 0

    def sink() -> Sink:
        if filled[0] + 2 * BATCH > POURED:
            take_poured()
        return Sink(columns, filled, PAIRS, PAIRS, segment_table(()))

    def lookup(name: str) -> int:
        number = numbers.setdefault(name, len(numbers) + 1)
        return number if len(name) % 3 else 0

    def wiki_of(name: str) -> Wiki | None:
        return Wiki("wiki", Watch.TEXT, name) if len(name) % 2 else None

    uploads = Uploads(wiki_of, segment_table(()))
    openings = Openings(segment_table(()), 0)
    meter = Meter(
        lookup,
        give,
        LIMITS,
        emit_all=True,
        on_answers=lambda client, server, said: answers.append(f"{client.hex()} {server.hex()} {said!r}"),
        openings=openings,
        sightings=seen,
        uploads=uploads,
        sink=sink if path.stat().st_size % 2 else None,  # else every slice comes raw, and all words of it count
    )
    for _ in capture.read(meter.feed):
        pass
    meter.finish()
    take_poured()
    opened, count = openings.take()
    uploads.finish(meter.latest_ns)
    return {
        "slices": rows,
        "digest": digest.hexdigest(),
        "names": list(numbers),
        "answers": answers,
        "openings": opened.words[:count].tolist(),
        "sightings": repr(seen.take().to_pylist()),
        "sightings counted": dict(seen.counts),
        "counters": meter.counters.tolist(),
        "uploads": [repr(table.to_pylist()) for table in uploads.take()],
        "uploaded": uploads.counters(),
        "skipped": [list(pair) for pair in meter.skipped()],
        "note": capture.note,
    }


if __name__ == "__main__":
    assert INTERPRETED, "run with NUMBA_DISABLE_JIT=1"
    warnings.simplefilter("ignore")  # unsigned words may wrap, as they do when compiled
    for line in sys.stdin:
        print(json.dumps(reading(Path(line.rstrip("\n")))), flush=True)
