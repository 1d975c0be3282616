"""The embedded store: its folder, its one owner, and what it says when it cannot be had. What it does with rows and
questions is in test_store_behaviour, with the servers.

chDB holds one folder a process: what needs another process runs in one.
"""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from chdb.session import Session

from pipeline.store import ChdbStore, StoreBusy, StoreError, open_store

ROOT = Path(__file__).parents[2]
DAY = date(2026, 11, 17)
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
FAILS_LATE = (
    "SELECT number, throwIf(number = 70000) FROM numbers(100000) SETTINGS max_block_size = 1000, max_threads = 1"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with open_store(tmp_path_factory.mktemp("store") / "school's store") as opened:
        yield opened


@pytest.fixture
def school() -> str:
    return f"ysgol-{uuid.uuid4().hex[:12]}"


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process of its own that runs a script of this project."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, text=True, **pipes)


def test_chdb_still_gives_a_failed_querys_bytes_to_the_next(store: ChdbStore) -> None:
    """The reason for a handle a query. The day this fails, chDB is mended and handles could be kept."""
    handle = Session(str(store.path))
    with pytest.raises(RuntimeError):
        handle.query(FAILS_LATE, "TSV")
    assert len(handle.query("SELECT 47", "TSV").bytes()) > 100_000
    handle.close()


def test_a_batch_is_remembered_by_each_table_and_after_reopening(tmp_path: Path) -> None:
    script = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from pipeline.store import open_store
row = {"school": ["a"], "day": [date(2026, 11, 17)], "start": [datetime(2026, 11, 17, tzinfo=UTC)]}
row |= {"policy": ["p"], "catalogue": ["c"], "timetable": ["t"]}
for _ in range(2):
    with open_store(Path(sys.argv[1])) as store:
        store.insert("coverage", row | {"metric": ["packets"], "value": [1]}, "b")
        store.insert("bell", row | {"slot": ["P1"], "kind": ["lesson"], "end": row["start"], "week": ["A"]}, "b")
        store.execute("OPTIMIZE TABLE schoolgate.coverage FINAL")
        print(*(store.query(f"SELECT count() FROM schoolgate.{t}").rows for t in ("coverage", "bell")))
"""
    process = python(script, tmp_path / "store")
    out, err = process.communicate(timeout=150)
    assert (process.returncode, out, err) == (0, "[(1,)] [(1,)]\n" * 2, "")


def test_a_second_opening_shares_and_a_second_path_is_refused(store: ChdbStore, tmp_path: Path) -> None:
    with open_store(store.path) as again:
        assert again.query("SELECT 1").rows == [(1,)]
    again.close()
    with pytest.raises(StoreError, match="the store is closed"):
        again.query("SELECT 1")
    assert store.query("SELECT 1").rows == [(1,)]
    with pytest.raises(StoreError, match=r"this process has the store .* open, and a process can hold one only"):
        open_store(tmp_path / "other")
    assert not (tmp_path / "other").exists()


HOLD = """
import sys
from pathlib import Path
from pipeline.store import open_store
with open_store(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""
TRY = """
import sys
from pathlib import Path
from pipeline.store import StoreBusy, open_store
try:
    open_store(Path(sys.argv[1])).close()
except StoreBusy as busy:
    print(busy.holder)
    sys.exit(str(busy))
print("free")
"""


def test_a_second_process_is_told_who_holds_the_store_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "store"
    holder = python(HOLD, path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    second = python(TRY, path)
    out, err = second.communicate(timeout=150)
    assert (second.returncode, out) == (1, f"{holder.pid}\n")
    assert err.count("\n") == 1
    assert f"{path}: the store is held by process {holder.pid} ({sys.executable} -c" in err
    assert f"wait until it ends, or stop it (kill {holder.pid})" in err
    holder.communicate(timeout=150)
    third = python(TRY, path)
    assert third.communicate(timeout=150) == ("free\n", "")


def test_processes_that_open_at_once_are_one_owner_and_clear_refusals(tmp_path: Path) -> None:
    path = tmp_path / "store"
    processes = [python(TRY, path) for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=150)
        opened = out == "free\n" and (not err or "Cannot lock file" in err)  # the engine's own word when it had to wait
        assert opened or "the store is held by" in err, (out, err)


def test_one_path_after_another_in_one_process(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from pipeline.store import open_store
for name in "abab":
    with open_store(Path(sys.argv[1], name)) as store:
        print(store.query("SELECT count() FROM schoolgate.schema_version").rows)
"""
    out, err = python(script, tmp_path).communicate(timeout=150)
    assert (out, err) == ("[(1,)]\n" * 4, "")


def test_a_forked_process_is_refused_instead_of_hanging(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from pipeline.store import StoreError, open_store
store = open_store(Path(sys.argv[1]))
if os.fork() == 0:
    for attempt in (lambda: store.query("SELECT 1"), lambda: open_store(Path(sys.argv[1]))):
        try:
            attempt()
        except StoreError as error:
            print("spawn" in str(error), flush=True)
    os._exit(0)
os.wait()
print(store.query("SELECT 1").rows)
"""
    process = python(script, tmp_path / "store")  # ends without closing: that must be harmless, too
    assert process.communicate(timeout=150) == ("True\nTrue\n[(1,)]\n", "")
    assert process.returncode == 0


def test_a_folder_that_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from pipeline.store import StoreError, open_store
for path in sys.argv[1:]:
    try:
        open_store(Path(path))
    except StoreError as error:
        print(error)
"""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("keep me")
    (tmp_path / "file").write_text("")
    paths = [tmp_path / "letters", tmp_path / "file", tmp_path / "what?", Path("/proc/nothing/here")]
    out, err = python(script, *paths).communicate(timeout=150)
    lines = out.splitlines()
    assert [line.split(": ")[0] for line in lines] == list(map(str, paths)), err
    assert "holds something else" in lines[0]
    assert "folder cannot be used" in lines[1]
    assert "without it" in lines[2]
    assert "folder cannot be used" in lines[3]
    assert [p.name for p in (tmp_path / "letters").iterdir()] == ["mine.txt"]


def test_busy_can_be_told_apart() -> None:
    assert issubclass(StoreBusy, StoreError)
    assert issubclass(StoreError, ValueError)
    assert "held by another process, and" in str(StoreBusy(Path("/x"), None))


def test_the_embedded_engine_keeps_no_logs_of_its_own(store: ChdbStore) -> None:
    store.query("SELECT 1")
    own = "SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree'"
    assert store.query(own).rows == []
