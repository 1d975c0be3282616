"""Fuzz target: the TLS readers, `tls.read_stream` and `tls.read_hello`, on the bytes as they are.

A name once given stays the name however many bytes follow, "complete" is final, and a name lies in the handshake.
"""

from __future__ import annotations

import itertools

from sensor.tls import Reading, read_hello, read_stream
from tests.sensor.building import Talk, bare_hello, client_hello, in_records, pcap, record_of


def seeds() -> list[bytes]:
    hello, long = client_hello("www.one.example"), client_hello("www.two.example", alpn=25)
    return [
        hello,
        client_hello(None),
        client_hello("tls12.one.example", tls12=True),
        in_records(long, 1, 3, 40, 600),
        record_of(bare_hello(b"a.example", padding=40, extensions=b"\x0a\x0a\0\0\0\x0d\0\0")),
        record_of(bare_hello(b"b.example", kind=1)),
        record_of(bare_hello(b"")),
        bare_hello(b"quic.example"),
        hello[:90],
    ]


def handshake_of(data: bytes) -> bytes:
    """The contents of whatever handshake records `data` begins with (a second writing, not the sensor's)."""
    out = b""
    while len(data) >= 5 and data[0] == 22:
        size = int.from_bytes(data[3:5], "big")
        out, data = out + data[5 : 5 + size], data[5 + size :]
    return out


def settled(readings: list[Reading]) -> None:
    """Readings of ever longer beginnings of one stream: none takes back what another has said."""
    for before, after in itertools.pairwise(readings):
        assert not before.complete or after == before, f"{before} was final, then {after}"
        assert before.name is None or after.name == before.name, f"the name changed: {before}, {after}"


def run(data: bytes) -> None:
    if not data:
        return
    lengths = sorted({1, 3, 4, 5, 6, 9, 43, 80, *range(1, len(data), 1 + len(data) // 24), len(data)})
    for read in (read_stream, read_hello):
        readings = [read(data[:n]) for n in lengths if n <= len(data)]
        settled(readings)
        name = readings[-1].name
        assert name is None or (name and name in (handshake_of(data) if read is read_stream else data))
        assert name is None or readings[-1].is_hello


def capture(data: bytes) -> bytes:
    """The input as what a client sends first, in a capture file."""
    return pcap(Talk().open(0).up(0.1, data).packets)
