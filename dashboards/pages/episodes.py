"""The Episodes pages: the week's list, one episode with its evidence, and look-ups.

A list shows pseudonyms. Whoever wants a name asks for a look-up; another person approves it, and for a day the two of
them see it: the rules and the trail are those of `schoolgate lookup` (pipeline.lookup, at the visitor's own desk).
Every look at an episode is written down before it is shown.
"""

from __future__ import annotations

from datetime import date
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboards import words
from dashboards.episodes import episodes_view
from dashboards.frame import Page, Site, with_form
from dashboards.needs import Need
from dashboards.office import Office
from dashboards.today import week_asked
from pipeline import lookup
from pipeline.access import Refused, refuse_unless_role
from pipeline.alerts.lookup import days_of_alert
from pipeline.contest import statuses
from pipeline.desk import Desk
from pipeline.lookup import LookupReason, Revealed, Sort
from pipeline.telling import Explanation
from pipeline.why import why_episode

REASONS = {
    LookupReason.REPEATED_EPISODES: "Repeated episodes",
    LookupReason.COMPLAINT: "A complaint",
    LookupReason.SAFEGUARDING: "Safeguarding",
    LookupReason.ENCYCLOPAEDIA_EDIT: "An edit of an encyclopaedia",
    LookupReason.CONTEST: "A contest",
    LookupReason.DISCIPLINARY_CASE: "A disciplinary case",
    LookupReason.LEGAL_DUTY: "A legal duty",
}
_FIELDS = ("case", "reason", "text", "sort", "subject", "first", "last")
SORTS = {
    Sort.ALERT: "an alert of an edit (its number; no days)",
    Sort.PSEUDONYM: "a pseudonym",
    Sort.STAFF: "a staff id",
}
CONTESTED = {
    "open": "contested, not decided yet",
    "upheld": "withdrawn after a contest",
    "rejected": "contest rejected",
}


def pages(site: Site) -> list[Page]:
    """The list, an episode, and look-ups; none where a store is served without its school."""
    if site.office is None:
        return []
    desk = _Pages(site, site.office)
    return [
        Page("/episodes", desk.listed, Need.EPISODES, noted="episodes.listed"),
        *with_form("/episodes/{id}", desk.one, desk.request, Need.EPISODES),
        *with_form("/lookups", desk.lookups, desk.decide, Need.EPISODES),
        Page("/lookups/{id}", desk.show, Need.EPISODES, ("POST",)),
    ]


class _Pages:
    def __init__(self, site: Site, office: Office) -> None:
        self._site, self._office = site, office

    async def listed(self, request: Request) -> Response:
        week = week_asked(request)
        view = await run_in_threadpool(
            lambda: episodes_view(self._site.store, self._site.own_school(), week, self._site.now())
        )
        return self._site.page(
            request, "episodes.html", current="episodes", view=view, service_name=words.service_name,
            kind_name=words.kind_name, contested=CONTESTED,
        )  # fmt: skip

    # --------------------------------------------------------------------------------------------------- one episode

    async def one(self, request: Request) -> Response:
        return await self._one(request)

    async def _one(self, request: Request, problem: str = "", status: int = 200) -> Response:
        told, contest = await run_in_threadpool(self._told, request)
        form = getattr(request.state, "form", {})
        asked = {name: str(form.get(name, "")) for name in ("case", "reason", "text")}
        may = self._site.visitor(request).role in lookup.REQUESTERS
        return self._site.page(
            request, "episode.html", status, current="episodes", told=told, school=self._site.own_school(),
            day=date.fromisoformat(str(told.facts["from"])[:10]), contest=CONTESTED.get(contest, ""),
            reasons=REASONS, asked=asked, problem=problem, may=may,
            service_name=words.service_name, kind_name=words.kind_name,
        )  # fmt: skip

    def _told(self, request: Request) -> tuple[Explanation, str]:
        """The evidence of an episode; that it was looked at is written down first."""
        school, episode = self._site.own_school(), request.path_params["id"][:40]
        told = why_episode(self._site.store, school.id, episode)
        if told is None:
            raise HTTPException(404, "That episode is not in the store; it may have left by age.")
        self._office.trail.add("why.shown", self._site.visitor(request).who, subjects=[episode])
        return told, statuses(self._site.store, school.id).get(episode, "")

    async def request(self, request: Request) -> Response:
        """Asks for a look-up of the episode's person."""
        form, episode = request.state.form, request.path_params["id"][:40]
        visitor = self._site.visitor(request)

        def ask() -> None:
            reason = str(form.get("reason", ""))
            if reason not in list(LookupReason):
                raise Refused("choose what the look-up is for")
            desk = self._office.desk(visitor, self._site.store)
            told = why_episode(self._site.store, desk.school.settings.id, episode)
            if told is None:
                raise Refused("that episode is not in the store; it may have left by age")
            day = date.fromisoformat(str(told.facts["from"])[:10])
            case, text = str(form.get("case", "")).strip(), str(form.get("text", ""))
            lookup.request(desk, lookup.Request(case, LookupReason(reason), text, day, day, Sort.EPISODE, episode))

        try:
            await run_in_threadpool(ask)
        except Refused as error:
            return await self._one(request, f"{error}.", 422)
        return RedirectResponse("/lookups", 303)

    # ------------------------------------------------------------------------------------------------------ look-ups

    async def lookups(self, request: Request) -> Response:
        return await self._lookups(request)

    async def _lookups(
        self, request: Request, problem: str = "", revealed: Revealed | None = None, status: int = 200
    ) -> Response:
        visitor = self._site.visitor(request)

        def found() -> dict[str, object]:
            desk = self._office.desk(visitor, self._site.store)
            with desk.at_work("lookup.list"):
                refuse_unless_role(desk.actor, lookup.REQUESTERS, "see the look-ups")
                listed = list(lookup.lookups(desk.trail.entries()).values())
            desk.note("lookup.listed")
            rows = [
                (
                    one,
                    one.state(desk.time),
                    any(desk.actor.person.same_as(p) for p in (one.requester, one.approver) if p is not None),
                )
                for one in reversed(listed)
            ]
            return {"lookups": rows}

        values = await run_in_threadpool(found)
        form = getattr(request.state, "form", {})
        asked = {name: str(form.get(name, "")) for name in _FIELDS}
        return self._site.page(
            request, "lookups.html", status, current="episodes", problem=problem, revealed=revealed, reasons=REASONS,
            sorts=SORTS, asked=asked, school=self._site.own_school(), contested=CONTESTED, **values,
        )  # fmt: skip

    async def decide(self, request: Request) -> Response:
        """Approves or denies what somebody else asked for, or asks for a look-up that begins with no episode."""
        form, visitor = request.state.form, self._site.visitor(request)
        id_, do = str(form.get("id", ""))[:20], form.get("do")

        def act() -> None:
            desk = self._office.desk(visitor, self._site.store)
            if do == "ask":
                lookup.request(desk, _asked(desk, form))
            elif do == "approve":
                lookup.approve(desk, id_)
            else:
                lookup.deny(desk, id_)

        try:
            await run_in_threadpool(act)
        except Refused as error:
            return await self._lookups(request, f"{error}.", status=422)
        return RedirectResponse(f"/lookups#{quote(id_)}", 303)

    async def show(self, request: Request) -> Response:
        """What an approved look-up shows, to the two who asked and approved; a form, so that no link can do it."""
        visitor, id_ = self._site.visitor(request), request.path_params["id"][:20]

        def act() -> Revealed:
            return lookup.show(self._office.desk(visitor, self._site.store), id_)

        try:
            revealed = await run_in_threadpool(act)
        except Refused as error:
            return await self._lookups(request, f"{error}.", status=422)
        return await self._lookups(request, revealed=revealed)


def _asked(desk: Desk, form: FormData) -> lookup.Request:
    """What a form asks for. Raises Refused."""
    given = {name: str(form.get(name, "")).strip() for name in ("case", "reason", "text", "sort", "subject")}
    if given["reason"] not in list(LookupReason) or given["sort"] not in SORTS or not given["subject"]:
        raise Refused("choose what the look-up is for, and about what or whom it is")
    sort = Sort(given["sort"])
    if sort is Sort.ALERT:
        days = days_of_alert(desk, given["subject"])
    else:
        try:
            days = date.fromisoformat(str(form.get("first", ""))), date.fromisoformat(str(form.get("last", "")))
        except ValueError:
            raise Refused("name the first and the last day") from None
    return lookup.Request(given["case"], LookupReason(given["reason"]), given["text"], *days, sort, given["subject"])
