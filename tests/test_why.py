"""On the sample day: every stored outcome says why, and what a change of the catalogue would do is what it does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.assembly import read_school
from pcaps.sample_school.facts import SAMPLE_DAY
from pipeline.pseudonym import Pseudonyms
from tests.conftest import SampleDay
from tests.deploy.command import ROOT, Contents, contents, many, schoolgate_well
from tests.test_sample_day import halves

SCHOOL, DAY = "ysgol-enghraifft", SAMPLE_DAY.isoformat()


@dataclass(frozen=True)
class Kept:
    """A school's folder and the store of its day."""

    school: Path
    store: Path
    tables: Contents


@pytest.fixture(scope="module")
def kept(sample_day: SampleDay, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("why")
    school, store = folder / "school", folder / "store"
    shutil.copytree(sample_day.folder, school, ignore=shutil.ignore_patterns("*.pcap", "*.jsonl"))
    schoolgate_well("replay", sample_day.capture, "--school", school, "--store", store)
    return Kept(school, store, contents(store))


def test_every_stored_outcome_and_ten_cells_more_say_why(kept: Kept) -> None:
    command = [sys.executable, "-m", "tests.why_walk", str(kept.store), SCHOOL, "2026"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["wrong"] == []
    asked, tables = answer["asked"], kept.tables
    assert asked["episode"] == len({row["id"] for row in tables["episode"]}) > 10
    assert asked["minute"] == len(tables["minute_mark"]) > 100
    assert asked["random cell"] == 10
    for table, keys in (("use_five", ("start",)), ("use_period", ("people", "period")), ("use_day", ("people",))):
        names = (*keys, "level", "kind", "service")
        assert asked[table] == len({tuple(row[name] for name in names) for row in tables[table]}) > 20


def test_a_minute_a_group_and_five_minutes_are_asked_by_command(kept: Kept) -> None:
    mark = next(row for row in kept.tables["minute_mark"] if row["outcome"] == "outside_allowed")
    clock, at = mark["minute"][11:16], ["--store", str(kept.store), "--day", DAY]
    (minute, five, group, nothing) = many(
        [
            ["why", *at, "--pseudonym", mark["pseudonym"], "--at", clock, "--service", mark["service"], "--json"],
            ["why", *at, "--at", clock, "--service", mark["service"], "--json"],
            ["why", *at, "--people", "teaching", "--kind", "social_networking"],
            ["why", *at, "--at", "03:00"],
        ]
    )
    told = json.loads(minute[1])
    assert (told["episode"], told["outcome"], told["minutes"]) == (mark["episode"], "outside_allowed", 1)
    assert told["from"][11:16] == clock, "local time, which is UTC in winter"
    cell = json.loads(five[1])
    assert "outside_allowed" in {count["outcome"] for count in cell["counts"]}
    assert cell["from"][11:16] <= clock < cell["to"][11:16]
    assert "of the group teaching." in group[1]
    assert (nothing[0], nothing[1]) == (1, "")
    assert "the store has no use to explain there" in nothing[2]


def minutes(tables: Contents, service: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in tables["use_day"]:
        if (row["level"], row["people"], row["service"]) == ("service", "all", service):
            found[row["outcome"]] += row["minutes"]
    return found


def preview(kept: Kept, service: str, *change: str) -> dict[str, Any]:
    """The effect of an override on the stored week."""
    at = ["--school", str(kept.school), "--store", str(kept.store), "--json"]
    ((status, out, err),) = many([["catalogue", "preview", "override", service, *change, *at]])
    assert status == 0, err
    (effect,) = json.loads(out)["effects"]
    return dict(effect)


def test_what_a_preview_says_comes_true(kept: Kept, sample_day: SampleDay, tmp_path: Path) -> None:
    """Facebook only counted, YouTube tagged: the day replayed under the new catalogue, against what was foretold."""
    counted = preview(kept, "facebook", "--action", "count_only")
    tagged = preview(kept, "youtube", "--action", "tag")
    school, store = tmp_path / "school", tmp_path / "store"
    shutil.copytree(kept.school, school)
    for service, action in (("facebook", "count_only"), ("youtube", "tag")):
        schoolgate_well("catalogue", "override", service, "--action", action, "--school", school)
    schoolgate_well("replay", sample_day.capture, "--school", school, "--store", store)
    new = contents(store)
    was, becomes = minutes(kept.tables, "facebook"), minutes(new, "facebook")
    assert {outcome: n for outcome, _, n in counted["moves"]} == {o: n for o, n in was.items() if o != "count_only"}
    assert becomes == {"count_only": was.total()}
    assert counted["changed"] == [was.total() - was["count_only"]] * 2
    was, becomes = minutes(kept.tables, "youtube"), minutes(new, "youtube")
    low, high = tagged["changed"]
    assert low <= was.total() - becomes["count_only"] <= high == was.total() == becomes.total()
    others = {row["service"] for row in kept.tables["use_day"]} - {"facebook", "youtube", ""}
    assert {service: minutes(new, service) for service in others} == {
        service: minutes(kept.tables, service) for service in others
    }


def test_the_first_day_of_a_new_version_is_compared(kept: Kept, sample_day: SampleDay, tmp_path: Path) -> None:
    """The morning by one version, the afternoon by the next: the difference is in the store, and adds up."""
    school, store = tmp_path / "school", tmp_path / "store"
    shutil.copytree(kept.school, school)
    morning, afternoon = halves(sample_day.capture, tmp_path)
    schoolgate_well("replay", morning, "--school", school, "--store", store)
    first = contents(store)
    assert first["catalogue_change"] == []
    schoolgate_well("catalogue", "override", "facebook", "--action", "count_only", "--school", school, "--yes")
    schoolgate_well("replay", afternoon, "--school", school, "--store", store)
    told = json.loads(schoolgate_well("catalogue", "changes", "--store", store, "--json").stdout)
    assert {change["service"] for change in told} == {"facebook"}
    assert {change["day"] for change in told} == {DAY}
    before, after = (sum(change[f"minutes_{word}"] for change in told) for word in ("before", "after"))
    assert before == after > 0
    others = [change for change in told if change["outcome"] != "count_only"]
    assert {change["minutes_after"] for change in others} == {0}
    assert "outside_allowed" in {change["outcome"] for change in others}
    later = minutes(contents(store), "facebook")
    later.subtract(minutes(first, "facebook"))
    assert later["count_only"] == later.total() >= sum(change["minutes_before"] for change in others)


def test_a_correction_is_applied_and_past_minutes_are_re_tagged_by_command(kept: Kept, tmp_path: Path) -> None:
    """Somebody with an episode was away that day, as is found out later."""
    school, store = tmp_path / "school", tmp_path / "store"
    shutil.copytree(kept.school, school)
    shutil.copytree(kept.store, store, symlinks=True)
    (school / "audit.jsonl").unlink(missing_ok=True)
    episode = kept.tables["episode"][0]
    keys, ids = Pseudonyms(school / "pseudonym-keys.json"), read_school(school).school.numbers
    who = keys.whose(episode["pseudonym"], ids)
    exceptions = tmp_path / "exceptions.csv"
    away = f"{DAY},{who},,,absent,,{DAY}T16:00"
    exceptions.write_text((school / "exceptions.csv").read_text().rstrip("\n") + f"\n{away}\n")
    at, both = ["--school", str(school)], ["--school", str(school), "--store", str(store)]
    actor = ["--as", "head/Ann Bowen"]
    done = many(
        [
            ["import", str(exceptions), *at, "--apply"],
            ["retag", "--import", "1", *both, "--dry-run"],
            ["retag", "--import", "1", *both, "--json"],
            ["retag", *both, "--json"],
            ["why", episode["id"], *both, *actor],
            ["state", str(who), DAY, *at, *actor],
            ["state", str(who), DAY, *at, "--as", "head/Nobody"],
            ["audit", "verify", *both, "--json"],
        ]
    )
    assert [status for status, *_ in done] == [0, 0, 0, 0, 0, 0, 1, 0], done
    assert "nothing is stored" in done[1][1]
    (first,), (again,) = json.loads(done[2][1]), json.loads(done[3][1])
    assert first["changed"] >= int(episode["minutes"])
    assert again["changed"] == 0
    assert {move["becomes"] for move in first["moves"]} <= {"unknown"}
    assert "after a correction of the school's files" in done[4][1]
    assert str(who) not in done[4][1]
    assert json.loads(done[7][1])["intact"]
    entries = [json.loads(line) for line in (school / "audit.jsonl").read_text().splitlines()]
    told = [(entry["action"], entry["result"], entry["subjects"]) for entry in entries]
    assert told[:-1] == [
        ("retag.begun", "done", []),
        ("retag.done", "done", []),
        ("retag.begun", "done", []),
        ("retag.done", "done", []),
        ("why.shown", "done", [episode["id"]]),
        ("state.shown", "done", [who]),
        ("state.shown", "refused", []),
    ]
    new = contents(store)
    totals = [sum(row["minutes"] for row in tables["use_day"]) for tables in (kept.tables, new)]
    assert totals[0] == totals[1]
    assert episode["pseudonym"] not in {row["pseudonym"] for row in new["episode"]}
