"""Fuzz target: the Host of cleartext HTTP/1 requests, `http.read_host`, on ever longer beginnings of a stream."""

from __future__ import annotations

from sensor.http import read_host
from tests.fuzz.tls_hello import settled
from tests.sensor.building import Talk, pcap


def seeds() -> list[bytes]:
    return [
        b"GET / HTTP/1.1\r\nHost: www.one.example\r\n\r\n",
        b"POST /a?b HTTP/1.0\nuser-agent: x\nHOST:two.example:8080 \n\n{}",
        b"CONNECT three.example:443 HTTP/1.1\r\nHost: three.example:443\r\n\r\n\x16\x03\x01",
        b"HEAD / HTTP/1.1\r\nAccept: */*\r\nhost:\t[2001:db8::7]:80\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\n\r\n",
        b"DELETE /x HTTP/1.1\r\nHost: \r\nHost: again.example\r\n\r\nGET / HTTP/1.1\r\nHost: next.example\r\n\r\n",
    ]


def run(data: bytes) -> None:
    readings = [read_host(data[:n]) for n in range(0, len(data) + 1, 1 + len(data) // 48)]
    readings.append(read_host(data))
    settled([r for r in readings if r.is_hello])
    name = readings[-1].name
    assert name is None or (name and name in data and not set(name) & set(b"\r\n"))


def capture(data: bytes) -> bytes:
    """The input as what a client sends first, in a capture file."""
    return pcap(Talk(server_port=80).open(0).up(0.1, data).packets)
