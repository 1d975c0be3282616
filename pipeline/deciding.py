"""Which rows of the school's files decided a minute: a person's day in ranges, each with its reason and its rows.

The day is painted again, by the same code as a day plan, on sheets that remember (pipeline.sheet). A range ends where
the answer or the rows behind it change. Rows are named as `timetable.csv:12`, those that decided first, the bells after
them; a file without a line lacks the row that would tell. A boundary margin's range names the rows of its own minutes.
Times are local; `starts` and `ends` are the instants with their offset, so that a day of 23 or 25 hours can be told (a
time that comes twice is the first of the two).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from pipeline.allowance import BY_CLAUSE, answers_anew
from pipeline.calendar import LocalClock, Slot
from pipeline.cells import ALLOWED_OF, REASON_OF, STATE_OF, words_of
from pipeline.dated import person_day
from pipeline.place import answered, clock_text
from pipeline.precedence import Rota, rota_of
from pipeline.rows import Bell, CalendarRow, Dated, Duty, Lesson, Pattern, Staff
from pipeline.school import School
from pipeline.sheet import Source, TracedSheet
from pipeline.swaps import taken_from_nobody
from pipeline.tables import DAY_MIN, zone_of
from pipeline.words import Allowed, Reason, State

_FILES: dict[type, str] = {
    Staff: "staff.csv",
    Pattern: "patterns.csv",
    Bell: "bells.csv",
    Slot: "bells.csv",
    CalendarRow: "calendar.csv",
    Lesson: "timetable.csv",
    Duty: "duties.csv",
    Dated: "exceptions.csv",
}


@dataclass(frozen=True, slots=True)
class Range:
    """Minutes [start, end) of a local day with one answer. rows: where it stands, as FILE:LINE."""

    start: int
    end: int
    state: State
    allowed: Allowed
    reason: Reason
    rows: tuple[str, ...]

    def facts(self, clock: LocalClock, day: date, zone: str) -> dict[str, object]:
        """The range as JSON has it."""
        return {
            "from": clock_text(self.start),
            "to": clock_text(self.end),
            "state": self.state.value,
            "allowed": self.allowed.value,
            "reason": self.reason.value,
            "sentence": self.reason.sentence,
            "rows": list(self.rows),
            "starts": _instant(clock, day, self.start, zone),
            "ends": _instant(clock, day, self.end, zone),
        }


class Deciding:
    """A date of a school, with the rows that decided each minute of each person; `allow`: the states in which the
    policy profile allows personal use."""

    def __init__(self, school: School, day: date, allow: frozenset[State] = BY_CLAUSE) -> None:
        self._school, self._allow = school, allow
        self._rota: Rota = rota_of(school, day, traced=True)
        self._taken = taken_from_nobody(self._rota)

    def ranges(self, person: int) -> list[Range]:
        """A person's day, without gaps."""
        return list(self._ranges(person))

    def _ranges(self, person: int) -> Iterator[Range]:
        sheet = person_day(self._rota, person, self._taken)
        because = sheet.because if isinstance(sheet, TracedSheet) else [()] * DAY_MIN
        settings, recorded = self._school.settings, "exceptions.csv" not in self._school.missing
        cells = answered(sheet.cells[None], settings.boundary_margin_min, recorded)
        state, allowed, reason = (words_of(cells, table) for table in (STATE_OF, ALLOWED_OF, REASON_OF))
        if self._allow != BY_CLAUSE:
            margin = settings.boundary_margin_min
            allowed, reason = answers_anew(state, allowed, reason, self._allow, margin, recorded)
        said = np.stack([state[0], allowed[0], reason[0]], axis=1).tolist()
        start = 0
        for minute in range(1, DAY_MIN + 1):
            if minute < DAY_MIN and (said[minute], because[minute]) == (said[start], because[start]):
                continue
            rows = tuple(dict.fromkeys(name_of(row) for row in because[start]))
            codes = said[start]
            answer = _STATES[codes[0]], _ANSWERS[codes[1]], _REASONS[codes[2]]
            if answer[2] is Reason.NO_EXCEPTIONS:
                rows = (*rows, "exceptions.csv")
            yield Range(start, minute, *answer, rows)
            start = minute


def name_of(row: Source) -> str:
    """A row as FILE:LINE."""
    return row if isinstance(row, str) else f"{_FILES[type(row)]}:{row.line}"


def exists(zone: str, day: date, minute: int) -> bool:
    """Does this local minute exist on this date? Where the clock goes forward, an hour does not."""
    ordinal, local = LocalClock(zone).split(np.array([LocalClock(zone).utc(day, minute)], np.uint32))
    return (int(ordinal[0]), int(local[0])) == (day.toordinal(), minute)


def _instant(clock: LocalClock, day: date, minute: int, zone: str) -> str:
    moment = datetime.fromtimestamp(clock.utc(day, minute) * 60, UTC).astimezone(zone_of(zone))
    return moment.isoformat()


_STATES, _ANSWERS, _REASONS = list(State), list(Allowed), list(Reason)
