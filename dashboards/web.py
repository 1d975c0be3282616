"""The built-in pages: a Starlette application over a store that somebody else opened.

How a page joins. Its module offers `pages(site) -> list[Page]` and stands in `MODULES` below, one line; its line of the
navigation stands in dashboards.frame.NAVIGATION. A Page is a path, an async handler, what it needs of its visitor (a
Need of dashboards.needs: sums, episodes, imports, ...), its methods, and what is written into the audit trail when it
is looked at. The site asks for the need before the handler runs; who has not logged in is led to the log-in.

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

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dashboards import method, today
from dashboards.day import days_with_data
from dashboards.frame import Clock, Page, Site, switch
from dashboards.guard import Guard
from dashboards.needs import Need
from dashboards.render import version
from dashboards.schools import NoSuchSchool, schools
from dashboards.settings import PageSettings
from pipeline.store import StoreError

if TYPE_CHECKING:
    from pipeline.store import Store

HERE = Path(__file__).parent
MODULES: tuple[Callable[[Site], list[Page]], ...] = (
    today.pages,
    method.pages,
)


def _now() -> datetime:
    return datetime.now(UTC)


def make_app(store: Store, settings: PageSettings | None = None, now: Clock = _now) -> Starlette:
    """The pages over `store`. `settings.host` decides which Host headers are accepted; `now` is for tests."""
    site = Site(store, settings or PageSettings(), now)
    found = [page for module in MODULES for page in module(site)]
    found.append(Page("/health.json", _for_machines(site), Need.NOTHING))
    site.paths.update(page.path for page in found)
    failures = _Failures(site)
    return Starlette(
        routes=[
            *(Route(page.path, _guarded(site, page), methods=list(page.methods)) for page in found),
            Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
        ],
        middleware=[Middleware(Guard, host=site.settings.host)],
        exception_handlers={
            HTTPException: failures.failed,
            StoreError: failures.store_failed,
            NoSuchSchool: failures.no_school,
        },
    )


def _guarded(site: Site, page: Page) -> Callable[[Request], Any]:
    """The page's handler, reached only by those who may."""

    async def answer(request: Request) -> Response:
        if request.method in ("GET", "HEAD") and (chosen := switch(request)):
            return chosen
        if not site.visitor(request).may(page.need):
            if site.visitor(request).role is None and not page.path.endswith(".json"):
                return RedirectResponse("/login", 303)
            raise HTTPException(403, site.say(request, "Your role does not have this page."))
        return await page.answer(request)

    return answer


def _for_machines(site: Site) -> Callable[[Request], Any]:
    """Does the store answer, which schools does it hold, and how new is each?"""

    def ask() -> dict[str, Any]:
        known = {info.id: days_with_data(site.store, info) for info in schools(site.store)}
        latest = {id_: days[0].isoformat() if days else None for id_, days in known.items()}
        return {"status": "ok", "version": version(), "latest_day": latest}

    async def answer(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(ask))

    return answer


_TITLES: Mapping[int, str] = {
    400: "That is not a day",
    403: "This address is for others",
    404: "There is no such page",
    503: "The store cannot be read",
}


class _Failures:
    """Plain answers to what went wrong."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def failed(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        title = _TITLES.get(error.status_code, "That did not work")
        return self._site.page(request, "error.html", error.status_code, title=title, why=error.detail)

    async def no_school(self, request: Request, error: Exception) -> Response:
        return self._site.page(request, "error.html", 404, title=_TITLES[404], why=f"{error}.")

    async def store_failed(self, request: Request, error: Exception) -> Response:
        if request.url.path.endswith(".json"):
            return JSONResponse({"status": "store", "why": str(error)}, 503)
        return self._site.page(request, "error.html", 503, title=_TITLES[503], why=str(error))
