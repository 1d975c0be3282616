"""Whether reports arrive, as `schoolgate doctor` tells it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboards.report_health import LATE_S, REPORTS, facts_of
from dashboards.settings import ReportSettings
from sensor.health import Severity

NOW = 1_800_000_000.0


def found(
    folder: Path, waiting: list[dict[str, object]] | None, at: float = NOW, **settings: object
) -> tuple[Severity, str]:
    if waiting is not None:
        (folder / "state.json").write_text(json.dumps({"at": at, "waiting": waiting}))
    known = ReportSettings.model_validate({"to": ("head@school.example",), "folder": folder, **settings})
    finding = next(one for one in REPORTS.examine(facts_of(known, NOW)) if one.id == "report_mail")
    return finding.severity, finding.sentence


@pytest.mark.parametrize(
    ("row", "severity", "words"),
    [
        (
            {"state": "pending", "attempt": 1, "problem": "connection"},
            Severity.WARN,
            "no connection to the mail server",
        ),
        ({"state": "pending", "attempt": 5, "problem": "login"}, Severity.FAIL, "waits after 5 attempts"),
        ({"state": "failed", "attempt": 9, "problem": "refused"}, Severity.FAIL, "was given up"),
        ({"state": "pending", "attempt": 0, "problem": ""}, Severity.OK, "Everything that was due has been sent"),
    ],
)
def test_a_dead_server_is_shown(tmp_path: Path, row: dict[str, object], severity: Severity, words: str) -> None:
    assert found(tmp_path, [{"period": "2026-W47", **row}])[0] is severity
    assert words in found(tmp_path, [{"period": "2026-W47", **row}])[1]


def test_nobody_sends_and_nobody_is_set(tmp_path: Path) -> None:
    assert found(tmp_path, None)[0] is Severity.UNKNOWN
    assert found(tmp_path, [], at=NOW - LATE_S - 1)[0] is Severity.WARN
    assert found(tmp_path, [], to=())[0] is Severity.UNKNOWN
    (tmp_path / "state.json").write_text("[")
    assert found(tmp_path, None)[0] is Severity.UNKNOWN


def test_a_password_that_others_can_read_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "password"
    assert "cannot be read" in found(tmp_path, [], password_file=path)[1]
    path.write_text("x")
    path.chmod(0o644)
    assert found(tmp_path, [], password_file=path)[0] is Severity.FAIL
    path.chmod(0o600)
    assert found(tmp_path, [], password_file=path)[0] is Severity.OK
    severity, sentence = found(tmp_path, [], user="gate", tls="none", host="mail.school.example")
    assert (severity, "unencrypted" in sentence) == (Severity.FAIL, True)
