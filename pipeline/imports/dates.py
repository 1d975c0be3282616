"""Dates that are known elsewhere: bank holidays, and the weeks of a two-week cycle from a list of week-A Mondays.

Bank holidays come from the library `holidays`: those of Wales are those of England and Wales. The list of Mondays is a
text file, one date a line; every other week with a school or INSET day in a term is week B: schools count teaching
weeks, each in its own way, so the list has the last word and nothing is counted here.
"""

from __future__ import annotations

from datetime import date, timedelta
from importlib.metadata import version

from pipeline.calendar import DayKind, school_day
from pipeline.imports.known import Known
from pipeline.imports.tables import ImportRefused, Line, Part, Reading
from pipeline.imports.text import decode, read_cells, separator_of
from pipeline.rows import CalendarKind

REGIONS = ("WLS", "ENG", "SCT", "NIR")
_HEADINGS = {"week_a", "week a", "monday", "date", "week-a", "week a monday"}


def bank_holidays(first: date, last: date, region: str) -> Reading:
    """The bank holidays of a part of the United Kingdom in a span of dates."""
    import holidays

    name = f"bank holidays {region}"
    found = holidays.country_holidays("GB", subdiv=region, years=range(first.year, last.year + 1))
    rows = []
    for day, title in sorted(found.items()):
        if first <= day <= last:
            cells = {"date_from": day.isoformat(), "date_to": day.isoformat(), "kind": "bank_holiday", "value": title}
            rows.append(Line(cells, name, 1))
    note = f"from the library holidays {version('holidays')}; compare them with gov.uk/bank-holidays"
    return Reading(name, "bank holidays", (), [Part("calendar", rows, name)], [note])


def read_weeks(file: str, data: bytes, source: str, known: Known) -> Reading:
    """Week letters for every week of the terms; they replace all letters that the calendar has from such a list."""
    if known.terms is None:
        raise ImportRefused(file, 1, "calendar.csv has no terms to put weeks B into", "import the terms first")
    text = decode(file, data)
    mondays: dict[date, Line] = {}
    for row in read_cells(file, text, separator_of(text)):
        at = Line({}, file, row.line)
        if not mondays and row.at(1).casefold() in _HEADINGS:
            continue
        try:
            monday = date.fromisoformat(row.at(1))
        except ValueError:
            raise at.fail(f"{row.at(1)!r} is not a date", "write one Monday a line, as 2026-09-07") from None
        if monday.isoweekday() != 1:
            right = monday - timedelta(monday.isoweekday() - 1)
            raise at.fail(f"{monday} is a {monday:%A}", f"write the Monday of its week, {right}")
        if monday in mondays:
            raise at.fail(f"{monday} is already on line {mondays[monday].line}", "write each week once")
        if not known.terms[0] - timedelta(6) <= monday <= known.terms[1]:
            raise at.fail(f"{monday} lies in no term of calendar.csv", "correct it, or import the terms first")
        mondays[monday] = at
    rows = []
    monday = known.terms[0] - timedelta(known.terms[0].isoweekday() - 1)
    while monday <= known.terms[1]:
        friday = monday + timedelta(4)
        week = (school_day(known.school, monday + timedelta(number)) for number in range(5))
        if monday in mondays or any(day.kind in (DayKind.SCHOOL, DayKind.INSET) for day in week):
            kind = CalendarKind.WEEK_A if monday in mondays else CalendarKind.WEEK_B
            cells = {"date_from": monday.isoformat(), "date_to": friday.isoformat(), "kind": kind.value, "value": ""}
            at = mondays.get(monday, Line({}, file, 1))
            rows.append(Line(cells, at.file, at.line))
        monday += timedelta(7)
    notes = [f"{len(mondays)} weeks A; the {len(rows) - len(mondays)} others of the terms are weeks B"]
    return Reading(source, "weeks A", (file,), [Part("calendar", rows, "weeks")], notes)
