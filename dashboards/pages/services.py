"""The Services page: kinds and services over a day, a week or a term (dashboards.services)."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dashboards.bars import sparkline
from dashboards.frame import Page, Site
from dashboards.language import Language, long_day, minutes, say
from dashboards.services import ServicesView, Span, services_view
from dashboards.today import day_of
from dashboards.week import week_of
from pipeline.words import Outcome

SPANS = ((Span.DAY, "Day"), (Span.WEEK, "Week"), (Span.TERM, "Term"))


def pages(site: Site) -> list[Page]:
    """One page."""

    async def services(request: Request) -> Response:
        wanted = request.query_params.get("span", "")
        span = Span(wanted) if wanted in list(Span) else Span.WEEK
        day = day_of(request)
        view = await run_in_threadpool(lambda: services_view(site.store, site.school(request), span, day, site.now()))
        lang = site.language(request)
        return site.page(
            request, "services.html", current="services", view=view, spans=SPANS, heading=_heading(view, lang),
            lede=_lede(view, lang), sparkline=sparkline, week_of=week_of,
        )  # fmt: skip

    return [Page("/services", services)]


def _heading(view: ServicesView, lang: Language) -> str:
    if view.span is Span.DAY:
        return long_day(view.day, lang)
    if view.span is Span.WEEK:
        return say(lang, "Week of {day}", day=long_day(view.first, lang))
    first, last = long_day(view.first, lang), long_day(view.last, lang)
    if not view.term:
        return say(lang, "Term from {first} to {last}", first=first, last=last)
    return say(lang, "{term}: {first} to {last}", term=view.term, first=first, last=last)


def _lede(view: ServicesView, lang: Language) -> str:
    if not view.kinds:
        return say(lang, "No use of social media by staff was seen.")
    first = view.kinds[0]
    parts = [
        say(lang, "Staff used social media for {minutes}.", minutes=minutes(view.totals["total"], lang)),
        say(lang, "The kind used most was {kind}, with {minutes}.", kind=say(lang, first.kind.name).lower(),
            minutes=minutes(first.kind.row["total"], lang)),
    ]  # fmt: skip
    if outside := view.totals[Outcome.OUTSIDE_ALLOWED]:
        text = "{minutes} fell outside the policy’s allowed times (automatic, unverified)."
        parts.append(say(lang, text, minutes=minutes(outside, lang)))
    return " ".join(parts)
