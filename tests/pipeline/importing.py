"""Imports without disk: from texts to the files that a school would have."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from pipeline.imports.read import Asked, Import, read_import
from pipeline.imports.said import parse_entries
from pipeline.imports.tables import ImportRefused
from pipeline.place import place_day
from pipeline.rows import Week
from pipeline.school import School
from pipeline.settings import SchoolSettings
from pipeline.words import State

SETTINGS = SchoolSettings(id="test", name="Test", zone="Europe/London")
STATES = list(State)
Text = str | bytes


def imported(
    files: Mapping[str, Text],
    present: Mapping[str, Text] | None = None,
    *entries: str,
    maps: Mapping[str, Mapping[str, str]] | None = None,
    **asked: Any,
) -> Import:
    """An import of files into present ones; `entries` are those of --map."""
    for name in ("first", "last"):
        if isinstance(asked.get(name), str):
            asked[name] = date.fromisoformat(asked[name])
    if "week" in asked:
        asked["week"] = Week(asked["week"].lower())
    return read_import(
        {name: as_bytes(text) for name, text in files.items()},
        {name: as_bytes(text) for name, text in (present or {}).items()},
        SETTINGS,
        maps or {},
        Asked(entries=parse_entries(entries), **asked),
    )


def refused(files: Mapping[str, Text], present: Mapping[str, Text] | None = None, *entries: str, **asked: Any) -> str:
    """The message with which an import is refused: one line."""
    with pytest.raises(ImportRefused) as caught:
        imported(files, present, *entries, **asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def rows_of(found: Import, table: str) -> list[dict[str, str]]:
    """The rows of a table after an import."""
    return list(csv.DictReader(io.StringIO(found.merged.files[f"{table}.csv"].decode())))


def cells(found: Import, table: str, *columns: str) -> list[tuple[str, ...]]:
    """Some cells of these rows, sorted."""
    return sorted(tuple(row[column] for column in columns) for row in rows_of(found, table))


def as_bytes(text: Text) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def state_at(school: School, person: str, day: str, clock: str) -> str:
    """What a person is scheduled to do in a minute."""
    plan = place_day(school, date.fromisoformat(day))
    minute = int(clock[:2]) * 60 + int(clock[3:])
    return STATES[plan.state[school.numbers[person], minute]].value
