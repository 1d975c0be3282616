"""The made-up internet of the generated days: which hosts a site's pages, apps, embeds and trackers talk to.

Host names are those that browsers and phones ask for when these sites are used (read off the sites' own pages and off
the widget documentation they publish), not those that the product's catalogue knows. Addresses belong to nobody
(198.18.0.0/15, 2001:db8::/32). Some hosts of one content network share an address, as many do in life.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pcaps.sample_school.services import MACHINE, WORK
from pcaps.sample_school.wire import Directory


@dataclass(frozen=True)
class Site:
    """One social site. `sort` is how people use it: feed, video, forum or chat.

    api: what a page's script calls; beacon: where it reports to; app: what its phone app talks to. live: seconds
    between calls of a page left open and in view; asleep: the same where the browser throttles a hidden tab; 0 none.
    renewed: seconds after which such a page loads news by itself, 0 never.
    """

    id: str
    sort: str
    page: str
    api: str
    static: tuple[str, ...]
    media: tuple[str, ...]
    beacon: str
    video: str = ""
    push: str = ""
    app: str = ""
    quic: float = 0.0
    live: tuple[int, ...] = ()
    asleep: tuple[int, ...] = ()
    renewed: int = 0
    ech: bool = False
    tagged: bool = True  # use of it is personal by the policy; false where the school only counts it


def _site(id: str, sort: str, page: str, static: str, media: str, **more: object) -> Site:
    more.setdefault("api", page)
    more.setdefault("beacon", page)
    hosts = {"static": tuple(static.split()), "media": tuple(media.split())}
    return Site(id, sort, page, **hosts, **more)  # type: ignore[arg-type]


_FB, _IG = "scontent-lhr8-1.xx.fbcdn.net scontent-man2-1.xx.fbcdn.net", "scontent-lhr6-1.cdninstagram.com"
SITES: dict[str, Site] = {
    site.id: site
    for site in (
        _site("facebook", "feed", "www.facebook.com", "static.xx.fbcdn.net", _FB, video="video-lhr8-1.xx.fbcdn.net",
              push="edge-chat.facebook.com", app="graph.facebook.com", quic=0.6, live=(25, 60), asleep=(60, 180),
              renewed=600),
        _site("instagram", "feed", "www.instagram.com", "static.cdninstagram.com", _IG, video=_IG,
              push="edge-chat.instagram.com", app="i.instagram.com", quic=0.6, live=(30,), asleep=(120,)),
        _site("twitter", "feed", "x.com", "abs.twimg.com", "pbs.twimg.com", video="video.twimg.com", beacon="api.x.com",
              app="api.twitter.com", live=(30, 45), asleep=(60,), renewed=150),
        _site("reddit", "feed", "www.reddit.com", "www.redditstatic.com", "preview.redd.it i.redd.it",
              video="v.redd.it", app="gql.reddit.com", quic=0.2, live=(20, 60), asleep=(60,)),
        _site("pinterest", "feed", "www.pinterest.co.uk", "s.pinimg.com", "i.pinimg.com", app="api.pinterest.com",
              live=(60,), asleep=(300,)),
        _site("tumblr", "feed", "www.tumblr.com", "assets.tumblr.com", "64.media.tumblr.com", live=(60,),
              asleep=(120,), renewed=900),
        _site("threads", "feed", "www.threads.com", "static.cdninstagram.com", _IG, quic=0.5, live=(40,),
              asleep=(180,)),
        _site("bluesky", "feed", "bsky.app", "web-cdn.bsky.app", "cdn.bsky.app", api="public.api.bsky.app",
              video="video.bsky.app", live=(30, 60), asleep=(60,)),
        _site("tiktok", "video", "www.tiktok.com", "lf16-tiktok-web.tiktokcdn-us.com", "p16-sign-va.tiktokcdn.com",
              video="v16-webapp-prime.tiktok.com", beacon="mcs-va.tiktok.com",
              app="api16-normal-c-useast1a.tiktokv.com",
              quic=0.3, live=(30,), asleep=(60,)),
        _site("twitch", "video", "www.twitch.tv", "static.twitchcdn.net", "static-cdn.jtvnw.net",
              video="video-weaver.lhr03.hls.ttvnw.net", api="gql.twitch.tv", push="irc-ws.chat.twitch.tv",
              live=(60,), asleep=(60,)),
        _site("discord", "chat", "discord.com", "discord.com", "cdn.discordapp.com", push="gateway.discord.gg",
              ech=True, live=(30,), asleep=(60,)),
        _site("mumsnet", "forum", "www.mumsnet.com", "www.mumsnet.com", "images.mumsnet.com", ech=True),
        _site("thestudentroom", "forum", "www.thestudentroom.co.uk", "www.thestudentroom.co.uk",
              "static.tsrfiles.co.uk"),
        _site("pistonheads", "forum", "www.pistonheads.com", "www.pistonheads.com", "www.pistonheads.com"),
        _site("digitalspy", "forum", "forums.digitalspy.com", "forums.digitalspy.com", "us.v-cdn.net", live=(60,),
              asleep=(60,)),
        _site("youtube", "video", "www.youtube.com", "www.youtube.com", "i.ytimg.com", quic=0.8,
              video="rr3---sn-aigl6nsd.googlevideo.com", app="youtubei.googleapis.com", live=(45,), asleep=(120,),
              tagged=False),
        _site("linkedin", "feed", "www.linkedin.com", "static.licdn.com", "media.licdn.com", live=(60,), asleep=(60,),
              tagged=False),
        _site("whatsapp", "chat", "web.whatsapp.com", "static.whatsapp.net", "mmg.whatsapp.net",
              push="web.whatsapp.com", app="g.whatsapp.net", live=(20,), asleep=(25,), tagged=False),
        _site("spotify", "video", "open.spotify.com", "open.spotifycdn.com", "i.scdn.co", video="audio-fa.scdn.co",
              api="spclient.wg.spotify.com", beacon="spclient.wg.spotify.com", live=(60,), asleep=(60,), tagged=False),
        _site("tes", "forum", "www.tes.com", "www.tes.com", "images.tes.com", ech=True, tagged=False),
    )
}  # fmt: skip
TAGGED = tuple(site.id for site in SITES.values() if site.tagged)
COUNTED = tuple(site.id for site in SITES.values() if not site.tagged)
TABS = ("facebook", "twitter", "reddit", "instagram", "whatsapp", "linkedin", "discord", "pinterest", "tumblr",
        "bluesky", "tiktok", "digitalspy")  # fmt: skip
ON_PHONES = ("facebook", "instagram", "twitter", "tiktok", "reddit", "pinterest", "whatsapp", "youtube")

NEWS = ("www.theguardian.com", "www.bbc.co.uk", "www.walesonline.co.uk", "www.dailymail.co.uk", "www.independent.co.uk",
        "www.mirror.co.uk", "www.skysports.com", "nation.cymru", "www.schoolsweek.co.uk",
        "www.thesun.co.uk")  # fmt: skip
SHOPS = ("www.amazon.co.uk", "www.argos.co.uk", "www.twinkl.co.uk", "www.next.co.uk", "www.johnlewis.com",
         "www.rightmove.co.uk", "www.tesco.com", "www.eventbrite.co.uk", "www.ysgol-gwefan.example")  # fmt: skip
PARTS = ("assets.guim.co.uk", "securepubads.g.doubleclick.net", "tpc.googlesyndication.com", "cdn.privacy-mgmt.com",
         "www.googletagmanager.com", "www.google-analytics.com", "ib.adnxs.com", "c.amazon-adsystem.com",
         "fastlane.rubiconproject.com", "static.chartbeat.com", "ichef.bbci.co.uk", "i2-prod.walesonline.co.uk",
         "cdn.cookielaw.org", "fonts.gstatic.com", "cdn.taboola.com", "js-sec.indexww.com")  # fmt: skip
TRACKERS = ("connect.facebook.net", "platform.twitter.com", "syndication.twitter.com", "cdn.syndication.twimg.com",
            "static.ads-twitter.com", "analytics.twitter.com", "analytics.tiktok.com", "tr.snapchat.com",
            "sc-static.net", "alb.reddit.com", "ct.pinterest.com", "assets.pinterest.com", "widgets.pinterest.com",
            "log.pinterest.com", "px.ads.linkedin.com", "snap.licdn.com", "embed.reddit.com", "player.twitch.tv",
            "c.disquscdn.com", "disqus.com", "staticxx.facebook.com", "t.co", "embed.bsky.app")  # fmt: skip
OTHERS = ("outlook.office365.com", "ysgol.sharepoint.com", "app.arbor.sc", "hwbcloud.example", "www.twinkl.co.uk",
          "classroom.google.com", "www.canva.com", "quizlet.com", "www.purplemash.com")  # fmt: skip
HIDDEN = "cloudflare-ech.com"  # the outer name of encrypted hellos
SHARED = {  # hosts behind one address: only the client's own bytes or questions tell them apart
    "quizlet.com": "discord.com",
    "www.canva.com": "www.mumsnet.com",
    "www.theguardian.com": "www.reddit.com",
    "us.v-cdn.net": "www.tes.com",
    "nation.cymru": "www.pistonheads.com",
}
QUIC = {"www.google.com", "docs.google.com", "mail.google.com", "fonts.gstatic.com", "www.googletagmanager.com",
        "securepubads.g.doubleclick.net", "tpc.googlesyndication.com", "connect.facebook.net"}  # fmt: skip


@cache
def _numbers() -> dict[str, int]:
    hosts = {h for s in SITES.values() for h in (s.page, s.api, *s.static, *s.media, s.beacon, s.video, s.push, s.app)}
    rest = (*NEWS, *SHOPS, *PARTS, *TRACKERS, *OTHERS, *MACHINE, *WORK, HIDDEN)
    return {host: number for number, host in enumerate(sorted((hosts | set(rest)) - {""}))}


def _addresses(host: str) -> tuple[str, ...]:
    number = 0xC6120000 + 256 * (_numbers()[SHARED.get(host, host)] + 1)
    count = 1 if host in SHARED or host in SHARED.values() else 2
    return tuple(".".join(str(number + k + 10 >> s & 255) for s in (24, 16, 8, 0)) for k in range(count))


def _address6(host: str) -> str:
    return f"2001:db8:ffff:{_numbers()[SHARED.get(host, host)] + 1:x}::10"


@cache
def directory() -> Directory:
    """Addresses of all hosts, for the wire."""
    quic = {h for s in SITES.values() if s.quic for h in (s.page, s.api, *s.static, *s.media, s.video, s.app) if h}
    aliases = {"www.facebook.com": "star-mini.c10r.facebook.com", "www.reddit.com": "reddit.map.fastly.net",
               "www.instagram.com": "z-p42-instagram.c10r.instagram.com"}  # fmt: skip
    return Directory(frozenset(quic | QUIC), _addresses, _address6, aliases)
