"""IP fragments put together again, within bounds.

Theory of operation. The kernel hands over every packet that is a fragment, wherever it lay in a stack of headers; what
becomes whole goes back to the kernel as a captured frame (`as_block`), so nothing else need know of fragments. A
datagram counts as one packet of its whole length, at the time of the fragment that completed it. Of bytes that come
twice the first ones count, whatever the later ones say; a fragment that contradicts where the datagram ends is dropped.
A fragment that comes again as it was, as from a mirror that sees a packet twice, is no overlap and no loss. What does
not become whole within TIMEOUT_NS of packet time, or must make room, is handed on as far as it goes without a gap, as
a packet cut short would be: its addresses, ports and perhaps its name are still true.

Bounds: MAX_DATAGRAMS and MAX_BYTES over all datagrams, 65,535 bytes each by the format, MAX_DONE remembered as whole.
Each piece is charged its bytes and PIECE_COST. It does not read what datagrams carry.

Sources: RFC 791 3.2, RFC 815 (holes), RFC 8200 4.5, RFC 6864 4 (reuse of identifications), draft-ietf-opsawg-pcapng 4.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sensor.duplicates import ROUTED_NS
from sensor.slices import unpack_vlan
from sensor.wire import AH, DESTINATION, FRAGMENT, HOP_BY_HOP, IPV4, IPV6, MOBILITY, ROUTING, VLAN

MAX_DATAGRAMS = 4096
MAX_BYTES = 8 << 20
MAX_DONE = 1024
MAX_LENGTH = 65_535
MAX_EXTENSIONS = 12
PIECE_COST = 128
TIMEOUT_NS = 30_000_000_000  # as Linux (ipfrag_time)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fragment as it was read: `head` is what stands before the data in the whole datagram."""

    key: bytes
    head: bytes
    start: int
    stop: int  # on the wire; `data` may have been cut
    more: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Datagram:
    """An IP packet, whole or its beginning."""

    packet: bytes
    time: int  # ns
    vlan: int  # packed stack


def read_fragment(packet: bytes) -> Fragment | None:
    """The fragment that an IP packet is; None if it makes no sense."""
    if len(packet) < 20:
        return None
    fragment = _read_ipv4(packet) if packet[0] >> 4 == 4 else _read_ipv6(packet)
    if fragment is None or fragment.stop <= fragment.start or (fragment.more and (fragment.stop - fragment.start) % 8):
        return None
    return fragment if _fits(fragment.head, fragment.stop) else None


def _fits(head: bytes, length: int) -> bool:
    fixed = 0 if head[0] >> 4 == 4 else 40
    return len(head) - fixed + length <= MAX_LENGTH


def _read_ipv4(packet: bytes) -> Fragment | None:
    size, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big") or len(packet)
    if size < 20 or len(packet) < size:
        return None
    word = int.from_bytes(packet[6:8], "big")
    start, key = (word & 0x1FFF) * 8, packet[12:20] + packet[4:6] + packet[9:10]
    return Fragment(key, packet[:size], start, start + total - size, bool(word & 0x2000), packet[size:total])


def _read_ipv6(packet: bytes) -> Fragment | None:
    kind, told, at = packet[6], 6, 40  # `told`: where the type of the header at hand stands
    for _ in range(MAX_EXTENSIONS):
        if at + 8 > len(packet):
            return None
        if kind == FRAGMENT:
            break
        if kind not in (HOP_BY_HOP, ROUTING, DESTINATION, MOBILITY, AH):
            return None
        kind, told, at = packet[at], at, at + (packet[at + 1] * 4 if kind == AH else packet[at + 1] * 8) + 8
    else:
        return None
    head = packet[:told] + packet[at : at + 1] + packet[told + 1 : at]
    total = int.from_bytes(packet[4:6], "big") + 40
    if total == 40:
        total = len(packet)
    word = int.from_bytes(packet[at + 2 : at + 4], "big")
    start, key = word & 0xFFF8, packet[8:40] + packet[at + 4 : at + 8]
    return Fragment(key, head, start, start + total - at - 8, bool(word & 1), packet[at + 8 : total])


@dataclass(slots=True)
class _Pieces:
    """What has come of one datagram: disjoint pieces in order."""

    first: int  # packet time
    latest: int
    vlan: int
    head: bytes = b""
    total: int = 0
    covered: int = 0
    starts: list[int] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    @property
    def cost(self) -> int:
        return self.covered + PIECE_COST * (1 + len(self.starts))

    def contradicts(self, fragment: Fragment) -> bool:
        """Does it end the datagram elsewhere than another one, or lie behind its end?"""
        if self.total:
            return fragment.stop > self.total or (not fragment.more and fragment.stop != self.total)
        return not fragment.more and bool(self.stops) and fragment.stop < self.stops[-1]

    def add(self, fragment: Fragment) -> bool:
        """Fill what is not covered yet; false if some of it was, with other bytes or bounds."""
        if not fragment.more:
            self.total = fragment.stop
        if fragment.start == 0 and not self.head:
            self.head = fragment.head
        at = bisect_right(self.starts, fragment.start) - 1
        if at >= 0 and (self.starts[at], self.stops[at], self.data[at]) == (
            fragment.start,
            fragment.stop,
            fragment.data,
        ):
            return True
        begin = max(fragment.start, self.stops[at]) if at >= 0 else fragment.start
        at += 1
        clean = begin == fragment.start
        while begin < fragment.stop:
            end = min(fragment.stop, self.starts[at]) if at < len(self.starts) else fragment.stop
            clean = clean and end == fragment.stop
            if begin < end:
                self.starts.insert(at, begin)
                self.stops.insert(at, end)
                self.data.insert(at, fragment.data[begin - fragment.start : end - fragment.start])
                self.covered += end - begin
                at += 1
            begin = self.stops[at] if at < len(self.stops) else fragment.stop
            at += 1
        return clean

    @property
    def whole(self) -> bool:
        return bool(self.total) and self.covered == self.total

    def packet(self) -> bytes | None:
        """The IP packet as far as there is no gap, its lengths put right; None without its beginning."""
        if not self.head or not self.starts or self.starts[0] != 0:
            return None
        reach, body, cut = 0, bytearray(), False
        for start, stop, data in zip(self.starts, self.stops, self.data, strict=True):
            if start != reach:
                break
            if not cut:
                body += data
            cut = cut or len(data) < stop - start
            reach = stop
        if not _fits(self.head, reach):
            return None
        head = bytearray(self.head)
        if head[0] >> 4 == 4:
            head[2:4] = (len(head) + reach).to_bytes(2, "big")
            head[6:8] = b"\0\0"
        else:
            head[4:6] = (len(head) - 40 + reach).to_bytes(2, "big")
        return bytes(head + body)


class Reassembler:
    """See the module's header. `add` fragments, `take` datagrams; counters say what became of them."""

    def __init__(self, max_datagrams: int = MAX_DATAGRAMS, max_bytes: int = MAX_BYTES) -> None:
        self._max_datagrams, self._max_bytes = max_datagrams, max_bytes
        self._pending: OrderedDict[bytes, _Pieces] = OrderedDict()
        self._done: OrderedDict[bytes, int] = OrderedDict()  # when a datagram became whole
        self._ready: list[Datagram] = []
        self.held = 0
        self.completed = 0
        self.dropped = 0  # datagrams that had to make room, fragments that made no sense
        self.expired = 0
        self.overlapping = 0  # fragments

    def add(self, packet: bytes, time: int, vlan: int) -> None:
        """Take a captured IP packet that is a fragment."""
        self.expire(time)
        fragment = read_fragment(packet)
        if fragment is None:
            self.dropped += 1
            return
        key = fragment.key
        done = self._done.get(key)
        if done is not None and abs(time - done) <= ROUTED_NS:
            return
        pieces = self._pending.get(key)
        if pieces is None:
            pieces = self._pending[key] = _Pieces(time, time, vlan)
            self.held += pieces.cost
        if pieces.contradicts(fragment):
            self.dropped += 1
            return
        self.held -= pieces.cost
        self.overlapping += not pieces.add(fragment)
        self.held += pieces.cost
        pieces.latest = time
        if pieces.whole:
            self._finish(key, time)
        while len(self._pending) > self._max_datagrams or self.held > self._max_bytes:
            self.dropped += 1
            self._give_up(next(iter(self._pending)))

    def expire(self, now: int) -> None:
        """Give up what is older than TIMEOUT_NS at packet time `now`."""
        while self._pending:
            key, pieces = next(iter(self._pending.items()))
            if now - pieces.first <= TIMEOUT_NS:
                return
            self.expired += 1
            self._give_up(key)

    def take(self) -> list[Datagram]:
        """What became whole or was given up since the last call."""
        ready, self._ready = self._ready, []
        return ready

    def _finish(self, key: bytes, time: int) -> None:
        self.completed += 1
        self._give_up(key)
        self._done[key] = time
        if len(self._done) > MAX_DONE:
            self._done.popitem(last=False)

    def _give_up(self, key: bytes) -> None:
        pieces = self._pending.pop(key)
        self.held -= pieces.cost
        if packet := pieces.packet():
            self._ready.append(Datagram(packet, pieces.latest, pieces.vlan))


_SECTION = struct.pack(">IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
_INTERFACE = struct.pack(">IIHHIHHB3xHHI", 1, 32, 1, 0, 0, 9, 1, 9, 0, 0, 32)  # Ethernet, in nanoseconds


def as_block(datagrams: Iterable[Datagram], not_before: int = 0) -> bytes:
    """A pcapng file of Ethernet frames; none is earlier than `not_before` (ns)."""
    out = [_SECTION, _INTERFACE]
    for datagram in datagrams:
        tags = b"".join(struct.pack(">HH", VLAN, tag) for tag in unpack_vlan(datagram.vlan))
        kind = IPV4 if datagram.packet[0] >> 4 == 4 else IPV6
        frame = bytes(12) + tags + struct.pack(">H", kind) + datagram.packet
        ticks, padding = max(datagram.time, not_before), bytes(-len(frame) % 4)
        size = 32 + len(frame) + len(padding)
        out.append(struct.pack(">IIIQII", 6, size, 0, ticks, len(frame), len(frame)) + frame + padding)
        out.append(struct.pack(">I", size))
    return b"".join(out)
