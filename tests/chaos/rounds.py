"""Rounds of chaos: the sample day from spool to store while processes are killed, disks fill and stores are taken.

Theory of operation. The day's slices are cut into tables once. In a round one process writes them to the spool and
another brings the spool into the store (`writer`, `owner`); both lie on a small disk of their own (a tmpfs, as root).
After random times, drawn from the round's seed, a fault strikes: SIGKILL to one process or both, a disk without a free
byte for a while, a stranger who holds the store while the owner is started again. Whoever ends is started anew, at once
or a little later. When the day is stored, every row of every table must be what an undisturbed run stored, apart from
the times at which rows were written.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tests.chaos.owner import BUSY
from tests.deploy.command import ROOT, Contents, contents

DISK_MIB = 64
WRITTEN = ("stored", "updated", "applied")  # columns that say when a row was written
DEADLINE_S = 600.0  # of a round; something hangs
FAULTS = ("kill owner", "kill owner", "kill writer", "kill both", "fill disk", "fill disk", "take store")
HOLD = (
    "import sys, time; from pathlib import Path; from pipeline.store import open_store\n"
    "with open_store(Path(sys.argv[1])): print('held', flush=True); time.sleep(float(sys.argv[2]))"
)


@dataclass(frozen=True, slots=True)
class Day:
    """What a round works on: the school's folder, the tables of the day, and what an undisturbed run stores."""

    school: Path
    tables: Path
    wanted: Contents
    took_s: float


@dataclass(slots=True)
class Round:
    """What happened: faults in order, with seconds; complaints of the owner; how often processes were started; rows
    that are there too often (servers of 2018 only)."""

    seed: int
    faults: list[tuple[float, str]] = field(default_factory=list)
    starts: int = 0
    complaints: int = 0
    wrong: tuple[str, ...] = ()
    doubled: int = 0


def comparable(tables: Contents) -> dict[str, list[str]]:
    """All rows without the times at which they were written, in one order."""
    return {
        name: sorted(str({k: v for k, v in row.items() if k not in WRITTEN}) for row in rows)
        for name, rows in tables.items()
    }


def differences(wanted: Contents, got: Contents) -> tuple[str, ...]:
    """What is not as it should be, a sentence a table."""
    a, b = comparable(wanted), comparable(got)
    return tuple(
        f"{name}: {len(a.get(name, []))} rows wanted, {len(b.get(name, []))} there, "
        f"first: {next(iter(set(a.get(name, [])) ^ set(b.get(name, []))), 'the same rows, another number of times')}"
        for name in sorted(a.keys() | b.keys())
        if a.get(name) != b.get(name)
    )


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A small disk for a round; without root a folder, which never fills up."""
    folder.mkdir(parents=True)
    mounted = os.geteuid() == 0
    if mounted:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "chaos", str(folder)], check=True)
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        shutil.rmtree(folder)


class Processes:
    """The two processes of a round: started, killed, started again."""

    def __init__(self, day: Day, place: Path, small: Path, store: Path | None = None) -> None:
        journal, self.store, spool = place / "journal", store or small / "store", small / "spool"
        self.log = (place / "log").open("w")
        self._command = {
            "writer": ["tests.chaos.writer", day.tables, spool, journal],
            "owner": ["tests.chaos.owner", day.school, self.store, spool, journal],
        }
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._due = dict.fromkeys(self._command, 0.0)
        self._done: set[str] = set()
        self.starts = 0

    def tend(self) -> bool:
        """Starts what is due; True once both have come to their end."""
        for name, words in self._command.items():
            process = self._running.get(name)
            if name in self._done or (process is None and time.monotonic() < self._due[name]):
                continue
            if process is None:
                command = [sys.executable, "-m", *map(str, words)]
                self._running[name] = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=self.log, text=True)
                self.starts += 1
            elif (status := process.poll()) is not None:
                del self._running[name]
                if status == 0:
                    self._done.add(name)
                elif name != "owner" or status != BUSY:
                    raise AssertionError(f"{name} ended with {status} by itself: see {self.log.name}")
        return len(self._done) == len(self._command)

    def kill(self, name: str, pause_s: float) -> None:
        """SIGKILL, wherever it is; its successor comes after a pause."""
        if process := self._running.pop(name, None):
            process.send_signal(signal.SIGKILL)
            process.wait()
            self._due[name] = time.monotonic() + pause_s

    def end(self) -> None:
        for name in list(self._running):
            self.kill(name, 0.0)
        self.log.close()


def fill(ballast: BinaryIO) -> None:
    """Takes all the room that is left on a disk, to the last page."""
    for size in (1 << 20, 1 << 12):
        with contextlib.suppress(OSError):
            while True:
                ballast.write(bytes(size))


def strike(fault: str, processes: Processes, small: Path, rng: random.Random) -> None:
    """One fault; returns when it is over, though not what it broke."""
    pause = rng.choice((0.0, rng.uniform(0, 0.5)))
    if fault.startswith("kill"):
        for name in ("owner", "writer"):
            if fault in (f"kill {name}", "kill both"):
                processes.kill(name, pause)
    elif fault == "fill disk":
        with (small / "ballast").open("wb", buffering=0) as ballast:
            until = time.monotonic() + rng.uniform(0.05, 2.0)
            while time.monotonic() < until:
                fill(ballast)  # again and again: what is merged or removed makes room
                processes.tend()
                time.sleep(0.005)
        (small / "ballast").unlink()
    elif fault == "take store":
        processes.kill("owner", 0.0)
        command = [sys.executable, "-c", HOLD, str(processes.store), str(rng.uniform(0.2, 1.5))]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as stranger:
            assert stranger.stdout is not None
            assert stranger.stdout.readline() == "held\n"
            while stranger.poll() is None:
                processes.tend()
                time.sleep(0.01)


def play(day: Day, place: Path, seed: int, faults: Sequence[str] | None = None) -> Round:
    """One round in the folder `place`, which must not exist; `faults`: which, in order, else one to five drawn ones."""
    rng, round_ = random.Random(seed), Round(seed)
    planned = [*faults] if faults is not None else [rng.choice(FAULTS) for _ in range(rng.randint(1, 5))]
    if os.geteuid() != 0:
        planned = [fault for fault in planned if fault != "fill disk"]
    with disk(place / "disk") as small:
        processes, begun = Processes(day, place, small), time.monotonic()
        try:
            strikes_at = begun + rng.uniform(0, 0.8 * day.took_s)
            while not processes.tend():
                assert time.monotonic() < begun + DEADLINE_S, f"seed {seed}: still not done: see {place}"
                if planned and time.monotonic() >= strikes_at:
                    round_.faults.append((round(time.monotonic() - begun, 2), planned[0]))
                    strike(planned.pop(0), processes, small, rng)
                    strikes_at = time.monotonic() + rng.uniform(0, day.took_s)
                time.sleep(0.005)
        finally:
            processes.end()
        round_.starts = processes.starts
        round_.complaints = (place / "log").read_text().count("not stored")
        round_.wrong = differences(day.wanted, contents(processes.store)) if day.wanted else ()
        broken = sorted(path.name for path in (small / "spool").glob("*.broken"))
        round_.wrong += tuple(f"{name} was set aside as broken" for name in broken)
        if not day.wanted:
            day.wanted.update(contents(processes.store))
    return round_


def undisturbed(school: Path, tables: Path, place: Path) -> Day:
    """The day as it is stored when nothing goes wrong."""
    day = Day(school, tables, {}, 0.0)
    begun = time.monotonic()
    play(day, place, 0, [])
    assert day.wanted["use_day"], "nothing was stored"
    return Day(school, tables, day.wanted, time.monotonic() - begun)
