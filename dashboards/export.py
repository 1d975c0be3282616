"""Aggregates as files for spreadsheets and programs: one table, some weeks, as CSV or Parquet.

What is exported is what the weekly reports publish, week by week (dashboards.figures), so that neither two exports nor
an export and a report give away what one of them hides; there are no sums over other times, of which the difference
would. A hidden number is an empty cell in a column of numbers, and the column beside it says why (`< 5` or `–`), so
that programs need not read texts. Where the settings say `exact`, numbers are the store's. Texts that a spreadsheet
would take for a formula get an apostrophe before them in CSV; numbers are written as numbers. It writes no file.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dashboards.figures import OUTCOMES, OUTSIDE, merged
from dashboards.hiding import Shown
from dashboards.queries import ask
from dashboards.schools import SchoolInfo
from dashboards.suppression import pieces, within
from dashboards.week import week_of
from dashboards.weeks import Counted, by_reason, weeks_of
from pipeline.words import Outcome

if TYPE_CHECKING:
    from pipeline.store import Store

Cell = str | int | float | date | None
Line = tuple[Mapping[str, Cell], Mapping[str, Shown | int]]
"""What a row is of, and its numbers."""


@dataclass(frozen=True, slots=True)
class Export:
    """A table that is to be written: columns of equal length, in order."""

    columns: Mapping[str, Sequence[Cell]]

    def csv(self) -> str:
        """As CSV (RFC 4180), for people's spreadsheets."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(self.columns)
        for row in zip(*self.columns.values(), strict=True):
            writer.writerow(["" if cell is None else harmless(cell) for cell in row])
        return out.getvalue()

    def parquet(self) -> bytes:
        """As Parquet, for programs."""
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({name: pa.array(values) for name, values in self.columns.items()}), sink)
        made: bytes = sink.getvalue().to_pybytes()
        return made


def harmless(cell: Cell) -> Cell:
    """A text that no spreadsheet takes for a formula; numbers and days as they are."""
    if isinstance(cell, str) and cell.lstrip(" ")[:1] in tuple("=+-@\t\r\n|%"):
        return f"'{cell}"
    return cell


def export(store: Store, school: SchoolInfo, table: str, first: date, last: date, *, exact: bool) -> Export:
    """A table of `TABLES` of all weeks from that of one day to that of another. Raises StoreError."""
    monday, end = first - timedelta(days=first.weekday()), last - timedelta(days=last.weekday())
    weeks = [week for week in weeks_of(store, school, monday, end) if week.days or week.figures.total.high]
    lines = [line for week in weeks for line in _TABLES[table](store, school, week, exact)]
    return _written(lines)


def _weeks(store: Store, school: SchoolInfo, week: Counted, exact: bool) -> Iterator[Line]:
    cells: dict[str, Shown | int] = {"total": week.figures.total, **week.figures.outcomes}
    if exact:
        cells = {name: sum(int(row[name]) for row in week.by_day) for name in ("total", *OUTCOMES)}
    yield {"week": week_of(week.monday)}, cells


def _days(store: Store, school: SchoolInfo, week: Counted, exact: bool) -> Iterator[Line]:
    table = week.figures.tables.tables["days"]
    for row in week.by_day:
        day = row["day"]
        cells: dict[str, Shown | int] = {name: int(row[name]) for name in ("total", *OUTCOMES)}
        if not exact:
            cells = {"total": table.row_totals[day.isoformat()], **table.cells[day.isoformat()]}
        yield {"week": week_of(week.monday), "day": day}, cells


def _groups(store: Store, school: SchoolInfo, week: Counted, exact: bool) -> Iterator[Line]:
    names = merged(school.group_sizes)
    sums: dict[str, dict[str, Shown | int]] = {}
    for row in week.by_group if exact else ():
        if name := names.get(row["people"]):  # groups under ten people are never shown
            cells = sums.setdefault(name, {})
            for column in ("total", *OUTCOMES):
                cells[column] = int(str(cells.get(column, 0))) + int(row[column])
    for name, shown in week.figures.groups.items():
        whole: Mapping[str, Shown | int] = {"total": shown["total"], **shown}
        yield {"week": week_of(week.monday), "people": name}, sums[name] if exact else whole


def _kinds(store: Store, school: SchoolInfo, week: Counted, exact: bool) -> Iterator[Line]:
    sums: dict[str, dict[str, Shown | int]] = {}
    for row in week.by_kind if exact else ():
        cells = sums.setdefault(row["kind"], {"total": 0, OUTSIDE: 0})
        for column in cells:
            cells[column] = int(str(cells[column])) + int(row[column])
    for kind, shown in week.figures.kinds.items():
        yield {"week": week_of(week.monday), "kind": kind}, sums[kind] if exact else shown


def _services(store: Store, school: SchoolInfo, week: Counted, exact: bool) -> Iterator[Line]:
    """Minutes of each service: nothing more, because services overlap each other and their kinds."""
    rows = ask(store, "week_services", school=school.id, from_=week.monday, to=week.last)
    names: dict[str, list[str]] = {}
    for row in rows:
        names.setdefault(row["kind"], []).append(row["service"])
    sums = {row["service"]: max(0, int(row["total"])) for row in rows}
    cells: Mapping[str, Shown | int] = sums
    if not exact:
        kinds: Counter[str] = Counter()
        for row in week.by_kind:
            kinds[row["kind"]] += max(0, int(row["total"]))
        whole = sum(max(0, int(row[o])) for row in week.by_day for o in OUTCOMES)
        groups = [(mine, kinds[kind], week.figures.kinds[kind]["total"]) for kind, mine in names.items()]
        cells = within(sums, [*groups, (list(sums), whole, week.figures.total)])
    for row in rows:
        labels = {"week": week_of(week.monday), "kind": row["kind"], "service": row["service"]}
        yield labels, {"total": cells[row["service"]]}


def _reasons(store: Store, school: SchoolInfo, week: Counted, exact: bool) -> Iterator[Line]:
    """Why minutes are unknown. Their sum is published with the outcomes."""
    sums = by_reason(week.reasons)
    cells: Mapping[str, Shown | int] = sums if exact else pieces(sums, week.figures.outcomes[Outcome.UNKNOWN])
    for reason in sums:
        if reason in cells:
            yield {"week": week_of(week.monday), "reason": reason}, {"minutes": cells[reason]}


def _coverage(store: Store, school: SchoolInfo, week: Counted, exact: bool) -> Iterator[Line]:
    """Counters of packets and flows; minutes only where they are no small number."""
    for row in week.covered:
        numbers = {n: int(row[n]) for n in ("packets", "lost", "slices", "flows", "flows_named", "flows_hidden")}
        yield {"week": week_of(week.monday), "day": row["day"]}, numbers


_TABLES: Mapping[str, Callable[[Store, SchoolInfo, Counted, bool], Iterator[Line]]] = MappingProxyType(
    {
        "weeks": _weeks,
        "days": _days,
        "groups": _groups,
        "kinds": _kinds,
        "services": _services,
        "reasons": _reasons,
        "coverage": _coverage,
    }
)
TABLES = tuple(_TABLES)


def _written(lines: Sequence[Line]) -> Export:
    """Labels, then numbers; beside each number that may be hidden why it is missing."""
    columns: dict[str, list[Cell]] = {
        name: [labels[name] for labels, _ in lines] for name in (lines[0][0] if lines else ())
    }
    for name in lines[0][1] if lines else ():
        cells = [numbers[name] for _, numbers in lines]
        columns[name] = [cell if isinstance(cell, int) else int(cell.about) if cell.plain else None for cell in cells]
        if any(isinstance(cell, Shown) for cell in cells):
            columns[f"{name}_hidden"] = ["" if isinstance(c, int) or c.plain else c.text for c in cells]
    return Export(columns)
