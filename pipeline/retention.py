"""Retention: what is older than the notice says leaves, and each run writes down that it did.

The process that owns the store runs this when it starts and every hour (`schoolgate retention` does it by hand). Ages
are counted from now, days are the school's own. One rule a kind of data, in code: a school may keep less by running a
new store, never more. Every rule leaves a row in `retention_proof`: what went, what stays for a contest that is open,
and what is still there although it had to go, counted after the deletion. A rule that fails does not keep the others
from running; the failure is in its row, in the audit trail and in `Outcome.problems`, and the health checks read it.
An episode under an open contest is held until the contest is decided, at most 90 days.
Partitions of which every row is due are dropped as a whole, which costs nothing and needs no room on the disk; rows are
deleted only from those that are partly due (the oldest month, days with a contest, several schools in one store). On
servers all is deleted row by row: who may see only its own school's rows cannot know that a partition is all due. There
each table has a TTL besides, for stores that no owner tends.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

from pipeline.ages import DAYS, HELD_AT_MOST, MONTHS_14, Age
from pipeline.alerts.clients import KEEP_DAYS as CLIENT_DAYS
from pipeline.alerts.clients import AlertClients
from pipeline.alerts.outbox import Outbox
from pipeline.audit import KEEP_DAYS, Anchor, AuditTrail
from pipeline.backup_files import trim_kept
from pipeline.calendar import LocalClock
from pipeline.contest import Status, contests
from pipeline.native import Values
from pipeline.pseudonym import Pseudonyms, term_of
from pipeline.schema import BY_NAME, DATABASE
from pipeline.school import School
from pipeline.store import ChdbStore, Store
from pipeline.tables import zone_of
from sensor.durable import sync_folder
from sensor.sightings import FOLDER as SIGHTINGS

SPOOL_S = 86_400
ENFORCED = "retention.enforced"
_SPOOLED = re.compile(r"([a-z]+-)*\d+-.+\.arrow(\.broken)?|\.[^.].*-\d{12}")


@dataclass(frozen=True, slots=True)
class Proof:
    """What one rule did. `before`: Unix seconds; what is older had to go."""

    what: str
    keep_days: int
    before: int
    removed: int = 0
    held: int = 0
    left: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did."""

    proofs: tuple[Proof, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be removed, one sentence a rule."""
        wrong = (p for p in self.proofs if p.problem or p.left)
        return tuple(f"{p.what}: {p.problem or f'{p.left} are still there'}" for p in wrong)


def enforce(
    store: Store,
    school: School,
    spool: Path | None,
    trail: AuditTrail,
    keys: Pseudonyms | None = None,
    now: Callable[[], float] = time.time,
    alerts: Path | None = None,
    backups: Path | None = None,
) -> Outcome:
    """Runs every rule and stores the proofs. Raises StoreError or AuditError only if these cannot be written."""
    at = int(now())
    clock = LocalClock(school.settings.zone)
    today = datetime.fromtimestamp(at, UTC).astimezone(zone_of(school.settings.zone)).date()
    rules: dict[str, Callable[[], Proof]] = {}
    if spool is not None:
        rules["spool"] = partial(_spool, spool, at - SPOOL_S)
    rules |= {table: partial(_table, store, school, table, today, clock) for table in DAYS}
    rules["audit"] = lambda: Proof("audit", KEEP_DAYS, at - KEEP_DAYS * 86_400, removed=trail.prune())
    if keys is not None:
        rules["pseudonym_keys"] = partial(_keys, keys, school, today, clock)
    if alerts is not None and alerts.is_dir():
        rules |= {"alert_outbox": partial(_alerts, alerts, at), "alert_client": partial(_alert_clients, alerts, at)}
    if backups is not None and backups.is_dir():
        rules["backups"] = partial(_backups, store, school, backups, today, at)
    proofs = []
    for what, rule in rules.items():
        try:
            proofs.append(rule())
        except (ValueError, OSError, sqlite3.Error) as error:
            proofs.append(Proof(what, DAYS.get(what, 0), at, problem=str(error)))
    outcome = Outcome(tuple(proofs))
    removed = {proof.what: proof.removed for proof in proofs if proof.removed}
    details: dict[str, object] = {"removed": removed, "problems": list(outcome.problems)}
    result = "failed" if outcome.problems else "done"
    entry = trail.add(ENFORCED, {}, result=result, details=details)
    _keep(store, school.settings.id, proofs, at, (entry.n, entry.hash))
    return outcome


def _table(store: Store, school: School, table: str, today: date, clock: LocalClock) -> Proof:
    """Deletes the rows of a table whose day, or window, is older than it is kept."""
    first = today - timedelta(days=DAYS[table])
    since = clock.utc(first, 0) * 60
    held = _held(store, school.settings.id, table, today)
    params: dict[str, object] = {"school": school.settings.id, "since": since, "first": first, "held": sorted(held)}
    old = "school = {school:String} AND "
    old += "toUnixTimestamp(window) < {since:Int64}" if table == "batch" else "day < {first:Date}"
    due = f"{old} AND NOT has({{held:Array(String)}}, id)" if held else old
    removed = _count(store, table, due, params)
    if removed:
        _remove(store, table, due, params)
    kept = _count(store, table, f"{old} AND has({{held:Array(String)}}, id)", params) if held else 0
    return Proof(table, DAYS[table], since, removed, kept, _count(store, table, due, params))


def _remove(store: Store, table: str, due: str, params: Mapping[str, object]) -> None:
    """Drops the partitions that are all due, and deletes what is left of what is due."""
    if isinstance(store, ChdbStore):
        whole = store.query(
            f"SELECT {BY_NAME[table].partition} AS part FROM {DATABASE}.{table} GROUP BY part "
            f"HAVING countIf(NOT ({due})) = 0 ORDER BY part",
            params,
        ).rows
        for (part,) in whole:
            store.execute(f"ALTER TABLE {DATABASE}.{table} DROP PARTITION {int(str(part))}")
        if whole and not _count(store, table, due, params):
            return
    store.delete(table, due, params)


def _held(store: Store, school: str, table: str, today: date) -> set[str]:
    """Ids that stay because a contest is open."""
    if table not in ("episode", "contest"):
        return set()
    limit = today - timedelta(days=HELD_AT_MOST)
    found = [one for one in contests(store, school) if one.status is Status.OPEN or not one.applied]
    if table == "contest":
        return {one.id for one in found}
    return {one.episode for one in found if one.day >= limit}


def _count(store: Store, table: str, where: str, params: Mapping[str, object]) -> int:
    ((n,),) = store.query(f"SELECT count() FROM {DATABASE}.{table} WHERE {where}", params).rows
    return int(str(n))


def _spool(folder: Path, before: int) -> Proof:
    """Deletes files of slices, sightings and uploads that were written earlier, those set aside or half-written too."""
    folders = [where for where in (folder, folder / SIGHTINGS) if where.is_dir()]

    def old() -> Iterable[Path]:
        for path in (path for where in folders for path in where.iterdir()):
            try:
                if _SPOOLED.fullmatch(path.name) and path.lstat().st_mtime < before:
                    yield path
            except FileNotFoundError:
                continue  # the store has just taken it

    removed = 0
    for path in list(old()):
        path.unlink(missing_ok=True)
        removed += 1
    for where in folders if removed else ():
        sync_folder(where)
    return Proof("spool", 1, before, removed, left=len(list(old())))


def _keys(keys: Pseudonyms, school: School, today: date, clock: LocalClock) -> Proof:
    """Deletes the keys of terms of which no episode can be left: their pseudonyms are anonymous from then on."""
    days = [today - timedelta(days=n) for n in range(HELD_AT_MOST + 1)]
    begun = {row.date_from for row in school.calendar if row.date_from > today}  # keys of replayed days to come
    keep = {term_of(school.calendar, day) for day in (*days, *begun)}
    before = clock.utc(days[-1], 0) * 60
    return Proof("pseudonym_keys", HELD_AT_MOST, before, removed=keys.forget_terms(keep))


def _alerts(folder: Path, at: int) -> Proof:
    """Deletes old alerts and messages of the outbox, and sooner who acknowledged them and with which note."""
    before = at - MONTHS_14 * 86_400
    with contextlib.closing(Outbox(folder)) as outbox:
        removed = outbox.prune(before, at - CLIENT_DAYS * 86_400)
        return Proof("alert_outbox", MONTHS_14, before, removed, left=outbox.older(before))


def _alert_clients(folder: Path, at: int) -> Proof:
    """Deletes the addresses that look-ups by an alert need."""
    before = at - CLIENT_DAYS * 86_400
    with contextlib.closing(AlertClients(folder)) as clients:
        removed = clients.prune(before)
        return Proof("alert_client", CLIENT_DAYS, before, removed, left=clients.older(before))


def _backups(store: Store, school: School, folder: Path, today: date, at: int) -> Proof:
    """Removes rows that are too old from the backups that are kept."""
    age = Age(today, school.settings.zone, held_of(store, school.settings.id, today))
    return Proof("backups", MONTHS_14, at, removed=trim_kept(folder, age.first_day, age.too_old))


def held_of(store: Store, school: str, today: date) -> frozenset[str]:
    """Ids of the episodes and contests that stay because a contest is open."""
    return frozenset(_held(store, school, "episode", today) | _held(store, school, "contest", today))


def _keep(store: Store, school: str, proofs: list[Proof], at: int, head: tuple[int, str]) -> None:
    n = len(proofs)
    columns: dict[str, Values] = {
        "school": [school] * n,
        "day": [datetime.fromtimestamp(at, UTC).date()] * n,
        "run": [at] * n,
        "what": [proof.what for proof in proofs],
        "keep_days": [proof.keep_days for proof in proofs],
        "before": [max(0, proof.before) for proof in proofs],
        "removed": [proof.removed for proof in proofs],
        "held": [proof.held for proof in proofs],
        "left": [proof.left for proof in proofs],
        "problem": [_without_paths(proof.problem) for proof in proofs],
        "audit_entries": [head[0]] * n,
        "audit_hash": [head[1]] * n,
    }
    key = json.dumps([[proof.what, proof.removed] for proof in proofs])
    store.insert("retention_proof", columns, f"{school}/retention/{at}/{key}")


def _without_paths(text: str) -> str:
    """No path of the machine goes into the store."""
    return re.sub(r"(?:/[^\s:;,]+)+", "(path)", text)


def anchors(store: Store, school: str) -> list[Anchor]:
    """Number and hash of the audit trail's last entry, as the store noted them run by run."""
    found = store.query(
        f"SELECT audit_entries, audit_hash, toUnixTimestamp(min(run)) AS at FROM {DATABASE}.retention_proof "
        "WHERE school = {school:String} GROUP BY audit_entries, audit_hash ORDER BY audit_entries, at",
        {"school": school},
    )
    return [Anchor(int(str(n)), str(digest), int(str(at))) for n, digest, at in found.rows]
