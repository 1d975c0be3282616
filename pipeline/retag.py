"""Re-tagging: past minutes judged anew after the school has corrected its files, as a job that somebody starts.

Theory of operation. Minute marks (pipeline.marks) are read day by day and judged by the files that are in force now
(pipeline.rejudge). What a contest has withdrawn stays withdrawn.
What changes is stored in steps that may be cut short anywhere. First all marks of the people concerned, under the next
`revision`, in one insert: the old and the new marks side by side are the plan, and everything else is computed from
them (pipeline.rebook): former outcomes into `mark_former`, rows that correct the sums, the episodes. Each insert has a
batch name of its own, so a second try adds nothing. Then the old rows of episodes go, last the old marks; whoever finds
a mark in two revisions finishes that first (`settle`); minutes that came in later have none but their own.
Judging takes a while and changes nothing; only these steps must have the day for themselves (`alone`), so that fresh
minutes come into the store meanwhile.
It knows no command line and opens no files.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cache, partial

from pipeline.assess import Assessor
from pipeline.contest import Status, contests, pieces_of
from pipeline.contest import settle as settle_contests
from pipeline.native import Values
from pipeline.rebook import Mark, Withdrawn, booking, episode_rows
from pipeline.rejudge import judged_anew
from pipeline.schema import BY_NAME, DATABASE, VERSIONS
from pipeline.store import Store
from pipeline.whycells import outside_rules

_COLUMNS = tuple(f.name for f in fields(Mark))
_FORMER = tuple(name for name in BY_NAME["mark_former"].types if name in _COLUMNS)
_NOBODY_ELSE: AbstractContextManager[object] = nullcontext()
Move = tuple[str, str]


@dataclass(frozen=True)
class DayAnew:
    """What judging a day anew does. looked: minutes that were judged; moves: (former outcome, outcome) -> minutes that
    change, also those whose state or reason alone does; left: why minutes could not be judged -> how many."""

    day: date
    looked: int
    moves: Counter[Move] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    @property
    def changed(self) -> int:
        """Minutes that change."""
        return self.moves.total()


def marked_days(store: Store, school: str) -> list[date]:
    """The days of which minute marks are kept."""
    sql = f"SELECT DISTINCT day FROM {DATABASE}.minute_mark WHERE school = {{school:String}} ORDER BY day"
    return [day for (day,) in store.query(sql, {"school": school}).rows if isinstance(day, date)]


def retag(
    store: Store,
    judge: Assessor,
    days: Iterable[date],
    *,
    dry_run: bool,
    now: Callable[[], float] = time.time,
    alone: AbstractContextManager[object] = _NOBODY_ELSE,
) -> list[DayAnew]:
    """Judges the marks of these days anew and, without `dry_run`, stores what changes. `alone` is held while a day is
    stored: whoever else puts rows into the store holds it, too. Raises StoreError; what was cut short is finished by
    the next call."""
    school = judge.school.settings.id
    if not dry_run:
        with alone:
            settle_contests(store, school, judge.school.settings.zone)
            settle(store, school, now)
    return [_retag_day(store, judge, day, dry_run, now, alone) for day in sorted(days)]


def settle(store: Store, school: str, now: Callable[[], float] = time.time) -> int:
    """Finishes what was cut short; returns of how many days."""
    days = half_retagged(store, school)
    for day in days:
        _finish(store, school, day, now)
    return len(days)


def half_retagged(store: Store, school: str = "") -> list[date]:
    """The days, of a school or of all, of which a mark is kept in two revisions: not all that follows is stored."""
    of = "WHERE school = {school:String} " if school else ""
    found = store.query(
        f"SELECT DISTINCT day FROM {DATABASE}.minute_mark {of}"
        "GROUP BY school, day, pseudonym, minute, service HAVING uniqExact(revision) > 1 ORDER BY day",
        {"school": school},
    )
    return [day for (day,) in found.rows if isinstance(day, date)]


def _retag_day(
    store: Store,
    judge: Assessor,
    day: date,
    dry_run: bool,
    now: Callable[[], float],
    alone: AbstractContextManager[object],
) -> DayAnew:
    school = judge.school.settings.id
    marks = list({mark.key: mark for mark in _marks(store, school, day, whole=False)}.values())  # the later revisions
    anew, left = judged_anew(judge, marks)
    before = {mark.key: mark for mark in marks}
    moved = [mark for mark in anew if before[mark.key].judged != mark.judged]
    if moved and not dry_run:
        kept = {mark.key: mark for mark in anew if mark.why}
        people = {mark.pseudonym for mark in moved}
        with alone:
            revision = _last_revision(store, school, day) + 1
            rows = [replace(kept.get(mark.key, mark), revision=revision) for mark in _marks(store, school, day, people)]
            if rows:  # else all have just left by age
                store.insert("minute_mark", _columns(school, rows), _batch(school, day, revision))
                _finish(store, school, day, now)
    return DayAnew(day, len(anew), Counter((before[mark.key].outcome, mark.outcome) for mark in moved), left)


def _finish(store: Store, school: str, day: date, now: Callable[[], float]) -> None:
    """Stores all that follows from a day's old and new marks side by side; then the old ones go."""
    revision = _last_revision(store, school, day)
    sql = (
        f"SELECT DISTINCT pseudonym FROM {DATABASE}.minute_mark WHERE school = {{school:String}} "
        "AND day = {day:Date} AND revision = {revision:UInt32}"
    )
    found = store.query(sql, {"school": school, "day": day, "revision": revision})
    people = {str(pseudonym) for (pseudonym,) in found.rows}
    marks = _marks(store, school, day, people)
    new = [mark for mark in marks if mark.revision == revision]
    last = max(mark.minute for mark in new)
    old = [m for m in marks if m.revision < revision and m.pseudonym in people and m.minute <= last]
    if not old:
        return
    withdrawn, ids = _withdrawn(store, school, day, people)
    batch = _batch(school, day, revision)
    former, moved = _former(school, old, new, int(now()))
    inserts = {"mark_former": former, **booking(school, old, new, withdrawn)}
    rules = cache(partial(outside_rules, store, school))
    inserts["episode"] = episode_rows(school, new, revision, rules)
    inserts["coverage"] = {
        "school": [school],
        "day": [day],
        "start": [min(mark.minute for mark in new) // 300 * 300],
        "metric": ["minutes_retagged"],
        "value": [moved],
    }
    inserts["coverage"] |= {name: [value] for name, value in zip(VERSIONS, new[-1].versions, strict=True)}
    for table, columns in inserts.items():
        if columns["school"]:
            store.insert(table, columns, batch)
    whose = (
        "school = {school:String} AND day = {day:Date} AND revision < {revision:UInt32} "
        "AND has({people:Array(String)}, pseudonym) AND toUnixTimestamp(%s) <= {last:UInt32}"
    )
    params: dict[str, object] = {"school": school, "day": day, "revision": revision, "last": last}
    for some in _portions(sorted(people)):
        where = whose % "start" + " AND NOT has({kept:Array(String)}, id)"
        store.delete("episode", where, params | {"people": some, "kept": sorted(ids)})
    store.delete("minute_mark", whose % "minute", params | {"people": sorted(people)})


def _former(school: str, old: Sequence[Mark], new: Sequence[Mark], at: int) -> tuple[dict[str, list[object]], int]:
    """Rows of `mark_former`, and how many minutes got another outcome."""
    became = {mark.key: mark for mark in new}
    gone = [mark for mark in old if became[mark.key].judged != mark.judged]
    columns: dict[str, list[object]] = {name: [getattr(mark, name) for mark in gone] for name in _FORMER}
    columns["school"] = [school] * len(gone)
    columns["replaced"] = [at] * len(gone)
    columns["became"] = [became[mark.key].outcome for mark in gone]
    columns["became_timetable"] = [became[mark.key].timetable for mark in gone]
    return columns, sum(became[mark.key].outcome != mark.outcome for mark in gone)


def _withdrawn(store: Store, school: str, day: date, people: set[str]) -> tuple[list[Withdrawn], set[str]]:
    """The minutes of withdrawn episodes of these people, and the ids of the episodes."""
    upheld = [c for c in contests(store, school) if c.status is Status.UPHELD and c.pseudonym in people]
    found = []
    for pseudonym in {contest.pseudonym for contest in upheld}:
        ids = {contest.episode for contest in upheld if contest.pseudonym == pseudonym}
        for piece in pieces_of(store, school, pseudonym):
            if piece.episode in ids and piece.day == day:
                minutes = (piece.start + 60 * n for n in range(8) if piece.bits >> n & 1)
                found += [Withdrawn(pseudonym, minute, piece.kind) for minute in minutes]
    return found, {contest.episode for contest in upheld}


def _marks(
    store: Store, school: str, day: date, people: Iterable[str] | None = None, *, whole: bool = True
) -> list[Mark]:
    """The marks of a day, of these people or of all. Without `whole` their evidence is left out: it is long."""
    special = {"minute": "toUnixTimestamp(minute) AS at", "why": "why" if whole else "'' AS why"}
    names = ", ".join(special.get(name, name) for name in _COLUMNS)
    which = "" if people is None else "AND has({people:Array(String)}, pseudonym) "
    params: dict[str, object] = {"school": school, "day": day}
    params |= {} if people is None else {"people": sorted(people)}
    found = store.query(
        f"SELECT {names} FROM {DATABASE}.minute_mark WHERE school = {{school:String}} AND day = {{day:Date}} {which}"
        "ORDER BY pseudonym, at, service, revision",
        params,
    )
    return [Mark(*row) for row in found.rows]  # type: ignore[arg-type]


def _last_revision(store: Store, school: str, day: date) -> int:
    """The highest revision of a day so far, also of marks that are gone."""
    sql = f"SELECT max(revision) FROM {DATABASE}.{{}} WHERE school = {{{{school:String}}}} AND day = {{{{day:Date}}}}"
    params = {"school": school, "day": day}
    return max(
        int(str(store.query(sql.format(t), params).rows[0][0])) for t in ("minute_mark", "mark_former", "episode")
    )


def _columns(school: str, marks: Sequence[Mark]) -> Mapping[str, Values]:
    columns: dict[str, list[object]] = {name: [getattr(mark, name) for mark in marks] for name in _COLUMNS}
    return columns | {"school": [school] * len(marks)}


def _batch(school: str, day: date, revision: int) -> str:
    return f"{school}/retag/{day.isoformat()}/{revision}"


def _portions(names: Sequence[str], size: int = 2000) -> Iterable[Sequence[str]]:
    for at in range(0, len(names), size):
        yield names[at : at + size]
