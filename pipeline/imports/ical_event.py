"""What one event of a calendar feed means: whether it counts, what it is, whose it is, when it was entered.

The text of an event is looked at for words of pipeline.imports.kinds and then forgotten. Addresses are looked up among
the staff; who is not found there is neither kept nor told.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter

from pipeline.imports.ical_file import Component, Event
from pipeline.imports.kinds import dated_kind, duty_kind
from pipeline.imports.known import Known
from pipeline.imports.said import LEFT_OUT
from pipeline.imports.tables import ImportRefused, Line
from pipeline.rows import DutyKind, ExceptionKind

Kind = DutyKind | ExceptionKind


def is_busy(occurrence: Component) -> bool:
    """Does the event take up its time? Not if it is cancelled, or marked free."""
    status, transparent = (str(occurrence.get(name, "")).upper() for name in ("STATUS", "TRANSP"))
    free = str(occurrence.get("X-MICROSOFT-CDO-BUSYSTATUS", "")).upper() == "FREE"
    return status != "CANCELLED" and transparent != "TRANSPARENT" and not free


def kind_of(part: Component, known: Known, duties_only: bool, counts: Counter[str]) -> Kind | None:
    """What an event is; None if it was said to be left out."""
    said = known.said
    title = str(part.get("SUMMARY", ""))
    word = said.of("kind", title) or (said.column("kind") or "").removeprefix("=")
    text = f"{title} {_categories(part)}"
    if not word:
        is_duty = duties_only or _has_duty(text)
        found = duty_kind(text) if is_duty else dated_kind(text) or duty_kind(text)
        if found is not None:
            return found
        word = said.of("kind", "*") or ExceptionKind.UNCLEAR.value
    if word == LEFT_OUT:
        counts["events are left out as --map says"] += 1
        return None
    return DutyKind(word) if word in {*DutyKind} else ExceptionKind(word)


def _has_duty(text: str) -> bool:
    return any(word in text.casefold() for word in ("duty", "duties", "supervis", "dyletswydd", "rota"))


def _categories(part: Component) -> str:
    found = part.get("CATEGORIES", ())
    groups = found if isinstance(found, list) else [found]
    return " ".join(str(name) for group in groups for name in getattr(group, "cats", ()))


def people_of(event: Event, at: Line, known: Known, counts: Counter[str]) -> list[str]:
    """The staff ids whose event it is."""
    if known.person_of_feed:
        if known.person_of_feed != "*" and known.person_of_feed not in known.school.numbers:
            what = f"the feed is said to be of {known.person_of_feed!r}, who is not in staff.csv"
            raise ImportRefused(at.file, 1, what, "add the person there, or correct --person")
        return [known.person_of_feed]
    found: dict[str, None] = {}
    strangers = 0
    for name in ("ATTENDEE", "ORGANIZER"):
        value = event.component.get(name, ())
        for address in value if isinstance(value, list) else [value] if value else []:
            params = getattr(address, "params", {})
            kind, answer = (str(params.get(p, "")).upper() for p in ("CUTYPE", "PARTSTAT"))
            if kind in ("ROOM", "RESOURCE") or answer == "DECLINED":
                continue
            person = known.find_person(str(address).strip().casefold().removeprefix("mailto:"))
            if person is None:
                strangers += 1
            elif person != LEFT_OUT:
                found[person] = None
    if not found and not strangers and not known.said.of("person", "*"):
        what, mend = "the event names nobody", "say whose feed it is: --person STAFF_ID (or * for everybody)"
        raise at.fail(what, mend)
    if not found:
        if known.said.of("person", "*") != LEFT_OUT:
            mend = 'say whose feed it is with --person, or leave such events out: --map "person:*=-"'
            raise at.fail("nobody of this event is in staff.csv", mend)
        counts["events with nobody of staff.csv are left out"] += 1
    return list(found)


def entered_at(part: Component) -> str:
    """When the event was last changed, as exceptions.csv writes it; empty if it does not say."""
    stamp = part.get("LAST-MODIFIED") or part.get("CREATED")
    moment = getattr(stamp, "dt", None)
    if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
        return ""
    return moment.astimezone(dt.UTC).isoformat(timespec="minutes").replace("+00:00", "Z")


def every_second_week(part: Component) -> bool:
    """Does the event repeat every second calendar week?"""
    rules = part.get("RRULE")
    return any(
        rule.get("FREQ") == ["WEEKLY"] and rule.get("INTERVAL") == [2]
        for rule in (rules if isinstance(rules, list) else [rules] if rules else [])
    )
