"""Sums that may leave memory: minutes and bytes by window, bell period and day, never by person.

Each minute of use lies in exactly one window, so stored rows only ever add up. Every sum is made at three explicit
levels: per service; per kind, where a minute with two services of a kind counts once; and over all, likewise. Where
such a minute has several outcomes it takes the first of SEVERITY. Rows by group of people exist only for groups of at
least SMALLEST_GROUP people. This module knows numbers and labels: no addresses, no calendar, no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.words import Outcome, Reason

I64 = npt.NDArray[np.int64]
Columns = dict[str, list[object]]

SEVERITY: tuple[Outcome, ...] = (
    Outcome.OUTSIDE_ALLOWED,
    Outcome.UNKNOWN,
    Outcome.OFFICIAL_POSSIBLE,
    Outcome.COUNT_ONLY,
    Outcome.ALLOWED,
)
SMALLEST_GROUP = 10  # people (policy of the product: smaller groups would show persons)
EVERYBODY = "all"
OTHERS = "other"
_GROUP_OF_ROLE = {"teacher": "teaching", "leadership": "teaching", "support": "support"}
_RANK = np.array([len(SEVERITY) - SEVERITY.index(o) for o in Outcome], np.int64)  # by outcome code, higher wins
_OUTCOME_OF_RANK = np.array([-1, *(o.code for o in reversed(SEVERITY))], np.int64)
_REASONS = len(Reason)
_KEYS = ("window", "label", "period", "group", "outcome", "reason")
LEVELS = ("service", "kind", "all")


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of people whose sums may be shown: their names, and of each person the position of the group or -1."""

    names: tuple[str, ...]
    of_person: npt.NDArray[np.int8]


def people_groups(roles: Sequence[str]) -> Groups:
    """Groups for a staff list, given each person's role (staff.csv): teaching, support, other.

    A group of fewer than SMALLEST_GROUP joins "other"; while "other" itself is that small (but not empty) the smallest
    remaining group joins it, or the difference to "all" would show it. One group alone says no more than "all".
    """
    wanted = [_GROUP_OF_ROLE.get(role, OTHERS) for role in roles]
    size = {name: wanted.count(name) for name in ("teaching", "support")}
    kept = {name for name, n in size.items() if n >= SMALLEST_GROUP}
    while kept and 0 < len(roles) - sum(size[name] for name in kept) < SMALLEST_GROUP:
        kept.remove(min(sorted(kept), key=size.__getitem__))
    final = [name if name in kept else OTHERS for name in wanted]
    names = tuple(name for name in ("teaching", "support", OTHERS) if name in final)
    if len(names) < 2:
        return Groups((), np.full(len(roles), -1, np.int8))
    return Groups(names, np.array([names.index(name) for name in final], np.int8))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Judged minutes of use, int64 columns of equal length: one row per (who, label, minute).

    label: position of a service, kind or nothing in a list of names. outcome, reason: codes. window: start of the
    window, in minutes since 1970. period: position in a list of bell periods. group: as in Groups.of_person, -1 nobody.
    up, down: bytes.
    """

    who: I64
    label: I64
    minute: I64
    window: I64
    period: I64
    group: I64
    outcome: I64
    reason: I64
    up: I64
    down: I64

    def __len__(self) -> int:
        return len(self.who)

    def take(self, rows: npt.NDArray[np.integer] | npt.NDArray[np.bool_]) -> Outcomes:
        """The rows at these positions, or where the mask is true."""
        return Outcomes(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def runs(keys: Sequence[npt.NDArray[np.integer]]) -> tuple[I64, I64]:
    """Order that sorts rows by these keys, the first one first; and where in it each run of equal keys starts."""
    order: I64 = np.lexsort(tuple(reversed(keys)))
    new = np.zeros(len(order), bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[order][1:] != key[order][:-1]
    return order, np.flatnonzero(new)


def collapse(rows: Outcomes, label: I64) -> Outcomes:
    """One row per (who, new label, minute): bytes added, the gravest outcome, of its reasons the one last in Reason."""
    order, starts = runs((rows.who, label, rows.minute))
    worst = np.maximum.reduceat((_RANK[rows.outcome] * _REASONS + rows.reason)[order], starts)
    return replace(
        rows.take(order[starts]),
        label=label[order[starts]],
        outcome=_OUTCOME_OF_RANK[worst // _REASONS],
        reason=worst % _REASONS,
        up=np.add.reduceat(rows.up[order], starts),
        down=np.add.reduceat(rows.down[order], starts),
    )


def gravest(pairs: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The words of outcome and reason that one minute counts as when it has all of these: as `collapse` does it."""
    return max(pairs, key=_gravity)


@cache
def _gravity(pair: tuple[str, str]) -> int:
    return int(_RANK[Outcome(pair[0]).code]) * _REASONS + Reason(pair[1]).code


@dataclass(frozen=True, slots=True)
class Sums:
    """Minutes and bytes by window, level, label, period, group, outcome and reason; sorted by window.

    `group` is 0 for everybody, else 1 + position in Groups.names; other columns as in Outcomes.
    """

    window: I64
    label: I64
    period: I64
    group: I64
    outcome: I64
    reason: I64
    minutes: I64
    up: I64
    down: I64

    def __len__(self) -> int:
        return len(self.window)


def add_up(rows: Outcomes, *, by_period: bool, by_group: bool) -> Sums:
    """Sums of one level. Without `by_period` the period is 0; without `by_group` there are only rows of everybody."""
    pieces = [replace(rows, group=np.zeros(len(rows), np.int64))]
    if by_group:
        own = rows.take(rows.group >= 0)
        pieces.append(replace(own, group=own.group + 1))
    both = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in (*_KEYS, "up", "down")}
    if not by_period:
        both["period"] = np.zeros_like(both["period"])
    order, starts = runs([both[name] for name in _KEYS])
    sums = {name: both[name][order][starts] for name in _KEYS}
    sums |= {name: np.add.reduceat(both[name][order], starts) for name in ("up", "down")}
    return Sums(**sums, minutes=np.diff(np.append(starts, len(order))))


@dataclass(frozen=True, slots=True)
class Labels:
    """Names for the codes of Outcomes: services and their kinds, kinds, bell periods as (name, kind), groups."""

    services: tuple[str, ...]
    kind_of: I64
    kinds: tuple[str, ...]
    periods: tuple[tuple[str, str], ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Levels:
    """The same minutes at each level; `service` has one row per (who, service, minute)."""

    service: Outcomes
    kind: Outcomes
    all: Outcomes


def levels(rows: Outcomes, labels: Labels) -> Levels:
    """Judged rows, labelled by service, at the three levels. Rows of the same who, service and minute become one."""
    by_service = collapse(rows, rows.label)
    by_kind = collapse(by_service, labels.kind_of[by_service.label])
    return Levels(by_service, by_kind, collapse(by_service, np.zeros(len(by_service), np.int64)))


def use_five(rows: Levels, labels: Labels) -> list[tuple[int, Columns]]:
    """Rows of table `use_five`, all staff together, by window."""
    return _tables(rows, labels, by_period=False, by_group=False)


def use_period(rows: Levels, labels: Labels) -> list[tuple[int, Columns]]:
    """Rows of table `use_period`, by window."""
    return _tables(rows, labels, by_period=True, by_group=True)


def use_day(rows: Levels, labels: Labels) -> list[tuple[int, Columns]]:
    """Rows of table `use_day`, by window."""
    return _tables(rows, labels, by_period=False, by_group=True)


def _tables(rows: Levels, labels: Labels, *, by_period: bool, by_group: bool) -> list[tuple[int, Columns]]:
    outcomes, reasons = [o.value for o in Outcome], [r.value for r in Reason]
    groups = (EVERYBODY, *labels.groups)
    tables: dict[int, Columns] = {}
    for level in LEVELS:
        sums = add_up(getattr(rows, level), by_period=by_period, by_group=by_group)
        for start, part in _windows(sums.window):
            label = sums.label[part].tolist()
            periods = [labels.periods[code] for code in sums.period[part].tolist()] if by_period else []
            columns: Columns = {
                "level": [level] * len(label),
                "kind": [_kind_name(level, code, labels) for code in label],
                "service": [labels.services[code] if level == "service" else "" for code in label],
                "outcome": [outcomes[code] for code in sums.outcome[part].tolist()],
                "reason": [reasons[code] for code in sums.reason[part].tolist()],
                "minutes": sums.minutes[part].tolist(),
                "bytes_up": sums.up[part].tolist(),
                "bytes_down": sums.down[part].tolist(),
            }
            if by_period:
                columns |= {"period": [name for name, _ in periods], "period_kind": [kind for _, kind in periods]}
            if by_group:
                columns["people"] = [groups[code] for code in sums.group[part].tolist()]
            table = tables.setdefault(start, {name: [] for name in columns})
            for name, values in columns.items():
                table[name].extend(values)
    return sorted(tables.items())


def _windows(window: I64) -> Iterator[tuple[int, slice]]:
    """Start and rows of each window in a sorted column."""
    ends = np.flatnonzero(np.diff(window, append=-1)) + 1
    for low, high in pairwise([0, *ends.tolist()]):
        yield int(window[low]), slice(low, high)


def _kind_name(level: str, code: int, labels: Labels) -> str:
    if level == "service":
        return labels.kinds[int(labels.kind_of[code])]
    return labels.kinds[code] if level == "kind" else ""


def coverage_columns(metrics: Mapping[str, int]) -> Columns:
    """Rows of table `coverage`: one per metric that is not zero, sorted by name."""
    found = sorted((name, value) for name, value in metrics.items() if value)
    return {"metric": [name for name, _ in found], "value": [value for _, value in found]}
