"""The Today page's view of a day: its sentence, its gaps, its neighbours, and what it says when there is nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from dashboards.day import OUTCOMES, day_view
from dashboards.health import steps
from dashboards.queries import ask, ask_one
from dashboards.schools import NoSuchSchool, SchoolInfo, find_school
from pipeline.store import ChdbStore
from tests.dashboards.sample_store import DAY, LONDON, SCHOOL, SILENT_DAY, SUMMER, SUMMER_DAY, local

LATER = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_the_latest_day_is_shown_when_none_is_asked_for(store: ChdbStore, school: SchoolInfo) -> None:
    view = day_view(store, school, None, LATER)
    assert (view.day, view.previous, view.following) == (date(2026, 11, 20), date(2026, 11, 19), None)


def test_neighbours_are_days_with_data(store: ChdbStore, school: SchoolInfo) -> None:
    view = day_view(store, school, date(2026, 11, 16), LATER)
    assert (view.previous, view.following) == (date(2026, 11, 13), DAY)


def test_the_sentence_holds_the_stores_figures(store: ChdbStore, school: SchoolInfo) -> None:
    totals = ask_one(store, "day_totals", school=SCHOOL, day=DAY)
    lede = day_view(store, school, DAY, LATER).lede
    assert lede.startswith(f"Week A. Staff used social media for {totals['total']:,} minutes")
    assert (
        f"{totals['outside_allowed']} minutes fell outside the policy’s allowed times (automatic, unverified)" in lede
    )
    assert f"{totals['unknown']} minutes could not be judged" in lede


def test_five_minutes_fill_the_axis_and_add_up(store: ChdbStore, school: SchoolInfo) -> None:
    view = day_view(store, school, DAY, LATER)
    assert view.span == (local(DAY, "07:30"), local(DAY, "17:30"))
    assert [f.start for f in view.fives] == [local(DAY, "07:30") + timedelta(minutes=5 * i) for i in range(120)]
    for i, outcome in enumerate(OUTCOMES):
        assert sum(f.minutes[i] for f in view.fives) == view.totals[outcome]
    assert {f.period for f in view.fives if f.start >= local(DAY, "12:10")} == {"Lunch", "4", "5", ""}


def test_what_was_not_observed_is_said(store: ChdbStore, school: SchoolInfo) -> None:
    assert day_view(store, school, DAY, LATER).gaps == ((local(DAY, "13:30"), local(DAY, "13:45")),)
    assert day_view(store, school, date(2026, 11, 18), LATER).gaps == ()


def test_summer_time_is_kept(store: ChdbStore) -> None:
    view = day_view(store, find_school(store, SUMMER), SUMMER_DAY, LATER)
    assert view.bands[0].start == datetime(2026, 6, 16, 7, 30, tzinfo=UTC)
    assert view.bands[0].start.astimezone(LONDON).hour == 8


def test_a_running_day_is_told_so_far(store: ChdbStore, school: SchoolInfo) -> None:
    view = day_view(store, school, None, datetime(2026, 11, 20, 14, 47, tzinfo=UTC))
    assert "so far" in view.lede
    assert view.now is not None


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 30), "has not come yet"),
        (date(2026, 8, 3), "announced from Tuesday 1 September 2026"),
        (date(2026, 9, 10), "The store begins on Monday 21 September 2026"),
        (date(2026, 11, 21), "Nothing has been stored since Friday 20 November 2026"),
        (date(2026, 11, 14), "no bells ring"),
    ],
)
def test_a_day_without_data_says_why(store: ChdbStore, school: SchoolInfo, day: date, words: str) -> None:
    view = day_view(store, school, day, LATER)
    assert words in view.why_empty
    assert not view.totals["total"]


def test_without_a_notice_date_monitoring_is_off(store: ChdbStore, school: SchoolInfo) -> None:
    silent = replace(school, notice=None)
    assert "no notice date is set" in day_view(store, silent, date(2026, 11, 21), LATER).why_empty


def test_an_unknown_school_is_named(store: ChdbStore) -> None:
    with pytest.raises(NoSuchSchool, match="no school 'nowhere' in this store; it holds ysgol-enghraifft, ysgol-haf"):
        find_school(store, "nowhere")


def test_kind_bars_stay_within_their_cell(store: ChdbStore, school: SchoolInfo) -> None:
    view = day_view(store, school, DAY, LATER)
    assert [k.name for k in view.kinds][:2] == ["Content sharing", "Social networking"]
    for line in view.kinds:
        _, x, width = line.bar[-1]
        assert x + width <= 100.1
    assert view.kinds[0].services.startswith("YouTube")


def test_steps_warn_with_a_mend_and_only_then(store: ChdbStore, school: SchoolInfo) -> None:
    strip = ask_one(store, "health_strip", school=SCHOOL, day=DAY)
    stored = ask_one(store, "day_stored", school=SCHOOL, day=DAY, zone=school.zone)
    good = steps(strip, {**stored, "windows": 120}, school.tz, None)
    assert [s.id for s in good] == ["seen", "named", "person", "timetabled", "stored"]
    assert all(s.ok and not s.mend for s in good)
    poor = {
        **strip,
        "packets": 900,
        "lost": 100,
        "named_share": 0.5,
        "minutes_person": strip["minutes_use"] // 5,
        "minutes_timetabled": strip["minutes_use"] // 50,
    }
    bad = steps(poor, stored, school.tz, None)
    assert all(not s.ok and s.mend for s in bad)
    assert "15 minutes are missing" in bad[-1].mend


def test_an_old_window_on_a_running_day_warns(store: ChdbStore, school: SchoolInfo) -> None:
    strip = ask_one(store, "health_strip", school=SCHOOL, day=DAY)
    stored = {"windows": 12, "first": local(DAY, "08:00"), "last": local(DAY, "08:55"), "written": None}
    fresh = steps(strip, stored, school.tz, local(DAY, "09:10"))[-1]
    stale = steps(strip, stored, school.tz, local(DAY, "10:00"))[-1]
    assert (fresh.ok, fresh.note) == (True, "08:00 to 09:00, 10 minutes behind")
    assert not stale.ok


def test_reasons_come_with_sentence_and_mend(store: ChdbStore, school: SchoolInfo) -> None:
    view = day_view(store, school, DAY, LATER)
    assert {r.reason: r.minutes for r in view.reasons} == {
        r["reason"]: r["total"] for r in ask(store, "day_reasons", school=SCHOOL, day=DAY)
    }
    assert [r.reason for r in view.reasons] == ["no_person", "duty_data_missing", "shared_device", "boundary"]
    assert all(r.sentence.endswith(".") and r.mend.endswith(".") for r in view.reasons)


def test_a_day_without_monitoring_shows_packets_only(store: ChdbStore) -> None:
    view = day_view(store, find_school(store, SUMMER), SILENT_DAY, LATER)
    assert (view.why_empty, view.totals["total"]) == ("", 0)
    assert view.steps[0].ok
    assert view.lede.startswith("Monitoring is off: no notice date is set")
