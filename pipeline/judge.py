"""What becomes of a minute of use? The order of decision, and rules E8 to E13, over columns.

Theory of operation. `pipeline.activity` says which minutes of whom are use of what; the caller looks up person and
place for those rows, and `decide` gives each its outcome and reason, and how much speaks for it (E9). All is pure.

`who` is any number that stands for one user of the network: a person, or an address without one. This module does not
know names, addresses, calendars or time zones; minutes count from 1970-01-01 00:00 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.activity import Use
from pipeline.traffic import I64, Codes, Mask
from pipeline.windows import PART_MIN, view
from pipeline.words import Allowed, Confidence, Grade, Outcome, Reason
from sensor.words import Action, Evidence

ACTIONS: tuple[Action, ...] = tuple(Action)  # position = the code in columns
SURE = (Grade.A.code, Grade.B.code)
_DNS_ONLY = 1 << tuple(Evidence).index(Evidence.DNS)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the caller knows about each row of a Use: int8 codes (pipeline.words) and masks.

    action: position in ACTIONS. grade: Grade; a person counts only with A, B or C. nobody: the Reason why there is
    no person. official: this person runs a live official site on this service today; doubt: the Reason why the
    person may have run one (0: there is none). state, allowed, reason: from the place, but near a change what the
    state itself allows is allowed. counted: the profile only counts this state today, or this state and time that is
    allowed lie so near each other that it must be one of them. fresh: the person had just logged on.
    """

    action: Codes
    grade: Codes
    nobody: Codes
    official: Mask
    doubt: Codes
    state: Codes
    allowed: Codes
    reason: Codes
    counted: Mask
    fresh: Mask


@dataclass(frozen=True, slots=True)
class Decision:
    """Codes (pipeline.words) of each row; confidence is low where the outcome is not `outside_allowed`."""

    outcome: Codes
    reason: Codes
    confidence: Codes


def decide(use: Use, of: Circumstances, episode_minutes: int, confident_minutes: int) -> Decision:
    """Decides rows of `use`, which must be active and not of an ignored service.

    First match: the service is only counted (E11); no person (E12); a shared device; an official site (E10); allowed
    time; near a change, but of an episode that has too few minutes for E8 whichever side they lie on; unknown time; a
    state the profile only counts; an assigned device without log-on; a site that lacks an approval or has just closed
    (E10); a log-on just before (E5); then E8: an episode with at least `episode_minutes` such minutes, seen from the
    row's window, is outside the allowed times, unless confidence in it is low (E9, E13); fewer are incidental.
    pipeline.outcomes says the same in sentences.
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
    near = np.isin(of.grade, SURE) & (of.reason == Reason.BOUNDARY.code)
    few = _few_either_way(use, undecided & ~of.counted, near, episode_minutes)
    settle(few, Outcome.COUNT_ONLY, Reason.INCIDENTAL)
    settle((of.allowed != Allowed.NO.code) & ~of.counted, Outcome.UNKNOWN, of.reason)
    settle(of.counted, Outcome.COUNT_ONLY, Reason.NON_CONTACT)
    settle(of.grade == Grade.C.code, Outcome.COUNT_ONLY, Reason.ASSIGNED_DEVICE)
    settle(of.doubt != Reason.NONE.code, Outcome.UNKNOWN, of.doubt)
    settle(of.fresh, Outcome.UNKNOWN, Reason.LOG_ON)
    long, confidence = _episodes_seen(use, undecided, episode_minutes, confident_minutes)
    settle(long & (confidence == Confidence.LOW.code), Outcome.UNKNOWN, Reason.DNS_ONLY)
    settle(long, Outcome.OUTSIDE_ALLOWED, Reason.EPISODE)
    return Decision(outcome, reason, confidence)


def _few_either_way(use: Use, may_count: Mask, near: Mask, at_least: int) -> Mask:
    """Which minutes near a change are of an episode that has fewer than `at_least` minutes in time that is not allowed
    even if all those count that may: `may_count`, minutes that are not or perhaps not allowed."""
    few = np.zeros(len(use), bool)
    rows = np.flatnonzero(may_count)
    low, high = _seen(use, rows)
    few[rows] = near[rows] & (high - low < at_least)
    return few


def _episodes_seen(use: Use, counts: Mask, at_least: int, confident: int) -> tuple[Mask, Codes]:
    """E8, E9: rows of `counts` whose episode has `at_least` rows of `counts` within the view of the row's window, and
    how much these speak for it."""
    long, confidence = np.zeros(len(use), bool), np.full(len(use), Confidence.LOW.code, np.int8)
    rows = np.flatnonzero(counts)
    low, high = _seen(use, rows)

    def seen(what: Mask) -> Mask:
        until = np.concatenate(([0], np.cumsum(what[rows])))
        found: Mask = until[high] > until[low]
        return found

    enough = high - low >= at_least
    named, many = seen(use.named & ~_DNS_ONLY != 0), high - low >= confident
    high_too = named & many & seen(use.supported) & ~use.led[rows[low]]
    long[rows] = enough
    confidence[rows] = np.select(
        [~enough | ~(named | many), high_too], [Confidence.LOW.code, Confidence.HIGH.code], Confidence.MEDIUM.code
    )
    return long, confidence


def _seen(use: Use, rows: I64) -> tuple[I64, I64]:
    """What the window of each of these rows sees of its episode among them: positions in `rows`, from and up to."""
    if not len(rows):
        return rows, rows
    episode, minute = use.episode[rows], use.minute[rows]
    first, end = view(minute)
    base = int(first.min())
    width = int(end.max()) - base + 1
    place = episode * width + minute - base
    low = np.searchsorted(place, episode * width + first - base)
    high = np.searchsorted(place, episode * width + end - base)
    return low, high


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
