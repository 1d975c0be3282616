"""The Today page: a school day (dashboards.day), and the same for its chart."""

from __future__ import annotations

from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dashboards.day import DayView, day_view
from dashboards.frame import Page, Site
from dashboards.schools import schools


def pages(site: Site) -> list[Page]:
    """Today, and its chart's figures."""

    async def today(request: Request) -> Response:
        view = await run_in_threadpool(_view, site, request)
        others = await run_in_threadpool(schools, site.store)
        return site.page(request, "day.html", current="today", view=view, schools=others)

    async def day_json(request: Request) -> Response:
        view = await run_in_threadpool(_view, site, request)
        return JSONResponse(view.chart())

    return [Page("/", today), Page("/day.json", day_json)]


def _view(site: Site, request: Request) -> DayView:
    return day_view(site.store, site.school(request), day_of(request), site.now())


def day_of(request: Request) -> date | None:
    """The day of `?day=`; None without one."""
    text = request.query_params.get("day")
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, f"{text[:40]!r} is not a date; write it as 2026-11-17.") from None
