"""Files that are on the disk for good: written whole beside their place, fsynced, renamed into it.

Whoever is killed meanwhile leaves the old file; a draft that is left over is overwritten by the next. After the rename
the folder is fsynced too, or a power cut could bring the old name back. One writer a path: two would share the draft.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes, like: Path | None = None, *, private: bool = False) -> None:
    """Replaces the file at `path`, with the mode and owner of `like` where that exists, and for its owner's eyes only
    if it is `private`. Raises OSError."""
    draft = path.with_name(f".{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(os.open(draft, flags, 0o600 if private else 0o666), "wb") as file:
        if private:
            os.fchmod(file.fileno(), 0o600)  # a draft left over may have another mode
        file.write(data)
        if like is not None and like.exists():
            old = like.stat()
            os.fchmod(file.fileno(), old.st_mode & (0o600 if private else 0o7777))
            with suppress(PermissionError):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Which names are in a folder is on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
