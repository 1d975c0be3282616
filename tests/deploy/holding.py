"""A small school in a folder, minutes in its store, and a process that has that store while others want something."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from pipeline.store import open_store
from tests.deploy.command import SCRIPT
from tests.pipeline.desks import ACCESS, Office
from tests.pipeline.judging import Slice, small_files

PATIENCE_S = 150.0
SETTINGS = """[school]
id = "small"
name = "Small School"
zone = "Europe/London"
mode = "pseudonymous"
notice_date = 2026-09-01
pseudonym_keys = "keys"
"""


def make_school(folder: Path, slices: list[Slice]) -> Path:
    """The small school's folder, with its day stored."""
    folder.mkdir(parents=True)
    (folder / "schoolgate.toml").write_text(SETTINGS)
    (folder / "access.csv").write_bytes(ACCESS)
    (folder / "exceptions.csv").write_text("date,staff_id,start_or_slot,end,kind,ref,entered_at\n")
    for name, lines in small_files().items():
        (folder / name).write_text("\n".join([*lines, ""]))
    with open_store(folder / "store") as store:
        Office(folder, store).observe(slices)
    return folder


@dataclass
class Holder:
    """A process that has the store."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def until(self, what: str, done: Callable[[], bool]) -> None:
        """Waits for something to become true."""
        end = time.monotonic() + PATIENCE_S
        while not done():
            assert self.process.poll() is None, f"ended before {what}: {self.said}"
            assert time.monotonic() < end, f"no {what}: {self.said}"
            time.sleep(0.01)

    def kill(self) -> None:
        """Ends it without a word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        """Ends it well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.said


@contextmanager
def held(school: Path) -> Iterator[Holder]:
    """`schoolgate serve` on a school's store, from the moment at which its pages are there."""
    command = [str(SCRIPT), "serve", "--school", str(school), "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    holder = Holder(process)
    assert process.stdout is not None
    reader = Thread(target=lambda out: holder.said.extend(out), args=(process.stdout,), daemon=True)
    reader.start()
    try:
        holder.until("pages", lambda: any("Schoolgate's pages" in line for line in holder.said))
        yield holder
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(PATIENCE_S)
