"""A mirror port, live: what one end of a veth pair is sent, `schoolgate run` on the other end counts, all of it.

Everything happens in a network namespace of its own, which needs root. The packets are a stretch of the sample day with
its VLAN tags; as the wire takes no notice of when they were recorded, they are compared with the same packets at the
pace at which they are sent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pcaps.sample_school.facts import HERE
from sensor.capture import open_capture
from sensor.catalogue import load_catalogue
from sensor.sense import Sensor
from sensor.slices import unpack_vlan
from sensor.spool import Spool
from tests.conftest import SampleDay
from tests.deploy.command import SCRIPT, contents, many
from tests.sensor.building import Talk, client_hello, pcap

NEEDED = ("ip", "ethtool", "tcpreplay", "setpriv")
lacking = [tool for tool in NEEDED if shutil.which(tool) is None]
if os.geteuid() != 0:
    lacking.insert(0, "root")
pytestmark = pytest.mark.skipif(bool(lacking), reason=f"needs {', '.join(lacking)}")

NAMESPACE = f"schoolgate-test-{os.getpid()}"
PACKETS, PACE = 50_000, 20_000  # packets sent, and per second
LUNCH = 1_794_918_000  # 2026-11-17 12:20 UTC, when staff, pupils and guests all use something
PATIENCE_S = 150.0
EXACT = ("packets", "bytes", "flows", "flows_named", "skipped", "evicted", "ring_drops", "names_blind")
Sums = Counter[tuple[Any, ...]]
INSIDE = ("ip", "netns", "exec", NAMESPACE)
ONLY_CAPTURE = (*INSIDE, "setpriv", "--bounding-set=-all,+net_raw", "--inh-caps=-all", "--")


def tell(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def wire() -> Iterator[None]:
    """Two interfaces joined by a cable, mon0 and src0, that carry frames as they are and say nothing themselves."""
    made = subprocess.run(["ip", "netns", "add", NAMESPACE], capture_output=True, text=True, timeout=60)
    if made.returncode:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        plug_in()
        yield
    finally:
        tell("ip", "netns", "del", NAMESPACE)


def plug_in() -> None:
    link("add", "mon0", "type", "veth", "peer", "name", "src0")
    for name in ("mon0", "src0"):
        tell(*INSIDE, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
        offloads = ("gro", "gso", "tso", "tx", "rxvlan", "txvlan")
        tell(*INSIDE, "ethtool", "-K", name, *(word for offload in offloads for word in (offload, "off")))
        link("set", name, "mtu", "9000", "arp", "off", "up")


def link(*words: str) -> None:
    tell("ip", "-n", NAMESPACE, "link", *words)


@pytest.fixture(scope="module")
def captures(sample_day: SampleDay, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Lunch of the sample day in two halves, each at the pace at which it will be sent, within one clock minute."""
    data = sample_day.capture.read_bytes()
    frames, at = [], 24
    while at < len(data):
        seconds, _, kept, whole = struct.unpack_from("<IIII", data, at)
        if seconds >= LUNCH:
            frames.append((kept, whole, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    chosen = frames[:PACKETS]
    assert len(chosen) == PACKETS
    folder = tmp_path_factory.mktemp("live")
    paths = (folder / "1.pcap", folder / "2.pcap")
    for path, half in zip(paths, (chosen[: PACKETS // 2], chosen[PACKETS // 2 :]), strict=True):
        parts = [data[:24]]
        for n, (kept, whole, frame) in enumerate(half):
            seconds, nanos = divmod(LUNCH * 10**9 + n * 10**9 // PACE, 10**9)
            parts.append(struct.pack("<IIII", seconds, nanos, kept, whole) + frame)
        path.write_bytes(b"".join(parts))
    return paths


def send(capture: Path) -> None:
    tell(*INSIDE, "tcpreplay", "-q", "-i", "src0", "-p", PACE, capture)


@pytest.fixture
def school(tmp_path: Path) -> Path:
    """The sample school, its segments known by VLAN only."""
    folder = Path(shutil.copytree(HERE, tmp_path / "school"))
    settings = folder / "schoolgate.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text("".join(line for line in text.splitlines(True) if not line.startswith("subnets")))
    return folder


@pytest.fixture
def shared(school: Path) -> Path:
    """The same with two sensor workers."""
    settings = school / "schoolgate.toml"
    settings.write_text("[sensor]\nworkers = 2\n\n" + settings.read_text(encoding="utf-8"), encoding="utf-8")
    return school


@dataclass
class Run:
    """A `schoolgate run`, and what it says."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def hears(self, text: str, times: int = 1) -> bool:
        return sum(text in line for line in self.said) >= times

    def sensors(self) -> list[int]:
        """The processes of the sensor workers."""
        found = []
        for child in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for number in child.read_text().split():
                if b"spawn_main" in Path(f"/proc/{number}/cmdline").read_bytes():
                    found.append(int(number))
        return found

    def sensor(self) -> int:
        """The process of the only sensor worker."""
        (number,) = self.sensors()
        return number

    def kill(self) -> None:
        """Ends the owner, and nothing else, without a word."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def until(self, what: str, done: Callable[[], bool]) -> None:
        """Waits for something to become true."""
        end = time.monotonic() + PATIENCE_S
        while not done():
            assert self.process.poll() is None, f"ended before {what}: {self.said}"
            assert time.monotonic() < end, f"no {what}: {self.said}"
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE_S) == 0, self.said


def runs(process: int) -> bool:
    """Is the process there, and more than a remnant that nobody has waited for?"""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


@contextmanager
def running(school: Path, *options: str) -> Iterator[Run]:
    """`schoolgate run` on mon0, from the moment at which it watches; killed if a test fails."""
    command = [*ONLY_CAPTURE, str(SCRIPT), "run", "--config", str(school), "--interface", "mon0"]
    process = subprocess.Popen(
        [*command, "--no-pages", *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    run = Run(process)
    assert process.stdout is not None
    reader = Thread(target=lambda out: run.said.extend(out), args=(process.stdout,), daemon=True)
    reader.start()
    try:
        run.until("watching mon0", lambda: run.hears("schoolgate: watching mon0"))
        yield run
    finally:
        if process.poll() is None:
            with suppress(OSError):
                for number in run.sensors():
                    os.kill(number, signal.SIGKILL)
            process.kill()
        process.wait()
        reader.join(PATIENCE_S)


def spooled(school: Path, sensor: str = "*") -> tuple[Counter[str], Sums]:
    """What the sensor has written to the spool: its counters, and packets and bytes by flow, VLAN and segment."""
    counters: Counter[str] = Counter()
    flows: Sums = Counter()
    for path in sorted((school / "spool").glob(f"[0-9]*-{sensor}.arrow")):
        table = Spool.read(path)
        counters.update(json.loads((table.schema.metadata or {})[b"counters"]))
        flows.update(sums(table))
    return counters, flows


def sums(table: Any) -> Sums:
    """Packets and bytes of a table of slices."""
    found: Sums = Counter()
    key = ("client", "client_port", "server", "server_port", "transport", "vlan", "segment", "service", "role")
    for row in table.to_pylist():
        for name in ("packets_up", "packets_down", "bytes_up", "bytes_down"):
            found[(*(row[k] for k in key), name)] += row[name]
    return found


def sensed(*captures: Path) -> tuple[dict[str, int], Sums]:
    """The same of captures, read as files by one sensor."""
    from deploy.settings import load_settings

    segments = load_settings(HERE / "schoolgate.toml").sensor.segments
    by_vlan = [rule.model_copy(update={"subnets": ()}) for rule in segments]
    sensor, flows = Sensor(load_catalogue(), by_vlan), Counter()
    for capture in captures:
        for _ in open_capture(capture).read(sensor.feed):
            flows.update(sums(sensor.table()))
    sensor.meter.finish()
    flows.update(sums(sensor.table()))
    return sensor.counters(), flows


def metrics(school: Path) -> Counter[str]:
    """The sums of the store's coverage."""
    found: Counter[str] = Counter()
    for row in contents(school / "store")["coverage"]:
        found[row["metric"]] += row["value"]
    return found


def test_all_that_is_sent_is_counted(wire: None, captures: tuple[Path, Path], school: Path) -> None:
    wanted, flows = sensed(*captures)
    assert {unpack_vlan(flow[5])[0] for flow in flows} == {10, 20, 30}
    assert {flow[6] for flow in flows} == {"staff", "pupil", "guest"}
    with running(school, "--finish") as run:
        for capture in captures:
            send(capture)
        run.until("packets in the spool", lambda: spooled(school)[0]["packets"] >= PACKETS)
        run.stop()
    counters, got = spooled(school)
    assert {name: counters[name] for name in EXACT} == {name: wanted[name] for name in EXACT}
    assert counters["packets"] == PACKETS
    assert counters["ring_drops"] == 0
    assert got == flows
    stored = metrics(school)
    assert {name: stored[name] for name in EXACT} == {name: wanted[name] for name in EXACT}
    assert stored["slices"] == sum(stored[f"slices_{segment}"] for segment in ("staff", "pupil", "guest"))
    assert all(stored[f"slices_{segment}"] > 0 for segment in ("staff", "pupil", "guest"))
    assert re.search(r"schoolgate: stopped; [12] windows stored, ", "".join(run.said))


def test_a_killed_sensor_is_started_again_and_what_waits_is_stored_by_the_next_start(
    wire: None, captures: tuple[Path, Path], school: Path
) -> None:
    first, second = captures
    half = PACKETS // 2
    with running(school) as run:
        send(first)
        run.until("the first packets in the spool", lambda: spooled(school)[0]["packets"] >= half)
        os.kill(run.sensor(), signal.SIGKILL)
        run.until("a new sensor", lambda: run.hears("schoolgate: watching mon0", times=2))
        assert run.hears("schoolgate: the sensor ended with status -9; starting it again")
        send(second)
        run.until("the second packets in the spool", lambda: spooled(school)[0]["packets"] >= PACKETS)
        run.stop()
    before, flows = spooled(school)
    files = frozenset((school / "spool").iterdir())
    assert files
    assert before["packets"] == PACKETS
    assert metrics(school)["packets"] == 0
    wanted: Counter[str] = Counter()
    separate: Sums = Counter()
    for capture in captures:  # two sensors, each with its half
        counters, found = sensed(capture)
        wanted.update(counters)
        separate.update(found)
    assert found <= flows <= separate  # what the first sensor had not yet written was lost with it
    with running(school, "--finish") as run:
        run.stop()
    stored = metrics(school)
    for name in ("packets", "bytes", "flows", "flows_named"):
        assert stored[name] == wanted[name]
    assert stored["slices_staff"] > 0


def test_a_sensor_ends_with_its_owner_and_writes_what_it_holds(
    wire: None, captures: tuple[Path, Path], school: Path
) -> None:
    with running(school) as run:
        send(captures[0])
        run.until("packets in the spool", lambda: spooled(school)[0]["packets"] >= PACKETS // 2)
        sensor = run.sensor()
        run.kill()
        end = time.monotonic() + PATIENCE_S
        while runs(sensor):
            assert time.monotonic() < end, "the sensor lives on"
            time.sleep(0.05)
    assert spooled(school)[1] == sensed(captures[0])[1]


SHARES = ("mon0-0", "mon0-1")


def clients(flows: Sums) -> set[Any]:
    return {flow[0] for flow in flows}


def test_two_workers_see_together_what_one_sees_and_all_of_a_client(
    wire: None, captures: tuple[Path, Path], shared: Path
) -> None:
    wanted, flows = sensed(*captures)
    with running(shared, "--finish") as run:
        run.until("both workers", lambda: run.hears("schoolgate: watching mon0", times=2))
        for capture in captures:
            send(capture)
        run.until("packets in the spool", lambda: spooled(shared)[0]["packets"] >= PACKETS)
        health = examined(shared)
        run.stop()
    for check in ("interface", "capability", "promiscuous", "sensor", "ring_drops", "nic_drops"):
        assert health[check]["severity"] == "ok", health[check]
    assert health["sensor"]["value"] == "2 of 2"
    (one, ones), (two, others) = (spooled(shared, name) for name in SHARES)
    assert not clients(ones) & clients(others)
    assert min(len(clients(ones)), len(clients(others))) > 0.25 * len(clients(flows))
    assert ones + others == flows
    by_packet = [name for name in EXACT if name != "names_blind"]  # that counts names, and two may meet the same one
    assert {name: one[name] + two[name] for name in by_packet} == {name: wanted[name] for name in by_packet}
    stored = metrics(shared)
    assert {name: stored[name] for name in by_packet} == {name: wanted[name] for name in by_packet}


def examined(school: Path) -> dict[str, dict[str, str]]:
    """What the doctor finds meanwhile."""
    command = [*INSIDE, str(SCRIPT), "doctor", "--config", str(school), "--interface", "mon0", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1, 2), done.stderr
    return {finding["id"]: finding for finding in json.loads(done.stdout)}


def test_a_killed_worker_leaves_the_others_alone_and_its_packets_wait_for_its_successor(
    wire: None, captures: tuple[Path, Path], shared: Path
) -> None:
    first, second = captures
    with running(shared, "--finish") as run:
        run.until("both workers", lambda: run.hears("schoolgate: watching mon0", times=2))
        send(first)
        run.until("the first packets in the spool", lambda: spooled(shared)[0]["packets"] >= PACKETS // 2)
        status = shared / "spool" / "worker-mon0-1.status"
        run.until("word of the second worker", status.exists)
        os.kill(json.loads(status.read_text())["pid"], signal.SIGKILL)
        send(second)  # some of it while nobody reads the second ring
        run.until("a new worker", lambda: run.hears("schoolgate: watching mon0", times=3))
        assert run.hears("schoolgate: the sensor mon0-1 ended with status -9; starting it again")
        run.until("the second packets in the spool", lambda: spooled(shared)[0]["packets"] >= PACKETS)
        run.stop()
    counters = spooled(shared)[0]
    assert (counters["packets"], counters["ring_drops"]) == (PACKETS, 0)
    _, undisturbed = sensed(*captures)
    (_, ones), (_, others) = (spooled(shared, name) for name in SHARES)
    assert not clients(ones) & clients(others), "no client has moved"
    assert ones == Counter({flow: n for flow, n in undisturbed.items() if flow[0] in clients(ones)})
    assert others <= undisturbed


def test_an_interface_that_goes_away_is_waited_for(wire: None, captures: tuple[Path, Path], school: Path) -> None:
    half, sent = PACKETS // 2, 0

    def comes_through(run: Run) -> None:
        nonlocal sent
        send(captures[sent % 2])
        sent += 1
        run.until("packets in the spool", lambda: spooled(school)[0]["packets"] >= sent * half)

    with running(school) as run:
        comes_through(run)
        link("set", "mon0", "down")
        run.until("word that it is down", lambda: run.hears("schoolgate: mon0 is down; waiting for it"))
        link("set", "mon0", "up")
        run.until("word that it is up", lambda: run.hears("schoolgate: watching mon0", times=2))
        comes_through(run)
        for words in (("down",), ("name", "mon9"), ("up",)):
            link("set", "mon0" if words != ("up",) else "mon9", *words)
        run.until("word of its new name", lambda: run.hears("schoolgate: watching mon9, as mon0 is called now"))
        comes_through(run)
        for words in (("down",), ("name", "mon0"), ("up",)):
            link("set", "mon9" if words != ("up",) else "mon0", *words)
        run.until("word of its old name", lambda: run.said[-1] == "schoolgate: watching mon0\n")
        link("del", "mon0")
        run.until("word that it is gone", lambda: run.hears("schoolgate: mon0 is gone; waiting for it"))
        plug_in()
        run.until("word that it is back", lambda: run.said[-1] == "schoolgate: watching mon0\n")
        comes_through(run)
        run.stop()
    assert spooled(school)[0]["packets"] == 4 * half
    assert not [line for n, line in enumerate(run.said) if line in run.said[max(0, n - 1) : n]], (
        "each state is said once"
    )


def test_a_service_that_is_added_is_named_from_then_on_and_no_packet_is_lost(
    wire: None, school: Path, tmp_path: Path
) -> None:
    flows = [Talk(client="10.20.1.7", client_port=40_000 + n, vlans=(10,)) for n in range(200)]
    packets = [
        packet
        for n, flow in enumerate(flows)
        for packet in flow.open(n / 50)
        .up(n / 50, client_hello("www.ourspace.example"))
        .down(n / 50, b"x" * 900)
        .packets
    ]
    (tmp_path / "flows.pcap").write_bytes(pcap(packets))

    def sent(times: int) -> bool:
        return spooled(school)[0]["packets"] >= times * len(packets)

    def named() -> set[str]:
        return {flow[7] for flow in spooled(school)[1]}

    at = ["--school", str(school)]
    with running(school) as run:
        send(tmp_path / "flows.pcap")
        run.until("packets in the spool", lambda: sent(1))
        steadily = subprocess.Popen([*INSIDE, "tcpreplay", "-q", "-i", "src0", "-p", "250", tmp_path / "flows.pcap"])
        added = ["catalogue", "add", "ourspace", "ourspace.example", "--name", "OurSpace", "--kind", "forum"]
        said = many([[*added, *at, "--yes"], ["retag", *at], ["retention", *at]])
        assert [status for status, _, _ in said] == [0, 0, 0], said
        assert "no minutes are kept" in said[1][1]
        run.until("word of the new names", lambda: run.hears("the sensor learns its names"))
        run.until("a new sensor", lambda: run.hears("schoolgate: watching mon0", times=2))
        assert steadily.wait(PATIENCE_S) == 0
        run.until("all packets in the spool", lambda: sent(2))
        send(tmp_path / "flows.pcap")
        run.until("all packets in the spool", lambda: sent(3))
        run.stop()
    assert "ourspace" in named()
    assert not run.hears("starting it again"), "it went well"
    assert not run.hears("going on with the files as they were")
    counters = spooled(school)[0]
    assert (counters["packets"], counters["ring_drops"]) == (3 * len(packets), 0)
