"""What a profile allows beyond, or short of, clause 6.13: certain answers only, with the margin around each change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.allowance import BY_CLAUSE, ProfilePlaces, allowed_anew
from pipeline.place import place_day
from pipeline.profile import load_profile
from pipeline.words import Allowed, Reason, State
from tests.pipeline.judging import DAY, small_school

SCHOOL = small_school()
PLAN = place_day(SCHOOL, DAY)
SURE = tuple(State)[2:15]


def answer(plan_allowed: np.ndarray, person: str, clock: str) -> Allowed:
    row = plan_allowed[SCHOOL.numbers[person]]
    return list(Allowed)[row[int(clock[:2]) * 60 + int(clock[3:])]]


def test_the_shipped_profile_changes_nothing() -> None:
    assert load_profile("cwmbran").allow == BY_CLAUSE
    assert ProfilePlaces(SCHOOL, BY_CLAUSE).plan(DAY.toordinal()).allowed.tolist() == PLAN.allowed.tolist()
    again = allowed_anew(PLAN, BY_CLAUSE, SCHOOL.settings.boundary_margin_min)
    assert again.allowed.tolist() == PLAN.allowed.tolist()


@pytest.mark.parametrize(
    ("allow", "clock", "becomes"),
    [
        (BY_CLAUSE | {State.NON_CONTACT}, "10:30", Allowed.YES),  # T01 has no lesson in P2, 10:00 to 11:00
        (BY_CLAUSE | {State.NON_CONTACT}, "10:04", Allowed.UNKNOWN),  # a new change needs its margin
        (BY_CLAUSE | {State.NON_CONTACT}, "09:56", Allowed.UNKNOWN),
        (BY_CLAUSE | {State.NON_CONTACT}, "09:30", Allowed.NO),
        (BY_CLAUSE - {State.LUNCH}, "12:40", Allowed.NO),
        (BY_CLAUSE - {State.LUNCH}, "12:21", Allowed.NO),  # no change is left there
        (BY_CLAUSE - {State.LUNCH}, "07:00", Allowed.YES),
        (frozenset(), "12:40", Allowed.NO),
        (frozenset(), "16:00", Allowed.NO),
    ],
)
def test_answers_follow_the_profile(allow: frozenset[State], clock: str, becomes: Allowed) -> None:
    plan = ProfilePlaces(SCHOOL, allow).plan(DAY.toordinal())
    assert answer(plan.allowed, "T01", clock) is becomes


@given(st.sets(st.sampled_from(SURE)).map(frozenset), st.integers(0, 30))
def test_no_is_never_near_yes_and_what_lacks_data_stays_unknown(allow: frozenset[State], margin: int) -> None:
    plan = allowed_anew(PLAN, allow, margin)
    lacking = (PLAN.allowed == Allowed.UNKNOWN.code) & (PLAN.reason != Reason.BOUNDARY.code)
    assert (plan.allowed[lacking] == Allowed.UNKNOWN.code).all()
    assert (plan.reason[lacking] == PLAN.reason[lacking]).all()
    yes = np.array([state in allow for state in State])[plan.state]
    assert not ((plan.allowed == Allowed.YES.code) & ~yes).any()
    assert not ((plan.allowed == Allowed.NO.code) & yes).any()
    for row in plan.allowed[:4]:
        no, allowed = np.flatnonzero(row == Allowed.NO.code), np.flatnonzero(row == Allowed.YES.code)
        if len(no) and len(allowed):
            assert np.abs(no[:, None] - allowed[None, :]).min() > margin


def test_without_a_list_of_exceptions_no_profile_forbids() -> None:
    silent = replace(SCHOOL, missing=(*SCHOOL.missing, "exceptions.csv"))
    plan = ProfilePlaces(silent, BY_CLAUSE - {State.LUNCH}).plan(DAY.toordinal())
    assert not (plan.allowed == Allowed.NO.code).any()
    assert answer(plan.allowed, "T01", "07:00") is Allowed.YES
    assert list(Reason)[plan.reason[SCHOOL.numbers["T01"], 12 * 60 + 40]] is Reason.NO_EXCEPTIONS
