"""A day to its score: generated from a seed, or the sample day in the same terms."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pcaps.sample_school import generate as sample
from pcaps.sample_school.facts import HERE, SAMPLE_DAY, SEED
from pcaps.school_days.generate import generate
from tests.days.score import Score, score
from tests.judged import judge

SAMPLE = "sample"
SCALE = 0.1  # of the sample day's pupils, guests and noise
_LABELS = {"use": "use", "edit": "use", "official": "official", "embedded": "embedded", "idle": "background"}


def read_truth(folder: Path) -> list[dict[str, Any]]:
    """The lines of a day's truth."""
    return [json.loads(line) for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]


def sample_truth(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sample day's truth as the generated days have it."""
    return [
        row | {
            "behaviour": f"sample {row['activity']}",
            "label": _LABELS.get(row["activity"], row["activity"]),
            "tagged": row["expected_outcome"] != "count_only" or row["state"] == "non_contact",
            "hidden": False,
            "minutes": [
                [minute, 2 if row["scripted"] else 1, row["state"] or "", row["allowed"], row["near_boundary"],
                 row["grade"] in {"A", "B"}]
                for minute in row["minutes"]
            ],
        }
        for row in rows
    ]  # fmt: skip


def run(day: str, share: float = 1.0, keep: Path | None = None) -> Score:
    """Generates a day (the sample day, or that of a seed), judges it, scores it."""
    with tempfile.TemporaryDirectory() as made:
        folder = (keep or Path(made)) / f"day-{day}"
        if day == SAMPLE:
            shutil.copytree(HERE, folder, dirs_exist_ok=True)
            sample.generate(folder, SAMPLE_DAY, SEED, SCALE, lambda step, done: None)
            rows = sample_truth(read_truth(folder))
        else:
            generate(folder, int(day), share)
            rows = read_truth(folder)
        return score(rows, judge(folder, folder / "day.pcap"), f"day {day}")
