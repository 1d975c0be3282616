"""How often an alert of an edit is wrong: from measured rates and from how rare edits are.

Of 1,000 page views of Wikipedia about one is an edit (Wikimedia's own figure, 2022). Let a certainty find the share
`found` of all edits and raise `false` alarms in 10,000 views: then false / (false + found * 10) of its alerts are
wrong. So even a detector that errs in 5 of 10,000 views is wrong every third time; a school whose staff edit less than
the world does worse. The rates are those of recorded sessions with truth (`schoolgate wiki evaluate`), not a school's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

EDITS_PER_10K = 10.0
"""Edits in 10,000 page views."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Of a certainty and all above it: share of saves found, false alarms in 10,000 views, and the upper end of the
    95 % interval of that."""

    found: float
    false_per_10k: float
    upper_per_10k: float

    def wrong(self) -> tuple[float, float]:
        """The share of alerts that are wrong: as measured, and at the upper end."""
        right = self.found * EDITS_PER_10K
        return tuple(false / (false + right) for false in (self.false_per_10k, self.upper_per_10k))  # type: ignore[return-value]


MEASURED: Mapping[str, Rates] = MappingProxyType({"likely": Rates(0.90, 42.0, 68.0)})
"""Of the detector's certainties; one that is not here has not been measured."""
