"""What becomes of sums and episodes when minute marks get another outcome: rows that are added, nothing is rewritten.

Theory of operation. A person's minute is counted once at each level of the sums (each service, each kind, all
together), by the gravest outcome of what it holds there. All marks of such a minute carry the same versions, so of
every level it is known under which outcome and versions it stands; it is taken out there and put in where it belongs
now, minutes and bytes. What the minute held that is not kept as a mark is in the marks' `rest`; what a contest has
withdrawn stays withdrawn. The bell period and the group of staff stay those in which the minute was counted.
The rows of an episode are made of its marks as pipeline.evidence makes them of findings.
Pure functions over marks: no store, no people, no timetable.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TypeVar

from pipeline.aggregate import EVERYBODY, Columns
from pipeline.marks import Booked, Kept, booked, load_kept
from pipeline.telling import added_evidence
from pipeline.windows import WINDOW_MIN
from pipeline.words import Outcome, Reason

_WINDOW_S = WINDOW_MIN * 60
_WITHDRAWN = Booked(Outcome.UNKNOWN.value, Reason.WITHDRAWN.value, 0, 0)
Versions = tuple[str, str, str]
Label = tuple[str, str, str]
Rules = Callable[[str, str], Sequence[object]]
_Row = TypeVar("_Row", "Mark", "Withdrawn")


@dataclass(frozen=True)
class Mark:
    """A row of the table `minute_mark`, without its school; `minute` in Unix seconds."""

    day: date
    pseudonym: str
    service: str
    minute: int
    state: str
    allowed: str
    outcome: str
    reason: str
    grade: str
    episode: str
    source: str
    rule: str
    why: str
    policy: str
    catalogue: str
    timetable: str
    facts: str
    revision: int

    @cached_property
    def kept(self) -> Kept | None:
        """What judging it anew needs."""
        return load_kept(self.facts)

    @property
    def key(self) -> tuple[str, int, str]:
        return self.pseudonym, self.minute, self.service

    @property
    def moment(self) -> tuple[str, int]:
        """The person's minute."""
        return self.pseudonym, self.minute

    @property
    def judged(self) -> tuple[str, str, str, str]:
        return self.state, self.allowed, self.outcome, self.reason

    @property
    def versions(self) -> Versions:
        return self.policy, self.catalogue, self.timetable


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A minute of a withdrawn episode."""

    pseudonym: str
    minute: int
    kind: str


def booking(
    school: str, old: Iterable[Mark], new: Iterable[Mark], withdrawn: Iterable[Withdrawn]
) -> dict[str, Columns]:
    """The rows, by table, that move the sums from `old` to `new`: the same marks, of whole persons' minutes."""
    was, becomes, gone = _by_moment(old), _by_moment(new), _by_moment(withdrawn)
    five: Counter[tuple[object, ...]] = Counter()
    period: Counter[tuple[object, ...]] = Counter()
    whole: Counter[tuple[object, ...]] = Counter()
    for moment, before in was.items():
        after = becomes[moment]
        if [mark.judged for mark in before] == [mark.judged for mark in after]:
            continue
        first, kept = before[0], _kept(before[0])
        start = first.minute - first.minute % _WINDOW_S
        taken = _units(before, gone.get(moment, ()))
        put = _units(after, gone.get(moment, ()))
        for label, unit in taken.items():
            for sign, piece, versions in ((-1, unit, first.versions), (1, put[label], after[0].versions)):
                use = (*label, piece.outcome, piece.reason, *versions)
                for name, n in zip(("minutes", "up", "down"), (1, piece.up, piece.down), strict=True):
                    five[name, first.day, start, *use] += sign * n
                    for people in dict.fromkeys((EVERYBODY, kept.people or EVERYBODY)):
                        period[name, first.day, kept.period, kept.period_kind, people, *use] += sign * n
                        whole[name, first.day, people, *use] += sign * n
    names = ("level", "kind", "service", "outcome", "reason", "policy", "catalogue", "timetable")
    return {
        "use_five": sum_columns(school, five, ("day", "start", *names)),
        "use_period": sum_columns(school, period, ("day", "period", "period_kind", "people", *names)),
        "use_day": sum_columns(school, whole, ("day", "people", *names)),
    }


def sum_columns(school: str, sums: Mapping[tuple[object, ...], int], names: Sequence[str]) -> Columns:
    """Rows of a table of sums; keys of `sums`: minutes, up or down, then the values of `names`."""
    keys = sorted({key[1:] for key, n in sums.items() if n}, key=lambda key: tuple(map(str, key)))
    columns: Columns = {name: [key[at] for key in keys] for at, name in enumerate(names)}
    columns["school"] = [school] * len(keys)
    for column, name in (("minutes", "minutes"), ("bytes_up", "up"), ("bytes_down", "down")):
        columns[column] = [sums.get((name, *key), 0) for key in keys]
    return columns


def episode_rows(school: str, marks: Iterable[Mark], revision: int, rules: Rules) -> Columns:
    """Rows of the table `episode` for all marks outside the allowed times: one a window, and version if there are
    several. `rules`: those that a version of the policy cites for a service."""
    groups: dict[tuple[object, ...], list[Mark]] = defaultdict(list)
    for mark in sorted(marks, key=lambda mark: mark.key):
        if mark.outcome == Outcome.OUTSIDE_ALLOWED.value:
            window = mark.minute - mark.minute % _WINDOW_S
            groups[mark.pseudonym, mark.service, window, mark.episode, mark.versions].append(mark)
    rows = [_episode_row(group, rules) for group in groups.values()]
    names = tuple(rows[0]) if rows else ()
    columns: Columns = {name: [row[name] for row in rows] for name in names}
    return columns | {"school": [school] * len(rows), "revision": [revision] * len(rows)}


def revised(mark: Mark, told: Mapping[str, object], versions: Mapping[str, str]) -> Mark:
    """The mark judged anew; `told` as pipeline.evidence tells it."""
    return replace(mark, **{name: str(value) for name, value in {**told, **versions}.items()})  # type: ignore[arg-type]


def _episode_row(marks: Sequence[Mark], rules: Rules) -> dict[str, object]:
    first = marks[0]
    why = added_evidence([json.loads(mark.why) for mark in marks])
    source = ", ".join(sorted({sort for mark in marks for sort in mark.source.split(", ")}))
    grade = max(mark.grade for mark in marks)
    why["identity"] = {"grade": grade, "source": source}
    why["rules"] = rules(first.policy, first.service)
    periods: dict[tuple[str, str], list[int]] = {}
    for mark in marks:
        kept = _kept(mark)
        part = periods.setdefault((kept.period, kept.period_kind), [0, 0, 0])
        part[0] |= 1 << mark.minute % _WINDOW_S // 60
        part[1] += kept.up
        part[2] += kept.down
    sums = {"people": _kept(first).people, "periods": [[*name, *part] for name, part in periods.items()]}
    return {
        "day": first.day,
        "id": first.episode,
        "pseudonym": first.pseudonym,
        "service": first.service,
        "kind": _kept(first).kind,
        "start": first.minute,
        "last": marks[-1].minute,
        "minutes": len(marks),
        "grade": grade,
        "source": source,
        "rule": first.rule,
        "why": json.dumps(why, separators=(",", ":")),
        "sums": json.dumps(sums, separators=(",", ":")),
        "policy": first.policy,
        "catalogue": first.catalogue,
        "timetable": first.timetable,
    }


def _units(marks: Sequence[Mark], withdrawn: Iterable[Withdrawn]) -> dict[Label, Booked]:
    """What a person's minute counts as at each level that its marks are part of."""
    pieces: dict[Label, list[Booked]] = {}
    for mark in marks:
        kept = _kept(mark)
        own = Booked(mark.outcome, mark.reason, kept.up, kept.down)
        for label in (("service", kept.kind, mark.service), ("kind", kept.kind, ""), ("all", "", "")):
            if label not in pieces:
                pieces[label] = [kept.rest[label[0]]] if label[0] in kept.rest else []
            pieces[label].append(own)
    for one in withdrawn:
        for label in (("kind", one.kind, ""), ("all", "", "")):
            if label in pieces:
                pieces[label].append(_WITHDRAWN)
    return {label: booked(found) for label, found in pieces.items()}


def _by_moment(rows: Iterable[_Row]) -> dict[tuple[str, int], list[_Row]]:
    found: dict[tuple[str, int], list[_Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.pseudonym, row.minute, getattr(row, "service", ""))):
        found[row.pseudonym, row.minute].append(row)
    return found


def _kept(mark: Mark) -> Kept:
    kept = mark.kept
    assert kept is not None
    return kept
