"""The minutes of a time as they are published: by day, by group of staff and by kind of service, protected as one.

Every figure of the report, of its charts, its rates and its comparisons is made of these; the true sums stop here.
Groups of staff under ten people are merged, and if even together they are fewer than ten, they are left out: they are
part of all staff only. Minutes without a known person belong to no group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboards import words
from dashboards.hiding import Shown, shown
from dashboards.queries import Row
from dashboards.suppression import Tables, pieces, together

OUTCOMES = tuple(outcome.value for outcome in words.LOOKS)
SMALLEST_GROUP = 10
"""People a group of staff must have to be shown."""
MERGED = "merged"
"""Groups that are too small to be shown each by itself."""
OUTSIDE = "outside_allowed"


@dataclass(frozen=True, slots=True)
class Figures:
    """What is published of a time. `shown`: every figure by its key, to be kept with an issue."""

    tables: Tables

    @property
    def total(self) -> Shown:
        return self.tables.total

    @property
    def outcomes(self) -> Mapping[str, Shown]:
        """Minutes by outcome."""
        return self.tables.column_totals or dict.fromkeys(OUTCOMES, shown(0))

    @property
    def days(self) -> Mapping[str, Mapping[str, Shown]]:
        """ISO date -> outcome -> minutes."""
        return self.tables.tables["days"].cells

    @property
    def groups(self) -> Mapping[str, Mapping[str, Shown]]:
        """Group of staff -> outcome, and `total`, -> minutes."""
        table = self.tables.tables["groups"]
        return {name: {**cells, "total": table.row_totals[name]} for name, cells in table.cells.items()}

    @property
    def kinds(self) -> Mapping[str, Mapping[str, Shown]]:
        """Kind of service -> `total` and `outside_allowed` -> minutes."""
        return self.tables.overlaps

    @property
    def shown(self) -> Mapping[str, Shown]:
        """Every figure by its key."""
        kinds = {f"kind/{kind}/{name}": cell for kind, row in self.kinds.items() for name, cell in row.items()}
        return {**self.tables.shown, **kinds}


def published(
    by_day: Iterable[Row],
    by_group: Iterable[Row],
    by_kind: Iterable[Row],
    sizes: Mapping[str, int],
    before: Mapping[str, Shown] | None = None,
) -> Figures:
    """Of the answers of `week_by_day`, `days_by_group` and `days_by_kind`. `sizes`: of groups of staff, `all` among
    them. `before`: `Figures.shown` of the issue before."""
    days = {row["day"].isoformat(): {o: max(0, int(row[o])) for o in OUTCOMES} for row in by_day}
    names = merged(sizes)
    groups: dict[str, dict[str, int]] = {}
    for row in by_group:
        if name := names.get(row["people"]):
            cells = groups.setdefault(name, dict.fromkeys(OUTCOMES, 0))
            for outcome in OUTCOMES:
                cells[outcome] += max(0, int(row[outcome]))
    kinds: dict[str, dict[str, int]] = {}
    for row in by_kind:
        cells = kinds.setdefault(row["kind"], {"total": 0, OUTSIDE: 0})
        for column in cells:
            cells[column] += max(0, int(row[column]))
    return Figures(together({"days": days, "groups": groups}, kinds, before=before))


def figures_of(kept: Mapping[str, object]) -> dict[str, Shown]:
    """What an issue has published: `Figures.shown` as it is kept with it."""
    found = {}
    for key, value in kept.items():
        assert isinstance(value, list)
        found[key] = Shown(str(value[0]), int(value[1]), int(value[2]))
    return found


def merged(sizes: Mapping[str, int]) -> dict[str, str]:
    """Group of staff -> the row that shows it, `merged` for several; groups that are not there are not shown.

    Each row has at least ten people, and so has whoever is in none: the difference to `all` would show them.
    """
    everybody = sizes.get("all", 0)
    groups = sorted((g for g in sizes if g != "all"), key=lambda g: (-sizes[g], g))
    alone = [g for g in groups if sizes[g] >= SMALLEST_GROUP]
    while alone and 0 < everybody - sum(sizes[g] for g in alone) < SMALLEST_GROUP:
        alone.pop()
    rest = [g for g in groups if g not in alone]
    found = {g: g for g in alone}
    together_ = sum(sizes[g] for g in rest)
    left = everybody - sum(sizes[g] for g in groups)
    if alone and together_ >= SMALLEST_GROUP and (left <= 0 or left >= SMALLEST_GROUP):
        found |= dict.fromkeys(rest, rest[0] if len(rest) == 1 else MERGED)
    return found if sum(sizes[g] for g in found) <= everybody else {}


def shares(parts: Sequence[tuple[str, int]], total: int, most: int = 3) -> list[tuple[str, str]]:
    """Parts of a total as percentages rounded to five, the largest first, and '' for the rest; nothing of a total under
    20, of which a percentage would tell the number."""
    if total < 20:
        return []
    told = [(name, 5 * round(20 * n / total)) for name, n in parts[:most] if n >= 5]
    told = [(name, percent) for name, percent in told if percent]
    rest = 100 - sum(percent for _, percent in told)
    return [(name, f"{percent} %") for name, percent in [*told, *([("", rest)] if rest >= 5 else [])]]


def shares_of(counts: Mapping[str, int], whole: Shown) -> list[tuple[str, str]]:
    """Shares of a number by its parts, made of what may be published of both: a share of the true numbers would give a
    small one away."""
    cells = pieces(counts, whole)
    parts = [(name, int(cell.about)) for name, cell in cells.items() if cell.plain]
    total = max(int(whole.about), sum(n for _, n in parts)) if whole.plain else 0
    return shares(sorted(parts, key=lambda part: (-part[1], part[0])), total)
