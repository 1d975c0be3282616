"""The short run of every fuzz target: its corpus and a fixed number of changed inputs, on the interpreted kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.shrink import how, shrink
from tests.fuzz.targets import CORPUS, MUTATIONS, corpus

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def said() -> dict[str, dict[str, Any]]:
    """By target, what the short run says of it."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.short"],
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return {row["target"]: row for row in map(json.loads, run.stdout.splitlines())}


@pytest.mark.parametrize("name", MUTATIONS)
def test_no_promise_is_broken(said: dict[str, dict[str, Any]], name: str) -> None:
    row = said[name]
    assert "failed" not in row, f"{row['failed']}\ninput: {row['input']}"
    assert row["executions"] == len(corpus(name)) + MUTATIONS[name]
    assert row["inputs"] >= 3, "the corpus is there"


def test_the_corpus_is_small() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 400_000


def test_a_find_is_made_small() -> None:
    def run(data: bytes) -> None:
        if b"\xff\xfe" in data:
            raise ValueError(data)

    assert how(run, b"fine") == ""
    assert shrink(run, bytes(range(256)) * 2 + b"\xff\xfe" + bytes(100)) == b"\xff\xfe"
