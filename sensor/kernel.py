"""The flow table and the loop over packets: the part of the sensor that must keep up with the wire.

Theory of operation. `advance` takes a block of captured bytes in batches of 128 frames, in three passes. The first
walks and decodes frames and asks the processor to fetch their flows' hot rows; the second finds the rows and asks
for the cold rows that will be needed; the third updates. So a batch waits for memory once, not once a packet. A hot
row is one cache line: a 64-bit keyed hash of the flow's key stands for the key, which lies in the cold row (of a
million flows at once, two share a hash with a chance of 3 in 100 million; the hash is keyed anew by every live
process, so nobody can arrange it).

A flow's counters belong to one clock minute of packet time; a packet of another minute first writes the old minute
out as a raw slice: to `out` if the flow has a name that a catalogue entry wants, to `late` if its name is still
unknown. Names come from whole hellos right here; anything rarer (split hello, QUIC, DNS, HTTP) goes on a to-do list
for Python. `advance` stops early, with a status, whenever a batch might not fit in a buffer, the to-do list, the
name table or the flow table.

The table is open addressing with linear probing; removal shifts rows back, so there are no tombstones. When it may
not grow any more, a new flow takes the place of the stalest of its eight neighbours, which is written out first and
counted.

It does not know services beyond one number per name, nor people, nor where the bytes came from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor.frames import ACK, BATCH, FIN, PSH, RST, SYN, TCP, decode, hash_key
from sensor.load import inlined, kernel, load8, load16, load32, prefetch
from sensor.names import COUNT, INCOMPLETE, MAX_NAME, NAMELESS, NOT_HELLO, USED_BYTES, WHOLE, find_hello_name, intern
from sensor.walk import FORMAT, FORMAT_PCAP, FORMAT_PCAPNG, LEFT, walk_pcap, walk_pcapng, walk_ring

# Hot row, 64-bit words: one cache line.
HASH, LAST, BYTES_AB, BYTES_BA = 0, 1, 2, 3  # HASH 0 = free row; LAST packet time, ns
# The same row as 32-bit words. LAST_UP: client payload last seen, low 32 bits of milliseconds.
PACKETS_AB, PACKETS_BA, NAME, FLAGS, MINUTE, LAST_UP, BURST_NOW, FIRST_MS = 8, 9, 10, 11, 12, 13, 14, 15
ROW = 8
# Cold row: touched when a flow is made, looked at, sends a burst or is written out. 0-4 flow key, as in Batch.key.
FLOW_FIRST, VLAN, NEXT_SEQUENCE, UID, BURST_BEFORE, GAP_SUM, GAP_SUMSQ = 5, 6, 7, 8, 9, 10, 11
BURSTS, BURST_BYTES, BURST_LARGEST = 12, 13, 14
COLD = 16

# Flow flags.
CLIENT_IS_B, SYN_SEEN, CLOSED, PARTIAL, OLD, NO_NAME, PAYLOAD_SEEN, BURST_SEEN = 1, 2, 4, 8, 16, 32, 64, 128
LOOK_MASK = 3 << 8
LOOK_HERE, LOOK_PYTHON, LOOK_DONE = 0, 1 << 8, 2 << 8
LOOKED_SHIFT, LOOKED_MASK = 10, 15 << 10
IS_TCP = 1 << 14
EVIDENCE_SHIFT, EVIDENCE_MASK = 16, 7 << 16
MAX_LOOKED = 12

# Raw slice, 64-bit words; 0-3 client and server address, 4 ports and protocol.
S_MINUTE, S_FIRST, S_LAST, S_BYTES_UP, S_BYTES_DOWN, S_VLAN, S_FLOW_FIRST, S_GAP_SUM, S_GAP_SUMSQ = (
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
)
# The same as 32-bit words.
S_PACKETS_UP, S_PACKETS_DOWN, S_NAME, S_FLAGS, S_UID, S_BURSTS, S_BURST_BYTES, S_BURST_LARGEST = (
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
)
SLICE = 18

# To-do item, 64-bit words: 0-4 flow key.
T_KIND, T_TIME, T_PAYLOAD, T_END, T_SEQUENCE, T_UID, T_FROM_B, T_NEXT = 5, 6, 7, 8, 9, 10, 11, 12
TODO = 16
TODO_STREAM, TODO_QUIC, TODO_DNS = 1, 2, 3

# Counters. NAMEABLE: flows that carried something a name can be read from.
C_PACKETS, C_BYTES, C_FLOWS, C_NAMED, C_EVICTED, C_LATEST, C_USED, C_UID, C_EXPIRED, C_NAMEABLE = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
)
C_SKIP = 10  # + SKIP reason
COUNTERS = 20

# Why `advance` returned.
BLOCK_DONE, SLICES_FULL, TODO_FULL, NAMES_FULL, TABLE_FULL, SWEEP_DUE = 0, 1, 2, 3, 4, 5

SECOND = 1_000_000_000
MINUTE_NS = 60 * SECOND
MILLISECOND = 1_000_000
BURST_MIN = 300  # payload bytes (rule E3)
BURST_SILENCE_MS = 1000
ABSENT = np.uint64(1 << 63)
ONE = np.uint64(1)
LOW32 = 0xFFFFFFFF


class Flows(NamedTuple):
    """The table, as several views of the same memory."""

    words: Any  # uint64[capacity, ROW]
    signed: Any  # int64 view
    halves: Any  # uint32 view [capacity, 2 * ROW]
    cold: Any  # int64[capacity, COLD]
    keys: Any  # uint64 view of cold
    gaps: Any  # float64 view of cold


class Slices(NamedTuple):
    """Raw slices waiting to be drained."""

    words: Any  # uint64[n, SLICE]
    signed: Any  # int64 view
    halves: Any  # uint32 view
    gaps: Any  # float64 view
    count: Any  # int64[1]


class Todo(NamedTuple):
    """Packets that Python must look at, oldest first."""

    words: Any  # uint64[n, TODO]
    signed: Any  # int64 view
    count: Any  # int64[1]


class Limits(NamedTuple):
    """Settings of the loop."""

    max_used: int  # flows before the table must grow or evict
    may_grow: int
    tcp_idle: int  # ns
    udp_idle: int  # ns
    emit_all: int  # also write slices that no catalogue entry will want
    sweep_at: int  # return SWEEP_DUE when packet time reaches this


@inlined
def _swap_ports(k4):
    return (
        (k4 << np.uint64(16) & np.uint64(0xFFFF000000000000))
        | (k4 >> np.uint64(16) & np.uint64(0xFFFF00000000))
        | (k4 & np.uint64(0xFFFFFFFF))
    )


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
        out.words[n, 4] = _swap_ports(keys[slot, 4])
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
def _emit(flows, slot, names, out, late, emit_all):
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
def _push_todo(todo, batch, i, kind, flows, slot):
    n = np.uint64(todo.count[0])
    row = todo.signed[n]
    for k in range(5):
        todo.words[n, k] = batch.key[i, k]
    row[T_KIND] = kind
    row[T_TIME] = batch.time[i]
    row[T_PAYLOAD] = batch.payload[i]
    row[T_END] = batch.payload_end[i]
    row[T_SEQUENCE] = batch.sequence[i] + (1 if batch.flags[i] & SYN else 0)
    row[T_UID] = flows.cold[slot, UID]
    row[T_FROM_B] = batch.source_is_b[i]
    row[T_NEXT] = flows.cold[slot, NEXT_SEQUENCE]
    todo.count[0] += 1


@kernel
def _http_method(buf, p, end):
    """Do the bytes start like an HTTP/1 request (RFC 9110 9)?"""
    word = load32(buf, p, end)
    return (
        word == 0x47455420  # "GET "
        or word == 0x504F5354  # "POST"
        or word == 0x48454144  # "HEAD"
        or word == 0x50555420  # "PUT "
        or word == 0x4F505449  # "OPTI"
        or word == 0x434F4E4E  # "CONN"
        or word == 0x44454C45  # "DELE"
        or word == 0x50415443  # "PATC"
    )


@kernel
def _look_tcp(buf, flows, slot, batch, i, names, todo, counters):
    """Look at the payload of a TCP flow that has no name yet."""
    p = batch.payload[i]
    end = batch.payload_end[i]
    flags = np.int64(flows.halves[slot, FLAGS])
    b = batch.source_is_b[i]
    from_client = (flags & CLIENT_IS_B != 0) == (b != 0)
    if end - p <= 6 and not batch.flags[i] & PSH:
        quiet = True
        for k in range(end - p):
            if load8(buf, p + k, end):
                quiet = False
        if quiet:  # an ACK with link-layer padding inside its IP length
            return
    if flags & LOOK_MASK == LOOK_PYTHON:
        if from_client:
            _push_todo(todo, batch, i, TODO_STREAM, flows, slot)
        return
    if flags & LOOKED_MASK == 0:
        counters[C_NAMEABLE] += 1
    what, start, length = find_hello_name(buf, p, end)
    if what != NOT_HELLO and not flags & SYN_SEEN and not from_client:
        flags ^= CLIENT_IS_B  # who greets first is the client
        flows.halves[slot, BURST_NOW] = 0
        from_client = True
    if what == WHOLE and length <= MAX_NAME:
        name = intern(names, buf, start, length, end)
        if name and flows.halves[slot, NAME] == 0:
            counters[C_NAMED] += 1
        flows.halves[slot, NAME] = name
        flags = (flags & ~(LOOK_MASK | EVIDENCE_MASK)) | LOOK_DONE | 1 << EVIDENCE_SHIFT
    elif what in (NAMELESS, WHOLE):
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    elif what == INCOMPLETE:
        flags = (flags & ~LOOK_MASK) | LOOK_PYTHON
    elif from_client:
        expected = flows.cold[slot, NEXT_SEQUENCE]
        ahead = (batch.sequence[i] - expected) & 0xFFFFFFFF
        first = load8(buf, p, end)
        short = end - p < 6 and (first == 22 or 65 <= first <= 90)  # too short to show what it begins
        early = flags & SYN_SEEN and not flags & PAYLOAD_SEEN and (0 < ahead < 65536 or short)
        if early or _http_method(buf, p, end):
            flags = (flags & ~LOOK_MASK) | LOOK_PYTHON
        elif not flags & (SYN_SEEN | PAYLOAD_SEEN) and load8(buf, p, end) != 23:
            flags = (flags & ~LOOK_MASK) | LOOK_PYTHON  # perhaps the later part of a hello, come first
        elif not flags & SYN_SEEN and load16(buf, p, end) == 0x1703:
            flags = (flags & ~LOOK_MASK) | LOOK_DONE  # in the middle of a TLS connection
    looked = ((flags & LOOKED_MASK) >> LOOKED_SHIFT) + 1
    if looked >= MAX_LOOKED and flags & LOOK_MASK == LOOK_HERE:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    flags = (flags & ~LOOKED_MASK) | min(looked, MAX_LOOKED) << LOOKED_SHIFT
    if from_client:
        flags |= PAYLOAD_SEEN
    flows.halves[slot, FLAGS] = flags
    if flags & LOOK_MASK == LOOK_PYTHON:
        _push_todo(todo, batch, i, TODO_STREAM, flows, slot)


@kernel
def _quic_like(buf, p, end):
    """Could this datagram carry a QUIC or gQUIC client hello? (RFC 9000 17.2, RFC 8999; gQUIC public header)."""
    if end - p < 64:
        return False
    first = load8(buf, p, end)
    if first & 0x80:
        version = load32(buf, p + 1, end)
        if version == 0 or load8(buf, p + 5, end) > 20:
            return version & 0xFFFF0000 == 0x51300000
        return (
            version == 1
            or version == 0x6B3343CF
            or version >> 8 == 0xFF0000
            or version & 0x0F0F0F0F == 0x0A0A0A0A
            or version >> 16 == 0x5130  # "Q0.."
            or version >> 16 == 0x5430  # "T0.."
            or version >> 12 == 0xFACEB
            or version == 0x709A50C4
        )
    if first & 0x01:
        at = p + 9 if first & 0x08 else p + 1
        return load16(buf, at, end) == 0x5130
    return False


@kernel
def _look_udp(buf, flows, slot, batch, i, todo, counters):
    """Look at the payload of a UDP flow that has no name yet."""
    flags = np.int64(flows.halves[slot, FLAGS])
    from_client = (flags & CLIENT_IS_B != 0) == (batch.source_is_b[i] != 0)
    if from_client and _quic_like(buf, batch.payload[i], batch.payload_end[i]):
        if flags & LOOK_MASK == LOOK_HERE:
            counters[C_NAMEABLE] += 1
        flags = (flags & ~LOOK_MASK) | LOOK_PYTHON
        flows.halves[slot, FLAGS] = flags
        _push_todo(todo, batch, i, TODO_QUIC, flows, slot)
        return
    looked = ((flags & LOOKED_MASK) >> LOOKED_SHIFT) + 1
    if looked >= MAX_LOOKED:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
        looked = MAX_LOOKED
    flows.halves[slot, FLAGS] = (flags & ~LOOKED_MASK) | looked << LOOKED_SHIFT


@inlined
def _burst(flows, slot, now, size):
    """Count client payload into bursts: a run without a second of silence, once it holds BURST_MIN bytes."""
    milliseconds = (now // MILLISECOND) & LOW32
    silence = (milliseconds - np.int64(flows.halves[slot, LAST_UP])) & LOW32
    flows.halves[slot, LAST_UP] = milliseconds
    before = 0 if silence >= BURST_SILENCE_MS else np.int64(flows.halves[slot, BURST_NOW])
    total = min(before + size, LOW32)
    flows.halves[slot, BURST_NOW] = total
    if total < BURST_MIN:
        return
    flows.halves[slot, FLAGS] |= BURST_SEEN
    cold = flows.cold
    if before < BURST_MIN:
        cold[slot, BURSTS] += 1
        cold[slot, BURST_BYTES] += total
        if cold[slot, BURST_BEFORE]:
            gap = (now - cold[slot, BURST_BEFORE]) * 1e-9
            flows.gaps[slot, GAP_SUM] += gap
            flows.gaps[slot, GAP_SUMSQ] += gap * gap
        cold[slot, BURST_BEFORE] = now
    else:
        cold[slot, BURST_BYTES] += size
    if total > cold[slot, BURST_LARGEST]:
        cold[slot, BURST_LARGEST] = total


@inlined
def _find(flows, h):
    """Slot of the flow with this hash; or the free row that ends its probe, with bit ABSENT set."""
    words = flows.words
    mask = np.uint64(len(words) - 1)
    slot = h & mask
    while words[slot, HASH] != h:
        if words[slot, HASH] == 0:
            return slot | ABSENT
        slot = (slot + ONE) & mask
    return slot


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
    _emit(flows, best, names, out, late, limits.emit_all)
    _remove(flows, best)
    counters[C_EVICTED] += 1
    counters[C_USED] -= 1


@kernel
def _copy(source, at, target, to):
    """Copy a flow's row, hot and cold."""
    for k in range(ROW):
        target.words[to, k] = source.words[at, k]
    for k in range(COLD):
        target.cold[to, k] = source.cold[at, k]


@kernel
def _remove(flows, hole):
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


@inlined
def _place(flows, batch, i, names, out, late, limits, counters):
    """The slot of packet `i`'s flow, its open minute being the packet's; made or begun anew if need be."""
    now = batch.time[i]
    slot = batch.slot[i]
    if slot & ABSENT or flows.words[slot, HASH] != batch.hash[i]:  # not there yet, or moved by a newcomer of this batch
        slot = _find(flows, batch.hash[i])
    if slot & ABSENT:
        if counters[C_USED] >= limits.max_used:
            _evict(flows, np.int64(slot ^ ABSENT), names, out, late, limits, counters)
            slot = _find(flows, batch.hash[i])
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
        _emit(flows, slot, names, out, late, limits.emit_all)
        _begin(flows, slot, batch, i, counters)
        return slot
    minute = now // MINUTE_NS
    if minute != np.int64(flows.halves[slot, MINUTE]):
        _emit(flows, slot, names, out, late, limits.emit_all)
        flows.halves[slot, MINUTE] = minute
        flows.halves[slot, FIRST_MS] = (now - minute * MINUTE_NS) // MILLISECOND
    flows.signed[slot, LAST] = now
    return slot


@inlined
def _update(buf, flows, batch, i, names, out, late, todo, limits, counters):
    """Account for packet `i` of the batch."""
    slot = _place(flows, batch, i, names, out, late, limits, counters)
    b = batch.source_is_b[i]
    flows.halves[slot, np.uint64(PACKETS_AB + b)] += 1
    flows.signed[slot, np.uint64(BYTES_AB + b)] += batch.length[i]
    k4 = batch.key[i, 4]
    tcp = np.int64(k4 >> np.uint64(24)) & 0xFF == TCP
    flags = np.int64(flows.halves[slot, FLAGS])
    control = batch.flags[i]
    if tcp and control & (SYN | FIN | RST):
        if control & (SYN | ACK) == SYN:
            flows.cold[slot, NEXT_SEQUENCE] = (batch.sequence[i] + 1) & LOW32
            flags = flags & ~CLIENT_IS_B | SYN_SEEN | (CLIENT_IS_B if b else 0)
        if control & (FIN | RST):
            flags |= CLOSED
        flows.halves[slot, FLAGS] = flags
    size = batch.payload_length[i]
    up = (flags & CLIENT_IS_B) == b  # CLIENT_IS_B is bit 0
    if up & (size > 0):  # one branch, seldom taken, instead of two coin tosses
        _burst(flows, slot, batch.time[i], size)
    if not tcp and size > 0:
        source = np.int64(k4 >> np.uint64(32)) & 0xFFFF if b else np.int64(k4 >> np.uint64(48))
        if source in (53, 5353, 5355):
            _push_todo(todo, batch, i, TODO_DNS, flows, slot)
    if flags & LOOK_MASK != LOOK_DONE and batch.payload_end[i] > batch.payload[i]:
        if tcp:
            _look_tcp(buf, flows, slot, batch, i, names, todo, counters)
        else:
            _look_udp(buf, flows, slot, batch, i, todo, counters)


@inlined
def _fetch_cold(flows, batch, i, names):
    """Find packet `i`'s flow, and ask for its cold row if updating will touch that."""
    slot = _find(flows, batch.hash[i])
    batch.slot[i] = slot
    if slot & ABSENT:
        prefetch(flows.cold, np.int64(slot ^ ABSENT) * COLD)
        prefetch(flows.cold, np.int64(slot ^ ABSENT) * COLD + 8)
        return
    flags = np.int64(flows.halves[slot, FLAGS])
    name = np.uint64(flows.halves[slot, NAME])
    wanted = (names.service[name] != 0) | ((name == 0) & (flags & NO_NAME == 0))
    writes = wanted & (batch.time[i] // MINUTE_NS != np.int64(flows.halves[slot, MINUTE]))
    up = (flags & CLIENT_IS_B) == batch.source_is_b[i]
    needed = writes | (up & (batch.payload_length[i] >= BURST_MIN)) | (flags & LOOK_MASK != LOOK_DONE)
    at = np.int64(slot) * COLD * needed  # a coin toss again: row 0 is in the cache, fetching it costs nothing
    prefetch(flows.cold, at)
    prefetch(flows.cold, at + 8)


@inlined
def _walk(buf, pos, end, walk_state, interfaces, batch, n, stop_at):
    if walk_state[FORMAT] == FORMAT_PCAP:
        return walk_pcap(buf, pos, end, walk_state, batch, n, stop_at)
    if walk_state[FORMAT] == FORMAT_PCAPNG:
        return walk_pcapng(buf, pos, end, walk_state, interfaces, batch, n, stop_at)
    return walk_ring(buf, pos, end, walk_state, batch, n, stop_at)


@inlined
def _why_stop(flows, names, out, late, todo, limits, counters):
    """A status if the next batch might not fit somewhere, else BLOCK_DONE."""
    if out.count[0] + 2 * BATCH > len(out.words) or late.count[0] + 2 * BATCH > len(late.words):
        return SLICES_FULL
    if todo.count[0] + 2 * BATCH > len(todo.words):
        return TODO_FULL
    if names.state[COUNT] + BATCH > len(names.hash) or names.state[USED_BYTES] + BATCH * MAX_NAME > len(names.arena):
        return NAMES_FULL
    if limits.may_grow and counters[C_USED] + BATCH > limits.max_used:
        return TABLE_FULL
    if counters[C_LATEST] >= limits.sweep_at:
        return SWEEP_DUE
    return BLOCK_DONE


@kernel
def advance(buf, pos, end, walk_state, interfaces, batch, flows, names, out, late, todo, limits, seed, counters):
    """Meter the records of buf[pos:end]; returns (status, position of the first record not yet metered)."""
    mask = np.uint64(len(flows.words) - 1)
    ahead = walk_state[FORMAT] != FORMAT_PCAPNG  # a pcapng walker learns as it goes and cannot be taken back
    base = 0
    n = base
    after = pos
    while True:
        status = _why_stop(flows, names, out, late, todo, limits, counters)
        if status != BLOCK_DONE:
            walk_state[LEFT] += n - base  # frames walked but not metered
            return status, pos
        if n == base:
            n, after = _walk(buf, pos, end, walk_state, interfaces, batch, base, base + BATCH)
            if n == base:
                return BLOCK_DONE, after
        for row in range(base, n):
            i = np.uint64(row)
            decode(buf, batch, i, seed)
            if batch.skip[i] == 0:
                prefetch(flows.words, np.int64(batch.hash[i] & mask) * ROW)
        for row in range(base, n):
            i = np.uint64(row)
            if batch.skip[i] == 0:
                _fetch_cold(flows, batch, i, names)
        following = BATCH - base
        m = following
        pos = after
        latest = counters[C_LATEST]
        total = 0
        for row in range(base, n):
            i = np.uint64(row)
            latest = max(latest, batch.time[i])
            if batch.skip[i]:
                counters[C_SKIP + batch.skip[i]] += 1
            else:
                total += batch.length[i]
                _update(buf, flows, batch, i, names, out, late, todo, limits, counters)
            if ahead:  # each record says where the next begins: wait for it while there is work to do
                m, after = _walk(buf, after, end, walk_state, interfaces, batch, m, m + 1)
        counters[C_LATEST] = latest
        counters[C_BYTES] += total
        counters[C_PACKETS] += n - base
        base = following
        n = m


@kernel
def sweep(flows, start, before_minute, now, names, out, late, limits, counters):
    """Write out every minute before `before_minute` and remove flows idle at `now` (ns; closed ones after ten seconds).

    Returns the slot to go on from, or -1 when the whole table was seen.
    """
    slot = np.uint64(start)
    rows = np.uint64(len(flows.words))
    while slot < rows:
        if flows.words[slot, HASH] == 0:
            slot += ONE
            continue
        if out.count[0] + 2 > len(out.words) or late.count[0] + 2 > len(late.words):
            return np.int64(slot)
        if np.int64(flows.halves[slot, MINUTE]) < before_minute:
            _emit(flows, slot, names, out, late, limits.emit_all)
        flags = np.int64(flows.halves[slot, FLAGS])
        idle = limits.tcp_idle if flags & IS_TCP else limits.udp_idle
        if flags & CLOSED:
            idle = 10 * SECOND
        if now - flows.signed[slot, LAST] > idle:
            _emit(flows, slot, names, out, late, limits.emit_all)
            _remove(flows, np.int64(slot))
            counters[C_USED] -= 1
            counters[C_EXPIRED] += 1
        else:
            slot += ONE
    return -1


@kernel
def rehash(old, new):
    """Move every flow into a larger, empty table."""
    for slot in range(len(old.words)):
        if old.words[slot, HASH]:
            _copy(old, slot, new, _find(new, old.words[slot, HASH]) ^ ABSENT)


@kernel
def settle(flows, key, uid, name, evidence, partial, done, seed, counters):
    """Give a flow what Python read: a name (0 = none), and whether the search is over."""
    slot = _find(flows, hash_key(key[0], key[1], key[2], key[3], key[4], seed))
    if slot & ABSENT or flows.cold[slot, UID] != uid:
        return
    flags = np.int64(flows.halves[slot, FLAGS])
    if name:
        if flows.halves[slot, NAME] == 0:
            counters[C_NAMED] += 1
        flows.halves[slot, NAME] = name
        flags = (flags & ~EVIDENCE_MASK) | evidence << EVIDENCE_SHIFT
    flags = (flags & ~PARTIAL) | (PARTIAL if partial else 0)
    if done:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    flows.halves[slot, FLAGS] = flags


@inlined
def _flow_of(flows, rows, n, seed):
    """Slot of the flow that raw slice `n` came from; bit ABSENT set if it has gone."""
    w = rows.words
    if np.int64(rows.halves[n, S_FLAGS]) & CLIENT_IS_B:
        h = hash_key(w[n, 2], w[n, 3], w[n, 0], w[n, 1], _swap_ports(w[n, 4]), seed)
    else:
        h = hash_key(w[n, 0], w[n, 1], w[n, 2], w[n, 3], w[n, 4], seed)
    slot = _find(flows, h)
    if not slot & ABSENT and flows.cold[slot, UID] != np.int64(rows.halves[n, S_UID]):
        return ABSENT
    return slot


@kernel
def refresh(flows, rows, seed):
    """Fill in names that flows got after their slices were written, and the flows' present flags.

    A flow that has gone is marked LOOK_DONE: nobody will find its name any more.
    """
    kept = OLD | CLIENT_IS_B
    for n in range(len(rows.words)):
        slot = _flow_of(flows, rows, n, seed)
        flags = np.int64(rows.halves[n, S_FLAGS])
        if slot & ABSENT:
            rows.halves[n, S_FLAGS] = (flags & ~LOOK_MASK) | LOOK_DONE
        else:
            rows.halves[n, S_NAME] = flows.halves[slot, NAME]
            rows.halves[n, S_FLAGS] = (np.int64(flows.halves[slot, FLAGS]) & ~kept) | (flags & kept)


@kernel
def give_up(flows, rows, which, seed):
    """Tell the flows of the chosen raw slices what was found at last: a name from DNS, or that there is none."""
    for n in range(len(rows.words)):
        if not which[n]:
            continue
        slot = _flow_of(flows, rows, n, seed)
        if slot & ABSENT or flows.halves[slot, NAME]:
            continue
        flags = np.int64(flows.halves[slot, FLAGS])
        name = rows.halves[n, S_NAME]
        if name:
            flows.halves[slot, NAME] = name
            flags = (flags & ~EVIDENCE_MASK) | (np.int64(rows.halves[n, S_FLAGS]) & EVIDENCE_MASK)
        elif flags & LOOK_MASK == LOOK_DONE:
            flags |= NO_NAME
        flows.halves[slot, FLAGS] = flags
