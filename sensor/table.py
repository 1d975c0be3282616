"""The flow table: an index of buckets, and behind it a hot and a cold row for each flow (sensor.layout).

A flow is known by a keyed 64-bit hash. A bucket is one cache line of eight entries, half a hash and a row each; the row
holds the whole hash. Rows are given out in order and never move, so what is in use lies close together: a table walk
costs more in page-table misses than in cache misses. When the table may not grow any more, the stalest of the next
eight rows makes room for a new flow; it is written out first, and counted. A flow's counters belong to one clock minute
of packet time: `place` writes the old minute out (`emit`) before a packet of another one is counted. A slice whose
service and role are known is written straight to columns where it is usual (`give`), else it is raw. It does not read
payloads.
"""

from __future__ import annotations

import numpy as np

from sensor.columns import put
from sensor.frames import ACK, SYN, TCP
from sensor.layout import (
    BEGUN,
    BUCKET,
    BURST_BYTES,
    BURST_LARGEST,
    BURST_SECONDS,
    BURST_SEEN,
    BURST_SILENCE_MS,
    BYTES_AB,
    BYTES_BA,
    C_EVICTED,
    C_FLOWS,
    C_FREE,
    C_HAND,
    C_ROWS,
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
    PACKETS_AB,
    PACKETS_BA,
    PLACE,
    ROW,
    S_BEGUN,
    S_BURST_BYTES,
    S_BURST_LARGEST,
    S_BURST_SECONDS,
    S_BYTES_DOWN,
    S_BYTES_UP,
    S_FLAGS,
    S_FLOW_FIRST,
    S_GAP_SUM,
    S_GAP_SUMSQ,
    S_LAST,
    S_MINUTE,
    S_NAME,
    S_PACKETS_DOWN,
    S_PACKETS_UP,
    S_ROW,
    S_UID,
    S_VLAN,
    SYN_SEEN,
    UID,
    VLAN,
)
from sensor.load import inlined, kernel, match_half, prefetch
from sensor.names import OUTER

HALF = np.uint64(32)
EVICT_AMONG = 8
COUNTED = np.uint64(PACKETS_AB // 2)  # both counts of packets as one word
ONE, TWO = np.uint64(1), np.uint64(2)
UP, DOWN, UP_PACKETS, DOWN_PACKETS = (np.uint64(at) for at in (BYTES_AB, BYTES_BA, PACKETS_AB, PACKETS_BA))


@inlined
def client_port_first(k4, b):
    """The last word of a key with its two ports changed round if `b` is 1, left if it is 0."""
    turned = ((k4 << np.uint64(16)) ^ k4) & np.uint64(0xFFFF000000000000)
    turned |= turned >> np.uint64(16)
    return k4 ^ (turned & -b)


@inlined
def probe(flows, h):
    """The row that the index names for this hash, if the hash's own bucket has it; else a row that is not it.

    The eight entries of one cache line are compared at once: which of them it is, nobody can predict.
    """
    base = (h & np.uint64(len(flows.index) // BUCKET - 1)) * np.uint64(BUCKET)
    row = match_half(flows.index, base, h >> HALF) & np.uint64(LOW32)
    return row if row < np.uint64(len(flows.words)) else np.uint64(0)  # two equal halves may name any row, or none


@kernel
def _entry(flows, h):
    """Place in the index of the flow with this hash, -1 if there is none: past full buckets, every entry by itself."""
    index = flows.index
    buckets = len(index) // BUCKET
    bucket = np.int64(h & np.uint64(buckets - 1))
    for _ in range(buckets):
        free = False
        for k in range(BUCKET):
            entry = index[bucket * BUCKET + k]
            if entry == 0:
                free = True
            elif entry >> HALF == h >> HALF and flows.words[np.int64(entry & np.uint64(LOW32)), HASH] == h:
                return bucket * BUCKET + k
        if free:
            return -1
        bucket = (bucket + 1) & (buckets - 1)
    return -1


@kernel
def _find_by_entry(flows, h):
    at = _entry(flows, h)
    return flows.index[at] & np.uint64(LOW32) if at >= 0 else np.uint64(0)


@inlined
def find(flows, h):
    """Row of the flow with this hash; 0 if there is none."""
    base = (h & np.uint64(len(flows.index) // BUCKET - 1)) * np.uint64(BUCKET)
    found = match_half(flows.index, base, h >> HALF)
    if found == 0 and flows.index[base + np.uint64(BUCKET - 1)] == 0:  # a bucket with room has all that belong in it
        return np.uint64(0)
    row = found & np.uint64(LOW32)
    known = row < np.uint64(len(flows.words)) and flows.words[row, HASH] == h
    return row if known else _find_by_entry(flows, h)


@kernel
def _enter(index, h, row):
    """Write row `row` into the index, in the first bucket from the hash's own that has room."""
    buckets = len(index) // BUCKET
    at = np.int64(h & np.uint64(buckets - 1)) * BUCKET
    while index[at] != 0:
        at = (at + 1) & (len(index) - 1)
    index[at] = h >> HALF << HALF | np.uint64(row)


@kernel
def _is_full(index, bucket):
    empty = 0
    for k in range(BUCKET):
        empty += index[bucket * BUCKET + k] == 0
    return empty == 0


@kernel
def _passed(flows, bucket, hole):
    """Place of an entry in `bucket` that lies there because bucket `hole` was full; -1 if there is none."""
    mask = len(flows.index) // BUCKET - 1
    for at in range(bucket * BUCKET, bucket * BUCKET + BUCKET):
        if flows.index[at]:
            home = np.int64(flows.words[np.int64(flows.index[at] & np.uint64(LOW32)), HASH] & np.uint64(mask))
            if ((bucket - home) & mask) >= ((bucket - hole) & mask):
                return at
    return -1


@kernel
def _leave(flows, h):
    """Take a flow out of the index. A hole in a full bucket is filled by an entry that had to go on from there."""
    index = flows.index
    mask = len(index) // BUCKET - 1
    hole = _entry(flows, h)
    bucket = hole // BUCKET
    while _is_full(index, bucket):
        filler = -1
        further = bucket
        while filler < 0:
            further = (further + 1) & mask
            filler = _passed(flows, further, bucket)
            if filler < 0 and (further == bucket or not _is_full(index, further)):
                index[hole] = 0
                return
        index[hole] = index[filler]
        hole = filler
        bucket = further
    index[hole] = 0


@inlined
def _new_row(flows, h, counters):
    """A free row for the flow with this hash, entered in the index. There is one: the caller has seen to that."""
    row = counters[C_FREE]
    if row:
        counters[C_FREE] = flows.signed[np.uint64(row), LAST]
    else:
        counters[C_ROWS] += 1
        row = counters[C_ROWS]
        following = min(row + 4, len(flows.words) - 1)  # rows are begun in order, so the next ones are known
        prefetch(flows.words, following * ROW)
        prefetch(flows.cold, following * COLD)
        prefetch(flows.cold, following * COLD + COLD // 2)
    counters[C_USED] += 1
    _enter(flows.index, h, row)
    return np.uint64(row)


@kernel
def remove(flows, row, counters):
    """Free a row."""
    _leave(flows, flows.words[row, HASH])
    flows.words[row, HASH] = 0
    flows.signed[row, LAST] = counters[C_FREE]
    flows.cold[row, UID] = -1
    counters[C_FREE] = np.int64(row)
    counters[C_USED] -= 1


@kernel
def fill_index(flows, rows):
    """Enter the first `rows` rows into an empty index: the table has been given a larger one."""
    for row in range(1, rows + 1):
        if flows.words[row, HASH]:
            _enter(flows.index, flows.words[row, HASH], row)


@inlined
def _write(flows, row, out):
    """Append the open minute of a flow to `out`."""
    n = np.uint64(out.count[0])  # unsigned indices throughout: Numba need not ask whether they count from the end
    keys = flows.keys
    flags = np.int64(flows.halves[row, FLAGS])
    b = np.uint64(flags & CLIENT_IS_B)  # a coin toss, so the ends are chosen by arithmetic: 0 or 1
    client = b << ONE
    server = TWO - client
    out.words[n, 0] = keys[row, client]
    out.words[n, 1] = keys[row, client + ONE]
    out.words[n, 2] = keys[row, server]
    out.words[n, 3] = keys[row, server + ONE]
    out.words[n, 4] = client_port_first(keys[row, 4], b)
    out.words[n, S_BYTES_UP] = flows.words[row, UP + b]
    out.words[n, S_BYTES_DOWN] = flows.words[row, DOWN - b]
    out.halves[n, S_PACKETS_UP] = flows.halves[row, UP_PACKETS + b]
    out.halves[n, S_PACKETS_DOWN] = flows.halves[row, DOWN_PACKETS - b]
    out.halves[n, S_MINUTE] = flows.halves[row, MINUTE]
    out.signed[n, S_LAST] = flows.signed[row, LAST]
    out.signed[n, S_VLAN] = flows.cold[row, VLAN]
    out.signed[n, S_FLOW_FIRST] = flows.cold[row, FLOW_FIRST]
    out.halves[n, S_NAME] = flows.halves[row, NAME]
    out.halves[n, S_FLAGS] = flags
    out.halves[n, S_UID] = flows.cold[row, UID]
    out.halves[n, S_ROW] = row
    out.halves[n, S_BEGUN] = flows.halves[row, FIRST_MS] & BEGUN
    if flags & BURST_SEEN:
        out.signed[n, S_BURST_SECONDS] = flows.cold[row, BURST_SECONDS]
        out.halves[n, S_BURST_BYTES] = min(flows.cold[row, BURST_BYTES], LOW32)
        out.halves[n, S_BURST_LARGEST] = flows.cold[row, BURST_LARGEST]
        out.gaps[n, S_GAP_SUM] = flows.gaps[row, GAP_SUM]
        out.gaps[n, S_GAP_SUMSQ] = flows.gaps[row, GAP_SUMSQ]
    else:
        out.signed[n, S_BURST_SECONDS] = 0
        out.halves[n, S_BURST_BYTES] = 0
        out.halves[n, S_BURST_LARGEST] = 0
        out.gaps[n, S_GAP_SUM] = 0.0
        out.gaps[n, S_GAP_SUMSQ] = 0.0
    out.count[0] += 1


@inlined
def _pour(flows, row, flags, pair, sink):
    """Append the open minute of a flow, of a service and role that are known, to the columns."""
    keys = flows.keys
    b = np.uint64(flags & CLIENT_IS_B)
    client = b << ONE
    server = TWO - client
    seconds = np.int64(0)
    burst_bytes = np.int64(0)
    largest = np.int64(0)
    gap_sum = np.float32(0.0)
    gap_sumsq = np.float32(0.0)
    if flags & BURST_SEEN:
        seconds = flows.cold[row, BURST_SECONDS]
        burst_bytes = min(flows.cold[row, BURST_BYTES], LOW32)
        largest = flows.cold[row, BURST_LARGEST]
        gap_sum = np.float32(flows.gaps[row, GAP_SUM])
        gap_sumsq = np.float32(flows.gaps[row, GAP_SUMSQ])
    put(
        sink, pair, np.int64(flows.halves[row, MINUTE]), flows.halves[row, FIRST_MS] & BEGUN, flows.signed[row, LAST],
        flags, keys[row, client], keys[row, client + ONE], keys[row, server], keys[row, server + ONE],
        client_port_first(keys[row, 4], b), keys[row, VLAN], flows.words[row, UP + b], flows.words[row, DOWN - b],
        flows.halves[row, UP_PACKETS + b], flows.halves[row, DOWN_PACKETS - b], seconds, burst_bytes, largest, gap_sum,
        gap_sumsq,
    )  # fmt: skip


@inlined
def clear(flows, row, flags):
    """Begin to count anew."""
    if flags & BURST_SEEN:
        for k in range(GAP_SUM, BURST_LARGEST + 1):
            flows.cold[row, k] = 0
    flows.halves[row, FLAGS] = (flags | OLD) & ~BURST_SEEN
    flows.halves[row, PACKETS_AB] = 0
    flows.halves[row, PACKETS_BA] = 0
    flows.words[row, BYTES_AB] = 0
    flows.words[row, BYTES_BA] = 0


@inlined
def emit(flows, row, names, out, late, emit_all):
    """Write the open minute of a flow where it is wanted, if it is, and clear its counters."""
    if flows.halves[row, PACKETS_AB] == 0 and flows.halves[row, PACKETS_BA] == 0:
        return
    flags = np.int64(flows.halves[row, FLAGS])
    name = np.uint64(flows.halves[row, NAME])
    service = names.service[name]
    if name == 0 or service == OUTER:
        if emit_all or not flags & NO_NAME:
            _write(flows, row, late)
    elif emit_all or service != 0:
        _write(flows, row, out)
    clear(flows, row, flags)


@inlined
def give(flows, row, names, out, late, sink, emit_all):
    """As `emit`, but to the columns if that can be; there is room, the caller has seen to that."""
    pair = names.service[np.uint64(flows.halves[row, NAME])]
    if pair > 0 and len(sink.columns.minute) and flows.words[row, COUNTED]:
        flags = np.int64(flows.halves[row, FLAGS])
        _pour(flows, row, flags, pair, sink)
        clear(flows, row, flags)
    else:
        emit(flows, row, names, out, late, emit_all)


@inlined
def _begin_minute(flows, row, now):
    minute = now // MINUTE_NS
    flows.halves[row, MINUTE] = minute
    place = flows.halves[row, FIRST_MS] >> PLACE << PLACE
    flows.halves[row, FIRST_MS] = place | (now - minute * MINUTE_NS) // MILLISECOND


@inlined
def _begin(flows, row, batch, i, counters):
    """Make row `row` a new flow that starts with packet `i`."""
    now = batch.time[i]
    for k in range(ROW):
        flows.words[row, k] = 0
    for k in range(5):
        flows.keys[row, k] = batch.key[i, k]
    for k in range(5, COLD):
        flows.cold[row, k] = 0
    flows.words[row, HASH] = batch.hash[i]
    flows.signed[row, LAST] = now
    _begin_minute(flows, row, now)
    flows.halves[row, LAST_UP] = (now // MILLISECOND - BURST_SILENCE_MS) & LOW32
    flows.cold[row, FLOW_FIRST] = now
    flows.cold[row, VLAN] = np.int64(batch.vlan[i])
    flows.cold[row, NEXT_SEQUENCE] = -1
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
    flows.halves[row, FLAGS] = flags
    flows.cold[row, UID] = counters[C_UID] & LOW32
    counters[C_UID] += 1
    counters[C_FLOWS] += 1


@kernel
def _evict(flows, names, out, late, limits, counters):
    """Write out and remove the stalest of the next eight rows; the search goes round the table, row by row."""
    rows = counters[C_ROWS]
    best = 0
    for _ in range(min(EVICT_AMONG, rows)):
        row = counters[C_HAND] % rows + 1
        counters[C_HAND] = row
        if flows.words[row, HASH] and (best == 0 or flows.signed[row, LAST] < flows.signed[best, LAST]):
            best = row
    emit(flows, np.uint64(best), names, out, late, limits.emit_all)
    remove(flows, best, counters)
    counters[C_EVICTED] += 1


@inlined
def pass_minute(flows, batch, i):
    """As `open_minute`, for a flow whose minutes nobody wants."""
    row = batch.row[i]
    clear(flows, row, np.int64(flows.halves[row, FLAGS]))
    _begin_minute(flows, row, batch.time[i])


@inlined
def open_minute(flows, batch, i, names, out, late, sink, limits):
    """Write out what the flow of packet `i` did in another minute than the packet's, and begin this one."""
    row = batch.row[i]
    if batch.time[i] // MINUTE_NS != np.int64(flows.halves[row, MINUTE]):
        give(flows, row, names, out, late, sink, limits.emit_all)
        _begin_minute(flows, row, batch.time[i])


@inlined
def place(flows, batch, i, names, out, late, limits, counters):
    """The row of packet `i`'s flow, its open minute being the packet's; made or begun anew if need be."""
    now = batch.time[i]
    row = batch.row[i]
    if flows.words[row, HASH] != batch.hash[i]:  # a new flow, or one that is not in its own bucket, or evicted
        row = find(flows, batch.hash[i])
        if row == 0:
            if counters[C_USED] >= limits.max_used:
                _evict(flows, names, out, late, limits, counters)
            row = _new_row(flows, batch.hash[i], counters)
            _begin(flows, row, batch, i, counters)
            return row
    tcp = np.int64(batch.key[i, 4] >> np.uint64(24)) & 0xFF == TCP
    again = now - flows.signed[row, LAST] > (limits.tcp_idle if tcp else limits.udp_idle)
    if tcp and batch.flags[i] & (SYN | ACK) == SYN:
        flags = np.int64(flows.halves[row, FLAGS])
        expected = flows.cold[row, NEXT_SEQUENCE]
        fresh = (batch.sequence[i] + 1) & LOW32
        again = again or flags & CLOSED != 0 or (flags & SYN_SEEN != 0 and expected != -1 and expected != fresh)
    if again:  # the same ports, another connection
        emit(flows, row, names, out, late, limits.emit_all)
        _begin(flows, row, batch, i, counters)
        return row
    if now // MINUTE_NS != np.int64(flows.halves[row, MINUTE]):
        emit(flows, row, names, out, late, limits.emit_all)
        _begin_minute(flows, row, now)
    flows.signed[row, LAST] = now
    return row
