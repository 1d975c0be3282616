"""Jobs: work that only the owner of a store can do, asked for by others, who see how far it is and what came of it.

Theory of operation. One thread does them, one at a time, in the order in which they were asked for. A few may wait; one
more is refused, and who asks for what waits or runs already is told of that one. A job is a function of plain data
(JSON) and of who asks; it tells lines while it works and returns plain data. What has ended is remembered for a while.
When the owner ends, the job at work is asked to (`stopping`) and the others are refused. Nothing of this outlives the
process: what a job began and could not end is finished by asking again, because jobs are made so (pipeline.retag,
pipeline.contest).
It does not know what the jobs do.
"""

from __future__ import annotations

import json
import secrets
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

WAITING_AT_MOST = 8
REMEMBERED = 32
LINES = 400
LARGEST = 64 << 10
"""Bytes of what is asked for."""


class JobRefused(ValueError):
    """A job cannot be taken, or is not known; the message says what to do."""


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """What can be told of a job. ahead: jobs before it; said: lines so far; problem: why it failed."""

    id: str
    name: str
    state: JobState
    ahead: int = 0
    said: tuple[str, ...] = ()
    result: Mapping[str, object] | None = None
    problem: str = ""

    @property
    def over(self) -> bool:
        return self.state in (JobState.DONE, JobState.FAILED)

    def as_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Job:
        """What `as_json` wrote. Raises ValueError, KeyError, TypeError for anything else."""
        told = json.loads(data)
        return cls(**{**told, "state": JobState(told["state"]), "said": tuple(map(str, told["said"]))})


Asked = Mapping[str, object]
Who = Mapping[str, str]
Tell = Callable[[str], None]
Doer = Callable[[Asked, Who, Tell], Mapping[str, object]]


@dataclass(slots=True)
class _Entry:
    asked: Asked
    who: Who
    key: str
    job: Job


class Jobs:
    """The jobs of one owner. Until `start` they only wait. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._doers: Mapping[str, Doer] = {}
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}
        self._thread: threading.Thread | None = None

    def start(self, doers: Mapping[str, Doer]) -> None:
        """Begin to work."""
        self._doers = doers
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Lets the job at work come to its next step, and refuses the others."""
        self.stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    def ask(self, name: str, asked: Asked, who: Who) -> Job:
        """Takes a job, or finds the same one that waits or runs. Raises JobRefused."""
        try:
            key = json.dumps([name, asked, who], sort_keys=True)
        except (TypeError, ValueError):
            raise JobRefused("what is asked for is no plain data") from None
        if len(key) > LARGEST:
            raise JobRefused(f"what is asked for has more than {LARGEST >> 10} KiB")
        with self._changed:
            if self.stopping.is_set():
                raise JobRefused("the owner of the store is ending; ask again when it has started anew")
            for entry in self._entries.values():
                if entry.key == key and not entry.job.over:
                    return self._told(entry)
            if len(self._waiting()) >= WAITING_AT_MOST:
                raise JobRefused(f"{WAITING_AT_MOST} jobs wait already; ask again when they are done")
            entry = _Entry(asked, who, key, Job(secrets.token_hex(8), name, JobState.WAITING))
            self._entries[entry.job.id] = entry
            self._forget()
            self._changed.notify_all()
            return self._told(entry)

    def look(self, id_: str) -> Job:
        """How far a job is. Raises JobRefused if it is not known (any more)."""
        with self._changed:
            entry = self._entries.get(id_)
            if entry is None:
                raise JobRefused("the owner of the store does not know this job (any more); ask for it again")
            return self._told(entry)

    # --------------------------------------------------------------------------------------------------------- inside

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (waiting := self._waiting()) and not self.stopping.is_set():
                    self._changed.wait()
                if self.stopping.is_set():
                    why = "the owner of the store ended before it came to this; ask again when it has started anew"
                    for entry in waiting:
                        entry.job = replace(entry.job, state=JobState.FAILED, problem=why)
                    return
                entry = waiting[0]
                entry.job = replace(entry.job, state=JobState.RUNNING)
            ended = self._done(entry)
            with self._changed:
                entry.job = ended

    def _done(self, entry: _Entry) -> Job:
        """Does a job; returns how it ended."""

        def tell(line: str) -> None:
            with self._changed:
                entry.job = replace(entry.job, said=(*entry.job.said, line)[:LINES])

        try:
            doer = self._doers.get(entry.job.name)
            if doer is None:
                raise JobRefused(f"there is no job {entry.job.name[:40]!r}; there are {', '.join(self._doers)}")
            result = doer(entry.asked, entry.who, tell)
            json.dumps(result)
            return replace(entry.job, state=JobState.DONE, result=result)
        except OSError as error:
            problem = f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")
        except ValueError as error:
            problem = str(error)
        except Exception as error:  # a fault of ours: it is told, and the next job goes on
            traceback.print_exc()
            problem = f"a fault of Schoolgate ({type(error).__name__}: {error}); its log has more"
        return replace(entry.job, state=JobState.FAILED, problem=problem)

    def _waiting(self) -> list[_Entry]:
        return [entry for entry in self._entries.values() if entry.job.state is JobState.WAITING]

    def _told(self, entry: _Entry) -> Job:
        """The job, with how many come before it."""
        if entry.job.state is not JobState.WAITING:
            return entry.job
        running = sum(one.job.state is JobState.RUNNING for one in self._entries.values())
        return replace(entry.job, ahead=running + self._waiting().index(entry))

    def _forget(self) -> None:
        over = [id_ for id_, entry in self._entries.items() if entry.job.over]
        for id_ in over[:-REMEMBERED]:
            del self._entries[id_]
