"""Kinds of day, week letters, bells of a date, and local time across clock changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calendar import LocalClock, bell_slots, school_day
from tests.pipeline.schools import school_of

STAFF = ["T1,t1,,teacher,,,,,KS3"]
TERM = "2026-09-01,2026-12-18,term,Autumn"


def on(day: str, *rows: str, bells: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
    return school_day(school_of({"staff": STAFF, "bells": bells, "calendar": rows}), date.fromisoformat(day))


@pytest.mark.parametrize(
    ("day", "rows", "kind"),
    [
        ("2026-11-17", [TERM], "school"),
        ("2026-11-17", [], "unknown"),
        ("2026-11-17", ["2026-11-16,2026-11-20,week_a,"], "school"),
        ("2026-11-21", [TERM], "weekend"),
        ("2026-11-21", [], "weekend"),
        ("2026-12-21", [TERM], "unknown"),
        ("2026-10-28", [TERM, "2026-10-26,2026-10-30,holiday,"], "holiday"),
        ("2026-10-28", ["2026-10-26,2026-10-30,holiday,", "2026-10-28,,closure,Snow"], "closure"),
        ("2026-10-28", [TERM, "2026-10-28,,bank_holiday,", "2026-10-28,,inset,"], "bank_holiday"),
        ("2026-09-01", [TERM, "2026-09-01,,inset,"], "inset"),
        ("2026-09-01", ["2026-09-01,,inset,"], "inset"),
    ],
)
def test_kind_of_day(day: str, rows: list[str], kind: str) -> None:
    assert on(day, *rows).kind == kind


@pytest.mark.parametrize(
    ("day", "rows", "week", "clash"),
    [
        ("2026-11-17", ["2026-11-16,2026-11-20,week_a,"], "A", False),
        ("2026-11-20", ["2026-11-16,,week_b,"], "B", False),  # the Monday alone
        ("2026-09-04", ["2026-09-02,2026-09-04,week_a,"], "A", False),  # term begins on a Wednesday
        ("2026-11-22", ["2026-11-16,2026-11-20,week_a,"], "A", False),  # Sunday belongs to its Monday
        ("2026-11-24", ["2026-11-16,2026-11-20,week_a,"], "", False),
        ("2026-11-17", ["2026-11-16,2026-11-27,week_a,", "2026-11-17,,week_b,"], "", True),
        ("2026-11-17", [], "", False),
    ],
)
def test_week_letters(day: str, rows: list[str], week: str, clash: bool) -> None:
    found = on(day, TERM, *rows)
    assert (found.week, found.clash, len(found.weeks)) == (week, clash, 1 if week else 2)


@pytest.mark.parametrize(
    ("rows", "schedule"),
    [
        ([], "normal"),
        (["2026-11-17,,bell_override,exams"], "exams"),
        (["2026-11-09,2026-11-20,bell_override,exams", "2026-11-17,,bell_override,normal"], "normal"),
        (["2026-11-17,,bell_override,exams", "2026-11-17,,bell_override,normal"], None),
        (["2026-11-18,,bell_override,exams"], "normal"),
        (["2026-11-09,2026-11-17,bell_override,exams", "2026-11-18,2026-11-20,bell_override,exams"], "exams"),
        (  # a long range stays long in two rows
            [
                *("2026-11-09,2026-11-16,bell_override,exams", "2026-11-17,2026-11-20,bell_override,exams"),
                "2026-11-16,2026-11-20,bell_override,normal",
            ],
            "normal",
        ),
    ],
)
def test_the_shortest_override_rings_the_bells(rows: list[str], schedule: str | None) -> None:
    bells = ("normal,*,P1,lesson,09:00,10:00,*", "exams,*,P1,lesson,09:30,10:30,*")
    assert on("2026-11-17", TERM, *rows, bells=bells).schedule == schedule


def test_the_only_schedule_is_the_default() -> None:
    assert on("2026-11-17", TERM, bells=("winter,*,P1,lesson,09:00,10:00,*",)).schedule == "winter"
    assert (
        on("2026-11-17", TERM, bells=("a,*,P1,lesson,09:00,10:00,", "b,*,P1,lesson,09:00,10:00,")).schedule == "normal"
    )


def test_groups_weekdays_and_free_days() -> None:
    bells = [
        "normal,*,P4,lesson,12:00,13:00,*",
        "normal,*,LUN,lunch,13:00,14:00,*",
        "normal,*,P4,lesson,13:00,14:00,KS3",
        "normal,*,LUN,lunch,12:00,13:00,KS3",
        "normal,5,P4,lesson,11:00,12:00,*",
    ]
    school = school_of({"staff": STAFF, "bells": bells, "calendar": [TERM, "2026-11-18,,closure,"]})

    def slots(day: str, group: str) -> list[tuple[str, int, int]]:
        found = bell_slots(school, school_day(school, date.fromisoformat(day)), group)
        return [(slot.name, slot.start, slot.end) for slot in found]

    assert slots("2026-11-17", "KS3") == [("LUN", 720, 780), ("P4", 780, 840)]
    assert slots("2026-11-17", "KS4") == slots("2026-11-17", "") == [("P4", 720, 780), ("LUN", 780, 840)]
    assert slots("2026-11-20", "KS3") == [("P4", 660, 720)]  # Friday has rows of its own
    assert slots("2026-11-18", "KS3") == slots("2026-11-21", "KS3") == []


ZONES = ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC"]
MINUTES = st.integers(10**7, 45 * 10**6)  # 1989 to 2055


@given(st.sampled_from(ZONES), st.lists(MINUTES, min_size=1, max_size=8), st.booleans())
def test_local_time_is_that_of_the_zone(zone: str, minutes: list[int], close: bool) -> None:
    if close:
        minutes = [minutes[0] + minute % 3000 for minute in minutes]
    day, minute = LocalClock(zone).split(np.array(minutes, np.uint32))
    for utc, ordinal, local in zip(minutes, day.tolist(), minute.tolist(), strict=True):
        expected = datetime.fromtimestamp(utc * 60, UTC).astimezone(ZoneInfo(zone))
        assert (ordinal, local) == (expected.date().toordinal(), expected.hour * 60 + expected.minute)


@pytest.mark.parametrize(
    ("utc", "local"),
    [
        ("2026-10-25T00:59", "2026-10-25T01:59"),
        ("2026-10-25T01:00", "2026-10-25T01:00"),  # the clock goes back: 01:30 comes twice
        ("2026-10-24T23:00", "2026-10-25T00:00"),
        ("2026-10-25T23:59", "2026-10-25T23:59"),
        ("2027-03-28T00:59", "2027-03-28T00:59"),
        ("2027-03-28T01:00", "2027-03-28T02:00"),  # the clock goes forward
        ("2027-03-28T22:59", "2027-03-28T23:59"),
        ("2027-03-28T23:00", "2027-03-29T00:00"),
    ],
)
def test_clock_changes_in_wales(utc: str, local: str) -> None:
    minute = int(datetime.fromisoformat(utc + "+00:00").timestamp()) // 60
    expected = datetime.fromisoformat(local)
    day, of_day = LocalClock("Europe/London").split(np.array([minute], np.uint32))
    assert (day[0], of_day[0]) == (expected.toordinal(), expected.hour * 60 + expected.minute)


@given(st.sampled_from(ZONES), st.dates(date(1990, 1, 1), date(2050, 1, 1)), st.integers(0, 1440))
def test_utc_is_the_way_back(zone: str, day: date, minute: int) -> None:
    clock = LocalClock(zone)
    back_day, back = clock.split(np.array([clock.utc(day, minute)], np.uint32))
    wanted = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    found = datetime.fromordinal(int(back_day[0])) + timedelta(minutes=int(back[0]))
    assert found == wanted or (found - wanted > timedelta() and found - wanted <= timedelta(days=1))


def test_the_first_of_two_and_the_end_of_a_day() -> None:
    clock = LocalClock("Europe/London")
    start = int(datetime(2026, 10, 24, 23, tzinfo=UTC).timestamp()) // 60
    assert clock.utc(date(2026, 10, 25), 90) == start + 90
    assert clock.utc(date(2026, 10, 25), 1440) - clock.utc(date(2026, 10, 25), 0) == 25 * 60
    assert clock.utc(date(2027, 3, 28), 1440) - clock.utc(date(2027, 3, 28), 0) == 23 * 60


def test_wide_and_impossible_minutes() -> None:
    day, minute = LocalClock("Europe/London").split(np.array([0, 29_400_000, 2**32 - 1], np.uint32))
    assert day.dtype == np.int32
    assert minute.dtype == np.int16
    assert day[0] == date(1970, 1, 1).toordinal()
    assert date.fromordinal(int(day[2])).year >= 9998
    assert len(LocalClock("UTC").split(np.empty(0, np.uint32))[0]) == 0
