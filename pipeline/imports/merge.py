"""Puts what was read into the school's files, and checks the whole school before anything is written.

Whatever is wrong is told at the file and line that it was read from. Beyond what pipeline.records checks (contracted
hours that overlap, among the rest), an import must not give a person two contracts that overlap, and must not shrink a
table much unless that is said: half a file looks just like a small one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.imports.tables import SOURCE, ImportRefused, Line, Part, file_of, write_table
from pipeline.records import SchoolError
from pipeline.school import School, missing_of, parse_school
from pipeline.settings import SchoolSettings
from pipeline.tables import read_rows

_SMALL = 12  # tables of fewer rows may shrink unasked
_DATE_OF = {"exceptions": "date"}


@dataclass(frozen=True)
class Merged:
    """New contents of the tables that an import touches, and the origin of each of their rows, in order."""

    files: Mapping[str, bytes]
    rows: Mapping[str, Sequence[Line]]


def merge(present: Mapping[str, bytes], parts: Sequence[Part], fewer: bool = False) -> Merged:
    """The tables with these parts in them. `fewer` allows a table to lose more than a third of its rows."""
    rows: dict[str, list[Line]] = {}
    for part in parts:
        if part.table not in rows:
            rows[part.table] = present_rows(part.table, present)
        replaced = [row for row in rows[part.table] if _replaces(part, row)]
        if not fewer and not part.span and len(replaced) >= _SMALL and 3 * len(part.rows) < 2 * len(replaced):
            last = part.rows[-1] if part.rows else None
            what = f"{part.table} would have {len(part.rows)} rows instead of {len(replaced)}"
            mend = "if the file is whole and this is right, say --fewer; else export it again"
            raise ImportRefused(last.file if last else file_of(part.table), last.line if last else 1, what, mend)
        kept = [row for row in rows[part.table] if not _replaces(part, row)]
        rows[part.table] = kept + [
            Line({**row.cells, SOURCE: part.tag} if part.tag else row.cells, row.file, row.line) for row in part.rows
        ]
    files = {file_of(table): write_table(table, [row.cells for row in lines]) for table, lines in rows.items()}
    return Merged(files, {file_of(table): lines for table, lines in rows.items()})


def present_rows(table: str, present: Mapping[str, bytes]) -> list[Line]:
    """The rows that a table has now."""
    name = file_of(table)
    if name not in present:
        return []
    return [Line(row.cells, name, row.line) for row in read_rows(name, present[name], (), SchoolError)]


def check(present: Mapping[str, bytes], merged: Merged, settings: SchoolSettings) -> School:
    """The school as it would be; raises ImportRefused for the first thing wrong, at the line that it came from."""
    if "staff.csv" in merged.rows:
        _contracts(merged.rows["staff.csv"])
    try:
        files = {**present, **merged.files}
        return parse_school(files, settings, missing_of(files))
    except SchoolError as error:
        raise _at_origin(error, merged) from None


def _replaces(part: Part, row: Line) -> bool:
    if not part.tag:
        return True
    if row.cells.get(SOURCE, "") != part.tag:
        return False
    if part.span is None:
        return True
    first, last = part.span
    return first.isoformat() <= row.cells.get(_DATE_OF[part.table], "") <= last.isoformat()


def _at_origin(error: SchoolError, merged: Merged) -> ImportRefused:
    """The same error in terms of the file that was imported."""
    rows = merged.rows.get(error.file, ())

    def origin(line: int) -> Line | None:
        return rows[line - 2] if 0 <= line - 2 < len(rows) else None

    def told(found: re.Match[str]) -> str:
        other = origin(int(found[1]))
        return f"line {other.line}" if other else found[0]

    here = origin(error.line)
    if here is None:
        what = f"{error.what}, once this import is in force" if error.file not in merged.rows else error.what
        return ImportRefused(error.file, error.line, what, error.mend)
    return ImportRefused(here.file, here.line, re.sub(r"\bline (\d+)", told, error.what), error.mend)


def _contracts(rows: Sequence[Line]) -> None:
    """Two contracts of one person that overlap."""
    seen: defaultdict[str, list[Line]] = defaultdict(list)
    for row in rows:
        start = row.cells.get("contract_start", "")
        end = row.cells.get("contract_end", "") or date.max.isoformat()
        for other in seen[row.cells.get("staff_id", "")]:
            other_end = other.cells.get("contract_end", "") or date.max.isoformat()
            if start <= other_end and other.cells.get("contract_start", "") <= end:
                who = row.cells.get("staff_id", "")
                what = f"staff_id {who!r} is already on line {other.line}, and the two contracts overlap"
                raise row.fail(what, "end the earlier contract, and give each person one row")
        seen[row.cells.get("staff_id", "")].append(row)
