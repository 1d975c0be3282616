"""A backup as files: a folder that can be copied, checked and read without us, and the rules of a folder of them.

Theory of operation. `backup.json` lists pieces: each holds the rows of one table of one month (or day, or all) as
Parquet, which any tool reads; for each piece it has the file's SHA-256, how many rows, of which days, and `content`, an
order-blind hash of the rows that every engine computes alike. Its own SHA-256 stands beside it. It is written last, and
the folder gets its name last: a folder with a name is whole. Pieces that have not changed since the backup before are
the same file (hard links), so seven backups take little more room than one.
Rows that have become too old leave kept backups too (`trim`): such a piece is written anew under another name, then the
list, then the old file goes. The key of the pseudonyms is no part of a store, and of no backup.
It knows no store.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sensor.durable import sync_folder, write_whole

LIST = "backup.json"
FORMAT = 1
_NAME = "%Y%m%dT%H%M%SZ"
_DRAFT = ".making"
_EPOCH = date(1970, 1, 1)


class BackupError(ValueError):
    """A backup cannot be made or used; the message names file and mend."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one table and one `part` (month, day, or 0 for all). `first`, `last`: ISO days, '' where there are none.
    `content`: hash of the rows, None once rows have left it by age."""

    table: str
    part: int
    rows: int
    first: str
    last: str
    file: str
    sha256: str
    content: int | None


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds. `school`: of which school, '' for all that the store had; `columns`: by table, name and
    ClickHouse type. `made`: Unix seconds."""

    folder: Path
    made: int
    school: str
    schema: int
    columns: dict[str, dict[str, str]]
    pieces: tuple[Piece, ...]

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in self.pieces)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum((self.folder / piece.file).stat().st_size for piece in self.pieces)


def name_of(made: int) -> str:
    """The name of a backup's folder."""
    return datetime.fromtimestamp(made, UTC).strftime(_NAME)


def kept(folder: Path) -> list[Path]:
    """The backups in a folder, oldest first."""
    return [path for path, _ in _dated(folder)]


def last_made(folder: Path) -> int | None:
    """When the newest backup was made, by its name; None if there is none."""
    return max((made for _, made in _dated(folder)), default=None)


def _dated(folder: Path) -> list[tuple[Path, int]]:
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            found.append((path, int(datetime.strptime(path.name, _NAME).replace(tzinfo=UTC).timestamp())))
        except ValueError:
            continue
    return found


def read(folder: Path) -> Backup:
    """The list of a backup; its files are not looked at. Raises BackupError."""
    path = folder / LIST
    try:
        whole = json.loads(path.read_bytes())
        body = whole["backup"]
        if hashlib.sha256(_text(body)).hexdigest() != whole["sha256"]:
            raise ValueError("its checksum is another one")
        if body["format"] > FORMAT:
            raise BackupError(f"{path}: a newer Schoolgate made this backup; upgrade Schoolgate, or use another backup")
        pieces = tuple(Piece(**piece) for piece in body["pieces"])
        if any("/" in piece.file for piece in pieces):
            raise ValueError("it names files outside the backup")
        return Backup(folder, body["made"], body["school"], body["schema"], body["columns"], pieces)
    except FileNotFoundError:
        raise BackupError(
            f"{path}: there is no such file, so this is no whole backup; name the folder of one"
        ) from None
    except OSError as error:
        raise BackupError(f"{path}: cannot be read ({error.strerror}); correct its owner or mode") from None
    except BackupError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path}: not the list of a backup ({error}); use another backup, or another copy") from None


def verify(backup: Backup) -> None:
    """Reads every file. Raises BackupError for one that is missing or not what was written."""
    for piece in backup.pieces:
        path = backup.folder / piece.file
        try:
            found = sha256(path)
        except FileNotFoundError:
            raise BackupError(
                f"{path}: this file of the backup is missing; use another backup, or copy it again"
            ) from None
        except OSError as error:
            raise BackupError(f"{path}: cannot be read ({error.strerror}); use another backup") from None
        if found != piece.sha256:
            raise BackupError(f"{path}: the file is damaged (its checksum is another one); use another backup or copy")


def load(backup: Backup, piece: Piece) -> pa.Table:
    """The rows of a piece. Raises BackupError."""
    path = backup.folder / piece.file
    try:
        return pq.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        raise BackupError(f"{path}: cannot be read as Parquet ({error}); use another backup, or another copy") from None


def write_list(backup: Backup) -> None:
    """Writes the list, in one step."""
    body = {"format": FORMAT, "made": backup.made, "school": backup.school, "schema": backup.schema}
    body |= {"columns": backup.columns, "pieces": [asdict(piece) for piece in backup.pieces]}
    text = json.dumps({"backup": body, "sha256": hashlib.sha256(_text(body)).hexdigest()}, indent=1) + "\n"
    write_whole(backup.folder / LIST, text.encode(), private=True)


def write_piece(folder: Path, table: str, part: int, tables: Iterator[pa.Table], content: int | None) -> Piece | None:
    """Writes rows, a group of them at a time, as one file; None if there are none."""
    draft, rows, first, last = folder / ".piece", 0, "", ""
    with private(draft) as file, contextlib.ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for group in tables:
            writer = writer or stack.enter_context(pq.ParquetWriter(file, group.schema, compression="zstd"))
            writer.write_table(group)
            rows += group.num_rows
            days = days_of(group)
            if days is not None and group.num_rows:
                ends = [value.as_py().isoformat() for value in pc.min_max(days).values()]
                first, last = min(first or ends[0], ends[0]), max(last, ends[1])
    if not rows:
        draft.unlink()
        return None
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    digest = sha256(draft)
    file_name = f"{table}-{part}-{digest[:8]}.parquet"
    draft.replace(folder / file_name)
    return Piece(table, part, rows, first, last, file_name, digest, content)


def days_of(table: pa.Table) -> pa.ChunkedArray | None:
    """The day of each row, of tables whose rows have one."""
    for name in ("day", "window"):
        if name in table.column_names:
            return table[name].cast(pa.date32())
    return None


def finish(draft: Path, folder: Path, backup: Backup) -> Backup:
    """Gives a backup that is written its name: from now on it is one."""
    write_list(replace(backup, folder=draft))
    final = folder / name_of(backup.made)
    draft.replace(final)
    sync_folder(folder)
    return replace(backup, folder=final)


def begin(folder: Path) -> Path:
    """An empty folder to write a backup into; what an earlier try left goes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / _DRAFT
    abandon(folder)
    draft.mkdir(mode=0o700)
    return draft


def abandon(folder: Path) -> None:
    """Removes what is not finished."""
    shutil.rmtree(folder / _DRAFT, ignore_errors=True)


def forget(folder: Path, keep: int) -> list[Path]:
    """Removes all but the newest `keep` backups; returns which."""
    gone = kept(folder)[:-keep]
    for path in gone:
        (path / LIST).unlink(missing_ok=True)  # first: half a folder is no backup
        shutil.rmtree(path)
    if gone:
        sync_folder(folder)
    return gone


TooOld = Callable[[str, pa.Table], pa.ChunkedArray]
"""Which rows of a table had to go: its name, rows -> booleans."""


def trim(backup: Backup, first_day: Callable[[str], date | None], too_old: TooOld) -> tuple[Backup, int]:
    """The backup without rows that are too old, and how many those were. `first_day`: of a table, the first day that
    none can be too old on; None: never."""
    pieces, removed = [], 0
    for piece in backup.pieces:
        limit = first_day(piece.table)
        if limit is None or not piece.first or date.fromisoformat(piece.first) > limit:
            pieces.append(piece)
            continue
        rows = load(backup, piece)
        left = rows.filter(pc.invert(too_old(piece.table, rows)))
        if left.num_rows == rows.num_rows:
            pieces.append(piece)
            continue
        removed += rows.num_rows - left.num_rows
        if written := write_piece(backup.folder, piece.table, piece.part, iter([left]), None):
            pieces.append(written)
    found = replace(backup, pieces=tuple(pieces))
    if removed:
        write_list(found)
    named = {piece.file for piece in pieces} | {LIST}
    for path in backup.folder.iterdir():
        if path.name not in named:
            path.unlink()
    if removed:
        sync_folder(backup.folder)
    return found, removed


def trim_kept(folder: Path, first_day: Callable[[str], date | None], too_old: TooOld) -> int:
    """The same for all backups in a folder; how many rows went. Raises BackupError for one that cannot be read, when
    the others are done."""
    removed, wrong = 0, ""
    for path in kept(folder):
        try:
            removed += trim(read(path), first_day, too_old)[1]
        except BackupError as error:
            wrong = f"{error}; it may hold what had to go: remove {path}"
    if wrong:
        raise BackupError(wrong)
    return removed


def private(path: Path) -> BinaryIO:
    """A new file that only its owner may read."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def sha256(path: Path) -> str:
    """Of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text(body: object) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
