"""What people do with social sites, as requests: browsing feeds, watching, reading forums, chatting, phone apps.

Sizes and paces are those of the sites themselves in an ordinary browser: a page and its parts, a script's call when
somebody scrolls, pictures as they come into view, a beacon now and then, pauses for reading. A minute in which the
person does nothing that reaches the network is not marked as one in which something was done. Nothing here knows
thresholds of any rule.
"""

from __future__ import annotations

from random import Random

from pcaps.school_days.browser import ACTED, TRAFFIC, Browser, Deed
from pcaps.school_days.hosts import SITES, Site


def some(rng: Random, typical: float, spread: float = 0.7) -> int:
    """A size around `typical` with a long tail upwards."""
    return int(typical * rng.lognormvariate(0, spread)) + 1


def load(browser: Browser, deed: Deed, site: Site, second: float, level: int, warm: float) -> float:
    """A page of a site with its parts; `warm` is the share that is in the browser's cache. Returns when it is done."""
    rng = browser.rng
    document = {"feed": 110_000, "video": 90_000, "chat": 25_000, "forum": 38_000}[site.sort]
    browser.send(site.page, second, some(rng, 1100, 0.3), some(rng, document, 0.5), deed, level)
    later = second + 0.3
    for host in site.static:
        for _ in range(rng.randint(3, 8)):
            later += 0.05 + 0.15 * rng.random()
            if rng.random() > warm:
                browser.send(host, later, some(rng, 180, 0.2), min(some(rng, 45_000, 0.9), 900_000), deed, level)
    for host in site.media:
        for _ in range(rng.randint(1, 6)):
            later += 0.02 + 0.2 * rng.random()
            browser.send(host, later, some(rng, 160, 0.2), some(rng, 18_000, 0.8), deed, level)
    if site.sort != "forum":
        for _ in range(rng.randint(1, 4)):
            later += 0.2 + 0.6 * rng.random()
            browser.send(site.api, later, some(rng, 1500, 0.5), some(rng, 9_000, 1.0), deed, level)
    if site.push and rng.random() < 0.8:
        browser.send(site.push, later, some(rng, 900, 0.2), 400, deed, level)
    return later


def beacons(browser: Browser, deed: Deed, site: Site, start: float, end: float) -> None:
    """What a page in view reports to its maker while somebody is there."""
    rng, second = browser.rng, start
    every = rng.uniform(8, 35)
    while (second := second + rng.uniform(0.7, 1.4) * every) < end:
        browser.send(site.beacon, second, some(rng, 1100, 0.6), rng.randint(150, 700), deed, TRAFFIC)


def feed(browser: Browser, deed: Deed, site: Site, start: float, end: float) -> None:
    """Scrolling: calls for more, pictures and short films as they come, pauses to read, now and then a comment."""
    rng = browser.rng
    second = load(browser, deed, site, start, ACTED, rng.choice((0.5, 0.95, 1.0)))
    pace = rng.choice((5.0, 8.0, 12.0))
    while (second := second + some(rng, pace, 0.6)) < end:
        if rng.random() < 0.10:
            second += rng.uniform(15, 75)
            if second >= end:
                break
        if rng.random() < 0.55:
            browser.send(site.api, second, some(rng, 1800, 0.5), some(rng, 32_000, 0.7), deed, ACTED)
        for _ in range(rng.randint(0, 5)):
            host = rng.choice(site.media)
            browser.send(host, second + 0.3 * rng.random(), some(rng, 160, 0.2), some(rng, 28_000, 0.8), deed, ACTED)
        if site.video and rng.random() < 0.12:
            for n in range(rng.randint(1, 4)):
                size = min(some(rng, 260_000, 0.6), 1_500_000)
                browser.send(site.video, second + 0.5 + 1.5 * n, 260, size, deed, ACTED)
        if rng.random() < 0.05:
            browser.send(site.api, second + 3 * rng.random(), some(rng, 2200, 0.4), some(rng, 2500), deed, ACTED)
    beacons(browser, deed, site, start + 5, end)


def watch(browser: Browser, deed: Deed, site: Site, start: float, end: float) -> None:
    """Films one after another: pieces of the film every few seconds, a call when the next one begins."""
    rng = browser.rng
    second = load(browser, deed, site, start, ACTED, rng.choice((0.6, 1.0)))
    following = second
    length = {"tiktok": 25.0, "youtube": 200.0, "spotify": 190.0}.get(site.id, 400.0)
    piece = 90_000 if site.id == "spotify" else 420_000
    while second < end:
        if second >= following:
            browser.send(site.api, second, some(rng, 1600, 0.4), some(rng, 22_000, 0.7), deed, ACTED)
            browser.send(rng.choice(site.media), second + 0.2, 200, some(rng, 25_000), deed, ACTED)
            following = second + some(rng, length, 0.5)
        browser.send(site.video, second + 0.3, some(rng, 420, 0.3), min(some(rng, piece, 0.5), 2_000_000), deed, ACTED)
        second += rng.uniform(4, 10)
    beacons(browser, deed, site, start + 5, end)


def forum(browser: Browser, deed: Deed, site: Site, start: float, end: float) -> None:
    """Threads read page by page; a page counts its readers and its advertisements are other people's."""
    rng = browser.rng
    second = load(browser, deed, site, start, ACTED, 0.8)
    typical = rng.choice((18.0, 28.0, 40.0))
    while (second := second + some(rng, typical, 0.5)) < end:
        load(browser, deed, site, second, ACTED, 0.97)
        for wait in (rng.uniform(1.5, 3), rng.uniform(4, 12))[: rng.randint(0, 2)]:
            browser.send(site.page, second + wait, some(rng, 750, 0.3), some(rng, 900), deed, ACTED)
        if rng.random() < 0.05:
            browser.send(site.page, second + 9, some(rng, 1900, 0.4), some(rng, 20_000), deed, ACTED)


def chat(browser: Browser, deed: Deed, site: Site, start: float, end: float) -> None:
    """Messages typed and read; what others write comes over the connection that is held open."""
    rng = browser.rng
    second = load(browser, deed, site, start, ACTED, 0.9)
    while (second := second + some(rng, 14, 0.7)) < end:
        if rng.random() < 0.6:
            if site.push == site.page:  # everything over one held connection, as WhatsApp does
                browser.send(site.page, second, some(rng, 380, 0.4), some(rng, 200, 0.4), deed, ACTED)
            else:
                browser.send(site.page, second, some(rng, 850, 0.2), 500, deed, ACTED)  # "is typing"
                browser.send(site.page, second + rng.uniform(2, 6), some(rng, 1300, 0.2), 1900, deed, ACTED)
        else:
            browser.send(site.push, second, 60, some(rng, 900, 0.6), deed, TRAFFIC)
        if rng.random() < 0.12:
            browser.send(site.media[0], second + 0.5, 300, some(rng, 70_000, 0.7), deed, ACTED)


def app(browser: Browser, deed: Deed, site: Site, start: float, end: float) -> None:
    """The same on a phone: the app talks to its own interface, pictures and films come from the same networks."""
    rng, second = browser.rng, start
    host = site.app or site.api
    for _ in range(3):
        browser.send(host, second, some(rng, 1900, 0.4), some(rng, 40_000, 0.7), deed, ACTED)
        second += rng.uniform(0.3, 1.2)
    while second < end:
        if rng.random() < 0.6:
            browser.send(host, second, some(rng, 1700, 0.5), some(rng, 26_000, 0.7), deed, ACTED)
        for _ in range(rng.randint(1, 5)):
            browser.send(rng.choice(site.media), second + rng.random(), 200, some(rng, 60_000, 0.8), deed, ACTED)
        if site.video and rng.random() < (0.9 if site.sort == "video" else 0.35):
            browser.send(site.video, second + 0.6, 260, min(some(rng, 700_000, 0.5), 3_000_000), deed, ACTED)
        second += some(rng, 11, 0.6)


HABITS = {"feed": feed, "video": watch, "forum": forum, "chat": chat}


def use(browser: Browser, deed: Deed, start: float, end: float, phone: bool = False) -> None:
    """Somebody uses the deed's site from `start` to `end`."""
    site = SITES[deed.service]
    (app if phone else HABITS[site.sort])(browser, deed, site, start, end)
