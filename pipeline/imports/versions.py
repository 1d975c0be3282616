"""Imports as versions: kept with the hashes of their sources, applied all or none, taken back byte for byte.

`imports/` in the school's folder holds one folder per version: `version.json` (what, when, who, hashes), `after/` (new
files of an import that waits) and `before/` (the files that it replaced). Sources themselves are not kept: they hold
what was dropped on reading; and all are for their owner's eyes only. The newest KEPT versions can be taken back,
KEPT_WAITING may wait; of older ones only the record stays. One process at a time changes anything (a lock on
`imports/lock`).

A version of the timetable in the store (`School.version`) is a hash of all files as they were read; each record carries
the one that it led to, so that an outcome can be traced to its import, and edits by hand are told apart from imports.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.imports import journal
from pipeline.imports.journal import FOLDER, digest_of
from pipeline.imports.said import dump_maps, load_maps
from sensor.durable import write_whole

KEPT = 20
KEPT_WAITING = 5
WAITING, APPLIED, TAKEN_BACK, DROPPED = "waiting", "in force", "taken back", "dropped"


class VersionError(ValueError):
    """A version cannot be applied or taken back; the message says why and what to do."""


@dataclass(frozen=True)
class SourceFile:
    """A file that was imported."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Version:
    """The record of one import, or of taking some back (`undoes`). tables: name -> hash before and after."""

    id: str
    status: str
    made: str
    who: str
    formats: Sequence[str]
    files: Sequence[SourceFile]
    tables: Mapping[str, tuple[str, str]]
    counts: Mapping[str, str]
    notes: Sequence[str] = ()
    school_version: str = ""
    applied: str = ""
    applied_by: str = ""
    undoes: Sequence[str] = field(default_factory=tuple)


class Versions:
    """The imports of one school's folder. Every method may raise OSError, and VersionError for what cannot be."""

    def __init__(self, folder: Path, paths: Mapping[str, Path]) -> None:
        self.folder, self.paths = folder, paths
        self._own = folder / FOLDER

    def present(self) -> dict[str, bytes]:
        """The school's files as they count now."""
        return journal.read_together(self.folder, self.paths)

    def maps(self) -> dict[str, dict[str, str]]:
        """What people said about sources."""
        return load_maps(self._own / "maps.json")

    def all(self) -> list[Version]:
        """Every record, the oldest first."""
        found = []
        for path in sorted(self._own.glob("[0-9]*/version.json")):
            try:
                record = json.loads(path.read_bytes())
                files = [SourceFile(**file) for file in record.pop("files")]
                tables = {name: (before, after) for name, (before, after) in record.pop("tables").items()}
                found.append(Version(**record, files=files, tables=tables))
            except (ValueError, TypeError, KeyError):
                raise VersionError(f"{path}:1: this is no record of an import; remove its folder") from None
        return found

    def add(
        self,
        files: Mapping[str, bytes],
        after: Mapping[str, bytes],
        maps: Mapping[str, Mapping[str, str]],
        record: Version,
    ) -> Version:
        """Keeps an import that waits to be applied. `record` has what people should know of it; its id, hashes and
        time are filled in here."""
        with self._locked():
            present = self.present()
            tables = {name: (_sha(present.get(name)), _sha(data)) for name, data in after.items()}
            sources = [SourceFile(name, _sha(data), len(data)) for name, data in files.items()]
            version = replace(
                record,
                id=self._next(),
                status=WAITING,
                made=_now(),
                applied="",
                applied_by="",
                undoes=(),
                files=sources,
                tables=tables,
            )
            self._keep(version, after)
            write_whole(self._own / "maps.json", dump_maps(maps), private=True)
            self._prune()
            return version

    def apply(self, id_: str | None, who: str) -> Version:
        """Puts a waiting import in force: the one named, or the newest."""
        with self._locked():
            waiting = [version for version in self.all() if version.status == WAITING]
            version = self._find(id_, waiting, "waits to be applied")
            for name, (before, _) in version.tables.items():
                if digest_of(self.paths[name]) != before:
                    what = f"{self.paths[name].name} has changed since import {version.id} was read"
                    raise VersionError(f"{what}; import {', '.join(f.name for f in version.files)} again")
            return self._put(version, who)

    def rollback(self, id_: str | None, who: str, force: bool = False) -> Version:
        """Restores the files as they were before an import (the last one in force, or the one named and all after
        it). `force` also discards what was changed by hand since."""
        with self._locked():
            active = [v for v in self.all() if v.status == APPLIED and not v.undoes]
            first = self._find(id_, active, "is in force")
            undone = [version for version in active if version.id >= first.id]
            after: dict[str, bytes | None] = {}
            for version in undone:
                for name, (before, _) in version.tables.items():
                    kept = self._own / version.id / "before" / name
                    if before and name not in after and digest_of(kept) != before:
                        raise VersionError(f"the files from before import {version.id} are no longer kept")
                    after.setdefault(name, kept.read_bytes() if before else None)
            left = journal.in_force(self.folder)
            for name in after:
                if digest_of(self.paths[name]) != left.get(name, "") and not force:
                    what = f"{self.paths[name].name} was changed by hand after import {undone[-1].id}"
                    raise VersionError(f"{what}; say --force to lose that change")
            ids = [version.id for version in undone]
            record = Version(
                self._next(), WAITING, _now(), who, ["rollback"], [],
                {name: (digest_of(self.paths[name]), _sha(data)) for name, data in after.items()},
                {}, [f"files as before import {first.id}"], undoes=ids,
            )  # fmt: skip
            self._keep(record, {name: data for name, data in after.items() if data is not None})
            done = self._put(record, who)
            for version in undone:
                self._write(replace(version, status=TAKEN_BACK))
            return done

    def before(self, id_: str) -> dict[str, bytes]:
        """The school's files as they were before an import that was applied."""
        applied = [version for version in self.all() if version.applied]
        first = self._find(id_, applied, "was ever put in force")
        found: dict[str, bytes | None] = {}
        for version in applied:
            for name, (before, _) in version.tables.items() if version.id >= first.id else ():
                kept = self._own / version.id / "before" / name
                if before and name not in found and digest_of(kept) != before:
                    raise VersionError(f"the files from before import {version.id} are no longer kept; say --from DAY")
                found.setdefault(name, kept.read_bytes() if before else None)
        files = {name: data for name, data in self.present().items() if name not in found}
        return files | {name: data for name, data in found.items() if data is not None}

    # --- inside

    def _put(self, version: Version, who: str) -> Version:
        own = self._own / version.id
        (own / "before").mkdir(exist_ok=True)
        for name, (before, _) in version.tables.items():
            if before:
                write_whole(own / "before" / name, self.paths[name].read_bytes(), like=self.paths[name], private=True)
        contents = {name: own / "after" / name if after else None for name, (_, after) in version.tables.items()}
        for name, (_, after) in version.tables.items():
            if digest_of(contents[name]) != after:
                raise VersionError(f"{own}: the files of import {version.id} are damaged; import them again")
        done = replace(version, status=APPLIED, applied=_now(), applied_by=who)
        self._write(replace(done, status=WAITING))
        journal.replace_files(self.folder, version.id, self.paths, contents)
        self._write(done)
        self._prune()
        return done

    def _settle(self) -> None:
        """Ends what a killed process began, and marks its version."""
        journal.finish(self.folder, self.paths)
        left = journal.in_force(self.folder)
        begun = [version for version in self.all() if version.status == WAITING and version.applied]
        for version in begun:
            done = all(left.get(name) == after for name, (_, after) in version.tables.items())
            self._write(replace(version, status=APPLIED) if done else replace(version, applied="", applied_by=""))
            for undone in self.all() if done else ():
                if undone.id in version.undoes:
                    self._write(replace(undone, status=TAKEN_BACK))
        if begun:
            self._prune()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._own.mkdir(exist_ok=True)
        with (self._own / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._settle()
            yield

    def _find(self, id_: str | None, among: Sequence[Version], which: str) -> Version:
        if id_ is None and among:
            return among[-1]
        wanted = (id_ or "").zfill(4)
        found = next((version for version in among if version.id == wanted), None)
        if found is None:
            ids = ", ".join(version.id for version in among) or "none"
            raise VersionError(f"no import{f' {wanted}' if id_ else ''} {which}; there is {ids}")
        return found

    def _next(self) -> str:
        taken = [int(path.name) for path in self._own.glob("[0-9]*") if path.name.isdigit()]
        return f"{max(taken, default=0) + 1:04}"

    def _keep(self, version: Version, after: Mapping[str, bytes]) -> None:
        own = self._own / version.id
        (own / "after").mkdir(parents=True)
        for name, data in after.items():
            write_whole(own / "after" / name, data, like=self.paths[name], private=True)
        self._write(version)

    def _write(self, version: Version) -> None:
        data = json.dumps(asdict(version), indent=1, ensure_ascii=False).encode() + b"\n"
        write_whole(self._own / version.id / "version.json", data, private=True)

    def _prune(self) -> None:
        """Forgets the files of old versions, and what no version needs."""
        for path in self._own.glob("[0-9]*"):
            if not (path / "version.json").is_file():  # a process was killed before it was whole
                shutil.rmtree(path, ignore_errors=True)
        versions = self.all()
        waiting = [version for version in versions if version.status == WAITING and not version.applied]
        for version in waiting[:-KEPT_WAITING]:
            self._write(replace(version, status=DROPPED))
        kept = {version.id for version in waiting[-KEPT_WAITING:]}
        back = {version.id for version in versions[-KEPT:]}
        for version in versions:
            own = self._own / version.id
            if version.id not in kept:
                shutil.rmtree(own / "after", ignore_errors=True)
            if version.id not in back:
                shutil.rmtree(own / "before", ignore_errors=True)


def _sha(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
