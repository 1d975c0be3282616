"""One small store for all tests of the pages, the boards and the report, opened once in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.schools import SchoolInfo, find_school
from pipeline.store import ChdbStore, open_store
from tests.dashboards import sample_store


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    """The sample store; closed with the last test of this folder, because a process opens one store at a time."""
    with open_store(tmp_path_factory.mktemp("seen") / "store") as store:
        sample_store.fill(store)
        yield store


@pytest.fixture(scope="package")
def school(store: ChdbStore) -> SchoolInfo:
    """Ysgol Enghraifft as the store knows it."""
    return find_school(store, sample_store.SCHOOL)
