"""The Today page: a school day (dashboards.day), the same for its chart, and a stream that tells when more has come."""

from __future__ import annotations

from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from dashboards.day import DayView, day_view
from dashboards.frame import Page, Site
from dashboards.live import Live
from dashboards.schools import schools
from dashboards.week import monday_of

FIRST_YEAR, LAST_YEAR = 2000, 2100
"""Days beyond are no days of a school, and some are more than a store can count."""


def pages(site: Site) -> list[Page]:
    """Today, its chart's figures, and its events."""
    live = Live(site.store, site.now)
    site.closing.append(live.close)

    async def today(request: Request) -> Response:
        school = await run_in_threadpool(site.school, request)
        latest = day_of(request) in (None, site.now().astimezone(school.tz).date())
        mark = await run_in_threadpool(live.mark, school) if latest else ""  # first: what comes meanwhile is told
        view = await run_in_threadpool(_view, site, request)
        others = await run_in_threadpool(schools, site.store)
        return site.page(request, "day.html", current="today", view=view, schools=others, mark=mark)

    async def day_json(request: Request) -> Response:
        view = await run_in_threadpool(_view, site, request)
        return JSONResponse(view.chart())

    async def events(request: Request) -> Response:
        school = await run_in_threadpool(site.school, request)
        if live.full:
            return PlainTextResponse("There are too many open pages; this one looks by itself.\n", 503)
        seen = request.headers.get("last-event-id") or request.query_params.get("seen", "")
        told = live.stream(school, seen[:40], request.is_disconnected)
        return StreamingResponse(told, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    return [Page("/", today), Page("/day.json", day_json), Page("/day/events", events)]


def _view(site: Site, request: Request) -> DayView:
    return day_view(site.store, site.school(request), day_of(request), site.now(), site.language(request))


def day_of(request: Request) -> date | None:
    """The day of `?day=`; None without one. Raises HTTPException for what is no day that a store may hold."""
    text = request.query_params.get("day")
    if not text:
        return None
    try:
        return _bounded(date.fromisoformat(text))
    except ValueError:
        raise HTTPException(400, f"{text[:40]!r} is not a date; write it as 2026-11-17.") from None


def week_asked(request: Request) -> str | None:
    """The ISO week of `?week=`; None without one. Raises HTTPException as `day_of`."""
    text = request.query_params.get("week")
    if not text:
        return None
    try:
        _bounded(monday_of(text))
    except ValueError:
        raise HTTPException(400, f"{text[:40]!r} is not an ISO week; write it as 2026-W47.") from None
    return text


def _bounded(day: date) -> date:
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(f"no school was monitored in {day.year}")
    return day
