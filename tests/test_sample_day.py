"""The main job on the sample school's day: packets in, a school's day out, held against what people really did.

Judged minutes are read twice: one by one from the judge, and added up from the store that `schoolgate replay` writes.
The truth knows neither the product's rules nor its code.
"""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy.assembly import read_school
from pcaps.sample_school.facts import SAMPLE_DAY
from pcaps.sample_school.rota import Rota
from pipeline import schema
from pipeline.pseudonym import Pseudonyms, term_of
from sensor.catalogue import Catalogue, load_catalogue
from tests.conftest import SampleDay
from tests.deploy.command import Contents, contents, many, schoolgate, schoolgate_well
from tests.judged import Minute, judge

DAY, WEEK, SCHOOL = SAMPLE_DAY.isoformat(), "2026-W47", "ysgol-enghraifft"
SEVERITY = ("outside_allowed", "unknown", "official_possible", "count_only", "allowed")  # the gravest first
USE = {"use", "official"}
Cell = tuple[str, str, int]  # staff id, service, UTC minute


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def judged(sample_day: SampleDay) -> list[Minute]:
    """Every minute that the product judges, one by one."""
    return judge(sample_day.folder, sample_day.capture)


@dataclass(frozen=True)
class Replayed:
    """What `schoolgate replay` said and stored."""

    store: Path
    said: dict[str, Any]
    tables: Contents


def replay(day: SampleDay, store: Path, *captures: Path) -> Replayed:
    done = schoolgate_well("replay", *(captures or (day.capture,)), "--school", day.folder, "--store", store, "--json")
    return Replayed(store, json.loads(done.stdout), contents(store))


@pytest.fixture(scope="module")
def replayed(sample_day: SampleDay, tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    return replay(sample_day, tmp_path_factory.mktemp("replay") / "store")


def cells(rows: Iterator[dict[str, Any]]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    for row in rows:
        for minute in row["minutes"]:
            yield (row["staff_id"], row["service"], minute), row


def exact(row: dict[str, Any]) -> bool:
    """Is it known without doubt what must become of this use, and whose it is?"""
    sure = row["scripted"] and row["grade"] in {"A", "B"} and not row["near_boundary"]
    return bool(sure and row["expected_outcome"])


# -- minute by minute


def test_every_scripted_minute_has_the_outcome_of_the_truth(sample_day: SampleDay, judged: list[Minute]) -> None:
    got = {(m.user, m.service, m.minute): m.outcome for m in judged}
    assert len(got) == len(judged)
    wanted = {cell: row["expected_outcome"] for cell, row in cells(filter(exact, sample_day.truth))}
    assert {cell: (outcome, got.get(cell)) for cell, outcome in wanted.items() if got.get(cell) != outcome} == {}
    assert {m.grade for m in judged if (m.user, m.service, m.minute) in wanted} == {"B"}
    assert set(wanted.values()) == set(SEVERITY)


def test_nobody_is_said_to_have_used_what_he_did_not(sample_day: SampleDay, judged: list[Minute]) -> None:
    """Widgets, an idle tab, an edit of an encyclopaedia, push messages, other people's traffic: none is a use."""
    claimed = dict(cells(row for row in sample_day.truth if row["activity"] in USE and row["staff_id"]))
    got = {(m.user, m.service, m.minute): m for m in judged if m.person}
    assert sorted(set(got) - set(claimed)) == []
    for cell, minute in got.items():
        assert minute.grade == claimed[cell]["grade"], cell


def test_use_without_a_person_is_unknown_for_the_right_reason(sample_day: SampleDay, judged: list[Minute]) -> None:
    reasons = {"D": {"shared_device"}, "N": {"no_person", "several_people", "locked"}}
    wanted: Counter[tuple[str, int, str]] = Counter()
    for row in sample_day.truth:
        if row["segment"] == "staff" and row["activity"] in USE and row["grade"] in reasons:
            assert row["expected_outcome"] == "unknown"
            wanted.update((row["service"], minute, row["grade"]) for minute in row["minutes"])
    nobody = [m for m in judged if not m.person]
    assert Counter((m.service, m.minute, m.grade) for m in nobody) == wanted
    assert all(m.outcome == "unknown" and m.reason in reasons[m.grade] for m in nobody)
    assert {m.reason for m in nobody} == {"shared_device", "no_person", "several_people", "locked"}


def test_a_device_that_is_only_assigned_never_gives_outside_allowed(judged: list[Minute]) -> None:
    assigned = [m for m in judged if m.grade == "C"]
    assert {m.outcome for m in assigned} == {"allowed", "count_only"}
    assert {m.grade for m in judged if m.outcome == "outside_allowed"} == {"B"}


def test_minutes_at_a_boundary_are_unknown(sample_day: SampleDay, judged: list[Minute]) -> None:
    near = {cell for cell, row in cells(row for row in sample_day.truth if row["near_boundary"])}
    found = [m for m in judged if (m.user, m.service, m.minute) in near]
    assert {m.reason for m in found} >= {"boundary"}
    rota = Rota(sample_day.folder, SAMPLE_DAY)
    first = min(m for row in sample_day.truth for m in row["minutes"]) // 1440 * 1440  # the day begins at 00:00 UTC
    for m in found:
        if m.reason == "boundary":
            assert m.outcome == "unknown"
            day = rota.stretches(m.user)
            changes = [b.start for a, b in pairwise(day) if a.allowed != b.allowed]
            assert any(-5 <= m.minute - first - change < 5 for change in changes), m


def test_most_minutes_of_use_are_exactly_known(sample_day: SampleDay) -> None:
    use = [row for row in sample_day.truth if row["segment"] == "staff" and row["activity"] in USE]
    assert sum(len(row["minutes"]) for row in filter(exact, use)) >= 0.8 * sum(len(row["minutes"]) for row in use)


# -- the store


def added(tables: Contents, table: str, *names: str, **where: object) -> Counter[tuple[Any, ...]]:
    """Sums of minutes of a table by these columns."""
    sums: Counter[tuple[Any, ...]] = Counter()
    for row in tables[table]:
        if all(row[name] == value for name, value in where.items()):
            sums[tuple(row[name] for name in names)] += row["minutes"]
    return sums


def gravest(judged: list[Minute], label: dict[str, str]) -> Counter[tuple[str, str]]:
    """Person-minutes by label of the service and outcome, a minute counted once in each label."""
    found: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for m in judged:
        found[m.user, label[m.service], m.minute].append(m.outcome)
    return Counter((name, min(outcomes, key=SEVERITY.index)) for (_, name, _), outcomes in found.items())


def test_the_store_holds_the_sum_of_the_judged_minutes(
    replayed: Replayed, judged: list[Minute], catalogue: Catalogue
) -> None:
    tables = replayed.tables
    by_five = Counter((f"{m.minute // 5 * 300}", m.service, m.outcome, m.reason) for m in judged)
    stored = added(tables, "use_five", "start", "service", "outcome", "reason", level="service")
    assert Counter({(str(_unix(start)), *rest): n for (start, *rest), n in stored.items()}) == by_five
    kinds = {service.id: service.kind.value for service in catalogue.services.values()}
    for level, label in (("service", {s: s for s in kinds}), ("kind", kinds), ("all", dict.fromkeys(kinds, ""))):
        wanted = gravest(judged, label)
        name = "service" if level == "service" else "kind"
        assert added(tables, "use_five", name, "outcome", level=level) == wanted
        assert added(tables, "use_day", name, "outcome", level=level, people="all", day=DAY) == wanted
        assert added(tables, "use_period", name, "outcome", level=level, people="all") == wanted
    total = {outcome: n for (_, outcome), n in gravest(judged, dict.fromkeys(kinds, "")).items()}
    assert replayed.said["minutes"] == {DAY: total}


def _unix(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_marks_and_episodes_are_the_minutes_outside_allowed_times(
    replayed: Replayed, judged: list[Minute], sample_day: SampleDay
) -> None:
    files = read_school(sample_day.folder)
    keys, term = Pseudonyms(files.settings.school.pseudonym_keys), term_of(files.school.calendar, SAMPLE_DAY)
    name = {person.staff_id: keys.of(term, person.staff_id) for person in files.school.staff}
    wanted = {
        cell for cell, row in cells(filter(exact, sample_day.truth)) if row["expected_outcome"] == "outside_allowed"
    }
    kept = replayed.tables["minute_mark"]
    assert {row["outcome"] for row in kept} <= {"outside_allowed", "unknown", "count_only"}, "allowed use is not kept"
    assert "yes" not in {row["allowed"] for row in kept}
    marks = [
        (row["pseudonym"], row["service"], _unix(row["minute"]) // 60)
        for row in kept
        if row["outcome"] == "outside_allowed"
    ]
    outside = [m for m in judged if m.outcome == "outside_allowed"]
    assert {(m.user, m.service, m.minute) for m in outside} >= wanted
    assert sorted(marks) == sorted((name[m.user], m.service, m.minute) for m in outside)
    episodes = added(replayed.tables, "episode", "pseudonym", "service")
    assert episodes == Counter((name[m.user], m.service) for m in outside)


def covered(tables: Contents) -> Counter[str]:
    sums: Counter[str] = Counter()
    for row in tables["coverage"]:
        sums[row["metric"]] += row["value"]
    return sums


def test_coverage_adds_up(replayed: Replayed, judged: list[Minute]) -> None:
    sums = covered(replayed.tables)
    said = replayed.said["counters"]
    assert {metric: sums[metric] for metric in ("packets", "bytes", "flows_named")} == {
        metric: said[metric] for metric in ("packets", "bytes", "flows_named")
    }
    assert sums["slices"] == replayed.said["slices"]
    assert sums["slices"] == sum(sums[f"slices_{segment}"] for segment in ("staff", "pupil", "guest", "unknown"))
    assert sums["slices_pupil"] > 0
    assert sums["slices_unknown"] == 0
    assert sums["minutes_use"] == len(judged)
    assert sums["minutes_person"] == sum(m.person for m in judged)
    assert sums["minutes_judged"] == sum(m.outcome != "unknown" for m in judged)


def test_packets_are_counted_in_the_five_minutes_they_came_in(replayed: Replayed, sample_day: SampleDay) -> None:
    """To within the 128 packets that the sensor handles at once, at either end."""
    sent: Counter[int] = Counter()
    for _, seconds in records(sample_day.capture.read_bytes()):
        sent[seconds // 300 * 300] += 1
    counted: Counter[int] = Counter()
    for row in replayed.tables["coverage"]:
        if row["metric"] == "packets":
            counted[_unix(row["start"])] += row["value"]
    assert {start: (sent[start], counted[start]) for start in sent if abs(sent[start] - counted[start]) > 256} == {}
    assert set(counted) <= set(sent)


def records(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each record of a pcap begins, and its time in seconds."""
    at = 24
    while at < len(data):
        seconds, _, kept, _ = struct.unpack_from("<IIII", data, at)
        yield at, seconds
        at += 16 + kept


def test_replayed_into_the_same_store_again_changes_nothing(replayed: Replayed, sample_day: SampleDay) -> None:
    again = replay(sample_day, replayed.store)
    assert again.tables == replayed.tables
    assert again.said["windows_stored"] == 0
    assert again.said["windows_known"] == replayed.said["windows_stored"] > 100
    assert again.said["minutes"] == replayed.said["minutes"]


DATED = {
    "batch": "stored",
    "school_info": "updated",
    "schema_version": "applied",
    "rulebook": "updated",
    "catalogue_version": "updated",
    "school_day": "updated",
}  # when a row was written


def undated(tables: Contents) -> Contents:
    return {
        table: [{name: value for name, value in row.items() if DATED.get(table) != name} for row in rows]
        for table, rows in tables.items()
    }


def halves(capture: Path, folder: Path) -> tuple[Path, Path]:
    """A pcap cut in two in its middle, between two packets."""
    data = capture.read_bytes()
    at = next(at for at, _ in records(data) if at >= len(data) // 2)
    first, second = folder / "1.pcap", folder / "2.pcap"
    first.write_bytes(data[:at])
    second.write_bytes(data[:24] + data[at:])
    return first, second


BY_TABLE = {"clients", "clients_without_dns"}  # distinct clients of each table that the sensor gave


def test_two_captures_give_the_same_store_as_one(replayed: Replayed, sample_day: SampleDay, tmp_path: Path) -> None:
    """A new store and another cut of the packets: only the times of writing differ, and what is counted by block."""
    split = replay(sample_day, tmp_path / "store", *halves(sample_day.capture, tmp_path))
    one, two = replayed.said["counters"], split.said["counters"]
    assert {name for name in one if one[name] != two[name]} <= BY_TABLE
    by_block = {"coverage", "batch"}  # packets around the cut may be counted in the five minutes beside theirs
    for table, rows in undated(replayed.tables).items():
        if table not in by_block:
            assert undated(split.tables)[table] == rows, table
    one, two = covered(replayed.tables), covered(split.tables)
    assert {name for name in one | two if one.get(name) != two.get(name)} <= BY_TABLE


def test_a_new_store_is_the_same(replayed: Replayed, sample_day: SampleDay, tmp_path: Path) -> None:
    fresh = replay(sample_day, tmp_path / "store")
    assert undated(fresh.tables) == undated(replayed.tables)
    assert fresh.said == replayed.said


def test_captures_in_the_wrong_order_are_no_silent_loss(sample_day: SampleDay, tmp_path: Path) -> None:
    first, second = halves(sample_day.capture, tmp_path)
    store = tmp_path / "store"
    done = schoolgate("replay", second, first, "--school", sample_day.folder, "--store", store)
    assert done.returncode == 1
    assert re.search(r"\d+ slices came after their windows .* in the order of time, and a new store\n", done.stderr)


# -- what people see


def test_every_panel_of_the_dashboards_has_rows(replayed: Replayed) -> None:
    done = schoolgate_well("grafana", "check", "--store", replayed.store, "--day", DAY)
    lines = done.stdout.splitlines()
    assert len(lines) >= 15
    empty = [line for line in lines if not re.search(r" [1-9]\d* rows  good$", line)]
    nothing_wrong = ("Alerts about the monitor", "Messages of alerts, by day")  # nothing was to be told or sent
    assert [line for line in empty if not any(title in line for title in nothing_wrong)] == []


def rounded(minutes: int) -> str:
    """As the report shows minutes."""
    return "&lt; 5" if 0 < minutes < 5 else f"{5 * round(minutes / 5):,}"


def test_the_report_has_the_numbers_of_the_store(replayed: Replayed, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    schoolgate_well("report", "--week", WEEK, "--store", replayed.store, "--out", out)
    html = out.read_text(encoding="utf-8")
    totals: Counter[str] = Counter()
    for (outcome,), n in added(replayed.tables, "use_day", "outcome", level="all", people="all").items():
        totals[outcome] += n
    assert f"about {rounded(totals.total())} minutes. {rounded(totals['outside_allowed'])} of them" in html
    table = re.search(r'<table id="outcomes">.*?</table>', html, re.DOTALL)
    assert table is not None
    shown = dict(re.findall(r'<i class="(\w+)"></i>.*?<td class="n[^"]*">([^<]*)</td>', table[0], re.DOTALL))
    assert shown == {outcome: rounded(totals[outcome]) for outcome in SEVERITY}
    kinds = added(replayed.tables, "use_day", "kind", level="kind", people="all")
    table = re.search(r'<table id="kinds">.*?</table>', html, re.DOTALL)
    assert table is not None
    numbers = re.findall(r'</th><td class="n">([^<]*)</td>', table[0])
    assert sorted(numbers) == sorted(rounded(n) for n in kinds.values())


def test_every_episode_and_every_period_can_be_explained(replayed: Replayed) -> None:
    store = ["--store", str(replayed.store)]
    episodes = sorted({row["id"] for row in replayed.tables["episode"]})
    periods = sorted({row["period"] for row in replayed.tables["use_period"]})
    commands = [["why", *store, "--day", DAY, "--list", "--json"]]
    commands += [["why", id_, *store, "--json"] for id_ in episodes]
    commands += [["why", *store, "--day", DAY, "--period", period, "--json"] for period in periods]
    commands += [["why", *store, "--day", DAY, "--period", "P3", "--service", "facebook", "--json"]]
    results = many(commands)
    assert [result for result in results if (result[0], result[2]) != (0, "")] == []
    listed, *answers = [json.loads(out) for _, out, _ in results]
    minutes = added(replayed.tables, "episode", "id")
    assert {row["episode"]: row["minutes"] for row in listed} == {id_: n for (id_,), n in minutes.items()}
    assert {a["episode"]: a["minutes"] for a in answers if "episode" in a} == {id_: n for (id_,), n in minutes.items()}
    assert len(episodes) >= 15
    by_period = added(replayed.tables, "use_period", "period", people="all", level="all")
    told = {(a["period"],): a["minutes"] for a in answers if "period" in a and not a["service"]}
    assert told == by_period
    facebook = added(replayed.tables, "use_period", people="all", level="service", service="facebook", period="P3")
    assert answers[-1]["minutes"] == facebook[()] > 0


def test_an_episode_is_explained_in_words(replayed: Replayed) -> None:
    (row, *_) = replayed.tables["episode"]
    text = schoolgate_well("why", row["id"], "--store", replayed.store).stdout
    for word in ("Tuesday 17 November 2026", "(Europe/London)", "Evidence: ", "Rule E3 ", "Rule E8 ", "Timetable: "):
        assert word in text
    for word in ("Policy clause 6.13", "Identity: grade B", row["pseudonym"], row["policy"], row["catalogue"]):
        assert word in text


# -- what nobody may see


TOKEN = re.compile(r"[A-Za-z0-9_.:@-]+")


def identifying(day: SampleDay) -> set[str]:
    """Staff ids, account names, mail addresses, machines: every word of the school's files that stands for somebody."""
    words = set()
    tables = Rota(day.folder, SAMPLE_DAY).tables
    for row in tables["staff"]:
        words |= {row["staff_id"], row["email"], *row["username"].split(";")}
    for row in tables["devices"]:
        words |= {row["mac"], row["asset_tag"], row["hostname"]}
    for row in (day.folder / "feeds" / "kea-leases4.csv").read_text(encoding="utf-8").splitlines()[1:]:
        words.add(row.split(",")[0])
    words |= {row["device"] for row in day.truth}
    return {word.lower() for word in words if word}


def test_the_store_holds_no_name_no_address_and_no_host(
    replayed: Replayed, sample_day: SampleDay, catalogue: Catalogue
) -> None:
    texts = {
        (table.name, column, str(row[column]))
        for table in schema.TABLES
        for column, kind in table.types.items()
        if "String" in kind
        for row in replayed.tables[table.name]
    }
    assert set(replayed.tables) == set(schema.BY_NAME)
    assert {column for table, column, _ in texts if table == "episode"} >= {"why", "source", "pseudonym", "id"}
    known = identifying(sample_day)
    assert len(known) > 2000
    found = []
    for table, column, text in texts:
        for token in TOKEN.findall(text.lower()):
            token = token.strip(".:-")
            host = "." in token and (catalogue.lookup(token) or catalogue.blindness(token))
            if table == "alert" and column in ("wiki", "why") and host and catalogue.wiki(token):
                continue  # which wiki it was is what an alert tells
            if token in known or host or _is_address(token):
                found.append((table, column, text, token))
    assert found == []
    assert [text for text in texts if re.search(r"\.csv\b", text[2])] == []  # a row of a feed stands for somebody too


def test_that_test_would_find_them(sample_day: SampleDay, catalogue: Catalogue) -> None:
    known = identifying(sample_day)
    assert {"t01", "t01@ysgol-enghraifft.example", "lt-001", "00:16:3e:00:10:00", "staffroom-1"} <= known
    assert any(word.startswith("10.20.") for word in known)
    assert _is_address("10.20.1.87")
    assert _is_address("2001:db8::1")
    assert catalogue.lookup("www.facebook.com") is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(re.fullmatch(r"(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}", text))
    return True


def test_aggregate_mode_stores_sums_only(replayed: Replayed, sample_day: SampleDay, tmp_path: Path) -> None:
    """The same sums, no key file, and nothing by person."""
    school = tmp_path / "school"
    shutil.copytree(
        sample_day.folder, school, ignore=shutil.ignore_patterns("*.pcap", "*.jsonl", "pseudonym-keys.json")
    )
    settings = school / "schoolgate.toml"
    settings.write_text(settings.read_text().replace('"pseudonymous"', '"aggregate"'))
    store = tmp_path / "store"
    schoolgate_well("replay", sample_day.capture, "--school", school, "--store", store)
    tables = contents(store)
    assert tables["episode"] == tables["minute_mark"] == []
    assert not (school / "pseudonym-keys.json").exists()
    for table in ("use_five", "use_period", "use_day", "coverage", "bell"):
        assert tables[table] == replayed.tables[table], table
