"""The built-in pages: a Starlette application over a store that somebody else opened.

How a page joins. Its module offers `pages(site) -> list[Page]` and stands in `MODULES` below, one line; its line of the
navigation stands in dashboards.frame.NAVIGATION. A Page is a path, an async handler, what it needs of its visitor (a
Need of dashboards.needs: minutes, episodes, imports, ...), its methods, and what is written into the audit trail when
it is looked at. The site asks for the need before the handler runs; who has not logged in is led to the log-in.

- Handlers are thin: read the address, ask in a worker thread (the store is synchronous), `site.page(request,
  "name.html", current="week", view=...)`. The template extends base.html: blocks title, styles, scripts, who, main.
- Texts are English in the code, `{{ t("Week") }}` or `site.say(request, "Week")`, and Welsh in welsh/PAGE.toml
  (dashboards.language); days and minutes go through the filters long_day, short_day and minutes.
- Colours are the variables of schoolgate.css and dark.css. No inline script or style: the content policy forbids it,
  also an attribute `style`. A chart has its table.
- A form is `<form method="post">` with `{{ form_token() }}` in it; its handler (methods=("POST",)) finds the checked
  fields in `request.state.form` and answers with a redirect (303).

Nothing is loaded from elsewhere and nothing is kept between requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dashboards import login, method, today
from dashboards.accounts import AccountError
from dashboards.day import days_with_data
from dashboards.door import Door, is_near
from dashboards.forms import read_form
from dashboards.frame import Clock, Page, Site, own_address, switch
from dashboards.guard import Guard
from dashboards.language import translated
from dashboards.needs import Need
from dashboards.office import OfficeError
from dashboards.pages import edits, episodes, health, mine, reports, services, sites, timetable, week, why
from dashboards.pages import settings as settings_page
from dashboards.render import version
from dashboards.schools import NoSuchSchool, schools
from dashboards.settings import PageSettings
from pipeline.access import Refused
from pipeline.alerts.database import OutboxError
from pipeline.audit import AuditError
from pipeline.store import StoreError
from pipeline.tables import InputError

if TYPE_CHECKING:
    from dashboards.accounts import Accounts
    from dashboards.office import Office
    from pipeline.store import Store

HERE = Path(__file__).parent
MODULES: tuple[Callable[[Site], list[Page]], ...] = (
    today.pages,
    week.pages,
    services.pages,
    why.pages,
    reports.pages,
    episodes.pages,
    timetable.pages,
    edits.pages,
    sites.pages,
    health.pages,
    settings_page.pages,
    mine.pages,
    method.pages,
    login.pages,
)
REFUSED = "page.refused"


def _now() -> datetime:
    return datetime.now(UTC)


def make_app(
    store: Store,
    settings: PageSettings | None = None,
    now: Clock = _now,
    *,
    accounts: Accounts | None = None,
    office: Office | None = None,
) -> Starlette:
    """The pages over `store`. `settings` decide which Host headers are accepted; `now` is for tests. `accounts` and
    `office`: of the school; without them there are sums alone."""
    settings = settings or PageSettings()
    site = Site(store, settings, now, Door(settings, accounts), office)
    found = [page for module in MODULES for page in module(site)]
    found.append(Page("/health.json", _for_machines(site), Need.NOTHING))
    site.paths.update(page.path for page in found)
    failures = _Failures(site)
    app = Starlette(
        routes=[
            *(Route(page.path, _guarded(site, page), methods=list(page.methods)) for page in found),
            Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        ],
        middleware=[Middleware(Guard, settings=settings)],
        exception_handlers={
            HTTPException: failures.failed,
            StoreError: failures.store_failed,
            NoSuchSchool: failures.no_school,
            Refused: failures.refused,
            InputError: failures.wrong,
            AuditError: failures.wrong,
            OutboxError: failures.wrong,
            OfficeError: failures.wrong,
            AccountError: failures.wrong,
        },
    )
    app.state.closing = site.closing
    app.state.site = site
    return app


def _guarded(site: Site, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """The page's handler, reached only by those who may, with a form that is ours."""

    async def answer(request: Request) -> Response:
        reading = request.method in ("GET", "HEAD")
        if reading and (chosen := switch(request)):
            return chosen
        visitor = request.state.visitor = await run_in_threadpool(site.door.visitor, request)
        if not visitor.may(page.need):
            if visitor.role is not None:
                if reading and request.url.path == "/" and not request.url.query:
                    return RedirectResponse(site.home(visitor), 303)
                await run_in_threadpool(site.note, REFUSED, visitor.who, "refused", page=page.path)
                raise HTTPException(403, site.say(request, "Your role does not have this page."))
            if not reading or page.path.endswith(".json") or "/login" not in site.paths:
                raise HTTPException(403, site.say(request, "This needs an account; log in."))
            return RedirectResponse(f"/login?{urlencode({'to': own_address(request)})}", 303)
        if not reading:
            request.state.form = await read_form(request, page.largest, visitor.form_token)
        if page.noted:
            await run_in_threadpool(site.note, page.noted, visitor.who, page=page.path)
        return await page.answer(request)

    return answer


def _for_machines(site: Site) -> Callable[[Request], Awaitable[Response]]:
    """Does the store answer, which schools does it hold, and how new is each? For programs on this machine."""

    def ask() -> dict[str, Any]:
        known = {info.id: days_with_data(site.store, info) for info in schools(site.store)}
        latest = {id_: days[0].isoformat() if days else None for id_, days in known.items()}
        return {"status": "ok", "version": version(), "latest_day": latest}

    async def answer(request: Request) -> Response:
        if not is_near(request) and not site.visitor(request).may(Need.HEALTH):
            raise HTTPException(403, site.say(request, "This needs an account; log in."))
        return JSONResponse(await run_in_threadpool(ask))

    return answer


_TITLES: Mapping[int, str] = {
    400: "That cannot be read",
    403: "This is not for you",
    405: "That cannot be done here",
    408: "That took too long",
    413: "That is too much",
    404: "There is no such page",
    503: "The store cannot be read",
}


class _Failures:
    """Plain answers to what went wrong."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        plain = "There is nothing at this address." if error.detail == "Not Found" else error.detail
        answer = self._say(request, error.status_code, plain)
        answer.headers.update(error.headers or {})
        return answer

    async def no_school(self, request: Request, error: Exception) -> Response:
        return self._say(request, 404, f"{error}.")

    async def refused(self, request: Request, error: Exception) -> Response:
        return self._say(request, 403, f"{error}.")

    async def wrong(self, request: Request, error: Exception) -> Response:
        return self._say(request, 500, f"{error}.")

    async def store_failed(self, request: Request, error: Exception) -> Response:
        if request.url.path.endswith(".json"):
            return JSONResponse({"status": "store", "why": str(error)}, 503)
        return self._say(request, 503, str(error))

    def _say(self, request: Request, status: int, why: str) -> Response:
        title = _TITLES.get(status, "That did not work")
        why = translated(self._site.language(request), why)
        return self._site.page(request, "error.html", status, title=title, why=why)
