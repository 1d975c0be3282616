"""The owner's door: another process asks the store that one holds, gets the same answers, and can change nothing."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipeline import access, door
from pipeline.door import Door, RemoteStore
from pipeline.jobs import JobRefused, Jobs
from pipeline.store import ChdbStore, StoreBusy, StoreError, open_store
from tests.pipeline.test_store_behaviour import coverage

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    folder = tmp_path_factory.mktemp("a folder whose name is much longer than names of sockets may be " + "x" * 60)
    with open_store(folder / "store") as store, Door(store):
        store.insert("coverage", coverage("ysgol", [1, 2, 3]), "b")
        yield store


@pytest.fixture
def remote(owner: ChdbStore) -> RemoteStore:
    return RemoteStore(owner.path, os.getpid())


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT school, day, start, metric, value FROM schoolgate.coverage WHERE school = {s:String} ORDER BY value",
        "SELECT {d:Date}, {t:DateTime('UTC')}, {a:Array(String)}, toFixedString('a', 2), 1.5, NULL",
        "SELECT 1 WHERE 0",
    ],
)
def test_answers_are_the_owners(owner: ChdbStore, remote: RemoteStore, sql: str) -> None:
    params = {"s": "ysgol", "d": date(2026, 1, 1), "t": datetime(2026, 1, 1, tzinfo=UTC), "a": ["'", "\\", "\t"]}
    assert remote.query(sql, params) == owner.query(sql, params)


def test_nothing_can_be_changed_through_it(owner: ChdbStore, remote: RemoteStore) -> None:
    for sql in ("DROP TABLE schoolgate.batch", "SELECT 1; DROP TABLE schoolgate.batch", "SET readonly = 0"):
        with pytest.raises(StoreError):
            remote.query(sql)
    for change in (
        lambda: remote.insert("coverage", coverage("ysgol", [9]), "x"),
        lambda: remote.delete("coverage", "1", {}),
        lambda: remote.execute("DROP TABLE schoolgate.batch"),
    ):
        with pytest.raises(StoreBusy, match=f"held by process {os.getpid()}"):
            change()
    assert owner.query("SELECT count() FROM schoolgate.coverage WHERE school = 'ysgol'").rows == [(3,)]
    assert owner.query("EXISTS TABLE schoolgate.batch").rows == [(1,)]


def test_errors_are_the_owners(remote: RemoteStore) -> None:
    with pytest.raises(StoreError, match="nothing"):
        remote.query("SELECT nothing FROM schoolgate.bell")
    with pytest.raises(StoreError, match="parameter `x` is not set"):
        remote.query("SELECT {x:String}")


def test_only_its_user_may_knock(owner: ChdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stat.S_IMODE((owner.path / door.NAME).stat().st_mode) == 0o600
    monkeypatch.setattr(door, "_user_of", lambda visitor: os.getuid() + 1000)
    with pytest.raises(StoreError, match="does not answer"):
        RemoteStore(owner.path, None).query("SELECT 1")


@pytest.mark.parametrize(
    "said", [b"", b"\n", b"{}\n", b"[1]\n", b'{"sql": 1, "params": {}}\n', b"\xff\xfe\n", b"x" * 5000]
)
def test_noise_does_no_harm(owner: ChdbStore, remote: RemoteStore, said: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as visitor, door._reached(owner.path) as place:
        visitor.connect(place)
        visitor.sendall(said)
        visitor.shutdown(socket.SHUT_WR)
        with visitor.makefile("rb") as answer:
            assert "error" in json.loads(answer.readline())
    assert remote.query("SELECT 1").rows == [(1,)]


READ = """
import sys
from pathlib import Path
from pipeline.door import read_store
with read_store(Path(sys.argv[1])) as store:
    print(type(store).__name__, store.query("SELECT sum(value) FROM schoolgate.coverage").rows)
"""


def read(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", READ, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_another_process_reads_while_the_owner_is_at_work(owner: ChdbStore) -> None:
    done = read(owner.path)
    assert (done.stdout, done.stderr) == ("RemoteStore [(6,)]\n", "")


def test_a_folder_that_is_free_is_opened(tmp_path: Path) -> None:
    assert read(tmp_path / "store").stdout == "ChdbStore [(0,)]\n"


HOLD = """
import os, sys
from pathlib import Path
from pipeline.door import Door
from pipeline.store import open_store
store = open_store(Path(sys.argv[1]))
if sys.argv[2] == "door":
    Door(store).__enter__()
print("open", flush=True)
sys.stdin.read()
"""


def test_an_owner_without_a_door_is_named_and_a_killed_one_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "store"
    for doors in ("none", "door", "door"):
        command = [sys.executable, "-c", HOLD, str(path), doors]
        holder = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        done = read(path)
        if doors == "none":
            assert f"StoreBusy: {path}: the store is held by process {holder.pid}" in done.stderr
        else:
            assert done.stdout == "RemoteStore [(0,)]\n"
        holder.kill()
        holder.communicate()
    assert (path / door.NAME).exists()  # as the kill left it
    assert read(path).stdout == "ChdbStore [(0,)]\n"


@pytest.fixture
def doing(tmp_path_factory: pytest.TempPathFactory, owner: ChdbStore) -> Iterator[RemoteStore]:
    """The owner, doing jobs meanwhile."""
    jobs = Jobs()

    def tell_all(asked: Mapping[str, object], who: Mapping[str, str], tell: object) -> Mapping[str, object]:
        assert callable(tell)
        for n in range(3):
            tell(f"{n} of 3")
        if "rows" in asked:
            owner.insert("coverage", coverage("jobs", [1]), "jobs")
        if "fail" in asked:
            raise ValueError("no, because of the rain")
        return {"asked": dict(asked), "who": dict(who)}

    jobs.start({"tell": tell_all})
    (owner.path / door.NAME).rename(owner.path / "aside")
    with Door(owner, jobs):
        yield RemoteStore(owner.path, os.getpid())
    (owner.path / "aside").rename(owner.path / door.NAME)
    jobs.stop()


def test_a_job_is_done_by_the_owner_who_says_how_far_it_is(owner: ChdbStore, doing: RemoteStore) -> None:
    said: list[str] = []
    asked = {"rows": "'; DROP TABLE schoolgate.coverage", "who": {"account": "head"}}
    done = doing.have_done("tell", asked, said.append)
    assert said == ["0 of 3", "1 of 3", "2 of 3"]
    assert done["asked"] == asked
    assert done["who"] == {"account": access.account_of(os.getuid())}, "who asks is whose process it is"
    assert owner.query("SELECT count() FROM schoolgate.coverage WHERE school = 'jobs'").rows == [(1,)]
    with pytest.raises(JobRefused, match="no, because of the rain"):
        doing.have_done("tell", {"fail": 1}, said.append)
    with pytest.raises(JobRefused, match="there is no job 'DROP'"):
        doing.have_done("DROP", {}, said.append)
    with pytest.raises(StoreError, match="KiB"):
        doing.have_done("tell", {"much": "x" * 100_000}, said.append)
    with pytest.raises(StoreError, match="too long"):
        doing.have_done("tell", {"much": "x" * (2 << 20)}, said.append)


def test_who_does_no_jobs_is_named(remote: RemoteStore) -> None:
    with pytest.raises(StoreBusy, match=f"held by process {os.getpid()}"):
        remote.have_done("retag", {}, print)
