"""The tools of the bench, run small: what they print adds up."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.commands.bench import NAMES, command
from sensor.bench_traffic import CAPTURES
from tests.bench import __main__ as bench
from tests.bench import live, parts
from tests.bench.captures import Captures
from tests.bench.live import Trial
from tests.bench.table import to_json
from tests.bench.test_table import REPORT


def test_schoolgate_bench() -> None:
    assert set(NAMES) == set(CAPTURES)
    words = ["even", "storm", "--packets", "2000", "--rounds", "1"]
    found = json.loads(CliRunner().invoke(command, [*words, "--json"], catch_exceptions=False).output)
    assert found["machine"]["cores"].isdigit()
    assert [(r["name"], r["packets"], r["flows"], r["named"]) for r in found["results"]] == [
        ("even", 2000, 60, 60),
        ("storm", 2000, 200, 200),
    ]
    for result in found["results"]:
        assert result["kernel_share"] == pytest.approx(result["kernel"] / result["limit"])
        assert result["full_share"] == pytest.approx(result["full"] / result["limit"])
    shown = CliRunner().invoke(command, words, catch_exceptions=False).output
    assert "2,000 packets of" in shown
    assert "200 flows (200 named)" in shown


def test_a_run_can_be_printed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.json"
    path.write_text(to_json(REPORT))
    for shape, piece in (("--json", '"machine"'), ("--markdown", "|---|"), (None, "reached")):
        monkeypatch.setattr(sys, "argv", ["bench", "--read", str(path), *([shape] if shape else [])])
        bench.main()
        assert piece in capsys.readouterr().out


def test_a_part_that_fails_does_not_cost_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: parts.Bench) -> list[parts.Row]:
        raise RuntimeError("no wire")

    monkeypatch.setitem(bench.PARTS, "live", (failing, "fails"))
    monkeypatch.setitem(bench.PARTS, "sensor", (lambda _: iter(REPORT.rows), "works"))
    report = bench.run(["live", "sensor"], 1, quick=True)
    assert report.rows == REPORT.rows
    assert report.lacking == ("live failed: no wire",)


def test_processes_of_their_own(tmp_path: Path) -> None:
    small = parts.Bench(Captures(tmp_path, 0.001), tmp_path, 1, [])
    (memory,) = parts.memory(small)
    assert 0 < memory.ours < 2048
    assert "1,000 flows" in memory.what
    (start,) = parts.start(small)
    assert start.ours > 0
    (cores,) = list(parts.cores(small)) or [None]
    if cores:
        assert cores.ratio is not None
        assert cores.ours > 0


def test_replay_is_measured_with_people_to_judge(tmp_path: Path) -> None:
    small = parts.Bench(Captures(tmp_path, 0.005), tmp_path, 1, [])
    even, hot = parts.way(small)
    assert even.what == "replay: 300 flows used evenly"
    assert hot.ratio is not None
    assert "rows stored" in even.note
    assert not even.note.startswith("0 slices")


def test_lost_is_what_was_sent_and_not_counted() -> None:
    fast = Trial(500_000, 60.0, 30_000_064, 30_000_064, 0, 0, 60_000)
    assert (fast.lost, live.row(fast, target=True).reached) == (0, True)
    dropped = Trial(500_000, 60.0, 30_000_064, 30_000_000, 64, 0, 60_000)
    assert (dropped.lost, live.row(dropped, target=True).reached) == (64, False)
    slow = Trial(500_000, 60.0, 20_000_000, 20_000_000, 0, 0, 60_000)
    assert live.row(slow, target=True).reached is None
    assert "did not reach" in live.row(slow, target=True).note
    assert live.row(Trial(500_000, 60.0, 20_000_000, 19_999_999, 0, 0, 1), target=True).reached is False


@pytest.mark.skipif(live.lacking() is not None, reason=live.lacking() or "")
def test_a_slow_sender_is_counted_to_the_last_packet() -> None:
    with live.wire() as namespace:
        found = live.trial(namespace, 5_000, 1.0)
    assert found.sent >= 4_000
    assert (found.counted, found.ring_drops, found.nic_drops) == (found.sent, 0, 0)
    assert found.flows > 0
