"""Kill -9 in the middle of inserting: what was acknowledged is there once, and sending all again adds nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BATCHES, ROWS = 40, 200

COMMON = f"""
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from pipeline.store import batches, open_store
store = open_store(Path(sys.argv[1]))
NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
def send(number):
    name = f"a/gate/{{number}}"
    rows = {ROWS}
    coverage = {{"school": ["a"] * rows, "day": [date(2026, 11, 17)] * rows, "start": [NOON] * rows}}
    coverage |= {{"metric": [f"b{{number}}"] * rows, "value": list(range(rows))}}
    versions = {{"policy": ["p"], "catalogue": ["c"], "timetable": ["t"]}}
    coverage |= {{name: word * rows for name, word in versions.items()}}
    store.insert("coverage", coverage, name)
    row = {{"school": ["a"], "batch": [name], "stored": [NOON], "window": [NOON], "rows": [rows]}} | versions
    store.insert("batch", row, name)
"""
WRITE = (
    COMMON
    + f"""
for number in range({BATCHES}):
    send(number)
    print(number, flush=True)
"""
)
CHECK = (
    COMMON
    + f"""
def state():
    found = store.query("SELECT metric, count(), uniqExact(value) FROM schoolgate.coverage GROUP BY metric").rows
    return {{metric: (rows, values) for metric, rows, values in found}}
before, listed = state(), batches(store, "a")
assert set(before.values()) <= {{({ROWS}, {ROWS})}}, before                 # no batch twice, none in part
acknowledged = int(sys.argv[2])
assert {{f"b{{n}}" for n in range(acknowledged)}} <= set(before), before     # none lost
assert {{name.replace("a/gate/", "b") for name in listed}} <= set(before)  # what is listed as stored is stored
for number in range({BATCHES}):
    send(number)
after = state()
assert after == {{f"b{{n}}": ({ROWS}, {ROWS}) for n in range({BATCHES})}}, after
assert store.query("SELECT count(), uniqExact(batch) FROM schoolgate.batch").rows == [({BATCHES}, {BATCHES})]
store.close()
"""
)


@pytest.mark.parametrize("acknowledgements", [0, 1, 7, 23])
def test_a_killed_writer_loses_nothing_and_doubles_nothing(tmp_path: Path, acknowledgements: int) -> None:
    path = tmp_path / "store"
    writer = subprocess.Popen([sys.executable, "-c", WRITE, path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = 0
    if acknowledgements == 0:  # while the store itself is being made
        while not (path / "status").exists():
            assert writer.poll() is None
    while acknowledged < acknowledgements:
        acknowledged = int(writer.stdout.readline()) + 1
    writer.kill()
    rest, _ = writer.communicate(timeout=150)
    acknowledged = max([acknowledged, *(int(line) + 1 for line in rest.splitlines())])
    check = subprocess.run(
        [sys.executable, "-c", CHECK, path, str(acknowledged)], cwd=ROOT, capture_output=True, text=True
    )
    assert (check.returncode, check.stderr) == (0, "")


FULL = (
    COMMON
    + """
folder = Path(sys.argv[1]).parent
send(0)
with (folder / "ballast").open("wb", buffering=0) as ballast:
    for size in (1 << 20, 1 << 12):
        try:
            while True:
                ballast.write(bytes(size))
        except OSError:
            pass
try:
    send(1)
except StoreError as error:
    print(error)
(folder / "ballast").unlink()
send(1)
counts = store.query("SELECT metric, count() FROM schoolgate.coverage GROUP BY metric ORDER BY metric").rows
assert counts == [("b0", ROWS), ("b1", ROWS)], counts
store.close()
"""
)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk that is small enough to fill")
def test_a_full_disk_refuses_a_batch_loudly_and_takes_it_once_there_is_room(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "full", tmp_path], check=True)
    try:
        code = FULL.replace("batches, open_store", "StoreError, batches, open_store").replace("ROWS)", f"{ROWS})")
        done = subprocess.run(
            [sys.executable, "-c", code, tmp_path / "store"], cwd=ROOT, capture_output=True, text=True
        )
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "not enough space" in done.stdout


def test_a_store_whose_making_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "store"
    (path / "metadata").mkdir(parents=True)
    (path / "metadata" / "schoolgate.sql").touch()  # as a full disk leaves it
    (path / "making").touch()
    done = subprocess.run([sys.executable, "-c", COMMON + "send(0)", path], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (path / "making").exists()
