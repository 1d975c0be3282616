"""The register of official school sites (policy clause 7): every site with what it lacks, and the form of Appendix B.

A row is kept as an import of official_sites.csv that can be taken back (`schoolgate import rollback`), and is in the
audit trail with the names of the columns that changed. The network manager's and the head's approval can be given and
withdrawn by themselves alone, with today's date; the line manager's is copied from the paper. What a site lacks never
keeps the form from being saved: the page says it with the clause, and until it is mended the site protects nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from dashboards.door import Visitor
from dashboards.frame import Page, Site, with_form
from dashboards.needs import Need
from dashboards.office import Office, OfficeError
from pipeline.access import Role
from pipeline.sitechecks import SITES, SiteFacts
from pipeline.sites import Standing
from pipeline.tables import zone_of
from sensor.health import Severity

SEEN, CHANGED = "sites.seen", "sites.changed"
TEXTS = ("account", "purpose", "audience", "contributors", "host")
DATES = ("go_live", "closure", "review_on")
TEAMS = ("administrators", "moderators")
LONGEST = 500
APPROVALS = {Role.NETWORK_MANAGER: ("network_manager", "nm_approved_on"), Role.HEAD: ("head", "head_approved_on")}
"""Who gives which approval: the columns of name and date."""
STANDINGS = {
    Standing.OFFICIAL: "live",
    Standing.REFUSED: "live, but not approved",
    Standing.PLANNED: "planned",
    Standing.JUST_CLOSED: "just closed",
    Standing.CLOSED: "closed",
}


@dataclass(frozen=True, slots=True)
class StaffChoice:
    """A member of staff to choose from."""

    id: str
    label: str


def pages(site: Site) -> list[Page]:
    """The register and its form; none of a store that is served without its school."""
    if site.office is None:
        return []
    registrar = _Registrar(site, site.office)
    return [
        Page("/sites", registrar.all, Need.SITES, noted=SEEN),
        *with_form("/sites/new", registrar.new, registrar.add, Need.REGISTER),
        Page("/sites/{site}", registrar.one, Need.SITES, noted=SEEN),
        Page("/sites/{site}", registrar.change, Need.REGISTER, ("POST",)),
    ]


class _Registrar:
    def __init__(self, site: Site, office: Office) -> None:
        self._site, self._office = site, office

    async def all(self, request: Request) -> Response:
        """The register."""
        facts = await run_in_threadpool(self._facts)
        staff = await run_in_threadpool(self._staff)
        found = [one for one in SITES.examine(facts) if one.severity is not Severity.OK]
        return self._site.page(
            request,
            "sites.html",
            current="sites",
            facts=facts,
            names={number: choice.label for number, choice in enumerate(staff)},
            standings=STANDINGS,
            findings=found,
            may_change=self._site.visitor(request).may(Need.REGISTER),
            done=next((s.site.site_id for s in facts.sites if s.site.site_id == request.query_params.get("done")), ""),
        )

    async def new(self, request: Request) -> Response:
        """An empty form."""
        return await self._form(request, "", {})

    async def one(self, request: Request) -> Response:
        """A site's form."""
        id_ = request.path_params["site"]
        cells = await run_in_threadpool(self._office.site_form, id_)
        if not cells:
            raise HTTPException(404, self._site.say(request, "There is no such site in the register."))
        return await self._form(request, id_, cells)

    async def add(self, request: Request) -> Response:
        """A new site."""
        id_ = str(request.state.form.get("site_id", "")).strip()
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,19}", id_):
            wrong = "The short name of a site has 1 to 20 letters, digits and -."
            return await self._form(request, "", _cells(request.state.form), wrong)
        there = await run_in_threadpool(self._office.site_form, id_)
        if id_ == "new" or there:
            return await self._form(request, "", _cells(request.state.form), "There is a site of that short name.")
        return await self._kept(request, id_, {}, "")

    async def change(self, request: Request) -> Response:
        """A site's form, filled in."""
        id_ = request.path_params["site"]
        before = await run_in_threadpool(self._office.site_form, id_)
        if not before:
            raise HTTPException(404, self._site.say(request, "There is no such site in the register."))
        return await self._kept(request, id_, before, id_)

    async def _kept(self, request: Request, id_: str, before: Mapping[str, str], shown: str) -> Response:
        form, visitor = request.state.form, self._site.visitor(request)
        cells = {**before, **_cells(form), "site_id": id_}
        cells |= await run_in_threadpool(self._approval, visitor, form, before)
        if any(len(value) > LONGEST for value in cells.values()):
            return await self._form(request, shown, cells, "A field is too long; 500 characters are enough.")
        changed = sorted(name for name in cells if cells[name] != before.get(name, ""))
        if not changed:
            return RedirectResponse("/sites", 303)

        def keep() -> None:
            self._site.note(CHANGED, visitor.who, site=id_, columns=changed)
            try:
                self._office.keep_site(cells, visitor.name)
            except OfficeError:
                self._site.note(CHANGED, visitor.who, "failed", site=id_)
                raise

        try:
            await run_in_threadpool(keep)
        except OfficeError as error:
            return await self._form(request, shown, cells, f"{error}.")
        return RedirectResponse(f"/sites?done={id_}#{id_}", 303)

    def _approval(self, visitor: Visitor, form: FormData, before: Mapping[str, str]) -> dict[str, str]:
        """The visitor's own approval, given or withdrawn; nobody else's is touched."""
        columns = APPROVALS.get(visitor.role) if visitor.role else None
        wanted = form.get("approval")
        if columns is None or wanted not in ("give", "withdraw"):
            return {}
        name, on = columns
        if wanted == "withdraw":
            return {name: "", on: ""}
        person = self._office.desk(visitor, None).actor.person
        return {name: person.staff_id or person.name, on: self._today().isoformat()}

    async def _form(self, request: Request, id_: str, cells: Mapping[str, str], wrong: str = "") -> Response:
        visitor = self._site.visitor(request)
        staff = await run_in_threadpool(self._staff)
        facts = await run_in_threadpool(self._facts)
        lacks = next((state.lacks for state in facts.sites if id_ and state.site.site_id == id_), ())
        own = APPROVALS.get(visitor.role, ("", ""))[0] if visitor.role else ""
        return self._site.page(
            request,
            "site.html",
            422 if wrong else 200,
            current="sites",
            id=id_,
            cells={name: cells.get(name, "") for name in (*_COLUMNS, "site_id")},
            teams={team: re.split(r"\s*;\s*", cells.get(team, "")) for team in TEAMS},
            staff=staff,
            services=await run_in_threadpool(self._office.services),
            lacks=lacks,
            own=own,
            may_change=visitor.may(Need.REGISTER),
            wrong=self._site.say(request, wrong) if wrong in _WRONGS else wrong,
        )

    def _facts(self) -> SiteFacts:
        return self._office.sites(self._today())

    def _today(self) -> date:
        zone = zone_of(self._office.school().settings.zone)
        return self._site.now().astimezone(zone).date()

    def _staff(self) -> list[StaffChoice]:
        """By person number."""
        people = self._office.school().staff
        named = ((one.staff_id, one.usernames[0] if one.usernames else "") for one in people)
        return [StaffChoice(id_, f"{id_} ({user})" if user else id_) for id_, user in named]


_COLUMNS = (
    *("service", *TEXTS, *TEAMS, *DATES, "line_manager", "lm_approved_on"),
    *("network_manager", "nm_approved_on", "head", "head_approved_on"),
)
_WRONGS = {
    "The short name of a site has 1 to 20 letters, digits and -.",
    "There is a site of that short name.",
    "A field is too long; 500 characters are enough.",
}


def _cells(form: FormData) -> dict[str, str]:
    """What the form says of a site, as the register writes it; approvals of managers are none of it."""
    single = ("service", *TEXTS, *DATES, "line_manager", "lm_approved_on")
    cells = {name: " ".join(str(form.get(name, "")).split()) for name in single}
    return cells | {team: ";".join(str(one) for one in form.getlist(team) if one) for team in TEAMS}
