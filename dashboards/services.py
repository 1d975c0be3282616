"""Kinds and services over a day, a week or a term, by outcome, and how the last weeks went: the Services page.

A term is a run of school days without a gap of more than TERM_GAP days: the store keeps bells, not the calendar. The
trend is always of whole weeks up to the end of the span, so that a day and a term show the same line. It formats for
people but knows no HTML; nothing here counts people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.bars import Bar, outcome_bar
from dashboards.day import days_with_data
from dashboards.queries import Row, ask
from dashboards.schools import SchoolInfo

if TYPE_CHECKING:
    from pipeline.store import Store

TERM_GAP = 12
"""Days without a bell that part two terms: half-term takes nine, Christmas and Easter sixteen."""
LONGEST_TERM = 140
"""Days looked back for the first day of a term."""
TREND_WEEKS = 9


class Span(StrEnum):
    """How much of the past is summed up."""

    DAY = "day"
    WEEK = "week"
    TERM = "term"


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind (service '') or a service. `bar`: (outcome, offset, width) in per cent; `trend`: minutes week by week."""

    kind: str
    service: str
    name: str
    row: Row
    bar: Bar
    trend: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class KindEntries:
    """A kind of service and its services, the most used first."""

    kind: Entry
    services: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class ServicesView:
    """Everything the Services page shows. `first` and `last` are days of the school's zone, both included."""

    school: SchoolInfo
    span: Span
    day: date
    first: date
    last: date
    previous: date | None
    following: date | None
    weeks: tuple[date, ...]
    kinds: tuple[KindEntries, ...]
    totals: Row


def services_view(store: Store, school: SchoolInfo, span: Span, day: date | None, now: datetime) -> ServicesView:
    """The span around a day (the latest with data if None) as it stands in the store."""
    known = days_with_data(store, school)
    day = day or (known[0] if known else now.astimezone(school.tz).date())
    first, last = _days(store, school, span, day)
    between: dict[str, object] = {"school": school.id, "from_": first, "to": last}
    end = last - timedelta(days=last.weekday())
    weeks = tuple(end - timedelta(weeks=n) for n in reversed(range(TREND_WEEKS)))
    trend = _trend(ask(store, "services_by_week", school=school.id, from_=weeks[0], to=end + timedelta(days=6)), weeks)
    kinds = ask(store, "week_by_kind", **between)
    services = ask(store, "week_services", **between)
    widest = max((row["total"] for row in kinds), default=0)
    (totals,) = ask(store, "week_totals", **between)
    return ServicesView(
        school=school,
        span=span,
        day=day,
        first=first,
        last=last,
        previous=max((d for d in known if d < first), default=None),
        following=min((d for d in known if d > last), default=None),
        weeks=weeks,
        kinds=tuple(
            KindEntries(
                _entry({**row, "service": ""}, widest, trend),
                tuple(_entry(s, widest, trend) for s in services if s["kind"] == row["kind"]),
            )
            for row in kinds
        ),
        totals=totals,
    )


def term_of(school_days: Sequence[date], day: date) -> tuple[date, date]:
    """The first and last of the school days (in order) around a day that no gap parts from it; the day alone if none.

    A day in a gap belongs to what came before it."""
    before = [d for d in school_days if d <= day]
    if not before:
        return day, day
    first = last = before[-1]
    for d in reversed(before):
        if (first - d).days > TERM_GAP:
            break
        first = d
    for d in school_days:
        if d > last and (d - last).days <= TERM_GAP:
            last = d
    return first, max(last, day)


def _days(store: Store, school: SchoolInfo, span: Span, day: date) -> tuple[date, date]:
    if span is Span.DAY:
        return day, day
    if span is Span.WEEK:
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    around = timedelta(days=LONGEST_TERM)
    rows = ask(store, "school_days", school=school.id, from_=day - around, to=day + around)
    return term_of([row["day"] for row in rows], day)


def _trend(rows: Sequence[Row], weeks: Sequence[date]) -> Mapping[tuple[str, str], tuple[int, ...]]:
    """(kind, service) -> minutes of each week; weeks without use are 0."""
    found: dict[tuple[str, str], dict[date, int]] = {}
    for row in rows:
        found.setdefault((row["kind"], row["service"]), {})[row["week"]] = row["total"]
    return {key: tuple(by_week.get(week, 0) for week in weeks) for key, by_week in found.items()}


def _entry(row: Row, widest: int, trend: Mapping[tuple[str, str], tuple[int, ...]]) -> Entry:
    kind, service = row["kind"], row["service"]
    name = words.service_name(service) if service else words.kind_name(kind)
    return Entry(kind, service, name, row, outcome_bar(row, widest), trend.get((kind, service), (0,) * TREND_WEEKS))
