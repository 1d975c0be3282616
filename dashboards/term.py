"""A term for the governors: the sentence, how much could be seen, week by week, the terms before, and fairness.

It is made of the weeks as they are published, added up and rounded to fifty: so it tells nothing that the weeks do not,
and there are no groups, days or kinds of service in it. A year before are the same weeks, 52 back. Terms are compared
only where half of their weeks were seen and as much was observed and classified, within ten points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from markupsafe import Markup

from dashboards import words
from dashboards.figures import OUTCOMES, OUTSIDE
from dashboards.language import Language, say
from dashboards.queries import Row, ask_one
from dashboards.render import render
from dashboards.report import CONFIDENCE, Edition, Told, page_of, rate_text, rates_by_week
from dashboards.said import Said
from dashboards.schools import SchoolInfo
from dashboards.trust import Coverage, coverage_of, seen
from dashboards.usual import PastWeek
from dashboards.weeks import Counted, weeks_of
from pipeline.terms import Term, terms

if TYPE_CHECKING:
    from dashboards.standing import Standing
    from pipeline.school import School
    from pipeline.store import Store

ROUNDED_TO = 50
YEAR = timedelta(weeks=52)


@dataclass(frozen=True, slots=True)
class TermSums:
    """A term's sums of published minutes, and its rates."""

    name: str
    first: date
    last: date
    weeks: tuple[Counted, ...]
    minutes: Mapping[str, float]
    rates: Mapping[str, float]
    coverage: Coverage

    @property
    def school_days(self) -> int:
        return sum(len(seen(week.days)) for week in self.weeks)

    def like(self, other: TermSums) -> bool:
        """May the two be compared?"""
        mine, theirs = self.coverage, other.coverage
        pairs = ((mine.observed, theirs.observed), (mine.classified, theirs.classified))
        enough = 2 * len(other.weeks) >= len(self.weeks) > 0
        return enough and all(a is not None and b is not None and abs(a - b) <= 0.10 + 1e-9 for a, b in pairs)


@dataclass(frozen=True, slots=True)
class TermView:
    """Everything that the governors' report shows. `others`: the terms before, and the same weeks a year before."""

    school: SchoolInfo
    term: Term
    this: TermSums
    others: tuple[TermSums, ...]
    year_before: TermSums
    contests: Row
    retention: Row

    @property
    def staff(self) -> int:
        return self.school.group_sizes.get("all", 0)

    @property
    def past(self) -> tuple[PastWeek, ...]:
        return tuple(week.past(self.staff) for week in self.this.weeks)

    @property
    def empty(self) -> bool:
        return not self.this.weeks or not self.this.school_days


def term_view(store: Store, school: SchoolInfo, term: Term, files: School) -> TermView:
    """The term as it stands in the store. Raises StoreError."""
    this = _sums(store, school, term.name, term.first, term.last)
    oldest = term.first - YEAR - timedelta(days=60)
    before = [one for one in terms(files.calendar) if one.last < term.first and one.first > oldest]
    others = [_sums(store, school, t.name, t.first, t.last) for t in before]
    time: dict[str, object] = {"school": school.id, "from_": term.first, "to": term.last}
    return TermView(
        school,
        term,
        this,
        tuple(one for one in others if one.school_days),
        _sums(store, school, term.name, term.first - YEAR, term.last - YEAR),
        ask_one(store, "contests_decided", **time, zone=school.zone),
        ask_one(store, "retention_kept", **time),
    )


def _sums(store: Store, school: SchoolInfo, name: str, first: date, last: date) -> TermSums:
    """Of whole weeks; the last one is there only if anything is known of it."""
    monday, end = first - timedelta(days=first.weekday()), last - timedelta(days=last.weekday())
    weeks = [week for week in weeks_of(store, school, monday, end) if seen(week.days)]
    minutes = {o: sum(week.figures.outcomes[o].about for week in weeks) for o in OUTCOMES}
    total = sum(week.figures.total.about for week in weeks)
    staff = school.group_sizes.get("all", 0)
    days = [day for week in weeks for day in week.days]
    by = sum(week.hours(staff) for week in weeks) / 100 or max(len(seen(days)), 1)
    coverage = coverage_of(
        days,
        [row for week in weeks for row in week.covered],
        max(0.0, 1 - minutes["unknown"] / total) if total else None,
        any(week.coverage.duty_missing for week in weeks),
        partial=False,
    )
    return TermSums(name, first, last, tuple(weeks), minutes, {o: n / by for o, n in minutes.items()}, coverage)


def tell_term(
    view: TermView,
    lang: Language,
    contact: str = "",
    standing: Standing | None = None,
    edition: Edition | None = None,
) -> Told:
    """The governors' report in a language."""
    title = say(lang, "Social media at work: {school}, {term}", school=view.school.name, term=view.term.name)
    values: dict[str, object] = {
        "view": view,
        "lang": lang,
        "contact": contact,
        "standing": standing,
        "edition": edition,
        "title": title,
        "sentence": " ".join(part.in_(lang) for part in sentence(view)),
        "share": words.share,
        "confidence": CONFIDENCE[view.this.coverage.confidence],
        "rounded": rounded,
        "rate": rate_text,
        "table": [view.this, *reversed(view.others)],
    }
    page = page_of("term.html", **values, by_week=rates_by_week(view.past, None, lang) if view.past else "")
    text = render("term.txt", **values)
    html = Markup('<pre style="font:15px/1.45 Segoe UI,Helvetica,Arial,sans-serif;white-space:pre-wrap">{}</pre>')
    return Told(title, page, html.format(text), text)


def sentence(view: TermView) -> list[Said]:
    """The term in one sentence, or two."""
    if view.empty:
        return [Said("Nothing of this term is in the store.")]
    rate = view.this.rates[OUTSIDE]
    values: dict[str, object] = {"rate": rate_text(rate), "minutes": rounded(view.this.minutes[OUTSIDE])}
    text = (
        "In this term about {minutes} minutes, {rate} in 100 staff-hours, fell outside the policy’s allowed times "
        "(automatic, unverified)."
        if view.staff
        else "In this term about {minutes} minutes, {rate} on a school day, fell outside the policy’s allowed times "
        "(automatic, unverified)."
    )
    found = [Said(text, values)]
    before = view.year_before
    if not before.weeks:
        found.append(Said("The store holds nothing of the same weeks a year before."))
    elif not view.this.like(before):
        found.append(
            Said("The same weeks a year before cannot be compared: less, or something else, was seen of them.")
        )
    else:
        found.append(Said("In the same weeks a year before it was {rate}.", {"rate": rate_text(before.rates[OUTSIDE])}))
    return found


def rounded(minutes: float) -> str:
    """Minutes of a term, to the nearest fifty."""
    near = ROUNDED_TO * round(minutes / ROUNDED_TO)
    return f"{near:,}" if near or not minutes else f"< {ROUNDED_TO}"
