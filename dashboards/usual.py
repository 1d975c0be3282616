"""What is usual: a week, or a term, beside others like it, and only those.

Like are weeks with as many school days seen (four at least), of which as much was observed and classified, within ten
points. Holidays are never among them: they have no school days. Four like weeks are needed before anything is compared;
the median is that of the last four, the range that of all of the last eight weeks. "Higher" and "lower" are only said
outside the range. All values are rates of published figures. Source: the project's reporting rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from dashboards.said import Said, counted

LIKE_WEEKS = 4
"""Like weeks needed before anything is compared."""
FULL_WEEK = 4
"""School days a week needs to be like another."""
SAME_COVERAGE = 0.10
"""How far the observed and the classified shares of two weeks may lie apart for them to be compared."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What like weeks before had, as rates."""

    median: float
    low: float
    high: float

    def place(self, value: float) -> str:
        """Where a value lies; 'higher' and 'lower' only outside the range."""
        if value > self.high:
            return "higher than in the weeks compared"
        return "lower than in the weeks compared" if value < self.low else "within the usual range"


@dataclass(frozen=True, slots=True)
class PastWeek:
    """A week on the line of weeks: the rate of each outcome, and what tells whether it is like another."""

    monday: date
    rates: Mapping[str, float]
    school_days: int
    observed: float | None
    classified: float | None

    def like(self, other: PastWeek) -> bool:
        """May the two be compared?"""
        if self.school_days != other.school_days or self.school_days < FULL_WEEK:
            return False
        pairs = ((self.observed, other.observed), (self.classified, other.classified))
        return all(a is not None and b is not None and abs(a - b) <= SAME_COVERAGE + 1e-9 for a, b in pairs)


def usual_of(this: PastWeek, before: Sequence[PastWeek]) -> tuple[dict[str, Usual], Said | None]:
    """What is usual per outcome, or the sentence that says why nothing is compared."""
    if this.school_days < FULL_WEEK:
        return {}, counted(
            this.school_days,
            "Only {n} school day of this week could be seen; weeks are compared from {needed} school days.",
            "Only {n} school days of this week could be seen; weeks are compared from {needed} school days.",
            needed=FULL_WEEK,
        )
    like = [week for week in before if week.like(this)]
    if len(like) < LIKE_WEEKS:
        return {}, Said(
            "Not enough weeks to compare: {n} of the {needed} needed before this one had as many school days and a "
            "like share of observed hours and classified minutes.",
            {"n": len(like), "needed": LIKE_WEEKS},
        )
    usual = {}
    for outcome in this.rates:
        values = [week.rates[outcome] for week in like]
        usual[outcome] = Usual(median(values[-LIKE_WEEKS:]), min(values), max(values))
    return usual, None
