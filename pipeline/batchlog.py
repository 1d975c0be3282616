"""The log in which a table of the embedded engine remembers its batches, made true again after a kill.

Theory of operation. The engine writes down that it has a part, and only then renames the part into its place. Who is
killed between the two leaves a record without a part: a phantom, for which the batch would be left out when it is sent
again, and its rows were lost. A disk that fills up between the two does the same, and may leave half a record. Inserts
come one after the other, so phantoms are the last records of a log: before the engine starts, and after each insert,
those are held against the folders of parts. A phantom is taken back by a record of the engine's own kind, half a record
is cut off, and the log is flushed with the rows that it stands for.
Seen on 26.9.2 (`strace`), once in some 130 rounds of kills on a busy machine. The format is the engine's: a line is
`1` (has) or `2` (has no longer), the part, and the hash of its batch; a log that looks otherwise is left alone.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

FOLDER = "deduplication_logs"
_HAS, _HAS_NOT = b"1", b"2"
_RECORD = re.compile(rb"([12])\t([^\t\n]+)\t([^\t\n]+)")
_LOG = re.compile(r"deduplication_log_(\d+)\.txt")
_PART = re.compile(r"([^_]+)_(\d+)_(\d+)_\d+(?:_\d+)?")
_TAIL = 1 << 16  # bytes that are looked at: a thousand records


class Part(NamedTuple):
    """Which inserts of a partition a part holds, by their numbers."""

    partition: str
    first: int
    last: int


def mend_all(store: Path) -> None:
    """Mends the logs of all tables in a store's folder; no engine may have it open. Raises OSError."""
    for folder in store.glob(f"store/*/*/{FOLDER}"):
        mend(folder.parent)


def mend(table: Path) -> bool:
    """Takes phantoms and half a record from the log of the table in this folder; was there anything? Raises OSError.

    The engine heeds it when it loads the table the next time.
    """
    if (log := _newest(table)) is None:
        return False
    with log.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        lines = file.read().split(b"\n")
        torn = lines.pop()
        taken_back = b"".join(b"\t".join((_HAS_NOT, *record)) + b"\n" for record in _phantoms(lines, table))
        if torn or taken_back:
            file.truncate(size - len(torn))
            file.seek(0, os.SEEK_END)
            file.write(taken_back)
            file.flush()
        os.fsync(file.fileno())
    return bool(torn or taken_back)


def _phantoms(lines: list[bytes], table: Path) -> list[tuple[bytes, bytes]]:
    """Part and hash of the last records that say of a part that is not there that it is."""
    found: list[tuple[bytes, bytes]] = []
    there: list[Part] | None = None
    for line in reversed(lines):
        record = _RECORD.fullmatch(line)
        claimed = _part(record[2].decode(errors="replace")) if record and record[1] == _HAS else None
        if record is None or claimed is None or (table / record[2].decode()).is_dir():
            break
        there = [part for name in os.listdir(table) if (part := _part(name))] if there is None else there
        if any(claimed.partition == p.partition and p.first <= claimed.first and claimed.last <= p.last for p in there):
            break  # it has been merged
        found.append((record[2], record[3]))
    return found


def _newest(table: Path) -> Path | None:
    """The last log that is not empty."""
    numbered = ((int(name[1]), path) for path in (table / FOLDER).glob("*.txt") if (name := _LOG.fullmatch(path.name)))
    return next((path for _, path in sorted(numbered, reverse=True) if path.stat().st_size), None)


def _part(name: str) -> Part | None:
    found = _PART.fullmatch(name)
    return Part(found[1], int(found[2]), int(found[3])) if found else None
