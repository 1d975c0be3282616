"""Measures what a wiki's answers to edits weigh on a school's own network, from test edits made for it.

Theory of operation. The network manager makes about 20 edits, and the times between which each was saved are kept
(`Edit`). In the capture, the last turn in such a time (a lone small answer upon which the next page was asked for) was
the redirect of the save; what was answered small before it, without a turn, was text kept while typing. The medians of
these sizes are the wiki's constants, if there are enough of them and they agree. It knows no size beforehand, so it
works with every MediaWiki; what it measures holds for that wiki, with a log-in of that kind.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import quantiles

from pipeline.wiki.captures import address_text
from pipeline.wiki.exchange import Exchange, Habits, exchanges
from pipeline.wiki.flights import HEADER, TINY
from pipeline.wiki.unit import Unit, units_of

FORM, VISUAL, REPLY = "form", "visual", "reply"
PLAN = (
    (FORM, 8, "open a page or a section with the ordinary editor (`?action=edit`), change a sentence, save."),
    (FORM, 4, "start a new section on a discussion page (`?action=edit&section=new`) and save it."),
    (VISUAL, 4, "open a page with VisualEditor, change a sentence, save. Skip it if the wiki has none."),
    (REPLY, 4, "answer on a discussion page with its `reply` link. Skip it if the wiki has none."),
)
FEWEST = 5  # edits by form, since the size of a save's answer matters most
AGREE = 1.25  # the middle half may differ so much


class CalibrationError(ValueError):
    """Test edits that cannot be used; the message says what is wrong and the mend."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A test edit, and the Unix times between which it was saved."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A size's median and quartiles, of so many edits."""

    size: float
    low: float
    high: float
    count: int


def read_edits(path: Path) -> list[Edit]:
    edits = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            edit = Edit(str(row["kind"]), float(row["start"]), float(row["end"]))
            if edit.kind not in (FORM, VISUAL, REPLY) or edit.end < edit.start:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            raise CalibrationError(
                f"{path}:{number}: no test edit; make the edits again with `schoolgate wiki calibrate`"
            ) from None
        edits.append(edit)
    if any(after.start < before.start for before, after in pairwise(edits)):
        raise CalibrationError(f"{path}: the edits are not in the order of time; make them again")
    return edits


def measure(
    captures: Sequence[Path], wiki: str, client: str, edits: Sequence[Edit], told: Callable[[str], object] = str
) -> dict[str, Measured]:
    """The sizes by their name in the constants; `told` gets what is to be said of a file that ends badly. Raises
    CalibrationError if they are too few or do not agree."""
    from sensor.wikicapture import units_of_capture

    units = [u for u in units_of(units_of_capture(*captures, told=told).units) if u.final and u.wiki == wiki]
    own = [unit for unit in units if address_text(unit.client) == client]
    if not own:
        seen = f"it shows {len(units)} uploads of others" if units else "no upload to it"
        raise CalibrationError(f"{captures[0]}: no upload of {client} to {wiki} ({seen}); check --client and --wiki")
    return sizes_of(own, edits)


def sizes_of(units: Sequence[Unit], edits: Sequence[Edit]) -> dict[str, Measured]:
    """As `measure`, from the units of the one client to the one wiki."""
    found: dict[str, list[float]] = {"saved": [], "stored": [], "visual_body": [], "reply_body": [], "reply_answer": []}
    for edit in edits:
        shown = _exchanges(units, edit)
        if edit.kind == FORM:
            turned = [a.size for _, e in shown for a in e.answers if e.body > HEADER and a.turned and not a.later][-1:]
            found["saved"] += turned
            found["stored"] += [
                e.answers[0].size
                for _, e in shown
                if e.body > HEADER and e.answers and not e.answers[0].turned and TINY < e.answers[0].size < 3_000
            ]
        elif edit.kind == VISUAL and len(shown) >= 2:
            found["visual_body"].append(shown[-1][1].body)
            found["stored"] += [shown[-2][1].answers[0].size] if shown[-2][1].answers else []
        elif edit.kind == REPLY:
            replies = [(e.body, a.size) for _, e in shown for a in e.answers if e.body > 1_000 and a.asked >= 2]
            found["reply_body"] += [body for body, _ in replies[:1]]
            found["reply_answer"] += [size for _, size in replies[:1]]
    measured = {name: _middle(sizes) for name, sizes in found.items() if len(sizes) >= 3}
    saved = measured.get("saved")
    if saved is None or saved.count < FEWEST:
        count = len(found["saved"])
        raise CalibrationError(
            f"only {count} of the edits by form show in the capture, {FEWEST} are needed; make more, and see that the "
            "capture has both directions of that computer's traffic"
        )
    for name, one in measured.items():
        if one.high > AGREE * one.low and name in ("saved", "reply_answer"):
            raise CalibrationError(
                f"the answers to the edits differ too much ({name}: {one.low:.0f} to {one.high:.0f} bytes); make them "
                "again one by one, with nothing else open in the browser"
            )
    stored = measured.pop("stored", None)
    if stored and stored.high < saved.low:
        middle = (stored.high * saved.low) ** 0.5
        measured["stored_answer_max"] = Measured(middle, stored.low, stored.high, stored.count)
    return measured


def toml(wiki: str, measured: dict[str, Measured]) -> str:
    """The file of the school."""
    lines = [
        "# What answers of this wiki weigh here, in bytes; measured by `schoolgate wiki calibrate` from test edits.",
        f'[wiki."{wiki}"]',
        *(f"{name} = {one.size:.0f}  # {one.count} edits" for name, one in measured.items()),
    ]
    return "\n".join(lines) + "\n"


def _exchanges(units: Sequence[Unit], edit: Edit) -> list[tuple[float, Exchange]]:
    """What was sent up during the edit, each as the latest unit shows it."""
    seen: dict[tuple[int, int], tuple[float, Exchange]] = {}
    habits: dict[int, Habits] = defaultdict(Habits)
    for unit in sorted(units, key=_opened):
        for exchange in exchanges(unit.records, unit.rtt, unit.usual, habits[unit.connection], unit.opened):
            at = unit.opened + exchange.start
            if exchange.start >= -0.3 and edit.start <= at <= edit.end:
                seen[unit.connection, round(at * 10)] = (at, exchange)
    return sorted(seen.values(), key=_at)


def _middle(sizes: Sequence[float]) -> Measured:
    low, middle, high = quantiles(sizes, n=4, method="inclusive")
    return Measured(middle, low, high, len(sizes))


def _opened(unit: Unit) -> float:
    return unit.opened


def _at(item: tuple[float, Exchange]) -> float:
    return item[0]
