"""A live sensor worker: one ring, one meter, slices into the spool.

It runs in a process of its own that may open the network card and nothing else. Every few seconds it writes what it
has; shortly after each clock minute it sweeps that minute out of the flow table, by the wall clock, so that a silent
wire holds nothing back; while the ring holds packets that are not read yet, by the time of those. An interface that is
down, unplugged or not there is waited for, and all that is said once. A card that gets another name is followed, unless
another card gets the name that the settings say. SIGTERM makes it write what it holds and end; HAND_OVER the same, but
its ring goes on taking packets for a successor that gets it.

Workers share nothing but the interface and the spool's folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from sensor import interface
from sensor.filters import inside_subnets
from sensor.ring import RETIRE_MS, Ring, RingError, Share
from sensor.settings import SensorSettings
from sensor.status import Recent, Status, remove_status, write_status

if TYPE_CHECKING:
    from sensor.spool import Spool

HAND_OVER = signal.SIGUSR1
WRITE_EVERY_S = 5.0
TELL_EVERY_S = 60.0  # who has which address; windows are judged ten minutes later
UPLOADS_EVERY_S = 1.0
LOOK_EVERY_S = 1.0  # at the interface
MIRROR_EVERY_S = 2.0
SWEEP_AFTER_S = 2.0  # after the minute ends: packets still in the ring's blocks must come first
WAIT_MS = 100
MAX_UNWRITTEN = 60  # tables kept while the disk refuses them: five minutes


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """What a worker needs, as plain values (it is started in a new process).

    `number`: 0 for the first worker of an interface, which also counts what the card drops. `share`: how workers share
    the interface, None for one that has it for itself.
    """

    settings: SensorSettings
    interface: str
    spool: Path
    name: str
    number: int = 0
    share: Share | None = None


Keep = Callable[[socket.socket | None], None]


class Worker:
    """See the module's header. `keep` is told each ring's socket, and None once the worker is ready; `kept` is one
    that an earlier process had."""

    def __init__(self, plan: WorkerPlan, keep: Keep | None = None, kept: socket.socket | None = None) -> None:
        self._plan = plan
        self._keep, self._kept = keep, kept
        self._stop = self._handing_over = False
        self._said: dict[str, str] = {}  # by subject: what was said last
        self._ring: Ring | None = None
        self._index: int | None = None  # of the interface that was last watched
        self._swept = int(time.time()) // 60
        self._next_write = self._next_uploads = self._next_look = self._next_mirror = self._next_tell = 0.0
        self._card_dropped: int | None = None

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """End after the block at hand."""
        self._handing_over |= _signal == HAND_OVER
        self._stop = True

    def run(self) -> None:
        """Capture until stopped. Raises RingError without the capability."""
        self._ring = self._open()  # first of all: from now on the kernel keeps packets for us
        self._prepare()
        while not self._spool.hold():
            self._say(f"another sensor writes to {self._plan.spool}; waiting until it ends", "spool")
            time.sleep(WAIT_MS / 1000)
            if self._stop:
                return
        while not self._stop:
            if self._ring is None:
                self._pause()
            else:
                self._capture(self._ring)
        if self._ring:
            if not self._handing_over:
                self._ring.refuse()
                self._empty(self._ring)
            self._let_go(self._ring)
        self._sensor.meter.finish()
        self._tell()
        self._write_uploads(int(time.time() * 1e9), over=True)
        self._write()
        remove_status(self._plan.spool, self._plan.name)

    def _prepare(self) -> None:
        from sensor.mirror import MirrorLook  # all this takes a second to load, in which packets come already
        from sensor.sense import sensor_of
        from sensor.sightings import CAP_BYTES, FOLDER
        from sensor.spool import Spool

        s = self._plan.settings
        self._sensor = sensor_of(s, self._plan.name, secrets.randbits(63))
        self._spool = Spool(self._plan.spool, s.spool_cap_mib << 20, self._plan.name)
        self._seen = Spool(self._plan.spool / FOLDER, CAP_BYTES, self._plan.name)
        cap = s.spool_cap_mib << 17  # an eighth of it for each kind
        self._uploads = {
            kind: Spool(self._plan.spool, cap, self._plan.name, f"uploads-{kind}-")
            for kind in ("units", "cues", "http")
        }
        self._unwritten_uploads: dict[str, deque[Any]] = {kind: deque() for kind in self._uploads}
        self._mirror = MirrorLook(inside_subnets(s.segments))
        self._recent = Recent()
        self._unwritten: deque[Any] = deque()
        self._sensor.load()
        self._next_write = time.monotonic() + WRITE_EVERY_S
        if self._keep:
            self._keep(None)

    # -- the ring -----------------------------------------------------------------------------------------------

    def _open(self) -> Ring | None:
        """The ring, or None if the interface cannot be watched now. Raises RingError without the capability."""
        plan, kept = self._plan, self._kept
        s = plan.settings
        self._kept = None
        try:
            name = self._present_name()
            ring = Ring(name, s.ring_mib, exempt=s.exempt, share=plan.share, kept=kept)
        except RingError as error:
            if error.errno == errno.EPERM:
                raise
            gone = error.errno == errno.ENODEV and self._index is not None
            self._say(f"{self._gone() if gone else error.strerror}; waiting for it")
            return None
        if self._keep:
            self._keep(ring.socket)
        self._index = ring.index
        self._say(f"watching {ring.name}")
        return ring

    def _present_name(self) -> str:
        """The interface's name; that of the card watched so far, if the settings' name is nobody's now."""
        wanted = self._plan.interface
        if self._index is not None and interface.find(wanted) is None:
            return interface.name_of(self._index) or wanted
        return wanted

    def _capture(self, ring: Ring) -> None:
        """Meter what comes, until stopped or the ring's interface is another one."""
        while not self._stop and self._ring is ring:
            try:
                ready = ring.wait(WAIT_MS)
            except RingError:
                ready, self._next_look = False, 0.0
            if ready:
                self._meter(ring)
            if time.monotonic() >= self._next_look:
                self._look(ring)
            self._keep_time(caught_up=not ready)

    def _meter(self, ring: Ring) -> None:
        with ring.block() as (buffer, start, end):
            if time.monotonic() >= self._next_mirror:
                self._mirror.look(buffer, start, end, ring.state)
                self._next_mirror = time.monotonic() + MIRROR_EVERY_S
            self._sensor.feed(buffer, start, end, ring.state)

    def _empty(self, ring: Ring) -> None:
        """Meter what the ring still holds; the block that the kernel is filling is handed over within RETIRE_MS."""
        for patience in (3 * RETIRE_MS, 0, 0):  # an error of the interface may come first
            try:
                while ring.wait(patience):
                    self._meter(ring)
                break
            except RingError:
                continue

    def _let_go(self, ring: Ring) -> None:
        self._count_drops(ring)
        ring.close()
        self._ring = None

    def _look(self, ring: Ring) -> None:
        """Is the interface still there, and up? Lets the ring go if not, or if another card has its name now."""
        self._next_look = time.monotonic() + LOOK_EVERY_S
        name, wanted = interface.name_of(ring.index), interface.find(self._plan.interface)
        if name is None or (wanted is not None and wanted.index != ring.index):
            ring.refuse()
            self._empty(ring)
            self._let_go(ring)
            if name is None:
                self._say(f"{self._gone()}; waiting for it")
            return
        card = interface.find(name)
        if card is not None and not card.up:
            self._say(f"{name} is down; waiting for it")
        elif wanted is None:
            self._say(f"watching {name}, as {self._plan.interface} is called now")
        else:
            self._say(f"watching {name}")

    def _pause(self) -> None:
        """Wait a moment for the interface."""
        time.sleep(WAIT_MS / 1000)
        self._keep_time(caught_up=True)
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY_S
            self._ring = self._open()

    def _gone(self) -> str:
        return f"{self._plan.interface} is gone"

    def _say(self, what: str, of: str = "interface") -> None:
        """Tell people, once until it changes."""
        if what != self._said.get(of):
            self._said[of] = what
            with contextlib.suppress(OSError):  # nobody listens any more
                print(f"schoolgate: {what}", flush=True)

    # -- the clock ----------------------------------------------------------------------------------------------

    def _keep_time(self, *, caught_up: bool) -> None:
        """Sweep minutes that are over, and write. Not caught up: packets that are older than now wait in the ring."""
        now = time.time()
        seen = now if caught_up else min(now, self._sensor.meter.latest_ns / 1e9)
        if seen - SWEEP_AFTER_S >= (self._swept + 1) * 60:
            self._swept = int(seen - SWEEP_AFTER_S) // 60
            self._sensor.meter.sweep(int(now * 1e9), self._swept)
        if time.monotonic() >= self._next_uploads:
            self._write_uploads(int(seen * 1e9))
            self._next_uploads = time.monotonic() + UPLOADS_EVERY_S
        if time.monotonic() >= self._next_write:
            if self._ring:
                self._count_drops(self._ring)
            self._write()
            self._next_write = time.monotonic() + WRITE_EVERY_S
        if time.monotonic() >= self._next_tell:
            self._tell()
            self._next_tell = time.monotonic() + TELL_EVERY_S

    def _tell(self) -> None:
        """Write who was newly seen to have which address. What the disk refuses is seen again."""
        table = self._sensor.sightings()
        if table.num_rows:
            with contextlib.suppress(OSError):  # which is said where slices are written
                self._seen.write(table)

    def _count_drops(self, ring: Ring) -> None:
        sensor = self._sensor
        ring.read_drops()
        sensor.ring_drops += ring.drops
        sensor.ring_freezes += ring.freezes
        ring.drops = ring.freezes = 0
        dropped = interface.dropped(ring.name) if self._plan.number == 0 else None
        if dropped is not None:
            sensor.nic_drops += max(0, dropped - (dropped if self._card_dropped is None else self._card_dropped))
        self._card_dropped = dropped

    def _write(self) -> None:
        """Write the slices that are ready, and how we are."""
        self._unwritten.append(self._sensor.table())
        try:
            self._empty_into(self._spool, self._unwritten)
            self._tell_status()
        except OSError as error:
            self._say(f"cannot write to {self._plan.spool}: {error.strerror}; trying again", "spool")
        else:
            if "spool" in self._said:
                self._say(f"writing to {self._plan.spool} again", "spool")

    def _write_uploads(self, now_ns: int, *, over: bool = False) -> None:
        """Write upload units that are due, cues and requests."""
        uploads = self._sensor.uploads
        uploads.finish(now_ns) if over else uploads.poll(now_ns)
        for kind, table in uploads.take()._asdict().items():
            if table.num_rows:
                self._unwritten_uploads[kind].append(table.replace_schema_metadata({"sensor": self._plan.name}))
            with contextlib.suppress(OSError):  # _write says so
                self._empty_into(self._uploads[kind], self._unwritten_uploads[kind])

    def _empty_into(self, spool: Spool, waiting: deque[Any]) -> None:
        """Write the tables that wait. What the disk refuses waits on, up to a limit; raises OSError then."""
        try:
            while waiting:
                spool.write(waiting[0])
                waiting.popleft()
        finally:
            if len(waiting) > MAX_UNWRITTEN:
                waiting.popleft()
                self._sensor.spool_dropped += 1
            self._sensor.spool_dropped += spool.dropped
            spool.dropped = 0

    def _tell_status(self) -> None:
        now, plan, clients = time.time(), self._plan, self._mirror.clients()
        since, counters = self._recent.add(now, self._sensor.counters())
        state = self._said["interface"]
        write_status(plan.spool, Status(plan.name, plan.interface, os.getpid(), state, now, since, counters, *clients))


def work(plan: WorkerPlan, keep: Keep | None = None, kept: socket.socket | None = None) -> None:
    """Entry point of the worker process."""
    worker = Worker(plan, keep, kept)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    signal.signal(HAND_OVER, worker.stop)
    worker.run()
