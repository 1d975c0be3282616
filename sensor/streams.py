"""The first bytes of a client's TCP stream, put back in order, until a name can be read from them.

`StreamHello` is given the payloads of one flow's client, in any order, and answers with a `Reading`: a TLS hello, an
HTTP request's Host, or that there is no name. When two segments disagree about a byte, the one that came first is
kept. All is bounded: segments and bytes of a flow here, the number of flows by the caller.

Theory of operation. The bytes are put together by `sensor.pieces`. A hello need not come first: a PROXY header or
MySQL's request for TLS is stepped over, and a dialogue (STARTTLS, SOCKS, X.224) is passed by looking for a hello
wherever a segment began like one. Link-layer padding inside an ACK's IP length looks like a few zero bytes of the
stream ("filler"): it counts only if what follows it shows that it was stream after all.

It does not know flows or clocks. Sources: RFC 9293 3.4 (sequence numbers are modulo 2^32), haproxy.org
proxy-protocol.txt 2, dev.mysql.com "Protocol::SSLRequest".
"""

from __future__ import annotations

from sensor import http, tls
from sensor.pieces import Pieces
from sensor.tls import NOT_A_HELLO, UNDECIDED, Reading

MAX_SEGMENTS = 4096
MAX_BYTES = 32768
MAX_PIECES = 256  # beyond gaps
MAX_UNSTARTED = 8  # segments looked at before giving up on seeing a hello's first byte
MAX_DIALOGUE = 48  # segments of a stream that begins like nothing known
MAX_FILLERS = 1024
MAX_STARTS = 8  # places where a hello may begin

_BEGINNING = ((0, tls.HANDSHAKE), (1, 3), (5, tls.CLIENT_HELLO), (6, 0))  # offset and byte
_PROXY2 = b"\r\n\r\n\0\r\nQUIT\n"


class StreamHello:
    """`base`: sequence number of the first payload byte, -1 while unknown (the capture began late)."""

    __slots__ = ("_base", "_fillers", "_pieces", "_seen", "_starts", "_unplaced", "http", "told")

    def __init__(self, base: int = -1) -> None:
        self._base = base
        self._pieces = Pieces()
        self._fillers: dict[int, bytes] = {}
        self._unplaced: list[tuple[int, bytes]] = []  # while the base is unknown
        self._starts: list[int] = []
        self._seen = 0
        self.http = False
        self.told = UNDECIDED  # the last reading that the caller made use of

    @property
    def held(self) -> int:
        """Bytes that are kept."""
        more = (*self._fillers.values(), *(data for _, data in self._unplaced))
        return self._pieces.held + sum(map(len, more))

    def feed(self, sequence: int, payload: bytes, filler: bool = False) -> Reading:
        """Take a segment. `Reading.complete` means that nothing more is wanted."""
        self._seen += 1
        if self._base < 0:
            return self._without_base(sequence, payload)
        offset = (sequence - self._base) & 0xFFFFFFFF
        if offset >= 1 << 31:  # it begins before the base
            payload = payload[(1 << 32) - offset :]
            offset = 0
        pieces = self._pieces
        if offset + len(payload) > MAX_BYTES or self._seen > MAX_SEGMENTS or pieces.pieces > MAX_PIECES:
            return self._give_up()
        if filler:
            if offset >= len(pieces.data) and len(self._fillers) < MAX_FILLERS:
                self._fillers.setdefault(offset, payload)
        else:
            self._note_start(offset, payload)
            pieces.add(offset, payload)
        if self._fillers:
            self._settle_fillers()
        return self._read(pieces.data)

    def _without_base(self, sequence: int, payload: bytes) -> Reading:
        """Wait for a segment that begins like a hello or a request."""
        self._unplaced.append((sequence, payload))
        if _is_start(payload) or http.is_request(payload):
            self._base = sequence
            for known, data in self._unplaced:
                offset = (known - sequence) & 0xFFFFFFFF
                if offset + len(data) <= MAX_BYTES:
                    self._pieces.add(offset, data)
            self._unplaced.clear()
            return self._read(self._pieces.data)
        return UNDECIDED if self._seen < MAX_UNSTARTED else NOT_A_HELLO

    def _note_start(self, offset: int, payload: bytes) -> None:
        if payload[:1] == b"\x16" and len(self._starts) < MAX_STARTS and _is_start(payload):
            self._starts.append(offset)

    def _settle_fillers(self) -> None:
        """Zero bytes at a gap were stream if other bytes begin where they end, padding if other bytes came there."""
        pieces, fillers = self._pieces, self._fillers
        for offset in [o for o in fillers if o < len(pieces.data)]:
            del fillers[offset]
        at, run = len(pieces.data), b""
        while more := fillers.get(at):
            run += more
            at += len(more)
        if run and pieces.next_piece == at:
            pieces.add(len(pieces.data), run)

    def _read(self, data: bytes) -> Reading:
        if data:
            if data[0] == tls.HANDSHAKE:
                reading = tls.read_stream(data)
                if reading.is_hello:
                    return reading
            inside = _after_header(data)
            if inside is not None:
                return self._read(data[inside:]) if 0 < inside < len(data) else UNDECIDED
            self.http = http.looks_like_request(data)
            if self.http:
                return self._through_tunnel(data) if http.is_connect(data) else http.read_host(data)
        return self._dialogue()

    def _dialogue(self) -> Reading:
        """The hello that a later segment began, if one did."""
        for start in self._starts:
            reading = tls.read_stream(self._pieces.from_offset(start))
            if reading.is_hello:
                return reading
        return UNDECIDED if self._seen < MAX_DIALOGUE or not self._pieces.data else NOT_A_HELLO

    def _through_tunnel(self, data: bytes) -> Reading:
        """A CONNECT request, whose host is the name until a hello inside the tunnel says more (RFC 9110 9.3.6)."""
        outer = http.read_host(data)
        if not outer.is_hello:  # no request after all, however much follows
            return outer
        _, _, inside = http.split_head(data)
        if not inside:
            return Reading(outer.is_hello, not outer.is_hello, outer.name)
        inner = tls.read_stream(inside)
        if not inner.is_hello or (inner.complete and inner.name is None):
            return outer
        self.http = inner.name is None
        return Reading(True, inner.complete, inner.name or outer.name, inner.ech)

    def _give_up(self) -> Reading:
        reading = self._read(self._pieces.data) if self._base >= 0 else NOT_A_HELLO
        return reading._replace(complete=True)


def _is_start(payload: bytes) -> bool:
    """Does a segment begin like a hello, as far as it goes?"""
    for at, byte in _BEGINNING:
        if len(payload) > at and payload[at] != byte:
            return False
    return bool(payload)


def _after_header(data: bytes) -> int | None:
    """Where the stream goes on after a header that may stand before a hello; 0 = not known yet, None = no header."""
    if data.startswith(b"PROXY "):
        end = data.find(b"\r\n", 0, 110)
        return end + 2 if end >= 0 else 0 if len(data) < 108 else None
    if data.startswith(_PROXY2):
        return 16 + int.from_bytes(data[14:16], "big") if len(data) >= 16 else 0
    if data[:4] == b"\x20\0\0\1":  # 32 bytes, second packet of the connection; capability CLIENT_SSL
        return 36 if len(data) < 6 or data[5] & 8 else None
    if len(data) < 16 and (b"PROXY ".startswith(data) or _PROXY2.startswith(data) or b"\x20\0\0\1".startswith(data)):
        return 0
    return None
