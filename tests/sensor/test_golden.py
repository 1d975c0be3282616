"""Real captures against a truth made by other readers. Optional: SCHOOLGATE_CAPTURES names the folder.

`python -m tests.sensor.golden_report` prints the same comparison as tables.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sensor.golden import (
    Case,
    Golden,
    What,
    captures_folder,
    compare_answers,
    compare_hosts,
    compare_names,
    measure,
    quic_version,
)
from tests.sensor.golden_report import LEAST, good_enough, tables

FOLDER = captures_folder()
needs_captures = pytest.mark.skipif(
    FOLDER is None, reason="no captures: set SCHOOLGATE_CAPTURES to a folder with captures and truth_sni.jsonl"
)


@pytest.fixture(scope="module")
def golden() -> Golden:
    assert FOLDER is not None
    return measure(FOLDER)


@needs_captures
@pytest.mark.parametrize("what", What)
def test_nearly_everything_is_read(golden: Golden, what: What) -> None:
    missed = golden.missed(what)
    assert golden.share(what) >= LEAST[what], f"{len(missed)} missed, such as {missed[:12]}"


@needs_captures
def test_no_name_is_wrong_and_a_hello_without_one_gets_none(golden: Golden) -> None:
    assert golden.wrong == []


@needs_captures
def test_no_capture_ends_badly(golden: Golden) -> None:
    assert golden.broken == []


# -- the comparison itself


HELLO: dict[str, Any] = {
    "src": "10.0.0.1", "sport": 5000, "dst": "198.51.100.7", "dport": 443, "transport": "tcp", "sni": "One.example.",
    "trust": "high", "tcp_segments": 2, "tls_records": 1, "quic_version": None, "encap": ["vlan", "vxlan"], "ech": True,
    "stack": "eth:ip:udp:vxlan:eth:ip:tcp:tls",
}  # fmt: skip
FLOW = {
    "client": "10.0.0.1", "client_port": 5000, "server": "198.51.100.7", "server_port": 443, "name": "one.example",
    "evidence": "sni",
}  # fmt: skip


def names(flow: dict[str, Any], sni: list[dict[str, Any]], nosni: list[dict[str, Any]]) -> tuple[list[Case], list[str]]:
    wrong: list[str] = []
    return list(compare_names("a.pcap", [flow], sni, nosni, wrong)), wrong


def test_a_name_is_right_whatever_its_case_and_counts_in_every_class() -> None:
    (case,), wrong = names(FLOW, [HELLO], [])
    assert case.right
    assert case.classes == ("TCP, several segments", "in vlan", "in vxlan", "ECH")
    assert wrong == []


def test_another_name_is_wrong_unless_one_reader_saw_it() -> None:
    other = FLOW | {"name": "two.example"}
    (case,), wrong = names(other, [HELLO], [])
    assert not case.right
    assert wrong == ["a.pcap: 10.0.0.1:5000-198.51.100.7:443 two.example, not ['one.example']"]
    _, wrong = names(other, [HELLO, HELLO | {"sni": "two.example", "trust": "one source"}], [])
    assert wrong == []


def test_a_name_from_a_hello_without_one_is_wrong_and_one_from_dns_is_not() -> None:
    assert names(FLOW, [], [HELLO])[1] != []
    assert names(FLOW | {"evidence": "dns"}, [], [HELLO])[1] == []
    assert names(FLOW, [HELLO], [HELLO])[1] == []  # the same ports twice, once with a name


def test_answers_are_compared_with_client_question_and_data() -> None:
    record = {"name": "A\\001b.example", "type": "AAAA", "data": "2001:DB8:0::1"}
    row = {
        "client": "10.0.0.1", "server": "10.0.0.2", "qname": "A\\001b.example", "proto": "dns", "transport": "udp",
        "stack": "eth:ip:udp:dns", "frame": 4, "answers": [record],
    }  # fmt: skip
    ours = row | {"qname": "a\\x01b.example", "answers": [record | {"name": "a\\x01b.example", "data": "2001:db8::1"}]}
    assert [case.right for case in compare_answers("a.pcap", [ours], [row])] == [True]
    assert [case.right for case in compare_answers("a.pcap", [ours | {"client": "10.0.0.3"}], [row])] == [False]
    assert [case.right for case in compare_answers("a.pcap", [ours | {"qname": "b.example"}], [row])] == [False]
    assert [case.right for case in compare_answers("a.pcap", [ours], [row | {"qname": None}])] == [True]


def test_a_host_counts_once_for_each_flow_and_without_its_port() -> None:
    row = HELLO | {"host": "ONE.example:8080", "tcp_segments": 1, "encap": [], "stack": "eth:ip:tcp:http"}
    (case,) = compare_hosts("a.pcap", [FLOW | {"evidence": "http_host"}], [row, row])
    assert case.right
    assert case.classes == ("HTTP, one segment",)
    (case,) = compare_hosts("a.pcap", [FLOW | {"evidence": "dns"}], [row])
    assert not case.right
    assert list(compare_hosts("a.pcap", [], [row | {"transport": "udp"}])) == []


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("0x00000001", "QUIC v1"),
        ("0x6b3343cf", "QUIC v2"),
        ("0xff00001d", "QUIC draft 29"),
        ("0x1a2a3a4a", "QUIC greased"),
        ("0xfaceb00e", "QUIC mvfst"),
        ("0x51303530", "gQUIC Q050"),
        ("0x54303531", "QUIC T051"),
        ("Q046", "gQUIC Q046"),
        ("0x12345678", "QUIC 0x12345678"),
    ],
)
def test_quic_versions_have_their_usual_names(version: str, name: str) -> None:
    assert quic_version({"quic_version": version}) == name


def test_the_report_counts_by_class_and_file_and_needs_every_threshold() -> None:
    cases = [Case(what, "a.pcap", ("x", "y"), True, "") for what in What for _ in range(100)]
    golden = Golden([*cases, Case(What.NAME, "b.pcap", ("x",), False, "lost")])
    found = tables(golden, per_file=True)
    assert {"of": "server name: x", "right": 100, "cases": 101} in found["class"]
    assert {"of": "server name: y", "right": 100, "cases": 100} in found["class"]
    assert {"of": "b.pcap: server name", "right": 0, "cases": 1} in found["file"]
    assert golden.missed(What.NAME) == ["b.pcap: lost"]
    assert not good_enough(golden)  # 99.0 % of names are not 99.5 %
    assert good_enough(Golden(cases))
    assert not good_enough(Golden(cases, wrong=["a"]))
    assert not good_enough(Golden([case for case in cases if case.what is not What.HOST]))


def test_the_report_without_captures_says_what_to_set(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.sensor.golden_report", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"SCHOOLGATE_CAPTURES": str(tmp_path), "HOME": str(tmp_path)},
        cwd=Path(__file__).parents[2], timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "SCHOOLGATE_CAPTURES" in done.stderr
