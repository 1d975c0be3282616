"""A day from its seed to its score."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from pcaps.school_days.generate import generate
from tests.days.score import Score, score
from tests.judged import judge


def run(seed: int, share: float = 1.0, keep: Path | None = None) -> Score:
    """Generates a day, judges it, scores it."""
    with tempfile.TemporaryDirectory() as made:
        folder = keep / f"seed-{seed}" if keep else Path(made)
        generate(folder, seed, share)
        lines = (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()
        return score([json.loads(line) for line in lines], judge(folder, folder / "day.pcap"), f"seed {seed}")
