"""What was measured, as one table: for the eye, for README, and as JSON that can be read back.

A row holds exact figures. What is printed is never rounded in our favour: figures of which more is better, and ratios,
are cut after the printed digits, costs (time, memory, loss) are rounded up. A target is judged by the exact figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sensor.bench import floored

COSTS = frozenset({"s", "ms", "MiB", "MB", "packets lost"})  # units of which less is better
TITLES = {
    "sensor": "The sensor beside the header-touch limit, one core, capture in memory",
    "names": "Flows that only begin, one core",
    "peers": "Beside other flow meters, each on one thread, the same file in the page cache",
    "process": "Memory, start, a second core",
    "way": "From the capture file to tagged aggregates",
    "store": "The store: one year of a school of 1,500 devices",
    "queries": "Every named query on that year: a week of it, and the whole year where days can be chosen",
    "live": "Live on a veth pair: the sender on one core, the sensor's worker on the other",
    "found": "Flows with a name",
}


@dataclass(frozen=True, slots=True)
class Target:
    """What must be reached, of the ratio or (`of_ratio` false) of our own figure. A cost must not exceed it."""

    value: float
    of_ratio: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of ours, beside another one or not. `ratio` is the median of the rounds' ratios."""

    group: str
    what: str
    ours: float
    unit: str
    beside: str = ""
    theirs: float | None = None
    ratio: float | None = None
    target: Target | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Is the target reached? None without a target."""
        if self.target is None:
            return None
        if self.target.of_ratio:
            return self.ratio is not None and self.ratio >= self.target.value
        return self.ours <= self.target.value if self.unit in COSTS else self.ours >= self.target.value


@dataclass(frozen=True, slots=True)
class Report:
    """All rows of a run, where it ran, and what could not be measured there."""

    machine: dict[str, str]
    settings: dict[str, Any]
    rows: tuple[Row, ...]
    lacking: tuple[str, ...] = ()


def to_json(report: Report) -> str:
    """Everything, unrounded; each row also says whether its target is reached."""
    rows = [asdict(row) | {"reached": row.reached} for row in report.rows]
    return json.dumps(asdict(report) | {"rows": rows}, indent=1)


def from_json(text: str) -> Report:
    """The report that `to_json` wrote."""
    data = json.loads(text)
    rows = []
    for row in data["rows"]:
        del row["reached"]
        rows.append(Row(**row | {"target": Target(**row["target"]) if row["target"] else None}))
    return Report(data["machine"], data["settings"], tuple(rows), tuple(data["lacking"]))


def ceiled(value: float, digits: int = 0) -> str:
    """A cost for people: rounded up."""
    scale = 10**digits
    return f"{math.ceil(value * scale - 1e-9) / scale:,.{digits}f}"


def figure(value: float, unit: str) -> str:
    """A figure with its unit, in thousands or millions where that is shorter to read."""
    if unit in COSTS:
        return f"{ceiled(value, 2 if unit == 's' else 0)} {unit}"
    if unit.endswith("/s"):
        if value >= 1e6:
            return f"{floored(value / 1e6, 2)} M {unit}"
        return f"{floored(value / 1e3, 1)} k {unit}" if value >= 1e4 else f"{floored(value)} {unit}"
    return f"{floored(value, 2)} {unit}".strip() if unit == "x" else f"{floored(value)} {unit}".strip()


def ratio_text(ratio: float | None) -> str:
    """A ratio; of large ones fewer digits."""
    if ratio is None:
        return ""
    return floored(ratio, 2) if ratio < 10 else floored(ratio, 1)


def target_text(row: Row) -> str:
    """The target, as a condition."""
    if row.target is None:
        return ""
    if row.target.of_ratio:
        return f">= {row.target.value:g}"
    return f"{'<=' if row.unit in COSTS else '>='} {figure(row.target.value, row.unit)}"


def _cells(row: Row) -> tuple[str, ...]:
    theirs = figure(row.theirs, row.unit) if row.theirs is not None else ""
    other = f"{row.beside} {theirs}".strip()
    reached = {True: "yes", False: "no", None: ""}[row.reached]
    return row.what, figure(row.ours, row.unit), other, ratio_text(row.ratio), target_text(row), reached


HEAD = ("what", "ours", "beside", "ratio", "target", "reached")


def _groups(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    names = [name for name in TITLES if any(row.group == name for row in rows)]
    return [(TITLES[name], [row for row in rows if row.group == name]) for name in names]


def _origin(report: Report) -> str:
    m = report.machine
    how = ", ".join(f"{name} {value}" for name, value in report.settings.items())
    return (
        f"{m['cpu']}, {m['cores']} cores, {m['memory']}, Linux {m['kernel']}, Python {m['python']}, "
        f"Numba {m['numba']}; {m['date']}; {how}"
    )


def text(report: Report) -> str:
    """The table for a terminal."""
    lines = [_origin(report)]
    for title, rows in _groups(report.rows):
        table = [HEAD, *(_cells(row) for row in rows)]
        widths = [max(len(cells[n]) for cells in table) for n in range(len(HEAD))]
        lines += ["", title]
        for cells, note in zip(table, ["", *(row.note for row in rows)], strict=True):
            padded = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
            lines.append(f"  {padded}  {note}".rstrip())
    lines += ["", *report.lacking] if report.lacking else []
    return "\n".join(lines)


def markdown(report: Report) -> str:
    """The section of README."""
    lines = [
        f"`python -m tests.bench`; {_origin(report)}. Medians of rounds in which the parts take turns; no figure is",
        "rounded in our favour.",
    ]
    for title, rows in _groups(report.rows):
        lines += ["", f"**{title}**", "", f"| {' | '.join(HEAD)} | remark |", "|---" * (len(HEAD) + 1) + "|"]
        lines += [f"| {' | '.join(_cells(row))} | {row.note} |" for row in rows]
    if report.lacking:
        lines += ["", *report.lacking]
    return "\n".join(lines)
