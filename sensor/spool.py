"""The spool: a folder of Arrow IPC files between the process that may open the network card and the one that may open
the database.

A file is written whole under a hidden name, fsynced and renamed into place; it is removed only by the reader, once
the store has what was in it. Names sort by time of writing. The folder is bounded: beyond the cap the oldest files
are dropped, and counted. It does not know what the tables mean.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc

from sensor.durable import sync_folder

SUFFIX = ".arrow"


class SpoolError(ValueError):
    """A spool file cannot be read; the message names it and the mend."""

    def __init__(self, path: Path, why: object) -> None:
        super().__init__(f"{path}: not a whole spool file ({why}); it is set aside as {path.name}.broken")
        self.path = path


class Spool:
    """A spool folder; made if missing. `writer` tells the files of several workers apart, `prefix` (small letters
    ending in a hyphen) those of several kinds of table: each kind is numbered, listed and bounded by itself."""

    def __init__(self, folder: Path, cap_bytes: int = 1 << 30, writer: str = "0", prefix: str = "") -> None:
        self.folder = folder
        self._prefix = prefix
        self._name = re.compile(rf"{prefix}\d+-.+{re.escape(SUFFIX)}")
        self._cap = cap_bytes
        self._writer = writer
        self.dropped = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._next = 0  # number of the next file; known when it is written

    def hold(self) -> bool:
        """Be the only process that writes under this name, until this object goes; False if another one is."""
        self._held = (self.folder / f".{self._prefix}{self._writer}.lock").open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._held.close()
            return False
        self._begin()
        return True

    def write(self, table: pa.Table) -> Path:
        """Put a table on disk for good; returns its path. Raises OSError if the disk refuses."""
        if not self._next:
            self._begin()
        temporary = self.folder / f".{self._prefix}{self._writer}-{self._next:012d}"
        final = self.folder / f"{self._prefix}{self._next:012d}-{self._writer}{SUFFIX}"
        with temporary.open("wb") as file:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(final)
        sync_folder(self.folder)
        self._next += 1
        self._keep_below_cap()
        return final

    def _begin(self) -> None:
        start = len(self._prefix)
        self._next = 1 + max((int(path.name[start:].split("-")[0]) for path in self.files()), default=0)
        half_written = f".{self._prefix}{self._writer}-*"  # when an earlier process died
        for leftover in self.folder.glob(half_written):
            leftover.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """Files waiting, oldest first."""
        return sorted(path for path in self.folder.iterdir() if self._name.fullmatch(path.name))

    @staticmethod
    def read(path: Path) -> pa.Table:
        """The table in a file. Raises SpoolError if it is not one."""
        try:
            with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
                return reader.read_all()
        except (pa.ArrowInvalid, pa.ArrowIOError, OSError) as error:
            raise SpoolError(path, error) from None

    def remove(self, path: Path) -> None:
        """Forget a file whose contents are safe elsewhere."""
        path.unlink(missing_ok=True)
        sync_folder(self.folder)

    @staticmethod
    def set_aside(path: Path) -> None:
        """Keep a broken file out of the way; it counts towards nothing any more."""
        path.rename(path.with_name(path.name + ".broken"))

    def size(self) -> int:
        """Bytes waiting."""
        return sum(_size(path) for path in self.files())

    def _keep_below_cap(self) -> None:
        files = [(path, _size(path)) for path in self.files()]
        total = sum(size for _, size in files)
        for path, size in files[:-1]:
            if total <= self._cap:
                break
            path.unlink(missing_ok=True)
            total -= size
            self.dropped += 1


def _size(path: Path) -> int:
    """Bytes of a file; 0 if the reader has just removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
