"""Charts of the report as SVG text: drawn once, readable on paper and at 390 px, coloured by the page's style sheet.

Class names are written, so that a style sheet colours the page in light and dark under a strict style policy; and
presentation attributes, which hold on paper, where no style sheet reaches into a drawing. The `label` of a chart is its
text for whoever does not see it. The charts know numbers and labels, not what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dashboards import words

WIDTH, HEIGHT = 360, 160
LEFT, RIGHT, TOP, BOTTOM = 40, 6, 10, 24
_ORANGE = "#d9772b"
_PAINT = {
    **{outcome.value: f'fill="{look.light}"' for outcome, look in words.LOOKS.items()},
    "band": 'fill="#eef2f6"',
    "grid": 'stroke="#dfe4ea"',
    "line": f'fill="none" stroke="{_ORANGE}" stroke-width="2"',
    "dot": f'fill="{_ORANGE}"',
    "hollow": f'fill="#fff" stroke="{_ORANGE}" stroke-width="1.5"',
    "tick": 'fill="#566070" font-size="11" text-anchor="middle"',
    "scale": 'fill="#566070" font-size="11" text-anchor="end"',
    "note": 'fill="#566070" font-size="9" text-anchor="middle"',
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One stacked bar: its label and (class, value) from the ground up; None where nothing was observed."""

    label: str
    parts: tuple[tuple[str, float], ...] | None


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a line; hollow where it is not to be compared."""

    label: str
    value: float
    hollow: bool


def stacked_bars(bars: Sequence[Bar], label: str, not_seen: str = "not seen") -> Markup:
    """Bars side by side; `label` is read out for the whole chart."""
    unit, units = _scale(max((sum(v for _, v in b.parts or ()) for b in bars), default=0))
    top = unit * units
    step = (WIDTH - LEFT - RIGHT) / max(len(bars), 1)
    body = [_grid(unit, units)]
    for i, bar in enumerate(bars):
        x = LEFT + (i + 0.18) * step
        ground = float(HEIGHT - BOTTOM)
        for name, value in bar.parts or ():
            height = value / top * (HEIGHT - TOP - BOTTOM)
            ground -= height
            if value:
                size = f'width="{_n(step * 0.64)}" height="{_n(height)}"'
                body.append(Markup(f'<rect {_look(name)} x="{_n(x)}" y="{_n(ground)}" {size}/>'))
        if bar.parts is None:
            body.append(_text("note", LEFT + (i + 0.5) * step, HEIGHT - BOTTOM - 8, not_seen))
        body.append(_text("tick", LEFT + (i + 0.5) * step, HEIGHT - 8, bar.label))
    return _svg(label, body)


def line(points: Sequence[Point], band: tuple[float, float] | None, label: str) -> Markup:
    """A line of points over a band of what is usual."""
    unit, units = _scale(max([p.value for p in points] + [band[1] if band else 0], default=0))
    top = unit * units
    step = (WIDTH - LEFT - RIGHT) / max(len(points), 1)

    def x(i: int) -> float:
        return LEFT + (i + 0.5) * step

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)

    body = []
    if band:
        low, high = y(band[0]), y(band[1])
        size = f'width="{_n(WIDTH - LEFT - RIGHT)}" height="{_n(max(low - high, 1))}"'
        body.append(Markup(f'<rect {_look("band")} x="{LEFT}" y="{_n(high)}" {size}/>'))
    body.append(_grid(unit, units))
    path = " ".join(f"{_n(x(i))},{_n(y(p.value))}" for i, p in enumerate(points))
    body.append(Markup(f'<polyline {_look("line")} points="{path}"/>'))
    every = 1 if len(points) < 7 else 2
    for i, p in enumerate(points):
        kind = "hollow" if p.hollow else "dot"
        body.append(Markup(f'<circle {_look(kind)} cx="{_n(x(i))}" cy="{_n(y(p.value))}" r="3.5"/>'))
        if (len(points) - 1 - i) % every == 0:
            body.append(_text("tick", x(i), HEIGHT - 8, p.label))
    return _svg(label, body)


def _svg(label: str, body: Sequence[Markup]) -> Markup:
    inner = Markup("").join(body)
    text = Markup('<svg viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>')
    return text.format(WIDTH, HEIGHT, label, inner)


def _text(name: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text {} x="{}" y="{}">{}</text>').format(Markup(_look(name)), _n(x), _n(y), text)


def _look(name: str) -> str:
    """Class and presentation attributes of a shape; only names of `_PAINT` are drawn."""
    return f'class="{name}" {_PAINT[name]}'


def _scale(largest: float) -> tuple[float, int]:
    """Step and number of grid lines, so that two to five whole steps reach over the largest value."""
    step = 1
    while step * 5 < largest:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return float(step), max(2, math.ceil(largest / step))


def _grid(step: float, steps: int) -> Markup:
    parts = []
    for i in range(1, steps + 1):
        y = _n(HEIGHT - BOTTOM - i / steps * (HEIGHT - TOP - BOTTOM))
        parts.append(Markup(f'<line {_look("grid")} x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'))
        parts.append(_text("scale", LEFT - 6, float(y) + 4, f"{step * i:,.0f}"))
    return Markup("").join(parts)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
