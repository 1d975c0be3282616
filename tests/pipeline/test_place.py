"""The school's day by example: the edge cases that people argue about, the margin, and look-ups of whole columns."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pipeline.place import Places, bands, place_day, state_rows
from pipeline.school import load_school
from pipeline.settings import FeedSettings, SchoolSettings
from pipeline.words import Allowed, Reason, State
from tests.pipeline.example_school import (
    BASE,
    BELLS,
    DUTIES,
    NO,
    STAFF,
    SUNDAY,
    TERM,
    TUESDAY,
    UNKNOWN,
    YES,
    at,
    minute_of,
)
from tests.pipeline.schools import school_of

SAMPLE = Path(__file__).parents[2] / "pcaps" / "sample_school" / "school"


@pytest.mark.parametrize(
    ("who", "clock", "state", "allowed", "reason"),
    [
        ("T1", "07:00", "outside_hours", YES, "outside_hours"),
        ("T1", "08:30", "non_contact", NO, "non_contact"),
        ("T1", "08:45", "registration", NO, "scheduled"),
        ("T1", "09:30", "teaching", NO, "scheduled"),
        ("T1", "10:30", "non_contact", NO, "non_contact"),  # a ppa row
        ("T1", "11:30", "non_contact", NO, "non_contact"),  # no row: no lesson is not free time
        ("T1", "11:10", "duty", NO, "scheduled"),
        ("T2", "11:10", "break", YES, "break_not_on_duty"),
        ("T1", "12:30", "lunch", YES, "break_not_on_duty"),  # split lunches: one eats
        ("T2", "12:30", "teaching", NO, "scheduled"),  # the other teaches
        ("T1", "13:30", "teaching", NO, "scheduled"),
        ("T2", "13:30", "lunch", YES, "break_not_on_duty"),
        ("T1", "14:30", "non_contact", NO, "non_contact"),  # the lesson is in week B
        ("T2", "15:30", "duty", NO, "scheduled"),  # after contracted hours
        ("T2", "15:50", "outside_hours", YES, "outside_hours"),
        ("PT", "10:30", "non_working_day", YES, "non_working_day"),
        ("HD", "09:30", "teaching", NO, "scheduled"),
        ("HD", "10:30", "meeting", NO, "scheduled"),
        ("HD", "11:30", "unknown", UNKNOWN, "leadership_hours"),  # leadership time is not booked time
        ("HD", "11:10", "break", YES, "break_not_on_duty"),
        ("HD", "20:00", "unknown", UNKNOWN, "leadership_hours"),
        ("OF", "12:25", "lunch", YES, "break_not_on_duty"),
        ("OF", "13:05", "break", YES, "break_not_on_duty"),  # unpaid, after the bells' lunch
        ("OF", "13:30", "non_contact", NO, "non_contact"),
        ("TA", "12:30", "lunch", YES, "break_not_on_duty"),
        ("TA", "13:10", "non_contact", NO, "non_contact"),  # the second post goes on
        ("TA", "14:10", "outside_hours", YES, "outside_hours"),
        ("TR", "09:30", "teaching", NO, "scheduled"),
        ("TR", "10:30", "unknown", UNKNOWN, "no_pattern"),
        ("TR", "11:10", "unknown", UNKNOWN, "no_pattern"),
        ("EX", "10:30", "not_in_post", UNKNOWN, "not_in_post"),
        ("NG", "11:10", "break", YES, "break_not_on_duty"),
        ("NG", "12:30", "unknown", UNKNOWN, "no_bells"),  # somebody's lunch, perhaps this one's
        ("NG", "11:30", "non_contact", NO, "non_contact"),
    ],
)
def test_an_ordinary_day(who: str, clock: str, state: str, allowed: str, reason: str) -> None:
    assert at(who, clock) == (state, allowed, reason)


def test_a_swap_is_about_the_duties_that_the_rota_names_so() -> None:
    gate = ["OF,*,2,11:00,11:20,gate,Yard,2026-09-01,2026-12-18"]
    duty, doubt = ("duty", NO, "scheduled"), ("unknown", UNKNOWN, "conflict")
    for taken, expected in (("BRK,", duty), ("11:00,11:20", doubt), ("11:05,11:15", doubt)):
        swap = [f"2026-11-17,T2,{taken},duty_swap_to,,"]
        assert at("OF", "11:10", more_duties=gate, exceptions=swap) == expected, taken
    assert at("T1", "11:10", more_duties=gate, exceptions=["2026-11-17,T2,BRK,,duty_swap_to,,"]) == doubt
    assert at("T1", "11:10", more_duties=gate, exceptions=["2026-11-17,T2,11:00,11:20,duty_swap_to,,"]) == duty


DATED = [
    # cover taken in a PPA; a meeting after school; an exam instead of a lesson
    (["T1,P2,,cover,,"], "T1", "10:30", ("cover", NO, "scheduled")),
    (["T1,15:30,16:30,meeting,,"], "T1", "16:00", ("meeting", NO, "scheduled")),
    (["T1,P1,,exam,,"], "T1", "09:30", ("exam", NO, "scheduled")),
    (["T2,BRK,,cover,,"], "T2", "11:10", ("cover", NO, "scheduled")),
    # absence and its likes are unknown, all day or for a time, whatever else is booked
    (["T1,,,absent,,"], "T1", "09:30", ("absent", UNKNOWN, "away")),
    (["T1,,,leave,,"], "T1", "20:00", ("absent", UNKNOWN, "away")),
    (["T1,09:00,12:00,trip,,"], "T1", "11:10", ("trip", UNKNOWN, "away")),
    (["T1,09:00,12:00,trip,,"], "T1", "13:30", ("teaching", NO, "scheduled")),
    (["T1,P5,,home_working,,"], "T1", "14:30", ("home_working", UNKNOWN, "away")),
    (["T1,,,absent,,2026-11-16T08:00", "T1,P2,,cover,,2026-11-17T08:00"], "T1", "10:30", ("absent", UNKNOWN, "away")),
    # swaps: both sides, one side, entered and taken back
    (
        ["T1,BRK,,duty_swap_from,T2,", "T2,BRK,,duty_swap_to,T1,"],
        "T1",
        "11:10",
        ("break", YES, "break_not_on_duty"),
    ),
    (["T1,BRK,,duty_swap_from,T2,", "T2,BRK,,duty_swap_to,T1,"], "T2", "11:10", ("duty", NO, "scheduled")),
    (["T1,BRK,,duty_swap_from,T2,"], "T1", "11:10", ("break", YES, "break_not_on_duty")),
    (["T2,BRK,,duty_swap_to,,"], "T2", "11:10", ("duty", NO, "scheduled")),
    (["T2,BRK,,duty_swap_to,,"], "T1", "11:10", ("unknown", UNKNOWN, "conflict")),  # who gave it away?
    (  # two halves of other swaps: they were not entered together
        ["T2,BRK,,duty_swap_to,,2026-11-16T08:00", "OF,BRK,,duty_swap_from,,2026-11-16T15:00"],
        "T1",
        "11:10",
        ("unknown", UNKNOWN, "conflict"),
    ),
    (
        ["T2,BRK,,duty_swap_to,,2026-11-16T08:00", "OF,BRK,,duty_swap_from,,2026-11-16T08:05"],
        "T1",
        "11:10",
        ("duty", NO, "scheduled"),
    ),
    (
        ["T2,BRK,,duty_swap_to,,2026-11-16T08:00", "T2,BRK,,duty_swap_from,,2026-11-16T09:00"],
        "T2",
        "11:10",
        ("break", YES, "break_not_on_duty"),
    ),
    (
        ["T2,BRK,,duty_swap_to,,2026-11-16T09:00", "T2,BRK,,duty_swap_from,,2026-11-16T08:00"],
        "T2",
        "11:10",
        ("duty", NO, "scheduled"),
    ),
    (["T2,BRK,,duty_swap_to,,", "T2,BRK,,duty_swap_from,,"], "T2", "11:10", ("unknown", UNKNOWN, "conflict")),
    # later beats earlier; what cannot be ordered is a conflict, unless it says the same
    (
        ["T1,P2,,cover,,2026-11-16T08:00", "T1,P2,,meeting,,2026-11-16T09:00"],
        "T1",
        "10:30",
        ("meeting", NO, "scheduled"),
    ),
    (["T1,P2,,cover,,2026-11-16T09:00", "T1,P2,,meeting,,2026-11-16T08:00"], "T1", "10:30", ("cover", NO, "scheduled")),
    (
        ["T1,P2,,cover,,2026-11-16T09:00", "T1,P2,,exam,,2026-11-16T09:00"],
        "T1",
        "10:30",
        ("unknown", UNKNOWN, "conflict"),
    ),
    (["T1,P2,,cover,,", "T1,P2,,exam,,2026-11-16T09:00"], "T1", "10:30", ("unknown", UNKNOWN, "conflict")),
    (["T1,P2,,cover,,", "T1,P2,,cover,,2026-11-16T09:00"], "T1", "10:30", ("cover", NO, "scheduled")),
    (
        ["T1,P2,,cover,,2026-11-16T09:00Z", "T1,P2,,exam,,2026-11-16T09:30+01:00"],
        "T1",
        "10:30",
        ("cover", NO, "scheduled"),
    ),
    (["T1,,,absent,,", "T1,P2,,trip,,"], "T1", "10:30", ("unknown", UNKNOWN, "conflict")),
    # closure in the middle of the day, for everybody
    (["*,12:20,24:00,closed,,", "T1,P5,,cover,,"], "T1", "14:30", ("non_working_day", YES, "non_working_day")),
    (["*,12:20,24:00,closed,,"], "T1", "09:30", ("teaching", NO, "scheduled")),
    # twilight INSET for everybody is not for those who have the day off, nor for those of whom that is not known
    (["*,15:30,18:00,inset,,"], "T1", "17:00", ("inset", NO, "scheduled")),
    (["*,15:30,18:00,inset,,", "T1,15:30,18:00,meeting,,"], "T1", "17:00", ("meeting", NO, "scheduled")),  # own first
    (
        ["*,15:30,18:00,inset,,2026-11-16T09:00", "T1,15:30,18:00,meeting,,2026-11-16T08:00"],
        "T1",
        "17:00",
        ("inset", NO, "scheduled"),
    ),
    (["*,15:30,18:00,inset,,"], "PT", "17:00", ("non_working_day", YES, "non_working_day")),
    (["*,15:30,18:00,inset,,"], "TR", "17:00", ("unknown", UNKNOWN, "no_pattern")),
    (["PT,15:30,18:00,inset,,"], "PT", "17:00", ("inset", NO, "scheduled")),  # asked in person
    (["T1,,,inset,course,"], "T1", "09:30", ("inset", NO, "scheduled")),
    (["T1,,,inset,course,"], "T1", "12:30", ("inset", UNKNOWN, "inset_break")),
    (["T1,,,inset,course,"], "T1", "20:00", ("outside_hours", YES, "outside_hours")),
    # a slot that the date does not have: the record may be anywhere
    (["T1,P9,,cover,,"], "T1", "14:30", ("unknown", UNKNOWN, "no_bells")),
]


@pytest.mark.parametrize(("rows", "who", "clock", "expected"), DATED)
def test_dated_exceptions(rows: list[str], who: str, clock: str, expected: tuple[str, str, str]) -> None:
    exceptions = [f"2026-11-17,{row}" for row in rows]
    assert at(who, clock, exceptions=exceptions, more_bells=["other,*,P9,lesson,09:00,10:00,*"]) == expected


CALENDAR = [
    # free days beat everything; INSET days; exam bells; weeks without a letter
    (["2026-11-17,,closure,Snow"], "T1", "09:30", ("non_working_day", YES, "non_working_day")),
    (["2026-11-17,,bank_holiday,"], "HD", "09:30", ("non_working_day", YES, "non_working_day")),
    (["2026-11-17,,holiday,"], "TR", "09:30", ("non_working_day", YES, "non_working_day")),
    (["2026-11-17,,holiday,"], "EX", "09:30", ("not_in_post", UNKNOWN, "not_in_post")),
    (["2026-11-17,,inset,"], "T1", "09:30", ("inset", NO, "scheduled")),
    (["2026-11-17,,inset,"], "T1", "11:10", ("inset", UNKNOWN, "inset_break")),
    (["2026-11-17,,inset,"], "T2", "15:30", ("outside_hours", YES, "outside_hours")),  # no bus duty without pupils
    (["2026-11-17,,inset,"], "PT", "09:30", ("non_working_day", YES, "non_working_day")),
    (["2026-11-17,,inset,"], "HD", "09:30", ("unknown", UNKNOWN, "leadership_hours")),
    (["2026-11-17,,inset,"], "OF", "13:05", ("break", YES, "break_not_on_duty")),
    (["2026-11-17,,inset,09:00-12:30"], "T1", "12:10", ("inset", NO, "scheduled")),
    (
        ["2026-11-17,,inset,09:00-12:30"],
        "T1",
        "14:30",
        ("outside_hours", YES, "outside_hours"),
    ),  # half a day, then home
    (["2026-11-17,,bell_override,exams"], "T1", "11:30", ("teaching", NO, "scheduled")),  # P1 is longer
    (["2026-11-17,,bell_override,exams"], "T1", "11:10", ("teaching", NO, "scheduled")),  # and there is no break
    (["2026-11-17,,bell_override,exams"], "T2", "12:30", ("lunch", YES, "break_not_on_duty")),
    (
        ["2026-11-17,,week_b,"],
        "PT",
        "09:30",
        ("unknown", UNKNOWN, "conflict"),
    ),  # the calendar says both: off and at work
    (["2026-11-17,,week_b,"], "T1", "09:30", ("non_contact", NO, "non_contact")),  # a lesson in one: never allowed
    (["2026-11-17,,week_b,"], "T1", "08:30", ("non_contact", NO, "non_contact")),  # the same in both
]


@pytest.mark.parametrize(("rows", "who", "clock", "expected"), CALENDAR)
def test_calendar(rows: list[str], who: str, clock: str, expected: tuple[str, str, str]) -> None:
    assert at(who, clock, more_calendar=rows) == expected


MISSING = [
    ("duties", "T2", "11:10", ("break", UNKNOWN, "duty_data_missing")),
    ("duties", "T2", "13:30", ("lunch", UNKNOWN, "duty_data_missing")),
    ("duties", "T1", "09:30", ("teaching", NO, "scheduled")),
    ("duties", "OF", "13:05", ("break", YES, "break_not_on_duty")),  # unpaid is unpaid
    ("bells", "T1", "09:30", ("unknown", UNKNOWN, "no_bells")),
    ("bells", "T1", "20:00", ("outside_hours", YES, "outside_hours")),
    ("bells", "T2", "15:30", ("duty", NO, "scheduled")),  # has times of its own
    ("calendar", "T1", "09:30", ("unknown", UNKNOWN, "no_calendar")),
    ("patterns", "T2", "10:30", ("unknown", UNKNOWN, "no_pattern")),
    ("timetable", "T1", "09:30", ("non_contact", NO, "non_contact")),
]


@pytest.mark.parametrize(("table", "who", "clock", "expected"), MISSING)
def test_missing_files(table: str, who: str, clock: str, expected: tuple[str, str, str]) -> None:
    assert at(who, clock, **{table: []}) == expected


def test_a_rota_that_has_run_out_is_stale() -> None:
    old = [row.replace("2026-12-18", "2026-10-23") for row in DUTIES]
    assert at("T2", "11:10", duties=old) == ("break", UNKNOWN, "duty_data_missing")


def test_weeks_without_a_letter() -> None:
    term = [TERM]
    assert at("T1", "14:30", calendar=term) == (
        "non_contact",
        NO,
        "non_contact",
    )  # lesson in B, none in A: never allowed
    assert at("PT", "10:30", calendar=term) == ("unknown", UNKNOWN, "no_calendar")  # day off in A, at work in B
    assert at("T2", "11:10", calendar=term) == ("break", YES, "break_not_on_duty")


def test_a_stand_by_for_cover_is_no_duty() -> None:
    rows = ["T1,*,2,P2,,cover_standby,,,", "T2,*,2,16:00,17:00,cover_standby,,,"]
    assert at("T1", "10:30", more_duties=rows) == ("non_contact", NO, "non_contact")
    assert at("T2", "16:30", more_duties=rows) == ("non_contact", NO, "non_contact")


def test_a_duty_in_the_slot_of_another_group() -> None:
    bells = [*BELLS, "normal,*,LUN2,lunch,13:20,14:00,KS5"]
    assert at("T1", "13:30", bells=bells, more_duties=["T1,*,2,LUN2,,lunch,,,"]) == ("duty", NO, "scheduled")


def test_a_weekend_is_free_unless_somebody_works_then() -> None:
    saturday = date(2026, 11, 21)
    assert at("T1", "10:30", saturday) == ("non_working_day", YES, "non_working_day")
    assert at("TR", "10:30", saturday) == ("non_working_day", YES, "non_working_day")
    works = ["T1,,,*,6,08:00,12:00,,,"]
    assert at("T1", "10:30", saturday, more_patterns=works) == ("unknown", UNKNOWN, "no_bells")
    assert at("T1", "10:30", saturday, more_patterns=works, calendar=[]) == ("non_working_day", YES, "non_working_day")


def test_hours_that_change_in_the_middle_of_term() -> None:
    rows = ["T1,,2026-11-16,*,2,08:25,15:20,,,", "T1,2026-11-17,,*,2,08:25,12:00,,,"]
    assert at("T1", "14:30", patterns=rows) == ("outside_hours", YES, "outside_hours")
    assert at("T1", "14:30", date(2026, 11, 10), patterns=rows, calendar=[TERM])[0] == "non_contact"


def test_the_margin_blurs_changes_both_ways() -> None:
    rows = [at("T1", clock, margin=5) for clock in ("12:14", "12:15", "12:19", "12:20", "12:24", "12:25")]
    assert [(state, allowed, reason) for state, allowed, reason in rows] == [
        ("non_contact", NO, "non_contact"),
        ("non_contact", UNKNOWN, "boundary"),
        ("non_contact", UNKNOWN, "boundary"),
        ("lunch", UNKNOWN, "boundary"),
        ("lunch", UNKNOWN, "boundary"),
        ("lunch", YES, "break_not_on_duty"),
    ]


def test_the_margin_counts_what_may_be_allowed_but_not_absence() -> None:
    assert at("T1", "12:16", margin=5, duties=[]) == ("non_contact", UNKNOWN, "boundary")  # lunch, but no rota
    away = ["2026-11-17,T1,12:20,13:00,absent,,"]
    assert at("T1", "12:16", margin=5, exceptions=away) == ("non_contact", NO, "non_contact")
    assert at("T1", "13:02", margin=5, exceptions=away) == ("teaching", NO, "scheduled")


def test_rows_cover_the_day() -> None:
    school = school_of(BASE)
    rows = state_rows(place_day(school, TUESDAY), school.numbers["PT"])
    assert rows == [
        {"from": "00:00", "to": "24:00", "state": "non_working_day", "allowed": "yes", "reason": "non_working_day"}
    ]


def test_bands_are_those_of_the_largest_group() -> None:
    school = school_of(BASE)
    assert ("LUN", "lunch", 740, 780) in bands(school, TUESDAY)
    assert bands(school, date(2026, 11, 21)) == []


def test_slots_by_group() -> None:
    school = school_of(BASE)
    plan = place_day(school, TUESDAY)
    found = {}
    for who in ("T1", "T2", "NG"):
        position = plan.slot[plan.group[school.numbers[who]], minute_of("12:30")]
        found[who] = (plan.slots[position].name, plan.slots[position].group) if position >= 0 else None
    assert found == {"T1": ("LUN", "KS3"), "T2": ("P4", "KS4"), "NG": None}
    assert plan.group[-1] == plan.groups.index("KS3")
    assert (plan.week, plan.kind) == ("A", "school")


def test_look_up_of_columns_over_days_and_people() -> None:
    school = school_of(BASE)
    places = Places(school)
    rng = np.random.default_rng(3)
    start = places.clock.utc(date(2026, 10, 24), 0)  # over the change of clocks
    minutes = (start + rng.integers(0, 30 * 1440, 20_000)).astype(np.uint32)
    person = rng.integers(-1, len(STAFF), 20_000).astype(np.int32)
    found = places.look_up(person, minutes)
    for row in range(0, 20_000, 97):
        plan = place_day(school, date.fromordinal(int(found.day[row])))
        expected = (0, 0, Reason.NO_PERSON.code)
        if person[row] >= 0:
            where = person[row], found.minute[row]
            expected = (plan.state[where], plan.allowed[where], plan.reason[where])
        assert (found.state[row], found.allowed[row], found.reason[row]) == expected


def test_the_hour_that_comes_twice_has_one_answer() -> None:
    weekend = ["T1,,,*,7,00:00,01:30,,,"]
    places = Places(school_of({**BASE, "patterns": weekend, "duties": ["T1,*,7,00:30,01:30,bus,,,"]}, margin=0))
    first = places.clock.utc(SUNDAY, 75)  # 01:15, summer time
    found = places.look_up(np.zeros(3, np.int32), np.array([first, first + 60, first + 75], np.uint32))
    assert found.minute.tolist() == [75, 75, 90]
    assert [list(State)[code].value for code in found.state] == ["duty", "duty", "outside_hours"]


def test_a_school_of_nobody() -> None:
    places = Places(school_of({"staff": [], "bells": BELLS, "calendar": [TERM]}))
    found = places.look_up(np.full(2, -1, np.int32), np.array([29_000_000, 29_000_001], np.uint32))
    assert found.reason.tolist() == [Reason.NO_PERSON.code] * 2
    assert place_day(places.school, TUESDAY).state.shape == (0, 1440)


def test_the_sample_school_equals_its_own_rota() -> None:
    rota_module = pytest.importorskip("pcaps.sample_school.rota")
    settings = SchoolSettings(id="test", name="Test", zone="Europe/London", boundary_margin_min=0)
    school = load_school(SAMPLE, settings, FeedSettings())
    plan, rota = place_day(school, TUESDAY), rota_module.Rota(SAMPLE, TUESDAY)
    for who, person in school.numbers.items():
        expected = [(s.state, s.allowed) for s in rota.stretches(who) for _ in range(s.start, s.end)]
        states, answers = list(State), list(Allowed)
        found = [
            (states[s].value, answers[a].value) for s, a in zip(plan.state[person], plan.allowed[person], strict=True)
        ]
        if school.staff[person].role == "leadership":  # its rota leaves open what leadership does outside booked time
            found = [f if e[0] != "unknown" else e for f, e in zip(found, expected, strict=True)]
        assert found == expected, who
