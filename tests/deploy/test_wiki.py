"""`schoolgate wiki` as a network manager uses it; on recorded sessions where they are at hand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import schoolgate
from pcaps.sample_school.facts import HERE
from tests.deploy.command import ROOT, contents, schoolgate_well

LABORATORY = ROOT / "pcaps" / "wikiedit"
SESSIONS = Path(os.environ.get("SCHOOLGATE_CAPTURES", "")) / "wikiedit"
recorded = pytest.mark.skipif(
    "SCHOOLGATE_CAPTURES" not in os.environ or not SESSIONS.is_dir(), reason="SCHOOLGATE_CAPTURES names no recordings"
)
EVERY = 16  # sessions; `schoolgate wiki evaluate` takes all


def test_a_file_that_is_no_capture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "day.pcap"
    path.write_text("no capture")
    done = CliRunner().invoke(schoolgate, ["wiki", "alarms", str(path)])
    assert done.exit_code == 2
    assert "day.pcap" in done.stderr


def test_a_capture_that_ends_badly_is_read_as_far_as_it_goes_and_named(tmp_path: Path) -> None:
    path = tmp_path / "torn.pcap.gz"
    path.write_bytes((LABORATORY / "L0001.pcap.gz").read_bytes()[:4000])
    done = CliRunner().invoke(schoolgate, ["wiki", "alarms", str(path)])
    assert done.exit_code == 0
    assert "torn.pcap.gz: the gzip stream ends badly" in done.stderr


def test_a_folder_without_truth_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(schoolgate, ["wiki", "evaluate", str(tmp_path)])
    assert done.exit_code == 1
    assert "saves.jsonl: cannot be read" in done.stderr


def test_calibration_guides_through_the_edits_and_keeps_their_times(tmp_path: Path) -> None:
    path = tmp_path / "edits.jsonl"
    words = ["wiki", "calibrate", "--wiki", "cy.wikipedia.org", "--client", "10.1.2.3", "--edits", str(path)]
    done = CliRunner().invoke(schoolgate, words, input="\n\n" * 12 + "\ns\n" * 8)
    assert done.exit_code == 0, done.output
    assert "Edit 20 of 20" in done.output
    edits = [json.loads(line) for line in path.read_text().splitlines()]
    assert [edit["kind"] for edit in edits] == ["form"] * 12
    assert all(edit["start"] < edit["end"] for edit in edits)


@recorded
def test_recorded_sessions_are_judged_well(tmp_path: Path) -> None:
    sids = []
    for name in ("sessions", "saves", "page_views", "uploads"):
        lines = (SESSIONS / f"{name}.jsonl").read_text().splitlines()
        if name == "sessions":
            lines = lines[::EVERY]
            sids = [json.loads(line)["sid"] for line in lines]
        kept = [line for line in lines if json.loads(line)["sid"] in sids]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(kept) + "\n")
    for sid in sids:
        (tmp_path / f"{sid}.pcap.gz").symlink_to(SESSIONS / f"{sid}.pcap.gz")
    done = CliRunner().invoke(schoolgate, ["wiki", "evaluate", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    likely = json.loads(done.stdout)["likely"]
    assert likely["browser"]["saves"] >= 10
    assert likely["browser"]["recall"] >= 0.9
    assert likely["false"] == 0


@recorded
def test_alarms_are_one_object_a_line(tmp_path: Path) -> None:
    saves = [json.loads(line) for line in (SESSIONS / "saves.jsonl").read_text().splitlines()]
    save = next(row for row in saves if row["action"] == "save_small")
    path = SESSIONS / f"{save['sid']}.pcap.gz"
    done = CliRunner().invoke(schoolgate, ["wiki", "alarms", str(path), "--jsonl"])
    assert done.exit_code == 0, done.output
    alarms = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(alarm) == {"file", "client", "time", "wiki", "certainty", "probability", "why"} for alarm in alarms)
    near = next(alarm for alarm in alarms if abs(alarm["time"] - save["time"]) < 2)
    assert near["client"] == save["client"].partition(":")[0]
    assert near["certainty"] == "likely"


def test_a_replayed_capture_gives_its_edits_as_alerts_and_the_same_again(tmp_path: Path) -> None:
    school, store = shutil.copytree(HERE, tmp_path / "school"), tmp_path / "store"
    capture = LABORATORY / "L0013.pcap.gz"
    seen = []
    for _ in range(2):
        done = schoolgate_well("replay", capture, "--school", school, "--store", store, "--json")
        assert json.loads(done.stdout)["edits"] == 1
        seen.append(contents(store)["alert"])
    ((alert,), again) = seen
    assert (alert["certainty"], alert["wiki"]) == ("likely", "en.wikipedia.org")
    assert again == [alert]
