"""A file replaced as a whole: its mode, what an earlier draft may be, and what is left when the disk refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sensor.durable import write_whole


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_replaced_and_keeps_the_mode_it_is_to_have(tmp_path: Path) -> None:
    path = tmp_path / "services.csv"
    write_whole(path, b"old")
    path.chmod(0o640)
    write_whole(path, b"new", like=path)
    assert (path.read_bytes(), mode(path)) == (b"new", 0o640)
    write_whole(path, b"hidden", like=path, private=True)
    assert (path.read_bytes(), mode(path)) == (b"hidden", 0o600)
    assert os.listdir(tmp_path) == ["services.csv"]


def test_a_draft_that_was_left_over_gives_neither_bytes_nor_mode(tmp_path: Path) -> None:
    (tmp_path / ".keys.new").write_bytes(b"a longer draft of one who was killed")
    (tmp_path / ".keys.new").chmod(0o644)
    write_whole(tmp_path / "keys", b"key", private=True)
    assert ((tmp_path / "keys").read_bytes(), mode(tmp_path / "keys")) == (b"key", 0o600)


def test_a_link_in_the_place_of_the_draft_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"not ours")
    (tmp_path / ".keys.new").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(tmp_path / "keys", b"key")
    assert (tmp_path / "elsewhere").read_bytes() == b"not ours"


def test_a_disk_that_refuses_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_whole(path, b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
