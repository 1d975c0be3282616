"""The server name in QUIC Initial packets, and in Google's older QUIC.

Theory of operation. A client's Initial packets are encrypted with keys that anyone who saw the first one can derive
(`sensor.quickeys`). `QuicHello` takes a client's datagrams one by one, opens each Initial in them, gathers CRYPTO
frames in any order and reads the ClientHello as soon as its beginning is contiguous (`sensor.tls.read_hello`).

Keys come from the first destination connection id and stay, whatever id later packets bear; after a Retry they come
from the new id, after Version Negotiation from another version. So each pair of keys that opened something is one
attempt with a CRYPTO stream of its own, and bytes of two hellos are never mixed. Only a client's keys are tried: a
server's Initial cannot be opened, so it cannot be taken for a client's. Within a stream the bytes that came first win.

It does not know flows; it never raises, whatever the bytes. All is bounded: attempts, frames and bytes of a client, and
how many datagrams of it are looked at. Sources: RFC 9000 12.2, 17.2 and 19, RFC 9001 5, RFC 9368 and 9369.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sensor.gquic import is_plain_version, read_google_hello
from sensor.pieces import Pieces
from sensor.quickeys import Q050, InitialKeys, has_v2_types, initial_keys, salts
from sensor.tls import MAX_HELLO, UNDECIDED, Reading, read_hello

MAX_DATAGRAMS = 16  # with Initials, of one client, before we give up; of others (0-RTT first) OTHERS times as many
OTHERS = 4
MAX_PACKETS = 8  # coalesced in one datagram
MAX_PIECES = 256  # CRYPTO frames beyond a gap, kept for one hello
MAX_BYTES = 32768  # in them
MAX_ATTEMPTS = 4  # pairs of keys of one client: a Retry and a Version Negotiation make three
INITIAL, RETRY = 0, 3

_NOT_PADDING = re.compile(rb"[^\0\x01]")  # PADDING and PING (RFC 9000 19.1, 19.2)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer (RFC 9000 16) and the offset after it; (-1, at) when cut short."""
    if at >= len(data):
        return -1, at
    first = data[at]
    if first < 0x40:
        return first, at + 1
    width = 1 << (first >> 6)
    if at + width > len(data):
        return -1, at
    return int.from_bytes(data[at : at + width], "big") & ((1 << (8 * width - 2)) - 1), at + width


@dataclass(frozen=True, slots=True)
class _Initial:
    version: int
    destination: bytes
    packet: bytes  # from the first byte to the end of the payload
    number_at: int


def _initials(datagram: bytes) -> Iterator[_Initial]:
    """Initial packets in a datagram; other long-header packets are stepped over, a short header ends it.

    Packets for another connection than the first one's are not looked at (RFC 9000 12.2).
    """
    at, only = 0, None
    for _ in range(MAX_PACKETS):
        if at + 7 > len(datagram) or not datagram[at] & 0x80:
            return
        version = int.from_bytes(datagram[at + 1 : at + 5], "big")
        kind = datagram[at] >> 4 & 3
        if has_v2_types(version):
            kind = (kind - 1) & 3
        p = at + 6 + datagram[at + 5]
        destination = datagram[at + 6 : p]
        if p >= len(datagram) or len(destination) > 20 or (only is not None and destination != only):
            return
        only = destination
        p += 1 + datagram[p]
        if kind == RETRY:  # has no length
            return
        if kind == INITIAL:
            token, p = _varint(datagram, p)
            if token < 0 or p + token > len(datagram):
                return
            p += token
        length, p = _varint(datagram, p)
        if length < 0 or p + length > len(datagram):
            return
        if kind == INITIAL and length >= 20:
            yield _Initial(version, destination, datagram[at : p + length], p - at)
        at = p + length


def _crypto_frames(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, data) of CRYPTO frames (RFC 9000 19.6) among PADDING, PING and ACK; any other frame ends the packet."""
    at = 0
    while following := _NOT_PADDING.search(payload, at):
        at = following.end()
        kind = payload[at - 1]
        if kind in (6, 8):  # 8: the number that Google's T050 and T051 use; STREAM may not be in an Initial
            offset, at = _varint(payload, at)
            length, at = _varint(payload, at)
            if offset < 0 or length < 0 or at + length > len(payload):
                return
            yield offset, payload[at : at + length]
            at += length
        elif kind in (2, 3):
            _, at = _varint(payload, at)
            _, at = _varint(payload, at)
            ranges, at = _varint(payload, at)
            for _ in range(1 + 2 * min(ranges, 64) + (3 if kind == 3 else 0)):
                value, at = _varint(payload, at)
                if value < 0:
                    return
        else:
            return


@dataclass(slots=True, eq=False)
class _Attempt:
    """A connection as the client tried to make it: its version, keys and hello."""

    version: int
    keys: InitialKeys
    stream: Pieces = field(default_factory=Pieces)

    def take(self, payload: bytes) -> None:
        any_frame = False
        for offset, data in _crypto_frames(payload):
            any_frame = True
            self._add(offset, data)
        if self.version == Q050 and not any_frame:  # in frames of its own
            self._add(0, payload)

    def _add(self, offset: int, data: bytes) -> None:
        stream = self.stream
        room = stream.pieces < MAX_PIECES or offset <= len(stream.data)
        if data and room and stream.held + len(data) <= MAX_BYTES and offset + len(data) <= MAX_HELLO:
            stream.add(offset, data)

    def read(self) -> Reading:
        beginning = self.stream.data
        return read_google_hello(beginning) if self.version == Q050 else read_hello(beginning)


@dataclass(slots=True)
class QuicHello:
    """Gathers one client's hello. `feed` each datagram it sends until the reading is complete."""

    attempts: list[_Attempt] = field(default_factory=list)
    effort: int = 0
    best: Reading = UNDECIDED

    @property
    def held(self) -> int:
        """Bytes kept."""
        return sum(attempt.stream.held for attempt in self.attempts)

    @property
    def stream(self) -> Pieces:
        """The CRYPTO stream of the client's latest attempt."""
        return self.attempts[-1].stream if self.attempts else Pieces()

    def feed(self, datagram: bytes) -> Reading:
        self.effort += 1
        version = int.from_bytes(datagram[1:5], "big")
        if not datagram[:1] or not datagram[0] & 0x80 or is_plain_version(version):
            reading = read_google_hello(datagram)
            return reading if reading.is_hello else self._so_far()
        changed: list[_Attempt] = []
        strangers = False  # an Initial that no keys open: the others of this datagram have the same id
        for number, initial in enumerate(_initials(datagram)):
            self.effort += 0 if number else OTHERS - 1
            attempt, payload = self._open(initial, not strangers)
            if attempt is None or payload is None:
                strangers = True
                continue
            attempt.take(payload)
            if attempt not in changed:
                changed.append(attempt)
        for attempt in changed:
            reading = attempt.read()
            if reading.complete:
                return reading
            if reading.name or not self.best.name:
                self.best = reading
        return self._so_far()

    def _so_far(self) -> Reading:
        over = self.effort >= MAX_DATAGRAMS * OTHERS
        return Reading(self.best.is_hello, True, self.best.name) if over else self.best

    def _open(self, initial: _Initial, try_new: bool) -> tuple[_Attempt | None, bytes | None]:
        """The attempt that an Initial belongs to, and its payload; a new attempt if its own id gives its keys."""
        tried: list[InitialKeys] = []
        for attempt in self.attempts:
            if attempt.version == initial.version:
                payload = attempt.keys.open(initial.packet, initial.number_at)
                if payload is not None:
                    return attempt, payload
                tried.append(attempt.keys)
        for salt in salts(initial.version) if try_new else ():
            keys = initial_keys(salt, initial.destination)
            if keys not in tried:
                payload = keys.open(initial.packet, initial.number_at)
                if payload is not None:
                    attempt = _Attempt(initial.version, keys)
                    self.attempts = [*self.attempts[1 - MAX_ATTEMPTS :], attempt]
                    return attempt, payload
        return None, None
