"""The weeks of a school, side by side: published figures, how much was seen, and the answers of the store behind both.

Each question is asked once for all weeks; what may be published of its answers is decided in dashboards.figures, and
how far they can be trusted in dashboards.trust. A week is Monday to Friday, and the weekend's days only where bells
rang on them. It does not know what is told of a week: see dashboards.week, dashboards.term and dashboards.export.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.figures import OUTCOMES, Figures, figures_of, published
from dashboards.queries import Row, ask
from dashboards.schools import SchoolInfo
from dashboards.trust import Coverage, classified_of, coverage_of, expected, seen
from dashboards.usual import PastWeek
from pipeline.issued import published as issued
from pipeline.words import Outcome, Reason

if TYPE_CHECKING:
    from pipeline.store import Store


@dataclass(frozen=True, slots=True)
class Counted:
    """A week's published figures and what is known of how it was seen, with the answers behind that, day by day:
    `by_day`, `by_group`, `by_kind` of minutes, `days` of how much was observed, `covered` of packets and flows."""

    monday: date
    last: date
    figures: Figures
    coverage: Coverage
    by_day: tuple[Row, ...]
    by_group: tuple[Row, ...]
    by_kind: tuple[Row, ...]
    days: tuple[Row, ...]
    covered: tuple[Row, ...]
    reasons: tuple[Row, ...]
    free: tuple[Row, ...]

    def hours(self, staff: int) -> float:
        """Staff-hours that were observed; 0 if nobody knows how many staff there are."""
        return float(staff) * sum(int(min(day["fives"], expected(day))) for day in seen(self.days)) / 12

    def past(self, staff: int) -> PastWeek:
        """The week's rates: minutes in 100 observed staff-hours, or per school day if staff are not known."""
        there = len(seen(self.days))
        by = self.hours(staff) / 100 or max(there, 1)
        rates = {outcome: self.figures.outcomes[outcome].about / by for outcome in OUTCOMES}
        return PastWeek(self.monday, rates, there, self.coverage.observed, self.coverage.classified)


def by_reason(rows: Iterable[Row]) -> dict[str, int]:
    """Why minutes are unknown, of the answer of `week_reasons`: those of each reason, the most first."""
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row["reason"]] += max(0, int(row["total"]))
    return dict(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def weeks_of(store: Store, school: SchoolInfo, first: date, last: date) -> list[Counted]:
    """The weeks from one Monday to another of which anything is known, and the last one in any case. Of those that
    were issued nothing is told that gives away, beside the issue, what it hid. Raises StoreError."""
    before = {monday: figures_of(shown) for monday, shown in issued(store, school.id, first, last).items()}
    back: dict[str, object] = {"school": school.id, "from_": first, "to": last + timedelta(days=6)}
    names = "week_by_day days_by_group days_by_kind week_observed coverage_week week_reasons sorts_of_day"
    parts = [_by_week(ask(store, name, **back)) for name in names.split()]
    found = []
    for n in range((last - first).days // 7 + 1):
        monday = first + timedelta(weeks=n)
        bells = parts[3].get(monday, [])
        end = max([monday + timedelta(days=4), *(row["day"] for row in bells)])
        by_day, by_group, by_kind, days, covered, reasons, sorts = (
            [row for row in part.get(monday, []) if row["day"] <= end] for part in parts
        )
        if monday == last or by_day or seen(days):
            figures = published(by_day, by_group, by_kind, school.group_sizes, before.get(monday))
            classified = classified_of(figures.total, figures.outcomes[Outcome.UNKNOWN])
            free = [row for row in sorts if row["kind"] in words.FREE]
            known = {row["day"] for row in days} | {row["day"] for row in free if row["kind"] != "inset"}
            partial = sum(day.weekday() < 5 for day in known) < 5
            missing = any(row["reason"] == Reason.DUTY_DATA_MISSING for row in reasons)
            coverage = coverage_of(days, covered, classified, missing, partial)
            answers = (by_day, by_group, by_kind, days, covered, reasons, free)
            found.append(Counted(monday, end, figures, coverage, *map(tuple, answers)))
    return found


def _by_week(rows: Iterable[Row]) -> dict[date, list[Row]]:
    weeks: dict[date, list[Row]] = {}
    for row in rows:
        weeks.setdefault(row["day"] - timedelta(days=row["day"].weekday()), []).append(row)
    return weeks
