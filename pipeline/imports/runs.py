"""Dates of a weekly booking as few rows: `every week from .. to ..`, or `every week A from .. to ..`.

Duty data counts as fresh on the dates that its rows cover, so a rota of single dates would leave every other day of its
weeks unknown. A run goes on over dates on which nobody works. What the rows say of every date on which somebody may
work is exactly what the dates said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import NamedTuple

from pipeline.rows import Week

_WEEK = timedelta(7)


class Run(NamedTuple):
    """A weekly booking from its first to its last date, in weeks of this letter or all."""

    week: Week
    first: date
    last: date


def runs_of(
    dates: Iterable[date], free: Callable[[date], bool], letter: Callable[[date], Week | None] = lambda day: None
) -> list[Run]:
    """Dates of one weekday as runs. `free`: nobody works on the date; `letter`: of its week, if the calendar says."""
    wanted = sorted(set(dates))
    have = set(wanted)
    found: list[Run] = []
    while wanted:
        first = wanted[0]
        own = letter(first)
        tries = [_run(first, wanted[-1], Week.EVERY, have, free, letter)]
        if own is not None and not free(first):
            tries.append(_run(first, wanted[-1], own, have, free, letter))
        covered = max(tries, key=len)
        week = Week.EVERY if covered is tries[0] else own
        assert week is not None
        found.append(Run(week, first, covered[-1]))
        wanted = [day for day in wanted if day not in set(covered)]
    return found


def _run(
    first: date,
    last: date,
    week: Week,
    have: set[date],
    free: Callable[[date], bool],
    letter: Callable[[date], Week | None],
) -> list[date]:
    """The wanted dates that one run from `first` covers."""
    covered, day = [], first
    while day <= last:
        own = letter(day) if week is not Week.EVERY else week
        if free(day):
            covered += [day] if day in have else []
        elif own == week and day in have:
            covered.append(day)
        elif own == week or own is None:  # a row would hold here, or may: a week without a letter may be either
            break
        day += _WEEK
    return covered
