"""The way through on the real engine: slices, judged and stored in chDB, queried back, asked why."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.assess import Assessor
from pipeline.ingest import Ingest
from pipeline.native import Values
from pipeline.outcomes import Rulebook
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.rules import CITED
from pipeline.schema import BY_NAME
from pipeline.store import ChdbStore, Result, open_store
from pipeline.why import why_episode, why_minute
from pipeline.whycells import why_cell
from pipeline.words import Grade, Reason
from tests.pipeline.judging import (
    DAY,
    BrokenDown,
    MemoryStore,
    Slice,
    TableBindings,
    minute,
    slice_rows,
    small_catalogue,
    small_school,
)
from tests.pipeline.test_ingest import files, run, traffic

PEOPLE = {f"10.0.0.{n}": (n, Grade.B, Reason.NONE, n) for n in range(6)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("way")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[ChdbStore]:
    with open_store(folder / "store") as store:
        yield store


def judge(folder: Path, school: str, **settings: object) -> Assessor:
    keys = Pseudonyms(folder / "keys")
    tables = small_school(id=school, **settings), small_catalogue(), load_profile("cwmbran"), TableBindings(PEOPLE)
    return Assessor(*tables, keys)


def contents(store: ChdbStore, school: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a school, without when they were written and which were sent together."""
    found = {}
    for table in BY_NAME.values():
        names = [c.name for c in table.columns if c.name not in ("stored", "updated")]
        if "school" not in names:
            continue
        columns = ", ".join(f"`{name}`" for name in names)
        own = " AND batch NOT LIKE '%/group/%'" if table.name == "batch" else ""
        sql = f"SELECT {columns} FROM schoolgate.{table.name} WHERE school = {{school:String}}{own} ORDER BY ALL"
        found[table.name] = store.query(sql, {"school": school}).rows
    return found


def without_school(rows: Mapping[str, list[tuple[object, ...]]], school: str) -> str:
    return json.dumps(rows, default=str).replace(school, "SCHOOL")


@dataclass
class Fragile:
    """A store that dies after some inserts."""

    store: ChdbStore
    inserts_left: int

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        n = self.store.insert(table, columns, batch)
        self.inserts_left -= 1
        if self.inserts_left <= 0:
            raise BrokenDown
        return n

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> Result:
        return self.store.query(sql, params)

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        self.store.delete(table, where, params)

    def execute(self, ddl: str) -> None:
        self.store.execute(ddl)

    def close(self) -> None:
        self.store.close()


def test_the_engine_holds_what_was_sent_once(store: ChdbStore, folder: Path) -> None:
    pieces, memory = files(traffic(11), random.Random(1)), MemoryStore()
    assessor = judge(folder, "once")
    run(assessor, memory, pieces)
    for _ in range(2):
        ingest = Ingest(store, assessor, gather_windows=6)
        for table, until in pieces:
            ingest.add(table, until)
        ingest.finish()
        for table_name in ("use_five", "use_period", "use_day"):
            sql = (
                f"SELECT level, outcome, reason, sum(minutes) FROM schoolgate.{table_name} "
                "WHERE school = 'once' GROUP BY level, outcome, reason"
            )
            expected = memory.sums(table_name, "level", "outcome", "reason")
            assert {row[:3]: row[3] for row in store.query(sql).rows} == expected
        coverage = store.query(
            "SELECT metric, sum(value) FROM schoolgate.coverage WHERE school = 'once' GROUP BY metric"
        )
        assert {row[:1]: row[1] for row in coverage.rows} == memory.sums("coverage", "metric", value="value")
        stored = store.query(
            "SELECT count() FROM schoolgate.batch WHERE school = 'once' AND batch NOT LIKE '%/group/%'"
        )
        assert stored.rows == [(sum("/group/" not in str(row["batch"]) for row in memory.tables["batch"]),)]


@pytest.mark.parametrize("seed", range(3))
def test_dying_again_and_again_leaves_the_same_store(store: ChdbStore, folder: Path, seed: int) -> None:
    pieces, rng = files(traffic(seed, 70), random.Random(seed)), random.Random(seed)
    steady, shaken = f"steady{seed}", f"shaken{seed}"
    run(judge(folder, steady, mode="aggregate"), store, pieces)  # type: ignore[arg-type]
    deaths = 0
    while True:
        try:
            fragile = Fragile(store, rng.randrange(4, 30))
            run(judge(folder, shaken, mode="aggregate"), fragile, pieces, gather_windows=rng.choice((1, 4)))  # type: ignore[arg-type]
            break
        except BrokenDown:
            deaths += 1
    assert deaths > 1
    assert without_school(contents(store, shaken), shaken) == without_school(contents(store, steady), steady)


def test_an_episode_over_several_windows_answers_why(store: ChdbStore, folder: Path) -> None:
    use = [Slice(minute("09:21") + n, "10.0.0.1", "facebook", down=150_000, bursts=4) for n in range(12)]
    use += [Slice(minute("09:21") + n, "10.0.0.1", "facebook", "cdn", down=850_000, evidence="dns") for n in range(12)]
    ingest = Ingest(store, judge(folder, "why"))
    ingest.add(slice_rows(use), (minute("10:00")) * 60)
    ingest.finish()
    ids = store.query("SELECT DISTINCT id FROM schoolgate.episode WHERE school = 'why'").rows
    assert len(ids) == 1
    found = why_episode(store, "why", str(ids[0][0]))
    assert found is not None
    facts = json.loads(json.dumps(dict(found.facts)))
    assert facts["minutes"] == facts["active_minutes"] == 12
    assert facts["from"] == "2026-11-17T09:21:00+00:00"
    assert facts["to"] == "2026-11-17T09:33:00+00:00"
    assert facts["states"] == {"teaching": 12}
    assert facts["bytes_down"] == 12_000_000
    assert facts["identity"] == {"grade": "B", "source": "lease, log-on"}
    assert facts["named_by"] == ["sni", "dns"]
    assert [rule["id"] for rule in facts["rules"]] == [*(rule.id for rule in CITED), "O12"]
    assert facts["boundary"] == {"margin_min": 5, "nearest_min": 17}, "the margin after the first bell, 09:00"
    text, policy = found.text(), Rulebook(load_profile("cwmbran"), 5).version
    for words in (
        "facebook (social_networking), Tuesday 17 November 2026, 09:21 to 09:33 (Europe/London): 12 active minutes",
        "automatic, unverified",
        "12 MB came from the service",
        "48 separate requests",
        "Rule E8 (version 1): ",
        "teaching 12 minutes",
        "during break/lunch if not on duty",
        "grade B, an interactive log-on",
        f"policy profile {policy}, catalogue 2026-11-17.test and timetable import",
    ):
        assert words in text, words
    assert "T01" not in text
    assert why_episode(store, "why", "e0") is None
    assert why_episode(store, "other", str(ids[0][0])) is None, "a school sees only its own"


def test_a_cell_answers_with_its_reason_counts(store: ChdbStore, folder: Path) -> None:
    use = [Slice(minute("09:20") + n, "10.0.0.1", "facebook", down=150_000, bursts=6) for n in range(4)]
    use += [Slice(minute("09:20") + n, "10.0.0.77", "facebook", down=150_000, bursts=6) for n in range(7)]
    use += [Slice(minute("09:30"), "10.0.0.2", "instagram", down=150_000, bursts=6)]
    ingest = Ingest(store, judge(folder, "cell", mode="aggregate"))
    ingest.add(slice_rows(use), 0.0)
    ingest.finish()
    found = why_cell(store, "cell", DAY, "P1", "facebook")
    assert found is not None
    counts = json.loads(json.dumps(found.facts["counts"]))
    assert [(c["outcome"], c["reason"], c["minutes"], c["rule"]["id"]) for c in counts] == [
        ("unknown", "no_person", 7, "O3"),
        ("outside_allowed", "episode", 4, "O12"),
    ]
    assert found.sentences[0] == "facebook, P1, Tuesday 17 November 2026: 11 active minutes of all staff together."
    assert "7 minutes unknown: No person could be tied to the address." in found.sentences
    whole = why_cell(store, "cell", DAY, "P1")
    assert whole is not None
    assert whole.facts["minutes"] == 12
    assert why_cell(store, "cell", DAY, "P4") is None
    assert not store.query("SELECT count() FROM schoolgate.episode WHERE school = 'cell'").rows[0][0]
    assert not store.query("SELECT count() FROM schoolgate.minute_mark WHERE school = 'cell'").rows[0][0]


def test_a_store_of_the_version_before_is_brought_up_and_answers(store: ChdbStore, folder: Path) -> None:
    """What version 1 did not keep is said to be missing, and everything else is still told."""
    use = [Slice(minute("09:20") + n, "10.0.0.1", "facebook", down=150_000, bursts=4) for n in range(4)]
    ingest = Ingest(store, judge(folder, "older", mode="pseudonymous"))
    ingest.add(slice_rows(use), 0.0)
    ingest.finish()
    added = ("episode", "source", "rule", "why", "policy", "catalogue", "timetable")
    for column in added:
        store.execute(f"ALTER TABLE schoolgate.minute_mark DROP COLUMN {column}")
    store.execute("ALTER TABLE schoolgate.episode DROP COLUMN sums")
    store.bring_up()
    ((pseudonym, at),) = store.query(
        "SELECT pseudonym, min(minute) FROM schoolgate.minute_mark WHERE school = 'older' GROUP BY pseudonym"
    ).rows
    found = why_minute(store, "older", str(pseudonym), at, "facebook")
    assert found is not None
    assert "the state was not kept" in found.text()


def test_a_cell_is_explained_by_the_rules_that_were_in_force(store: ChdbStore, folder: Path) -> None:
    """A rule gets another name and another wording after the minutes were stored: the old ones still answer."""
    use = [Slice(minute("09:20") + n, "10.0.0.1", "facebook", down=150_000, bursts=4) for n in range(4)]
    ingest = Ingest(store, judge(folder, "past"))
    ingest.add(slice_rows(use), 0.0)
    ingest.finish()
    ((policy, content),) = store.query("SELECT policy, content FROM schoolgate.rulebook WHERE school = 'past'").rows
    old = json.loads(str(content).replace('"O12"', '"Z9"').replace("is outside the allowed times if", "was out if"))
    row = {"school": ["past"], "policy": [policy], "content": [json.dumps(old)], "updated": [2**31]}
    store.insert("rulebook", row, "past/old")
    found = why_cell(store, "past", DAY, "P1")
    assert found is not None
    (count,) = json.loads(json.dumps(found.facts["counts"]))
    assert count["rule"]["id"] == "Z9"
    assert "was out if its episode has at least 3 such minutes" in found.text()
    assert not any(rule["id"] == "Z9" for rule in json.loads(json.dumps(found.facts["rules"])))
