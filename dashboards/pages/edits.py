"""The Edits page: alerts of possible edits of wikis, why they were raised, how likely they are wrong; acknowledgement.

Who decides about people sees them, each by itself; who acknowledges one must have an account, and is written into the
audit trail before it is so.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboards.alerts import DAYS, USUAL_DAYS, Chosen, Told, blocks, edit, edits, problem, texts_of
from dashboards.frame import Page, Site
from dashboards.language import say
from dashboards.needs import Need
from dashboards.recognised import recognised
from dashboards.schools import SchoolInfo
from pipeline.alerts.alert import CERTAINTIES
from pipeline.wiki.odds import chance_wrong, measured

ACKNOWLEDGED = "alert.acknowledged"
LONGEST_NOTE = 1000
STATES = {"all": "All", "open": "Nobody has taken notice", "noticed": "Acknowledged"}


def pages(site: Site) -> list[Page]:
    """The list, one alert, and its acknowledgement where there is a school."""
    clerk = _Clerk(site)
    found = [Page("/edits", clerk.all, Need.EDITS), Page("/edits/{alert}", clerk.one, Need.EDITS)]
    if site.office is not None:
        found.append(Page("/edits/{alert}", clerk.acknowledge, Need.ACKNOWLEDGE, ("POST",)))
    return found


class _Clerk:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def all(self, request: Request) -> Response:
        """The list, as it is filtered."""
        site, chosen = self._site, _chosen(request)
        school, found = await run_in_threadpool(self._edits, request, chosen)
        lang = site.language(request)
        texts = await run_in_threadpool(texts_of, site.office, school, lang)
        rates = measured().get("likely")
        return site.page(
            request,
            "edits.html",
            current="edits",
            school=school,
            found=[
                (
                    one,
                    texts.words.certainty.get(one.alert.certainty, one.alert.certainty),
                    chance_wrong(one.alert.certainty, one.alert.probability),
                )
                for one in found
            ],
            networks=texts.words.network,
            local=lambda at: datetime.fromtimestamp(at, school.tz),
            chosen=chosen,
            days=DAYS,
            certainties=[(word, texts.words.certainty[word]) for word in CERTAINTIES],
            states=STATES,
            wrong=rates.wrong if rates else None,
        )

    async def one(self, request: Request) -> Response:
        """One alert."""
        return await self._shown(request)

    async def acknowledge(self, request: Request) -> Response:
        """Somebody has taken notice."""
        site, visitor = self._site, self._site.visitor(request)
        note = " ".join(str(request.state.form.get("note", "")).split())
        _, told = await run_in_threadpool(self._edit, request)
        if told.alert.acknowledged:
            return await self._shown(request, 409, "Somebody has acknowledged it already.")
        if len(note) > LONGEST_NOTE:
            return await self._shown(request, 422, "The note is too long; 1000 characters are enough.")

        def work() -> None:
            assert site.office is not None
            with site.office.outbox() as outbox:
                if outbox.alert(told.alert.id) is None:
                    raise HTTPException(409, site.say(request, "This alert is too old to be acknowledged."))
                site.note(ACKNOWLEDGED, visitor.who, alert=told.alert.id)
                outbox.acknowledge(told.alert.id, site.seconds(), visitor.name, note)

        await run_in_threadpool(work)
        return RedirectResponse(f"/edits/{told.alert.id}?done=1{_of(request)}", 303)

    async def _shown(self, request: Request, status: int = 200, wrong: str = "") -> Response:
        site, lang = self._site, self._site.language(request)
        school, told = await run_in_threadpool(self._edit, request)
        texts = await run_in_threadpool(texts_of, site.office, school, lang)
        reasons = tuple(recognised(lang, reason) or reason for reason in told.alert.why)
        _, body = texts.alert(replace(told.alert, why=reasons))
        body = body.replace(texts.words.why, say(lang, "Why"), 1)  # a mail says in which language they are
        return site.page(
            request,
            "edit.html",
            status,
            current="edits",
            school=school,
            told=told,
            title=texts.title(told.alert),
            blocks=blocks(body),
            deliveries=[(one, problem(lang, one)) for one in told.deliveries or ()],
            local=lambda at: datetime.fromtimestamp(at, school.tz),
            may_acknowledge=site.office is not None and site.visitor(request).may(Need.ACKNOWLEDGE),
            done="done" in request.query_params,
            wrong=site.say(request, wrong) if wrong else "",
            longest=LONGEST_NOTE,
        )

    def _edits(self, request: Request, chosen: Chosen) -> tuple[SchoolInfo, list[Told]]:
        site, school = self._site, self._site.school(request)
        found = edits(site.store, site.office, school, chosen.days, site.now())
        return school, [one for one in found if chosen.has(one.alert)]

    def _edit(self, request: Request) -> tuple[SchoolInfo, Told]:
        site, school = self._site, self._site.school(request)
        told = edit(site.store, site.office, school, request.path_params["alert"], site.now())
        if told is None:
            raise HTTPException(404, site.say(request, "There is no such alert, or not any more."))
        return school, told


def _chosen(request: Request) -> Chosen:
    """What the address asks for; whatever is not known is left as it is without."""
    asked = request.query_params
    days = next((days for days in DAYS if asked.get("days") == str(days)), USUAL_DAYS)
    certainty = next((word for word in CERTAINTIES if asked.get("certainty") == word), "")
    state = asked.get("state")
    return Chosen(days, certainty, "open" if state == "open" else "noticed" if state == "noticed" else "all")


def _of(request: Request) -> str:
    school = request.query_params.get("school")
    return f"&{urlencode({'school': school})}" if school else ""
