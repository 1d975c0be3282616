"""Sums: groups never show fewer than ten people, a minute counts once a level, the gravest outcome wins."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregate import (
    SEVERITY,
    SMALLEST_GROUP,
    Labels,
    Outcomes,
    add_up,
    coverage_columns,
    levels,
    people_groups,
    use_day,
    use_five,
    use_period,
)
from pipeline.words import Outcome, Reason

ROLES = ("teacher", "leadership", "support", "contractor", "volunteer", "trainee")
LABELS = Labels(
    services=("facebook", "instagram", "twitter"),
    kind_of=np.array([0, 0, 1]),
    kinds=("social_networking", "microblog"),
    periods=(("", ""), ("P1", "lesson"), ("BRK", "break")),
    groups=("teaching", "support"),
)


@given(st.lists(st.sampled_from(ROLES), max_size=120))
def test_no_shown_group_and_no_difference_of_groups_is_small(roles: list[str]) -> None:
    groups = people_groups(roles)
    assert len(groups.of_person) == len(roles)
    sizes = [int((groups.of_person == n).sum()) for n in range(len(groups.names))]
    assert all(size >= SMALLEST_GROUP for size in sizes)
    assert sum(sizes) == (len(roles) if groups.names else 0), "somebody is in no group, all minus the groups would show"
    assert len(groups.names) != 1


def test_groups_of_a_usual_school() -> None:
    roles = ["teacher"] * 40 + ["leadership"] * 6 + ["support"] * 14
    assert people_groups(roles).names == ("teaching", "support")
    assert people_groups([*roles, *["contractor"] * 10]).names == ("teaching", "support", "other")
    with_few = people_groups([*roles, "contractor"])
    assert with_few.names == ("teaching", "other"), "one contractor is hidden among the support staff"
    assert (with_few.of_person == 1).sum() == 15
    assert people_groups(["teacher"] * 30 + ["support"] * 3).names == ()


rows = st.lists(
    st.tuples(
        st.integers(0, 2),  # who
        st.integers(0, 2),  # service
        st.integers(0, 9),  # minute
        st.sampled_from(list(Outcome)),
        st.sampled_from((Reason.EPISODE, Reason.BOUNDARY, Reason.NO_PERSON)),
        st.integers(0, 100),
    ),
    max_size=40,
    unique_by=lambda row: row[:3],
)


def outcomes(given_rows: list[tuple[int, int, int, Outcome, Reason, int]]) -> Outcomes:
    coded = [(who, label, at, o.code, r.code, size) for who, label, at, o, r, size in given_rows]
    who, label, minute, outcome, reason, size = np.array(coded).T
    return Outcomes(
        who=who,
        label=label,
        minute=minute,
        window=minute - minute % 5,
        period=minute % 3,
        group=who - 1,
        outcome=outcome,
        reason=reason,
        up=size,
        down=size * 2,
    )


@given(rows.filter(len))
def test_levels_count_each_minute_once(given_rows: list[tuple[int, int, int, Outcome, Reason, int]]) -> None:
    at = levels(outcomes(given_rows), LABELS)
    assert len(at.service) == len(given_rows)
    assert len(at.kind) == len({(who, LABELS.kind_of[service], minute) for who, service, minute, *_ in given_rows})
    assert len(at.all) == len({(who, minute) for who, _, minute, *_ in given_rows})
    for level in (at.service, at.kind, at.all):
        assert level.up.sum() == sum(size for *_, size in given_rows)
        assert level.down.sum() == 2 * level.up.sum()
    worst: dict[tuple[int, int], int] = {}
    for who, _, minute, outcome, *_ in given_rows:
        worst[who, minute] = min(SEVERITY.index(outcome), worst.get((who, minute), 9))
    assert Counter(at.all.outcome.tolist()) == Counter(SEVERITY[n].code for n in worst.values())


@given(rows.filter(len))
def test_tables_add_up_to_the_same(given_rows: list[tuple[int, int, int, Outcome, Reason, int]]) -> None:
    at = levels(outcomes(given_rows), LABELS)
    for table in (use_five(at, LABELS), use_period(at, LABELS), use_day(at, LABELS)):
        for level, rows_of_level in (("service", at.service), ("kind", at.kind), ("all", at.all)):
            minutes = sum(
                int(str(minutes))
                for _, columns in table
                for minutes, found, people in zip(
                    columns["minutes"], columns["level"], columns.get("people", columns["level"]), strict=True
                )
                if found == level and people in ("all", level)
            )
            assert minutes == len(rows_of_level)
        assert [start for start, _ in table] == sorted({int(w) for w in at.service.window})


def test_rows_by_group_exist_only_for_members() -> None:
    given_rows = [(who, 0, who, Outcome.ALLOWED, Reason.ALLOWED_TIME, 1) for who in range(3)]
    sums = add_up(outcomes(given_rows), by_period=False, by_group=True)
    assert Counter(sums.group.tolist()) == {0: 1, 1: 1, 2: 1}
    assert sums.minutes[sums.group == 0].tolist() == [3]


def test_coverage_leaves_out_what_is_zero() -> None:
    assert coverage_columns({"packets": 5, "ring_drops": 0, "flows": 2}) == {
        "metric": ["flows", "packets"],
        "value": [2, 5],
    }
