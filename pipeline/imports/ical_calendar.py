"""The school's own calendar as iCalendar: terms, holidays, closures, INSET days and week letters.

Only whole days count, and INSET with hours. The name that is stored is that of the kind, never the event's text. Events
that are marked free count too: calendars of dates usually are. What is none of these kinds is left out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence

from pipeline.imports.ical_file import Component
from pipeline.imports.tables import Line
from pipeline.rows import CalendarKind

_KINDS = (
    (CalendarKind.INSET, r"inset|hms|training day", "INSET"),
    (CalendarKind.CLOSURE, r"school closed|closed|closure|snow day|ar gau", "Closed"),
    (CalendarKind.BANK_HOLIDAY, r"bank holiday|public holiday|gŵyl y banc|gwyl banc", "Bank holiday"),
    (CalendarKind.HOLIDAY, r"half[ -]?term|holidays?|gwyliau|hanner tymor", "Holiday"),
    (CalendarKind.WEEK_A, r"(?:week|wk|wythnos) ?a", ""),
    (CalendarKind.WEEK_B, r"(?:week|wk|wythnos) ?b", ""),
    (CalendarKind.TERM, r"(?:autumn|spring|summer|christmas|easter) term|term|tymor", "Term"),
)


def calendar_rows(
    file: str, occurrences: Mapping[int, Sequence[Component]], zone: dt.tzinfo
) -> tuple[list[Line], list[str]]:
    """Rows of calendar.csv, and what was left out."""
    rows: dict[tuple[str, ...], Line] = {}
    left = 0
    for line, found in sorted(occurrences.items()):
        for occurrence in found:
            if str(occurrence.get("STATUS", "")).upper() == "CANCELLED":
                continue
            cells = _cells(occurrence, zone)
            if cells is None:
                left += 1
            else:
                rows.setdefault(tuple(cells.values()), Line(cells, file, line))
    return list(rows.values()), [f"{left} events are no dates of a school year and are left out"] if left else []


def _cells(occurrence: Component, zone: dt.tzinfo) -> dict[str, str] | None:
    text = str(occurrence.get("SUMMARY", "")).casefold()
    found = next(((kind, name) for kind, words, name in _KINDS if re.search(rf"(?<!\w)(?:{words})(?!\w)", text)), None)
    if found is None:
        return None
    kind, name = found
    start, end = occurrence["DTSTART"].dt, occurrence["DTEND"].dt
    if isinstance(start, dt.datetime):
        start, end = (m if m.tzinfo is None else m.astimezone(zone) for m in (start, end))
        if kind is not CalendarKind.INSET or start.date() != end.date() or end <= start:
            return None
        first = last = start.date()
        name = f"{start:%H:%M}-{end:%H:%M}"
    else:
        first, last = start, max(end - dt.timedelta(1), start)
    return {"date_from": first.isoformat(), "date_to": last.isoformat(), "kind": kind.value, "value": name}
