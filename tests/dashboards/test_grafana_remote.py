"""The boards in a running Grafana: pushed, compared and fetched through its HTTP API (a strict stand-in)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from dashboards.grafana import remote
from dashboards.grafana.boards import BOARDS
from dashboards.grafana.panels import PLUGIN
from dashboards.grafana.remote import GrafanaError, diff, export, push, told_of
from deploy.commands.grafana import command
from tests.dashboards.grafana_server import Board, Grafana, running

TOKEN = "glsa_editor"
UIDS = {board["uid"] for board in BOARDS.values()}


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine may stand still for a while."""
    monkeypatch.setattr(remote, "TIMEOUT_S", 300.0)


@pytest.fixture
def server() -> Iterator[tuple[str, Grafana]]:
    with running() as found:
        yield found


def actions(url: str, token: str = TOKEN, dry_run: bool = False) -> list[str]:
    return [change.action for change in push(url, token, dry_run)]


def test_a_push_makes_folder_and_boards_and_a_second_one_nothing(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    assert actions(url) == ["created"] * 6
    assert grafana.folders == {"schoolgate": "Schoolgate"}
    assert {uid: board.model for uid, board in grafana.boards.items()} == {b["uid"]: b for b in BOARDS.values()}
    assert {board.folder for board in grafana.boards.values()} == {"schoolgate"}
    before = list(grafana.writes)
    assert actions(url + "/") == ["unchanged"] * 6
    assert grafana.writes == before
    assert diff(url, TOKEN) == []


def test_a_dry_run_writes_nothing(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    assert actions(url, dry_run=True) == ["created"] * 6
    assert grafana.writes == []
    assert not grafana.boards


def test_what_was_changed_by_hand_is_shown_and_replaced(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    push(url, TOKEN)
    theirs = grafana.boards["schoolgate-week"]
    theirs.model = copy.deepcopy(theirs.model)
    theirs.model["panels"][0]["title"] = "Mine"
    lines = diff(url, TOKEN)
    assert lines[:2] == ["--- grafana/week.json", "+++ schoolgate/week.json"]
    changed = [line.strip() for line in lines[2:] if line[0] in "+-"]
    assert [line[0] for line in changed] == ["-", "+"]
    assert '"title": "Mine"' in changed[0]
    assert [change.action for change in push(url, TOKEN, dry_run=True)].count("replaced") == 1
    assert actions(url).count("replaced") == 1
    assert (theirs.version, grafana.boards["schoolgate-week"].version) == (1, 2)
    assert grafana.boards["schoolgate-week"].messages == ["schoolgate grafana push"] * 2
    assert diff(url, TOKEN) == []


def test_a_panel_more_is_a_difference_and_what_grafana_adds_is_none(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    push(url, TOKEN)
    model = copy.deepcopy(grafana.boards["schoolgate-today"].model)
    model["preload"] = False  # newer versions of Grafana write keys of their own
    grafana.boards["schoolgate-today"].model = model
    assert diff(url, TOKEN) == []
    model["panels"].append({"id": 99, "type": "text", "title": "Mine"})
    assert any("Mine" in line for line in diff(url, TOKEN))


MODEL = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4),
    max_leaves=20,
)


def added(model: Any, draw: Callable[[Any], Any]) -> Any:
    """What Grafana might make of a model: keys that it has not, everywhere."""
    if isinstance(model, dict):
        more = draw(st.dictionaries(st.sampled_from(["u", "v"]), MODEL, max_size=2))
        return more | {name: added(value, draw) for name, value in model.items()}
    return [added(value, draw) for value in model] if isinstance(model, list) else model


@given(st.data(), MODEL)
def test_what_grafana_adds_anywhere_is_no_difference(data: st.DataObject, model: Any) -> None:
    assert told_of(added(model, data.draw), model) == model


def test_a_board_that_changes_while_it_is_pushed_is_not_overwritten(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    push(url, TOKEN)
    board = grafana.boards["schoolgate-today"]
    board.model = board.model | {"title": "Older"}

    def somebody() -> None:
        board.version += 1

    grafana.before_save = somebody
    with pytest.raises(GrafanaError, match=r"changed by someone else; somebody changed it in the meantime: look at"):
        push(url, TOKEN)
    assert board.model["title"] == "Older"


def test_a_board_stays_in_the_folder_it_was_moved_to(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    push(url, TOKEN)
    grafana.folders["ours"] = "Our own"
    board = grafana.boards["schoolgate-today"]
    board.folder, board.model = "ours", board.model | {"title": "Older"}
    push(url, TOKEN)
    assert grafana.boards["schoolgate-today"].folder == "ours"
    assert grafana.boards["schoolgate-today"].model == BOARDS["today"]


def test_provisioned_boards_are_left_alone(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    push(url, TOKEN)
    grafana.boards["schoolgate-today"].provisioned = True
    grafana.boards["schoolgate-today"].model = BOARDS["today"] | {"title": "Older"}
    assert actions(url).count("left alone") == 1


def test_a_missing_data_source_is_told_to_who_may_see(server: tuple[str, Grafana]) -> None:
    url, grafana = server
    assert "missing" in actions(url, "glsa_admin")
    grafana.sources.append({"type": PLUGIN, "uid": "x", "name": "ClickHouse"})
    assert "missing" not in actions(url, "glsa_admin")


def test_export_fetches_the_schools_own_boards_too(server: tuple[str, Grafana], tmp_path: Path) -> None:
    url, grafana = server
    push(url, TOKEN)
    own = {**BOARDS["today"], "uid": "own-1", "title": "Own"}
    grafana.boards["own-1"] = Board(own, "schoolgate", 3, 17)
    grafana.boards["other"] = Board({**own, "uid": "other"}, "elsewhere", 1, 18)
    paths = export(url, TOKEN, tmp_path / "kept")
    assert {path.name for path in paths} == {*(f"{name}.json" for name in BOARDS), "own-1.json"}
    kept = json.loads((tmp_path / "kept/own-1.json").read_text("utf-8"))
    assert kept["title"] == "Own"
    assert not {"id", "version"} & kept.keys()


def test_a_uid_that_is_a_path_is_not_written(server: tuple[str, Grafana], tmp_path: Path) -> None:
    url, grafana = server
    grafana.boards["../../x"] = Board(BOARDS["today"], "schoolgate", 1, 1)
    with pytest.raises(GrafanaError, match="is no uid of a dashboard"):
        export(url, TOKEN, tmp_path / "kept")
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize("token", ["wrong", "glsa_viewer"])
def test_refusals_say_what_to_do(server: tuple[str, Grafana], token: str) -> None:
    url, grafana = server
    with pytest.raises(GrafanaError, match="check the token, and that its account may edit dashboards"):
        push(url, token)
    assert not grafana.boards


@pytest.mark.parametrize("url", ["grafana.example.org", "ftp://grafana", "https://", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(GrafanaError, match="is no address of a Grafana"):
        push(url, TOKEN)


def test_nobody_at_the_address_is_told() -> None:
    with pytest.raises(GrafanaError, match="check the address"):
        push("http://127.0.0.1:9", TOKEN)


def test_the_commands_push_compare_and_fetch(server: tuple[str, Grafana], tmp_path: Path) -> None:
    url, grafana = server
    at = ["--url", url]
    run = CliRunner(env={"GRAFANA_TOKEN": TOKEN})
    dry = run.invoke(command, ["push", *at, "--dry-run"])
    assert (dry.exit_code, dry.output.count("created"), grafana.writes) == (0, 6, [])
    missing = run.invoke(command, ["diff", *at])
    assert (missing.exit_code, missing.output.count("+++ schoolgate/")) == (1, len(BOARDS))
    assert run.invoke(command, ["push", *at]).exit_code == 0
    same = run.invoke(command, ["diff", *at])
    assert (same.exit_code, same.output) == (0, "")
    assert run.invoke(command, ["export", *at, str(tmp_path)]).output.count(".json") == len(BOARDS)
    refused = run.invoke(command, ["push", "--url", url, "--token", "wrong"])
    assert refused.exit_code == 1
    assert "check the token" in refused.output
