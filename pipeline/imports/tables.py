"""The canonical tables as an import writes them: their columns, what identifies a row, and rows that know their origin.

`Part` is what every importer gives: rows of one table and which of the present rows they replace. A row carries the
file and line that it was read from, so that whatever is found wrong with it later is told in terms of the export.
Cells of a row that are not named are empty; columns that a table does not have are never written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline.records import SchoolError

SOURCE = "source"  # an extra column that says where rows came from, where a table has rows of several sources

TABLES: Mapping[str, tuple[str, ...]] = {
    "staff": (
        *("staff_id", "username", "email", "role", "fte", "contract_start", "contract_end", "department"),
        "bell_group",
    ),
    "patterns": (
        *("staff_id", "valid_from", "valid_to", "week", "weekday", "start", "end"),
        *("unpaid_break_start", "unpaid_break_end", "kind"),
    ),
    "bells": ("schedule", "weekday", "slot", "kind", "start", "end", "group"),
    "calendar": ("date_from", "date_to", "kind", "value"),
    "timetable": ("staff_id", "week", "weekday", "slot", "activity", "class", "room", "valid_from", "valid_to"),
    "duties": ("staff_id", "week", "weekday", "slot_or_start", "end", "kind", "place", "valid_from", "valid_to"),
    "exceptions": ("date", "staff_id", "start_or_slot", "end", "kind", "ref", "entered_at"),
    "official_sites": (
        *("site_id", "service", "account", "administrators", "moderators", "purpose", "audience", "contributors"),
        *("host", "line_manager", "lm_approved_on", "network_manager", "nm_approved_on", "head", "head_approved_on"),
        *("go_live", "closure", "review_on"),
    ),
    "devices": (
        *("mac", "asset_tag", "hostname", "assigned_staff_id", "shared", "valid_from", "valid_to"),
        "ownership",
    ),
}

KEYS: Mapping[str, tuple[str, ...]] = {
    "staff": ("staff_id",),
    "patterns": ("staff_id", "week", "weekday", "valid_from", "start"),
    "bells": ("schedule", "weekday", "slot", "group"),
    "calendar": ("date_from", "kind", "value"),
    "timetable": ("staff_id", "week", "weekday", "slot", "valid_from"),
    "duties": ("staff_id", "week", "weekday", "slot_or_start", "valid_from"),
    "exceptions": ("date", "staff_id", "start_or_slot"),
    "official_sites": ("site_id",),
    "devices": ("mac", "valid_from"),
}
"""What stays the same in a row that has merely changed."""


class ImportRefused(SchoolError):
    """What was to be imported cannot be used: `FILE:LINE: what; mend`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row for a table, and where it was read."""

    cells: Mapping[str, str]
    file: str
    line: int

    def fail(self, what: str, mend: str) -> ImportRefused:
        """An error at this row's origin, to be raised by the caller."""
        return ImportRefused(self.file, self.line, what, mend)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows for one table. They replace all of it, or with `tag` only rows of the same tag, of which with `span` only
    those whose date lies in it (first and last day)."""

    table: str
    rows: Sequence[Line]
    tag: str = ""
    span: tuple[date, date] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read from one source. notes: what people should know, such as what was left out, or guessed."""

    source: str
    format: str
    files: tuple[str, ...]
    parts: Sequence[Part]
    notes: Sequence[str] = ()
    said: Mapping[str, str] | None = None  # what is to be remembered of this source


def table_of(file: str) -> str:
    """`staff.csv` -> `staff`."""
    return file.removesuffix(".csv")


def file_of(table: str) -> str:
    """`staff` -> `staff.csv`."""
    return f"{table}.csv"


def write_table(table: str, rows: Iterable[Mapping[str, str]]) -> bytes:
    """A table as CSV, one row a line; with a column `source` if any row has one."""
    listed = list(rows)
    columns = [*TABLES[table], *([SOURCE] if any(row.get(SOURCE) for row in listed) else [])]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in listed:
        writer.writerow([" ".join(row.get(column, "").split()) for column in columns])
    return out.getvalue().encode()
