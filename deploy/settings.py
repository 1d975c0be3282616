"""The settings file: `schoolgate.toml` read, checked as a whole, and explained.

It joins the tables that the packages define for themselves; what a key means and which values it takes is said
there. All that is wrong in a file is reported at once, each with file, line, key and mend.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, Field, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails

from dashboards.settings import PageSettings, ReportSettings
from pipeline.alerts.settings import AlertSettings
from pipeline.settings import FeedSettings, PrivacySettings, SchoolSettings, StoreSettings
from pipeline.toml_lines import Key, key_lines, line_of
from sensor.settings import Refusal, SegmentRule, SensorSettings, Table

FILE_NAME = "schoolgate.toml"
OWN_SERVICES = "services.csv"

M = TypeVar("M", bound=BaseModel)


class SettingsError(ValueError):
    """The settings file cannot be used. One line per error: `FILE:LINE: KEY: what is wrong; mend`."""


class Settings(Table):
    """Everything that a school can set."""

    school: SchoolSettings = Field(description="The school and the rules that it chose.")
    sensor: SensorSettings = Field(default=SensorSettings(), description="Capture, memory, spool and segments.")
    feeds: FeedSettings = Field(default=FeedSettings(), description="Files that tie addresses to staff.")
    store: StoreSettings = Field(default=StoreSettings(), description="Where the aggregates lie.")
    pages: PageSettings = Field(default=PageSettings(), description="The built-in pages.")
    report: ReportSettings = Field(default=ReportSettings(), description="The weekly report.")
    alerts: AlertSettings = Field(default=AlertSettings(), description="Where alerts go, and when.")
    privacy: PrivacySettings = Field(default=PrivacySettings(), description="Who may look, and what is written down.")

    _origins: dict[Key, str] = PrivateAttr(default_factory=dict)  # `FILE:LINE` of each key that the file sets


class Setting(NamedTuple):
    """One setting: dotted key, value as TOML (empty: not set), and where it comes from: `default` or `FILE:LINE`."""

    key: str
    value: str
    origin: str


def load_settings(path: Path) -> Settings:
    """The settings in the file at `path`. Relative paths in it start at its folder; in the result they are absolute.

    Raises SettingsError with one line per error, OSError if the file cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise SettingsError(f"{path}:{line}: the file is not UTF-8; save it as UTF-8") from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax(path, text, str(error))) from None
    lines = key_lines(text)
    refusals = list(_move_segments(tables))
    try:
        settings = Settings.model_validate(tables)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            refusals.extend(_explain(detail))
    if refusals:
        found = sorted((line_of(lines, at), _dotted(at), f"{wrong}; {mend}") for wrong, mend, at in refusals)
        raise SettingsError("\n".join(f"{path}:{line}: {key}: {text}" for line, key, text in found))
    settings = _absolute(settings, path.absolute().parent)
    services = path.absolute().parent / OWN_SERVICES
    if settings.sensor.services is None and services.is_file():
        sensor = settings.sensor.model_copy(update={"services": services})
        settings = settings.model_copy(update={"sensor": sensor})
    settings._origins = {key: f"{path}:{line}" for key, line in lines.items()}
    return settings


def effective(settings: Settings) -> list[Setting]:
    """Every setting as it is used, defaults too, in the order of the tables."""
    shown = []
    for key, value in _leaves(settings, ()):
        written = _as_written(key)
        shown.append(Setting(_dotted(written), _toml(value), settings._origins.get(written, "default")))
    return shown


class Known(NamedTuple):
    """A key that the file may hold: dotted key, default as TOML (empty: not set) or `required`, and what it is for."""

    key: str
    default: str
    about: str


def describe() -> list[Known]:
    """Every key that the file may hold, in the order of the tables; `segment[]` stands for each `[[segment]]` table."""
    known = []
    for table in [*Settings.model_fields, "segment"]:
        for name, field in _model((table,)).model_fields.items():
            if (table, name) != ("sensor", "segments"):
                default = "required" if field.is_required() else _toml(field.default)
                known.append(
                    Known(
                        f"{table}[].{name}" if table == "segment" else f"{table}.{name}",
                        default,
                        field.description or "",
                    )
                )
    return known


# --- what is wrong


def _syntax(path: Path, text: str, message: str) -> str:
    """The error for text that is no TOML; the parser says `WHAT (at line L, column C)`, or `(at end of document)`."""
    what, _, where = message.rpartition(" (at ")
    line = re.match(r"line (\d+)", where)
    number = int(line[1]) if line else text.rstrip("\n").count("\n") + 1
    mend = 'write KEY = VALUE, with text in "quotes" and dates as 2026-09-01'
    return f"{path}:{number}: this is not TOML ({what[:1].lower()}{what[1:]}); {mend}"


def _move_segments(tables: dict[str, object]) -> Iterator[Refusal]:
    """Moves `[[segment]]` to where the model keeps it, in the sensor's table."""
    sensor = tables.setdefault("sensor", {})
    if not isinstance(sensor, dict):
        return
    if "segments" in sensor:
        del sensor["segments"]
        yield Refusal("unknown key", "write each segment as a [[segment]] table", ("sensor", "segments"))
    if "segment" in tables:
        sensor["segments"] = tables.pop("segment")


def _explain(error: ErrorDetails) -> Iterator[Refusal]:
    """The refusals that one error of the validation stands for."""
    at, kind = error["loc"], error["type"]
    written = _as_written(at)
    if kind == "refused":
        for refusal in error["ctx"]["refusals"]:
            yield refusal._replace(at=(*written, *refusal.at))
    elif kind == "extra_forbidden":
        yield Refusal("unknown key", _nearest(at), written)
    elif kind == "missing":
        about = _model(at[:-1]).model_fields[str(at[-1])].description
        yield Refusal("is missing", f"add it: {about}", written)
    elif written == ("segment",):
        yield Refusal("is not a list of tables", "write each segment as a [[segment]] table", written)
    elif kind == "model_type":
        yield Refusal("is not a table", f"write [{written[0]}] and its keys below", written)
    else:
        value = repr(error["input"])
        shown = value if len(value) <= 60 else value[:57] + "..."
        yield Refusal(f"{shown} cannot be used", re.sub("^Input should", "it should", error["msg"]), written)


def _nearest(at: Key) -> str:
    """How to mend an unknown key: the known one that it resembles, or the table that it belongs to."""
    name = str(at[-1])
    known = [key for key in _model(at[:-1]).model_fields if key != "segments"]
    if len(at) == 1:
        known.append("segment")
        for table in Settings.model_fields:
            if name in _model((table,)).model_fields:
                return f"put it into the table [{table}]"
    if near := difflib.get_close_matches(name, known, 1):
        return f"did you mean {near[0]}?"
    return f"remove it; known here: {', '.join(known)}"


# --- walking the tables


def _model(at: Key) -> type[BaseModel]:
    """The class of the table at `at`, a key of the model."""
    if at[:2] in (("segment",), ("sensor", "segments")):
        return SegmentRule
    model: type[BaseModel] = Settings
    for name in at:
        inner = model.model_fields[str(name)].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return model


def _leaves(value: object, at: Key) -> Iterator[tuple[Key, object]]:
    """Every value below the table `value`, with its key; the rules of segments are tables too."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _leaves(getattr(value, name), (*at, name))
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for place, item in enumerate(value):
            yield from _leaves(item, (*at, place))
    else:
        yield at, value


def _absolute(model: M, folder: Path) -> M:
    """The table with every path in it made absolute, seen from `folder`."""
    changed: dict[str, object] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Path):
            changed[name] = folder / value
        elif isinstance(value, BaseModel):
            changed[name] = _absolute(value, folder)
    return model.model_copy(update=changed)


def _as_written(at: Key) -> Key:
    """A key of the model as the file writes it."""
    return ("segment", *at[2:]) if at[:2] == ("sensor", "segments") else at


def _dotted(at: Key) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in at).removeprefix(".")


def _toml(value: object) -> str:
    """A value as TOML writes it; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | date):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)
