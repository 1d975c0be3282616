"""Somebody before a browser who reads and edits: what one person can do on the wiki.

Acts are clicks and inputs made by script in the page, at log-normal distances, so the browser's own code sends what it
sends for a person: forms, stashed texts, beacons, redirects. Pauses are shorter than people's.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from typing import Any
from urllib.parse import quote

from pcaps.use.browser import Browser
from pcaps.wikiedit.content import Writer
from pcaps.wikiedit.website import PASSWORD

WIKI, WELSH, MOBILE = "https://en.wikipedia.org", "https://cy.wikipedia.org", "https://en.m.wikipedia.org"
AUTH, COMMONS = "https://auth.wikimedia.org", "https://commons.wikimedia.org"
PATIENCE_S = 120.0


class NothingToDoError(Exception):
    """A page did not come, or lacks what was to be clicked: the session ends here; what was recorded is true."""


class Person:
    """One person, one browser, one tab in front (and perhaps one behind it)."""

    def __init__(self, browser: Browser, rng: random.Random, titles: dict[str, int], name: str, pace: float) -> None:
        self.browser, self.rng, self.titles, self.name, self.pace = browser, rng, titles, name, pace
        self.host = WIKI
        self.tab = ""
        self.writer = Writer(rng)

    # ----------------------------------------------------------------------------------------------------- the browser

    async def run(self, script: str) -> Any:
        """Run an expression in the page in front; None while the page is changing."""
        try:
            return await self.browser.run(self.tab, script)
        except RuntimeError:
            return None

    async def until(self, condition: str, patience: float = PATIENCE_S) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + patience
        while not await self.run(f"!!({condition})"):
            if time.monotonic() > end:
                raise NothingToDoError(condition)
            await asyncio.sleep(0.08)

    async def pause(self, median: float = 1.6, spread: float = 0.6, low: float = 0.4, high: float = 15) -> None:
        """Read, or think."""
        await asyncio.sleep(min(high, max(low, self.pace * self.rng.lognormvariate(math.log(median), spread))))

    async def loads(self, script: str) -> None:
        """Run what makes another page come, and wait for it."""
        await self.run("void(window.labOld=1)")
        if await self.run(f"(()=>{{{script};return 1}})()") != 1:
            await asyncio.sleep(0.3)  # the page was gone before the answer was
        await self.until("!window.labOld&&document.readyState==='complete'&&location.protocol==='https:'")

    async def go(self, url: str) -> None:
        """Go to an address."""
        if not self.tab:
            self.tab = await self.browser.open("about:blank")
        await self.loads(f"location.href={json.dumps(url)}")

    async def click(self, selector: str) -> None:
        """Click what leads to another page."""
        await self.until(f"document.querySelector({json.dumps(selector)})", 30)
        await self.loads(f"document.querySelector({json.dumps(selector)}).click()")

    # ----------------------------------------------------------------------------------------------------- what is done

    def title(self, low: int = 0, high: int = 10**9) -> str:
        """Some article of a size."""
        fitting = [t for t, size in self.titles.items() if ":" not in t and low <= size <= high]
        return self.rng.choice(fitting)

    def page(self, title: str, **query: str) -> str:
        """The address of a page, or with a query of its form."""
        named = quote(title.replace(" ", "_"), safe=":/")
        if not query:
            return f"{self.host}/wiki/{named}"
        return f"{self.host}/w/index.php?title={named}" + "".join(f"&{k}={quote(v)}" for k, v in query.items())

    async def read(self, title: str = "") -> None:
        """Read an article, sometimes to its end."""
        await self.go(self.page(title or self.title()))
        await self.look()

    async def look(self) -> None:
        """Look at the page, scroll now and then."""
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            await self.pause(0.7)
            await self.run("void scrollBy(0, 300 + 900 * Math.random())")
        await self.pause()

    async def follow(self) -> None:
        """Follow a link of the article."""
        links = (
            "[...document.querySelectorAll('.mw-parser-output a[href^=\"/wiki/\"]')].filter(a=>!a.href.includes(':',9))"
        )
        count = await self.run(f"{links}.length")
        if not count:
            await self.read()
            return
        await self.loads(f"{links}[{self.rng.randrange(int(count))}].click()")
        await self.look()

    async def reads(self, count: int) -> None:
        """Read so many pages, most of them by links."""
        await self.read()
        for _ in range(count - 1):
            await (self.follow() if self.rng.random() < 0.7 else self.read())

    async def behind(self, until: asyncio.Event) -> None:
        """A second tab that reads meanwhile."""
        other = Person(self.browser, random.Random(self.rng.random()), self.titles, self.name, self.pace * 1.5)
        other.tab = await self.browser.open("about:blank", front=False)
        while not until.is_set():
            await other.read()

    async def search(self) -> None:
        """Type into the search box letter by letter, then search."""
        box = "document.querySelector('#searchInput, .cdx-text-input__input, input[name=search]')"
        await self.until(box, 30)
        await self.run(f"void({box}.focus(), {box}.dispatchEvent(new Event('focus', {{bubbles: true}})))")
        await self.pause(0.7)
        words = self.title().split()[0][: self.rng.randint(3, 8)].lower()
        for n in range(1, len(words) + 1):
            text = json.dumps(words[:n])
            await self.run(f"void({box}.value={text}, {box}.dispatchEvent(new Event('input', {{bubbles: true}})))")
            await asyncio.sleep(self.rng.uniform(0.08, 0.25))
        await self.pause(0.6)
        await self.loads(
            f"location.href='/w/index.php?title=Special:Search&search='+encodeURIComponent({json.dumps(words)})"
        )
        await self.look()
        found = "document.querySelector('.mw-search-result-heading a')"
        if await self.run(f"!!{found}"):
            await self.loads(f"{found}.click()")
            await self.look()

    async def log_in(self, wrong: bool = False, central: bool | None = None) -> None:
        """Log in by the form: on the wiki itself, or on the central host as Wikimedia does since 2025."""
        central = self.host == WIKI and (self.rng.random() < 0.6 if central is None else central)
        host = AUTH if central else self.host
        back = quote(self.title().replace(" ", "_"))
        await self.go(f"{host}/w/index.php?title=Special:UserLogin&returnto={back}")
        inside = "window.mw&&mw.config.get('wgUserName')"
        for word in ("not my password", PASSWORD) if wrong else (PASSWORD,):
            await self.until(f"document.querySelector('#wpName1')||{inside}", 30)
            if not await self.run("!!document.querySelector('#wpName1')"):
                return  # this host had not forgotten
            await self.pause(1.2)
            await self.run("document.querySelector('#wpName1').focus()")
            fill = f"document.querySelector('#wpName1').value={json.dumps(self.name)};"
            fill += f"document.querySelector('#wpPassword1').value={json.dumps(word)};"
            keep = "true" if self.rng.random() < 0.5 else "false"
            fill += f"document.querySelector('#wpRemember').checked={keep}"
            await self.run(f"(()=>{{{fill}}})()")
            await self.pause(0.8)
            await self.click("#wpLoginAttempt")
        if not await self.run("/enwikiUserName/.test(document.cookie)||!!(window.mw&&mw.config.get('wgUserName'))"):
            raise NothingToDoError("log-in")

    # ------------------------------------------------------------------------------------------------------- edit forms

    async def form(self, title: str, section: str = "", **query: str) -> None:
        """Open the classic edit form."""
        more = {"section": section} if section else {}
        await self.go(self.page(title, action="edit", **more, **query))
        await self.until("document.querySelector('#wpTextbox1')", 30)
        await self.pause(0.8)
        await self.run("document.querySelector('#wpTextbox1').focus()")

    async def write(self, size: int) -> None:
        """Type so many bytes somewhere into the form's text, in a few goes."""
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            words = json.dumps(" " + self.writer.text(size)[:size])
            where = f"Math.floor(t.value.length*{self.rng.random():.3f})"
            change = f"const t=document.querySelector('#wpTextbox1'),p={where};"
            change += f"t.value=t.value.slice(0,p)+{words}+t.value.slice(p);"
            change += "for(const e of ['keydown','keypress','input','keyup','change'])"
            change += "t.dispatchEvent(new Event(e,{bubbles:true}))"
            await self.run(f"(()=>{{{change}}})()")
            await self.pause(2.0, 0.7, 0.5, 12)

    async def summarise(self) -> None:
        """Write the summary."""
        text = json.dumps(" ".join(self.writer.words(self.rng.randint(0, 7))))
        change = f"const s=document.querySelector('#wpSummary');s.focus();s.value+={text};"
        change += "for(const e of ['keypress','input','keyup','change'])s.dispatchEvent(new Event(e,{bubbles:true}))"
        await self.run(f"(()=>{{{change}}})()")
        await self.pause(1.0)

    async def preview(self) -> None:
        """Show the preview, or the differences."""
        await self.click("#wpPreview" if self.rng.random() < 0.75 else "#wpDiff")
        await self.look()

    async def save(self) -> None:
        """Press Save."""
        await self.click("#wpSave")
        await self.look()

    async def edit(self, title: str, size: int, section: str = "") -> None:
        """Edit by the classic form, perhaps with a preview, and save."""
        await self.form(title, section)
        await self.write(size)
        await self.summarise()
        if self.rng.random() < 0.2:
            await self.preview()
        await self.save()

    # ----------------------------------------------------------------------------------------------------- VisualEditor

    async def visual(self, title: str) -> None:
        """Open VisualEditor and type."""
        await self.go(self.page(title, veaction="edit"))
        target = "ve.init.target"
        ready = f"window.ve&&ve.init&&{target}&&{target}.getSurface&&{target}.getSurface()&&{target}.active"
        await self.until(ready)
        await self.pause()
        for _ in range(self.rng.randint(1, 3)):
            words = json.dumps(self.writer.text(self.rng.randint(10, 90)))
            model = "ve.init.target.getSurface().getModel()"
            offset = f"{model}.getDocument().data.getNearestContentOffset(5)"
            await self.run(f"void {model}.getLinearFragment(new ve.Range({offset})).insertContent({words})")
            await self.pause()

    async def visual_save(self) -> None:
        """Open VisualEditor's save dialog and confirm it."""
        await self.run("void ve.init.target.showSaveDialog()")
        await self.until("ve.init.target.saveDialog&&ve.init.target.saveDialog.isOpened()")
        await self.pause(1.5)
        await self.run("void ve.init.target.saveDialog.executeAction('save')")
        await self.until("!window.ve||!ve.init.target||!ve.init.target.active")
        await self.look()
