"""Which hardware address was seen at which address: what ARP, NDP and DHCP on the mirror say, noted and bounded.

Theory. A pair of address and hardware address is told when it is new, when another hardware address was seen at the
address meanwhile, and else every REPEAT_S: who reads the table (`pipeline.feeds.neighbours`) knows for how long a
sighting holds. Nothing is decided here: contradictions are told, and end there in nobody. Addresses of pupils and
guests, exempt ones and those that never leave a link are not noted at all.

Bounds, each with a counter: so many pairs, new pairs a minute, hardware addresses of one address, and addresses of one
hardware address: one that has more is a router or answers for others, and who reads the table sees that from those it
has. Of a storm the kernel hands over so many packets a second (`sensor.todo`). A pair that was silent for an hour is
forgotten.

It holds no names: hosts' names in DHCP are not read. It does not know whose devices these are. Several workers each
tell what they see; what they say together is put together by who reads it.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from sensor.layout import SECOND, TODO_NEIGHBOUR
from sensor.leases import read_lease
from sensor.neighbours import Sighting, Unreadable, read_neighbour
from sensor.settings import SegmentRule, Subnet
from sensor.words import Segment

FOLDER = "sightings"  # in the spool
CAP_BYTES = 32 << 20  # of that folder

REPEAT_NS, FLIP_NS, FORGET_NS = 600 * SECOND, 5 * SECOND, 3600 * SECOND
NEVER = -(1 << 62)
MAX_PAIRS = 1 << 16
NEW_A_MINUTE = 1 << 11
MAX_MACS, MAX_ADDRESSES = 4, 256  # of an address; of a hardware address
MAX_ROWS = 1 << 14  # between two looks

_CACHED = 1 << 14
_LINK_LOCAL: tuple[Subnet, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8")
)

_WORD = pa.dictionary(pa.int8(), pa.string())

SIGHTING_SCHEMA = pa.schema(
    [
        pa.field("time", pa.float64(), nullable=False, metadata={"about": "packet time, Unix seconds"}),
        pa.field("address", pa.binary(16), nullable=False, metadata={"about": "IPv4 as ::ffff:a.b.c.d"}),
        pa.field("mac", pa.uint64(), nullable=False, metadata={"about": "hardware address, as a number"}),
        pa.field("how", _WORD, nullable=False, metadata={"about": "arp, ndp, dhcp, duid"}),
        pa.field("lease_s", pa.uint32(), nullable=False, metadata={"about": "seconds it is lent for; 0: nobody said"}),
    ]
)
NOTHING = SIGHTING_SCHEMA.empty_table()


class Watched:
    """Whether a client's address may be noted: it is nobody's but staff's, or of a segment that is unknown."""

    def __init__(self, rules: Sequence[SegmentRule], exempt: Sequence[Subnet] = ()) -> None:
        others = (Segment.PUPIL, Segment.GUEST)
        self._vlans = {vlan for rule in rules if rule.segment in others for vlan in rule.vlans}
        spans = [(*_span(net), rule.segment not in others) for rule in rules for net in rule.subnets]
        self._spans = sorted(spans, key=lambda span: span[1] - span[0])  # the narrowest first
        self._never = [_span(net) for net in (*exempt, *_LINK_LOCAL)]
        self._known: dict[bytes, bool] = {}

    def __call__(self, address: bytes, vlan: int) -> bool:
        if vlan and vlan & 0xFFF in self._vlans:
            return False
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _CACHED:
                self._known.clear()
            known = self._known[address] = self._look(int.from_bytes(address, "big"))
        return known

    def _look(self, number: int) -> bool:
        if any(first <= number <= last for first, last in self._never):
            return False
        return next((ours for first, last, ours in self._spans if first <= number <= last), True)


def _span(net: Subnet) -> tuple[int, int]:
    mapped = 0xFFFF << 32 if isinstance(net, ipaddress.IPv4Network) else 0
    return int(net.network_address) | mapped, int(net.broadcast_address) | mapped


class _Pair(NamedTuple):
    """When a pair was last seen, last told, and last told as a lease: packet time, ns."""

    seen: int = NEVER
    told: int = NEVER
    lent: int = NEVER


class Sightings:
    """See the module's header. `read` takes packets, `take` gives what is new."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._pairs: OrderedDict[tuple[bytes, int], _Pair] = OrderedDict()  # the one longest silent first
        self._latest: dict[bytes, int] = {}
        self._macs: Counter[bytes] = Counter()
        self._addresses: Counter[int] = Counter()
        self._minute, self._new = 0, 0
        self._rows: list[tuple[int, bytes, int, str, int]] = []
        self.counts: Counter[str] = Counter()

    def read(self, kind: int, packet: bytes, time: int, vlan: int) -> None:
        """Note what a packet of the kernel's list says; `time` in ns, `vlan` its stack."""
        try:
            if kind == TODO_NEIGHBOUR:
                sighting = read_neighbour(packet)
                found = [sighting] if sighting else []
            else:
                found = read_lease(packet)
        except Unreadable:
            self.counts["unreadable"] += 1
            return
        for sighting in found:
            if time > 0:
                self._note(sighting, time, vlan)

    def take(self) -> pa.Table:
        """The sightings to be told since the last call."""
        rows, self._rows = self._rows, []
        if not rows:
            return NOTHING
        times, addresses, macs, hows, leases = zip(*rows, strict=True)
        columns = (
            pa.array([time / SECOND for time in times], pa.float64()),
            pa.array(addresses, pa.binary(16)),
            pa.array(macs, pa.uint64()),
            pa.array(hows, pa.string()).dictionary_encode().cast(_WORD),
            pa.array(leases, pa.uint32()),
        )
        return pa.Table.from_arrays(list(columns), schema=SIGHTING_SCHEMA)

    def _note(self, sighting: Sighting, time: int, vlan: int) -> None:
        address, mac, how, lease = sighting
        if not self._watched(address, vlan):
            self.counts["elsewhere"] += 1
            return
        self._forget(time)
        known = self._pairs.get((address, mac))
        if known is None:
            if not self._admit(address, mac, time):
                return
            known = _Pair()
        quiet = known.lent if lease else known.told
        if time - quiet < (FLIP_NS if lease or self._latest.get(address, mac) != mac else REPEAT_NS):
            tells = False
        elif len(self._rows) >= MAX_ROWS or (lease and known.told != NEVER and not self._afford(time)):
            self.counts["dropped"] += 1
            tells = False
        else:
            tells = True
            self._rows.append((time, address, mac, how, lease))
            self.counts["told"] += 1
        told, lent = time if tells else known.told, time if tells and lease else known.lent
        self._pairs[address, mac] = _Pair(time, told, lent)
        self._pairs.move_to_end((address, mac))
        self._latest[address] = mac

    def _afford(self, time: int) -> bool:
        """May another thing be told that is new?"""
        minute = time // (60 * SECOND)
        if minute != self._minute:
            self._minute, self._new = minute, 0
        self._new += 1
        return self._new <= NEW_A_MINUTE

    def _admit(self, address: bytes, mac: int, time: int) -> bool:
        """Is there room for a new pair? Makes it if so."""
        if self._addresses[mac] >= MAX_ADDRESSES:
            self.counts["of_routers"] += 1
            return False
        if self._macs[address] >= MAX_MACS or not self._afford(time):
            self.counts["dropped"] += 1
            return False
        if len(self._pairs) >= MAX_PAIRS:
            self._remove()
            self.counts["evicted"] += 1
        self._macs[address] += 1
        self._addresses[mac] += 1
        return True

    def _forget(self, time: int) -> None:
        while self._pairs:
            if next(iter(self._pairs.values())).seen > time - FORGET_NS:
                return
            self._remove()

    def _remove(self) -> None:
        """Let the pair go that was silent for longest."""
        (address, mac), _ = self._pairs.popitem(last=False)
        self._macs[address] -= 1
        self._addresses[mac] -= 1
        if not self._macs[address]:
            del self._macs[address]
            self._latest.pop(address, None)
        if not self._addresses[mac]:
            del self._addresses[mac]
