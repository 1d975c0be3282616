"""The Host of HTTP/1 requests: cut anywhere, oddly written, or not requests at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.http import MAX_HEAD, METHODS, is_connect, looks_like_request, read_host
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


@pytest.mark.parametrize("method", METHODS)
def test_every_method(method: bytes) -> None:
    request = method + b" / HTTP/1.0\r\nHost: www.one.example\r\n\r\n"
    assert read_host(request).name == b"www.one.example"
    assert looks_like_request(request[:3])
    assert is_connect(request) == (method == b"CONNECT")


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
        b"GETTING / HTTP/1.1\r\nHost: www.one.example\r\n\r\n",
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
