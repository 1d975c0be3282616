"""A hash chain of entries as lines of JSON: how a line is made, and how a whole file is checked. Bytes in, verdict out.

Each line carries its number, the hash of the line before it and its own hash (SHA-256 of its canonical JSON without
that hash), so that a line changed, removed, added or moved breaks the chain at that line. Bytes that are no whole entry
are an interrupted write if they end the file, or if the entry after them accounts for them (action MENDED, with their
length and hash); anything else is a break. A file whose oldest entries were removed by age begins with a line that
says up to where, which an entry of the chain (PRUNED) must confirm. Opens no file and knows no meaning of an entry.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

GENESIS = "0" * 64
PRUNED, MENDED, CUT = "audit.pruned", "audit.mended", "audit.cut"
_KEYS = {"n", "at", "action", "result", "who", "subjects", "details", "before", "hash"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `who` holds account, role and name; `subjects` the persons (or pseudonyms, or episodes) that it is
    about; `result` is done, refused or failed."""

    n: int
    at: datetime
    action: str
    result: str
    who: Mapping[str, str]
    subjects: tuple[str, ...]
    details: Mapping[str, object]
    before: str
    hash: str


@dataclass(frozen=True, slots=True)
class End:
    """Number and hash of a last entry."""

    n: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of a whole trail found. `entries`: those before the break. `broken`: the first line that is not as
    it was written and why, or None. `torn`: lines that an interruption cut short. `unmended`: the last of them is at
    the end of the file, and no entry accounts for it yet."""

    entries: tuple[Entry, ...] = ()
    broken: tuple[int, str] | None = None
    torn: tuple[int, ...] = ()
    unmended: bool = False
    end: End = End()

    @property
    def intact(self) -> bool:
        """Nothing is broken; a torn line that a later entry accounts for does not break the trail."""
        return self.broken is None and not self.unmended


def make_line(
    end: End,
    at: datetime,
    action: str,
    result: str,
    who: Mapping[str, str],
    subjects: Sequence[str],
    details: Mapping[str, object],
) -> bytes:
    """The line that follows `end`."""
    entry: dict[str, object] = {"n": end.n + 1, "at": at.isoformat(timespec="milliseconds"), "action": action}
    entry |= {"result": result, "who": dict(who), "subjects": list(subjects), "details": dict(details)}
    entry["before"] = end.hash
    return _canonical(entry | {"hash": sha(_canonical(entry))}) + b"\n"


def make_base(details: Mapping[str, object]) -> bytes:
    """The first line of a file whose entries up to `details["through"]` were removed by age."""
    return _canonical({"base": dict(details)}) + b"\n"


def tail(data: bytes) -> tuple[End | None, bytes]:
    """The last whole entry of a file (or of its end) and the bytes after its line that are no entry; None if there is
    no whole entry at all."""
    lines = data.split(b"\n")
    for at in range(len(lines) - 1, -1, -1):
        if (found := parse(lines[at])) is not None:
            return End(found.n, found.hash), b"\n".join(lines[at + 1 :])
        if (base := _base(lines[at])) is not None:
            return _end_of(base), b"\n".join(lines[at + 1 :])
    return None, data


def check(data: bytes, head: End | None) -> Verdict:
    """Walks the chain from its first line; `head` is what was noted beside the file when the last entry was written."""
    lines = data.split(b"\n")
    entries: list[Entry] = []
    torn: list[int] = []
    pending: list[tuple[int, bytes]] = []  # lines that are no entry, and that none accounts for yet
    base = _base(lines[0])
    end = start = _end_of(base) if base else End()

    def verdict(line: int = 0, why: str = "", unmended: bool = False) -> Verdict:
        return Verdict(tuple(entries), (line, why) if line else None, tuple(torn), unmended, end)

    for number, line in enumerate(lines[1:] if base else lines, 2 if base else 1):
        if (found := parse(line)) is None:
            if line or number < len(lines):
                pending.append((number, line))
            continue
        if pending:
            if found.action != MENDED or not _accounts_for(found, pending):
                return verdict(pending[0][0], "it is no entry of the trail")
            torn += [at for at, _ in pending]
            pending = []
        if (found.n, found.before) != (end.n + 1, end.hash):
            return verdict(number, f"it does not follow entry {end.n}")
        if sha(_canonical(_content(line))) != found.hash:
            return verdict(number, "its hash does not fit what it says")
        if found.action == CUT:
            return verdict(number, "before it was written, entries had been cut off the end or changed")
        end = End(found.n, found.hash)
        entries.append(found)
        if found.action == PRUNED and base == dict(found.details):
            base = None
    if base:
        return verdict(1, "entries are missing before it, and no entry says that they were removed by age")
    after = pending[0][0] if pending else len(lines) - (lines[-1] == b"") + 1
    if head is None and end.n > 1:
        return verdict(after, "what was noted of the last entry is gone, so entries may be missing here")
    if head and head.n > end.n:
        return verdict(after, f"the trail had {head.n} entries and ends after {end.n}")
    if head and head.n > start.n and entries[head.n - start.n - 1].hash != head.hash:
        return verdict(after - 1, f"entry {head.n} is not the one that was written")
    torn += [at for at, _ in pending]
    return verdict(unmended=bool(pending))


def account_of(rest: bytes) -> dict[str, object]:
    """What an entry says of torn bytes that it accounts for."""
    return {"bytes": len(rest), "sha256": sha(rest)}


def _accounts_for(entry: Entry, pending: list[tuple[int, bytes]]) -> bool:
    return dict(entry.details) == account_of(b"\n".join(line for _, line in pending))


def parse(line: bytes) -> Entry | None:
    """The entry in a whole line, or None."""
    found = _content(line)
    if set(found) | {"hash"} != _KEYS:
        return None
    n, who, details, subjects = found["n"], found["who"], found["details"], found["subjects"]
    try:
        at = datetime.fromisoformat(str(found["at"]))
    except ValueError:
        return None
    if type(n) is not int or at.tzinfo is None or not line.strip().endswith(b"}"):
        return None
    if not (isinstance(who, dict) and isinstance(details, dict) and isinstance(subjects, list)):
        return None
    words = (str(found["action"]), str(found["result"]))
    names = {str(key): str(value) for key, value in who.items()}
    return Entry(n, at, *words, names, tuple(map(str, subjects)), details, str(found["before"]), _hash(line))


def _object(line: bytes) -> dict[str, object]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _content(line: bytes) -> dict[str, object]:
    """What a line says, without its hash."""
    return {name: value for name, value in _object(line).items() if name != "hash"}


def _hash(line: bytes) -> str:
    return str(_object(line).get("hash"))


def _base(line: bytes) -> dict[str, object] | None:
    found = _object(line)
    base = found.get("base") if set(found) == {"base"} else None
    return base if isinstance(base, dict) and type(base.get("through")) is int else None


def _end_of(base: Mapping[str, object]) -> End:
    through = base.get("through")
    return End(through if isinstance(through, int) else 0, str(base.get("hash")))


def _canonical(entry: Mapping[str, object]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
