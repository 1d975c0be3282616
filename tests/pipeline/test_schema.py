"""The declarations themselves, and the page made of them."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline import schema
from pipeline.ages import DAYS, HELD_AT_MOST


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


def test_a_newer_schema_is_refused_with_what_to_do() -> None:
    schema.check_version(schema.VERSION)
    with pytest.raises(schema.SchemaError, match=rf"newer Schoolgate \(schema {schema.VERSION + 1};.* upgrade"):
        schema.check_version(schema.VERSION + 1)


def test_the_page_has_every_column_once() -> None:
    text = schema.describe()
    for table in schema.TABLES:
        assert f"## {table.name}\n\n{table.about}\n" in text
    assert sum(line.startswith("| `") for line in text.splitlines()) == len(declared())


def test_the_kept_page_is_the_one_that_the_tables_give() -> None:
    """Write it anew: schoolgate store schema > pipeline/SCHEMA.md"""
    assert Path(schema.__file__).with_name("SCHEMA.md").read_text(encoding="utf-8") == schema.describe()


def test_what_leaves_by_age_is_never_gone_before_its_rule() -> None:
    assert DAYS.keys() - {"contest"} == schema.GONE_DAYS.keys()  # an open contest may outlive its days
    assert all(schema.GONE_DAYS[table] >= days for table, days in DAYS.items() if table != "contest")
    assert schema.GONE_DAYS["episode"] == HELD_AT_MOST


def test_quoting_closes_no_literal() -> None:
    assert schema.quoted("it's \\") == "'it\\'s \\\\'"


def test_servers_keep_their_own_logs_for_a_time_or_not_at_all() -> None:
    root = ElementTree.parse(Path(__file__).parents[2] / "deploy" / "cluster" / "clickhouse.xml").getroot()
    logs = [element for element in root if element.tag.endswith("_log")]
    assert {"query_log", "part_log", "metric_log", "trace_log", "text_log", "session_log"} <= {log.tag for log in logs}
    for log in logs:
        age = re.search(r"INTERVAL (\d+) DAY DELETE", log.findtext("ttl") or "")
        assert log.get("remove") == "1" or (age and int(age[1]) <= 90), log.tag
