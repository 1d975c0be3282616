"""What other sites embed: pixels, buttons, players, posts, and the pages in their frames; see pcaps.use.pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pcaps.use.pages import KB, Group, Page, assets, every, q
from pcaps.use.services import SCONTENT, YT, YT_LOG

_TR = q("www.facebook.com", "/tr/", (0.04, 0.05), query=650, how="img")


def embed(
    service: str,
    scripts: Sequence[str] = (),
    frames: Sequence[str] = (),
    boot: Sequence[Group] = (),
    later: Sequence[tuple[float, float, Group]] = (),
    scrolled: Sequence[Group] = (),
) -> dict[str, Any]:
    """What a widget asks of its service: at the page's start, `later` (seconds from-to) and when it is scrolled."""
    return {
        "service": service,
        "scripts": list(scripts),
        "frames": list(frames),
        "boot": list(boot),
        "later": [list(part) for part in later],
        "scrolled": list(scrolled),
    }


_PIXEL_JS = ["https://connect.facebook.net/keep/fbevents-72000.js", "https://connect.facebook.net/keep/config-61000.js"]
EMBEDS: dict[str, dict[str, Any]] = {
    "fb_pixel": embed("facebook", _PIXEL_JS, boot=[_TR, _TR | {"p": 0.5}], later=[(1.5, 6, _TR | {"p": 0.6})]),
    "fb_pixel_events": embed(
        "facebook", _PIXEL_JS, boot=[_TR], later=[(2, 5, _TR), (8, 20, _TR)], scrolled=[_TR | {"p": 0.35}]
    ),
    "fb_like": embed(
        "facebook",
        ["https://connect.facebook.net/keep/sdk-88000.js"],
        ["https://www.facebook.com/plugins/like.php"],
    ),
    "fb_page": embed(
        "facebook",
        ["https://connect.facebook.net/keep/sdk-88000.js"],
        ["https://www.facebook.com/plugins/page.php"],
    ),
    "fb_share": embed("facebook", frames=["https://www.facebook.com/plugins/share_button.php"]),
    "tw_button": embed(
        "twitter",
        ["https://platform.twitter.com/keep/widgets-31000.js"],
        ["https://platform.twitter.com/widgets/tweet_button.html"],
        [q("syndication.twitter.com", "/settings", (0.8, 1.2), query=80)],
    ),
    "tw_timeline": embed(
        "twitter",
        ["https://platform.twitter.com/keep/widgets-31000.js"],
        ["https://syndication.twitter.com/srv/timeline-profile/"],
        [q("syndication.twitter.com", "/settings", (0.8, 1.2), query=80)],
    ),
    "tw_ads": embed(
        "twitter",
        ["https://static.ads-twitter.com/keep/uwt-18000.js"],
        boot=[
            q("t.co", "/1/i/adsct", (0.04, 0.06), query=420, how="img"),
            q("analytics.twitter.com", "/1/i/adsct", (0.04, 0.06), query=420, how="img"),
        ],
    ),
    "yt_player": embed("youtube", frames=["https://www.youtube.com/embed/abcdefghijk"]),
    "yt_nocookie": embed("youtube", frames=["https://www.youtube-nocookie.com/embed/abcdefghijk"]),
    "yt_autoplay": embed("youtube", frames=["https://www.youtube.com/embed/abcdefghijk?autoplay=1&mute=1&loop=1"]),
    "ig_post": embed(
        "instagram",
        ["https://www.instagram.com/keep/embed-14000.js"],
        ["https://www.instagram.com/p/Cabcdefghij/embed/captioned/"],
    ),
    "tt_pixel": embed(
        "tiktok",
        ["https://analytics.tiktok.com/keep/events-48000.js"],
        boot=[q("analytics.tiktok.com", "/api/v2/pixel", (0.1, 0.2), (1.2, 2.4))],
        later=[(3, 9, q("analytics.tiktok.com", "/api/v2/pixel/act", (0.1, 0.2), (1, 2)))],
    ),
    "tt_video": embed(
        "tiktok",
        ["https://www.tiktok.com/keep/embed-12000.js"],
        ["https://www.tiktok.com/embed/v2/7000000000000000001"],
    ),
    "rd_pixel": embed(
        "reddit",
        ["https://www.redditstatic.com/keep/pixel-16000.js"],
        boot=[q("alb.reddit.com", "/rp.gif", (0.04, 0.06), query=380, how="img")],
    ),
    "rd_post": embed("reddit", frames=["https://embed.reddit.com/r/Teachers/comments/abc"]),
    "li_insight": embed(
        "linkedin",
        ["https://snap.licdn.com/keep/insight-17000.js"],
        boot=[
            q("px.ads.linkedin.com", "/collect", (0.1, 0.2), query=300, how="img"),
            q("www.linkedin.com", "/px/li_sync", (0.1, 0.2), query=300, how="img", p=0.4),
        ],
    ),
    "pi_save": embed(
        "pinterest",
        ["https://assets.pinterest.com/keep/pinit-22000.js"],
        boot=[
            q("ct.pinterest.com", "/v3/", (0.1, 0.2), query=420, how="img"),
            q("widgets.pinterest.com", "/v1/urls/count.json", (0.1, 0.3), query=120),
        ],
    ),
    "dc_widget": embed("discord", frames=["https://discord.com/widget"]),
}

FRAMES: dict[str, Page] = {
    "https://www.facebook.com/plugins/like.php": {
        "html": 22 * KB,
        "assets": assets("static.xx.fbcdn.net", 48, 90),
        "boot": [q("www.facebook.com", "/ajax/bz", (0.1, 0.2), (0.7, 1.6), p=0.5)],
    },
    "https://www.facebook.com/plugins/share_button.php": {
        "html": 20 * KB,
        "assets": assets("static.xx.fbcdn.net", 48),
    },
    "https://www.facebook.com/plugins/page.php": {
        "html": 75 * KB,
        "assets": assets("static.xx.fbcdn.net", 48, 90, 130),
        "boot": [
            q(SCONTENT, "/v/t39.30808-6/", (12, 90), n=(3, 7), query=420, how="img"),
            q("www.facebook.com", "/ajax/bz", (0.1, 0.2), (0.9, 2.5), n=(1, 2)),
        ],
        "scrolled": [q("www.facebook.com", "/ajax/bz", (0.1, 0.2), (0.9, 2.5), p=0.3)],
    },
    "https://platform.twitter.com/widgets/tweet_button.html": {"html": 12 * KB},
    "https://syndication.twitter.com/srv/timeline-profile/": {
        "html": 60 * KB,
        "assets": assets("platform.twitter.com", 90, 60),
        "boot": [
            q("pbs.twimg.com", "/media/", (8, 70), n=(4, 10), how="img"),
            q("syndication.twitter.com", "/i/jot", (0.04, 0.06), query=700, how="img"),
        ],
    },
    "https://www.youtube.com/embed/": {
        "html": 45 * KB,
        "assets": assets(YT, 110, 330, 50),
        "boot": [q("i.ytimg.com", "/vi/", (12, 60), how="img"), q(YT, "/generate_204", (0, 0.1), query=12)],
        "later": [[1, 4, YT_LOG], [12, 40, YT_LOG | {"p": 0.5}]],
        "video": {
            "host": "rr{n}---sn-aigl6nzr.googlevideo.com",
            "path": "/videoplayback",
            "query": 1100,
            "chunk": [4.5, 9],
            "beacons": [every(20, 45, q(YT, "/api/stats/watchtime", (0, 0.1), query=1300))],
        },
    },
    "https://www.youtube-nocookie.com/embed/": {
        "html": 45 * KB,
        "assets": assets("www.youtube-nocookie.com", 110, 330, 50),
        "boot": [q("i.ytimg.com", "/vi/", (12, 60), how="img")],
        "later": [[1, 4, q("www.youtube-nocookie.com", "/youtubei/v1/log_event", (0.1, 0.2), (1.5, 6))]],
    },
    "https://www.instagram.com/p/": {
        "html": 60 * KB,
        "assets": assets("static.cdninstagram.com", 140, 90),
        "boot": [
            q("scontent-lhr8-2.cdninstagram.com", "/v/t51.2885-15/", (40, 160), n=(1, 2), query=420, how="img"),
            q("www.instagram.com", "/ajax/bz", (0.1, 0.2), (0.8, 2), p=0.7),
        ],
    },
    "https://www.tiktok.com/embed/v2/": {
        "html": 70 * KB,
        "assets": assets("sf16-website-login.neutral.ttwstatic.com", 160, 120),
        "boot": [
            q("p16-sign-va.tiktokcdn.com", "/obj/", (15, 60), n=(1, 3), how="img"),
            q("mcs-ie.tiktokw.eu", "/v1/list", (0.1, 0.2), (1, 5)),
        ],
    },
    "https://embed.reddit.com/r/": {
        "html": 30 * KB,
        "assets": assets("www.redditstatic.com", 80, 60),
        "boot": [q("www.reddit.com", "/svc/shreddit/events", (0.1, 0.2), (1, 3), p=0.5)],
    },
    "https://discord.com/widget": {
        "html": 6 * KB,
        "assets": assets("discord.com", 60),
        "boot": [q("discord.com", "/api/guilds/1/widget.json", (2, 9))],
        "idle": [every(300, 301, q("discord.com", "/api/guilds/1/widget.json", (2, 9)))],
    },
}
