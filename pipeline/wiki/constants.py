"""The frozen constants of the detector of edits, with where they come from (`constants.toml`, beside this file).

A table of weights holds, for each shape of save and each of its cues, the edges between grades and the log-odds of each
grade. `of(wiki)` gives the sizes that hold for one wiki: MediaWikis differ in their answers' headers, so those sizes
alone are kept per wiki, and `schoolgate wiki calibrate` can measure them anew.
"""

from __future__ import annotations

import math
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

WIKIMEDIA = (
    "wikipedia.org", "wiktionary.org", "wikibooks.org", "wikiquote.org", "wikisource.org", "wikinews.org",
    "wikiversity.org", "wikivoyage.org", "wikidata.org", "wikifunctions.org", "mediawiki.org", "wikimedia.org",
)  # fmt: skip


def is_wikimedia(wiki: str) -> bool:
    """Is it one of the Wikimedia Foundation's wikis?"""
    return f".{wiki.lower()}".endswith(tuple(f".{site}" for site in WIKIMEDIA))


class ConstantsError(ValueError):
    """Constants that cannot be used; the message is `FILE: what is wrong; mend`."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the answers and short bodies of one wiki measure, in bytes."""

    saved: float  # the answer to a save: a redirect, or "saved" for a script
    saved_plain: float  # the same in HTTP/1.1
    stored_answer_max: float  # text kept without being saved is answered by at most this
    visual_body: float  # VisualEditor's save
    reply_body: float  # a discussion reply
    reply_answer: float  # its answer


@dataclass(frozen=True, slots=True)
class Cue:
    """Edges between grades, and each grade's log-odds: one more weight than edges."""

    edges: tuple[float, ...]
    weights: tuple[float, ...]

    def weight(self, value: float) -> float:
        return 0.0 if math.isnan(value) else self.weights[bisect_right(self.edges, value)]


@dataclass(frozen=True)
class ShapeWeights:
    offset: float
    cues: Mapping[str, Cue]

    def evidence(self, values: Mapping[str, float]) -> dict[str, float]:
        return {name: cue.weight(values[name]) for name, cue in self.cues.items() if name in values}

    def probability(self, values: Mapping[str, float]) -> float:
        return 1 / (1 + math.exp(-self.offset - sum(self.evidence(values).values())))


@dataclass(frozen=True)
class Rates:
    """How often the detector was right and wrong where it was measured."""

    found: int
    saves: int
    false: int
    views: int


@dataclass(frozen=True)
class Constants:
    version: str
    sizes: Sizes
    wikis: Mapping[str, Mapping[str, float]]
    shapes: Mapping[str, ShapeWeights]
    cue_hosts: Mapping[str, float]
    rates: Mapping[str, Rates]
    edits_per_1000_views: float
    provenance: str = field(default="", compare=False)

    def of(self, wiki: str) -> Sizes:
        """The sizes of one wiki, by its host name or the end of it; else Wikimedia's, or those of `other`."""
        for name, own in self.wikis.items():
            if wiki == name or wiki.endswith("." + name):
                return replace(self.sizes, **own)
        if is_wikimedia(wiki):
            return self.sizes
        return replace(self.sizes, **self.wikis.get("other", {}))

    def with_wikis(self, wikis: Mapping[str, Mapping[str, float]]) -> Constants:
        return replace(self, wikis={**wikis, **{k: v for k, v in self.wikis.items() if k not in wikis}})


@cache
def shipped() -> Constants:
    return parse(tomllib.loads((files("pipeline.wiki") / "constants.toml").read_text()), "constants.toml")


def read(path: Path) -> Mapping[str, Mapping[str, float]]:
    """A school's own sizes, as `schoolgate wiki calibrate` writes them."""
    try:
        wikis = tomllib.loads(path.read_text())["wiki"]
        for own in wikis.values():
            replace(shipped().sizes, **own)
            if not all(isinstance(size, int | float) and 1 <= size <= 1e6 for size in own.values()):
                raise ValueError("a size is not a number of bytes")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ConstantsError(
            f"{path}: not sizes of a wiki ({error}); let `schoolgate wiki calibrate` write it"
        ) from error
    return dict(wikis)


def parse(table: Mapping[str, Any], name: str) -> Constants:
    try:
        shapes = {
            shape: ShapeWeights(
                own["offset"],
                {cue: Cue(tuple(c["edges"]), tuple(c["weights"])) for cue, c in own.get("cue", {}).items()},
            )
            for shape, own in table["shape"].items()
        }
        for shape, own in shapes.items():
            for cue, grades in own.cues.items():
                if len(grades.weights) != len(grades.edges) + 1:
                    raise ValueError(f"shape.{shape}.cue.{cue}: {len(grades.edges)} edges need one weight more")
        return Constants(
            version=table["version"],
            sizes=Sizes(**table["sizes"]),
            wikis=dict(table.get("wiki", {})),
            shapes=shapes,
            cue_hosts=dict(table.get("cue_hosts", {})),
            rates={certainty: Rates(**own) for certainty, own in table["rates"].items()},
            edits_per_1000_views=table["edits_per_1000_views"],
            provenance=table["provenance"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConstantsError(f"{name}: {error}; restore the file that came with this version") from error
