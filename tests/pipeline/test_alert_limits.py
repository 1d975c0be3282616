"""Quiet hours, digests and waits: by the clock on the wall, also in the nights in which it changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts.limits import GIVE_UP_S, Quiet, digest_due, moment_of, room, wait_after

LONDON = ZoneInfo("Europe/London")
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-11-17T17:59:59", None),
        ("2026-11-17T18:00:00", "2026-11-18T07:00:00"),
        ("2026-11-18T06:59:59", "2026-11-18T07:00:00"),
        ("2026-11-18T07:00:00", None),
        ("2026-03-28T20:00:00", "2026-03-29T06:00:00"),  # the clock goes forward: the night is an hour shorter
        ("2026-10-24T20:00:00", "2026-10-25T07:00:00"),  # and back: an hour longer
        ("2026-06-17T06:30:00", None),
    ],
)
def test_quiet_hours_end_when_the_clock_on_the_wall_says_so(now: str, over: str | None) -> None:
    quiet = Quiet.of("18:00-07:00")
    assert quiet is not None
    assert quiet.holds(at(now), LONDON) == (over is not None)
    assert quiet.over(at(now), LONDON) == at(over or now)


def test_an_end_that_the_clock_leaves_out_or_shows_twice() -> None:
    quiet = Quiet(time(22), time(1, 30))
    assert quiet.over(at("2026-03-28T23:00:00"), LONDON) == at("2026-03-29T01:00:00")  # 01:30 does not happen
    assert quiet.over(at("2026-10-24T22:00:00"), LONDON) == at("2026-10-25T00:30:00")  # the first 01:30
    assert quiet.holds(at("2026-10-25T01:00:00"), LONDON)  # 01:00 again


TIMES = st.times(timezones=st.none()).map(lambda t: t.replace(second=0, microsecond=0))
MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1)).map(lambda t: t.replace(tzinfo=UTC).timestamp() // 1)


@given(now=MOMENTS, begin=TIMES, end=TIMES, zone=st.sampled_from(ZONES))
def test_over_is_the_first_moment_that_is_not_quiet(now: float, begin: time, end: time, zone: str) -> None:
    if begin == end:
        return
    quiet, there = Quiet(begin, end), ZoneInfo(zone)
    over = quiet.over(now, there)
    assert not quiet.holds(over, there)
    moment = now
    while moment < over:
        assert quiet.holds(moment, there)
        moment += 300
    assert over == now or quiet.holds(over - 1, there)


@given(now=MOMENTS, clock=TIMES, zone=st.sampled_from(ZONES))
def test_a_digest_is_due_once_a_day(now: float, clock: time, zone: str) -> None:
    there = ZoneInfo(zone)
    due = digest_due(now, clock, there)
    assert 0 <= now - due <= 86_400 + 3600
    assert digest_due(due, clock, there) == due
    assert digest_due(due - 1, clock, there) < due
    day = datetime.fromtimestamp(due, there).date()
    assert moment_of(day, clock, there) == due
    assert digest_due(moment_of(day + timedelta(days=1), clock, there), clock, there) > due


def test_an_hour_has_room_for_so_many() -> None:
    assert room(10_000, [6_399, 6_400, 6_401, 10_000], 5) == 3
    assert room(10_000, [9_999] * 9, 5) == 0


def test_waits_grow_and_three_days_are_enough() -> None:
    waits = [wait_after(n) for n in range(1, 300)]
    assert waits == sorted(waits)
    assert waits[0] == 10
    assert sum(waits[:8]) < 3600 < GIVE_UP_S
