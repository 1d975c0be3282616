"""Fuzz target: `streams.StreamHello`, the same bytes cut into segments in many ways, in order and out of it.

The first two bytes of the input choose the cut; the rest is the client's stream. However it is cut, repeated and
shuffled, the name is the one of the whole stream, or none while something is missing. Only a hello that follows other
bytes (after STARTTLS, say) may be seen or not, as a segment begins with it or not.
"""

from __future__ import annotations

import random

from sensor.http import read_host
from sensor.streams import StreamHello
from sensor.tls import Reading
from tests.fuzz import tls_hello
from tests.sensor.building import Talk, client_hello, pcap

MAX_STREAM = 6000  # well below what a flow may hold
BASE = 0xFFFFFF00  # sequence numbers wrap on the way


def seeds() -> list[bytes]:
    connect = b"CONNECT two.example:443 HTTP/1.1\r\nHost: two.example:443\r\n\r\n"
    streams = [
        *tls_hello.seeds(),
        b"GET /a HTTP/1.1\r\nUser-Agent: x\r\nHost: three.example\r\n\r\n",
        connect,
        connect + client_hello("www.one.example"),
    ]
    return [bytes([n, 7 * n]) + stream for n, stream in enumerate(streams)]


def cuts(stream: bytes, chance: random.Random) -> list[tuple[int, bytes]]:
    """At most sixty pieces that cover the stream, some of them overlapping, as (offset, bytes)."""
    at, pieces, step = 0, [], chance.choice((1, 20, 100, 500, 1460))
    while at < len(stream):
        size = chance.randint(1, step) if len(pieces) < 40 else len(stream)
        back = chance.choice((0, 0, 0, 1, 30))
        pieces.append((max(0, at - back), stream[max(0, at - back) : at + size]))
        at += size
    if chance.random() < 0.3:
        pieces += chance.sample(pieces, min(5, len(pieces)))
    return pieces


def said(pieces: list[tuple[int, bytes]]) -> Reading:
    """What the reader says at last, fed until it wants no more."""
    reader, reading = StreamHello(BASE), Reading(False, False)
    for offset, piece in pieces:
        reading = reader.feed((BASE + offset) & 0xFFFFFFFF, piece)
        if reading.complete:
            break
    return reading


def later_names(stream: bytes) -> set[bytes | None]:
    """Names of hellos that begin after the stream's first byte."""
    starts = [at for at in range(1, len(stream)) if stream[at : at + 2] == b"\x16\x03"]
    return {said([(0, stream[at:])]).name for at in starts[:200]}


def run(data: bytes) -> None:
    chance, stream = random.Random(data[:2]), data[2 : 2 + MAX_STREAM]
    if not stream:
        return
    whole = said([(0, stream)])
    allowed = {whole.name, None, *later_names(stream)}
    allowed.add(read_host(stream).name)  # what CONNECT says until a hello says more
    pieces = cuts(stream, chance)
    in_order = said(pieces)
    assert in_order.name == whole.name or (not whole.is_hello and in_order.name in allowed), (
        f"whole: {whole}; in order: {in_order}"
    )
    if chance.random() < 0.5:
        chance.shuffle(pieces)
    else:
        pieces.reverse()
    shuffled = said(pieces)
    assert shuffled.name in allowed, f"whole: {whole}; shuffled: {shuffled}"
    few = said(pieces[: len(pieces) // 2])
    assert few.name in allowed, f"whole: {whole}; half of it: {few}"


def capture(data: bytes) -> bytes:
    """The segments on the wire, in the order in which they lie in the stream, as a capture file."""
    talk = Talk().open(0)
    for n, (offset, piece) in enumerate(cuts(data[2 : 2 + MAX_STREAM], random.Random(data[:2]))):
        talk.segment(1 + n, offset, piece)
    return pcap(talk.packets)
