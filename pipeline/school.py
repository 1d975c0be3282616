"""A school as its files describe it: reads the canonical CSV files of one folder and checks them against each other.

UTF-8, header row, ISO dates, local wall-clock times. Only staff.csv must exist; what is missing is named in
`School.missing` and makes minutes unknown, never forbidden: a school without exceptions has a file with its header alone.
Row order means nothing. An open date is an empty cell.

| file | columns | cells |
|---|---|---|
| staff.csv | staff_id, username, email, role, fte, contract_start, contract_end, department, bell_group | role teacher, support, leadership, contractor, volunteer, trainee, governor; username may hold former names after `;` |
| patterns.csv | staff_id, valid_from, valid_to, week, weekday, start, end, unpaid_break_start, unpaid_break_end, kind | week A, B or `*`; weekday 1 (Monday) to 7; kind contracted, flexi_core; several rows a day are several posts: one may lie in the unpaid break of another, or wholly within its hours |
| bells.csv | schedule, weekday, slot, kind, start, end, group | weekday 1 to 7, or `*` for weekdays that the schedule does not name; kind lesson, registration, break, lunch, before, after; group `*` or a bell group: its rows go before those of `*` |
| calendar.csv | date_from, date_to, kind, value | the grammar is in pipeline.calendar |
| timetable.csv | staff_id, week, weekday, slot, activity, class, room, valid_from, valid_to | activity lesson, ppa, leadership, meeting, free, released, unknown (perhaps a lesson); a lesson in a registration slot is registration |
| duties.csv | staff_id, week, weekday, slot_or_start, end, kind, place, valid_from, valid_to | slot_or_start is a slot (end empty) or a time (end needed); kind break, lunch, gate, bus, detention, cover_standby |
| exceptions.csv | date, staff_id, start_or_slot, end, kind, ref, entered_at | staff_id `*` is everybody; no start and no end is the whole day (absent, leave, released, trip, inset, closed, home_working, unclear only); kind also cover, cancelled (a lesson or meeting that does not take place), duty (an extra one), duty_swap_to, duty_swap_from, exam, meeting; unclear is for what is booked and not known; released is for whatever is nobody's business, as facility time or time off in lieu; entered_at with date and time |
| official_sites.csv | site_id, service, account, administrators, moderators, purpose, audience, contributors, host, line_manager, lm_approved_on, network_manager, nm_approved_on, head, head_approved_on, go_live, closure, review_on | administrators and moderators are staff ids separated by `;` |
| restrictions.csv | staff_id, date_from, date_to, reason | of whom nothing is kept, see pipeline.restriction |
| pauses.csv | paused_from, paused_until, reason, by | when nobody is observed, written by pipeline.pause |
| devices.csv | mac, asset_tag, hostname, assigned_staff_id, shared, valid_from, valid_to, ownership | shared 0 or 1; ownership school, byod |

It does not know dates, bells of a day or who is allowed what: see pipeline.calendar and pipeline.place.
"""  # noqa: E501

from __future__ import annotations

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline import pause, restriction
from pipeline.imports.journal import read_together
from pipeline.pause import Pause, read_pauses
from pipeline.records import (
    COLUMNS,
    Reader,
    SchoolError,
    one_contract_at_a_time,
    one_owner_at_a_time,
    one_row_a_site,
)
from pipeline.restriction import Restriction, read_restrictions
from pipeline.rows import Bell, CalendarRow, Dated, Device, Duty, Lesson, OfficialSite, Pattern, Staff
from pipeline.settings import FeedSettings, SchoolSettings

__all__ = ["School", "SchoolError", "load_school", "missing_of", "parse_school", "table_paths"]

MAX_BYTES = 32 << 20  # twice what one import may bring

LACKING: Mapping[str, str] = {
    "patterns.csv": "nobody's hours are known: only what is booked counts as work",
    "bells.csv": "no break, lunch or lesson has a time",
    "calendar.csv": "no date is known to be a school day",
    "timetable.csv": "no lesson is known",
    "duties.csv": "breaks and lunches are unknown for everybody",
    "exceptions.csv": "nothing that is scheduled counts as having happened; if there are none, save its header alone",
    "official_sites.csv": "no official site is known",
    "devices.csv": "no device is known to be somebody's",
}
"""What it means that a file is missing, for people."""
_NO_RESTRICTIONS = ",".join(restriction.COLUMNS).encode()
_NO_PAUSES = ",".join(pause.COLUMNS).encode()


class _OfPerson(Protocol):
    @property
    def person(self) -> int: ...


R = TypeVar("R", bound=_OfPerson)

_PRIVATE = (restriction.FILE, pause.FILE)
"""Files that need not exist and are no part of `School.version`: they change what is kept, never what is judged."""


@dataclass(frozen=True)
class School:
    """A school's files. The index in `staff` is the person number everywhere; `version` is a hash of all
    files read but those of restrictions and pauses."""

    settings: SchoolSettings
    staff: tuple[Staff, ...]
    patterns: tuple[Pattern, ...] = ()
    bells: tuple[Bell, ...] = ()
    calendar: tuple[CalendarRow, ...] = ()
    timetable: tuple[Lesson, ...] = ()
    duties: tuple[Duty, ...] = ()
    exceptions: tuple[Dated, ...] = ()
    official_sites: tuple[OfficialSite, ...] = ()
    devices: tuple[Device, ...] = ()
    restrictions: tuple[Restriction, ...] = ()
    pauses: tuple[Pause, ...] = ()
    missing: tuple[str, ...] = ()
    version: str = ""

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Person number of each staff id."""
        return {person.staff_id: number for number, person in enumerate(self.staff)}

    @cached_property
    def patterns_of(self) -> Mapping[int, Sequence[Pattern]]:
        """The working patterns of each person."""
        return _by_person(self.patterns)

    @cached_property
    def lessons_of(self) -> Mapping[int, Sequence[Lesson]]:
        """The timetable of each person."""
        return _by_person(self.timetable)

    @cached_property
    def duties_of(self) -> Mapping[int, Sequence[Duty]]:
        """The duty rota of each person."""
        return _by_person(self.duties)

    @cached_property
    def exceptions_on(self) -> Mapping[dt.date, Sequence[Dated]]:
        """The dated exceptions of each date."""
        found: defaultdict[dt.date, list[Dated]] = defaultdict(list)
        for row in self.exceptions:
            found[row.day].append(row)
        return found


def load_school(folder: Path, settings: SchoolSettings, feeds: FeedSettings) -> School:
    """Reads the school's files in `folder`; raises SchoolError `FILE:LINE: what; mend` for the first thing wrong."""
    for name, path in table_paths(folder, feeds).items():
        if path.is_file() and (size := path.stat().st_size) > MAX_BYTES:
            what = f"the file has {size >> 20} MB, and a school's table has less than {MAX_BYTES >> 20}"
            raise SchoolError(name, 1, what, "look whether it is the right file, or keep fewer years in it")
    files = read_together(folder, table_paths(folder, feeds))
    if "staff.csv" not in files:
        raise SchoolError("staff.csv", 1, f"there is no such file in {folder}", "put the list of staff there")
    missing = missing_of(files)
    files |= {name: (folder / name).read_bytes() for name in _PRIVATE if (folder / name).is_file()}
    return parse_school(files, settings, missing)


def missing_of(files: Mapping[str, bytes]) -> list[str]:
    """The tables that a school's files lack."""
    return [name for name in COLUMNS if name not in files]


def table_paths(folder: Path, feeds: FeedSettings) -> dict[str, Path]:
    """Where each table lies, by its canonical name; devices.csv may have another."""
    return {name: folder / (feeds.devices if name == "devices.csv" else name) for name in COLUMNS}


def parse_school(files: Mapping[str, bytes], settings: SchoolSettings, missing: Sequence[str] = ()) -> School:
    """A school from the contents of its files, by name; `load_school` without the disk."""
    reader = Reader(files, settings.zone)
    digest = hashlib.sha256()
    for name, data in sorted((name, data) for name, data in files.items() if name not in _PRIVATE):
        digest.update(f"{name}:{len(data)}:".encode() + data)
    return School(
        settings=settings,
        staff=reader.staff,
        patterns=one_contract_at_a_time(tuple(map(reader.pattern, reader.rows("patterns.csv")))),
        bells=reader.bells,
        calendar=tuple(map(reader.calendar_row, reader.rows("calendar.csv"))),
        timetable=tuple(map(reader.lesson, reader.rows("timetable.csv"))),
        duties=tuple(map(reader.duty, reader.rows("duties.csv"))),
        exceptions=tuple(map(reader.dated, reader.rows("exceptions.csv"))),
        official_sites=one_row_a_site(tuple(map(reader.site, reader.rows("official_sites.csv")))),
        devices=one_owner_at_a_time(tuple(map(reader.device, reader.rows("devices.csv")))),
        restrictions=read_restrictions(files.get(restriction.FILE, _NO_RESTRICTIONS), reader.numbers),
        pauses=read_pauses(files.get(pause.FILE, _NO_PAUSES)),
        missing=tuple(missing),
        version=digest.hexdigest()[:12],
    )


def _by_person(rows: Iterable[R]) -> Mapping[int, Sequence[R]]:
    found: defaultdict[int, list[R]] = defaultdict(list)
    for row in rows:
        found[row.person].append(row)
    return found
