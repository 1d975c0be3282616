"""Retention: nothing is older than it may be, what is younger stays, and rows prove it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.ages import DAYS
from pipeline.audit import KEEP_DAYS, unlike
from pipeline.backup import back_up
from pipeline.contest import ContestReason, Status, decide, open_contest
from pipeline.native import Values
from pipeline.retention import Outcome, anchors, enforce
from pipeline.schema import BY_NAME
from pipeline.store import StoreError, open_store
from tests.pipeline.desks import HEAD, SCHOOL, STAFF, Office, use
from tests.pipeline.judging import DAY


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_store(tmp_path / "store") as store:
        yield Office(tmp_path, store)


def run(office: Office) -> Outcome:
    assert office.store is not None
    return enforce(office.store, SCHOOL, office.folder / "spool", office.trail, office.keys, lambda: office.clock[0])


def rows_of(office: Office, table: str) -> list[date]:
    """The days of a table's rows."""
    assert office.store is not None
    column = "toDate(window)" if table == "batch" else "day"
    return sorted(day for (day,) in office.store.query(f"SELECT {column} FROM schoolgate.{table}").rows)  # type: ignore[type-var,misc]


def put(office: Office, table: str, day: date, school: str = "small") -> None:
    """One row of that day."""
    assert office.store is not None
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    row: dict[str, Values] = {}
    for name, kind in BY_NAME[table].types.items():
        row[name] = ["" if "String" in kind else day if kind == "Date" else noon if "DateTime" in kind else 1]
    row |= {"school": [school]} | ({"level": ["all"]} if "level" in row else {})
    row |= {"status": ["rejected"]} if table == "contest" else {}
    row |= {name: [f"{table}{day}"] for name in ("id", "message") if name in row and table.startswith("alert")}
    row |= {"reason": ["other"], "id": [f"c{day}"]} if table == "contest" else {}
    office.store.insert(table, row, f"{school}/{table}/{day}")


@pytest.mark.parametrize("table", DAYS)
def test_rows_leave_on_the_day_after_their_last(office: Office, table: str) -> None:
    today = datetime.fromtimestamp(office.clock[0], UTC).date()
    last = today - timedelta(days=DAYS[table])
    for day in (last - timedelta(days=400), last - timedelta(days=1), last, today):
        put(office, table, day)
    put(office, table, last - timedelta(days=1), "other-school")
    outcome = run(office)
    assert outcome.problems == ()
    (proof,) = [proof for proof in outcome.proofs if proof.what == table]
    assert (proof.removed, proof.left, proof.keep_days) == (2, 0, DAYS[table])
    mine = rows_of(office, table)
    assert mine[:2] == [last - timedelta(days=1), last], (
        "of the other school, whose owner sees to it, and the last kept"
    )
    assert run(office).proofs[0].removed == 0


def test_what_is_all_due_leaves_as_partitions_and_only_the_rest_row_by_row(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert office.store is not None
    today = datetime.fromtimestamp(office.clock[0], UTC).date()
    for age in (8, 9, 10):
        put(office, "minute_mark", today - timedelta(days=age))
    put(office, "minute_mark", today - timedelta(days=10), "other-school")
    put(office, "use_day", today - timedelta(days=600))
    done: list[str] = []
    execute = office.store.execute
    monkeypatch.setattr(office.store, "execute", lambda ddl: (done.append(ddl), execute(ddl)))
    outcome = run(office)
    assert outcome.problems == ()
    dropped = [ddl.rpartition("schoolgate.")[2] for ddl in done if "DROP PARTITION" in ddl]
    days = [f"{today - timedelta(days=age):%Y%m%d}" for age in (9, 8)]
    month = f"{today - timedelta(days=600):%Y%m}"
    assert dropped == [f"minute_mark DROP PARTITION {day}" for day in days] + [f"use_day DROP PARTITION {month}"]
    (deleted,) = (ddl for ddl in done if "DROP PARTITION" not in ddl)
    assert "minute_mark" in deleted, "the day that another school has rows of, too"
    assert rows_of(office, "minute_mark") == [today - timedelta(days=10)]


def test_old_rows_leave_kept_backups_and_a_row_proves_it(office: Office) -> None:
    assert office.store is not None
    today = datetime.fromtimestamp(office.clock[0], UTC).date()
    for age in (1, 3):
        put(office, "minute_mark", today - timedelta(days=age))
    folder = office.folder / "backups"
    backup = back_up(office.store, folder, now=lambda: office.clock[0])
    key = office.keys.path.read_bytes() if office.keys.path.exists() else office.keys.of("term", "T00").encode()
    assert not any(key.strip() in path.read_bytes() for path in backup.folder.iterdir())
    office.clock[0] += 5 * 86_400
    outcome = enforce(office.store, SCHOOL, None, office.trail, office.keys, lambda: office.clock[0], backups=folder)
    (proof,) = [proof for proof in outcome.proofs if proof.what == "backups"]
    assert (proof.removed, proof.left, outcome.problems) == (1, 0, ())
    (backup.folder / "backup.json").write_text("{}")
    outcome = enforce(office.store, SCHOOL, None, office.trail, office.keys, lambda: office.clock[0], backups=folder)
    assert "it may hold what had to go: remove" in outcome.problems[0]


def test_retention_is_what_the_design_says() -> None:
    assert {name: DAYS[name] for name in ("minute_mark", "episode", "use_period", "use_day")} == {
        "minute_mark": 7,
        "episode": 28,
        "use_period": 426,
        "use_day": 426,
    }
    assert KEEP_DAYS == 731


def test_spool_files_live_a_day(office: Office) -> None:
    spool = office.folder / "spool"
    (spool / "sightings").mkdir(parents=True)
    seen = spool / "sightings" / "000000000007-eth1.arrow"
    seen.write_bytes(b"x")
    os.utime(seen, (office.clock[0] - 86_500,) * 2)
    names = ("000000000001-eth1.arrow", "000000000002-eth1.arrow.broken", ".eth1-000000000003", ".owner.lock", "notes")
    for name in names:
        for age, sign in ((86_500, ""), (3_000, "9")):
            path = spool / (name.replace("00000000000", f"{sign or 0}0000000000") if sign else name)
            path.write_bytes(b"x")
            os.utime(path, (office.clock[0] - age,) * 2)
    before = {path.name for path in spool.iterdir()}
    outcome = run(office)
    gone = before - {path.name for path in spool.iterdir()}
    assert gone == set(names[:3])
    assert not seen.exists()
    assert outcome.proofs[0].removed == 4


def test_each_run_leaves_proof_rows_and_anchors_the_trail(office: Office) -> None:
    assert office.store is not None
    office.observe(use(0, "09:10", 8))
    run(office)
    office.clock[0] += 60 * 86_400
    run(office)
    found = office.store.query(
        "SELECT what, removed, left, problem FROM schoolgate.retention_proof WHERE run > 0 AND removed > 0"
    ).rows
    assert {str(what) for what, *_ in found} == {"minute_mark", "episode"}
    assert all((left, problem) == (0, "") for _, _, left, problem in found)
    entries = {entry.n: entry.hash for entry in office.trail.entries()}
    noted = anchors(office.store, "small")
    assert len(noted) == 2
    assert all(entries[anchor.n] == anchor.hash for anchor in noted)
    assert unlike(office.trail.verify(), noted, office.clock[0]) == ""
    assert rows_of(office, "use_day") != []


def test_an_open_contest_holds_its_episode_and_no_other(office: Office) -> None:
    office.observe(use(0, "09:10", 8) + use(0, "11:30", 5))
    held, other = office.episodes("T00")
    contest = open_contest(office.desk(STAFF), held, ContestReason.COVER, "I covered 9B that day.")
    office.clock[0] += 29 * 86_400
    outcome = run(office)
    assert office.episodes("T00") == [held]
    assert [proof.held > 0 for proof in outcome.proofs if proof.what == "episode"] == [True]
    decide(office.desk(HEAD), contest.id, Status.REJECTED, "The sheet says otherwise.")
    run(office)
    assert office.episodes("T00") == []
    assert other


def test_no_contest_holds_an_episode_for_ever(office: Office) -> None:
    office.observe(use(0, "09:10", 8))
    open_contest(office.desk(STAFF), office.episodes("T00")[0], ContestReason.COVER, "I covered 9B that day.")
    office.clock[0] += 92 * 86_400
    run(office)
    assert office.episodes("T00") == []


def test_keys_of_terms_long_past_are_forgotten(office: Office) -> None:
    office.observe(use(0, "09:10", 8))
    office.keys.of("school year 2024", "T00")
    old = office.keys.of("school year 2024", "T00")
    assert office.keys.whose(old, SCHOOL.numbers) == "T00"
    run(office)
    assert office.keys.whose(old, SCHOOL.numbers) is None
    assert office.keys.whose(office.pseudonym("T00"), SCHOOL.numbers) == "T00"


def test_what_cannot_be_removed_is_said_everywhere(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    assert office.store is not None
    put(office, "episode", DAY - timedelta(days=40))
    put(office, "minute_mark", DAY - timedelta(days=40))
    execute = office.store.execute

    def refuse(ddl: str) -> None:
        if "episode" in ddl:
            raise StoreError("/var/lib/x/store: no space left")
        execute(ddl)

    monkeypatch.setattr(office.store, "execute", refuse)
    outcome = run(office)
    assert outcome.problems == ("episode: /var/lib/x/store: no space left",)
    assert rows_of(office, "minute_mark") == [], "the other rules still run"
    last = office.trail.entries()[-1]
    assert (last.action, last.result) == ("retention.enforced", "failed")
    ((problem,),) = office.store.query("SELECT problem FROM schoolgate.retention_proof WHERE what = 'episode'").rows
    assert problem == "(path): no space left"
