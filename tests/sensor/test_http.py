"""The Host of HTTP/1 requests: cut anywhere, oddly written, or not requests at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.http import MAX_HEAD, is_connect, looks_like_request, read_host
from sensor.tls import Reading
from tests.sensor.building import Talk, names

REQUEST = b"GET /private?who=me HTTP/1.1\r\nUser-Agent: x\r\nHost: www.one.example\r\nCookie: secret\r\n\r\nbody"


def test_every_prefix_of_a_request() -> None:
    whole = REQUEST.index(b"\r\nCookie") + 2
    for size in range(1, len(REQUEST)):
        reading = read_host(REQUEST[:size])
        assert reading.is_hello
        assert reading.name == (b"www.one.example" if size >= whole else None), size
        assert reading.complete == (size >= whole), size


METHODS = (
    *(b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE"),
    *(
        b"PROPFIND",
        b"MKCOL",
        b"ACL",
        b"VERSION-CONTROL",
        b"UPDATEREDIRECTREF",
        b"M-SEARCH",
        b"BITS_POST",
        b"RPC_IN_DATA",
    ),
)


@pytest.mark.parametrize("method", METHODS)
def test_every_method(method: bytes) -> None:
    request = method + b" /a HTTP/1.0\r\nHost: www.one.example\r\n\r\n"
    assert read_host(request) == Reading(True, True, b"www.one.example")
    assert all(looks_like_request(request[:size]) for size in range(1, len(request)))
    assert not is_connect(request)
    assert names(Talk(server_port=8000).open(0).up(0.1, request).packets) == [("www.one.example", "http_host", False)]
    cut = Talk(server_port=8000).open(0).up(0.1, request[: len(method) + 1]).up(0.2, request[len(method) + 1 :])
    assert names(cut.packets) == [("www.one.example", "http_host", False)]


def test_connect() -> None:
    request = b"CONNECT www.one.example:443 HTTP/1.1\r\nHost: www.one.example:443\r\n\r\n"
    assert is_connect(request)
    assert read_host(request).name == b"www.one.example"


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (b"http://www.one.example/a?b", b"www.one.example"),
        (b"HTTP://www.one.example:8080", b"www.one.example"),
        (b"http://user:word@www.one.example/", b"www.one.example"),
        (b"https://[2001:db8::1]:8443/", b"2001:db8::1"),
        (b"http:///a", b"proxy.example"),
        (b"*", b"proxy.example"),
        (b"/http://www.two.example/", b"proxy.example"),
    ],
)
def test_a_whole_url_as_target_goes_before_host(target: bytes, name: bytes) -> None:
    """RFC 9112 3.2.2."""
    request = b"GET " + target + b" HTTP/1.1\r\nHost: proxy.example\r\n\r\n"
    assert read_host(request) == Reading(True, True, name)
    talk = Talk(server_port=3128).open(0).up(0.1, request)
    assert names(talk.packets) == [(name.decode(), "http_host", False)]


def test_several_spaces_do_for_one() -> None:
    request = REQUEST.replace(b"GET /", b"GET      /")
    assert read_host(request).name == b"www.one.example"
    assert all(looks_like_request(request[:size]) for size in range(1, len(request)))
    assert names(Talk(server_port=80).open(0).up(0.1, request).packets) == [("www.one.example", "http_host", False)]


def test_http2_over_cleartext_has_no_name_that_we_read() -> None:
    """RFC 9113 3.4: the preface looks like a request of HTTP/2.0."""
    assert read_host(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") == Reading(False, True)


def test_the_first_of_pipelined_requests_counts() -> None:
    assert read_host(REQUEST.replace(b"www.one", b"www.two") + REQUEST).name == b"www.two.example"


@pytest.mark.parametrize(
    "line", [b"EHLO pc.example\r\n", b"AUTH TLS\r\n", b"USER name\r\n", b"HELP\r\n", b"STARTTLS\r\n"]
)
def test_words_of_other_protocols(line: bytes) -> None:
    assert not looks_like_request(line)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"Host: www.one.example", b"www.one.example"),
        (b"HOST:www.one.example  ", b"www.one.example"),
        (b"host :\t www.one.example:8080", b"www.one.example"),
        (b"Host: [2001:db8::1]:8080", b"2001:db8::1"),
        (b"Host: [2001:db8::1]", b"2001:db8::1"),
        (b"Host: 203.0.113.7:80", b"203.0.113.7"),
        (b"Host:", None),
        (b"Host: :80", None),
        (b"X-Host: www.one.example", None),
        (b"Referer: http://h/?\r\n Host: www.one.example", None),  # a folded line goes on with the header before it
    ],
)
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_ways_to_write_it(line: bytes, name: bytes | None, end: bytes) -> None:
    request = end.join([b"GET / HTTP/1.1", b"Accept: */*", line, b"", b""])
    assert read_host(request) == Reading(True, True, name)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_body_is_not_a_head(end: bytes) -> None:
    request = end.join([b"POST / HTTP/1.0", b"Content-Length: 30", b"", b"x=1", b"Host: www.two.example", b"", b""])
    assert read_host(request) == Reading(True, True, None)


def test_the_first_host_counts() -> None:
    assert read_host(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").name == b"a"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nHost: www.one.example\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: www.one.example\r\n\r\n",
        b"GET /\r\nHost: www.one.example\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: www.one.example\r\n\r\n",
        b"\x16\x03\x01",
    ],
)
def test_other_bytes(data: bytes) -> None:
    assert read_host(data) == Reading(False, True)


def test_a_head_without_end() -> None:
    endless = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 4000
    assert read_host(endless[:1000]) == Reading(True, False)
    assert len(endless) > MAX_HEAD
    assert read_host(endless) == Reading(True, True)
    assert read_host(b"GET /" + b"a" * MAX_HEAD + b"a" * 20) == Reading(False, True)


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes(data: bytes, headed: bool) -> None:
    data = b"GET / HTTP/1.1\r\n" + data if headed else data
    name = read_host(data).name
    assert name is None or (name in data and name != b"" and b"\n" not in name)


def test_hosts_on_the_wire() -> None:
    packets = Talk(server_port=8080).open(0).up(0.1, REQUEST).packets
    packets += Talk(client_port=50001).open(1).up(1.1, REQUEST[:40]).up(1.2, REQUEST[40:]).packets
    assert names(packets) == [("www.one.example", "http_host", False)] * 2
    strange = Talk().open(0).up(0.1, b"GET / HTTP/1.1\r\nHost: Www.\xffOne\x01.example\r\n\r\n").packets
    assert names(strange) == [("www.\\xffone\\x01.example", "http_host", False)]
