"""Floods and the honest traffic between them, as blocks of a pcap.

A flood makes frames by the thousand (numpy rows over one template); honest flows are whole conversations whose packets
come at their own pace. `blocks` lays both on one time line: in every millisecond the flood's share, and whatever honest
packets are due. Each honest flow is of one kind: a hello in one segment, in two, in two with 100 ms between them, in
two the wrong way round, QUIC, in IP fragments, or without a hello but with a DNS answer before it.
"""

from __future__ import annotations

import functools
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from tests.sensor.building import (
    SECOND,
    START,
    bare_hello,
    crypto_frame,
    dns_message,
    ethernet,
    initial_packet,
    ip,
    quic_datagrams,
    record_of,
    tcp,
    udp,
)

Rows = npt.NDArray[np.uint8]
Flood = Callable[[npt.NDArray[np.int64]], list[Rows]]  # numbers of flows -> their frames, one array a packet of each

MILLISECOND = SECOND // 1000
SOURCE, TARGET, SOURCE_PORT, TARGET_PORT, TCP_DATA, UDP_DATA = 26, 30, 34, 36, 54, 42  # in an Ethernet frame
ATTACKER, VICTIM = "10.66.0.1", "198.51.100.1"
RESOLVER = "10.20.0.1"
HALF = record_of(bare_hello(b"half.flood.example", padding=900))[:700]


def vary(template: bytes, count: int, **fields: tuple[int, npt.NDArray[np.int64], int]) -> Rows:
    """`count` copies of a frame; each field is (offset, values, width), big-endian."""
    rows = np.tile(np.frombuffer(template, np.uint8), (count, 1))
    for offset, values, width in fields.values():
        for k in range(width):
            rows[:, offset + k] = values >> 8 * (width - 1 - k) & 0xFF
    return rows


def _many(template: bytes, n: npt.NDArray[np.int64]) -> Rows:
    """Flow `n` of many clients: four million have an address of their own, then ports change."""
    source, port = 0x400000 + n % 4_000_000, 1024 + n // 4_000_000
    return vary(template, len(n), source=(SOURCE + 1, source, 3), port=(SOURCE_PORT, port, 2))


def _one(template: bytes, n: npt.NDArray[np.int64]) -> Rows:
    """Flow `n` of one client, which talks to many servers."""
    return vary(template, len(n), target=(TARGET + 1, 1 + n // 50_000, 3), port=(SOURCE_PORT, 1024 + n % 50_000, 2))


def _syn(n: npt.NDArray[np.int64], port: int = 443) -> Rows:
    return _many(ethernet(tcp(ATTACKER, 1, VICTIM, port, seq=0, flags="S")), n)


def tuples(n: npt.NDArray[np.int64]) -> list[Rows]:
    """A SYN from another address and port each time."""
    return [_syn(n)]


def datagrams(n: npt.NDArray[np.int64]) -> list[Rows]:
    """A UDP datagram from another address and port each time."""
    return [_many(ethernet(udp(ATTACKER, 1, VICTIM, 6881, b"d1:ad2:id20:")), n)]


def half_hellos(n: npt.NDArray[np.int64]) -> list[Rows]:
    """Connections of many clients that stop in the middle of their hello."""
    return [_syn(n), _many(ethernet(tcp(ATTACKER, 1, VICTIM, 443, seq=1, flags="PA", data=HALF)), n)]


def half_hellos_of_one(n: npt.NDArray[np.int64]) -> list[Rows]:
    """The same from one client to many servers."""
    return [
        _one(ethernet(tcp(ATTACKER, 1, VICTIM, 443, seq=0, flags="S")), n),
        _one(ethernet(tcp(ATTACKER, 1, VICTIM, 443, seq=1, flags="PA", data=HALF)), n),
    ]


def fat_half_hellos(n: npt.NDArray[np.int64]) -> list[Rows]:
    """Hellos that grow to their limit and never end: sixteen segments of 1400 bytes each."""
    body = b"\x16\x03\x01\x3f\xff\x01\x00\x3f\xf0\x03\x03" + bytes(1389)
    first = _many(ethernet(tcp(ATTACKER, 1, VICTIM, 443, seq=1, flags="PA", data=body)), n)
    more = [
        _many(ethernet(tcp(ATTACKER, 1, VICTIM, 443, seq=1 + 1400 * k, flags="PA", data=bytes(1400))), n)
        for k in range(1, 11)
    ]
    return [_syn(n), first, *more]


def names(n: npt.NDArray[np.int64]) -> list[Rows]:
    """Whole hellos, each with a name that nobody has had before."""
    frame = ethernet(tcp(ATTACKER, 1, VICTIM, 443, seq=1, flags="PA", data=record_of(bare_hello(b"x" * 200 + b".one"))))
    return [_syn(n), _counted(_many(frame, n), n, frame.index(b"x" * 16))]


def hosts(n: npt.NDArray[np.int64]) -> list[Rows]:
    """HTTP requests, each for another host: names that Python reads, not the kernel."""
    head = b"GET / HTTP/1.1\r\nHost: " + b"x" * 30 + b".flood.example\r\n\r\n"
    frame = ethernet(tcp(ATTACKER, 1, VICTIM, 80, seq=1, flags="PA", data=head))
    return [_syn(n, 80), _counted(_many(frame, n), n, frame.index(b"x" * 16))]


def _counted(rows: Rows, n: npt.NDArray[np.int64], at: int) -> Rows:
    """Write each flow's number into its frame in letters."""
    for k in range(8):
        rows[:, at + k] = ord("a") + (n >> 4 * k & 15)
    return rows


def dns_names(n: npt.NDArray[np.int64]) -> list[Rows]:
    """One client is told a new name for a new address again and again."""
    frame = ethernet(udp(RESOLVER, 53, ATTACKER, 40053, dns_message("x" * 40 + ".flood.example", ["198.51.100.7"])))
    rows = np.tile(np.frombuffer(frame, np.uint8), (len(n), 1))
    for at in (i for i in range(len(frame)) if frame[i : i + 16] == b"x" * 16 and frame[i - 1] == 40):
        _counted(rows, n, at)
    for k in range(4):
        rows[:, len(frame) - 4 + k] = (0x0B000000 + n) >> 8 * (3 - k) & 0xFF
    return [rows]


def quic_garbage(n: npt.NDArray[np.int64]) -> list[Rows]:
    """Long headers of version 1 with garbage inside, another connection id each time."""
    sealed = bytearray(initial_packet(bytes(1100)))
    frame = ethernet(udp(ATTACKER, 1, VICTIM, 443, bytes(sealed)))
    rows = _many(frame, n)
    return [vary_rows(rows, (UDP_DATA + 6, n, 8))]


def vary_rows(rows: Rows, field: tuple[int, npt.NDArray[np.int64], int]) -> Rows:
    offset, values, width = field
    for k in range(width):
        rows[:, offset + k] = values >> 8 * (width - 1 - k) & 0xFF
    return rows


def quic_halves(n: npt.NDArray[np.int64]) -> list[Rows]:
    """Good Initials with the first half of a hello; the other half never comes."""
    sealed = initial_packet(crypto_frame(0, bare_hello(b"half.flood.example", padding=1500)[:1100]))
    return [_many(ethernet(udp(ATTACKER, 1, VICTIM, 443, sealed)), n)]


def fragments(n: npt.NDArray[np.int64]) -> list[Rows]:
    """First fragments of datagrams whose rest never comes."""
    body = udp(ATTACKER, 1, VICTIM, 443, bytes(1400))[20:]
    rows = _many(ethernet(ip(ATTACKER, VICTIM, 17, body, fragment=0x2000)), n)
    return [vary_rows(rows, (18, n & 0xFFFF, 2))]


def nestings(n: npt.NDArray[np.int64]) -> list[Rows]:
    """VLAN tags and tunnels inside each other, deeper than anyone unwraps."""
    inner = tcp(ATTACKER, 1, VICTIM, 443, flags="S")
    for k in range(24):
        inner = ip(ATTACKER, VICTIM, 4, inner) if k % 2 else ip("fd00::1", "fd00::2", 4, inner)
        inner = inner if k % 2 else ip(ATTACKER, VICTIM, 41, inner)
    tagged = ethernet(ip(ATTACKER, VICTIM, 47, b"\0\0\x08\0" * 30 + inner), vlans=[1] * 40)
    return [_many(ethernet(inner), n), _many(tagged, n)]


FLOODS: dict[str, Flood] = {
    f.__name__: f
    for f in (
        tuples, datagrams, half_hellos, half_hellos_of_one, fat_half_hellos, names, hosts, dns_names, quic_garbage,
        quic_halves, fragments, nestings,
    )
}  # fmt: skip
KINDS = ("whole", "split", "slow", "backwards", "quic", "dns", "fragments")
HONEST_NAMES = 50


@functools.cache
def _hello(k: int, before: int) -> bytes:
    """An honest hello whose name comes after so many other bytes."""
    name, extension = b"h%d.one.example" % (k % HONEST_NAMES), struct.pack(">HH", 21, before) + bytes(before)
    return record_of(bare_hello(name, extensions=extension))


def honest(k: int) -> list[tuple[int, bytes]]:
    """Flow `k` as (milliseconds after its start, frame)."""
    client, port, kind = f"10.20.{k // 200 % 200}.{2 + k % 200}", 20_000 + k // 40_000, KINDS[k % len(KINDS)]
    server = f"203.0.113.{1 + k % 200}"
    if kind == "quic":
        return [
            (40 * n, ethernet(udp(client, port, server, 443, d)))
            for n, d in enumerate(quic_datagrams(f"h{k % 4}.one.example", alpn=40))
        ]
    up = functools.partial(tcp, client, port, server, 5222 if kind == "dns" else 443)
    down = functools.partial(tcp, server, 5222 if kind == "dns" else 443, client, port)
    begin = [
        (0, ethernet(up(seq=99, flags="S"))),
        (20, ethernet(down(seq=7, flags="SA"))),
        (21, ethernet(up(seq=100))),
    ]
    hello = _hello(k % HONEST_NAMES, 300 if kind == "whole" else 1700)
    parts = {
        "whole": [(22, 0, hello)],
        "split": [(22, 0, hello[:1400]), (22, 1400, hello[1400:])],
        "slow": [(22, 0, hello[:1400]), (122, 1400, hello[1400:])],
        "backwards": [(22, 1400, hello[1400:]), (24, 0, hello[:1400])],
        "fragments": [],
        "dns": [(22, 0, b"<stream to='one.example'>")],
    }[kind]
    said = [(at, ethernet(up(seq=100 + offset, flags="PA", data=data))) for at, offset, data in parts]
    later = [(900, ethernet(down(seq=8, flags="PA", data=b"d" * 500))), (950, ethernet(up(seq=5000)))]
    if kind == "fragments":
        body = up(seq=100, flags="PA", data=hello)[20:]
        said = [(22, ethernet(ip(client, server, 6, body[:1200], fragment=0x2000)))]
        said.append((23, ethernet(ip(client, server, 6, body[1200:], fragment=150))))
    if kind == "dns":
        message = dns_message("chat.one.example", [server])
        begin = [(0, ethernet(udp(RESOLVER, 53, client, 40053, message))), *((at + 100, f) for at, f in begin)]
        said, later = [(at + 100, f) for at, f in said], [(at + 100, f) for at, f in later]
    return [*begin, *said, *later]


def records(rows: Rows, time: int) -> bytes:
    """Frames as records of a nanosecond pcap, all of one moment."""
    seconds, rest = divmod(time, SECOND)
    size = rows.shape[1]
    head = np.frombuffer(struct.pack("<IIII", seconds, rest, size, size), np.uint8)
    return np.hstack([np.tile(head, (len(rows), 1)), rows]).tobytes()


def blocks(flood: Flood, flows: int, per_ms: int, ratio: int, size: int = 4 << 20) -> Iterator[bytes]:
    """Blocks of records: `flows` of the flood, `per_ms` of them a millisecond, an honest flow after each `ratio`."""
    due: dict[int, list[bytes]] = defaultdict(list)
    begun, ms, out, held = 0, 0, list[bytes](), 0
    last = flows // per_ms + 1
    while ms <= last or due:
        time = START * SECOND + ms * MILLISECOND
        if ms < last:
            for rows in flood(np.arange(ms * per_ms, min(flows, (ms + 1) * per_ms), dtype=np.int64)):
                out.append(records(rows, time))
                held += len(out[-1])
            while begun < (ms + 1) * per_ms // ratio:
                for after, frame in honest(begun):
                    due[ms + after].append(frame)
                begun += 1
        for frame in due.pop(ms, ()):
            seconds, rest = divmod(time, SECOND)
            out.append(struct.pack("<IIII", seconds, rest, len(frame), len(frame)) + frame)
            held += len(out[-1])
        ms += 1
        if held >= size:
            yield b"".join(out)
            out, held = [], 0
    yield b"".join(out)


def honest_flows(flows: int, per_ms: int, ratio: int) -> int:
    """How many honest flows `blocks` begins."""
    return (flows // per_ms + 1) * per_ms // ratio
