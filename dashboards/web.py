"""The built-in pages: a Starlette application over a store that somebody else opened.

Handlers are thin: read the address, ask in a worker thread (the store is synchronous), fill a template. Nothing is
loaded from elsewhere and nothing is kept between requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dashboards import words
from dashboards.day import DayView, day_view, days_with_data
from dashboards.guard import Guard
from dashboards.queries import questions
from dashboards.render import render, version
from dashboards.schools import NoSuchSchool, SchoolInfo, find_school, schools
from dashboards.settings import PageSettings
from pipeline.store import StoreError

if TYPE_CHECKING:
    from pipeline.store import Store

HERE = Path(__file__).parent
Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def make_app(store: Store, settings: PageSettings | None = None, now: Clock = _now) -> Starlette:
    """The pages over `store`. `settings.host` decides which Host headers are accepted; `now` is for tests."""
    pages = _Pages(store, now)
    return Starlette(
        routes=[
            Route("/", pages.today),
            Route("/day.json", pages.day_json),
            Route("/method", pages.method),
            Route("/health", pages.health),
            Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        ],
        middleware=[Middleware(Guard, host=(settings or PageSettings()).host)],
        exception_handlers={HTTPException: pages.failed, StoreError: pages.store_failed, NoSuchSchool: pages.no_school},
    )


class _Pages:
    def __init__(self, store: Store, now: Clock) -> None:
        self._store = store
        self._now = now

    async def today(self, request: Request) -> Response:
        view = await run_in_threadpool(self._view, request)
        others = await run_in_threadpool(schools, self._store)
        return _page("day.html", view=view, schools=others)

    async def day_json(self, request: Request) -> Response:
        view = await run_in_threadpool(self._view, request)
        return JSONResponse(view.chart())

    async def method(self, request: Request) -> Response:
        return _page(
            "method.html", mends={**words.MENDS, **words.LEFT_UNKNOWN}, kinds=words.KINDS, questions=questions()
        )

    async def health(self, request: Request) -> Response:
        """For machines: does the store answer, which schools does it hold, and how new is each?"""

        def answer() -> dict[str, Any]:
            known = {info.id: days_with_data(self._store, info) for info in schools(self._store)}
            latest = {id_: days[0].isoformat() if days else None for id_, days in known.items()}
            return {"status": "ok", "version": version(), "latest_day": latest}

        return JSONResponse(await run_in_threadpool(answer))

    async def failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title = _TITLES.get(error.status_code, "That did not work")
        return _page("error.html", error.status_code, title=title, why=error.detail)

    async def no_school(self, request: Request, error: Exception) -> Response:
        return _page("error.html", 404, title=_TITLES[404], why=f"{error}.")

    async def store_failed(self, request: Request, error: Exception) -> Response:
        if request.url.path in ("/health", "/day.json"):
            return JSONResponse({"status": "store", "why": str(error)}, 503)
        return _page("error.html", 503, title=_TITLES[503], why=str(error))

    def _view(self, request: Request) -> DayView:
        school = self._school(request)
        return day_view(self._store, school, _day(request), self._now())

    def _school(self, request: Request) -> SchoolInfo:
        return find_school(self._store, request.query_params.get("school"))


_TITLES: Mapping[int, str] = {404: "There is no such page", 400: "That is not a day", 503: "The store cannot be read"}


def _day(request: Request) -> date | None:
    text = request.query_params.get("day")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"{text[:40]!r} is not a date; write it as 2026-11-17.") from None


def _page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    return HTMLResponse(render(template, **values), status)
