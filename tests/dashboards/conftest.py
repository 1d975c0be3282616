"""A small store for the tests of the pages, the boards and the report; the browser; and a school with accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from dashboards.schools import SchoolInfo, find_school
from dashboards.settings import PageSettings
from pipeline.store import ChdbStore, open_store
from tests.dashboards import sample_store
from tests.dashboards.browser import chromium
from tests.dashboards.schoolhouse import Schoolhouse


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; tests that want it are skipped where there is none (tests.dashboards.browser.CHROMIUM)."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def house(store: ChdbStore, tmp_path: Path) -> Schoolhouse:
    """The sample school with its pages; nobody has an account yet."""
    return Schoolhouse(store, tmp_path / "school")


@pytest.fixture
def make_house(store: ChdbStore, tmp_path: Path) -> Callable[[PageSettings], Schoolhouse]:
    """The same with settings of its pages."""
    return lambda settings: Schoolhouse(store, tmp_path / "school", settings)
