"""What kind of mirror is this? A look at a few frames now and then: are all clients behind the MAC address of a router?

Where they are, the mirror lies behind the school's own router. That is no fault, but then nothing can be told from a
frame's MAC address. The look is taken in ordinary Python, on the first frames of a block every few seconds. It keeps
the addresses of the clients that it met last in memory, and gives out numbers only.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Sequence
from typing import Any

from sensor import walk
from sensor.settings import Subnet

FRAMES = 32  # looked at in one block
CLIENTS = 512  # remembered
_VLAN = (b"\x81\x00", b"\x88\xa8")


class MirrorLook:
    """See the module's header. `inside`: where clients live."""

    def __init__(self, inside: Sequence[Subnet]) -> None:
        self._inside = [
            (net.version, int(net.network_address), int(net.broadcast_address))
            for net in ipaddress.collapse_addresses(n for n in inside if n.version == 4)
        ] + [
            (net.version, int(net.network_address), int(net.broadcast_address))
            for net in ipaddress.collapse_addresses(n for n in inside if n.version == 6)
        ]
        self._mac_of: OrderedDict[bytes, bytes] = OrderedDict()

    def look(self, buffer: Any, start: int, end: int, state: Any) -> None:
        """Look at the first frames of a ring's block, before it is metered."""
        if state[walk.LINK] != 1:
            return
        at = start
        for _ in range(min(FRAMES, int(state[walk.LEFT]))):
            header = buffer[at : at + 32].tobytes()
            mac = at + int.from_bytes(header[24:26], "little")
            self.frame(buffer[mac : min(mac + 64, end)].tobytes())
            at += int.from_bytes(header[:4], "little")

    def frame(self, frame: bytes) -> None:
        """Note whose frame it is."""
        at = 12
        while frame[at : at + 2] in _VLAN:
            at += 4
        kind, packet = frame[at : at + 2], frame[at + 2 :]
        if kind == b"\x08\x00":
            version, source = 4, packet[12:16]
        elif kind == b"\x86\xdd":
            version, source = 6, packet[8:24]
        else:
            return
        number = int.from_bytes(source, "big")
        if any(v == version and first <= number <= last for v, first, last in self._inside):
            self._mac_of[source] = frame[6:12]
            self._mac_of.move_to_end(source)
            if len(self._mac_of) > CLIENTS:
                self._mac_of.popitem(last=False)

    def clients(self) -> tuple[int, int]:
        """How many clients were seen, and how many of them behind the commonest MAC address."""
        macs = Counter(self._mac_of.values())
        return len(self._mac_of), max(macs.values(), default=0)
