"""For all tests: property tests do not look at the clock, and the sample day is drawn once.

A machine with other work may stand still for a moment in any example; that says nothing of what is tested.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
SCALE = 0.1  # of pupils, guests and noise: staff and what they do stay whole


@dataclass(frozen=True)
class SampleDay:
    """`folder` is the school's own, with the day's feeds, its capture and the truth."""

    folder: Path
    truth: tuple[dict[str, Any], ...]

    @property
    def capture(self) -> Path:
        return self.folder / "day.pcap"


@pytest.fixture(scope="session")
def sample_day(tmp_path_factory: pytest.TempPathFactory) -> SampleDay:
    """Tuesday 17 November 2026 at Ysgol Enghraifft."""
    from pcaps.sample_school.facts import HERE, SAMPLE_DAY, SEED
    from pcaps.sample_school.generate import generate

    folder = tmp_path_factory.mktemp("sample") / "school"
    shutil.copytree(HERE, folder)
    generate(folder, SAMPLE_DAY, SEED, SCALE, lambda step, share: None)
    truth = (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    return SampleDay(folder, tuple(json.loads(line) for line in truth))
