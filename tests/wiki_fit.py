"""Fits the weights of pipeline/wiki from recorded sessions with truth.

For each shape of save, every exchange that could be one is a case (`cases`), true if it was a save of that shape. Each
cue's grades get the log of how much more often they are met with saves than without (a pseudo-count in each grade),
made monotone in the direction that the cue is known to have (pool adjacent violators). Since cues are not independent,
the sum is scaled to a probability by logistic regression with one slope and one offset (Platt's targets).

Where an exchange has several answers, the best counts, so weights and choices are found in a few rounds.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.wiki.constants import Cue, ShapeWeights, Sizes
from pipeline.wiki.cues import MEMORY_S, Candidate, Past, candidates
from pipeline.wiki.detector import OWN_S, VIEW_S
from pipeline.wiki.exchange import Exchange, Habits, exchanges, is_http2
from pipeline.wiki.unit import Unit

MORE, LESS = 1, -1  # more of it speaks for a save, or less of it
EDGES: dict[str, dict[str, tuple[int, tuple[float, ...]]]] = {
    "form": {
        "body": (MORE, (1500,)),
        "answer": (LESS, (0.15, 0.28, 0.4)),
        "gap": (LESS, (0.03, 0.12, 0.2, 0.35)),
        "requests": (LESS, (2, 3, 6)),
        "order": (LESS, (1, 2, 4, 8)),
        "later": (LESS, (1, 2)),
        "credit": (MORE, (0.5,)),
        "wait": (LESS, (2.5, 4)),
        "in_stream": (LESS, (0.5,)),
    },
    "visual": {
        "body": (LESS, (0.15,)),
        "stored": (MORE, (1.2,)),
        "since": (LESS, (15, 60)),
        "between": (LESS, (1, 2)),
        "order": (LESS, (1, 2)),
        "credit": (MORE, (0.5,)),
    },
    "reply": {
        "body": (LESS, (0.15, 0.3, 0.6)),
        "answer": (LESS, (0.12, 0.3, 0.6)),
        "asked": (MORE, (2, 3)),
        "gap": (LESS, (0.12, 0.3)),
        "typed": (MORE, (1,)),
        "order": (LESS, (1, 2)),
        "later": (LESS, (1, 2)),
    },
    "bare": {
        "body": (MORE, (200, 600)),
        "answer": (LESS, (0.07, 0.12, 0.2, 0.3)),
        "quiet": (MORE, (0.25, 0.8)),
        "asked": (LESS, (1, 2)),
        "think": (MORE, (0.02,)),
        "order": (LESS, (1, 2)),
        "later": (LESS, (1,)),
        "in_stream": (LESS, (0.5,)),
    },
}
PSEUDO = 0.5  # cases added to each grade
SLOPE, SLOPE_WEIGHT = 0.8, 0.5  # what the slope is drawn to, and how strongly, where cases are few
ROUNDS = 6
EARLIER_S = 15.0  # what was sent so long before a save may be read as the save itself
SIZES = Sizes(
    saved=1365, saved_plain=1500, stored_answer_max=1250, visual_body=2150, reply_body=2300, reply_answer=3850
)


def shape_of(action: str) -> str:
    """Which shape a save has, by how it was made."""
    named = {"save_ve": "visual", "save_reply": "reply", "save_api": "bare", "save_rollback": "bare"}
    return named.get(action, "form")


@dataclass(frozen=True, slots=True)
class Case:
    """An exchange of a session; `action` how it saved, or nothing; `unclear` if truth does not say what it was."""

    sid: str
    candidates: tuple[Candidate, ...]
    action: str
    unclear: bool


@dataclass(frozen=True)
class Truth:
    """What was saved in a session: (time, client port, bytes posted, action); when nothing was changed by a save."""

    saves: tuple[tuple[float, int, int, str], ...]
    null_saves: tuple[float, ...]


def read_truth(folder: Path) -> dict[str, Truth]:
    saves: dict[str, list[tuple[float, int, int, str]]] = defaultdict(list)
    nulls: dict[str, list[float]] = defaultdict(list)
    for row in _rows(folder / "saves.jsonl"):
        port = int(row["client"].rpartition(":")[2])
        saves[row["sid"]].append((row["time"], port, int(row["post_bytes"]), row["action"]))
    for row in _rows(folder / "uploads.jsonl"):
        if row["truth"] == "null_save":
            nulls[row["sid"]].append(row["end"])
    sids = [row["sid"] for row in _rows(folder / "sessions.jsonl")]
    return {sid: Truth(tuple(saves[sid]), tuple(nulls[sid])) for sid in sids}


def cases(sid: str, units: Iterable[tuple[Unit, int]], truth: Truth) -> list[Case]:
    """The cases of a session from the last revisions of its units, each with its client port."""
    seen: dict[tuple[int, int], list[tuple[float, Unit, Exchange, int]]] = {}
    habits: dict[int, Habits] = defaultdict(Habits)
    for unit, port in sorted(units, key=lambda item: item[0].opened):
        for exchange in exchanges(unit.records, unit.rtt, unit.usual, habits[unit.connection], unit.opened):
            start = unit.opened + exchange.start
            tick = round(start * 20)
            near = [key for key in ((unit.connection, tick + d) for d in (0, -1, 1)) if key in seen]
            if exchange.start >= -VIEW_S:
                views = seen.setdefault(near[0] if near else (unit.connection, tick), [])
                views.append((start, unit, exchange, port))
    found = []
    past: dict[bytes, list[Past]] = defaultdict(list)
    for key in sorted(seen, key=lambda key: key[1]):
        views = [view for view in seen[key] if view[2].start >= -OWN_S] or seen[key]
        start, unit, exchange, port = max(views, key=lambda view: view[1].opened)
        before = [p for p in past[unit.client] if start - MEMORY_S <= p.at < start]
        http2 = is_http2(unit.records, habits[unit.connection])
        ways = tuple(candidates(exchange, before, start, SIZES, http2))
        past[unit.client].append(Past(start, exchange.body, exchange.answers[0].size if exchange.answers else 0))
        end = unit.opened + exchange.end
        action = next(
            (
                action
                for time, saver, posted, action in truth.saves
                if saver == port and start - 0.06 <= time <= end + 0.35 + unit.rtt and exchange.up >= posted
            ),
            "",
        )
        near_save = any(-EARLIER_S <= end - time <= 5 for time, *_ in truth.saves)
        unclear = not action and (near_save or any(-EARLIER_S <= end - time <= 5 for time in truth.null_saves))
        found.append(Case(sid, ways, action, unclear))
    return found


def fit(found: Sequence[Case]) -> dict[str, ShapeWeights]:
    """The weights of all shapes."""
    return {shape: _fit_shape(found, shape) for shape in EDGES}


def _fit_shape(found: Sequence[Case], shape: str) -> ShapeWeights:
    groups = []
    for case in found:
        ways = [way.values for way in case.candidates if way.shape == shape]
        if ways and not case.unclear and (not case.action or shape_of(case.action) == shape):
            groups.append((ways, bool(case.action)))
    weights: dict[str, Cue] | None = None
    best: list[tuple[Mapping[str, float], bool]] = []
    for _ in range(ROUNDS):
        best = [(max(ways, key=lambda values: _rank(values, weights)), saved) for ways, saved in groups]
        weights = {cue: _weigh(best, cue, *how) for cue, how in EDGES[shape].items()}
    assert weights is not None
    sums = np.array([sum(cue.weight(values[name]) for name, cue in weights.items()) for values, _ in best])
    slope, offset = _platt(sums, np.array([saved for _, saved in best]))
    scaled = {
        name: Cue(cue.edges, tuple(round(float(slope * w), 2) for w in cue.weights)) for name, cue in weights.items()
    }
    return ShapeWeights(round(float(offset), 2), scaled)


def _rank(values: Mapping[str, float], weights: Mapping[str, Cue] | None) -> float:
    if weights is None:
        return -values["order"] - 3 * values["later"] - 3 * values.get("answer", 0.0)
    return sum(cue.weight(values[name]) for name, cue in weights.items())


def _weigh(best: Sequence[tuple[Mapping[str, float], bool]], cue: str, direction: int, edges: tuple[float, ...]) -> Cue:
    counts = np.full((2, len(edges) + 1), PSEUDO)
    for values, saved in best:
        if not math.isnan(values[cue]):
            counts[int(saved), bisect_right(edges, values[cue])] += 1
    odds = np.log(counts[1] / counts[1].sum()) - np.log(counts[0] / counts[0].sum())
    total = counts.sum(axis=0)
    rising = _monotone(odds[::direction], total[::direction])[::direction]
    return Cue(edges, tuple(float(w) for w in rising))


def _monotone(values: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The nearest sequence that never falls (pool adjacent violators)."""
    pools: list[list[float]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append([value, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            v2, w2, n2 = pools.pop()
            v1, w1, n1 = pools.pop()
            pools.append([(v1 * w1 + v2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    return np.concatenate([np.full(int(n), value) for value, _, n in pools])


def _platt(sums: np.ndarray[Any, Any], saved: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Slope and offset of the logistic curve (Platt 1999), the slope drawn to SLOPE."""
    saves, others = saved.sum(), len(saved) - saved.sum()
    target = np.where(saved, (saves + 1) / (saves + 2), 1 / (others + 2))
    slope, offset = SLOPE, 0.0
    for _ in range(200):
        p = 1 / (1 + np.exp(-np.clip(slope * sums + offset, -30, 30)))
        error, spread = p - target, p * (1 - p) + 1e-9
        gradient = np.array([(error * sums).sum() + SLOPE_WEIGHT * (slope - SLOPE), error.sum()])
        cross = (spread * sums).sum()
        curve = np.array([[(spread * sums * sums).sum() + SLOPE_WEIGHT, cross], [cross, spread.sum() + 1e-6]])
        step = np.linalg.solve(curve, gradient)
        slope -= float(np.clip(step[0], -0.2, 0.2))
        offset -= float(np.clip(step[1], -1, 1))
    return slope, offset


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
