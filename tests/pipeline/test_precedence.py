"""The precedence: the fast day against a slow one, and promises that must hold for any school."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.place import DayPlan, place_day, state_rows
from pipeline.words import Allowed, Reason, State
from tests.pipeline.schools import Tables, random_tables, school_of
from tests.pipeline.slow_place import SlowPlace

STATES, ANSWERS, REASONS = list(State), list(Allowed), list(Reason)
FREEDOM = np.array([1, 2, 0])  # of Allowed's codes: unknown, yes, no
seeds = st.integers(0, 2**32)


def words(plan: DayPlan, person: int) -> list[tuple[str, str, str]]:
    triples = zip(plan.state[person], plan.allowed[person], plan.reason[person], strict=True)
    return [(STATES[s].value, ANSWERS[a].value, REASONS[r].value) for s, a, r in triples]


@settings(max_examples=150, deadline=None)
@given(seeds, st.sampled_from([0, 5, 12]))
def test_the_fast_day_equals_the_slow_one(seed: int, margin: int) -> None:
    tables, day = random_tables(seed)
    slow, plan = SlowPlace(tables, day), place_day(school_of(tables, margin), day)
    for person, staff in enumerate(slow.rows["staff"]):
        expected, found = slow.person(staff, margin), words(plan, person)
        wrong = [(m, found[m], expected[m]) for m in range(1440) if found[m] != expected[m]]
        assert not wrong, (staff, tables, day, wrong[0])


@settings(max_examples=100, deadline=None)
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


@settings(max_examples=200, deadline=None)
@given(seeds)
def test_another_duty_allows_no_minute_more(seed: int) -> None:
    tables, day = random_tables(seed)
    more, _ = random_tables(seed + 1)
    people = {row.split(",")[0] for row in tables["staff"]}
    slots = {row.split(",")[2] for row in tables["bells"]}
    new = [r for r in more["duties"] if r.split(",")[0] in people and (r.split(",")[4] or r.split(",")[3] in slots)]
    fresh = any(row.endswith((",,", "2026-09-01,", "2027-01-01", "2026-12-01")) for row in tables["duties"])
    assume(new and fresh)
    before = place_day(school_of(tables), day)
    assume((before.reason != Reason.DUTY_DATA_MISSING.code).all())
    after = place_day(school_of({**tables, "duties": tables["duties"] + new}), day)
    assert (FREEDOM[after.allowed] <= FREEDOM[before.allowed]).all()


def facts_only(seed: int) -> tuple[Tables, date]:
    """A random school whose timetable has no rows that only say that something is not known."""
    tables, day = random_tables(seed)
    tables["timetable"] = [row for row in tables["timetable"] if ",unknown," not in row]
    return tables, day


@pytest.mark.parametrize("table", ["patterns", "bells", "calendar", "timetable", "duties"])
@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_a_missing_file_turns_no_unknown_minute_into_no(table: str, seed: int) -> None:
    tables, day = facts_only(seed)
    before = place_day(school_of(tables), day)
    after = place_day(school_of({name: rows for name, rows in tables.items() if name != table}), day)
    turned = (before.allowed == Allowed.UNKNOWN.code) & (after.allowed == Allowed.NO.code)
    assert not turned.any()


@pytest.mark.parametrize("table", ["patterns", "timetable", "duties"])
@settings(max_examples=100, deadline=None)
@given(seed=seeds)
def test_missing_rows_turn_no_unknown_minute_into_no(table: str, seed: int) -> None:
    tables, day = facts_only(seed)
    if table == "patterns":  # a pattern without this row may say "day off", which is something that dated records heed
        tables["exceptions"] = []
    rng = Random(seed)
    kept = [row for row in tables[table] if rng.random() < 0.5]
    before, after = place_day(school_of(tables), day), place_day(school_of({**tables, table: kept}), day)
    turned = (before.allowed == Allowed.UNKNOWN.code) & (after.allowed == Allowed.NO.code)
    assert not turned.any()


@settings(max_examples=100, deadline=None)
@given(seeds)
def test_the_order_of_rows_means_nothing(seed: int) -> None:
    tables, day = random_tables(seed)
    rng = Random(seed)
    shuffled = {name: rng.sample(rows, len(rows)) if name != "staff" else rows for name, rows in tables.items()}
    one, other = place_day(school_of(tables), day), place_day(school_of(shuffled), day)
    for column in ("state", "allowed", "reason"):
        assert (getattr(one, column) == getattr(other, column)).all()
