"""Numbers of which some are hidden, as edges of a network: which of them can be computed, and what must go besides.

Theory of operation. A count of 1 to 4 is shown as "< 5"; other counts are exact, or rounded to five (minutes). That
alone does not hide much: totals that are published beside it may give the count away. So a table is seen as a network
(Gusfield, "A Graph Theoretic Approach to Statistical Data Security", SIAM J. Comput. 17, 1988): rows and columns are
nodes, every cell, every total and the grand total is an edge, and that rows and columns add up means that what flows
into a node flows out. What is shown of an edge is a range of whole numbers that it may have. The true numbers satisfy
everything that a reader knows; another solution differs from them by cycles. So a number can be computed by a reader
exactly if no cycle through its edge can be moved by one while all edges stay in their ranges. Where there is none, the
cheapest cycle is opened by withholding further numbers: they are shown as "–", a number of which nothing is said but
that it is not 0. Opening never closes another cycle, so one pass is enough, and withholding everything always is, but
where readers know more from before (`Exposed`). It knows no tables: see dashboards.suppression.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SMALL = 5
"""Counts from 1 to below this are hidden."""
STEP = 5
"""What minutes are rounded to."""
WITHHELD = "–"
FEW = f"< {SMALL}"
OPEN = 10**12


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
        return self.text not in (FEW, WITHHELD)

    @property
    def about(self) -> float:
        """A value to draw and to reckon with, made of what is shown alone; 0 for what is withheld."""
        if self.text == FEW:
            return SMALL / 2
        return int(self.text.replace(",", "")) if self.plain else 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as an edge from `tail` to `head`. `public`: it is shown; others are only known not to be negative."""

    key: str
    tail: str
    head: str
    value: int
    public: bool = True


def shown(count: int, step: int = STEP) -> Shown:
    """One number that stands alone, rounded to `step`."""
    if count <= 0:
        return Shown("0", 0, 0)
    if count < SMALL:
        return Shown(FEW, 1, SMALL - 1)
    near = step * ((count + step // 2) // step)
    return Shown(f"{near:,}", max(SMALL, near - step // 2), near + (step - 1) // 2)


def withheld() -> Shown:
    """What is shown of a number of which nothing is said."""
    return Shown(WITHHELD, 1, OPEN)


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
        low, high = bounds.get(figure.key, (0, OPEN))
        old = before.get(figure.key)
        if old is not None and old.low <= figure.value <= old.high:
            low, high = max(low, old.low), min(high, old.high)
        return low, high

    @staticmethod
    def _first(figure: Figure, step: int, before: Mapping[str, Shown]) -> Shown:
        """How it is shown if nothing else speaks against it; what was withheld before stays so."""
        if not figure.public:
            return Shown(WITHHELD, 0, OPEN)
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
