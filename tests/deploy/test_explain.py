"""`schoolgate explain` as people use it: choosing a flow, the text, the JSON, the exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli import schoolgate
from tests.sensor.building import SERVER, Talk, client_hello, dns_answer, pcap

FLOW = f"10.20.0.5:50000-{SERVER}:443"


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YouTube flow whose hello comes in two segments, an HTTP request, and a flow that only DNS names."""
    hello = client_hello("www.youtube.com")
    request = b"GET /private/diary HTTP/1.1\r\nHost: www.one.example\r\n\r\n"
    packets = [
        dns_answer(0, "m.facebook.com", ["198.51.100.9"]),
        *Talk().open(1).up(1, hello[:200]).up(1.5, hello[200:]).packets,
        *Talk(client_port=50001, server_port=80).open(2).up(2, request).packets,
        *Talk(client_port=50002, server="198.51.100.9").open(3).up(3, bytes(range(100, 200))).packets,
        *Talk(client="fd00::5", client_port=50003, server="2001:db8::7").open(4).up(4, hello).packets,
    ]
    path = tmp_path_factory.mktemp("explain") / "lunch.pcap"
    path.write_bytes(pcap(packets))
    return path


def explain(*words: object) -> Result:
    return CliRunner().invoke(schoolgate, ["explain", *map(str, words)])


def test_the_text_ends_with_what_both_say(capture: Path) -> None:
    done = explain(capture, "--flow", FLOW)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{FLOW}  TCP"
    assert "5 packets" in lines[1]
    assert any("ClientHello bytes 0-200 of " in line and "[tshark: " in line for line in lines)
    assert any(line.endswith("= the name becomes known: www.youtube.com by sni") for line in lines)
    assert any(line.startswith("Catalogue: YouTube (youtube), content_sharing, role primary") for line in lines)
    assert any(line.startswith("Hello:     ") and "no ECH" in line for line in lines)
    assert lines[-1] == "Both agree: www.youtube.com, by sni."


def test_the_json_holds_both_readings(capture: Path) -> None:
    done = explain(capture, "--flow", FLOW, "--json")
    said = json.loads(done.stdout)
    assert said["agree"] is True
    assert said["flow"]["name"] == "www.youtube.com"
    assert [seen["name"] for seen in said["tshark"]["names"]] == ["www.youtube.com"]
    assert [step["named"] for step in said["steps"][-2:]] == [
        "www.youtube.com by sni, from a hello that is not whole yet",
        "www.youtube.com by sni",
    ]
    assert said["named_at"] == said["steps"][-2]["frame"]
    assert said["tshark"]["names"][0]["frame"] == said["steps"][-1]["frame"]
    assert all(step["tshark"] for step in said["steps"])
    assert said["catalogue"].startswith("20")


def test_a_name_from_dns_shows_the_answer(capture: Path) -> None:
    done = explain(capture, "--name", "facebook.com")
    assert "DNS:       frame 1: 10.20.0.1 told m.facebook.com, for 60 s; before the flow, in time" in done.stdout
    assert done.stdout.endswith("DNS gave this client m.facebook.com before it.\n")


def test_an_http_request_shows_its_host_and_never_its_path(capture: Path) -> None:
    for words in ((), ("--json",)):
        done = explain(capture, "--flow", f"10.20.0.5:50001-{SERVER}:80", *words)
        assert "HTTP GET request to www.one.example" in done.stdout
        assert "diary" not in done.stdout


@pytest.mark.parametrize(
    ("words", "count"),
    [((), 4), (("--client", "10.20.0.5"), 3), (("--server", "[2001:DB8::7]"), 1), (("--name", "youtube.com"), 2)],
)
def test_flows_that_fit_are_listed(capture: Path, words: tuple[str, ...], count: int) -> None:
    assert len([line for line in explain(capture, *words, "--list").stdout.splitlines() if ":" in line]) >= count
    listed = json.loads(explain(capture, *words, "--list", "--json").stdout)
    assert len([flow for flow in listed if flow["transport"] == "tcp"]) == count


def test_several_flows_that_fit_must_be_chosen_from(capture: Path) -> None:
    done = explain(capture, "--name", "youtube.com", "--no-tshark")
    assert (done.exit_code, done.stdout) == (1, "")
    assert FLOW in done.stderr
    assert "choose one with --flow, or with --nth" in done.stderr
    done = explain(capture, "--name", "youtube.com", "--nth", 2, "--no-tshark")
    assert done.stdout.startswith("[fd00::5]:50003-[2001:db8::7]:443  TCP\n")
    assert explain(capture, "--name", "youtube.com", "--nth", 3, "--no-tshark").exit_code == 1


def test_without_tshark_it_says_so_and_our_own_half_is_there_to_have(
    capture: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = explain(capture, "--flow", FLOW)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("schoolgate: tshark is not installed; ")
    assert "apt-get install tshark" in done.stderr
    done = explain(capture, "--flow", FLOW, "--no-tshark")
    assert done.exit_code == 0
    assert "tshark" not in done.stdout
    assert done.stdout.endswith("We read www.youtube.com by sni.\n")


def test_what_cannot_be_explained_is_refused(capture: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("no capture\n")
    done = explain(notes, "--flow", FLOW)
    assert done.exit_code == 2
    assert str(notes) in done.stderr
    assert explain(tmp_path / "gone.pcap", "--flow", FLOW).exit_code == 1
    done = explain(capture, "--flow", "10.20.0.5")
    assert done.exit_code == 1
    assert "write CLIENT:PORT-SERVER:PORT" in done.stderr
    done = explain(capture, "--client", "10.20.0.99")
    assert done.exit_code == 1
    assert "--list" in done.stderr
    assert explain(capture, "--client", "nobody").exit_code == 2
