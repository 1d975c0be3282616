"""The named questions: their files, their parameters, and that each of them runs."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

import dashboards
from dashboards.queries import PARAMETERS, QueryError, Row, ask, ask_one, describe, parse, questions
from pipeline.store import ChdbStore
from pipeline.words import Outcome
from sensor.words import Kind
from tests.dashboards.sample_store import DAY, KINDS, MONDAY, SCHOOL, SILENT_DAY, SUMMER, SUMMER_DAY, uses

VALUES = {"school": SCHOOL, "zone": "Europe/London", "day": DAY, "from": MONDAY, "to": DAY}
VALUES |= {"kind": "all", "group": "all"}


@pytest.mark.parametrize("name", questions())
def test_every_question_runs_and_answers(store: ChdbStore, name: str) -> None:
    question = questions()[name]
    result = store.query(question.sql, {p: VALUES[p] for p in question.params})
    assert result.rows
    assert len(set(result.columns)) == len(result.columns)


@pytest.mark.parametrize("name", questions())
def test_every_question_is_told_for_people(name: str) -> None:
    question = questions()[name]
    assert question.title[0].isupper()
    assert not question.title.endswith(".")
    assert question.about.endswith(".")
    assert len(question.about) > 30


@pytest.mark.parametrize("name", questions())
def test_grafana_gets_no_parameter_of_ours(name: str) -> None:
    sql = questions()[name].for_grafana()
    assert "{" not in sql.replace("${", "")
    for parameter in questions()[name].params:
        assert "${zone:sqlstring}" in sql or parameter == "school"


def test_outcome_columns_are_the_words_of_the_pipeline(store: ChdbStore) -> None:
    totals = ask_one(store, "day_totals", school=SCHOOL, day=DAY)
    assert set(totals) == {"total", *Outcome}
    assert totals["total"] == sum(totals[o] for o in Outcome) > 0


def test_five_minutes_periods_and_day_agree(store: ChdbStore) -> None:
    totals = ask_one(store, "day_totals", school=SCHOOL, day=DAY)
    for name in ("day_by_five", "day_by_period"):
        rows = ask(store, name, school=SCHOOL, day=DAY)
        assert {o: sum(r[o] for r in rows) for o in Outcome} == {o: totals[o] for o in Outcome}


def test_the_day_is_what_was_put_in(store: ChdbStore) -> None:
    """Against the rows themselves, not against another question."""
    put_in = list(uses(DAY, seed=0, outside=0.4))
    totals = ask_one(store, "day_totals", school=SCHOOL, day=DAY)
    assert {o: totals[o] for o in Outcome} == {o: sum(u.outcome == o for u in put_in) for o in Outcome}
    services = Counter(u.service for u in put_in)
    services["bluesky"] += services["twitter"]
    rows = ask(store, "day_services", school=SCHOOL, day=DAY)
    assert {r["service"]: r["total"] for r in rows} == services
    for name, key in (("day_by_kind", "kind"), ("day_by_period", "period")):
        rows = ask(store, name, school=SCHOOL, day=DAY)
        assert {r[key]: r["total"] for r in rows} == Counter(getattr(u, key) for u in put_in)
    rows = ask(store, "day_reasons", school=SCHOOL, day=DAY)
    assert {r["reason"]: r["total"] for r in rows} == Counter(u.reason for u in put_in if u.outcome == "unknown")


def test_reasons_add_up_to_unknown(store: ChdbStore) -> None:
    rows = ask(store, "day_reasons", school=SCHOOL, day=DAY)
    assert sum(r["total"] for r in rows) == ask_one(store, "day_totals", school=SCHOOL, day=DAY)[Outcome.UNKNOWN]


def test_schools_do_not_mix(store: ChdbStore) -> None:
    assert not ask(store, "day_by_five", school=SUMMER, day=DAY)
    assert [r["day"] for r in ask(store, "days", school=SUMMER)] == [SILENT_DAY, SUMMER_DAY]


def test_a_day_without_data_answers_zeroes(store: ChdbStore) -> None:
    empty = date(2026, 8, 1)
    assert ask_one(store, "day_totals", school=SCHOOL, day=empty)["total"] == 0
    strip = ask_one(store, "health_strip", school=SCHOOL, day=empty)
    assert (strip["packets"], strip["named_share"]) == (0, None)
    assert ask_one(store, "day_stored", school=SCHOOL, day=empty, zone="Europe/London")["windows"] == 0


def test_missing_and_superfluous_parameters_are_refused(store: ChdbStore) -> None:
    needs = r"day_totals: needs the parameters school, day, kind \(or 'all'\), group \(or 'all'\), was given school$"
    with pytest.raises(QueryError, match=needs):
        ask(store, "day_totals", school=SCHOOL)
    with pytest.raises(QueryError, match=r"was given school, day, zone$"):
        ask(store, "day_totals", school=SCHOOL, day=DAY, zone="UTC")
    with pytest.raises(QueryError, match="was given"):
        ask(store, "schools", day=DAY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- about: X.\nSELECT 1", r"x\.sql:1: has no `-- title:` line"),
        ("-- title: X\nSELECT 1", r"x\.sql:1: has no `-- about:` line"),
        ("", r"x\.sql:1: has no `-- title:` line"),
        ("-- title: X\n-- about: X.\n-- unit: m\nSELECT 1", r"x\.sql:3: unknown header 'unit'"),
        ("-- title: X\n-- title: Y\n-- about: X.\nSELECT 1", r"x\.sql:2: says its title twice"),
        ("-- title: X\n-- about: X.\nDROP TABLE t", "is no question"),
        ("-- title: X\n-- about: X.\nSELECT 1; DROP TABLE t", "second statement"),
        ("-- title: X\n-- about: X.\nSELECT {pupil:String}", r"x\.sql:3: unknown parameter \{pupil:String\}"),
        ("-- title: X\n-- about: X.\nSELECT {day:String}", r"x\.sql:3: unknown parameter \{day:String\}"),
        ("-- title: X\n-- about: X.\nSELECT {day:Date}", r"write `-- parameters: day Date`"),
        ("-- title: X\n-- about: X.\n-- parameters: day String\nSELECT {day:Date}", "write `-- parameters: day Date`"),
        ("-- title: X\n-- about: X.\n-- parameters: day Date, zone String\nSELECT {day:Date}", "day Date`"),
        ("-- title: X\n-- about: X.\n-- parameters: day Date\nSELECT 1", "take the line out"),
    ],
)
def test_a_bad_file_is_refused_with_a_mend(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse("x", text)


def test_every_parameter_has_a_form_for_grafana() -> None:
    marks = ", ".join(f"{{{name}:{parameter.type}}}" for name, parameter in PARAMETERS.items())
    told = ", ".join(f"{name} {parameter.type}" for name, parameter in PARAMETERS.items())
    sql = parse("x", f"-- title: X\n-- about: X.\n-- parameters: {told}\nSELECT {marks}").for_grafana()
    assert sql == (
        "SELECT ${school:sqlstring}, ${zone:sqlstring}, toDate($__toTime, ${zone:sqlstring}), "
        "toDate($__fromTime, ${zone:sqlstring}), toDate($__toTime, ${zone:sqlstring}), "
        "${kind:sqlstring}, ${group:sqlstring}"
    )


def test_the_page_of_the_questions_is_what_the_code_makes() -> None:
    page = Path(dashboards.__file__).with_name("QUERIES.md").read_text("utf-8")
    assert page == describe(), "run: python -m dashboards.queries > dashboards/QUERIES.md"


NARROWED = [name for name, question in questions().items() if {"kind", "group"} & set(question.params)]


@pytest.mark.parametrize("name", NARROWED)
def test_one_group_and_one_kind_are_parts_of_all(store: ChdbStore, name: str) -> None:
    """Groups share no minute, so they add up to all staff; a kind is never more than all kinds together."""
    question = questions()[name]
    span: dict[str, object] = {n: VALUES[n] for n in question.params if n not in ("kind", "group")}
    everything = _minutes(question.ask(store, **span))
    assert everything > 0
    if "group" in question.params:
        parts = [_minutes(question.ask(store, **span, group=group)) for group in ("teaching", "support")]
        assert sum(parts) == everything
        assert min(parts) > 0
    if "kind" in question.params:
        parts = [_minutes(question.ask(store, **span, kind=kind)) for kind in KINDS]
        assert 0 < max(parts) < everything
        assert not _minutes(question.ask(store, **span, kind="nothing"))


def _minutes(rows: list[Row]) -> int:
    """All minutes of an answer: its totals, or else the columns of outcomes or kinds."""
    names = {"total"} if rows and "total" in rows[0] else {*Outcome, *Kind}
    return sum(value for row in rows for name, value in row.items() if name in names)


def test_no_page_panel_or_report_has_sql_of_its_own() -> None:
    """All SQL of what people see is in the named files, and only `queries` and the check of the boards ask a store."""
    root = Path(dashboards.__file__).parent
    for path in (p for p in root.rglob("*") if p.suffix in (".py", ".js", ".html") and "vendor" not in p.parts):
        text = path.read_text("utf-8")
        assert not re.search(r"\b(FROM|JOIN)\s+({\w*}|schoolgate)\.", text), f"{path.name}: move its SQL into queries/"
        if path.name not in ("queries.py", "check.py"):
            assert not re.search(r"\bstore\.(query|select|execute)\(", text), f"{path.name}: ask a named question"
