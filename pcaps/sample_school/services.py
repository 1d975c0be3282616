"""Host names on the made-up wire: what each service of the script is served from, and the noise beside it.

`kind` and `action` repeat what the product's catalogue says, on purpose: the truth must not be computed by the code
it checks. Server addresses come from the benchmark range 198.18.0.0/15 and from 2001:db8::/32; they belong to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServiceHosts:
    """One service: its id, kind and action in the catalogue, and its hosts by role."""

    id: str
    kind: str
    action: str
    primary: tuple[str, ...]
    cdn: tuple[str, ...] = ()
    widget: tuple[str, ...] = ()
    push: tuple[str, ...] = ()
    quic: float = 0.0  # share of connections over QUIC
    alias: dict[str, str] = field(default_factory=dict)  # CNAME targets


def _service(
    name: str,
    kind: str,
    action: str,
    primary: str,
    cdn: str = "",
    widget: str = "",
    push: str = "",
    quic: float = 0.0,
    alias: str = "",
) -> ServiceHosts:
    hosts, pictures, buttons, wires = (tuple(part.split()) for part in (primary, cdn, widget, push))
    pairs = {host: alias for host in hosts if alias}
    return ServiceHosts(name, kind, action, hosts, pictures, buttons, wires, quic, pairs)


SERVICES: dict[str, ServiceHosts] = {
    s.id: s
    for s in (
        _service("facebook", "social_networking", "tag", "www.facebook.com",
                 "static.xx.fbcdn.net scontent-lhr8-1.xx.fbcdn.net", "connect.facebook.net",
                 "edge-mqtt.facebook.com", 0.5, "star-mini.c10r.facebook.com"),
        _service("instagram", "social_networking", "tag", "www.instagram.com",
                 "static.cdninstagram.com scontent-lhr6-1.cdninstagram.com", "", "", 0.5,
                 "z-p42-instagram.c10r.instagram.com"),
        _service("twitter", "microblog", "tag", "x.com", "abs.twimg.com pbs.twimg.com",
                 "platform.twitter.com syndication.twitter.com"),
        _service("tiktok", "content_sharing", "tag", "www.tiktok.com", "p16-sign-va.tiktokcdn.com", "", "", 0.3,
                 "www.tiktok.com.edgekey.net"),
        _service("reddit", "forum", "tag", "www.reddit.com", "www.redditstatic.com styles.redditmedia.com", "", "",
                 0.3, "reddit.map.fastly.net"),
        _service("pinterest", "bookmarking", "tag", "www.pinterest.co.uk", "i.pinimg.com", "assets.pinterest.com"),
        _service("tumblr", "blog", "tag", "www.tumblr.com", "64.media.tumblr.com"),
        _service("mumsnet", "forum", "tag", "www.mumsnet.com"),
        _service("snapchat", "social_networking", "tag", "web.snapchat.com", "cf-st.sc-cdn.net", "", "", 0.2),
        _service("discord", "chatroom", "tag", "discord.com", "cdn.discordapp.com", "", "gateway.discord.gg"),
        _service("twitch", "content_sharing", "tag", "www.twitch.tv", "static-cdn.jtvnw.net"),
        _service("youtube", "content_sharing", "count_only", "www.youtube.com",
                 "rr3---sn-aigl6nsd.googlevideo.com i.ytimg.com", "", "", 0.8, "youtube-ui.l.google.com"),
        _service("linkedin", "social_networking", "count_only", "www.linkedin.com", "static.licdn.com",
                 "platform.linkedin.com"),
        _service("whatsapp", "chatroom", "count_only", "web.whatsapp.com", "mmg.whatsapp.net", "", "g.whatsapp.net"),
        _service("flickr", "content_sharing", "count_only", "www.flickr.com", "live.staticflickr.com"),
        _service("spotify", "podcast", "count_only", "open.spotify.com", "i.scdn.co"),
        _service("wikipedia", "encyclopaedia", "ignore", "en.wikipedia.org", "upload.wikimedia.org", "", "", 0.0,
                 "dyna.wikimedia.org"),
    )
}  # fmt: skip

# Names the catalogue must not know: the school's own work and machines talking to their makers.
WORK = (
    "www.ysgol-enghraifft.example", "hwb.gov.wales", "login.microsoftonline.com", "outlook.office.com",
    "outlook.office365.com", "teams.microsoft.com", "ysgolenghraifft.sharepoint.com", "res.cdn.office.net",
    "www.google.com", "classroom.google.com", "docs.google.com", "drive.google.com", "mail.google.com",
    "fonts.gstatic.com", "www.gstatic.com", "accounts.google.com", "www.bbc.co.uk", "ichef.bbci.co.uk",
    "www.theguardian.com", "www.gov.wales", "www.wjec.co.uk", "kahoot.it", "www.desmos.com", "www.geogebra.org",
    "app.senecalearning.com", "www.bing.com",
)  # fmt: skip
MACHINE = (
    "settings-win.data.microsoft.com", "v10.events.data.microsoft.com", "slscr.update.microsoft.com",
    "fe3cr.delivery.mp.microsoft.com", "ctldl.windowsupdate.com", "clients4.google.com", "update.googleapis.com",
    "chromeos-ca.gstatic.com", "safebrowsing.googleapis.com", "edge.microsoft.com", "ocsp.digicert.com",
    "time.windows.com",
)  # fmt: skip
UPDATES = ("tlu.dl.delivery.mp.microsoft.com", "dl.google.com")
PHONE = ("gateway.icloud.com", "mask.icloud.com", "play.googleapis.com", "connectivitycheck.gstatic.com")
BLIND = ("dns.google", "cloudflare-ech.com")  # names that say nothing: encrypted DNS, encrypted hello
QUIC_WORK = {"www.google.com", "docs.google.com", "drive.google.com", "mail.google.com", "fonts.gstatic.com",
             "www.gstatic.com", "clients4.google.com", "play.googleapis.com"}  # fmt: skip
SHARED_ADDRESS = {  # two names on one address: only the client's own bytes can tell them apart
    "www.theguardian.com": "www.reddit.com",
    "www.desmos.com": "www.tumblr.com",
    "kahoot.it": "www.mumsnet.com",
}


def quic_hosts() -> set[str]:
    """Every host that may be reached over QUIC."""
    return QUIC_WORK | {h for s in SERVICES.values() if s.quic for h in (*s.primary, *s.cdn)}


def all_hosts() -> list[str]:
    """Every host, sorted, so that addresses do not depend on the order of use."""
    hosts = {h for s in SERVICES.values() for h in (*s.primary, *s.cdn, *s.widget, *s.push)}
    return sorted(hosts | set(WORK) | set(MACHINE) | set(UPDATES) | set(PHONE) | set(BLIND))


def server_addresses(host: str) -> tuple[str, ...]:
    """IPv4 addresses of a host: two for most, one for hosts that share it with another."""
    host = SHARED_ADDRESS.get(host, host)
    number = all_hosts().index(host)
    base = 0xC6120000 + 256 * (number + 1)
    count = 1 if host in SHARED_ADDRESS.values() else 2
    return tuple(".".join(str(base + k + 10 >> s & 255) for s in (24, 16, 8, 0)) for k in range(count))


def server_address6(host: str) -> str:
    """The IPv6 address of a host."""
    return f"2001:db8:ffff:{all_hosts().index(host) + 1:x}::10"
