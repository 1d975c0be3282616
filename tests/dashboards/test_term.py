"""A term for the governors: the weeks added up, nothing smaller than all staff, and a year before only where alike."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from dashboards.figures import OUTCOMES, OUTSIDE
from dashboards.schedule import find_term
from dashboards.schools import SchoolInfo
from dashboards.term import TermView, rounded, sentence, tell_term, term_view
from dashboards.week import week_of, week_view
from pipeline.store import ChdbStore
from tests.dashboards.test_schedule import school as sample_school


@pytest.fixture(scope="module")
def view(store: ChdbStore, school: SchoolInfo) -> TermView:
    return term_view(store, school, find_term(sample_school(), "Autumn 2026"), sample_school())


def test_a_term_is_the_sum_of_its_weeks_as_they_were_published(
    store: ChdbStore, school: SchoolInfo, view: TermView
) -> None:
    weeks = [week_view(store, school, week_of(week.monday)) for week in view.this.weeks]
    assert len(weeks) == 9
    for outcome in OUTCOMES:
        assert view.this.minutes[outcome] == sum(week.figures.outcomes[outcome].about for week in weeks)
    page = tell_term(view, "en").page
    assert f">{rounded(view.this.minutes[OUTSIDE])}</td>" in page
    assert f"{view.this.school_days} school days seen" in page


def test_nothing_smaller_than_all_staff_is_shown(view: TermView) -> None:
    page = tell_term(view, "en").page
    for word in ("Teaching staff", "Support staff", "Content sharing", "edits of", "People with"):
        assert word not in page
    numbers = re.findall(r'<td class="n">([\d,]+)</td><td class="n">', page)
    assert numbers
    outcomes = page.partition('id="outcomes"')[2].partition("</table>")[0]
    for minutes in re.findall(r'class="n">([\d,]+)</td><td class="n">', outcomes):
        assert int(minutes.replace(",", "")) % 50 == 0


def test_a_year_before_is_compared_only_where_it_is_alike(view: TermView) -> None:
    texts = [part.in_("en") for part in sentence(view)]
    assert texts[1] == "The store holds nothing of the same weeks a year before."
    alike = replace(view, year_before=replace(view.this, rates={**view.this.rates, OUTSIDE: 4.2}))
    assert sentence(alike)[1].in_("en") == "In the same weeks a year before it was 4.2."
    little = replace(view, year_before=replace(view.this, weeks=view.this.weeks[:2]))
    assert "cannot be compared" in sentence(little)[1].in_("en")
    blind = replace(view.this, coverage=replace(view.this.coverage, classified=0.5))
    assert "cannot be compared" in sentence(replace(view, year_before=blind))[1].in_("en")


def test_a_term_of_which_nothing_is_known_says_so(store: ChdbStore, school: SchoolInfo) -> None:
    term = replace(find_term(sample_school(), "Autumn 2026"), first=date(2024, 9, 2), last=date(2024, 12, 20))
    assert (
        "Nothing of this term is in the store." in tell_term(term_view(store, school, term, sample_school()), "en").page
    )
