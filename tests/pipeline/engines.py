"""The engines that the behaviour of a store is tested on, and the one list of what the server of 2018 cannot do.

`chdb` is the engine that schools run. `server` is Debian's ClickHouse 18.16 over the native protocol: it shows that our
side of the wire is right, with the same tables, questions and values. What it lacks is said in `LACKS`, with the
reason, and nowhere else; promises that rest on it are tested on chDB, and need a modern server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.server import ServerStore
from pipeline.store import ChdbStore, open_store
from pipeline.wire import Address
from tests.pipeline import servers

LACKS = {
    "deduplication": "18.16 has no insert_deduplication_token and no window for tables without replicas, so a batch "
    "that comes twice is there twice; replicated tables of it know equal blocks only",
    "row policies": "18.16 takes the filters of its file of users and heeds none of them",
    "comments of replicated tables": "18.16 finds the second replica of a table with comments too different",
    "bool": "18.16 has no Bool",
    "smallest floats": "18.16 reads numbers below 2e-308 as 0",
    "dates after 2105": "18.16 takes dates and times up to 31 December 2105; later ones become 1970",
}
"""What 18.16 lacks, and why a test is left out there."""

QUESTIONS_LACKING: dict[str, str] = {}
"""Named questions (dashboards/queries) that 18.16 cannot answer, with the reason."""


@dataclass(frozen=True)
class EngineUnderTest:
    """A store, and what its engine lacks."""

    name: str
    store: ChdbStore | ServerStore

    def needs(self, feature: str) -> None:
        """Leave the test out where the engine lacks this."""
        reason = LACKS[feature]
        if self.name == "server":
            pytest.skip(reason)

    def has(self, feature: str) -> bool:
        """Whether the engine can do this."""
        assert feature in LACKS
        return self.name != "server"


@contextmanager
def engine(name: str, folder: Path) -> Iterator[EngineUnderTest]:
    """An engine with an empty store, stopped at the end."""
    if name == "chdb":
        with open_store(folder / "school's store") as chdb:
            yield EngineUnderTest(name, chdb)
        return
    if why := servers.lacking():
        pytest.skip(why)
    process = servers.server(folder / "server")
    try:
        process.start()
        with ServerStore(address(process)) as store:
            yield EngineUnderTest(name, store)
    finally:
        process.kill()


def address(*processes: servers.Process, user: str = "default", password: str = "", cluster: str = "") -> Address:
    """The address of servers of tests."""
    hosts = tuple(("127.0.0.1", process.port) for process in processes)
    return Address(hosts, user, password, secure=False, cluster=cluster)
