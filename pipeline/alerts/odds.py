"""How often an alert of an edit is wrong: from measured rates and from how rare edits are.

Of 1,000 page views of Wikipedia about one is an edit (Wikimedia's own figure, 2022). Let a certainty find the share
`found` of all edits and raise `false` alarms in 10,000 views: then false / (false + found * 10) of its alerts are
wrong. So even a detector that errs in 5 of 10,000 views is wrong every third time; a school whose staff edit less than
the world does worse. The rates are those of recorded sessions with truth (`schoolgate wiki evaluate`), not a school's.
Half a false alarm more than was measured is reckoned with (Jeffreys): none seen does not mean that there are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pipeline.wiki.constants import shipped
from pipeline.wiki.trial import poisson_upper

EDITS_PER_10K = 10.0
"""Edits in 10,000 page views."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Of a certainty and all above it: share of saves found, false alarms in 10,000 views, the upper end of the 95 %
    interval of that, and the views that were looked at."""

    found: float
    false_per_10k: float
    upper_per_10k: float
    views: int

    def wrong(self) -> tuple[float, float]:
        """The share of alerts that are wrong: as measured, and at the upper end."""
        right = self.found * EDITS_PER_10K
        careful = self.false_per_10k + 0.5e4 / self.views
        return careful / (careful + right), self.upper_per_10k / (self.upper_per_10k + right)


@cache
def measured() -> Mapping[str, Rates]:
    """Rates of the detector's certainties; one that is not here has not been measured."""
    return {
        certainty: Rates(
            one.found / one.saves, 1e4 * one.false / one.views, 1e4 * poisson_upper(one.false) / one.views, one.views
        )
        for certainty, one in shipped().rates.items()
    }
