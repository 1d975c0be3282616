"""The one chDB engine that a process can have: who uses it, on which folder, and why it may not be had.

chDB starts its engine with the first handle to a folder and ends it with the last; a process can have one engine, and a
folder one process (the engine locks `status` in it and writes its process id there). So the engine is shared within the
process, kept by an anchor handle for as long as somebody uses it, and hands out fresh handles.
It knows nothing of tables, but what a kill left of their memory of batches is mended before it starts (`batchlog`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from pipeline import batchlog

MEMORY_BYTES = 1_000_000_000
"""What the engine may use; a query that would need more fails, the process goes on."""

THREADS = 2
"""Of one query."""

MAKING = "making"
"""A file in the folder while its tables are made. Who finds it there begins anew: what else is there may be torn."""

_OPEN_ATTEMPTS = 3  # another process that only looks whether the folder is free holds its lock for an instant


class StoreError(ValueError):
    """The store cannot do what it was asked; the message says why and, where something can be done, what."""


class StoreBusy(StoreError):
    """Another process holds the store; `holder` is its process id, where it is known; `held` and `stop` are words."""

    def __init__(self, path: Path, holder: int | None) -> None:
        self.path = path
        self.holder = holder
        who = "another process" if holder is None else f"process {holder}{_command(holder)}"
        self.held = f"{path}: the store is held by {who}"
        self.stop = "stop it" if holder is None else f"stop it (kill {holder})"
        super().__init__(
            f"{self.held}, and only one process at a time can hold it; "
            f"use the pages that it serves, wait until it ends, or {self.stop}"
        )


class Answer(Protocol):
    """What chDB gives for a query."""

    def bytes(self) -> bytes: ...


class Handle(Protocol):
    """What is used of chDB's Session. Never use one again after an error: its next result would be wrong."""

    def query(self, sql: str, fmt: str = ..., *, params: dict[str, str] | None = None) -> Answer: ...

    def close(self) -> None: ...


class Engine:
    """The engine of one folder, shared by its users; any object can be one. Get it with `join`.

    `writing` is held while rows are put in and looked at; `looked`: when the parts of each table were looked at last.
    """

    _lock = threading.Lock()
    _current: Engine | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process = os.getpid()
        self._users: set[int] = set()
        self.writing = threading.RLock()
        self.looked: dict[str, int] = {}
        self._anchor = _start(path)

    @classmethod
    def join(cls, path: Path, user: object) -> Engine:
        """The engine of the folder `path` (absolute), started if need be, with one more user.

        Raises `StoreBusy`, or `StoreError` if this process has another folder open or the folder cannot be used.
        """
        with cls._lock:
            engine = cls._current
            if engine is None:
                engine = cls._current = cls(path)
            engine._refuse_fork()
            if engine.path != path:
                raise StoreError(
                    f"{path}: this process has the store {engine.path} open, and a process can hold one only; "
                    "close that first, or use another process"
                )
            engine._users.add(id(user))
            return engine

    def leave(self, user: object) -> None:
        """One user less; the last one ends the engine as soon as the statements still running have ended."""
        with self._lock:
            if id(user) in self._users:
                self._users.remove(id(user))
                if not self._users:
                    type(self)._current = None
                    self._anchor.close()

    def handle(self, user: object) -> Handle:
        """A new handle, to be closed by its user after one statement. Raises `StoreError` for who has left."""
        self._refuse_fork()
        with self._lock:
            if id(user) not in self._users:
                raise StoreError(f"{self.path}: the store is closed")
            return _session(self.path)

    def _refuse_fork(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                f"{self.path}: process {self._process} opened this store before it forked into {os.getpid()}; "
                "a forked engine hangs, so start new processes with the spawn method"
            )


def complaint(error: BaseException) -> str:
    """The engine's message without its prefixes and version."""
    text = str(error).split("DB::Exception: ")[-1]
    return text.split(" (version ")[0].strip().rstrip(".")


def _start(path: Path) -> Handle:
    """The first handle to a folder, which starts the engine."""
    if "?" in str(path):
        raise StoreError(f"{path}: the engine takes '?' for the start of options; choose a path without it")
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = set(os.listdir(path))
    except OSError as error:
        raise StoreError(f"{path}: the store's folder cannot be used: {error.strerror}") from None
    if MAKING in names:
        _refuse_busy(path)
        _empty(path)
    elif names and names != {"tmp"} and not names & {"status", "metadata", "store"}:  # tmp: an engine is just starting
        raise StoreError(f"{path}: the folder holds something else; choose an empty or a new one for the store")
    attempt = 1
    while True:
        _refuse_busy(path, lambda: _mend(path))
        try:
            return _session(path)
        except RuntimeError as error:
            _refuse_busy(path)
            if attempt == _OPEN_ATTEMPTS:
                raise StoreError(f"{path}: the store cannot be opened: {complaint(error)}") from error
        attempt += 1
        time.sleep(0.05)


def _empty(path: Path) -> None:
    """Removes what a process left that died, or met a full disk, while it made the tables; the mark goes last."""
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == MAKING):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _session(path: Path) -> Handle:
    from chdb.session import Session  # takes half a second to load, so only who opens a store pays for it

    address = f"{path}?max_server_memory_usage={MEMORY_BYTES}&max_threads={THREADS}"
    return cast(Handle, Session(address))  # type: ignore[no-untyped-call]


def _refuse_busy(path: Path, locked: Callable[[], None] = lambda: None) -> None:
    """Raise `StoreBusy` if a process has the lock of the folder's status file, which names it; else `locked` is done
    while nobody else can have it."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(FileNotFoundError, PermissionError):  # an engine that ends well removes it
            status = stack.enter_context((path / "status").open())
            try:
                fcntl.flock(status, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = status.readline().removeprefix("PID: ").strip()
                raise StoreBusy(path, int(holder) if holder.isdigit() else None) from None
        locked()


def _mend(path: Path) -> None:
    """What a kill left of the memory of batches is made true, before the engine reads it. Raises StoreError."""
    try:
        batchlog.mend_all(path)
    except OSError as error:
        raise StoreError(
            f"{path}: the memory of batches cannot be read ({error.strerror}); make room, or mend the disk"
        ) from None


def _command(process: int) -> str:
    """The command line of a process in brackets, shortened; '' where it cannot be read."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
    except OSError:
        return ""
    command = " ".join(words)
    return f" ({command[:80]})" if command else ""
