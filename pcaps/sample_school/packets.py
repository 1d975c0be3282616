"""Turns flows and exchanges into packets: one row of columns each (flow, time, direction, payload size, shape, flags).

Numpy expands every exchange into its segments and acknowledgements; sequence and acknowledgement numbers come from
running sums per flow in order of time. The `Shelf` keeps the shapes that rows refer to by number.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from random import Random

import numpy as np
import numpy.typing as npt

from pcaps.sample_school import shapes
from pcaps.sample_school.shapes import DATAGRAM, PAYLOADS, Shape
from pcaps.sample_school.wire import ALIASES, DNS, MS, QUIC, SEGMENT, TCP, TTL, Flows, Wire

Ints = npt.NDArray[np.int64]
FIN, SYN, PSH, ACK = 1, 2, 8, 16


class Shelf:
    """All shapes in use, each with a number; builds them when first asked for."""

    def __init__(self, seed: int, aliases: Mapping[str, str] = ALIASES, copies: int = 0) -> None:
        self.rng = Random(f"shapes {seed}")
        self.aliases = aliases
        self.copies = copies  # first flights made for each QUIC host and look; 0: each connection has its own
        self.shapes: list[Shape] = []
        self.numbers: dict[tuple[object, ...], int] = {}
        self.peer = shapes.QuicPeer(self.rng)
        self.cids: dict[int, tuple[bytes, bytes]] = {}  # QUIC connection ids that client and server chose, by flow
        self.flights: dict[tuple[str, str, int], list[tuple[list[int], list[int], tuple[bytes, bytes]]]] = {}
        self.tail = {n: self.rng.randbytes(SEGMENT) for n in range(4)}

    def number(self, key: tuple[object, ...], make: Callable[[], Shape]) -> int:
        if key not in self.numbers:
            self.numbers[key] = len(self.shapes)
            self.shapes.append(make())
        return self.numbers[key]

    def plain(self, family: str, name: str) -> int:
        """A shape that does not depend on a host: syn, ack, head, more, flight, finished, short."""
        payload = {
            "syn": b"", "ack": b"",
            "head": b"\x17\x03\x03\0\0" + self.tail[0][:-5], "more": self.tail[1],
            "finished": b"\x14\x03\x03\0\1\1\x17\x03\x03\0\x35" + self.tail[2][:53],
            "short": b"\x45" + self.tail[3][: DATAGRAM - 1],
        }  # fmt: skip
        fresh = {"more": ((0, 32),), "head": ((5, 37),), "finished": ((11, 64),), "short": ((9, 40),)}

        def make() -> Shape:
            body = shapes.server_hello(self.rng) if name == "flight" else payload[name]
            spans = ((11, 43), (44, 76)) if name == "flight" else fresh.get(name, ())
            frame = shapes.frame(family, body, options=name == "syn")
            bulk = name not in {"syn", "ack", "finished"}
            return Shape(frame, family, bulk, spans, len(frame) - len(body), receiver=1 if name == "short" else 0)

        return self.number((family, name), make)

    def hello(self, family: str, host: str, modern: bool, part: int) -> int:
        """A segment of a TLS hello; the client's random and session id are new in each copy."""

        def make() -> Shape:
            body = shapes.tls_hello(host, modern, Random(f"hello {host} {modern}"))
            body = body[part * SEGMENT : (part + 1) * SEGMENT]
            return Shape(
                shapes.frame(family, body), family, False, () if part else ((11, 43), (44, 76)), PAYLOADS[family]
            )

        return self.number((family, host, modern, part), make)

    def initial(self, family: str, flow: int, host: str, look: int) -> tuple[list[int], list[int]]:
        """The datagrams of both first flights of a QUIC connection; `look` 7 is QUIC v2, 5 and 6 have a long hello."""
        made = self.flights.setdefault((family, host, max(look, 4)), [])
        if 0 < self.copies <= len(made):
            sent, answered, self.cids[flow] = made[flow % len(made)]
            return sent, answered
        sides = self.peer.flights(host, version2=look == 7, long_hello=look in {5, 6})
        found: list[list[int]] = []
        for side in sides:
            found.append(list(range(len(self.shapes), len(self.shapes) + len(side))))
            self.shapes += [Shape(shapes.frame(family, body), family, False, (), PAYLOADS[family]) for body in side]
        self.cids[flow] = sides[0][0][15:23], sides[1][0][15:23]
        made.append((found[0], found[1], self.cids[flow]))
        return found[0], found[1]

    def handshake(self, family: str, version2: bool, size: int) -> int:
        """A QUIC Handshake packet of which only the header is real."""

        def make() -> Shape:
            head = bytes.fromhex("f56b3343cf" if version2 else "e500000001") + b"\x08" + bytes(8)
            head += b"\x08" + bytes(8) + struct.pack("!H", 0x4000 | size - 25)
            body = head + self.tail[1][: size - len(head)]
            return Shape(shapes.frame(family, body), family, True, ((25, 60),), PAYLOADS[family], receiver=6, sender=15)

        return self.number((family, version2, size), make)

    def dns(self, host: str, six: bool, answer: bool, addresses: tuple[str, ...]) -> int:
        kind = "AAAA" if six else "A"

        def make() -> Shape:
            body = shapes.dns_question(host, kind)
            if answer:
                body = shapes.dns_answer(host, kind, self.aliases.get(host, ""), addresses, TTL)
            return Shape(shapes.frame("udp4", body), "udp4", False, (), PAYLOADS["udp4"], dns=True)

        return self.number(("dns", host, kind, answer), make)

    def payload(self, shape: int) -> int:
        return len(self.shapes[shape].frame) - self.shapes[shape].header


class Packets:
    """Columns of packets under construction: parts are appended, `joined` puts them together."""

    def __init__(self) -> None:
        self.parts: list[tuple[Ints, ...]] = []

    def add(
        self, flow: Ints, at: Ints, down: int | Ints, size: int | Ints, shape: int | Ints, flags: int | Ints
    ) -> None:
        wide = [np.broadcast_to(np.asarray(c, np.int64), flow.shape) for c in (flow, at, down, size, shape, flags)]
        self.parts.append(tuple(wide))

    def joined(self) -> tuple[Ints, ...]:
        return tuple(np.concatenate(column) for column in zip(*self.parts, strict=True))


def _families(flows: Flows) -> tuple[npt.NDArray[np.bool_], Ints]:
    six = np.array([":" in c for c in flows.client], bool)
    return six, np.array(flows.kind, np.int64)


def _by_family(shelf: Shelf, six: npt.NDArray[np.bool_], transport: str, name: str) -> Ints:
    return np.where(six, shelf.plain(transport + "6", name), shelf.plain(transport + "4", name))


def packets(wire: Wire, shelf: Shelf) -> tuple[Ints, ...]:
    """All packets of the wire: flow, time, direction (1 = from the server), payload size, shape, TCP flags."""
    flows, out = wire.flows, Packets()
    six, kind = _families(flows)
    start, end, rtt = (np.array(c, np.int64) for c in (flows.start, flows.end, flows.rtt))
    headless = np.array(flows.headless, bool)
    tcp = np.flatnonzero((kind == TCP) & ~headless)
    s, r, v6 = start[tcp], rtt[tcp], six[tcp]
    out.add(tcp, s, 0, 0, _by_family(shelf, v6, "tcp", "syn"), SYN)
    out.add(tcp, s + r, 1, 0, _by_family(shelf, v6, "tcp", "syn"), SYN | ACK)
    out.add(tcp, s + r + MS, 0, 0, _by_family(shelf, v6, "tcp", "ack"), ACK)
    _hellos(tcp, s + r + MS * 13 // 10, wire, shelf, six, out)
    reply = s + 2 * r + 4 * MS
    out.add(tcp, reply, 1, SEGMENT, _by_family(shelf, v6, "tcp", "flight"), ACK)
    out.add(tcp, reply + 100_000, 1, SEGMENT, _by_family(shelf, v6, "tcp", "more"), ACK)
    out.add(tcp, reply + 200_000, 1, 880, _by_family(shelf, v6, "tcp", "more"), ACK | PSH)
    out.add(tcp, reply + 700_000, 0, 0, _by_family(shelf, v6, "tcp", "ack"), ACK)
    out.add(tcp, reply + 2 * MS, 0, 64, _by_family(shelf, v6, "tcp", "finished"), ACK | PSH)
    out.add(tcp, reply + 2 * MS + r, 1, 510, _by_family(shelf, v6, "tcp", "head"), ACK | PSH)
    over = np.flatnonzero((kind == TCP) & (end > 0))
    ack = _by_family(shelf, six[over], "tcp", "ack")
    out.add(over, end[over], 0, 0, ack, FIN | ACK)
    out.add(over, end[over] + rtt[over], 1, 0, ack, FIN | ACK)
    out.add(over, end[over] + rtt[over] + MS, 0, 0, ack, ACK)
    over = np.flatnonzero((kind == QUIC) & (end > 0))
    out.add(over, end[over], 0, 42, _by_family(shelf, six[over], "udp", "short"), 0)
    _quic(np.flatnonzero(kind == QUIC), wire, shelf, six, out)
    asked = np.flatnonzero(kind == DNS)
    for down in (0, 1):
        shapes_of = np.array([_dns_shape(wire, shelf, int(flow), bool(down)) for flow in asked], np.int64)
        size = np.array([shelf.payload(n) for n in range(len(shelf.shapes))], np.int64)
        out.add(asked, start[asked] + down * rtt[asked], down, size[shapes_of], shapes_of, 0)
    _exchanged(wire, shelf, six, kind, rtt, out)
    return out.joined()


def _dns_shape(wire: Wire, shelf: Shelf, flow: int, answer: bool) -> int:
    host, of_six = wire.flows.host[flow], bool(wire.flows.look[flow])
    addresses = (wire.address6[host],) if of_six else wire.addresses[host]
    return shelf.dns(host, of_six, answer, addresses)


def _hellos(tcp: Ints, at: Ints, wire: Wire, shelf: Shelf, six: npt.NDArray[np.bool_], out: Packets) -> None:
    """The client's hello: in one segment, or with a post-quantum share in two, sometimes in the wrong order."""
    flows = wire.flows
    first = np.array(
        [shelf.hello("tcp6" if six[f] else "tcp4", flows.hello[f], flows.look[f] < 3, 0) for f in tcp], np.int64
    )
    size = np.array([shelf.payload(n) for n in range(len(shelf.shapes))], np.int64)
    out.add(tcp, at, 0, size[first], first, np.where(size[first] == SEGMENT, ACK, ACK | PSH))
    split = np.flatnonzero(size[first] == SEGMENT)
    rest = np.array([shelf.hello("tcp6" if six[f] else "tcp4", flows.hello[f], True, 1) for f in tcp[split]], np.int64)
    size = np.array([shelf.payload(n) for n in range(len(shelf.shapes))], np.int64)
    out.add(tcp[split], at[split] + 30_000, 0, size[rest], rest, ACK | PSH)


def _quic(quic: Ints, wire: Wire, shelf: Shelf, six: npt.NDArray[np.bool_], out: Packets) -> None:
    """First flights as aioquic made them, then handshake packets of which only the size matters."""
    flows, rows = wire.flows, list[tuple[int, int, int, int]]()
    for flow in quic.tolist():
        family = "udp6" if six[flow] else "udp4"
        sent, answered = shelf.initial(family, flow, flows.hello[flow], flows.look[flow])
        at, later = flows.start[flow], flows.start[flow] + flows.rtt[flow]
        rows += [(flow, at + n * 60_000, 0, shape) for n, shape in enumerate(sent)]
        rows += [(flow, later + 2 * MS + n * 60_000, 1, shape) for n, shape in enumerate(answered)]
        for size, down, wait in ((DATAGRAM, 1, 3), (740, 1, 4), (92, 0, 7)):
            rows.append((flow, later + wait * MS, down, shelf.handshake(family, flows.look[flow] == 7, size)))
    if rows:
        flow, when, down, shape = np.array(rows, np.int64).T
        sizes = np.array([shelf.payload(n) for n in range(len(shelf.shapes))], np.int64)
        out.add(flow, when, down, sizes[shape], shape, 0)


def _exchanged(wire: Wire, shelf: Shelf, six: npt.NDArray[np.bool_], kind: Ints, rtt: Ints, out: Packets) -> None:
    """Requests, answers and the acknowledgements between them."""
    e = wire.exchanges
    flow, at, up, down, delay = (np.array(c, np.int64) for c in (e.flow, e.at, e.up, e.down, e.delay))
    udp = kind[flow] == QUIC
    largest = np.where(udp, wire.segment // SEGMENT * DATAGRAM, wire.segment)
    up, down = (
        t + np.where(udp & (t > 0) & (t % DATAGRAM < 40), 40, 0) for t in (up, down)
    )  # no QUIC packet is smaller

    def spread(total: Ints, first_at: Ints, step: int, direction: int) -> None:
        count = -(-total // largest)
        row = np.repeat(np.arange(len(flow)), count)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        size = np.minimum(largest[row], total[row] - nth * largest[row])
        shape = np.where(
            nth == 0, _by_family(shelf, six[flow[row]], "tcp", "head"), _by_family(shelf, six[flow[row]], "tcp", "more")
        )
        shape = np.where(udp[row], _by_family(shelf, six[flow[row]], "udp", "short"), shape)
        last = nth == count[row] - 1
        when = first_at[row] + nth * step
        out.add(flow[row], when, direction, size, shape, np.where(last, ACK | PSH, ACK))
        if direction == 0:
            quiet = np.flatnonzero(down == 0)
            out.add(flow[quiet], at[quiet] + rtt[flow[quiet]], 1, np.where(udp[quiet], 34, 0),
                    np.where(udp[quiet], _by_family(shelf, six[flow[quiet]], "udp", "short"),
                             _by_family(shelf, six[flow[quiet]], "tcp", "ack")), ACK)  # fmt: skip
            return
        every = np.where(udp[row], 8, 2)
        acks = np.flatnonzero((nth % every == every - 1) | last)
        tcp_ack, quic_ack = (
            _by_family(shelf, six[flow[row[acks]]], "tcp", "ack"),
            _by_family(shelf, six[flow[row[acks]]], "udp", "short"),
        )
        over = udp[row[acks]]
        out.add(flow[row[acks]], when[acks] + 90_000, 0, np.where(over, 36, 0), np.where(over, quic_ack, tcp_ack), ACK)

    spread(up, at, 40_000, 0)
    spread(down, at + delay, 130_000, 1)


def numbered(columns: tuple[Ints, ...], wire: Wire, rng: np.random.Generator) -> tuple[Ints, Ints, tuple[Ints, ...]]:
    """Sequence and acknowledgement numbers of TCP packets; swaps the hello segments that shall arrive out of order."""
    order = np.lexsort((columns[1], columns[0]))
    flow, at, down, size, shape, flags = (c[order] for c in columns)
    moves = size + ((flags & (SYN | FIN)) != 0)
    begin = np.flatnonzero(np.r_[True, flow[1:] != flow[:-1]])
    own = np.cumsum(np.r_[True, flow[1:] != flow[:-1]]) - 1
    start = rng.integers(0, 2**32, (2, len(begin)))
    sums = []
    for direction in (0, 1):
        moved = np.where(down == direction, moves, 0)
        before = np.cumsum(moved) - moved
        sums.append(start[direction][own] + before - before[begin][own])
    seq = np.where(down == 1, sums[1], sums[0]) & 0xFFFFFFFF
    ack = np.where(down == 1, sums[0], sums[1]) & 0xFFFFFFFF
    ack[(flags & SYN != 0) & (flags & ACK == 0)] = 0
    swapped = np.array(wire.flows.swapped, bool)[flow]
    first = np.flatnonzero(swapped & (size == SEGMENT) & (down == 0) & (np.r_[size[1:], 0] > 0) & (flags == ACK))
    first = first[(flow[first] == flow[first + 1]) & (down[first + 1] == 0) & (at[first + 1] - at[first] == 30_000)]
    at[first], at[first + 1] = at[first + 1].copy(), at[first].copy()
    return seq, ack, (flow, at, down, size, shape, flags)
