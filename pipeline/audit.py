"""The audit trail: who read, exported, changed or was refused what, in a file that only ever grows (pipeline.chain).

Theory of operation. An entry is on the disk (fsync) before what it is about happens. Then a small file beside it,
`NAME.head`, takes over number and hash of the last entry: entries cut off the end are missed too. Writers lock the
file; its mode is 0600. A power cut may tear the last line. It is kept as it is; the next entry is preceded by one that
accounts for it, and every check names it. An end that is missing is written down likewise, and stays a break for good.
Entries older than 24 months leave from the front, with an entry that says so.
Whoever may write both files can write whole new ones: `unlike` compares the trail with what was noted of it elsewhere
(the store notes the last entry every hour, pipeline.retention). What entries mean is said by those who write them. It
knows no store and no command line.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.chain import (
    CUT,
    MENDED,
    PRUNED,
    End,
    Entry,
    Verdict,
    account_of,
    check,
    make_base,
    make_line,
    parse,
    tail,
)
from sensor.durable import write_whole

KEEP_DAYS = 731
"""24 months."""
_TAIL_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry of the trail as a copy elsewhere noted it, and when (Unix seconds)."""

    n: int
    hash: str
    at: int


class AuditError(ValueError):
    """The audit trail cannot be written or trusted; nothing that must be audited may happen."""


def unlike(verdict: Verdict, anchors: Iterable[Anchor], now: float) -> str:
    """How a trail that is whole in itself differs from what was noted of it elsewhere; '' if it does not."""
    hashes = {entry.n: entry.hash for entry in verdict.entries}
    first = min(hashes, default=verdict.end.n + 1)
    for anchor in anchors:
        noted = f"the store noted entry {anchor.n} on {datetime.fromtimestamp(anchor.at, UTC):%Y-%m-%d %H:%M} UTC"
        if anchor.n > verdict.end.n:
            return f"{noted}, and the trail ends after {verdict.end.n}: its end was cut off, or it was replaced"
        if anchor.n in hashes and hashes[anchor.n] != anchor.hash:
            return f"{noted}, and it is another one now: the trail was replaced"
        if anchor.n < first and anchor.at > now - KEEP_DAYS * 86_400:
            return f"{noted}, and the trail begins after it with {first}: its beginning was cut off"
    return ""


class AuditTrail:
    """The trail in one file; made when the first entry is written. `now` gives Unix seconds."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._head = path.with_name(path.name + ".head")
        self._now = now

    def add(
        self,
        action: str,
        who: Mapping[str, str],
        *,
        result: str = "done",
        subjects: Sequence[str] = (),
        details: Mapping[str, object] | None = None,
    ) -> Entry:
        """Appends an entry; when this has returned it outlives a power cut. Raises AuditError."""
        with self._open() as file:
            end, rest, ended = self._end(file)
            head = self._read_head()
            noted = head.n if head else 0
            missing = noted > end.n or (head is None and end.n > 1) or (noted == end.n and head not in (None, end))
            found = end.n
            if rest:
                end = self._append(file, end, MENDED, "done", {}, (), account_of(rest), b"" if ended else b"\n")
                ended = True
            if missing:
                what = {"noted": noted, "found": found}
                end = self._append(file, end, CUT, "failed", {}, (), what, b"" if ended else b"\n")
                ended = True
            end = self._append(file, end, action, result, who, subjects, details or {}, b"" if ended else b"\n")
            write_whole(self._head, f"{end.n} {end.hash}\n".encode(), private=True)
            entry = parse(self._tail(file).rstrip(b"\n").rpartition(b"\n")[2])
            if entry is None or entry.hash != end.hash:
                raise AuditError(f"{self.path}: the entry that was written is not there; check the disk")
            return entry

    def verify(self) -> Verdict:
        """Checks every line. A trail that was never begun is intact and empty."""
        if not self.path.exists():
            gone = (1, "the file is gone, and what was noted of its last entry is still there")
            return Verdict(broken=gone) if self._head.exists() else Verdict()
        with self._open() as file:
            return check(os.pread(file, os.fstat(file).st_size, 0), self._read_head())

    def entries(self) -> tuple[Entry, ...]:
        """The entries of an intact trail. Raises AuditError for a broken one: what rests on it cannot be trusted."""
        verdict = self.verify()
        if verdict.broken is not None:
            line, why = verdict.broken
            mend = f"restore it with {self._head.name} from a copy, or put both aside for the data protection officer"
            raise AuditError(f"{self.path}:{line}: the audit trail is broken: {why}; {mend}")
        return verdict.entries

    def prune(self, keep_days: int = KEEP_DAYS) -> int:
        """Removes entries older than `keep_days`, never younger than 24 months, from the front; returns how many."""
        before = datetime.fromtimestamp(self._now(), UTC) - timedelta(days=max(keep_days, KEEP_DAYS))
        old = [entry for entry in self.entries() if entry.at < before]
        if not old:
            return 0
        cut = old[-1]
        what = {"through": cut.n, "hash": cut.hash, "at": cut.at.isoformat(), "entries": len(old)}
        self.add(PRUNED, {}, details=what)
        with self._open() as file:
            lines = os.pread(file, os.fstat(file).st_size, 0).split(b"\n")
            first = next(at for at, line in enumerate(lines) if (found := parse(line)) and found.n == cut.n)
            write_whole(self.path, make_base(what) + b"\n".join(lines[first + 1 :]), private=True)
        return len(old)

    # ---------------------------------------------------------------------------------------------------- the file

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        """The file, locked; made with mode 0600 if it is not there."""
        file = -1
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            while True:
                file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                fcntl.flock(file, fcntl.LOCK_EX)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file), os.stat(self.path)):
                        break
                os.close(file)  # it was replaced while we waited
            state = os.fstat(file)
            if not stat.S_ISREG(state.st_mode) or state.st_mode & 0o077:
                raise AuditError(f"{self.path}:1: others can read the audit trail; run: chmod 600 {self.path}")
            yield file
        except OSError as error:
            what = f"the audit trail cannot be written ({error.strerror})"
            raise AuditError(f"{self.path}:1: {what}; correct its owner and mode, or make room") from error
        finally:
            if file >= 0:
                with contextlib.suppress(OSError):
                    os.close(file)

    def _end(self, file: int) -> tuple[End, bytes, bool]:
        """The last whole entry, the torn bytes after it, and whether the file ends with the end of a line."""
        data = self._tail(file)
        end, rest = tail(data)
        if end is None:
            data = os.pread(file, os.fstat(file).st_size, 0)
            end, rest = tail(data)
        return end or End(), rest.removesuffix(b"\n"), not data or data.endswith(b"\n")

    @staticmethod
    def _tail(file: int) -> bytes:
        size = os.fstat(file).st_size
        return os.pread(file, _TAIL_BYTES, max(0, size - _TAIL_BYTES))

    def _append(
        self,
        file: int,
        end: End,
        action: str,
        result: str,
        who: Mapping[str, str],
        subjects: Sequence[str],
        details: Mapping[str, object],
        first: bytes,
    ) -> End:
        """Writes an entry after `end`; `first` ends a line that was left open."""
        at = datetime.fromtimestamp(self._now(), UTC)
        line = make_line(end, at, action, result, who, subjects, details)
        data = first + line
        while data:
            data = data[os.write(file, data) :]
        os.fsync(file)
        written, _ = tail(line)
        assert written is not None
        return written

    def _read_head(self) -> End | None:
        try:
            number, _, digest = self._head.read_text("ascii").strip().partition(" ")
            return End(int(number), digest)
        except (FileNotFoundError, ValueError):
            return None
