"""Statements of every engine: what each adds, and that the engine at hand can read all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pipeline import ddl, schema
from pipeline.ddl import Found
from pipeline.store import ChdbStore, open_store

MODERN = ddl.server_dialect((25, 3))
CLUSTER = ddl.server_dialect((25, 3), "council")
OLD = ddl.server_dialect((18, 16))
OLD_CLUSTER = ddl.server_dialect((18, 16), "council")


def found(table: schema.Table, **changes: object) -> Found:
    """A table as an engine that is up to date has it."""
    columns = {c.name: (c.type, c.about, "") for c in table.columns}
    order = ", ".join(table.order)
    settings = ", ".join(f"{name} = {value}" for name, value in ddl.CHDB.table_settings)
    about = Found("schoolgate", table.name, table.engine, table.partition, order, table.about, settings, columns)
    return replace(about, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with open_store(tmp_path_factory.mktemp("ddl")) as store:
        yield store


@pytest.mark.parametrize("dialect", [ddl.CHDB, MODERN, CLUSTER, OLD, OLD_CLUSTER], ids=str)
def test_every_statement_can_be_read_by_the_engine_at_hand(store: ChdbStore, dialect: ddl.Dialect) -> None:
    for statement in ddl.create_statements(dialect):
        assert store.query("SELECT formatQuery({sql:String})", {"sql": statement}).rows


def test_an_embedded_store_syncs_and_remembers_batches_and_drops_nothing_by_itself() -> None:
    for ddl_of, table in zip(ddl.create_statements(ddl.CHDB)[1:], schema.TABLES, strict=True):
        assert f"non_replicated_deduplication_window = {schema.DEDUPLICATION_WINDOW}" in ddl_of
        assert "fsync_after_insert = 1" in ddl_of
        assert "TTL" not in ddl_of
        assert ddl_of.count(" COMMENT ") == len(table.columns)


def test_a_server_also_lets_rows_go_by_age() -> None:
    ages = {t.name for t, sql in zip(schema.TABLES, ddl.create_statements(MODERN)[1:], strict=True) if "\nTTL " in sql}
    assert ages == schema.GONE_DAYS.keys()
    assert "TTL day + toIntervalDay(8)" in next(s for s in ddl.create_statements(MODERN) if "`minute_mark`" in s)


def test_a_cluster_keeps_rows_in_replicas_and_asks_through_distributed_tables() -> None:
    statements = ddl.create_statements(CLUSTER)
    assert all(" ON CLUSTER council" in statement for statement in statements)
    local, spread = (s for s in statements if "`bell`" in s)
    assert "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/schoolgate/bell', '{replica}')" in local
    assert "Distributed(council, schoolgate_local, `bell`, cityHash64(`school`))" in spread
    assert "replicated_deduplication_window = 10000" in local
    contest = next(s for s in statements if "schoolgate_local.`contest`" in s)
    assert (
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/schoolgate/contest', '{replica}', revision)"
        in contest
    )


def test_the_old_server_gets_no_more_than_it_knows() -> None:
    text = "".join(ddl.create_statements(OLD))
    assert not any(word in text for word in ("CODEC", "TTL", "SETTINGS", "\nCOMMENT"))


@pytest.mark.parametrize(
    ("was", "becomes", "checked"),
    [
        ("UInt8", "UInt16", False),
        ("UInt16", "Int32", False),
        ("UInt32", "Int32", True),
        ("Int32", "UInt32", True),
        ("UInt64", "UInt32", True),
        ("String", "LowCardinality(String)", False),
        ("Enum8('a' = 1)", "Enum8('a' = 1, 'b' = 2)", False),
        ("Enum8('a' = 1)", "String", False),
    ],
)
def test_types_that_can_change(was: str, becomes: str, checked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    table = schema.Table("t", "T.", (schema.Column("a", "String", "x"), schema.Column("b", becomes, "y")), ("a",))
    monkeypatch.setattr(ddl, "TABLES", (table,))
    columns = {"a": ("String", "x", "CODEC(ZSTD(1))"), "b": (was, "y", f"CODEC({ddl._codec(table.columns[1])})")}
    checks, statements = ddl.migration([found(table, columns=columns)], ddl.CHDB)
    codec = ddl._codec(table.columns[1])
    assert statements == [f"ALTER TABLE schoolgate.`t` MODIFY COLUMN `b` {becomes} COMMENT 'y' CODEC({codec})"]
    assert bool(checks) == checked


@pytest.mark.parametrize(
    ("was", "becomes", "refusal"),
    [
        ("String", "UInt8", "t.b is String and cannot become UInt8"),
        ("Enum8('a' = 1)", "Enum8('a' = 2)", "cannot become"),
        ("DateTime('UTC')", "Date", "cannot become"),
    ],
)
def test_types_that_cannot(was: str, becomes: str, refusal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = schema.Table("t", "T.", (schema.Column("a", "String", "x"), schema.Column("b", becomes, "y")), ("a",))
    monkeypatch.setattr(ddl, "TABLES", (table,))
    with pytest.raises(schema.SchemaError, match=refusal):
        ddl.migration([found(table, columns={"a": ("String", "x", ""), "b": (was, "y", "")})], ddl.CHDB)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"engine": "Log"}, "table bell is Log, not ReplacingMergeTree"),
        ({"order": "day, school, slot"}, "table bell is sorted by day, school, slot"),
        ({"partition": "toMonday(day)"}, "split by toMonday"),
    ],
)
def test_another_order_of_rows_is_refused(changes: dict[str, object], refusal: str) -> None:
    with pytest.raises(schema.SchemaError, match=refusal):
        ddl.migration([found(schema.BY_NAME["bell"], **changes)], ddl.CHDB)


def test_a_store_that_was_alone_does_not_become_a_cluster_by_itself() -> None:
    with pytest.raises(schema.SchemaError, match=r"table bell is ReplacingMergeTree, but the store .* a cluster"):
        ddl.migration([found(schema.BY_NAME["bell"])], CLUSTER)
