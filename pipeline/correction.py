"""Taking an episode out of the sums again: rows that are added, so that what is stored is never rewritten.

The minutes of a withdrawn episode go from `outside_allowed` to `unknown` (reason `withdrawn`): the use took place, what
it was is open. Each of its rows says which sums it was added to (`sums`, see pipeline.evidence), so the rows made here
are exactly those with the opposite sign, plus the same minutes under their new outcome. At the levels `kind` and `all`
a minute counts once, by its gravest outcome: it moves only if no other episode of that person, not withdrawn, holds it
there. Unknown is the gravest outcome after outside_allowed, and the reason is new, so nothing else need be known of the
minute. Bytes move with the minutes, in proportion where only some minutes move.
Pure functions over rows of the table `episode`; they open nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pipeline.aggregate import EVERYBODY, LEVELS, Columns
from pipeline.rebook import sum_columns
from pipeline.schema import VERSIONS
from pipeline.windows import WINDOW_MIN
from pipeline.words import Outcome, Reason

_GONE = (Outcome.OUTSIDE_ALLOWED.value, Reason.EPISODE.value)
_INSTEAD = (Outcome.UNKNOWN.value, Reason.WITHDRAWN.value)


@dataclass(frozen=True, slots=True)
class Part:
    """Minutes of an episode's row in one bell period: bit n of `bits` is the n-th minute of the window."""

    period: str
    period_kind: str
    bits: int
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of the table `episode`: what an episode had in one window. `start`: of the window, Unix seconds."""

    episode: str
    day: date
    start: int
    service: str
    kind: str
    people: str
    parts: tuple[Part, ...]
    versions: tuple[str, str, str]

    @property
    def bits(self) -> int:
        """All its minutes."""
        bits = 0
        for part in self.parts:
            bits |= part.bits
        return bits


def read_piece(row: Mapping[str, object]) -> Piece:
    """A row with the columns id, day, first (Unix seconds), service, kind, sums and the versions."""
    sums = json.loads(str(row["sums"]))
    day, first = row["day"], int(str(row["first"]))
    assert isinstance(day, date)
    return Piece(
        str(row["id"]),
        day,
        first - first % (WINDOW_MIN * 60),
        str(row["service"]),
        str(row["kind"]),
        str(sums["people"]),
        tuple(Part(*part) for part in sums["periods"]),
        (str(row["policy"]), str(row["catalogue"]), str(row["timetable"])),
    )


def withdrawal(school: str, pieces: Iterable[Piece], others: Iterable[Piece]) -> dict[str, Columns]:
    """The rows, by table, that take an episode's pieces out of the sums; `others`: all pieces of that person's other
    episodes that are not withdrawn. The same rows whatever the order of either."""
    held: dict[tuple[int, str], int] = Counter()
    for other in others:
        for label in (other.kind, EVERYBODY):
            held[other.start, label] |= other.bits
    five: Counter[tuple[object, ...]] = Counter()
    period: Counter[tuple[object, ...]] = Counter()
    whole: Counter[tuple[object, ...]] = Counter()
    for piece in pieces:
        for level in LEVELS:
            kind = piece.kind if level != "all" else ""
            service = piece.service if level == "service" else ""
            stays = 0 if level == "service" else held[piece.start, kind or EVERYBODY]
            for part in piece.parts:
                moved = (part.bits & ~stays).bit_count()
                share = tuple(n * moved // part.bits.bit_count() for n in (part.up, part.down))
                for sign, become in ((-1, _GONE), (1, _INSTEAD)):
                    use = (level, kind, service, *become, *piece.versions)
                    for name, n in zip(("minutes", "up", "down"), (moved, *share), strict=True):
                        five[name, piece.day, piece.start, *use] += sign * n
                        for people in dict.fromkeys((EVERYBODY, piece.people or EVERYBODY)):
                            period[name, piece.day, part.period, part.period_kind, people, *use] += sign * n
                            whole[name, piece.day, people, *use] += sign * n
    use_names = ("level", "kind", "service", "outcome", "reason", *VERSIONS)
    return {
        "use_five": sum_columns(school, five, ("day", "start", *use_names)),
        "use_period": sum_columns(school, period, ("day", "period", "period_kind", "people", *use_names)),
        "use_day": sum_columns(school, whole, ("day", "people", *use_names)),
    }
