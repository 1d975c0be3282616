"""How a page is described: the requests of its start, of what a user does in it, and of its own accord.

The figures are what such sites are publicly known to do, rounded: which hosts they ask, how large requests and answers
are, how often an open tab calls home. They are not taken from the product's rules. A page is data; the same short
script in every page (page.js) turns it into requests, so the browser itself decides on connections, compression of
headers, caching, throttling of hidden tabs and what it keeps open. Bodies are random bytes.

A request group is (host, path, answer bytes from-to, body bytes from-to or None for GET, how many from-to, length of
the query, how it is asked, probability). Sizes are drawn log-uniformly between their ends.

Not known here: what the real sites do to one particular account on one particular day; adverts within the services.
"""

from __future__ import annotations

from typing import Any

Group = dict[str, Any]
Page = dict[str, Any]

KB = 1000


def q(
    host: str,
    path: str,
    down: tuple[float, float],
    up: tuple[float, float] | None = None,
    n: tuple[int, int] = (1, 1),
    query: int = 40,
    how: str = "fetch",
    p: float = 1.0,
) -> Group:
    """A request group; `down` and `up` in KB."""
    return {
        "host": host,
        "path": path,
        "down": [int(d * KB) for d in down],
        "up": [int(u * KB) for u in up] if up else None,
        "n": n,
        "query": query,
        "how": how,
        "p": p,
    }


def every(low: float, high: float, *groups: Group, when: str = "always", slower: float = 1.0) -> dict[str, Any]:
    """Asked again and again, `low` to `high` seconds apart; `when` visible: only in the tab in front.

    In a hidden tab the page itself waits `slower` times as long (beside the browser's own throttling).
    """
    return {"low": low, "high": high, "groups": groups, "when": when, "slower": slower}


def socket(url: str, ping: float, said: tuple[float, float], size: tuple[int, int]) -> dict[str, Any]:
    """A websocket: the page pings each `ping` seconds, the server speaks `said` seconds apart, `size` bytes."""
    return {"url": url, "ping": ping, "query": f"low={said[0]}&high={said[1]}&min={size[0]}&max={size[1]}"}


def assets(host: str, *sizes: float) -> list[str]:
    """Scripts that the browser may keep for a year."""
    return [f"https://{host}/keep/{i}-{int(size * KB)}.js" for i, size in enumerate(sizes)]
