"""Kinds and services over a day, a week or a term, by outcome, and how the last weeks went: the Services page.

A term is that of the school's calendar (pipeline.terms), whose name the store has with each school day: the same term
that the governors' report is of and that pseudonyms hold for. The trend is always of whole weeks up to the end of the
span, so that a day and a term show the same line. It formats for people but knows no HTML; nothing here counts people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.bars import Bar, outcome_bar
from dashboards.day import beside, days_with_data
from dashboards.queries import Row, ask
from dashboards.schools import SchoolInfo

if TYPE_CHECKING:
    from pipeline.store import Store

LONGEST_TERM = 200
"""Days looked back for the first day of a term, and on for its last."""
TREND_WEEKS = 9


Trend = tuple[int | None, ...]
"""Minutes of each of TREND_WEEKS weeks."""


class Span(StrEnum):
    """How much of the past is summed up."""

    DAY = "day"
    WEEK = "week"
    TERM = "term"


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind (service '') or a service. `bar`: (outcome, offset, width) in per cent; `trend`: minutes week by week,
    None of a week of which nothing was seen."""

    kind: str
    service: str
    name: str
    row: Row
    bar: Bar
    trend: Trend

    @property
    def spoken(self) -> str:
        """The trend for who does not see it."""
        return ", ".join("–" if minutes is None else f"{minutes:,}" for minutes in self.trend)


@dataclass(frozen=True, slots=True)
class KindEntries:
    """A kind of service and its services, the most used first."""

    kind: Entry
    services: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ServicesView:
    """Everything the Services page shows. `first` and `last` are days of the school's zone, both included; `term`: the
    name of the term, where the span is one."""

    school: SchoolInfo
    span: Span
    day: date
    first: date
    last: date
    term: str
    previous: date | None
    following: date | None
    weeks: tuple[date, ...]
    kinds: tuple[KindEntries, ...]
    totals: Row


def services_view(store: Store, school: SchoolInfo, span: Span, day: date | None, now: datetime) -> ServicesView:
    """The span around a day (the latest with data if None) as it stands in the store."""
    known = days_with_data(store, school)
    day = day or (known[0] if known else now.astimezone(school.tz).date())
    term, first, last = _days(store, school, span, day)
    between: dict[str, object] = {"school": school.id, "from_": first, "to": last}
    end = last - timedelta(days=last.weekday())
    weeks = tuple(end - timedelta(weeks=n) for n in reversed(range(TREND_WEEKS)))
    rows = ask(store, "services_by_week", school=school.id, from_=weeks[0], to=end + timedelta(days=6))
    seen = frozenset(day - timedelta(days=day.weekday()) for day in known)
    trend = _trend(rows, weeks, seen)
    none: Trend = tuple(0 if week in seen else None for week in weeks)
    kinds = ask(store, "week_by_kind", **between)
    services = ask(store, "week_services", **between)
    widest = max((row["total"] for row in kinds), default=0)
    (totals,) = ask(store, "week_totals", **between)
    previous, following = beside(known, first, last)
    return ServicesView(
        school=school,
        span=span,
        day=day,
        first=first,
        last=last,
        term=term,
        previous=previous,
        following=following,
        weeks=weeks,
        kinds=tuple(
            KindEntries(
                _entry({**row, "service": ""}, widest, trend, none),
                tuple(_entry(s, widest, trend, none) for s in services if s["kind"] == row["kind"]),
            )
            for row in kinds
        ),
        totals=totals,
    )


def term_of(days: Sequence[Row], day: date) -> tuple[str, date, date]:
    """The name of the term that a day belongs to, by the answer of `sorts_of_day`, and its first and last day of which
    anything is known; the day alone, without a name, if none began by then. A holiday belongs to the term before, an
    INSET day to that of the school day nearest to it."""
    school = [(row["day"], row["name"]) for row in days if row["kind"] == "school" and row["name"]]
    inset = [row["day"] for row in days if row["kind"] == "inset"] if school else []
    named = sorted([*school, *((at, min(school, key=lambda one: (abs(one[0] - at), one[0]))[1]) for at in inset)])
    name = next((called for at, called in reversed(named) if at <= day), "")
    within = [at for at, called in named if called == name]
    return (name, min(within), max(within)) if within else ("", day, day)


def _days(store: Store, school: SchoolInfo, span: Span, day: date) -> tuple[str, date, date]:
    """The name of the span's term, '' if it is none, and its days."""
    if span is Span.DAY:
        return "", day, day
    if span is Span.WEEK:
        monday = day - timedelta(days=day.weekday())
        return "", monday, monday + timedelta(days=6)
    around = timedelta(days=LONGEST_TERM)
    name, first, last = term_of(ask(store, "sorts_of_day", school=school.id, from_=day - around, to=day + around), day)
    return name, first, max(last, day)


def _trend(rows: Sequence[Row], weeks: Sequence[date], seen: frozenset[date]) -> Mapping[tuple[str, str], Trend]:
    """(kind, service) -> minutes of each week: 0 without use, None where nothing was seen at all."""
    found: dict[tuple[str, str], dict[date, int]] = {}
    for row in rows:
        found.setdefault((row["kind"], row["service"]), {})[row["week"]] = row["total"]
    return {
        key: tuple(by_week.get(week, 0 if week in seen else None) for week in weeks) for key, by_week in found.items()
    }


def _entry(row: Row, widest: int, trend: Mapping[tuple[str, str], Trend], none: Trend) -> Entry:
    kind, service = row["kind"], row["service"]
    name = words.service_name(service) if service else words.kind_name(kind)
    return Entry(kind, service, name, row, outcome_bar(row, widest), trend.get((kind, service), none))
