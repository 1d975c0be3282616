"""Episodes of a week under pseudonyms, each with what it is told by: the Episodes page (pseudonymous mode only).

A row says what was scheduled and how sure the rules are; the whole chain of evidence is `pipeline.why`. Nothing here
knows a name: only a look-up (pipeline.lookup) leads to one, by two people and for a reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from dashboards.day import days_with_data
from dashboards.queries import Row, ask
from dashboards.schools import SchoolInfo
from dashboards.week import monday_of, week_of
from pipeline.contest import statuses

if TYPE_CHECKING:
    from pipeline.store import Store

KEPT_DAYS = 28
"""Longest that an episode is shown; it leaves the store then, unless it is contested."""


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode. `first` and `last` minute in UTC; `states`: minutes by what was scheduled; `contest`: '' if none."""

    id: str
    day: date
    pseudonym: str
    service: str
    kind: str
    first: datetime
    last: datetime
    minutes: int
    grade: str
    confidence: str
    states: Mapping[str, int]
    contest: str


@dataclass(frozen=True, slots=True)
class EpisodesView:
    """Everything the Episodes page shows. `why_none`: '' if there is a list to show, however short."""

    school: SchoolInfo
    week: str
    monday: date
    days: tuple[tuple[date, tuple[Episode, ...]], ...]
    previous: str
    following: str
    why_none: str

    @property
    def count(self) -> int:
        """How many episodes there are."""
        return sum(len(found) for _, found in self.days)


def episodes_view(store: Store, school: SchoolInfo, week: str | None, now: datetime) -> EpisodesView:
    """The episodes of a week (the latest with data if None). Raises WeekError."""
    today = now.astimezone(school.tz).date()
    known = sorted({week_of(d) for d in days_with_data(store, school) if today - d <= timedelta(days=KEPT_DAYS)})
    week = week or (known[-1] if known else week_of(today))
    monday = monday_of(week)
    if school.mode != "pseudonymous":
        none = "This school keeps sums only (mode aggregate): there are no episodes to show."
        return EpisodesView(school, week, monday, (), "", "", none)
    rows = ask(store, "episodes", school=school.id, from_=monday, to=monday + timedelta(days=6))
    contested = statuses(store, school.id)
    days: dict[date, list[Episode]] = {}
    for row in rows:
        days.setdefault(row["day"], []).append(_episode(row, contested.get(row["id"], "")))
    return EpisodesView(
        school,
        week,
        monday,
        tuple((day, tuple(found)) for day, found in sorted(days.items(), reverse=True)),
        max((w for w in known if w < week), default=""),
        min((w for w in known if w > week), default=""),
        "",
    )


def _episode(row: Row, contest: str) -> Episode:
    states: Counter[str] = Counter()
    for text in row["states"]:
        found = json.loads(text or "{}")
        states.update({str(state): int(minutes) for state, minutes in found.items()})
    return Episode(
        row["id"], row["day"], row["pseudonym"], row["service"], row["kind"], row["first"], row["final"],
        row["minutes"], row["grade"], row["confidence"], dict(states.most_common()), contest,
    )  # fmt: skip
