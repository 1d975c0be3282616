"""Minute marks: which minutes are kept to be judged anew, and what of them.

When the school corrects its timetable, past minutes may get another outcome (pipeline.retag). For that a week of
minutes is kept under pseudonyms, and as few as will do: minutes of a tagged service, by a person known by a log-on,
in time that was not certain to be allowed. Allowed use, use that is only counted whoever it was, use for an official
site and use on devices without a log-on are never kept by person; a correction leaves them in the sums as they are.

Beside its outcome a mark keeps its traffic in numbers, the sums that it is part of, whether it goes on with the mark
before it (rule E7), and `rest`: at each level of the sums the gravest outcome of what the person did in the same minute
that is not kept, because a minute counts once there. Pure functions over columns.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.aggregate import gravest
from pipeline.judge import ACTIONS, SURE
from pipeline.traffic import Mask
from pipeline.words import Allowed, Outcome, Reason
from sensor.words import Action

if TYPE_CHECKING:
    from pipeline.evidence import Added, Findings

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
_OUTCOMES, _REASONS = tuple(Outcome), tuple(Reason)


class Booked(NamedTuple):
    """What a minute counts as at one level of the sums, and its bytes."""

    outcome: str
    reason: str
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What a mark keeps to be judged anew. people: group of staff, '' for none. named: bit set as in Traffic. joined:
    it belongs to the episode of the mark before it, of the same person and service. rest: level -> what is not kept."""

    kind: str
    people: str
    period: str
    period_kind: str
    up: int
    down: int
    bursts: int
    named: int
    supported: bool
    led: bool
    joined: bool
    fresh: bool
    rest: Mapping[str, Booked]

    def dumped(self) -> str:
        """As the store has it."""
        told = {
            "kind": self.kind,
            "people": self.people,
            "period": self.period,
            "period_kind": self.period_kind,
            "up": self.up,
            "down": self.down,
            "bursts": self.bursts,
            "named": self.named,
            "supported": int(self.supported),
            "led": int(self.led),
            "joined": int(self.joined),
            "fresh": int(self.fresh),
            "rest": self.rest,
        }
        return _ENCODE(told)


def load_kept(text: str) -> Kept | None:
    """What `Kept.dumped` wrote; None for a mark of a version that kept nothing of it."""
    if not text:
        return None
    found = json.loads(text)
    values = found | {name: bool(found[name]) for name in ("supported", "led", "joined", "fresh")}
    values["rest"] = {str(level): Booked(*piece) for level, piece in found["rest"].items()}
    return Kept(**values)


def marked(found: Findings) -> Mask:
    """Which rows are kept as marks."""
    of = found.of
    official = (found.outcome == Outcome.OFFICIAL_POSSIBLE.code) | of.official
    kept: Mask = (found.person >= 0) & np.isin(of.grade, SURE) & (of.action == ACTIONS.index(Action.TAG))
    kept &= ~official & (of.allowed != Allowed.YES.code)
    return kept


def kept_of(found: Findings, marks: Mask, chosen: Mask, added: Added, kinds: Iterable[str], fresh: Mask) -> list[Kept]:
    """What is kept of the `chosen` rows, which are marks; `added` and `fresh` are of these rows, in order; `kinds`: the
    kind of each service."""
    use, kind_of = found.use, tuple(kinds)
    rest = _rests(found, marks, chosen, kind_of)
    at = np.flatnonzero(marks)  # in the order of `find_use`: by user, service and minute
    joined = np.zeros(len(use), bool)
    joined[at[1:]] = use.episode[at[1:]] == use.episode[at[:-1]]
    kept = []
    for n, row in enumerate(np.flatnonzero(chosen).tolist()):
        group, period = int(added.group[n]), added.periods[int(added.period[n])]
        person, minute, service = int(found.person[row]), int(use.minute[row]), int(use.service[row])
        kind = kind_of[service]
        labels = {"service": (person, minute, kind, service), "kind": (person, minute, kind), "all": (person, minute)}
        kept.append(
            Kept(
                kind=kind,
                people=added.groups[group] if group >= 0 else "",
                period=period[0],
                period_kind=period[1],
                up=int(use.up[row]),
                down=int(use.down[row]),
                bursts=int(use.bursts[row]),
                named=int(use.named[row]),
                supported=bool(use.supported[row]),
                led=bool(use.led[row]),
                joined=bool(joined[row]),
                fresh=bool(fresh[n]),
                rest={level: booked(rest[label]) for level, label in labels.items() if label in rest},
            )
        )
    return kept


def booked(pieces: Iterable[Booked]) -> Booked:
    """What several pieces of use in one minute count as together: the gravest outcome, and all bytes."""
    every = list(pieces)
    if len(every) == 1:
        return every[0]
    outcome, reason = gravest((piece.outcome, piece.reason) for piece in every)
    return Booked(outcome, reason, sum(piece.up for piece in every), sum(piece.down for piece in every))


def _rests(
    found: Findings, marks: Mask, chosen: Mask, kind_of: tuple[str, ...]
) -> dict[tuple[object, ...], list[Booked]]:
    """What people with a chosen mark also did in that minute that is not kept: by minute, kind and service."""
    use = found.use
    minutes = set(zip(found.person[chosen].tolist(), use.minute[chosen].tolist(), strict=True))
    others = np.flatnonzero(~marks & np.isin(found.person, found.person[chosen]) & (found.person >= 0))
    rest: dict[tuple[object, ...], list[Booked]] = defaultdict(list)
    for row in others.tolist():
        person, minute, service = int(found.person[row]), int(use.minute[row]), int(use.service[row])
        if (person, minute) in minutes:
            outcome, reason = _OUTCOMES[int(found.outcome[row])].value, _REASONS[int(found.reason[row])].value
            piece = Booked(outcome, reason, int(use.up[row]), int(use.down[row]))
            kind = kind_of[service]
            for label in ((person, minute, kind, service), (person, minute, kind), (person, minute)):
                rest[label].append(piece)
    return rest
