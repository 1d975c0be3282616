"""The Host of a cleartext HTTP/1 request. The path is never read out, and nothing else of the request is kept.

Bytes in, a `Reading` out (the same type as `sensor.tls`); no I/O, no state, never raises. Source: RFC 9110 7.2, RFC
9112 3.
"""

from __future__ import annotations

import re

from sensor.tls import NEED_MORE, NOT_A_HELLO, Reading

MAX_HEAD = 16384
METHODS = (b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH")
_REQUEST_LINE = re.compile(rb"(?:%s) [^\r\n]{1,8192} HTTP/1\.[01]\r?\n" % b"|".join(METHODS))
_HEAD_END = re.compile(rb"\r?\n\r?\n")  # a bare line feed also ends a line (RFC 9112 2.2)
_HOST = re.compile(rb"\r?\nhost[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?\n", re.IGNORECASE)


def looks_like_request(data: bytes) -> bool:
    """Could these bytes begin an HTTP/1 request?"""
    return any(data.startswith(m + b" ") or (m + b" ").startswith(data) for m in METHODS) and bool(data)


def is_connect(data: bytes) -> bool:
    """A CONNECT request: its Host is where the tunnel leads, and a TLS hello may follow inside."""
    return data.startswith(b"CONNECT ")


def read_host(data: bytes) -> Reading:
    """Read the Host header from the start of a client's stream."""
    if not looks_like_request(data):
        return NOT_A_HELLO
    head, ended, _ = split_head(data)
    if not _REQUEST_LINE.match(head):
        over = ended or b"\n" in data or len(data) > MAX_HEAD
        return NOT_A_HELLO if over else NEED_MORE
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
