"""The precedence: the fast day against a slow one, and days without gaps. Promises for any school: test_promises."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.place import DayPlan, place_day, state_rows
from pipeline.words import Allowed, Reason, State
from tests.pipeline.schools import random_tables, school_of
from tests.pipeline.slow_place import SlowPlace

STATES, ANSWERS, REASONS = list(State), list(Allowed), list(Reason)
seeds = st.integers(0, 2**32)


def words(plan: DayPlan, person: int) -> list[tuple[str, str, str]]:
    triples = zip(plan.state[person], plan.allowed[person], plan.reason[person], strict=True)
    return [(STATES[s].value, ANSWERS[a].value, REASONS[r].value) for s, a, r in triples]


@settings(max_examples=80)
@given(seeds, st.sampled_from([0, 5, 12]), st.sampled_from([True, True, True, False]))
def test_the_fast_day_equals_the_slow_one(seed: int, margin: int, recorded: bool) -> None:
    tables, day = random_tables(seed)
    school = school_of(tables, margin, () if recorded else ("exceptions.csv",))
    slow, plan = SlowPlace(tables, day, recorded), place_day(school, day)
    for person, staff in enumerate(slow.rows["staff"]):
        expected, found = slow.person(staff, margin), words(plan, person)
        wrong = [(m, found[m], expected[m]) for m in range(1440) if found[m] != expected[m]]
        assert not wrong, (staff, tables, day, wrong[0])


@settings(max_examples=100)
@given(seeds)
def test_every_minute_has_one_state_and_rows_have_no_gaps(seed: int) -> None:
    tables, day = random_tables(seed)
    plan = place_day(school_of(tables), day)
    assert plan.state.shape == plan.allowed.shape == plan.reason.shape == (len(tables["staff"]), 1440)
    for person in range(len(plan.state)):
        rows = state_rows(plan, person)
        assert (rows[0]["from"], rows[-1]["to"]) == ("00:00", "24:00")
        spans = [(a["to"], b["from"]) for a, b in pairwise(rows)]
        assert all(end == start for end, start in spans)
        spread = []
        for row in rows:
            minutes = [int(row[key][:2]) * 60 + int(row[key][3:]) for key in ("from", "to")]
            spread += [(row["state"], row["allowed"], row["reason"])] * (minutes[1] - minutes[0])
        assert spread == words(plan, person)
