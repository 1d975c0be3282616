"""Small numbers made safe before they are published, in reports and exports. What is published at all, and which exact
numbers the network manager alone may see beside it: dashboards.needs.

A count of 1 to 4 is shown as "< 5"; minutes are rounded to five. What else must be withheld, so that no sum of what is
shown gives a hidden number away, is found in a network of all its rows, columns and totals (dashboards.hiding).

Two tables with the same column totals (days and groups of one week) are one network, because each total stands between
them: `together`. Tables whose rows overlap (a minute of two kinds counts in both) are bounded by the totals, not
added up to them (`overlaps`). What is published of the parts of a number that stands in such tables (services of a
kind: `within`; reasons for unknown minutes: `pieces`) may be put beside them: it hides its own small parts, and leaves
the number as free to move as it was, so that what the tables hide stays hidden.

A table issued anew gets what was shown before: a number that may still be the same keeps within both ranges, and where
that leaves nothing else, the new issue shows no number at all.

What it does not know: what readers know from elsewhere; and that somebody who knows this rule may conclude a little
from what was chosen to be withheld. Shares, rates and charts must be made of what is shown here, never of true numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboards.hiding import OPEN, SMALL, STEP, WITHHELD, Exposed, Figure, Shown, protect, shown, withheld

Rows = Mapping[str, Mapping[str, int]]
"""A table: row -> column -> count. Missing cells are 0."""


Cells = dict[str, dict[str, Shown]]
"""Row -> column -> what is shown."""


@dataclass(frozen=True, slots=True)
class Table:
    """What is published of a table."""

    cells: Mapping[str, Mapping[str, Shown]]
    row_totals: Mapping[str, Shown]
    column_totals: Mapping[str, Shown]
    total: Shown


@dataclass(frozen=True, slots=True)
class Tables:
    """What is published of tables that share their column totals. `shown`: every number by its key, to be kept for a
    later issue. `overlaps`: the cells of the table whose rows overlap."""

    tables: Mapping[str, Table]
    shown: Mapping[str, Shown]
    overlaps: Mapping[str, Mapping[str, Shown]] = field(default_factory=dict)

    @property
    def column_totals(self) -> Mapping[str, Shown]:
        return next(iter(self.tables.values())).column_totals

    @property
    def total(self) -> Shown:
        return next(iter(self.tables.values())).total


def together(
    tables: Mapping[str, Rows],
    overlaps: Rows | None = None,
    step: int = STEP,
    before: Mapping[str, Shown] | None = None,
) -> Tables:
    """One table, or two that have the same columns and column totals, protected as one.

    Where rows add up to less than the other table's, the rest is one row more that is not shown. `overlaps`: a further
    table whose rows overlap: each column's rows cover its total, and none is more than it. `before`: `shown` of the
    issue before, whose readers may put both side by side. `step` 1: counts are exact. Raises ValueError for more than
    two tables.
    """
    if not 1 <= len(tables) <= 2:
        raise ValueError("one table, or two with the same column totals")
    network, columns = _network(tables), _columns(tables)
    true = {f"column/{c}": max(_sum(rows, c) for rows in tables.values()) for c in columns}
    true["total"] = sum(true.values())
    loose: set[str] = set()
    while True:
        cells = _overlapping(overlaps or {}, true, loose, step)
        bounds = _covering(cells, true)
        try:
            return _read(tables, protect(network, step, before, bounds), columns, cells)
        except Exposed as error:
            closed = bounds.keys() - loose
            if not closed:
                if not before:
                    raise
                nothing = {f.key: _unsaid(f, before.get(f.key)) for f in network if f.public}
                unsaid = {row: {name: Shown(WITHHELD, 0, OPEN) for name in cells[row]} for row in cells}
                return _read(tables, nothing, columns, unsaid)
            loose |= {error.key} & closed or closed


def pieces(counts: Mapping[str, int], whole: Shown, step: int = STEP) -> dict[str, Shown]:
    """Parts that add up to a number of which `whole` is published elsewhere. Where that they are there would say too
    much already, as of two parts of one minute each, they are left out."""
    total = sum(counts.values())
    network = [Figure("", "out", "in", total), *(Figure(f"cell/{part}", "in", "out", n) for part, n in counts.items())]
    known = (
        (whole.low, whole.high) if whole.high < SMALL else (total, total)
    )  # else taken as known: more is hidden then
    try:
        found = protect(network, step, bounds={"": known})
        cells = {part: found[f"cell/{part}"] for part in counts}
    except Exposed:
        cells = {part: withheld() if n > 0 else shown(0) for part, n in counts.items()}

    def stuck() -> bool:
        up = total + 1 > whole.high or any(cells[part].high > n for part, n in counts.items())
        down = total - 1 < whole.low or any(cells[part].low < n for part, n in counts.items())
        return not (up and down)

    while stuck():
        most = _largest(cells, counts)
        if not most:
            return {part: cell for part, cell in cells.items() if cell.plain}
        cells[most] = withheld()
    return cells


def within(
    counts: Mapping[str, int], groups: Sequence[tuple[Sequence[str], int, Shown]], step: int = STEP
) -> dict[str, Shown]:
    """Parts that overlap, in groups: the parts of each cover its total, and none is more than it. Of a group: its
    parts, its true total, and what is published of that elsewhere."""
    cells = {part: shown(n, step) for part, n in counts.items()}
    again = True
    while again:
        again = False
        for names, total, whole in groups:
            mine = [part for part in names if counts[part] > 0]
            pinned = [part for part in mine if not cells[part].plain and _pinned(part, cells, mine, total)]
            high = sum(cells[part].high for part in mine)
            stuck = total < whole.high and high <= total
            above = [part for part in mine if total > whole.low and cells[part].low >= total]
            others = [part for part in mine if part != pinned[0]] if pinned else []
            for choice in (others, above, mine if stuck else []):
                if most := _largest(cells, {part: counts[part] for part in choice}):
                    cells[most] = withheld()
                    again = True
                    break
    return cells


def _largest(cells: Mapping[str, Shown], counts: Mapping[str, int]) -> str:
    """The part to withhold next: the largest that is shown, else the largest that is hidden; '' if none is left."""
    left = [part for part, n in counts.items() if n > 0 and cells[part].high < OPEN]
    return max(left, key=lambda part: (cells[part].plain, counts[part], part), default="")


def _unsaid(figure: Figure, old: Shown | None) -> Shown:
    """What is shown where readers of the issue before would know too much by any number, 0 too: only what they know."""
    if old is not None and old.low <= figure.value <= old.high:
        return Shown(WITHHELD, old.low, old.high)
    return Shown(WITHHELD, 0, OPEN)


# -------------------------------------------------------------------------------------------- rows that overlap


def _overlapping(rows: Rows, totals: Mapping[str, int], loose: Iterable[str], step: int) -> Cells:
    """What is shown of rows that overlap. A hidden cell is pinned down where the others fall short of the total: then
    the largest other is withheld, and where that is not enough, as no cell is more than its row's own total, that one.
    In columns whose total is `loose` all are."""
    cells = {row: {column: shown(n, step) for column, n in counts.items()} for row, counts in rows.items()}
    used = {column: [row for row in sorted(rows) if rows[row].get(column, 0) > 0] for column in _columns({"": rows})}
    for column in used:
        for row in used[column] if _key(column) in loose else ():
            cells[row] |= {name: withheld() for name in (column, "total") if name in cells[row]}
    again = True
    while again:
        again = False
        for column, row in [(column, row) for column, names in used.items() for row in names]:
            here = {r: _at_most_its_total(cells[r], column) for r in used[column]}
            if here[row].plain or not _pinned(row, here, here, totals[_key(column)]):
                continue
            for name in (column, "total"):  # if nothing is left to withhold it is the total, which moves
                others = {r: rows[r][name] for r in here if r != row and name in rows[r]}
                if most := _largest({r: cells[r][name] for r in others}, others):
                    cells[most][name] = withheld()
                    again = True
                    break
        for row in _telling_the_rest(cells, totals):
            cells[row]["total"] = withheld()
            again = True
    return cells


def _telling_the_rest(cells: Cells, totals: Mapping[str, int]) -> list[str]:
    """Rows whose own total, without the columns that are shown of it, would say how much all other columns have: what
    is left of it is at least that much, or what is left of all rows at most."""
    left = {row: _left(row_cells) for row, row_cells in cells.items() if "total" in row_cells}
    columns = {column for row in left for column in cells[row] if column != "total"}
    rest = totals["total"] - sum(totals[_key(column)] for column in columns)
    shown_rows = [row for row in left if 0 < cells[row]["total"].high < OPEN]
    found = [row for row in shown_rows if left[row][0] >= rest > 0]
    return found or (shown_rows if sum(high for _, high in left.values()) <= rest else [])


def _left(row: Mapping[str, Shown]) -> tuple[int, int]:
    """Between what a row's total leaves when the columns that are shown are taken off."""
    others = [cell for column, cell in row.items() if column != "total"]
    return row["total"].low - sum(cell.high for cell in others), row["total"].high - sum(cell.low for cell in others)


def _at_most_its_total(row: Mapping[str, Shown], column: str) -> Shown:
    """A cell with the range that is left of it beside its row's total."""
    cell = row[column]
    return Shown(cell.text, cell.low, min(cell.high, row.get("total", cell).high))


def _key(column: str) -> str:
    """The figure that rows of this column overlap to; `total` is the grand total."""
    return "total" if column == "total" else f"column/{column}"


def _pinned(row: str, cells: Mapping[str, Shown], names: Iterable[str], total: int) -> bool:
    """Does the total leave one of these cells only one value?"""
    cell, others = cells[row], sum(cells[name].high for name in names if name != row)
    return min(cell.high, total) <= max(cell.low, total - others)


def _covering(cells: Cells, totals: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """What rows that overlap say about the totals: at least the largest of them, at most all of them together."""
    found: dict[str, tuple[int, int]] = {}
    for column in dict.fromkeys(column for row in cells.values() for column in row):
        column_cells = [_at_most_its_total(row, column) for row in cells.values() if column in row]
        low, high = max(c.low for c in column_cells), sum(c.high for c in column_cells)
        if high < OPEN and low <= totals[_key(column)] <= high:
            found[_key(column)] = low, high
    return found


# ------------------------------------------------------------------------------------------------------- tables


def _columns(tables: Mapping[str, Rows]) -> list[str]:
    return list(dict.fromkeys(column for rows in tables.values() for row in rows.values() for column in row))


def _sum(rows: Rows, column: str) -> int:
    return sum(max(0, row.get(column, 0)) for row in rows.values())


def _network(tables: Mapping[str, Rows]) -> list[Figure]:
    """Rows of the first table -> columns -> rows of the second; each total is an edge of its own."""
    columns = _columns(tables)
    totals = {column: max(_sum(rows, column) for rows in tables.values()) for column in columns}
    figures = [Figure("total", "out", "in", sum(totals.values()))]
    figures += [Figure(f"column/{c}", f"a/{c}", f"b/{c}", totals[c]) for c in columns]
    for place, (name, rows) in enumerate(tables.items()):
        side = "ab"[place]
        rest = {c: totals[c] - _sum(rows, c) for c in columns}
        for row, counts in [*rows.items(), *([("", rest)] if any(rest.values()) else [])]:
            public = row in rows
            values = {c: max(0, counts.get(c, 0)) for c in columns}
            ends = ("in", f"{name}/{row}") if side == "a" else (f"{name}/{row}", "out")
            figures.append(Figure(f"row/{name}/{row}", *ends, sum(values.values()), public))
            for c in columns:
                ends = (f"{name}/{row}", f"a/{c}") if side == "a" else (f"b/{c}", f"{name}/{row}")
                figures.append(Figure(f"cell/{name}/{row}/{c}", *ends, values[c], public))
    if len(tables) == 1:  # nothing beyond the totals
        figures += [Figure(f"out/{c}", f"b/{c}", "out", totals[c], public=False) for c in columns]
    return figures


def _read(tables: Mapping[str, Rows], found: Mapping[str, Shown], columns: Sequence[str], overlaps: Cells) -> Tables:
    totals = {c: found[f"column/{c}"] for c in columns}
    made = {
        name: Table(
            {row: {c: found[f"cell/{name}/{row}/{c}"] for c in columns} for row in rows},
            {row: found[f"row/{name}/{row}"] for row in rows},
            totals,
            found["total"],
        )
        for name, rows in tables.items()
    }
    return Tables(made, found, overlaps)
