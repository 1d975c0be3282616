"""What scripts rely on: the commands, their output fields, messages and exit statuses."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw
from scapy.utils import RawPcapWriter

from deploy.cli import COMMANDS
from deploy.cli import schoolgate as commands
from pcaps.sample_school.facts import HERE
from tests.deploy.command import SCRIPT, many, schoolgate, schoolgate_well

START = 1_794_906_300  # Tuesday 2026-11-17 09:05 UTC
CLIENT, SERVER, RESOLVER = "10.20.0.5", "198.51.100.7", "10.20.0.1"
WEEK, DAY = "2026-W47", "2026-11-17"
FIELDS = (
    *("file", "client", "client_port", "server", "server_port", "transport", "name", "evidence", "partial"),
    *(
        "ech",
        "service",
        "kind",
        "role",
        "bytes_up",
        "bytes_down",
        "packets_up",
        "packets_down",
        "first",
        "last",
        "vlan",
    ),
)


# -- help


def every_command(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        yield (*words, name)
        if isinstance(command, click.Group):
            yield from every_command(command, (*words, name))


@pytest.mark.parametrize("words", [(), *every_command(commands)], ids=" ".join)
def test_help_has_an_example_that_is_no_invention(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(commands, [*words, "--help"])
    assert done.exit_code == 0
    example = re.search(r"^ +Example: +(.*?)(?:\n\n|\Z)", done.stdout, re.MULTILINE | re.DOTALL)
    assert example is not None
    for line in example[1].splitlines():
        named = re.search(r"schoolgate (.*?)(?: \||$)", line)
        assert named is not None, line
        own = named[1].split()
        assert own[0] in COMMANDS
        used = {word for word in own if word.startswith("-")}
        deepest = max(
            (w for w in every_command(commands) if tuple(own[: len(w)]) == w), key=len
        )  # `config check` of `config check --config school/`
        known = CliRunner().invoke(commands, [*deepest, "--help"]).stdout
        assert {option for option in used if option not in known} == set(), line


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from deploy.cli import schoolgate\n"
        "assert CliRunner().invoke(schoolgate, ['--help']).exit_code == 0\n"
        "print([m for m in ('numpy', 'numba', 'pyarrow', 'pydantic', 'chdb', 'starlette') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_help_is_quick() -> None:
    """At most 0.3 s of a processor, or on a slow one not three times what click alone takes."""

    def least(command: list[str]) -> float:
        used = []
        for _ in range(5):
            before = os.times()
            subprocess.run(command, check=True, capture_output=True)
            after = os.times()
            used.append(sum(after[2:4]) - sum(before[2:4]))  # of processes that have ended
        return min(used)

    took = least([str(SCRIPT), "--help"])
    assert took <= 0.3 or took <= 3 * least([sys.executable, "-c", "import click"])


@pytest.mark.parametrize(
    "words", [("nonesuch",), ("classify",), ("replay", "--nonesuch"), ("state", "T01", "17.11.2026"), ("serve",)]
)
def test_wrong_usage_is_status_2(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(commands, words)
    assert done.exit_code == 2
    assert "Usage: " in done.stderr
    assert done.stdout == ""


# -- classify


def client_hello(name: str) -> bytes:
    """The record with OpenSSL's ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


class Wire:
    """Packets one millisecond after the other, kept as (nanoseconds, bytes, length on the wire)."""

    def __init__(self) -> None:
        self.records: list[tuple[int, bytes, int]] = []

    def put(self, frame: Packet, keep: int | None = None) -> int:
        """Adds a frame, of which `keep` bytes are captured; gives back its IP total length."""
        data = bytes(frame)
        self.records.append((START * 10**9 + len(self.records) * 10**6, data[:keep], len(data)))
        parsed = Ether(data)
        return int(parsed[IP].len if IP in parsed else parsed[IPv6].plen + 40)

    def talk(self, link: Packet, port: int, server_port: int, request: bytes, answer: int = 0) -> tuple[int, int]:
        """A connection of CLIENT that sends `request` and gets `answer` bytes in a cut packet; bytes up and down."""
        up, down = IP(src=CLIENT, dst=SERVER), IP(src=SERVER, dst=CLIENT)
        sent = self.put(link / up / TCP(sport=port, dport=server_port, flags="S", seq=1000))
        received = self.put(link / down / TCP(sport=server_port, dport=port, flags="SA", seq=5000, ack=1001))
        tcp = TCP(sport=port, dport=server_port, flags="PA", seq=1001, ack=5001)
        sent += self.put(link / up / tcp / Raw(request))
        if answer:
            tcp = TCP(sport=server_port, dport=port, flags="PA", seq=5001, ack=1001 + len(request))
            received += self.put(link / down / tcp / Raw(bytes(answer)), keep=96)
        return sent, received

    def write(self, path: Path) -> Path:
        """As a pcap with nanoseconds."""
        with RawPcapWriter(str(path), linktype=1, nano=True) as writer:
            writer.write_header(None)
            for at, data, length in self.records:
                writer.write_packet(data, sec=at // 10**9, usec=at % 10**9, caplen=len(data), wirelen=length)
        return path


PLAIN = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
SENT: dict[int, tuple[int, int]] = {}  # client port -> bytes up and down of the capture below


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flows of every sort by client port, two of them unreadable packets."""
    wire = Wire()
    stacked = PLAIN / Dot1AD(vlan=100) / Dot1Q(vlan=10)
    SENT[50001] = wire.talk(stacked, 50001, 443, client_hello("www.facebook.com"), 1400)
    hello = client_hello("old.reddit.com")
    SENT[50002] = wire.talk(PLAIN / Dot1Q(vlan=10), 50002, 443, hello[: hello.index(b"old.reddit.com") + 20])
    request = b"GET / HTTP/1.1\r\nAccept: */*\r\nHost: WWW.Example.ORG:8080\r\n\r\n"
    SENT[50003] = wire.talk(PLAIN, 50003, 8080, request, 300)
    SENT[50004] = wire.talk(PLAIN, 50004, 80, b"GET / HTTP/1.0\r\nHost: caf\xe9.example\r\n\r\n")
    query = DNS(id=7, qd=DNSQR(qname="www.youtube.com"))
    records = [
        DNSRR(rrname="www.youtube.com", type="CNAME", ttl=300, rdata="youtube-ui.l.google.com"),
        DNSRR(rrname="youtube-ui.l.google.com", type="A", ttl=60, rdata="203.0.113.9"),
    ]
    answer = DNS(id=7, qr=1, ra=1, qd=DNSQR(qname="www.youtube.com"), an=records)
    SENT[50005] = (
        wire.put(PLAIN / IP(src=CLIENT, dst=RESOLVER) / UDP(sport=50005, dport=53) / query),
        wire.put(PLAIN / IP(src=RESOLVER, dst=CLIENT) / UDP(sport=53, dport=50005) / answer),
    )
    six = IPv6(src="2001:db8::5", dst="2001:db8:1::7")
    SENT[50006] = wire.put(PLAIN / six / UDP(sport=50006, dport=9999) / Raw(b"hello there")), 0
    for _ in range(2):
        wire.put(PLAIN / IP(src=CLIENT, dst=SERVER) / UDP(sport=50007, dport=9999), keep=24)
    return wire.write(tmp_path_factory.mktemp("capture") / "all.pcap")


@pytest.fixture(scope="module")
def classified(capture: Path) -> tuple[subprocess.CompletedProcess[str], dict[int, dict[str, Any]]]:
    done = schoolgate_well("classify", capture)
    flows = [json.loads(line) for line in done.stdout.splitlines()]
    return done, {flow["client_port"]: flow for flow in flows}


Classified = tuple[subprocess.CompletedProcess[str], dict[int, dict[str, Any]]]


def test_classify_gives_exactly_the_promised_fields(classified: Classified, capture: Path) -> None:
    done, flows = classified
    assert sorted(flows) == [50001, 50002, 50003, 50004, 50005, 50006]
    assert len(done.stdout.splitlines()) == 6
    assert all(tuple(flow) == FIELDS for flow in flows.values())
    assert flows[50001] == {
        "file": str(capture),
        "client": CLIENT,
        "client_port": 50001,
        "server": SERVER,
        "server_port": 443,
        "transport": "tcp",
        "name": "www.facebook.com",
        "evidence": "sni",
        "partial": False,
        "ech": False,
        "service": "facebook",
        "kind": "social_networking",
        "role": "primary",
        "bytes_up": SENT[50001][0],
        "bytes_down": SENT[50001][1],
        "packets_up": 2,
        "packets_down": 2,
        "first": float(START),
        "last": START + 0.003,
        "vlan": [100, 10],
    }


def test_classify_names(classified: Classified) -> None:
    _, flows = classified
    said = {port: (f["name"], f["evidence"], f["partial"], f["service"], f["vlan"]) for port, f in flows.items()}
    assert said == {
        50001: ("www.facebook.com", "sni", False, "facebook", [100, 10]),
        50002: ("old.reddit.com", "sni", True, "reddit", [10]),
        50003: ("www.example.org", "http_host", False, None, []),
        50004: ("caf\\xe9.example", "http_host", False, None, []),
        50005: (None, "none", False, None, []),
        50006: (None, "none", False, None, []),
    }
    assert [flows[port]["transport"] for port in sorted(flows)] == ["tcp"] * 4 + ["udp"] * 2
    assert (flows[50006]["client"], flows[50006]["server"]) == ("2001:db8::5", "2001:db8:1::7")
    for flow in flows.values():
        if flow["service"] is None:
            assert flow["kind"] is flow["role"] is None


def test_classify_counts_ip_total_lengths_also_of_cut_packets(classified: Classified) -> None:
    _, flows = classified
    assert {port: (f["bytes_up"], f["bytes_down"]) for port, f in flows.items()} == SENT
    assert SENT[50001][1] > 1400


def test_classify_counts_unreadable_packets_on_stderr(classified: Classified, capture: Path) -> None:
    done, _ = classified
    packets = len(capture_records(capture))
    assert done.stderr == f"{capture}: skipped 2 of {packets} packets: 2 cut short\n"


def capture_records(path: Path) -> list[bytes]:
    from scapy.utils import RawPcapReader

    with RawPcapReader(str(path)) as reader:
        return [data for data, _ in reader]


def test_classify_dns_prints_answers(capture: Path) -> None:
    done = schoolgate_well("classify", "--dns", capture)
    (answer,) = (json.loads(line) for line in done.stdout.splitlines())
    assert answer == {
        "file": str(capture),
        "client": CLIENT,
        "server": RESOLVER,
        "qname": "www.youtube.com",
        "answers": [
            {"name": "www.youtube.com", "type": "CNAME", "ttl": 300, "data": "youtube-ui.l.google.com"},
            {"name": "youtube-ui.l.google.com", "type": "A", "ttl": 60, "data": "203.0.113.9"},
        ],
    }


def test_classify_goes_on_after_a_file_that_is_no_capture(capture: Path, tmp_path: Path) -> None:
    notes, packed, empty = tmp_path / "notes.txt", tmp_path / "all.pcap.gz", tmp_path / "empty.pcap"
    notes.write_text("no capture\n")
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    empty.write_bytes(capture.read_bytes()[:24])
    done = schoolgate("classify", "--jsonl", capture, notes, tmp_path / "gone.pcap", tmp_path, empty, packed)
    assert done.returncode == 2
    flows = [json.loads(line) for line in done.stdout.splitlines()]
    of_file = {path: [{**f, "file": ""} for f in flows if f["file"] == str(path)] for path in (capture, packed)}
    assert of_file[capture] == of_file[packed]
    assert len(flows) == 12
    said = [line for line in done.stderr.splitlines() if line.startswith("schoolgate: ")]
    assert len(said) == 3
    for line, path in zip(said, ("notes.txt", "gone.pcap", str(tmp_path)), strict=True):
        assert path in line
    assert "Traceback" not in done.stderr


def test_classify_summary_adds_up_by_service(capture: Path) -> None:
    done = schoolgate_well("classify", "--summary", capture, capture)
    rows = {line[:24].strip(): line[24:].split() for line in done.stdout.splitlines()}
    assert rows["facebook"] == ["2", *(str(2 * n) for n in SENT[50001])]
    assert rows["(other sites)"][0] == "4"
    assert rows["(no name)"][0] == "4"


def test_classify_into_a_pipe_that_closes_is_quiet(capture: Path) -> None:
    words = [str(SCRIPT), "classify", *[str(capture)] * 400]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_classify_with_a_broken_catalogue_says_where(capture: Path, tmp_path: Path) -> None:
    rows = tmp_path / "services.csv"
    rows.write_text("service,domain,match,role\nfacebook,x.example,nearly,primary\n")
    done = schoolgate("classify", capture, "--catalogue", rows)
    assert done.returncode == 1
    assert done.stderr.startswith(f"schoolgate: {rows}:2: ")
    assert done.stderr.count("\n") == 1


# -- a school's files


@pytest.fixture
def school(tmp_path: Path) -> Path:
    """A copy of the sample school."""
    return Path(shutil.copytree(HERE, tmp_path / "school"))


def change(path: Path, old: str, new: str) -> int:
    """Replaces text that occurs once; gives back the number of its line."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def test_config_check_of_a_good_school(school: Path) -> None:
    done = schoolgate_well("config", "check", "--config", school)
    assert done.stdout == "Ysgol Enghraifft: settings and 60 staff read; nothing is wrong.\n"
    assert done.stderr == ""
    assert not (school / "pseudonym-keys.json").exists()


def test_config_check_names_every_error_of_the_settings(school: Path) -> None:
    settings = school / "schoolgate.toml"
    zone = change(settings, '"Europe/London"', '"Europe/Londn"')
    margin = change(settings, "boundary_margin_min = 5", 'boundary_margin_min = "five"')
    unknown = change(settings, "policy_profile =", "policy_profil =")
    done = schoolgate("config", "check", "--config", settings)
    assert done.returncode == 1
    lines = done.stderr.removeprefix("schoolgate: ").splitlines()
    assert [re.split(r": (?=\w+\.)", line)[0] for line in lines] == [f"{settings}:{n}" for n in (zone, margin, unknown)]
    assert "school.zone: 'Europe/Londn' " in lines[0]
    assert "school.boundary_margin_min: 'five' " in lines[1]
    assert "school.policy_profil: unknown key; did you mean policy_profile?" in lines[2]
    assert all("; " in line for line in lines)  # what is wrong; how to mend it


@pytest.mark.parametrize(
    "words",
    [
        ["config", "check", "--config", "SCHOOL"],
        ["state", "T01", DAY, "--school", "SCHOOL"],
        ["replay", "CAPTURE", "--school", "SCHOOL", "--store", "STORE"],
        ["run", "--config", "SCHOOL", "--interface", "lo", "--store", "STORE"],
    ],
    ids=lambda words: words[0],
)
def test_a_broken_row_is_one_message_with_file_and_line(
    school: Path, capture: Path, tmp_path: Path, words: list[str]
) -> None:
    line = change(school / "bells.csv", "normal,2,BRK,break,11:00,11:20", "normal,2,BRK,break,11:60,11:20")
    places = {"SCHOOL": school, "CAPTURE": capture, "STORE": tmp_path / "store"}
    done = schoolgate(*(places.get(word, word) for word in words))
    assert done.returncode == 1
    assert re.fullmatch(rf"schoolgate: (\S*/)?bells.csv:{line}: \S.*'11:60'.*; .*\n", done.stderr), done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "store").exists()


def test_what_the_files_lack_is_said_but_stops_nothing(school: Path, capture: Path, tmp_path: Path) -> None:
    (school / "duties.csv").unlink()
    (school / "feeds" / "logons.csv").unlink()
    done = schoolgate_well("config", "check", "--config", school)
    notes = [line for line in done.stdout.splitlines() if line.startswith("note: ")]
    assert ["duties.csv" in notes[0], "logons.csv" in notes[1]] == [True, True]
    done = schoolgate_well("replay", capture, "--school", school, "--store", tmp_path / "store")
    assert [line.removeprefix("schoolgate: ") for line in done.stderr.splitlines()] == notes


def test_an_unknown_policy_profile_is_an_error_of_config_check(school: Path) -> None:
    change(school / "schoolgate.toml", '"cwmbran"', '"nonesuch"')
    done = schoolgate("config", "check", "--config", school)
    assert done.returncode == 1
    assert "nonesuch" in done.stderr


def test_config_show_says_where_each_value_is_from(school: Path) -> None:
    settings = school / "schoolgate.toml"
    done = schoolgate_well("config", "show", "--config", school, "--json")
    shown = {row["key"]: (row["value"], row["origin"]) for row in json.loads(done.stdout)}
    zone = settings.read_text().splitlines().index('zone = "Europe/London"') + 1
    assert shown["school.zone"] == ('"Europe/London"', f"{settings}:{zone}")
    assert shown["sensor.tcp_idle_s"] == ("3600", "default")
    text = schoolgate_well("config", "show", "--config", school).stdout
    assert f'school.zone = "Europe/London"    # {settings}:{zone}\n' in text


# -- state


def test_state_tells_the_whole_day_without_gaps(school: Path) -> None:
    staff = ["T01", "T19", "T33", "S01", "S08", "L01", "R01", "C01"]
    days = [DAY, "2026-11-21", "2026-10-27", "2026-03-29", "2026-10-25", "2031-01-01"]
    asked = [["state", who, day, "--school", str(school), "--json"] for who in staff for day in days]
    for words, (status, out, err) in zip(asked, many(asked), strict=True):
        assert (status, err) == (0, "")
        rows = json.loads(out)
        assert all(list(row)[:7] == ["from", "to", "state", "allowed", "reason", "sentence", "rows"] for row in rows)
        edges = [("", "00:00"), *((row["from"], row["to"]) for row in rows), ("24:00", "")]
        assert all(a[1] == b[0] for a, b in pairwise(edges)), words
        assert all(row["from"] < row["to"] for row in rows), words
        assert {row["allowed"] for row in rows} <= {"yes", "no", "unknown"}


def test_state_in_words(school: Path) -> None:
    lines = schoolgate_well("state", "T01", DAY, "--school", school).stdout.splitlines()
    assert lines[0].startswith("00:00-08:20  outside_hours    yes ")
    assert (
        "11:05-11:15  break            yes      It was break or lunch and the person was not on duty.  [bells.csv:18]"
        in lines
    )
    assert lines[-1].split("-")[1].startswith("24:00")


def test_state_at_a_time_names_the_row_that_decided(school: Path) -> None:
    told = schoolgate_well("state", "t07", DAY, "--at", "11:10", "--school", school).stdout
    rows = (school / "exceptions.csv").read_text().splitlines()
    line = next(n for n, row in enumerate(rows, 1) if "T07,BRK" in row)
    said = "The person was scheduled to work in this minute."
    assert told == f"11:00-11:20  duty             no       {said}  [exceptions.csv:{line}]\n"
    note = schoolgate("state", "T07", "2027-03-28", "--at", "01:30", "--school", school).stderr
    assert "01:30 does not exist on 2027-03-28 in Europe/London: the clock goes forward" in note
    assert schoolgate("state", "T07", DAY, "--at", "24:00", "--school", school).returncode == 2


def test_state_of_everybody_is_csv_of_the_same_ranges(school: Path) -> None:
    rows = list(csv.DictReader(schoolgate_well("state", "--all", DAY, "--school", school).stdout.splitlines()))
    one = json.loads(schoolgate_well("state", "T01", DAY, "--school", school, "--json").stdout)
    assert len({row["staff_id"] for row in rows}) == 60
    mine = [row for row in rows if row["staff_id"] == "T01"]
    assert [(r["from"], r["to"], r["state"], r["allowed"], r["reason"], r["rows"].split()) for r in mine] == [
        (r["from"], r["to"], r["state"], r["allowed"], r["reason"], r["rows"]) for r in one
    ]


def test_state_of_nobody_is_status_1(school: Path) -> None:
    done = schoolgate("state", "T99", DAY, "--school", school)
    assert (done.returncode, done.stdout) == (1, "")
    assert "has no staff id 'T99'; ids are such as C01" in done.stderr


# -- stores


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, capture: Path) -> Path:
    """A store that holds the few packets of the capture above."""
    folder = tmp_path_factory.mktemp("cli")
    shutil.copytree(HERE, folder / "school")
    done = schoolgate_well("replay", capture, "--school", folder / "school", "--store", folder / "store", "--json")
    said = json.loads(done.stdout)
    assert said["counters"]["packets"] == len(capture_records(capture))
    assert said["windows_stored"] == 1
    return folder / "store"


def test_replay_of_what_is_no_capture_is_status_2(school: Path, capture: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no capture\n")
    done = schoolgate("replay", capture, notes, "--school", school, "--store", tmp_path / "store")
    assert (done.returncode, done.stdout) == (2, "")
    assert str(notes) in done.stderr
    gone = schoolgate("replay", tmp_path / "gone.pcap", "--school", school, "--store", tmp_path / "store")
    assert gone.returncode == 1
    assert gone.stderr == f"schoolgate: {tmp_path / 'gone.pcap'}: No such file or directory\n"
    assert not (tmp_path / "store").exists()


def test_a_report_of_a_week_without_data_says_so(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    schoolgate_well("report", "--week", "2026-W30", "--store", store, "--out", out)
    assert "There is nothing to report for this week." in out.read_text(encoding="utf-8")
    assert schoolgate_well("report", "--week", "2026-W30", "--store", store, "--out", "-").stdout.endswith("</html>\n")


def test_questions_without_an_answer_are_status_1(store: Path, tmp_path: Path) -> None:
    at, out = ["--store", str(store)], ["--out", str(tmp_path / "report.html")]
    asked = {
        "'2026-47' is not an ISO week; write it as 2026-W47": ["report", "--week", "2026-47", *at, *out],
        "no school 'nonesuch' in this store": ["report", "--week", WEEK, *at, *out, "--school", "nonesuch"],
        "has no use to explain there": ["why", "e0000000000000000", *at],
        "nothing to show of the week up to 2020-01-01": ["grafana", "check", *at, "--day", "2020-01-01"],
        "No such file or directory": ["report", "--week", WEEK, *at, "--out", str(tmp_path / "gone" / "report.html")],
        "the folder holds something else": ["why", "e0", "--store", str(HERE)],
        "holds no school yet": ["why", "e0", "--store", str(tmp_path)],
    }
    for (message, words), (status, _, err) in zip(asked.items(), many(list(asked.values())), strict=True):
        assert status == 1, words
        assert message in err
        assert err.startswith("schoolgate: ")


def test_a_busy_store_is_read_through_its_owner_only(store: Path, school: Path, capture: Path) -> None:
    with subprocess.Popen([SCRIPT, "serve", "--store", store, "--port", "0"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        where = re.search(rb"http://127\.0\.0\.1:(\d+)/", holder.stdout.readline())
        assert where is not None
        report = ("report", "--week", WEEK, "--store", store, "--out", "-")
        through_the_door = schoolgate_well(*report).stdout
        assert schoolgate("grafana", "check", "--store", store, "--day", DAY).stderr.count("held by") == 0
        for words in (
            ("replay", capture, "--school", school, "--store", store),
            ("serve", "--store", store, "--port", "0"),
        ):
            done = schoolgate(*words)
            assert (done.returncode, done.stdout) == (3, ""), words
            assert done.stderr.startswith(f"schoolgate: {store}: the store is held by process {holder.pid} (")
            assert f"stop it (kill {holder.pid})" in done.stderr
        with contextlib.closing(socket.create_connection(("127.0.0.1", int(where[1])), 150)) as page:
            page.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert page.recv(4096).startswith(b"HTTP/1.1 200")
        holder.send_signal(signal.SIGTERM)
        assert holder.wait(150) == 0
    assert schoolgate_well(*report).stdout == through_the_door


def test_a_port_that_is_taken_is_named(store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = schoolgate("serve", "--store", store, "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"schoolgate: 127.0.0.1:{port}: the pages cannot be served here: ")


# -- run


def test_run_needs_an_interface_that_is_there(school: Path) -> None:
    done = schoolgate("run", "--config", school, "--interface", "nonesuch0")
    assert done.returncode == 1
    assert done.stderr.startswith("schoolgate: ")
    assert "nonesuch0" in done.stderr
    done = schoolgate("run", "--config", school)
    assert done.returncode == 1
    assert "give --interface, or set sensor.interface" in done.stderr
    assert not (school / "store").exists()
