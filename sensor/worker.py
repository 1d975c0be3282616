"""A live sensor worker: one ring, one meter, slices into the spool.

It runs in a process of its own that may open the network card and nothing else. Every few seconds it writes what it
has; shortly after each clock minute it sweeps that minute out of the flow table, by the wall clock, so that a silent
wire holds nothing back. SIGTERM makes it write what it holds and end.
"""

from __future__ import annotations

import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from sensor import layout
from sensor.ring import Ring, RingError
from sensor.sense import sensor_of
from sensor.settings import SensorSettings
from sensor.spool import Spool

WRITE_EVERY_S = 5.0
SWEEP_AFTER_S = 2.0  # after the minute ends: packets still in the ring's blocks must come first
RETRY_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker needs, as plain values (it is started in a new process)."""

    settings: SensorSettings
    interface: str
    spool: Path
    name: str


class Worker:
    """See the module's header."""

    def __init__(self, plan: WorkerPlan) -> None:
        s = plan.settings
        self._plan = plan
        self._stop = False
        self._sensor = sensor_of(s, plan.name, secrets.randbits(63))
        self._spool = Spool(plan.spool, s.spool_cap_mib << 20, plan.name)
        self._swept = int(time.time()) // 60

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End after the block at hand."""
        self._stop = True

    def run(self) -> None:
        """Capture until stopped; an interface that goes away is waited for."""
        while not self._stop:
            try:
                with Ring(self._plan.interface, self._plan.settings.ring_mib) as ring:
                    print(f"schoolgate: watching {self._plan.interface}", flush=True)
                    self._capture(ring)
            except RingError as error:
                if error.errno == 1:
                    raise
                print(f"schoolgate: {error.strerror}; trying again", flush=True)
                time.sleep(RETRY_S)
        self._sensor.meter.finish()
        self._write()

    def _capture(self, ring: Ring) -> None:
        next_write = time.monotonic() + WRITE_EVERY_S
        while not self._stop:
            if ring.wait(100):
                with ring.block() as (buffer, start, end):
                    self._sensor.feed(buffer, start, end, ring.state)
            now = time.time()
            if now - SWEEP_AFTER_S >= (self._swept + 1) * 60:
                self._swept = int(now - SWEEP_AFTER_S) // 60
                self._sensor.meter.sweep(int(now * layout.SECOND), self._swept)
            if time.monotonic() >= next_write:
                self._count_drops(ring)
                self._write()
                next_write = time.monotonic() + WRITE_EVERY_S
        while ring.wait(0):
            with ring.block() as (buffer, start, end):
                self._sensor.feed(buffer, start, end, ring.state)
        self._count_drops(ring)

    def _count_drops(self, ring: Ring) -> None:
        ring.read_drops()
        self._sensor.ring_drops += ring.drops
        ring.drops = 0

    def _write(self) -> None:
        self._spool.write(self._sensor.table())


def work(plan: WorkerPlan) -> None:
    """Entry point of the worker process."""
    worker = Worker(plan)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    worker.run()
