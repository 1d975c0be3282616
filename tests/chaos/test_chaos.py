"""A few rounds of chaos; `deploy/chaos ROUNDS` plays as many as one likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.files import cut
from tests.chaos.rounds import Day, differences, play, undisturbed
from tests.chaos.servers import play as play_server
from tests.conftest import SampleDay
from tests.pipeline import servers


@pytest.fixture(scope="module")
def day(sample_day: SampleDay, tmp_path_factory: pytest.TempPathFactory) -> Day:
    place = tmp_path_factory.mktemp("chaos")
    assert cut(sample_day.folder, sample_day.capture, place / "tables") > 60
    return undisturbed(sample_day.folder, place / "tables", place / "undisturbed")


@pytest.mark.parametrize(
    "faults",
    [
        ("kill owner", "fill disk", "kill both"),
        ("take store", "kill writer", "fill disk"),
    ],
    ids="-".join,
)
def test_whatever_is_killed_filled_or_taken_the_store_is_the_same(
    day: Day, tmp_path: Path, faults: tuple[str, ...]
) -> None:
    """As root; otherwise no disk fills up."""
    round_ = play(day, tmp_path / "round", 1, faults)
    assert round_.wrong == ()
    assert round_.starts > 2 or "fill disk" in [kind for _, kind in round_.faults]


@pytest.mark.skipif(bool(servers.lacking()), reason=servers.lacking())
def test_a_server_may_be_killed_stopped_or_cut_off_and_nothing_is_missing(day: Day, tmp_path: Path) -> None:
    round_ = play_server(day, tmp_path / "round", 1, ("cut network", "kill server", "stop server"))
    assert round_.wrong == ()
    assert len(round_.faults) >= 2


def test_a_row_too_many_and_a_row_too_few_are_seen() -> None:
    one, two = {"use_day": [{"minutes": 1}]}, {"use_day": [{"minutes": 1}, {"minutes": 1}]}
    assert differences(one, one) == ()
    assert len(differences(one, two)) == len(differences(two, one)) == 1
    assert len(differences(one, {"use_day": [{"minutes": 2}]})) == 1
