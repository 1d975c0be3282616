"""The flow table and the loop over packets: the part of the sensor that must keep up with the wire.

Theory of operation. `advance` takes a block of captured bytes in batches: a walker finds up to 128 frames, `decode` reads
them and asks the processor to fetch their flow rows, then `_update` touches the rows. A row is two cache lines, so a
batch hides the memory latency of all its flows at once. A flow's counters belong to one clock minute of packet time; a
packet of another minute first writes the old minute out as a raw slice. Names come from whole hellos right here; anything
rarer (split hello, QUIC, DNS, HTTP) goes on a to-do list for Python. `advance` stops early, with a status, whenever a
batch might not fit in the slice buffer, the to-do list, the name table or the flow table.

The table is open addressing with linear probing; removal shifts rows back, so there are no tombstones. When it may not
grow any more, a new flow takes the place of the stalest of its eight neighbours, which is written out first and counted.

It does not know services beyond one number per name, nor people, nor where the bytes came from.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor.frames import ACK, BATCH, FIN, PSH, RST, SYN, TCP, UDP, decode, hash_key
from sensor.load import inlined, kernel, load8, load16, load32, prefetch
from sensor.names import COUNT, INCOMPLETE, MAX_NAME, NAMELESS, NOT_HELLO, USED_BYTES, WHOLE, find_hello_name, intern
from sensor.walk import FORMAT, FORMAT_PCAP, FORMAT_PCAPNG, walk_pcap, walk_pcapng, walk_ring

# Flow row, 64-bit words. 0-3 addresses, 4 ports and protocol (0 = free row), as in Batch.key.
LAST, MINUTE, BYTES_AB, BYTES_BA, FIRST, LAST_UP = 5, 6, 8, 9, 10, 11
# The same row as 32-bit words.
PACKETS_AB, PACKETS_BA = 14, 15
BURST_NOW, BURSTS, BURST_BYTES, BURST_LARGEST = 24, 25, 26, 27
NAME, FLAGS, UID = 28, 29, 30
ROW = 16
# Cold row: touched when a flow is made, when a burst begins and when a slice is written.
FLOW_FIRST, VLAN, NEXT_SEQUENCE, BURST_START, BURST_BEFORE, GAP_SUM, GAP_SUMSQ = 0, 1, 2, 3, 4, 5, 6
COLD = 8

# Flow flags.
CLIENT_IS_B, SYN_SEEN, CLOSED, PARTIAL, OLD, NO_NAME, PAYLOAD_SEEN = 1, 2, 4, 8, 16, 32, 64
LOOK_SHIFT, LOOK_MASK = 8, 3 << 8
LOOK_HERE, LOOK_PYTHON, LOOK_DONE = 0, 1 << 8, 2 << 8
LOOKED_SHIFT, LOOKED_MASK = 10, 15 << 10
EVIDENCE_SHIFT, EVIDENCE_MASK = 16, 7 << 16
MAX_LOOKED = 12

# Raw slice, 64-bit words; 0-3 client and server address, 4 ports and protocol.
S_MINUTE, S_FIRST, S_LAST, S_BYTES_UP, S_BYTES_DOWN, S_VLAN, S_FLOW_FIRST, S_GAP_SUM, S_GAP_SUMSQ = 5, 6, 7, 8, 9, 10, 11, 12, 13
# The same as 32-bit words.
S_PACKETS_UP, S_PACKETS_DOWN, S_NAME, S_FLAGS, S_UID, S_BURSTS, S_BURST_BYTES, S_BURST_LARGEST = 28, 29, 30, 31, 32, 33, 34, 35
SLICE = 18

# To-do item, 64-bit words: 0-4 flow key.
T_KIND, T_TIME, T_PAYLOAD, T_END, T_SEQUENCE, T_FLAGS, T_UID, T_FROM_B, T_NEXT, T_FRAME = 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
TODO = 16
TODO_STREAM, TODO_QUIC, TODO_DNS = 1, 2, 3

# Counters.
C_PACKETS, C_BYTES, C_FLOWS, C_NAMED, C_EVICTED, C_LATEST, C_USED, C_UID, C_EXPIRED = 0, 1, 2, 3, 4, 5, 6, 7, 8
C_SKIP = 10  # + SKIP reason
COUNTERS = 20

# Why `advance` returned.
BLOCK_DONE, SLICES_FULL, TODO_FULL, NAMES_FULL, TABLE_FULL, SWEEP_DUE = 0, 1, 2, 3, 4, 5

SECOND = 1_000_000_000
MINUTE_NS = 60 * SECOND
BURST_MIN = 300  # payload bytes (rule E3)
BURST_SILENCE = SECOND


class Flows(NamedTuple):
    """The table, as several views of the same memory."""

    words: Any  # uint64[capacity, ROW]
    signed: Any  # int64 view
    halves: Any  # uint32 view [capacity, 2 * ROW]
    cold: Any  # int64[capacity, COLD]
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
    """Settings of the loop; all int64."""

    max_used: int  # flows before the table must grow or evict
    may_grow: int
    tcp_idle: int  # ns
    udp_idle: int  # ns
    emit_all: int  # also write slices that no catalogue entry will want
    sweep_at: int  # return SWEEP_DUE when packet time reaches this


@inlined
def _swap_ports(k4):  # type: ignore[no-untyped-def]
    return (
        (k4 << np.uint64(16) & np.uint64(0xFFFF000000000000))
        | (k4 >> np.uint64(16) & np.uint64(0xFFFF00000000))
        | (k4 & np.uint64(0xFFFFFFFF))
    )


@inlined
def _emit(flows, slot, names, out, emit_all):  # type: ignore[no-untyped-def]
    """Write the open minute of a flow as a raw slice, if anything wants it, and clear its counters."""
    if flows.halves[slot, PACKETS_AB] == 0 and flows.halves[slot, PACKETS_BA] == 0:
        return
    flags = np.int64(flows.halves[slot, FLAGS])
    name = np.int64(flows.halves[slot, NAME])
    wanted = names.service[name] != 0 if name else not flags & NO_NAME
    if wanted or emit_all:
        n = out.count[0]
        if flags & CLIENT_IS_B:
            out.words[n, 0] = flows.words[slot, 2]
            out.words[n, 1] = flows.words[slot, 3]
            out.words[n, 2] = flows.words[slot, 0]
            out.words[n, 3] = flows.words[slot, 1]
            out.words[n, 4] = _swap_ports(flows.words[slot, 4])
            up = PACKETS_BA
            down = PACKETS_AB
            bytes_up = BYTES_BA
            bytes_down = BYTES_AB
        else:
            for k2 in range(5):
                out.words[n, k2] = flows.words[slot, k2]
            up = PACKETS_AB
            down = PACKETS_BA
            bytes_up = BYTES_AB
            bytes_down = BYTES_BA
        out.words[n, S_MINUTE] = flows.words[slot, MINUTE]
        out.words[n, S_FIRST] = flows.words[slot, FIRST]
        out.words[n, S_LAST] = flows.words[slot, LAST]
        out.words[n, S_BYTES_UP] = flows.words[slot, bytes_up]
        out.words[n, S_BYTES_DOWN] = flows.words[slot, bytes_down]
        out.words[n, S_VLAN] = np.uint64(flows.cold[slot, VLAN])
        out.words[n, S_FLOW_FIRST] = np.uint64(flows.cold[slot, FLOW_FIRST])
        out.gaps[n, S_GAP_SUM] = flows.gaps[slot, GAP_SUM]
        out.gaps[n, S_GAP_SUMSQ] = flows.gaps[slot, GAP_SUMSQ]
        out.halves[n, S_PACKETS_UP] = flows.halves[slot, up]
        out.halves[n, S_PACKETS_DOWN] = flows.halves[slot, down]
        out.halves[n, S_NAME] = name
        out.halves[n, S_FLAGS] = flags
        out.halves[n, S_UID] = flows.halves[slot, UID]
        out.halves[n, S_BURSTS] = flows.halves[slot, BURSTS]
        out.halves[n, S_BURST_BYTES] = flows.halves[slot, BURST_BYTES]
        out.halves[n, S_BURST_LARGEST] = flows.halves[slot, BURST_LARGEST]
        out.count[0] = n + 1
    flows.halves[slot, FLAGS] = flags | OLD
    flows.halves[slot, PACKETS_AB] = 0
    flows.halves[slot, PACKETS_BA] = 0
    flows.words[slot, BYTES_AB] = 0
    flows.words[slot, BYTES_BA] = 0
    flows.halves[slot, BURST_BYTES] = 0
    flows.halves[slot, BURST_LARGEST] = 0
    if flows.halves[slot, BURSTS]:
        flows.halves[slot, BURSTS] = 0
        flows.gaps[slot, GAP_SUM] = 0.0
        flows.gaps[slot, GAP_SUMSQ] = 0.0


@inlined
def _begin(flows, slot, batch, i, counters):  # type: ignore[no-untyped-def]
    """Make row `slot` a new flow that starts with packet `i`."""
    for k in range(5):
        flows.words[slot, k] = batch.key[i, k]
    for k in range(5, ROW):
        flows.words[slot, k] = 0
    now = batch.time[i]
    flows.signed[slot, MINUTE] = now // MINUTE_NS
    flows.signed[slot, FIRST] = now
    flows.signed[slot, LAST] = now
    flows.cold[slot, FLOW_FIRST] = now
    flows.cold[slot, VLAN] = np.int64(batch.vlan[i])
    flows.cold[slot, BURST_START] = 0
    flows.cold[slot, BURST_BEFORE] = 0
    flows.cold[slot, GAP_SUM] = 0
    flows.cold[slot, GAP_SUMSQ] = 0
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
    elif source < 1024 <= target or (source == 1900 or source == 5353):
        client_is_b = 1 - b  # the capture began late: the well-known port is the server's
    if client_is_b:
        flags |= CLIENT_IS_B
    flows.halves[slot, FLAGS] = flags
    flows.halves[slot, UID] = counters[C_UID] & 0xFFFFFFFF
    counters[C_UID] += 1
    counters[C_FLOWS] += 1


@kernel
def _push_todo(todo, batch, i, kind, flows, slot):  # type: ignore[no-untyped-def]
    n = todo.count[0]
    row = todo.signed[n]
    for k in range(5):
        todo.words[n, k] = batch.key[i, k]
    row[T_KIND] = kind
    row[T_TIME] = batch.time[i]
    row[T_PAYLOAD] = batch.payload[i]
    row[T_END] = batch.payload_end[i]
    row[T_SEQUENCE] = batch.sequence[i] + (1 if batch.flags[i] & SYN else 0)
    row[T_FLAGS] = flows.halves[slot, FLAGS]
    row[T_UID] = flows.halves[slot, UID]
    row[T_FROM_B] = batch.source_is_b[i]
    row[T_NEXT] = flows.cold[slot, NEXT_SEQUENCE]
    row[T_FRAME] = batch.frame[i]
    todo.count[0] = n + 1


@kernel
def _http_method(buf, p, end):  # type: ignore[no-untyped-def]
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
def _look_tcp(buf, flows, slot, batch, i, names, todo, counters):  # type: ignore[no-untyped-def]
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
    what, start, length = find_hello_name(buf, p, end)
    if what != NOT_HELLO and not flags & SYN_SEEN and not from_client:
        flags ^= CLIENT_IS_B  # who greets first is the client
        flows.halves[slot, BURST_NOW] = 0
        from_client = True
    if what == WHOLE and length <= MAX_NAME:
        name = intern(names, buf, start, length, end)
        if name:
            counters[C_NAMED] += 1
        flows.halves[slot, NAME] = name
        flags = (flags & ~(LOOK_MASK | EVIDENCE_MASK)) | LOOK_DONE | 1 << EVIDENCE_SHIFT
    elif what == NAMELESS or what == WHOLE:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    elif what == INCOMPLETE:
        flags = (flags & ~LOOK_MASK) | LOOK_PYTHON
    elif from_client:
        expected = flows.cold[slot, NEXT_SEQUENCE]
        ahead = (batch.sequence[i] - expected) & 0xFFFFFFFF
        if _http_method(buf, p, end) or (flags & SYN_SEEN and not flags & PAYLOAD_SEEN and 0 < ahead < 65536):
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
def _quic_like(buf, p, end):  # type: ignore[no-untyped-def]
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
def _look_udp(buf, flows, slot, batch, i, todo):  # type: ignore[no-untyped-def]
    """Look at the payload of a UDP flow that has no name yet."""
    flags = np.int64(flows.halves[slot, FLAGS])
    from_client = (flags & CLIENT_IS_B != 0) == (batch.source_is_b[i] != 0)
    if from_client and _quic_like(buf, batch.payload[i], batch.payload_end[i]):
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
def _burst(flows, slot, now, size):  # type: ignore[no-untyped-def]
    """Count client payload into bursts: a run without a second of silence, once it holds BURST_MIN bytes."""
    if now - flows.signed[slot, LAST_UP] >= BURST_SILENCE:
        flows.halves[slot, BURST_NOW] = 0
        flows.cold[slot, BURST_START] = now
    flows.signed[slot, LAST_UP] = now
    before = np.int64(flows.halves[slot, BURST_NOW])
    total = before + size
    flows.halves[slot, BURST_NOW] = min(total, 0xFFFFFFFF)
    if total < BURST_MIN:
        return
    if before < BURST_MIN:
        flows.halves[slot, BURSTS] += 1
        flows.halves[slot, BURST_BYTES] += total
        start = flows.cold[slot, BURST_START]
        if flows.cold[slot, BURST_BEFORE]:
            gap = (start - flows.cold[slot, BURST_BEFORE]) * 1e-9
            flows.gaps[slot, GAP_SUM] += gap
            flows.gaps[slot, GAP_SUMSQ] += gap * gap
        flows.cold[slot, BURST_BEFORE] = start
    else:
        flows.halves[slot, BURST_BYTES] += size
    if total > flows.halves[slot, BURST_LARGEST]:
        flows.halves[slot, BURST_LARGEST] = total


@inlined
def _find(flows, k0, k1, k2, k3, k4, h):  # type: ignore[no-untyped-def]
    """Slot of a flow, or -1 - slot of the free row that ends its probe."""
    mask = len(flows.words) - 1
    slot = np.int64(h & np.uint64(mask))
    words = flows.words
    while True:
        k = words[slot, 4]
        if k == 0:
            return -1 - slot
        if k == k4 and words[slot, 3] == k3 and words[slot, 1] == k1 and words[slot, 2] == k2 and words[slot, 0] == k0:
            return slot
        slot = (slot + 1) & mask


@kernel
def _evict(flows, free, names, out, limits, counters):  # type: ignore[no-untyped-def]
    """Write out the stalest of the eight rows before the free one and give its slot to a newcomer.

    The newcomer's probe ends at `free`, so it passes over every used row just before it down to its home; only those may
    be replaced. The caller guarantees at least one.
    """
    mask = len(flows.words) - 1
    best = -1
    slot = free
    for _ in range(8):
        slot = (slot - 1) & mask
        if flows.words[slot, 4] == 0:
            break
        if best < 0 or flows.signed[slot, LAST] < flows.signed[best, LAST]:
            best = slot
    if best >= 0:
        _emit(flows, best, names, out, limits.emit_all)
        _remove(flows, best)
        counters[C_EVICTED] += 1
        counters[C_USED] -= 1


@kernel
def _copy(source, at, target, to):  # type: ignore[no-untyped-def]
    """Copy a flow's row, hot and cold."""
    for k in range(ROW):
        target.words[to, k] = source.words[at, k]
    for k in range(COLD):
        target.cold[to, k] = source.cold[at, k]


@kernel
def _remove(flows, hole):  # type: ignore[no-untyped-def]
    """Free a row and shift back the rows whose probe passed over it."""
    mask = len(flows.words) - 1
    slot = hole
    while True:
        slot = (slot + 1) & mask
        word = flows.words[slot]
        if word[4] == 0:
            break
        home = np.int64(hash_key(word[0], word[1], word[2], word[3], word[4]) & np.uint64(mask))
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            _copy(flows, slot, flows, hole)
            hole = slot
    flows.words[hole, 4] = 0


@inlined
def _update(buf, flows, batch, i, names, out, todo, limits, counters):  # type: ignore[no-untyped-def]
    """Account for packet `i` of the batch."""
    now = batch.time[i]
    k4 = batch.key[i, 4]
    tcp = np.int64(k4 >> np.uint64(24)) & 0xFF == TCP
    slot = _find(flows, batch.key[i, 0], batch.key[i, 1], batch.key[i, 2], batch.key[i, 3], k4, batch.hash[i])
    if slot < 0:
        if counters[C_USED] >= limits.max_used:
            _evict(flows, -1 - slot, names, out, limits, counters)
            slot = _find(flows, batch.key[i, 0], batch.key[i, 1], batch.key[i, 2], batch.key[i, 3], k4, batch.hash[i])
        slot = -1 - slot
        counters[C_USED] += 1
        _begin(flows, slot, batch, i, counters)
    else:
        flags = np.int64(flows.halves[slot, FLAGS])
        again = now - flows.signed[slot, LAST] > (limits.tcp_idle if tcp else limits.udp_idle)
        if tcp and batch.flags[i] & (SYN | ACK) == SYN:
            fresh = (batch.sequence[i] + 1) & 0xFFFFFFFF
            again = again or flags & CLOSED != 0 or (flags & SYN_SEEN != 0 and flows.cold[slot, NEXT_SEQUENCE] not in (-1, fresh))
        if again:  # the same ports, another connection
            _emit(flows, slot, names, out, limits.emit_all)
            _begin(flows, slot, batch, i, counters)
        else:
            minute = now // MINUTE_NS
            if minute != flows.signed[slot, MINUTE]:
                _emit(flows, slot, names, out, limits.emit_all)
                flows.signed[slot, MINUTE] = minute
                flows.signed[slot, FIRST] = now
            flows.signed[slot, LAST] = now
    b = batch.source_is_b[i]
    if b:
        flows.halves[slot, PACKETS_BA] += 1
        flows.signed[slot, BYTES_BA] += batch.length[i]
    else:
        flows.halves[slot, PACKETS_AB] += 1
        flows.signed[slot, BYTES_AB] += batch.length[i]
    if tcp:
        control = batch.flags[i]
        if control & (SYN | FIN | RST):
            if control & (SYN | ACK) == SYN:
                flows.cold[slot, NEXT_SEQUENCE] = (batch.sequence[i] + 1) & 0xFFFFFFFF
                flags = np.int64(flows.halves[slot, FLAGS]) | SYN_SEEN
                if b:
                    flags |= CLIENT_IS_B
                else:
                    flags &= ~CLIENT_IS_B
                flows.halves[slot, FLAGS] = flags
            if control & (FIN | RST):
                flows.halves[slot, FLAGS] |= CLOSED
    size = batch.payload_length[i]
    if size > 0:
        flags = np.int64(flows.halves[slot, FLAGS])
        if (flags & CLIENT_IS_B != 0) == (b != 0):
            _burst(flows, slot, now, size)
        if not tcp:
            source = np.int64(k4 >> np.uint64(32)) & 0xFFFF if b else np.int64(k4 >> np.uint64(48))
            if source == 53 or source == 5353 or source == 5355:
                _push_todo(todo, batch, i, TODO_DNS, flows, slot)
        if flags & LOOK_MASK != LOOK_DONE and batch.payload_end[i] > batch.payload[i]:
            if tcp:
                _look_tcp(buf, flows, slot, batch, i, names, todo, counters)
            else:
                _look_udp(buf, flows, slot, batch, i, todo)


@kernel
def advance(buf, pos, end, walk_state, interfaces, batch, flows, names, out, todo, limits, counters):  # type: ignore[no-untyped-def]
    """Meter the records of buf[pos:end]; returns (status, position of the first record not yet metered)."""
    mask = np.uint64(len(flows.words) - 1)
    while True:
        if out.count[0] + 2 * BATCH > len(out.words):
            return SLICES_FULL, pos
        if todo.count[0] + 2 * BATCH > len(todo.words):
            return TODO_FULL, pos
        if names.state[COUNT] + BATCH > len(names.hash) or names.state[USED_BYTES] + BATCH * MAX_NAME > len(names.arena):
            return NAMES_FULL, pos
        if limits.may_grow and counters[C_USED] + BATCH > limits.max_used:
            return TABLE_FULL, pos
        if counters[C_LATEST] >= limits.sweep_at:
            return SWEEP_DUE, pos
        if walk_state[FORMAT] == FORMAT_PCAP:
            n, after = walk_pcap(buf, pos, end, walk_state, batch)
        elif walk_state[FORMAT] == FORMAT_PCAPNG:
            n, after = walk_pcapng(buf, pos, end, walk_state, interfaces, batch)
        else:
            n, after = walk_ring(buf, pos, end, walk_state, batch)
        if n == 0:
            return BLOCK_DONE, after
        for i in range(n):
            decode(buf, batch, i)
            if batch.skip[i] == 0:
                prefetch(flows.words, np.int64(batch.hash[i] & mask) * ROW)
                prefetch(flows.words, np.int64(batch.hash[i] & mask) * ROW + 8)
        for i in range(n):
            if batch.time[i] > counters[C_LATEST]:
                counters[C_LATEST] = batch.time[i]
            if batch.skip[i]:
                counters[C_SKIP + batch.skip[i]] += 1
            else:
                counters[C_BYTES] += batch.length[i]
                _update(buf, flows, batch, i, names, out, todo, limits, counters)
        counters[C_PACKETS] += n
        pos = after


@kernel
def sweep(flows, start, before_minute, now, names, out, limits, counters):  # type: ignore[no-untyped-def]
    """Write out every minute before `before_minute` and remove flows idle at `now` (ns; closed ones after ten seconds).

    Returns the slot to go on from, or -1 when the whole table was seen.
    """
    slot = start
    while slot < len(flows.words):
        if out.count[0] + 2 > len(out.words):
            return slot
        if flows.words[slot, 4] == 0:
            slot += 1
            continue
        if flows.signed[slot, MINUTE] < before_minute:
            _emit(flows, slot, names, out, limits.emit_all)
        tcp = np.int64(flows.words[slot, 4] >> np.uint64(24)) & 0xFF == TCP
        idle = limits.tcp_idle if tcp else limits.udp_idle
        if np.int64(flows.halves[slot, FLAGS]) & CLOSED:
            idle = 10 * SECOND
        if now - flows.signed[slot, LAST] > idle:
            _emit(flows, slot, names, out, limits.emit_all)
            _remove(flows, slot)
            counters[C_USED] -= 1
            counters[C_EXPIRED] += 1
        else:
            slot += 1
    return -1


@kernel
def rehash(old, new):  # type: ignore[no-untyped-def]
    """Move every flow into a larger, empty table."""
    for slot in range(len(old.words)):
        word = old.words[slot]
        if word[4]:
            free = -1 - _find(new, word[0], word[1], word[2], word[3], word[4], hash_key(word[0], word[1], word[2], word[3], word[4]))
            _copy(old, slot, new, free)


@kernel
def settle(flows, key, uid, name, evidence, partial, done, counters):  # type: ignore[no-untyped-def]
    """Give a flow what Python read: a name (0 = none), and whether the search is over."""
    slot = _find(flows, key[0], key[1], key[2], key[3], key[4], hash_key(key[0], key[1], key[2], key[3], key[4]))
    if slot < 0 or np.int64(flows.halves[slot, UID]) != uid:
        return
    flags = np.int64(flows.halves[slot, FLAGS])
    if name:
        if flows.halves[slot, NAME] == 0:
            counters[C_NAMED] += 1
        flows.halves[slot, NAME] = name
        flags = (flags & ~(EVIDENCE_MASK | PARTIAL)) | evidence << EVIDENCE_SHIFT
        if partial:
            flags |= PARTIAL
    if done:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    flows.halves[slot, FLAGS] = flags


@inlined
def _flow_of(flows, out, n):  # type: ignore[no-untyped-def]
    """Slot of the flow that raw slice `n` came from; negative if it has gone."""
    row = out.words[n]
    if np.int64(out.halves[n, S_FLAGS]) & CLIENT_IS_B:
        ports = _swap_ports(row[4])
        h = hash_key(row[2], row[3], row[0], row[1], ports)
        slot = _find(flows, row[2], row[3], row[0], row[1], ports, h)
    else:
        slot = _find(flows, row[0], row[1], row[2], row[3], row[4], hash_key(row[0], row[1], row[2], row[3], row[4]))
    if slot >= 0 and flows.halves[slot, UID] != out.halves[n, S_UID]:
        return -1
    return slot


@kernel
def refresh(flows, out):  # type: ignore[no-untyped-def]
    """Fill in names that flows got after their slices were written, and the flows' present flags.

    A flow that has gone is marked LOOK_DONE: nobody will find its name any more.
    """
    kept = OLD | CLIENT_IS_B
    for n in range(len(out.words)):
        slot = _flow_of(flows, out, n)
        flags = np.int64(out.halves[n, S_FLAGS])
        if slot < 0:
            out.halves[n, S_FLAGS] = (flags & ~LOOK_MASK) | LOOK_DONE
        else:
            out.halves[n, S_NAME] = flows.halves[slot, NAME]
            out.halves[n, S_FLAGS] = (np.int64(flows.halves[slot, FLAGS]) & ~kept) | (flags & kept)


@kernel
def give_up(flows, out, which):  # type: ignore[no-untyped-def]
    """Tell the flows of the chosen raw slices what was found at last: a name from DNS, or that there is none."""
    for n in range(len(out.words)):
        if not which[n]:
            continue
        slot = _flow_of(flows, out, n)
        if slot < 0 or flows.halves[slot, NAME]:
            continue
        flags = np.int64(flows.halves[slot, FLAGS])
        name = out.halves[n, S_NAME]
        if name:
            flows.halves[slot, NAME] = name
            flags = (flags & ~EVIDENCE_MASK) | (np.int64(out.halves[n, S_FLAGS]) & EVIDENCE_MASK)
        elif flags & LOOK_MASK == LOOK_DONE:
            flags |= NO_NAME
        flows.halves[slot, FLAGS] = flags
