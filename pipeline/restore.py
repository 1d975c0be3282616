"""Restoring a backup into an empty store, and how far back kept and restored rows may go.

Theory of operation. All files are checked before anything is done. A folder is marked while it is filled (the mark of
tables that are being made): whoever is killed leaves a folder that the next opening empties, and a backup is restored
wholly or not at all. On servers rows that a failed restore has put there are removed again. Rows that must not be kept
any longer stay behind; of the rest the engine's own hash must be the one that the backup has. A window that was half
stored is closed: the store does not remember the names under which its rows came, and they must not come again.
Newer versions restore older backups: columns that were not there yet are empty.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.ages import DAYS, Age
from pipeline.backup import BACKED_UP, prints, torn
from pipeline.backup_age import age_of, held_in, schools_in
from pipeline.backup_files import Backup, BackupError, Piece, load, verify
from pipeline.native import Values
from pipeline.schema import BY_NAME, DATABASE, VERSION, VERSIONS
from pipeline.store import Store, StoreError, open_store


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: rows by table; rows that were too old; windows that were half stored and are closed."""

    rows: dict[str, int]
    too_old: int
    closed: int


def restore_folder(backup: Backup, path: Path, now: float) -> Restored:
    """Restores into the embedded store in the folder `path`, which is made. Raises BackupError, StoreError."""
    check(backup)
    with open_store(path) as store:
        refuse_full(store, str(path))
        with store.unfinished():
            return fill(store, backup, age_of(backup, now, held_in(backup)))


def restore_server(backup: Backup, store: Store, where: str, now: float) -> Restored:
    """Restores into servers that hold nothing of the backup's schools. Raises BackupError, StoreError."""
    check(backup)
    schools = sorted({school for school, _ in schools_in(backup)} | ({backup.school} if backup.school else set()))
    for school in schools:
        refuse_full(store, where, school)
    try:
        return fill(store, backup, age_of(backup, now, held_in(backup)), schools[0] if len(schools) == 1 else "")
    except (BackupError, StoreError):
        for table in BACKED_UP:
            for school in schools:
                with contextlib.suppress(StoreError):
                    store.delete(table.name, "school = {school:String}", {"school": school})
        raise


def check(backup: Backup) -> None:
    """Raises BackupError for a backup that is broken, or newer than this version."""
    if backup.schema > VERSION:
        raise BackupError(
            f"{backup.folder}: it was made by a newer Schoolgate (schema {backup.schema}; this one knows up to "
            f"{VERSION}); upgrade Schoolgate, or use another backup"
        )
    for name, types in backup.columns.items():
        known = BY_NAME[name].types if name in BY_NAME else {}
        if strange := [column for column in types if column not in known]:
            raise BackupError(f"{backup.folder}: {name}.{strange[0]} is not known here; use the version that made it")
    verify(backup)


def refuse_full(store: Store, where: str, school: str = "") -> None:
    """Raises BackupError for a store that holds rows."""
    condition = " WHERE school = {school:String}" if school else ""
    for table in BACKED_UP:
        ((rows,),) = store.query(f"SELECT count() FROM {DATABASE}.`{table.name}`{condition}", {"school": school}).rows
        if rows:
            raise BackupError(
                f"{where}: there is something in this store already ({rows} rows of {table.name}), and a backup goes "
                "into an empty one only; choose a new folder, or move this one away first"
            )


def fill(store: Store, backup: Backup, age: Age, school: str = "") -> Restored:
    """Puts the rows of a backup that has been checked into a store that has none, of `school` if it is named.

    Raises BackupError, StoreError."""
    rows: dict[str, int] = {table.name: 0 for table in BACKED_UP}
    left_out, whole, known = 0, [], []
    for piece in backup.pieces:
        found = load(backup, piece)
        if piece.table in DAYS:
            kept = found.filter(pc.invert(age.too_old(piece.table, found)))
            left_out += found.num_rows - kept.num_rows
            unchanged, found = kept.num_rows == found.num_rows, kept
        else:
            unchanged = True
        if unchanged and piece.content is not None:
            whole.append(piece)
        if piece.table == "batch":
            known += list(zip(found["school"].to_pylist(), found["batch"].to_pylist(), strict=True))
        if found.num_rows:
            name = f"restore/{backup.made}/{piece.file}"
            rows[piece.table] += store.insert(piece.table, _columns(piece.table, found), name)
    _compare(store, backup, whole, rows, school)
    return Restored(rows, left_out, _close(store, backup, known))


def _compare(store: Store, backup: Backup, whole: list[Piece], rows: Mapping[str, int], school: str) -> None:
    """Raises BackupError unless what the store has is what the backup had."""
    there = prints(store, school, backup.columns)
    for piece in whole:
        found = there.get((piece.table, piece.part))
        if found is None or (found.rows, found.content) != (piece.rows, piece.content):
            raise BackupError(f"{backup.folder / piece.file}: restored rows are not those of the backup; try again")
    for table, wanted in rows.items():
        if wanted != (have := sum(print_.rows for (name, _), print_ in there.items() if name == table)):
            raise BackupError(f"{backup.folder}: of {wanted} rows of {table} {have} arrived; try again")


def _close(store: Store, backup: Backup, known: list[tuple[str, str]]) -> int:
    """Notes windows that were half stored as stored."""
    missing = [(name, key, start) for name, keys in torn(iter(known)).items() for key, start in keys]
    if missing:
        of = {name: school for school, name in known}
        n = len(missing)
        columns: dict[str, Values] = {
            "school": [of[name] for name, _, _ in missing],
            "batch": [key for _, key, _ in missing],
            "stored": [backup.made] * n,
            "window": [start * 60 for _, _, start in missing],
            "rows": [0] * n,
            **{version: [""] * n for version in VERSIONS},
        }
        store.insert("batch", columns, f"restore/{backup.made}/closed")
    return len(missing)


def _columns(table: str, rows: pa.Table) -> dict[str, Values]:
    """Arrow columns as the store takes them; empty ones for those that the backup did not know."""
    n = rows.num_rows
    return {
        name: _values(rows[name]) if name in rows.column_names else _nothing(kind, n)
        for name, kind in BY_NAME[table].types.items()
    }


def _values(column: pa.ChunkedArray) -> Values:
    if pa.types.is_string(column.type):
        values: Values = column.to_pylist()
        return values
    if pa.types.is_timestamp(column.type):
        return np.asarray(column.cast(pa.timestamp("s", "UTC")).cast(pa.int64()))
    if pa.types.is_date32(column.type):
        return np.asarray(column.cast(pa.int32())).astype("M8[D]")
    return np.asarray(column)


def _nothing(kind: str, n: int) -> Values:
    if kind.startswith("Enum8("):
        raise BackupError(f"a column of type {kind} is missing in the backup; use the version that made it")
    return [""] * n if "String" in kind else np.zeros(n, "i8").astype("M8[D]") if kind == "Date" else np.zeros(n, "u1")
