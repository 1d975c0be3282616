"""What every page stands in: who looks at it, in which language and theme, with which navigation; and what a page is.

A page module offers `pages(site) -> list[Page]`. A Page is a path, what answers it, and what it needs of its visitor
(dashboards.needs); the site asks for that before the page is reached, checks forms (dashboards.forms), and writes down
looks that must be. Inside, `site.page(request, "name.html", ...)` fills a template that extends base.html. The site
keeps nothing between requests: language and theme are cookies, the visitor's session lies in the accounts' file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboards.door import Door, Visitor
from dashboards.forms import FIELD
from dashboards.language import LANGUAGES, Language, language_of, say
from dashboards.needs import Need
from dashboards.render import render
from dashboards.schools import NoSuchSchool, SchoolInfo, find_school
from dashboards.settings import PageSettings
from pipeline.access import Role

if TYPE_CHECKING:
    from dashboards.office import Office
    from pipeline.store import Store

Clock = Callable[[], datetime]
Answer = Callable[[Request], Awaitable[Response]]
Theme = Literal["auto", "light", "dark"]
THEMES: Mapping[Theme, str] = MappingProxyType({"auto": "As the device", "light": "Light", "dark": "Dark"})
FORM_BYTES = 64 << 10
"""Of a form, unless its page says more."""


@dataclass(frozen=True, slots=True)
class Page:
    """One address. `largest`: bytes that a form for it may have. `noted`: the action that is written into the audit
    trail whenever it is looked at; empty for pages of sums."""

    path: str
    answer: Answer
    need: Need = Need.MINUTES
    methods: tuple[str, ...] = ("GET",)
    largest: int = FORM_BYTES
    noted: str = ""


def with_form(path: str, shown: Answer, sent: Answer, need: Need, largest: int = FORM_BYTES) -> tuple[Page, Page]:
    """A page with a form that is sent to the same address."""
    return Page(path, shown, need), Page(path, sent, need, ("POST",), largest)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation; shown where its page is there and the visitor may see it."""

    id: str
    path: str
    label: str
    need: Need = Need.MINUTES


NAVIGATION = (
    Entry("today", "/", "Today"),
    Entry("week", "/week", "Week"),
    Entry("services", "/services", "Services"),
    Entry("reports", "/reports", "Reports", Need.REPORTS),
    Entry("edits", "/edits", "Edits", Need.EDITS),
    Entry("episodes", "/episodes", "Episodes", Need.EPISODES),
    Entry("timetable", "/timetable", "Timetable", Need.IMPORTS),
    Entry("sites", "/sites", "Official sites", Need.SITES),
    Entry("health", "/health", "Health", Need.HEALTH),
    Entry("settings", "/settings", "Settings", Need.SETTINGS),
    Entry("mine", "/mine", "My data", Need.OWN_DATA),
)
"""In the order in which they are shown."""


@dataclass(frozen=True)
class Site:
    """What all pages share. `office`: the school's files, None where a store is served alone. `now` is for tests.
    `closing`: what must end before the server can."""

    store: Store
    settings: PageSettings
    now: Clock
    door: Door
    office: Office | None = None
    paths: set[str] = field(default_factory=set)
    closing: list[Callable[[], None]] = field(default_factory=list)

    # ------------------------------------------------------------------------------------------------ who and how

    def visitor(self, request: Request) -> Visitor:
        """Who looks at this page; read once for a request."""
        found = getattr(request.state, "visitor", None)
        if found is None:
            found = request.state.visitor = self.door.visitor(request)
        return found

    def seconds(self) -> float:
        """The present time in Unix seconds."""
        return self.now().timestamp()

    def home(self, visitor: Visitor) -> str:
        """The first page of the navigation that a visitor may see."""
        allowed = (entry.path for entry in NAVIGATION if entry.path in self.paths and visitor.may(entry.need))
        return next(allowed, "/notice")

    def home_of(self, role: Role) -> str:
        """The same for a role."""
        return self.home(Visitor(role=role))

    def note(self, action: str, who: Mapping[str, str], result: str = "done", **details: object) -> None:
        """Writes into the audit trail, where there is a school that keeps one. Raises AuditError."""
        if self.office is not None:
            self.office.trail.add(action, who, result=result, details=details)

    @staticmethod
    def language(request: Request) -> Language:
        """The language of the answer: what the visitor chose, else the browser's first of ours."""
        if chosen := language_of(request.cookies.get("language")):
            return chosen
        wanted = request.headers.get("accept-language", "").lower().replace(" ", "")
        first = next((found for part in wanted.split(",") if (found := language_of(part[:2]))), None)
        return first or "en"

    @staticmethod
    def theme(request: Request) -> Theme:
        """The theme that the visitor chose."""
        chosen = request.cookies.get("theme")
        return "light" if chosen == "light" else "dark" if chosen == "dark" else "auto"

    def say(self, request: Request, text: str, **values: object) -> str:
        """A text in the language of the answer."""
        return say(self.language(request), text, **values)

    def school(self, request: Request) -> SchoolInfo:
        """The school that `?school=` names, or the store's first. Raises NoSuchSchool."""
        return find_school(self.store, request.query_params.get("school"))

    def own_school(self) -> SchoolInfo:
        """The school whose office this is, in the store: what concerns single people is asked of no other. Raises
        NoSuchSchool, also where there is no office."""
        if self.office is None:
            raise NoSuchSchool("these pages are served without a school's folder")
        return find_school(self.store, self.office.id)

    # ---------------------------------------------------------------------------------------------------- answers

    def page(
        self, request: Request, template: str, status: int = 200, *, current: str = "", **values: object
    ) -> HTMLResponse:
        """A template that extends base.html. `current`: id of the navigation's line to mark."""
        visitor = self.visitor(request)
        school = request.query_params.get("school")
        query = "?" + urlencode({"school": school}) if school else ""
        lang = self.language(request)
        marked: list[str] = []

        def form_token() -> Markup:
            marked.append(visitor.word)
            return Markup('<input type="hidden" name="{}" value="{}">').format(FIELD, visitor.form_token)

        frame: dict[str, object] = {
            "lang": lang,
            "theme": self.theme(request),
            "visitor": visitor,
            "home": self.home(visitor),
            "may_log_in": "/login" in self.paths,
            "form_token": form_token,
            "current": current,
            "navigation_school": school,
            "navigation": [
                (entry, entry.path + query)
                for entry in NAVIGATION
                if entry.path in self.paths and visitor.may(entry.need)
            ],
            "languages": [
                (id_, name, own_address(request, language=id_)) for id_, name in LANGUAGES.items() if id_ != lang
            ],
            "themes": [(id_, name, own_address(request, theme=id_)) for id_, name in THEMES.items()],
        }
        answer = HTMLResponse(render(template, **{**frame, **values}), status)
        if marked and visitor.fresh:
            self.door.give(answer, request, visitor.word)
        return answer


def switch(request: Request) -> Response | None:
    """The answer to `?language=` or `?theme=`: remembers it in a cookie and leads to the same page without it."""
    chosen = {name: request.query_params[name] for name in ("language", "theme") if name in request.query_params}
    if not chosen:
        return None
    answer = RedirectResponse(own_address(request), 303)
    if language := language_of(chosen.get("language")):
        _remember(answer, request, "language", language)
    if (theme := chosen.get("theme")) in THEMES:
        _remember(answer, request, "theme", str(theme))
    return answer


def _remember(answer: Response, request: Request, name: str, value: str) -> None:
    year = 366 * 86_400
    answer.set_cookie(name, value, max_age=year, httponly=True, samesite="lax", secure=request.url.scheme == "https")


def own_address(request: Request, **more: str) -> str:
    """This page's address without language and theme, and with `more`; never another site's."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("language", "theme")]
    query = urlencode([*kept, *more.items()])
    return "/" + request.url.path.lstrip("/\\") + (f"?{query}" if query else "")
