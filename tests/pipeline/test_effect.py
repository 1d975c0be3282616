"""The effect of another catalogue on the last week: what is known, what is bounded, what is not known at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.effect import Effect, Week, as_text, effects, last_week
from pipeline.profile import Profile, load_profile, parse_profile
from pipeline.store import ChdbStore, open_store
from sensor.catalogue import Catalogue, Hit, Match, Service
from sensor.words import Action, Kind, Role
from tests.pipeline.judging import SERVICES

PROFILE = replace(load_profile("cwmbran"), services={})
HOSTS = {(Match.SUFFIX, f"{name}.com"): Hit(name, Role.PRIMARY) for name in SERVICES}
OLD = Catalogue("v1", SERVICES, HOSTS, {})
WEEK = Week(
    date(2026, 11, 11),
    date(2026, 11, 17),
    {
        ("facebook", "outside_allowed"): 40,
        ("facebook", "allowed"): 100,
        ("facebook", "count_only"): 7,
        ("youtube", "count_only"): 500,
    },
    {("youtube", "lesson"): 300, ("youtube", "lunch"): 150, ("youtube", ""): 50},
    33,
)


def effect_of(new: Catalogue, profile: Profile = PROFILE) -> Effect:
    (found,) = effects(OLD, new, profile, WEEK)
    return found


def changed(service: str, **words: object) -> Catalogue:
    return Catalogue("v2", {**SERVICES, service: replace(SERVICES[service], **words)}, HOSTS, {})  # type: ignore[arg-type]


def test_the_same_catalogue_has_no_effect() -> None:
    assert effects(OLD, OLD, PROFILE, WEEK) == ()
    assert "none: no service changes" in as_text((), WEEK)


def test_what_would_only_be_counted_is_known_to_the_minute() -> None:
    found = effect_of(changed("facebook", action=Action.COUNT_ONLY))
    assert found.changed == (140, 140)
    assert found.moves == (("allowed", "count_only", 100), ("outside_allowed", "count_only", 40))


def test_what_would_be_judged_anew_is_bounded_and_said_so() -> None:
    found = effect_of(changed("youtube", action=Action.TAG))
    assert (found.changed, found.moves) == ((0, 500), (("count_only", "judged one by one", 500),))
    (told,) = found.notes
    assert "is not in the sums" in told
    assert "lesson 300, lunch 150" in told
    assert "at most 500 would fall outside the allowed times" in told


def test_what_would_be_ignored_is_stored_no_more() -> None:
    found = effect_of(changed("facebook", action=Action.IGNORE))
    assert found.changed == (147, 147)
    assert {becomes for _, becomes, _ in found.moves} == {"stored no more"}


def test_of_what_was_ignored_nothing_is_known() -> None:
    found = effect_of(changed("wikipedia", action=Action.COUNT_ONLY))
    assert (found.changed, found.moves) == ((0, 0), ())
    assert "all ignored services together had 33 active minutes" in found.notes[0]


def test_another_kind_moves_all_minutes() -> None:
    found = effect_of(changed("youtube", kind=Kind.PODCAST))
    assert found.changed == (500, 500)
    assert found.moves == (("kind content_sharing", "kind podcast", 500),)


def test_a_new_service_is_not_in_any_sum() -> None:
    new = Service("ourspace", "OurSpace", Kind.FORUM, Action.TAG, SERVICES["facebook"].status, "")
    hosts = {**HOSTS, (Match.SUFFIX, "ourspace.example"): Hit("ourspace", Role.PRIMARY)}
    found = effect_of(Catalogue("v2", {**SERVICES, "ourspace": new}, hosts, {}))
    assert (found.before, found.after, found.changed) == (None, ("forum", "tag"), (0, 0))
    assert "nothing is known of its use" in found.notes[0]


def test_a_service_that_goes_is_known_to_the_minute() -> None:
    rest = {name: service for name, service in SERVICES.items() if name != "facebook"}
    hosts = {key: hit for key, hit in HOSTS.items() if hit.service != "facebook"}
    found = effect_of(Catalogue("v2", rest, hosts, {}))
    assert (found.after, found.changed) == (None, (147, 147))


def test_a_name_that_is_taken_out_is_bounded_by_the_service() -> None:
    hosts = {**HOSTS, (Match.SUFFIX, "news.facebook.com"): None}
    assert effect_of(Catalogue("v2", SERVICES, hosts, {})).changed == (0, 147)
    hosts = {**HOSTS, (Match.SUFFIX, "news.example"): None}
    assert effects(OLD, Catalogue("v2", SERVICES, hosts, {}), PROFILE, WEEK) == (), "it was no service's"
    moved = {**HOSTS, (Match.SUFFIX, "facebook.com"): Hit("facebook", Role.WIDGET)}
    found = effect_of(Catalogue("v2", SERVICES, moved, {}))
    assert found.changed == (0, 147)
    assert "sums keep no host names" in found.notes[0]


def test_what_the_profile_says_holds_whatever_the_catalogue_says() -> None:
    text = (
        'id = "p"\ntitle = "P"\n[clauses]\n"1" = "x"\n[time]\nclause = "1"\nallow = []\n'
        '[[service]]\nid = "youtube"\naction = "count_only"\n'
    )
    found = effect_of(changed("youtube", action=Action.TAG), parse_profile(text.encode(), "p"))
    assert (found.changed, found.moves) == ((0, 0), ())
    assert "the policy profile says count_only for this service" in found.notes[0]


def test_a_name_alone_changes_no_outcome() -> None:
    found = effect_of(changed("facebook", name="FB"))
    assert (found.changed, found.notes) == ((0, 0), ("no outcome changes",))


@given(
    st.sampled_from(sorted(SERVICES)),
    st.sampled_from(Action),
    st.sampled_from(Kind),
    st.sampled_from(sorted(SERVICES)),
    st.sampled_from(Action),
)
def test_bounds_are_bounds_and_text_says_each(one: str, action: Action, kind: Kind, two: str, other: Action) -> None:
    new = {**SERVICES, one: replace(SERVICES[one], action=action, kind=kind)}
    new[two] = replace(new[two], action=other)
    found = effects(OLD, Catalogue("v2", new, HOSTS, {}), PROFILE, WEEK)
    assert {effect.service for effect in found} == {s for s in SERVICES if SERVICES[s] != new[s]}
    text = as_text(found, WEEK)
    for effect in found:
        low, high = effect.changed
        assert 0 <= low <= high <= effect.minutes
        assert f"({effect.service})" in text
        assert effect.moves or effect.notes
    back = effects(Catalogue("v2", new, HOSTS, {}), OLD, PROFILE, WEEK)
    assert [effect.service for effect in back] == [effect.service for effect in found]


# -- from the store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with open_store(tmp_path_factory.mktemp("effect") / "store") as store:
        yield store


def test_an_empty_store_has_no_week(store: ChdbStore) -> None:
    assert last_week(store, "nobody") is None


def test_the_week_is_the_last_seven_days_of_the_school_alone(store: ChdbStore, tmp_path: Path) -> None:
    last = date(2026, 11, 17)
    days = [last, last - timedelta(6), last - timedelta(7), last + timedelta(1)]
    schools = ["a", "a", "a", "b"]
    n = len(days)
    shared = {
        "school": schools,
        "day": days,
        "level": ["service"] * n,
        "people": ["all"] * n,
        "kind": ["forum"] * n,
        "service": ["facebook"] * n,
        "outcome": ["allowed"] * n,
        "reason": ["allowed_time"] * n,
        "minutes": [1, 10, 100, 1000],
        "bytes_up": [0] * n,
        "bytes_down": [0] * n,
        "policy": ["p"] * n,
        "catalogue": ["c"] * n,
        "timetable": ["t"] * n,
    }
    store.insert("use_day", shared, "day")
    store.insert("use_period", {**shared, "period": ["P1"] * n, "period_kind": ["lesson"] * n}, "period")
    week = last_week(store, "a")
    assert week is not None
    assert (week.first, week.last) == (last - timedelta(6), last)
    assert week.by_outcome == {("facebook", "allowed"): 11}
    assert week.by_slot == {("facebook", "lesson"): 11}
    assert week.minutes("facebook") == 11
