"""Untis exports (DIF files, `GPU001.TXT` and its siblings): lessons, their groups, break supervision, and bells.

The files have no header; columns are counted from 1. Separator and quotation marks are what the export chose, the text
is UTF-8 or cp1252. GPU001 says who teaches when, but not in which weeks: that is the group of the lesson in GPU002. A
group that is neither A nor B by its name, nor said to be (`--map week:GROUP=A`), leaves the slot unknown. GPU009 are
supervisions of the break before a period, in some calendar weeks or all. Bells are in none of them: give bells.csv or
`time.txt` (weekday, lesson count, period, start, end), in the same command or before. What GPU013, GPU014 and GPU018
say of dates is in pipeline.imports.untis_dates. Layout: ENBREA's reader for these files (MIT) and vendors' help pages.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pipeline.imports.grid import Period, bells_of
from pipeline.imports.known import Known
from pipeline.imports.said import LEFT_OUT
from pipeline.imports.tables import ImportRefused, Line, Part, Reading
from pipeline.imports.text import Cells, decode, read_cells, separator_of
from pipeline.imports.untis_dates import absences, day_of, holidays, substitutions
from pipeline.rows import Activity, DutyKind, SlotKind, Week
from pipeline.tables import clock_minute

NUMBERS = ("001", "002", "009", "013", "014", "018")
TIMES = "time"
_LEAST = {"001": 7, "002": 12, "009": 4, "013": 7, "014": 20, "018": 4, TIMES: 5}
_NAME = re.compile(r"gpu[_-]?(\d{3})", re.IGNORECASE)
_GROUP = re.compile(r"(?:week|woche|wk|w|wo|kw|wochengr|gruppe)?[\s_.-]*([ab])(?:[\s_.-]*(?:week|woche|wk))?")


@dataclass(frozen=True, slots=True)
class Export:
    """One file: its number and rows, each of which has the columns that are read."""

    file: str
    number: str
    rows: Sequence[Cells]

    def line(self, row: Cells) -> Line:
        return Line({}, self.file, row.line)


def number_of(file: str) -> str | None:
    """`GPU001.TXT` -> `001`, `time.txt` -> `time`; None for other files."""
    if file.lower() == "time.txt":
        return TIMES
    found = _NAME.match(file)
    return found[1] if found and found[1] in NUMBERS else None


def read_export(file: str, number: str, data: bytes) -> Export:
    """A file's rows; one with too few columns is refused, as it is where a file is cut off."""
    text = decode(file, data, ("utf-8-sig", "cp1252"))
    rows = read_cells(file, text, separator_of(text))
    for row in rows:
        if len(row.values) < _LEAST[number]:
            name = TIMES if number == TIMES else f"GPU{number}"
            what = f"the row has {len(row.values)} columns and {name} needs {_LEAST[number]}: missing column"
            raise ImportRefused(file, row.line, what, "export it from Untis again; the file may not be whole")
    return Export(file, number, rows)


def read_untis(files: Mapping[str, tuple[str, bytes]], source: str, known: Known) -> Reading:
    """The files of one export, by number: (name, contents)."""
    exports = {number: read_export(name, number, data) for number, (name, data) in files.items()}
    parts: list[Part] = []
    notes: list[str] = []
    if TIMES in exports:
        rows, guessed = _bells(exports[TIMES], known)
        parts.append(Part("bells", rows))
        notes += guessed
    if "001" in exports:
        parts.append(_timetable(exports["001"], exports.get("002"), known, notes))
    elif "002" in exports:
        raise ImportRefused(files["002"][0], 1, "GPU002 has no days and periods", "import it together with GPU001")
    if "009" in exports:
        parts.append(_duties(exports["009"], known, notes))
    if "013" in exports:
        parts.append(absences(exports["013"].file, exports["013"].rows, known, notes))
    if "014" in exports:
        parts.append(substitutions(exports["014"].file, exports["014"].rows, known, notes))
    if "018" in exports:
        parts.append(holidays(exports["018"].file, exports["018"].rows))
    names = tuple(name for name, _ in files.values())
    return Reading(source, "Untis", names, parts, notes, dict(known.said.entries))


# --- bells


def _bells(export: Export, known: Known) -> tuple[list[Line], list[str]]:
    periods = []
    for row in export.rows:
        at = export.line(row)
        start, end = (_hhmm(at, row.at(column)) for column in (4, 5))
        if end <= start:
            raise at.fail(f"{row.at(5)} is not after {row.at(4)}", "correct the times")
        label = row.at(3)
        name = known.said.of("slot", label) or (f"P{int(label)}" if label.isdigit() else label)
        if name != LEFT_OUT:
            periods.append(Period(weekday(at, row.at(1)), name, start, end, at))
    return bells_of(periods)


def _hhmm(at: Line, text: str) -> int:
    minute = clock_minute(text) if ":" in text else clock_minute(f"{text[:-2]}:{text[-2:]}")
    if minute is None:
        raise at.fail(f"{text!r} is not a time", "write it as 0845")
    return minute


def weekday(at: Line, text: str) -> int:
    """1 (Monday) to 7."""
    if text not in {"1", "2", "3", "4", "5", "6", "7"}:
        raise at.fail(f"day {text!r} is not a number from 1 to 7", "export it from Untis again")
    return int(text)


# --- lessons


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What GPU002 says of a lesson: the letters of its weeks (None: it cannot be told) and its dates."""

    week: Week | None
    first: str
    last: str


def _timetable(export: Export, lessons: Export | None, known: Known, notes: list[str]) -> Part:
    if lessons is None and known.week is None and known.two_weeks:
        what = "the calendar has weeks A and B, and GPU001 does not say in which of them a lesson is"
        mend = "give GPU002 in the same command, or export each week by itself and say --week A, then --week B"
        raise ImportRefused(export.file, 1, what, mend)
    unknown_groups: Counter[str] = Counter()
    told = _groups(lessons, known, unknown_groups) if lessons is not None else {}
    every = _Lesson(known.week or Week.EVERY, "", "")
    lost: Counter[str] = Counter()
    found: dict[tuple[str, ...], Line] = {}
    for row in export.rows:
        at = export.line(row)
        if row.at(3) in ("", "?"):
            lost["have no teacher"] += 1
            continue
        person, day, slot = known.person(at, row.at(3)), weekday(at, row.at(6)), known.slot(at, row.at(7))
        if person is None or slot is None:
            lost["are left out as --map says"] += 1
            continue
        lesson = told.get((row.at(1), row.at(3)), told.get((row.at(1), ""), every)) if told else every
        activity = (known.said.of("subject", row.at(4)) or Activity.LESSON.value).lower()
        cells = {
            "staff_id": person,
            "week": (lesson.week or Week.EVERY).upper(),
            "weekday": str(day),
            "slot": slot,
            "activity": activity if lesson.week is not None else Activity.UNKNOWN.value,
            "room": row.at(5),
            "valid_from": max(lesson.first, known.validity["valid_from"]),
            "valid_to": min(filter(None, (lesson.last, known.validity["valid_to"])), default=""),
        }
        key = tuple(cells[name] for name in cells if name != "room")
        found.setdefault(key, Line(cells, export.file, row.line))
    notes += [f"{count} rows of {export.file} {why}" for why, count in lost.items()]
    if unknown_groups:
        names = ", ".join(f"{name!r} ({count})" for name, count in sorted(unknown_groups.items()))
        notes.append(
            f"lesson groups that are neither week A nor B: {names}; their slots stay unknown until you say "
            f'--map "week:GROUP=A" (or B, or *)'
        )
    tag = f"untis week {known.week}" if known.week in (Week.A, Week.B) else ""
    return Part("timetable", list(found.values()), tag)


def _groups(export: Export, known: Known, unknown: Counter[str]) -> dict[tuple[str, str], _Lesson]:
    """What is known of each lesson, by (lesson number, teacher); lines of one lesson and teacher that differ leave its
    weeks unknown."""
    found: dict[tuple[str, str], _Lesson] = {}
    for row in export.rows:
        at = export.line(row)
        week = _week_of(row.at(12), known)
        if week is None:
            unknown[row.at(12)] += 1
        first, last = (_optional_day(at, row.at(column)) for column in (15, 16))
        for key in ((row.at(1), row.at(6)), (row.at(1), "")):
            old = found.get(key)
            if old is None:
                found[key] = _Lesson(week, first, last)
            else:
                both_from = min(old.first, first) if old.first and first else ""
                both_to = max(old.last, last) if old.last and last else ""
                found[key] = _Lesson(week if week == old.week else None, both_from, both_to)
    return found


def _week_of(group: str, known: Known) -> Week | None:
    """The week that a lesson group means; every week for no group, None where it cannot be told."""
    if not group:
        return known.week or Week.EVERY
    if said := known.said.of("week", group):
        return Week(said.lower())
    found = _GROUP.fullmatch(group.strip().casefold())
    return Week(found[1]) if found else None


def _optional_day(at: Line, text: str) -> str:
    return day_of(at, text).isoformat() if text and text != "0" else ""


# --- break supervision


def _duties(export: Export, known: Known, notes: list[str]) -> Part:
    rows: list[Line] = []
    groups = {person.staff_id: person.bell_group for person in known.school.staff}
    free = 0
    for row in export.rows:
        at = export.line(row)
        if not row.at(2):
            free += 1
            continue
        person, day, slot = known.person(at, row.at(2)), weekday(at, row.at(3)), known.slot(at, row.at(4))
        if person is None or slot is None:
            continue
        bell = known.break_before(slot, day, groups.get(person, ""))
        if bell is None:
            what = f"bells.csv has no break before {slot} on weekday {day}"
            raise at.fail(what, "add the break to bells.csv, then import again")
        lunch = bell.kind is SlotKind.LUNCH
        cells = {
            "staff_id": person,
            "week": (known.week or Week.EVERY).upper(),
            "weekday": str(day),
            "slot_or_start": bell.slot,
            "kind": (DutyKind.LUNCH if lunch else DutyKind.BREAK).value,
            "place": row.at(1),
            **known.validity,
        }
        if row.at(6):
            rows += [
                Line({**cells, "valid_from": on, "valid_to": on}, at.file, at.line)
                for on in _dates(at, row.at(6), day, known)
            ]
        else:
            rows.append(Line(cells, at.file, at.line))
    if free:
        notes.append(f"{free} supervisions have no teacher and are left out")
    if rows and not known.last:
        notes.append("the rota has no last day: say --to DATE, or break and lunch count as covered for ever")
    return Part("duties", rows)


def _dates(at: Line, weeks: str, day: int, known: Known) -> list[str]:
    """The dates of a weekday in calendar weeks of the school year."""
    first, last = known.first or (known.terms or (None, None))[0], known.last or (known.terms or (None, None))[1]
    if first is None or last is None:
        what = "some supervisions are for certain calendar weeks, and it is not known of which year"
        raise at.fail(what, "say --from DATE --to DATE, or import the term dates first")
    wanted = set()
    for text in weeks.split("~"):
        if not (text.strip().isdigit() and 1 <= int(text) <= 53):
            raise at.fail(f"week {text!r} is not a number from 1 to 53", "export it from Untis again")
        wanted.add(int(text))
    on = first + timedelta((day - first.isoweekday()) % 7)
    found = []
    while on <= last:
        if on.isocalendar().week in wanted:
            found.append(on.isoformat())
        on += timedelta(7)
    return found
