"""The live worker by a clock of the test's own: what it writes and when, on a wire that is busy, silent or away."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensor import interface, walk, worker
from sensor.ring import RingError
from sensor.settings import SensorSettings
from sensor.sightings import FOLDER
from sensor.spool import Spool
from sensor.uploadtables import UNIT_SCHEMA
from sensor.worker import Worker, WorkerPlan
from tests.sensor.building import START, Packet, Talk, client_hello, pcap
from tests.sensor.lending import on_wire, request
from tests.sensor.wiki_traffic import SECRET, packets_of, visit

HELLO = client_hello("www.facebook.com")


class Clock:
    """Seconds since START; it goes on only when the worker waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return START + self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Wire:
    """Blocks of packets that come at their time, and rings on it."""

    def __init__(self, clock: Clock, blocks: list[tuple[float, list[Packet]]]) -> None:
        self.clock, self.blocks = clock, blocks
        self.trouble: dict[float, RingError] = {}  # until when the interface cannot be opened, and why
        self.opened: list[Any] = []
        self.then: Callable[[Clock], None] = lambda clock: None

    def open(self, name: str, *_: object, **__: object) -> Ring:
        for until, error in self.trouble.items():
            if self.clock.now < until:
                raise error
        self.opened.append(Ring(self, name))
        return self.opened[-1]


class Ring:
    """Stands for sensor.ring.Ring; its blocks are pcap records."""

    socket, index, drops, freezes = None, 7, 3, 1

    def __init__(self, wire: Wire, name: str) -> None:
        self.wire, self.name = wire, name
        self.state = walk.new_state()
        self.state[walk.FORMAT], self.state[walk.SWAPPED], self.state[walk.NANO] = walk.FORMAT_PCAP, 1, 1
        self.state[walk.LINK] = 1
        self.refused = False

    def wait(self, timeout_ms: int) -> bool:
        self.wire.then(self.wire.clock)
        if self.wire.blocks and self.wire.blocks[0][0] <= self.wire.clock.now:
            return True
        self.wire.clock.now += timeout_ms / 1000
        return False

    @contextmanager
    def block(self) -> Iterator[tuple[Any, int, int]]:
        data = pcap(self.wire.blocks.pop(0)[1])
        yield np.frombuffer(bytearray(data), np.uint8), 24, len(data)

    def read_drops(self) -> None:
        pass

    def refuse(self) -> None:
        self.refused = True

    def close(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(worker, "time", clock)
    monkeypatch.setattr(interface, "find", lambda name: interface.Interface(name, 7, True, True, 1))
    monkeypatch.setattr(interface, "name_of", lambda index: "mon0")
    monkeypatch.setattr(interface, "dropped", lambda name: 100 + int(clock.now))
    return clock


def work(monkeypatch: pytest.MonkeyPatch, folder: Path, wire: Wire, until: float, number: int = 0) -> list[Any]:
    """Run a worker until that moment; the tables that it wrote."""
    monkeypatch.setattr(worker, "Ring", wire.open)
    one = Worker(WorkerPlan(SensorSettings(), "mon0", folder, "mon0", number))
    before = wire.then

    def then(clock: Clock) -> None:
        before(clock)
        if clock.now >= until:
            one.stop()

    wire.then = then
    sleep = wire.clock.sleep

    def sleeping(seconds: float) -> None:
        sleep(seconds)
        then(wire.clock)

    monkeypatch.setattr(wire.clock, "sleep", sleeping)
    one.run()
    spool = Spool(folder)
    return [spool.read(path) for path in spool.files()]


def until_of(table: Any) -> float:
    return float(table.schema.metadata[b"until"]) - START


def counted(tables: list[Any], name: str) -> int:
    return sum(json.loads(table.schema.metadata[b"counters"])[name] for table in tables)


def use(at: float, port: int = 50000) -> list[Packet]:
    return Talk(client_port=port).open(at).up(at, HELLO).down(at, b"x" * 100).packets


def test_a_silent_wire_holds_nothing_back(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tables = work(monkeypatch, tmp_path, Wire(clock, [(5.0, use(4.5))]), 130)
    seen = [(table.num_rows, until_of(table)) for table in tables]
    assert [n for n, _ in seen if n] == [1], "the slice was written once"
    first = next(n for n, (rows, _) in enumerate(seen) if rows)
    assert seen[first][1] == 60, "with the minute that was over"
    assert first < len(seen) - 2, "long before the end"
    assert seen[-1][1] == 120
    assert all(a <= b for (_, a), (_, b) in pairwise(seen))


def test_who_was_seen_is_told_every_minute_in_files_of_its_own(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    times = (1.0, 2.0, 30.0, 130.0)
    wire = Wire(clock, [(t, [on_wire(t, request(f"10.20.0.{n}"))]) for n, t in enumerate(times)])
    tables = work(monkeypatch, tmp_path, wire, 140)
    spool = Spool(tmp_path / FOLDER)
    told = [[row["time"] - START for row in spool.read(path).to_pylist()] for path in spool.files()]
    assert told == [[1.0, 2.0, 30.0], [130.0]], "within a minute, and the rest at the end"
    assert counted(tables, "sightings") == 4


def test_a_minute_stays_open_while_the_ring_holds_packets_of_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Blocks of the first minute that are read in the second one, each after the other without a pause."""
    wire = Wire(clock, [(0.0, use(1 + n, 50000 + n)) for n in range(50)])

    def slow(clock: Clock) -> None:
        clock.now += 2.5

    wire.then = slow
    tables = work(monkeypatch, tmp_path, wire, 400)
    done = 0.0
    for table in tables:
        assert all(row["minute"] * 60 >= START + done for row in table.to_pylist()), "nothing came after its minute"
        done = max(done, until_of(table))
    assert sum(table.num_rows for table in tables) == 50
    assert done >= 300


def test_the_first_worker_counts_what_the_card_drops(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tables = work(monkeypatch, tmp_path / "0", Wire(clock, []), 60)
    assert counted(tables, "nic_drops") >= 50
    assert counted(tables, "ring_drops") == 3
    assert counted(tables, "ring_freezes") == 1
    clock.now = 0
    assert counted(work(monkeypatch, tmp_path / "1", Wire(clock, []), 60, number=1), "nic_drops") == 0


def test_upload_units_are_in_the_spool_within_two_seconds_beside_the_slices(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packets = packets_of(visit())
    wire = Wire(clock, [(n / 2 + 0.5, part) for n in range(50) if (part := _between(packets, n / 2, n / 2 + 0.5))])
    written: dict[Path, float] = {}

    def look(clock: Clock) -> None:
        for path in tmp_path.glob("uploads-*.arrow"):
            written.setdefault(path, clock.now)

    wire.then = look
    work(monkeypatch, tmp_path, wire, 40)
    units = Spool(tmp_path, prefix="uploads-units-")
    rows = [(row, written[path]) for path in units.files() for row in units.read(path).to_pylist()]
    assert len({row["unit"] for row, _ in rows}) == 2
    assert all(at - (row["known"] - START) <= 2.0 for row, at in rows)
    for path in units.files():
        table = units.read(path)
        assert table.schema.remove_metadata() == UNIT_SCHEMA.remove_metadata()
        assert table.schema.metadata == {b"sensor": b"mon0"}
        assert SECRET[:6] not in path.read_bytes()
        assert b"CANARY" not in path.read_bytes()
    cues = Spool(tmp_path, prefix="uploads-cues-")
    assert [row["cue"] for path in cues.files() for row in cues.read(path).to_pylist()] == ["wiki_open"]


def _between(packets: list[Packet], start: float, end: float) -> list[Packet]:
    return [packet for packet in packets if START + start <= packet.time / 1e9 < START + end]


def test_what_is_held_is_written_while_the_interface_is_away(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wire = Wire(clock, [(5.0, use(4.5)), (200.0, use(200, 50001))])
    monkeypatch.setattr(interface, "name_of", lambda index: None if 10 < clock.now < 150 else "mon0")
    wire.trouble = {150.0: RingError(errno.ENODEV, "there is no interface mon0")}

    def unplug(clock: Clock) -> None:
        wire.trouble = {150.0: RingError(errno.ENODEV, "gone")} if clock.now > 10 else {}

    wire.then, wire.trouble = unplug, {}
    tables = work(monkeypatch, tmp_path, wire, 300)
    written = [(table.num_rows, until_of(table)) for table in tables]
    assert (1, 60) in written
    assert max(until for rows, until in written[: written.index((1, 60)) + 14]) >= 120, "minutes go on ending"
    assert sum(rows for rows, _ in written) == 2
    assert len(wire.opened) == 2
    assert wire.opened[0].refused
    assert capsys.readouterr().out.splitlines() == [
        "schoolgate: watching mon0",
        "schoolgate: mon0 is gone; waiting for it",
        "schoolgate: watching mon0",
    ]


def test_without_the_capability_it_ends(clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wire = Wire(clock, [])
    wire.trouble = {1e9: RingError(errno.EPERM, "CAP_NET_RAW is missing")}
    with pytest.raises(RingError, match="CAP_NET_RAW"):
        work(monkeypatch, tmp_path, wire, 60)
