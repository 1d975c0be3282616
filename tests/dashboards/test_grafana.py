"""The Grafana boards: committed as generated, well-formed, answered by chDB."""

from __future__ import annotations

import itertools
import json
import math
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from dashboards.grafana.boards import BOARDS, CERTAINTIES, FOLDER, LINES, PACKETS, SHARES, rendered, write_all
from dashboards.grafana.check import check
from dashboards.grafana.fields import GOOD, KINDS, OUTCOMES, POOR
from dashboards.grafana.health import GRAFANA, GrafanaFacts
from dashboards.grafana.macros import MacroError, expand
from dashboards.grafana.panels import PLUGIN, WIDTH
from dashboards.grafana.provision import HOME, write
from dashboards.grafana.remote import FOLDER_UID
from dashboards.queries import PARAMETERS, ask, questions
from dashboards.schools import SchoolInfo
from pipeline.roles import AGGREGATES, names_of
from pipeline.schema import DATABASE
from pipeline.store import ChdbStore
from tests.dashboards.sample_store import DAY, MONDAY, SCHOOL, local
from tests.dashboards.test_queries import VALUES

FRIDAY, SUNDAY = MONDAY + timedelta(4), MONDAY + timedelta(6)
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
            assert board in ("today", "sensor-health", "wikipedia-edits")
            assert override["matcher"]["options"] in {*(f.name for f in SHARES), "delay", "failed"}


def test_every_query_of_every_board_answers(store: ChdbStore, school: SchoolInfo) -> None:
    found = check(store, school, DAY)
    assert {c.board for c in found} == set(BOARDS)
    assert [c for c in found if c.fault] == []
    assert [c for c in found if not c.rows] == []


def test_a_panel_shows_the_pages_figures(store: ChdbStore, school: SchoolInfo) -> None:
    (panel,) = (p for p in BOARDS["today"]["panels"] if p["type"] == "timeseries")
    start, end = datetime(2026, 11, 17, tzinfo=UTC), datetime(2026, 11, 17, 23, 59, 59, tzinfo=UTC)
    chosen = {"school": SCHOOL, "zone": school.zone, "kind": "all"}
    sql = expand(panel["targets"][0]["rawSql"], start, end, chosen)
    result = store.query(sql)
    assert [dict(zip(result.columns, row, strict=True)) for row in result.rows] == ask(
        store, "day_by_five", school=SCHOOL, day=DAY
    )


@pytest.mark.parametrize("name", questions())
def test_grafana_and_pages_get_the_same_answer(store: ChdbStore, school: SchoolInfo, name: str) -> None:
    """The two renderings of one file, asked for the same days."""
    question = questions()[name]
    start = local(MONDAY, "00:00")
    end = local(DAY + timedelta(days=1), "00:00") - timedelta(seconds=1)
    result = store.query(expand(question.for_grafana(), start, end, {n: str(v) for n, v in VALUES.items()}))
    asked = question.ask(store, **{n: VALUES[n] for n in question.params})
    assert [dict(zip(result.columns, row, strict=True)) for row in result.rows] == asked


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 21), date(2026, 12, 31)])
@pytest.mark.parametrize("zone", ["Europe/London", "Pacific/Auckland", "America/St_Johns", "UTC"])
def test_a_whole_local_day_is_that_day_in_grafana(store: ChdbStore, zone: str, day: date) -> None:
    """Also when the clocks change on it."""
    midnight = datetime.combine(day, datetime.min.time(), ZoneInfo(zone))
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), ZoneInfo(zone)) - timedelta(milliseconds=1)
    sql = "SELECT " + ", ".join(PARAMETERS[name].in_grafana for name in ("from", "to", "day"))
    assert store.query(expand(sql, midnight, end, {"zone": zone})).rows == [(day, day, day)]


def test_days_are_the_schools_own_in_summer(store: ChdbStore) -> None:
    """23:30 UTC on 15 June is already the 16th in Britain."""
    everything = {"zone": "Europe/London", "kind": "all", "group": "all"}
    sql = questions()["day_totals"].for_grafana()
    late = datetime(2026, 6, 15, 23, 30, tzinfo=UTC)
    ((total, *_),) = store.query(expand(sql, late, late, everything | {"school": "ysgol-haf"})).rows
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


def test_bells_and_school_events_are_annotations() -> None:
    for name, board in BOARDS.items():
        asked = [note["target"]["rawSql"] for note in board["annotations"]["list"]]
        bells = {"today": ["day_bells"], "week": ["bell_periods"]}.get(name, [])
        assert asked == [questions()[question].for_grafana() for question in (*bells, "events")]


def test_events_are_told_in_words(store: ChdbStore) -> None:
    span = {"school": SCHOOL, "zone": "Europe/London", "from_": MONDAY, "to": SUNDAY}
    rows = ask(store, "events", **span)
    told = {row["tags"]: row["text"] for row in rows}
    assert told["inset"] == "INSET day: Staff training"
    assert told["pause"] == "Monitoring paused"
    assert told["correction"] == "37 minutes judged again after a correction of the school files"
    (inset,) = (row for row in rows if row["tags"] == "inset")
    assert (inset["time"], inset["timeEnd"]) == (local(FRIDAY, "00:00"), local(FRIDAY, "00:00") + timedelta(days=1))
    first = ask(store, "events", **span | {"from_": date(2026, 9, 1)})
    assert {row["text"] for row in first if row["tags"] == "import"} == {"School files of version f00dcafe"}


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_offers_the_variables_that_it_has(name: str) -> None:
    offered = {variable["name"] for variable in BOARDS[name]["templating"]["list"]}
    asked = set(re.findall(r"\$\{(\w+)[:}]", json.dumps(BOARDS[name]["panels"])))
    assert offered == asked - {"__url_time_range"} | {"zone"}
    assert {"school", "source"} < offered
    if name in ("today", "week", "services"):
        assert {"kind", "group"} < offered


@pytest.mark.parametrize("name", BOARDS)
def test_boards_lead_to_each_other(name: str) -> None:
    uids = {board["uid"] for board in BOARDS.values()}
    for panel in BOARDS[name]["panels"]:
        for link in panel.get("links", []):
            assert re.match(r"/d/([\w-]+)\?", link["url"])[1] in uids - {BOARDS[name]["uid"]}  # type: ignore[index]
    (link,) = BOARDS[name]["links"]
    assert (link["type"], link["tags"]) == ("dashboards", BOARDS[name]["tags"])


def test_grafanas_user_may_read_what_the_boards_ask() -> None:
    asked = set(re.findall(r"schoolgate\.(\w+)", "".join(rendered(name) for name in BOARDS)))
    assert asked <= set(AGGREGATES)


LIKE: dict[str, list[list[float]]] = {  # Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "all": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}


def lab(colour: str, eyes: str) -> list[float]:
    """CIE L*a*b* of a colour as these eyes see it."""
    rgb = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    seen = [min(1, max(0, sum(a * b for a, b in zip(row, linear, strict=True)))) for row in LIKE[eyes]]
    weights = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [
        sum(a * b for a, b in zip(row, seen, strict=True)) / n
        for row, n in zip(weights, (0.9505, 1, 1.089), strict=True)
    ]
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


PALETTES = {
    "outcomes": [field.colour for field in OUTCOMES],
    "kinds": [field.colour for field in KINDS],
    "health": [GOOD, POOR],
    "certainties": [field.colour for field in CERTAINTIES],
    "shares": [field.colour for field in LINES],
    "packets": [field.colour for field in PACKETS],
}


@pytest.mark.parametrize("eyes", LIKE)
@pytest.mark.parametrize("palette", PALETTES)
def test_colours_are_told_apart_by_all_eyes(palette: str, eyes: str) -> None:
    """A difference of 5 is plain to see beside each other; neighbours in a stack are what must differ."""
    for one, next_ in itertools.pairwise(PALETTES[palette]):
        assert one is not None
        assert next_ is not None
        assert math.dist(lab(one, eyes), lab(next_, eyes)) > 12, f"{one} {next_}"


def test_provisioning_is_written_as_grafana_reads_it(tmp_path: Path) -> None:
    paths = write(tmp_path / "etc")
    assert {p.relative_to(tmp_path / "etc").as_posix() for p in paths} == {
        "provisioning/datasources/schoolgate.yaml",
        "provisioning/dashboards/schoolgate.yaml",
        *(f"schoolgate/{name}.json" for name in BOARDS),
    }
    (source,) = yaml.safe_load(paths[1].read_text("utf-8"))["datasources"]
    assert source["type"] == PLUGIN
    assert source["jsonData"]["username"] == names_of(["ysgol-a"])[0]
    assert (source["jsonData"]["protocol"], source["jsonData"]["port"], source["jsonData"]["secure"]) == (
        "native",
        9440,
        True,
    )
    assert source["jsonData"]["defaultDatabase"] == DATABASE
    assert source["secureJsonData"] == {"password": "$SCHOOLGATE_CLICKHOUSE_PASSWORD"}
    (provider,) = yaml.safe_load(paths[0].read_text("utf-8"))["providers"]
    assert provider["folderUid"] == FOLDER_UID
    assert {p.name for p in Path(provider["options"]["path"]).iterdir()} == {f"{name}.json" for name in BOARDS}


def test_the_shipped_provider_names_grafanas_own_folder() -> None:
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/schoolgate.yaml").read_text("utf-8"))["providers"]
    assert provider["options"]["path"] == f"{HOME}/schoolgate"


def test_the_week_board_covers_the_whole_week(store: ChdbStore, school: SchoolInfo) -> None:
    rows = {c.panel: c.rows for c in check(store, school, DAY) if c.board == "sensor-health"}
    assert rows["Coverage, by day"] == 5  # Wednesday 11 to Tuesday 17 November, without the weekend


def test_the_check_says_whether_grafana_can_read_the_store() -> None:
    (embedded,) = GRAFANA.examine(GrafanaFacts(()))
    assert "its boards need a ClickHouse server (store.servers)" in embedded.sentence
    (server,) = GRAFANA.examine(GrafanaFacts(("db1.example:9440",)))
    assert (server.value, server.severity) == ("db1.example:9440", "ok")
