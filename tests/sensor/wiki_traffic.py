"""A browser's connection to a wiki, as records with sizes and times, and ways to put it on a wire or to spoil it.

`visit` is the same conversation every time: a page is read, something is uploaded, the answer redirects. What a sensor
says of it must not depend on how the bytes were cut, mixed up or wrapped.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sensor.catalogue import Catalogue, load_catalogue
from sensor.settings import SegmentRule
from sensor.uploadtables import Tables
from sensor.wikicapture import units_of_capture
from tests.sensor.building import CLIENT, SERVER, Packet, bare_hello, ethernet, ns, pcap, record_of, tcp

CATALOGUE = load_catalogue()
ISN, SERVER_ISN = {True: 1000, False: 7000}, 7000
SEGMENT = 1448
SECRET = b"CANARY-TITLE-AND-TEXT "  # what the bodies of all records hold
Spoil = Callable[[list["Segment"]], list["Segment"]]


@dataclass(frozen=True)
class Segment:
    """Bytes of one direction at a place of its stream; `flags` as in TCP."""

    time: float
    up: bool
    offset: int
    data: bytes
    flags: str = "PA"


def data_record(size: int) -> bytes:
    """A record of TLS 1.3 with so many bytes of plaintext."""
    body = (SECRET * (size // len(SECRET) + 2))[: size + 17]
    return b"\x17\x03\x03" + len(body).to_bytes(2, "big") + body


def server_hello(version: bytes = b"\x03\x04") -> bytes:
    """The record with a ServerHello that chooses a version, and ChangeCipherSpec."""
    extensions = b"\x00\x2b\x00\x02" + version if version != b"\x03\x03" else b""
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\x20"
        + bytes(32)
        + b"\x13\x01\x00"
        + len(extensions).to_bytes(2, "big")
        + extensions
    )
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message + b"\x14\x03\x03\x00\x01\x01"


# When, does the client send, plaintext sizes. The upload: headers of 80 B and 6,000 B in one record.
UPLOAD_AT, REPLY, SECOND_UPLOAD_AT = 6.0, 1326, 16.0
VISIT: tuple[tuple[float, bool, tuple[int, ...]], ...] = (
    (0.12, True, (52, 87, 467)),
    (0.15, False, (265, 265, 30)),
    (0.30, False, (15000, 10690, 16340, 14380)),
    (0.90, True, (377, 155, 80, 90, 120, 70, 60)),
    (1.10, False, (13855, 9000)),
    (3.50, True, (139, 113)),
    (3.70, False, (15071, 2411)),
    (UPLOAD_AT, True, (80, 6000)),
    (UPLOAD_AT + 0.03, False, (26,)),
    (UPLOAD_AT + 0.25, False, (REPLY,)),
    (UPLOAD_AT + 0.26, True, (144,)),
    (UPLOAD_AT + 0.45, False, (12384, 4786)),
    (9.00, True, (134,)),
    (9.10, False, (631,)),
    (SECOND_UPLOAD_AT, True, (75, 1500, 20)),
    (SECOND_UPLOAD_AT + 0.2, False, (170,)),
    (20.0, True, (90,)),
    (20.1, False, (5000,)),
)


def visit(name: str = "en.wikipedia.org", version: bytes = b"\x03\x04") -> list[Segment]:
    """The conversation in order, cut as a sender does it: a write is cut into full segments."""
    sent = {True: 0, False: 0}
    out: list[Segment] = []

    def write(time: float, up: bool, data: bytes) -> None:
        for at in range(0, len(data), SEGMENT):
            part = data[at : at + SEGMENT]
            out.append(Segment(time + at / SEGMENT * 1e-5, up, sent[up], part))
            sent[up] += len(part)

    write(0.05, True, record_of(bare_hello(name.encode())))
    write(0.10, False, server_hello(version) + data_record(1136))
    for time, up, sizes in VISIT:
        write(time, up, b"".join(map(data_record, sizes)))
    return out


def packets_of(
    segments: Iterable[Segment], *, port: int = 50000, client: str = CLIENT, opened: bool = True, server_port: int = 443
) -> list[Packet]:
    """The segments as frames, after SYN (at 0.0 s) and SYN/ACK (0.02 s)."""

    def packet(time: float, up: bool, seq: int, flags: str, data: bytes = b"") -> Packet:
        ends = (client, port, SERVER, server_port) if up else (SERVER, server_port, client, port)
        return Packet(ns(time), ethernet(tcp(*ends, seq=seq & 0xFFFFFFFF, flags=flags, data=data)))

    start = [packet(0.0, True, ISN[True], "S"), packet(0.02, False, ISN[False], "SA")] if opened else []
    return [*start, *(packet(s.time, s.up, ISN[s.up] + 1 + s.offset, s.flags, s.data) for s in segments)]


def seen(packets: Iterable[Packet], segments: Sequence[SegmentRule] = (), catalogue: Catalogue = CATALOGUE) -> Tables:
    """What a capture of these packets gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "visit.pcap"
        path.write_bytes(pcap(packets))
        return units_of_capture(path, catalogue=catalogue, segments=segments)


def finals(tables: Tables) -> list[dict[str, Any]]:
    """The last row of each unit, by the time of its opening."""
    rows = [row for row in tables.units.to_pylist() if row["final"]]
    return sorted(rows, key=lambda row: float(row["opened"]))


def shape(row: dict[str, Any]) -> tuple[Any, ...]:
    """What of a unit must not depend on how its bytes came: sizes by direction, and the client's usual ones."""
    up = tuple(size for size in row["rec_size"] if size > 0)
    down = tuple(-size for size in row["rec_size"] if size < 0)
    return up, down, row["p15"], row["p50"], row["p70"], row["p85"], row["client_records"], row["prev_up"]


# -- ways to spoil it ------------------------------------------------------------------------------------------------


def joined(segments: list[Segment]) -> list[Segment]:
    """As GRO does it: what is sent in one direction at one moment becomes one segment."""
    out: list[Segment] = []
    for s in segments:
        last = out[-1] if out else None
        if last and last.up == s.up and s.time - last.time < 0.005 and last.offset + len(last.data) == s.offset:
            out[-1] = replace(last, data=last.data + s.data)
        else:
            out.append(s)
    return out


def cut(segments: list[Segment], size: int) -> list[Segment]:
    """Segments of at most so many bytes."""
    return [
        replace(s, time=s.time + at * 1e-9, offset=s.offset + at, data=s.data[at : at + size])
        for s in segments
        for at in range(0, len(s.data), size)
    ]


def shuffled(segments: list[Segment], chance: random.Random, reach: float = 0.003) -> list[Segment]:
    """Each comes late by up to `reach` seconds, so that those of one moment change places."""
    return sorted((replace(s, time=s.time + chance.random() * reach) for s in segments), key=lambda s: s.time)


def repeated(segments: list[Segment], chance: random.Random) -> list[Segment]:
    """Some are sent again, whole, in part, or with what follows."""
    out: list[Segment] = []
    for s in segments:
        out.append(s)
        if chance.random() < 0.3:
            at = chance.randrange(len(s.data) or 1)
            out.append(replace(s, time=s.time + 0.002, offset=s.offset + at, data=s.data[at:]))
    return sorted(out, key=lambda s: s.time)
