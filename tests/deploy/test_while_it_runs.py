"""Every command while another process has the store: it works, or says in one line what to do instead."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from deploy.assembly import read_school
from deploy.commands import run
from deploy.jobs import have_done
from deploy.stores import on_own_servers
from pipeline.backup import back_up
from pipeline.door import Door, RemoteStore
from pipeline.jobs import Jobs
from pipeline.store import StoreBusy, StoreError, open_store
from tests.deploy.command import SCRIPT, contents, many, schoolgate_well
from tests.deploy.holding import PATIENCE_S, SETTINGS, held, make_school
from tests.pipeline.desks import HEAD, NM, STAFF
from tests.pipeline.judging import small_files
from tests.pipeline.test_contest import busy_day
from tests.pipeline.test_retag import HEADER, absent

WHEN = {"stored", "replaced", "run", "updated", "opened", "decided", "due", "applied", "changed"}
CORRECTION = "\n".join([HEADER, *(absent(n, slot) for n in range(14) for slot in ("P1", "P2", "P3")), ""])


@pytest.fixture(scope="module")
def at_first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The school with its day stored, and a correction in force that the day was not judged by."""
    school = make_school(tmp_path_factory.mktemp("first") / "school", busy_day(1))
    (school.parent / "exceptions.csv").write_text(CORRECTION)
    schoolgate_well("import", school.parent / "exceptions.csv", "--school", school, "--apply")
    return school


@pytest.fixture
def school(at_first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(at_first, tmp_path / "school", symlinks=True))


def rows(school: Path) -> dict[str, list[str]]:
    """All that is stored, but for when it was."""
    return {
        table: sorted(json.dumps({k: v for k, v in row.items() if k not in WHEN}, sort_keys=True) for row in found)
        for table, found in contents(school / "store").items()
    }


def merged(school: Path) -> dict[str, list[str]]:
    """The same, sums added up as the engine does some time."""
    found = rows(school)
    for name in ("use_five", "use_period", "use_day"):
        sums: dict[str, list[int]] = {}
        for row in map(json.loads, found[name]):
            key = json.dumps({k: v for k, v in row.items() if k not in ("minutes", "bytes_up", "bytes_down")})
            one = sums.setdefault(key, [0, 0, 0])
            for n, column in enumerate(("minutes", "bytes_up", "bytes_down")):
                one[n] += int(row[column])
        found[name] = sorted(f"{key} {one}" for key, one in sums.items() if any(one))
    return found


def episodes(school: Path) -> list[str]:
    """The episodes of a store that nobody has."""
    with open_store(school / "store") as store:
        found = store.query("SELECT id FROM schoolgate.episode GROUP BY id ORDER BY min(start), id").rows
    return [str(id_) for (id_,) in found]


def test_what_changes_the_store_is_done_by_the_process_that_has_it(school: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(school, tmp_path / "alone", symlinks=True))
    first, second = episodes(school)[:2]

    def words(folder: Path) -> list[list[str]]:
        at, text = ["--school", str(folder)], ["--text", "The cover sheet says so."]
        return [
            ["retag", *at, "--dry-run", "--json"],
            ["contest", "open", first, "--reason", "cover", *text, *at, "--as", HEAD],
            ["contest", "open", second, "--reason", "other", *text, *at, "--as", STAFF],
            ["contest", "open", first, "--reason", "cover", *text, *at, "--as", HEAD],
            ["retag", *at, "--import", "1", "--json"],
            ["retag", *at, "--import", "1", "--json"],
            ["retag", *at, "--import", "x1"],
            ["retag", *at, "--import", "7"],
        ]

    with held(school) as holder:
        said = many(words(school))
        holder.stop()
    assert said == [(status, out, err.replace(str(alone), str(school))) for status, out, err in many(words(alone))], (
        "the same words as where nobody has the store"
    )
    assert [status for status, _, _ in said] == [0, 0, 1, 1, 0, 0, 1, 1], said
    (before,), (done,), (again,) = (json.loads(said[n][1]) for n in (0, 4, 5))
    assert before["changed"] == done["changed"] > 10
    assert again["changed"] == 0
    assert "contested already" in said[3][2]
    assert "no import 00x1 was ever put in force; there is 0001" in said[6][2]
    assert "no import 0007" in said[7][2]
    assert merged(school) == merged(alone)
    trails = [
        [(e["action"], e["result"]) for e in map(json.loads, (folder / "audit.jsonl").read_text().splitlines())]
        for folder in (school, alone)
    ]
    assert trails[0] == trails[1]
    assert ("retag.done", "done") in trails[0]


def test_the_other_commands_work_or_say_what_to_do(school: Path, tmp_path: Path) -> None:
    at, text = ["--school", str(school)], ["--text", "The cover sheet says so."]
    store, settings = str(school / "store"), str(school / "schoolgate.toml")
    first = episodes(school)[0]
    contest = "c" + hashlib.sha256(f"small/{first}/0".encode()).hexdigest()[:10]
    capture = tmp_path / "day.pcap"
    capture.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    other = Path(shutil.copytree(school, tmp_path / "other", ignore=shutil.ignore_patterns("store*")))
    with open_store(school / "store") as free:
        backup = back_up(free, tmp_path / "backups", reserve=0).folder
    with held(school) as holder:
        said = many(
            [
                ["contest", "open", first, "--reason", "cover", *text, *at, "--as", "chair_of_governors/Mair Lloyd"],
                ["contest", "uphold", contest, *text, *at, "--as", NM],
                ["contest", "uphold", contest, *text, *at, "--as", HEAD],
                ["contest", "reject", contest, *text, *at, "--as", HEAD],
                ["why", first, *at, "--as", HEAD],
                ["retention", *at, "--json"],
                ["store", "prepare", "--config", str(school)],
                ["backup", "--store", settings],
                ["retag", "--school", str(other), "--store", store],
                ["serve", "--store", store, "--port", "0"],
                ["replay", str(capture), *at, "--store", store],
                ["restore", str(backup), "--store", store],
            ]
        )
        holder.stop()
    assert [status for status, _, _ in said] == [0, 1, 0, 1, 0, 0, 0, 0, 1, 3, 3, 3], said
    assert said[2][1] == f"Contest {contest} is upheld; the episode is withdrawn and out of the sums.\n"
    assert "is upheld already" in said[3][2]
    assert "withdrawn" in said[4][1]
    assert {"minute_mark", "episode"} <= {proof["what"] for proof in json.loads(said[5][1])}
    assert "the process that has it made them so" in said[6][1]
    assert f"works for {settings}" in said[8][2]
    for n, instead in ((9, "use the pages that it serves"), (10, "Replay into one of its own"), (11, "a new folder")):
        (line,) = (line for line in said[n][2].splitlines() if not line.startswith("schoolgate: note: "))
        assert line.startswith(f"schoolgate: {store}: the store is held by process {holder.process.pid}")
        assert instead in line


def test_killed_in_the_middle_it_is_done_by_asking_again(school: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(school, tmp_path / "alone", symlinks=True))
    ((status, _, err),) = many([["retag", "--school", str(alone)]])
    assert status == 0, err
    store, plan = RemoteStore(school / "store", None), "SELECT count() FROM schoolgate.minute_mark WHERE revision > 0"

    def planned() -> bool:
        """Are the new marks there? Then all that follows from them is being stored."""
        try:
            return store.query(plan).rows != [(0,)]
        except StoreError:
            return False

    command = [str(SCRIPT), "retag", "--school", str(school)]
    with held(school) as holder:
        asked = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        holder.until("the plan", lambda: planned() or asked.poll() is not None)
        holder.kill()
        _, err = asked.communicate(timeout=PATIENCE_S)
    assert (asked.returncode, err.count("\n")) in ((1, 1), (0, 0)), err
    assert asked.returncode == 0 or "the owner of the store" in err
    with held(school) as holder:
        twice = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        said = [one.communicate(timeout=PATIENCE_S)[0] for one in twice]
        assert [one.returncode for one in twice] == [0, 0]
        holder.stop()
    assert all("minutes judged anew, 0 changed" in out for out in said), "the next start has finished it"
    assert merged(school) == merged(alone)


def test_run_waits_for_a_command_that_has_the_store_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store, tries, stopping = RemoteStore(tmp_path, None), [0], threading.Event()

    def opened() -> Any:
        tries[0] += 1
        if tries[0] < 3:
            raise StoreBusy(tmp_path, 1)
        return store

    monkeypatch.setattr(stopping, "wait", lambda seconds: False)
    assert run._patiently(opened, stopping) is store
    assert capsys.readouterr().err.count("waiting up to 60 s") == 1
    tries[0] = -1000
    monkeypatch.setattr(stopping, "wait", lambda seconds: True)
    assert run._patiently(opened, stopping) is None, "it was stopped meanwhile"
    monkeypatch.setattr(run, "BUSY_S", -1.0)
    with pytest.raises(StoreBusy):
        run._patiently(opened, stopping)


def test_where_the_store_is_on_servers_run_is_asked_at_its_spool(tmp_path: Path) -> None:
    school = tmp_path / "school"
    school.mkdir()
    (school / "schoolgate.toml").write_text(SETTINGS + '[store]\nservers = ["127.0.0.1:1"]\n')
    for name, lines in small_files().items():
        (school / name).write_text("\n".join([*lines, ""]))
    (school / "spool").mkdir()
    jobs = Jobs()
    jobs.start({"retag": lambda asked, who, tell: {"days": [], "kept": [], "told": dict(asked)}})
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(SETTINGS + '[store]\nservers = ["127.0.0.1:2"]\n')
    own = read_school(school).settings.store
    assert [on_own_servers(given, own) for given in (None, school / "schoolgate.toml", elsewhere, tmp_path)] == [
        True,
        True,
        False,
        False,
    ], "with another store `run` has no door there either"
    with Door(None, jobs, school / "spool"):
        done = have_done(school, None, "retag", {"import_id": "7"}, print)
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:2"):
            have_done(school, elsewhere, "retag", {}, print)
        with pytest.raises(StoreError, match="not a question"):
            RemoteStore(school / "spool", None).query("SELECT 1")
    jobs.stop()
    assert done["told"] == {
        "school": str(school / "schoolgate.toml"),
        "first": None,
        "last": None,
        "import_id": "7",
        "dry_run": False,
    }
    with pytest.raises(StoreError, match=r"127\.0\.0\.1"):
        have_done(school, None, "retag", {}, print)
