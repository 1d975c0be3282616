"""Traffic of social sites that is nobody's use: tabs left open, restored sessions, apps that sync, and other people's
pages with buttons, pixels, quotations and players in them.

A hidden tab is throttled by the browser to one wake-up a minute; a tab that is in view on a second screen is not. What
news pages embed follows the sites' own embedding code: a pixel fires on each page and again when the reader scrolls or
stays, a quotation brings its own style sheets and pictures, a player its code and sometimes the film.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pcaps.sample_school.services import MACHINE, WORK
from pcaps.school_days.browser import TRAFFIC, Browser, Deed
from pcaps.school_days.habits import load, some
from pcaps.school_days.hosts import NEWS, OTHERS, PARTS, SHOPS, SITES

Deeds = Callable[[str, str], Deed]  # behaviour and service to the deed that its traffic is noted under

Brings = tuple[tuple[Callable[[Browser, Deeds, float, float], None], float], ...]  # embeddings and how often


def tab(browser: Browser, deed: Deed, start: float, end: float, in_view: bool) -> None:
    """A page that was left open: calls, reports and heartbeats by themselves, news loaded by itself where it does."""
    rng, site = browser.rng, SITES[deed.service]
    wakes: list[float] = []
    for period in site.live if in_view else site.asleep:
        second = start + rng.uniform(0, period)
        while second < end:
            wakes.append(second)
            second += period * rng.uniform(0.985, 1.03)
    up, down = some(rng, 900, 0.4), some(rng, 700, 0.6)
    for second in sorted(wakes):
        if not in_view and start + 300 < second:
            second = start + 60 * ((second - start) // 60 + 1)  # woken up together, once a minute
        host = site.push if site.push and rng.random() < 0.5 else rng.choice((site.api, site.beacon))
        if second < end:
            size = 90 if host == site.push else int(up * rng.uniform(0.8, 1.3))
            browser.send(host, second + 0.2 * rng.random(), size, int(down * rng.uniform(0.7, 1.4)), deed)
    if site.renewed and (in_view or rng.random() < 0.5):
        second = start + site.renewed * rng.uniform(0.5, 1.5)
        while second < end:
            browser.send(site.api, second, some(rng, 1600, 0.3), some(rng, 34_000, 0.7), deed)
            if in_view:
                for _ in range(rng.randint(0, 6)):
                    browser.send(rng.choice(site.media), second + rng.random(), 180, some(rng, 22_000, 0.8), deed)
            second += site.renewed * rng.uniform(0.8, 1.25)


def by_itself(browser: Browser, start: float, end: float) -> None:
    """What a machine does with its makers and the school's own services all day long."""
    rng, second = browser.rng, start
    while (second := second + rng.expovariate(1 / 150)) < end:
        host = rng.choice((*MACHINE, "outlook.office365.com", "ysgol.sharepoint.com"))
        browser.send(host, second, some(rng, 900, 0.5), some(rng, 3_000, 1.0))


def restore(browser: Browser, deed: Deed, second: float, warm: float) -> None:
    """A tab of last time comes back when the browser starts, or catches up when the screen is unlocked."""
    load(browser, deed, SITES[deed.service], second, TRAFFIC, warm)


def left_playing(browser: Browser, deed: Deed, start: float, end: float) -> None:
    """A film or a feed's short films go on without anybody there."""
    rng, site, second = browser.rng, SITES[deed.service], start
    while second < end:
        browser.send(site.video or site.media[0], second, 320, min(some(rng, 380_000, 0.4), 1_500_000), deed)
        if rng.random() < 0.2:
            browser.send(site.beacon, second + 1, some(rng, 1300, 0.4), 300, deed)
        second += rng.uniform(5, 10)


def sync(browser: Browser, deed: Deed, second: float) -> None:
    """An app wakes up: asks for news, fetches what may be wanted next."""
    rng, site = browser.rng, SITES[deed.service]
    host = site.app or site.api
    for _ in range(rng.randint(1, 4)):
        browser.send(host, second, some(rng, 1500, 0.5), some(rng, 14_000, 1.0), deed)
        second += rng.uniform(0.4, 4)
    for _ in range(rng.choice((0, 0, 3, 8))):
        browser.send(rng.choice(site.media), second, 220, some(rng, 60_000, 0.8), deed)
        second += rng.uniform(0.2, 2)
    if site.video and rng.random() < 0.3:
        browser.send(site.video, second, 300, some(rng, 1_200_000, 0.5), deed)


# -- what other people's pages bring along: each takes (browser, deeds, second it begins, second the reader leaves)


def _pixel(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    rng = browser.rng
    deed = deeds("pixel", "facebook")
    if rng.random() < 0.4:
        browser.send("connect.facebook.net", second, 420, some(rng, 30_000, 0.8), deed)
    for wait in (0.5, *(rng.uniform(3, 50) for _ in range(rng.choice((0, 1, 1, 2, 4))))):
        if second + wait < gone:
            browser.send("www.facebook.com", second + wait, some(rng, 1500, 0.25), rng.randint(200, 600), deed)


def _plugin(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """Facebook's page box, like button or comments: a frame from its own host, with style sheets and pictures."""
    rng, deed = browser.rng, deeds("plugin", "facebook")
    for _ in range(rng.choice((1, 1, 2))):
        browser.send("www.facebook.com", second, some(rng, 1400, 0.2), some(rng, 30_000, 0.6), deed)
        for _ in range(rng.randint(1, 5)):
            browser.send("static.xx.fbcdn.net", second + 0.4 + rng.random(), 200, some(rng, 35_000, 0.8), deed)
        if rng.random() < 0.6:
            browser.send("scontent-lhr8-1.xx.fbcdn.net", second + 1.5, 220, some(rng, 60_000, 0.8), deed)
        second += 0.5


def _quotation(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """Posts of X in an article."""
    rng, deed = browser.rng, deeds("quotation", "twitter")
    browser.send("platform.twitter.com", second, 500, some(rng, 28_000, 0.5), deed)
    for _ in range(rng.randint(1, 4)):
        browser.send("syndication.twitter.com", second + 0.5, 620, some(rng, 4_000), deed)
        browser.send("pbs.twimg.com", second + 0.9 + rng.random(), 210, some(rng, 40_000, 0.9), deed)
    browser.send("abs.twimg.com", second + 1, 200, some(rng, 9_000), deed)
    if rng.random() < 0.15:
        browser.send("video.twimg.com", second + 2, 260, some(rng, 900_000, 0.6), deed)


def _post(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """A post of Instagram in an article, in a frame from its own host that reports while it is in view."""
    rng, deed = browser.rng, deeds("quotation", "instagram")
    browser.send("www.instagram.com", second, 700, some(rng, 9_000, 0.4), deed)
    for _ in range(rng.choice((1, 1, 2, 3))):
        browser.send("www.instagram.com", second + 0.6, 900, some(rng, 75_000, 0.4), deed)
        for _ in range(rng.randint(2, 6)):
            browser.send("static.cdninstagram.com", second + 1 + rng.random(), 210, some(rng, 45_000, 0.8), deed)
        browser.send("scontent-lhr6-1.cdninstagram.com", second + 2.2, 240, some(rng, 90_000, 0.7), deed)
        second += 0.4
    for _ in range(rng.choice((0, 1, 2))):
        later = second + rng.uniform(4, 30)
        if later < gone:
            browser.send("www.instagram.com", later, some(rng, 1300, 0.3), 300, deed)


def _clip(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """A film of TikTok in an article: its frame, its picture, perhaps the film."""
    rng, deed = browser.rng, deeds("player", "tiktok")
    browser.send("www.tiktok.com", second, 800, some(rng, 90_000, 0.5), deed)
    for _ in range(rng.randint(2, 6)):
        browser.send("lf16-tiktok-web.tiktokcdn-us.com", second + 0.5 + rng.random(), 220, some(rng, 70_000), deed)
    browser.send("p16-sign-va.tiktokcdn.com", second + 2, 240, some(rng, 50_000), deed)
    for _ in range(rng.choice((1, 2, 3))):
        browser.send("mcs-va.tiktok.com", second + rng.uniform(2, 20), some(rng, 1500, 0.4), 250, deed)
    if rng.random() < 0.25:
        browser.send("v16-webapp-prime.tiktok.com", second + 3, 300, some(rng, 1_500_000, 0.5), deed)


def _film(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """Facebook's film player in a page; the film starts by itself, once."""
    rng, deed = browser.rng, deeds("one_shot", "facebook")
    browser.send("www.facebook.com", second, 1500, some(rng, 80_000, 0.4), deed)
    browser.send("video-lhr8-1.xx.fbcdn.net", second + 1.5, 320, min(some(rng, 2_500_000, 0.5), 6_000_000), deed)


def _tube(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    rng, deed = browser.rng, deeds("player", "youtube")
    browser.send("www.youtube.com", second, 900, some(rng, 35_000, 0.4), deed)
    if rng.random() < 0.3:
        browser.send("www.youtube.com", second + 0.5, 300, some(rng, 750_000, 0.2), deed)
    browser.send("i.ytimg.com", second + 1, 200, some(rng, 25_000), deed)
    if rng.random() < 0.2:
        browser.send("rr3---sn-aigl6nsd.googlevideo.com", second + 2, 420, some(rng, 2_000_000, 0.6), deed)


def _thread(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    rng, deed = browser.rng, deeds("quotation", "reddit")
    browser.send("embed.reddit.com", second, 700, some(rng, 55_000, 0.4), deed)
    browser.send("www.redditstatic.com", second + 0.5, 210, some(rng, 60_000), deed)
    browser.send("preview.redd.it", second + 1, 210, some(rng, 45_000), deed)


def _stream(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """A live stream beside an article, playing without sound until the reader leaves."""
    rng, deed = browser.rng, deeds("player", "twitch")
    browser.send("player.twitch.tv", second, 800, some(rng, 60_000, 0.4), deed)
    browser.send("gql.twitch.tv", second + 0.8, 1500, 4_000, deed)
    while second < gone:
        browser.send("video-weaver.lhr03.hls.ttvnw.net", second + 2, 300, some(rng, 350_000, 0.4), deed)
        second += rng.uniform(4, 8)


def _buttons(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """Trackers and buttons of several services at once, as shops have them."""
    rng = browser.rng
    for host, service, chance in (
        ("analytics.tiktok.com", "tiktok", 0.5), ("tr.snapchat.com", "snapchat", 0.25), ("t.co", "twitter", 0.3),
        ("ct.pinterest.com", "pinterest", 0.4), ("assets.pinterest.com", "pinterest", 0.3),
        ("alb.reddit.com", "reddit", 0.3), ("px.ads.linkedin.com", "linkedin", 0.3),
        ("static.ads-twitter.com", "twitter", 0.3), ("c.disquscdn.com", "disqus", 0.1),
    ):  # fmt: skip
        if rng.random() < chance:
            browser.send(
                host, second + 3 * rng.random(), some(rng, 900, 0.4), some(rng, 3_000, 1.0), deeds("button", service)
            )


def _hint(browser: Browser, deeds: Deeds, second: float, gone: float) -> None:
    """The page only hints that these names may be wanted: they are looked up, and no connection follows."""
    for host in ("www.facebook.com", "x.com", "www.instagram.com"):
        browser.ask(host, second + 0.2)


_ON_NEWS: Brings = (
    (_pixel, 0.6), (_quotation, 0.22), (_post, 0.08), (_clip, 0.06), (_tube, 0.1), (_film, 0.05), (_plugin, 0.12),
    (_thread, 0.03), (_buttons, 0.5), (_hint, 0.15),
)  # fmt: skip
_ON_SHOPS: Brings = ((_pixel, 0.8), (_buttons, 0.8), (_plugin, 0.12), (_hint, 0.1), (_tube, 0.04))
_ON_GAMES: Brings = ((_stream, 0.5), (_quotation, 0.3), (_clip, 0.2), (_pixel, 0.6))


def page(browser: Browser, deeds: Deeds, host: str, second: float, gone: float, brings: Brings) -> None:
    """Somebody opens a page of a site that is no social site, with what it brings along."""
    rng = browser.rng
    browser.send(host, second, some(rng, 1000, 0.3), some(rng, 70_000, 0.7))
    for part in rng.sample(PARTS, rng.randint(1, 5)):
        browser.send(part, second + 0.2 + 1.5 * rng.random(), some(rng, 600, 0.5), some(rng, 15_000, 1.0))
    for embed, chance in brings:
        if rng.random() < chance:
            embed(browser, deeds, second + rng.uniform(0.3, 2.5), gone)


def read(browser: Browser, deeds: Deeds, start: float, end: float, sort: str) -> None:
    """Somebody reads: `news`, `shops`, `games` (an article with a stream) or `work` pages, one after another."""
    rng, second = browser.rng, start
    hosts, brings, typical = {
        "news": (NEWS, _ON_NEWS, 45.0), "shops": (SHOPS, _ON_SHOPS, 40.0), "games": (NEWS[6:7], _ON_GAMES, 120.0),
        "work": ((*WORK, *OTHERS), (), 60.0),
    }[sort]  # fmt: skip
    favourite = rng.choice(hosts)
    while second < end:
        gone = second + some(rng, typical, 0.6)
        host = favourite if sort == "news" and rng.random() < 0.7 else rng.choice(hosts)
        page(browser, deeds, host, second, min(gone, end), brings)
        second = gone


def own_site(browser: Browser, deeds: Deeds, start: float, end: float, rng: Random) -> None:
    """The school's own site, open in the office all day: its page box of Facebook loads again with each page."""
    second = start
    while second < end:
        gone = second + some(rng, 900, 0.8)
        page(browser, deeds, "www.ysgol-gwefan.example", second, min(gone, end), ((_plugin, 0.9), (_quotation, 0.5)))
        second = gone
