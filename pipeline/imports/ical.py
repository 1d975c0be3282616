"""iCalendar feeds: duties, meetings, cover, exams and absences of people, or the school's own calendar.

Repetitions, exceptions to them, moved and cancelled occurrences are worked out by recurring-ical-events, in the event's
own zone (Outlook's names of zones and X-WR-TIMEZONE too); times without a zone are the school's. Events that are
cancelled, or marked free, count for nothing. Of the text only the kind is kept (pipeline.imports.kinds): SUMMARY may
hold a pupil's name. Where the kind cannot be told the minutes are `unclear`.

Whose event it is: the person that was said (`--person`), else all attendees and the organiser who are in staff.csv.
A rule of every second week counts calendar weeks, and the school counts teaching weeks: once such an event falls into
the other letter than it began with, that date is unclear.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

import icalendar
import recurring_ical_events

from pipeline.calendar import school_day
from pipeline.imports.ical_calendar import calendar_rows
from pipeline.imports.ical_event import Kind, entered_at, every_second_week, is_busy, kind_of, people_of
from pipeline.imports.ical_file import LINE, Component, Event, read_calendar
from pipeline.imports.known import Known
from pipeline.imports.runs import runs_of
from pipeline.imports.tables import ImportRefused, Line, Part, Reading
from pipeline.place import clock_text
from pipeline.rows import DutyKind, ExceptionKind, Week
from pipeline.tables import DAY_MIN, zone_of

_MAX_OCCURRENCES = 100_000
_WHOLE_DAY = {
    *(ExceptionKind.ABSENT, ExceptionKind.LEAVE, ExceptionKind.TRIP, ExceptionKind.INSET),
    *(ExceptionKind.HOME_WORKING, ExceptionKind.CLOSED, ExceptionKind.RELEASED, ExceptionKind.UNCLEAR),
}
Times = tuple[int, int] | None


@dataclass
class _Feed:
    """A feed on its way into rows."""

    file: str
    known: Known
    duties_only: bool
    duties: dict[tuple[str, DutyKind, tuple[int, int]], dict[dt.date, Line]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    dated: dict[tuple[str, ...], Line] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, person: str, kind: Kind, day: dt.date, times: Times, entered: str, at: Line) -> None:
        if isinstance(kind, DutyKind) and times is not None and person != "*":
            self.duties[person, kind, times].setdefault(day, at)
            return
        if isinstance(kind, DutyKind) or (times is None and kind not in _WHOLE_DAY):
            kind = ExceptionKind.UNCLEAR
        cells = {
            "date": day.isoformat(),
            "staff_id": person,
            "start_or_slot": clock_text(times[0]) if times else "",
            "end": clock_text(times[1]) if times else "",
            "kind": kind.value,
            "entered_at": entered,
        }
        self.dated.setdefault(tuple(cells.values()), Line(cells, at.file, at.line))


def read_ical(file: str, data: bytes, source: str, known: Known, table: str = "") -> Reading:
    """A feed as rows of duties.csv and exceptions.csv (`table` duties: of duties alone), or of calendar.csv."""
    calendar, events = read_calendar(file, data)
    first, last = _window(file, known)
    occurrences = _expand(file, calendar, events, first, last)
    said = dict(known.said.entries)
    if table == "calendar":
        rows, notes = calendar_rows(file, occurrences, zone_of(known.school.settings.zone))
        return Reading(source, "iCalendar", (file,), [Part("calendar", rows, source)], notes, said)
    feed = _Feed(file, known, table == "duties")
    by_line = {event.line: event for event in events}
    letters = _Letters(known)
    for line, found in sorted(occurrences.items()):
        _place(feed, by_line[line], found, letters, (first, last))
    parts = []
    if feed.duties or table == "duties":
        parts.append(Part("duties", list(_duty_rows(feed, letters)), source))
    if feed.dated or not feed.duties:
        parts.append(Part("exceptions", list(feed.dated.values()), source, (first, last)))
    notes = [f"{count} {what}" for what, count in feed.counts.items()]
    return Reading(source, "iCalendar", (file,), parts, notes, said)


def _window(file: str, known: Known) -> tuple[dt.date, dt.date]:
    first, last = known.first, known.last
    if known.terms:
        first, last = first or known.terms[0], last or known.terms[1]
    if first is None or last is None:
        what = "it is not known how far to follow events that repeat"
        raise ImportRefused(file, 1, what, "say --from DATE --to DATE, or import the term dates first")
    return first, last


def _expand(
    file: str, calendar: Component, events: list[Event], first: dt.date, last: dt.date
) -> dict[int, list[Component]]:
    """The occurrences in a span of dates, by line of the event."""
    span = (first - dt.timedelta(1), last + dt.timedelta(2))
    try:
        found = recurring_ical_events.of(calendar).between(*span)
    except Exception:
        for event in events:  # which one is it?
            alone = icalendar.Calendar()
            alone.subcomponents = [p for p in calendar.subcomponents if p.name == "VTIMEZONE"] + [event.component]
            try:
                recurring_ical_events.of(alone).between(*span)
            except Exception:
                what, mend = "the event's dates or repetitions contradict each other", "correct the event"
                raise ImportRefused(file, event.at("RRULE"), what, mend) from None
        raise ImportRefused(file, 1, "the events contradict each other", "export it again") from None
    if len(found) > _MAX_OCCURRENCES:
        what = f"the events repeat more than {_MAX_OCCURRENCES} times"
        raise ImportRefused(file, 1, what, "say --from DATE --to DATE with fewer days between")
    lines: defaultdict[int, list[Component]] = defaultdict(list)
    for occurrence in found:
        lines[int(str(occurrence[LINE]))].append(occurrence)
    return lines


def _place(
    feed: _Feed,
    event: Event,
    occurrences: list[Component],
    letters: Mapping[dt.date, Week | None],
    span: tuple[dt.date, dt.date],
) -> None:
    """The occurrences of one event as bookings."""
    at = Line({}, feed.file, event.line)
    busy = [o for o in occurrences if is_busy(o)]
    if not busy:
        return
    kind = kind_of(event.component, feed.known, feed.duties_only, feed.counts)
    people = people_of(event, at, feed.known, feed.counts)
    if kind is None or not people:
        return
    if kind is ExceptionKind.UNCLEAR:
        feed.counts["events of which the text does not tell the kind: unclear"] += 1
    began: Week | None = None
    fortnightly = every_second_week(event.component)
    zone = zone_of(feed.known.school.settings.zone)
    entered = entered_at(event.component)
    for occurrence in sorted(busy, key=lambda o: _local(o["DTSTART"].dt, zone)):
        for day, times in _days(occurrence, zone):
            if not span[0] <= day <= span[1]:
                continue
            own = kind
            letter = letters[day]
            began = began or letter
            if fortnightly and letter is not None and letter != began:
                own = ExceptionKind.UNCLEAR
                feed.counts["dates of events of every second week fall into the other week letter: unclear"] += 1
            for person in people:
                feed.add(person, own, day, times, entered, at)


def _local(moment: dt.date, zone: dt.tzinfo) -> dt.datetime:
    """A start or end on the school's clock, without zone."""
    if not isinstance(moment, dt.datetime):
        return dt.datetime.combine(moment, dt.time())
    return moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)


def _days(occurrence: Component, zone: dt.tzinfo) -> Iterator[tuple[dt.date, Times]]:
    """The dates of an occurrence with its minutes on each; None is the whole day."""
    begin = occurrence["DTSTART"].dt
    start, end = _local(begin, zone), _local(occurrence["DTEND"].dt, zone)
    if not isinstance(begin, dt.datetime):
        end = max(end, start + dt.timedelta(1))
    for number in range((end.date() - start.date()).days + 1):
        day = start.date() + dt.timedelta(number)
        midnight = dt.datetime.combine(day, dt.time())
        low = max(int((start - midnight).total_seconds() // 60), 0)
        high = min(-int(-(end - midnight).total_seconds() // 60), DAY_MIN)
        if (low, high) == (0, DAY_MIN):
            yield day, None
        elif high > low:
            yield day, (low, high)


class _Letters(dict[dt.date, Week | None]):
    """The letter of each date's week, as far as the calendar says."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.known = known

    def __missing__(self, day: dt.date) -> Week | None:
        weeks = school_day(self.known.school, day).weeks
        self[day] = weeks[0] if len(weeks) == 1 else None
        return self[day]


def _duty_rows(feed: _Feed, letters: Mapping[dt.date, Week | None]) -> Iterator[Line]:
    """The duties as rows of duties.csv, few of them."""

    @cache
    def free(day: dt.date) -> bool:
        return school_day(feed.known.school, day).kind.free

    for (person, kind, times), dates in sorted(feed.duties.items(), key=lambda item: item[0]):
        by_weekday: defaultdict[int, list[dt.date]] = defaultdict(list)
        for day in dates:
            by_weekday[day.isoweekday()].append(day)
        for weekday, listed in sorted(by_weekday.items()):
            for run in runs_of(listed, free, letters.__getitem__):
                cells = {
                    "staff_id": person,
                    "week": run.week.upper(),
                    "weekday": str(weekday),
                    "slot_or_start": clock_text(times[0]),
                    "end": clock_text(times[1]),
                    "kind": kind.value,
                    "valid_from": run.first.isoformat(),
                    "valid_to": run.last.isoformat(),
                }
                at = dates[run.first]
                yield Line(cells, at.file, at.line)
