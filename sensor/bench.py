"""How fast the sensor is, as a share of what the memory allows.

The limit is a compiled loop that reads each record's length and one 8-byte word at the IP addresses, the file being
in memory: nothing that looks at every packet header can be faster. Beside it, in the same run and alone: the kernel
(decode, flow table, names; no slices wanted) and the full sensor (slices as Arrow tables, counters). The parts take
turns, so that a machine that is busy for a while slows them alike; rates and shares are medians over the rounds.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sensor import walk
from sensor.bench_traffic import CAPTURES
from sensor.capture import CHUNK
from sensor.catalogue import load_catalogue
from sensor.load import kernel, load32, load64
from sensor.meter import Meter, MeterLimits
from sensor.sense import Sensor
from sensor.walk import swap32

HEADER = 24  # of a pcap file


@kernel
def header_touch(buf, start, end):
    """The limit: one length and one word a record."""
    total = np.uint64(0)
    count = 0
    while start + 16 <= end:
        size = swap32(load32(buf, start + 8, end))
        total += load64(buf, start + 16 + 26, end)
        start += 16 + size
        count += 1
    return count, total


@dataclass(frozen=True, slots=True)
class Result:
    """Rates in packets a second and shares of the limit; each a median over the rounds."""

    name: str
    packets: int
    flows: int
    named: int
    mean_bytes: float
    slices: int
    limit: float
    kernel: float
    full: float
    kernel_share: float
    full_share: float

    @property
    def named_a_second(self) -> float:
        """Flows that the full sensor names in a second."""
        return self.full * self.named / self.packets


def floored(value: float, digits: int = 0) -> str:
    """A number for people, cut after so many digits, never rounded up."""
    scale = 10**digits
    cut = math.floor(value * scale + 1e-9) / scale  # 0.29 is 0.28999... as a float, and means 0.29
    return f"{cut:,.{digits}f}"


def machine() -> dict[str, str]:
    """Where and with what: CPU, cores, memory, kernel, Python, Numba, date."""
    described = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    cpu = next((line.partition(":")[2].strip() for line in described if line.startswith("model name")), "unknown")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu,
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{pages >> 20} MiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "numba": version("numba"),
        "date": time.strftime("%Y-%m-%d"),
    }


def seconds(run: Callable[[], object]) -> float:
    """How long it takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def in_turns(parts: Sequence[Callable[[], Callable[[], object]]], rounds: int) -> Any:
    """Seconds of each part in each round, as [round, part]; each part has run once before the first round.

    A part makes its tables, which a sensor does once in its life; what it gives back is timed.
    """
    for part in parts:
        part()()
    return np.array([[seconds(part()) for part in parts] for _ in range(rounds)])


def pcap_state() -> Any:
    """A walker's state for what `sensor.bench_traffic` makes."""
    state = walk.new_state()
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1, 1
    return state


def run_full(buf: Any, sensor: Sensor) -> tuple[int, dict[str, int]]:
    """The whole sensor over a capture in memory; number of slices, and counters."""
    state = pcap_state()
    slices, at = 0, HEADER
    while at < len(buf):
        after = sensor.feed(buf, at, min(at + CHUNK, len(buf)), state)
        slices += sensor.table().num_rows
        if after == at:
            break
        at = after
    sensor.meter.finish()
    return slices + int(sensor.table().num_rows), sensor.counters()


LIMITS = MeterLimits(claimed_flows=1 << 20)  # as a live sensor has it


def idle_meter() -> Meter:
    """A meter whose slices nobody wants: what remains is the kernel's work."""
    return Meter(lambda host: 0, lambda slices, count: None, LIMITS)


def measure(name: str, buf: Any, rounds: int = 5) -> Result:
    """Measure one capture that lies in memory."""
    catalogue = load_catalogue()
    slices, counters = run_full(buf, Sensor(catalogue, ()))
    parts: tuple[Callable[[], Callable[[], object]], ...] = (
        lambda: partial(header_touch, buf, HEADER, len(buf)),
        lambda: partial(idle_meter().feed, buf, HEADER, len(buf), pcap_state()),
        lambda: partial(run_full, buf, Sensor(catalogue, (), LIMITS)),
    )
    times = in_turns(parts, rounds)
    packets = counters["packets"]
    limit, kernel_s, full = np.median(times, axis=0).tolist()
    _, kernel_share, full_share = np.median(times[:, :1] / times, axis=0).tolist()
    return Result(
        name, packets, counters["flows_all"], counters["flows_named"], (len(buf) - HEADER) / packets - 16, slices,
        packets / limit, packets / kernel_s, packets / full, kernel_share, full_share,
    )  # fmt: skip


def run(names: Sequence[str] = ("even", "hot"), packets: int = 2_000_000, rounds: int = 5) -> list[dict[str, Any]]:
    """Makes and measures the captures of these names, one after the other."""
    return [asdict(measure(name, CAPTURES[name](packets), rounds)) for name in names]
