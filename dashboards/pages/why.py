"""The Why page: a cell of the sums (dashboards.reasons), and one minute by itself (pipeline.why)."""

from __future__ import annotations

from datetime import UTC

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dashboards import words
from dashboards.frame import Page, Site
from dashboards.needs import Need
from dashboards.reasons import ReasonsView, Where, five_of, reasons_view
from dashboards.schools import SchoolInfo
from dashboards.today import day_of
from dashboards.week import week_of
from pipeline.telling import Explanation
from pipeline.why import why_minute


def pages(site: Site) -> list[Page]:
    """Cells for whoever may see sums; single minutes for whoever may see episodes, written down."""

    async def cell(request: Request) -> Response:
        may = site.visitor(request).may(Need.EPISODES)
        view = await run_in_threadpool(lambda: _cell(site, request, may))
        return site.page(
            request, "why.html", current="week", view=view, kind_name=words.kind_name,
            service_name=words.service_name, sentence_of=words.sentence_of, mend_of=words.mend_of,
            week=week_of(view.where.day),
        )  # fmt: skip

    async def minute(request: Request) -> Response:
        school, where, told = await run_in_threadpool(lambda: _minute(site, request))
        return site.page(
            request, "minute.html", current="episodes", school=school, where=where, told=told,
            pseudonym=request.query_params["pseudonym"], service_name=words.service_name, mend_of=words.mend_of,
        )  # fmt: skip

    return [Page("/why", cell), Page("/why/minute", minute, Need.EPISODES, noted="why.shown")]


def _where(request: Request, school: SchoolInfo) -> Where:
    asked = request.query_params
    if (day := day_of(request)) is None:
        raise HTTPException(400, "Name a day, as in ?day=2026-11-17.")
    start = None
    if at := asked.get("at", ""):
        start = five_of(school, day, at)
        if start is None:
            raise HTTPException(400, f"{at[:20]!r} is not a time of day; write it as 11:10.")
    period = None if start else asked.get("period")
    return Where(day, period, start, asked.get("service", ""), asked.get("kind", ""), asked.get("reason", ""))


def _cell(site: Site, request: Request, may: bool) -> ReasonsView:
    school = site.school(request)
    ours = site.office is not None and site.office.id == school.id
    return reasons_view(site.store, school, _where(request, school), with_marks=may and ours)


def _minute(site: Site, request: Request) -> tuple[SchoolInfo, Where, Explanation]:
    school, asked = site.own_school(), request.query_params
    where = _where(request, school)
    if where.start is None or not where.service or not asked.get("pseudonym"):
        raise HTTPException(400, "Name a day, a time, a service and a pseudonym.")
    moment = where.start.replace(minute=int(asked["at"][3:5])).astimezone(UTC)
    told = why_minute(site.store, school.id, asked["pseudonym"], moment, where.service)
    if told is None:
        raise HTTPException(404, "That minute is not in the store: single minutes are kept for seven days.")
    return school, where, told
