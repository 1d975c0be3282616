"""Which weeks are due: by the school's own clock and calendar, each once and in order, however long it was off."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.schedule import (
    CATCH_UP_WEEKS,
    FIRST_WEEKS,
    SCHEDULED,
    TermError,
    When,
    due_terms,
    due_weeks,
    find_term,
    period_of,
)
from dashboards.week import week_of
from pipeline.issued import Issue
from pipeline.school import School, load_school
from pipeline.settings import FeedSettings, SchoolSettings
from pipeline.terms import terms

LONDON = ZoneInfo("Europe/London")
SAMPLE = Path(__file__).parents[2] / "pcaps/sample_school/school"
FRIDAY = When.of("Fri 17:00")
START = date(2026, 9, 21)


def school(folder: Path = SAMPLE, notice: date | None = date(2026, 9, 1)) -> School:
    known = SchoolSettings(id="ysgol", name="Ysgol", zone="Europe/London", notice_date=notice)
    return load_school(folder, known, FeedSettings())


@pytest.fixture(scope="module")
def ysgol() -> School:
    return school()


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=LONDON).timestamp()  # type: ignore[arg-type,misc]


def issued(*mondays: date, scheduled: bool = True) -> list[Issue]:
    return [Issue(day, week_of(day), 1, 0, basis={SCHEDULED: scheduled}) for day in mondays]


def periods(found: list[object]) -> list[str]:
    return [one.period for one in found]  # type: ignore[attr-defined]


def test_a_week_is_due_from_friday_afternoon_on(ysgol: School) -> None:
    known = issued(date(2026, 11, 9))
    assert due_weeks(ysgol, FRIDAY, at(2026, 11, 20, 16, 59), known, START) == []
    assert periods(list(due_weeks(ysgol, FRIDAY, at(2026, 11, 20, 17, 0), known, START))) == ["2026-W47"]
    assert periods(list(due_weeks(ysgol, FRIDAY, at(2026, 11, 24, 9, 0), known, START))) == ["2026-W47"]


def test_two_missed_fridays_are_two_weeks_in_order(ysgol: School) -> None:
    known = issued(date(2026, 11, 2))
    assert periods(list(due_weeks(ysgol, FRIDAY, at(2026, 11, 23, 8, 0), known, START))) == ["2026-W46", "2026-W47"]
    known += issued(date(2026, 11, 9), date(2026, 11, 16))
    assert due_weeks(ysgol, FRIDAY, at(2026, 11, 23, 8, 0), known, START) == []


def test_holidays_are_left_out_with_the_calendars_word(ysgol: School) -> None:
    (half_term,) = due_weeks(ysgol, FRIDAY, at(2026, 10, 31, 9, 0), issued(date(2026, 10, 19)), START)
    assert (half_term.period, half_term.why, half_term.name) == ("2026-W44", "holiday", "Half term")


def test_a_week_of_inset_and_school_days_is_none(ysgol: School) -> None:
    (week,) = due_weeks(ysgol, FRIDAY, at(2026, 11, 28, 9, 0), issued(date(2026, 11, 16)), START)
    assert (week.period, week.why) == ("2026-W48", "")


@pytest.mark.parametrize(
    ("text", "monday", "moment"),
    [
        ("Fri 17:00", date(2026, 10, 19), datetime(2026, 10, 23, 17, tzinfo=LONDON)),  # summer time
        ("Fri 17:00", date(2026, 11, 16), datetime(2026, 11, 20, 17, tzinfo=LONDON)),
        ("Mon 07:00", date(2026, 10, 19), datetime(2026, 10, 26, 7, tzinfo=LONDON)),  # the clock went back on Sunday
        (
            "Sun 01:30",
            date(2026, 3, 23),
            datetime(2026, 3, 29, 2, 0, tzinfo=LONDON),
        ),  # a time that the clock leaves out
    ],
)
def test_the_moment_is_one_of_the_schools_clock(text: str, monday: date, moment: datetime) -> None:
    assert When.of(text).moment(monday, "Europe/London") == moment.timestamp()


def test_nothing_is_due_before_the_notice_or_before_there_are_data(ysgol: School) -> None:
    now = at(2026, 11, 21, 9, 0)
    assert due_weeks(school(notice=None), FRIDAY, now, [], START) == []
    assert due_weeks(ysgol, FRIDAY, now, [], None) == []
    assert periods(list(due_weeks(school(notice=date(2026, 11, 12)), FRIDAY, now, [], START))) == [
        "2026-W46",
        "2026-W47",
    ]
    assert periods(list(due_weeks(ysgol, FRIDAY, now, [], date(2026, 11, 18)))) == ["2026-W47"]


def test_the_first_start_reaches_some_weeks_back_and_a_long_absence_not_for_ever(ysgol: School) -> None:
    now = at(2026, 11, 21, 9, 0)
    assert len(due_weeks(ysgol, FRIDAY, now, [], date(2026, 9, 7))) == FIRST_WEEKS + 1
    later = due_weeks(ysgol, FRIDAY, at(2027, 6, 5, 9, 0), issued(date(2026, 11, 16)), START)
    assert [one.why for one in later if one.monday < date(2027, 5, 31) - timedelta(weeks=CATCH_UP_WEEKS)].count("") == 0
    assert later[-1].why == ""


def test_a_report_that_somebody_asked_for_changes_nothing_of_the_schedule(ysgol: School) -> None:
    known = issued(date(2026, 11, 9)) + issued(date(2026, 9, 21), date(2026, 11, 23), scheduled=False)
    found = due_weeks(ysgol, FRIDAY, at(2026, 11, 28, 9, 0), known, START)
    assert periods(list(found)) == ["2026-W47"]


@given(st.lists(st.integers(0, 40 * 24 * 7), min_size=1, max_size=12))
def test_whenever_the_machine_is_on_each_week_comes_once_and_in_order(ysgol: School, hours: list[int]) -> None:
    known: list[Issue] = issued(date(2026, 9, 14))
    for hour in sorted(hours):
        now = at(2026, 9, 21, 12) + 3600 * hour
        for due in due_weeks(ysgol, FRIDAY, now, known, date(2026, 9, 7)):
            assert FRIDAY.moment(due.monday, "Europe/London") <= now
            assert due.monday == known[-1].day + timedelta(weeks=1)
            known += issued(due.monday)
    last = at(2026, 9, 21, 12) + 3600 * max(hours)
    assert FRIDAY.moment(known[-1].day + timedelta(weeks=1), "Europe/London") > last


def test_terms_are_those_of_the_calendar(ysgol: School) -> None:
    (autumn,) = terms(ysgol.calendar)
    assert (autumn.name, autumn.first, period_of(autumn)) == ("Autumn 2026", date(2026, 9, 1), "term/2026-09-01")
    assert find_term(ysgol, "autumn 2026") == find_term(ysgol, "2026-11-17") == autumn
    with pytest.raises(TermError, match=r"calendar.csv has Autumn 2026"):
        find_term(ysgol, "Spring")
    with pytest.raises(TermError, match="lies in no term"):
        find_term(ysgol, "2027-03-01")


def test_a_term_is_due_when_its_last_week_is_and_once(ysgol: School) -> None:
    """The term of the sample school ends on Friday 18 December 2026."""
    (autumn,) = terms(ysgol.calendar)
    over = at(2026, 12, 18, 17, 0)
    assert due_terms(ysgol, FRIDAY, over - 1, [], START) == []
    assert due_terms(ysgol, FRIDAY, over, [], START) == [autumn]
    assert due_terms(ysgol, FRIDAY, at(2027, 1, 20, 9, 0), [], START) == [autumn], "the machine was off"
    period = period_of(autumn)
    asked_before = [Issue(autumn.first, period, 1, int(at(2026, 11, 20, 9, 0)))]
    assert due_terms(ysgol, FRIDAY, over, asked_before, START) == [autumn], "half a term is not the term"
    made = [*asked_before, Issue(autumn.first, period, 2, int(over), basis={SCHEDULED: True})]
    assert due_terms(ysgol, FRIDAY, over + 60, made, START) == []


def test_no_term_is_due_that_is_long_over_or_was_not_monitored(ysgol: School) -> None:
    late = at(2026, 12, 18, 17, 0) + (CATCH_UP_WEEKS + 1) * 7 * 86_400
    assert due_terms(ysgol, FRIDAY, late, [], START) == []
    over = at(2026, 12, 18, 17, 0)
    assert due_terms(ysgol, FRIDAY, over, [], None) == []
    assert due_terms(ysgol, FRIDAY, over, [], date(2027, 1, 4)) == []
    assert due_terms(school(notice=None), FRIDAY, over, [], START) == []
    assert due_terms(school(notice=date(2027, 1, 4)), FRIDAY, over, [], START) == []


def test_the_issue_of_a_term_makes_no_week_due(ysgol: School) -> None:
    (autumn,) = terms(ysgol.calendar)
    known = [*issued(date(2026, 11, 9)), Issue(autumn.first, period_of(autumn), 1, 0, basis={SCHEDULED: True})]
    assert periods(list(due_weeks(ysgol, FRIDAY, at(2026, 11, 20, 17, 0), known, START))) == ["2026-W47"]
