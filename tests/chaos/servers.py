"""Rounds of chaos with a ClickHouse server: it is killed, stopped and hung, and the network to it is cut.

Theory of operation. As `rounds`, but the owner stores into Debian's 18.16 through a proxy that can be cut at any byte.
18.16 knows no names of batches, so what came twice is there twice; exactly once is promised for chDB and for modern
servers only. What must hold here too: not a row is missing, none is there that nobody sent, and a row is there more
often only if the owner was refused or killed in the middle of an insert.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.schema import DATABASE, TABLES
from pipeline.server import ServerStore
from tests.chaos.rounds import DEADLINE_S, Day, Processes, Round, comparable
from tests.deploy.command import Contents
from tests.pipeline import servers
from tests.pipeline.engines import address

FAULTS = ("kill server", "stop server", "hang server", "cut network", "kill owner", "kill both")


class Network:
    """A proxy on loopback; while it is cut, connections break off and new ones are refused."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections off, and let none through."""
        with self._lock:
            self._cut = True
            broken, self._open = self._open, set()
        for one in broken:
            _end(one)

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self.cut()
        _end(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            try:
                there = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                _end(here)
                continue
            with self._lock:
                refused = self._cut
                if not refused:
                    self._open |= {here, there}
            if refused:
                _end(here)
                _end(there)
                continue
            for a, b in ((here, there), (there, here)):
                threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    @staticmethod
    def _carry(a: socket.socket, b: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := a.recv(4096):
                b.sendall(data)
        _end(a)
        _end(b)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def play(day: Day, place: Path, seed: int, faults: Sequence[str] | None = None) -> Round:
    """One round in the folder `place`, which must not exist; `faults`: which, in order, else one to five drawn ones."""
    rng, round_ = random.Random(seed), Round(seed)
    planned = [*faults] if faults is not None else [rng.choice(FAULTS) for _ in range(rng.randint(1, 5))]
    place.mkdir(parents=True)
    server = servers.server(place / "server")
    server.start()
    network = Network(server.port)
    processes, begun = Processes(day, place, place / "disk", Path(f"127.0.0.1:{network.port}")), time.monotonic()
    try:
        strikes_at = begun + rng.uniform(0.3, 0.8) * day.took_s
        while not processes.tend():
            assert time.monotonic() < begun + DEADLINE_S, f"seed {seed}: still not done: see {place}"
            if planned and time.monotonic() >= strikes_at:
                round_.faults.append((round(time.monotonic() - begun, 2), planned[0]))
                _strike(planned.pop(0), processes, server, network, rng)
                strikes_at = time.monotonic() + rng.uniform(0, day.took_s / 2)
            time.sleep(0.005)
        round_.starts = processes.starts
        round_.complaints = (place / "log").read_text().count("not stored")
        with ServerStore(address(server)) as store:
            round_.wrong, round_.doubled = compare(day.wanted, contents(store))
        if round_.doubled and not round_.complaints and processes.starts == 2:
            round_.wrong += (f"{round_.doubled} rows are there twice, and nothing had gone wrong",)
    finally:
        processes.end()
        network.close()
        server.kill()
    return round_


def compare(wanted: Contents, got: Contents) -> tuple[tuple[str, ...], int]:
    """What is missing or was never sent, a sentence a table; and how many rows are there too often."""
    a, b = comparable(wanted), comparable(got)
    wrong, doubled = [], 0
    for name in sorted(a.keys() | b.keys()):
        want, have = Counter(a.get(name, [])), Counter(b.get(name, []))
        if missing := want - have:
            wrong.append(f"{name}: {missing.total()} rows are missing, as {next(iter(missing))}")
        if strange := have.keys() - want.keys():
            wrong.append(f"{name}: {len(strange)} rows that nobody sent, as {next(iter(strange))}")
        doubled += (have - want).total()
    return tuple(wrong), doubled


def contents(store: ServerStore) -> Contents:
    """All rows of all tables; what keeps the newest of several rows as it holds."""
    found: Contents = {}
    for table in TABLES:
        answer = store.query(f"SELECT * FROM {DATABASE}.`{table.name}`")
        found[table.name] = [dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows]
    return found


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str) else str(value)


def _strike(fault: str, processes: Processes, server: servers.Process, network: Network, rng: random.Random) -> None:
    """One fault; returns when it is over, though not what it broke."""
    pause = rng.choice((0.0, rng.uniform(0, 4.0)))
    if fault == "kill server":
        server.kill()
        _wait(processes, pause)
        server.start()
    elif fault == "stop server":
        server.stop()
        _wait(processes, pause)
        server.start()
    elif fault == "hang server":
        server.pause()
        _wait(processes, pause)
        server.go_on()
    elif fault == "cut network":
        network.cut()
        _wait(processes, pause)
        network.mend()
    else:
        for name in ("owner", "writer") if fault == "kill both" else ("owner",):
            processes.kill(name, pause)


def _wait(processes: Processes, pause: float) -> None:
    until = time.monotonic() + pause
    while time.monotonic() < until:
        processes.tend()
        time.sleep(0.005)
