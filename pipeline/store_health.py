"""Health checks of the store: room on its disk, and the age of the last backup.

With too little room the owner stores nothing (deploy.keeping): a disk that is really full would stop merges, the audit
trail and the alerts too. What is not stored waits in the spool, which has a cap of its own and counts what it drops.
Of ClickHouse servers the disks are not looked at: their own alarms do that, and a full one refuses inserts with a word.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.backup_files import last_made
from pipeline.settings import StoreSettings
from sensor.health import Registry, Severity, Verdict, fine, unknown

STORE: Registry[StoreFacts] = Registry()
LATE_S = 26 * 3600
"""Age of the last backup after which something is wrong: one is made every night."""
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the checks look at; None: not known. `free`, `wanted`: bytes. `made`: of the store's tables, `backed_up`:
    of the newest backup, Unix seconds; `keep`: how many backups are wanted."""

    now: float
    where: str
    free: int | None
    wanted: int
    made: float | None
    backed_up: float | None
    backups: str
    keep: int


def store_facts(settings: StoreSettings, now: float) -> StoreFacts:
    """Facts of the store that the settings name."""
    made = None
    with contextlib.suppress(OSError):
        made = (settings.path / "metadata").stat().st_mtime
    backups = settings.backup_folder
    last = None
    with contextlib.suppress(OSError):
        last = last_made(backups)
    free = None if settings.servers else free_bytes(settings.path)
    where = ", ".join(settings.servers) or str(settings.path)
    return StoreFacts(now, where, free, settings.free_mib * _MIB, made, last, str(backups), settings.backups_keep)


def free_bytes(path: Path) -> int | None:
    """Free on the disk where a folder is, or will be; None if that cannot be seen."""
    there = next((place for place in (path, *path.parents) if place.exists()), None)
    try:
        return shutil.disk_usage(there).free if there else None
    except OSError:
        return None


@STORE.check("store_disk", "Room for the store")
def _disk(f: StoreFacts) -> Verdict:
    if f.free is None:
        return unknown("How much is free where the store is cannot be seen from here.")
    free, wanted, value = f.free // _MIB, f.wanted // _MIB, f"{f.free // _MIB} MiB"
    if f.free < f.wanted:
        sentence = f"Only {free} MiB are free where the store is, so nothing is stored; the spool keeps it."
        mend = f"Make room: {wanted} MiB stay free (store.free_mib). The spool drops its oldest files at its cap."
        return Verdict(Severity.FAIL, sentence, value, mend)
    if f.free < 3 * f.wanted:
        mend = f"Make room soon: below {wanted} MiB nothing is stored."
        return Verdict(Severity.WARN, f"{free} MiB are free where the store is.", value, mend)
    return fine(f"{free} MiB are free where the store is.", value)


@STORE.check("backups", "Backups")
def _backups(f: StoreFacts) -> Verdict:
    if not f.keep:
        return fine("No backups are wanted (store.backups_keep is 0).", "off")
    mend = f"See the log of `schoolgate run`; `schoolgate backup` makes one by hand, in {f.backups}."
    if f.backed_up is None:
        if f.made is None or f.now - f.made < 2 * LATE_S:
            return unknown("No backup has been made yet; `schoolgate run` makes one every night.")
        return Verdict(Severity.FAIL, "No backup of the store has ever been made.", "none", mend)
    when = f"{datetime.fromtimestamp(f.backed_up, UTC):%Y-%m-%d %H:%M} UTC"
    value = f"{(f.now - f.backed_up) / 3600:.0f} h ago"
    if f.now - f.backed_up > LATE_S:
        return Verdict(Severity.FAIL, f"The last backup of the store is of {when}.", value, mend)
    return fine(f"The last backup of the store is of {when}.", value)
