"""Tells open Today pages that new windows have arrived: server-sent events.

Theory of operation. A stream sends one short event, the mark of what the store now holds of the running day, whenever
that mark is another than the reader has; the page then fetches itself anew, so there is one way to draw a figure and
not two. All streams of a school share one look at the store every LOOK_S seconds. A reader that lost its stream says
in `Last-Event-ID` which mark it has and misses nothing. Streams are bounded in number and length (a log-in may have
ended meanwhile), a comment keeps proxies from closing a quiet one, and `close` ends all of them when the server stops.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from dashboards.queries import ask_one
from dashboards.schools import SchoolInfo
from pipeline.store import StoreError

if TYPE_CHECKING:
    from pipeline.store import Store

LOOK_S = 2.0
HEARTBEAT_S = 15.0
LONGEST_S = 900.0
MOST = 24
"""Streams at once; a page that gets none looks by itself once a minute."""
COME_BACK_MS = 3000


async def _never() -> bool:
    return False


class Live:
    """The streams of one server."""

    def __init__(
        self, store: Store, now: Callable[[], datetime], *, look_s: float = LOOK_S, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._store, self._now = store, now
        self._look_s, self._heartbeat_s = look_s, heartbeat_s
        self._marks: dict[str, tuple[float, str]] = {}
        self._looking = asyncio.Lock()
        self._closed = False
        self._lock = threading.Lock()
        self._wakers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def open(self) -> int:
        """How many streams there are."""
        return len(self._wakers)

    @property
    def full(self) -> bool:
        """Is there no room for another stream?"""
        return self._closed or self.open >= MOST

    def mark(self, school: SchoolInfo) -> str:
        """What the store holds of the school's running day, as a short mark that changes whenever something comes."""
        day = self._now().astimezone(school.tz).date()
        row = ask_one(self._store, "day_stored", school=school.id, day=day, zone=school.zone)
        written = int(row["written"].timestamp()) if row["windows"] else 0
        return f"{day:%Y%m%d}-{row['windows']}-{written}"

    async def stream(
        self, school: SchoolInfo, seen: str, gone: Callable[[], Awaitable[bool]] = _never
    ) -> AsyncIterator[str]:
        """Events for a reader that has what the mark `seen` stands for; ends by itself, and when the reader is gone."""
        waker = asyncio.Event()
        with self._lock:
            self._wakers[waker] = asyncio.get_running_loop()
        try:
            yield f"retry: {COME_BACK_MS}\n\n"
            begun = quiet = time.monotonic()
            while not (self._closed or await gone()) and time.monotonic() - begun < LONGEST_S:
                mark = await self._look(school)
                if mark and mark != seen:
                    seen, quiet = mark, time.monotonic()
                    yield f"id: {mark}\nevent: day\ndata: {json.dumps({'mark': mark})}\n\n"
                elif time.monotonic() - quiet >= self._heartbeat_s:
                    quiet = time.monotonic()
                    yield ": nothing new\n\n"
                try:
                    await asyncio.wait_for(waker.wait(), self._look_s)
                except TimeoutError:
                    continue
        finally:
            with self._lock:
                self._wakers.pop(waker, None)

    def close(self) -> None:
        """Ends all streams, and lets none begin; from any thread."""
        with self._lock:
            self._closed = True
            for waker, loop in self._wakers.items():
                if not loop.is_closed():
                    loop.call_soon_threadsafe(waker.set)

    async def _look(self, school: SchoolInfo) -> str:
        """The mark, looked up by whichever stream comes first; empty while the store cannot be read."""
        async with self._looking:
            at, mark = self._marks.get(school.id, (-self._look_s, ""))
            if time.monotonic() - at >= self._look_s * 0.9:
                try:
                    mark = await run_in_threadpool(self.mark, school)
                except StoreError:
                    mark = ""
                self._marks[school.id] = (time.monotonic(), mark)
        return mark
