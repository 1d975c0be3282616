"""The first day of a new catalogue version is judged twice, by the version before too, and the difference kept (E15).

What a version says of each service (its kind, and what is done with its use) is in the store (`catalogue_version`), so
the version before can be judged by even after an upgrade. A service that it did not have counts as ignored; one that
only it had is named by no sensor any more, and cannot be compared. Host names are those of the newer: both see the
slices that the sensor named by the newer one. The first day is that of the first window stored under the new version,
so whoever computes a window again finds the same difference. It decides nothing: outcomes are those of the new version.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from pipeline.aggregate import EVERYBODY, Columns
from pipeline.assess import Assessor, Rows
from pipeline.gather import Clients
from pipeline.schema import DATABASE
from pipeline.store import Store
from pipeline.traffic import I64, Traffic
from sensor.catalogue import Catalogue
from sensor.words import Action, Kind

Words = Mapping[str, tuple[str, str]]
"""What a catalogue version says of each service: kind, action."""

_Key = tuple[str, str, str]  # service, kind, outcome


class DualRun:
    """Judges windows of the first day of a catalogue `version` by the version before, too. `first_day` None: it has
    none yet, and the first window that comes begins it."""

    def __init__(self, before: Assessor, version: str, first_day: date | None) -> None:
        self._before = before
        self._version = version
        self._first_day = first_day

    def compare(self, rows: dict[int, Rows], traffic: Traffic, clients: Clients, windows: I64) -> None:
        """Adds the rows of `catalogue_change` to the rows of these windows, as far as they are of the first day."""
        days = {start: _day(found) for start, found in rows.items()}
        if self._first_day is None:
            self._first_day = min(days.values(), default=None)
        chosen = [start for start, day in days.items() if day == self._first_day]
        if not chosen:
            return
        old = self._before.rows(traffic, clients, windows, Counter())
        for start in chosen:
            if change := difference(old.get(start, {}).get("use_day", {}), rows[start].get("use_day", {})):
                n = len(change["service"])
                rows[start]["catalogue_change"] = change | {
                    "school": [self._before.school.settings.id] * n,
                    "day": [days[start]] * n,
                    "start": [start * 60] * n,
                    "catalogue_before": [self._before.catalogue.version] * n,
                    "policy": [self._before.versions["policy"]] * n,
                    "catalogue": [self._version] * n,
                    "timetable": [self._before.versions["timetable"]] * n,
                }


def difference(old: Columns, new: Columns) -> Columns:
    """Rows of `use_day` by two versions -> service, kind, outcome and the minutes that each gives them, where they
    differ; {} if they do not."""
    before, after = _minutes(old), _minutes(new)
    keys = sorted(key for key in {*before, *after} if before[key] != after[key])
    if not keys:
        return {}
    return {
        "service": [key[0] for key in keys],
        "kind": [key[1] for key in keys],
        "outcome": [key[2] for key in keys],
        "before": [before[key] for key in keys],
        "after": [after[key] for key in keys],
    }


def _minutes(rows: Columns) -> Counter[_Key]:
    found: Counter[_Key] = Counter()
    if rows:
        names = ("level", "people", "service", "kind", "outcome", "minutes")
        for level, people, service, kind, outcome, minutes in zip(*(rows[name] for name in names), strict=True):
            if level == "service" and people == EVERYBODY:
                found[str(service), str(kind), str(outcome)] += int(str(minutes))
    return found


def begin(store: Store, assessor: Assessor) -> DualRun | None:
    """The dual run that the assessor's catalogue version needs; None if it has no version before it, or one of which
    the store does not say what it was."""
    school, version = assessor.school.settings.id, assessor.catalogue.version
    found = store.query(
        f"SELECT DISTINCT catalogue, window FROM {DATABASE}.batch WHERE school = {{school:String}}", {"school": school}
    ).rows
    windows: dict[str, list[int]] = {}
    for catalogue, window in found:
        windows.setdefault(str(catalogue), []).append(_unix(window))
    began = min(windows.get(version, []), default=None)
    earlier = {
        name: max(at for at in starts if began is None or at < began)
        for name, starts in windows.items()
        if name != version and (began is None or min(starts) < began)
    }
    if not earlier:
        return None
    last = max(earlier, key=lambda name: (earlier[name], name))
    kept = store.query(
        f"SELECT services FROM {DATABASE}.catalogue_version FINAL WHERE school = {{school:String}} "
        "AND catalogue = {catalogue:String}",
        {"school": school, "catalogue": last},
    ).rows
    if not kept:
        return None
    words = {service: (kind, action) for service, (kind, action) in json.loads(str(kept[0][0])).items()}
    first_day = None
    if began is not None:
        first_day = datetime.fromtimestamp(began, ZoneInfo(assessor.school.settings.zone)).date()
    return DualRun(by_version(assessor, last, words), version, first_day)


def by_version(assessor: Assessor, version: str, words: Words) -> Assessor:
    """The assessor with what an earlier catalogue version said; services that it did not have are ignored."""
    services = {}
    for service in assessor.catalogue.services.values():
        kind, action = words.get(service.id, (service.kind.value, Action.IGNORE.value))
        services[service.id] = replace(service, kind=Kind(kind), action=Action(action))
    own = {name: entry for name, entry in assessor.profile.services.items() if name in words}
    profile = replace(assessor.profile, services=MappingProxyType(own))
    hosts = assessor.catalogue.hosts  # which services have hosts for pictures plays a part in what is use
    return replace(assessor, catalogue=Catalogue(version, services, hosts, {}), profile=profile)


@dataclass(frozen=True, slots=True)
class Change:
    """How many minutes of a service had an outcome by the version before and by the new one, on its first day."""

    day: date
    before: str
    after: str
    service: str
    kind: str
    outcome: str
    minutes_before: int
    minutes_after: int


def changes(store: Store, school: str) -> tuple[Change, ...]:
    """What the dual runs of a school have found, the newest first."""
    rows = store.query(
        "SELECT day, catalogue_before, catalogue, service, kind, outcome, sum(before), sum(after) "
        f"FROM {DATABASE}.catalogue_change WHERE school = {{school:String}} "
        "GROUP BY day, catalogue_before, catalogue, service, kind, outcome "
        "ORDER BY day DESC, catalogue, service, kind, outcome",
        {"school": school},
    ).rows
    return tuple(
        Change(_date(day), str(was), str(now), str(service), str(kind), str(outcome), int(str(b)), int(str(a)))
        for day, was, now, service, kind, outcome, b, a in rows
    )


def _day(rows: Rows) -> date:
    return _date(rows["coverage"]["day"][0])


def _date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _unix(value: object) -> int:
    return int(value.timestamp()) if isinstance(value, datetime) else int(str(value))
