"""Builders for the parts of a Grafana board: plain typed functions that return the JSON model (schema version 42).

Every panel is drawn from one named question: its title, description and SQL come from the `.sql` file. The builders
know Grafana's model; how a column looks is for `fields`, which panels a board has is for `boards`. What the model may
hold is checked by the tests against the types of @grafana/schema, so the builders need no library of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards import words
from dashboards.grafana.fields import Field, Json, override
from dashboards.queries import EVERYTHING, questions

PLUGIN = "grafana-clickhouse-datasource"
PLUGIN_VERSION = "4.20.0"
SOURCE: Json = {"type": PLUGIN, "uid": "${source}"}
TIME_SERIES, TABLE = 0, 1
WIDTH = 24
"""Columns of Grafana's grid."""
SCHEMA = 42
"""Version of the classic dashboard model that the boards are written in."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a panel stands, in grid units."""

    x: int
    y: int
    w: int
    h: int


def target(question: str, shape: int) -> Json:
    """One query of a panel or an annotation."""
    return {
        "refId": "A",
        "datasource": SOURCE,
        "editorType": "sql",
        "queryType": "timeseries" if shape == TIME_SERIES else "table",
        "format": shape,
        "pluginVersion": PLUGIN_VERSION,
        "rawSql": questions()[question].for_grafana(),
    }


def bars_over_time(question: str, box: Box, fields: Sequence[Field]) -> Json:
    """Stacked bars, one per five minutes and field."""
    custom = {
        "drawStyle": "bars",
        "fillOpacity": 100,
        "lineWidth": 0,
        "barAlignment": 1,
        "barWidthFactor": 0.85,
        "stacking": {"mode": "normal", "group": "A"},
        "showPoints": "never",
    }
    return _over_time(question, box, fields, custom)


def lines_over_time(question: str, box: Box, fields: Sequence[Field]) -> Json:
    """One line per field; a five minutes without data is a gap, not a zero."""
    custom = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "spanNulls": False, "showPoints": "never"}
    return _over_time(question, box, fields, custom)


def _over_time(question: str, box: Box, fields: Sequence[Field], custom: Json) -> Json:
    panel = _panel("timeseries", question, box, fields, TIME_SERIES, keep=["time"])
    panel["interval"] = "5m"
    panel["fieldConfig"]["defaults"] |= {"custom": custom, "min": 0}
    panel["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    return panel


def numbers(question: str, box: Box, fields: Sequence[Field]) -> Json:
    """One large number per field of a one-row answer."""
    panel = _panel("stat", question, box, fields, TABLE)
    panel["options"] = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False},
        "colorMode": "value" if any(f.steps for f in fields) else "none",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "vertical",
        "textMode": "value_and_name",
        "wideLayout": True,
    }
    return panel


def table(question: str, box: Box, fields: Sequence[Field]) -> Json:
    """The answer as a table, columns in the order of `fields`."""
    panel = _panel("table", question, box, fields, TABLE)
    order = {f.name: i for i, f in enumerate(fields)}
    panel["transformations"].append({"id": "organize", "options": {"indexByName": order}})
    panel["options"] = {"showHeader": True, "cellHeight": "sm"}
    return panel


def bars(question: str, box: Box, across: Field, fields: Sequence[Field]) -> Json:
    """Stacked bars, one per row of the answer; `across` names them."""
    panel = _panel("barchart", question, box, [across, *fields], TABLE)
    panel["fieldConfig"]["defaults"] |= {"custom": {"fillOpacity": 100, "lineWidth": 0}, "min": 0}
    panel["options"] = {
        "xField": across.name,
        "orientation": "auto",
        "stacking": "normal",
        "showValue": "never",
        "barWidth": 0.8,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    return panel


def board(
    uid: str,
    title: str,
    about: str,
    panels: Sequence[Json],
    time: tuple[str, str],
    bells: str,
    events: bool = True,
) -> Json:
    """A whole dashboard: panels are numbered as they come; only the variables are offered that its questions have.

    `bells`: the question whose answers are drawn behind the panels as bell periods; '' for none.
    """
    numbered = [{"id": number, **panel} for number, panel in enumerate(panels, 1)]
    asked = "".join(target["rawSql"] for panel in numbered for target in panel["targets"])
    notes = [_annotation(bells, "#8a97a6")] if bells else []
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["schoolgate"],
        "schemaVersion": SCHEMA,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "weekStart": "monday",
        "refresh": "5m",
        "time": {"from": time[0], "to": time[1]},
        "templating": {"list": [v for v in _variables() if v["name"] in ALWAYS or f"${{{v['name']}:" in asked]},
        "annotations": {"list": [*notes, *([_annotation("events", "#7d6bb0")] if events else [])]},
        "links": [_link("dashboards", "Schoolgate", tags=["schoolgate"])],
        "panels": numbered,
    }


def linked(panel: Json, title: str, uid: str) -> Json:
    """The panel with a link to the board that tells more, for the same school and time."""
    url = f"/d/{uid}?${{school:queryparam}}&${{__url_time_range}}"
    return {**panel, "links": [_link("link", title, url)]}


def _link(kind: str, title: str, url: str = "", tags: Sequence[str] = ()) -> Json:
    """A link to one address, or to all boards with these tags."""
    return {
        "type": kind,
        "title": title,
        "url": url,
        "tags": list(tags),
        "asDropdown": False,
        "includeVars": kind == "dashboards",
        "keepTime": False,
        "targetBlank": False,
        "icon": "external link" if kind == "dashboards" else "",
        "tooltip": "",
    }


def over(panel: Json, span: str) -> Json:
    """The panel over a span of its own (`8w`) up to now, whatever time the board shows."""
    return {**panel, "timeFrom": span, "hideTimeOverride": False}


def _panel(kind: str, question: str, box: Box, fields: Sequence[Field], shape: int, keep: Sequence[str] = ()) -> Json:
    asked = questions()[question]
    names = [*keep, *(f.name for f in fields)]
    return {
        "type": kind,
        "title": asked.title,
        "description": asked.about,
        "datasource": SOURCE,
        "gridPos": {"x": box.x, "y": box.y, "w": box.w, "h": box.h},
        "targets": [target(question, shape)],
        "transformations": [{"id": "filterFieldsByName", "options": {"include": {"names": names}}}],
        "fieldConfig": {"defaults": {}, "overrides": [override(f, kind == "table") for f in fields]},
    }


ALWAYS = ("source", "school", "zone")
"""Variables that every board has."""


def _variables() -> list[Json]:
    """What a board can be narrowed to; the plugin takes an answer's first column as value, the second as text."""
    everything = {"text": "All", "value": EVERYTHING}
    kinds = {EVERYTHING: "All kinds", **{kind.value: label for kind, label in words.KINDS.items()}}
    return [
        {
            "name": "source",
            "label": "Data source",
            "type": "datasource",
            "query": PLUGIN,
            "hide": 0,
            "refresh": 1,
            "multi": False,
            "includeAll": False,
        },
        _query_variable("school", "School", "schools"),
        _query_variable("zone", "Time zone", "school_zone", hide=2),
        {
            "name": "kind",
            "label": "Kind of service",
            "type": "custom",
            "query": ", ".join(f"{text} : {value}" for value, text in kinds.items()),
            "current": everything | {"text": kinds[EVERYTHING]},
            "hide": 0,
            "multi": False,
            "includeAll": False,
        },
        _query_variable("group", "Group of staff", "groups") | {"current": everything},
    ]


def _query_variable(name: str, label: str, question: str, hide: int = 0) -> Json:
    return {
        "name": name,
        "label": label,
        "description": questions()[question].about,
        "type": "query",
        "datasource": SOURCE,
        "query": questions()[question].for_grafana(),
        "hide": hide,
        "refresh": 2,  # whenever the time changes: groups are those of that time
        "sort": 0,
        "multi": False,
        "includeAll": False,
    }


def _annotation(question: str, colour: str) -> Json:
    """Regions or moments: Grafana takes `time`, `timeEnd`, `text` and `tags` by name, or else the first text."""
    return {
        "name": questions()[question].title,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "datasource": SOURCE,
        "target": target(question, TABLE),
    }
