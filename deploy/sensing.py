"""The sensor workers' processes as the owner starts them, and what the owner does for them.

When the owner is gone, however it went, the worker ends too: one that outlived its owner would write into the spool
beside the worker of the next one. The owner keeps a second handle on the worker's ring, without reading it: if the
worker dies, the ring stays in its fanout group and goes on taking packets, and the worker's successor gets it. Nothing
of the store or the pages is imported here.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess

import click

from sensor.filters import inside_subnets
from sensor.ring import Share
from sensor.settings import SensorSettings
from sensor.worker import HAND_OVER, WorkerPlan, work

PATIENCE_S = 20.0  # to write what it holds
_RING, _READY = b"r", b"w"  # what a worker tells its owner


def work_for_owner(plan: WorkerPlan, owner: socket.socket, kept: socket.socket | None) -> None:
    """Entry point of the process: `sensor.worker.work`, as long as the parent process lives."""
    threading.Thread(target=_end_after_owner, daemon=True).start()

    def keep(ring: socket.socket | None) -> None:
        with contextlib.suppress(OSError):  # the owner has just gone
            socket.send_fds(owner, [_RING if ring else _READY], [ring.fileno()] if ring else [])

    work(plan, keep, kept)


def _end_after_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner is not None:
        owner.join()
        os.kill(os.getpid(), signal.SIGTERM)


class WorkerProcess:
    """One worker, started again as often as it dies. `start` may be called again once it is not `alive`."""

    def __init__(self, plan: WorkerPlan) -> None:
        self.plan = plan
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ours.setblocking(False)
        self.ready = False
        self._ring: socket.socket | None = None
        self._process: BaseProcess | None = None

    def __str__(self) -> str:
        return f"the sensor {self.plan.name}" if self.plan.share else "the sensor"

    def start(self) -> None:
        """Start the process, with the ring of its predecessor if there is one."""
        self.take_ring()
        # A fresh interpreter: the store must never be inherited by a fork.
        self._process = multiprocessing.get_context("spawn").Process(
            target=work_for_owner, args=(self.plan, self._theirs, self._ring), name=f"sensor {self.plan.name}"
        )
        self._process.start()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    @property
    def status(self) -> int | None:
        """How it ended: exit status, or minus a signal."""
        return self._process.exitcode if self._process else None

    def take_ring(self) -> None:
        """Hold the ring that the worker has opened last, and let an older one go."""
        with contextlib.suppress(BlockingIOError):
            while True:
                word, descriptors, _, _ = socket.recv_fds(self._ours, 1, 1)
                self.ready |= word == _READY
                if descriptors:
                    self._drop_ring()
                    self._ring = socket.socket(fileno=descriptors[0])

    def hand_over(self, plan: WorkerPlan) -> None:
        """Let the process write what it holds and end, and a successor go on by this plan with what the ring takes in
        meanwhile."""
        self.plan = plan
        if self._process is None or not self._process.is_alive():
            return  # who starts it next, starts it by this plan
        self.take_ring()
        with contextlib.suppress(OSError):
            os.kill(self._process.pid or 0, HAND_OVER)
        self._wait(self._process)
        self.start()

    def _drop_ring(self) -> None:
        if self._ring:
            self._ring.close()
            self._ring = None

    def ask_to_stop(self) -> None:
        if self._process:
            self._process.terminate()

    def stop(self) -> None:
        """Wait until it has written what it holds, and let its ring go."""
        if self._process:
            self._process.terminate()
            self._wait(self._process)
            self.take_ring()
            self._drop_ring()

    def _wait(self, process: BaseProcess) -> None:
        """Until it has ended; it is killed if it takes too long."""
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
            click.echo(f"schoolgate: {self} did not stop in time; what it held is lost", err=True)


class Sensing:
    """All workers of one interface. As soon as they are started, packets are kept. May be called from any thread."""

    def __init__(self, settings: SensorSettings, interface: str) -> None:
        self._lock = threading.Lock()
        alone = WorkerPlan(settings, interface, settings.spool, interface)
        self._workers = [WorkerProcess(plan) for plan in _plans(alone, settings.workers, os.getpid())]

    @property
    def names(self) -> list[str]:
        return [worker.plan.name for worker in self._workers]

    def start(self, patience_s: float = 0.0) -> None:
        """Start all, and leave the processors to them until they are ready, at most so long."""
        with self._lock:
            for worker in self._workers:
                worker.start()
        end = time.monotonic() + patience_s
        while time.monotonic() < end and not all(worker.ready for worker in self._workers):
            time.sleep(0.02)
            for worker in self._workers:
                worker.take_ring()

    def tend(self) -> None:
        """Start again what has died; not while workers hand over or stop."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            for worker in self._workers:
                worker.take_ring()
                if not worker.alive:
                    click.echo(f"schoolgate: {worker} ended with status {worker.status}; starting it again", err=True)
                    worker.start()
        finally:
            self._lock.release()

    def renew(self, settings: SensorSettings) -> None:
        """Go on with the services and exempt sites that these settings name, and lose no packet; flows that run now
        have no name from here on, as at any start. Returns at once: a worker takes its time to write what it holds."""
        names = {"services": settings.services, "exempt_sites": settings.exempt_sites}

        def hand_over() -> None:
            with self._lock:
                for worker in self._workers:
                    plan = worker.plan
                    worker.hand_over(replace(plan, settings=plan.settings.model_copy(update=names)))

        threading.Thread(target=hand_over, name="hand over", daemon=True).start()

    def stop(self) -> None:
        """Let all write what they hold, and wait for it."""
        with self._lock:
            for worker in self._workers:
                worker.ask_to_stop()
            for worker in self._workers:
                worker.stop()


def _plans(alone: WorkerPlan, workers: int, group: int) -> list[WorkerPlan]:
    """The plans of so many workers that share what one would do alone."""
    if workers == 1:
        return [alone]
    share = Share(group, inside_subnets(alone.settings.segments))
    return [replace(alone, name=f"{alone.name}-{n}", number=n, share=share) for n in range(workers)]
