"""The policy profile: the shipped one is sound, and a broken one is told with line and mend."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.profile import Profile, ProfileError, load_profile, parse_profile, shipped_profiles
from pipeline.rules import BY_ID, RULES
from pipeline.words import Outcome, State
from sensor.catalogue import load_catalogue
from sensor.words import Action, Kind

SMALL = """\
id = "small"
title = "Small"
[clauses]
"6.13" = "text"
[time]
clause = "6.13"
allow = ["break", "lunch"]
[use]
episode_minutes = 3
[[service]]
id = "youtube"
[[service]]
id = "tiktok"
action = "count_only"
"""


def test_the_shipped_profile_is_this_schools_policy() -> None:
    profile = load_profile("cwmbran")
    assert {"2.3", "6.11", "6.13", "8.1"} <= set(profile.clauses)
    assert "during break/lunch if not on duty" in profile.clauses[profile.clause]
    assert profile.allow == {State.BREAK, State.LUNCH, State.OUTSIDE_HOURS, State.NON_WORKING_DAY}
    assert profile.non_contact is Outcome.COUNT_ONLY
    assert (profile.down_bytes, profile.client_bursts, profile.episode_gap_min, profile.episode_minutes) == (
        100_000,
        5,
        5,
        3,
    )
    assert profile.down_bytes_of("youtube") == 1_000_000
    assert profile.down_bytes_of("facebook") == 100_000
    assert (profile.client_bursts_of("whatsapp"), profile.answer_bytes_of("whatsapp")) == (1, 100)
    assert profile.answer_bytes_of("facebook") == profile.limits_of("facebook")["answer_bytes"] == 800


@pytest.mark.parametrize("name", shipped_profiles())
def test_shipped_profiles_name_services_of_the_catalogue(name: str) -> None:
    assert set(load_profile(name).services) <= set(load_catalogue().services)


def test_the_version_follows_the_content() -> None:
    first, again = parse_profile(SMALL.encode(), "p"), parse_profile(SMALL.encode(), "q")
    changed = parse_profile(SMALL.replace("episode_minutes = 3", "episode_minutes = 4").encode(), "p")
    assert first.version == again.version != changed.version
    assert first.version.startswith("small.")


def test_a_profile_of_the_school_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "cwmbran.toml").write_text(SMALL)
    assert load_profile("cwmbran", tmp_path).id == "small"
    assert load_profile("cwmbran", tmp_path / "elsewhere").id == "cwmbran"
    with pytest.raises(ProfileError, match=r"no policy profile 'nowhere'; use cwmbran"):
        load_profile("nowhere", tmp_path)


def test_overrides_by_service() -> None:
    profile = parse_profile(SMALL.encode(), "p")
    assert profile.action_of("tiktok", Action.TAG) is Action.COUNT_ONLY
    assert profile.action_of("youtube", Action.TAG) is Action.TAG
    assert profile.action_of("facebook", Action.IGNORE) is Action.IGNORE


def test_the_catalogue_speaks_as_far_as_the_kind_lets_it() -> None:
    text = SMALL.replace("[use]", '[kinds]\nforum = "count_only"\nblog = "tag"\n[use]')
    profile = parse_profile(text.encode(), "p")
    for own, kind, becomes in (
        (Action.TAG, Kind.FORUM, Action.COUNT_ONLY),
        (Action.IGNORE, Kind.FORUM, Action.IGNORE),
        (Action.COUNT_ONLY, Kind.BLOG, Action.COUNT_ONLY),  # dual use stays dual use
        (Action.TAG, Kind.BLOG, Action.TAG),
        (Action.TAG, Kind.PODCAST, Action.TAG),  # of which the profile says nothing
    ):
        assert profile.action_of("anything", own, kind) is becomes
    assert profile.action_of("tiktok", Action.TAG, Kind.BLOG) is Action.COUNT_ONLY, "the service's own entry holds"


def test_every_kind_of_the_policy_is_spoken_of() -> None:
    assert set(load_profile("cwmbran").kinds) == set(Kind)


def test_a_profile_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ours.toml").write_text(SMALL)
    assert load_profile("policies/ours.toml", tmp_path).id == "small"
    assert load_profile(str(tmp_path / "policies" / "ours.toml"), tmp_path / "elsewhere").id == "small"
    with pytest.raises(ProfileError, match=r"^policy_profile: there is no file .*/gone\.toml; correct the path$"):
        load_profile("gone.toml", tmp_path)


def test_every_clause_that_a_site_can_lack_is_one_of_the_policy() -> None:
    profile = load_profile("cwmbran")
    assert {clause for _, clause in profile.official_sites.clauses} <= set(profile.clauses)
    assert all(clause for _, clause in profile.official_sites.clauses)


def test_non_contact_is_counted_up_to_the_date() -> None:
    dated = SMALL.replace("[use]", "non_contact_counted_until = 2027-03-25\n[use]")
    judged = SMALL.replace("[use]", 'non_contact = "outside_allowed"\n[use]')
    day = date(2027, 3, 25)

    def counts(text: str, on: date) -> bool:
        return parse_profile(text.encode(), "p").counts_non_contact(on)

    assert counts(SMALL, date(2099, 1, 1))
    assert counts(dated, day)
    assert not counts(dated, day.replace(day=26))
    assert not counts(judged, day)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "small"', 'id = "Small School"', "p.toml:1: id: "),
        ('title = "Small"\n', "", "p.toml:1: title: Field required; add it"),
        ('clause = "6.13"', 'clause = "6.14"', "p.toml:6: time.clause: there is no clause '6.14' under [clauses]"),
        ('"lunch"]', '"lunhc"]', "p.toml:7: time.allow.1: "),
        ("episode_minutes = 3", "episode_minutes = 0", "p.toml:9: use.episode_minutes: "),
        ("episode_minutes = 3", "episode_gap_min = 6", "p.toml:9: use.episode_gap_min: "),
        ("episode_minutes = 3", "support_within_s = 61", "p.toml:9: use.support_within_s: "),
        ("episode_minutes = 3", "episodes = 3", "p.toml:9: use.episodes: Extra inputs are not permitted; remove it"),
        ('action = "count_only"', 'action = "punish"', "p.toml:14: service.1.action: "),
        ('"lunch"]', '"absent"]', "p.toml:7: time.allow: 'absent' is never certain, so it cannot be allowed; correct"),
        ("[use]", '[kinds]\nblog = "punish"\n[use]', "p.toml:9: kinds.blog: Input should be 'tag', 'count_only' or"),
        ("[use]", '[kinds]\nvlog = "tag"\n[use]', "p.toml:9: kinds.vlog"),
        ("[use]", "[official_sites]\nadministrators = -1\n[use]", "p.toml:9: official_sites.administrators: Input sh"),
        ("[use]", "[official_sites]\nadmins = 2\n[use]", "p.toml:9: official_sites.admins: Extra inputs are not"),
        (
            "[use]",
            '[official_sites.clauses]\nhead = "A.9"\n[use]',
            "p.toml:9: official_sites.clauses.head: there is no clause 'A.9' under [clauses]; correct its value",
        ),
        ('id = "tiktok"', 'id = "youtube"', "p.toml:10: service: 'youtube' appears twice"),
        ('id = "tiktok"', "id = ", "p.toml:13: not valid TOML"),
    ],
)
def test_a_broken_profile_is_told_with_line_and_mend(old: str, new: str, message: str) -> None:
    assert old in SMALL
    with pytest.raises(ProfileError) as error:
        parse_profile(SMALL.replace(old, new, 1).encode(), "p.toml")
    assert str(error.value).startswith(message)
    assert "; " in str(error.value) or "(" in str(error.value)
    assert "\n" not in str(error.value)


def test_wrong_encoding_is_told() -> None:
    with pytest.raises(ProfileError, match=r"^p\.toml:2: not UTF-8; save the file as UTF-8$"):
        parse_profile('id = "x"\ntitle = "Ysgol Pêl"\n'.encode("latin-1"), "p.toml")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_give_a_profile_or_one_clear_error(data: bytes) -> None:
    try:
        found: object = parse_profile(data, "p.toml")
    except ProfileError as error:
        found = str(error)
    assert isinstance(found, Profile) or str(found).startswith("p.toml:")


def test_every_rule_has_a_sentence_that_its_limits_fill() -> None:
    limits = load_profile("cwmbran").limits_of("youtube")
    for rule in RULES:
        sentence = rule.sentence(limits)
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "{" not in sentence
        assert rule.cited(limits) == {"id": rule.id, "version": rule.version, "sentence": sentence}
    assert list(BY_ID) == [f"E{n}" for n in range(1, 16)]
    assert "1000 KB" in BY_ID["E3"].sentence(limits)
