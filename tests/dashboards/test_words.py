"""Words for people: every word of the pipeline has one, and none of them accuses."""

from __future__ import annotations

from datetime import date

import pytest

from dashboards import words
from pipeline.words import Outcome, Reason
from sensor.words import Kind


def test_every_outcome_and_kind_has_a_name() -> None:
    assert set(words.LOOKS) == set(Outcome)
    assert set(words.KINDS) == set(Kind)


def test_every_reason_for_unknown_says_what_to_do() -> None:
    never_unknown = {
        *(Reason.NON_WORKING_DAY, Reason.OUTSIDE_HOURS, Reason.SCHEDULED, Reason.NON_CONTACT, Reason.BREAK_NOT_ON_DUTY),
        *(Reason.ALLOWED_TIME, Reason.ASSIGNED_DEVICE, Reason.DUAL_USE, Reason.OFFICIAL_SITE),
        *(Reason.INCIDENTAL, Reason.EPISODE),
    }
    assert set(words.MENDS) | set(words.LEFT_UNKNOWN) == set(Reason) - never_unknown
    assert not set(words.MENDS) & set(words.LEFT_UNKNOWN)


def test_no_word_accuses() -> None:
    told = [
        *(f"{v.label} {v.about}" for v in words.LOOKS.values()),
        *words.MENDS.values(),
        *words.LEFT_UNKNOWN.values(),
    ]
    for bad in ("breach", "offend", "violat", "score", "culprit", "abuse"):
        assert not [t for t in told if bad in t.lower()]


def test_words_from_a_newer_store_are_shown_as_they_stand() -> None:
    assert (words.kind_name("hologram"), words.sentence_of("moonlight"), words.mend_of("moonlight")) == (
        "hologram",
        "moonlight",
        "",
    )
    assert words.service_name("our-own") == "our-own"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0 %"), (0.001, "< 1 %"), (0.5, "50 %"), (0.999, "> 99 %"), (1.0, "100 %")],
)
def test_shares_never_round_to_none_or_all(value: float | None, text: str) -> None:
    assert words.share(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(950, "950"), (9_500, "9,500"), (41_200, "41.2 k"), (234_000, "234 k"), (41_200_000, "41.2 M")]
)
def test_big_counts_have_three_figures(count: int, text: str) -> None:
    assert words.big(count) == text


def test_dates_are_english_on_any_machine() -> None:
    assert words.long_day(date(2026, 11, 17)) == "Tuesday 17 November 2026"
    assert words.short_day(date(2026, 3, 1)) == "Sun 1 Mar"


def test_when_names_a_majority_only() -> None:
    assert words.when({"lunch": 60, "lesson": 30}) == "at lunch"
    assert words.when({"lunch": 30, "break": 30, "lesson": 40}) == "in break and at lunch"
    assert words.when({"": 30, "lesson": 30, "break": 30}) == ""
    assert words.when({}) == ""
