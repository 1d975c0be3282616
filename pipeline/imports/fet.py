"""FET's timetable as CSV (`NAME_timetable.csv`; `fet-cl --exportcsv=true`).

One row is one hour of one activity; a longer activity repeats its row, an activity that FET could not place has no day
and no hour. Several teachers are joined by `+`. Hours are clock ranges (`9.30 - 11.00`, `08:15~08:30`) or names: those
need bells.csv. Clock ranges find the slot with the same times there; without bells.csv they become the bells. Days are
weekdays, or `Day 1` to `Day 10` of a two-week cycle. Sets of students are dropped: they may be single pupils.
Format: FET 6 and its examples (Debian fet-data).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.imports.grid import Period, bells_of
from pipeline.imports.known import Known
from pipeline.imports.tables import ImportRefused, Line, Part, Reading
from pipeline.imports.text import Cells, decode, read_cells, separator_of
from pipeline.place import clock_text
from pipeline.rows import Activity, Week
from pipeline.tables import clock_minute

_NEEDED = ("Day", "Hour", "Subject", "Teachers")
_CLOCK = re.compile(r"(\d{1,2})[.:h](\d{2})")
Place = tuple[Week | None, int]


def is_fet(header: Sequence[str]) -> bool:
    """Is this the header of such a file?"""
    return {"Activity Id", "Day", "Hour", "Teachers"} <= set(header)


def read_fet(file: str, data: bytes, source: str, known: Known) -> Reading:
    """The timetable of every teacher; it replaces all of timetable.csv, and makes bells.csv where there is none."""
    text = decode(file, data)
    header, *rows = read_cells(file, text, separator_of(text))
    if missing := [name for name in _NEEDED if name not in header.values]:
        what = f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        raise ImportRefused(file, header.line, what, "export it from FET again, with the heading as first line")
    columns = {name: header.values.index(name) for name in _NEEDED}
    lines = [_line(file, header, row, columns) for row in rows]
    placed = [line for line in lines if line.cells["Day"] and line.cells["Hour"]]
    days = _days(placed, known)
    letters = _letters(days, placed)
    slots, bells, notes = _slots(placed, days, known)
    found: dict[tuple[str, ...], Line] = {}
    for line in placed:
        slot = slots[line.cells["Hour"]]
        teachers = [name.strip() for name in line.cells["Teachers"].split("+") if name.strip()]
        people = [person for name in teachers if (person := known.person(line, name)) is not None]
        for person in people if slot is not None else ():
            weekday = str(days[line.cells["Day"]][1])
            cells = {
                "staff_id": person,
                "week": letters[line.cells["Day"]],
                "weekday": weekday,
                "slot": slot or "",
                "activity": (known.said.of("subject", line.cells["Subject"]) or Activity.LESSON.value).lower(),
                **known.validity,
            }
            key = (person, cells["week"], weekday, cells["slot"], cells["activity"])
            found.setdefault(key, Line(cells, file, line.line))
    if unplaced := len(lines) - len(placed):
        notes.append(f"{unplaced} activities have no time yet and are left out")
    if alone := sum(not line.cells["Teachers"] for line in placed):
        notes.append(f"{alone} hours have no teacher and are left out")
    if Week.A.upper() in letters.values() and not known.two_weeks:
        notes.append("calendar.csv has no weeks A and B yet; until then what differs between them is unknown")
    parts = [Part("timetable", list(found.values()))]
    if bells:
        parts.insert(0, Part("bells", bells))
    return Reading(source, "FET timetable", (file,), parts, notes, dict(known.said.entries))


def _line(file: str, header: Cells, row: Cells, columns: dict[str, int]) -> Line:
    if len(row.values) != len(header.values):
        what = f"the row has {len(row.values)} cells where the header has {len(header.values)}"
        raise ImportRefused(file, row.line, what, "the file is not whole: export it again")
    line = Line({name: row.values[place] for name, place in columns.items()}, file, row.line)
    if bool(line.cells["Day"]) != bool(line.cells["Hour"]):
        raise line.fail("the activity has a day or an hour, but not both", "export it from FET again")
    return line


def _days(placed: Sequence[Line], known: Known) -> dict[str, Place]:
    """The week and weekday of each day's label. Numbered days are weekdays, or ten of two weeks."""
    labels: dict[str, Line] = {}
    for line in placed:
        labels.setdefault(line.cells["Day"], line)
    counted = {
        label: int(number[0])
        for label in labels
        if known.said.of("day", label) is None and (number := re.search(r"\d+", label))
    }
    last = max(counted, key=lambda label: counted[label], default=None)
    if last is not None and 5 < counted[last] != 10:
        what = f"the cycle ends with {last!r}, so it is neither one week nor two"
        raise labels[last].fail(what, f'say what each day is: --map "day:{last}=A1"')
    return {label: known.day(line, label) for label, line in labels.items()}


def _letters(days: dict[str, Place], placed: Sequence[Line]) -> dict[str, str]:
    """The week of each day's label: A and B if any says B, else every week."""
    named = {letter for letter, _ in days.values() if letter in (Week.A, Week.B)}
    if not named:
        return dict.fromkeys(days, Week.EVERY.value)
    taken: dict[Place, str] = {}
    for label, (letter, weekday) in days.items():
        place = (letter or Week.A, weekday)
        if place in taken:
            at = next(line for line in placed if line.cells["Day"] == label)
            what = f"{label!r} and {taken[place]!r} are both day {weekday} of week {place[0].upper()}"
            raise at.fail(what, f'say which is which: --map "day:{label}=B{weekday}"')
        taken[place] = label
    return {label: (letter or Week.A).upper() for label, (letter, _) in days.items()}


def _slots(
    placed: Sequence[Line], days: dict[str, Place], known: Known
) -> tuple[dict[str, str | None], list[Line], list[str]]:
    """The slot of each hour's label; rows for bells.csv if it is to be made; notes."""
    labels: dict[str, Line] = {}
    for line in placed:
        labels.setdefault(line.cells["Hour"], line)
    ranges = {label: clock_range(label) for label in labels}
    if not known.school.bells and labels and all(ranges.values()):
        order = sorted(labels, key=lambda label: ranges[label] or (0, 0))
        names = {label: f"P{number}" for number, label in enumerate(order, 1)}
        weekend = sorted({weekday for _, weekday in days.values() if weekday > 5})
        periods = [
            Period(weekday, names[label], *times, labels[label])
            for weekday in (0, *weekend)
            for label in order
            if (times := ranges[label]) is not None
        ]
        bells, notes = bells_of(periods)
        return dict(names), bells, notes
    slots = {}
    for label, line in labels.items():
        times = ranges[label]
        if times is None or known.said.of("slot", label):
            slots[label] = known.slot(line, label)
            continue
        same = {bell.slot for bell in known.school.bells if (bell.start, bell.end) == times}
        if len(same) != 1:
            what = f"no slot of bells.csv is from {clock_text(times[0])} to {clock_text(times[1])}"
            what = what if not same else f"{', '.join(sorted(same))} of bells.csv have the times {label!r}"
            raise line.fail(what, f'say which it is: --map "slot:{label}=SLOT"')
        slots[label] = same.pop()
    return slots, [], []


def clock_range(label: str) -> tuple[int, int] | None:
    """`9.30 - 11.00` as minutes; None where a label has not two times in order."""
    times = [clock_minute(f"{hour}:{minute}") for hour, minute in _CLOCK.findall(label)]
    if len(times) == 2 and times[0] is not None and times[1] is not None and times[0] < times[1]:
        return times[0], times[1]
    return None
