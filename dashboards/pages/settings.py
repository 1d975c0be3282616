"""The Settings page, and the notice to staff: what is in force and where it is set, and what everybody must be told.

Settings are read, never written, here: the file is the one place to change them. Secrets are stars (pydantic keeps them
so). The notice is open to all, with or without a log-in, as everybody whom the monitoring may concern must be able to
read it; it is written from the same settings (dashboards.documents), so it cannot disagree with them.
"""

from __future__ import annotations

from itertools import groupby

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from dashboards import documents
from dashboards.frame import Page, Site
from dashboards.language import Language
from dashboards.needs import Need
from dashboards.office import Office
from pipeline.notice import ISSUED, Currency, Facts, currency

SEEN = "settings.seen"


def pages(site: Site) -> list[Page]:
    """Both pages; none of a store that is served without its school."""
    if site.office is None:
        return []
    office = site.office

    async def settings(request: Request) -> Response:
        found = await run_in_threadpool(office.settings)
        tables = [(table, list(rows)) for table, rows in groupby(found, lambda one: one.key.partition(".")[0])]
        facts, state = await run_in_threadpool(_notice, office)
        return site.page(request, "settings.html", current="settings", tables=tables, facts=facts, state=_STATES[state])

    async def notice(request: Request) -> Response:
        lang = site.language(request)
        facts, state = await run_in_threadpool(_notice, office)
        text, banner = await run_in_threadpool(_texts, facts, lang)
        return site.page(request, "notice.html", facts=facts, state=_STATES[state], text=text, banner=banner)

    return [
        Page("/settings", settings, Need.SETTINGS, noted=SEEN),
        Page("/notice", notice, Need.NOTHING),
    ]


_STATES = {
    Currency.NEVER: "It has never been issued.",
    Currency.CURRENT: "It is the version that was issued last.",
    Currency.OUT_OF_DATE: "The settings have changed since it was issued: issue it anew.",
}


def _notice(office: Office) -> tuple[Facts, Currency]:
    facts = office.facts()
    return facts, currency(office.trail.entries(), ISSUED, facts.version)


def _texts(facts: Facts, lang: Language) -> tuple[str, str]:
    return documents.notice(facts, lang), documents.banner(facts)
