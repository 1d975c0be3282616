"""How much of a time could be seen, and how far its figures can be trusted: shares, a grade, and the reasons in words.

The grade is the worst that any of its parts allows. HIGH needs 80 % of the minutes classified, 95 % of school hours
observed, at most 15 % of connections that hide their names, duty data for every break, a known person on every day, and
every weekday there. LOW is under 50 % classified, under half of the hours observed, or more than half of the
connections hidden. Shares of minutes are made of figures as they are published (dashboards.suppression), so that they
do not tell what is hidden. Thresholds follow domain practice for coverage; they are never about staff.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from dashboards.health import FIVE
from dashboards.hiding import Shown, shown
from dashboards.queries import Row
from dashboards.said import Said

ENOUGH_USE = 20
"""Minutes of use that a day needs before it is strange that nobody was known."""


class Confidence(StrEnum):
    """How far figures can be trusted."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of a time, 0 to 1; None where there was nothing to take a share of.

    hidden: of connections that hide their names. partial: weekdays are missing. nobody: days of much use on which no
    person was known, as when the feeds have stopped.
    """

    observed: float | None
    readable: float | None
    linked: float | None
    classified: float | None
    duty_missing: bool
    partial: bool
    hidden: float | None = None
    nobody: tuple[date, ...] = ()

    @property
    def confidence(self) -> Confidence:
        """The worst that any part allows; see the module's header."""
        classified, observed, hidden = self.classified or 0.0, self.observed or 0.0, self.hidden or 0.0
        if classified < 0.50 or observed < 0.50 or hidden > 0.50:
            return Confidence.LOW
        return Confidence.MEDIUM if self.why else Confidence.HIGH

    @property
    def why(self) -> tuple[Said, ...]:
        """What keeps the grade from being high, the gravest first."""
        found = []
        if (self.classified or 0.0) < 0.80:
            found.append(Said("less than 80 % of the minutes could be classified"))
        if (self.observed or 0.0) < 0.95:
            found.append(Said("less than 95 % of school hours was observed"))
        if (self.hidden or 0.0) > 0.15:
            found.append(Said("more than 15 % of connections hide their names"))
        if self.nobody:
            found.append(Said("nobody was known on {days}, as when a feed has stopped", {"days": self.nobody}))
        if self.duty_missing:
            found.append(Said("duty data were missing for part of break or lunch"))
        if self.partial:
            found.append(Said("weekdays are missing"))
        return tuple(found)

    @property
    def too_little(self) -> bool:
        """Under 40 % classified only ranges are shown."""
        return (self.classified or 0.0) < 0.40


def coverage_of(
    days: Sequence[Row], rows: Sequence[Row], classified: float | None, duty_missing: bool, partial: bool
) -> Coverage:
    """Of the answers of `week_observed` and `coverage_week`; `classified` is made of published figures."""

    def share(of: float, whole: float) -> float | None:
        return of / whole if whole else None

    def summed(name: str) -> int:
        return sum(row[name] for row in rows)

    use, without = summed("minutes_use"), summed("minutes_use") - summed("minutes_timetabled")
    known = any(row["minutes_person"] for row in rows)
    nobody = (row["day"] for row in rows if row["minutes_use"] >= ENOUGH_USE and not row["minutes_person"])
    return Coverage(
        observed=observed_share(days),
        readable=share(summed("flows_named"), summed("flows")),
        linked=max(0.0, 1 - shown(without).about / shown(use).about) if use else None,
        classified=classified,
        duty_missing=duty_missing,
        partial=partial,
        hidden=share(summed("flows_hidden"), summed("flows")),
        nobody=tuple(nobody) if known else (),
    )


def observed_share(days: Sequence[Row]) -> float | None:
    """The share of school hours that was observed, of the answer of `week_observed`."""
    whole = sum(map(expected, days))
    return sum(min(day["fives"], expected(day)) for day in days) / whole if whole else None


def classified_of(total: Shown, unknown: Shown) -> float | None:
    """The share of minutes that are not unknown, as far as the published figures tell it."""
    if not total.plain or not total.about or (not unknown.plain and not unknown.about):
        return None
    return max(0.0, 1 - unknown.about / total.about)


def expected(day: Row) -> int:
    """How many five minutes a school day has."""
    return int((day["last"] - day["first"]) / FIVE)


def seen(days: Iterable[Row]) -> list[Row]:
    """Days of which something was observed."""
    return [day for day in days if day["fives"]]
