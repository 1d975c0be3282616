"""Live: how many packets a sensor's worker loses, by how many come: python -m tests.bench.live [--quick]

Two interfaces of a veth pair in a network namespace of its own (root). tests.bench.sender sends on one core; on the
other runs a worker as `schoolgate run` starts it, with the default ring. What was sent is what Linux counts at the
sender's end; what arrived is what the worker has counted into its spool. Lost is the difference. Linux hands a veth's
packets over on the core that sends, the copy into the ring included: the sender's best is what both do together.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from sensor.bench import machine
from sensor.spool import Spool
from tests.bench.table import Report, Row, Target, text

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("ip", "ethtool", "sysctl")
OFFLOADS = ("gro", "gso", "tso", "tx", "rxvlan", "txvlan")
HEAR, SEND = "sg-hear", "sg-send"
ASKED, SECONDS = 500_000, 60.0
CURVE = (250_000, 500_000, 750_000, 1_000_000, 0)  # packets a second; 0: the sender's best
CURVE_SECONDS = 8.0
SETTLE_S = 1.0  # the ring hands over a block that is not full after a tenth of it
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One rate: what was sent and what became of it."""

    asked: float
    seconds: float
    sent: int
    counted: int
    ring_drops: int
    nic_drops: int
    flows: int

    @property
    def lost(self) -> int:
        return self.sent - self.counted

    @property
    def offered(self) -> float:
        """Packets a second."""
        return self.sent / self.seconds


def lacking() -> str | None:
    """Why it cannot be measured here, or None."""
    if os.geteuid() != 0:
        return "live: needs root (a network namespace, a raw socket)"
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        return f"live: {', '.join(missing)} missing; get it: apt-get install iproute2 ethtool procps"
    if len(os.sched_getaffinity(0)) < 2:
        return "live: needs two cores"
    return None


def tell(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=PATIENCE_S).stdout


@contextmanager
def wire() -> Iterator[str]:
    """A namespace with the two ends of a cable that carries frames as they are; gives its name."""
    name = f"schoolgate-bench-{os.getpid()}"
    tell("ip", "netns", "add", name)
    try:
        tell("ip", "-n", name, "link", "add", HEAR, "type", "veth", "peer", "name", SEND)
        inside = ("ip", "netns", "exec", name)
        for end in (HEAR, SEND):
            tell(*inside, "sysctl", "-qw", f"net.ipv6.conf.{end}.disable_ipv6=1")
            tell(*inside, "ethtool", "-K", end, *(word for offload in OFFLOADS for word in (offload, "off")))
            tell("ip", "-n", name, "link", "set", end, "mtu", "9000", "arp", "off", "up")
        yield name
    finally:
        tell("ip", "netns", "del", name)


def link_counters(namespace: str) -> dict[str, int]:
    """Packets sent at one end, and what either end dropped."""
    links = {link["ifname"]: link["stats64"] for link in json.loads(tell("ip", "-n", namespace, "-s", "-j", "link"))}
    send, hear = links[SEND], links[HEAR]
    drops = (
        send["tx"]["dropped"] + hear["rx"]["dropped"] + hear["rx"].get("missed", 0) + hear["rx"].get("over_errors", 0)
    )
    return {"sent": send["tx"]["packets"], "dropped": drops}


@contextmanager
def _worker(namespace: str, spool: Path, core: int) -> Iterator[None]:
    """A worker that watches; at the end it has written all that it holds."""
    command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.bench.probes"]
    process = subprocess.Popen(
        [*command, "live", HEAR, str(spool), str(core)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        while "ready" not in (line := process.stdout.readline()):
            if not line:
                raise RuntimeError(f"the worker ended with {process.wait()}")
        Thread(target=process.stdout.read, daemon=True).start()
        yield
        process.send_signal(signal.SIGTERM)
        if process.wait(PATIENCE_S):
            raise RuntimeError(f"the worker ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def counted(spool: Path) -> Counter[str]:
    """The sums of all that the worker has counted."""
    sums: Counter[str] = Counter()
    for path in sorted(spool.glob("[0-9]*.arrow")):
        sums.update(json.loads((Spool.read(path).schema.metadata or {})[b"counters"]))
    return sums


def trial(namespace: str, rate: float, seconds: float) -> Trial:
    """One rate, with a new worker."""
    sending, watching = sorted(os.sched_getaffinity(0))[:2]
    before = link_counters(namespace)
    with tempfile.TemporaryDirectory() as folder:
        with _worker(namespace, Path(folder), watching):
            send = (sys.executable, "-m", "tests.bench.sender", SEND, str(seconds), str(rate), str(sending))
            sent = json.loads(
                subprocess.run(
                    ("ip", "netns", "exec", namespace, *send),
                    cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=seconds + PATIENCE_S,
                ).stdout
            )  # fmt: skip
            time.sleep(SETTLE_S)
        sums = counted(Path(folder))
    after = link_counters(namespace)
    return Trial(
        rate, sent["seconds"], after["sent"] - before["sent"], sums["packets"], sums["ring_drops"],
        after["dropped"] - before["dropped"], sums["flows_all"],
    )  # fmt: skip


def row(t: Trial, target: bool = False) -> Row:
    """A trial as a row; if the sender did not reach the rate and nothing was lost, the target has not been tested."""
    slow = bool(t.asked) and t.offered < 0.99 * t.asked
    what = f"{t.asked:,.0f} packets/s for {t.seconds:.0f} s" if t.asked else f"the sender's best for {t.seconds:.0f} s"
    drops = f"ring drops {t.ring_drops:,}, NIC drops {t.nic_drops:,}"
    note = f"{t.sent:,} sent, {t.offered:,.0f}/s; {drops}; {t.flows:,} flows"
    if slow:
        note += "; the sender did not reach the rate"
    wanted = Target(0, of_ratio=False) if target and (t.lost or not slow) else None
    return Row("live", what, t.lost, "packets lost", target=wanted, note=note)


def rows(seconds: float = SECONDS, curve_seconds: float = CURVE_SECONDS) -> Iterator[Row]:
    """The rate of the design for a minute, then the loss curve."""
    with wire() as namespace:
        yield row(trial(namespace, ASKED, seconds), target=True)
        for rate in CURVE:
            yield row(trial(namespace, rate, curve_seconds))


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--quick", action="store_true", help="4 s, then 2 s at each rate")
    arguments.add_argument("--seconds", type=float, default=None, help="for how long at the rate of the design")
    options = arguments.parse_args()
    if why := lacking():
        sys.exit(why)
    seconds = options.seconds or (4.0 if options.quick else SECONDS)
    measured = tuple(rows(seconds, 2.0 if options.quick else CURVE_SECONDS))
    print(text(Report(machine(), {"live": f"{seconds:g} s"}, measured)))


if __name__ == "__main__":
    main()
