"""Which rows decided: the same answers as the day plan, and the rows that a person would point at."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.allowance import BY_CLAUSE, ProfilePlaces
from pipeline.calendar import LocalClock
from pipeline.deciding import Deciding, Range, exists
from pipeline.words import Allowed, Reason, State
from tests.pipeline.example_school import BASE, TUESDAY, minute_of
from tests.pipeline.schools import random_tables, school_of

STATES, ANSWERS, REASONS = list(State), list(Allowed), list(Reason)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.booleans(), st.just(BY_CLAUSE) | st.frozensets(st.sampled_from(State)))
def test_the_ranges_are_those_of_the_day_plan_and_every_row_exists(
    seed: int, recorded: bool, allow: frozenset[State]
) -> None:
    tables, day = random_tables(seed)
    school = school_of(tables, 5, () if recorded else ("exceptions.csv",))
    plan, deciding = ProfilePlaces(school, allow).plan(day.toordinal()), Deciding(school, day, allow)
    lines = {f"{name}.csv": len(rows) + 1 for name, rows in tables.items()}
    for person in range(len(school.staff)):
        ranges = deciding.ranges(person)
        assert (ranges[0].start, ranges[-1].end) == (0, 1440)
        assert all(a.end == b.start for a, b in pairwise(ranges))
        for r in ranges:
            there = plan.state[person, r.start : r.end], plan.allowed[person, r.start : r.end]
            assert set(there[0].tolist()) == {r.state.code}
            assert set(there[1].tolist()) == {r.allowed.code}
            assert set(plan.reason[person, r.start : r.end].tolist()) == {r.reason.code}
            assert r.rows, r
            for row in r.rows:
                file, _, line = row.partition(":")
                assert file in lines
                assert not line or 2 <= int(line) <= lines[file]


def decided(who: str, clock: str, **tables: list[str]) -> tuple[str, tuple[str, ...]]:
    """State of a minute on the Tuesday, and the rows behind it."""
    found = {**BASE, **{name: [*BASE.get(name, []), *rows] for name, rows in tables.items()}}
    school = school_of(found, 0)
    r = next(r for r in Deciding(school, TUESDAY).ranges(school.numbers[who]) if r.start <= minute_of(clock) < r.end)
    return r.state.value, r.rows


CASES = [
    ("T1", "09:30", {}, ("teaching", ("timetable.csv:3", "bells.csv:4"))),
    ("T1", "11:10", {}, ("duty", ("duties.csv:2",))),
    ("T2", "11:10", {}, ("break", ("bells.csv:6",))),
    ("T1", "11:30", {}, ("non_contact", ("patterns.csv:2", "bells.csv:7"))),
    ("OF", "13:05", {}, ("break", ("patterns.csv:7",))),
    ("PT", "10:30", {}, ("non_working_day", ("patterns.csv",))),  # there is no row for the day
    ("TR", "10:30", {}, ("unknown", ("patterns.csv",))),
    ("EX", "10:30", {}, ("not_in_post", ("staff.csv:9",))),
    ("T1", "09:30", {"calendar": ["2026-11-17,,closure,"]}, ("non_working_day", ("calendar.csv:4",))),
    ("T1", "10:30", {"exceptions": ["2026-11-17,T1,P2,,cover,,"]}, ("cover", ("exceptions.csv:2",))),
    (
        "T1",
        "10:30",
        {"exceptions": ["2026-11-17,T1,P2,,cover,,", "2026-11-17,T1,P2,,exam,,"]},
        ("unknown", ("exceptions.csv:2", "exceptions.csv:3")),
    ),
    (
        "T1",
        "09:30",
        {"exceptions": ["2026-11-17,T1,P1,,cancelled,,"]},
        ("non_contact", ("patterns.csv:2", "bells.csv:4", "exceptions.csv:2")),
    ),
]


@pytest.mark.parametrize(("who", "clock", "tables", "expected"), CASES)
def test_the_rows_that_decided(
    who: str, clock: str, tables: dict[str, list[str]], expected: tuple[str, tuple[str, ...]]
) -> None:
    assert decided(who, clock, **tables) == expected


def test_instants_of_a_day_of_25_hours() -> None:
    r = Range(0, 1440, State.NON_WORKING_DAY, Allowed.YES, Reason.NON_WORKING_DAY, ())
    found = r.facts(LocalClock("Europe/London"), date(2026, 10, 25), "Europe/London")
    assert (found["starts"], found["ends"]) == ("2026-10-25T00:00:00+01:00", "2026-10-26T00:00:00+00:00")
    assert found["sentence"] == "This is not a working day for this person."


@pytest.mark.parametrize(
    ("zone", "day", "clock", "there"),
    [
        ("Europe/London", "2027-03-28", "01:30", False),
        ("Europe/London", "2027-03-28", "02:00", True),
        ("Europe/London", "2026-10-25", "01:30", True),
        ("America/New_York", "2027-03-14", "02:59", False),
        ("Europe/London", "2027-03-14", "02:59", True),
    ],
)
def test_times_that_no_clock_shows(zone: str, day: str, clock: str, there: bool) -> None:
    assert exists(zone, date.fromisoformat(day), minute_of(clock)) is there
