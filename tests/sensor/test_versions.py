"""A file with a past: every change can be taken back, byte for byte, also those made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor import versions
from sensor.versions import BY_HAND, VersionedFile, VersionError


@pytest.fixture
def file(tmp_path: Path) -> VersionedFile:
    return VersionedFile(tmp_path / "services.csv")


def put(file: VersionedFile, content: bytes, did: str = "a change") -> None:
    file.put(content, did, file.read())


def test_nothing_is_written_before_the_first_change(file: VersionedFile) -> None:
    assert (file.read(), file.history()) == (None, ())
    assert not file.folder.exists()


def test_changes_are_taken_back_one_by_one_until_there_is_no_file(file: VersionedFile) -> None:
    put(file, b"one\r\n")
    put(file, b"\xef\xbb\xbftwo")
    assert file.undo()[0].did == "a change"
    assert file.read() == b"one\r\n"
    file.undo()
    assert file.read() is None
    with pytest.raises(VersionError, match="there is no further change to take back"):
        file.undo()
    file.undo(to=2)
    assert file.read() == b"\xef\xbb\xbftwo"
    file.undo()
    assert file.read() is None, "one back from there is where it came from"


def test_an_edit_by_hand_is_a_version_too(file: VersionedFile) -> None:
    file.path.write_bytes(b"as found")
    put(file, b"by command")
    file.path.write_bytes(b"by hand")
    put(file, b"by command again")
    assert [version.did for version in file.history()] == ["as it was found", "a change", BY_HAND, "a change"]
    for expected in (b"by hand", b"by command", b"as found"):
        file.undo()
        assert file.read() == expected


def test_an_edit_by_hand_is_what_undo_takes_back_first(file: VersionedFile) -> None:
    put(file, b"by command")
    file.path.write_bytes(b"by hand")
    assert file.undo()[0].did == BY_HAND
    assert file.read() == b"by command"


def test_a_change_made_from_something_else_is_refused(file: VersionedFile) -> None:
    put(file, b"one")
    with pytest.raises(VersionError, match="somebody else has changed it meanwhile"):
        file.put(b"mine", "a change", b"what I saw")
    assert file.read() == b"one"


def test_no_change_to_take_back(file: VersionedFile) -> None:
    with pytest.raises(VersionError, match="there is no change to take back"):
        file.undo()
    put(file, b"one")
    with pytest.raises(VersionError, match="there is no version 7"):
        file.undo(to=7)


def test_a_copy_that_was_touched_is_not_used(file: VersionedFile) -> None:
    put(file, b"one")
    put(file, b"two")
    (file.folder / "0001.csv").write_bytes(b"forged")
    with pytest.raises(VersionError, match=r"0001\.csv: this copy is not as it was written; restore it"):
        file.undo()
    assert file.read() == b"two"


def test_a_broken_journal_is_told(file: VersionedFile) -> None:
    put(file, b"one")
    journal = file.folder / "journal.jsonl"
    journal.write_text(journal.read_text() + "{\n")
    with pytest.raises(VersionError, match=r"journal\.jsonl:3: this is no line of a journal"):
        file.history()


def test_whoever_is_killed_leaves_a_whole_file_and_a_way_back(
    file: VersionedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at each write in turn: the file is the old or the new one, and the old one can be had back."""
    put(file, b"old")
    write = versions.write_whole
    for deaths in range(1, 4):
        left = deaths

        def dying(path: Path, content: bytes, like: Path | None = None) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            write(path, content, like)

        monkeypatch.setattr(versions, "write_whole", dying)
        with pytest.raises(KeyboardInterrupt):
            put(file, b"new")
        monkeypatch.setattr(versions, "write_whole", write)
        assert file.read() in (b"old", b"new")
        if file.read() == b"new":
            file.undo()
        assert file.read() == b"old"


@settings(max_examples=12)
@given(st.lists(st.binary(max_size=20) | st.none(), max_size=8))
def test_undo_is_a_stack(tmp_path_factory: pytest.TempPathFactory, steps: list[bytes | None]) -> None:
    """Any mixture of changes (bytes) and undos (None) does what a stack does."""
    file = VersionedFile(tmp_path_factory.mktemp("stack") / "f.csv")
    stack: list[bytes | None] = [None]
    for step in steps:
        if step is not None:
            put(file, step)
            stack.append(step)
        elif len(stack) > 1:
            stack.pop()
            file.undo()
        else:
            with pytest.raises(VersionError):
                file.undo()
        assert file.read() == stack[-1]
    lines = (file.folder / "journal.jsonl").read_text().splitlines() if file.history() else []
    assert [json.loads(line)["number"] for line in lines] == list(range(len(lines)))
