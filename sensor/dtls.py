"""The server name in a DTLS ClientHello: records and fragments of the client's datagrams, put together.

`DtlsHello` is given the datagrams of one flow's client and answers with a `Reading`. A hello may come in several
handshake fragments, in any order, over several records and datagrams, and is sent again with the server's cookie
under another message number; each number is put together by itself. What came first is kept. All is bounded.

The first flight is the same for DTLS 1.0, 1.2 and 1.3. It does not know flows or clocks.
Sources: RFC 6347 4.1 (records), 4.2.1-4.2.3 (cookie, fragments), RFC 9147 4, 5.3.
"""

from __future__ import annotations

from sensor.pieces import Pieces
from sensor.tls import CLIENT_HELLO, HANDSHAKE, NOT_A_HELLO, UNDECIDED, Reading, read_body

RECORD, HEADER = 13, 12  # bytes of a record's and of a handshake message's header
VERSIONS = (b"\xfe\xff", b"\xfe\xfd")
MAX_MESSAGES = 2  # the hello, and the one with a cookie
MAX_LENGTH = 16384
MAX_DATAGRAMS = 64
MAX_PIECES = 64


class DtlsHello:
    """See the module's header."""

    __slots__ = ("_messages", "_seen")

    def __init__(self) -> None:
        self._messages: dict[int, tuple[int, Pieces]] = {}  # by number: length, what has come
        self._seen = 0

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        return sum(message.held for _, message in self._messages.values())

    def feed(self, datagram: bytes) -> Reading:
        """Take a datagram of the client. `Reading.complete` means that nothing more is wanted."""
        self._seen += 1
        at = 0
        while at + RECORD <= len(datagram):
            kind, version, epoch = datagram[at], datagram[at + 1 : at + 3], datagram[at + 3 : at + 5]
            length = int.from_bytes(datagram[at + 11 : at + 13], "big")
            if kind != HANDSHAKE or version not in VERSIONS or epoch != b"\0\0":
                break
            self._record(datagram[at + RECORD : at + RECORD + length])
            at += RECORD + length
        best = UNDECIDED
        for length, message in self._messages.values():
            reading = read_body(message.data, length, version=254, cookie=True)
            if reading.is_hello and _worth(reading) >= _worth(best):
                best = reading
        if self._seen < MAX_DATAGRAMS:
            return best
        return best._replace(complete=True) if best.is_hello else NOT_A_HELLO

    def _record(self, data: bytes) -> None:
        """Take the handshake fragments of one record."""
        at = 0
        while at + HEADER <= len(data):
            length = int.from_bytes(data[at + 1 : at + 4], "big")
            number = int.from_bytes(data[at + 4 : at + 6], "big")
            offset = int.from_bytes(data[at + 6 : at + 9], "big")
            size = int.from_bytes(data[at + 9 : at + 12], "big")
            if data[at] != CLIENT_HELLO or not 0 < length <= MAX_LENGTH or offset + size > length:
                return
            if number not in self._messages and len(self._messages) < MAX_MESSAGES:
                self._messages[number] = length, Pieces()
            known, message = self._messages.get(number, (0, Pieces()))
            if known == length and message.pieces < MAX_PIECES:
                message.add(offset, data[at + HEADER : at + HEADER + size])
            at += HEADER + size


def _worth(reading: Reading) -> tuple[bool, bool]:
    return reading.complete, reading.name is not None
