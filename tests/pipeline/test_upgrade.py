"""A store that an older version made is brought up to the present schema, and keeps what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import schema
from pipeline.store import open_store

OLD = {int(path.stem.rpartition("_")[2]): path for path in (Path(__file__).parent / "schemas").glob("schema_*.sql")}


def test_every_past_schema_is_kept() -> None:
    assert sorted(OLD) == list(range(1, schema.VERSION))


@pytest.mark.parametrize("version", sorted(OLD))
def test_a_store_of_a_past_schema_opens_with_all_that_it_holds(
    version: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = [
        text.strip() for text in OLD[version].read_text(encoding="utf-8").split(";\n\n") if text.strip(" ;\n")
    ]
    with monkeypatch.context() as then:
        then.setattr(schema, "VERSION", version)
        then.setattr(
            schema, "upgrade_statements", lambda found, dialect: [text.removesuffix(";") for text in statements]
        )
        with open_store(tmp_path) as store:
            store.execute(
                f"INSERT INTO {schema.DATABASE}.minute_mark (school, day, minute, pseudonym, service, outcome) "
                "VALUES ('ysgol', '2026-11-17', '2026-11-17 09:00:00', 'p', 'facebook', 'outside_allowed')"
            )
    with open_store(tmp_path) as store:
        columns = store.query(
            "SELECT table, name, type FROM system.columns WHERE database = {database:String} ORDER BY table, position",
            {"database": schema.DATABASE},
        ).rows
        assert not schema.differences((str(table), str(name), str(kind)) for table, name, kind in columns)
        found = store.query(f"SELECT pseudonym, episode, outcome FROM {schema.DATABASE}.minute_mark").rows
        assert [tuple(row) for row in found] == [("p", "", "outside_allowed")]
