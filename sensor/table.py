"""The flow table: open addressing with linear probing over hot and cold rows (sensor.layout).

A row is found by the keyed 64-bit hash of its flow. Removal shifts rows back, so there are no tombstones. When the
table may not grow any more, the stalest of eight neighbours makes room for a new flow; it is written out first, and
counted. A flow's counters belong to one clock minute of packet time: `place` writes the old minute out (`emit`)
before a packet of another one is counted. It does not read payloads.
"""

from __future__ import annotations

import numpy as np

from sensor.frames import ACK, SYN, TCP
from sensor.layout import (
    ABSENT,
    BURST_BYTES,
    BURST_LARGEST,
    BURST_SEEN,
    BURST_SILENCE_MS,
    BURSTS,
    BYTES_AB,
    BYTES_BA,
    C_EVICTED,
    C_FLOWS,
    C_UID,
    C_USED,
    CLIENT_IS_B,
    CLOSED,
    COLD,
    FIRST_MS,
    FLAGS,
    FLOW_FIRST,
    GAP_SUM,
    GAP_SUMSQ,
    HASH,
    IS_TCP,
    LAST,
    LAST_UP,
    LOW32,
    MILLISECOND,
    MINUTE,
    MINUTE_NS,
    NAME,
    NEXT_SEQUENCE,
    NO_NAME,
    OLD,
    ONE,
    PACKETS_AB,
    PACKETS_BA,
    ROW,
    S_BURST_BYTES,
    S_BURST_LARGEST,
    S_BURSTS,
    S_BYTES_DOWN,
    S_BYTES_UP,
    S_FIRST,
    S_FLAGS,
    S_FLOW_FIRST,
    S_GAP_SUM,
    S_GAP_SUMSQ,
    S_LAST,
    S_MINUTE,
    S_NAME,
    S_PACKETS_DOWN,
    S_PACKETS_UP,
    S_UID,
    S_VLAN,
    SYN_SEEN,
    UID,
    VLAN,
)
from sensor.load import inlined, kernel


@inlined
def swap_ports(k4):
    return (
        (k4 << np.uint64(16) & np.uint64(0xFFFF000000000000))
        | (k4 >> np.uint64(16) & np.uint64(0xFFFF00000000))
        | (k4 & np.uint64(0xFFFFFFFF))
    )


@inlined
def find(flows, h):
    """Slot of the flow with this hash; or the free row that ends its probe, with bit ABSENT set."""
    words = flows.words
    mask = np.uint64(len(words) - 1)
    slot = h & mask
    while words[slot, HASH] != h:
        if words[slot, HASH] == 0:
            return slot | ABSENT
        slot = (slot + ONE) & mask
    return slot


@inlined
def _write(flows, slot, out):
    """Append the open minute of a flow to `out`."""
    n = np.uint64(out.count[0])  # unsigned indices throughout: Numba need not ask whether they count from the end
    keys = flows.keys
    flags = np.int64(flows.halves[slot, FLAGS])
    last = flows.signed[slot, LAST]
    minute = np.int64(flows.halves[slot, MINUTE])
    first = minute * MINUTE_NS + np.int64(flows.halves[slot, FIRST_MS]) * MILLISECOND
    if not flags & OLD:
        first = flows.cold[slot, FLOW_FIRST]
    if flags & CLIENT_IS_B:
        out.words[n, 0] = keys[slot, 2]
        out.words[n, 1] = keys[slot, 3]
        out.words[n, 2] = keys[slot, 0]
        out.words[n, 3] = keys[slot, 1]
        out.words[n, 4] = swap_ports(keys[slot, 4])
        out.words[n, S_BYTES_UP] = flows.words[slot, BYTES_BA]
        out.words[n, S_BYTES_DOWN] = flows.words[slot, BYTES_AB]
        out.halves[n, S_PACKETS_UP] = flows.halves[slot, PACKETS_BA]
        out.halves[n, S_PACKETS_DOWN] = flows.halves[slot, PACKETS_AB]
    else:
        for k in range(5):
            out.words[n, k] = keys[slot, k]
        out.words[n, S_BYTES_UP] = flows.words[slot, BYTES_AB]
        out.words[n, S_BYTES_DOWN] = flows.words[slot, BYTES_BA]
        out.halves[n, S_PACKETS_UP] = flows.halves[slot, PACKETS_AB]
        out.halves[n, S_PACKETS_DOWN] = flows.halves[slot, PACKETS_BA]
    out.signed[n, S_MINUTE] = minute
    out.signed[n, S_FIRST] = first
    out.signed[n, S_LAST] = last
    out.signed[n, S_VLAN] = flows.cold[slot, VLAN]
    out.signed[n, S_FLOW_FIRST] = flows.cold[slot, FLOW_FIRST]
    out.halves[n, S_NAME] = flows.halves[slot, NAME]
    out.halves[n, S_FLAGS] = flags
    out.halves[n, S_UID] = flows.cold[slot, UID]
    if flags & BURST_SEEN:
        out.halves[n, S_BURSTS] = flows.cold[slot, BURSTS]
        out.halves[n, S_BURST_BYTES] = min(flows.cold[slot, BURST_BYTES], LOW32)
        out.halves[n, S_BURST_LARGEST] = flows.cold[slot, BURST_LARGEST]
        out.gaps[n, S_GAP_SUM] = flows.gaps[slot, GAP_SUM]
        out.gaps[n, S_GAP_SUMSQ] = flows.gaps[slot, GAP_SUMSQ]
    else:
        out.halves[n, S_BURSTS] = 0
        out.halves[n, S_BURST_BYTES] = 0
        out.halves[n, S_BURST_LARGEST] = 0
        out.gaps[n, S_GAP_SUM] = 0.0
        out.gaps[n, S_GAP_SUMSQ] = 0.0
    out.count[0] += 1


@inlined
def emit(flows, slot, names, out, late, emit_all):
    """Write the open minute of a flow where it is wanted, if it is, and clear its counters."""
    if flows.halves[slot, PACKETS_AB] == 0 and flows.halves[slot, PACKETS_BA] == 0:
        return
    flags = np.int64(flows.halves[slot, FLAGS])
    name = np.uint64(flows.halves[slot, NAME])
    if name == 0:
        if emit_all or not flags & NO_NAME:
            _write(flows, slot, late)
    elif emit_all or names.service[name] != 0:
        _write(flows, slot, out)
    if flags & BURST_SEEN:
        for k in range(GAP_SUM, BURST_LARGEST + 1):
            flows.cold[slot, k] = 0
    flows.halves[slot, FLAGS] = (flags | OLD) & ~BURST_SEEN
    flows.halves[slot, PACKETS_AB] = 0
    flows.halves[slot, PACKETS_BA] = 0
    flows.words[slot, BYTES_AB] = 0
    flows.words[slot, BYTES_BA] = 0


@inlined
def _begin(flows, slot, batch, i, counters):
    """Make row `slot` a new flow that starts with packet `i`."""
    now = batch.time[i]
    for k in range(ROW):
        flows.words[slot, k] = 0
    for k in range(5):
        flows.keys[slot, k] = batch.key[i, k]
    for k in range(5, COLD):
        flows.cold[slot, k] = 0
    flows.words[slot, HASH] = batch.hash[i]
    flows.signed[slot, LAST] = now
    minute = now // MINUTE_NS
    flows.halves[slot, MINUTE] = minute
    flows.halves[slot, FIRST_MS] = (now - minute * MINUTE_NS) // MILLISECOND
    flows.halves[slot, LAST_UP] = (now // MILLISECOND - BURST_SILENCE_MS) & LOW32
    flows.cold[slot, FLOW_FIRST] = now
    flows.cold[slot, VLAN] = np.int64(batch.vlan[i])
    flows.cold[slot, NEXT_SEQUENCE] = -1
    key = batch.key[i, 4]
    low = np.int64(key >> np.uint64(48))
    high = np.int64(key >> np.uint64(32)) & 0xFFFF
    b = batch.source_is_b[i]
    source = high if b else low
    target = low if b else high
    tcp = np.int64(key >> np.uint64(24)) & 0xFF == TCP
    client_is_b = b
    flags = 0
    if tcp and batch.flags[i] & SYN:
        flags = SYN_SEEN
        if batch.flags[i] & ACK:
            client_is_b = 1 - b
    elif source < 1024 <= target or source == 1900 or source == 5353:
        client_is_b = 1 - b  # the capture began late: the well-known port is the server's
    if client_is_b:
        flags |= CLIENT_IS_B
    if tcp:
        flags |= IS_TCP
    flows.halves[slot, FLAGS] = flags
    flows.cold[slot, UID] = counters[C_UID] & LOW32
    counters[C_UID] += 1
    counters[C_FLOWS] += 1


@kernel
def _copy(source, at, target, to):
    """Copy a flow's row, hot and cold."""
    for k in range(ROW):
        target.words[to, k] = source.words[at, k]
    for k in range(COLD):
        target.cold[to, k] = source.cold[at, k]


@kernel
def remove(flows, hole):
    """Free a row and shift back the rows whose probe passed over it."""
    mask = len(flows.words) - 1
    slot = hole
    while True:
        slot = (slot + 1) & mask
        if flows.words[slot, HASH] == 0:
            break
        home = np.int64(flows.words[slot, HASH] & np.uint64(mask))
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            _copy(flows, slot, flows, hole)
            hole = slot
    flows.words[hole, HASH] = 0


@kernel
def _evict(flows, free, names, out, late, limits, counters):
    """Write out and remove the stalest of the eight flows that lie before a free row."""
    mask = len(flows.words) - 1
    best = -1
    seen = 0
    slot = free
    while seen < 8 and (best < 0 or (free - slot) & mask < 64):
        slot = (slot - 1) & mask
        if flows.words[slot, HASH]:
            seen += 1
            if best < 0 or flows.signed[slot, LAST] < flows.signed[best, LAST]:
                best = slot
    emit(flows, best, names, out, late, limits.emit_all)
    remove(flows, best)
    counters[C_EVICTED] += 1
    counters[C_USED] -= 1


@inlined
def place(flows, batch, i, names, out, late, limits, counters):
    """The slot of packet `i`'s flow, its open minute being the packet's; made or begun anew if need be."""
    now = batch.time[i]
    slot = batch.slot[i]
    if slot & ABSENT or flows.words[slot, HASH] != batch.hash[i]:  # not there yet, or moved by a newcomer of this batch
        slot = find(flows, batch.hash[i])
    if slot & ABSENT:
        if counters[C_USED] >= limits.max_used:
            _evict(flows, np.int64(slot ^ ABSENT), names, out, late, limits, counters)
            slot = find(flows, batch.hash[i])
        slot = slot ^ ABSENT
        counters[C_USED] += 1
        _begin(flows, slot, batch, i, counters)
        return slot
    tcp = np.int64(batch.key[i, 4] >> np.uint64(24)) & 0xFF == TCP
    again = now - flows.signed[slot, LAST] > (limits.tcp_idle if tcp else limits.udp_idle)
    if tcp and batch.flags[i] & (SYN | ACK) == SYN:
        flags = np.int64(flows.halves[slot, FLAGS])
        expected = flows.cold[slot, NEXT_SEQUENCE]
        fresh = (batch.sequence[i] + 1) & LOW32
        again = again or flags & CLOSED != 0 or (flags & SYN_SEEN != 0 and expected != -1 and expected != fresh)
    if again:  # the same ports, another connection
        emit(flows, slot, names, out, late, limits.emit_all)
        _begin(flows, slot, batch, i, counters)
        return slot
    minute = now // MINUTE_NS
    if minute != np.int64(flows.halves[slot, MINUTE]):
        emit(flows, slot, names, out, late, limits.emit_all)
        flows.halves[slot, MINUTE] = minute
        flows.halves[slot, FIRST_MS] = (now - minute * MINUTE_NS) // MILLISECOND
    flows.signed[slot, LAST] = now
    return slot


@kernel
def rehash(old, new):
    """Move every flow into a larger, empty table."""
    for slot in range(len(old.words)):
        if old.words[slot, HASH]:
            _copy(old, slot, new, find(new, old.words[slot, HASH]) ^ ABSENT)
