"""The edge cases that people argue about (domain.md 2.7), one test each, by name."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipeline.place import Places, place_day
from pipeline.words import Allowed, Reason, State
from tests.pipeline.example_school import BASE, BELLS, DUTIES, NO, STAFF, TERM, TUESDAY, UNKNOWN, YES, at, minute_of
from tests.pipeline.schools import school_of

WORKING = ("non_contact", NO, "non_contact")
TEACHING = ("teaching", NO, "scheduled")
DUTY = ("duty", NO, "scheduled")
OUTSIDE = ("outside_hours", YES, "outside_hours")
OFF = ("non_working_day", YES, "non_working_day")
ON_BREAK = ("break", YES, "break_not_on_duty")
AT_LUNCH = ("lunch", YES, "break_not_on_duty")
CONFLICT = ("unknown", UNKNOWN, "conflict")
UNCLEAR = ("unknown", UNKNOWN, "unclear")
NO_BELLS = ("unknown", UNKNOWN, "no_bells")
NO_PATTERN = ("unknown", UNKNOWN, "no_pattern")
AWAY = (UNKNOWN, "away")


def dated(*rows: str) -> list[str]:
    """Rows of exceptions.csv on the Tuesday."""
    return [f"2026-11-17,{row}" for row in rows]


def test_cover_in_a_ppa() -> None:
    assert at("T1", "10:30") == WORKING
    assert at("T1", "10:30", exceptions=dated("T1,P2,,cover,,")) == ("cover", NO, "scheduled")


def test_a_lesson_cancelled_because_the_class_is_on_a_trip_is_not_free_time() -> None:
    cancelled = dated("T1,P1,,cancelled,7A on a trip,")
    assert at("T1", "09:30", exceptions=cancelled) == WORKING
    assert at("HD", "09:30", exceptions=dated("HD,P1,,cancelled,,")) == ("unknown", UNKNOWN, "leadership_hours")
    again = dated("T1,P1,,cancelled,,2026-11-16T08:00", "T1,P1,,cover,,2026-11-16T09:00")
    assert at("T1", "09:30", exceptions=again) == ("cover", NO, "scheduled")  # the freed teacher covers elsewhere
    back = dated("T1,P2,,cover,,2026-11-16T08:00", "T1,P2,,cancelled,,2026-11-16T09:00")
    assert at("T1", "10:30", exceptions=back) == WORKING  # the cover itself was taken back
    unclear = dated("T1,P2,,cover,,", "T1,P2,,cancelled,,")
    assert at("T1", "10:30", exceptions=unclear) == CONFLICT


def test_a_lesson_of_which_nobody_knows_the_week() -> None:
    perhaps = ["T1,*,2,P2,unknown,,,,", "T1,*,2,P1,unknown,,,,", "T1,*,2,BRK,unknown,,,,", "PT,*,2,P2,unknown,,,,"]
    found = [at("T1", clock, more_timetable=perhaps) for clock in ("10:30", "09:30", "11:10")]
    assert found == [UNCLEAR, TEACHING, DUTY]  # what is certain forbids anyway
    assert at("PT", "10:30", more_timetable=perhaps) == UNCLEAR  # who has the day off, perhaps not now
    assert at("T1", "10:30", more_timetable=perhaps, exceptions=dated("T1,P2,,cancelled,,")) == WORKING
    assert at("T1", "10:30", more_timetable=perhaps, exceptions=dated("T1,P2,,cover,,"))[0] == "cover"


def test_a_booking_of_which_nobody_knows_what_it_is() -> None:
    for rows in (dated("T1,,,unclear,,"), dated("*,,,unclear,,")):
        assert [at("T1", clock, exceptions=rows) for clock in ("09:30", "10:30", "11:10")] == [UNCLEAR] * 3
    assert (at("PT", "10:30", exceptions=rows), at("TR", "10:30", exceptions=rows)) == (OFF, UNCLEAR)
    early, late = "T1,P1,,unclear,,2026-11-16T08:00", "T1,P1,,exam,,2026-11-16T09:00"
    assert at("T1", "09:30", exceptions=dated(early, late)) == ("exam", NO, "scheduled")
    assert at("T1", "09:30", exceptions=dated(early, late.replace("T09", "T08"))) == CONFLICT


def test_a_duty_swap_entered_after_the_event_counts() -> None:
    late = dated("T1,BRK,,duty_swap_from,T2,2026-11-19T16:00", "T2,BRK,,duty_swap_to,T1,2026-11-19T16:00")
    assert (at("T1", "11:10"), at("T2", "11:10")) == (DUTY, ON_BREAK)
    assert (at("T1", "11:10", exceptions=late), at("T2", "11:10", exceptions=late)) == (ON_BREAK, DUTY)
    assert school_of({**BASE, "exceptions": late}).version != school_of({**BASE, "exceptions": []}).version


def test_a_duty_swap_entered_on_one_side_only() -> None:
    taken = dated("T2,BRK,,duty_swap_to,,")
    assert (at("T2", "11:10", exceptions=taken), at("T1", "11:10", exceptions=taken)) == (DUTY, CONFLICT)
    given = dated("T1,BRK,,duty_swap_from,T2,")
    assert (at("T1", "11:10", exceptions=given), at("T2", "11:10", exceptions=given)) == (ON_BREAK, ON_BREAK)


def test_split_lunches_by_bell_group() -> None:
    assert [at(who, "12:30")[0] for who in ("T1", "T2")] == ["lunch", "teaching"]
    assert [at(who, "13:30")[0] for who in ("T1", "T2")] == ["teaching", "lunch"]
    assert at("NG", "12:30") == NO_BELLS  # whose lunch is it, if no group is given?


def test_a_double_period_across_break_leaves_the_break() -> None:
    double = ["T2,A,2,P2,lesson,,,,", "T2,A,2,P3,lesson,,,,"]
    found = [at("T2", clock, more_timetable=double) for clock in ("10:30", "11:10", "11:30")]
    assert found == [TEACHING, ON_BREAK, TEACHING]
    through = dated("T2,10:00,12:20,exam,,")  # an exam does not stop for the bell
    assert at("T2", "11:10", exceptions=through) == ("exam", NO, "scheduled")


FRIDAY = date(2026, 11, 20)
SHORT = ["normal,5,P1,lesson,09:00,11:00,*", "normal,5,LUN,lunch,11:00,11:30,*", "normal,5,BUS,after,13:00,13:15,*"]


def test_a_short_friday() -> None:
    rows = {"bells": [*BELLS, *SHORT], "more_patterns": ["T1,,,*,5,08:25,13:15,,,"]}
    rows["more_timetable"] = ["T1,*,5,P1,lesson,,,,", "T1,*,5,P5,lesson,,,,"]  # P5 is not rung on Fridays
    found = {clock: at("T1", clock, FRIDAY, **rows) for clock in ("10:30", "11:10", "12:00", "13:10", "14:30")}
    assert found == {"10:30": TEACHING, "11:10": AT_LUNCH, "12:00": NO_BELLS, "13:10": WORKING, "14:30": OUTSIDE}


def test_exam_season_bells() -> None:
    exams = {"more_calendar": ["2026-11-09,2026-11-20,bell_override,exams"]}
    assert at("T1", "11:10", **exams) == TEACHING  # P1 is longer and there is no morning break
    assert at("T1", "12:30", **exams) == (
        "lunch",
        UNKNOWN,
        "duty_data_missing",
    )  # the rota has other bells
    assert at("T2", "12:30", **exams) == AT_LUNCH
    assert at("T2", "13:30", **exams) == NO_BELLS  # the bells do not say what comes after
    back = [*exams["more_calendar"], "2026-11-17,,bell_override,normal"]
    assert at("T1", "12:30", more_calendar=back) == AT_LUNCH


def test_extra_duty_in_a_wet_break() -> None:
    wet = dated("T2,BRK,,duty,wet break,2026-11-17T10:40")
    assert (at("T2", "11:10", exceptions=wet), at("T1", "11:10", exceptions=wet)) == (DUTY, DUTY)
    row = "T2,*,2,BRK,,break,Hall,2026-11-17,2026-11-17"  # or as a row of the rota, for that date
    assert at("T2", "11:10", more_duties=[row]) == DUTY


def test_snow_closes_the_school_in_the_middle_of_the_day() -> None:
    snow = dated("*,11:00,24:00,closed,snow,2026-11-17T10:30", "T1,P4,,cover,,2026-11-17T07:50")
    assert (at("T1", "09:30", exceptions=snow), at("T1", "13:30", exceptions=snow)) == (TEACHING, OFF)
    assert at("T1", "11:10", exceptions=snow) == OFF  # nor is there break duty


def test_half_a_day_of_inset_then_home() -> None:
    half = {"more_calendar": ["2026-11-17,,inset,09:00-12:30"]}
    assert (at("T1", "09:30", **half), at("T1", "14:30", **half)) == (("inset", NO, "scheduled"), OUTSIDE)
    assert at("T1", "11:10", **half) == ("inset", UNKNOWN, "inset_break")
    assert at("PT", "09:30", **half) == OFF
    assert at("TR", "09:30", **half) == NO_PATTERN


def test_hours_of_inset_that_contradict_each_other() -> None:
    rows = ["2026-11-17,,inset,09:00-12:30", "2026-11-17,,inset,09:00-15:00"]
    found = [at("T1", clock, more_calendar=rows) for clock in ("10:30", "14:30", "16:00")]
    assert found == [("inset", NO, "scheduled"), CONFLICT, OUTSIDE]


@pytest.mark.parametrize(
    "rows",
    [{"more_calendar": ["2026-11-17,,inset,15:30-17:30"]}, {"exceptions": dated("*,15:30,17:30,inset,,")}],
    ids=["calendar", "exceptions"],
)
def test_a_twilight_inset_follows_a_school_day(rows: dict[str, list[str]]) -> None:
    found = [at("T1", clock, **rows) for clock in ("09:30", "11:10", "16:00", "17:40")]
    assert found == [TEACHING, DUTY, ("inset", NO, "scheduled"), OUTSIDE]
    assert (at("PT", "16:00", **rows), at("TR", "16:00", **rows)) == (OFF, NO_PATTERN)


def test_a_phased_return_changes_hours_in_the_middle_of_term() -> None:
    rows = ["T1,,2026-11-16,*,2,08:25,15:20,,,", "T1,2026-11-17,,*,2,08:25,12:20,,,"]
    assert at("T1", "14:30", patterns=rows) == OUTSIDE
    assert at("T1", "14:30", date(2026, 11, 10), patterns=rows, calendar=[TERM, "2026-11-09,,week_a,"]) == WORKING


def test_two_posts_of_one_person() -> None:
    posts = ["TA,,,*,2,08:40,15:00,12:20,13:00,", "TA,,,*,2,12:20,13:00,,,"]  # assistant, and midday supervisor
    found = [at("TA", clock, patterns=posts) for clock in ("10:30", "11:10", "12:30", "13:30", "15:10")]
    assert found == [WORKING, ON_BREAK, WORKING, WORKING, OUTSIDE]
    assert at("TA", "12:30", patterns=posts[:1]) == AT_LUNCH


def test_lunch_is_working_time_of_midday_supervisors() -> None:
    assert at("TA", "12:30", patterns=["TA,,,*,2,12:00,14:00,,,"]) == WORKING
    assert at("TA", "12:30", patterns=["TA,,,*,2,12:00,15:20,,,"]) == AT_LUNCH  # comes for the afternoon
    assert at("T1", "12:30", patterns=["T1,,,*,2,12:00,14:00,,,"]) == AT_LUNCH  # a teacher: only with a duty row


def test_a_supply_teacher_behind_a_shared_account() -> None:
    staff = [*STAFF, "SU,,,teacher,,,,,KS3"]  # no user name of one's own
    rows = {"staff": staff, "exceptions": dated("SU,P1,,cover,T1,")}
    assert (at("SU", "09:30", **rows), at("SU", "10:30", **rows)) == (("cover", NO, "scheduled"), NO_PATTERN)
    nobody = Places(school_of({**BASE, **rows})).look_up(np.array([-1], np.int32), np.array([29_848_000], np.uint32))
    assert nobody.reason.tolist() == [Reason.NO_PERSON.code]


def test_a_trainee_without_a_pattern() -> None:
    assert (at("TR", "09:30"), at("TR", "10:30"), at("TR", "11:10")) == (TEACHING, NO_PATTERN, NO_PATTERN)


def test_a_job_share_whose_lessons_are_listed_for_both() -> None:
    staff = [*STAFF, "J1,,,teacher,,,,,KS3", "J2,,,teacher,,,,,KS3"]
    hours = [*(f"J1,,,*,{day},08:25,15:20,,," for day in (1, 2)), *(f"J2,,,*,{day},08:25,15:20,,," for day in (3, 4))]
    rows = {"staff": staff, "more_patterns": hours, "more_timetable": ["J1,A,2,P1,lesson,,,,", "J2,A,2,P1,lesson,,,,"]}
    assert (at("J1", "09:30", **rows), at("J2", "09:30", **rows)) == (TEACHING, CONFLICT)
    assert (at("J1", "10:30", **rows), at("J2", "10:30", **rows)) == (WORKING, OFF)


def test_the_week_letter_after_half_term() -> None:
    rows = [TERM, "2026-10-26,2026-10-30,holiday,", "2026-10-19,,week_a,", "2026-11-02,,week_a,", "2026-11-09,,week_b,"]
    found = [at("T1", "14:30", day, calendar=rows) for day in (date(2026, 11, 3), date(2026, 11, 10))]
    assert found == [WORKING, TEACHING]  # A again after the holiday, whatever counting weeks would say
    assert at("PT", "10:30", date(2026, 11, 24), calendar=rows) == ("unknown", UNKNOWN, "no_calendar")


def test_a_week_with_only_inset() -> None:
    rows = [TERM, "2026-11-16,2026-11-20,inset,", "2026-11-23,,week_b,"]
    assert [at("T1", clock, calendar=rows)[0] for clock in ("09:30", "11:10", "16:00")] == [
        "inset",
        "inset",
        "outside_hours",
    ]
    assert at("T1", "14:30", date(2026, 11, 24), calendar=rows) == TEACHING


def test_bells_drift() -> None:
    found = [at("T1", clock, margin=5) for clock in ("12:14", "12:15", "12:24", "12:25")]
    assert [(state, allowed) for state, allowed, _ in found] == [
        ("non_contact", NO),
        ("non_contact", UNKNOWN),
        ("lunch", UNKNOWN),
        ("lunch", YES),
    ]


ZONES = {
    "Europe/London": ("2026-10-25", "2027-03-28"),
    "America/New_York": ("2026-11-01", "2027-03-14"),
    "Australia/Lord_Howe": ("2026-10-04", "2027-04-04"),  # by half an hour
    "Asia/Kathmandu": ("2026-11-17", "2026-11-18"),
}


@pytest.mark.parametrize(("zone", "text"), [(zone, day) for zone, days in ZONES.items() for day in days])
def test_days_of_clock_changes_in_any_zone(zone: str, text: str) -> None:
    day = date.fromisoformat(text)
    hours = [f"T1,,,*,{n},01:15,03:05,,," for n in range(1, 8)]
    duties = [f"T1,*,{n},01:40,02:20,gate,,," for n in range(1, 8)]
    calendar = ["2026-09-01,2027-07-20,term,"]
    tables = {**BASE, "bells": [], "patterns": hours, "duties": duties, "calendar": calendar}
    school = school_of(tables, margin=0, zone=zone)
    start = int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).timestamp()) // 60
    minutes = np.arange(start, start + 25 * 60, dtype=np.uint32)
    found = Places(school).look_up(np.zeros(len(minutes), np.int32), minutes)
    for minute, ordinal, state in zip(minutes.tolist(), found.day.tolist(), found.state.tolist(), strict=True):
        local = datetime.fromtimestamp(minute * 60, ZoneInfo(zone))
        clock = local.hour * 60 + local.minute
        expected = "duty" if 100 <= clock < 140 else "unknown" if 75 <= clock < 185 else "outside_hours"
        assert (ordinal, list(State)[state].value) == (local.date().toordinal(), expected), local


def test_an_import_replaced_while_the_week_is_open() -> None:
    old, new = school_of(BASE), school_of({**BASE, "timetable": []})
    places = Places(old)
    before = places.plan(TUESDAY.toordinal())
    assert (place_day(new, TUESDAY).state != before.state).any()
    assert places.plan(TUESDAY.toordinal()) is before  # what was read stays one piece; the new files are another school
    assert old.version != new.version


@pytest.mark.parametrize("kind", ["leave", "released", "toil", "time_off_in_lieu"])
def test_time_off_in_lieu(kind: str) -> None:
    found = at("T1", "14:30", exceptions=dated(f"T1,P5,,{kind},,"))
    assert found[1] == UNKNOWN
    assert at("T1", "13:30", exceptions=dated(f"T1,P5,,{kind},,")) == TEACHING


@pytest.mark.parametrize("word", ["facility_time", "Trade_Union", "union"])
def test_facility_time_is_unknown_and_never_named(word: str) -> None:
    released = ("unknown", UNKNOWN, "released")
    for rows in ({"exceptions": dated(f"T1,P5,,{word},,")}, {"more_timetable": [f"T1,A,2,P5,{word},,,,"]}):
        assert at("T1", "14:30", **rows) == released
        school = school_of({**BASE, **{key.removeprefix("more_"): value for key, value in rows.items()}})
        assert word.lower() not in repr((school.exceptions, school.timetable)).lower()
    assert not any(word.lower() in text.lower() for text in (*Reason, *State, Reason.RELEASED.sentence))


def test_governors_contractors_and_volunteers_without_hours() -> None:
    staff = [*STAFF, *(f"{role[:2].upper()}1,,,{role},,,,,KS3" for role in ("governor", "contractor", "volunteer"))]
    for who in ("GO1", "CO1", "VO1"):
        assert at(who, "11:10", staff=staff) == NO_PATTERN
        assert at(who, "16:00", staff=staff, exceptions=dated(f"{who},15:30,16:30,meeting,,")) == (
            "meeting",
            NO,
            "scheduled",
        )


def test_leadership_is_working_only_where_it_is_booked() -> None:
    found = {clock: at("HD", clock) for clock in ("09:30", "10:30", "11:10", "11:30", "20:00")}
    open_time = ("unknown", UNKNOWN, "leadership_hours")
    assert found == {
        "09:30": TEACHING,
        "10:30": ("meeting", NO, "scheduled"),
        "11:10": ON_BREAK,
        "11:30": open_time,
        "20:00": open_time,
    }


def test_breaks_are_unknown_where_the_rota_does_not_reach() -> None:
    old = [row.replace("2026-12-18", "2026-10-23") for row in DUTIES]
    assert at("T2", "11:10", duties=old) == ("break", UNKNOWN, "duty_data_missing")
    elsewhere = ["T2,*,2,P9,,lunch,,,"]  # a duty in a slot that these bells do not have: any break may be meant
    bells = ["other,*,P9,break,09:00,10:00,*"]
    assert at("T2", "11:10", more_duties=elsewhere, more_bells=bells) == ("break", UNKNOWN, "duty_data_missing")


def test_a_break_that_is_missing_from_the_bells_is_not_working_time() -> None:
    assert at("T2", "11:10", bells=[row for row in BELLS if ",BRK," not in row], duties=DUTIES[1:]) == NO_BELLS
    assert at("OF", "15:40") == WORKING  # after the last bell, of kind `after`: the bells are silent for good
    assert at("OF", "15:40", bells=[row for row in BELLS if ",BUS," not in row]) == NO_BELLS


def test_without_a_list_of_exceptions_nothing_is_known_to_have_happened() -> None:
    school = school_of(BASE, 0, ("exceptions.csv",))
    plan = place_day(school, TUESDAY)
    where = school.numbers["T1"], minute_of("09:30")
    found = list(State)[plan.state[where]], list(Reason)[plan.reason[where]]
    assert found == (State.TEACHING, Reason.NO_EXCEPTIONS)
    assert not (plan.allowed == Allowed.NO.code).any()


def test_margins_end_at_midnight_and_days_do_not_touch() -> None:
    rows = {"patterns": [f"T1,,,*,{day},00:00,24:00,,," for day in (2, 3)], "more_calendar": ["2026-11-18,,holiday,"]}
    assert at("T1", "23:58", TUESDAY, 5, bells=[], **rows)[1] == UNKNOWN
    assert at("T1", "00:02", TUESDAY + timedelta(1), 5, **rows) == OFF
