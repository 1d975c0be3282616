"""Every command while another process has the store: it works, or says in one line what to do instead."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from deploy.commands import run
from deploy.jobs import have_done
from pipeline.door import Door, RemoteStore
from pipeline.jobs import Jobs
from pipeline.store import StoreBusy, StoreError
from tests.deploy.command import SCRIPT, contents, many, schoolgate_well
from tests.deploy.holding import PATIENCE_S, SETTINGS, held, make_school
from tests.pipeline.desks import HEAD, NM, STAFF
from tests.pipeline.judging import DAY, small_files
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


def episodes(school: Path) -> list[dict[str, Any]]:
    done = schoolgate_well("why", "--school", school, "--day", DAY, "--list", "--json")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_what_changes_the_store_is_done_by_the_process_that_has_it(school: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(school, tmp_path / "alone", symlinks=True))
    first, second = (one["episode"] for one in episodes(school)[:2])

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


def test_decisions_and_removal_by_age(school: Path) -> None:
    at, text = ["--school", str(school)], ["--text", "The cover sheet says so."]
    first = episodes(school)[0]["episode"]
    opened = ["contest", "open", first, "--reason", "cover", *text, *at, "--as", "chair_of_governors/Mair Lloyd"]
    with held(school) as holder:
        ((status, out, err),) = many([opened])
        assert status == 0, err
        contest = out.split()[1]
        said = many(
            [
                ["contest", "uphold", contest, *text, *at, "--as", NM],
                ["contest", "uphold", contest, *text, *at, "--as", HEAD],
                ["contest", "reject", contest, *text, *at, "--as", HEAD],
                ["why", first, *at, "--as", HEAD],
                ["retention", *at, "--json"],
                ["store", "prepare", "--config", str(school)],
                ["backup", "--store", str(school / "schoolgate.toml")],
                ["serve", "--store", str(school / "store"), "--port", "0"],
            ]
        )
        holder.stop()
    assert [status for status, _, _ in said] == [1, 0, 1, 0, 0, 0, 0, 3], said
    assert said[1][1] == f"Contest {contest} is upheld; the episode is withdrawn and out of the sums.\n"
    assert "is upheld already" in said[2][2]
    assert "withdrawn" in said[3][1]
    assert {"minute_mark", "episode"} <= {proof["what"] for proof in json.loads(said[4][1])}
    assert "the process that has it made them so" in said[5][1]
    assert f"the store is held by process {holder.process.pid}" in said[7][2]


def test_what_cannot_be_done_meanwhile_says_what_to_do(school: Path, tmp_path: Path) -> None:
    capture = tmp_path / "day.pcap"
    capture.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    schoolgate_well("backup", "--store", school / "store")
    (backup,) = (school / "store-backups").glob("[0-9]*")
    other = Path(shutil.copytree(school, tmp_path / "other", ignore=shutil.ignore_patterns("store*")))
    with held(school) as holder:
        said = many(
            [
                ["restore", str(backup), "--store", str(school / "store")],
                ["replay", str(capture), "--school", str(school), "--store", str(school / "store")],
                ["retag", "--school", str(other), "--store", str(school / "store")],
            ]
        )
        holder.stop()
    assert [status for status, _, _ in said] == [3, 3, 1], said
    for n, (_, _, err) in enumerate(said):
        (line,) = (line for line in err.splitlines() if not line.startswith("schoolgate: note: "))
        assert line.startswith("schoolgate: ")
        assert n == 2 or f"held by process {holder.process.pid}" in line
    assert "restore into a new folder" in said[0][2].replace("\n", "")
    assert "Replay into one of its own (--store NEW)" in said[1][2]
    assert f"works for {school / 'schoolgate.toml'}" in said[2][2]


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
    with Door(None, jobs, school / "spool"):
        done = have_done(school, None, "retag", {"import_id": "7"}, print)
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
