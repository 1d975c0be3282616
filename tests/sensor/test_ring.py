"""The capture ring on a real interface: a veth pair in a network namespace that the test makes and removes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.ring import Ring, RingError

ROOT = Path(__file__).parents[2]
NAMESPACE = f"schoolgate-test-{os.getpid()}"


def ip(*words: str, inside: bool = True) -> None:
    command = ["ip", *(("-n", NAMESPACE) if inside else ()), *words]
    subprocess.run(command, check=True, capture_output=True, timeout=150)


@pytest.fixture(scope="module")
def namespace() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("needs root: it makes a network namespace")
    if not shutil.which("ip"):
        pytest.skip("needs the ip command: apt-get install iproute2")
    try:
        ip("netns", "add", NAMESPACE, inside=False)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine gives no network namespace: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", "sg-send", "type", "veth", "peer", "name", "sg-hear")
        for interface in ("sg-send", "sg-hear"):
            ip("link", "set", interface, "arp", "off", "multicast", "off", "addrgenmode", "none")
            ip("link", "set", interface, "up")
        yield
    finally:
        ip("netns", "del", NAMESPACE, inside=False)


def run(scenario: str) -> dict[str, Any]:
    command = ["ip", "netns", "exec", NAMESPACE, sys.executable, "-m", "tests.sensor.ring_driver", scenario]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.usefixtures("namespace")
def test_every_packet_is_counted_and_tags_are_seen() -> None:
    saw = run("many")
    assert saw["counters"]["packets"] == saw["sent"]
    assert saw["drops"] == [0, 0]
    assert not saw["more"], "nothing came after the last packet"
    assert saw["blocks"] > 2, "several blocks were walked"
    assert saw["vlans"] == [[], [10], [100, 20], [4094, 1, 7]]
    assert saw["packets"] == saw["sent"], "every flow has a service"
    assert set(saw["services"]) == {"one sni", "two quic_sni"}
    assert saw["services"]["one sni"] >= 120
    assert saw["bytes"] == saw["counters"]["bytes"] == saw["sent_bytes"]
    assert saw["age"] < 600, "packet time is the wall clock's"


@pytest.mark.usefixtures("namespace")
def test_a_block_that_does_more_than_the_meter_can_hold() -> None:
    saw = run("answers")
    assert saw["counters"]["packets"] == saw["sent"] == 9000
    assert saw["drops"] == [0, 0]


@pytest.mark.usefixtures("namespace")
def test_an_interface_that_is_set_down_is_said() -> None:
    assert run("going away") == {"said": "sg-hear: the interface went away"}


@pytest.mark.usefixtures("namespace")
def test_an_interface_that_is_not_there_is_said() -> None:
    assert run("missing") == {"said": "there is no interface sg-nowhere; see: ip -br link"}


@pytest.mark.usefixtures("namespace")
def test_two_rings_share_an_interface_by_client_and_outlive_their_process() -> None:
    saw = run("shared")
    assert saw["drops"] == [0, 0]
    one, two = saw["got"]
    assert not set(one) & set(two), "all of a client came to one ring"
    assert len(one) > 8
    assert len(two) > 8
    assert one | two == saw["sent"], "each packet once, tunnels, tags and joined fragments included"
    assert set(saw["first"]) == set(one), "while nobody reads the other ring, nobody's clients move"
    assert saw["again"][0] == dict.fromkeys(one, 1)
    assert saw["again"][1] == dict.fromkeys(two, 2), "what came meanwhile has waited"


@pytest.mark.usefixtures("namespace")
def test_packets_of_exempt_networks_never_arrive_and_all_others_do() -> None:
    saw = run("exempt")
    others = {mark: count for mark, count in saw["sent"].items() if "exempt" not in mark}
    assert saw["got"] == others | {"no IP": 1, "ping": 1}


@pytest.mark.usefixtures("namespace")
def test_a_hello_over_two_blocks_is_read() -> None:
    saw = run("split")
    assert saw["drops"] == 0
    assert saw["blocks"] >= 20
    assert saw["named"] == {"one sni": 20}


def test_a_missing_capability_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(RingError, match=r"CAP_NET_RAW is missing; .*setcap cap_net_raw") as caught:
        Ring("eth0")
    assert str(Path(sys.executable).resolve()) in str(caught.value)
