"""The facts that the sensor's health checks judge: of the machine, the mirror port, the spool and running workers.

Each may be missing. Nothing needs a privilege, except that only who may capture can tell that it may. What the facts
mean is for `sensor.checks` to say.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sensor import interface
from sensor.interface import Interface, Offloads
from sensor.settings import SensorSettings
from sensor.status import Status, read_statuses, total

IFF_PROMISC = 0x100


@dataclass(frozen=True, slots=True)
class Vitals:
    """Facts; None: not known. `counters`: of the last minutes, all workers together."""

    settings: SensorSettings
    name: str | None = None
    card: Interface | None = None
    may_capture: bool | None = None
    promiscuous: bool | None = None
    offloads: Offloads | None = None
    memory_mib: int | None = None
    spool_writable: bool | None = None
    spool_bytes: int = 0
    disk_free: int | None = None
    clock_set: bool | None = None
    workers: tuple[Status, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)


def measure(settings: SensorSettings, name: str | None = None) -> Vitals:
    """The facts as they are now; `name`: an interface other than that of the settings."""
    name = name or settings.interface
    card = interface.find(name) if name else None
    workers = read_statuses(settings.spool, time.time())
    spool = settings.spool
    there = next((path for path in (spool, *spool.parents) if path.exists()), None)
    return Vitals(
        settings,
        name,
        card,
        _may_capture(),
        _promiscuous(name) if card and name else None,
        interface.offloads(name) if card and name else None,
        _memory_mib(),
        os.access(there, os.W_OK | os.X_OK) and there.is_dir() if there else None,
        sum(path.stat().st_size for path in spool.glob("*.arrow")) if spool.is_dir() else 0,
        shutil.disk_usage(there).free if there else None,
        _clock_set(),
        workers,
        total(workers),
    )


def _may_capture() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:
        return False
    return True


def _promiscuous(name: str) -> bool | None:
    try:
        return bool(int(Path("/sys/class/net", name, "flags").read_text(), 16) & IFF_PROMISC)
    except (OSError, ValueError):
        return None


def _memory_mib() -> int | None:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return None


def _clock_set() -> bool | None:
    """Does the system say that its clock follows another one? adjtimex(2) answers 5 if not."""
    try:
        state: int = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(256))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != 5
