"""The sample school: its files can be made again, and its day is on the wire exactly as the truth says.

The capture is read here with `struct` and tshark, not with the product's sensor, so that a fault in one is not hidden
by the same fault in the other.
"""

from __future__ import annotations

import csv
import hashlib
import ipaddress
import json
import re
import shutil
import struct
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import dpkt
import numpy as np
import pytest

from pcaps.sample_school import make_school
from pcaps.sample_school.facts import DOMAIN, HERE, SAMPLE_DAY, SEED
from pcaps.sample_school.generate import generate, midnight_of, plan
from pcaps.sample_school.rota import NO, Rota
from pcaps.sample_school.script import Use, expected
from pcaps.sample_school.services import BLIND, MACHINE, PHONE, SERVICES, UPDATES, WORK, all_hosts

SCALE = 0.02
ROOT = Path(__file__).parents[2]
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
Flow = tuple[bytes, int, bytes, int, int]  # client, its port, server, its port, protocol


@dataclass
class Day:
    """A generated day: its folder, its truth, and tshark's and our own reading of its capture."""

    folder: Path
    truth: list[dict[str, Any]]

    @property
    def capture(self) -> Path:
        return self.folder / "day.pcap"


def _ignore(step: str, share: float) -> None:
    pass


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("day")
    generate(folder, SAMPLE_DAY, SEED, SCALE, _ignore)
    truth = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    return Day(folder, truth)


def _digest(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def _records(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Nanoseconds, length on the wire and kept bytes of each packet of a nanosecond pcap."""
    data = path.read_bytes()
    assert data[:4] == struct.pack("<I", 0xA1B23C4D)
    at = 24
    while at < len(data):
        seconds, nanos, kept, whole = struct.unpack_from("<IIII", data, at)
        yield seconds * 10**9 + nanos, whole, data[at + 16 : at + 16 + kept]
        at += 16 + kept


def _parse(frame: bytes) -> tuple[Flow, bool, int, int]:
    """Flow, whether the server sent it, payload length by the headers, IP total length."""
    kind = struct.unpack_from("!H", frame, 16)[0]
    if kind == 0x0800:
        total, proto, source, target, l4 = (
            struct.unpack_from("!H", frame, 20)[0],
            frame[27],
            frame[30:34],
            frame[34:38],
            38,
        )
    else:
        assert kind == 0x86DD
        total, proto = struct.unpack_from("!H", frame, 22)[0] + 40, frame[24]
        source, target, l4 = frame[26:42], frame[42:58], 58
    sport, dport = struct.unpack_from("!HH", frame, l4)
    payload = total - (l4 - 18) - ((frame[l4 + 12] >> 4) * 4 if proto == 6 else 8)
    if sport < 1024:
        return (target, dport, source, sport, proto), True, payload, total
    return (source, sport, target, dport, proto), False, payload, total


# -- the school's files


def test_school_files_are_made_again_byte_for_byte(tmp_path: Path) -> None:
    make_school.write_school(tmp_path)
    assert _digest(tmp_path) == _digest(HERE)


def test_committed_feeds_are_those_of_the_sample_day(day: Day) -> None:
    assert _digest(day.folder / "feeds") == _digest(HERE / "feeds")


def test_school_has_the_shape_of_a_high_school() -> None:
    rota = Rota(HERE, SAMPLE_DAY)
    roles = Counter(r["role"] for r in rota.tables["staff"])
    assert roles == {"teacher": 40, "leadership": 6, "support": 12, "trainee": 1, "contractor": 1}
    assert rota.week == "A"
    assert 800 <= len(rota.tables["devices"]) <= 1000
    assert {r["bell_group"] for r in rota.tables["staff"]} == {"KS3", "KS4"}
    assert rota.slots("KS3")["LUN"] != rota.slots("KS4")["LUN"]
    kinds = {r["kind"] for r in rota.tables["exceptions"] if r["date"] == SAMPLE_DAY.isoformat()}
    assert kinds >= {"absent", "cover", "trip", "exam", "meeting", "duty_swap_from", "duty_swap_to", "home_working"}
    closures = [r["closure"] for r in rota.tables["official_sites"]]
    assert len(closures) >= 3
    assert any(c < SAMPLE_DAY.isoformat() for c in closures)
    for site in rota.tables["official_sites"]:
        assert len(site["administrators"].split(";")) >= 2
        assert len(site["moderators"].split(";")) >= 2
        assert site["lm_approved_on"] <= site["nm_approved_on"] <= site["head_approved_on"] < site["go_live"]


def test_nobody_in_the_files_is_real() -> None:
    for row in csv.DictReader((HERE / "staff.csv").open()):
        assert re.fullmatch(r"[TLSRC]\d\d", row["staff_id"])
        assert row["username"] == row["staff_id"].lower()
        assert row["email"] == f"{row['username']}@{DOMAIN}"
    text = "\n".join(p.read_text() for p in sorted(HERE.rglob("*.csv")))
    for address in set(re.findall(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", text)):
        assert ipaddress.ip_address(address).is_private
    for mac in set(re.findall(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", text)):
        assert mac.startswith(("00:16:3e:", "01:00:16:3e", "da:", "01:da:"))  # virtual machines, or randomised
    assert all(m.endswith(DOMAIN) for m in re.findall(r"[\w.-]+@[\w.-]+", text))


def test_a_day_without_school_is_refused() -> None:
    for off in ("2026-11-21", "2026-10-27", "2026-11-27", "2027-02-02"):
        with pytest.raises(ValueError, match=r"choose (one|a day)"):
            plan(HERE, date.fromisoformat(off), SEED, 0.0)


def test_another_school_day_can_be_scripted() -> None:
    for day, week in ((date(2026, 11, 12), "B"), (date(2026, 11, 20), "A"), (date(2026, 9, 22), "B")):
        script = plan(HERE, day, SEED, 0.0)
        assert script.rota.week == week
        assert any(u.expected == "outside_allowed" for u in script.uses)


# -- the truth


def test_most_staff_use_is_exactly_known(day: Day) -> None:
    use = [t for t in day.truth if t["segment"] == "staff" and t["activity"] in {"use", "official"}]
    exact = [t for t in use if t["scripted"] and t["grade"] in {"A", "B"} and not t["near_boundary"]]
    assert all(t["expected_outcome"] for t in exact)
    assert sum(len(t["minutes"]) for t in exact) >= 0.8 * sum(len(t["minutes"]) for t in use)
    outcomes = Counter(t["expected_outcome"] for t in exact)
    assert set(outcomes) == {"allowed", "outside_allowed", "official_possible", "count_only", "unknown"}
    assert outcomes["outside_allowed"] >= 15
    assert {t["grade"] for t in use} == {"B", "C", "D", "N"}
    forbidden = {t["state"] for t in exact if t["expected_outcome"] == "outside_allowed"}
    assert forbidden == {"teaching", "duty", "cover", "meeting", "exam"}


def test_truth_holds_all_sorts_of_activity(day: Day) -> None:
    assert {t["activity"] for t in day.truth} == {"use", "official", "embedded", "idle", "edit", "pupil"}
    assert all(t["scripted"] is False for t in day.truth if t["segment"] != "staff")
    assert all(len(t["minutes"]) >= 3 for t in day.truth if t["expected_outcome"] == "outside_allowed")
    assert all(t["role_mix"].get("primary") for t in day.truth)


def test_uses_of_one_service_by_one_person_are_separate_episodes() -> None:
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for use in plan(HERE, SAMPLE_DAY, SEED, 0.0).uses:
        spans[use.staff_id or use.device, use.service].append((use.start, use.end))
    for found in spans.values():
        found.sort()
        assert all(b[0] - a[1] >= 10 for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("changes", "official", "outcome"),
    [
        ({}, False, "outside_allowed"),
        ({"end": 602}, False, "count_only"),
        ({"grade": "C"}, False, "count_only"),
        ({"grade": "D"}, True, "unknown"),
        ({"state": "non_contact"}, False, "count_only"),
        ({"allowed": "yes", "state": "break"}, False, "allowed"),
        ({"allowed": "yes", "state": "break"}, True, "official_possible"),
        ({"allowed": "unknown", "state": "trip"}, False, "unknown"),
        ({"service": "youtube", "grade": "N"}, False, "count_only"),
        ({"service": "wikipedia"}, False, None),
        ({"activity": "embedded"}, False, None),
        ({"segment": "pupil"}, False, None),
    ],
)
def test_expected_outcome_follows_the_order_of_decision(
    changes: dict[str, Any], official: bool, outcome: str | None
) -> None:
    base: dict[str, Any] = {"start": 600, "end": 610, "state": "teaching", "allowed": NO, "service": "facebook"}
    use = Use("T01", "LT-001", **{"segment": "staff", **base, **changes})
    assert expected(use, official) == outcome


# -- the capture


def test_capture_is_in_order_and_its_checksums_hold(day: Day) -> None:
    previous, count, outside = 0, 0, set()
    for at, whole, frame in _records(day.capture):
        assert at >= previous
        assert whole >= len(frame) >= 60
        previous, count = at, count + 1
        assert frame[12:14] == b"\x81\x00"
        outside.add(struct.unpack_from("!H", frame, 14)[0])
        if frame[16:18] == b"\x08\x00":
            assert dpkt.in_cksum(frame[18:38]) == 0
        if count % 7 == 0 and frame[16:18] == b"\x08\x00" and whole == len(frame):
            total = struct.unpack_from("!H", frame, 20)[0]
            pseudo = frame[30:38] + bytes([0, frame[27]]) + struct.pack("!H", total - 20)
            assert dpkt.in_cksum(pseudo + frame[38 : 18 + total]) in {0, 0xFFFF}
    midnight = midnight_of(SAMPLE_DAY)
    assert outside == {10, 20, 30}
    assert count > 200_000
    assert midnight + 7.5 * 3600 <= next(_records(day.capture))[0] / 1e9
    assert previous / 1e9 <= midnight + 17.5 * 3600


def test_sequence_numbers_leave_no_gap(day: Day) -> None:
    following: dict[tuple[Flow, bool], int] = {}
    strange = 0
    for _, _, frame in _records(day.capture):
        flow, down, payload, _ = _parse(frame)
        if flow[4] != 6:
            continue
        l4 = 38 if frame[16:18] == b"\x08\x00" else 58
        sequence, flags = struct.unpack_from("!I", frame, l4 + 4)[0], frame[l4 + 13]
        if flags & 2:
            following.pop((flow, down), None)
        strange += following.get((flow, down), sequence) != sequence
        following[flow, down] = sequence + payload + (flags & 3 != 0) & 0xFFFFFFFF
    assert 0 < strange < 200  # only hellos whose segments were swapped on purpose


ADDRESSES = ("ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "udp.srcport")
HELLO, QUERY = ("tls.handshake.extensions_server_name",), ("dns.flags.response", "dns.qry.name", "dns.a", "dns.id")


@pytest.fixture(scope="module")
def dissected(day: Day) -> list[list[str]]:
    """What tshark makes of hellos (QUIC decrypted) and DNS messages: the fields ADDRESSES, HELLO, QUERY."""
    command = ["tshark", "-r", str(day.capture), "-o", "tcp.reassemble_out_of_order:TRUE", "-T", "fields"]
    command += ["-Y", "tls.handshake.type == 1 or dns"]
    for name in ADDRESSES + HELLO + QUERY:
        command += ["-e", name]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in found.stdout.splitlines()]


@pytest.fixture(scope="module")
def hellos(dissected: list[list[str]]) -> dict[Flow, str]:
    """The name in each flow's hello as tshark reads it."""
    named: dict[Flow, str] = {}
    for row in dissected:
        if row[6]:
            source, target = (ipaddress.ip_address(row[n] or row[n + 1]).packed for n in (0, 2))
            named[source, int(row[4] or row[5]), target, 443, 6 if row[4] else 17] = row[6]
    return named


@needs_tshark
def test_every_whole_flow_has_its_name(day: Day, hellos: dict[Flow, str]) -> None:
    opened = set()
    for _, _, frame in _records(day.capture):
        flow, down, _, _ = _parse(frame)
        if (
            not down
            and (flow[4] == 17 or frame[(38 if frame[16:18] == b"\x08\x00" else 58) + 13] == 2)
            and flow[3] == 443
        ):
            opened.add(flow)
    assert opened == set(hellos)
    assert set(hellos.values()) <= set(all_hosts())
    assert sum(f[4] == 17 for f in hellos) > 100


@needs_tshark
def test_every_question_gets_its_answer(dissected: list[list[str]]) -> None:
    questions = Counter((r[0], r[8], r[10]) for r in dissected if r[7] in {"0", "False"})
    answers = Counter((r[2], r[8], r[10]) for r in dissected if r[7] in {"1", "True"})
    assert questions == answers
    assert questions.total() > 1000
    assert {name for _, name, _ in answers} <= set(all_hosts())
    assert all(n.startswith(("198.18.", "198.19.")) for r in dissected for n in r[9].split(",") if n)


def _activity(day: Day, hellos: dict[Flow, str]) -> dict[tuple[str, str], dict[int, list[int]]]:
    """Per client, service and UTC minute: [client bursts to primary hosts, bytes down from primary and CDN hosts]."""
    roles = {h: (s.id, True) for s in SERVICES.values() for h in s.primary}
    roles |= {h: (s.id, False) for s in SERVICES.values() for h in s.cdn}
    quiet: dict[Flow, tuple[int, int]] = {}  # end of the client's last payload, bytes of the burst so far
    found: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for at, _, frame in _records(day.capture):
        flow, down, payload, total = _parse(frame)
        if hellos.get(flow) not in roles:
            continue
        service, primary = roles[hellos[flow]]
        cell = found[str(ipaddress.ip_address(flow[0])), service][at // 60_000_000_000]
        if down:
            cell[1] += total
        elif payload and primary:
            last, size = quiet.get(flow, (0, 0))
            size = size + payload if at - last < 10**9 else payload
            cell[0] += size >= 300 > size - payload
            quiet[flow] = at, size
    return found


@needs_tshark
def test_scripted_minutes_are_active_and_no_others(day: Day, hellos: dict[Flow, str]) -> None:
    machines = plan(HERE, SAMPLE_DAY, SEED, SCALE).machines
    active = {
        (client, service, minute)
        for (client, service), minutes in _activity(day, hellos).items()
        for minute, (bursts, received) in minutes.items()
        if bursts >= 3 or received >= (1_000_000 if service in {"youtube", "tiktok"} else 100_000)
    }
    claimed: set[tuple[str, str, int]] = set()
    loose: set[tuple[str, str, int]] = set()
    for row in day.truth:
        address = machines[row["device"]].address
        if row["staff_id"] == "T10" and row["grade"] == "N":
            address = str(ipaddress.ip_address(machines[row["device"]].address6))
        cells = {(address, row["service"], m) for m in row["minutes"]}
        (claimed if row["activity"] in {"use", "official"} and row["scripted"] else loose).update(cells)
    assert claimed <= active
    assert active - claimed <= loose
    quiet = {t["device"]: t for t in day.truth if t["activity"] in {"embedded", "idle"}}
    for row in quiet.values():
        assert not {(machines[row["device"]].address, row["service"], m) for m in row["minutes"]} & active


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, day: Day) -> None:
    command = [sys.executable, "-m", "pcaps.sample_school.generate", str(tmp_path), "--scale", str(SCALE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "99"})
    assert "packets" in done.stdout
    assert _digest(tmp_path) == _digest(day.folder)


def test_help_shows_the_files_it_writes() -> None:
    command = [sys.executable, "-m", "pcaps.sample_school.generate", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "truth.jsonl" in done.stdout


# -- agreement with the product


def test_catalogue_agrees_with_the_script() -> None:
    catalogue = pytest.importorskip("sensor.catalogue").load_catalogue()
    for service in SERVICES.values():
        known = catalogue.services[service.id]
        assert (known.kind, known.action) == (service.kind, service.action)
        for role, hosts in (("primary", service.primary), ("widget", service.widget), ("push", service.push)):
            for host in hosts:
                hit = catalogue.lookup(host)
                assert (hit.service, hit.role) == (service.id, role), host
        for host in service.cdn:
            hit = catalogue.lookup(host)
            assert hit.service == service.id
            assert hit.role in {"cdn", "media", "api"}
    for host in (*WORK, *MACHINE, *UPDATES, *PHONE, *BLIND):
        assert catalogue.lookup(host) is None, host


def test_place_agrees_with_the_script() -> None:
    place = pytest.importorskip("pipeline.place")
    settings = pytest.importorskip("deploy.settings").load_settings(HERE / "schoolgate.toml")
    from pipeline.school import load_school
    from pipeline.words import Allowed, State

    school = load_school(HERE, settings.school, settings.feeds)
    assert school.missing == ()
    chosen = place.place_day(school, SAMPLE_DAY)
    states, answers = list(State), list(Allowed)
    for use in plan(HERE, SAMPLE_DAY, SEED, 0.0).uses:
        if use.staff_id and not use.near_boundary:
            person = school.numbers[use.staff_id]
            for minute in range(use.start, use.end):
                found = states[chosen.state[person, minute]], answers[chosen.allowed[person, minute]]
                assert found == (use.state, use.allowed), use


def test_feeds_tie_every_use_to_its_person_with_the_grade_of_the_truth() -> None:
    identity = pytest.importorskip("pipeline.identity")
    settings = pytest.importorskip("deploy.settings").load_settings(HERE / "schoolgate.toml")
    from pipeline.school import load_school
    from pipeline.words import Grade
    from sensor.slices import pack_address

    school = load_school(HERE, settings.school, settings.feeds)
    bindings = identity.load_bindings(school, settings.feeds, HERE)
    script = plan(HERE, SAMPLE_DAY, SEED, 0.0)
    first = midnight_of(SAMPLE_DAY) // 60
    for use in script.uses:
        machine = script.machines[use.device]
        address = pack_address(machine.address6 if use.over6 else machine.address)
        minutes = np.arange(first + use.start, first + use.end, dtype=np.uint32)
        person, grade, _, _ = bindings.who(np.array([address] * len(minutes), "S16"), minutes)
        wanted = school.numbers[use.staff_id] if use.grade in {"A", "B", "C"} else -1
        assert set(person) == {wanted}, use
        assert {list(Grade)[g] for g in grade} == {use.grade}, use
