"""Does every query of every board run, and can its panel draw the answer? Asked of our own store, macros expanded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from dashboards.grafana.boards import BOARDS
from dashboards.grafana.fields import Json
from dashboards.grafana.macros import expand
from dashboards.grafana.panels import TIME_SERIES
from dashboards.queries import EVERYTHING

if TYPE_CHECKING:
    from dashboards.schools import SchoolInfo
    from pipeline.store import Store


@dataclass(frozen=True, slots=True)
class PanelCheck:
    """What one query of a board gave. `fault` is empty when the panel can draw it."""

    board: str
    panel: str
    rows: int
    columns: tuple[str, ...]
    fault: str


def check(store: Store, school: SchoolInfo, day: date) -> list[PanelCheck]:
    """Run every variable, annotation and panel of every board over the week that ends with `day`."""
    end = datetime.combine(day + timedelta(days=1), time(), school.tz) - timedelta(seconds=1)
    start = datetime.combine(day - timedelta(days=6), time(), school.tz)
    variables = {"school": school.id, "zone": school.zone, "kind": EVERYTHING, "people": EVERYTHING}
    found = []
    for board, panel, sql, shape, wanted in _queries():
        result = store.query(expand(sql, start, end, variables))
        fault = _fault(tuple(result.columns), tuple(result.types), shape, wanted)
        found.append(PanelCheck(board, panel, len(result.rows), tuple(result.columns), fault))
    return found


def _queries() -> Iterator[tuple[str, str, str, int | None, set[str]]]:
    for name, board in BOARDS.items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield name, f"variable {variable['name']}", variable["query"], None, set()
        for note in board["annotations"]["list"]:
            target = note["target"]
            yield name, f"annotation {note['name']}", target["rawSql"], target["format"], {"time", "timeEnd"}
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield name, panel["title"], target["rawSql"], target["format"], _shown(panel)


def _shown(panel: Json) -> set[str]:
    (kept,) = (t["options"]["include"]["names"] for t in panel["transformations"] if t["id"] == "filterFieldsByName")
    return set(kept)


def _fault(columns: tuple[str, ...], types: tuple[str, ...], shape: int | None, wanted: set[str]) -> str:
    if missing := wanted - set(columns):
        return f"the answer lacks {', '.join(sorted(missing))}"
    if shape == TIME_SERIES:
        if not types[0].startswith("DateTime"):
            return f"a time series begins with a time, not {columns[0]} {types[0]}"
        if words := [c for c, t in zip(columns[1:], types[1:], strict=True) if "Int" not in t and "Float" not in t]:
            return f"a time series holds numbers, not {', '.join(words)}"
    return ""
