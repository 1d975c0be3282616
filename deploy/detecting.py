"""The detector of edits (pipeline.wiki) as the owner process runs it: tables of the sensor in, alarms out.

Tables are told apart by their columns. Alarms that wait for what may come next are due by packet time, which runs some
seconds behind the clock: a file of the spool is at most so late.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.profile import Profile
from pipeline.wiki.alarm import EditAlarm
from pipeline.wiki.constants import Constants, read, shipped
from pipeline.wiki.detector import Detector, Thresholds
from pipeline.wiki.unit import cues_of, requests_of, units_of

LATE_S = 5.0


class LiveDetector:
    """A detector that reads the sensor's files as they come."""

    def __init__(self, constants: Constants, thresholds: Thresholds) -> None:
        self._detector = Detector(constants, thresholds)

    def read(self, tables: Sequence[pa.Table], now: float) -> list[EditAlarm]:
        """The alarms of what has come since the last call, and those whose time has come."""
        units = [unit for table in _with("rec_size", tables) for unit in units_of(table)]
        cues = [cue for table in _with("cue", tables) for cue in cues_of(table)]
        requests = [request for table in _with("method", tables) for request in requests_of(table)]
        return [*self._detector.feed(units, cues, requests), *self._detector.advance(now - LATE_S)]

    def finish(self) -> list[EditAlarm]:
        """The alarms that still wait: nothing more will come."""
        return [*self._detector.finish()]


def live_detector(profile: Profile, sizes: Path) -> LiveDetector:
    """The detector with a school's thresholds and, if there is such a file, its own sizes. Raises ConstantsError."""
    return LiveDetector(*rules(profile, sizes if sizes.is_file() else None))


def rules(profile: Profile, sizes: Path | None) -> tuple[Constants, Thresholds]:
    """What the detector goes by: the constants, with a school's own sizes, and the profile's thresholds. Raises
    ConstantsError."""
    constants = shipped().with_wikis(read(sizes)) if sizes else shipped()
    return constants, Thresholds(profile.edits.possible, profile.edits.likely)


def _with(column: str, tables: Sequence[pa.Table]) -> list[pa.Table]:
    return [table for table in tables if column in table.column_names]
