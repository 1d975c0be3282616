"""The score itself: what it calls false, missed and certain, on minutes made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.days.score import Score, score
from tests.judged import Minute

NO, YES, BREAK = ("teaching", "no"), ("lunch", "yes"), ("non_contact", "no")


def deed(label: str, minutes: range, at: tuple[str, str] = NO, **more: Any) -> dict[str, Any]:
    """A deed of T01 with Facebook; level 2 for use, 1 for what nobody did."""
    level = more.pop("level", 2 if label in {"use", "official"} else 1)
    near, proved = more.pop("near", False), more.pop("proved", True)
    row = {"behaviour": label, "label": label, "staff_id": "T01", "device": "LT-1", "segment": "staff",
           "service": "facebook", "tagged": True, "hidden": False}  # fmt: skip
    return row | more | {"minutes": [[m, level, *at, near, proved] for m in minutes]}


def judged(minutes: range, outcome: str = "outside_allowed", user: str = "T01", person: bool = True) -> list[Minute]:
    return [Minute(user, person, "facebook", m, outcome, "episode", "B") for m in minutes]


def counts(found: Score) -> tuple[int, int, int, int]:
    return found.harmless.total(), found.false.total(), found.due.total(), found.missed.total()


def test_use_outside_the_allowed_times_that_is_found() -> None:
    assert counts(score([deed("use", range(4))], judged(range(4)), "")) == (0, 0, 4, 0)


def test_use_that_is_not_found_is_missed() -> None:
    assert counts(score([deed("use", range(4))], judged(range(3)), "")) == (0, 0, 4, 1)
    assert counts(score([deed("use", range(4))], judged(range(4), "unknown"), "")) == (0, 0, 4, 4)


@pytest.mark.parametrize("label", ["embedded", "background", "official"])
def test_what_is_no_personal_use_must_not_be_tagged(label: str) -> None:
    assert counts(score([deed(label, range(4))], judged(range(1, 4)), "")) == (4, 3, 0, 0)


def test_allowed_and_counted_use_must_not_be_tagged() -> None:
    assert counts(score([deed("use", range(4), YES)], judged(range(4)), "")) == (4, 4, 0, 0)
    assert counts(score([deed("use", range(4), BREAK)], judged(range(4)), "")) == (0, 4, 0, 0)
    assert counts(score([deed("use", range(4), tagged=False)], judged(range(4)), "")) == (0, 4, 0, 0)


def test_another_person_or_another_minute_is_false() -> None:
    found = score([deed("use", range(4))], judged(range(4), user="T02") + judged(range(9, 12)), "")
    assert counts(found) == (0, 7, 4, 4)
    assert set(found.false) == {"nothing scripted"}


def test_short_unproved_and_boundary_use_is_not_due() -> None:
    for rows in (
        [deed("use", range(2))],
        [deed("use", range(4), near=True)],
        [deed("use", range(4), proved=False)],
        [deed("use", range(4), level=1)],
        [deed("use", range(0, 40, 7))],
    ):
        assert counts(score(rows, [], ""))[2:] == (0, 0)
    assert counts(score([deed("use", range(0, 15, 5))], [], ""))[2:] == (3, 3)


def test_use_hides_a_tab_in_the_same_minute_but_its_ending_connection_does_not() -> None:
    assert counts(score([deed("background", range(4)), deed("use", range(4))], judged(range(4)), "")) == (0, 0, 4, 0)
    rows = [deed("background", range(4)), deed("use", range(4), level=0)]
    assert counts(score(rows, judged(range(4)), "")) == (4, 4, 0, 0)


def test_certain_is_found_and_not_unknown() -> None:
    rows = [deed("use", range(6)), deed("use", range(2), staff_id=None)]
    found = score(rows, judged(range(3)) + judged(range(3, 4), "unknown"), "")
    assert (found.used.total(), found.certain.total(), found.unfound.total()) == (8, 3, 2)
