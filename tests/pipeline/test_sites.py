"""The register of official sites: what it asks for, whose use it makes official or doubtful, what falls due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.profile import load_profile
from pipeline.rows import OfficialSite, Staff
from pipeline.school import School
from pipeline.sitechecks import SITES, site_facts
from pipeline.sites import Standing, lacks, site_people, standing
from pipeline.words import Reason
from sensor.health import Finding, Severity
from tests.pipeline.judging import DAY, SERVICES, small_school

PROFILE = load_profile("cwmbran")
RULES, CLAUSES = PROFILE.official_sites, PROFILE.clauses
SCHOOL = small_school()
(GOOD,) = SCHOOL.official_sites  # facebook; T03 and T04 administer it, T05 and T06 moderate it; until 2027-07-01


def with_sites(*sites: OfficialSite, staff: Sequence[Staff] = SCHOOL.staff) -> School:
    return replace(SCHOOL, official_sites=sites, staff=tuple(staff))


def parts_lacking(site: OfficialSite, day: date = DAY) -> dict[str, str]:
    return {lack.part: lack.clause for lack in lacks(site, SCHOOL.staff, RULES, CLAUSES, day)}


def people(school: School, day: date = DAY) -> tuple[set[str], dict[str, Reason]]:
    """Who runs an official site on facebook, and whose use there is in doubt, and why."""
    found = site_people(school, RULES, SERVICES, day).get("facebook")
    if found is None:
        return set(), {}
    ids, reasons = [person.staff_id for person in school.staff], list(Reason)
    doubt = {ids[n]: reasons[code] for n, code in enumerate(found.doubt.tolist()) if code}
    return {ids[n] for n, yes in enumerate(found.official.tolist()) if yes}, doubt


def test_a_complete_site_is_official_for_its_team() -> None:
    assert parts_lacking(GOOD) == {}
    assert people(SCHOOL) == ({"T03", "T04", "T05", "T06"}, {})


@pytest.mark.parametrize(
    ("change", "part", "clause"),
    [
        ({"administrators": (3,)}, "administrators", "A.5.4"),
        ({"administrators": (3, 3)}, "administrators", "A.5.4"),  # the same person twice is one
        ({"administrators": ()}, "administrators", "A.5.4"),
        ({"moderators": (5,)}, "moderators", "B"),
        ({"line_manager": ""}, "line_manager", "A.3.2"),
        ({"lm_approved_on": None}, "line_manager", "A.3.2"),
        ({"network_manager": ""}, "network_manager", "A.3.2"),
        ({"nm_approved_on": None}, "network_manager", "A.3.2"),
        ({"nm_approved_on": DAY + timedelta(1)}, "network_manager", "A.3.2"),
        ({"head": "", "head_approved_on": None}, "head", "A.3.2"),
        ({"head_approved_on": None}, "head", "A.3.2"),
        ({"go_live": None}, "go_live", "B"),
        ({"closure": None}, "closure", "A.1.6"),
        ({"closure": date(2025, 1, 1)}, "closure", "A.1.6"),  # before it goes live
        ({"review_on": None}, "review_on", "A.1.7"),
    ],
)
def test_what_lacks_is_told_with_its_clause_and_protects_from_a_tag_only(
    change: dict[str, object], part: str, clause: str
) -> None:
    site = replace(GOOD, **change)  # type: ignore[arg-type]
    assert parts_lacking(site) == {part: clause}
    (lack,) = lacks(site, SCHOOL.staff, RULES, CLAUSES, DAY)
    text = str(lack)
    assert text.startswith(f"official_sites.csv:{GOOD.line}: site 1: ")
    assert f'(clause {clause}: "{CLAUSES[clause]}")' in text
    assert "; " in text.split("(clause")[0], "the mend"
    official, doubt = people(with_sites(site))
    assert official == set()
    team = {f"T{n:02}" for n in (*site.administrators, *site.moderators)}
    assert doubt == dict.fromkeys(team, Reason.SITE_UNAPPROVED)


def test_everything_that_lacks_is_told_at_once() -> None:
    bare = replace(GOOD, administrators=(), moderators=(), line_manager="", network_manager="", head="")
    bare = replace(bare, go_live=None, closure=None, review_on=None)
    assert list(parts_lacking(bare)) == [name for name, _ in RULES.clauses]


def test_who_has_left_counts_no_more() -> None:
    staff = list(SCHOOL.staff)
    staff[4] = replace(staff[4], contract_end=DAY - timedelta(1))
    school = with_sites(GOOD, staff=staff)
    (lack,) = lacks(GOOD, school.staff, RULES, CLAUSES, DAY)
    assert "it has 1 administrator of the 2 it needs (1 named there is not in post)" in str(lack)
    assert people(school)[0] == set()
    assert people(school, DAY - timedelta(1))[0] == {"T03", "T04", "T05", "T06"}


@pytest.mark.parametrize(
    ("day", "stands", "official", "reason"),
    [
        ("2026-01-04", Standing.PLANNED, 0, None),
        ("2026-01-05", Standing.OFFICIAL, 4, None),
        ("2027-07-01", Standing.OFFICIAL, 4, None),
        ("2027-07-02", Standing.JUST_CLOSED, 0, Reason.SITE_CLOSED),
        ("2027-07-15", Standing.JUST_CLOSED, 0, Reason.SITE_CLOSED),
        ("2027-07-16", Standing.CLOSED, 0, None),
    ],
)
def test_from_going_live_to_two_weeks_after_closure(
    day: str, stands: Standing, official: int, reason: Reason | None
) -> None:
    on = date.fromisoformat(day)
    assert standing(GOOD, SCHOOL.staff, RULES, CLAUSES, on) is stands
    found, doubt = people(SCHOOL, on)
    assert len(found) == official
    assert set(doubt.values()) == ({reason} if reason else set())


def test_an_official_site_beside_a_doubtful_one_leaves_no_doubt() -> None:
    other = replace(GOOD, site_id="2", administrators=(3, 7), head_approved_on=None)
    official, doubt = people(with_sites(other, GOOD))
    assert official == {"T03", "T04", "T05", "T06"}
    assert set(doubt) == {"T07"}


@given(
    st.lists(st.integers(0, 20), max_size=4),
    st.lists(st.integers(0, 20), max_size=4),
    st.tuples(*[st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31))] * 6),
    st.dates(date(2026, 1, 1), date(2028, 2, 1)),
)
def test_nobody_is_official_and_in_doubt_and_a_refused_site_never_exposes_its_team(
    administrators: list[int], moderators: list[int], dates: tuple[date | None, ...], day: date
) -> None:
    lm, nm, head, live, closure, review = dates
    site = replace(
        GOOD,
        administrators=tuple(administrators),
        moderators=tuple(moderators),
        lm_approved_on=lm,
        nm_approved_on=nm,
        head_approved_on=head,
        go_live=live,
        closure=closure,
        review_on=review,
    )
    school = with_sites(site)
    official, doubt = people(school, day)
    team = {f"T{n:02}" if n < 14 else f"S{n - 14:02}" for n in (*administrators, *moderators)}
    stands = standing(site, school.staff, RULES, CLAUSES, day)
    assert not official & set(doubt)
    assert official | set(doubt) == (set() if stands in (Standing.PLANNED, Standing.CLOSED) else team)
    if stands is Standing.OFFICIAL:
        assert live is not None
        assert live <= day
        assert len(set(administrators)) >= 2 <= len(set(moderators))
        assert all(on is not None and on <= day for on in (lm, nm, head))
    assert bool(lacks(site, school.staff, RULES, CLAUSES, day)) or stands is not Standing.REFUSED


def test_a_service_may_be_named_as_people_name_it() -> None:
    named = replace(GOOD, service="Facebook".lower())
    assert people(with_sites(named))[0]
    by_name = {"fb": replace(SERVICES["facebook"], id="fb")}
    assert set(site_people(with_sites(named), RULES, by_name, DAY)) == {"fb"}
    assert site_people(with_sites(replace(GOOD, service="facebok")), RULES, SERVICES, DAY) == {}


# -- what falls due


def findings(*sites: OfficialSite, day: date = DAY) -> dict[str, Finding]:
    found = SITES.examine(site_facts(with_sites(*sites), PROFILE, SERVICES, day))
    return {finding.id: finding for finding in found}


def test_all_is_well() -> None:
    found = findings(GOOD)
    assert {finding.severity for finding in found.values()} == {Severity.OK}
    assert {finding.severity for finding in findings().values()} == {Severity.OK}


def test_reviews_and_closures_are_remembered_in_time() -> None:
    assert "review due 2027-01-01 (in 28 days)" in findings(GOOD, day=date(2026, 12, 4))["sites_review"].sentence
    assert findings(GOOD, day=date(2026, 12, 3))["sites_review"].severity is Severity.OK
    late = findings(GOOD, day=date(2027, 1, 2))["sites_review"]
    assert (late.severity, "review due 2027-01-01 (1 day ago)" in late.sentence) == (Severity.WARN, True)
    assert "closes 2027-07-01 (today)" in findings(GOOD, day=date(2027, 7, 1))["sites_closing"].sentence
    closed = findings(GOOD, day=date(2027, 7, 2))["sites_closing"]
    assert "1 (facebook): closed 2027-07-01 (1 day ago)" in closed.sentence
    assert "stays unknown: 1 (facebook) until 2027-07-15" in closed.sentence
    assert findings(GOOD, day=date(2027, 7, 16))["sites_closing"].severity is Severity.OK


def test_refused_and_unknown_and_half_planned_sites_are_found() -> None:
    refused = findings(replace(GOOD, head=""), GOOD)["sites_approved"]
    assert refused.severity is Severity.WARN
    assert refused.sentence.startswith("1 of 2 live sites refused: 1 (facebook) lacks 1 thing; use by their people")
    assert findings(replace(GOOD, service="facebok"))["sites_service"].severity is Severity.WARN
    planned = replace(GOOD, go_live=DAY + timedelta(9), nm_approved_on=DAY + timedelta(8))
    assert findings(planned)["sites_planned"].severity is Severity.OK, "approved by the day it goes live"
    assert findings(replace(planned, moderators=()))["sites_planned"].severity is Severity.WARN
