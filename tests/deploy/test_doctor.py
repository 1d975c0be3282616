"""`schoolgate doctor`: findings for people and for machines, and an exit status for scripts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.deploy.command import schoolgate

SETTINGS = '[school]\nid = "y"\nname = "Y"\nzone = "Europe/London"\n[sensor]\ninterface = "{}"\n'


def write(folder: Path, interface: str) -> Path:
    path = folder / "schoolgate.toml"
    path.write_text(SETTINGS.format(interface), encoding="utf-8")
    return path


def test_a_missing_interface_fails(tmp_path: Path) -> None:
    done = schoolgate("doctor", "--config", write(tmp_path, "nonesuch0"))
    assert done.returncode == 2
    assert "fail     Mirror port" in done.stdout
    assert "There is no interface nonesuch0." in done.stdout
    assert "-> Plug it in or correct sensor.interface" in done.stdout
    assert "\x1b" not in done.stdout, "no colours where nobody sees them"


def test_all_findings_as_json(tmp_path: Path) -> None:
    done = schoolgate("doctor", "--config", write(tmp_path, "nonesuch0"), "--interface", "lo", "--json")
    found = {finding["id"]: finding for finding in json.loads(done.stdout)}
    assert {"settings", "interface", "capability", "spool", "ring_drops", "upstream_loss", "blind"} <= set(found)
    assert set(found["interface"]) == {"id", "title", "severity", "sentence", "value", "mend"}
    assert found["settings"]["severity"] == "ok"
    assert found["ring_drops"]["severity"] == "unknown"
    worst = 2 if any(f["severity"] == "fail" for f in found.values()) else 1
    assert done.returncode == (worst if any(f["severity"] in ("warn", "fail") for f in found.values()) else 0)


def test_wrong_settings_are_a_finding_too(tmp_path: Path) -> None:
    path = tmp_path / "schoolgate.toml"
    path.write_text("[sensor]\nring_mib = 0\n", encoding="utf-8")
    done = schoolgate("doctor", "--config", path)
    assert done.returncode == 2
    assert f"{path}:2: sensor.ring_mib" in done.stdout
    assert "Mirror port" in done.stdout, "the other checks go on"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes somebody else")
def test_a_user_who_may_not_capture_is_told(tmp_path: Path) -> None:
    done = schoolgate("doctor", "--interface", "lo", "--json", preexec_fn=_without_capabilities)
    found = {finding["id"]: finding for finding in json.loads(done.stdout)}
    assert found["capability"]["severity"] == "fail"
    assert "setcap cap_net_raw+ep /" in found["capability"]["mend"]
    assert done.returncode == 2


def _without_capabilities() -> None:
    """Drop CAP_NET_RAW from what the program that is about to start may ever have."""
    import ctypes

    ctypes.CDLL(None).prctl(24, 13, 0, 0, 0)  # PR_CAPBSET_DROP
