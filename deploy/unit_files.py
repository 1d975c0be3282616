"""The spool's files about wikis (upload units, cues, requests), as who raises alerts reads them.

Each is read once by a process, and stays for some minutes after all that it led to is in the outbox, so that a process
that starts again has what the detector needs to remember; alarms that come again by that are known. A worker that
starts again may use a name anew, so a file is known by more than its name.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import click
import pyarrow as pa

from sensor.spool import Spool, SpoolError

PATTERN = "uploads-*.arrow"
HOLD_S = 180.0
"""How long a file stays after it was read."""


class UnitFiles:
    """See the module's header."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: dict[_File, float | None] = {}

    def fresh(self) -> list[pa.Table]:
        """What has not been read yet. A file that is broken is set aside."""
        found = []
        files = self._files()
        self._taken = {file: done for file, done in self._taken.items() if file in files}
        for file in files:
            if file not in self._taken:
                try:
                    found.append(Spool.read(file.path))
                except SpoolError as error:
                    Spool.set_aside(file.path)
                    click.echo(f"schoolgate: {error}", err=True)
                else:
                    self._taken[file] = None
        return found

    def done(self, now: float) -> None:
        """All that was read is taken care of; removes what has been so for HOLD_S."""
        for file, done in list(self._taken.items()):
            if done is None:
                self._taken[file] = now
            elif now - done > HOLD_S:
                file.path.unlink(missing_ok=True)
                del self._taken[file]

    def _files(self) -> list[_File]:
        found = []
        for path in sorted(self._folder.glob(PATTERN)):
            with contextlib.suppress(FileNotFoundError):  # it has just left by age
                state = path.stat()
                found.append(_File(path, state.st_ino, state.st_mtime_ns))
        return found


class _File(NamedTuple):
    path: Path
    inode: int
    written: int
