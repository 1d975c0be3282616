"""A small store for the tests of the pages, the boards and the report."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboards.schools import SchoolInfo, find_school
from pipeline.store import ChdbStore, open_store
from tests.dashboards import sample_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    """The sample store; made anew for each module, because a process opens one store at a time."""
    with open_store(tmp_path_factory.mktemp("seen") / "store") as store:
        sample_store.fill(store)
        yield store


@pytest.fixture(scope="module")
def school(store: ChdbStore) -> SchoolInfo:
    """Ysgol Enghraifft as the store knows it."""
    return find_school(store, sample_store.SCHOOL)
