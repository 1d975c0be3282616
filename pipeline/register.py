"""What the pages must know besides sums: who the school is (`school_info`), what sort of day it was (`school_day`) and
when the bells rang (`bell`); and what explains them: the wording behind each version of the rules (`rulebook`) and of
the catalogue (`catalogue_version`).

These tables keep the row written last, so a row is written only where it would change something; a second replay of the
same capture writes nothing. Knows the school's files and the store, no traffic.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime

import numpy as np

from pipeline import schema
from pipeline.aggregate import EVERYBODY, SMALLEST_GROUP
from pipeline.assess import Assessor
from pipeline.calendar import DayKind, school_day
from pipeline.place import bands
from pipeline.school import School
from pipeline.store import Store
from pipeline.terms import term_at


class Register:
    """Keeps one school's rows of these tables as its files have them. `now` gives Unix seconds."""

    def __init__(self, store: Store, assessor: Assessor, now: Callable[[], float]) -> None:
        self._store = store
        self._assessor = assessor
        self._now = now
        self._days: set[int] = set()

    def school(self) -> None:
        """The school's row: name, zone, mode, notice date, sizes of the groups that may be shown; and its versions."""
        school, groups = self._assessor.school, self._assessor.groups
        settings = school.settings
        sizes = {EVERYBODY: len(school.staff)}
        sizes |= {name: int((groups.of_person == n).sum()) for n, name in enumerate(groups.names)}
        sizes = {name: size for name, size in sizes.items() if size >= SMALLEST_GROUP}
        row: dict[str, object] = {
            "school": settings.id,
            "name": settings.name,
            "zone": settings.zone,
            "mode": settings.mode,
            "notice": settings.notice_date.isoformat() if settings.notice_date else "",
            "group_sizes": json.dumps(sizes),
            "version": school.version,
        }
        self._keep("school_info", [row], {"updated": int(self._now())}, "1")
        book, catalogue = self._assessor.rulebook, self._assessor.catalogue
        kept: dict[str, object] = {"school": settings.id, "policy": book.version, "content": book.content}
        self._keep("rulebook", [kept], {"updated": int(self._now())}, "policy = {policy:String}", policy=book.version)
        words = {service.id: [service.kind.value, service.action.value] for service in catalogue.services.values()}
        kept = {"school": settings.id, "catalogue": catalogue.version, "services": json.dumps(words, sort_keys=True)}
        where = "catalogue = {catalogue:String}"
        self._keep("catalogue_version", [kept], {"updated": int(self._now())}, where, catalogue=catalogue.version)
        self._name_days()

    def _name_days(self) -> None:
        """School days that are stored without their term's name get it: an older version wrote none."""
        school = self._assessor.school
        nameless = {"kind": DayKind.SCHOOL.value, "name": ""}
        found = self._store.query(
            f"SELECT day FROM {schema.DATABASE}.school_day FINAL "
            "WHERE school = {school:String} AND kind = {kind:String} AND name = {name:String}",
            {"school": school.settings.id, **nameless},
        )
        days = [date.fromisoformat(str(day)) for (day,) in found.rows]
        told = [(day, name) for day in days if (name := _term_name(school, day))]
        rows: list[dict[str, object]] = [
            {"school": school.settings.id, "day": day, "kind": nameless["kind"], "name": name} for day, name in told
        ]
        self._keep("school_day", rows, {"updated": int(self._now())}, "kind = {kind:String}", kind=nameless["kind"])

    def day(self, minute: int) -> None:
        """What sort of day the local day is that a UTC minute lies in, and its bells; looked at once a day."""
        school, clock = self._assessor.school, self._assessor.places.clock
        ordinal = int(clock.split(np.array([minute], np.uint32))[0][0])
        if ordinal in self._days:
            return
        day = date.fromordinal(ordinal)
        on = school_day(school, day)
        called = dict.fromkeys(row.value for row in on.rows if row.kind == on.kind.value and row.hours is None)
        name = _term_name(school, day) if on.kind is DayKind.SCHOOL else "; ".join(filter(None, called))
        told: dict[str, object] = {"school": school.settings.id, "day": day, "kind": on.kind.value, "name": name}
        self._keep("school_day", [told], {"updated": int(self._now())}, "day = {day:Date}", day=day)
        rows: list[dict[str, object]] = [
            {
                "school": school.settings.id,
                "day": day,
                "slot": slot,
                "kind": str(kind),
                "start": clock.utc(day, start) * 60,
                "end": clock.utc(day, end) * 60,
                "week": self._assessor.places.plan(ordinal).week,
            }
            for slot, kind, start, end in bands(school, day)
        ]
        self._keep("bell", rows, dict(self._assessor.versions), "day = {day:Date}", day=day)
        self._days.add(ordinal)

    def _keep(
        self, table: str, rows: list[dict[str, object]], dated: dict[str, object], where: str, **params: object
    ) -> None:
        """Writes the rows that the table does not have; `dated` columns are written but not compared."""
        if not rows:
            return
        names = tuple(rows[0])
        sql = (
            f"SELECT {', '.join(f'`{name}`' for name in names)} FROM {schema.DATABASE}.{table} FINAL "
            f"WHERE school = {{school:String}} AND {where}"
        )
        stored = self._store.query(sql, {"school": self._assessor.school.settings.id, **params}).rows
        there = {tuple(map(_plain, row)) for row in stored}
        missing = [row for row in rows if tuple(map(_plain, row.values())) not in there]
        if missing:
            columns = {name: [row[name] for row in missing] for name in names}
            columns |= {name: [value] * len(missing) for name, value in dated.items()}
            key = json.dumps([list(map(str, row.values())) for row in missing])
            self._store.insert(table, columns, f"{key}/{int(self._now())}")


def _term_name(school: School, day: date) -> str:
    """The name of the term that a school day lies in; '' outside all terms."""
    term = term_at(school.calendar, day)
    return term.name if term and day <= term.last else ""


def _plain(value: object) -> object:
    """Times as Unix seconds, to compare what is written with what is read."""
    return int(value.timestamp()) if isinstance(value, datetime) else value
