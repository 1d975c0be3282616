"""Fuzz target: captures read by the compiled kernel here and by the interpreted one in a process beside.

The long form of tests/sensor/test_twins.py: what the one says of a file, the other says too.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import captures
from tests.sensor.twin_captures import CAPTURES
from tests.sensor.twin_driver import reading

ROOT = Path(__file__).parents[2]


def seeds() -> list[bytes]:
    return [*captures.seeds(), *(build() for build in CAPTURES.values())]


@functools.cache
def _other() -> tuple[subprocess.Popen[str], Path]:
    """The interpreted twin, and the file through which it is shown captures."""
    folder = Path(tempfile.mkdtemp(prefix="schoolgate-fuzz-"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sensor.twin_driver"],
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    return process, folder / "capture"


def run(data: bytes) -> None:
    process, path = _other()
    path.write_bytes(data)
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{path}\n")
    process.stdin.flush()
    compiled = json.loads(json.dumps(reading(path)))
    interpreted = json.loads(process.stdout.readline())
    assert "failed" not in interpreted, interpreted["failed"]
    assert compiled == interpreted


def capture(data: bytes) -> bytes:
    return data
