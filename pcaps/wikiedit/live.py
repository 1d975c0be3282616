"""One save, live: `python -m pcaps.wikiedit.live [--mbits 200] [--saves 3]`, as root.

A client in the laboratory reads and saves; its frames pass over a mirror port (a veth pair) among other traffic of so
many megabits per second, which tcpreplay sends. `schoolgate run` watches the port and tells a mail server and a
webhook. Printed for each save: how long after the wiki got it, and how long after the browser had the page that follows
(the last packet that any rule can need), the alert arrived on each channel. Ends with status 1 if one did not.

Needs what the laboratory needs (README.md), tcpreplay, and aiosmtpd.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pcaps.use.browser import Browser
from pcaps.use.network import ip, within
from pcaps.wikiedit import mirror, truth
from pcaps.wikiedit.network import PREFIX, Network, client_address, client_namespace
from pcaps.wikiedit.people import Person
from pcaps.wikiedit.sinks import HOOK_PORT, MAIL_PORT
from pcaps.wikiedit.website import PEOPLE, Website

MONITOR, WATCHED, MIRROR = f"{PREFIX}-monitor", "mon0", "src0"
SCHOOL = Path(__file__).parent.parent / "sample_school" / "school"
PATIENCE_S = 600.0
WITHIN_S = 10.0
_ALERTS = f"""
[alerts]
send = "possible"
same_within_min = 0
channels = [
  "mail mailto://127.0.0.1:{MAIL_PORT}?mode=insecure&from=gate@school.example&to=it@school.example",
  "webhook json://127.0.0.1:{HOOK_PORT}/",
]
"""


def _write_school(folder: Path) -> Path:
    """The sample school, with the laboratory's clients in its staff segment and channels for alerts."""
    school = Path(shutil.copytree(SCHOOL, folder / "school"))
    settings = school / "schoolgate.toml"
    text = settings.read_text(encoding="utf-8").replace('"10.20.0.0/21"', '"10.20.0.0/21", "10.88.0.0/16"')
    settings.write_text(text + _ALERTS, encoding="utf-8")
    return school


def _start(stack: ExitStack, namespace: str, command: list[str], log: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(within(namespace, command), stdout=log.open("wb"), stderr=subprocess.STDOUT)

    def end() -> None:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)
    return process


def _wait(done: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > until:
            raise SystemExit(f"no {what}")
        time.sleep(0.1)


def _plug_in(stack: ExitStack) -> None:
    ip("netns", "add", MONITOR)
    stack.callback(ip, "netns", "del", MONITOR)
    ip("-n", MONITOR, "link", "set", "lo", "up")
    ip("-n", MONITOR, "link", "add", WATCHED, "type", "veth", "peer", "name", MIRROR)
    for name in (WATCHED, MIRROR):
        subprocess.run(within(MONITOR, ["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"]), check=True)
        offloads = [word for which in ("gro", "gso", "tso", "tx") for word in (which, "off")]
        subprocess.run(within(MONITOR, ["ethtool", "-K", name, *offloads]), check=True, capture_output=True)
        ip("-n", MONITOR, "link", "set", name, "arp", "off", "up")


async def _edit(website: Website, folder: Path, saves: int) -> list[float]:
    """Read and save; returns when the page after each save was there."""
    rng = random.Random(7)
    browser = Browser("chromium", client_namespace(1), folder / "browser", website.authority)
    person = Person(browser, rng, website.sizes(), PEOPLE[0], pace=0.7)
    after = []
    try:
        await browser.start()
        await person.reads(3)
        for _ in range(saves):
            await person.form(person.title(500, 20_000))
            await person.write(60)
            await person.summarise()
            await person.click("#wpSave")
            after.append(time.time())
            await person.look()
            await person.reads(3)
            await asyncio.sleep(WITHIN_S)
    finally:
        await browser.stop()
    return after


def _arrived(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _tell(saves: list[truth.Row], after: list[float], arrived: list[dict[str, object]]) -> bool:
    """Print what came how late; did all come in time?"""
    well = bool(saves) and len(saves) == len(after)
    for save, page in zip(saves, after, strict=False):
        print(f"save of {save['post_bytes']} B at {save['time']:.3f}; the page after it was there {page:.3f}")
        for channel in ("mail", "webhook"):
            mine = [row for row in arrived if row["channel"] == channel and "edit" in str(row["title"]).lower()]
            late = [float(str(row["time"])) for row in mine if save["time"] <= float(str(row["time"])) < page + 60]
            if late:
                told = f"{late[0] - save['time']:.1f} s after the save, {late[0] - page:+.1f} s after its page"
                print(f"  {channel}: {told}")
            else:
                print(f"  {channel}: nothing came")
            well &= bool(late) and late[0] - page <= WITHIN_S
    return well


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mbits", type=float, default=200.0)
    parser.add_argument("--saves", type=int, default=3)
    parser.add_argument(
        "--keep", type=Path, help="folder (new) for the school, its spool and all logs, which then stay"
    )
    parser.add_argument("--site", type=Path, default=Path("/tmp/schoolgate-wiki"))
    parser.add_argument("--site-seed", default="schoolgate")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what was started ends, too
    with ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(Network(1))
        website = stack.enter_context(Website(args.site, args.site_seed))
        _plug_in(stack)
        school, got, log = _write_school(folder), folder / "arrived.jsonl", folder / "schoolgate.log"
        _start(stack, MONITOR, [sys.executable, "-m", "pcaps.wikiedit.sinks", str(got)], folder / "sinks.log")
        _wait(got.exists, "mail server")
        command = [sys.executable, "-m", "deploy.cli", "run", "--config", str(school), "--interface", WATCHED]
        gate = _start(stack, MONITOR, [*command, "--no-pages"], log)
        _wait(lambda: gate.poll() is not None or f"watching {WATCHED}" in log.read_text(errors="replace"), "sensor")
        copying = [sys.executable, "-m", "pcaps.wikiedit.mirror", client_namespace(1), "eth0", MONITOR, MIRROR]
        _start(stack, MONITOR, copying, folder / "mirror.log")
        mirror.write_background(folder / "background.pcap")
        replay = [
            "tcpreplay",
            "-q",
            "-i",
            MIRROR,
            "-K",
            "--loop=0",
            f"--mbps={args.mbits}",
            str(folder / "background.pcap"),
        ]
        traffic = _start(stack, MONITOR, replay, folder / "replay.log")
        spool = school / "spool"
        _wait(lambda: len(list(spool.glob("*.arrow"))) > 2, "slices: the sensor may be compiling, which it does once")
        began = time.time()
        before = _bytes()
        offset = (website.folder / "log" / "posts.jsonl").stat().st_size
        after = asyncio.run(_edit(website, folder, args.saves))
        took, sent = time.time() - began, _bytes() - before
        print(
            f"{sent * 8 / took / 1e6:.0f} Mbit/s of other traffic for {took:.0f} s; tcpreplay {traffic.poll() is None}"
        )
        posts = truth.read_log(website.folder / "log" / "posts.jsonl", offset, began, time.time(), client_address(1))
        well = _tell(truth.saves("live", "save_small", posts), after, _arrived(got))
        print("".join(f"  said: {line}\n" for line in log.read_text(errors="replace").splitlines()[-12:]))
        for row in _arrived(got):
            print(json.dumps(row, ensure_ascii=False))
    sys.exit(0 if well else 1)


def _bytes() -> int:
    text = subprocess.run(within(MONITOR, ["cat", "/proc/net/dev"]), capture_output=True, text=True, check=True).stdout
    line = next(line for line in text.splitlines() if line.strip().startswith(f"{WATCHED}:"))
    return int(line.split(":")[1].split()[0])


if __name__ == "__main__":
    main()
