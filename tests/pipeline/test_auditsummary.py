"""The month in figures: everything that happened in it is counted once, in the school's months, and nobody is named."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.audit import AuditTrail
from pipeline.auditsummary import month_before, summarise

LONDON = ZoneInfo("Europe/London")


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_a_month_in_figures_by_role_and_result(tmp_path: Path) -> None:
    now = [0.0]
    trail = AuditTrail(tmp_path / "audit.jsonl", lambda: now[0])
    head, manager = ({"account": name, "role": role, "name": name} for name, role in (("Ann", "head"), ("Bob", "dpo")))
    for moment, action, result, who in (
        ("2026-09-30T22:59", "lookup.request", "done", head),  # 23:59 in summer time: still September
        ("2026-09-30T23:01", "lookup.request", "done", head),
        ("2026-10-05T10:00", "lookup.request", "done", manager),
        ("2026-10-06T10:00", "lookup.request", "refused", manager),
        ("2026-10-07T10:00", "retention.enforced", "done", {}),
        ("2026-10-31T23:59", "config.changed", "failed", {"account": "root"}),
        ("2026-11-01T00:01", "lookup.request", "done", head),
    ):
        now[0] = at(moment)
        trail.add(action, who, result=result, subjects=["T07"])
    month = summarise(trail.verify().entries, date(2026, 10, 20), LONDON)
    assert (month.month, month.entries, month.refused, month.failed) == (date(2026, 10, 1), 5, 1, 1)
    assert [(line.action, line.result, line.times, line.by_role) for line in month.lines] == [
        ("config.changed", "failed", 1, (("program", 1),)),
        ("lookup.request", "refused", 1, (("dpo", 1),)),
        ("lookup.request", "done", 2, (("dpo", 1), ("head", 1))),
        ("retention.enforced", "done", 1, (("program", 1),)),
    ]
    text = json.dumps(asdict(month), default=str)
    assert not any(secret in text for secret in ("Ann", "Bob", "root", "T07"))


@pytest.mark.parametrize(
    ("now", "month"), [("2026-01-31T10:00", date(2025, 12, 1)), ("2026-11-01T00:00", date(2026, 10, 1))]
)
def test_the_last_whole_month(now: str, month: date) -> None:
    assert month_before(datetime.fromisoformat(now)) == month
