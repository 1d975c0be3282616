"""One session: a capture of one client while somebody is at its browser, and the truth of it from the server's logs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcaps.use.browser import Browser
from pcaps.use.network import within
from pcaps.wikiedit import truth
from pcaps.wikiedit.network import ROUND_TRIPS_MS, client_address, client_namespace
from pcaps.wikiedit.people import WELSH, WIKI, NothingToDoError, Person
from pcaps.wikiedit.saving import SAVING
from pcaps.wikiedit.scenarios import READING
from pcaps.wikiedit.website import PEOPLE, Website
from pcaps.wikiedit.zero import zero

SCRIPTS = ("api_h1", "api_h2")
_LONGEST_S = 900.0
_PROFILE = {"chromium": "cr", "firefox": "ff", "script": "api"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a session will be."""

    sid: str
    browser: str
    scenario: str
    views: int
    seed: str


@dataclass(frozen=True, slots=True)
class Done:
    """The rows of truth of one session, by file."""

    rows: dict[str, list[dict[str, Any]]]


async def _browse(plan: Plan, website: Website, client: int, folder: Path, profile: set[str]) -> str:
    """Be at the browser; returns why it ended early, or nothing."""
    rng = random.Random(plan.seed)
    name = PEOPLE[(client - 1) * 3 + rng.randrange(3)]
    browser = Browser(plan.browser, client_namespace(client), folder / plan.sid, website.authority)
    person = Person(browser, rng, website.sizes(), name, pace=rng.uniform(0.5, 1.0))
    over = asyncio.Event()
    second: asyncio.Task[None] | None = None
    try:
        await browser.start()
        scenario, _ = (READING | SAVING)[plan.scenario]
        person.host = WELSH if rng.random() < 0.12 else WIKI
        await person.read()
        if rng.random() < 0.6:
            await person.run("void localStorage.setItem('labCaptcha','1')")
        if rng.random() < 0.05:
            profile.add("cookies")
            for n in range(3):
                await person.run(f"void(document.cookie='lab{n}={rng.randbytes(450).hex()};path=/;secure')")
        if rng.random() < 0.12:
            profile.add("tabs")
            second = asyncio.create_task(person.behind(over))
        await asyncio.wait_for(scenario(person, plan.views), _LONGEST_S)
    except (NothingToDoError, TimeoutError, RuntimeError) as error:
        return repr(error)[:200]
    finally:
        over.set()
        if second:
            second.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await second
        await asyncio.sleep(1)
        await browser.stop()
        shutil.rmtree(folder / plan.sid, ignore_errors=True)
    return ""


async def _script(plan: Plan, website: Website, client: int) -> str:
    rng = random.Random(plan.seed)
    name = PEOPLE[(client - 1) * 3 + rng.randrange(3)]
    words = [plan.scenario.removeprefix("api_"), name, plan.seed, str(plan.views)]
    words += [str(website.folder / "pages.json"), str(website.authority)]
    command = within(client_namespace(client), [sys.executable, "-m", "pcaps.wikiedit.robots", *words])
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    _, said = await process.communicate()
    await asyncio.sleep(1)
    return said.decode(errors="replace")[-200:] if process.returncode else ""


async def record(plan: Plan, website: Website, client: int, folder: Path, target: Path) -> Done:
    """Record one session into `target`; `folder` is for what is thrown away."""
    raw = folder / f"{plan.sid}.pcap"
    logs = {name: website.folder / "log" / f"{name}.jsonl" for name in ("posts", "access")}
    offsets = {name: path.stat().st_size for name, path in logs.items()}
    tap = ("tcpdump", "-i", "eth0", "-s", "0", "-B", "16384", "-U", "-w", str(raw), "tcp")
    tapping = subprocess.Popen(within(client_namespace(client), tap), stderr=subprocess.DEVNULL)
    profile: set[str] = set()
    try:
        while not raw.exists() or not raw.stat().st_size:
            await asyncio.sleep(0.05)
        start = time.time()
        if plan.scenario in SCRIPTS:
            early = await _script(plan, website, client)
        else:
            early = await _browse(plan, website, client, folder, profile)
        await asyncio.sleep(1)
    finally:
        tapping.terminate()
        tapping.wait()
    end = time.time()
    capture = target / f"{plan.sid}.pcap.gz"
    await asyncio.to_thread(zero, raw, capture)
    raw.unlink()
    address = client_address(client)
    posts = truth.read_log(logs["posts"], offsets["posts"], start, end, address)
    requests = truth.read_log(logs["access"], offsets["access"], start, end, address)
    saved = truth.saves(plan.sid, plan.scenario, posts)
    views = truth.page_views(plan.sid, requests)
    patience = 0.3 + ROUND_TRIPS_MS[(client - 1) % len(ROUND_TRIPS_MS)] / 1e3
    cut = await asyncio.to_thread(truth.uploads_of, capture)
    uploads = truth.label_uploads(plan.sid, cut, posts, requests, patience)
    session = {
        "sid": plan.sid,
        "browser": plan.browser if plan.scenario not in SCRIPTS else plan.scenario.replace("_", ""),
        "scenario": plan.scenario,
        "client": address,
        "profile": "_".join((_PROFILE[plan.browser], "cold", *sorted(profile))),
        "page_views": len(views),
        "saves": len(saved),
        "load": round(os.getloadavg()[0], 1),
    }
    if early:
        session["ended_early"] = early
    return Done({"sessions": [session], "saves": saved, "page_views": views, "uploads": uploads})
