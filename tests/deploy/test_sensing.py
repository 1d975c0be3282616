"""What the owner says of its sensor workers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from deploy.sensing import WorkerProcess
from sensor.settings import SensorSettings
from sensor.worker import WorkerPlan


class Stuck:
    """A process that ends only when it is killed."""

    pid = 1 << 22
    killed = False

    def is_alive(self) -> bool:
        return not self.killed

    def join(self, timeout: float | None = None) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None:
        self.killed = True


@pytest.mark.parametrize("act", ["stop", "hand_over"])
def test_what_a_worker_held_that_had_to_be_killed_is_said_to_be_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], act: str
) -> None:
    worker: Any = WorkerProcess(WorkerPlan(SensorSettings(), "eth9", Path("spool"), "eth9"))
    process = worker._process = Stuck()
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    monkeypatch.setattr(worker, "start", lambda: None)
    worker.stop() if act == "stop" else worker.hand_over(worker.plan)
    assert process.killed
    assert "the sensor did not stop in time; what it held is lost" in capsys.readouterr().err
