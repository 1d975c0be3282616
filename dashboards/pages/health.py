"""The Health page: the way of a day's data with what was lost at each step, and every health check with its mend.

Minutes are told to who may see minutes; to others shares of them, and reasons without a number (dashboards.needs).
The checks are those of `schoolgate doctor`, and `/metrics` has them in the text format of Prometheus, for a collector
on this machine, which has no account. A store that is served without a school shows the way alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dashboards import words
from dashboards.day import beside, days_with_data
from dashboards.door import is_near
from dashboards.frame import Page, Site
from dashboards.health import Stage, way
from dashboards.language import Language
from dashboards.needs import Need
from dashboards.queries import ask, ask_one
from dashboards.schools import SchoolInfo, schools
from dashboards.today import day_of
from sensor.health import Finding, Severity, worst

ORDER = (Severity.FAIL, Severity.WARN, Severity.UNKNOWN, Severity.OK)
TOLD = {Severity.FAIL: "broken", Severity.WARN: "look at it", Severity.UNKNOWN: "not known", Severity.OK: "well"}


def pages(site: Site) -> list[Page]:
    """The page, and its checks for machines."""

    async def health(request: Request) -> Response:
        lang = site.language(request)
        day, known, school, stages, reasons = await run_in_threadpool(_way, site, request, lang)
        previous, following = beside(known, day, day)
        findings = await run_in_threadpool(_findings, site)
        counts = {severity: sum(one.severity is severity for one in findings) for severity in ORDER}
        return site.page(
            request,
            "health.html",
            current="health",
            school=school,
            schools=await run_in_threadpool(schools, site.store),
            day=day,
            previous=previous,
            following=following,
            stages=stages,
            reasons=reasons,
            findings=sorted(findings, key=lambda one: ORDER.index(one.severity)),
            counts=counts,
            told=TOLD,
            alone=site.office is None,
        )

    async def metrics(request: Request) -> Response:
        if not is_near(request) and not site.visitor(request).may(Need.HEALTH):
            raise HTTPException(403, site.say(request, "This needs an account; log in."))
        findings = await run_in_threadpool(_findings, site)
        return PlainTextResponse(prometheus(findings), media_type="text/plain; version=0.0.4")

    return [Page("/health", health, Need.HEALTH), Page("/metrics", metrics, Need.NOTHING)]


_Way = tuple[date, list[date], SchoolInfo, tuple[Stage, ...], list[tuple[int | None, str, str]]]


def _way(site: Site, request: Request, lang: Language) -> _Way:
    """The day that is asked for (else the latest), all days, the school, the stages and why minutes are unknown."""
    school = site.school(request)
    known = days_with_data(site.store, school)
    now = site.now()
    today = now.astimezone(school.tz).date()
    day = day_of(request) or (known[0] if known else today)
    strip = ask_one(site.store, "health_strip", school=school.id, day=day)
    stored = ask_one(site.store, "day_stored", school=school.id, day=day, zone=school.zone)
    counted = {row["metric"]: row["total"] for row in ask(site.store, "way_of_day", school=school.id, day=day)}
    totals = ask_one(site.store, "day_totals", school=school.id, day=day)
    exact = site.visitor(request).may(Need.MINUTES)
    stages = way(strip, totals, stored, counted, school.tz, now if day == today else None, lang, exact=exact)
    reasons = [
        (row["total"] if exact else None, words.sentence_of(row["reason"]), words.mend_of(row["reason"]))
        for row in ask(site.store, "day_reasons", school=school.id, day=day)
    ]
    return day, known, school, stages, reasons


def _findings(site: Site) -> Sequence[Finding]:
    return site.office.findings() if site.office else ()


def prometheus(findings: Sequence[Finding]) -> str:
    """The findings in the text format of Prometheus: 0 well, 1 not known, 2 look at it, 3 broken."""
    level = {severity: 3 - at for at, severity in enumerate(ORDER)}
    lines = [
        "# HELP schoolgate_check Health check: 0 well, 1 not known, 2 look at it, 3 broken.",
        "# TYPE schoolgate_check gauge",
        *(f'schoolgate_check{{id="{one.id}"}} {level[one.severity]}' for one in findings),
        "# HELP schoolgate_well 1 while no check asks for anything to be done.",
        "# TYPE schoolgate_well gauge",
        f"schoolgate_well {int(worst(findings) is Severity.OK)}",
    ]
    return "\n".join(lines) + "\n"
