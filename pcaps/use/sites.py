"""All pages by their address, and the sites of no service: news, recipes, schools, a search page, the school's own."""

from __future__ import annotations

from pcaps.use.embeds import EMBEDS, FRAMES
from pcaps.use.pages import KB, Page, assets, q
from pcaps.use.services import FACEBOOK_CHAT, SERVICES, WIKIPEDIA

_OTHER_PEOPLES = [
    q("www.google-analytics.com", "/g/collect", (0, 0.1), (0.3, 1), query=500),
    q("securepubads.g.doubleclick.net", "/gampad/ads", (8, 40), query=1500, n=(0, 2)),
]
OTHERS: dict[str, Page] = {
    host: {
        "html": html * KB,
        "assets": assets(static, *sizes),
        "boot": [q(static, "/img/", (8, 60), n=(3, 9), how="img"), *_OTHER_PEOPLES],
        "acts": {"scroll": [q(static, "/img/", (8, 60), n=(0, 3), how="img")], "type": [], "open": []},
    }
    for host, static, html, sizes in (
        ("www.bbc.co.uk", "static.files.bbci.co.uk", 90, (60, 90, 40)),
        ("www.theguardian.com", "assets.guim.co.uk", 120, (70, 60)),
        ("www.walesonline.co.uk", "s2-prod.walesonline.co.uk", 110, (80, 120, 50)),
        ("www.bbcgoodfood.com", "images.immediate.co.uk", 80, (60, 40)),
        ("www.tes.com", "assets.tes.com", 70, (90, 40)),
        ("www.twinkl.co.uk", "images.twinkl.co.uk", 90, (110, 60)),
        ("www.ysgol-enghraifft.example", "cdn.ysgol-enghraifft.example", 40, (40, 30)),
        ("hwb.gov.wales", "cdn.hwb.gov.wales", 50, (60, 40)),
        ("mis.ysgol-enghraifft.example", "cdn.ysgol-enghraifft.example", 60, (80, 60)),
        ("www.google.com", "www.gstatic.com", 60, (70,)),
    )
}
OTHERS["mis.ysgol-enghraifft.example"]["acts"]["open"] = [q("mis.ysgol-enghraifft.example", "/api/", (3, 40), (0.4, 2))]
OTHERS["mis.ysgol-enghraifft.example"]["boot"] = []


def page_at(host: str, path: str, query: dict[str, str]) -> Page | None:
    """The page behind an address; None where an address is only bytes."""
    url = f"https://{host}{path}"
    for service in (FACEBOOK_CHAT, *SERVICES.values(), WIKIPEDIA):
        address = service["url"].split("?")[0]
        if url == address or (service is WIKIPEDIA and url.startswith("https://en.wikipedia.org/wiki/")):
            return service
    for start, frame in FRAMES.items():
        if url.startswith(start):
            return frame | ({"autoplay": 0.35} if "autoplay" in query else {})
    if host in OTHERS and not path.startswith(("/api/", "/img/", "/keep/", "/sw.js", "/favicon")):
        return OTHERS[host] | {
            "embeds": [EMBEDS[name] for name in query.get("e", "").split("-") if name],
            "hints": query.get("h", "").split("-") if query.get("h") else [],
        }
    return None
