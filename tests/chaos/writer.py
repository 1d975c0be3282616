"""The writing side of a round of chaos: puts tables into the spool as a worker does, and can be killed anywhere.

`python -m tests.chaos.writer TABLES SPOOL JOURNAL`: the tables of a day, made beforehand, in order, a little faster
than they are stored. A real worker that dies loses the packets that it had not written, and nobody can say how many;
so here the day does not go on while the writer is dead, and what was not written yet is written by the next one.
JOURNAL counts what is surely in the spool; it lies on another disk than the spool.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from sensor.spool import Spool
from tests.chaos.files import ENDED, SENSOR, TABLE, numbered

PACE_S = 0.02  # between two tables
REFUSED_S = 0.05  # before a table is tried again that the disk has refused


def main(tables: Path, folder: Path, journal: Path) -> None:
    spool = Spool(folder, writer=SENSOR)
    if not spool.hold():
        sys.exit(f"{folder}: another writer is at work")
    every = numbered(tables)
    done = int(journal.read_text()) if journal.exists() else 0
    waiting = {(Spool.read(path).schema.metadata or {}).get(TABLE) for path in spool.files()}
    while done < len(every):
        if str(done).encode() not in waiting:  # else it was killed before it could note that
            table = Spool.read(every[done])
            table = table.replace_schema_metadata({**(table.schema.metadata or {}), TABLE: str(done).encode()})
            while not _written(spool, table):
                time.sleep(REFUSED_S)
        done += 1
        note = journal.with_suffix(".new")
        note.write_text(str(done))
        os.replace(note, journal)
        time.sleep(PACE_S)
    journal.with_name(ENDED).touch()


def _written(spool: Spool, table: object) -> bool:
    try:
        spool.write(table)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
