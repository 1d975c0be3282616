"""`schoolgate backup` and `restore`, as a user types them; the owner of the store is at work."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import schoolgate as commands
from pipeline.backup import BACKED_UP
from pipeline.backup_files import kept
from pipeline.door import Door
from pipeline.store import open_store
from tests.deploy.command import contents, schoolgate, schoolgate_well
from tests.pipeline.test_backup import fill


def run(*words: object) -> Result:
    return CliRunner().invoke(commands, [*map(str, words)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, and a backup of it that another process made through the owner's door."""
    folder = tmp_path_factory.mktemp("place")
    with open_store(folder / "store") as store, Door(store):
        fill(store)
        done = schoolgate_well("backup", "--store", folder / "store", "--keep", "3")
        refused = schoolgate("restore", *kept(folder / "store-backups"), "--store", folder / "store")
    assert done.stdout.startswith(f"{folder}/store-backups/")
    assert refused.returncode == 3
    assert "the store is held by process" in refused.stderr
    return folder


def test_what_another_process_backed_up_is_what_comes_back(place: Path) -> None:
    (backup,) = kept(place / "store-backups")
    assert "all as they were written" in run("restore", backup, "--check").stdout
    done = run("restore", backup, "--store", place / "copy")
    assert (done.exit_code, " rows restored" in done.stdout) == (0, True), done.stderr
    there, copy = contents(place / "store"), contents(place / "copy")
    aged = {"minute_mark", "mark_former", "episode"}  # counted from today, which is not the day of the rows
    sums = [table.name for table in BACKED_UP if table.engine == "MergeTree" and table.name not in aged]
    assert {name: copy[name] for name in sums} == {name: there[name] for name in sums}
    again = run("restore", backup, "--store", place / "copy")
    assert again.exit_code == 1
    assert "something in this store already" in again.stderr


def test_wrong_uses_end_in_one_clear_line(place: Path, tmp_path: Path) -> None:
    done = run("restore", place / "store-backups", "--store", tmp_path / "copy")
    assert (done.exit_code, "name one of them, as" in done.stderr) == (1, True)
    done = run("restore", tmp_path, "--store", tmp_path / "copy")
    assert (done.exit_code, "this is no whole backup" in done.stderr) == (1, True)
    done = run("restore", *kept(place / "store-backups"))
    assert (done.exit_code, "--store is needed" in done.stderr) == (2, True)
    assert run("backup", "--store", tmp_path / "nothing").exit_code == 2
    settings = tmp_path / "schoolgate.toml"
    settings.write_text('[school]\nid = "ysgol"\nname = "Y"\nzone = "Europe/London"\n[store]\nbackups = "b"\n')
    done = run("backup", "--store", settings)
    assert (done.exit_code, "there is no store" in done.stderr) == (1, True)
    (tmp_path / "file").write_text("x")
    done = run("backup", "--store", place / "store", "--to", tmp_path / "file")
    assert done.exit_code == 2
