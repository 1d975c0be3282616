"""Accounts of the built-in pages, and their sessions: one small SQLite file beside the settings, for its owner alone.

Theory of operation. An account has a role and the name by which access.csv knows its person; no two people share one.
It begins with a password for once, which the command line prints; at the first log-in its owner chooses another and
connects an authenticator app (dashboards.otp), and only then the account opens any page. Passwords are kept as argon2id
(RFC 9106, 64 MiB), never more than two worked out at a time. A session is a random word in a cookie, of which the file
keeps the hash; it ends when it is idle, when it is old, when its account is changed, and on log-out. A name that does
not exist costs the same time as one that does. The secrets of the apps lie in the file as they are: whoever can read it
can copy it, so its mode is 0600.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sqlite3
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dashboards import otp
from pipeline.access import Role
from pipeline.alerts.database import open_private, writing

TABLES = """
CREATE TABLE IF NOT EXISTS account (
  login TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL, once_until REAL NOT NULL,
  secret TEXT NOT NULL DEFAULT '', step INTEGER NOT NULL DEFAULT 0, changed REAL NOT NULL);
CREATE TABLE IF NOT EXISTS session (
  id TEXT PRIMARY KEY, login TEXT NOT NULL REFERENCES account, made REAL NOT NULL, seen REAL NOT NULL,
  enrolling TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS key (name TEXT PRIMARY KEY, value BLOB NOT NULL);
"""
ONCE_DAYS = 7
"""How long a password for once is good."""
SHORTEST, LONGEST = 12, 256
SEEN_EVERY_S = 60.0
_LOGIN = re.compile(r"[a-z0-9]([a-z0-9._-]{0,38}[a-z0-9])?")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_HASHING = threading.Semaphore(2)


class AccountError(ValueError):
    """An account cannot be made, found or used so; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `enrolled`: its owner has chosen a password and connected an app."""

    login: str
    name: str
    role: Role
    enrolled: bool
    once_until: float


@dataclass(frozen=True, slots=True)
class Session:
    """Who is behind a session's word. `enrolling`: the secret that is being connected; empty in a full session."""

    account: Account
    enrolling: str


class Accounts:
    """The accounts in a file, made when it is not there. Safe for threads; processes may share the file."""

    def __init__(
        self, path: Path, now: Callable[[], float], *, idle_s: float = 1800, longest_s: float = 36_000, cost: int = 16
    ) -> None:
        self.path = path
        self._now, self._idle_s, self._longest_s = now, idle_s, longest_s
        self._hasher = PasswordHasher(time_cost=3, memory_cost=1 << cost, parallelism=1)
        self._lock = threading.RLock()
        try:
            self._database = open_private(path, TABLES)
        except (OSError, sqlite3.Error) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise AccountError(f"{path}: the accounts cannot be opened ({what}); correct pages.accounts") from None
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def close(self) -> None:
        self._database.close()

    # ---------------------------------------------------------------------------------------------------- accounts

    def all(self) -> list[Account]:
        """Every account, by login."""
        with self._lock:
            return [_account(row) for row in self._database.execute("SELECT * FROM account ORDER BY login")]

    def find(self, login: str) -> Account:
        """Raises AccountError."""
        with self._lock:
            row = self._database.execute("SELECT * FROM account WHERE login = ?", (login.lower(),)).fetchone()
        if row is None:
            raise AccountError(f"there is no account {login!r}; `schoolgate account list` shows those there are")
        return _account(row)

    def add(self, login: str, name: str, role: Role) -> str:
        """Makes an account; returns its password for once. Raises AccountError."""
        if not _LOGIN.fullmatch(login):
            raise AccountError(f"{login!r} is no login; use 1 to 40 of a-z, 0-9, dot, _ and -")
        if not name.strip() or len(name) > 100 or not name.isprintable():
            raise AccountError("an account needs its person's name as access.csv has it, in up to 100 characters")
        password, now = _once(), self._now()
        with self._lock, writing(self._database) as database:
            if database.execute("SELECT 1 FROM account WHERE login = ?", (login,)).fetchone():
                raise AccountError(f"there is an account {login} already; remove it first, or take another login")
            row = (login, name.strip(), role.value, self._hash(password), now + ONCE_DAYS * 86_400, now)
            database.execute(
                "INSERT INTO account (login, name, role, hash, once_until, changed) VALUES (?, ?, ?, ?, ?, ?)", row
            )
        return password

    def reset(self, login: str) -> str:
        """A new password for once; app and sessions of the account are forgotten. Raises AccountError."""
        password = _once()
        self._change(
            login, "hash = ?, secret = '', once_until = ?", self._hash(password), self._now() + 86_400 * ONCE_DAYS
        )
        return password

    def set_role(self, login: str, role: Role) -> None:
        """Raises AccountError."""
        self._change(login, "role = ?", role.value)

    def remove(self, login: str) -> None:
        """Raises AccountError."""
        account = self.find(login)
        with self._lock, writing(self._database) as database:
            database.execute("DELETE FROM session WHERE login = ?", (account.login,))
            database.execute("DELETE FROM account WHERE login = ?", (account.login,))

    def _change(self, login: str, what: str, *values: object) -> None:
        account = self.find(login)
        with self._lock, writing(self._database) as database:
            database.execute("DELETE FROM session WHERE login = ?", (account.login,))
            database.execute(
                f"UPDATE account SET {what}, changed = ? WHERE login = ?", (*values, self._now(), account.login)
            )

    # ----------------------------------------------------------------------------------------------------- logging in

    def check(self, login: str, password: str, code: str) -> Account | None:
        """The account, if password and code fit (a password for once needs no code); takes the same time if not."""
        with self._lock:
            row = self._database.execute("SELECT * FROM account WHERE login = ?", (login.strip().lower(),)).fetchone()
        fits = self._verify(row["hash"] if row else self._nobody, password)
        if row is None or not fits:
            return None
        if not row["secret"]:
            return _account(row) if self._now() < row["once_until"] else None
        step = otp.step_of(code, row["secret"], self._now(), row["step"])
        if step is None:
            return None
        with self._lock, writing(self._database) as database:
            used = database.execute(
                "UPDATE account SET step = ? WHERE login = ? AND step < ?", (step, row["login"], step)
            ).rowcount
        return _account(row) if used else None

    def enrol(self, word: str, password: str, code: str) -> str:
        """Ends an enrolling session: password and app are the account's own from now on; returns the word of a full
        session. Raises AccountError with what to do."""
        session = self.session(word)
        if session is None or not session.enrolling:
            raise AccountError("this log-in is over; log in again with the password for once")
        login = session.account.login
        refuse_weak(password, login, session.account.name)
        step = otp.step_of(code, session.enrolling, self._now())
        if step is None:
            raise AccountError("the code does not fit; see that the time of the phone is right, and take a new code")
        hashed = self._hash(password)
        self._change(login, "hash = ?, secret = ?, step = ?, once_until = 0", hashed, session.enrolling, step)
        return self.begin(self.find(login))

    def _hash(self, password: str) -> str:
        with _HASHING:
            return self._hasher.hash(_normal(password))

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            with _HASHING:
                return self._hasher.verify(hashed, _normal(password)[: 4 * LONGEST])
        except (VerificationError, InvalidHashError):
            return False

    # ------------------------------------------------------------------------------------------------------- sessions

    def begin(self, account: Account) -> str:
        """A new session; returns its word for the cookie. One that is not enrolled yet may only enrol."""
        word, now = secrets.token_urlsafe(32), self._now()
        enrolling = "" if account.enrolled else otp.new_secret()
        with self._lock, writing(self._database) as database:
            database.execute(
                "DELETE FROM session WHERE seen < ? OR made < ?", (now - self._idle_s, now - self._longest_s)
            )
            database.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?, ?)", (_id(word), account.login, now, now, enrolling)
            )
        return word

    def session(self, word: str) -> Session | None:
        """The session that a cookie's word stands for, if it has not ended."""
        now = self._now()
        with self._lock:
            row = self._database.execute(
                "SELECT account.*, made, seen, enrolling FROM session JOIN account USING (login) "
                "WHERE session.id = ? AND seen >= ? AND made >= ?",
                (_id(word), now - self._idle_s, now - self._longest_s),
            ).fetchone()
            if row is None:
                return None
            if now - row["seen"] > SEEN_EVERY_S:
                with writing(self._database) as database:
                    database.execute("UPDATE session SET seen = ? WHERE id = ?", (now, _id(word)))
        return Session(_account(row), row["enrolling"])

    def end(self, word: str) -> None:
        """Log-out."""
        with self._lock, writing(self._database) as database:
            database.execute("DELETE FROM session WHERE id = ?", (_id(word),))

    # ---------------------------------------------------------------------------------------------------------- marks

    def mark(self, what: str, of: str) -> str:
        """A signed mark that only we can make: of a form, or of a browser that has logged in to an account."""
        with self._lock:
            row = self._database.execute("SELECT value FROM key WHERE name = 'marks'").fetchone()
            if row is None:
                with writing(self._database) as database:
                    database.execute("INSERT OR IGNORE INTO key VALUES ('marks', ?)", (secrets.token_bytes(32),))
                row = self._database.execute("SELECT value FROM key WHERE name = 'marks'").fetchone()
        return hmac.digest(row["value"], f"{what}/{of}".encode(), hashlib.sha256).hex()


def refuse_weak(password: str, login: str, name: str) -> None:
    """Raises AccountError for a password that is too short, too long, or easily guessed."""
    plain = _normal(password)
    if not SHORTEST <= len(plain) <= LONGEST:
        raise AccountError(f"a password has {SHORTEST} to {LONGEST} characters; four or five words are a good one")
    known = [login, "schoolgate", "password", *re.findall(r"\w{3,}", name.lower())]
    rest = plain.lower()
    for word in known:
        rest = rest.replace(word, "")
    if len(set(rest)) < 5 or len(rest) < 8:
        raise AccountError("this password is easily guessed; take four or five words that have nothing to do with you")


def _account(row: sqlite3.Row) -> Account:
    return Account(row["login"], row["name"], Role(row["role"]), bool(row["secret"]), float(row["once_until"]))


def _once() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


def _id(word: str) -> str:
    return hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()
