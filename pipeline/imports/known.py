"""What an importer may look at besides its file: the school as it stands, what people said, and the dates to use.

Names of an export become ours here: people, slots, days. A name that cannot be placed is refused at its line, with the
`--map` that would mend it; nothing is guessed that could put somebody else's lessons into a person's day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from pipeline.calendar import DEFAULT_SCHEDULE
from pipeline.imports.said import LEFT_OUT, Said
from pipeline.imports.tables import Line
from pipeline.rows import ANY, Bell, CalendarKind, SlotKind, Week
from pipeline.school import School, SchoolError, parse_school
from pipeline.settings import SchoolSettings

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WELSH = ("llun", "mawrth", "mercher", "iau", "gwener", "sadwrn", "sul")
_WEEK = r"(?:(?:week|wk|wythnos)?[\s-]*([ab])\b)?"
_DAY = re.compile(rf"{_WEEK}[\s:-]*(?:dydd )?([a-z]+?)[\s:-]*{_WEEK}")
_DAY_NUMBER = re.compile(r"(?:day|d|dydd|diwrnod)?\s*(\d{1,2})")
_PERIOD = re.compile(r"(?:p|per|period|lesson|hour|std|stunde|gwers|cyfnod)?\.?\s*(\d{1,3})(?:\s*/.*)?")
_PAUSES = (SlotKind.BREAK, SlotKind.LUNCH)


@dataclass(frozen=True)
class Known:
    """The school's staff, bells and calendar, and what was said of this source.

    first, last: validity to be written, where given. new_staff: people to be added to staff.csv, filled on the way if
    `add_staff` allows it."""

    school: School
    said: Said = field(default_factory=Said)
    first: date | None = None
    last: date | None = None
    week: Week | None = None
    person_of_feed: str = ""
    add_staff: bool = False
    new_staff: dict[str, Line] = field(default_factory=dict)

    @property
    def validity(self) -> dict[str, str]:
        """valid_from and valid_to of recurring rows."""
        return {
            "valid_from": self.first.isoformat() if self.first else "",
            "valid_to": self.last.isoformat() if self.last else "",
        }

    @cached_property
    def terms(self) -> tuple[date, date] | None:
        """First and last day of all terms in the calendar."""
        rows = [row for row in self.school.calendar if row.kind is CalendarKind.TERM]
        return (min(r.date_from for r in rows), max(r.date_to for r in rows)) if rows else None

    @cached_property
    def two_weeks(self) -> bool:
        """Does the calendar have weeks A and B?"""
        return any(row.kind in (CalendarKind.WEEK_A, CalendarKind.WEEK_B) for row in self.school.calendar)

    # --- people

    @cached_property
    def _people(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for names in (
            lambda p: (p.staff_id,),
            lambda p: p.usernames,
            lambda p: (p.email.removeprefix("mailto:"),) if p.email else (),
        ):
            for person in self.school.staff:
                for name in names(person):
                    found.setdefault(name.casefold(), person.staff_id)
        return found

    def find_person(self, name: str) -> str | None:
        """The staff id of a name, `-` for somebody who is to be left out, None for nobody known."""
        if said := self.said.of("person", name):
            return said
        if name in self.school.numbers:
            return name
        return self._people.get(name.casefold())

    def person(self, at: Line, name: str) -> str | None:
        """The staff id of a name, None for somebody who is to be left out; nobody known is refused."""
        found = self.find_person(name)
        if found is None and self.add_staff:
            cells = {"staff_id": name, "role": "teacher"}
            self.new_staff.setdefault(name, Line(cells, at.file, at.line))
            return name
        if found is None:
            mend = f'add the person there, or say who it is: --map "person:{name}=STAFF_ID" (- leaves the rows out)'
            raise at.fail(f"{name!r} is not in staff.csv", mend)
        return None if found == LEFT_OUT else found

    # --- slots

    def slot(self, at: Line, label: str) -> str | None:
        """The slot of bells.csv that a label means, None if it is to be left out; no such slot is refused."""
        names = {bell.slot.casefold(): bell.slot for bell in self.school.bells}
        if said := self.said.of("slot", label):
            if said != LEFT_OUT and said not in names.values():
                raise at.fail(f"slot {said!r}, said of {label!r}, is not in bells.csv", self._bells_mend(label))
            return None if said == LEFT_OUT else said
        number = _PERIOD.fullmatch(label.strip().casefold())
        tries = [label.casefold()]
        if number:
            tries += [f"{word}{int(number[1])}" for word in ("p", "period ", "")]
        for name in tries:
            if name in names:
                return names[name]
        raise at.fail(f"{label!r} is no slot of bells.csv", self._bells_mend(label))

    def _bells_mend(self, label: str) -> str:
        known = ", ".join(dict.fromkeys(bell.slot for bell in self.school.bells))
        if not known:
            return "import the bells first, or in the same command: bells.csv, or time.txt of Untis"
        return f'say which it is: --map "slot:{label}=SLOT"; bells.csv has {known}'

    def bells(self, weekday: int, group: str = ANY) -> list[Bell]:
        """The ordinary bells of a weekday for a bell group, by start."""
        rows = self.school.bells
        schedules = {bell.schedule for bell in rows}
        schedule = DEFAULT_SCHEDULE if DEFAULT_SCHEDULE in schedules or len(schedules) != 1 else schedules.pop()
        mine = [b for b in rows if b.schedule == schedule and b.group in (ANY, group)]
        day = [b for b in mine if b.weekday == weekday] or [b for b in mine if b.weekday is None]
        own = {b.slot for b in day if b.group != ANY}
        return sorted((b for b in day if b.group != ANY or b.slot not in own), key=lambda b: (b.start, b.end))

    def break_before(self, slot: str, weekday: int, group: str) -> Bell | None:
        """The break or lunch that ends where a slot of this weekday begins, or last before it."""
        day = self.bells(weekday, group)
        start = next((bell.start for bell in day if bell.slot == slot), None)
        before = [bell for bell in day if start is not None and bell.end <= start]
        last = max(before, key=lambda bell: (bell.end, bell.kind in _PAUSES), default=None)
        return last if last is not None and last.kind in _PAUSES else None

    # --- days

    def day(self, at: Line, label: str) -> tuple[Week | None, int]:
        """A day's label as week letter (None: it says none) and weekday."""
        if said := self.said.of("day", label):
            return (Week(said[:-1].lower()) if said[:-1] else None), int(said[-1])
        text = label.strip().casefold()
        if found := _DAY_NUMBER.fullmatch(text):
            number = int(found[1])
            if 1 <= number <= 5:
                return None, number
            if 6 <= number <= 10:
                return Week.B, number - 5
        elif (found := _DAY.fullmatch(text)) and (weekday := _weekday(found[2])):
            letter = found[1] or found[3]
            return (Week(letter) if letter else None), weekday
        raise at.fail(f"{label!r} is no day of a week or of a two-week cycle", f'say which: --map "day:{label}=A1"')


def _weekday(word: str) -> int | None:
    for names in (WEEKDAYS, _WELSH):
        for number, name in enumerate(names, 1):
            if len(word) >= 3 and (name.startswith(word) or (word.startswith(name[:3]) and len(word) <= 4)):
                return number
    return None


def weekday_of(word: str) -> int | None:
    """`Monday`, `Mon`, `Llun` or `1` as 1 to 7."""
    text = word.strip().casefold()
    if text in {"1", "2", "3", "4", "5", "6", "7"}:
        return int(text)
    return _weekday(text) if text.isalpha() else None


def present_school(files: Mapping[str, bytes], settings: SchoolSettings) -> School:
    """Staff, bells and calendar of the files as far as they can be read: an import may be what mends the rest."""
    read: dict[str, bytes] = {}
    school = School(settings=settings, staff=())
    for name in ("staff.csv", "bells.csv", "calendar.csv"):
        if name in files:
            try:
                school = parse_school({**read, name: files[name]}, settings)
                read[name] = files[name]
            except SchoolError:
                continue
    return school
