"""Backing a store up: all that it holds, as it was at one moment, into a folder of files (pipeline.backup_files).

Theory of operation. The store is asked like any other question, so its owner may be at work and the same is right for
servers. First the content of every table is hashed, month by month; pieces whose hash is that of the backup before are
taken over, the others read and written; then all is hashed again, and what has changed meanwhile is read anew, until
nothing has. So the pieces are of one moment. A moment at which something was half stored is none: a window that was
begun, a correction that is being booked. It is waited for; a window that stays half stored (its slices are gone) is
backed up as it is, and a restore closes it, so that nothing can be counted twice.
Tables that keep the newest of several rows are read so (FINAL). What must not be kept any longer is left out by who
calls (`trim`). Not in a backup: the school's files, the audit trail, the key of the pseudonyms, the alerts' outbox.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from pipeline import backup_files as files
from pipeline.backup_files import Backup, BackupError, Piece
from pipeline.retag import half_retagged
from pipeline.schema import BY_NAME, DATABASE, TABLES, VERSION, Table
from pipeline.store import Store
from pipeline.windows import batch_key

KEEP = 7
RESERVE = 256 << 20
"""Bytes that stay free on the disk of the backups."""
PATIENCE_S = 60.0
"""How long something half stored is waited for."""
_TRIES = 30
_LOCK = ".lock"
BACKED_UP = tuple(table for table in TABLES if table.name != "schema_version")
_ARROW: Mapping[str, pa.DataType] = {
    **{f"{sign}Int{bits}": getattr(pa, f"{sign.lower()}int{bits}")() for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "Date": pa.date32(),
    "DateTime('UTC')": pa.timestamp("s", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Print:
    """What a part of a table holds: rows, and their hash, which does not depend on their order."""

    rows: int
    content: int


Prints = dict[tuple[str, int], Print]


class Progress(Protocol):
    def __call__(self, text: str) -> None: ...


def back_up(
    store: Store,
    folder: Path,
    school: str = "",
    *,
    keep: int = KEEP,
    reserve: int = RESERVE,
    patience_s: float = PATIENCE_S,
    now: Callable[[], float] = time.time,
) -> Backup:
    """Makes a backup in `folder` and lets the oldest of more than `keep` go. `school`: only the rows of one.

    Raises BackupError if it cannot be made, StoreError if the store cannot be asked; backups that are there stay then.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(folder):
            draft = files.begin(folder)
            try:
                found = _make(store, folder, draft, school, reserve, patience_s, now)
            finally:
                files.abandon(folder)
            files.forget(folder, keep)
            return found
    except OSError as error:
        room = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "make room there, or choose another folder" if room else "correct the folder, or choose another one"
        raise BackupError(
            f"{folder}: no backup was made ({error.strerror}); {mend}; those made before are as they were"
        ) from None


def _make(
    store: Store, folder: Path, draft: Path, school: str, reserve: int, patience_s: float, now: Callable[[], float]
) -> Backup:
    earlier = _earlier(folder, school)
    pieces: dict[tuple[str, int], Piece] = {}
    have: Prints = {}
    waited, until = False, time.monotonic() + patience_s
    for _ in range(_TRIES):
        wanted = prints(store, school)
        for key in [key for key in have if wanted.get(key) != have[key]]:
            (draft / pieces.pop(key).file).unlink()
            del have[key]
        for key, print_ in wanted.items():
            if key not in have:
                _refuse_full(folder, reserve)
                if piece := _taken_over(earlier, key, print_, draft) or _read(store, draft, school, key, print_):
                    pieces[key], have[key] = piece, Print(piece.rows, print_.content)
        if prints(store, school) != have:
            continue
        halves = half_stored(store, school)
        if not halves or (waited and all(half.startswith("window") for half in halves)):
            made = _free_moment(folder, int(now()))
            columns = {table.name: table.types for table in BACKED_UP}
            ordered = tuple(pieces[key] for key in sorted(pieces))
            return files.finish(draft, folder, Backup(draft, made, school, VERSION, columns, ordered))
        if time.monotonic() > until:
            if waited:
                raise BackupError(f"{halves[0]}: half stored for {patience_s:.0f} s; {_FINISH}")
            waited, until = True, time.monotonic() + patience_s
        time.sleep(min(1.0, patience_s))
    raise BackupError(f"{folder}: no backup was made, the store changed all the time; try again when less is stored")


_FINISH = "`schoolgate retention` finishes what was cut short; then try again"


def prints(store: Store, school: str = "", columns: Mapping[str, Mapping[str, str]] | None = None) -> Prints:
    """What every part of every table holds; `columns`: only these tables and columns of them."""
    found: Prints = {}
    for table in BACKED_UP:
        names = table.types if columns is None else columns.get(table.name, {})
        if not names:
            continue
        hashed = ", ".join(f"`{name}`" for name in names)
        rows = store.query(
            f"SELECT {_part(table)} AS part, count(), sum(cityHash64({hashed})) {_from(table, school)} GROUP BY part",
            {"school": school},
        ).rows
        found |= {(table.name, _whole(part)): Print(_whole(n), _whole(content)) for part, n, content in rows}
    return found


def half_stored(store: Store, school: str = "") -> list[str]:
    """What is being stored in several steps, and not done: a moment at which no backup may be taken."""
    condition = "WHERE school = {school:String}" if school else ""
    params = {"school": school}
    names = store.query(f"SELECT DISTINCT school, batch FROM {DATABASE}.batch {condition}", params).rows
    found = [f"window of {name}" for name in torn((str(of), str(name)) for of, name in names)]
    where = condition or "WHERE 1"
    for (name,) in store.query(
        f"SELECT id FROM {DATABASE}.contest FINAL {where} AND status = 'upheld' AND applied = 0", params
    ).rows:
        found.append(f"contest {name}")
    return found + [f"marks of {day}" for day in half_retagged(store, school)]


def torn(names: Iterator[tuple[str, str]]) -> dict[str, list[tuple[str, int]]]:
    """Groups of windows that were begun and are not complete: name in `batch` -> the windows' own names that are
    missing, with their begins (minutes since 1970). `names`: schools and names in `batch`."""
    by_school: dict[str, set[str]] = {}
    for school, name in names:
        by_school.setdefault(school, set()).add(name)
    found: dict[str, list[tuple[str, int]]] = {}
    for school, known in by_school.items():
        for name in known:
            head, group, starts = name.partition("/group/")
            if group and starts.replace(",", "").isdigit():
                sensor = head.removeprefix(f"{school}/")
                keys = [(batch_key(school, sensor, int(start)), int(start)) for start in starts.split(",")]
                if missing := [key for key in keys if key[0] not in known]:
                    found[name] = missing
    return found


def _part(table: Table) -> str:
    """The expression by which a table is cut into pieces."""
    if table.partition == "tuple()":
        return "0"
    return table.partition


def _from(table: Table, school: str) -> str:
    final = " FINAL" if table.engine.startswith("Replacing") else ""
    where = " WHERE school = {school:String}" if school else " WHERE 1"
    return f"FROM {DATABASE}.`{table.name}`{final}{where}"


def _read(store: Store, draft: Path, school: str, key: tuple[str, int], print_: Print) -> Piece | None:
    """Writes the rows of a part, a day at a time."""
    table, part = BY_NAME[key[0]], key[1]
    types = table.types
    columns = ", ".join(f"{_selected(name, kind)} AS c{n}" for n, (name, kind) in enumerate(types.items()))
    of = _from(table, school)
    inside = f"{of} AND {_part(table)} = {{part:UInt32}}"
    day = next((f"toDate({name})" for name in ("day", "window") if name in types and _part(table) != "0"), "")
    params: dict[str, object] = {"school": school, "part": part}

    def groups() -> Iterator[pa.Table]:
        if not day:
            yield _arrow(types, store.query(f"SELECT {columns} {inside}", params).rows)
            return
        for (one,) in store.query(f"SELECT DISTINCT {day} AS one {inside} ORDER BY one", params).rows:
            rows = store.query(f"SELECT {columns} {inside} AND {day} = {{day:Date}}", params | {"day": one}).rows
            yield _arrow(types, rows)

    return files.write_piece(draft, table.name, part, groups(), print_.content)


def _selected(name: str, kind: str) -> str:
    """A column as numbers where they are quicker to read than dates."""
    number = {"Date": "toUInt16", "DateTime('UTC')": "toUInt32"}.get(kind)
    return f"{number}(`{name}`)" if number else f"`{name}`"


def _arrow(types: Mapping[str, str], rows: list[tuple[object, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    return pa.table({name: _column(kind, column) for (name, kind), column in zip(types.items(), columns, strict=True)})


def _column(kind: str, values: tuple[object, ...]) -> pa.Array:
    wanted = _ARROW.get(kind)
    if wanted is None:
        return pa.array(values, pa.string())
    if pa.types.is_date32(wanted):
        return pa.array(values, pa.int32()).cast(wanted)
    if pa.types.is_timestamp(wanted):
        return pa.array(values, pa.int64()).cast(wanted)
    return pa.array(values, wanted)


def _earlier(folder: Path, school: str) -> Backup | None:
    """The newest backup that pieces can be taken over from."""
    for path in reversed(files.kept(folder)):
        with contextlib.suppress(BackupError):
            found = files.read(path)
            if found.school == school and found.columns == {table.name: table.types for table in BACKED_UP}:
                return found
    return None


def _taken_over(earlier: Backup | None, key: tuple[str, int], print_: Print, draft: Path) -> Piece | None:
    """The same piece of an earlier backup, if it is there and its file is still what was written."""
    for piece in earlier.pieces if earlier else ():
        if (piece.table, piece.part) == key and (piece.rows, piece.content) == (print_.rows, print_.content):
            assert earlier is not None
            source = earlier.folder / piece.file
            with contextlib.suppress(OSError):
                if files.sha256(source) == piece.sha256:
                    try:
                        os.link(source, draft / piece.file)
                    except OSError:  # a disk without links
                        shutil.copy2(source, draft / piece.file)
                    return piece
    return None


def _free_moment(folder: Path, made: int) -> int:
    """A second that no backup there is named after."""
    while (folder / files.name_of(made)).exists():
        made += 1
    return made


def _refuse_full(folder: Path, reserve: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < reserve:
        raise BackupError(
            f"{folder}: no backup was made: only {free >> 20} MiB are free there, and {reserve >> 20} stay free for "
            "the store; make room, or choose a folder on another disk; backups made before are as they were"
        )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with files.private(folder / _LOCK) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(f"{folder}: another process makes a backup there; wait until it is done") from None
        yield


def _whole(value: object) -> int:
    return int(str(value))
