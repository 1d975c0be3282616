"""The Host of a cleartext HTTP/1 request. The path is never read out, and nothing else of the request is kept.

Bytes in, a `Reading` out (the same type as `sensor.tls`); no I/O, no state, never raises. A request whose target is a
whole URL (as sent to a proxy) is for that URL's authority, whatever its Host says. HTTP/2 over cleartext packs its
headers and gives no name.

Sources: RFC 9110 7.2 (Host), 9.1 (methods), RFC 9112 3 (request line), 3.2.2 (absolute form).
"""

from __future__ import annotations

import re

from sensor.tls import NEED_MORE, NOT_A_HELLO, Reading

MAX_HEAD = 16384
# A method is any token, but those in use (registered ones, UPnP's, Microsoft's) are capitals, "-" and "_".
# Several spaces do for one (RFC 9112 3).
_START = re.compile(
    rb"[A-Z][A-Z_-]{2,19} +(?:[/*]|[hH][tT][tT][pP][sS]?:)"
    rb"|(?:GET|POST|HEAD|PUT|OPTIONS|DELETE|PATCH|CONNECT) +[^ \r\n]"
)
_TARGETS = (b"", b"h", b"ht", b"htt", b"http", b"https")
_METHOD_PART = re.compile(rb"[A-Z][A-Z_-]{0,19}\Z")
_METHOD_ONLY = re.compile(rb"([A-Z][A-Z_-]{2,19}) +([^ ]{0,5})\Z", re.DOTALL)
_REQUEST_LINE = re.compile(rb"[A-Z_-]+ +([^\r\n]{1,8192}) HTTP/1\.[0-9]\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")  # a bare line feed also ends a line (RFC 9112 2.2)
_HOST = re.compile(rb"\r?\nhost[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?\n", re.IGNORECASE)
_AUTHORITY = re.compile(rb"https?://(?:[^/?#@ ]*@)?([^/?#@ ]*)", re.IGNORECASE)


def looks_like_request(data: bytes) -> bool:
    """Could these bytes begin an HTTP/1 request?"""
    if _START.match(data) or _METHOD_PART.match(data):
        return True
    only = _METHOD_ONLY.match(data)
    return bool(only) and only[2].lower() in _TARGETS  # type: ignore[index]


def is_request(data: bytes) -> bool:
    """Do these bytes show that an HTTP/1 request begins here?"""
    return bool(_START.match(data))


def is_connect(data: bytes) -> bool:
    """A CONNECT request: its Host is where the tunnel leads, and a TLS hello may follow inside."""
    return data.startswith(b"CONNECT ")


def read_host(data: bytes) -> Reading:
    """Read the Host of the request at the start of a client's stream."""
    if not looks_like_request(data):
        return NOT_A_HELLO
    head, ended, _ = split_head(data)
    line = _REQUEST_LINE.match(head)
    if not line:
        over = ended or b"\n" in data or len(data) > MAX_HEAD
        return NOT_A_HELLO if over else NEED_MORE
    authority = _AUTHORITY.match(line[1])
    if authority and (name := _without_port(authority[1])):
        return Reading(True, True, name)
    found = _HOST.search(head)
    if found:
        return Reading(True, True, _without_port(found[1]) or None)
    return Reading(True, ended or len(data) > MAX_HEAD)


def split_head(data: bytes) -> tuple[bytes, bool, bytes]:
    """The request's head with its last line end, whether all of it is here, and what follows it."""
    end = _HEAD_END.search(data)
    return (data[: end.start()] + b"\r\n", True, data[end.end() :]) if end else (data, False, b"")


def _without_port(host: bytes) -> bytes:
    if host.startswith(b"["):
        return host[1:].partition(b"]")[0]
    return host.rpartition(b":")[0] if host.count(b":") == 1 else host
