"""The terms of a school, told in one way for all: the pages, the governors' report, and the keys of pseudonyms.

Rows of calendar.csv say when term is. Rows of one name that lie together, as half-terms do, are one term; a row without
a name is a term by itself, called by its first day; a name that comes again later gets its first day too, so that no
two terms share a key. A day belongs to the term that began last: holidays belong to the term before. With each school
day the store keeps its term's name (table `school_day`, pipeline.register), for whoever has no files of the school.
What sort of day a day is, holiday or INSET, is not known here: see pipeline.calendar.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.rows import CalendarKind, CalendarRow

TOGETHER = timedelta(days=45)
"""Rows of one name that lie no further apart are parts of one term."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the calendar; `first` and `last` are days of it. No two terms of a calendar have one name."""

    name: str
    first: date
    last: date


def terms(calendar: Iterable[CalendarRow]) -> list[Term]:
    """The terms of a calendar, in order."""
    rows = sorted((row for row in calendar if row.kind is CalendarKind.TERM), key=lambda row: row.date_from)
    spans: dict[str, list[tuple[date, date]]] = {}
    for row in rows:
        name = row.value or row.date_from.isoformat()
        known = spans.setdefault(name, [])
        if known and row.date_from <= known[-1][1] + TOGETHER:
            first, last = known.pop()
            known.append((first, max(last, row.date_to)))
        else:
            known.append((row.date_from, row.date_to))
    found = [
        Term(name if not n else f"{name}, {first.isoformat()}", first, last)
        for name, parts in spans.items()
        for n, (first, last) in enumerate(parts)
    ]
    return sorted(found, key=lambda term: (term.first, term.name))


def term_at(calendar: Iterable[CalendarRow], day: date) -> Term | None:
    """The term that a day belongs to: the latest that began by then; None before the first."""
    return next((term for term in reversed(terms(calendar)) if term.first <= day), None)
