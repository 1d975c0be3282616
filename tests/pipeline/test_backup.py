"""Backup and restore: what comes back is what was there, table by table; what is broken, full or too old is said."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import backup_files as files
from pipeline import restore
from pipeline.backup import BACKED_UP, back_up, half_stored, prints
from pipeline.backup_age import thin_out
from pipeline.backup_files import Backup, BackupError
from pipeline.native import Values
from pipeline.schema import BY_NAME, VERSIONS
from pipeline.store import ChdbStore, Store, batches, open_store
from pipeline.windows import batch_key
from tests.chaos.rounds import disk
from tests.chaos.rounds import fill as take_all
from tests.pipeline.engines import engine
from tests.pipeline.test_store_behaviour import SAMPLES, coverage

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 17, 12, tzinfo=UTC).timestamp()
TODAY = date(2026, 11, 17)


def row_of(table: str, day: date = TODAY, school: str = "ysgol", name: str = "", **own: object) -> dict[str, object]:
    """One row of that day."""
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp())
    row: dict[str, object] = {}
    for column, kind in BY_NAME[table].types.items():
        row[column] = day if kind == "Date" else noon if "DateTime" in kind else SAMPLES[kind][0]
    row |= {"school": school} | ({"zone": "Europe/London"} if table == "school_info" else {})
    row |= {"reason": "cover", "status": "rejected", "applied": 1} if table == "contest" else {}
    return row | ({"id": name or f"{table}-{day}"} if "id" in row else {}) | own


def put(store: Store, table: str, *rows: dict[str, object]) -> None:
    """Stores rows that `row_of` makes."""
    store.insert(table, {name: [row[name] for row in rows] for name in rows[0]}, str(rows))


def fill(store: Store) -> None:
    """Rows in every table, of two months, two days, two schools."""
    for table in BACKED_UP:
        days = (TODAY - timedelta(5 if "mark" in table.name else 20), TODAY, TODAY - timedelta(1))
        put(store, table.name, *(row_of(table.name, day, who, f"{day}") for day in days for who in ("ysgol", "arall")))
    store.insert("coverage", coverage("ysgol", [5, 5, 6]), "more")  # two rows that are alike


def rows_of(store: Store, school: str = "") -> dict[str, list[str]]:
    """All rows of all tables, as they hold."""
    found = {}
    for table in BACKED_UP:
        final = " FINAL" if table.engine.startswith("Replacing") else ""
        names = ", ".join(f"`{name}`" for name in table.types)
        where = f" WHERE school = '{school}'" if school else ""
        rows = store.query(f"SELECT {names} FROM schoolgate.`{table.name}`{final}{where}").rows
        found[table.name] = sorted(map(str, rows))
    return found


@contextmanager
def made(folder: Path, **options: object) -> Iterator[tuple[ChdbStore, Backup]]:
    """A store with rows, and a backup of it."""
    with open_store(folder / "store") as store:
        fill(store)
        yield store, back_up(store, folder / "backups", now=lambda: NOW, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Backup:
    with made(tmp_path_factory.mktemp("made")) as (_, backup):
        return backup


@pytest.fixture
def backup(pristine: Backup, tmp_path: Path) -> Backup:
    """A backup that a test may harm."""
    return replace(pristine, folder=shutil.copytree(pristine.folder, tmp_path / "backups" / pristine.folder.name))


@pytest.mark.parametrize("source", ["chdb", "server"])
def test_every_table_comes_back_equal_on_either_engine(source: str, tmp_path: Path) -> None:
    with engine(source, tmp_path / "source") as tested:
        fill(tested.store)
        there, ours = rows_of(tested.store), rows_of(tested.store, "ysgol")
        whole = back_up(tested.store, tmp_path / "whole", now=lambda: NOW)
        one = back_up(tested.store, tmp_path / "one", "ysgol", now=lambda: NOW)
        if source == "server":
            assert whole.rows > one.rows
            with pytest.raises(BackupError, match=r"something in this store already .* of use_five"):
                restore.restore_server(one, tested.store, "council", NOW)
            for table in BACKED_UP:
                tested.store.delete(table.name, "school = {s:String}", {"s": "ysgol"})
            done = restore.restore_server(one, tested.store, "council", NOW)
            assert (done.too_old, rows_of(tested.store)) == (0, there)
    done = restore.restore_folder(whole, tmp_path / "copy", NOW)
    assert done.too_old == 0
    with open_store(tmp_path / "copy") as store:
        assert rows_of(store) == there
        assert {name: len(rows) for name, rows in there.items()} == done.rows
    restore.restore_folder(one, tmp_path / "one copy", NOW)
    with open_store(tmp_path / "one copy") as store:
        assert rows_of(store) == ours


def test_a_backup_is_of_one_moment_though_the_owner_is_at_work(tmp_path: Path) -> None:
    """Windows are stored in several steps; a backup has all of one or nothing of it."""
    stop, wrong = threading.Event(), list[BaseException]()
    with open_store(tmp_path / "store") as store:
        put(store, "school_info", row_of("school_info"))

        def work() -> None:
            try:
                for n in range(10_000):
                    if stop.is_set():
                        return
                    group = f"ysgol/gate/group/{5 * n}"
                    row: dict[str, Values] = {name: ["v"] for name in VERSIONS}
                    row |= {"school": ["ysgol"], "stored": [0], "window": [300 * n], "rows": [1]}
                    store.insert("batch", row | {"batch": [group]}, f"{group}/begun")
                    store.insert("coverage", coverage("ysgol", [1]) | {"metric": [group]}, group)
                    store.insert("coverage", coverage("ysgol", [1]) | {"metric": [group + "+"]}, group + "+")
                    store.insert("batch", row | {"batch": [batch_key("ysgol", "gate", 5 * n)]}, group)
                    stop.wait(0.3)
            except BaseException as error:
                wrong.append(error)

        writer = threading.Thread(target=work)
        writer.start()
        try:
            taken = [back_up(store, tmp_path / "backups", patience_s=120.0) for _ in range(4)]
        finally:
            stop.set()
            writer.join()
    assert not wrong
    for backup in taken:
        held = {piece.table: files.load(backup, piece) for piece in backup.pieces if piece.table != "batch"}
        names = [n for p in backup.pieces if p.table == "batch" for n in files.load(backup, p)["batch"].to_pylist()]
        whole = {name for name in names if "/group/" in name}
        assert len(names) == 2 * len(whole)
        found = held["coverage"]["metric"].to_pylist() if "coverage" in held else []
        assert sorted(found) == sorted([*whole, *(name + "+" for name in whole)])


def test_a_window_that_stays_half_stored_is_closed_by_a_restore(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        names = ("ysgol/gate/group/29655000,29655005", batch_key("ysgol", "gate", 29655000))
        put(store, "batch", *(row_of("batch", batch=name) for name in names))
        assert half_stored(store) == ["window of ysgol/gate/group/29655000,29655005"]
        backup = back_up(store, tmp_path / "backups", patience_s=0.01)
    done = restore.restore_folder(backup, tmp_path / "copy", NOW)
    assert done.closed == 1
    with open_store(tmp_path / "copy") as store:
        assert batch_key("ysgol", "gate", 29655005) in batches(store, "ysgol")
        assert half_stored(store) == []


def test_a_correction_that_was_cut_short_is_waited_for(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        put(store, "contest", row_of("contest", status="upheld", applied=0))
        with pytest.raises(BackupError, match=r"contest contest-2026-11-17: half stored .*schoolgate retention"):
            back_up(store, tmp_path / "backups", patience_s=0.01)
    assert files.kept(tmp_path / "backups") == []


def test_seven_are_kept_and_what_has_not_changed_is_the_same_file(tmp_path: Path) -> None:
    with made(tmp_path) as (store, first):
        put(store, "coverage", row_of("coverage", TODAY + timedelta(40)))
        second = back_up(store, tmp_path / "backups", now=lambda: NOW)
        assert second.folder.name == "20261117T120001Z"  # a name of its own in the same second
        there = {path.name: path.stat().st_ino for path in first.folder.iterdir()}
        shared = {p.file for p in second.pieces if (second.folder / p.file).stat().st_ino == there.get(p.file)}
        assert {piece.file for piece in second.pieces} - shared == {
            piece.file for piece in second.pieces if (piece.table, piece.part) == ("coverage", 202612)
        }
        rotten = second.folder / next(piece.file for piece in second.pieces if piece.table == "use_day")
        rotten.chmod(0o600)
        rotten.write_bytes(b"x")
        third = back_up(store, tmp_path / "backups", now=lambda: NOW + 9)
        restore.check(third)  # a damaged file is not taken over
        for _ in range(8):
            last = back_up(store, tmp_path / "backups", now=lambda: NOW + 100, keep=7)
        names = [path.name for path in files.kept(tmp_path / "backups")]
        assert names == [f"20261117T1201{40 + n}Z" for n in range(1, 8)]
        restore.check(last)
        assert oct(last.folder.stat().st_mode)[-3:] == "700"
        assert {oct(path.stat().st_mode)[-3:] for path in last.folder.iterdir()} == {"600"}


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("cut", "the file is damaged"),
        ("change", "the file is damaged"),
        ("remove", "this file of the backup is missing"),
        ("list", "not the list of a backup"),
        ("list changed", "its checksum is another one"),
        ("no list", "there is no such file, so this is no whole backup"),
        ("newer", "made by a newer Schoolgate"),
    ],
)
def test_a_broken_backup_is_refused_by_the_name_of_the_file_and_makes_nothing(
    backup: Backup, tmp_path: Path, harm: str, said: str
) -> None:
    victim = backup.folder / (files.LIST if harm in ("list", "list changed", "no list") else backup.pieces[3].file)
    data = victim.read_bytes()
    if harm == "cut":
        victim.write_bytes(data[: len(data) // 2])
    elif harm == "change":
        victim.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    elif harm in ("remove", "no list"):
        victim.unlink()
    elif harm == "list":
        victim.write_bytes(data[:-40])
    elif harm == "list changed":
        victim.write_bytes(data.replace(b'"rows": 2', b'"rows": 3', 1))
    else:
        body = json.loads((backup.folder / files.LIST).read_text())["backup"]
        files.write_list(Backup(backup.folder, body["made"], "", 99, backup.columns, backup.pieces))
        victim = backup.folder
    with pytest.raises(BackupError, match=said) as caught:
        restore.restore_folder(files.read(backup.folder), tmp_path / "copy", NOW)
    assert str(caught.value).startswith(f"{victim}:")
    assert not (tmp_path / "copy").exists()


def test_a_store_that_holds_something_is_left_alone(backup: Backup, tmp_path: Path) -> None:
    with open_store(tmp_path / "copy") as store:
        store.insert("coverage", coverage("ysgol", [1]), "b")
    with pytest.raises(BackupError, match=r"copy: there is something in this store already \(1 rows of coverage\)"):
        restore.restore_folder(backup, tmp_path / "copy", NOW)
    with open_store(tmp_path / "copy") as store:
        assert [name for name, rows in rows_of(store).items() if rows] == ["coverage"]


def test_who_is_killed_while_restoring_leaves_an_empty_store(backup: Backup, tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from pipeline import backup_files, restore
from pipeline.store import ChdbStore
insert = ChdbStore.insert
def dying(self, table, columns, batch):
    if table == "episode":
        os.kill(os.getpid(), 9)
    return insert(self, table, columns, batch)
ChdbStore.insert = dying
restore.restore_folder(backup_files.read(Path(sys.argv[1])), Path(sys.argv[2]), float(sys.argv[3]))
"""
    words = [sys.executable, "-c", script, str(backup.folder), str(tmp_path / "copy"), str(NOW)]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -9
    with open_store(tmp_path / "copy") as store:
        assert not any(rows_of(store).values())
    assert restore.restore_folder(backup, tmp_path / "copy", NOW).rows["episode"] > 0


def test_a_full_disk_makes_no_backup_and_loses_none(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for a small disk")
    with disk(tmp_path / "small") as small, open_store(tmp_path / "store") as store:
        fill(store)
        first = back_up(store, small, reserve=0, now=lambda: NOW)
        before, there = rows_of(store), sorted(path.name for path in small.iterdir())
        put(store, "coverage", row_of("coverage", TODAY + timedelta(40)))
        with (small / "ballast").open("wb", buffering=0) as ballast:
            take_all(ballast)
            with pytest.raises(BackupError, match=r"no backup was made \(No space left.*make room there.*as they were"):
                back_up(store, small, reserve=0, now=lambda: NOW + 60)
            with pytest.raises(BackupError, match="only 0 MiB are free there, and 16 stay free for the store"):
                back_up(store, small, reserve=16 << 20, now=lambda: NOW + 60)
        (small / "ballast").unlink()
        assert sorted(path.name for path in small.iterdir()) == there
        restore.check(files.read(first.folder))
        assert {name for name in before if before[name] != rows_of(store)[name]} == {"coverage"}
        assert back_up(store, small, reserve=0, now=lambda: NOW + 60).rows == first.rows + 1


def test_what_is_too_old_leaves_kept_backups_and_what_is_contested_stays(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        put(store, "school_info", row_of("school_info"))
        ages = {age: TODAY - timedelta(age) for age in (1, 6, 20, 27, 28)}
        for table in ("minute_mark", "episode", "use_day"):
            put(store, table, *(row_of(table, day, name=f"e{age}") for age, day in ages.items()))
        put(store, "use_day", row_of("use_day", TODAY - timedelta(426)))
        held = {"episode": "e27", "status": "open", "applied": 0}
        put(store, "contest", row_of("contest", TODAY - timedelta(27), name="c", **held))
        backup = back_up(store, tmp_path / "backups", now=lambda: NOW)
        later = NOW + 6 * 86_400
        left = thin_out(store, tmp_path / "backups", backup, later)
    assert left == files.read(backup.folder)
    restore.check(left)
    assert {path.name for path in backup.folder.iterdir()} == {piece.file for piece in left.pieces} | {files.LIST}

    def days(table: str) -> list[int]:
        found = [d for p in left.pieces if p.table == table for d in files.load(left, p)["day"].to_pylist()]
        return sorted((TODAY - day).days for day in found)

    assert days("minute_mark") == [1]
    assert days("episode") == [1, 6, 20, 27]
    assert days("use_day") == [1, 6, 20, 27, 28]
    done = restore.restore_folder(left, tmp_path / "copy", NOW + 30 * 86_400)
    assert (done.rows["minute_mark"], done.rows["episode"], done.too_old) == (0, 1, 4)


def test_an_older_schemas_backup_is_restored_with_empty_columns(backup: Backup, tmp_path: Path) -> None:
    gone = set(VERSIONS)
    pieces = []
    for piece in backup.pieces:
        rows = files.load(backup, piece)
        if piece.table == "coverage":
            rows = rows.drop_columns(list(VERSIONS))
            written = files.write_piece(backup.folder, piece.table, piece.part, iter([rows]), None)
            assert written
            piece = written
        pieces.append(piece)
    columns = backup.columns | {"coverage": {n: k for n, k in backup.columns["coverage"].items() if n not in gone}}
    files.write_list(Backup(backup.folder, backup.made, "", 3, columns, tuple(pieces)))
    restore.restore_folder(files.read(backup.folder), tmp_path / "copy", NOW)
    with open_store(tmp_path / "copy") as store:
        assert store.query("SELECT DISTINCT policy, catalogue, timetable FROM schoolgate.coverage").rows == [("",) * 3]
        assert store.query("SELECT sum(value) > 0 FROM schoolgate.coverage").rows == [(1,)]


def test_a_piece_is_a_file_that_any_tool_reads(backup: Backup) -> None:
    piece = next(piece for piece in backup.pieces if piece.table == "use_five")
    row = pq.read_table(backup.folder / piece.file).to_pylist()[0]
    assert (row["day"], row["level"]) == (TODAY - timedelta(20), "all")
    assert row["start"] == datetime(2026, 10, 28, 12, tzinfo=UTC)


def test_equal_hashes_are_equal_rows(tmp_path: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.insert("coverage", coverage("ysgol", [1, 2]), "a")
        before = prints(store)
        assert prints(store) == before
        store.insert("coverage", coverage("ysgol", [1, 2]), "b")
        (twice,) = prints(store).values()
        (once,) = before.values()
        assert (twice.rows, twice.content) == (2 * once.rows, 2 * once.content % 2**64)
