"""Debian's Chromium for the tests of pages: served pages, fresh windows that listen for complaints, axe-core.

    with serving(app) as address, chromium() as browser, looking(browser, 390, "dark") as seen:
        seen.open(f"{address}/edits")
        seen.check()          # no complaint, nothing against the content policy, no horizontal scrolling
        seen.accessible()     # axe-core finds nothing serious
        seen.keep("edits")    # a picture, with SCHOOLGATE_SCREENSHOTS=DIR

conftest.py has `browser` and, for each width and theme, `seen`.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from dashboards.settings import PageSettings
from deploy.pages import PagesServer, config_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
Theme = Literal["light", "dark"]
WIDTHS = (1280, 390)
THEMES: tuple[Theme, Theme] = ("light", "dark")
PATIENCE_MS = 120_000
_LISTEN = """
window.violations = [];
document.addEventListener('securitypolicyviolation',
  e => window.violations.push(e.violatedDirective + ' ' + e.blockedURI));
"""
_TOO_WIDE = """
() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
  [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > window.innerWidth)
  .map(e => e.outerHTML.slice(0, 80))
"""
_AXE = """
async () => (await axe.run(document, {resultTypes: ['violations']})).violations
  .filter(v => v.impact === 'serious' || v.impact === 'critical')
  .map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ') + ' ' + n.failureSummary).join(' | '))
"""


@dataclass
class Seen:
    """A page of the browser, and all it complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def open(self, url: str, ready: str = "main") -> None:
        """Opens an address and waits until a part of it is there."""
        self.page.goto(url)
        self.page.wait_for_selector(ready)

    def check(self) -> None:
        """No complaint, no violation of the content policy, no horizontal scrolling."""
        self._whole()
        told = self.complaints + self.page.evaluate("window.violations")
        assert not told, "\n".join(told)
        wide = self.page.evaluate(_TOO_WIDE)
        assert not wide, "\n".join(["scrolls sideways", *wide])

    def forgive(self, *words: str) -> None:
        """Forgets complaints with one of these words: the browser notes each status of a page that was asked for."""
        self.complaints[:] = [one for one in self.complaints if not any(word in one for word in words)]

    def accessible(self) -> None:
        """axe-core finds nothing serious or critical. Its script goes in by the debugger, past the content policy."""
        self._whole()
        self.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text("utf-8") + "; undefined")
        found = self.page.evaluate(_AXE)
        assert not found, "\n".join(found)

    def keep(self, name: str) -> None:
        """Keeps a picture if asked to."""
        if folder := os.environ.get("SCHOOLGATE_SCREENSHOTS"):
            self._whole()
            Path(folder).mkdir(parents=True, exist_ok=True)
            theme = "dark" if self.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
            width = self.page.evaluate("window.innerWidth")
            self.page.screenshot(path=Path(folder) / f"{name}-{width}-{theme}.png", full_page=True)

    def _whole(self) -> None:
        """Waits for what belongs to the page: words can be read while the sheet that makes them fit is on its way."""
        self.page.wait_for_load_state()

    def _failed(self, request: Request) -> None:
        """Takes down a request that did not succeed, but for what the browser gave up because the page was left."""
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"failed: {request.url} {request.failure}")


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The pages on a free port of this machine, as `schoolgate serve` has them; yields their address."""
    server = PagesServer(config_of(app, PageSettings()))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield browser
        browser.close()


@contextmanager
def looking(
    browser: Browser, width: int = 1280, theme: Theme = "light", cookie: str = "", **more: Any
) -> Iterator[Seen]:
    """A fresh window that listens for complaints. `cookie`: of somebody who has logged in."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme, **more)
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    context.add_init_script(_LISTEN)
    if cookie:
        context.add_cookies([{"name": "schoolgate-visit", "value": cookie, "domain": "127.0.0.1", "path": "/"}])
    seen = Seen(context.new_page())
    seen.page.on("console", lambda m: seen.complaints.append(f"{m.type}: {m.text}"))
    seen.page.on("pageerror", lambda e: seen.complaints.append(str(e)))
    seen.page.on("requestfailed", seen._failed)
    yield seen
    context.close()
