"""The Week page: the heat map of a week (dashboards.heat), and how it compares."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dashboards import charts, words
from dashboards.frame import Page, Site
from dashboards.heat import SHOWN, THIN, HeatView, heat_view, iso_week
from dashboards.language import Language, minutes, say
from dashboards.week import WeekError
from pipeline.words import Outcome

OUTSIDE = Outcome.OUTSIDE_ALLOWED
NAMED = {"break": "Break", "lunch": "Lunch", "before": "Before the first bell", "after": "After the last bell"}
"""Periods that are told by what they are; others keep the school's own name for them."""


def pages(site: Site) -> list[Page]:
    """One page."""

    async def week(request: Request) -> Response:
        asked = request.query_params
        try:
            view = await run_in_threadpool(
                lambda: heat_view(
                    site.store, site.school(request), asked.get("week"), asked.get("show", ""), site.now()
                )
            )
        except WeekError as error:
            raise HTTPException(400, f"{error}.") from None
        lang = site.language(request)
        return site.page(
            request, "week.html", current="week", view=view, shown=SHOWN, thin=THIN, named=NAMED,
            lede=_lede(view, lang), by_week=_by_week(view, lang), share=words.share, week_of=iso_week,
            sentence_of=words.sentence_of, mend_of=words.mend_of,
        )  # fmt: skip

    return [Page("/week", week)]


def _lede(view: HeatView, lang: Language) -> str:
    week = view.week
    if week.empty:
        return say(lang, "Nothing of this week is in the store: it was not observed, or it has been deleted by age.")
    if not week.totals["total"]:
        return say(lang, "No use of social media by staff was seen.")
    parts = [say(lang, "Staff used social media for {minutes}.", minutes=minutes(week.totals["total"], lang))]
    outside, unknown = week.totals[OUTSIDE], week.totals[Outcome.UNKNOWN]
    if not outside:
        parts.append(say(lang, "None was seen to fall outside the policy’s allowed times."))
    else:
        text = "{minutes} fell outside the policy’s allowed times (automatic, unverified)."
        parts.append(say(lang, text, minutes=minutes(outside, lang)))
        if usual := week.usual.get(OUTSIDE):
            place = say(lang, usual.place(week.per_day(OUTSIDE)))
            parts.append(say(lang, "Per school day that is {place}.", place=place))
    if unknown:
        parts.append(say(lang, "{minutes} could not be judged.", minutes=minutes(unknown, lang)))
    return " ".join(parts)


def _by_week(view: HeatView, lang: Language) -> str:
    past = view.week.past
    points = [charts.Point(f"W{p.monday.isocalendar().week}", p.outside, not p.like) for p in past]
    usual = view.week.usual.get(OUTSIDE)
    band = (usual.low, usual.high) if usual else None
    label = say(lang, "Minutes outside allowed times per school day, by week; the same figures are in the table below")
    return charts.line(points, band, label)
