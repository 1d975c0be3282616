"""The Grafana boards: committed as generated, well-formed, answered by chDB, pushed through the HTTP API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from dashboards.grafana.boards import BOARDS, FOLDER, rendered, write_all
from dashboards.grafana.check import check
from dashboards.grafana.macros import MacroError, expand
from dashboards.grafana.panels import PLUGIN, WIDTH
from dashboards.grafana.push import PushError, push
from dashboards.queries import ask, questions
from dashboards.schools import SchoolInfo
from pipeline.store import ChdbStore
from tests.dashboards.sample_store import DAY, SCHOOL

PANELS = [(name, panel) for name, board in BOARDS.items() for panel in board["panels"]]


@pytest.mark.parametrize("name", BOARDS)
def test_the_committed_json_is_what_the_code_makes(name: str) -> None:
    committed = (FOLDER / f"{name}.json").read_text("utf-8")
    assert committed == rendered(name), "run: python -m dashboards.grafana"


def test_no_other_json_is_committed(tmp_path: Path) -> None:
    assert {p.name for p in write_all(tmp_path)} == {p.name for p in FOLDER.glob("*.json")}


@pytest.mark.parametrize("name", BOARDS)
def test_panels_have_own_ids_and_do_not_overlap(name: str) -> None:
    panels = BOARDS[name]["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for box in (p["gridPos"] for p in panels):
        cells = {(x, y) for x in range(box["x"], box["x"] + box["w"]) for y in range(box["y"], box["y"] + box["h"])}
        assert not cells & taken
        assert box["x"] + box["w"] <= WIDTH
        taken |= cells


def test_boards_have_uids_of_their_own() -> None:
    assert len({b["uid"] for b in BOARDS.values()}) == len(BOARDS)
    assert all(len(b["uid"]) <= 40 for b in BOARDS.values())


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda v: v if isinstance(v, str) else v["title"])
def test_every_panel_is_a_named_question_with_units(board: str, panel: dict[str, Any]) -> None:
    (target,) = panel["targets"]
    asked = [q for q in questions().values() if q.for_grafana() == target["rawSql"]]
    assert [q.title for q in asked] == [panel["title"]]
    assert panel["description"] == asked[0].about
    assert target["datasource"]["type"] == PLUGIN
    for override in panel["fieldConfig"]["overrides"]:
        assert "unit" in {p["id"] for p in override["properties"]}


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=lambda v: v if isinstance(v, str) else v["title"])
def test_only_health_has_thresholds(board: str, panel: dict[str, Any]) -> None:
    for override in panel["fieldConfig"]["overrides"]:
        if "thresholds" in {p["id"] for p in override["properties"]}:
            assert override["matcher"]["options"].endswith("_share")


def test_every_query_of_every_board_answers(store: ChdbStore, school: SchoolInfo) -> None:
    found = check(store, school, DAY)
    assert {c.board for c in found} == set(BOARDS)
    assert [c for c in found if c.fault] == []
    assert [c for c in found if not c.rows] == []


def test_a_panel_shows_the_pages_figures(store: ChdbStore, school: SchoolInfo) -> None:
    (panel,) = (p for p in BOARDS["today"]["panels"] if p["type"] == "timeseries")
    start, end = datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 17, 23, 59, 59, tzinfo=UTC)
    sql = expand(panel["targets"][0]["rawSql"], start, end, {"school": SCHOOL, "zone": school.zone})
    result = store.query(sql)
    assert [dict(zip(result.columns, row, strict=True)) for row in result.rows] == ask(
        store, "day_by_five", school=SCHOOL, day=DAY
    )


def test_days_are_the_schools_own_in_summer(store: ChdbStore) -> None:
    """23:30 UTC on 15 June is already the 16th in Britain."""
    sql = questions()["day_totals"].for_grafana()
    late = datetime(2026, 6, 15, 23, 30, tzinfo=UTC)
    ((total, *_),) = store.query(expand(sql, late, late, {"school": "ysgol-haf", "zone": "Europe/London"})).rows
    assert total


def test_a_value_with_a_quote_stays_a_value(store: ChdbStore) -> None:
    sql = questions()["days"].for_grafana()
    now = datetime(2026, 11, 17, tzinfo=UTC)
    assert store.query(expand(sql, now, now, {"school": "x' OR '1' = '1", "zone": "UTC"})).rows == []


@pytest.mark.parametrize("sql", ["SELECT ${pupil:sqlstring}", "SELECT $__interval_s", "SELECT ${school}", "SELECT $x"])
def test_the_expander_refuses_what_it_does_not_know(sql: str) -> None:
    now = datetime(2026, 11, 17, tzinfo=UTC)
    with pytest.raises(MacroError):
        expand(sql, now, now, {"school": "s", "zone": "UTC"})


def test_bells_are_annotations() -> None:
    for board in BOARDS.values():
        (note,) = board["annotations"]["list"]
        assert note["target"]["rawSql"] == questions()["day_bells"].for_grafana()
        assert note["enable"]


def test_provisioning_names_the_same_data_source_and_folder() -> None:
    source = (FOLDER / "provisioning/datasources/schoolgate.yaml").read_text("utf-8")
    assert re.search(rf"^    type: {PLUGIN}$", source, re.M)
    assert re.search(r"^      protocol: native$", source, re.M)
    assert "password: $SCHOOLGATE_CLICKHOUSE_PASSWORD" in source
    assert "folderUid: schoolgate" in (FOLDER / "provisioning/dashboards/schoolgate.yaml").read_text("utf-8")


class _Grafana(BaseHTTPRequestHandler):
    """A strict stand-in for the few calls of Grafana's HTTP API that `push` makes."""

    token = "glsa_secret"
    folders: dict[str, str]
    boards: dict[str, dict[str, Any]]
    calls: list[str]

    def do_GET(self) -> None:
        if self.path == "/grafana/api/folders":
            return self._answer(200, [{"uid": u, "title": t} for u, t in self.folders.items()])
        return self._answer(404, {"message": "not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/grafana/api/folders":
            if body["uid"] in self.folders:
                return self._answer(409, {"message": "exists"})
            self.folders[body["uid"]] = body["title"]
            return self._answer(200, body)
        if self.path == "/grafana/api/dashboards/db":
            board = body["dashboard"]
            if body["folderUid"] not in self.folders or (board["uid"] in self.boards and not body["overwrite"]):
                return self._answer(412, {"message": "precondition failed"})
            self.boards[board["uid"]] = board
            return self._answer(200, {"uid": board["uid"], "url": f"/d/{board['uid']}", "status": "success"})
        return self._answer(404, {"message": "not found"})

    def _answer(self, status: int, body: object) -> None:
        if self.headers["authorization"] != f"Bearer {self.token}":
            status, body = 401, {"message": "Unauthorized"}
        self.calls.append(f"{self.command} {self.path} {status}")
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def grafana() -> Iterator[tuple[str, type[_Grafana]]]:
    handler = type("Handler", (_Grafana,), {"folders": {}, "boards": {}, "calls": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/grafana", handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_push_is_idempotent(grafana: tuple[str, type[_Grafana]]) -> None:
    url, server = grafana
    assert push(url, server.token) == ["/d/schoolgate-today", "/d/schoolgate-health"]
    assert push(url + "/", server.token) == ["/d/schoolgate-today", "/d/schoolgate-health"]
    assert server.folders == {"schoolgate": "Schoolgate"}
    assert server.boards["schoolgate-today"] == {**BOARDS["today"], "id": None}
    assert server.calls.count("POST /grafana/api/folders 200") == 1


def test_push_says_what_went_wrong(grafana: tuple[str, type[_Grafana]]) -> None:
    url, _ = grafana
    with pytest.raises(PushError, match="check the address, and that the token's account may edit"):
        push(url, "wrong")
    with pytest.raises(PushError, match="is no address of a Grafana"):
        push("grafana.example.org", "x")


def test_push_to_nobody_is_a_push_error() -> None:
    with pytest.raises(PushError, match="check the address"):
        push("http://127.0.0.1:9", "x", timeout=1)


def test_the_week_board_covers_the_whole_week(store: ChdbStore, school: SchoolInfo) -> None:
    rows = {c.panel: c.rows for c in check(store, school, DAY) if c.board == "sensor-health"}
    assert rows["Coverage, by day"] == 5  # Wednesday 11 to Tuesday 17 November, without the weekend
