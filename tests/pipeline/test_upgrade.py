"""A store that an older version made is brought up to the present schema, and keeps what it holds."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline import ddl, schema, upkeep
from pipeline.store import ChdbStore, StoreError, open_store

ROOT = Path(__file__).parents[2]
OLD = {int(path.stem.rpartition("_")[2]): path for path in (Path(__file__).parent / "schemas").glob("schema_*.sql")}
DATED = "'2026-11-17', '2026-11-17 09:00:00'"


def make(folder: Path, version: int, *rows: str) -> None:
    """A store as that version made it, with these rows."""
    store = ChdbStore(folder)
    for statement in OLD[version].read_text(encoding="utf-8").split(";\n\n"):
        store.execute(statement.strip().removesuffix(";"))
    store.execute(f"INSERT INTO schoolgate.schema_version (version, applied) VALUES ({version}, now())")
    for row in rows:
        store.execute(f"INSERT INTO schoolgate.{row}")
    store.close()


def test_every_past_schema_is_kept() -> None:
    assert sorted(OLD) == list(range(1, schema.VERSION))


@pytest.mark.parametrize("version", sorted(OLD))
def test_a_store_of_a_past_schema_opens_with_all_that_it_holds(version: int, tmp_path: Path) -> None:
    make(
        tmp_path,
        version,
        "minute_mark (school, day, minute, pseudonym, service, outcome) "
        f"VALUES ('ysgol', {DATED}, 'p', 'facebook', 'outside_allowed')",
        f"use_five (school, day, start, level, minutes, bytes_up) VALUES ('ysgol', {DATED}, 'kind', 7, 9)",
    )
    for _ in range(2):
        with open_store(tmp_path) as store:
            assert ddl.migration(upkeep.read_tables(store.select, store.dialect), store.dialect) == ([], [])
            found = store.query("SELECT pseudonym, episode, outcome FROM schoolgate.minute_mark").rows
            assert found == [("p", "", "outside_allowed")]
            assert store.query("SELECT start, level, minutes, bytes_up FROM schoolgate.use_five").rows == [
                (datetime(2026, 11, 17, 9, tzinfo=UTC), "kind", 7, 9)
            ]
            versions = store.query("SELECT version FROM schoolgate.schema_version ORDER BY version").rows
            assert versions == [(version,), (schema.VERSION,)]


def test_an_upgrade_that_would_lose_values_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    """Version 1 counted minutes in UInt32, of which Int32 holds half."""
    make(tmp_path, 1, f"use_five (school, day, start, minutes) VALUES ('ysgol', {DATED}, 3000000000)")
    with pytest.raises(StoreError, match=r"use_five.minutes holds values that Int32 cannot \(1 rows\); nothing was"):
        open_store(tmp_path)
    store = ChdbStore(tmp_path)
    assert store.query("SELECT toTypeName(minutes), minutes FROM schoolgate.use_five").rows == [("UInt32", 3000000000)]
    assert store.query("SELECT max(version) FROM schoolgate.schema_version").rows == [(1,)]
    store.close()


def test_an_upgrade_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """Every prefix of the statements leaves a store that the next opening brings up."""
    make(tmp_path, 1)
    script = """
import os, sys
from pathlib import Path
from pipeline.store import ChdbStore
left = int(sys.argv[2])
class Dying(ChdbStore):
    def execute(self, ddl):
        global left
        if left == 0:
            os.kill(os.getpid(), 9)
        left -= 1
        super().execute(ddl)
Dying(Path(sys.argv[1])).bring_up()
"""
    for left in (1, 9):
        died = subprocess.run([sys.executable, "-c", script, str(tmp_path), str(left)], cwd=ROOT, check=False)
        assert died.returncode == -9
    with open_store(tmp_path) as store:
        assert ddl.migration(upkeep.read_tables(store.select, store.dialect), store.dialect) == ([], [])


def test_a_downgrade_is_refused_with_a_clear_word(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.insert("schema_version", {"version": [schema.VERSION + 1], "applied": [0]}, "newer")
    with pytest.raises(StoreError, match=rf"written by a newer Schoolgate \(schema {schema.VERSION + 1};.*upgrade"):
        open_store(tmp_path)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("ALTER TABLE schoolgate.bell ADD COLUMN colour UInt8", "bell.colour is not declared, and dropping it would"),
        (
            "ALTER TABLE schoolgate.episode MODIFY COLUMN minutes String CODEC(LZ4)",
            "episode.minutes is String and cannot become",
        ),
    ],
)
def test_what_cannot_be_altered_without_loss_is_refused(tmp_path: Path, change: str, refusal: str) -> None:
    with open_store(tmp_path) as store:
        store.execute(change)
    with pytest.raises(StoreError, match=f"{refusal}.*choose a new store"):
        open_store(tmp_path)


def test_what_is_missing_comes_back_empty(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.execute("ALTER TABLE schoolgate.bell DROP COLUMN week")
        store.execute("ALTER TABLE schoolgate.bell COMMENT COLUMN slot 'something else'")
        store.execute("DROP TABLE schoolgate.coverage SYNC")
    with open_store(tmp_path) as store:
        assert ddl.migration(upkeep.read_tables(store.select, store.dialect), store.dialect) == ([], [])
