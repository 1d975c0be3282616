"""Small numbers made safe before they are published: in the report, in exports, and on any page that asks.

Theory of operation. A count of 1 to 4 is shown as "< 5"; other counts are exact, or rounded to five (minutes). That
alone does not hide much: totals that are published beside it may give the count away. So a table is seen as a network
(Gusfield, "A Graph Theoretic Approach to Statistical Data Security", SIAM J. Comput. 17, 1988): rows and columns are
nodes, every cell, every total and the grand total is an edge, and that rows and columns add up means that what flows
into a node flows out. What is shown of an edge is a range of whole numbers that it may have. The true numbers satisfy
everything that a reader knows; another solution differs from them by cycles. So a number can be computed by a reader
exactly if no cycle through its edge can be moved by one while all edges stay in their ranges. Where there is none, the
cheapest cycle is opened by withholding further numbers: they are shown as "–", a number of which nothing is said but
that it is not 0. Opening never closes another cycle, so one pass is enough, and withholding everything always is.

Two tables with the same column totals (days and groups of one week) are one network, because each total stands between
them: `together`. Tables whose rows overlap (a minute of two kinds counts in both) are bounded by the totals, not
added up to them: `overlapping`. A table issued anew gets what was shown before: a number that may still be the same
keeps within both ranges.

What it does not know: what readers know from elsewhere; and that somebody who knows this rule may conclude a little
from what was chosen to be withheld. Shares, rates and charts must be made of what is shown here, never of true numbers.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SMALL = 5
"""Counts from 1 to below this are hidden."""
STEP = 5
"""What minutes are rounded to."""
WITHHELD = "–"
_FEW = f"< {SMALL}"
_OPEN = 10**12

Rows = Mapping[str, Mapping[str, int]]
"""A table: row -> column -> count. Missing cells are 0."""


class Exposed(ValueError):
    """What readers know besides leaves a figure only one value. `key` is the figure's."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} cannot be hidden")
        self.key = key


@dataclass(frozen=True, slots=True)
class Shown:
    """What is published of a number: its text, and the range of whole numbers that a reader can know it lies in."""

    text: str
    low: int
    high: int

    @property
    def plain(self) -> bool:
        """Is it shown as a number?"""
        return self.text not in (_FEW, WITHHELD)

    @property
    def about(self) -> float:
        """A value to draw and to reckon with, made of what is shown alone; 0 for what is withheld."""
        if self.text == _FEW:
            return SMALL / 2
        return int(self.text.replace(",", "")) if self.plain else 0.0


Cells = dict[str, dict[str, Shown]]
"""Row -> column -> what is shown."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as an edge from `tail` to `head`. `public`: it is shown; others are only known not to be negative."""

    key: str
    tail: str
    head: str
    value: int
    public: bool = True


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


def shown(count: int, step: int = STEP) -> Shown:
    """One number that stands alone, rounded to `step`."""
    if count <= 0:
        return Shown("0", 0, 0)
    if count < SMALL:
        return Shown(_FEW, 1, SMALL - 1)
    near = step * ((count + step // 2) // step)
    return Shown(f"{near:,}", max(SMALL, near - step // 2), near + (step - 1) // 2)


def suppress(rows: Rows, step: int = STEP, before: Mapping[str, Shown] | None = None) -> Table:
    """A table with its row totals, column totals and grand total. `step` 1: counts are exact."""
    return together({"": rows}, step=step, before=before).tables[""]


def together(
    tables: Mapping[str, Rows],
    overlaps: Rows | None = None,
    step: int = STEP,
    before: Mapping[str, Shown] | None = None,
) -> Tables:
    """One table, or two that have the same columns and column totals, protected as one.

    Where rows add up to less than the other table's, the rest is one row more that is not shown. `overlaps`: a further
    table whose rows overlap: each column's rows cover its total, and none is more than it. `before`: `shown` of the
    issue before, whose readers may put both side by side. Raises ValueError for more than two tables.
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
                # readers of both issues know it, whatever is shown now
                hidden = {f.key: withheld() if f.value > 0 else shown(0) for f in network if f.public}
                return _read(tables, hidden, columns, cells)
            loose |= {error.key} & closed or closed


def protect(
    figures: Sequence[Figure],
    step: int = STEP,
    before: Mapping[str, Shown] | None = None,
    bounds: Mapping[str, tuple[int, int]] | None = None,
) -> dict[str, Shown]:
    """What is published of every public figure, so that no figure that is hidden can be computed.

    The figures must flow: at each node as much goes in as out. `bounds`: what is known of a figure besides, which
    its true value satisfies. Raises `Exposed` where these say it all.
    """
    net = _Net(figures, step, before or {}, bounds or {})
    for place, figure in enumerate(figures):
        if figure.public and not net.shown[place].plain:
            net.free(place)
    return {figure.key: net.told(place) for place, figure in enumerate(figures) if figure.public}


# -------------------------------------------------------------------------------------------- rows that overlap


def _overlapping(rows: Rows, totals: Mapping[str, int], loose: Iterable[str], step: int) -> Cells:
    """What is shown of rows that overlap. A hidden cell is pinned down where the others fall short of the total: then
    the largest other is withheld. In columns whose total is `loose` all are."""
    cells = {row: {column: shown(n, step) for column, n in counts.items()} for row, counts in rows.items()}
    for column in _columns({"": rows}):
        key = _key(column)
        counts = {row: n for row in rows if (n := rows[row].get(column, 0)) > 0}
        for row in counts if key in loose else ():
            cells[row][column] = withheld()
        for row in sorted(counts):
            while not cells[row][column].plain and _pinned(
                row, [cells[r][column] for r in counts], counts, totals[key]
            ):
                others = [r for r in counts if r != row and cells[r][column].high < _OPEN]
                if not others:
                    break  # it is the total, which moves
                most = max(others, key=lambda r: (cells[r][column].plain, counts[r], r))
                cells[most][column] = withheld()
    return cells


def _key(column: str) -> str:
    """The figure that rows of this column overlap to; `total` is the grand total."""
    return "total" if column == "total" else f"column/{column}"


def _pinned(row: str, column: Sequence[Shown], names: Iterable[str], total: int) -> bool:
    """Does the total leave a cell of the column only one value?"""
    cells = dict(zip(names, column, strict=True))
    cell, others = cells[row], sum(other.high for name, other in cells.items() if name != row)
    return min(cell.high, total) <= max(cell.low, total - others)


def _covering(cells: Cells, totals: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """What rows that overlap say about the totals: at least the largest of them, at most all of them together."""
    found: dict[str, tuple[int, int]] = {}
    for column in dict.fromkeys(column for row in cells.values() for column in row):
        column_cells = [row[column] for row in cells.values() if column in row]
        low, high = max(c.low for c in column_cells), sum(c.high for c in column_cells)
        if high < _OPEN and low <= totals[_key(column)] <= high:
            found[_key(column)] = low, high
    return found


def withheld() -> Shown:
    """What is shown of a number of which nothing is said."""
    return Shown(WITHHELD, 1, _OPEN)


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


# ------------------------------------------------------------------------------------------------------ networks


class _Net:
    """Figures with the range that a reader knows of each (`low`, `high`), and what is shown of each."""

    def __init__(
        self,
        figures: Sequence[Figure],
        step: int,
        before: Mapping[str, Shown],
        bounds: Mapping[str, tuple[int, int]],
    ) -> None:
        self.figures = figures
        self._limits = [self._known(figure, before, bounds) for figure in figures]
        self.shown = [self._first(figure, step, before) for figure in figures]
        self._at: dict[str, list[int]] = defaultdict(list)
        for place, figure in enumerate(figures):
            self._at[figure.tail].append(place)
            self._at[figure.head].append(place)

    @staticmethod
    def _known(figure: Figure, before: Mapping[str, Shown], bounds: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
        """What is known of it however little is shown; what an earlier issue said, unless it has plainly changed."""
        low, high = bounds.get(figure.key, (0, _OPEN))
        old = before.get(figure.key)
        if old is not None and old.low <= figure.value <= old.high:
            low, high = max(low, old.low), min(high, old.high)
        return low, high

    @staticmethod
    def _first(figure: Figure, step: int, before: Mapping[str, Shown]) -> Shown:
        """How it is shown if nothing else speaks against it; what was withheld before stays so."""
        if not figure.public:
            return Shown(WITHHELD, 0, _OPEN)
        old = before.get(figure.key)
        if old is not None and old.text == WITHHELD and figure.value > 0:
            return withheld()
        return shown(figure.value, step)

    def told(self, place: int) -> Shown:
        """What is shown of it, with the range that a reader knows who has also seen what was shown before."""
        seen, (low, high) = self.shown[place], self._limits[place]
        return Shown(seen.text, max(seen.low, low), min(seen.high, high))

    def free(self, place: int) -> None:
        """Sees to it that a figure can be another one: opens the cheapest cycle through it."""
        figure = self.figures[place]
        ways = []
        for up in (True, False):
            cost = self._cost(place, up)
            if cost is not None:
                ends = (figure.head, figure.tail) if up else (figure.tail, figure.head)
                way = self._path(*ends, without=place)
                if way is not None:
                    ways.append((cost + way[0], [(place, up), *way[1]]))
        if not ways:
            raise Exposed(figure.key)
        for at, up in min(ways)[1]:
            if not self._moves(at, up):
                self.shown[at] = withheld()

    def _moves(self, place: int, up: bool) -> bool:
        """May it be one more, or one less, for all that is shown and known?"""
        seen, (low, high) = self.shown[place], self._limits[place]
        value = self.figures[place].value + (1 if up else -1)
        return max(seen.low, low) <= value <= min(seen.high, high)

    def _cost(self, place: int, up: bool) -> float | None:
        """What it costs to let it move; None if it cannot be had."""
        if self._moves(place, up):
            return 0.0
        figure, (low, high) = self.figures[place], self._limits[place]
        value = figure.value + (1 if up else -1)
        if not figure.public or figure.value <= 0 or not max(1, low) <= value <= high:
            return None
        kind = {"cell": 1.0, "row": 20.0, "column": 100.0}.get(figure.key.partition("/")[0], 500.0)
        return kind * (1 + math.log2(1 + figure.value) / 10)

    def _path(self, start: str, end: str, without: int) -> tuple[float, list[tuple[int, bool]]] | None:
        """The cheapest way between two nodes along edges that move, or can be made to (Dijkstra)."""
        best: dict[str, tuple[float, int, str]] = {start: (0.0, -1, "")}
        queue = [(0.0, start)]
        while queue:
            cost, node = heapq.heappop(queue)
            if node == end:
                break
            if cost > best[node][0]:
                continue
            for place in self._at[node]:
                if place == without:
                    continue
                up = self.figures[place].tail == node
                more = self._cost(place, up)
                other = self.figures[place].head if up else self.figures[place].tail
                if more is not None and cost + more < best.get(other, (math.inf, 0, ""))[0]:
                    best[other] = (cost + more, place, node)
                    heapq.heappush(queue, (cost + more, other))
        if end not in best:
            return None
        way, node = [], end
        while node != start:
            _, place, node = best[node]
            way.append((place, self.figures[place].tail == node))
        return best[end][0], way
