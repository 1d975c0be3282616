"""Builders for the parts of a Grafana board: plain typed functions that return the JSON model (schema version 42).

Every panel is drawn from one named question: its title, description and SQL come from the `.sql` file. The builders
know Grafana's model and our palette; which panels a board has is for `boards`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards import words
from dashboards.queries import questions
from pipeline.words import Reason

Json = dict[str, Any]

PLUGIN = "grafana-clickhouse-datasource"
PLUGIN_VERSION = "4.20.0"
SOURCE: Json = {"type": PLUGIN, "uid": "${source}"}
TIME_SERIES, TABLE = 0, 1
WIDTH = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a panel stands, in grid units."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an answer as a panel shows it. `least` is the share below which health warns; never for staff."""

    name: str
    label: str
    unit: str = "none"
    colour: str | None = None
    least: float | None = None
    texts: Mapping[str, str] | None = None


MINUTES = "m"
SHARE = "percentunit"
COUNT = "short"

OUTCOMES = tuple(Field(o.value, look.label, MINUTES, look.light) for o, look in words.LOOKS.items())
KIND = Field("kind", "Kind of service", texts={k.value: label for k, label in words.KINDS.items()})
REASON = Field("reason", "Reason", texts={r.value: r.sentence for r in Reason})


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


def bars_over_time(id_: int, question: str, box: Box, fields: Sequence[Field]) -> Json:
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
    return _over_time(id_, question, box, fields, custom)


def lines_over_time(id_: int, question: str, box: Box, fields: Sequence[Field]) -> Json:
    """One line per field; a five minutes without data is a gap, not a zero."""
    custom = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "spanNulls": False, "showPoints": "never"}
    return _over_time(id_, question, box, fields, custom)


def _over_time(id_: int, question: str, box: Box, fields: Sequence[Field], custom: Json) -> Json:
    panel = _panel(id_, "timeseries", question, box, fields, TIME_SERIES, keep=["time"])
    panel["interval"] = "5m"
    panel["fieldConfig"]["defaults"] |= {"custom": custom, "min": 0}
    panel["options"] = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "none"},
    }
    return panel


def numbers(id_: int, question: str, box: Box, fields: Sequence[Field]) -> Json:
    """One large number per field of a one-row answer."""
    panel = _panel(id_, "stat", question, box, fields, TABLE)
    panel["options"] = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "/.*/", "values": False},
        "colorMode": "value" if any(f.least is not None for f in fields) else "none",
        "graphMode": "none",
        "justifyMode": "center",
        "orientation": "vertical",
        "textMode": "value_and_name",
        "wideLayout": True,
    }
    return panel


def table(id_: int, question: str, box: Box, fields: Sequence[Field]) -> Json:
    """The answer as a table, columns in the order of `fields`."""
    panel = _panel(id_, "table", question, box, fields, TABLE)
    order = {f.name: i for i, f in enumerate(fields)}
    panel["transformations"].append({"id": "organize", "options": {"indexByName": order}})
    panel["options"] = {"showHeader": True, "cellHeight": "sm"}
    return panel


def bars(id_: int, question: str, box: Box, across: Field, fields: Sequence[Field]) -> Json:
    """Stacked bars, one per row of the answer; `across` names them."""
    panel = _panel(id_, "barchart", question, box, [across, *fields], TABLE)
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


def board(uid: str, title: str, about: str, panels: Sequence[Json], start: str, end: str) -> Json:
    """A whole dashboard with its variables, bells as annotations and links to its neighbours."""
    return {
        "uid": uid,
        "title": title,
        "description": about,
        "tags": ["schoolgate"],
        "schemaVersion": 42,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "weekStart": "monday",
        "refresh": "5m",
        "time": {"from": start, "to": end},
        "templating": {"list": _variables()},
        "annotations": {"list": [_bells()]},
        "links": [
            {
                "type": "dashboards",
                "title": "Schoolgate",
                "tags": ["schoolgate"],
                "asDropdown": False,
                "includeVars": True,
                "keepTime": False,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "",
                "url": "",
            }
        ],
        "panels": list(panels),
    }


def _panel(
    id_: int, kind: str, question: str, box: Box, fields: Sequence[Field], shape: int, keep: Sequence[str] = ()
) -> Json:
    asked = questions()[question]
    names = [*keep, *(f.name for f in fields)]
    return {
        "id": id_,
        "type": kind,
        "title": asked.title,
        "description": asked.about,
        "datasource": SOURCE,
        "gridPos": {"x": box.x, "y": box.y, "w": box.w, "h": box.h},
        "targets": [target(question, shape)],
        "transformations": [{"id": "filterFieldsByName", "options": {"include": {"names": names}}}],
        "fieldConfig": {"defaults": {}, "overrides": [_override(f) for f in fields]},
    }


def _override(field: Field) -> Json:
    properties: list[Json] = [{"id": "displayName", "value": field.label}, {"id": "unit", "value": field.unit}]
    if field.colour:
        properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": field.colour}})
    if field.unit == SHARE:
        properties += [{"id": "min", "value": 0}, {"id": "max", "value": 1}, {"id": "decimals", "value": 0}]
    if field.least is not None:
        steps = [{"color": "orange", "value": None}, {"color": "green", "value": field.least}]
        properties += [
            {"id": "thresholds", "value": {"mode": "absolute", "steps": steps}},
            {"id": "color", "value": {"mode": "thresholds"}},
        ]
    if field.texts:
        options = {word: {"text": text, "index": i} for i, (word, text) in enumerate(field.texts.items())}
        properties.append({"id": "mappings", "value": [{"type": "value", "options": options}]})
    return {"matcher": {"id": "byName", "options": field.name}, "properties": properties}


def _variables() -> list[Json]:
    schools = questions()["schools"].sql
    zone = f"SELECT zone FROM ({schools}) AS s WHERE school = ${{school:sqlstring}}"
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
        # the plugin takes the first column as the value and the second as the text
        _query_variable("school", "School", schools, hide=0),
        _query_variable("zone", "Time zone", zone, hide=2),
    ]


def _query_variable(name: str, label: str, sql: str, hide: int) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": sql,
        "hide": hide,
        "refresh": 1,
        "sort": 0,
        "multi": False,
        "includeAll": False,
    }


def _bells() -> Json:
    """Bell periods as regions: Grafana takes `time` and `timeEnd` by name, and the first text (the slot) as label."""
    asked = questions()["day_bells"]
    return {
        "name": asked.title,
        "enable": True,
        "hide": False,
        "iconColor": "#8a97a6",
        "datasource": SOURCE,
        "target": target("day_bells", TABLE),
    }
