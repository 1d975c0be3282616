"""Processes that the bench starts, so that what they measure is theirs alone: python -m tests.bench.probes WHAT ...

    first CAPTURE           ends its start by metering the capture; prints the monotonic clock at that moment
    memory CAPTURE WARM     prints the memory of the idle sensor and its peak over the capture, KiB
    worker CAPTURE CORE     loads the capture, then per line on stdin (limit or full) runs that; prints seconds
    way SCHOOL TINY CAPTURE STORES      prints seconds of `schoolgate replay` on both captures, start-up apart
    live INTERFACE SPOOL CORE           a sensor worker; says when it is ready, then nothing

Each prints JSON (live apart), one object a line. Imports stand where they are needed: what a process has loaded is part
of its measure.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import socket
import sys
import time
from pathlib import Path

RESET_PEAK = "5"  # Linux proc(5), clear_refs: VmHWM starts again from the present size
REPEAT_LIMIT = 5  # the limit loop is so fast that one pass would be over before the other process has begun


def first(capture: str) -> None:
    """What a worker does before its first packet, and that packet."""
    import sensor.worker  # what a live worker loads
    from sensor.capture import open_capture
    from sensor.sense import sensor_of
    from sensor.settings import SensorSettings

    sensor = sensor_of(SensorSettings())
    for _ in open_capture(Path(capture)).read(sensor.feed):
        break
    print(json.dumps({"at": time.monotonic(), "packets": sensor.counters()["packets"]}))


def _status(name: str) -> int:
    """A line of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith(name + ":")).split()[1])


def memory(capture: str, warm: str) -> None:
    """The capture goes through one buffer, as through a ring, so that no page of the file counts as ours."""
    import numpy as np

    from sensor.bench import HEADER, pcap_state
    from sensor.capture import CHUNK
    from sensor.sense import Sensor, sensor_of
    from sensor.settings import SensorSettings

    buffer = np.ones(CHUNK, np.uint8)

    def meter(path: str, sensor: Sensor) -> None:
        state, rest = pcap_state(), 0
        with open(path, "rb") as file:
            file.seek(HEADER)
            while read := file.readinto(memoryview(buffer)[rest:]):
                end = rest + read
                after = sensor.feed(buffer, 0, end, state)
                sensor.table()
                rest = end - after
                buffer[:rest] = buffer[after:end].copy()
        sensor.meter.finish()
        sensor.table()

    meter(warm, sensor_of(SensorSettings()))
    gc.collect()
    Path("/proc/self/clear_refs").write_text(RESET_PEAK, encoding="utf-8")
    idle = _status("VmRSS")
    sensor = sensor_of(SensorSettings())
    meter(capture, sensor)
    counters = sensor.counters()
    found = {"flows": counters["flows_all"], "named": counters["flows_named"], "evicted": counters["evicted"]}
    print(json.dumps({"idle": idle, "peak": _status("VmHWM")} | found))


def worker(capture: str, core: str) -> None:
    """One of several sensors, each on a core of its own."""
    os.sched_setaffinity(0, {int(core)})
    import numpy as np

    from sensor.bench import HEADER, header_touch, run_full
    from sensor.catalogue import load_catalogue
    from sensor.sense import Sensor

    buf, catalogue = np.fromfile(capture, np.uint8), load_catalogue()

    def limit() -> None:
        for _ in range(REPEAT_LIMIT):
            header_touch(buf, HEADER, len(buf))

    parts = {"limit": limit, "full": lambda: run_full(buf, Sensor(catalogue, ()))}
    for part in parts.values():
        part()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        parts[line.strip()]()
        print(json.dumps({"seconds": time.perf_counter() - begin}), flush=True)


def way(school: str, tiny: str, capture: str, stores: str) -> None:
    """The command itself, in this process: first on a tiny capture, which costs what every replay costs."""
    from deploy.commands.replay import command

    took = []
    for number, path in enumerate((tiny, tiny, capture)):
        gc.collect()  # what the one before has left: the command is used once in a process
        begin = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()):
            command.callback(
                captures=(Path(path),), folder=Path(school), store_path=Path(stores, str(number)), as_json=True
            )
        took.append(time.perf_counter() - begin)
    result = json.loads(said.getvalue())
    print(json.dumps({"tiny": took[1], "seconds": took[2], "result": result}))


def live(interface: str, spool: str, core: str) -> None:
    """A sensor worker with a school's default settings, in this process, until SIGTERM."""
    os.sched_setaffinity(0, {int(core)})
    from sensor.settings import SensorSettings
    from sensor.worker import WorkerPlan, work

    def keep(ring: socket.socket | None) -> None:
        if ring is None:
            print("ready", flush=True)

    work(WorkerPlan(SensorSettings(interface=interface), interface, Path(spool), "bench"), keep)


if __name__ == "__main__":
    {"first": first, "memory": memory, "worker": worker, "way": way, "live": live}[sys.argv[1]](*sys.argv[2:])
