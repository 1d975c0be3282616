"""Two replicas with ZooKeeper: rows are in both, once; one may die, and queries and inserts go on.

The servers are Debian's 18.16: they know equal blocks instead of tokens (see engines.LACKS).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import ddl, upkeep
from pipeline.server import ServerStore
from pipeline.store import StoreError, batches
from tests.pipeline import servers
from tests.pipeline.engines import address
from tests.pipeline.test_store_behaviour import coverage, totals

pytestmark = pytest.mark.skipif(bool(servers.lacking(cluster=True)), reason=servers.lacking(cluster=True))
DIALECT = ddl.server_dialect((18, 16), "council")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Cluster]:
    folder: Path = tmp_path_factory.mktemp("cluster")
    with servers.cluster(folder) as found:
        yield found


@pytest.fixture
def store(cluster: servers.Cluster) -> Iterator[ServerStore]:
    """A store whose first host is the first replica, both alive."""
    with ServerStore(address(*cluster.replicas, cluster=cluster.name)) as opened:
        yield opened


def replica(process: servers.Process) -> ServerStore:
    """One replica alone."""
    return ServerStore(address(process, cluster="council"), reading=True)


def come(true: Callable[[], bool]) -> None:
    """Wait until something has become so."""
    deadline = time.monotonic() + servers.PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def held(process: servers.Process, school: str) -> tuple[int, int]:
    """Rows and sum that a replica has itself."""
    with replica(process) as alone:
        sql = "SELECT count(), sum(value) FROM schoolgate_local.coverage WHERE school = {s:String}"
        ((rows, value),) = alone.query(sql, {"s": school}).rows
    return int(str(rows)), int(str(value))


def test_every_table_is_made_once_and_for_all(store: ServerStore, cluster: servers.Cluster) -> None:
    for process in cluster.replicas:
        with replica(process) as alone:
            assert ddl.migration(upkeep.read_tables(alone.select, DIALECT), DIALECT) == ([], [])


def test_rows_sent_again_to_either_replica_are_there_once(store: ServerStore, cluster: servers.Cluster) -> None:
    first, second = cluster.replicas
    with ServerStore(address(second, first, cluster=cluster.name)) as other:
        for one in (store, other, store):
            assert one.insert("coverage", coverage("twice", [1, 2, 3]), "twice/1") == 3
        for process in cluster.replicas:
            come(lambda process=process: held(process, "twice") == (3, 6))  # type: ignore[misc]
        assert totals(other, "twice") == (3, 6)


def test_a_replica_dies_and_work_goes_on_and_it_catches_up(store: ServerStore, cluster: servers.Cluster) -> None:
    first, second = cluster.replicas
    store.insert("coverage", coverage("fails", [1, 2]), "fails/1")
    come(lambda: held(second, "fails") == (2, 3))
    first.kill()
    assert totals(store, "fails") == (2, 3)
    store.insert("coverage", coverage("fails", [4]), "fails/2")
    assert totals(store, "fails") == (3, 7)
    assert batches(store, "fails") == set()
    first.start()
    come(lambda: held(first, "fails") == (3, 7))
    second.kill()
    assert totals(store, "fails") == (3, 7)
    store.insert("coverage", coverage("fails", [8]), "fails/3")
    second.start()
    come(lambda: held(second, "fails") == (4, 15))


def test_a_replica_that_hangs_is_passed_over(store: ServerStore, cluster: servers.Cluster) -> None:
    first, second = cluster.replicas
    store.insert("coverage", coverage("hangs", [1]), "hangs/1")
    come(lambda: held(second, "hangs") == (1, 1))
    first.pause()
    try:
        assert totals(store, "hangs") == (1, 1)
    finally:
        first.go_on()


def test_with_all_dead_a_clear_message_and_nothing_lost(store: ServerStore, cluster: servers.Cluster) -> None:
    store.insert("coverage", coverage("dead", [1]), "dead/1")
    for process in cluster.replicas:
        come(lambda process=process: held(process, "dead") == (1, 1))  # type: ignore[misc]
        process.kill()
    with pytest.raises(StoreError, match=r"127.0.0.1:\d+, 127.0.0.1:\d+: Connection refused"):
        store.insert("coverage", coverage("dead", [2]), "dead/2")
    for process in cluster.replicas:
        process.start()
    come(lambda: _inserted(store, "dead", 2))
    for process in cluster.replicas:
        come(lambda process=process: held(process, "dead") == (2, 3))  # type: ignore[misc]
    assert totals(store, "dead") == (2, 3)


def _inserted(store: ServerStore, school: str, value: int) -> bool:
    """Whether the owner's next attempt goes well; replicas that have just started are read-only for a moment."""
    try:
        store.insert("coverage", coverage(school, [value]), f"{school}/{value}")
    except StoreError:
        return False
    return True


def test_what_is_deleted_is_gone_everywhere(store: ServerStore, cluster: servers.Cluster) -> None:
    store.insert("coverage", coverage("gone", [1, 2, 3]), "gone/1")
    store.delete("coverage", "school = {s:String} AND value < {v:UInt64}", {"s": "gone", "v": 3})
    for process in cluster.replicas:
        come(lambda process=process: held(process, "gone") == (1, 3))  # type: ignore[misc]


def test_a_wrong_password_is_said_and_not_tried_again(cluster: servers.Cluster) -> None:
    with pytest.raises(StoreError, match=r"(?i)password"):
        ServerStore(address(*cluster.replicas, password="guess", cluster="council"), reading=True)
