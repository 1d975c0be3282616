"""Does every query of every board run, and can its panel draw the answer? Asked of our own store, macros expanded.

A panel promises columns by the names of its fields, and what they hold by their units: minutes, counts and shares are
numbers, times are times. The first column of a time series is its time, the others are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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

WEEK = 7
"""Days that a check looks at unless told otherwise."""
_TIMES = ("time", "dateTime")  # units that begin so are of times
_WORDS = "none"


@dataclass(frozen=True, slots=True)
class PanelCheck:
    """What one query of a board gave. `fault` is empty when the panel can draw it."""

    board: str
    panel: str
    rows: int
    columns: tuple[str, ...]
    fault: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of a board: its SQL for Grafana, the shape its panel needs, units of the columns it shows by name, and
    how many weeks it looks back where it has a span of its own."""

    board: str
    panel: str
    sql: str
    shape: int | None
    units: Mapping[str, str]
    weeks: int = 0


def check(
    store: Store,
    school: SchoolInfo,
    day: date,
    days: int = WEEK,
    kind: str = EVERYTHING,
    group: str = EVERYTHING,
) -> list[PanelCheck]:
    """Run every variable, annotation and panel of every board over the days that end with `day`."""
    end = datetime.combine(day + timedelta(days=1), time(), school.tz) - timedelta(seconds=1)
    variables = {"school": school.id, "zone": school.zone, "kind": kind, "group": group}
    found = []
    for asked in queries():
        span = 7 * asked.weeks or days
        start = datetime.combine(day - timedelta(days=span - 1), time(), school.tz)
        result = store.query(expand(asked.sql, start, end, variables))
        fault = _fault(dict(zip(result.columns, result.types, strict=True)), asked)
        found.append(PanelCheck(asked.board, asked.panel, len(result.rows), tuple(result.columns), fault))
    return found


def queries() -> Iterator[Asked]:
    """Every query of every board."""
    for name, board in BOARDS.items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield Asked(name, f"variable {variable['name']}", variable["query"], None, {})
        for note in board["annotations"]["list"]:
            asked, times = note["target"], dict.fromkeys(("time", "timeEnd"), "time")
            yield Asked(name, f"annotation {note['name']}", asked["rawSql"], asked["format"], times)
        for panel in board["panels"]:
            weeks = int(found[1]) if (found := re.fullmatch(r"(\d+)w", panel.get("timeFrom", ""))) else 0
            for asked in panel["targets"]:
                yield Asked(name, panel["title"], asked["rawSql"], asked["format"], _shown(panel), weeks)


def _shown(panel: Json) -> Mapping[str, str]:
    """The columns that the panel keeps, with their units; its time has none of its own."""
    (kept,) = (t["options"]["include"]["names"] for t in panel["transformations"] if t["id"] == "filterFieldsByName")
    units = {
        override["matcher"]["options"]: p["value"]
        for override in panel["fieldConfig"]["overrides"]
        for p in override["properties"]
        if p["id"] == "unit"
    }
    return {name: units.get(name, "time") for name in kept}


def _fault(types: Mapping[str, str], asked: Asked) -> str:
    if missing := asked.units.keys() - types.keys():
        return f"the answer lacks {', '.join(sorted(missing))}"
    for name, unit in asked.units.items():
        if unit.startswith(_TIMES) and "Date" not in types[name]:
            return f"{name} is shown as a time and is {types[name]}"
        if not unit.startswith(_TIMES) and unit != _WORDS and not _number(types[name]):
            return f"{name} is shown as a number of {unit} and is {types[name]}"
    if asked.shape == TIME_SERIES:
        first, *others = types.items()
        if not first[1].startswith("DateTime"):
            return f"a time series begins with a time, not {first[0]} {first[1]}"
        if words := [name for name, kind in others if not _number(kind)]:
            return f"a time series holds numbers, not {', '.join(words)}"
    return ""


def _number(kind: str) -> bool:
    return "Int" in kind or "Float" in kind
