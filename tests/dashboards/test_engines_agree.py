"""Every named question has the same answer on chDB and on a ClickHouse server that holds the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.grafana.check import check
from dashboards.queries import questions
from dashboards.schools import find_school
from pipeline.store import ChdbStore, Store, StoreError
from tests.dashboards import sample_store
from tests.dashboards.test_queries import VALUES
from tests.pipeline.engines import QUESTIONS_LACKING, engine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with engine("server", tmp_path_factory.mktemp("server")) as found:
        sample_store.fill(found.store)
        yield found.store


@pytest.mark.parametrize("name", questions())
def test_a_question_has_the_same_answer(store: ChdbStore, server: Store, name: str) -> None:
    if name in QUESTIONS_LACKING:
        pytest.skip(QUESTIONS_LACKING[name])
    question = questions()[name]
    values = {parameter: VALUES[parameter] for parameter in question.params}
    ours, theirs = store.query(question.sql, values), server.query(question.sql, values)
    assert theirs.rows == ours.rows
    assert theirs.columns == ours.columns
    assert ours.rows


def test_the_boards_have_the_same_answers(store: ChdbStore, server: Store) -> None:
    """The SQL that Grafana sends, on a server: as on our own store."""
    school = find_school(store, sample_store.SCHOOL)
    ours, theirs = (check(one, school, sample_store.DAY) for one in (store, server))
    assert theirs == ours
    assert [one for one in theirs if one.fault or not one.rows] == []


EVIL = ["' OR 1 = 1 --", "\\' OR 1 = 1 --", "x'); DROP TABLE schoolgate.use_day; --", "{zone:String}", "\\", "\0", "é'"]


TEXTS = ("school", "kind", "group")


@pytest.mark.parametrize("name", [name for name, question in questions().items() if set(TEXTS) & set(question.params)])
def test_a_text_that_is_sql_is_a_text_without_rows(store: ChdbStore, server: Store, name: str) -> None:
    question = questions()[name]
    values = {parameter: VALUES[parameter] for parameter in question.params}
    for one in (store, server):
        for text in set(TEXTS) & set(question.params):
            nobody = one.query(question.sql, values | {text: "nobody"}).rows
            for evil in EVIL if text == "school" else EVIL[:2]:
                assert one.query(question.sql, values | {text: evil}).rows == nobody, evil
        assert one.query("SELECT count() > 0 FROM schoolgate.use_day").rows == [(1,)]


@pytest.mark.parametrize("evil", EVIL)
def test_a_zone_that_is_sql_is_refused(store: ChdbStore, server: Store, evil: str) -> None:
    question = questions()["day_stored"]
    values = {parameter: VALUES[parameter] for parameter in question.params} | {"zone": evil}
    for one in (store, server):
        with pytest.raises(StoreError, match=r"(?i)zone|load"):
            one.query(question.sql, values)
        assert one.query("SELECT count() > 0 FROM schoolgate.use_day").rows == [(1,)]
