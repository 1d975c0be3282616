"""Terms of a calendar: half-terms are one, no two share a name, and every day belongs to the one that began last."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.pseudonym import term_of
from pipeline.rows import CalendarKind, CalendarRow
from pipeline.terms import TOGETHER, Term, term_at, terms

START = date(2026, 9, 1)


def row(first: date, last: date, name: str = "", kind: CalendarKind = CalendarKind.TERM) -> CalendarRow:
    return CalendarRow(first, last, kind, name, None)


def test_half_terms_of_one_name_are_one_term_and_holidays_belong_to_the_term_before() -> None:
    calendar = (
        row(date(2026, 9, 1), date(2026, 10, 23), "Autumn 2026"),
        row(date(2026, 10, 24), date(2026, 11, 1), "Half term", CalendarKind.HOLIDAY),
        row(date(2026, 11, 2), date(2026, 12, 18), "Autumn 2026"),
        row(date(2027, 1, 4), date(2027, 3, 25), "Spring 2027"),
    )
    autumn, spring = terms(calendar)
    assert autumn == Term("Autumn 2026", date(2026, 9, 1), date(2026, 12, 18))
    assert term_at(calendar, date(2026, 10, 28)) == autumn
    assert term_at(calendar, date(2026, 12, 25)) == autumn
    assert term_at(calendar, date(2027, 1, 4)) == spring
    assert term_at(calendar, date(2026, 8, 31)) is None
    assert term_of(calendar, date(2026, 8, 31)) == "school year 2025"


def test_a_name_that_comes_again_is_another_term_with_another_key() -> None:
    calendar = (
        row(date(2025, 9, 1), date(2025, 12, 19), "Autumn"),
        row(date(2026, 9, 1), date(2026, 12, 18), "Autumn"),
    )
    assert [term.name for term in terms(calendar)] == ["Autumn", "Autumn, 2026-09-01"]
    assert term_of(calendar, date(2025, 10, 1)) != term_of(calendar, date(2026, 10, 1))


@pytest.mark.parametrize("name", ["", "Term"])
def test_rows_without_a_name_are_terms_by_themselves(name: str) -> None:
    calendar = (row(date(2026, 9, 1), date(2026, 10, 23), name), row(date(2026, 11, 2), date(2026, 12, 18), name))
    assert len(terms(calendar)) == (1 if name else 2)


@given(
    st.lists(
        st.tuples(st.integers(0, 700), st.integers(0, 120), st.sampled_from(["", "Autumn", "Spring"])), max_size=8
    ),
    st.integers(0, 900),
)
def test_the_pages_the_report_and_the_keys_go_by_the_same_terms(spans: list[tuple[int, int, str]], at: int) -> None:
    calendar = tuple(
        row(START + timedelta(days=first), START + timedelta(days=first + days), name) for first, days, name in spans
    )
    found, day = terms(calendar), START + timedelta(days=at)
    assert len({term.name for term in found}) == len(found)
    assert sorted(found, key=lambda term: term.first) == found
    assert all(term.first <= term.last for term in found)
    begun = [term for term in found if term.first <= day]
    assert term_of(calendar, day) == (begun[-1].name if begun else f"school year {day.year - (day.month < 9)}")
    for one in calendar:
        assert any(term.first <= one.date_from <= one.date_to <= term.last for term in found)
    for name in ("Autumn", "Spring"):
        own = [term for term in found if term.name.partition(",")[0] == name]
        assert all(b.first > a.last + TOGETHER for a, b in pairwise(own))
