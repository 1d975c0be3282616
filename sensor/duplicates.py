"""Packets that a mirror delivers twice: before and after a router, or as they enter and leave one switch.

Theory of operation. A router changes the link header, the VLAN, the time to live and perhaps the class of service of a
packet, and nothing else. `decode` folds the rest (flow, direction, IPv4 identification or IPv6 flow label, TCP sequence
and acknowledgement, flags, window, length and the transport checksum, which covers the payload) into a signature, and a
small direct-mapped table remembers the last packet of each row: its signature, its time and its time to live. The same
signature again is a duplicate if it comes soon: within ROUTED_NS if the time to live has changed, within SAME_NS if it
has not. The times are short because an ordinary retransmission must never be taken for a duplicate. It has the same
time to live, comes a round trip later at the least, and mostly has another identification or TCP timestamp, too. What
has no identification (IPv6, and IPv4 with 0) is a duplicate at the same time to live only within BARE_NS and if it
carries payload: hosts do send the same acknowledgement or reset twice.

What it does not know: packets without a checksum have no signature and are always counted; neither have packets without
a time. A duplicate whose row was overwritten meanwhile is counted as a packet of its own. Address translation makes
another packet, so both sides of it are flows; so does a router that rewrites the segment size of a SYN.

Sources: RFC 1812 5.3.1 (what a router changes), RFC 6864 (IPv4 identification), RFC 6298 (retransmission times).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.load import inlined, kernel

HOPS, BARE = 0xFF, 0x100  # time to live; the packet has no identification

ROWS = 4096  # 64 KiB: at 100,000 packets/s the memory of 40 ms
ROUTED_NS = 10_000_000
SAME_NS = 1_000_000
BARE_NS = 100_000
_LOW = HOPS | BARE  # bits of the time that are something else


def new_recent() -> Any:
    """An empty table: signature, and time with the batch's `hops` in its lowest bits."""
    return np.zeros((ROWS, 2), np.uint64)


@kernel
def _is_soon(recent, row, before, now, size):
    """Does the packet at `now` follow the one at `before` so soon? If so, the table keeps the first one's time."""
    silence = abs((np.int64(now) & ~_LOW) - (np.int64(before) & ~_LOW))
    limit = ROUTED_NS
    if (np.int64(now) ^ np.int64(before)) & HOPS == 0:
        limit = SAME_NS
        if np.int64(now) & BARE:
            limit = BARE_NS if size > 0 else -1
    if np.int64(now) <= _LOW or silence > limit:
        return False
    recent[row, 1] = before
    return True


@inlined
def is_duplicate(recent, batch, i):
    """Was packet `i` of the batch seen a moment ago? Remembers it."""
    signature = batch.signature[i]
    row = signature & np.uint64(len(recent) - 1)
    again = (recent[row, 0] == signature) & (signature != 0)
    before = recent[row, 1]
    now = np.uint64((batch.time[i] & ~_LOW) | batch.hops[i])
    recent[row, 0] = signature
    recent[row, 1] = now
    return again and _is_soon(recent, row, before, now, batch.payload_length[i])
