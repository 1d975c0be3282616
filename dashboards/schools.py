"""Which schools a store holds and what it knows about each: enough to draw pages from the store alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dashboards.queries import Row, ask

if TYPE_CHECKING:
    from pipeline.store import Store


class NoSuchSchool(ValueError):
    """The store has no school of that id."""


@dataclass(frozen=True, slots=True)
class SchoolInfo:
    """One school (tenant). `notice` is the day from which monitoring was announced; `group_sizes` staff per group."""

    id: str
    name: str
    zone: str
    mode: str
    notice: date | None
    group_sizes: Mapping[str, int]

    @property
    def tz(self) -> ZoneInfo:
        return ZoneInfo(self.zone)


def schools(store: Store) -> tuple[SchoolInfo, ...]:
    """Every school of the store, by id."""
    return tuple(_info(row) for row in ask(store, "schools"))


def find_school(store: Store, school: str | None) -> SchoolInfo:
    """The school of that id, or the first one if none is named; NoSuchSchool otherwise."""
    known = schools(store)
    for info in known:
        if school in (None, info.id):
            return info
    if school is None:
        raise NoSuchSchool("the store holds no school yet; replay a capture or start the sensor first")
    raise NoSuchSchool(f"no school {school!r} in this store; it holds {', '.join(i.id for i in known) or 'none'}")


def _info(row: Row) -> SchoolInfo:
    return SchoolInfo(
        id=row["school"],
        name=row["name"] or row["school"],
        zone=row["zone"],
        mode=row["mode"],
        notice=date.fromisoformat(row["notice"]) if row["notice"] else None,
        group_sizes={group: int(size) for group, size in json.loads(row["group_sizes"] or "{}").items()},
    )
