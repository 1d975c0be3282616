"""The server name in a TLS ClientHello, read from however much of it has arrived.

Bytes in, a `Reading` out; no I/O and no state. `read_stream` takes TLS records as TCP carries them, `read_hello` the
bare handshake message as QUIC carries it. A name that is whole inside an incomplete hello is given at once, marked
by `complete` being false. It never raises, whatever the bytes.

Sources: RFC 8446 4.1.2 (ClientHello), 5.1 (records), RFC 6066 3 (server_name).
"""

from __future__ import annotations

from dataclasses import dataclass

HANDSHAKE, CLIENT_HELLO, SERVER_NAME, HOST_NAME = 22, 1, 0, 0
MAX_HELLO = 65536  # more than any real hello; post-quantum key shares make about 2 KB


@dataclass(frozen=True, slots=True)
class Reading:
    """What the bytes say so far.

    is_hello: they begin like a ClientHello.  complete: all of it is here, or no more bytes could change the answer.
    name: the server name as sent, or None.
    """

    is_hello: bool
    complete: bool
    name: bytes | None = None


NOT_A_HELLO = Reading(False, True)
NEED_MORE = Reading(True, False)
UNDECIDED = Reading(False, False)


def read_stream(data: bytes) -> Reading:
    """Read TLS records from the start of a TCP stream."""
    handshake = bytearray()
    at = 0
    while at + 5 <= len(data):
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if data[at] != HANDSHAKE or data[at + 1] != 3 or length == 0 or length > 16384 + 2048:
            if not handshake:
                return NOT_A_HELLO
            break
        handshake += data[at + 5 : at + 5 + length]
        if handshake and handshake[0] != CLIENT_HELLO:
            return NOT_A_HELLO
        at += 5 + length
        if len(handshake) >= 4 and len(handshake) >= 4 + int.from_bytes(handshake[1:4], "big"):
            break
    else:
        if at == 0:
            return NEED_MORE if b"\x16\x03".startswith(data[:2]) and data else NOT_A_HELLO
    return read_hello(bytes(handshake))


def read_hello(data: bytes) -> Reading:
    """Read a ClientHello handshake message (type, 24-bit length, body) of which a prefix is here."""
    if not data:
        return NEED_MORE
    if data[0] != CLIENT_HELLO:
        return NOT_A_HELLO
    if len(data) < 4:
        return NEED_MORE
    length = 4 + int.from_bytes(data[1:4], "big")
    if length > MAX_HELLO:
        return NOT_A_HELLO
    complete = len(data) >= length
    name = _server_name(data[:length], length)
    return Reading(True, complete, name)


def _server_name(hello: bytes, length: int) -> bytes | None:
    """The first host_name of a (perhaps truncated) ClientHello of `length`; None if absent, empty or not all here."""
    at = 4 + 2 + 32
    for width in (1, 2, 1):  # session id, cipher suites, compression methods
        if at + width > len(hello):
            return None
        at += width + int.from_bytes(hello[at : at + width], "big")
    stop = min(at + 2 + int.from_bytes(hello[at : at + 2], "big"), length)
    at += 2
    while at + 4 <= min(stop, len(hello)):
        kind = int.from_bytes(hello[at : at + 2], "big")
        size = int.from_bytes(hello[at + 2 : at + 4], "big")
        at += 4
        if kind == SERVER_NAME:
            return _first_host(hello[at : at + size], size) if at + size <= stop else None
        at += size
    return None


def _first_host(extension: bytes, size: int) -> bytes | None:
    listed = min(2 + int.from_bytes(extension[:2], "big"), size)
    at = 2
    while at + 3 <= min(listed, len(extension)):
        length = int.from_bytes(extension[at + 1 : at + 3], "big")
        if extension[at] == HOST_NAME:
            name = extension[at + 3 : at + 3 + length]
            return name if name and len(name) == length and at + 3 + length <= listed else None
        at += 3 + length
    return None
