"""Every named question has the same answer on chDB and on a ClickHouse server that holds the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.grafana.check import check
from dashboards.queries import questions
from dashboards.schools import find_school
from pipeline import roles
from pipeline.ddl import server_dialect
from pipeline.server import ServerStore
from pipeline.store import ChdbStore, Store, StoreError
from tests.dashboards import sample_store
from tests.dashboards.test_queries import VALUES
from tests.pipeline import servers
from tests.pipeline.engines import QUESTIONS_LACKING, address

PASSWORDS = {name: f"{name}'s own" for name in roles.names_of([sample_store.SCHOOL])}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Process]:
    if why := servers.lacking():
        pytest.skip(why)
    users = roles.as_file(roles.users_of([sample_store.SCHOOL], PASSWORDS), server_dialect((18, 16)), ["127.0.0.1"])
    process = servers.server(tmp_path_factory.mktemp("server"), users)
    try:
        process.start()
        yield process
    finally:
        process.kill()


@pytest.fixture(scope="module")
def server(process: servers.Process) -> Iterator[Store]:
    with ServerStore(address(process)) as store:
        sample_store.fill(store)
        yield store


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


def test_the_boards_have_the_same_answers(store: ChdbStore, server: Store, process: servers.Process) -> None:
    """The SQL that Grafana sends, on a server and as the user that may only read: as on our own store."""
    school = find_school(server, sample_store.SCHOOL)
    ours = check(store, school, sample_store.DAY)
    with ServerStore(address(process, user="grafana", password=PASSWORDS["grafana"]), reading=True) as grafana:
        theirs = check(grafana, school, sample_store.DAY)
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
