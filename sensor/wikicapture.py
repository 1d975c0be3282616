"""Upload units of capture files: what a live sensor would have given out, and when, by packet time.

`units_of_capture(path)` gives one `Tables` (sensor.uploads): `units` has every revision of every unit, in the order in
which they became known (`known`, packet time; a live sensor's clock instead), `cues` and `http` likewise. A capture
that ends closes all units. The same capture always gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sensor.capture import open_capture
from sensor.catalogue import Catalogue, load_catalogue
from sensor.meter import MeterLimits
from sensor.sense import Sensor
from sensor.settings import SegmentRule
from sensor.uploadtables import Tables

STEP = 1 << 13  # bytes at a time: a name that Python reads must be known before much of its flow has passed
LIMITS = MeterLimits(names=1 << 14, first_flows=1 << 11)


def units_of_capture(
    *paths: Path,
    catalogue: Catalogue | None = None,
    segments: Sequence[SegmentRule] = (),
    told: Callable[[str], object] = str,
) -> Tables:
    """The upload units, cues and requests in the clear of a capture; several files follow each other. `told` gets what
    is to be said of a file that ends badly; what came before counts.

    Raises sensor.capture.CaptureError for a file that is no capture, OSError for one that cannot be read.
    """
    sensor = Sensor(catalogue or load_catalogue(), segments, LIMITS)
    parts: list[Tables] = []

    def feed(buffer: Any, start: int, end: int, state: Any, interfaces: Any) -> int:
        at, stop = start, start
        while stop < end:
            stop = min(max(stop, at) + STEP, end)
            at = sensor.feed(buffer, at, stop, state, interfaces)
        parts.append(sensor.uploads.take())
        return at

    for path in paths:
        capture = open_capture(path)
        for _ in capture.read(feed):
            sensor.table()
        if capture.note:
            told(f"{path}: {capture.note}")
    sensor.uploads.finish(sensor.meter.latest_ns)
    parts.append(sensor.uploads.take())
    return Tables(*(pa.concat_tables(tables).combine_chunks() for tables in zip(*parts, strict=True)))
