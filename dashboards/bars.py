"""Small drawings that stand in a table's row: a bar stacked by outcome, and the line of the last weeks.

Both are numbers for an SVG that a template writes; what they show stands as text in the same row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboards import words

Bar = tuple[tuple[str, float, float], ...]
"""(outcome, offset, width) in per cent of the row's cell, from the left."""
SPARK_WIDTH, SPARK_HEIGHT = 96, 24


def outcome_bar(minutes: Mapping[str, int], widest: int) -> Bar:
    """Minutes by outcome as a bar; a bar of `widest` minutes fills the cell."""
    offset, bar = 0.0, []
    for outcome in words.LOOKS:
        width = 100 * max(minutes[outcome], 0) / (widest or 1)
        if width:
            bar.append((str(outcome), round(offset, 2), round(width, 2)))
        offset += width
    return tuple(bar)


def sparkline(values: Sequence[float | None]) -> str:
    """The points of a polyline, lowest value 0, for an SVG of SPARK_WIDTH by SPARK_HEIGHT; none where no value is."""
    known = [(i, v) for i, v in enumerate(values) if v is not None]
    top = max([*(v for _, v in known), 1])
    step = (SPARK_WIDTH - 4) / max(len(values) - 1, 1)
    inner = SPARK_HEIGHT - 4
    return " ".join(f"{2 + i * step:.1f},{2 + inner - inner * max(v, 0) / top:.1f}" for i, v in known)
