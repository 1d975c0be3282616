"""The storing side of a round of chaos: the spool into the store, as the owner does, and it can be killed anywhere.

`python -m tests.chaos.owner SCHOOL STORE SPOOL JOURNAL` ends with 0 once the day is over and stored, with 75 if another
process has the store. STORE is a folder, or the HOST:PORT of a server.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from deploy.assembly import assemble, read_school
from pipeline.ingest import Ingest
from pipeline.server import ServerStore
from pipeline.store import ChdbStore, StoreBusy, StoreError, open_store
from pipeline.wire import Address
from sensor.spool import Spool
from tests.chaos.files import ENDED, SENSOR

BUSY = os.EX_TEMPFAIL
IDLE_S = 0.02


def main(school: Path, store_path: Path, folder: Path, journal: Path) -> int:
    assessor = assemble(read_school(school))
    spool = Spool(folder, writer="owner")
    while True:
        try:
            with _opened(store_path) as store:
                ingest = Ingest(store, assessor, "gate", workers=(SENSOR,))
                while not _stored(ingest, spool, journal.with_name(ENDED)):
                    time.sleep(IDLE_S)
                print(ingest.progress)
                return 0
        except StoreBusy as busy:
            print(busy, file=sys.stderr)
            return BUSY
        except StoreError as error:  # the disk is full while the store is opened
            print(f"not opened: {error}", file=sys.stderr)
            time.sleep(IDLE_S)


def _opened(place: Path) -> ChdbStore | ServerStore:
    host, _, port = place.name.partition(":")
    if not port:
        return open_store(place)
    return ServerStore(Address(((host, int(port)),), secure=False))


def _stored(ingest: Ingest, spool: Spool, ended: Path) -> bool:
    """Is the day over, and all of it stored? Whatever fails is tried again."""
    over = ended.exists()
    try:
        ingest.drain(spool)
        if over:
            ingest.finish()
            ingest.drain(spool)
    except (StoreError, OSError) as error:
        print(f"not stored: {error}", file=sys.stderr)
        return False
    return over


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
