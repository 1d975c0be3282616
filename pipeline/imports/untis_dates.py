"""What Untis says of single dates: absences (GPU013), substitutions (GPU014), holidays (GPU018).

Reasons and texts of absences (GPU013 columns 8 and 9, GPU014 columns 16 and 17) are never looked at. Absences of
classes and rooms are not ours. Of a substitution only its type (column 20) is used, never its flags, of which public
descriptions disagree:

| type | stand-in (7) | absent teacher (6) |
|---|---|---|
| none, S, A, T, W, ~ | cover in the period | absent if there is an absence, else cancelled |
| E | exam | cancelled |
| C, L, F | - | cancelled (absent if there is an absence and another teacher was to stand in) |
| P | cover | unclear: who has which part is not told |
| B, or period 0 | takes the duty of the break before the period | gave it away |
| R | - | - |

A period 0 names no break: then the breaks of both people on that date are unclear. Any other type leaves both unclear.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

from pipeline.imports.known import Known
from pipeline.imports.tables import Line, Part
from pipeline.imports.text import Cells
from pipeline.rows import CalendarKind, ExceptionKind, SlotKind

_MAX_DAYS = 400
_COVER = {"", "S", "A", "T", "W", "~"}
_OFF = {"C", "L", "F"}
_PAUSES = (SlotKind.BREAK, SlotKind.LUNCH)
Told = tuple[str, str, ExceptionKind]  # staff id, slot, what it means


def day_of(at: Line, text: str) -> date:
    """`20261117` as a date."""
    try:
        if not re.fullmatch(r"\d{8}", text):
            raise ValueError
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        raise at.fail(f"{text!r} is not a date", "Untis writes dates as 20261117: export it again") from None


def absences(file: str, rows: Sequence[Cells], known: Known, notes: list[str]) -> Part:
    """Who is absent when, of the teachers."""
    found: list[Line] = []
    others = 0
    for row in rows:
        at = Line({}, file, row.line)
        if row.at(2).upper() != "L":
            others += 1
            continue
        person = known.person(at, row.at(3))
        first, last = day_of(at, row.at(4)), day_of(at, row.at(5) or row.at(4))
        if last < first:
            raise at.fail(f"the absence ends on {last}, before it begins on {first}", "correct it in Untis")
        if (last - first).days > _MAX_DAYS:
            raise at.fail(f"the absence lasts longer than {_MAX_DAYS} days", "end the contract in staff.csv instead")
        if person is None:
            continue
        for number in range((last - first).days + 1):
            on = first + timedelta(number)
            start = row.at(6) if on == first else ""
            end = row.at(7) if on == last else ""
            for slot in _slots(at, on, start, end, known):
                found.append(_dated(at, on, person, slot, ExceptionKind.ABSENT))
    if others:
        notes.append(f"{others} absences of classes and rooms are left out")
    return _part("untis absences", found, known)


def _slots(at: Line, on: date, start: str, end: str, known: Known) -> list[str]:
    """The slots from one period to another, with the breaks between; one empty slot for the whole day."""
    bells = known.bells(on.isoweekday())
    if not bells or (start in ("", "0", "1") and end in ("", "0")):
        return [""]
    names = [known.slot(at, label) if label not in ("", "0") else None for label in (start, end)]
    low = next((bell.start for bell in bells if bell.slot == names[0]), bells[0].start)
    high = next((bell.end for bell in bells if bell.slot == names[1]), bells[-1].end)
    lessons = [bell for bell in bells if bell.kind is SlotKind.LESSON]
    if lessons and low <= lessons[0].start and high >= lessons[-1].end:
        return [""]
    return [bell.slot for bell in bells if low <= bell.start and bell.end <= high] or [""]


def substitutions(file: str, rows: Sequence[Cells], known: Known, notes: list[str]) -> Part:
    """Who stands in, whose lesson does not take place, and who took over a duty."""
    found: list[Line] = []
    strange: Counter[str] = Counter()
    for row in rows:
        at = Line({}, file, row.line)
        on, kind = day_of(at, row.at(2)), row.at(20).upper()
        absent, standin = (_person(at, row.at(column), known) for column in (6, 7))
        entered = _entered(at, row.at(21))
        if kind == "R":
            continue
        rows_of: Iterable[Told] = ()
        if kind == "B" or row.at(3) == "0":
            rows_of = _break(at, on, row.at(3), absent, standin, known)
        elif (slot := known.slot(at, row.at(3))) is not None:
            rows_of = _lesson(kind, slot, absent, standin, row.at(4) not in ("", "0"))
        if kind not in _COVER | _OFF | {"B", "E", "P", "R"}:
            strange[kind] += 1
        found += [_dated(at, on, person, slot, what, entered) for person, slot, what in rows_of]
    if strange:
        notes.append(f"{sum(strange.values())} substitutions of an unknown type leave their slots unclear")
    return _part("untis substitutions", _once(found), known)


def _once(rows: Sequence[Line]) -> list[Line]:
    """Who covers or invigilates in a slot has no lesson there anyway; a `cancelled` beside it would take the cover."""

    def place(row: Line) -> tuple[str, ...]:
        return tuple(row.cells[name] for name in ("date", "staff_id", "start_or_slot"))

    busy = {place(row) for row in rows if row.cells["kind"] in (ExceptionKind.COVER, ExceptionKind.EXAM)}
    return [row for row in rows if row.cells["kind"] != ExceptionKind.CANCELLED or place(row) not in busy]


def _lesson(kind: str, slot: str, absent: str | None, standin: str | None, away: bool) -> Iterator[Told]:
    """What a substitution in a period means for both people."""
    if kind in _COVER | {"E"}:
        if standin is not None and standin != absent:
            yield standin, slot, ExceptionKind.EXAM if kind == "E" else ExceptionKind.COVER
        if absent is not None and standin != absent:
            yield absent, slot, ExceptionKind.ABSENT if away and kind != "E" else ExceptionKind.CANCELLED
    elif kind in _OFF:
        whose = absent if absent is not None else standin
        if whose is not None:
            gone = away and standin is not None and standin != absent
            yield whose, slot, ExceptionKind.ABSENT if gone else ExceptionKind.CANCELLED
    elif kind == "P":
        if standin is not None and standin != absent:
            yield standin, slot, ExceptionKind.COVER
        if absent is not None:
            yield absent, slot, ExceptionKind.UNCLEAR
    else:
        for person in {absent, standin} - {None}:
            assert person is not None
            yield person, slot, ExceptionKind.UNCLEAR


def _break(at: Line, on: date, period: str, absent: str | None, standin: str | None, known: Known) -> Iterator[Told]:
    """What a substitution in break supervision means for both people."""
    groups = {person.staff_id: person.bell_group for person in known.school.staff}
    for person, what in ((standin, ExceptionKind.SWAP_TO), (absent, ExceptionKind.SWAP_FROM)):
        if person is None or standin == absent:
            continue
        group, weekday = groups.get(person, ""), on.isoweekday()
        slot = known.slot(at, period) if period != "0" else None
        bell = known.break_before(slot, weekday, group) if slot else None
        if bell is not None:
            yield person, bell.slot, what
        else:
            pauses = [b.slot for b in known.bells(weekday, group) if b.kind in _PAUSES]
            for name in pauses or [""]:
                yield person, name, ExceptionKind.UNCLEAR


def _person(at: Line, name: str, known: Known) -> str | None:
    return None if name in ("", "?", "---") else known.person(at, name)


def _entered(at: Line, text: str) -> str:
    """`201906191028` as a date and time."""
    if not text.strip("0"):
        return ""
    try:
        if not re.fullmatch(r"\d{12}(\d\d)?", text):
            raise ValueError
        return datetime.strptime(text[:12], "%Y%m%d%H%M").isoformat(timespec="minutes")
    except ValueError:
        raise at.fail(f"last change {text!r} is not a date and time", "export it from Untis again") from None


def _dated(at: Line, on: date, person: str, slot: str, kind: ExceptionKind, entered: str = "") -> Line:
    cells = {
        "date": on.isoformat(),
        "staff_id": person,
        "start_or_slot": slot,
        "kind": kind.value,
        "entered_at": entered,
    }
    return Line(cells, at.file, at.line)


def _part(tag: str, rows: Sequence[Line], known: Known) -> Part:
    """The rows without repetitions; they replace what the same export said of the same dates before."""
    unique: dict[tuple[str, ...], Line] = {}
    for row in rows:
        unique.setdefault(tuple(row.cells[n] for n in ("date", "staff_id", "start_or_slot", "kind", "entered_at")), row)
    days = [date.fromisoformat(row.cells["date"]) for row in unique.values()]
    first, last = min(days, default=date.max), max(days, default=date.min)
    return Part("exceptions", list(unique.values()), tag, (known.first or first, known.last or last))


def holidays(file: str, rows: Sequence[Cells]) -> Part:
    """Holidays and public holidays for calendar.csv."""
    found = []
    for row in rows:
        at = Line({}, file, row.line)
        first, last = day_of(at, row.at(3)), day_of(at, row.at(4) or row.at(3))
        if last < first:
            raise at.fail(f"the holiday ends on {last}, before it begins on {first}", "correct it in Untis")
        kind = CalendarKind.BANK_HOLIDAY if row.at(5).upper() == "F" else CalendarKind.HOLIDAY
        cells = {
            "date_from": first.isoformat(),
            "date_to": last.isoformat(),
            "kind": kind.value,
            "value": row.at(2) or row.at(1),
        }
        found.append(Line(cells, file, row.line))
    return Part("calendar", found, "untis holidays")
