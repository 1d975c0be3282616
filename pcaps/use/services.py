"""The services' own pages: what Facebook, X, YouTube and the others ask for; see pcaps.use.pages."""

from __future__ import annotations

from pcaps.use.pages import KB, Page, assets, every, q, socket

_FB_GRAPH = ("www.facebook.com", "/api/graphql/")
SCONTENT = "scontent-lhr8-1.xx.fbcdn.net"
FACEBOOK: Page = {
    "service": "facebook",
    "url": "https://www.facebook.com/",
    "html": 140 * KB,
    "cookies": [".facebook.com", 620],
    "assets": assets("static.xx.fbcdn.net", 90, 160, 60, 120, 45),
    "boot": [
        q(*_FB_GRAPH, (8, 60), (1.8, 3.5), (2, 4)),
        q(SCONTENT, "/v/t39.30808-6/", (8, 70), n=(5, 9), query=420, how="img"),
        q("www.facebook.com", "/ajax/bz", (0.1, 0.2), (2, 6), p=0.8),
    ],
    "acts": {
        "scroll": [
            q(*_FB_GRAPH, (12, 80), (1.9, 3.2), p=0.6),
            q(SCONTENT, "/v/t39.30808-6/", (6, 60), n=(1, 4), query=420, how="img"),
            q("www.facebook.com", "/ajax/bnzai", (0.1, 0.2), (0.9, 4), how="beacon", p=0.5),
        ],
        "open": [
            q(*_FB_GRAPH, (10, 70), (1.9, 3.5), (1, 3)),
            q(SCONTENT, "/v/t39.30808-6/", (15, 160), n=(1, 3), query=420, how="img"),
        ],
        "like": [q(*_FB_GRAPH, (1, 4), (2, 3))],
        "type": [q(*_FB_GRAPH, (0.3, 0.9), (1.8, 2.6), p=0.5)],
        "send": [q(*_FB_GRAPH, (2, 9), (2.2, 3.6))],
    },
    "idle": [
        every(35, 90, q("www.facebook.com", "/ajax/bnzai", (0.1, 0.2), (0.8, 3.5), how="beacon"), slower=1.5),
        every(58, 65, q(*_FB_GRAPH, (0.6, 3), (1.9, 2.5)), slower=2),
        every(240, 420, q(*_FB_GRAPH, (8, 50), (1.9, 2.9)), q(SCONTENT, "/v/t39/", (3, 30), n=(0, 3), how="img")),
    ],
    "sockets": [socket("wss://edge-chat.facebook.com/chat", 10, (8, 60), (20, 700))],
}
FACEBOOK_CHAT: Page = FACEBOOK | {
    "url": "https://www.facebook.com/messages/t/100",
    "boot": [q(*_FB_GRAPH, (8, 60), (1.8, 3.5), (2, 3)), q(SCONTENT, "/v/t1.15752/", (2, 12), n=(6, 14), how="img")],
}

_X = "x.com"
TWITTER: Page = {
    "service": "twitter",
    "url": "https://x.com/home",
    "html": 60 * KB,
    "cookies": [".x.com", 480],
    "assets": assets("abs.twimg.com", 190, 110, 70, 40),
    "boot": [
        q(_X, "/i/api/graphql/HomeTimeline", (30, 90), query=2300),
        q(_X, "/i/api/1.1/account/settings.json", (1, 3), n=(3, 6), query=700),
        q("api.x.com", "/1.1/hashflags.json", (4, 20), n=(1, 2)),
        q("pbs.twimg.com", "/media/", (10, 80), n=(4, 9), how="img"),
    ],
    "acts": {
        "scroll": [
            q(_X, "/i/api/graphql/HomeTimeline", (25, 80), query=2300, p=0.4),
            q("pbs.twimg.com", "/media/", (8, 80), n=(1, 4), how="img"),
            q(_X, "/i/api/1.1/jot/client_event.json", (0.1, 0.2), (1, 5), p=0.5),
            q("video.twimg.com", "/amplify_video/", (80, 500), n=(1, 2), p=0.12),
        ],
        "open": [
            q(_X, "/i/api/graphql/TweetDetail", (15, 70), query=2500),
            q("pbs.twimg.com", "/profile_images/", (1, 5), n=(3, 12), how="img"),
        ],
        "like": [q(_X, "/i/api/graphql/FavoriteTweet", (0.3, 0.5), (0.2, 0.4), query=60)],
        "type": [q(_X, "/i/api/1.1/search/typeahead.json", (1, 6), query=500, p=0.3)],
        "send": [q(_X, "/i/api/graphql/CreateTweet", (2, 6), (1.2, 2.2))],
    },
    "idle": [
        every(30, 33, q(_X, "/i/api/2/badge_count/badge_count.json", (0.3, 0.5), query=120), slower=2),
        every(60, 120, q(_X, "/i/api/1.1/jot/client_event.json", (0.1, 0.2), (0.8, 3)), slower=2),
        every(150, 280, q(_X, "/i/api/graphql/HomeTimeline", (15, 60), query=2300), when="visible"),
        every(20, 40, q("api.x.com", "/live_pipeline/update_subscriptions", (0.2, 0.4), (0.2, 0.5)), when="visible"),
    ],
    "hold": [q("api.x.com", "/live_pipeline/events", (0.2, 0.6))],
    "worker": True,
}

YT = "www.youtube.com"
YT_LOG = q(YT, "/youtubei/v1/log_event", (0.1, 0.2), (1.5, 9))
YOUTUBE: Page = {
    "service": "youtube",
    "url": "https://www.youtube.com/watch?v=abcdefghijk",
    "html": 190 * KB,
    "cookies": [".youtube.com", 700],
    "assets": assets(YT, 260, 420, 40),
    "boot": [
        q("i.ytimg.com", "/vi/", (4, 28), n=(8, 18), how="img"),
        q("yt3.ggpht.com", "/ytc/", (1, 4), n=(4, 10), how="img"),
        q(YT, "/youtubei/v1/next", (30, 120), (2.5, 4)),
        q(YT, "/youtubei/v1/guide", (4, 12), (1.5, 2.5)),
        YT_LOG,
    ],
    "acts": {
        "scroll": [
            q(YT, "/youtubei/v1/next", (20, 90), (3, 5), p=0.4),
            q("i.ytimg.com", "/vi/", (4, 28), n=(0, 8), how="img"),
            q("yt3.ggpht.com", "/ytc/", (1, 4), n=(0, 10), how="img"),
        ],
        "open": [
            q(YT, "/youtubei/v1/player", (20, 60), (3, 6)),
            q(YT, "/youtubei/v1/next", (40, 140), (2.5, 5)),
            q("i.ytimg.com", "/vi/", (4, 28), n=(6, 16), how="img"),
        ],
        "like": [q(YT, "/youtubei/v1/like/like", (0.8, 2), (1.5, 3))],
        "type": [q("suggestqueries-clients6.youtube.com", "/complete/search", (0.4, 0.9), query=260, p=0.6)],
        "send": [q(YT, "/youtubei/v1/comment/create_comment", (4, 9), (2, 4))],
    },
    "video": {
        "host": "rr{n}---sn-aigl6nzr.googlevideo.com",
        "path": "/videoplayback",
        "query": 1100,
        "chunk": [4.5, 9],
        "beacons": [
            every(10, 42, q(YT, "/api/stats/watchtime", (0, 0.1), query=1300)),
            every(25, 70, q(YT, "/api/stats/qoe", (0, 0.1), (0.3, 1.2), query=900)),
            every(12, 35, YT_LOG),
        ],
    },
    "idle": [
        every(28, 75, YT_LOG, slower=2),
        every(280, 320, q(YT, "/youtubei/v1/notification/get_unseen_count", (0.5, 0.9), (1.5, 2.2))),
    ],
    "worker": True,
}

INSTAGRAM: Page = {
    "service": "instagram",
    "url": "https://www.instagram.com/",
    "html": 120 * KB,
    "cookies": [".instagram.com", 420],
    "assets": assets("static.cdninstagram.com", 140, 90, 120, 60),
    "boot": [
        q("www.instagram.com", "/api/graphql", (20, 90), (1.7, 2.9), (2, 3)),
        q("scontent-lhr8-2.cdninstagram.com", "/v/t51.2885-15/", (15, 110), n=(4, 7), query=420, how="img"),
    ],
    "acts": {
        "scroll": [
            q("www.instagram.com", "/graphql/query", (15, 80), (1.7, 2.9), p=0.4),
            q("scontent-lhr8-2.cdninstagram.com", "/v/t51.2885-15/", (15, 110), n=(1, 3), query=420, how="img"),
            q("www.instagram.com", "/ajax/bz", (0.1, 0.2), (1, 4), p=0.4),
            q("scontent-lhr8-2.cdninstagram.com", "/o1/v/t16/", (120, 500), query=700, p=0.2),
        ],
        "open": [
            q("www.instagram.com", "/graphql/query", (8, 40), (1.7, 2.9), (1, 2)),
            q("scontent-lhr8-2.cdninstagram.com", "/v/t51.2885-15/", (15, 110), n=(1, 4), query=420, how="img"),
        ],
        "like": [q("www.instagram.com", "/graphql/query", (0.5, 1.5), (1.7, 2.4))],
        "type": [q("www.instagram.com", "/web/search/topsearch/", (2, 9), query=200, p=0.3)],
        "send": [q("www.instagram.com", "/graphql/query", (1, 4), (1.8, 2.6))],
    },
    "idle": [
        every(40, 100, q("www.instagram.com", "/ajax/bz", (0.1, 0.2), (0.9, 3.5), how="beacon"), slower=1.5),
        every(85, 130, q("www.instagram.com", "/api/graphql", (0.5, 2.5), (1.7, 2.4)), slower=1.5),
    ],
    "sockets": [socket("wss://edge-chat.instagram.com/chat", 10, (15, 90), (20, 500))],
}

_TT = "www.tiktok.com"
TIKTOK: Page = {
    "service": "tiktok",
    "url": "https://www.tiktok.com/foryou",
    "html": 90 * KB,
    "cookies": [".tiktok.com", 520],
    "assets": assets("sf16-website-login.neutral.ttwstatic.com", 200, 140, 90),
    "boot": [
        q(_TT, "/api/recommend/item_list/", (30, 110), query=1500),
        q(_TT, "/api/user/settings/", (1, 4), n=(1, 3), query=1300),
        q("p16-sign-va.tiktokcdn.com", "/obj/", (10, 50), n=(3, 6), how="img"),
        q("v16-webapp-prime.tiktok.com", "/video/tos/", (300, 900), query=700),
    ],
    "acts": {
        "scroll": [
            q("v16-webapp-prime.tiktok.com", "/video/tos/", (300, 1100), query=700, n=(1, 1)),
            q(_TT, "/api/recommend/item_list/", (25, 100), query=1500, p=0.25),
            q("p16-sign-va.tiktokcdn.com", "/obj/", (8, 40), n=(0, 2), how="img"),
            q("mcs-ie.tiktokw.eu", "/v1/list", (0.1, 0.2), (2, 9), p=0.8),
        ],
        "open": [
            q(_TT, "/api/comment/list/", (8, 30), query=1400),
            q("p16-sign-va.tiktokcdn.com", "/obj/", (1, 5), n=(5, 15), how="img"),
        ],
        "like": [q(_TT, "/api/commit/item/digg/", (0.2, 0.5), (0.1, 0.2), query=1400)],
        "type": [q(_TT, "/api/search/general/preview/", (1, 3), query=1300, p=0.4)],
        "send": [q(_TT, "/api/comment/publish/", (0.6, 1.2), (0.1, 0.3), query=1500)],
    },
    "idle": [
        every(30, 32, q("mcs-ie.tiktokw.eu", "/v1/list", (0.1, 0.2), (1, 4))),
        every(55, 70, q(_TT, "/api/inbox/notice_count/", (0.3, 0.6), query=1300), slower=2),
        every(110, 240, q("mssdk-i18n.tiktok.com", "/web/report", (0.2, 0.6), (2, 7)), slower=1.5),
    ],
}

REDDIT: Page = {
    "service": "reddit",
    "url": "https://www.reddit.com/r/Teachers/",
    "html": 170 * KB,
    "cookies": [".reddit.com", 450],
    "assets": assets("www.redditstatic.com", 80, 60, 120, 30),
    "boot": [
        q("preview.redd.it", "/", (12, 80), n=(1, 5), query=120, how="img"),
        q("styles.redditmedia.com", "/", (2, 12), n=(2, 6), how="img"),
        q("www.reddit.com", "/svc/shreddit/events", (0.1, 0.2), (2, 9)),
        q("www.reddit.com", "/svc/shreddit/partial/", (2, 20), n=(1, 3)),
    ],
    "acts": {
        "scroll": [
            q("www.reddit.com", "/svc/shreddit/community-more-posts/", (40, 130), query=300, p=0.35),
            q("preview.redd.it", "/", (12, 90), n=(0, 3), query=120, how="img"),
            q("www.reddit.com", "/svc/shreddit/events", (0.1, 0.2), (1.5, 9), p=0.5),
        ],
        "open": [
            q("www.reddit.com", "/r/Teachers/comments/", (40, 160)),
            q("styles.redditmedia.com", "/", (2, 8), n=(0, 5), how="img"),
            q("www.reddit.com", "/svc/shreddit/events", (0.1, 0.2), (2, 9)),
        ],
        "like": [q("www.reddit.com", "/svc/shreddit/graphql", (0.3, 0.6), (0.3, 0.6))],
        "type": [q("www.reddit.com", "/svc/shreddit/search-typeahead", (1, 8), query=90, p=0.3)],
        "send": [q("www.reddit.com", "/svc/shreddit/create-comment", (3, 9), (0.7, 2))],
    },
    "idle": [
        every(45, 150, q("www.reddit.com", "/svc/shreddit/events", (0.1, 0.2), (1, 5)), slower=2),
        every(118, 124, q("www.reddit.com", "/svc/shreddit/notifications-count", (0.4, 1.2))),
    ],
    "sockets": [socket("wss://gql-realtime.reddit.com/query", 30, (20, 120), (40, 300))],
}

DISCORD: Page = {
    "service": "discord",
    "url": "https://discord.com/channels/1/2",
    "html": 25 * KB,
    "cookies": [".discord.com", 260],
    "assets": assets("discord.com", 240, 180, 120, 60),
    "boot": [
        q("discord.com", "/api/v9/channels/1/messages", (8, 40)),
        q("discord.com", "/api/v9/science", (0.1, 0.2), (1, 6)),
        q("cdn.discordapp.com", "/avatars/", (2, 10), n=(5, 14), how="img"),
    ],
    "acts": {
        "scroll": [
            q("discord.com", "/api/v9/channels/1/messages", (8, 40), query=60, p=0.5),
            q("cdn.discordapp.com", "/avatars/", (2, 10), n=(0, 5), how="img"),
            q("media.discordapp.net", "/attachments/", (20, 140), n=(0, 2), how="img"),
        ],
        "open": [
            q("discord.com", "/api/v9/channels/2/messages", (8, 40), query=60),
            q("discord.com", "/api/v9/channels/2/ack", (0.1, 0.2), (0.1, 0.2)),
            q("cdn.discordapp.com", "/avatars/", (2, 10), n=(0, 8), how="img"),
        ],
        "like": [q("discord.com", "/api/v9/channels/1/reactions/", (0.1, 0.2), (0.1, 0.2), query=200)],
        "type": [q("discord.com", "/api/v9/channels/1/typing", (0.1, 0.2), (0.1, 0.2), p=0.4)],
        "send": [q("discord.com", "/api/v9/channels/1/messages", (0.8, 2), (0.2, 0.7))],
    },
    "idle": [every(70, 240, q("discord.com", "/api/v9/science", (0.1, 0.2), (0.8, 5)))],
    "sockets": [socket("wss://gateway.discord.gg/", 41.25, (4, 40), (150, 2500))],
}

_LI = "www.linkedin.com"
LINKEDIN: Page = {
    "service": "linkedin",
    "url": "https://www.linkedin.com/feed/",
    "html": 150 * KB,
    "cookies": [".linkedin.com", 650],
    "assets": assets("static.licdn.com", 160, 120, 80),
    "boot": [
        q(_LI, "/voyager/api/graphql", (8, 60), n=(2, 4), query=400),
        q("media.licdn.com", "/dms/image/", (6, 60), n=(4, 9), query=120, how="img"),
    ],
    "acts": {
        "scroll": [
            q(_LI, "/voyager/api/graphql", (15, 70), query=400, p=0.5),
            q("media.licdn.com", "/dms/image/", (6, 60), n=(1, 4), query=120, how="img"),
            q(_LI, "/li/track", (0.1, 0.2), (2, 9), p=0.6),
        ],
        "open": [q(_LI, "/voyager/api/graphql", (8, 50), n=(1, 3), query=400)],
        "like": [q(_LI, "/voyager/api/graphql", (0.5, 1), (0.3, 0.6), query=120)],
        "type": [q(_LI, "/voyager/api/graphql", (1, 4), query=400, p=0.3)],
        "send": [q(_LI, "/voyager/api/graphql", (2, 6), (0.8, 1.8), query=120)],
    },
    "idle": [
        every(30, 95, q(_LI, "/li/track", (0.1, 0.2), (1, 6)), slower=1.5),
        every(60, 62, q(_LI, "/realtime/realtimeFrontendClientConnectivityTracking", (0.1, 0.2), (0.5, 0.9))),
    ],
    "hold": [q(_LI, "/realtime/connect", (0.2, 0.9))],
}

_PI = "www.pinterest.co.uk"
PINTEREST: Page = {
    "service": "pinterest",
    "url": "https://www.pinterest.co.uk/",
    "html": 130 * KB,
    "cookies": [".pinterest.co.uk", 520],
    "assets": assets("s.pinimg.com", 150, 110, 60),
    "boot": [
        q(_PI, "/resource/UserHomefeedResource/get/", (20, 70), query=600),
        q("i.pinimg.com", "/236x/", (6, 40), n=(8, 16), how="img"),
    ],
    "acts": {
        "scroll": [
            q(_PI, "/resource/UserHomefeedResource/get/", (20, 70), query=900, p=0.4),
            q("i.pinimg.com", "/236x/", (6, 40), n=(2, 8), how="img"),
            q("trk.pinterest.com", "/v3/", (0.1, 0.2), (1, 6), p=0.5),
        ],
        "open": [q(_PI, "/resource/PinResource/get/", (6, 20), query=500), q("i.pinimg.com", "/736x/", (30, 160))],
        "like": [q(_PI, "/resource/RepinResource/create/", (1, 3), (0.4, 0.8))],
        "type": [q(_PI, "/resource/AdvancedTypeaheadResource/get/", (1, 4), query=400, p=0.5)],
        "send": [q(_PI, "/resource/AggregatedCommentResource/create/", (1, 3), (0.5, 1))],
    },
    "idle": [
        every(60, 75, q(_PI, "/resource/NewsHubBadgeResource/get/", (0.8, 1.4), query=300), slower=2),
        every(90, 200, q(_PI, "/resource/UserRegisterTrackActionResource/update/", (0.5, 1), (0.8, 3))),
    ],
}

SERVICES: dict[str, Page] = {
    p["service"]: p for p in (FACEBOOK, TWITTER, YOUTUBE, INSTAGRAM, TIKTOK, REDDIT, DISCORD, LINKEDIN, PINTEREST)
}
WIKIPEDIA: Page = {
    "service": "wikipedia",
    "url": "https://en.wikipedia.org/wiki/Cwmbran",
    "html": 70 * KB,
    "cookies": [".wikipedia.org", 200],
    "assets": assets("en.wikipedia.org", 60, 45, 20),
    "boot": [q("upload.wikimedia.org", "/wikipedia/commons/thumb/", (4, 50), n=(1, 8), how="img")],
    "acts": {
        "scroll": [q("upload.wikimedia.org", "/wikipedia/commons/thumb/", (4, 50), n=(0, 3), how="img")],
        "open": [q("en.wikipedia.org", "/api/rest_v1/page/summary/", (1, 4), n=(1, 3))],
        "type": [q("en.wikipedia.org", "/w/rest.php/v1/search/title", (1, 5), query=60, p=0.7)],
    },
}
