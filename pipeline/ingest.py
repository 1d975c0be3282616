"""Slices in, stored windows out, each exactly once: for a replayed capture and for the live spool.

Theory of operation. `Ingest.add` gathers slices; whenever windows are closed (pipeline.windows) their rows are computed
and inserted, table by table. Windows that are ready together share their inserts, under one name that table `batch` is
told first; the windows' own keys follow in `batch` last. A window whose key is there is complete and is left alone;
windows that were only begun are inserted again under the same name, and the tables that have it already drop it. As the
rows of a window depend on nothing but what was sent and on the school's files, it does not matter where a process was
killed: reading the same slices again leads to the same store. `drain` does that with the spool, whose files go only
when no window that is still to be stored needs them.
It knows no packets; whoever owns the store calls it from one thread.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import dualrun
from pipeline.aggregate import Columns
from pipeline.assess import Assessor, Rows
from pipeline.gather import Clients, gather, window_starts
from pipeline.pause import filled
from pipeline.register import Register
from pipeline.store import Store, batches
from pipeline.traffic import Traffic
from pipeline.windows import WINDOW_MIN, batch_key, end_known, end_needed, first_needed, first_open

STALLED_S = 900.0  # how long a worker that brings nothing holds the windows of the others back
EARLIEST_MIN, LATEST_MIN = 1440, (1 << 32) // 60 - 1440  # ClickHouse's DateTime, a day of any zone inside


class Spool(Protocol):
    """The folder that lies between the sensor and this process: see `sensor.spool`."""

    def files(self) -> list[Path]:
        """Complete files, oldest first."""
        ...

    def read(self, path: Path) -> pa.Table:
        """The slices of a file; its metadata says `until`."""
        ...

    def remove(self, path: Path) -> None:
        """Removes a file."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """What an Ingest has done so far.

    late: slices whose window was stored before they came; left out. undated: slices of times that the store cannot
    hold; left out. windows_known: windows that an earlier run had stored. windows_torn: windows that a run had begun to
    store when it was killed, together with others that have not come again; left out until they do. rows: rows sent to
    the store.
    """

    slices: int = 0
    late: int = 0
    undated: int = 0
    windows_stored: int = 0
    windows_known: int = 0
    windows_torn: int = 0
    rows: int = 0


class Ingest:
    """Turns tables of slices into stored windows. `sensor` names their origin: one name, one stream of packet time.

    `workers`: the names of several sensor workers that write this stream together, each with its own clients; a window
    is closed when all of them are past it, or one has been silent for STALLED_S while others went on.

    `gather_windows`: windows are judged and stored in groups of so many, counted from 1970, as soon as the last one of
    a group is closed; the rows are the same, more at once is quicker. `now` gives Unix seconds; it only dates rows
    (`stored`, `updated`).
    """

    def __init__(
        self,
        store: Store,
        assessor: Assessor,
        sensor: str = "sensor",
        *,
        workers: Sequence[str] = (),
        gather_windows: int = 1,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._assessor = assessor
        self._sensor = sensor
        self._group_min = gather_windows * WINDOW_MIN
        self._now = now
        self._clients = Clients()
        self._pieces = [Traffic.none()]
        self._counts: Counter[tuple[int, str]] = Counter()
        self._known = batches(store, assessor.school.settings.id)
        self._until = 0.0
        self._past = dict.fromkeys(workers, 0.0)
        self._done = 0  # windows that begin before this minute are stored, or have nothing to store
        self._spooled: list[tuple[Path, float]] = []  # files read, with the end of their last minute, oldest first
        self.progress = Progress()
        self._torn = self._interrupted()
        self._register = Register(store, assessor, now)
        self._register.school()
        self._dual = dualrun.begin(store, assessor)

    def renew(self, assessor: Assessor) -> None:
        """Judges from now on by newer files of the school or newer bindings. Raises ValueError for another school or
        another list of services: that needs a new Ingest."""
        same = assessor.school.settings.id == self._assessor.school.settings.id
        if not same or assessor.scope.services != self._assessor.scope.services:
            raise ValueError("the school or the list of services is another one; start anew")
        if assessor.catalogue.version != self._assessor.catalogue.version:
            self._dual = dualrun.begin(self._store, assessor)
        self._assessor = assessor
        self._register = Register(self._store, assessor, self._now)
        self._register.school()

    def add(self, table: pa.Table, until: float) -> Progress:
        """Takes slices; `until` (Unix seconds): every slice of a minute that ended before is in this or an earlier
        table. Stores the windows that are now closed. If it raises StoreError nothing is lost: go on with the next
        table.

        Losses in the table's metadata, `counters` (a JSON object: metric -> number, see table `coverage`) with `from`
        (Unix seconds), are counted in the window of `from`.
        """
        self._take(table, until)
        self._close(first_open(self._until))
        return self.progress

    def closes(self, until: float) -> bool:
        """Would windows be stored, were slices added until then (as of one worker)?"""
        end = first_open(max(self._until, until))
        return end - end % self._group_min > self._done

    def _take(self, table: pa.Table, until: float) -> None:
        slices = table.num_rows
        table = _datable(table)
        traffic, counts = gather(table, self._clients, self._assessor.scope)
        late = sum(n for (start, metric), n in counts.items() if metric == "slices" and start < self._done)
        if late:
            counts[self._done, "slices_late"] += late
        self._pieces.append(traffic)
        self._counts += counts
        self._add_losses(table.schema.metadata or {})
        self._until = max(self._until, self._all_past(table.schema.metadata or {}, until))
        self._advance(slices=slices, late=late, undated=slices - table.num_rows)

    def finish(self) -> Progress:
        """Stores all windows that have slices, at the end of a capture."""
        starts = window_starts(self._traffic, self._counts)
        if len(starts):
            self._close(int(starts[-1]) + WINDOW_MIN, last=True)
        return self.progress

    def drain(self, spool: Spool) -> Progress:
        """Adds the spool's new files, oldest first, and removes those that no window needs any more.

        A new process begins by reading the files that are still there; what they brought before is recognised.
        """
        seen = {path for path, _ in self._spooled}
        for path in spool.files():
            if path not in seen:
                table = spool.read(path)
                until = float((table.schema.metadata or {})[b"until"])
                last = pc.max(table["minute"]).as_py() if table.num_rows else 0
                self._take(table, until)
                lossy = float((table.schema.metadata or {}).get(b"from", b"0"))
                self._spooled.append((path, max(until, lossy, (last + 1) * 60)))
                self._close(first_open(self._until))
        self._until = max(self._until, max(self._past.values(), default=0.0) - STALLED_S)
        self._close(first_open(self._until))
        needed = first_needed(self._done) * 60
        for path in [path for path, end in self._spooled if end <= needed]:
            spool.remove(path)
        self._spooled = [(path, end) for path, end in self._spooled if end > needed]
        return self.progress

    def _all_past(self, metadata: Mapping[bytes, bytes], until: float) -> float:
        """Until when everything is here, now that one worker has come to `until`."""
        if not self._past:
            return until
        name = metadata.get(b"sensor", b"").decode()
        if name in self._past:  # else it is a file of an earlier start with other workers
            self._past[name] = max(self._past[name], until)
        return min(self._past.values())

    def _add_losses(self, metadata: Mapping[bytes, bytes]) -> None:
        if b"counters" in metadata and b"from" in metadata:
            start = int(float(metadata[b"from"]) / 60) // WINDOW_MIN * WINDOW_MIN
            counters = json.loads(metadata[b"counters"]) if EARLIEST_MIN <= start < LATEST_MIN else {}
            self._counts += Counter({(start, str(metric)): int(n) for metric, n in counters.items()})

    def _close(self, end: int, *, last: bool = False) -> None:
        """Stores the windows that begin before `end`; without `last` only whole groups."""
        if not last:
            end -= end % self._group_min
            for group in sorted(self._torn, reverse=True):
                if group[0] < end <= group[-1]:
                    end = group[0]  # a group that was interrupted goes on as a whole
        if end <= self._done:
            return
        starts = window_starts(self._traffic, self._counts)
        first = self._done or end_known(self._known, self._key(0)) or int(min(starts, default=end))
        starts = np.union1d(starts, filled(self._assessor.school.pauses, first, end))  # of these no slices come
        starts = starts[(starts >= self._done) & (starts < end)]
        fresh = [start for start in starts.tolist() if self._key(start) not in self._known]
        groups = self._groups(fresh)
        for at, group in enumerate(groups):
            minute = self._traffic.minute
            needed = (minute >= first_needed(group[0])) & (minute < end_needed(group[-1]))
            chosen = np.array(group, np.int64)
            traffic = self._traffic.take(needed)
            rows = self._assessor.rows(traffic, self._clients, chosen, self._counts)
            if self._dual:
                self._dual.compare(rows, traffic, self._clients, chosen)
            self._store_group(group, rows)
            self._done = min((start for later in groups[at + 1 :] for start in later), default=group[-1] + WINDOW_MIN)
        left_out = len(fresh) - sum(map(len, groups))
        self._advance(windows_known=len(starts) - len(fresh), windows_torn=left_out)
        self._forget_before(end)

    def _groups(self, fresh: list[int]) -> list[tuple[int, ...]]:
        """Windows to store, in groups: those of an interrupted group together or, if one is missing, not at all."""
        groups = [group for group in self._torn if set(group) <= set(fresh)]
        bound = {start for group in self._torn for start in group}
        rest = (start for start in fresh if start not in bound)
        groups += [tuple(group) for _, group in groupby(rest, lambda start: start // self._group_min)]
        return sorted(groups)

    def _store_group(self, group: tuple[int, ...], rows: Mapping[int, Rows]) -> None:
        """Stores windows; their rows in `batch` say that all others are there.

        They share each insert, under a name that lists them and is written down first: after a crash the same windows
        must be sent under the same name, or the tables would not know what they have already.
        """
        name = self._group_prefix() + ",".join(map(str, group))
        if group not in self._torn:
            self._torn.append(group)
        self._insert_batches([name], [group[0]], [0], f"{name}/begun")
        for start in group:
            self._register.day(start)
        sizes = dict.fromkeys(group, 0)
        for table in sorted({table for start in group for table in rows[start]}):
            pieces = [(start, rows[start][table]) for start in group if table in rows[start]]
            joined = {column: [value for _, piece in pieces for value in piece[column]] for column in pieces[0][1]}
            self._store.insert(table, joined, name)
            for start, piece in pieces:
                sizes[start] += len(next(iter(piece.values())))
        keys = [self._key(start) for start in group]
        self._insert_batches(keys, list(group), list(sizes.values()), name)
        self._known.update(keys)
        self._torn = [torn for torn in self._torn if torn != group]
        self._advance(windows_stored=len(group), rows=sum(sizes.values()))

    def _insert_batches(self, batch: list[str], start: list[int], rows: list[int], name: str) -> None:
        shared: dict[str, object] = {
            "school": self._assessor.school.settings.id,
            "stored": int(self._now()),
            **self._assessor.versions,
        }
        own: Columns = {"batch": [*batch], "window": [at * 60 for at in start], "rows": [*rows]}
        self._store.insert("batch", own | {name: [value] * len(batch) for name, value in shared.items()}, name)

    def _group_prefix(self) -> str:
        return f"{self._assessor.school.settings.id}/{self._sensor}/group/"

    def _interrupted(self) -> list[tuple[int, ...]]:
        """Groups that were begun and not finished, by their names in `batch`."""
        prefix = self._group_prefix()
        names = [name.removeprefix(prefix) for name in self._known if name.startswith(prefix)]
        groups = sorted(tuple(map(int, name.split(","))) for name in names)
        return [group for group in groups if not all(self._key(start) in self._known for start in group)]

    def _key(self, start: int) -> str:
        return batch_key(self._assessor.school.settings.id, self._sensor, start)

    def _forget_before(self, end: int) -> None:
        """All windows before `end` are stored: lets go of what no later one needs."""
        self._done = max(self._done, end)
        traffic = self._traffic.take(self._traffic.minute >= first_needed(self._done))
        self._counts = Counter({key: n for key, n in self._counts.items() if key[0] >= self._done})
        self._clients, who = self._clients.keep(traffic.who)
        self._pieces = [replace(traffic, who=who)]

    @property
    def _traffic(self) -> Traffic:
        """What windows that are still to be stored need; joined when it is asked for, as that copies everything."""
        if len(self._pieces) > 1:
            self._pieces = [Traffic.join(self._pieces)]
        return self._pieces[0]

    def _advance(self, **more: int) -> None:
        self.progress = replace(self.progress, **{k: getattr(self.progress, k) + n for k, n in more.items()})


def _datable(table: pa.Table) -> pa.Table:
    """Without slices of times that the store cannot hold (clocks that are broken)."""
    if not table.num_rows:
        return table
    ends = pc.min_max(table["minute"])
    if ends["min"].as_py() >= EARLIEST_MIN and ends["max"].as_py() < LATEST_MIN:
        return table
    minute = table["minute"]
    return table.filter(pc.and_(pc.greater_equal(minute, EARLIEST_MIN), pc.less(minute, LATEST_MIN)))
