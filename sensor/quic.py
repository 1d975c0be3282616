"""The server name in QUIC Initial packets, and in Google's older QUIC.

Theory of operation. A client's Initial packets are encrypted with keys that anyone who saw the first one can derive
(RFC 9001 5.2). `QuicHello` takes a client's datagrams one by one, opens each Initial in them, gathers CRYPTO frames
in any order and reads the ClientHello as soon as its beginning is contiguous (`sensor.tls.read_hello`). Keys come
from the first destination connection id, and are tried anew with a packet's own id after a Retry. A version whose
salt we do not know for certain (greased, experimental) is tried with each known salt: the AEAD tag proves the right
one. gQUIC up to Q046 is not encrypted; Q050 is, but carries Google's CHLO in place of a TLS hello.

It does not know flows or servers' packets; it never raises, whatever the bytes. Sources: RFC 9000 17.2 and 19, RFC
9001 5, RFC 9369 3 (v2), draft-ietf-quic-tls-22 to -34 5.2 (older salts).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sensor.tls import MAX_HELLO, NOT_A_HELLO, UNDECIDED, Reading, read_hello

V1, V2 = 0x00000001, 0x6B3343CF
Q050, T050, T051 = 0x51303530, 0x54303530, 0x54303531
MVFST_22 = (0xFACEB001,)
MVFST_27 = (0xFACEB002, 0xFACEB00E, 0xFACEB010, 0xFACEB011, 0xFACEB013)

SALT_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")  # RFC 9001 5.2; drafts 33 and 34
SALT_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")  # RFC 9369 3.3.1
SALT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")  # drafts 29 to 32
SALT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")  # drafts 23 to 28
SALT_22 = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")  # drafts 21 and 22
SALT_Q050 = bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")
SALT_T050 = bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310")
SALT_T051 = bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")
ALL_SALTS = (SALT_V1, SALT_29, SALT_23, SALT_V2, SALT_22)

MAX_DATAGRAMS = 16  # of one client before we give up
MAX_PACKETS = 8  # coalesced in one datagram
MAX_PIECES = 256  # CRYPTO frames kept for one hello


@dataclass(frozen=True, slots=True)
class InitialKeys:
    """What opens a client's Initial packets: AEAD with its nonce base, and header protection."""

    aead: AESGCM
    iv: bytes
    mask: Callable[[bytes], bytes]


def _expand_label(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 7.1) for lengths up to one SHA-256 block."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0\x01"
    return hmac.digest(secret, info, hashlib.sha256)[:length]


@functools.lru_cache(maxsize=4096)
def initial_keys(salt: bytes, connection_id: bytes) -> InitialKeys:
    """The client's Initial keys (RFC 9001 5.2, RFC 9369 3.3)."""
    prefix = b"quicv2 " if salt == SALT_V2 else b"quic "
    initial = hmac.digest(salt, connection_id, hashlib.sha256)
    secret = _expand_label(initial, b"client in", 32)
    key = _expand_label(secret, prefix + b"key", 16)
    protector = Cipher(algorithms.AES(_expand_label(secret, prefix + b"hp", 16)), modes.ECB()).encryptor()
    return InitialKeys(AESGCM(key), _expand_label(secret, prefix + b"iv", 12), protector.update)


def salts(version: int) -> tuple[bytes, ...]:
    """Salts to try for a version, likeliest first."""
    known = {V1: SALT_V1, V2: SALT_V2, Q050: SALT_Q050, T050: SALT_T050, T051: SALT_T051}
    if version in known:
        return (known[version],)
    if version >> 8 == 0xFF0000:
        draft = version & 0xFF
        return (SALT_22 if draft <= 22 else SALT_23 if draft <= 28 else SALT_29 if draft <= 32 else SALT_V1,)
    if version in MVFST_22:
        return (SALT_22, *ALL_SALTS)
    if version in MVFST_27:
        return (SALT_23, *ALL_SALTS)
    return ALL_SALTS


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer (RFC 9000 16) and the offset after it; (-1, at) when cut short."""
    if at >= len(data):
        return -1, at
    width = 1 << (data[at] >> 6)
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
    """Initial packets in a datagram; other long-header packets are stepped over, a short header ends it."""
    at = 0
    for _ in range(MAX_PACKETS):
        if at + 7 > len(datagram) or not datagram[at] & 0x80:
            return
        version = int.from_bytes(datagram[at + 1 : at + 5], "big")
        kind = datagram[at] >> 4 & 3
        if version == V2:
            kind = (kind - 1) & 3  # RFC 9369 3.2: Initial is 1, 0-RTT 2, Handshake 3, Retry 0
        p = at + 6 + datagram[at + 5]
        destination = datagram[at + 6 : p]
        if p >= len(datagram) or len(destination) > 20:
            return
        p += 1 + datagram[p]
        if kind == 3:  # Retry has no length
            return
        if kind == 0:
            token, p = _varint(datagram, p)
            if token < 0 or p + token > len(datagram):
                return
            p += token
        length, p = _varint(datagram, p)
        if length < 0 or p + length > len(datagram):
            return
        if kind == 0 and length >= 20:
            yield _Initial(version, destination, datagram[at : p + length], p - at)
        at = p + length


def _open(initial: _Initial, keys: InitialKeys) -> bytes | None:
    """Remove header protection and decrypt (RFC 9001 5.3, 5.4); None if the keys are not the right ones."""
    packet, at = initial.packet, initial.number_at
    mask = keys.mask(packet[at + 4 : at + 20])
    first = packet[0] ^ mask[0] & 0x0F
    width = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet[at : at + width], mask[1:5], strict=False))
    header = bytes([first]) + packet[1:at] + number
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    try:
        return keys.aead.decrypt(nonce, packet[at + width :], header)
    except InvalidTag:
        return None


def _crypto_frames(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """(offset, data) of CRYPTO frames (RFC 9000 19.6) among PADDING, PING, ACK and CONNECTION_CLOSE."""
    at = 0
    while at < len(payload):
        kind = payload[at]
        at += 1
        if kind in (0, 1):
            continue
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


def read_google_hello(data: bytes) -> Reading:
    """The SNI tag of Google's CHLO message anywhere in `data` (gQUIC crypto, before TLS)."""
    at = data.find(b"CHLO")
    if at < 0:
        return NOT_A_HELLO
    count = int.from_bytes(data[at + 4 : at + 6], "little")
    table = at + 8
    values = table + 8 * count
    start = 0
    for entry in range(table, min(values, len(data) - 7), 8):
        stop = int.from_bytes(data[entry + 4 : entry + 8], "little")
        if data[entry : entry + 4] == b"SNI\0":
            name = data[values + start : values + stop]
            whole = 0 < len(name) == stop - start
            return Reading(True, True, name if whole else None)
        start = stop
    return Reading(True, True)


@dataclass(slots=True)
class QuicHello:
    """Gathers one client's hello. `feed` each datagram it sends until the reading is complete."""

    first_id: bytes | None = None
    salt: bytes = b""
    version: int = -1
    datagrams: int = 0
    pieces: list[tuple[int, bytes]] = field(default_factory=list)  # CRYPTO frames (offset, data) as they came
    held: int = 0

    def feed(self, datagram: bytes) -> Reading:
        self.datagrams += 1
        version = int.from_bytes(datagram[1:5], "big")
        if not datagram[:1] or not datagram[0] & 0x80 or (version >> 16 == 0x5130 and version != Q050):
            return read_google_hello(datagram)
        opened = False
        for initial in _initials(datagram):
            payload = self._decrypt(initial)
            if payload is None:
                continue
            opened = True
            if initial.version == Q050:
                return read_google_hello(payload)
            for offset, data in _crypto_frames(payload):
                self._take(offset, data)
        reading = read_hello(self._prefix()) if opened or self.pieces else UNDECIDED
        if not reading.complete and self.datagrams >= MAX_DATAGRAMS:
            return Reading(reading.is_hello, True, reading.name)
        return reading

    def _decrypt(self, initial: _Initial) -> bytes | None:
        tried = [self.first_id] if self.first_id is not None else []
        for connection_id in dict.fromkeys([*tried, initial.destination]):
            for salt in (self.salt,) if initial.version == self.version else salts(initial.version):
                payload = _open(initial, initial_keys(salt, connection_id))
                if payload is not None:
                    if initial.version != self.version:
                        self.pieces.clear()  # after Version Negotiation the client sends another hello
                        self.held = 0
                    self.first_id, self.salt, self.version = connection_id, salt, initial.version
                    return payload
        return None

    def _take(self, offset: int, data: bytes) -> None:
        """Keep a CRYPTO frame if it says anything new and there is room."""
        new = not any(at <= offset and at + len(known) >= offset + len(data) for at, known in self.pieces)
        if new and offset + len(data) <= MAX_HELLO and len(self.pieces) < MAX_PIECES and self.held <= MAX_HELLO:
            self.pieces.append((offset, data))
            self.held += len(data)

    def _prefix(self) -> bytes:
        """The contiguous beginning of the CRYPTO stream; where frames overlap, what came first is kept."""
        stop = 0
        for offset, data in sorted(self.pieces, key=lambda piece: piece[0]):
            if offset > stop:
                break
            stop = max(stop, offset + len(data))
        whole = bytearray(stop)
        for offset, data in reversed(self.pieces):  # what came first is written last
            if offset < stop:
                whole[offset : offset + len(data)] = data
        return bytes(whole)
