"""The order of decision, its sentences, and the corner cases of outcomes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pipeline
from pipeline.aggregate import SEVERITY, Labels, Outcomes, levels, people_groups
from pipeline.assess import Assessor
from pipeline.gather import Clients, gather, window_starts
from pipeline.outcomes import STEPS, Rulebook, as_markdown, as_text, every_rule, step_of
from pipeline.profile import Profile, load_profile
from pipeline.school import School
from pipeline.words import Grade, Outcome, Reason
from tests.pipeline.judging import (
    DAY,
    Slice,
    TableBindings,
    minute,
    slice_rows,
    small_catalogue,
    small_school,
)

PROFILE = load_profile("cwmbran")
BOOK = Rulebook(PROFILE, 5)
TO_MEND = "run: schoolgate rules --markdown > pipeline/RULES.md"
PEOPLE = {
    "10.0.0.1": (0, Grade.B, Reason.NONE, 1),  # T00 teaches P1 and P2
    "10.0.0.2": (1, Grade.A, Reason.NONE, 2),  # T01: non-contact in P2
    "10.0.0.3": (3, Grade.B, Reason.NONE, 3),  # T03 runs the official site on facebook
    "10.0.0.4": (3, Grade.C, Reason.NONE, 4),  # T03's phone
    "10.0.0.5": (0, Grade.C, Reason.NONE, 5),  # T00's phone
    "10.0.0.6": (-1, Grade.D, Reason.SHARED_DEVICE, 6),
    "10.0.0.7": (-1, Grade.NONE, Reason.SEVERAL_PEOPLE, 7),
    "10.0.0.8": (-1, Grade.NONE, Reason.LOCKED, 8),
}
TEACHING, IN_P2, LUNCH, BELL = "09:20", "10:20", "12:35", "10:58"
SCHOOL = small_school(mode="aggregate")
(SITE,) = SCHOOL.official_sites


# -- the sentences


def test_the_page_of_rules_is_what_the_rules_say() -> None:
    page = Path(pipeline.__file__).with_name("RULES.md").read_text(encoding="utf-8")
    assert page == as_markdown(BOOK), TO_MEND


def test_every_rule_speaks_for_itself() -> None:
    ids = [rule.id for rule in every_rule()]
    assert len(ids) == len(set(ids))
    for rule in every_rule():
        sentence = rule.sentence(BOOK.limits("youtube"))
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "{" not in sentence
        assert f"{rule.id} (version {rule.version}): {rule.sentence(BOOK.limits())}" in as_text(BOOK)
        for word in ("breach", "offender", "score"):
            assert word not in sentence


def test_each_reason_of_an_outcome_belongs_to_one_step() -> None:
    pairs = Counter((step.outcome, reason) for step in STEPS for reason in step.reasons)
    assert set(pairs.values()) == {1}
    for step in STEPS:
        assert step.reasons
        for reason in step.reasons:
            assert step_of(step.outcome, reason) is step
    for outcome in Outcome:
        assert step_of(outcome, Reason.NONE).outcome is outcome


@pytest.mark.parametrize(
    "change", [{"episode_minutes": 4}, {"allow": frozenset()}, {"version": "other.1"}, {"clause": "8.1"}]
)
def test_whatever_changes_a_sentence_changes_the_version(change: dict[str, object]) -> None:
    assert Rulebook(replace(PROFILE, **change), 5).version != BOOK.version  # type: ignore[arg-type]


def test_the_version_follows_margin_and_content_only() -> None:
    assert Rulebook(load_profile("cwmbran"), 5).version == BOOK.version != Rulebook(PROFILE, 6).version
    assert BOOK.version.startswith(PROFILE.version + ".")


# -- the corner cases


def judged(*slices: Slice, school: School = SCHOOL, profile: Profile = PROFILE) -> Counter[tuple[str, str]]:
    """Minutes by outcome and reason, one service at a time."""
    judge = Assessor(school, small_catalogue(), profile, TableBindings(PEOPLE))
    clients = Clients()
    traffic, counts = gather(slice_rows(slices), clients, judge.scope)
    found: Counter[tuple[str, str]] = Counter()
    for tables in judge.rows(traffic, clients, window_starts(traffic, counts), counts).values():
        rows = tables.get("use_day", {})
        for n in range(len(rows.get("school", []))):
            if (rows["level"][n], rows["people"][n]) == ("service", "all"):
                found[str(rows["outcome"][n]), str(rows["reason"][n])] += int(str(rows["minutes"][n]))
    return found


def use(clock: str, client: str = "10.0.0.1", service: str = "facebook", minutes: int = 4) -> list[Slice]:
    return [Slice(minute(clock) + n, client, service, down=2_000_000, bursts=4) for n in range(minutes)]


@pytest.mark.parametrize(
    ("slices", "outcome", "reason"),
    [
        (use(TEACHING), "outside_allowed", "episode"),
        (use(TEACHING, service="youtube"), "count_only", "dual_use"),
        (use(TEACHING, "10.0.0.3", "youtube"), "count_only", "dual_use"),
        (use(LUNCH, service="youtube"), "count_only", "dual_use"),
        (use(TEACHING, "10.0.0.6", "youtube"), "count_only", "dual_use"),
        (use(TEACHING, "10.0.0.5"), "count_only", "assigned_device"),  # grade C never more than counted
        (use(LUNCH, "10.0.0.5"), "allowed", "allowed_time"),
        (use(IN_P2, "10.0.0.2"), "count_only", "non_contact"),
        (use(TEACHING, "10.0.0.6"), "unknown", "shared_device"),
        (use(LUNCH, "10.0.0.6"), "unknown", "shared_device"),  # nobody's, so no timetable either
        (use(TEACHING, "10.0.0.7"), "unknown", "several_people"),
        (use(TEACHING, "10.0.0.8"), "unknown", "locked"),
        (use(TEACHING, "10.0.0.99"), "unknown", "no_person"),
        (use(TEACHING, "10.0.0.3"), "official_possible", "official_site"),
        (use(TEACHING, "10.0.0.4"), "official_possible", "official_site"),
        (use(BELL, "10.0.0.3"), "official_possible", "official_site"),  # official goes before the bell's doubt
        (use(LUNCH, "10.0.0.3"), "official_possible", "official_site"),
        (use(TEACHING, "10.0.0.3", "instagram"), "outside_allowed", "episode"),  # of that service only
        (use("10:56"), "unknown", "boundary"),
        (use("11:00"), "allowed", "allowed_time"),  # the bell's doubt is for the person's good
        (use(BELL, minutes=2), "count_only", "incidental"),  # so few are held against nobody on either side
        (use(BELL, "10.0.0.5", minutes=2), "unknown", "boundary"),
        (use(TEACHING, minutes=2), "count_only", "incidental"),
    ],
)
def test_each_corner_has_its_outcome(slices: list[Slice], outcome: str, reason: str) -> None:
    assert judged(*slices) == {(outcome, reason): len(slices)}
    assert step_of(Outcome(outcome), Reason(reason)).reasons >= {Reason(reason)}


def test_an_ignored_service_is_not_stored() -> None:
    assert judged(*use(TEACHING, service="wikipedia")) == {}


@pytest.mark.parametrize(
    ("change", "clock", "outcome", "reason"),
    [
        ({"head_approved_on": None}, TEACHING, "unknown", "site_unapproved"),
        ({"moderators": (5,)}, TEACHING, "unknown", "site_unapproved"),
        ({"review_on": None}, IN_P2, "count_only", "non_contact"),  # counted whichever account it was
        ({"head_approved_on": None}, LUNCH, "allowed", "allowed_time"),  # allowed whichever account it was
        ({"head_approved_on": None}, BELL, "count_only", "non_contact"),
        ({"closure": DAY - timedelta(1)}, TEACHING, "unknown", "site_closed"),
        ({"closure": DAY - timedelta(14)}, TEACHING, "unknown", "site_closed"),
        ({"closure": DAY - timedelta(15)}, TEACHING, "outside_allowed", "episode"),
        ({"go_live": DAY + timedelta(1)}, TEACHING, "outside_allowed", "episode"),
    ],
)
def test_a_site_that_lacks_something_makes_doubt_and_no_more(
    change: dict[str, object], clock: str, outcome: str, reason: str
) -> None:
    site = replace(SITE, **change)  # type: ignore[arg-type]
    minutes = 2 if clock == BELL else 4
    found = judged(*use(clock, "10.0.0.3", minutes=minutes), school=replace(SCHOOL, official_sites=(site,)))
    assert found == {(outcome, reason): minutes}


@pytest.mark.parametrize("day", ["2026-11-16", "2026-11-17", ""])
def test_non_contact_is_counted_until_the_date_in_the_profile(day: str) -> None:
    until = DAY.fromisoformat(day) if day else None
    found = judged(*use(IN_P2, "10.0.0.2"), profile=replace(PROFILE, non_contact_counted_until=until))
    counted = ("count_only", "non_contact") if day != "2026-11-16" else ("outside_allowed", "episode")
    assert found == {counted: 4}


def test_what_the_profile_allows_is_allowed() -> None:
    from pipeline.words import State

    profile = replace(PROFILE, allow=PROFILE.allow | {State.NON_CONTACT})
    assert judged(*use(IN_P2, "10.0.0.2"), profile=profile) == {("allowed", "allowed_time"): 4}
    assert judged(*use(TEACHING), profile=profile) == {("outside_allowed", "episode"): 4}


def test_a_small_school_that_keeps_sums_looks_nobody_up() -> None:
    few = replace(SCHOOL, staff=SCHOOL.staff[:9], official_sites=())
    assert judged(*use(TEACHING), school=few) == {("unknown", "too_few_people"): 4}
    ten = replace(SCHOOL, staff=SCHOOL.staff[:10])
    assert judged(*use(TEACHING), school=ten) == {("outside_allowed", "episode"): 4}


# -- several outcomes in one minute, and groups


def test_a_minute_counts_once_for_all_services_by_its_gravest_outcome() -> None:
    """Facebook, for an official site, and Instagram beside it; and a dual-use service that hides nothing."""
    both = [*use(TEACHING, "10.0.0.3"), *use(TEACHING, "10.0.0.3", "instagram"), *use(TEACHING, "10.0.0.3", "youtube")]
    assert judged(*both) == {
        ("official_possible", "official_site"): 4,
        ("outside_allowed", "episode"): 4,
        ("count_only", "dual_use"): 4,
    }
    judge = Assessor(SCHOOL, small_catalogue(), PROFILE, TableBindings(PEOPLE))
    clients = Clients()
    traffic, counts = gather(slice_rows(both), clients, judge.scope)
    rows = judge.rows(traffic, clients, window_starts(traffic, counts), counts)
    everything: Counter[tuple[str, str, str]] = Counter()
    for tables in rows.values():
        day = tables["use_day"]
        for n, minutes in enumerate(day["minutes"]):
            if day["level"][n] != "service" and day["people"][n] == "all":
                everything[str(day["level"][n]), str(day["kind"][n]), str(day["outcome"][n])] += int(str(minutes))
    assert everything == {
        ("kind", "social_networking", "outside_allowed"): 4,
        ("kind", "content_sharing", "count_only"): 4,
        ("all", "", "outside_allowed"): 4,
    }


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 4), st.integers(1, 20)), max_size=30))
def test_no_level_has_more_minutes_or_a_milder_outcome(made: list[tuple[int, int, int, int]]) -> None:
    rows = [(who, label, at, out) for (who, label, at), out in {(w, s, o % 3): o for w, s, o, _ in made}.items()]
    column = [np.array([row[n] for row in rows], np.int64) for n in range(4)]
    zero = np.zeros(len(rows), np.int64)
    found = levels(
        Outcomes(column[0], column[1], column[2], zero, zero, zero, column[3], zero, zero + 1, zero + 2),
        Labels(("a", "b", "c", "d"), np.array([0, 0, 1, 1]), ("x", "y"), (("", ""),), ()),
    )
    sizes = [len(found.service), len(found.kind), len(found.all)]
    assert all(more >= fewer for more, fewer in pairwise(sizes))
    assert sizes[2] == len({(who, at) for who, _, at, _ in rows})
    rank = {outcome.code: n for n, outcome in enumerate(SEVERITY)}
    for who, at, out in zip(found.all.who.tolist(), found.all.minute.tolist(), found.all.outcome.tolist(), strict=True):
        assert rank[out] == min(rank[o] for w, _, m, o in rows if (w, m) == (who, at))
    assert found.all.up.sum() == len(rows)
    assert found.all.down.sum() == 2 * len(rows)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 1 << 16))
def test_no_group_and_no_difference_of_groups_has_fewer_than_ten_people(
    teachers: int, support: int, others: int, seed: int
) -> None:
    roles = ["teacher"] * teachers + ["support"] * support + ["volunteer"] * others
    random.Random(seed).shuffle(roles)
    groups = people_groups(roles)
    sizes = [int((groups.of_person == n).sum()) for n in range(len(groups.names))]
    assert all(size >= 10 for size in sizes)
    assert sum(sizes) in (0, len(roles)), "what is left over could be had by subtraction"
