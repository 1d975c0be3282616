"""What happens at each client: scripts of some ten minutes, drawn from a seed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from pcaps.use.clients import Client
from pcaps.use.services import FACEBOOK_CHAT

FEEDS = ("facebook", "twitter", "instagram", "reddit", "tiktok", "linkedin", "pinterest")
NEWS = ("www.bbc.co.uk", "www.theguardian.com", "www.walesonline.co.uk", "www.bbcgoodfood.com", "www.tes.com")
SCHOOL = ("www.ysgol-enghraifft.example", "www.twinkl.co.uk", "hwb.gov.wales")
LIGHT: tuple[str, ...] = (
    "fb_pixel",
    "fb_pixel_events",
    "fb_like",
    "fb_share",
    "tw_button",
    "tw_ads",
    "tt_pixel",
    "rd_pixel",
)
LIGHT += ("li_insight", "pi_save")
HEAVY: tuple[str, ...] = (
    "fb_page",
    "tw_timeline",
    "yt_player",
    "yt_nocookie",
    "yt_autoplay",
    "ig_post",
    "tt_video",
    "rd_post",
)
HEAVY += ("dc_widget",)
HINTS: tuple[str, ...] = (
    "dns_www.facebook.com",
    "dns_www.youtube.com",
    "connect_www.youtube.com",
    "connect_www.facebook.com",
)
HINTS += ("dns_x.com", "dns_www.tiktok.com", "connect_www.instagram.com", "page_www.reddit.com")

# ------------------------------------------------------------------------------------------------ ways to be at a page


async def feed(client: Client, tab: str) -> None:
    """Scroll, now and then open, like or comment."""
    await client.rest(6)
    what = client.rng.choices(("scroll", "open", "like", "comment"), (74, 13, 8, 5))[0]
    if what == "comment":
        await writing(client, tab)
    else:
        await client.act(tab, what)


async def long_reading(client: Client, tab: str) -> None:
    """Long posts: fewer acts."""
    await client.rest(14, 0.6, 3, 55)
    await client.act(tab, client.rng.choices(("scroll", "open"), (7, 3))[0])


async def writing(client: Client, tab: str) -> None:
    """Type a comment and send it."""
    for _ in range(client.rng.randint(3, 12)):
        await client.act(tab, "type")
        await client.rest(1.2, 0.4, 0.4, 4)
    await client.act(tab, "send")


async def chat(client: Client, tab: str) -> None:
    """Read what the others say, answer, sometimes look further up."""
    await client.rest(9, 0.7, 2, 50)
    if client.rng.random() < 0.25:
        await client.act(tab, client.rng.choice(("scroll", "open")))
    else:
        await writing(client, tab)


def watch(kilobits: int) -> Callable[[Client, str], Awaitable[None]]:
    """Watch a video of this rate for a while; now and then look at the comments."""

    async def way(client: Client, tab: str) -> None:
        seconds = client.rng.uniform(40, 100)
        await client.browser.run(tab, f"typeof play === 'function' && void play({kilobits}, {seconds})")
        until = time.time() + seconds
        while time.time() < until and client.left() > 0:
            await asyncio.sleep(max(0.1, min(until - time.time(), client.pause(25, 0.6, 6, 70), client.left())))
            if client.rng.random() < 0.4:
                await client.act(tab, "scroll")
        await client.act(tab, "open")

    return way


# ---------------------------------------------------------------------------------------------------------- scenarios


async def browsing(c: Client) -> None:
    """Two feeds one after another, a school's page between them, an encyclopaedia at the end."""
    first, second = c.rng.sample(FEEDS, 2)
    one = await c.open(first)
    await c.attend(one, c.rng.uniform(130, 190), feed)
    other = await c.visit(None, c.rng.choice(SCHOOL), tuple(c.rng.sample(LIGHT, 2)))
    await c.read(other, c.rng.uniform(50, 100))
    two = await c.open(second)
    await c.attend(two, c.rng.uniform(120, 180), long_reading if second in ("reddit", "linkedin") else feed)
    await c.close(two)
    last = await c.open("wikipedia")
    await c.attend(last, c.left() - 70, long_reading)
    await c.attend(one, c.left(), feed)


async def video(c: Client) -> None:
    """Videos, a pause in which the player waits in a hidden tab, and short videos."""
    tab = await c.open("youtube")
    await asyncio.sleep(c.rng.uniform(1, 3))
    await c.attend(tab, c.rng.uniform(120, 170), watch(c.rng.choice((300, 450))))
    await c.browser.run(tab, "void pause()")
    work = await c.work(None, c.rng.uniform(90, 130))
    await c.attend(tab, c.rng.uniform(50, 80), watch(350))
    await c.browser.run(tab, "void pause()")
    await c.work(work, c.rng.uniform(40, 70))
    short = await c.open(c.rng.choice(("tiktok", "instagram")))
    await c.attend(short, c.left() - c.rng.uniform(60, 90), feed)
    await c.work(work, c.left())


async def chatting(c: Client) -> None:
    """Few bytes: messages, with work between."""
    if c.rng.random() < 0.5:
        tab = await c.open("discord")
    else:
        tab = await c.open("facebook", url=FACEBOOK_CHAT["url"])
    await c.attend(tab, c.rng.uniform(140, 200), chat)
    work = await c.work(None, c.rng.uniform(90, 140))
    await c.attend(tab, c.rng.uniform(60, 110), chat)
    await c.work(work, c.left() - c.rng.uniform(60, 90))
    await c.attend(tab, c.left(), chat)


async def news(c: Client) -> None:
    """News, recipes and vacancies, one page after another, all with buttons and pixels."""
    tab = None
    while c.left() > 0:
        tab = await c.visit(tab, c.rng.choice(NEWS), tuple(c.rng.sample(LIGHT, c.rng.randint(2, 6))))
        await c.read(tab, c.pause(30, 0.7, 8, 110))


async def players(c: Client) -> None:
    """School and news pages with embedded players, posts and page boxes that nobody touches."""
    tab = None
    while c.left() > 0:
        embeds = (*c.rng.sample(HEAVY, c.rng.randint(1, 3)), *c.rng.sample(LIGHT, c.rng.randint(0, 2)))
        tab = await c.visit(tab, c.rng.choice((*SCHOOL, *NEWS)), embeds)
        await c.read(tab, c.pause(50, 0.6, 15, 150))


async def restored(c: Client) -> None:
    """Yesterday's tabs come back when the browser starts; then work, and nobody looks at them."""
    for service in c.rng.sample((*FEEDS, "youtube", "discord"), c.rng.randint(4, 6)):
        await c.restore(service)
        await asyncio.sleep(c.rng.uniform(0.2, 1.5))
    await c.work(None, c.left())


async def left_open(c: Client) -> None:
    """A tab in front and another behind it, and nobody there."""
    await c.restore(c.rng.choice(("discord", "linkedin", "reddit")))
    await c.restore(c.rng.choice(("facebook", "twitter", "tiktok", "instagram")), front=True)
    await asyncio.sleep(max(0.0, c.left()))


async def asleep(c: Client) -> None:
    """A feed for a moment, then hidden while it calls home; one glance at it later."""
    service = c.rng.choice(FEEDS)
    tab = await c.open(service)
    await c.open(c.rng.choice([s for s in (*FEEDS, "discord") if s != service]), front=False)
    await c.attend(tab, c.rng.uniform(50, 90), feed)
    work = await c.work(None, c.rng.uniform(180, 240))
    await c.attend(tab, c.rng.uniform(20, 45), feed)
    await c.work(work, c.left())


async def hinted(c: Client) -> None:
    """Search results and pages that only hint at services; a service worker that outlives its tab."""
    service = c.rng.choice(("twitter", "youtube"))
    worker = await c.open(service, front=False)
    await asyncio.sleep(c.rng.uniform(15, 40))
    await c.close(worker)
    tab = None
    while c.left() > 0:
        host = c.rng.choice(("www.google.com", *NEWS))
        hints = tuple(c.rng.sample(HINTS, c.rng.randint(2, 5)))
        tab = await c.visit(tab, host, tuple(c.rng.sample(LIGHT, c.rng.randint(0, 1))), hints)
        await c.read(tab, c.pause(35, 0.6, 10, 90))


async def mixed(c: Client) -> None:
    """Use of a service, and pages that embed the same one, in turns; a player waits in a third tab."""
    service, embeds = c.rng.choice(
        (
            ("facebook", ("fb_pixel_events", "fb_like")),
            ("twitter", ("tw_button", "tw_ads")),
            ("reddit", ("rd_pixel", "rd_post")),
            ("instagram", ("ig_post", "fb_pixel")),
        )
    )
    await c.open("youtube", front=False)
    tab = await c.open(service)
    other = None
    while c.left() > 60:
        await c.attend(tab, c.rng.uniform(60, 120), feed)
        other = await c.visit(other, c.rng.choice(NEWS), (*embeds, c.rng.choice(("li_insight", "tt_pixel"))))
        await c.read(other, c.rng.uniform(60, 120))
        other = await c.visit(other, c.rng.choice(NEWS), embeds)
        await c.read(other, c.rng.uniform(40, 90))


async def short_visits(c: Client) -> None:
    """Half a minute or so at one service after another, each closed afterwards; work between."""
    work = None
    while c.left() > 0:
        service = c.rng.choice((*FEEDS, "youtube"))
        tab = await c.open(service)
        await c.attend(tab, c.rng.uniform(25, 95), watch(350) if service == "youtube" else feed)
        await c.close(tab)
        work = await c.work(work, c.rng.uniform(50, 110))


Scenario = Callable[[Client], Awaitable[None]]
SCENARIOS: tuple[Scenario, ...] = (
    browsing,
    video,
    chatting,
    news,
    players,
    restored,
    left_open,
    asleep,
    hinted,
    mixed,
    short_visits,
)
