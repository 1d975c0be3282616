"""Keyed pseudonyms: the same person has one pseudonym within a term and another one in the next.

A pseudonym is an HMAC-SHA-256 of the staff id under the random key of the term. The keys lie in one small file that
only its owner may read (mode 0600), never in the store; without it a pseudonym leads nowhere, and deleting a term's
line makes that term's pseudonyms anonymous for good. This module knows no traffic; it reads and writes that one file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pipeline.rows import CalendarRow
from pipeline.terms import term_at
from sensor.durable import write_whole

if TYPE_CHECKING:
    from pipeline.settings import SchoolSettings

_KEY_BYTES = 32
_SHOWN = 12  # hexadecimal digits of a pseudonym: two of 10,000 people meet with a chance of 2 in 10 million

_CHANGING = threading.Lock()


class PseudonymError(ValueError):
    """The key file cannot be used; the message says what to do."""


class Pseudonyms:
    """Pseudonyms under the keys of one file; the file, and a key for a term not seen before, are made when needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys = _read(path)

    @classmethod
    def of_school(cls, settings: SchoolSettings) -> Self | None:
        """Those of a school; None in aggregate mode, where nothing is kept under any."""
        return cls(settings.pseudonym_keys) if settings.mode == "pseudonymous" else None

    def of(self, term: str, staff_id: str) -> str:
        """The pseudonym of a person in a term. Raises PseudonymError if a new key cannot be kept."""
        return "p" + self._digest(term, "person", staff_id)[:_SHOWN]

    def episode(self, term: str, *parts: str) -> str:
        """A stable id for what these words describe; it tells nothing without the key."""
        return "e" + self._digest(term, "episode", *parts)[:16]

    def terms_of(self, staff_id: str) -> dict[str, str]:
        """The pseudonyms of a person by term; only of terms whose key is still there."""
        return {term: self.of(term, staff_id) for term in self._keys}

    def whose(self, pseudonym: str, staff_ids: Iterable[str]) -> str | None:
        """The staff id behind a pseudonym, or None: this is what a key is for, and only a look-up may ask."""
        ids = list(staff_ids)
        return next((id_ for term in self._keys for id_ in ids if self.of(term, id_) == pseudonym), None)

    def forget_terms(self, keep: Iterable[str]) -> int:
        """Deletes the keys of all other terms, whose pseudonyms lead nowhere from then on; returns how many."""
        with _CHANGING:
            keys, wanted = _read(self.path), set(keep)
            self._keys = {term: key for term, key in keys.items() if term in wanted}
            if gone := len(keys) - len(self._keys):
                _write(self.path, self._keys)
            return gone

    def _digest(self, term: str, *parts: str) -> str:
        message = json.dumps(parts).encode()
        return hmac.new(self._key(term), message, hashlib.sha256).hexdigest()

    def _key(self, term: str) -> bytes:
        if term not in self._keys:
            with _CHANGING:  # and by what is in the file now: a key that was deleted must not come back
                keys = _read(self.path)
                if term not in keys:
                    keys[term] = secrets.token_bytes(_KEY_BYTES)
                    _write(self.path, keys)
                self._keys = keys
        return self._keys[term]


def term_of(calendar: tuple[CalendarRow, ...], day: date) -> str:
    """The name of the term that a day belongs to, for its key: the latest that began by then, else the school year."""
    if term := term_at(calendar, day):
        return term.name
    return f"school year {day.year if day.month >= 9 else day.year - 1}"


def _read(path: Path) -> dict[str, bytes]:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise PseudonymError(f"{path}:1: others can read the pseudonym keys; run: chmod 600 {path}")
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise PseudonymError(f"{path}:1: cannot be read ({error.strerror}); correct its owner or mode") from error
    try:
        keys = {str(term): bytes.fromhex(key) for term, key in json.loads(data).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise PseudonymError(f"{path}:1: not a file of pseudonym keys; restore it, or move it away") from error
    if any(len(key) != _KEY_BYTES for key in keys.values()):
        raise PseudonymError(f"{path}:1: a key has not {_KEY_BYTES} bytes; restore the file, or move it away")
    return keys


def _write(path: Path, keys: dict[str, bytes]) -> None:
    """Replaces the file as a whole; whoever is killed meanwhile leaves the old one."""
    text = json.dumps({term: key.hex() for term, key in sorted(keys.items())}, indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode() + b"\n", private=True)
    except OSError as error:
        raise PseudonymError(f"{path}:1: pseudonym keys cannot be kept ({error.strerror}); free the path") from error
