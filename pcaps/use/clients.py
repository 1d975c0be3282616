"""A browser with somebody before it, who writes down what goes on.

A `Client` keeps three kinds of intervals per service: `use` (somebody is at the service's own page, in front, and
scrolls, opens, types or watches), `background` (its tab or program is open and nobody is at it) and `widget` (another
site's page that embeds it is open). `pcaps.use.labels` makes minutes of them. Pauses between acts are log-normal, as
reading times are; nothing here looks at a clock minute.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pcaps.use.browser import Browser
from pcaps.use.embeds import EMBEDS
from pcaps.use.services import SERVICES, WIKIPEDIA

OPENING_S = 2.0
OWN_WORK = "https://mis.ysgol-enghraifft.example/register"
HINTED = {"facebook": "facebook", "youtube": "youtube", "x": "twitter", "tiktok": "tiktok", "instagram": "instagram"}
HINTED["reddit"] = "reddit"


@dataclass(slots=True)
class Client:
    """A browser with somebody before it, and the intervals (what, service, from, to) of what went on."""

    browser: Browser
    rng: random.Random
    seconds: float
    still: list[tuple[float, float]]
    intervals: list[tuple[str, str, float, float]] = field(default_factory=list)
    began: float = 0.0
    _open: dict[str, list[tuple[str, str, float]]] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------ what is written

    def left(self) -> float:
        """Seconds until the script should end; while the machine stood still nothing was done."""
        lost = sum(b - a for a, b in self.still if a > self.began)
        return self.began + self.seconds + lost - time.time()

    def _note(self, tab: str, what: str, services: set[str]) -> None:
        """From now on this tab shows these services in this way; what it showed before is over."""
        now = time.time()
        for was, service, since in self._open.pop(tab, []):
            self.intervals.append((was, service, since, now))
        self._open[tab] = [(what, service, now) for service in sorted(services)]

    def end(self) -> None:
        """Everything is over."""
        for tab in list(self._open):
            self._note(tab, "none", set())

    # ---------------------------------------------------------------------------------------------------- what is done

    async def restore(self, service: str, front: bool = False) -> str:
        """A tab of a service that comes back by itself; nobody is at it until `attend`."""
        return await self._tab(service, front, "")

    async def open(self, service: str, front: bool = True, url: str = "") -> str:
        """Somebody opens a tab of a service, which is an act of a moment; nobody is at it until `attend`."""
        began = time.time()
        tab = await self._tab(service, front, url)
        self.intervals.append(("use", service, began, began + OPENING_S))
        return tab

    async def _tab(self, service: str, front: bool, url: str) -> str:
        page = WIKIPEDIA if service == "wikipedia" else SERVICES[service]
        began = time.time()
        tab = await self.browser.open(url or page["url"], front)
        self._open[tab] = [("background", service, began)]
        return tab

    async def close(self, tab: str) -> None:
        """Close a tab."""
        await self.browser.close(tab)
        self._note(tab, "none", set())

    async def attend(self, tab: str, seconds: float, way: Callable[[Client, str], Awaitable[None]]) -> None:
        """Be at a service's tab for so long, in this way."""
        await self.browser.show(tab)
        service, began = self._open[tab][0][1], time.time()
        while time.time() < began + seconds and self.left() > 0:
            await way(self, tab)
        self.intervals.append(("use", service, began, time.time()))

    async def visit(self, tab: str | None, host: str, embeds: tuple[str, ...] = (), hints: tuple[str, ...] = ()) -> str:
        """Go to a page of no service that embeds some; returns its tab."""
        url = f"https://{host}/page/{self.rng.randrange(10**6)}?e={'-'.join(embeds)}"
        url += f"&h={'-'.join(hints)}" if hints else ""
        if tab is None:
            tab = await self.browser.open(url)
        else:
            await self.browser.go(tab, url)
        hinted = {HINTED[hint.split(".")[-2].split("_")[-1]] for hint in hints}
        self._note(tab, "widget", {EMBEDS[name]["service"] for name in embeds} | hinted)
        return tab

    async def read(self, tab: str, seconds: float) -> None:
        """Read such a page, scrolling."""
        await self.browser.show(tab)
        until = time.time() + seconds
        while (rest := until - time.time()) > 0 and self.left() > 0:
            await asyncio.sleep(min(rest, self.pause(6, 0.7, 1.5, 40)))
            await self.act(tab, "scroll")

    async def work(self, tab: str | None, seconds: float) -> str:
        """Work in the school's own system."""
        if tab is None:
            tab = await self.browser.open(OWN_WORK)
        await self.browser.show(tab)
        until = time.time() + seconds
        while (rest := until - time.time()) > 0 and self.left() > 0:
            await asyncio.sleep(min(rest, self.pause(9, 0.8, 2, 60)))
            await self.act(tab, "open")
        return tab

    async def act(self, tab: str, what: str) -> None:
        """One act in a page; a page that has not come yet takes none."""
        await self.browser.run(tab, f"typeof act === 'function' && void act('{what}')")

    def pause(self, median: float, spread: float, low: float, high: float) -> float:
        """Seconds between two acts."""
        return min(high, max(low, self.rng.lognormvariate(math.log(median), spread)))

    async def rest(self, median: float, spread: float = 0.7, low: float = 1.2, high: float = 45) -> None:
        """Look at what is there."""
        await asyncio.sleep(max(0.0, min(self.pause(median, spread, low, high), self.left())))
