"""The laboratory: `python -m pcaps.wikiedit.lab TARGET --seed S [--views N] [--sessions N] ...`, as root on Debian 12.

Makes namespaces, sets up the wiki in `--site` (once), and records sessions into TARGET: SID.pcap.gz and the truth files
that `schoolgate wiki evaluate` reads, with `recording.jsonl` (seed, commit, versions). Clients are busy at the same
time, one session each. It ends when enough page views and sessions were recorded. README.md says what it needs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pcaps.wikiedit import HERE, TRUTH, rows
from pcaps.wikiedit.network import Network
from pcaps.wikiedit.saving import SAVING
from pcaps.wikiedit.scenarios import READING
from pcaps.wikiedit.session import SCRIPTS, Plan, record
from pcaps.wikiedit.website import Website

_BROWSERS = ("chromium", "firefox")


def plans(args: argparse.Namespace) -> Iterator[Plan]:
    """Sessions without end."""
    seed, saving, scripts, names = args.seed, args.saving, args.scripts, args.scenarios
    rng = random.Random(seed)
    number = args.first
    while True:
        draw = rng.random()
        pool = SAVING if draw < saving else READING
        pool = {name: value for name, value in (READING | SAVING).items() if name in names} if names else pool
        scenario = rng.choices(list(pool), [weight for _, weight in pool.values()])[0] if pool else names[0]
        browser = rng.choice(_BROWSERS)
        views = int(min(60, max(8, args.length * rng.lognormvariate(0, 0.5))))
        if (not names and saving <= draw < saving + scripts) or scenario in SCRIPTS:
            scenario, browser, views = (
                rng.choice([n for n in names if n in SCRIPTS] or SCRIPTS),
                "script",
                rng.randint(3, 6),
            )
        yield Plan(f"L{number:04d}", browser, scenario, views, f"{seed}/{number}")
        number += 1


def each(seed: str, first: int, names: list[str]) -> Iterator[Plan]:
    """Every scenario once with every browser, short ones."""
    number = first
    for scenario in names:
        for browser in ("script",) if scenario in SCRIPTS else _BROWSERS:
            yield Plan(f"L{number:04d}", browser, scenario, 4 if browser == "script" else 9, f"{seed}/{number}")
            number += 1


class Recorder:
    """Writes what comes, and knows when it is enough."""

    def __init__(self, target: Path, views: int, sessions: int, until: float) -> None:
        self._target, self._views, self._sessions, self._until = target, views, sessions, until
        known = rows(target, "sessions")
        self._done = [len(known), sum(row["page_views"] for row in known)]

    def enough(self) -> bool:
        """Is it enough, or too late?"""
        return (self._done[0] >= self._sessions and self._done[1] >= self._views) or time.time() > self._until

    def write(self, found: dict[str, list[dict[str, Any]]]) -> None:
        """Append a session's truth."""
        for name in TRUTH:
            with (self._target / f"{name}.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in found[name])
        session = found["sessions"][0]
        self._done = [self._done[0] + 1, self._done[1] + session["page_views"]]
        print(f"{self._done[1]:6d} views", json.dumps(session), flush=True)


async def _work(
    client: int, todo: Iterator[Plan], website: Website, folder: Path, recorder: Recorder, to: Path
) -> None:
    await asyncio.sleep(3.0 * client)  # the machine is small: browsers start one after another
    while not recorder.enough():
        plan = next(todo, None)
        if plan is None:
            break
        try:
            recorder.write((await record(plan, website, client, folder, to)).rows)
        except (OSError, RuntimeError, subprocess.SubprocessError, TimeoutError) as error:
            (to / f"{plan.sid}.pcap.gz").unlink(missing_ok=True)  # no truth, no capture
            print(f"{plan.sid} {plan.scenario} {plan.browser}: {error!r}", file=sys.stderr, flush=True)


async def _all(args: argparse.Namespace, website: Website, folder: Path) -> None:
    until = time.time() + args.minutes * 60
    recorder = Recorder(args.target, args.views, args.sessions, until)
    if args.each:
        names = args.scenarios or [*READING, *SAVING, *SCRIPTS]
        todo, recorder = each(args.seed, args.first, names), Recorder(args.target, 10**9, 10**9, until)
    else:
        todo = plans(args)
    clients = range(1, args.clients + 1)
    working = asyncio.gather(*(_work(n, todo, website, folder, recorder, args.target) for n in clients))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)  # what was started ends, too
    with contextlib.suppress(asyncio.CancelledError):
        await working


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""


def main() -> None:
    """Record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", type=Path, help="folder for the recordings; what is there is continued")
    parser.add_argument("--seed", required=True, help="of what people do")
    parser.add_argument("--site", type=Path, default=Path("/tmp/schoolgate-wiki"), help="the wiki's folder")
    parser.add_argument("--site-seed", default="schoolgate", help="of the articles")
    parser.add_argument("--clients", type=int, default=6, choices=range(1, 9))
    parser.add_argument("--views", type=int, default=0, help="at least so many page views")
    parser.add_argument("--sessions", type=int, default=0, help="at least so many sessions")
    parser.add_argument("--minutes", type=float, default=600, help="begin no session after so long")
    parser.add_argument("--saving", type=float, default=0.1, help="share of sessions that save")
    parser.add_argument("--scripts", type=float, default=0.0, help="share of sessions that are API scripts")
    parser.add_argument("--each", action="store_true", help="every scenario once with each browser, short")
    parser.add_argument("--length", type=float, default=20, help="pages that a session means to read, the median")
    parser.add_argument("--first", type=int, default=1, help="number of the first session")
    parser.add_argument("scenarios", nargs="*", help="only these")
    args = parser.parse_intermixed_args()
    if os.geteuid():
        raise SystemExit("the laboratory makes namespaces: run it as root")
    if unknown := set(args.scenarios) - {*READING, *SAVING, *SCRIPTS}:
        raise SystemExit(
            f"no such scenario: {', '.join(sorted(unknown))}; known: {', '.join((*READING, *SAVING, *SCRIPTS))}"
        )
    args.target.mkdir(parents=True, exist_ok=True)
    about = {"seed": args.seed, "started": time.time(), "commit": _said("git", "describe", "--always", "--dirty")}
    about |= {
        "arguments": sys.argv[1:],
        "chromium": _said("chromium", "--version"),
        "firefox": _said("firefox", "--version"),
    }
    about |= {"mediawiki": _said("dpkg-query", "-Wf", "${Version}", "mediawiki"), "cpus": os.cpu_count()}
    with (args.target / "recording.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(about) + "\n")
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True, dir="/tmp") as folder,
        Network(args.clients),
        Website(args.site, args.site_seed) as website,
    ):
        asyncio.run(_all(args, website, Path(folder)))


if __name__ == "__main__":
    main()
