"""Programs that call a service by themselves, until killed: `python -m pcaps.use.apps PROGRAM SEED`, for a namespace.

Nobody is at any of them. Feed readers and checks start curl anew each time, as scheduled jobs do; the others keep a
connection, as programs do. `SSL_CERT_FILE` names the test authority.
"""

from __future__ import annotations

import http.client
import math
import os
import random
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from websockets.sync.client import connect

KB = 1000
CA = os.environ.get("SSL_CERT_FILE", "")


class _Service:
    """A kept connection that is opened anew when the server has closed it."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, path: str, down: int, up: int = 0) -> None:
        headers = {"User-Agent": "App/512.0 (Windows NT 10.0)", "Authorization": "Bearer " + "x" * 180}
        for _ in range(2):
            try:
                self._connection = self._connection or http.client.HTTPSConnection(
                    self._host, context=ssl.create_default_context(cafile=CA), timeout=60
                )
                body = os.urandom(up) if up else None
                self._connection.request("POST" if up else "GET", f"{path}?n={down}", body, headers)
                self._connection.getresponse().read()
                return
            except (OSError, http.client.HTTPException):
                self._connection = None


def _curl(url: str, *options: str) -> None:
    subprocess.run(["curl", "-s", "-o", "/dev/null", "--max-time", "60", *options, url], check=False)


def _repeat(low: float, high: float, job: Callable[[], None], rng: random.Random) -> None:
    time.sleep(rng.uniform(0, min(low, 30)))
    while True:
        began = time.time()
        job()
        time.sleep(max(0.0, began + rng.uniform(low, high) - time.time()))


def _size(rng: random.Random, low: float, high: float) -> int:
    return int(KB * math.exp(rng.uniform(math.log(low), math.log(high))))


def reddit_reader(rng: random.Random) -> None:
    """A feed reader with three subscriptions, every two and a half minutes."""

    def job() -> None:
        for name in ("Teachers", "TeachingUK", "Wales"):
            _curl(f"https://www.reddit.com/r/{name}/.rss?n={_size(rng, 15, 45)}")

    _repeat(150, 150, job, rng)


def youtube_reader(rng: random.Random) -> None:
    """A feed reader with eight channels, every two minutes."""

    def job() -> None:
        urls = [f"https://www.youtube.com/feeds/videos.xml?n={_size(rng, 3, 14)}&id={i}" for i in range(8)]
        subprocess.run(["curl", "-s", *(x for url in urls for x in ("-o", "/dev/null", url))], check=False)

    _repeat(115, 130, job, rng)


def x_client(rng: random.Random) -> None:
    """A notice board program that pulls a timeline each minute."""
    api, site = _Service("api.x.com"), _Service("x.com")

    def job() -> None:
        api.ask("/2/users/1/tweets", _size(rng, 5, 25))
        if rng.random() < 0.5:
            site.ask("/i/api/2/badge_count/badge_count.json", 400)

    _repeat(58, 62, job, rng)


def facebook_sdk(rng: random.Random) -> None:
    """A game and a shop that report to the graph."""
    graph, site = _Service("graph.facebook.com"), _Service("www.facebook.com")

    def job() -> None:
        graph.ask("/v19.0/1/activities", 200, _size(rng, 0.8, 4))
        if rng.random() < 0.3:
            site.ask("/adnw_request", 900, _size(rng, 0.6, 1.5))

    _repeat(25, 110, job, rng)


def discord_program(rng: random.Random) -> None:
    """The chat program in the tray: heartbeats, messages of others, reports home, pictures of who came."""
    site, pictures = _Service("discord.com"), _Service("cdn.discordapp.com")

    def listen() -> None:
        context = ssl.create_default_context(cafile=CA)
        url = "wss://gateway.discord.gg/?low=5&high=40&min=150&max=2500"
        with connect(url, ssl=context, ping_interval=None) as gateway:
            beat = 0.0
            while True:
                if time.time() >= beat:
                    gateway.send('{"op":1,"d":251}')
                    beat = time.time() + 41.25
                try:
                    gateway.recv(timeout=1)
                except TimeoutError:
                    continue

    def job() -> None:
        site.ask("/api/v9/science", 150, _size(rng, 0.8, 5))
        for _ in range(rng.randint(0, 3)):
            pictures.ask("/avatars/", _size(rng, 2, 12))

    threading.Thread(target=listen, daemon=True).start()
    _repeat(60, 170, job, rng)


def instagram_phone(rng: random.Random) -> None:
    """A phone in a pocket on the staff network: the app fetches news and sometimes pictures ahead of time."""
    api, pictures = _Service("i.instagram.com"), _Service("scontent-lhr8-2.cdninstagram.com")

    def job() -> None:
        for _ in range(rng.randint(1, 3)):
            api.ask("/api/v1/feed/reels_tray/", _size(rng, 1, 25), _size(rng, 0.7, 2.5))
        if rng.random() < 0.2:
            for _ in range(rng.randint(2, 5)):
                pictures.ask("/v/t51.2885-15/", _size(rng, 20, 120))

    _repeat(50, 180, job, rng)


def facebook_phone(rng: random.Random) -> None:
    """The same of Facebook's app."""
    push, site, pictures = (
        _Service("mqtt-mini.facebook.com"),
        _Service("m.facebook.com"),
        _Service("scontent.xx.fbcdn.net"),
    )

    def job() -> None:
        push.ask("/", _size(rng, 0.1, 0.5), _size(rng, 0.1, 0.3))
        if rng.random() < 0.5:
            site.ask("/graphql/", _size(rng, 1, 20), _size(rng, 0.7, 2))
        if rng.random() < 0.2:
            pictures.ask("/v/t39/", _size(rng, 20, 120))

    _repeat(40, 90, job, rng)


def reddit_program(rng: random.Random) -> None:
    """A program that follows new comments, every ten seconds; its token comes from the site itself."""
    api, site = _Service("oauth.reddit.com"), _Service("www.reddit.com")
    site.ask("/api/v1/access_token", 300, 200)
    _repeat(10, 11, lambda: api.ask("/r/Teachers/comments/new", _size(rng, 1, 12)), rng)


def check(rng: random.Random) -> None:
    """The network manager's check that the world is there, each minute."""

    def job() -> None:
        _curl("https://www.facebook.com/robots.txt?n=3000")
        _curl("https://www.youtube.com/generate_204")

    _repeat(60, 60, job, rng)


PROGRAMS: dict[str, tuple[Callable[[random.Random], None], tuple[str, ...]]] = {
    "reddit_reader": (reddit_reader, ("reddit",)),
    "youtube_reader": (youtube_reader, ("youtube",)),
    "x_client": (x_client, ("twitter",)),
    "facebook_sdk": (facebook_sdk, ("facebook",)),
    "discord_program": (discord_program, ("discord",)),
    "instagram_phone": (instagram_phone, ("instagram",)),
    "facebook_phone": (facebook_phone, ("facebook",)),
    "reddit_program": (reddit_program, ("reddit",)),
    "check": (check, ("facebook", "youtube")),
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]][0](random.Random(sys.argv[2]))
