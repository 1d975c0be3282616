"""The Week page: the heat map of a week (dashboards.heat), and how it compares."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dashboards import words
from dashboards.frame import Page, Site
from dashboards.heat import SHOWN, THIN, HeatView, heat_view
from dashboards.language import Language, minutes, say
from dashboards.report import CONFIDENCE, rate_text, rates_by_week
from dashboards.today import week_asked
from dashboards.week import week_of
from pipeline.words import Outcome

OUTSIDE = Outcome.OUTSIDE_ALLOWED
NAMED = {"break": "Break", "lunch": "Lunch", "before": "Before the first bell", "after": "After the last bell"}
"""Periods that are told by what they are; others keep the school's own name for them."""


def pages(site: Site) -> list[Page]:
    """One page."""

    async def answer(request: Request) -> Response:
        week = week_asked(request)
        view = await run_in_threadpool(
            lambda: heat_view(site.store, site.school(request), week, request.query_params.get("show", ""), site.now())
        )
        lang = site.language(request)
        by_week = rates_by_week(view.week.past, view.week.usual.get(OUTSIDE), lang)
        return site.page(
            request, "week.html", current="week", view=view, shown=SHOWN, thin=THIN, named=NAMED,
            lede=_lede(view, lang), by_week=by_week, rate=rate_text, week_of=week_of,
            sentence_of=words.sentence_of, mend_of=words.mend_of, grade=CONFIDENCE[view.week.coverage.confidence],
        )  # fmt: skip

    return [Page("/week", answer)]


def _lede(view: HeatView, lang: Language) -> str:
    week, total = view.week, view.totals["total"]
    if week.empty and not total:
        return say(lang, "Nothing of this week is in the store: it was not observed, or it has been deleted by age.")
    if not total:
        return say(lang, "No use of social media by staff was seen.")
    parts = [say(lang, "Staff used social media for {minutes}.", minutes=minutes(total, lang))]
    outside, unknown = view.totals[OUTSIDE], view.totals[Outcome.UNKNOWN]
    if not outside:
        parts.append(say(lang, "None was seen to fall outside the policy’s allowed times."))
    else:
        text = "{minutes} fell outside the policy’s allowed times (automatic, unverified)."
        parts.append(say(lang, text, minutes=minutes(outside, lang)))
        if usual := week.usual.get(OUTSIDE):
            place = say(lang, usual.place(week.this.rates[OUTSIDE]))
            parts.append(say(lang, "For the hours of work observed that is {place}.", place=place))
    if unknown:
        parts.append(say(lang, "{minutes} could not be judged.", minutes=minutes(unknown, lang)))
    return " ".join(parts)
