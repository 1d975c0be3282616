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


Initial = tuple[int, bytes, bytes, int]  # version, destination, packet up to its payload's end, where its number begins


def _initials(datagram: bytes) -> list[Initial]:
    """Initial packets in a datagram; other long-header packets are stepped over, a short header ends it.

    Packets for another connection than the first one's are not looked at (RFC 9000 12.2).
    """
    found: list[Initial] = []
    at, size, only = 0, len(datagram), None
    for _ in range(MAX_PACKETS):
        if at + 7 > size or not datagram[at] & 0x80:
            break
        version = int.from_bytes(datagram[at + 1 : at + 5], "big")
        kind = datagram[at] >> 4 & 3
        if has_v2_types(version):
            kind = (kind - 1) & 3
        p = at + 6 + datagram[at + 5]
        destination = datagram[at + 6 : p]
        if p >= size or p - at > 26 or (only is not None and destination != only) or kind == RETRY:
            break  # a Retry has no length
        only = destination
        p += 1 + datagram[p]
        if kind == INITIAL:
            token, p = _varint(datagram, p)
            if token < 0 or p + token > size:
                break
            p += token
        length, p = _varint(datagram, p)
        if length < 0 or p + length > size:
            break
        if kind == INITIAL and length >= 20:
            found.append((version, destination, datagram[at : p + length], p - at))
        at = p + length
    return found


def _crypto_frames(payload: bytes) -> list[tuple[int, bytes]]:
    """(offset, data) of CRYPTO frames (RFC 9000 19.6) among PADDING, PING and ACK; any other frame ends the packet."""
    found: list[tuple[int, bytes]] = []
    at, size = 0, len(payload)
    while following := _NOT_PADDING.search(payload, at):
        at = following.end()
        kind = payload[at - 1]
        if kind in (6, 8):  # 8: the number that Google's T050 and T051 use; STREAM may not be in an Initial
            offset, at = _varint(payload, at)
            length, at = _varint(payload, at)
            if offset < 0 or length < 0 or at + length > size:
                break
            found.append((offset, payload[at : at + length]))
            at += length
        elif kind in (2, 3):
            _, at = _varint(payload, at)
            _, at = _varint(payload, at)
            ranges, at = _varint(payload, at)
            value = 0
            for _ in range(1 + 2 * min(ranges, 64) + (3 if kind == 3 else 0)):
                value, at = _varint(payload, at)
            if value < 0:
                break
        else:
            break
    return found


class _Attempt:
    """A connection as the client tried to make it: its version, keys and hello."""

    __slots__ = ("keys", "stream", "version")

    def __init__(self, version: int, keys: InitialKeys) -> None:
        self.version = version
        self.keys = keys
        self.stream = Pieces()

    def take(self, payload: bytes) -> None:
        """Keep the CRYPTO frames of a packet, within bounds."""
        stream = self.stream
        frames = _crypto_frames(payload)
        if self.version == Q050 and not frames:  # in frames of its own
            frames = [(0, payload)]
        for offset, data in frames:
            room = stream.pieces < MAX_PIECES or offset <= len(stream.data)
            if data and room and stream.held + len(data) <= MAX_BYTES and offset + len(data) <= MAX_HELLO:
                stream.add(offset, data)

    def read(self) -> Reading:
        beginning = self.stream.data
        return read_google_hello(beginning) if self.version == Q050 else read_hello(beginning)


class QuicHello:
    """Gathers one client's hello. `feed` each datagram it sends until the reading is complete."""

    __slots__ = ("attempts", "best", "effort")

    def __init__(self) -> None:
        self.attempts: list[_Attempt] = []
        self.effort = 0
        self.best = UNDECIDED

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
        initials = _initials(datagram)
        if initials:
            self.effort += OTHERS - 1
        for initial in initials:
            attempt = self._open(initial, not strangers)
            if attempt is None:
                strangers = True
                continue
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

    def _open(self, initial: Initial, try_new: bool) -> _Attempt | None:
        """Give an Initial's payload to the attempt that it belongs to: a new one if its own id gives its keys."""
        version, destination, packet, number_at = initial
        for attempt in self.attempts:
            if attempt.version == version:
                payload = attempt.keys.open(packet, number_at)
                if payload is not None:
                    attempt.take(payload)
                    return attempt
        for salt in salts(version) if try_new else ():
            keys = initial_keys(salt, destination)
            if all(keys is not known.keys for known in self.attempts):
                payload = keys.open(packet, number_at)
                if payload is not None:
                    attempt = _Attempt(version, keys)
                    attempt.take(payload)
                    self.attempts = [*self.attempts[1 - MAX_ATTEMPTS :], attempt]
                    return attempt
        return None
