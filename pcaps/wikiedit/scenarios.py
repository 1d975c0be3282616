"""What sessions are made of that save nothing: each function is one scenario."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from pcaps.wikiedit.people import COMMONS, MOBILE, Person

Scenario = Callable[[Person, int], Awaitable[None]]
_UPLOAD = """void (async () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: SIDE, height: SIDE });
    const context = canvas.getContext('2d'), image = context.createImageData(SIDE, SIDE);
    for (let n = 0; n < image.data.length; n++) image.data[n] = n % 4 === 3 ? 255 : 256 * Math.random();
    context.putImageData(image, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
    const got = await (await fetch('/w/api.php?action=query&meta=tokens&format=json')).json(), form = new FormData();
    const fields = { action: 'upload', format: 'json', filename: 'NAME', ignorewarnings: '1', comment: 'a picture',
        text: 'a picture', token: got.query.tokens.csrftoken };
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append('file', blob, 'NAME');
    window.labDone = (await (await fetch('/w/api.php', { method: 'POST', body: form })).json()).upload?.result;
})()"""


async def read(p: Person, views: int) -> None:
    """Anonymous reading."""
    await p.reads(views)


async def read_login(p: Person, views: int) -> None:
    """Log in, then read."""
    await p.read()
    await p.log_in()
    await p.reads(views - 3)


async def login(p: Person, views: int) -> None:
    """The log-in form, once with a wrong password."""
    await p.reads(max(2, views // 4))
    await p.log_in(wrong=p.rng.random() < 0.7)
    await p.reads(max(2, views // 4))
    await p.go(p.page("Special:UserLogout"))
    await p.pause()
    if await p.run("!!document.querySelector('form button[type=submit], #mw-content-text form input[type=submit]')"):
        await p.click("form button[type=submit], #mw-content-text form input[type=submit]")
    await p.log_in()
    await p.reads(max(2, views // 4))


async def search(p: Person, views: int) -> None:
    """Search, and read what is found."""
    await p.read()
    for _ in range(max(1, views // 3)):
        await p.search()


async def preview(p: Person, views: int) -> None:
    """Open the form, type, look at previews, give up."""
    if p.rng.random() < 0.5:
        await p.log_in()
    for _ in range(max(1, views // 6)):
        title = p.title(500, 40_000)
        await p.read(title)
        await p.form(title)
        await p.write(p.rng.randint(20, 500))
        for _ in range(p.rng.randint(1, 2)):
            await p.preview()
            await p.write(p.rng.randint(20, 200))
        await p.reads(2)


async def open_cancel(p: Person, views: int) -> None:
    """Open the form, type (the text is stashed), give up."""
    for _ in range(max(1, views // 5)):
        title = p.title(500, 60_000)
        await p.read(title)
        await p.form(title)
        if p.rng.random() < 0.8:
            await p.write(p.rng.randint(5, 300))
            if p.rng.random() < 0.5:
                await p.summarise()
            await p.pause(3)
        await p.reads(3)


async def open_cancel_login(p: Person, views: int) -> None:
    """The same, logged in."""
    await p.log_in()
    await open_cancel(p, views - 3)


async def preferences(p: Person, views: int) -> None:
    """Log in and change preferences."""
    await p.log_in()
    for _ in range(max(1, views // 6)):
        await p.go(p.page("Special:Preferences"))
        await p.until("document.querySelector('#mw-prefs-form')")
        await p.pause(2)
        await p.run(
            "document.querySelectorAll('#mw-prefs-form input[type=checkbox]')"
            ".forEach(c=>{if(Math.random()<.2)c.click()})"
        )
        await p.run(
            "document.querySelectorAll('#mw-prefs-form button, #mw-prefs-form input').forEach(b=>b.disabled=false)"
        )
        await p.pause()
        await p.loads("document.querySelector('#mw-prefs-form').submit()")
        await p.reads(4)


async def watch_thank(p: Person, views: int) -> None:
    """Log in, watch pages, thank editors (a small POST stands for it)."""
    await p.log_in()
    for _ in range(max(1, views // 3)):
        await p.read()
        if p.rng.random() < 0.5:
            await p.run("document.querySelector('#ca-watch a, #ca-unwatch a')?.click()")
        else:
            await p.go(p.page(p.title(), action="history"))
            value = json.dumps({"action": "options", "optionname": "userjs-thanks", "optionvalue": str(p.rng.random())})
            thank = f"new mw.Api().postWithToken('csrf',{value})"
            await p.run(f"void(window.mw&&mw.loader.using('mediawiki.api').then(()=>{thank}))")
        await p.look()


async def beacons(p: Person, views: int) -> None:
    """Reading with many events."""
    for _ in range(views):
        await p.read()
        for _ in range(p.rng.randint(1, 4)):
            size = p.rng.randint(900, 8000)
            await p.run(
                f"navigator.sendBeacon('https://intake-analytics.wikimedia.org/v1/events?hasty=true','x'.repeat({size}))"
            )
            await p.pause(0.5)


async def account(p: Person, views: int) -> None:
    """Make an account, then read."""
    await p.reads(max(1, views // 2))
    await p.go(p.page("Special:CreateAccount"))
    await p.until("document.querySelector('#wpName2')", 30)
    fill = f"document.querySelector('#wpName2').value='New{p.rng.randrange(10**9)}';"
    fill += "for(const i of ['#wpPassword2','#wpRetype'])document.querySelector(i).value='a long new secret 7';"
    await p.run(f"(()=>{{{fill}document.querySelector('#wpName2').dispatchEvent(new Event('change'))}})()")
    await p.pause(2)
    await p.click("#wpCreateaccount")
    await p.reads(max(1, views // 2))


async def commons(p: Person, views: int) -> None:
    """Upload pictures to Commons, between reading there."""
    p.host = COMMONS
    await p.log_in()
    for _ in range(max(1, views // 5)):
        await p.go(p.page("Special:Upload"))
        await p.pause(2)
        side = p.rng.randint(60, 400)
        await p.run(_UPLOAD.replace("SIDE", str(side)).replace("NAME", f"Upload {p.rng.randrange(10**9)}.png"))
        await p.until("window.labDone")
        await p.reads(4)


async def mobile_cancel(p: Person, views: int) -> None:
    """The mobile editor: open, type, preview, leave."""
    p.host = MOBILE
    for _ in range(max(1, views // 4)):
        await p.read(p.title(1500, 60_000))
        await mobile_open(p)
        if p.rng.random() < 0.5:
            await p.run("void labMobile.preview()")
            await p.pause(2)
        await p.loads("labMobile.cancel()")
        await p.reads(2)


async def mobile_open(p: Person) -> None:
    """Open the mobile editor and type."""
    await p.until("window.labMobile&&window.mw&&mw.config.get('wgPageName')")
    await p.run("void labMobile.open(0)")
    await p.until("document.querySelector('.lab-mobile')")
    await p.pause()
    words = json.dumps(" " + p.writer.text(p.rng.randint(10, 200)))
    await p.run(f"labMobile.write({words})")
    await p.pause(2)


async def visual_cancel(p: Person, views: int) -> None:
    """VisualEditor, given up; sometimes with its save dialog open."""
    for _ in range(max(1, views // 4)):
        title = p.title(500, 12_000)
        await p.visual(title)
        if p.rng.random() < 0.3:
            await p.run("void ve.init.target.showSaveDialog()")
            await p.pause(2)
        await p.reads(3)


READING: dict[str, tuple[Scenario, float]] = {  # with how often it is drawn
    "read": (read, 26),
    "read_login": (read_login, 24),
    "search": (search, 12),
    "login": (login, 8),
    "preview": (preview, 7),
    "opencancel": (open_cancel, 5),
    "opencancel_login": (open_cancel_login, 5),
    "prefs": (preferences, 5),
    "watch": (watch_thank, 6),
    "beacons": (beacons, 4),
    "create": (account, 2),
    "commons": (commons, 2),
    "mobilecancel": (mobile_cancel, 4),
    "vecancel": (visual_cancel, 2),
}
