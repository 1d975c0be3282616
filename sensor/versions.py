"""A small file with a past: every version is kept byte for byte beside it, and any change can be taken back.

Theory of operation. Beside `NAME` lies the folder `NAME.versions`: one numbered copy a version, and `journal.jsonl`,
one line a version: when, what was done, and to which version taking it back leads. A change writes its copy, replaces
the file as a whole, and then adds its line, each safely on the disk; whoever is killed in between leaves a file that is
whole, and a change that the journal does not know is recorded as one made by hand. So is every edit in an editor. One
process at a time changes a file. It does not know what the file means.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sensor.durable import sync_folder, write_whole

BY_HAND = "changed by hand"


class VersionError(ValueError):
    """A change cannot be made or taken back; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its number, when it came (ISO, UTC), what was done, whether there was a file at all, the hash of
    its bytes, and the version to which taking it back leads (None: it is the first)."""

    number: int
    at: str
    did: str
    exists: bool
    sha256: str
    before: int | None


class VersionedFile:
    """The file at `path` and its versions. Nothing is written before the first change."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.folder = self.path.with_name(self.path.name + ".versions")

    def read(self) -> bytes | None:
        """The file as it is now; None if there is none."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def history(self) -> tuple[Version, ...]:
        """All versions, the oldest first. Raises VersionError if the journal cannot be read."""
        journal = self.folder / "journal.jsonl"
        try:
            lines = journal.read_bytes().splitlines()
        except FileNotFoundError:
            return ()
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(Version(**json.loads(line)))
            except (ValueError, TypeError):
                raise VersionError(f"{journal}:{number}: this is no line of a journal; restore the file") from None
        return tuple(found)

    def content(self, number: int) -> bytes | None:
        """The bytes of a version; None if there was no file."""
        version = next((v for v in self.history() if v.number == number), None)
        if version is None:
            raise VersionError(f"{self.path}: there is no version {number}; list them with --list")
        if not version.exists:
            return None
        copy = self._copy(number)
        data = copy.read_bytes() if copy.is_file() else b""
        if hashlib.sha256(data).hexdigest() != version.sha256:
            raise VersionError(f"{copy}: this copy is not as it was written; restore it")
        return data

    def put(self, content: bytes, did: str, expected: bytes | None) -> Version:
        """Makes `content` the file. `expected`: what the change was made from; if the file is another one by now, it is
        refused (VersionError)."""
        with self._alone():
            if self.read() != expected:
                raise VersionError(f"{self.path}: somebody else has changed it meanwhile; look again and repeat")
            before = self._noted()
            return self._become(content, did, before.number)

    def undo(self, to: int | None = None) -> tuple[Version, Version]:
        """Takes the last change back, or goes to version `to`: the version that was left, and the one that is now."""
        with self._alone():
            known = {version.number: version for version in self.history()}
            if not known:
                raise VersionError(f"{self.path}: there is no change to take back")
            left = self._noted()
            target = left.before if to is None else to
            if target is None:
                raise VersionError(f"{self.path}: there is no further change to take back")
            content = self.content(target)
            before = left.number if to is not None else known[target].before
            did = f"back to version {target}"
            return left, self._become(content, did, before)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _noted(self) -> Version:
        """The newest version, after one has been recorded for a file that the journal does not know."""
        content, history = self.read(), self.history()
        if history and (history[-1].exists, history[-1].sha256) == (content is not None, _hash(content)):
            return history[-1]
        if not history:
            return self._enter(self._next(content, "as it was found", None))
        return self._enter(self._next(content, BY_HAND, history[-1].number))

    def _become(self, content: bytes | None, did: str, before: int | None) -> Version:
        version = self._next(content, did, before)
        if content is not None:
            write_whole(self.path, content, like=self.path)
        else:
            self.path.unlink(missing_ok=True)
            sync_folder(self.path.parent)
        return self._enter(version)

    def _next(self, content: bytes | None, did: str, before: int | None) -> Version:
        """The next version: its copy is kept, and the journal does not know it yet."""
        number, now = len(self.history()), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if content is not None:
            write_whole(self._copy(number), content)
        return Version(number, now, did, content is not None, _hash(content), before)

    def _enter(self, version: Version) -> Version:
        """The same, once it is in the journal."""
        lines = [json.dumps(asdict(known)) for known in (*self.history(), version)]
        write_whole(self.folder / "journal.jsonl", ("\n".join(lines) + "\n").encode())
        return version

    def _copy(self, number: int) -> Path:
        return self.folder / f"{number:04}{self.path.suffix}"


def _hash(content: bytes | None) -> str:
    return hashlib.sha256(content or b"").hexdigest()
