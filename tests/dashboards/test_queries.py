"""The named questions: their files, their parameters, and that each of them runs."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest

from dashboards.queries import PARAMETERS, QueryError, ask, ask_one, parse, questions
from pipeline.store import ChdbStore
from pipeline.words import Outcome
from tests.dashboards.sample_store import DAY, SCHOOL, SILENT_DAY, SUMMER, SUMMER_DAY, uses

VALUES = {"school": SCHOOL, "zone": "Europe/London", "day": DAY, "from": DAY, "to": DAY}


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
    with pytest.raises(QueryError, match=r"day_totals: needs parameters \['day', 'school'\], was given \['school'\]"):
        ask(store, "day_totals", school=SCHOOL)
    with pytest.raises(QueryError, match="was given"):
        ask(store, "schools", day=DAY)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-- about: X.\nSELECT 1", r"x\.sql:1: has no `-- title:` line"),
        ("-- title: X\nSELECT 1", r"x\.sql:1: has no `-- about:` line"),
        ("-- title: X\n-- about: X.\n-- unit: m\nSELECT 1", "unknown header"),
        ("-- title: X\n-- about: X.\nDROP TABLE t", "is no question"),
        ("-- title: X\n-- about: X.\nSELECT 1; DROP TABLE t", "second statement"),
        ("-- title: X\n-- about: X.\nSELECT {pupil:String}", r"x\.sql:3: unknown parameter \{pupil:String\}"),
        ("-- title: X\n-- about: X.\nSELECT {day:String}", r"x\.sql:3: unknown parameter \{day:String\}"),
    ],
)
def test_a_bad_file_is_refused_with_a_mend(text: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        parse("x", text)


def test_every_parameter_has_a_form_for_grafana() -> None:
    marks = ", ".join(f"{{{name}:{kind}}}" for name, kind in PARAMETERS.items())
    sql = parse("x", f"-- title: X\n-- about: X.\nSELECT {marks}").for_grafana()
    assert sql == (
        "SELECT ${school:sqlstring}, ${zone:sqlstring}, toDate($__toTime, ${zone:sqlstring}), "
        "toDate($__fromTime, ${zone:sqlstring}), toDate($__toTime, ${zone:sqlstring})"
    )
