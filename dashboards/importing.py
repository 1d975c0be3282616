"""Uploads on their way into the school's files: held in memory, read as often as somebody mends them, never stored.

Theory of operation. An upload is a few files of one person and what was said of them (kind, columns, words). `attempt`
reads them by the same code as `schoolgate import` and answers with the difference or with the one thing that is wrong,
and, where that stands in an uploaded file, with its line, so that it can be mended on the page. Only `keep` writes: the
import then waits, as any other, to be applied. What is held is bounded in size, number and age, and belongs to who
uploaded it; a restart forgets it, because exports hold more than the school's files may keep.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import PurePath

from pipeline.imports.columns import Columns, match_columns
from pipeline.imports.difference import TableDifference
from pipeline.imports.proposal import changed_minutes, changes_of, record_of
from pipeline.imports.read import Asked, Import, kind_of, read_import, source_of
from pipeline.imports.said import MapRefused, Said, parse_entries
from pipeline.imports.tables import TABLES, ImportRefused
from pipeline.imports.text import MAX_BYTES
from pipeline.imports.versions import Version, Versions
from pipeline.settings import SchoolSettings
from pipeline.tables import InputError

MOST_FILES = 12
LARGEST = 2 * MAX_BYTES
"""Bytes of one upload."""
HELD = 6
"""Uploads held at once; the oldest gives way."""
HELD_S = 3600.0
LONGEST_LINE = 2000


class UploadRefused(ValueError):
    """An upload cannot be taken, or is not there any more; the message says why and what to do."""


@dataclass(frozen=True)
class Upload:
    """Files of one person on their way in. `words`: entries as `--map` takes them; `asked`: the rest that was said."""

    files: Mapping[str, bytes]
    who: str
    asked: Asked = field(default_factory=Asked)
    words: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    since: float = 0.0


@dataclass(frozen=True)
class Fault:
    """What is wrong with an upload. `text`: the line itself where it stands in an uploaded file and can be mended."""

    message: str
    file: str = ""
    line: int = 0
    what: str = ""
    mend: str = ""
    text: str | None = None


@dataclass(frozen=True)
class Attempt:
    """What reading an upload led to: either a fault or an import with its differences. `columns`: of CSV tables."""

    fault: Fault | None
    found: Import | None = None
    changes: Mapping[str, TableDifference] = field(default_factory=dict)
    minutes: Mapping[date, frozenset[str]] = field(default_factory=dict)
    columns: Mapping[str, Columns] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Would anything be another?"""
        return any(change.changes for change in self.changes.values())


class Uploads:
    """The uploads that are held. Every method may be called from any thread."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._held: dict[str, Upload] = {}

    def take(self, upload: Upload) -> Upload:
        """Holds an upload. Raises UploadRefused for what is too much."""
        if not upload.files:
            raise UploadRefused("No file was chosen; choose at least one.")
        if len(upload.files) > MOST_FILES:
            raise UploadRefused(f"There are more than {MOST_FILES} files; import them in parts.")
        if sum(map(len, upload.files.values())) > LARGEST:
            raise UploadRefused(f"The files have more than {LARGEST >> 20} MB together; import them in parts.")
        with self._lock:
            self._forget()
            while len(self._held) >= HELD:
                del self._held[min(self._held, key=lambda token: self._held[token].since)]
            self._held[upload.token] = held = replace(upload, since=self._now())
        return held

    def get(self, token: str, who: str) -> Upload:
        """The upload of that token, if it is this person's. Raises UploadRefused."""
        with self._lock:
            self._forget()
            upload = self._held.get(token)
        if upload is None or upload.who != who:
            raise UploadRefused("This upload is not held any more; choose the files again.")
        return upload

    def change(self, upload: Upload) -> None:
        """Holds a mended upload in place of the one with its token."""
        with self._lock:
            if upload.token in self._held:
                self._held[upload.token] = replace(upload, since=self._now())

    def drop(self, token: str) -> None:
        """Forgets an upload."""
        with self._lock:
            self._held.pop(token, None)

    def _forget(self) -> None:
        old = self._now() - HELD_S
        for token in [token for token, upload in self._held.items() if upload.since < old]:
            del self._held[token]


def safe_name(name: str) -> str:
    """A file's own name as far as it may be shown and remembered."""
    plain = PurePath(name.replace("\\", "/")).name
    return "".join(c for c in plain if c.isprintable())[:80] or "file"


def attempt(upload: Upload, versions: Versions, settings: SchoolSettings, today: date) -> Attempt:
    """Reads an upload into the school's files, without writing anything. Raises OSError."""
    columns: dict[str, Columns] = {}
    try:
        for name, data in upload.files.items():
            if len(data) > MAX_BYTES:
                what = f"the file has {len(data) >> 20} MB, and an export of a school has less than {MAX_BYTES >> 20}"
                raise ImportRefused(name, 1, what, "look whether it is the right file, or export fewer years")
        asked = replace(upload.asked, entries=parse_entries(upload.words))
        present, maps = versions.present(), versions.maps()
        columns = _columns(upload, asked, maps)
        found = read_import(upload.files, present, settings, maps, asked)
        changes = changes_of(found, present)
        return Attempt(None, found, changes, changed_minutes(found, present, settings, today), columns)
    except InputError as error:
        text = _line(upload, error.file, error.line)
        return Attempt(Fault(str(error), error.file, error.line, error.what, error.mend, text), columns=columns)
    except (MapRefused, ValueError) as error:
        return Attempt(Fault(str(error)), columns=columns)


def keep(upload: Upload, tried: Attempt, versions: Versions) -> Version:
    """Keeps an import that was read without a fault; it waits to be applied. Raises OSError, VersionError."""
    assert tried.found is not None
    record = record_of(tried.found, tried.changes, upload.who)
    return versions.add(upload.files, tried.found.merged.files, tried.found.maps, record)


def mended(upload: Upload, file: str, line: int, text: str) -> Upload:
    """The upload with one line of a file replaced, in the file's own encoding. Raises UploadRefused."""
    if _line(upload, file, line) is None or len(text) > LONGEST_LINE or set(text) & set("\r\n\0"):
        raise UploadRefused("That line cannot be mended here; correct the file and upload it again.")
    lines = upload.files[file].split(b"\n")
    old = lines[line - 1]
    end = b"\r" if old.endswith(b"\r") else b""
    mark = b"\xef\xbb\xbf" if line == 1 and old.startswith(b"\xef\xbb\xbf") else b""
    try:
        lines[line - 1] = mark + text.encode(_encoding(upload.files[file])) + end
    except UnicodeEncodeError:
        raise UploadRefused("The file's encoding has no such letter; save the file as UTF-8.") from None
    return replace(upload, files={**upload.files, file: b"\n".join(lines)})


def _line(upload: Upload, file: str, line: int) -> str | None:
    """A line of an uploaded text file; None where there is none that a person could mend."""
    data = upload.files.get(file)
    if data is None or b"\0" in data[:4096] or not 1 <= line <= data.count(b"\n") + 1:
        return None
    text = data.split(b"\n")[line - 1].removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")
    return None if len(text) > LONGEST_LINE else text.decode(_encoding(data), "replace")


def _encoding(data: bytes) -> str:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _columns(upload: Upload, asked: Asked, maps: Mapping[str, Mapping[str, str]]) -> dict[str, Columns]:
    """The columns of each uploaded table, as far as they can be told before it is read."""
    found = {}
    for name, data in upload.files.items():
        kind = asked.kind or kind_of(name, data)
        if kind in TABLES and data.lstrip(b"\xef\xbb\xbf \r\n")[:15].upper() != b"BEGIN:VCALENDAR":
            source = asked.source or source_of(name, kind)
            said = Said({**maps.get(source, {}), **asked.entries})
            found[name] = match_columns(name, data, kind, said)
    return found


def column_words(columns: Columns, chosen: Mapping[str, str]) -> Sequence[str]:
    """What a person chose for our columns, as entries of `--map`; what was guessed alike is not said."""
    return [f"{ours}={theirs}" for ours, theirs in chosen.items() if theirs and columns.chosen.get(ours) != theirs]
