"""Scores alarms against recorded sessions with truth, and says how sure the figures are.

A folder of sessions holds `SID.pcap.gz` with four files of truth, one JSON object a line: `sessions.jsonl` (sid,
browser, scenario), `saves.jsonl` (sid, time, action: a revision that was really saved), `page_views.jsonl` (sid) and,
if wanted, `uploads.jsonl` (sid, end, truth).

The rule: an alarm is true if a real save of the same session lies from 12 s before to 8 s after it; a save takes one
alarm, nearest first. Further alarms near a save count neither way, nor do those near a save that changed nothing (on
the wire it is a save). False alarms within 10 s count once. Rollback, and sessions of programs (`api_...`), are kept
apart.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.wiki.alarm import Certainty, EditAlarm

EARLY_S, LATE_S = 8.0, 12.0  # an alarm may come so long before, or after, its save
ONCE_S = 10.0
KINDS = ("browser", "api", "rollback")


class TrialError(ValueError):
    """Truth that cannot be used; the message is `FILE:LINE: what is wrong; mend`."""


@dataclass(frozen=True, slots=True)
class Save:
    time: float
    action: str


@dataclass(frozen=True)
class Session:
    sid: str
    browser: str
    scenario: str
    views: int
    saves: tuple[Save, ...]
    null_saves: tuple[float, ...]

    @property
    def is_program(self) -> bool:
        return self.scenario.startswith("api")


@dataclass(frozen=True)
class Result:
    """Of one certainty: per kind and per scenario (found, saves), and the false alarms."""

    kinds: Mapping[str, tuple[int, int]]
    scenarios: Mapping[str, tuple[int, int]]
    false: tuple[tuple[str, str, str, float], ...]  # sid, browser, scenario, time
    views: int
    false_by_scenario: Mapping[str, tuple[int, int]]  # false alarms, page views

    def as_object(self) -> dict[str, Any]:
        """For JSON, with 95 % intervals."""
        count, views = len(self.false), max(1, self.views)
        return {
            **{kind: _share(*self.kinds[kind]) if kind in self.kinds else None for kind in KINDS},
            "false": count,
            "views": self.views,
            "false_per_10k": 1e4 * count / views,
            "false_lower_per_10k": 1e4 * poisson_lower(count) / views,
            "false_upper_per_10k": 1e4 * poisson_upper(count) / views,
            "scenarios": {name: _share(*pair) for name, pair in self.scenarios.items()},
            "false_by_scenario": {
                name: {"false": wrong, "views": views} for name, (wrong, views) in self.false_by_scenario.items()
            },
            "false_at": [
                {"sid": sid, "browser": browser, "scenario": scenario, "time": round(time, 2)}
                for sid, browser, scenario, time in self.false
            ],
        }


def read_sessions(folder: Path) -> dict[str, Session]:
    """The sessions of a folder, by id."""
    saves: dict[str, list[Save]] = defaultdict(list)
    for row in _rows(folder / "saves.jsonl", ("sid", "time", "action")):
        saves[row["sid"]].append(Save(float(row["time"]), row["action"]))
    views = Counter(row["sid"] for row in _rows(folder / "page_views.jsonl", ("sid",)))
    nulls: dict[str, list[float]] = defaultdict(list)
    if (folder / "uploads.jsonl").exists():
        for row in _rows(folder / "uploads.jsonl", ("sid", "end", "truth")):
            if row["truth"] == "null_save":
                nulls[row["sid"]].append(float(row["end"]))
    return {
        row["sid"]: Session(
            row["sid"],
            row["browser"],
            row["scenario"],
            views[row["sid"]],
            tuple(sorted(saves[row["sid"]], key=_time)),
            tuple(nulls[row["sid"]]),
        )
        for row in _rows(folder / "sessions.jsonl", ("sid", "browser", "scenario"))
    }


def score(sessions: Iterable[Session], alarms: Mapping[str, Sequence[float]]) -> Result:
    """Alarm times by session against the truth."""
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    scenarios: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    false: list[tuple[str, str, str, float]] = []
    by_scenario: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    views = 0
    for session in sessions:
        times = sorted(alarms.get(session.sid, ()))
        found, taken = _match(session, times)
        for i, save in enumerate(session.saves):
            kind = "api" if session.is_program else "rollback" if save.action.endswith("rollback") else "browser"
            for table, key in ((kinds, kind), (scenarios, f"{session.browser}/{save.action or session.scenario}")):
                table[key][0] += i in found
                table[key][1] += 1
        wrong = _false(session, times, taken)
        if not session.is_program:
            views += session.views
            false += [(session.sid, session.browser, session.scenario, time) for time in wrong]
            by_scenario[session.scenario][0] += len(wrong)
            by_scenario[session.scenario][1] += session.views
    return Result(_pairs(kinds), _pairs(scenarios), tuple(false), views, _pairs(by_scenario))


def _match(session: Session, times: Sequence[float]) -> tuple[set[int], set[int]]:
    pairs = sorted(
        (abs(time - save.time), i, j)
        for i, save in enumerate(session.saves)
        for j, time in enumerate(times)
        if -EARLY_S <= time - save.time <= LATE_S
    )
    found: set[int] = set()
    taken: set[int] = set()
    for _, i, j in pairs:
        if i not in found and j not in taken:
            found.add(i)
            taken.add(j)
    return found, taken


def _false(session: Session, times: Sequence[float], taken: set[int]) -> list[float]:
    near = [save.time for save in session.saves] + list(session.null_saves)
    false: list[float] = []
    last = -math.inf
    for j, time in enumerate(times):
        if j in taken or any(-EARLY_S <= time - other <= LATE_S for other in near):
            continue
        if time - last >= ONCE_S:
            false.append(time)
        last = time
    return false


def results(sessions: Iterable[Session], alarms: Iterable[tuple[str, EditAlarm]]) -> dict[str, Result]:
    """By the certainty that an alarm has at least; alarms come with their session's id."""
    order = list(Certainty)
    times: dict[str, dict[str, list[float]]] = {certainty.value: defaultdict(list) for certainty in order}
    for sid, alarm in alarms:
        for certainty in order[: order.index(alarm.certainty) + 1]:
            times[certainty.value][sid].append(alarm.time)
    listed = list(sessions)
    return {certainty: score(listed, found) for certainty, found in times.items()}


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    if not n:
        return 0.0, 1.0
    p, d = k / n, 1 + z * z / n
    centre, half = p + z * z / 2 / n, z * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return max(0.0, (centre - half) / d), min(1.0, (centre + half) / d)


def poisson_upper(k: int, confidence: float = 0.975) -> float:
    """The smallest mean under which so few as `k` events have less than 1 - `confidence`."""
    low, high = 0.0, 50.0 + 3 * k
    for _ in range(80):
        mean = (low + high) / 2
        term = total = math.exp(-mean)
        for i in range(1, k + 1):
            term *= mean / i
            total += term
        low, high = (mean, high) if total > 1 - confidence else (low, mean)
    return high


def poisson_lower(k: int, confidence: float = 0.975) -> float:
    """The largest mean under which `k` events or more have less than 1 - `confidence`."""
    low, high = 0.0, float(k)
    for _ in range(80):
        mean = (low + high) / 2
        term = total = math.exp(-mean)
        for i in range(1, k):
            term *= mean / i
            total += term
        low, high = (mean, high) if k and 1 - total < 1 - confidence else (low, mean)
    return low


def _share(found: int, saves: int) -> dict[str, Any]:
    return {"found": found, "saves": saves, "recall": found / saves, "interval": wilson(found, saves)}


def _rows(path: Path, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise TrialError(f"{path}: cannot be read ({error.strerror}); a folder of sessions holds it") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                row = json.loads(line)
                missing = [column for column in columns if column not in row]
            except (ValueError, TypeError):
                raise TrialError(f"{path}:{number}: no JSON object; write one a line") from None
            if missing:
                raise TrialError(f"{path}:{number}: {missing[0]!r} is missing; every line has {', '.join(columns)}")
            yield row


def _pairs(table: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, int]]:
    return {key: (first, second) for key, (first, second) in sorted(table.items())}


def _time(save: Save) -> float:
    return save.time
