"""What in a backup is too old: by the clock of the school that it is of, except what an open contest holds.

The owner's retention does it to all backups every hour; here it is done by hand, and when a backup is restored.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pipeline.ages import Age
from pipeline.backup_files import Backup, load, read, trim_kept
from pipeline.contest import Status
from pipeline.retention import held_of
from pipeline.store import Store
from pipeline.tables import zone_of


def age_of(backup: Backup, now: float, held: frozenset[str]) -> Age:
    """What of a backup is too old now."""
    zones = [zone for _, zone in schools_in(backup)]
    zone = max(zones, default="UTC", key=zones.count)
    return Age(datetime.fromtimestamp(now, UTC).astimezone(zone_of(zone)).date(), zone, held)


def schools_in(backup: Backup) -> list[tuple[str, str]]:
    """Id and zone of the schools that a backup has rows of."""
    return [(str(row["school"]), str(row["zone"])) for row in _rows(backup, "school_info")]


def held_in(backup: Backup) -> frozenset[str]:
    """Episodes and contests of a backup that stay because a contest is open."""
    open_ = [row for row in _rows(backup, "contest") if row["status"] == Status.OPEN.value or not row["applied"]]
    return frozenset(str(row[name]) for row in open_ for name in ("id", "episode"))


def thin_out(store: Store, folder: Path, newest: Backup, now: float) -> Backup:
    """Removes what is too old from the backups in a folder; the newest as it is now.

    Raises BackupError, StoreError."""
    age = age_of(newest, now, frozenset())
    held = frozenset[str]().union(*(held_of(store, school, age.today) for school, _ in schools_in(newest)))
    age = Age(age.today, age.zone, held)
    trim_kept(folder, age.first_day, age.too_old)
    return read(newest.folder)


def _rows(backup: Backup, table: str) -> list[dict[str, object]]:
    return [row for piece in backup.pieces if piece.table == table for row in load(backup, piece).to_pylist()]
