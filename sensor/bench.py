"""How fast the sensor is, as a share of what the memory allows.

The limit is a compiled loop that reads each record's length and one 8-byte word at the IP addresses, the file being
in memory: nothing that looks at every packet header can be faster. Beside it, in the same run and alone: the kernel
(decode, flow table, names; no slices wanted) and the full sensor (slices as Arrow tables, counters). Medians of
several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sensor import walk
from sensor.bench_traffic import capture
from sensor.capture import CHUNK
from sensor.catalogue import Catalogue, load_catalogue
from sensor.load import kernel, load32, load64
from sensor.meter import Meter
from sensor.sense import Sensor
from sensor.walk import swap32


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
    mean_bytes: float
    slices: int
    limit: float
    kernel: float
    full: float
    kernel_share: float
    full_share: float


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def _pcap_state() -> Any:
    state = walk.new_state()
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1, 1
    return state


def _run_full(buf: Any, catalogue: Catalogue) -> int:
    sensor = Sensor(catalogue, ())
    state = _pcap_state()
    slices, at = 0, 24
    while at < len(buf):
        after = sensor.feed(buf, at, min(at + CHUNK, len(buf)), state)
        slices += sensor.table().num_rows
        if after == at:
            break
        at = after
    sensor.meter.finish()
    return slices + int(sensor.table().num_rows)


def _run_kernel(buf: Any) -> None:
    Meter(lambda host: 0, lambda slices, count: None).feed(buf, 24, len(buf), _pcap_state())


def measure(name: str, packets: int, flows: int, hot: float, rounds: int = 5) -> Result:
    """Measure one generated capture. The three parts take turns, so that a busy machine slows them alike."""
    buf = capture(packets, flows, hot=hot)
    catalogue = load_catalogue()
    parts: tuple[Callable[[], object], ...] = (
        lambda: header_touch(buf, 24, len(buf)),
        lambda: _run_kernel(buf),
        lambda: _run_full(buf, catalogue),
    )
    slices = _run_full(buf, catalogue)  # everything is compiled and in memory before the first round
    for part in parts:
        part()
    times = np.array([[_seconds(part) for part in parts] for _ in range(rounds)])
    limit, kernel_s, full = np.median(times, axis=0)
    shares = np.median(times[:, :1] / times, axis=0)
    return Result(
        name, packets, flows, (len(buf) - 24) / packets - 16, slices,
        packets / limit, packets / kernel_s, packets / full,
        round(float(shares[1]), 3), round(float(shares[2]), 3),
    )  # fmt: skip


def run(packets: int = 2_000_000, rounds: int = 5) -> list[dict[str, Any]]:
    """The two captures of the table: flows used evenly, and 80 % of packets in 2 % of the flows."""
    return [
        asdict(measure("even", packets, 60_000, 0.0, rounds)),
        asdict(measure("hot", packets, 60_000, 0.8, rounds)),
    ]
