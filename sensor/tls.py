"""The server name in a TLS ClientHello, read from however much of it has arrived.

Bytes in, a `Reading` out; no I/O and no state. `read_stream` takes TLS records as TCP carries them, `read_hello` the
bare handshake message as QUIC carries it, `read_body` what is inside the message (DTLS has another header round it).
A name that is whole inside an incomplete hello is given at once, marked by `complete` being false. It never raises,
whatever the bytes.

The encrypted_client_hello extension is noted: then the name is perhaps only the outer one. Browsers send the same
extension with random content to everyone (GREASE), and nobody but the server can tell the two apart.

Sources: RFC 8446 4.1.2 (ClientHello), 5.1 (records), RFC 6066 3 (server_name), RFC 9849 5 (encrypted_client_hello).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HANDSHAKE, CLIENT_HELLO, SERVER_NAME, HOST_NAME, ENCRYPTED_CLIENT_HELLO = 22, 1, 0, 0, 0xFE0D
MIN_HELLO = 38  # bytes of a body: version, random, and four lengths
MAX_HELLO = 65535  # more than any real hello; post-quantum key shares make about 2 KB
MAX_RECORD = 16384 + 2048
MAX_SESSION_ID = 32

_TWO = struct.Struct(">HH")
_ONE = struct.Struct(">H")


class Reading(NamedTuple):
    """What the bytes say so far.

    is_hello: they begin like a ClientHello.  complete: all of it is here, or no more bytes could change the answer.
    name: the server name as sent, or None.  ech: the encrypted_client_hello extension was seen.
    """

    is_hello: bool
    complete: bool
    name: bytes | None = None
    ech: bool = False


NOT_A_HELLO = Reading(False, True)
NEED_MORE = Reading(True, False)
UNDECIDED = Reading(False, False)


def read_stream(data: bytes) -> Reading:
    """Read TLS records from the start of a TCP stream."""
    size = len(data)
    if size < 5:
        return NEED_MORE if data and b"\x16\x03".startswith(data[:2]) else NOT_A_HELLO
    length = _ONE.unpack_from(data, 3)[0]
    if data[0] != HANDSHAKE or data[1] != 3 or length == 0 or length > MAX_RECORD:
        return NOT_A_HELLO
    if size <= 5 + length:
        return read_hello(data[5:])
    handshake = bytearray(data[5 : 5 + length])
    at = 5 + length
    while not _whole(handshake) and at + 5 <= size:
        length = _ONE.unpack_from(data, at + 3)[0]
        if data[at] != HANDSHAKE or data[at + 1] != 3 or length == 0 or length > MAX_RECORD:
            break
        handshake += data[at + 5 : at + 5 + length]
        at += 5 + length
    return read_hello(bytes(handshake))


def _whole(handshake: bytearray) -> bool:
    return len(handshake) >= 4 and len(handshake) >= 4 + int.from_bytes(handshake[1:4], "big")


def read_hello(data: bytes) -> Reading:
    """Read a ClientHello handshake message (type, 24-bit length, body) of which a prefix is here."""
    size = len(data)
    if size == 0:
        return NEED_MORE
    if data[0] != CLIENT_HELLO or (size > 1 and data[1]):
        return NOT_A_HELLO
    if size < 4:
        return NEED_MORE
    return read_body(data[4:], _ONE.unpack_from(data, 2)[0])


def read_body(data: bytes, length: int, *, version: int = 3, cookie: bool = False) -> Reading:
    """Read a ClientHello's body of `length` bytes, of which a prefix is here; DTLS has version 254 and a cookie."""
    if len(data) > length:
        data = data[:length]
    if length < MIN_HELLO or (data and data[0] != version) or (len(data) > 34 and data[34] > MAX_SESSION_ID):
        return NOT_A_HELLO
    name, ech = _extensions(data, length, cookie)
    return Reading(True, len(data) >= length, name, ech)


def _extensions(body: bytes, length: int, cookie: bool) -> tuple[bytes | None, bool]:
    """The first host_name (None if absent, empty or not all here), and whether encrypted_client_hello is here."""
    size = len(body)
    at = 2 + 32
    for width in (1, 1, 2, 1) if cookie else (1, 2, 1):  # session id, (cookie,) cipher suites, compression methods
        if at + width > size:
            return None, False
        at += width + (body[at] if width == 1 else _ONE.unpack_from(body, at)[0])
    if at + 2 > size:
        return None, False
    stop = min(at + 2 + _ONE.unpack_from(body, at)[0], length)
    last = min(stop, size) - 4
    at += 2
    name: bytes | None = None
    looking, ech = True, False
    while at <= last:
        kind, width = _TWO.unpack_from(body, at)
        at += 4
        if kind == ENCRYPTED_CLIENT_HELLO:
            ech = True
        elif kind == SERVER_NAME and looking:
            looking = False
            name = _first_host(body[at : at + width], width) if at + width <= stop else None
        at += width
    return name, ech


def _first_host(extension: bytes, size: int) -> bytes | None:
    listed = min(2 + int.from_bytes(extension[:2], "big"), size)
    at = 2
    while at + 3 <= min(listed, len(extension)):
        length = _ONE.unpack_from(extension, at + 1)[0]
        if extension[at] == HOST_NAME:
            name = extension[at + 3 : at + 3 + length]
            return name if name and len(name) == length and at + 3 + length <= listed else None
        at += 3 + length
    return None
