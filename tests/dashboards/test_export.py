"""Exports: what the reports publish, week by week; exact where the settings say so; harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.export import TABLES, Export, export, harmless
from dashboards.queries import ask
from dashboards.schools import SchoolInfo
from dashboards.week import week_view
from deploy.cli import main as schoolgate
from deploy.commands.export import _TABLES
from pipeline.store import ChdbStore
from tests.dashboards.sample_store import MONDAY, SCHOOL, WEEK

FRIDAY = date(2026, 11, 20)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("exact", [False, True])
def test_every_table_is_the_same_in_both_forms(
    store: ChdbStore, school: SchoolInfo, table: str, exact: bool, tmp_path: Path
) -> None:
    found = export(store, school, table, MONDAY, FRIDAY, exact=exact)
    path = tmp_path / "x.parquet"
    path.write_bytes(found.parquet())
    read = pq.read_table(path).to_pydict()
    assert list(read) == list(found.columns)
    lines = rows(found.csv())
    assert len(lines) == len(next(iter(read.values()))) > 0
    for name, values in read.items():
        assert ["" if value is None else str(value) for value in values] == [line[name] for line in lines]


def test_a_suppressed_export_is_what_the_report_publishes(store: ChdbStore, school: SchoolInfo) -> None:
    view = week_view(store, school, WEEK)
    for line in rows(export(store, school, "days", MONDAY, FRIDAY, exact=False).csv()):
        for outcome, cell in view.figures.days[line["day"]].items():
            assert (line[outcome], line[f"{outcome}_hidden"]) == (
                (cell.text.replace(",", ""), "") if cell.plain else ("", cell.text)
            )
    for line in rows(export(store, school, "kinds", MONDAY, FRIDAY, exact=False).csv()):
        assert line["total"] == view.figures.kinds[line["kind"]]["total"].text.replace(",", "")


def test_an_exact_export_is_the_store(store: ChdbStore, school: SchoolInfo) -> None:
    lines = rows(export(store, school, "days", MONDAY, FRIDAY, exact=True).csv())
    known = ask(store, "week_by_day", school=SCHOOL, from_=MONDAY, to=FRIDAY)
    assert [int(line["outside_allowed"]) for line in lines] == [row["outside_allowed"] for row in known]
    assert not [name for name in lines[0] if name.endswith("_hidden")]


def test_weeks_are_whole(store: ChdbStore, school: SchoolInfo) -> None:
    """Else the difference of two exports would show single days."""
    one = export(store, school, "weeks", date(2026, 11, 18), date(2026, 11, 18), exact=False)
    assert one == export(store, school, "weeks", MONDAY, FRIDAY, exact=False)


@given(st.text())
def test_no_text_is_taken_for_a_formula(text: str) -> None:
    (line,) = rows(Export({"service": [text], "n": [-5]}).csv())
    assert not line["service"].lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert line["service"].removeprefix("'").replace("\r\n", "\n") == text.removeprefix("'").replace("\r\n", "\n")
    assert line["n"] == "-5"


def test_days_and_numbers_stay_what_they_are() -> None:
    assert (harmless(-3), harmless(FRIDAY), harmless(None), harmless("facebook")) == (-3, FRIDAY, None, "facebook")


def test_the_command_knows_the_tables() -> None:
    assert tuple(_TABLES.split()) == TABLES


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--from", "2026-11-16", "--to", "2026-11-20", "--out", "x.csv"], "--store or --config"),
        (["--from", "2026-11-20", "--to", "2026-11-16", "--out", "x.csv", "--store", "."], "--to lies before --from"),
        (["--from", "2026-11-16", "--to", "2026-11-20", "--out", "x.doc", "--store", "."], "ends in .csv or .parquet"),
        (["--from", "yesterday", "--to", "2026-11-16", "--out", "x.csv", "--store", "."], "yesterday"),
    ],
)
def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        schoolgate(["export", "--table", "days", *words])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
