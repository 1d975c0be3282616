"""Re-tagging: after a correction the store says what it would have said with the right files from the start."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.backup import half_stored
from pipeline.contest import ContestReason, Status, decide, open_contest
from pipeline.ingest import Ingest
from pipeline.rebook import episode_rows
from pipeline.rejudge import judged_anew
from pipeline.retag import _marks, marked_days, retag, settle
from pipeline.school import School
from pipeline.store import ChdbStore, StoreError, open_store
from pipeline.telling import rows_of
from pipeline.why import why_episode, why_minute
from pipeline.whycells import outside_rules
from tests.pipeline.desks import CHAIR, HEAD, SCHOOL, Office, use
from tests.pipeline.judging import DAY, minute, slice_rows, small_school
from tests.pipeline.test_contest import WHY, Breaks, busy_day, stored

HEADER = "date,staff_id,start_or_slot,end,kind,ref,entered_at"
Contents = dict[str, Counter[tuple[str, ...]]]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_store(tmp_path / "store") as store:
        yield Office(tmp_path, store)


def corrected(*lines: str) -> School:
    """The small school with these dated exceptions."""
    return small_school({"exceptions.csv": [HEADER, *lines]})


def absent(person: int, slot: str, kind: str = "absent") -> str:
    return f"{DAY},T{person:02},{slot},,{kind},,{DAY}T07:00"


def content(store: ChdbStore, *, versions: bool = True) -> Contents:
    """Sums, episodes and marks, whatever the order of rows and their revision."""
    found: Contents = {}
    for table, column in (("minutes", "minutes"), ("bytes", "bytes_down")):
        found[table] = Counter()
        for key, n in stored(store, column).items():
            found[table][tuple(map(str, key[: len(key) if versions else -3]))] += n
        found[table] = Counter({key: n for key, n in found[table].items() if n})
    less = "revision" if versions else "revision, why, policy, catalogue, timetable"
    for name in ("episode", "minute_mark"):
        columns = f"{less}, facts" if name == "minute_mark" and not versions else less
        allowed = "1" if versions or name == "episode" else "allowed != 'yes'"
        rows = rows_of(store, f"SELECT * EXCEPT ({columns}) FROM schoolgate.{name} WHERE {allowed}", {})
        found[name] = Counter(tuple(f"{k}={v}" for k, v in sorted(row.items())) for row in rows)
    return found


def run(office: Office, school: School, **more: bool) -> int:
    """Re-tags all that is kept; returns how many minutes changed."""
    assert office.store is not None
    days = marked_days(office.store, "small")
    done = retag(office.store, office.assessor(school), days, dry_run=more.get("dry_run", False), now=lambda: 1e9)
    return sum(day.changed for day in done)


def some_corrections(seed: int) -> School:
    """Half a dozen people were free, away or had another lesson: none of it makes allowed time less allowed."""
    rng = random.Random(seed)
    kinds = ("absent", "trip", "cancelled", "cover", "home_working")
    return corrected(
        *(absent(n, rng.choice(("P1", "P2", "P3", "P4")), rng.choice(kinds)) for n in rng.sample(range(14), 6))
    )


@pytest.mark.parametrize("seed", range(3))
def test_marks_of_an_unchanged_school_stay_as_they_are(office: Office, seed: int) -> None:
    office.observe(busy_day(seed))
    assert office.store is not None
    before = content(office.store)
    marks = _marks(office.store, "small", DAY)
    assert len(marks) > 100
    anew, left = judged_anew(office.assessor(), marks)
    assert not left
    assert {mark.key: mark for mark in anew} == {mark.key: mark for mark in marks}
    (day,) = retag(office.store, office.assessor(), marked_days(office.store, "small"), dry_run=False)
    assert (day.changed, day.looked) == (0, len(marks))
    assert content(office.store) == before
    rows = episode_rows("small", marks, 0, lambda *which: outside_rules(office.store, "small", *which))  # type: ignore[arg-type]
    names = [name for name in rows if name not in ("revision", "start", "last")]
    told = Counter(tuple(str(rows[name][n]) for name in names) for n in range(len(rows["id"])))
    episodes = rows_of(office.store, "SELECT * FROM schoolgate.episode", {})
    assert told == Counter(tuple(str(row[name]) for name in names) for row in episodes)


@pytest.mark.parametrize("seed", range(3))
def test_a_correction_leads_to_what_the_right_files_would_have_said(office: Office, tmp_path: Path, seed: int) -> None:
    slices, school = busy_day(seed), some_corrections(seed)
    office.observe(slices)
    assert office.store is not None
    at_first = content(office.store)
    assert run(office, school, dry_run=True) > 5
    assert content(office.store) == at_first, "a dry run changes nothing"
    assert run(office, school) > 5
    assert run(office, school) == 0, "again: nothing"
    after = content(office.store, versions=False)
    assert run(office, SCHOOL) > 5
    assert content(office.store) == at_first, "taking the correction back gives back what was"
    office.store.execute("DROP DATABASE schoolgate")
    office.store.close()
    with open_store(tmp_path / "other") as store:
        other = Office(tmp_path, store)
        other.observe(slices, school)
        assert after == content(store, versions=False)


def test_what_was_unknown_for_want_of_data_is_judged_when_the_data_come(office: Office, tmp_path: Path) -> None:
    slices = [*use(14, "09:10", 8), *use(14, "12:30", 20), *use(14, "13:00", 12, "instagram")]
    office.observe(slices)
    school = small_school({"patterns.csv": [f"S00,2020-01-01,,*,{d},08:45,15:30,,,contracted" for d in range(1, 6)]})
    assert run(office, school) > 20
    assert office.store is not None
    after, former = content(office.store, versions=False), office.store.query("SELECT * FROM schoolgate.mark_former")
    assert {row[former.columns.index("reason")] for row in former.rows} == {"no_pattern"}
    office.store.close()
    with open_store(tmp_path / "other") as store:
        Office(tmp_path, store).observe(slices, school)
        assert after == content(store, versions=False)


def test_a_job_that_is_cut_short_anywhere_is_finished_once(office: Office) -> None:
    office.observe(busy_day(1))
    assert office.store is not None
    school, at_first = some_corrections(1), content(office.store)
    assert run(office, school) > 5
    done = content(office.store)
    for left in range(9):
        run(office, SCHOOL)
        assert content(office.store) == at_first
        with pytest.raises(StoreError):
            retag(Breaks(office.store, left), office.assessor(school), [DAY], dry_run=False, now=lambda: 1e9)
        if left % 2:
            assert settle(office.store, "small") == 1
            assert settle(office.store, "small") == 0
        else:
            run(office, school)  # started once more
        assert content(office.store) == done, left


def test_fresh_minutes_may_come_in_meanwhile(office: Office, tmp_path: Path) -> None:
    slices, school, noon = busy_day(5), some_corrections(5), minute("12:00")
    office.observe([piece for piece in slices if piece.minute < noon])
    assert office.store is not None
    ingest = Ingest(office.store, office.assessor(school), "later")
    lock, begun, ended = threading.Lock(), threading.Event(), threading.Event()

    def afternoon() -> None:
        for start in range(noon, minute("15:30"), 5):
            some = [piece for piece in slices if max(start, noon) <= piece.minute < start + 5]
            with lock:
                ingest.add(slice_rows(some), (start + 5) * 60.0)
            begun.set()
        with lock:
            ingest.finish()
        ended.set()

    thread = threading.Thread(target=afternoon)
    thread.start()
    assert begun.wait(120)
    days, judge = marked_days(office.store, "small"), office.assessor(school)
    retag(office.store, judge, days, dry_run=False, now=lambda: 1e9, alone=lock)
    thread.join()
    assert ended.is_set()
    after = content(office.store, versions=False)
    assert not settle(office.store, "small")
    assert not half_stored(office.store), "minutes that came in later keep no backup waiting"
    assert run(office, school) == 0
    office.store.close()
    with open_store(tmp_path / "other") as store:
        other = Office(tmp_path, store)
        other.observe([piece for piece in slices if piece.minute < noon], school)
        last = Ingest(store, other.assessor(school), "later")
        last.add(slice_rows([piece for piece in slices if piece.minute >= noon]), 0.0)
        last.finish()
        assert after == content(store, versions=False)


def test_why_tells_what_a_minute_and_an_episode_were_before(office: Office) -> None:
    office.observe(use(0, "09:10", 8) + use(0, "11:30", 5) + use(4, "09:10", 8, "instagram"))
    assert office.store is not None
    first, second = office.episodes("T00")
    run(office, corrected(absent(0, "P1")))
    gone = [id_ for id_ in (first, second) if id_ not in office.episodes("T00")]
    assert len(gone) == 1
    told = why_episode(office.store, "small", gone[0])
    assert told is not None
    (change,) = told.facts["retagged"]  # type: ignore[misc]
    assert (change["minutes"], change["was"], change["became"]) == (8, "outside_allowed", "unknown")
    assert change["timetable_before"] != change["timetable"]
    text = told.text()
    assert "Re-tagged on 2001-09-09 01:46 UTC after a correction of the school's files: 8 minutes outside" in text
    assert "Nothing of this episode is outside the allowed times any more" in text
    at = datetime.fromtimestamp(minute("09:12") * 60, UTC)
    minute_told = why_minute(office.store, "small", office.pseudonym("T00"), at, "facebook")
    assert minute_told is not None
    assert (minute_told.facts["outcome"], minute_told.facts["reason"]) == ("unknown", "away")
    assert "whether personal use was allowed is unknown" in minute_told.text()
    assert "Re-tagged on" in minute_told.text()
    assert "Rule O6 (version" in minute_told.text()
    (other,) = office.episodes("T04")
    untouched = why_episode(office.store, "small", other)
    assert untouched is not None
    assert untouched.facts["retagged"] == []


def test_what_was_withdrawn_stays_withdrawn(office: Office) -> None:
    office.observe(use(0, "09:10", 8) + use(0, "09:12", 8, "instagram") + use(0, "11:30", 5))
    assert office.store is not None
    before = sum(n for key, n in stored(office.store).items() if key[0] == "use_day")
    first = next(
        i for i in office.episodes("T00") if why_episode(office.store, "small", i).facts["service"] == "facebook"
    )  # type: ignore[union-attr]
    contest = open_contest(office.desk(CHAIR), first, ContestReason.COVER, WHY)
    decide(office.desk(HEAD), contest.id, Status.UPHELD, "The cover sheet says so.")
    upheld = content(office.store)
    run(office, corrected(absent(0, "P1", "trip"), absent(0, "P3")))
    sums = stored(office.store)
    by = Counter[tuple[str, ...]]()
    for (table, *key), n in sums.items():
        if table == "use_day" and key[1] == "all":
            by[str(key[2]), str(key[4]), str(key[5]), str(key[6])] += n
    contested = why_episode(office.store, "small", first)
    assert contested is not None
    assert contested.facts["reason"] == "withdrawn"
    assert min(by.values()) > 0
    assert sum(n for key, n in sums.items() if key[0] == "use_day") == before
    assert not any(key[2] == "outside_allowed" for key in by)
    run(office, SCHOOL)
    assert content(office.store) == upheld


def test_sums_never_lose_a_minute_and_never_sink_below_none(office: Office) -> None:
    office.observe(busy_day(7))
    assert office.store is not None
    totals = [sum(stored(office.store, name).values()) for name in ("minutes", "bytes_up", "bytes_down")]
    for seed in range(3):
        run(office, some_corrections(seed))
        for name, total in zip(("minutes", "bytes_up", "bytes_down"), totals, strict=True):
            sums = stored(office.store, name)
            assert sum(sums.values()) == total
            assert min(sums.values()) >= 0


def test_people_who_left_and_old_marks_are_left_alone_and_counted(office: Office) -> None:
    office.observe(use(0, "09:10", 8) + use(2, "09:10", 8))
    assert office.store is not None
    office.store.execute(
        "ALTER TABLE schoolgate.minute_mark UPDATE facts = '' WHERE pseudonym = "
        f"'{office.pseudonym('T02')}' SETTINGS mutations_sync = 2"
    )
    keys = office.keys
    keys.forget_terms([])
    (day,) = retag(office.store, office.assessor(corrected(absent(0, "P1"))), [DAY], dry_run=False)
    assert (day.looked, day.changed) == (0, 0)
    assert sorted(day.left.values()) == [8, 8]


def test_of_allowed_and_counted_use_nothing_is_kept_by_person(office: Office) -> None:
    """Minutes at lunch, of a service that is only counted, of an official site and on an assigned device."""
    office.observe(use(0, "12:30", 9) + use(2, "09:10", 9, "youtube") + use(3, "09:10", 9, "facebook"))
    assert office.store is not None
    rows = office.store.query("SELECT DISTINCT allowed, outcome, pseudonym FROM schoolgate.minute_mark").rows
    assert not rows
