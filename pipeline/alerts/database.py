"""The files of alerts: their tables, what a row of them is, and how they are opened and written.

SQLite, each file for its owner alone, each transaction on the disk when it is over, what is removed overwritten.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS alert (
  id TEXT PRIMARY KEY, kind TEXT, subject TEXT, raised REAL, at REAL, day TEXT, certainty TEXT, probability REAL,
  wiki TEXT, service TEXT, segment TEXT, period TEXT, period_kind TEXT, rule TEXT, why TEXT, mend TEXT,
  count INTEGER, last REAL, recovered REAL, acknowledged REAL, acknowledged_by TEXT, note TEXT,
  told TEXT NOT NULL DEFAULT '', told_certainty TEXT NOT NULL DEFAULT '', over_told INTEGER NOT NULL DEFAULT 0,
  revision INTEGER NOT NULL DEFAULT 1, stored INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS alarm (key TEXT, at REAL, alert TEXT NOT NULL, PRIMARY KEY (key, at));
CREATE TABLE IF NOT EXISTS message (
  id TEXT PRIMARY KEY, sort TEXT NOT NULL, made REAL NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL,
  alerts TEXT NOT NULL, day TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
  message TEXT NOT NULL, channel TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'pending',
  attempt INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL, changed REAL NOT NULL,
  possible_duplicate INTEGER NOT NULL DEFAULT 0, problem TEXT NOT NULL DEFAULT '',
  revision INTEGER NOT NULL DEFAULT 1, stored INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (message, channel));
CREATE INDEX IF NOT EXISTS waiting ON delivery (channel, state, due);
CREATE TABLE IF NOT EXISTS condition (
  subject TEXT PRIMARY KEY, bad INTEGER NOT NULL, streak INTEGER NOT NULL, since REAL NOT NULL, alert TEXT NOT NULL);
"""
STATES = ("pending", "sending", "sent", "failed")


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: `sort` is alert, several, digest, recovery or test; `alerts`: ids of those that it tells of."""

    id: str
    sort: str
    made: float
    title: str
    body: str
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message on one channel. `changed`: Unix seconds of its last step; `due`: before it nothing is tried."""

    message: str
    channel: str
    state: str
    attempt: int
    due: float
    changed: float
    possible_duplicate: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether something is wrong, and for how many examinations in a row the answer has been another one."""

    bad: bool = False
    streak: int = 0
    since: float = 0.0
    alert: str = ""


class OutboxError(ValueError):
    """The outbox cannot be used; the message says what to do."""


def open_private(path: Path, tables: str, journal: str = "WAL") -> sqlite3.Connection:
    """An SQLite file that only its owner can read, made with its tables. Raises OSError or sqlite3.Error.

    One that is there is opened by SQLite alone: a process that closes any descriptor of a file loses all its locks on
    it, and then another process, thinking itself the last one, removes the log of changes beneath us."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "this is a link, and a private file must be none", str(path)) from None
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    database = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    database.row_factory = sqlite3.Row
    database.execute(f"PRAGMA journal_mode = {journal}")
    database.execute("PRAGMA synchronous = FULL")  # a transaction that is over outlives a power cut
    database.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten
    database.executescript(tables)
    return database


@contextmanager
def writing(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One transaction of the only writer."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:  # SQLite has ended it already where the disk failed
            database.execute("ROLLBACK")
        raise


def message_of(row: sqlite3.Row) -> Message:
    alerts = tuple(str(id_) for id_ in json.loads(row["alerts"]))
    return Message(row["id"], row["sort"], float(row["made"]), row["title"], row["body"], alerts)


def delivery_of(row: sqlite3.Row) -> Delivery:
    return Delivery(
        row["message"],
        row["channel"],
        row["state"],
        int(row["attempt"]),
        float(row["due"]),
        float(row["changed"]),
        bool(row["possible_duplicate"]),
        row["problem"],
    )
