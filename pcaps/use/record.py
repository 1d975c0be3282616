"""Records the corpus: `python -m pcaps.use.record HALF [--part N] [--seconds S] [SCENARIO...]`, as root.

One run is one part of one half: a browser of each kind for each scenario, and every program, all in real time and at
the same time, each in a namespace with an address of its own. It writes HALF-N.pcap.gz and HALF-N.jsonl. Needs Debian's
chromium, firefox-esr, libnss3-tools, tcpdump and ethtool, and the Python packages hypercorn[h3] and websockets. A run
takes the seconds and about two minutes more.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pcaps.use import HALVES, HERE
from pcaps.use.apps import PROGRAMS
from pcaps.use.browser import Browser
from pcaps.use.clients import Client
from pcaps.use.labels import Interval, label_minutes
from pcaps.use.network import RESOLVER, WORLD, Network, within
from pcaps.use.scenarios import SCENARIOS, Scenario
from pcaps.use.server import QUIC_HOSTS
from pcaps.use.shorten import shorten

BROWSERS = ("chromium", "firefox")
STAGGER_S = 4.0  # between one browser's start and the next: the machine is small
STILL_S = 4.0  # an event loop that is so late means that the machine stood still


@dataclass(slots=True)
class Done:
    """What one client did, to be labelled when all is over."""

    address: str
    scenario: str
    browser: str
    intervals: list[Interval]
    end: float


async def _watch(still: list[tuple[float, float]]) -> None:
    while True:
        before = time.time()
        await asyncio.sleep(1)
        if time.time() - before > 1 + STILL_S:
            still.append((before, time.time()))


async def _browse(
    name: str,
    scenario: Scenario,
    address: str,
    folder: Path,
    args: argparse.Namespace,
    still: list[tuple[float, float]],
) -> Done:
    rng = random.Random(f"{args.stem}/{scenario.__name__}/{name}")
    quic = QUIC_HOSTS if name == "chromium" and rng.random() < 0.6 else ()
    browser = Browser(name, Network.namespace(address), folder / address, folder / "ca.pem", quic)
    client = Client(browser, rng, args.seconds + rng.uniform(-15, 15), still)
    try:
        await browser.start()
        client.began = time.time()
        await scenario(client)
    except Exception as error:  # one client's end must not be that of the others
        print(f"{scenario.__name__} {name}: {error!r}", file=sys.stderr)
    finally:
        client.end()
        end = time.time()
        await browser.stop()
    return Done(address, scenario.__name__, name, client.intervals, end)


async def _program(
    name: str, address: str, folder: Path, args: argparse.Namespace, still: list[tuple[float, float]]
) -> Done:
    began = time.time()
    command = [sys.executable, "-m", "pcaps.use.apps", name, f"{args.stem}/{name}"]
    environment = os.environ | {"SSL_CERT_FILE": str(folder / "ca.pem"), "CURL_CA_BUNDLE": str(folder / "ca.pem")}
    process = await asyncio.create_subprocess_exec(*within(Network.namespace(address), command), env=environment)
    try:
        while time.time() < began + args.seconds + sum(b - a for a, b in still):
            await asyncio.sleep(1)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
    end = time.time()
    intervals: list[Interval] = [("background", service, began, end) for service in PROGRAMS[name][1]]
    return Done(address, name, "program", intervals, end)


async def _record(jobs: list[tuple[str, Scenario | str, str]], folder: Path, args: argparse.Namespace) -> None:
    still: list[tuple[float, float]] = []
    watching = asyncio.create_task(_watch(still))
    running = []
    for browser, scenario, address in jobs:
        if isinstance(scenario, str):
            running.append(asyncio.create_task(_program(scenario, address, folder, args, still)))
        else:
            running.append(asyncio.create_task(_browse(browser, scenario, address, folder, args, still)))
            await asyncio.sleep(STAGGER_S)
    done = []
    for job in asyncio.as_completed(running):
        try:
            done.append(await job)
        except (OSError, RuntimeError) as error:
            print(repr(error), file=sys.stderr)
    watching.cancel()
    done.sort(key=lambda client: [int(part) for part in client.address.split(".")])
    if still:
        print(f"the machine stood still {len(still)} times, {sum(b - a for a, b in still):.0f} s", file=sys.stderr)
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as file:
        for client in done:
            for service, minutes in label_minutes(client.intervals, client.end, still).items():
                who = {"capture": args.stem, "client": client.address, "scenario": client.scenario}
                spans = [[what, round(a, 1), round(b, 1)] for what, of, a, b in client.intervals if of == service]
                row = who | {"browser": client.browser, "service": service, "spans": spans, "minutes": minutes}
                file.write(json.dumps(row) + "\n")


def main() -> None:
    """Record one part of a half."""
    parser = argparse.ArgumentParser()
    parser.add_argument("half", choices=HALVES)
    parser.add_argument("--part", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--to", type=Path, default=HERE)
    parser.add_argument("--raw", type=Path, help="keep the whole recording there, too")
    parser.add_argument("scenarios", nargs="*")
    args = parser.parse_intermixed_args()
    args.stem = f"{args.half}-{args.part}"
    chosen = [s for s in SCENARIOS if not args.scenarios or s.__name__ in args.scenarios]
    programs = [name for name in PROGRAMS if not args.scenarios or name in args.scenarios]
    which: list[tuple[str, Scenario | str]] = [("program", name) for name in programs]
    which += [(browser, scenario) for scenario in chosen for browser in BROWSERS]
    third = 1 + HALVES.index(args.half) * 100 + args.part
    jobs = [(browser, what, f"10.20.{third}.{n + 1}") for n, (browser, what) in enumerate(which)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, Network([address for *_, address in jobs]):
        folder = Path(name)
        server = (sys.executable, "-m", "pcaps.use.server", name, RESOLVER)
        raw = args.raw or folder / "all.pcap"
        tap = ("tcpdump", "-i", "br0", "-s", "0", "-B", "32768", "-w", str(raw), "ip and not src 0.0.0.0")
        started = []
        try:
            log = (folder / "server.log").open("wb")
            started.append(subprocess.Popen(within(WORLD, server), stderr=log))
            started.append(subprocess.Popen(within(WORLD, tap), stderr=subprocess.DEVNULL))
            while not (folder / "ready").exists() or not raw.exists():
                time.sleep(0.1)
            asyncio.run(_record(jobs, folder, args))
        finally:
            for process in started:
                process.terminate()
                process.wait()
        print((folder / "server.log").read_text(encoding="utf-8", errors="replace")[-2000:], file=sys.stderr)
        packets = shorten(raw, args.to / f"{args.stem}.pcap.gz")
        (args.to / f"{args.stem}.jsonl").write_bytes((folder / "truth.jsonl").read_bytes())
        print(f"{args.stem}: {packets} packets, {(args.to / f'{args.stem}.pcap.gz').stat().st_size} bytes")


if __name__ == "__main__":
    main()
