"""The sensor's fixed vocabularies: one word per thing (the same words on the wire, in the store and on the pages).

An enumeration's value is its word; its position is the small code used in columns. Never reorder, only append.
"""

from enum import StrEnum


class Kind(StrEnum):
    """What sort of social medium a service is; the headings of policy clause 2.3."""

    SOCIAL_NETWORKING = "social_networking"
    BLOG = "blog"
    MICROBLOG = "microblog"
    CHATROOM = "chatroom"
    FORUM = "forum"
    PODCAST = "podcast"
    ENCYCLOPAEDIA = "encyclopaedia"
    BOOKMARKING = "bookmarking"
    CONTENT_SHARING = "content_sharing"
    OTHER = "other"


class Role(StrEnum):
    """What a host name of a service is for; only `primary` hosts can show that somebody used the service."""

    PRIMARY = "primary"
    API = "api"
    CDN = "cdn"
    MEDIA = "media"
    AUTH = "auth"
    PUSH = "push"
    WIDGET = "widget"
    ADS = "ads"
    SHARED = "shared"


class Watch(StrEnum):
    """What a wiki's host is watched for. On connections to TEXT, AUTH and CXSERVER hosts uploads are looked for."""

    TEXT = "text"
    AUTH = "auth"
    HCAPTCHA = "hcaptcha"
    CXSERVER = "cxserver"
    UPLOAD_MEDIA = "upload_media"
    BEACON = "beacon"


class Action(StrEnum):
    """What is done with use of a service unless the school says otherwise."""

    TAG = "tag"
    COUNT_ONLY = "count_only"
    IGNORE = "ignore"


class Evidence(StrEnum):
    """How a flow's name is known."""

    NONE = "none"
    SNI = "sni"
    QUIC_SNI = "quic_sni"
    HTTP_HOST = "http_host"
    DNS = "dns"


class Segment(StrEnum):
    """Whose network a client address belongs to."""

    UNKNOWN = "unknown"
    STAFF = "staff"
    PUPIL = "pupil"
    GUEST = "guest"
