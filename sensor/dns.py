"""DNS answers: one message's bytes in, the names and addresses that it tells out.

Theory of operation. `read_answers` reads a response's question and its answer section, record by record, and keeps
what says where a name leads: A, AAAA, CNAME, and HTTPS or SVCB with their address hints, target and whether they carry
an `ech` configuration. A message that is cut short (by a snap length, say) gives the records that are whole.
Names are text as in RFC 1035 5.1: lower case, bytes outside printable ASCII as \\DDD, so that every label can be read
and none can be mistaken for another. Compression pointers must lead backwards and are counted, a name has 255 bytes at
most: a message cannot hold the reader up. mDNS puts addresses into the additional section, so there all sections count
(RFC 6762 6.2); elsewhere only the answers do, as anybody may add records that nobody asked for.

It does not know who asked or what is believed of an answer (`sensor.dnsmemory`), nor how messages travel over TCP
(`sensor.dnsstream`). Sources: RFC 1035 4.1 and 5.1, RFC 3596 (AAAA), RFC 6762 (mDNS), RFC 6891 (EDNS), RFC 9460
(HTTPS, SVCB), draft-ietf-tls-svcb-ech (`ech` is SvcParam 5).
"""

from __future__ import annotations

import functools
import ipaddress
import struct
from dataclasses import dataclass
from typing import NamedTuple

A, CNAME, AAAA, SVCB, HTTPS = 1, 5, 28, 64, 65
MAX_RECORDS = 256  # of one message; more than 64 kB of addresses for one name serves nobody
MAX_QUESTIONS = 4
MAX_JUMPS = 32  # compression pointers followed for one name
MAX_NAME = 255
MAX_LABELS = 2048  # read one by one in a message: what bounds the work that its sender can make
IN, CACHE_FLUSH = 1, 0x8000  # class Internet; mDNS's top bit of the class (RFC 6762 10.2)
_IPV4HINT, _ECH, _IPV6HINT = 4, 5, 6  # RFC 9460 14.3.2
MAPPED = b"\0" * 10 + b"\xff\xff"  # before an IPv4 address, to make it 16 bytes
_SAFE = b"abcdefghijklmnopqrstuvwxyz0123456789-_."
_RECORD = struct.Struct(">HHIH")
_HEADER = struct.Struct(">HHHHHH")


class Record(NamedTuple):
    """An A, AAAA or CNAME record: `address` is 16 bytes (sensor.slices.pack_address), `target` a CNAME's name."""

    name: str
    type: str
    ttl: int
    address: bytes
    target: str

    @property
    def data(self) -> str:
        """The address or target as text."""
        if self.type == "A":
            return str(ipaddress.IPv4Address(self.address[12:]))
        return self.target if self.type == "CNAME" else str(ipaddress.IPv6Address(self.address))


class Service(NamedTuple):
    """An HTTPS or SVCB record (RFC 9460 2): priority 0 is AliasMode; target "" means the owner itself."""

    name: str
    ttl: int
    priority: int
    target: str
    hints: tuple[bytes, ...]
    ech: bool


@dataclass(frozen=True, slots=True)
class Answers:
    """A response with its question's name, "" if it has no question (as in mDNS)."""

    qname: str
    records: tuple[Record, ...] = ()
    services: tuple[Service, ...] = ()


class _Cut(Exception):
    """The message ends here, or a name in it never does."""


def read_answers(message: bytes, *, every_section: bool = False) -> Answers | None:
    """What a DNS response tells; None if it is no response, holds no record, or even its question cannot be read."""
    if len(message) < 12:
        return None
    _, flags, questions, answers, authorities, additional = _HEADER.unpack_from(message)
    count = answers + authorities + additional if every_section else answers
    if flags & 0xF800 != 0x8000 or questions > MAX_QUESTIONS or count == 0:
        return None
    reader = _Reader(message)
    at, qname = 12, ""
    try:
        for n in range(questions):
            name, at = reader.name(at)
            qname = qname if n else name
            at += 4
    except _Cut:
        return None
    if questions:
        reader.names[12] = qname
    try:
        for _ in range(min(count, MAX_RECORDS)):
            at = reader.record(at)
    except (_Cut, struct.error):
        pass  # cut short: what came before is whole
    return Answers(qname, tuple(reader.records), tuple(reader.services))


class _Reader:
    """One message on its way to `Answers`."""

    __slots__ = ("labels", "message", "names", "records", "services")

    def __init__(self, message: bytes) -> None:
        self.message = message
        self.labels = MAX_LABELS
        self.names: dict[int, str] = {}  # that whole pointers led to
        self.records: list[Record] = []
        self.services: list[Service] = []

    def record(self, at: int) -> int:
        """Read the record at `at`; the offset after it."""
        message = self.message
        name, at = self.name(at)
        kind, group, ttl, size = _RECORD.unpack_from(message, at)
        at += 10
        end: int = at + size
        if end > len(message):
            raise _Cut
        if group & ~CACHE_FLUSH == IN:
            if kind == A and size == 4:
                self.records.append(Record(name, "A", ttl, MAPPED + message[at:end], ""))
            elif kind == AAAA and size == 16:
                self.records.append(Record(name, "AAAA", ttl, message[at:end], ""))
            elif kind == CNAME:
                self.records.append(Record(name, "CNAME", ttl, b"", self.name(at)[0]))
            elif kind in (HTTPS, SVCB):
                self.services.append(self.service(at, end, name, ttl))
        return end

    def service(self, at: int, end: int, name: str, ttl: int) -> Service:
        """An HTTPS or SVCB record's data: priority, target, then parameters of 16-bit key, 16-bit length and value."""
        message = self.message
        priority = int.from_bytes(message[at : at + 2], "big")
        target, at = self.name(at + 2)
        hints: list[bytes] = []
        ech = False
        while at + 4 <= end:
            key, size = struct.unpack_from(">HH", message, at)
            at += 4
            value = message[at : min(at + size, end)]
            at += size
            if key == _ECH:
                ech = True
            elif key == _IPV4HINT:
                hints += (MAPPED + value[n : n + 4] for n in range(0, len(value) - 3, 4))
            elif key == _IPV6HINT:
                hints += (value[n : n + 16] for n in range(0, len(value) - 15, 16))
        return Service(name, ttl, priority, target, tuple(hints[:MAX_RECORDS]), ech)

    def name(self, at: int) -> tuple[str, int]:
        """The name at `at` and the offset after it. Raises _Cut if it does not end within the message."""
        message = self.message
        if at + 2 <= len(message) and message[at] >= 0xC0:
            target = (message[at] & 0x3F) << 8 | message[at + 1]
            name = self.names.get(target)
            if name is None:
                name = self.names[target] = self.slow_name(at)[0]
            return name, at + 2
        end = message.find(0, at) + 1
        if 0 < end - at <= MAX_NAME and (plain := _plain(message[at:end])) is not None:
            return plain, end
        return self.slow_name(at)

    def slow_name(self, at: int) -> tuple[str, int]:
        """Label by label; "" for a name that is too long."""
        message = self.message
        labels: list[bytes] = []
        after, jumps, length, lowest = -1, 0, 1, at
        while True:
            if at >= len(message):
                raise _Cut
            size = message[at]
            if size == 0:
                return _text(labels) if length <= MAX_NAME else "", at + 1 if after < 0 else after
            if size >= 0xC0:
                if at + 2 > len(message):
                    raise _Cut
                after = at + 2 if after < 0 else after
                at = (size & 0x3F) << 8 | message[at + 1]
                jumps += 1
                if not 12 <= at < lowest or jumps > MAX_JUMPS:  # only backwards: a ring would never end
                    raise _Cut
                lowest = at
                continue
            length += size + 1
            self.labels -= 1
            if size > 63 or at + 1 + size > len(message) or self.labels < 0:
                raise _Cut
            if length <= MAX_NAME:
                labels.append(message[at + 1 : at + 1 + size])
            at += 1 + size


@functools.lru_cache(maxsize=4096)
def _plain(wire: bytes) -> str | None:
    """A name without pointers, the final zero included, as text; None if it is not one."""
    labels: list[bytes] = []
    at = 0
    while at < len(wire):
        size = wire[at]
        if size == 0:
            return _text(labels) if at + 1 == len(wire) else None
        if size > 63:
            return None
        labels.append(wire[at + 1 : at + 1 + size])
        at += 1 + size
    return None


def _text(labels: list[bytes]) -> str:
    """Labels as lower-case text (RFC 1035 5.1; RFC 4343 2.1 for what is escaped)."""
    whole = b".".join(labels).lower()
    if whole.count(b".") == len(labels) - 1 and not whole.translate(None, _SAFE):
        return whole.decode("ascii")
    return ".".join("".join(map(_escaped, label.lower())) for label in labels)


def _escaped(byte: int) -> str:
    if byte in b".\\":
        return "\\" + chr(byte)
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03d}"
