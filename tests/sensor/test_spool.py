"""The spool: whole files or none, in order, bounded, and unharmed by a process that dies in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from sensor.spool import Spool, SpoolError

ROOT = Path(__file__).parents[2]


def table(number: int, rows: int = 10) -> pa.Table:
    schema = pa.schema([pa.field("n", pa.int64())]).with_metadata({b"until": str(number).encode()})
    return pa.table({"n": [number] * rows}, schema=schema)


def numbers(spool: Spool) -> list[int]:
    return [spool.read(path)["n"][0].as_py() for path in spool.files()]


def test_what_is_written_is_read_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "made" / "if missing")
    paths = [spool.write(table(n)) for n in range(12)]
    assert spool.files() == paths
    assert numbers(spool) == list(range(12))
    read = spool.read(paths[3])
    assert read == table(3)
    assert read.schema.metadata == {b"until": b"3"}
    assert spool.size() == sum(p.stat().st_size for p in paths)


def test_a_file_goes_when_its_reader_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    first, second = spool.write(table(1)), spool.write(table(2))
    spool.remove(first)
    spool.remove(first)
    assert spool.files() == [second]


def test_numbers_go_on_after_a_restart(tmp_path: Path) -> None:
    for n in range(3):
        Spool(tmp_path).write(table(n))
    Spool(tmp_path, writer="1").write(table(3))
    assert numbers(Spool(tmp_path)) == [0, 1, 2, 3]
    spool = Spool(tmp_path)
    for path in spool.files():
        spool.remove(path)
    assert Spool(tmp_path).files() == []


def test_an_empty_table_is_a_file_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    assert spool.read(spool.write(table(1, rows=0))).num_rows == 0


def test_beyond_the_cap_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    one = Spool(tmp_path / "probe").write(table(0)).stat().st_size
    spool = Spool(tmp_path / "spool", cap_bytes=3 * one)
    for n in range(10):
        spool.write(table(n))
        assert spool.size() <= 3 * one
    assert numbers(spool) == [7, 8, 9]
    assert spool.dropped == 7
    large = spool.write(table(10, rows=100_000))
    assert large.stat().st_size > 3 * one
    assert numbers(spool) == [10], "the newest stays, whatever its size"
    assert spool.dropped == 10


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    for name in ("notes.txt", "2025.arrow", "12 copy.arrow", "readme-1.arrow", ".hidden-000000000007"):
        (tmp_path / name).write_bytes(b"mine")
    spool = Spool(tmp_path, cap_bytes=1)
    spool.write(table(1))
    spool.write(table(2))
    assert numbers(spool) == [2]
    assert (tmp_path / "2025.arrow").read_bytes() == b"mine"
    assert (tmp_path / ".hidden-000000000007").exists()


@pytest.mark.parametrize("content", [b"", b"ARROW1", b"not arrow at all, but long enough to be something" * 9])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    spool = Spool(tmp_path)
    path = spool.write(table(1))
    path.write_bytes(content)
    with pytest.raises(SpoolError, match=r"000000000001-0\.arrow: not a whole spool file .*; it is set aside"):
        spool.read(path)


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    path = spool.write(table(1))
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(SpoolError):
            spool.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"gone\.arrow"):
        Spool(tmp_path).read(tmp_path / "gone.arrow")


def test_a_reader_may_remove_files_while_the_cap_is_kept(tmp_path: Path) -> None:
    writer, reader = Spool(tmp_path, cap_bytes=1 << 14), Spool(tmp_path, writer="reader")
    done = threading.Event()

    def remove() -> None:
        while not done.is_set():
            for path in reader.files():
                reader.remove(path)

    thread = threading.Thread(target=remove)
    thread.start()
    try:
        for n in range(300):
            writer.write(table(n))
            writer.size()
    finally:
        done.set()
        thread.join()


WRITER = """
import os, sys
from pathlib import Path
import pyarrow as pa
from sensor.spool import Spool

spool = Spool(Path(sys.argv[1]))
table = pa.table({"n": list(range(20_000))})
spool.write(table)
really = os.fsync
def stop_here(descriptor):
    really(descriptor)
    print("half", flush=True)
    sys.stdin.read()
if sys.argv[2] == "half":
    os.fsync = stop_here
while True:
    print(spool.write(table).name, flush=True)
"""


def write_and_die(folder: Path, how: str, lines: int) -> list[str]:
    """Run a writer, kill it with SIGKILL after it has said so many lines, and give the lines."""
    command = [sys.executable, "-c", WRITER, str(folder), how]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline().strip() for _ in range(lines)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.read().split()
    return said


def test_killed_before_the_rename(tmp_path: Path) -> None:
    assert write_and_die(tmp_path, "half", 1) == ["half"]
    assert len(list(tmp_path.glob(".0-*"))) == 1, "half a file was there"
    other = Spool(tmp_path, writer="1")
    assert len(list(tmp_path.glob(".0-*"))) == 1, "another worker's file is not ours to remove"
    assert [other.read(p).num_rows for p in other.files()] == [20_000]
    spool = Spool(tmp_path)
    assert spool.hold()
    assert list(tmp_path.glob(".0-*")) == []
    spool.write(table(7))
    assert [p.name for p in spool.files()] == ["000000000001-0.arrow", "000000000002-0.arrow"]


def test_killed_at_any_moment(tmp_path: Path) -> None:
    said = write_and_die(tmp_path, "go on", 15)
    spool = Spool(tmp_path)
    names = [path.name for path in spool.files()]
    assert set(said) <= set(names), "what was written stays written"
    assert len(names) <= len(said) + 2
    assert all(spool.read(path).num_rows == 20_000 for path in spool.files())


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    path = tmp_path / "000000000001-0.arrow"
    path.write_bytes(b"ARROW1 and nothing more")
    with pytest.raises(SpoolError) as broken:
        spool.read(path)
    spool.set_aside(broken.value.path)
    assert spool.files() == []
    assert path.with_name("000000000001-0.arrow.broken").exists()


def test_two_processes_do_not_write_under_one_name(tmp_path: Path) -> None:
    first, other = Spool(tmp_path, writer="eth1"), Spool(tmp_path, writer="eth2")
    assert first.hold()
    assert other.hold()
    assert not Spool(tmp_path, writer="eth1").hold()
    first.write(table(1))
    del first
    successor = Spool(tmp_path, writer="eth1")
    assert successor.hold()
    successor.write(table(2))
    assert numbers(successor) == [1, 2]
