"""The door of an embedded store: other processes of the same user ask its owner, and change nothing themselves.

Theory of operation. Only one process can hold the folder. Its owner listens on a socket in it (mode 0600; who connects
must be the owner's user or root), takes one question a connection, runs it as its own are run (`readonly=1`, bound
parameters, time limit) and hands over the engine's answer as it is. `read_store` opens the folder where it is free, and
else asks through the door: the same `Result`, one process further. What must be changed the owner does itself, as a job
(pipeline.jobs) that is asked for by name and plain data, never by SQL: `have_done`.
A question is a line of JSON: `{"sql": ..., "params": {name: text}}`, `{"job": name, "asked": {...}}` or `{"look": id}`;
the answer is a line, `{"bytes": N}` or `{"error": ...}` (with `"no_jobs"` where none are done), and N bytes.
The socket is reached through the folder's descriptor, because names of sockets must be short and folders need not be.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn, Self

from pipeline.access import account_of
from pipeline.engine import StoreBusy, StoreError
from pipeline.jobs import Asked, Job, JobRefused, Jobs, JobState, Tell
from pipeline.native import Values
from pipeline.sqltext import ParameterError, decode_rows, encode_parameters
from pipeline.store import QUERY_SECONDS, ChdbStore, Result, open_store

NAME = "door"
LONGEST_QUESTION = 1 << 20
AT_ONCE = 8
_PATIENCE_S = 5.0
_ANSWERED_S = 60.0
"""How long the owner may take to say how far a job is; it may be busy with packets, pages and the job itself."""
_LOOK_EVERY_S = 0.2


class Door:
    """The owner's side, open while the block runs; answers in threads of its own. `jobs`: what it does for others.

    `folder`: where the door is, else in the store's; of a process whose store is on servers it has jobs only."""

    def __init__(self, store: ChdbStore | None, jobs: Jobs | None = None, folder: Path | None = None) -> None:
        assert store or folder
        self._store, self._jobs = store, jobs
        self._folder = folder or (store.path if store else Path())
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        with _reached(self._folder) as place:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(place)  # of an owner that was killed: we hold the folder
            self._listener.bind(place)
            os.chmod(place, 0o600)
        self._listener.listen(AT_ONCE)
        threading.Thread(target=self._serve, name="door", daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with contextlib.suppress(OSError):
            (self._folder / NAME).unlink()

    def _serve(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self._places.acquire()
            threading.Thread(target=self._answer, args=(visitor,), name="door", daemon=True).start()

    def _answer(self, visitor: socket.socket) -> None:
        try:
            with visitor, contextlib.suppress(OSError):
                visitor.settimeout(_PATIENCE_S)
                user = _user_of(visitor)
                if user not in (os.getuid(), 0):
                    return
                body, header = b"", dict[str, object]()
                try:
                    body = self._answered(_asked(visitor), user)
                    header = {"bytes": len(body)}
                except _NoJobs:
                    header = {"error": "this process does no jobs", "no_jobs": True}
                except (ValueError, RecursionError) as error:
                    header = {"error": str(error)}
                visitor.sendall(json.dumps(header).encode() + b"\n" + body)
        finally:
            self._places.release()

    def _answered(self, asked: Mapping[str, object], user: int) -> bytes:
        """The answer to a question. Raises StoreError, ValueError."""
        match asked:
            case {"sql": str(sql), "params": dict(params)} if self._store:
                return self._store.answer(sql, {str(name): str(text) for name, text in params.items()})
            case {"job": str(name), "asked": dict(what)}:
                return self._known_jobs.ask(name, what, {"account": account_of(user)}).as_json()
            case {"look": str(id_)}:
                return self._known_jobs.look(id_).as_json()
        raise ValueError("not a question: it takes sql and params, job and asked, or look")

    @property
    def _known_jobs(self) -> Jobs:
        if self._jobs is None:
            raise _NoJobs
        return self._jobs


class _NoJobs(ValueError):
    """The process that holds the store does no jobs."""


class RemoteStore:
    """A `Store` that asks the owner of a folder; it reads only. Made by `read_store`."""

    def __init__(self, path: Path, holder: int | None) -> None:
        self.path = path
        self._holder = holder

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> Result:
        """See `Store.query`."""
        try:
            texts = encode_parameters(sql, params or {}, complete=True)
        except ParameterError as error:
            raise StoreError(str(error)) from None
        return Result(*decode_rows(self._ask({"sql": sql, "params": texts}, QUERY_SECONDS + _PATIENCE_S)))

    def listens(self) -> bool:
        """Is there an owner behind the door?"""
        try:
            with socket.socket(socket.AF_UNIX) as owner, _reached(self.path) as place:
                owner.connect(place)
        except OSError:
            return False
        return True

    def have_done(self, name: str, asked: Asked, tell: Tell) -> Mapping[str, object]:
        """Asks the owner for a job and waits until it is over; `tell` gets its lines. Returns what came of it.

        Raises JobRefused with the owner's own words; StoreBusy if the process that holds the store does no jobs;
        StoreError if it does not answer, or has ended."""
        told, waited = 0, False
        job = self._job({"job": name, "asked": dict(asked)})
        while True:
            for line in job.said[told:]:
                tell(line)
            told = max(told, len(job.said))
            if job.state is JobState.WAITING and job.ahead and not waited:
                tell(f"{job.ahead} other {'job is' if job.ahead == 1 else 'jobs are'} before it; waiting")
                waited = True
            if job.over:
                break
            time.sleep(_LOOK_EVERY_S)
            job = self._job({"look": job.id})
        if job.state is JobState.FAILED or job.result is None:
            raise JobRefused(job.problem)
        return job.result

    def _job(self, question: Asked) -> Job:
        try:
            return Job.from_json(self._ask(question, _ANSWERED_S))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise StoreError(f"{self.path}: the owner of the store is of another version; start it again") from error

    def _ask(self, question: Asked, patience_s: float) -> bytes:
        line = json.dumps(question).encode() + b"\n"
        if len(line) > LONGEST_QUESTION:
            raise StoreError(f"the question is too long: it has more than {LONGEST_QUESTION >> 20} MiB")
        try:
            with socket.socket(socket.AF_UNIX) as owner, _reached(self.path) as place:
                owner.settimeout(patience_s)
                owner.connect(place)
                owner.sendall(line)
                with owner.makefile("rb") as answer:
                    header = json.loads(answer.readline())
                    body = answer.read(header.get("bytes", 0))
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.path}: the owner of the store does not answer ({error}); try again") from error
        if "no_jobs" in header:
            self._refuse()
        if "error" in header:
            raise StoreError(header["error"])
        if len(body) != header["bytes"]:
            raise StoreError(f"{self.path}: the owner of the store ended while it answered; try again")
        return body

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        """Refused: only the owner writes."""
        self._refuse()

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        """Refused: only the owner writes."""
        self._refuse()

    def execute(self, ddl: str) -> None:
        """Refused: only the owner writes."""
        self._refuse()

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _refuse(self) -> NoReturn:
        raise StoreBusy(self.path, self._holder)


def read_store(path: Path) -> ChdbStore | RemoteStore:
    """The store in the folder `path` to read from: our own where it is free, else its owner's through the door.

    Raises as `open_store` does, `StoreBusy` only where the owner has no door for us.
    """
    try:
        return open_store(path)
    except StoreBusy as busy:
        remote = RemoteStore(busy.path, busy.holder)
        if not remote.listens():
            raise
        return remote


def _asked(visitor: socket.socket) -> Mapping[str, object]:
    """The question of a visitor, who has a few seconds for it. Raises ValueError for anything else."""
    end, line = time.monotonic() + _PATIENCE_S, bytearray()
    while not line.endswith(b"\n"):
        if time.monotonic() > end or len(line) > LONGEST_QUESTION:
            raise ValueError("the question is too long, or takes too long")
        if not (more := visitor.recv(1 << 16)):
            break
        line += more
    asked = json.loads(line)
    if not isinstance(asked, dict):
        raise ValueError("not a question: a line of JSON is asked for")
    return asked


def _user_of(visitor: socket.socket) -> int:
    """The user id of the process at the other end."""
    peer = visitor.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", peer)[1])


@contextlib.contextmanager
def _reached(folder: Path) -> Iterator[str]:
    """A short name of the socket in a folder, for as long as the block runs."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)
