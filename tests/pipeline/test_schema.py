"""The declarations themselves, and the comparison with what a store has."""

import re

import pytest

from pipeline import schema


def declared() -> list[tuple[str, str, str]]:
    return [(table.name, column.name, column.type) for table in schema.TABLES for column in table.columns]


def test_every_table_belongs_to_schools_and_says_what_it_holds() -> None:
    for table in schema.TABLES:
        assert table.name == "schema_version" or table.columns[0].name == "school"
        assert set(table.order) <= set(table.types), table.name
        assert len(table.types) == len(table.columns), f"{table.name}: a column twice"
        assert table.about
        assert all(column.about for column in table.columns), table.name
    assert len(schema.BY_NAME) == len(schema.TABLES)


def test_no_table_can_hold_an_address_a_name_or_a_host() -> None:
    people = {"client", "server", "address", "mac", "host", "user", "username", "person", "staff_id", "url", "title"}
    assert not people & {name for _, name, _ in declared()}


def test_ddl_declares_comments_keys_and_what_makes_inserts_safe() -> None:
    statements = schema.create_statements(schema.CHDB)
    assert statements[0] == "CREATE DATABASE IF NOT EXISTS schoolgate"
    assert len(statements) == 1 + len(schema.TABLES)
    for table, ddl in zip(schema.TABLES, statements[1:], strict=True):
        assert ddl.startswith(f"CREATE TABLE IF NOT EXISTS schoolgate.`{table.name}` (")
        assert len(re.findall(r"^  `\w+` .+ COMMENT '", ddl, re.MULTILINE)) == len(table.columns)
        assert f"non_replicated_deduplication_window = {schema.DEDUPLICATION_WINDOW}" in ddl
        assert "fsync_after_insert = 1" in ddl
    five = statements[1]
    assert "PARTITION BY toYYYYMM(day)\nORDER BY (`school`, `level`, `day`, `start`," in five
    assert "'the school\\'s id (tenant)'" in five


def test_a_newer_schema_is_refused_with_what_to_do() -> None:
    schema.check_version(schema.VERSION)
    with pytest.raises(schema.SchemaError, match=rf"newer Schoolgate \(schema {schema.VERSION + 1};.* upgrade"):
        schema.check_version(schema.VERSION + 1)


def test_differences_name_each_deviation() -> None:
    assert schema.differences(declared()) == []
    assert schema.differences([]) == [f"table {table.name} is missing" for table in schema.TABLES]
    changed = [row for row in declared() if row[:2] != ("bell", "week")]
    changed[changed.index(("bell", "slot", "LowCardinality(String)"))] = ("bell", "slot", "String")
    changed.append(("coverage", "colour", "UInt8"))
    changed.append(("mine", "x", "UInt8"))
    assert schema.differences(changed) == [
        "column coverage.colour is not declared",
        "column bell.slot is String, not LowCardinality(String)",
        "column bell.week is missing",
    ]


def test_the_description_has_every_column_once() -> None:
    text = schema.describe()
    for table in schema.TABLES:
        assert f"schoolgate.{table.name}: {table.about}" in text
    assert sum(line.startswith("  ") and "sorted by" not in line for line in text.splitlines()) == len(declared())


def test_quoting_closes_no_literal() -> None:
    assert schema.quoted("it's \\") == "'it\\'s \\\\'"
