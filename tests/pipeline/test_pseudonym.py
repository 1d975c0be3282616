"""Pseudonyms: stable within a term, different in the next, from a file that nobody else reads."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest

from pipeline.pseudonym import PseudonymError, Pseudonyms, term_of
from pipeline.rows import CalendarKind, CalendarRow


def test_a_person_keeps_one_pseudonym_through_a_term(tmp_path: Path) -> None:
    first = Pseudonyms(tmp_path / "keys")
    name = first.of("Autumn", "T01")
    assert first.of("Autumn", "T01") == name == Pseudonyms(tmp_path / "keys").of("Autumn", "T01")
    assert name != first.of("Autumn", "T02")
    assert name != first.of("Spring", "T01")
    assert "T01" not in name
    other = Pseudonyms(tmp_path / "other")
    assert name != other.of("Autumn", "T01"), "another key gives other pseudonyms"


def test_episode_ids_are_stable_and_keyed(tmp_path: Path) -> None:
    keys = Pseudonyms(tmp_path / "keys")
    assert keys.episode("Autumn", "T01", "facebook", "100") == keys.episode("Autumn", "T01", "facebook", "100")
    assert keys.episode("Autumn", "T01", "facebook", "100") != keys.episode("Autumn", "T01", "facebook1", "00")
    assert keys.episode("Autumn", "T01")[1:13] != keys.of("Autumn", "T01")[1:]


def test_the_file_is_made_when_needed_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys"
    keys = Pseudonyms(path)
    assert not path.exists()
    keys.of("Autumn", "T01")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    keys.of("Spring", "T01")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    Pseudonyms(tmp_path / "keys").of("Autumn", "T01")
    (tmp_path / "keys").chmod(0o640)
    with pytest.raises(PseudonymError, match="chmod 600"):
        Pseudonyms(tmp_path / "keys")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"Autumn": "zz"}', '{"Autumn": "00"}', '{"Autumn": 5}', "\xff"])
def test_a_broken_file_is_never_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(PseudonymError, match="keys:1: "):
        Pseudonyms(path)
    assert path.read_bytes() == content.encode("latin-1")


def test_a_key_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keys = Pseudonyms.__new__(Pseudonyms)
    keys.path, keys._keys = tmp_path / "file" / "keys", {}
    for _ in range(2):
        with pytest.raises(PseudonymError, match="cannot be kept"):
            keys.of("Autumn", "T01")


def test_terms_come_from_the_calendar() -> None:
    rows = tuple(
        CalendarRow(start, end, CalendarKind.TERM, name, None)
        for start, end, name in (
            (date(2026, 9, 1), date(2026, 12, 18), "Autumn 2026"),
            (date(2027, 1, 4), date(2027, 3, 24), ""),
        )
    )
    assert term_of(rows, date(2026, 9, 1)) == "Autumn 2026"
    assert term_of(rows, date(2026, 12, 25)) == "Autumn 2026", "a holiday belongs to the term before"
    assert term_of(rows, date(2027, 1, 4)) == "2027-01-04"
    assert term_of(rows, date(2026, 8, 31)) == "school year 2025"
    assert term_of((), date(2026, 9, 1)) == "school year 2026"


def test_a_key_that_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    long_at_work = Pseudonyms(tmp_path / "keys")
    before = long_at_work.of("Autumn", "T01")
    assert Pseudonyms(tmp_path / "keys").forget_terms([]) == 1, "somebody else, who has the file too"
    spring = long_at_work.of("Spring", "T01")
    fresh = Pseudonyms(tmp_path / "keys")
    assert list(fresh.terms_of("T01").values()) == [spring]
    assert fresh.of("Summer", "T01") == long_at_work.of("Summer", "T01"), "both go by the file"
    assert long_at_work.of("Autumn", "T01") != before
