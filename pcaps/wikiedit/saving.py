"""What sessions are made of that save: each function is one scenario."""

from __future__ import annotations

import json

from pcaps.wikiedit.people import MOBILE, Person
from pcaps.wikiedit.scenarios import Scenario, mobile_open

_ANY_SECTION = "[...document.querySelectorAll('.mw-editsection a')].map(a=>a.href).join('\\n')"


def _by_form(low: int, high: int, least: int, most: int) -> Scenario:
    async def scenario(p: Person, views: int) -> None:
        if p.rng.random() < 0.6:
            await p.log_in()
        for _ in range(max(1, views // 5)):
            title = p.title(low, high)
            await p.read(title)
            await p.edit(title, p.rng.randint(least, most))
            await p.reads(2)

    return scenario


save_small = _by_form(500, 12_000, 2, 150)
save_mid = _by_form(12_000, 40_000, 20, 1500)
save_large = _by_form(50_000, 200_000, 20, 1500)


async def save_section(p: Person, views: int) -> None:
    """Edit a section."""
    if p.rng.random() < 0.6:
        await p.log_in()
    for _ in range(max(1, views // 5)):
        title = p.title(8_000, 60_000)
        await p.read(title)
        links = str(await p.run(_ANY_SECTION) or "").split()
        sections = [s.split("section=")[1].split("&")[0] for s in links if "section=" in s]
        await p.edit(title, p.rng.randint(2, 200), p.rng.choice(sections or ["0"]))
        await p.reads(2)


async def talk(p: Person, views: int) -> None:
    """New sections on talk pages."""
    await p.log_in()
    for _ in range(max(1, views // 4)):
        title = f"Talk:{p.title()}"
        await p.form(title, "new")
        await p.write(p.rng.randint(30, 500))
        await p.run("document.querySelector('#wpSummary').value='About this'")
        await p.save()
        await p.reads(2)


async def _edit_and_look_back(p: Person) -> None:
    title = p.title(1_000, 25_000)
    await p.edit(title, p.rng.randint(10, 150))
    await p.go(p.page(title, action="history"))
    await p.pause()


async def undo(p: Person, views: int) -> None:
    """Save something, then undo it."""
    await p.log_in()
    for _ in range(max(1, views // 7)):
        await _edit_and_look_back(p)
        await p.click(".mw-history-undo a")
        await p.until("document.querySelector('#wpSave')")
        await p.pause()
        await p.save()
        await p.reads(2)


async def rollback(p: Person, views: int) -> None:
    """Roll back somebody's edits by the link in the history: one small POST."""
    await p.log_in()
    for _ in range(max(1, views // 7)):
        await _edit_and_look_back(p)
        await p.click(".mw-rollback-link a")
        await p.pause()
        if await p.run("!!document.querySelector('#mw-content-text form button[type=submit]')"):
            await p.click("#mw-content-text form button[type=submit]")
        await p.reads(2)


async def null_save(p: Person, views: int) -> None:
    """Press Save with nothing changed: on the wire a save, on the wiki none."""
    for _ in range(max(1, views // 5)):
        title = p.title(1_000, 25_000)
        await p.form(title)
        await p.save()
        await p.reads(2)


async def mobile(p: Person, views: int) -> None:
    """Save by the mobile editor."""
    if p.rng.random() < 0.5:
        p.host = MOBILE
        await p.log_in(central=False)
    p.host = MOBILE
    for _ in range(max(1, views // 4)):
        await p.read(p.title(1_500, 60_000))
        await mobile_open(p)
        if p.rng.random() < 0.5:
            await p.run("void labMobile.preview()")
            await p.pause(2)
        await p.run(f"void(window.labOld=1,labMobile.save({json.dumps(' '.join(p.writer.words(3)))}))")
        await p.until("!window.labOld&&document.readyState==='complete'")
        await p.look()


async def visual(p: Person, views: int) -> None:
    """Save by VisualEditor."""
    if p.rng.random() < 0.6:
        await p.log_in()
    for _ in range(max(1, views // 5)):
        await p.visual(p.title(500, 12_000))
        await p.visual_save()
        await p.reads(2)


SAVING: dict[str, tuple[Scenario, float]] = {
    "save_small": (save_small, 5),
    "save_mid": (save_mid, 2),
    "save_large": (save_large, 2),
    "save_section": (save_section, 4),
    "talk": (talk, 2),
    "undo": (undo, 2),
    "rollback": (rollback, 1),
    "null_save": (null_save, 1),
    "mobile": (mobile, 3),
    "ve": (visual, 3),
}
