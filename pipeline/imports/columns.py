"""Reads a table from any CSV export: whose columns are ours, as said, remembered or guessed, and whose words.

A column is taken by what `--map` says (now or at the last import of the source), else by its own name, else by a name
that exports are known to give it; `--map COLUMN==VALUE` writes the same value everywhere. Every other column is dropped
as it is read: that is where reasons for absences and names of pupils are. Three of our own columns may carry them too:
`ref` is kept only if it is a staff id, `class` only if it looks like a code, and words for kinds of absence become
`absent`. What is not a date, a time or a known word is left as it stands, for pipeline.records to refuse at its line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.imports.kinds import COLUMN_NAMES, dated_kind, duty_kind
from pipeline.imports.known import Known, weekday_of
from pipeline.imports.said import LEFT_OUT, Said
from pipeline.imports.tables import TABLES, ImportRefused, Line, Part, Reading, file_of
from pipeline.imports.text import Cells, decode, read_cells, separator_of
from pipeline.records import COLUMNS
from pipeline.rows import ANY, Activity, DutyKind, ExceptionKind

_CLASS = re.compile(r"\d{1,2}[A-Za-z]{0,2}(?:[/ .-][A-Za-z0-9]{1,4}){0,2}")
_SLASHED = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_SECONDS = re.compile(r"(\d{1,2}:\d{2}):00")
_WEEK = re.compile(r"(?:week|wk|wythnos)?\s*([ab12])", re.IGNORECASE)
_PEOPLE = {"staff_id", "assigned_staff_id"}
_TIMES = {"start", "end", "unpaid_break_start", "unpaid_break_end", "slot_or_start", "start_or_slot"}
_DATES = {
    *("contract_start", "contract_end", "valid_from", "valid_to", "date_from", "date_to", "date"),
    *("lm_approved_on", "nm_approved_on", "head_approved_on", "go_live", "closure", "review_on"),
}
_WORDS = {"kind", "role", "activity", "ownership"}
_SLOTS = {"slot", "slot_or_start", "start_or_slot"}
_KINDS: Mapping[str, tuple[str, type[StrEnum], Callable[[str], StrEnum | None] | None]] = {
    "timetable": ("activity", Activity, None),
    "duties": ("kind", DutyKind, duty_kind),
    "exceptions": ("kind", ExceptionKind, dated_kind),
}
_CONSTANT = "="


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of an export: its header, and our column -> the export's name of it, or `=VALUE` for all rows."""

    table: str
    header: Sequence[str]
    chosen: Mapping[str, str]

    @property
    def required(self) -> Sequence[str]:
        """Columns of ours without which the export cannot be read."""
        return COLUMNS[file_of(self.table)]


def read_table(file: str, data: bytes, table: str, source: str, known: Known) -> Reading:
    """The rows of a table; they replace the whole of it."""
    text = decode(file, data, (known.said.column("encoding") or "utf-8-sig",))
    separator = separator_of(text)
    header, *rows = read_cells(file, text, separator)
    places = _places(file, header, table, known)
    dropped: Counter[str] = Counter()
    lines = [_line(file, header, row, table, places, known, dropped) for row in rows]
    notes = [f"{column}: left out of {count} rows, {_WHY[column]}" for column, count in sorted(dropped.items())]
    used = {place for place in places.values() if isinstance(place, int)}
    if unused := [name for at, name in enumerate(header.values) if at not in used and name]:
        notes.append(f"columns dropped: {', '.join(unused)}")
    if renamed := [
        f"{ours} <- {header.values[place]!r}" if isinstance(place, int) else f"{ours} is always {place!r}"
        for ours, place in places.items()
        if not (isinstance(place, int) and header.values[place].casefold() == ours)
    ]:
        notes.append(f"columns: {', '.join(renamed)}")
    said = dict(known.said.entries) | {
        ours: header.values[place] for ours, place in places.items() if isinstance(place, int)
    }
    return Reading(source, f"{table} (CSV)", (file,), [Part(table, [line for line in lines if line])], notes, said)


_WHY = {"ref": "where it is no staff id", "class": "where it is no class code and may name a pupil"}


def match_table(header: Sequence[str]) -> str | None:
    """The table that a header is of, if it has all its columns by name and no other table fits better."""
    names = {name.casefold() for name in header}
    fitting = [table for table in TABLES if set(COLUMNS[file_of(table)]) <= names]
    return max(fitting, key=lambda table: len(set(TABLES[table]) & names), default=None)


def _places(file: str, header: Cells, table: str, known: Known) -> dict[str, int | str]:
    """Per column of ours: its position in the export, or the text that stands in every row."""
    names = [_plain(name) for name in header.values]
    if twice := sorted(name for name, n in Counter(names).items() if name and n > 1):
        raise ImportRefused(file, header.line, f"column {twice[0]} appears twice", "remove one of them")
    found = _matched(names, table, known.said)
    for column in TABLES[table]:
        said = known.said.column(column)
        if said is not None and column not in found:
            what = f"missing column {said!r}, which is {column} by --map now or at an earlier import"
            raise ImportRefused(file, header.line, what, f"the header has {', '.join(header.values)}")
    if missing := [column for column in COLUMNS[file_of(table)] if column not in found]:
        what = f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        mend = f'say which it is: --map {missing[0]}="THEIR COLUMN" (or =VALUE for all rows)'
        raise ImportRefused(file, header.line, f"{what}; the header has {', '.join(header.values)}", mend)
    return found


def _matched(names: Sequence[str], table: str, said: Said) -> dict[str, int | str]:
    """Columns of ours that are said, are named as ours, or can be guessed; `names` are plain ones of a header."""
    found: dict[str, int | str] = {}
    spoken = {column: theirs for column in TABLES[table] if (theirs := said.column(column)) is not None}
    for column in TABLES[table]:
        theirs = spoken.get(column, column)
        if theirs.startswith(_CONSTANT):
            found[column] = theirs.removeprefix(_CONSTANT)
        elif _plain(theirs) in names:
            found[column] = names.index(_plain(theirs))
    taken = set(found.values())
    for column in TABLES[table]:
        for name in COLUMN_NAMES.get(column, ()):
            if column not in found and column not in spoken and name in names and names.index(name) not in taken:
                found[column] = names.index(name)
                taken.add(found[column])
    return found


def match_columns(file: str, data: bytes, table: str, said: Said) -> Columns:
    """How the columns of a CSV export would be read, before it is. Raises ImportRefused for what is no such text."""
    text = decode(file, data, (said.column("encoding") or "utf-8-sig",))
    header = read_cells(file, "\n".join(text.splitlines()[:40]), separator_of(text))[0].values
    found = _matched([_plain(name) for name in header], table, said)
    chosen = {ours: header[at] if isinstance(at, int) else _CONSTANT + at for ours, at in found.items()}
    return Columns(table, header, chosen)


def _line(
    file: str,
    header: Cells,
    row: Cells,
    table: str,
    places: Mapping[str, int | str],
    known: Known,
    dropped: Counter[str],
) -> Line | None:
    if len(row.values) != len(header.values):
        what = f"the row has {len(row.values)} cells where the header has {len(header.values)}"
        mend = "complete the row, or quote cells that hold separators; if it is the last, the file is not whole"
        raise ImportRefused(file, row.line, what, mend)
    cells = {column: row.values[place] if isinstance(place, int) else place for column, place in places.items()}
    at = Line(cells, file, row.line)
    for column, value in cells.items():
        if value:
            cells[column] = _cell(at, table, column, value, known, dropped)
    if any(cells.get(column) == LEFT_OUT for column in _PEOPLE):
        return None
    return at


def _cell(at: Line, table: str, column: str, value: str, known: Known, dropped: Counter[str]) -> str:
    """One cell in our words."""
    if column in _PEOPLE and table != "staff" and value != ANY:
        return known.find_person(value) or value
    if column in _WORDS:
        return _word(table, column, value, known)
    if column == "weekday":
        return str(weekday_of(value) or value)
    if column == "week":
        return known.said.of("week", value) or _letter(value)
    if column in _DATES:
        return _date(at, column, value, known.said.column("dates") or "")
    if column in _TIMES and (found := _SECONDS.fullmatch(value)):
        return found[1]
    if column in _SLOTS and table != "bells" and (said := known.said.of("slot", value)):
        return said
    drop = (column == "ref" and known.find_person(value) is None) or (column == "class" and not _CLASS.fullmatch(value))
    if drop:
        dropped[column] += 1
    return "" if drop else value


def _word(table: str, column: str, value: str, known: Known) -> str:
    said = known.said.of("kind", value) or (known.said.of("subject", value) if column == "activity" else None)
    if table not in _KINDS or column != _KINDS[table][0]:
        return said or value
    words, guess = _KINDS[table][1:]
    try:
        return str(words((said or value).lower()).value)
    except ValueError:
        found = guess(value) if guess and not said else None
        return found.value if found else said or value


def _letter(value: str) -> str:
    found = _WEEK.fullmatch(value.strip())
    return {"1": "A", "2": "B"}.get(found[1], found[1].upper()) if found else value


def _date(at: Line, column: str, value: str, order: str) -> str:
    found = _SLASHED.fullmatch(value)
    if found is None:
        return value
    if order.lower() != "dmy":
        mend = "write it as 2026-11-17, or say --map dates=dmy if day, month and year stand in this order"
        raise at.fail(f"{column} {value!r} is not a date", mend)
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}"


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())
