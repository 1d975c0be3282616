"""Live updates of Today: what arrives is told once, nobody misses anything, streams are bounded and end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.request import urlopen

import pytest
import uvicorn
from starlette.testclient import TestClient

from dashboards import today
from dashboards.day import DayView, day_view
from dashboards.live import MOST, Live
from dashboards.schools import SchoolInfo, find_school
from dashboards.web import make_app
from deploy.pages import PagesServer
from pipeline.store import ChdbStore
from tests.dashboards import sample_store
from tests.dashboards.sample_store import SCHOOL, arrive
from tests.pipeline.sinks import wait_for

TODAY = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
PATIENCE_S = 120


@pytest.fixture
def live(store: ChdbStore) -> Iterator[Live]:
    live = Live(store, lambda: TODAY, look_s=0.02, heartbeat_s=0.1)
    yield live
    live.close()


async def next_event(stream: AsyncIterator[str]) -> dict[str, str]:
    """The next event that is no comment and no advice."""
    async for text in stream:
        if text.startswith("id: "):
            lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
            assert lines["event"] == "day"
            assert json.loads(lines["data"]) == {"mark": lines["id"]}
            return lines
    raise AssertionError("the stream ended")


def test_what_arrives_is_told_once_and_a_reader_that_comes_back_misses_nothing(
    live: Live, store: ChdbStore, school: SchoolInfo
) -> None:
    async def read() -> None:
        first = live.stream(school, live.mark(school))
        assert (await anext(first)).startswith("retry: ")
        assert (await anext(first)).startswith(": ")
        arrive(store, TODAY.date(), "08:00", 3)
        told = await asyncio.wait_for(next_event(first), PATIENCE_S)
        assert told["id"] == live.mark(school)
        assert (await anext(first)).startswith(": "), "nothing new, and it is not said again"
        await first.aclose()  # type: ignore[attr-defined]
        arrive(store, TODAY.date(), "08:05", 3)
        again = live.stream(school, told["id"])
        assert (await asyncio.wait_for(next_event(again), PATIENCE_S))["id"] == live.mark(school) != told["id"]

    asyncio.run(read())


def test_schools_do_not_mix(live: Live, store: ChdbStore, school: SchoolInfo) -> None:
    summer = find_school(store, sample_store.SUMMER)
    before = live.mark(summer)
    arrive(store, TODAY.date(), "08:10", 3)
    assert live.mark(summer) == before != live.mark(school)


def test_what_comes_while_the_page_is_made_is_told_afterwards(
    live: Live, store: ChdbStore, school: SchoolInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*asked: Any) -> DayView:
        view = day_view(*asked)
        arrive(store, TODAY.date(), "08:15", 3)
        return view

    before = live.mark(school)
    monkeypatch.setattr(today, "day_view", slow)
    with TestClient(make_app(store, now=lambda: TODAY), base_url="http://127.0.0.1:8350") as client:
        page = client.get(f"/?school={SCHOOL}").text
    assert f"seen={before}" in page
    assert live.mark(school) != before


def test_streams_are_bounded_and_all_end_together(live: Live, school: SchoolInfo) -> None:
    async def many() -> None:
        streams = [live.stream(school, "") for _ in range(MOST)]
        for stream in streams:
            await anext(stream)
        assert live.full
        await streams[0].aclose()  # type: ignore[attr-defined]
        assert not live.full
        rest = [asyncio.create_task(drain(stream)) for stream in streams[1:]]
        threading.Thread(target=live.close).start()
        await asyncio.wait_for(asyncio.gather(*rest), PATIENCE_S)
        assert live.open == 0
        assert live.full

    async def drain(stream: AsyncIterator[str]) -> None:
        async for _ in stream:
            pass

    asyncio.run(many())


def test_a_server_with_an_open_stream_stops(store: ChdbStore) -> None:
    app = make_app(store, now=lambda: TODAY)
    server = PagesServer(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started, "the server did not start")
    port = server.servers[0].sockets[0].getsockname()[1]
    with urlopen(f"http://127.0.0.1:{port}/day/events?school={SCHOOL}", timeout=PATIENCE_S) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.readline().startswith(b"retry: ")
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
