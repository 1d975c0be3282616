"""Users of a server: what they may read, what is refused them, and that the server can be told so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import ddl, roles
from pipeline.server import ServerStore
from pipeline.store import ChdbStore, StoreError, open_store
from tests.pipeline import servers
from tests.pipeline.engines import address
from tests.pipeline.test_store_behaviour import DAY, NOON, coverage, totals

SCHOOLS = ("ysgol-a", "ysgol-b")
PASSWORDS = {name: f"<password> of {name}" for name in roles.names_of(SCHOOLS)}
USERS = roles.users_of(SCHOOLS, PASSWORDS)
OLD, MODERN = ddl.server_dialect((18, 16)), ddl.server_dialect((25, 3))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Process]:
    if why := servers.lacking():
        pytest.skip(why)
    started = servers.server(tmp_path_factory.mktemp("roles"), roles.as_file(USERS, OLD, ["127.0.0.1"]))
    try:
        started.start()
        with ServerStore(address(started)) as store:
            for school, value in zip(SCHOOLS, (5, 7), strict=True):
                store.insert("coverage", coverage(school, [value]), school)
                text = {name: [school] for name in ("id", "pseudonym", "service")}
                mark = {
                    "school": [school],
                    "day": [DAY],
                    "start": [NOON],
                    "last": [NOON],
                    "minutes": [1],
                    "revision": [0],
                } | text
                rest = {name: [""] for name in ("kind", "grade", "source", "rule", "why", "sums")}
                versions = {name: [""] for name in ("policy", "catalogue", "timetable")}
                store.insert("episode", mark | rest | versions, school)
        yield started
    finally:
        started.kill()


def as_user(process: servers.Process, name: str) -> ServerStore:
    return ServerStore(address(process, user=name, password=PASSWORDS[name]), reading=True)


def test_a_school_reads_and_changes_nothing(process: servers.Process) -> None:
    for school, value in zip(SCHOOLS, (5, 7), strict=True):
        with as_user(process, f"read_{school}") as store:
            assert totals(store, school) == (1, value)
            for statement in ("TRUNCATE TABLE schoolgate.coverage", "DROP DATABASE schoolgate", "SET readonly = 0"):
                with pytest.raises(StoreError, match=r"(?i)readonly"):
                    store.execute(statement)
            with pytest.raises(StoreError, match="readonly"):
                store.insert("coverage", coverage(school, [9]), "x")
            with pytest.raises(StoreError, match="readonly"):
                store.delete("coverage", "value > {v:UInt64}", {"v": 0})


def test_rows_of_others_that_a_server_lets_through_are_found(process: servers.Process) -> None:
    """The check that the runbook demands, on a server that heeds no filter: engines.LACKS["row policies"]."""
    with as_user(process, f"read_{SCHOOLS[0]}") as store:
        assert roles.leaks(store, SCHOOLS[0]) == [
            "schoolgate.coverage shows rows of other schools (1)",
            "schoolgate.episode shows rows of other schools (1)",
        ]


def test_the_administrator_is_a_leak(process: servers.Process) -> None:
    with ServerStore(address(process)) as store:
        found = roles.leaks(store, SCHOOLS[0])
    assert "may run CREATE TABLE schoolgate.schoolgate_try" in found
    assert "may run DROP TABLE IF EXISTS schoolgate.schoolgate_try" in found


def test_limits_hold_for_who_reads(process: servers.Process) -> None:
    with as_user(process, "grafana") as store:
        assert totals(store, SCHOOLS[0]) == (1, 5)
        with pytest.raises(StoreError, match=r"(?i)limit .*exceeded"):
            store.query("SELECT sum(number) FROM (SELECT number FROM system.numbers LIMIT 1000000000)")
        with pytest.raises(StoreError, match="readonly"):
            store.query("SELECT 1 SETTINGS max_rows_to_read = 0")


def test_the_file_holds_no_password() -> None:
    for text in (roles.as_file(USERS, OLD), roles.as_file(USERS, MODERN), "".join(roles.as_sql(USERS, MODERN))):
        assert "password" not in text.replace("password_sha256_hex", "")
        assert all(user.digest in text for user in USERS)


def test_grafana_reads_sums_only() -> None:
    statements = [s for s in roles.as_sql(USERS, MODERN) if s.startswith("GRANT") and s.endswith("TO `grafana`")]
    assert statements == [f"GRANT SELECT ON schoolgate.`{table}` TO `grafana`" for table in roles.AGGREGATES]
    assert not {"episode", "minute_mark", "contest", "retention_proof"} & set(roles.AGGREGATES)


def test_every_table_of_schools_has_a_policy_for_each_and_one_for_all_others() -> None:
    statements = roles.as_sql(USERS, ddl.server_dialect((25, 3), "council"))
    for database in ("schoolgate", "schoolgate_local"):
        for table in roles.OF_SCHOOL:
            place = f" ON CLUSTER council ON {database}.`{table}` USING "
            found = [s.partition(place)[2] for s in statements if place in s]
            assert len(found) == 2 * len(SCHOOLS) + 1
            assert "school = 'ysgol-a' TO `read_ysgol-a`" in found
            assert found[-1].startswith("1 TO ALL EXCEPT `read_ysgol-a`, `sensor_ysgol-a`, ")


def test_the_engine_at_hand_can_read_the_statements(tmp_path: Path) -> None:
    store: ChdbStore
    with open_store(tmp_path / "store") as store:
        for dialect in (MODERN, ddl.server_dialect((25, 3), "council")):
            for statement in roles.as_sql(USERS, dialect):
                assert store.query("SELECT formatQuery({sql:String})", {"sql": statement}).rows


@pytest.mark.parametrize("school", ["", "A", "x'; DROP USER admin", "a/b", "a b", "<x>"])
def test_what_is_no_schools_id_is_refused(school: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a school"):
        roles.users_of([school], dict.fromkeys(roles.names_of([school]), "x"))
