"""What the processes of a round of chaos agree on: names of files, and the day cut into tables."""

from __future__ import annotations

from pathlib import Path

from pyarrow import ipc

from deploy.assembly import read_school
from sensor.capture import open_capture
from sensor.sense import sensor_of

SENSOR = "chaos"  # the name of the worker
TABLE = b"table"  # in a table's metadata: its number in the day
ENDED = "ended"  # a file beside the journal: the day is over


def numbered(folder: Path) -> list[Path]:
    """The tables of a day, in order."""
    return sorted(folder.glob("*.arrow"))


def cut(school: Path, capture: Path, into: Path) -> int:
    """Reads a capture by the sensor and writes each of its tables to a file; how many."""
    into.mkdir(parents=True)
    sensor = sensor_of(read_school(school).settings.sensor, SENSOR)
    tables = []
    for _ in open_capture(capture).read(sensor.feed_capture):
        tables.append(sensor.table())
    sensor.meter.finish()
    tables.append(sensor.table())
    for n, table in enumerate(tables):
        with ipc.new_file(into / f"{n:05d}.arrow", table.schema) as writer:
            writer.write_table(table)
    return len(tables)
