"""Turns the rows of a school's files into records and checks them against staff and bells.

One method a file. What the columns mean stands in pipeline.school; what is wrong with a row is said with file, line and
mend. It reads no disk.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.rows import (
    ALL,
    ANY,
    Activity,
    Bell,
    CalendarKind,
    CalendarRow,
    Dated,
    Device,
    Duty,
    DutyKind,
    ExceptionKind,
    Lesson,
    OfficialSite,
    Ownership,
    Pattern,
    PatternKind,
    SlotKind,
    Span,
    Staff,
    StaffRole,
    Week,
    When,
)
from pipeline.tables import InputError, Row, clock_minute, read_rows, zone_of

COLUMNS: dict[str, tuple[str, ...]] = {
    "staff.csv": ("staff_id", "username", "role", "contract_start", "contract_end", "bell_group"),
    "patterns.csv": (
        *("staff_id", "valid_from", "valid_to", "week", "weekday", "start", "end"),
        *("unpaid_break_start", "unpaid_break_end"),
    ),
    "bells.csv": ("schedule", "weekday", "slot", "kind", "start", "end", "group"),
    "calendar.csv": ("date_from", "date_to", "kind", "value"),
    "timetable.csv": ("staff_id", "week", "weekday", "slot", "activity", "valid_from", "valid_to"),
    "duties.csv": ("staff_id", "week", "weekday", "slot_or_start", "end", "kind", "valid_from", "valid_to"),
    "exceptions.csv": ("date", "staff_id", "start_or_slot", "end", "kind", "entered_at"),
    "official_sites.csv": ("site_id", "service", "administrators", "moderators", "go_live", "closure"),
    "devices.csv": ("mac", "hostname", "assigned_staff_id", "shared", "valid_from", "valid_to"),
}
_WHOLE_DAY = {
    *(ExceptionKind.ABSENT, ExceptionKind.LEAVE, ExceptionKind.TRIP),
    *(ExceptionKind.HOME_WORKING, ExceptionKind.CLOSED, ExceptionKind.INSET),
    *(ExceptionKind.RELEASED, ExceptionKind.UNCLEAR),
}
_HOURS = re.compile(r"(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})")


class SchoolError(InputError):
    """A file of the school cannot be used as it is."""


@dataclass
class Reader:
    """Turns rows into records; staff and bells first, because the others refer to them."""

    files: Mapping[str, bytes]
    zone_name: str
    numbers: dict[str, int] = field(default_factory=dict)
    staff: tuple[Staff, ...] = ()
    bells: tuple[Bell, ...] = ()

    def __post_init__(self) -> None:
        self.zone = zone_of(self.zone_name)
        self.staff = self._staff()
        self.bells = self._bells()
        self.slots = {bell.slot for bell in self.bells}
        self.schedules = {bell.schedule for bell in self.bells}

    def rows(self, name: str) -> Iterable[Row]:
        return read_rows(name, self.files[name], COLUMNS[name], SchoolError) if name in self.files else ()

    def _staff(self) -> tuple[Staff, ...]:
        found: list[Staff] = []
        seen: dict[str, int] = {}
        for row in self.rows("staff.csv"):
            staff_id = row.text("staff_id")
            names = tuple(name.lower() for name in row.names("username"))
            for key in (f"staff_id {staff_id!r}", *(f"username {name!r}" for name in names)):
                if key in seen:
                    raise row.fail(f"{key} is already on line {seen[key]}", "give each person one row and own names")
                seen[key] = row.line
            if staff_id == ANY:
                raise row.fail("staff_id '*' stands for everybody", "use another id")
            start, end = row.dates("contract_start", "contract_end")
            self.numbers[staff_id] = len(found)
            role, email, group = row.word("role", StaffRole), row.get("email").lower(), row.get("bell_group")
            found.append(Staff(staff_id, names, email, role, start, end, row.get("department"), group, row.line))
        return tuple(found)

    def _bells(self) -> tuple[Bell, ...]:
        found: list[tuple[Bell, Row]] = []
        places: defaultdict[tuple[str, int | None, str], list[tuple[Bell, Row]]] = defaultdict(list)
        for row in self.rows("bells.csv"):
            weekday = None if row.get("weekday") in ("", ANY) else row.number("weekday", 1, 7)
            start, end = row.span("start", "end")
            slot = row.text("slot")
            if clock_minute(slot) is not None:
                raise row.fail(f"slot {slot!r} looks like a time", "name it, such as P1")
            group, kind = row.get("group") or ANY, row.word("kind", SlotKind)
            bell = Bell(row.text("schedule"), weekday, slot, kind, start, end, group, row.line)
            for other, there in places[bell.schedule, weekday, group]:
                if other.slot == slot:
                    raise row.fail(f"slot {slot!r} is already on line {there.line}", "name each slot of a day once")
                if other.start < end and start < other.end:
                    raise row.fail(f"slot {slot!r} overlaps {other.slot!r} of line {there.line}", "correct the times")
            places[bell.schedule, weekday, group].append((bell, row))
            found.append((bell, row))
        return tuple(bell for bell, _ in found)

    def person(self, row: Row, name: str = "staff_id") -> int:
        staff_id = row.text(name)
        if staff_id not in self.numbers:
            raise row.fail(f"{name} {staff_id!r} is not in staff.csv", "add the person there or correct the id")
        return self.numbers[staff_id]

    def slot(self, row: Row, name: str, slot: str) -> str:
        if self.bells and slot not in self.slots:
            mend = f"use a slot of bells.csv ({', '.join(sorted(self.slots)[:12])}) or correct it"
            raise row.fail(f"{name} {slot!r} is no slot of bells.csv", mend)
        return slot

    def when(self, row: Row, name: str) -> Span | str:
        """A slot, or a time with an end."""
        value = row.text(name)
        if clock_minute(value) is not None:
            if not row.get("end"):
                raise row.fail(f"{name} {value} has no end", "write when it ends")
            return Span(*row.span(name, "end"))
        if value[0].isdigit() and ":" in value:
            raise row.fail(f"{name} {value!r} is not a time", "write it as 08:45, or name a slot")
        if row.get("end"):
            raise row.fail(f"slot {value!r} has an end of its own", "leave end empty or write start and end as times")
        return self.slot(row, name, value)

    def pattern(self, row: Row) -> Pattern:
        hours = Span(*row.span("start", "end"))
        unpaid = None
        if row.get("unpaid_break_start") or row.get("unpaid_break_end"):
            unpaid = Span(*row.span("unpaid_break_start", "unpaid_break_end"))
            if unpaid.start < hours.start or unpaid.end > hours.end:
                raise row.fail("the unpaid break lies outside start and end", "correct the times")
        return Pattern(
            self.person(row),
            *row.dates("valid_from", "valid_to"),
            row.word("week", Week, Week.EVERY),
            row.number("weekday", 1, 7),
            hours,
            unpaid,
            row.word("kind", PatternKind, PatternKind.CONTRACTED),
            row.line,
        )

    def calendar_row(self, row: Row) -> CalendarRow:
        first = row.date("date_from")
        last = row.date("date_to", first)
        if last < first:
            raise row.fail(f"date_to {last} lies before date_from {first}", "swap or correct the dates")
        kind, value, hours = row.word("kind", CalendarKind), row.get("value"), None
        if kind is CalendarKind.BELL_OVERRIDE:
            row.text("value")
            if self.bells and value not in self.schedules:
                mend = f"use one of {', '.join(sorted(self.schedules))} or add its rows"
                raise row.fail(f"value {value!r} is no schedule of bells.csv", mend)
        elif kind is CalendarKind.INSET and (found := _HOURS.fullmatch(value)):
            start, end = clock_minute(found[1]), clock_minute(found[2])
            if start is None or end is None or end <= start:
                raise row.fail(f"value {value!r} are no hours", "write them as 09:00-12:30")
            hours = Span(start, end)
        return CalendarRow(first, last, kind, value, hours, row.line)

    def lesson(self, row: Row) -> Lesson:
        slot = self.slot(row, "slot", row.text("slot"))
        week, weekday = row.word("week", Week, Week.EVERY), row.number("weekday", 1, 7)
        activity = row.word("activity", Activity)
        return Lesson(self.person(row), week, weekday, slot, activity, *row.dates("valid_from", "valid_to"), row.line)

    def duty(self, row: Row) -> Duty:
        when, kind = self.when(row, "slot_or_start"), row.word("kind", DutyKind)
        week, weekday = row.word("week", Week, Week.EVERY), row.number("weekday", 1, 7)
        return Duty(self.person(row), week, weekday, when, kind, *row.dates("valid_from", "valid_to"), row.line)

    def dated(self, row: Row) -> Dated:
        kind = row.word("kind", ExceptionKind)
        when: When = None
        if row.get("start_or_slot"):
            when = self.when(row, "start_or_slot")
        elif row.get("end"):
            raise row.fail("there is an end but no start_or_slot", "write when it starts")
        elif kind not in _WHOLE_DAY:
            raise row.fail(f"{kind} needs a slot or times", "write them in start_or_slot and end")
        person = ALL if row.get("staff_id") == ANY else self.person(row)
        return Dated(row.date("date"), person, when, kind, row.instant("entered_at", self.zone), row.line)

    def site(self, row: Row) -> OfficialSite:
        def people(name: str) -> tuple[int, ...]:
            if unknown := [n for n in row.names(name) if n not in self.numbers]:
                raise row.fail(f"{name}: {unknown[0]!r} is not in staff.csv", "add the person there or correct the id")
            return tuple(self.numbers[n] for n in row.names(name))

        def day(name: str) -> dt.date | None:
            return row.date(name) if row.get(name) else None

        return OfficialSite(
            site_id=row.text("site_id"),
            service=row.text("service").lower(),
            account=row.get("account"),
            administrators=people("administrators"),
            moderators=people("moderators"),
            purpose=row.get("purpose"),
            audience=row.get("audience"),
            contributors=row.get("contributors"),
            host=row.get("host"),
            line_manager=row.get("line_manager"),
            lm_approved_on=day("lm_approved_on"),
            network_manager=row.get("network_manager"),
            nm_approved_on=day("nm_approved_on"),
            head=row.get("head"),
            head_approved_on=day("head_approved_on"),
            go_live=day("go_live"),
            closure=day("closure"),
            review_on=day("review_on"),
            line=row.line,
        )

    def device(self, row: Row) -> Device:
        return Device(
            row.mac("mac"),
            row.get("asset_tag"),
            row.get("hostname").lower(),
            self.person(row, "assigned_staff_id") if row.get("assigned_staff_id") else None,
            row.flag("shared"),
            *row.dates("valid_from", "valid_to"),
            row.word("ownership", Ownership, Ownership.SCHOOL),
            row.line,
        )


def one_row_a_site(sites: tuple[OfficialSite, ...]) -> tuple[OfficialSite, ...]:
    seen: dict[str, int] = {}
    for site in sites:
        if site.site_id in seen:
            what = f"site_id {site.site_id!r} is already on line {seen[site.site_id]}"
            raise SchoolError("official_sites.csv", site.line, what, "give each site one row and its own id")
        seen[site.site_id] = site.line
    return sites


def one_contract_at_a_time(patterns: tuple[Pattern, ...]) -> tuple[Pattern, ...]:
    """Refuses hours that are paid twice on the same dates, as an old contract that nobody closed. A second post may lie
    in another's unpaid break, or wholly within its hours."""
    seen: defaultdict[tuple[int, int], list[Pattern]] = defaultdict(list)
    for row in patterns:
        for other in seen[row.person, row.weekday]:
            if _same_dates(row, other) and _paid(row) & _paid(other) and not _within(row.hours, other.hours):
                what = f"these hours overlap those of line {other.line} on the same dates"
                raise SchoolError("patterns.csv", row.line, what, "close the older row with valid_to, or correct them")
        seen[row.person, row.weekday].append(row)
    return patterns


def _same_dates(one: Pattern, other: Pattern) -> bool:
    weeks = Week.EVERY in (one.week, other.week) or one.week is other.week
    return weeks and one.valid_from <= other.valid_to and other.valid_from <= one.valid_to


def _paid(row: Pattern) -> set[int]:
    unpaid = set(range(row.unpaid.start, row.unpaid.end)) if row.unpaid else set()
    return set(range(row.hours.start, row.hours.end)) - unpaid


def _within(one: Span, other: Span) -> bool:
    return (one.start < other.start and other.end < one.end) or (other.start < one.start and one.end < other.end)


def one_owner_at_a_time(devices: tuple[Device, ...]) -> tuple[Device, ...]:
    seen: defaultdict[int, list[Device]] = defaultdict(list)
    for device in devices:
        for other in seen[device.mac]:
            if other.valid_from <= device.valid_to and device.valid_from <= other.valid_to:
                what = f"this mac is already on line {other.line} for the same dates"
                raise SchoolError("devices.csv", device.line, what, "close the older row with valid_to")
        seen[device.mac].append(device)
    return devices
