"""A batch that was written down and never stored comes when it is sent again; one that was stored comes once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import batchlog
from pipeline.store import ChdbStore, open_store
from tests.pipeline.test_store_behaviour import coverage, totals


def folder_of(store: ChdbStore, table: str) -> Path:
    (row,) = store.query(f"SELECT data_paths[1] FROM system.tables WHERE name = '{table}'").rows
    return Path(str(row[0]))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A store with batch `a` of two rows and batch `b` of one, each in a part of its own; gives the table's folder."""
    with open_store(tmp_path / "store") as store:
        store.execute("SYSTEM STOP MERGES schoolgate.coverage")
        store.insert("coverage", coverage("ysgol", [1, 2]), "a")
        store.insert("coverage", coverage("ysgol", [5]), "b")
        return folder_of(store, "coverage")


def lose(table: Path, number: int) -> None:
    """What a kill leaves between the record and the rename: the record alone."""
    (part,) = table.glob(f"*_{number}_{number}_0")
    shutil.rmtree(part)


def test_a_kill_between_record_and_rename_loses_nothing(tmp_path: Path, two: Path) -> None:
    lose(two, 2)
    with open_store(tmp_path / "store") as store:
        assert totals(store, "ysgol") == (2, 3)
        for _ in range(2):
            store.insert("coverage", coverage("ysgol", [5]), "b")
            store.insert("coverage", coverage("ysgol", [1, 2]), "a")
        assert totals(store, "ysgol") == (3, 8)


def test_a_disk_that_refuses_the_rename_loses_nothing(tmp_path: Path, two: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.execute("DETACH TABLE schoolgate.coverage")
        lose(two, 2)
        store.execute("ATTACH TABLE schoolgate.coverage")  # the engine believes that it has b
        store.insert("coverage", coverage("ysgol", [5]), "b")
        assert totals(store, "ysgol") == (3, 8)
        store.insert("coverage", coverage("ysgol", [5]), "b")
        store.insert("coverage", coverage("ysgol", [1, 2]), "a")
        assert totals(store, "ysgol") == (3, 8)


def test_half_a_record_does_not_hide_the_next(tmp_path: Path, two: Path) -> None:
    (log,) = two.glob(f"{batchlog.FOLDER}/*_1.txt")
    log.write_bytes(log.read_bytes() + b"1\t202611_3_3_0\t2026")
    for _ in range(2):
        with open_store(tmp_path / "store") as store:
            store.insert("coverage", coverage("ysgol", [7]), "c")
            assert totals(store, "ysgol") == (4, 15)


def test_a_batch_whose_part_was_merged_or_dropped_is_still_known(tmp_path: Path, two: Path) -> None:
    with open_store(tmp_path / "store") as store:
        store.execute("OPTIMIZE TABLE schoolgate.coverage FINAL")
    for old in two.glob("*_0"):
        shutil.rmtree(old)
    with open_store(tmp_path / "store") as store:
        store.insert("coverage", coverage("ysgol", [5]), "b")
        assert totals(store, "ysgol") == (3, 8)
    assert not batchlog.mend(two)


@given(
    there=st.sets(st.integers(1, 8)),
    records=st.lists(st.tuples(st.sampled_from("12"), st.integers(1, 8)), max_size=12),
    rest=st.binary(max_size=12).filter(lambda rest: b"\n" not in rest),
)
def test_only_the_last_records_without_a_part_are_taken_back_and_once(
    tmp_path_factory: pytest.TempPathFactory, there: set[int], records: list[tuple[str, int]], rest: bytes
) -> None:
    table = tmp_path_factory.mktemp("table")
    log = table / batchlog.FOLDER / "deduplication_log_3.txt"
    log.parent.mkdir()
    for n in there:
        (table / f"202611_{n}_{n}_0").mkdir()
    lines = "".join(f"{op}\t202611_{n}_{n}_0\thash{n}\n" for op, n in records).encode()
    log.write_bytes(lines + rest)
    (log.parent / "deduplication_log_4.txt").touch()
    changed = batchlog.mend(table)
    after = log.read_bytes()
    assert after.startswith(lines)
    added = after[len(lines) :].decode().splitlines()
    phantoms = []
    for op, n in reversed(records):
        if op == "2" or n in there:
            break
        phantoms.append(f"2\t202611_{n}_{n}_0\thash{n}")
    assert added == phantoms
    assert changed == bool(phantoms or rest)
    assert not batchlog.mend(table)
    assert log.read_bytes() == after


def test_what_the_engine_might_write_another_day_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / batchlog.FOLDER / "deduplication_log_1.txt"
    log.parent.mkdir()
    for text in (b"", b"version 2\n", b"1\tall_1_1_0\thash\tmore\n", b"1\tno part\thash\n", b"3\tall_1_1_0\thash\n"):
        log.write_bytes(text)
        assert not batchlog.mend(tmp_path)
        assert log.read_bytes() == text
