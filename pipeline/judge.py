"""Was it use, and what becomes of it? Rules E1, E2, E3, E7, E8 and the order of decision, over columns.

Theory of operation. Traffic is rows of (who, service, minute, supporting or not) with bytes, bursts and times; `merge`
adds up rows of the same key, whatever their order. `find_use` makes one row per (who, service, minute), says whether
the minute is active (E2, E3) and joins active minutes to episodes (E7). The caller looks up person and place for those
rows, and `decide` gives each active minute its outcome and reason (E8 last). All functions are pure.

`who` is any number that stands for one user of the network: a person, or an address without one. This module does not
know names, addresses, calendars or time zones; minutes count from 1970-01-01 00:00 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline.profile import Profile
from pipeline.windows import PART_MIN, view
from pipeline.words import Allowed, Grade, Outcome, Reason
from sensor.words import Action

Ints = npt.NDArray[np.integer]
I64 = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]

ACTIONS: tuple[Action, ...] = tuple(Action)  # position = the code in columns
SURE = (Grade.A.code, Grade.B.code)
_NEVER = 1 << 30  # milliseconds: later than any packet


@dataclass(frozen=True, slots=True)
class Traffic:
    """Columns of equal length: what one user exchanged in a minute with a service's primary, or supporting, hosts.

    who int64 (>= 0); service int64 (position in a list of services); minute int64; support bool (False: primary);
    up, down int64 bytes; bursts int64; first, last int64 milliseconds after the minute began; named int64 bit set of
    sensor.words.Evidence positions; note int64, whatever the caller wants back (of merged rows the largest).
    """

    who: I64
    service: I64
    minute: I64
    support: Mask
    up: I64
    down: I64
    bursts: I64
    first: I64
    last: I64
    named: I64
    note: I64

    def __len__(self) -> int:
        return len(self.who)

    def take(self, rows: npt.NDArray[np.integer] | Mask) -> Self:
        """The rows at these positions, or where the mask is true."""
        return type(self)(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def join(cls, pieces: list[Self]) -> Self:
        """All rows of all pieces (at least one)."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in pieces]) for f in fields(cls)))

    @classmethod
    def none(cls) -> Self:
        """No rows."""
        return cls(*(np.zeros(0, bool if f.name == "support" else np.int64) for f in fields(cls)))


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of E2, E3 and E7: two arrays indexed by service, and two numbers."""

    down_bytes: I64
    client_bursts: I64
    support_within_ms: int
    episode_gap_min: int

    @classmethod
    def of(cls, profile: Profile, services: tuple[str, ...]) -> Limits:
        """The profile's limits for this list of service ids."""
        return cls(
            down_bytes=np.array([profile.down_bytes_of(s) for s in services], np.int64),
            client_bursts=np.array([profile.client_bursts_of(s) for s in services], np.int64),
            support_within_ms=profile.support_within_s * 1000,
            episode_gap_min=profile.episode_gap_min,
        )


@dataclass(frozen=True, slots=True)
class Use:
    """One row per (who, service, minute), sorted by these.

    active bool (E3); episode int64, rising from 0, -1 where not active (E7); up, down int64 bytes that count (E2);
    bursts int64 to primary hosts; named, note as in Traffic.
    """

    who: I64
    service: I64
    minute: I64
    active: Mask
    episode: I64
    up: I64
    down: I64
    bursts: I64
    named: I64
    note: I64

    def __len__(self) -> int:
        return len(self.who)

    def take(self, rows: npt.NDArray[np.integer] | Mask) -> Use:
        """The rows at these positions, or where the mask is true."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the caller knows about each row of a Use: int8 codes (pipeline.words) and masks.

    action: position in ACTIONS. grade: Grade; a person counts only with A, B or C. nobody: the Reason why there is no
    person. official: this person runs a live official site on this service today. state, allowed, reason: from the
    place. counted: the profile only counts this state today.
    """

    action: Codes
    grade: Codes
    nobody: Codes
    official: Mask
    state: Codes
    allowed: Codes
    reason: Codes
    counted: Mask


def merge(rows: Traffic) -> Traffic:
    """Adds up rows with the same who, service, minute and support; sorts by these. Their order does not matter."""
    if not len(rows):
        return rows
    base = int(rows.minute.min())
    width = int(rows.minute.max()) - base + 1
    kinds = int(rows.service.max()) + 1
    if (int(rows.who.max()) + 1) * kinds * width * 2 >= 1 << 63:
        raise ValueError("too many users, services and minutes at once; judge a shorter time")
    key = ((rows.who * kinds + rows.service) * width + (rows.minute - base)) * 2 + rows.support
    order = np.argsort(key)
    key = key[order]
    starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
    found = key[starts]
    rest = found // 2 // width
    return Traffic(
        who=rest // kinds,
        service=rest % kinds,
        minute=found // 2 % width + base,
        support=found % 2 == 1,
        up=np.add.reduceat(rows.up[order], starts),
        down=np.add.reduceat(rows.down[order], starts),
        bursts=np.add.reduceat(rows.bursts[order], starts),
        first=np.minimum.reduceat(rows.first[order], starts),
        last=np.maximum.reduceat(rows.last[order], starts),
        named=np.bitwise_or.reduceat(rows.named[order], starts),
        note=np.maximum.reduceat(rows.note[order], starts),
    )


def find_use(rows: Traffic, limits: Limits) -> Use:
    """Rules E2, E3 and E7 over merged rows (the result of `merge`)."""
    if not len(rows):
        empty = np.zeros(0, np.int64)
        return Use(empty, empty, empty, np.zeros(0, bool), empty, empty, empty, empty, empty, empty)
    same = (rows.who[1:] == rows.who[:-1]) & (rows.service[1:] == rows.service[:-1])
    starts = np.flatnonzero(np.concatenate(([True], ~same | (rows.minute[1:] != rows.minute[:-1]))))
    unit = np.zeros(len(rows), np.int64)
    unit[starts[1:]] = 1
    unit = np.cumsum(unit)
    who, service, minute = rows.who[starts], rows.service[starts], rows.minute[starts]
    primary, support = ~rows.support, rows.support

    def spread(values: I64, where: Mask, missing: int) -> I64:
        column = np.full(len(starts), missing, np.int64)
        column[unit[where]] = values[where]
        return column

    near = _near(
        pair=(who, service),
        minute=minute,
        primary=(spread(rows.first, primary, _NEVER), spread(rows.last, primary, -_NEVER)),
        support=(spread(rows.first, support, _NEVER), spread(rows.last, support, -_NEVER)),
        within_ms=limits.support_within_ms,
    )
    down = spread(rows.down, primary, 0) + spread(rows.down, support, 0) * near
    up = spread(rows.up, primary, 0) + spread(rows.up, support, 0) * near
    bursts = spread(rows.bursts, primary, 0)
    active = (down >= limits.down_bytes[service]) | (bursts >= limits.client_bursts[service])
    return Use(
        who=who,
        service=service,
        minute=minute,
        active=active,
        episode=_episodes(who, service, minute, active, limits.episode_gap_min),
        up=up,
        down=down,
        bursts=bursts,
        named=np.bitwise_or.reduceat(rows.named, starts),
        note=np.maximum.reduceat(rows.note, starts),
    )


def _near(
    pair: tuple[I64, I64], minute: I64, primary: tuple[I64, I64], support: tuple[I64, I64], within_ms: int
) -> Mask:
    """E2: does a primary host lie near the supporting traffic of each row? Rows sorted by pair and minute; only the
    same and the two adjacent minutes matter, as `within_ms` is at most a minute."""
    near = primary[0] < _NEVER
    beside = (minute[1:] - minute[:-1] == 1) & (pair[0][1:] == pair[0][:-1]) & (pair[1][1:] == pair[1][:-1])
    near[1:] |= beside & (support[0][1:] + 60_000 - primary[1][:-1] <= within_ms)
    near[:-1] |= beside & (primary[0][1:] + 60_000 - support[1][:-1] <= within_ms)
    return near


def _episodes(who: I64, service: I64, minute: I64, active: Mask, gap_min: int) -> I64:
    """E7: numbers the episodes of active rows, -1 elsewhere; rows sorted by who, service, minute."""
    number = np.full(len(who), -1, np.int64)
    at = np.flatnonzero(active)
    if len(at):
        before, after = at[:-1], at[1:]
        joined = (
            (who[after] == who[before])
            & (service[after] == service[before])
            & (minute[after] - minute[before] <= gap_min)
        )
        number[at] = np.concatenate(([0], np.cumsum(~joined)))
    return number


def decide(use: Use, of: Circumstances, episode_minutes: int) -> tuple[Codes, Codes]:
    """Outcome and reason (codes) of each row of `use`, which must be active and not of an ignored service.

    First match: the service is only counted; no person; a shared device; an official site; allowed time; unknown time;
    a state the profile only counts; an assigned device without log-on; then E8: an episode with at least
    `episode_minutes` such minutes, seen from the row's window, is outside the allowed times; fewer are incidental.
    """
    outcome = np.full(len(use), Outcome.COUNT_ONLY.code, np.int8)
    reason = np.full(len(use), Reason.INCIDENTAL.code, np.int8)
    undecided = np.ones(len(use), bool)

    def settle(where: Mask, becomes: Outcome, because: Reason | Codes) -> None:
        nonlocal undecided
        rows = undecided & where
        outcome[rows] = becomes.code
        reason[rows] = because.code if isinstance(because, Reason) else because[rows]
        undecided &= ~where

    person = np.isin(of.grade, (*SURE, Grade.C.code))
    settle(of.action != ACTIONS.index(Action.TAG), Outcome.COUNT_ONLY, Reason.DUAL_USE)
    settle(of.grade == Grade.D.code, Outcome.UNKNOWN, Reason.SHARED_DEVICE)
    settle(~person, Outcome.UNKNOWN, of.nobody)
    settle(of.official, Outcome.OFFICIAL_POSSIBLE, Reason.OFFICIAL_SITE)
    settle(of.allowed == Allowed.YES.code, Outcome.ALLOWED, Reason.ALLOWED_TIME)
    settle(of.allowed != Allowed.NO.code, Outcome.UNKNOWN, of.reason)
    settle(of.counted, Outcome.COUNT_ONLY, Reason.NON_CONTACT)
    settle(of.grade == Grade.C.code, Outcome.COUNT_ONLY, Reason.ASSIGNED_DEVICE)
    settle(_in_long_episode(use, undecided, episode_minutes), Outcome.OUTSIDE_ALLOWED, Reason.EPISODE)
    return outcome, reason


def _in_long_episode(use: Use, counts: Mask, at_least: int) -> Mask:
    """E8: rows of `counts` whose episode has `at_least` rows of `counts` within the view of the row's window."""
    rows = np.flatnonzero(counts)
    if not len(rows):
        return counts
    episode, minute = use.episode[rows], use.minute[rows]
    first, end = view(minute)
    base = int(first.min())
    width = int(end.max()) - base + 1
    place = episode * width + minute - base
    low = np.searchsorted(place, episode * width + first - base)
    high = np.searchsorted(place, episode * width + end - base)
    long = np.zeros(len(use), bool)
    long[rows[high - low >= at_least]] = True
    return long


def parts(use: Use) -> I64:
    """The first minute of the part of its episode that each row lies in; rows active, in the order of `find_use`.

    A long episode is told in parts of at most an hour: the first runs to the end of the half hour after the one in
    which it began, each further one fills a half hour. So every window of a part can see where the part began.
    """
    if not len(use):
        return use.minute
    new = np.concatenate(([True], use.episode[1:] != use.episode[:-1]))
    run = np.cumsum(new) - 1
    began = use.minute[new][run] // PART_MIN
    part = np.maximum(use.minute // PART_MIN - began - 1, 0)
    head = new | np.concatenate(([True], part[1:] != part[:-1]))
    first = use.minute[head]
    part_start: I64 = first[np.cumsum(head) - 1]
    return part_start
