"""The loop over packets: the part of the sensor that must keep up with the wire.

Theory of operation. `advance` takes a block of captured bytes in batches of BATCH frames, in passes: walk the records,
decode the frames, look the flows up in the index, look at their hot rows, close minutes, update. Each pass asks the
processor to fetch what the next one reads, so a batch waits for memory a few times, not a packet. A hot row is one
cache line: a 64-bit keyed hash of the flow's key stands for the key, which lies in the cold row (of a million flows at
once, two share a hash with a chance of 3 in 100 million; the hash is keyed anew by every live process, so nobody can
arrange it).

A flow's counters belong to one clock minute of packet time; a packet of another minute first writes the old minute
out as a slice: to columns if the flow has a name that a catalogue entry wants, or raw to `out` if that is not known
yet, to `late` if its name is still unknown. Names come from whole hellos right here; anything rarer (split hello, QUIC,
DNS, HTTP) goes on a to-do list for Python. `advance` stops early, with a status, whenever a batch might not fit in a
buffer, the columns, the to-do list, the name table or the flow table.

It does not know services beyond one number per name, nor people, nor where the bytes came from.
"""

from __future__ import annotations

import numpy as np

from sensor.duplicates import is_duplicate
from sensor.follow import follow
from sensor.frames import ACK, BATCH, FIN, RST, SYN, TCP, decode
from sensor.gaps import SAMPLED, fetch_gaps, look_for_gaps
from sensor.layout import (
    BLOCK_DONE,
    BUCKET,
    BURST_BEFORE,
    BURST_BYTES,
    BURST_LARGEST,
    BURST_MIN,
    BURST_NOW,
    BURST_SECONDS,
    BURST_SEEN,
    BURST_SILENCE_MS,
    BYTES_AB,
    C_BYTES,
    C_EXPIRED,
    C_LATEST,
    C_PACKETS,
    C_ROWS,
    C_SKIP,
    C_USED,
    CLIENT_IS_B,
    CLOSED,
    COLD,
    DNS_PORTS,
    FLAGS,
    GAP_SUM,
    GAP_SUMSQ,
    HASH,
    IS_TCP,
    LAST,
    LAST_UP,
    LISTED,
    LOOK_DONE,
    LOOK_MASK,
    LOW32,
    MILLISECOND,
    MINUTE,
    MINUTE_NS,
    NAME,
    NAMES_FULL,
    NEXT_SEQUENCE,
    NO_NAME,
    PACKETS_AB,
    ROW,
    SECOND,
    SEEN,
    SLICES_FULL,
    SWEEP_DUE,
    SYN_SEEN,
    TABLE_FULL,
    TODO_DNS,
    TODO_FULL,
    TODO_NEIGHBOUR,
    WATCHED,
)
from sensor.load import inlined, kernel, prefetch
from sensor.looking import look_tcp
from sensor.lookudp import look_udp
from sensor.names import COUNT, MAX_NAME, USED_BYTES
from sensor.table import COUNTED, clear, emit, give, open_minute, pass_minute, place, probe, remove
from sensor.todo import (
    fetch_client,
    fetch_handshake,
    is_wiki_pair,
    note_handshake,
    note_opening,
    push_fragment,
    push_todo,
    push_told,
    push_watched,
)
from sensor.walk import FORMAT, FORMAT_PCAP, FORMAT_PCAPNG, walk_pcap, walk_pcapng, walk_ring
from sensor.wire import SKIP_DUPLICATE, SKIP_FRAGMENT, SKIP_NEIGHBOUR

HELLO_BYTES = 600
CLOSED_IDLE = 10 * SECOND
FOLLOWED_AT_ONCE = 1 << 10  # packets of watched flows: its code must come into the cache, and then the loop's again


@inlined
def _burst(flows, row, now, size):
    """Count client payload into bursts: a run without a second of silence, once it holds BURST_MIN bytes.

    True when that has just happened.
    """
    milliseconds = (now // MILLISECOND) & LOW32
    silence = (milliseconds - np.int64(flows.halves[row, LAST_UP])) & LOW32
    flows.halves[row, LAST_UP] = milliseconds
    before = 0 if silence >= BURST_SILENCE_MS else np.int64(flows.halves[row, BURST_NOW])
    total = min(before + size, LOW32)
    flows.halves[row, BURST_NOW] = total
    if total < BURST_MIN:
        return False
    flows.halves[row, FLAGS] |= BURST_SEEN
    cold = flows.cold
    if before < BURST_MIN:
        cold[row, BURST_SECONDS] |= 1 << ((now // SECOND) % 60)
        cold[row, BURST_BYTES] += total
        if cold[row, BURST_BEFORE]:
            gap = (now - cold[row, BURST_BEFORE]) * 1e-9
            flows.gaps[row, GAP_SUM] += gap
            flows.gaps[row, GAP_SUMSQ] += gap * gap
        cold[row, BURST_BEFORE] = now
    else:
        cold[row, BURST_BYTES] += size
    if total > cold[row, BURST_LARGEST]:
        cold[row, BURST_LARGEST] = total
    return before < BURST_MIN


@inlined
def _update(buf, flows, batch, i, names, out, late, todo, limits, counters):
    """Account for packet `i` of the batch."""
    row = place(flows, batch, i, names, out, late, limits, counters)
    b = batch.source_is_b[i]
    flows.halves[row, np.uint64(PACKETS_AB + b)] += 1
    flows.signed[row, np.uint64(BYTES_AB + b)] += batch.length[i]
    k4 = batch.key[i, 4]
    tcp = np.int64(k4 >> np.uint64(24)) & 0xFF == TCP
    flags = np.int64(flows.halves[row, FLAGS])
    control = batch.flags[i]
    if tcp and control & (SYN | FIN | RST):
        if control & (SYN | ACK) == SYN:
            flows.cold[row, NEXT_SEQUENCE] = (batch.sequence[i] + 1) & LOW32
            flags = flags & ~CLIENT_IS_B | SYN_SEEN | (CLIENT_IS_B if b else 0)
        if control & SYN:
            note_handshake(todo, batch, i)
        if control & (FIN | RST):
            flags |= CLOSED
        flows.halves[row, FLAGS] = flags
    size = batch.payload_length[i]
    up = (flags & CLIENT_IS_B) == b  # CLIENT_IS_B is bit 0
    # up & (size > 0): one branch, seldom taken, instead of two coin tosses
    if up & (size > 0) and _burst(flows, row, batch.time[i], size):
        if flows.halves[row, NAME]:
            if limits.note_openings:
                note_opening(batch, i, flows.halves[row, NAME], names, todo)
        elif tcp and is_wiki_pair(todo, batch, i, b):
            flags |= WATCHED
            flows.halves[row, FLAGS] |= WATCHED
    if not tcp and size > 0:
        source = np.int64(k4 >> np.uint64(32)) & 0xFFFF if b else np.int64(k4 >> np.uint64(48))
        if source in DNS_PORTS:
            push_todo(todo, batch, i, TODO_DNS, flows, row)
    if flags & LOOK_MASK != LOOK_DONE and batch.payload_end[i] > batch.payload[i]:
        if tcp:
            look_tcp(buf, flows, row, batch, i, names, todo, counters)
            flags = np.int64(flows.halves[row, FLAGS])
        else:
            look_udp(buf, flows, row, batch, i, todo, counters)
    if flags & WATCHED and (size > 0 or control & (SYN | FIN | RST)):
        push_watched(buf, todo, batch, i, flows, row, flags, (flags & CLIENT_IS_B) == b)


@inlined
def _fetch_cold(buf, flows, batch, i, names, todo, emit_all):
    """Ask for the cold row of packet `i`'s flow if updating will touch it.

    Returns whether the flow's open minute is another than the packet's and will be written, and whether it is and
    nobody wants it: 0 or 1 each.
    """
    row = batch.row[i]
    flags = np.int64(flows.halves[row, FLAGS])
    name = np.uint64(flows.halves[row, NAME])
    wanted = (names.service[name] != 0) | ((name == 0) & (flags & NO_NAME == 0)) | (emit_all != 0)
    over = batch.time[i] // MINUTE_NS != np.int64(flows.halves[row, MINUTE])
    written = over & wanted & (flows.words[row, HASH] == batch.hash[i])
    up = (flags & CLIENT_IS_B) == batch.source_is_b[i]
    bursts = (up & (batch.payload_length[i] >= BURST_MIN)) | (flags & LOOK_MASK != LOOK_DONE)
    bursts |= written & (flags & BURST_SEEN != 0)
    at = np.int64(row) * COLD  # coin tosses again: row 0 is in the cache, fetching it costs nothing
    prefetch(flows.cold, at * (written | bursts))
    prefetch(flows.cold, (at + COLD // 2) * bursts)
    if batch.flags[i] & SYN:
        fetch_handshake(todo, batch, i)
    if (flags & LOOK_MASK != LOOK_DONE) & (batch.payload_length[i] > 0):  # a hello is as long as many headers
        fetch_client(todo, batch, i)
        for line in range(batch.payload[i] + 64, min(batch.payload_end[i], batch.payload[i] + HELLO_BYTES), 64):
            prefetch(buf, line)
    over &= flows.words[row, HASH] == batch.hash[i]
    return np.int64(written), np.int64(over ^ written)


@inlined
def _walk(buf, pos, end, walk_state, interfaces, batch):
    if walk_state[FORMAT] == FORMAT_PCAP:
        return walk_pcap(buf, pos, end, walk_state, batch, BATCH)
    if walk_state[FORMAT] == FORMAT_PCAPNG:
        return walk_pcapng(buf, pos, end, walk_state, interfaces, batch, BATCH)
    return walk_ring(buf, pos, end, walk_state, batch, BATCH)


@inlined
def _slices_full(out, late, sink):
    """Might there be no room for the slices of a batch?"""
    rows = len(sink.columns.minute)
    full = rows > 0 and sink.filled[0] + 2 * BATCH > rows
    return full or out.count[0] + 2 * BATCH > len(out.words) or late.count[0] + 2 * BATCH > len(late.words)


@inlined
def _why_stop(flows, names, out, late, todo, sink, limits, counters):
    """A status if the next batch might not fit somewhere, else BLOCK_DONE."""
    if _slices_full(out, late, sink):
        return SLICES_FULL
    if todo.count[0] + 2 * BATCH > len(todo.words):  # a packet may leave two, as an answer or with what came before
        return TODO_FULL
    if todo.opened[0] + 2 * BATCH > len(todo.openings) or todo.watching[LISTED] + BATCH > len(todo.watched):
        return TODO_FULL
    if names.state[COUNT] + BATCH > len(names.hash) or names.state[USED_BYTES] + BATCH * MAX_NAME > len(names.arena):
        return NAMES_FULL
    if limits.may_grow and counters[C_USED] + BATCH > limits.max_used:
        return TABLE_FULL
    if counters[C_LATEST] >= limits.sweep_at:
        return SWEEP_DUE
    return BLOCK_DONE


@kernel
def advance(
    buf, pos, end, walk_state, interfaces, batch, flows, names, out, late, todo, watch, sink, limits, seed, recent,
    gaps, counters,
):  # fmt: skip
    """Meter the records of buf[pos:end]; returns (status, position of the first record not yet metered)."""
    mask = np.uint64(len(flows.index) // BUCKET - 1)
    following = len(watch.connection) > 0
    while True:
        status = _why_stop(flows, names, out, late, todo, sink, limits, counters)
        n = 0
        if status == BLOCK_DONE:
            n, pos = _walk(buf, pos, end, walk_state, interfaces, batch)
        listed = todo.watching[LISTED] - todo.watching[SEEN]
        if following and listed > (FOLLOWED_AT_ONCE if n else 0):
            following = follow(watch, flows, names, todo, buf, False)
        if n == 0:
            return status, pos
        for row in range(n):
            i = np.uint64(row)
            decode(buf, batch, i, seed)
            if limits.drop_duplicates and batch.skip[i] == 0 and is_duplicate(recent, batch, i):
                batch.skip[i] = SKIP_DUPLICATE
            if batch.skip[i] == 0:
                prefetch(flows.index, np.int64(batch.hash[i] & mask) * BUCKET)
        for row in range(n):
            i = np.uint64(row)
            if batch.skip[i] == 0:
                batch.row[i] = probe(flows, batch.hash[i])
                prefetch(flows.words, np.int64(batch.row[i]) * ROW)
                if batch.hash[i] & SAMPLED == 0:
                    fetch_gaps(batch, i, gaps)
        closing = 0
        passing = 0
        earliest = batch.time[0]
        last = earliest
        for row in range(n):
            i = np.uint64(row)
            earliest = min(earliest, batch.time[i])
            last = max(last, batch.time[i])
            if batch.skip[i] == 0:
                batch.closing[closing] = row
                batch.passing[passing] = row
                written, dropped = _fetch_cold(buf, flows, batch, i, names, todo, limits.emit_all)
                closing += written
                passing += dropped
        if earliest // MINUTE_NS == last // MINUTE_NS:
            for k in range(passing):
                pass_minute(flows, batch, np.uint64(batch.passing[k]))
            for k in range(closing):
                open_minute(flows, batch, np.uint64(batch.closing[k]), names, out, late, sink, limits)
        latest = max(counters[C_LATEST], last)
        total = 0
        for row in range(n):
            i = np.uint64(row)
            if batch.skip[i]:
                counters[C_SKIP + batch.skip[i]] += 1
                if batch.skip[i] == SKIP_FRAGMENT:
                    push_fragment(todo, batch, i)
                elif batch.skip[i] == SKIP_NEIGHBOUR:
                    push_told(buf, todo, batch, i, TODO_NEIGHBOUR, counters)
            else:
                total += batch.length[i]
                _update(buf, flows, batch, i, names, out, late, todo, limits, counters)
                if batch.hash[i] & SAMPLED == 0:
                    look_for_gaps(buf, batch, i, gaps)
        counters[C_LATEST] = latest
        counters[C_BYTES] += total
        counters[C_PACKETS] += n


@inlined
def _list_due(flows, batch, start, stop, before_minute, now, names, limits):
    """Which of the rows start..stop - 1 `sweep` must touch, and how many: whose open minute is over and wanted (in
    batch.closing), over and not wanted (batch.passing), who is idle (batch.row).

    Without branches, as in `advance`: whose minute is open, nobody can predict.
    """
    mask = np.uint64(len(flows.index) // BUCKET - 1)
    closing = 0
    passing = 0
    idle = 0
    for at in range(start, stop):
        row = np.uint64(at)
        flags = np.int64(flows.halves[row, FLAGS])
        name = np.uint64(flows.halves[row, NAME])
        used = flows.words[row, HASH] != 0
        over = used & (np.int64(flows.halves[row, MINUTE]) < before_minute) & (flows.words[row, COUNTED] != 0)
        wanted = (names.service[name] != 0) | ((name == 0) & (flags & NO_NAME == 0)) | (limits.emit_all != 0)
        written = over & wanted
        batch.closing[closing] = at
        batch.passing[passing] = at
        closing += np.int64(written)
        passing += np.int64(over ^ written)
        prefetch(flows.cold, at * COLD * np.int64(written))
        prefetch(flows.cold, (at * COLD + COLD // 2) * np.int64(written & (flags & BURST_SEEN != 0)))
        longest = limits.tcp_idle if flags & IS_TCP else limits.udp_idle
        if used & (now - flows.signed[row, LAST] > (CLOSED_IDLE if flags & CLOSED else longest)):
            batch.row[idle] = row
            idle += 1
            prefetch(flows.index, np.int64(flows.words[row, HASH] & mask) * BUCKET)
            prefetch(flows.cold, at * COLD)
    return closing, passing, idle


@kernel
def sweep(flows, start, before_minute, now, batch, names, out, late, sink, limits, counters):
    """Write out every minute before `before_minute` and remove flows idle at `now` (ns; closed ones after ten seconds).

    Returns the row to go on from, or -1 when the whole table was seen.
    """
    rows = counters[C_ROWS]
    while start <= rows:
        if _slices_full(out, late, sink):
            return start
        stop = min(start + BATCH, rows + 1)
        closing, passing, idle = _list_due(flows, batch, start, stop, before_minute, now, names, limits)
        for k in range(closing):
            give(flows, np.uint64(batch.closing[np.uint64(k)]), names, out, late, sink, limits.emit_all)
        for k in range(passing):
            row = np.uint64(batch.passing[np.uint64(k)])
            clear(flows, row, np.int64(flows.halves[row, FLAGS]))
        for k in range(idle):
            row = batch.row[np.uint64(k)]
            emit(flows, row, names, out, late, limits.emit_all)
            remove(flows, np.int64(row), counters)
            counters[C_EXPIRED] += 1
        start = stop
    return -1
