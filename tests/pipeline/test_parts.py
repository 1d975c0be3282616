"""What a full disk tears is found before it is acknowledged, and comes once when it is sent again.

The tears are made here by cutting files short, as the engine leaves them on a disk without a free byte.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import parts
from pipeline.store import ChdbStore, StoreError, open_store
from tests.chaos.rounds import disk
from tests.chaos.rounds import fill as take_all
from tests.pipeline.test_store_behaviour import coverage, totals

ROOT = Path(__file__).parents[2]


def tear(store: ChdbStore, level: int) -> int:
    """Cuts a file of each part of table `coverage` with that level short; returns how many parts."""
    found = store.query(
        f"SELECT path FROM system.parts WHERE table = 'coverage' AND active AND level {'>' if level else '='} 0"
    ).rows
    for (path,) in found:
        os.truncate(Path(str(path)) / "columns.txt", 0)
    return len(found)


def test_a_torn_insert_is_not_acknowledged_and_comes_when_it_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(tmp_path / "store") as store:
        store.execute("SYSTEM STOP MERGES schoolgate.coverage")
        store.insert("coverage", coverage("ysgol", [1, 2]), "before")
        mend = parts.mend

        def torn(select: parts.Select, execute: parts.Execute, table: str, since: int) -> bool:
            newest = "SELECT path FROM system.parts WHERE table = 'coverage' AND active ORDER BY name DESC LIMIT 1"
            os.truncate(Path(str(select(newest)[0][0])) / "columns.txt", 0)
            return mend(select, execute, table, since)

        monkeypatch.setattr(parts, "mend", torn)
        with pytest.raises(StoreError, match="the disk filled up while rows of coverage were written; make room"):
            store.insert("coverage", coverage("ysgol", [5]), "torn")
        monkeypatch.undo()
        assert totals(store, "ysgol") == (2, 3)
        for _ in range(2):
            store.insert("coverage", coverage("ysgol", [5]), "torn")
            store.insert("coverage", coverage("ysgol", [1, 2]), "before")
        assert totals(store, "ysgol") == (3, 8)


def test_a_torn_merge_goes_and_its_sources_are_there_again(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        for n in range(3):
            store.insert("coverage", coverage("ysgol", [n]), f"b{n}")
        store.execute("OPTIMIZE TABLE schoolgate.coverage FINAL")
        assert tear(store, level=1) == 1
        store.look()
        assert totals(store, "ysgol") == (3, 3)
        for n in range(4):
            store.insert("coverage", coverage("ysgol", [n]), f"b{n}")
        assert totals(store, "ysgol") == (4, 6), "it still knows what it has"
        assert store.query("SELECT count() FROM system.detached_parts").rows == [(0,)]


def test_who_is_killed_before_a_tear_is_found_sends_the_batch_again(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from pipeline import parts
from pipeline.store import open_store
from tests.pipeline.test_parts import tear
from tests.pipeline.test_store_behaviour import coverage
store = open_store(Path(sys.argv[1]))
def killed(*_):
    tear(store, level=0)
    os.kill(os.getpid(), 9)
parts.mend = killed
store.insert("coverage", coverage("ysgol", [7]), "torn")
"""
    words = [sys.executable, "-c", script, str(tmp_path / "store")]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -9
    with open_store(tmp_path / "store") as store:
        assert totals(store, "ysgol") == (0, 0)
        store.insert("coverage", coverage("ysgol", [7]), "torn")
        assert totals(store, "ysgol") == (1, 7)
        assert store.query("SELECT count() FROM system.detached_parts").rows == [(0,)], "nothing old stays beside"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a small disk")
def test_on_a_disk_that_fills_up_again_and_again_what_is_acknowledged_is_there(tmp_path: Path) -> None:
    with disk(tmp_path / "small") as small, open_store(small / "store") as store:
        kept = 0
        for n in range(12):
            with (small / "ballast").open("wb", buffering=0) as ballast:
                free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
                ballast.write(bytes(max(0, free - (1 << 20) - (n << 12))))
                try:
                    kept += store.insert("coverage", coverage("ysgol", [1] * 200), f"b{n}")
                except StoreError:
                    take_all(ballast)
            (small / "ballast").unlink()
            if not kept or totals(store, "ysgol")[0] < 200 * (n + 1):
                kept += store.insert("coverage", coverage("ysgol", [1] * 200), f"b{n}")
            assert totals(store, "ysgol") == (200 * (n + 1), 200 * (n + 1))
