"""My data: what is kept about a member of staff, for that person alone; the same as a subject access export.

Whoever has an account with a staff id sees his own and nobody else's; the look is in the audit trail, as any export is.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dashboards.door import Visitor
from dashboards.frame import Page, Site
from dashboards.needs import Need
from dashboards.office import Office
from pipeline.access import Refused
from pipeline.subject import subject_access


def pages(site: Site) -> list[Page]:
    """One page; none of a store that is served without its school."""
    if site.office is None:
        return []
    office = site.office

    async def mine(request: Request) -> Response:
        data = await run_in_threadpool(_data, site, office, site.visitor(request))
        return site.page(request, "mine.html", current="mine", data=data)

    return [Page("/mine", mine, Need.OWN_DATA)]


def _data(site: Site, office: Office, visitor: Visitor) -> dict[str, object]:
    desk = office.desk(visitor, site.store)
    if not desk.actor.person.staff_id:
        raise Refused("access.csv gives you no staff id, so nothing here can be about you")
    return subject_access(desk, desk.actor.person.staff_id)
