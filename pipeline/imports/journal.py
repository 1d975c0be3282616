"""Several files replaced as if at once: readers see all of the old ones or all of the new, whatever is killed when.

`imports/state.json` names the version that is in force. It is replaced (written whole, fsynced, renamed) *before* the
files are, with `finished` false and where their new contents lie: from then on these count, and whoever comes next with
the right to write puts them in place. Only then is it `finished`. A reader that finds another state after reading than
before reads again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sensor.durable import sync_folder, write_whole

FOLDER = "imports"
_STATE = "state.json"
_TRIES = 8


def read_together(folder: Path, paths: Mapping[str, Path]) -> dict[str, bytes]:
    """The contents of a school's files (name -> where it lies) that belong together; names without a file are left
    out. Raises OSError."""
    state = _read_state(folder)
    for _ in range(_TRIES):
        coming = _coming(folder, state)
        found = {}
        for name, path in paths.items():
            place = coming.get(name, path)
            with suppress(FileNotFoundError, IsADirectoryError):
                if place is not None:
                    found[name] = place.read_bytes()
        again = _read_state(folder)
        if again == state:
            break
        state = again
    return found


def in_force(folder: Path) -> dict[str, str]:
    """The hash of every table as an import last left it; '' where it left no file."""
    state = _parsed(_read_state(folder))
    return {str(name): str(digest) for name, digest in dict(state.get("tables", {})).items()}


def replace_files(folder: Path, version: str, paths: Mapping[str, Path], contents: Mapping[str, Path | None]) -> None:
    """Puts new contents (name -> file that holds them, None: no file) in place, all or none. Raises OSError."""
    tables = in_force(folder) | {name: digest_of(path) for name, path in contents.items()}
    state = {
        "version": version,
        "finished": False,
        "tables": tables,
        "files": {name: str(path.relative_to(folder)) if path else None for name, path in contents.items()},
    }
    _write_state(folder, state)
    finish(folder, paths)


def finish(folder: Path, paths: Mapping[str, Path]) -> None:
    """Puts in place what an import that was cut short had already decided; nothing if there is no such thing."""
    raw = _read_state(folder)
    state = _parsed(raw)
    if not raw or state.get("finished"):
        return
    for name, source in _coming(folder, raw).items():
        if source is None:
            paths[name].unlink(missing_ok=True)
            sync_folder(paths[name].parent)
        else:
            write_whole(paths[name], source.read_bytes(), like=paths[name])
    _write_state(folder, {"version": state["version"], "finished": True, "tables": state["tables"]})


def digest_of(path: Path | None) -> str:
    """SHA-256 of a file's contents; '' for no file."""
    if path is None or not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _coming(folder: Path, raw: bytes) -> dict[str, Path | None]:
    """Where the contents lie that count already but are not in place."""
    state = _parsed(raw)
    if state.get("finished", True):
        return {}
    return {str(name): folder / str(path) if path else None for name, path in dict(state["files"]).items()}


def _read_state(folder: Path) -> bytes:
    try:
        return (folder / FOLDER / _STATE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        state = json.loads(raw) if raw else {}
    except ValueError:
        raise ValueError(f"{FOLDER}/{_STATE}:1: this is no state of imports; restore it from a backup") from None
    return state if isinstance(state, dict) else {}


def _write_state(folder: Path, state: Mapping[str, object]) -> None:
    (folder / FOLDER).mkdir(exist_ok=True)
    write_whole(folder / FOLDER / _STATE, json.dumps(state, indent=1, sort_keys=True).encode() + b"\n")
