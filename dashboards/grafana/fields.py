"""How a column of an answer looks on a board: its label, unit, colour, words for its values, and what health warns of.

Colours are told apart by colour-blind eyes (the tests look at them as those do); only health has thresholds. Knows
Grafana's field options, no panel and no question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboards import words
from pipeline.words import Reason

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an answer as a panel shows it.

    `least` is the value below which health warns, `most` the one above which; never for staff. `heat`: the cells of a
    table are the darker the larger the number, in one hue.
    """

    name: str
    label: str
    unit: str = "none"
    colour: str | None = None
    least: float | None = None
    most: float | None = None
    texts: Mapping[str, str] | None = None
    heat: bool = False

    @property
    def steps(self) -> list[Json]:
        """The thresholds of health."""
        if self.most is not None:
            return [{"color": GOOD, "value": None}, {"color": POOR, "value": self.most}]
        if self.least is not None:
            return [{"color": POOR, "value": None}, {"color": GOOD, "value": self.least}]
        return []


MINUTES = "m"
SHARE = "percentunit"
COUNT = "short"
SECONDS = "s"
DATE = "time:ddd D MMM YYYY"
CLOCK = "time:ddd D MMM HH:mm"
GOOD, POOR = "#3d85c6", "#d9772b"
"""Blue and orange: colour-blind eyes tell them apart."""

OUTCOMES = tuple(Field(o.value, look.label, MINUTES, look.light) for o, look in words.LOOKS.items())
KIND = Field("kind", "Kind of service", texts={k.value: label for k, label in words.KINDS.items()})
KINDS = tuple(
    Field(kind.value, label, MINUTES, colour)
    for (kind, label), colour in zip(
        words.KINDS.items(),
        ("#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499", "#bbbbbb"),
        strict=True,
    )
)
"""Colours: Paul Tol's scheme `muted`, made for colour-blind eyes (https://sronpersonalpages.nl/~pault/)."""
REASON = Field("reason", "Reason", texts={r.value: r.sentence for r in Reason})


def override(field: Field, cells: bool) -> Json:
    """The look of one column; `cells`: in a table, where a colour needs a cell to show in."""
    properties: list[Json] = [{"id": "displayName", "value": field.label}, {"id": "unit", "value": field.unit}]
    if field.colour:
        properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": field.colour}})
    if field.unit == SHARE:
        properties += [{"id": "min", "value": 0}, {"id": "max", "value": 1}, {"id": "decimals", "value": 0}]
    if field.steps:
        properties += [
            {"id": "thresholds", "value": {"mode": "absolute", "steps": field.steps}},
            {"id": "color", "value": {"mode": "thresholds"}},
            *([{"id": "custom.cellOptions", "value": {"type": "color-text"}}] if cells else []),
        ]
    if field.heat:
        properties += [
            {"id": "min", "value": 0},
            {"id": "color", "value": {"mode": "continuous-blues"}},
            {"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}},
        ]
    if field.texts:
        texts = {word: {"text": text, "index": i} for i, (word, text) in enumerate(field.texts.items())}
        mappings: list[Json] = []
        if nothing := texts.pop("", None):
            mappings.append({"type": "special", "options": {"match": "empty", "result": nothing}})
        if texts:
            mappings.append({"type": "value", "options": texts})
        properties.append({"id": "mappings", "value": mappings})
    return {"matcher": {"id": "byName", "options": field.name}, "properties": properties}
