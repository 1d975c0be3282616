"""Floods at full size: `python -m tests.fuzz.floods [--flows N] [--small] [FLOOD...]`.

Each flood runs through a meter of its own, in a process of its own, mixed with honest flows (one to fifty). Printed per
flood: packets a second, how much the process grew, what was evicted or dropped, and how many of the honest flows got
their name, by kind. With --small the caps are small and so are the floods (tests/sensor/test_floods.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sensor import readers, settling, walk
from sensor.meter import MeterLimits
from sensor.sense import Sensor
from sensor.slices import pack_address
from tests.fuzz.flood_traffic import FLOODS, KINDS, blocks, honest_flows
from tests.sensor.building import CATALOGUE

ROOT = Path(__file__).parents[2]
RATIO = 50
FULL = {
    "tuples": 10_000_000,
    "datagrams": 10_000_000,
    "nestings": 1_000_000,
    "fragments": 1_000_000,
}  # flows; of other floods a million
SLOW = {
    "fat_half_hellos": 30_000,
    "quic_garbage": 100_000,
    "quic_halves": 100_000,
    "dns_names": 400_000,
    "hosts": 400_000,
}
SMALL = {"fat_half_hellos": 8_000, "quic_garbage": 8_000, "quic_halves": 8_000}  # of others thirty thousand
SMALL_LIMITS = MeterLimits(max_flows=1 << 13, names=1 << 9, first_flows=1 << 10, dns_names=1 << 11)


def resident() -> int:
    """Bytes of memory that this process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def small_caps() -> None:
    """Bounds that a small flood reaches."""
    readers.MAX_LOOKING = 1 << 11
    settling.MAX_WAITING = 1 << 12


def run(flood: str, flows: int, per_ms: int, limits: MeterLimits) -> dict[str, Any]:
    """One flood through one meter."""
    subject = Sensor(CATALOGUE, (), limits)
    state = walk.new_state()
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1, 1
    for data in blocks(FLOODS[flood], 400, 100, RATIO):  # what is compiled or imported on first use is not growth
        warm = Sensor(CATALOGUE, (), MeterLimits(first_flows=16))
        warm.feed(np.frombuffer(bytearray(data), np.uint8), 0, len(data), state.copy())
        warm.meter.finish()
        warm.table()
    named, before, peak, busy, worst = set[tuple[bytes, int]](), 0, 0, 0.0, 0.0
    for n, data in enumerate(blocks(FLOODS[flood], flows, per_ms, RATIO)):
        block = np.frombuffer(bytearray(data), np.uint8)  # as a capture is: what may be written to
        before = before or resident()
        begun = time.perf_counter()
        fed = subject.feed(block, 0, len(block), state)
        took = time.perf_counter() - begun
        assert fed == len(block)
        busy, worst = busy + took, max(worst, took if n else 0.0)
        _collect(subject, named)
        peak = max(peak, resident() - before)
    subject.meter.finish()
    _collect(subject, named)
    honest = honest_flows(flows, per_ms, RATIO)
    kinds = Counter(KINDS[k % len(KINDS)] for k in range(honest))
    got = Counter(KINDS[k % len(KINDS)] for k in range(honest) if _client(k) in named)
    counted = subject.counters()
    return {
        "flood": flood,
        "flows": flows,
        "packets": counted["packets"],
        "packets_a_second": round(counted["packets"] / busy),
        "slowest_block_s": round(worst, 2),
        "grown_mib": round(peak / (1 << 20), 1),
        "honest": honest,
        "named": {kind: round(got[kind] / kinds[kind], 4) for kind in KINDS},
        "counters": {name: count for name, count in counted.items() if count and name not in ("packets", "bytes")},
    }


def _client(k: int) -> tuple[bytes, int]:
    """Address and port of honest flow `k` (flood_traffic.honest), as in a slice."""
    return pack_address(f"10.20.{k // 200 % 200}.{2 + k % 200}"), 20_000 + k // 40_000


def _collect(subject: Sensor, named: set[tuple[bytes, int]]) -> None:
    table = subject.table()
    for client, port, service in zip(
        *(table[c].to_pylist() for c in ("client", "client_port", "service")), strict=True
    ):
        if service == "one":
            named.add((client, port))


def apart(flood: str, small: bool, flows: int = 0) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz.floods", "--here", flood, "--flows", str(flows)]
    run = subprocess.run([*command, *(["--small"] if small else [])], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert run.returncode == 0, run
    said: dict[str, Any] = json.loads(run.stdout)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("floods", nargs="*", metavar="FLOOD", help=f"some of: {' '.join(FLOODS)} (default: all)")
    parser.add_argument("--flows", type=int, default=0, help="flows of each flood (default: as many as it takes)")
    parser.add_argument("--small", action="store_true", help="small caps and floods")
    parser.add_argument("--here", action="store_true", help="one flood, in this process, as JSON")
    chosen = parser.parse_args()
    for flood in chosen.floods or FLOODS:
        if not chosen.here:
            print(json.dumps(apart(flood, chosen.small, chosen.flows)), flush=True)
        elif chosen.small:
            small_caps()
            print(json.dumps(run(flood, chosen.flows or SMALL.get(flood, 30_000), 10, SMALL_LIMITS)))
        else:
            flows = chosen.flows or FULL.get(flood) or SLOW.get(flood) or 1_000_000
            print(json.dumps(run(flood, flows, 250 if flood in FULL else 20, MeterLimits())))


if __name__ == "__main__":
    main()
