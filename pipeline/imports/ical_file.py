"""Reads an iCalendar file into events with line numbers, or refuses it at the line that is wrong (RFC 5545).

The library `icalendar` parses; this module finds the lines, which it does not tell, and holds what a feed from a school
must be: whole, in UTF-8, each event with a start, zones that exist, no event twice, no rule that rings by the second.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import icalendar

from pipeline.imports.tables import ImportRefused
from pipeline.imports.text import decode

LINE = "X-SCHOOLGATE-LINE"
Component = Any  # to icalendar every property may be of every type
_MAX_EVENTS = 20_000
_TOO_OFTEN = {"SECONDLY", "MINUTELY", "HOURLY"}
_TIMES_A_DAY = 24


@dataclass(frozen=True)
class Event:
    """An event as it stands in the file."""

    component: Component
    line: int
    lines: Mapping[str, int]  # of each property

    def at(self, name: str) -> int:
        return self.lines.get(name, self.line)


def read_calendar(file: str, data: bytes) -> tuple[Component, list[Event]]:
    """The calendar with only the events that count; each carries its line in the property LINE."""
    text = decode(file, data)
    places = _places(file, text)
    try:
        calendar = icalendar.Calendar.from_ical(text)
    except (ValueError, IndexError, KeyError) as error:
        what = f"this is no iCalendar file ({str(error).splitlines()[0][:80] if str(error) else 'cannot be read'})"
        raise ImportRefused(file, 1, what, "export it again as .ics") from None
    if not isinstance(calendar, icalendar.Calendar):
        raise ImportRefused(file, 1, "there are several calendars in the file", "export each by itself")
    components = calendar.walk("VEVENT")
    if len(components) != len(places):
        raise ImportRefused(file, 1, "the events in the file are not whole", "export it again")
    events = [Event(component, line, lines) for component, (line, lines) in zip(components, places, strict=True)]
    if len(events) > _MAX_EVENTS:
        what = f"there are more than {_MAX_EVENTS} events"
        raise ImportRefused(file, events[_MAX_EVENTS].line, what, "export fewer years")
    for event in events:
        _check(file, event)
        event.component.add(LINE, str(event.line))
    latest = _latest(file, events)
    calendar.subcomponents = (
        [part for part in calendar.subcomponents if part.name != "VEVENT" or any(part is e.component for e in latest)]
        if len(latest) < len(events)
        else calendar.subcomponents
    )
    return calendar, latest


def _unfolded(text: str) -> list[tuple[int, str]]:
    """The lines with their numbers, those that go on in the next joined."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if line[:1] in (" ", "\t") and found:
            found[-1] = (found[-1][0], found[-1][1] + line[1:])
        elif line.strip():
            found.append((number, line))
    return found


def _places(file: str, text: str) -> list[tuple[int, dict[str, int]]]:
    """Line of each VEVENT and of its properties. Refuses a file that is cut off."""
    found: list[tuple[int, dict[str, int]]] = []
    open_parts: list[str] = []
    number = 0
    for number, line in _unfolded(text):
        name = line.partition(":")[0].partition(";")[0].strip().upper()
        value = line.partition(":")[2].strip().upper()
        if ":" not in line:
            raise ImportRefused(file, number, "the line is no property of iCalendar", "export it again as .ics")
        if not open_parts and (name, value) != ("BEGIN", "VCALENDAR"):
            raise ImportRefused(file, number, "the line is outside BEGIN:VCALENDAR", "export it again as .ics")
        if name == "BEGIN":
            open_parts.append(value)
            if value == "VEVENT":
                found.append((number, {}))
        elif name == "END":
            if open_parts[-1] != value:
                raise ImportRefused(file, number, f"END:{value} where {open_parts[-1]} is open", "export it again")
            open_parts.pop()
        elif open_parts[-1] == "VEVENT":
            found[-1][1].setdefault(name, number)
    if open_parts:
        what = f"the file ends inside {open_parts[-1]}, so it is not whole"
        raise ImportRefused(file, text.count("\n") + (not text.endswith("\n")), what, "export it again")
    if not number:
        raise ImportRefused(file, 1, "the file is empty", "export it again")
    return found


def _check(file: str, event: Event) -> None:
    """Refuses an event that cannot be placed in time."""
    part = event.component
    for name, _ in part.errors:
        what = "is not a date or a date and time" if name in ("DTSTART", "DTEND", "RDATE", "EXDATE") else "is broken"
        raise ImportRefused(file, event.at(str(name)), f"{name} {what}", "correct the event, and export it again")
    start, end = part.get("DTSTART"), part.get("DTEND")
    if start is None:
        raise ImportRefused(file, event.line, "the event has no DTSTART: missing", "give it a start, and export again")
    for name, value in (("DTSTART", start), ("DTEND", end)):
        if isinstance(value, list):
            raise ImportRefused(file, event.at(name), f"{name} is there twice", "export it again")
        if value is not None and value.params.get("TZID") and getattr(value.dt, "tzinfo", None) is None:
            what = f"{name} has the zone {value.params['TZID']!r}, which is not known"
            raise ImportRefused(file, event.at(name), what, "set the event to a usual zone, such as Europe/London")
    if end is not None:
        if isinstance(end.dt, dt.datetime) != isinstance(start.dt, dt.datetime):
            raise ImportRefused(file, event.at("DTEND"), "one of start and end is a whole day", "correct the event")
        zones = [getattr(value.dt, "tzinfo", None) is not None for value in (start, end)]
        if zones[0] == zones[1] and end.dt < start.dt:
            raise ImportRefused(file, event.at("DTEND"), "the event ends before it begins", "correct the event")
    rules = part.get("RRULE")
    for rule in rules if isinstance(rules, list) else [rules] if rules else []:
        often = 1
        for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            often *= max(len(rule.get(name, ())), 1)
        if often > _TIMES_A_DAY or _TOO_OFTEN & {str(freq).upper() for freq in rule.get("FREQ", ())}:
            what = f"the event repeats more than {_TIMES_A_DAY} times a day"
            raise ImportRefused(file, event.at("RRULE"), what, "correct the rule, or take the event out")


def _latest(file: str, events: Sequence[Event]) -> list[Event]:
    """The events without those that a later SEQUENCE of the same event replaces; the same one twice is refused."""
    seen: dict[tuple[str, str], Event] = {}
    for event in events:
        part = event.component
        if "UID" not in part:
            part.add("UID", f"line-{event.line}")
        replaced = part.get("RECURRENCE-ID")
        key = (str(part["UID"]), "" if replaced is None else str(replaced.dt))
        other = seen.get(key)
        if other is None:
            seen[key] = event
            continue
        numbers = [int(e.component.get("SEQUENCE", 0)) for e in (other, event)]
        if numbers[0] == numbers[1]:
            what = f"the event has the UID of line {other.line}"
            raise ImportRefused(file, event.at("UID"), what, "take one of them out, or give it a UID of its own")
        if numbers[1] > numbers[0]:
            seen[key] = event
    kept = set(map(id, seen.values()))
    return [event for event in events if id(event) in kept]
