"""What the mirror of a replayed capture says of who had which address, as a feed of identity, in memory only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.ipc

from deploy.assembly import SchoolFiles, assemble
from pipeline.feeds.reading import Memory
from pipeline.feeds.text import FeedFile
from sensor.sense import Sensor

if TYPE_CHECKING:
    from pipeline.ingest import Ingest


class Mirror:
    """Gathers a sensor's sightings, and has an Ingest judge by them."""

    def __init__(self, files: SchoolFiles, sensor: Sensor, memory: Memory) -> None:
        self._files, self._sensor, self._memory = files, sensor, memory
        self._tables: list[pa.Table] = []
        self._told = 0

    def look(self) -> None:
        """Take what the sensor has newly seen."""
        table = self._sensor.sightings()
        if table.num_rows:
            self._tables.append(table)

    def tell(self, ingest: Ingest) -> None:
        """Let all that was seen so far count from now on. Raises SchoolError."""
        if len(self._tables) == self._told or self._files.settings.school.identity == "none":
            return
        self._told = len(self._tables)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(
            sink, self._tables[0].schema, options=pa.ipc.IpcWriteOptions(unify_dictionaries=True)
        ) as to:
            to.write_table(pa.concat_tables(self._tables).unify_dictionaries())
        file = FeedFile.of(f"mirror-{self._told}", sink.getvalue().to_pybytes())
        ingest.renew(assemble(self._files, memory=self._memory, seen=[file]))
