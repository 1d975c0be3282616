"""How often an alarm is wrong: from measured rates and from how rare edits are. Whoever tells of it takes it from here.

Of 1,000 page views of Wikipedia about one is an edit (Wikimedia's own figure, 2022). Let alarms of a certainty find the
share `found` of all edits and err in `false` of 10,000 views: then false / (false + found * 10) of them are wrong. So
even a detector that errs in 5 of 10,000 views is wrong every third time; a school whose staff edit less than the world
does worse. The rates are those of recorded sessions with truth (`constants.toml`), not a school's. They are of this
very certainty, so what is only possible is not made better by what is likely. Half a false alarm more than was measured
is reckoned with (Jeffreys): none seen does not mean that there are none.

An alarm's own probability orders alarms, and thresholds are set in it; but it was fitted on recordings in which people
edit far more than they do, so it is no chance that anybody should be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pipeline.wiki.constants import Constants, shipped
from pipeline.wiki.trial import poisson_upper


@dataclass(frozen=True, slots=True)
class Odds:
    """Of one certainty: the share of saves that it found, its false alarms in 10,000 views, the upper end of the 95 %
    interval of that, and the views that were looked at; the share of its alarms that are wrong, and that at worst."""

    found: float
    false_per_10k: float
    upper_per_10k: float
    views: int
    wrong: float
    worst: float


def odds_of(constants: Constants) -> Mapping[str, Odds]:
    """By certainty; one that is not here has not been measured."""
    odds = {}
    surer_found = surer_false = 0
    for certainty in ("likely", "possible"):  # rates are of at least a certainty
        if rates := constants.rates.get(certainty):
            found, false = (rates.found - surer_found) / rates.saves, max(0, rates.false - surer_false)
            surer_found, surer_false = rates.found, rates.false
            if not found and not false:
                continue  # no alarm of just this certainty was seen, so nothing is known of them
            right = constants.edits_per_1000_views / 1000 * found
            usual, most = (false + 0.5) / rates.views, poisson_upper(false) / rates.views
            odds[certainty] = Odds(
                found,
                1e4 * false / rates.views,
                1e4 * most,
                rates.views,
                usual / (usual + right),
                most / (most + right),
            )
    return odds


@cache
def measured() -> Mapping[str, Odds]:
    """Of the constants that came with this version."""
    return odds_of(shipped())


def chance_wrong(certainty: str, probability: float) -> float | None:
    """The chance that an alarm is wrong; what was read itself (`confirmed`) says its own; None: not measured."""
    if certainty == "confirmed":
        return 1 - probability
    odds = measured().get(certainty)
    return odds.wrong if odds else None
