"""What must hold for any school: missing data never forbids, a duty never frees, how rows are written means nothing.

"Missing data never gives `no`", precisely. A row says that something is so (a pattern, a bell, a term, a lesson, a
duty), or it overrides what would be so without it (a dated exception, a holiday, a closure, INSET, other bells, a
release, a lesson of which nobody knows the week; the bells of a group or a weekday over those of all). Taking away a
row, or a whole file, of the first sort turns no minute into `no` that was `yes` or `unknown`. There is one exception: a
minute that was unknown because two records contradict each other is as the one says when the other is gone. That a
dated exception is missing nobody can see, row by row; so all are taken to be missing where there is no exceptions.csv,
and then nothing at all is `no`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from random import Random

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.calendar import bell_slots, school_day
from pipeline.place import DayPlan, place_day
from pipeline.school import School
from pipeline.words import Allowed, Reason
from tests.pipeline.schools import HEADERS, Tables, hhmm, loads, random_tables, school_of

FREEDOM = np.array([1, 2, 0])  # of Allowed's codes: unknown, yes, no
NO, UNKNOWN = Allowed.NO.code, Allowed.UNKNOWN.code
CONFLICT, BOUNDARY = Reason.CONFLICT.code, Reason.BOUNDARY.code
seeds = st.integers(0, 2**32)


def turned_into_no(before: DayPlan, after: DayPlan) -> npt.NDArray[np.bool_]:
    """Minutes that became `no` and were not, contradictions apart; of plans without a margin."""
    return (before.allowed != NO) & (before.reason != CONFLICT) & (after.allowed == NO)


def cells(table: str, row: str) -> dict[str, str]:
    return dict(zip(HEADERS[table].split(","), row.split(","), strict=True))


def text(table: str, cells: Mapping[str, str]) -> str:
    return ",".join(cells[name] for name in HEADERS[table].split(","))


@settings(max_examples=120)
@given(seeds, st.sampled_from([0, 5]))
@example(294000270, 5)
def test_another_duty_allows_no_minute_more(seed: int, margin: int) -> None:
    """A duty of which nobody knows whether it is its week is doubt, and so are the minutes that the margin adds."""
    tables, day = random_tables(seed)
    rng = Random(seed)
    people = [row.split(",")[0] for row in tables["staff"]]
    reaches = f"{people[0]},*,{day.isoweekday() % 7 + 1},07:00,07:10,gate,,,"  # a rota that covers the date already
    tables["duties"] = [*tables["duties"], reaches]
    slots = [cells("bells", row)["slot"] for row in tables["bells"]]
    when = f"{rng.choice(slots)}," if slots and rng.random() < 0.6 else "09:00,13:00"
    kind = rng.choice(["break", "lunch", "cover_standby"])
    new = f"{rng.choice(people)},{rng.choice('*AB')},{day.isoweekday()},{when},{kind},,,"
    before = place_day(school_of(tables, margin), day)
    after = place_day(school_of({**tables, "duties": [*tables["duties"], new]}, margin), day)
    assert ((FREEDOM[after.allowed] <= FREEDOM[before.allowed]) | (after.reason == BOUNDARY)).all()


@pytest.mark.parametrize("table", ["patterns", "bells", "calendar", "timetable", "duties", "exceptions"])
@settings(max_examples=60)
@given(seed=seeds)
def test_a_missing_file_turns_no_minute_into_no(table: str, seed: int) -> None:
    tables, day = random_tables(seed)
    tables["timetable"] = [row for row in tables["timetable"] if ",released," not in row and ",unknown," not in row]
    before = place_day(school_of(tables, 0), day)
    kept = {name: rows for name, rows in tables.items() if name != table}
    after = place_day(school_of(kept, 0, (f"{table}.csv",)), day)
    assert not turned_into_no(before, after).any()


@pytest.mark.parametrize("table", ["patterns", "timetable", "duties", "calendar"])
@settings(max_examples=100)
@given(seed=seeds)
def test_missing_rows_turn_no_minute_into_no(table: str, seed: int) -> None:
    tables, day = random_tables(seed)
    rng = Random(seed)
    overrides = (",released,", ",unknown,", ",holiday,", ",closure,", ",bank_holiday,", ",inset,", ",bell_override,")
    kept = [row for row in tables[table] if rng.random() < 0.5 or any(word in row for word in overrides)]
    before, after = place_day(school_of(tables, 0), day), place_day(school_of({**tables, table: kept}, 0), day)
    assert not turned_into_no(before, after).any()


@settings(max_examples=120)
@given(seeds)
def test_a_missing_bell_turns_no_minute_of_its_group_into_no(seed: int) -> None:
    whole, day = random_tables(seed)
    rows = list(range(len(whole["bells"])))
    Random(seed).shuffle(rows)
    for row in rows:  # the first one that was anybody's
        slot = cells("bells", whole["bells"][row])["slot"]  # a dated record of this slot would be about another one
        others = [line for line in whole["exceptions"] if cells("exceptions", line)["start_or_slot"] != slot]
        tables = {**whole, "exceptions": others}
        less = {**tables, "bells": [bell for n, bell in enumerate(tables["bells"]) if n != row]}
        if not loads(less):
            continue
        school, other = school_of(tables, 0), school_of(less, 0)
        if people := list(those_whose_bell_it_was(school, other, day, row)):
            found = turned_into_no(place_day(school, day), place_day(other, day))
            assert not found[people].any()
            return


def those_whose_bell_it_was(school: School, other: School, day: date, row: int) -> Iterable[int]:
    """People of whose bells this row was one, and had overridden no other."""
    on, then = school_day(school, day), school_day(other, day)
    gone = school.bells[row]
    for person, staff in enumerate(school.staff):
        had = [(s.name, s.start, s.end, s.group) for s in bell_slots(school, on, staff.bell_group)]
        has = [(s.name, s.start, s.end, s.group) for s in bell_slots(other, then, staff.bell_group)]
        mine = (gone.slot, gone.start, gone.end, gone.group)
        revealed = any(start < gone.end and gone.start < end for _, start, end, _ in has)
        if mine in had and set(had) - set(has) == {mine} and not set(has) - set(had) and not revealed:
            yield person


@settings(max_examples=60)
@given(seeds)
def test_the_margin_only_makes_minutes_unknown(seed: int) -> None:
    tables, day = random_tables(seed)
    sharp, blurred = place_day(school_of(tables, 0), day), place_day(school_of(tables, 7), day)
    assert (sharp.state == blurred.state).all()
    assert ((sharp.allowed == blurred.allowed) | (blurred.allowed == UNKNOWN)).all()


@settings(max_examples=100)
@given(seeds)
def test_the_order_of_rows_means_nothing(seed: int) -> None:
    tables, day = random_tables(seed)
    rng = Random(seed)
    one = school_of(tables)
    other = school_of({name: rng.sample(rows, len(rows)) for name, rows in tables.items()})
    same([one, other], day)


@settings(max_examples=100)
@given(seeds)
def test_a_range_of_dates_in_two_rows_is_the_same_as_in_one(seed: int) -> None:
    tables, day = random_tables(seed)
    rng = Random(seed)
    halved = {name: [part for row in rows for part in halves(name, row, day, rng)] for name, rows in tables.items()}
    same([school_of(tables), school_of(halved)], day)


def halves(table: str, row: str, day: date, rng: Random) -> Sequence[str]:
    """A row, cut at a date if its range holds it."""
    names = {"calendar": ("date_from", "date_to")}.get(table, ("valid_from", "valid_to"))
    if names[0] not in HEADERS[table]:
        return [row]
    found = cells(table, row)
    first, last = found[names[0]], found[names[1]] or (found[names[0]] if table == "calendar" else "")
    cut = day + timedelta(rng.randint(-3, 3))
    if not (first or "0001-01-01") < cut.isoformat() <= (last or "9999-12-31"):
        return [row]
    before = {**found, names[1]: (cut - timedelta(1)).isoformat()}
    return [text(table, before), text(table, {**found, names[0]: cut.isoformat(), names[1]: last})]


def same(schools: Sequence[School], day: date) -> None:
    """Two schools have the same day, person by person."""
    plans = [place_day(school, day) for school in schools]
    rows = [[school.numbers[staff_id] for staff_id in sorted(school.numbers)] for school in schools]
    for column in ("state", "allowed", "reason"):
        one, other = (getattr(plan, column)[row] for plan, row in zip(plans, rows, strict=True))
        assert (one == other).all(), column


WORK, AWAY = ["cover", "meeting", "exam", "duty", "inset", "unclear"], ["absent", "trip", "home_working", "released"]


@settings(max_examples=100)
@given(seeds, st.sampled_from([WORK, AWAY]), st.booleans())
def test_two_dated_records_that_contradict_each_other_are_unknown(seed: int, kinds: list[str], timed: bool) -> None:
    tables, day = ordinary_day(seed)
    rng = Random(seed)
    one, other = rng.sample(kinds, 2)
    entered = "2026-11-02T08:00" if timed else ""
    later = entered if timed else rng.choice(["", "2026-11-03T08:00"])
    starts = sorted(rng.sample(range(8 * 60, 16 * 60, 10), 4))
    tables["exceptions"] = [
        f"{day},S0,{hhmm(starts[0])},{hhmm(starts[2])},{one},,{entered}",
        f"{day},S0,{hhmm(starts[1])},{hhmm(starts[3])},{other},,{later}",
    ]
    school = school_of(tables, 0)
    plan = place_day(school, day)
    both = plan.allowed[school.numbers["S0"], starts[1] : starts[2]], plan.reason[0, starts[1] : starts[2]]
    assert (both[0] == UNKNOWN).all()
    assert (both[1] == CONFLICT).all()


def ordinary_day(seed: int) -> tuple[Tables, date]:
    """A random school on a day that is not free."""
    tables, _ = random_tables(seed)
    tables["calendar"] = ["2026-09-01,2026-12-18,term,"]
    tables["staff"] = [row.replace("2026-11-01", "") for row in tables["staff"]]
    return tables, date(2026, 11, 17)
