"""What the kernel leaves to Python: packets on the to-do list, and notes of flows whose name can be, or was, read.

`push_todo` puts a packet on the list. `open_flow` counts a flow that begins to carry what a name can be read from, its
client (so that the sensor can say how many clients' DNS it does not see), and whether it hides DNS: over TLS and over
QUIC it is known by its port. `note_opening` tells that a client asked a site that may be in no catalogue; who reads
the note knows whether it is. `push_told` leaves to Python what tells who has which address (ARP, NDP, DHCP), the same
no oftener than once a second, and of a storm only so much. It does not read payloads, apart from the first bytes on
port 53.

Sources: RFC 7766 (DNS over TCP), RFC 7858 (DNS over TLS), RFC 9250 (DNS over QUIC).
"""

from __future__ import annotations

import numpy as np

from sensor.frames import ACK, SYN, TCP
from sensor.layout import (
    C_DOQ,
    C_DOT,
    C_NAMEABLE,
    C_UNTOLD,
    CLIENT_IS_B,
    CLIENT_PROBES,
    CLIENTS,
    DOQ_DRAFT_PORTS,
    DOT_PORT,
    FIRST_MS,
    FLAGS,
    H_HASH,
    H_RTT,
    H_SYN,
    HANDSHAKE,
    HANDSHAKES,
    HASH,
    HEARD,
    LISTED,
    NEXT_SEQUENCE,
    O_NAME,
    O_TIME,
    O_VLAN,
    PLACE,
    SECOND,
    T_END,
    T_FILLER,
    T_FROM_B,
    T_KIND,
    T_NEXT,
    T_PAYLOAD,
    T_ROW,
    T_SEQUENCE,
    T_TIME,
    T_UID,
    T_VLAN,
    TODO_DNS_TCP,
    TODO_FRAGMENT,
    TODO_NEIGHBOUR,
    TOLD_A_SECOND,
    UID,
    W_END,
    W_FIRST,
    W_FLAGS,
    W_FROM_CLIENT,
    W_HASH,
    W_HEAD,
    W_LENGTH,
    W_PAYLOAD,
    W_PLACE,
    W_ROW,
    W_SEQUENCE,
    W_TIME,
    WATCH_TOLD,
)
from sensor.load import fold, inlined, kernel, load16, load64, prefetch
from sensor.names import SERVICE_UNKNOWN


@kernel
def push_todo(todo, batch, i, kind, flows, row):
    """Leave packet `i` of a flow to Python."""
    n = np.uint64(todo.count[0])
    item = todo.signed[n]
    for k in range(5):
        todo.words[n, k] = batch.key[i, k]
    item[T_KIND] = kind
    item[T_TIME] = batch.time[i]
    item[T_PAYLOAD] = batch.payload[i]
    item[T_END] = batch.payload_end[i]
    item[T_SEQUENCE] = batch.sequence[i] + (1 if batch.flags[i] & SYN else 0)
    item[T_UID] = flows.cold[row, UID]
    item[T_FROM_B] = batch.source_is_b[i]
    item[T_NEXT] = flows.cold[row, NEXT_SEQUENCE]
    item[T_ROW] = row
    item[T_FILLER] = 0
    todo.count[0] += 1


@kernel
def push_fragment(todo, batch, i):
    """The same for a packet that has no flow yet, as it is only a part."""
    n = np.uint64(todo.count[0])
    row = todo.signed[n]
    row[T_KIND] = TODO_FRAGMENT
    row[T_TIME] = batch.time[i]
    row[T_PAYLOAD] = batch.payload[i]
    row[T_END] = batch.payload_end[i]
    todo.words[n, T_VLAN] = batch.vlan[i]
    todo.count[0] += 1


@inlined
def push_watched(buf, todo, batch, i, flows, row, flags, from_client):
    """Put packet `i` of a watched flow on the list of sensor.records. There is room: `advance` sees to that."""
    n = np.uint64(todo.watching[LISTED])
    item = todo.watched[n]
    item[W_TIME] = batch.time[i]
    item[W_PAYLOAD] = batch.payload[i]
    item[W_END] = batch.payload_end[i]
    item[W_LENGTH] = batch.payload_length[i]
    item[W_SEQUENCE] = (batch.sequence[i] + (1 if batch.flags[i] & SYN else 0)) & 0xFFFFFFFF
    item[W_HASH] = flows.signed[row, HASH]
    item[W_ROW] = np.int64(row) | np.int64(flows.halves[row, FIRST_MS]) >> PLACE << W_PLACE
    item[W_FLAGS] = batch.flags[i] | (W_FROM_CLIENT if from_client else 0)
    if flags & WATCH_TOLD == 0:
        item[W_FLAGS] |= W_FIRST
        flows.halves[row, FLAGS] |= WATCH_TOLD
    first_bytes = load64(buf, batch.payload[i], batch.payload_end[i]) >> np.uint64(24)
    item[W_FLAGS] |= np.int64(first_bytes) << W_HEAD
    todo.watching[LISTED] += 1


@inlined
def fetch_handshake(todo, batch, i):
    """Ask for what `note_handshake` will touch."""
    h = np.int64(batch.hash[i] >> np.uint64(1))
    prefetch(todo.handshakes, (h & (HANDSHAKES - 1)) * HANDSHAKE)


@kernel
def note_handshake(todo, batch, i):
    """Remember when a connection was asked for, and how long the answer took."""
    h = np.int64(batch.hash[i] >> np.uint64(1))
    item = todo.handshakes[np.uint64(h & (HANDSHAKES - 1))]
    now = batch.time[i]
    if batch.flags[i] & ACK == 0:
        item[H_SYN] = -1 if item[H_HASH] == h and item[H_RTT] == 0 else now
        item[H_HASH] = h
        item[H_RTT] = 0
    elif item[H_HASH] == h and item[H_RTT] == 0 and item[H_SYN] >= 0:
        item[H_RTT] = now - item[H_SYN]


@kernel
def mix_pair(client_high, client_low, server_high, server_low):
    """A client and a server as one number, never 0."""
    client = fold(client_high ^ np.uint64(0x9E3779B97F4A7C15), client_low ^ np.uint64(0xC2B2AE3D27D4EB4F))
    server = fold(server_high ^ np.uint64(0x165667B19E3779F9), server_low ^ np.uint64(0x27D4EB2F165667C5))
    return fold(client ^ np.uint64(0xD6E8FEB86659FD93), server) | np.uint64(1)


@kernel
def is_wiki_pair(todo, batch, i, from_b):
    """Is the sender of packet `i` a client that was told that its server is a wiki?"""
    key = batch.key
    if from_b:
        pair = mix_pair(key[i, 2], key[i, 3], key[i, 0], key[i, 1])
    else:
        pair = mix_pair(key[i, 0], key[i, 1], key[i, 2], key[i, 3])
    return todo.pairs[pair >> np.uint64(52)] == pair


@kernel
def push_told(buf, todo, batch, i, kind, counters):
    """Leave a packet that tells who has an address to Python: TODO_NEIGHBOUR (ARP or NDP) or TODO_DHCP."""
    second = batch.time[i] // SECOND
    p = batch.payload[i]
    end = batch.payload_end[i]
    if kind == TODO_NEIGHBOUR:
        # Who says it of which address: in ARP from byte 8 on, in NDP the source, the target and the first option.
        spread = fold(load64(buf, p + 8, end) ^ np.uint64(0x9E3779B97F4A7C15), load64(buf, p + 16, end))
        spread = fold(spread ^ load64(buf, p + 48, end), load64(buf, p + 56, end) ^ np.uint64(0xC2B2AE3D27D4EB4F))
        spread = fold(spread ^ load64(buf, p + 64, end), np.uint64(0xD6E8FEB86659FD93))
        mark = spread ^ (np.uint64(second) << np.uint64(20))
        slot = spread & np.uint64(HEARD - 1)
        if todo.heard[slot] == mark:
            return
        todo.heard[slot] = mark
    if todo.told[0] != second:
        todo.told[0] = second
        todo.told[1] = 0
    todo.told[1] += 1
    if todo.told[1] > TOLD_A_SECOND:
        counters[C_UNTOLD] += 1
        return
    n = np.uint64(todo.count[0])
    row = todo.signed[n]
    row[T_KIND] = kind
    row[T_TIME] = batch.time[i]
    row[T_PAYLOAD] = p
    row[T_END] = end
    todo.words[n, T_VLAN] = batch.vlan[i]
    todo.count[0] += 1


@inlined
def _client_slot(high, low):
    """Where a client's address has its place in Todo.clients, or the first of its places."""
    return fold(high ^ np.uint64(0x9E3779B97F4A7C15), low ^ np.uint64(0xC2B2AE3D27D4EB4F)) & np.uint64(CLIENTS - 1)


@inlined
def fetch_client(todo, batch, i):
    """Ask for what `open_flow` will touch, if the sender of packet `i` is the client."""
    at = np.uint64(2 * batch.source_is_b[i])
    slot = _client_slot(batch.key[i, at], batch.key[i, at + np.uint64(1)])
    prefetch(todo.clients, np.int64(slot) * 2)


@kernel
def open_flow(batch, i, flags, todo, counters):
    """A flow begins to carry what a name can be read from: count it, its client, and whether it hides DNS."""
    counters[C_NAMEABLE] += 1
    key = batch.key
    client_is_b = flags & CLIENT_IS_B != 0
    port = np.int64(key[i, 4] >> np.uint64(48 if client_is_b else 32)) & 0xFFFF
    if np.int64(key[i, 4] >> np.uint64(24)) & 0xFF == TCP:
        counters[C_DOT] += port == DOT_PORT
    else:
        counters[C_DOQ] += port == DOT_PORT or port in DOQ_DRAFT_PORTS
    at = np.uint64(2 if client_is_b else 0)
    high = key[i, at]
    low = key[i, at + np.uint64(1)]
    clients = todo.clients
    first = _client_slot(high, low)
    for k in range(CLIENT_PROBES):
        slot = (first + np.uint64(k)) & np.uint64(CLIENTS - 1)
        if clients[slot, 0] == high and clients[slot, 1] == low:
            return
        if clients[slot, 0] == 0 and clients[slot, 1] == 0:
            clients[slot, 0] = high
            clients[slot, 1] = low
            return


@kernel
def note_opening(batch, i, name, names, todo):
    """Packet `i` is a client's and named its flow, or begins a request in it: note who and when, once a second, unless
    a catalogue entry wants the name. There is room: `advance` sees to that."""
    service = names.service[np.uint64(name)]
    if service != 0 and service != SERVICE_UNKNOWN:
        return
    at = np.uint64(2 if batch.source_is_b[i] else 0)
    high = batch.key[i, at]
    low = batch.key[i, at + np.uint64(1)]
    if service == 0:
        spread = fold(high ^ np.uint64(0x9E3779B97F4A7C15), low ^ np.uint64(0xC2B2AE3D27D4EB4F))
        mark = spread ^ (np.uint64(batch.time[i] // SECOND) << np.uint64(20))
        slot = spread & np.uint64(HEARD - 1)
        if todo.heard[slot] == mark:
            return
        todo.heard[slot] = mark
    n = np.uint64(todo.opened[0])
    todo.openings[n, 0] = high
    todo.openings[n, 1] = low
    todo.openings[n, O_TIME] = batch.time[i]
    todo.openings[n, O_NAME] = name
    todo.openings[n, O_VLAN] = batch.vlan[i]
    todo.opened[0] += 1


@kernel
def is_dns_over_tcp(buf, p, end, batch, i):
    """Does this segment belong to DNS on port 53, either way? TLS there is TLS (or a message of 5 kB, which can go)."""
    ports = batch.key[i, 4] >> np.uint64(32)
    if ports >> np.uint64(16) != np.uint64(53) and ports & np.uint64(0xFFFF) != np.uint64(53):
        return False
    return load16(buf, p, end) != 0x1603


@kernel
def push_dns_over_tcp(batch, i, flows, row, todo):
    """A segment of DNS goes to Python if a server sent it."""
    if batch.key[i, 4] >> np.uint64(32 if batch.source_is_b[i] else 48) & np.uint64(0xFFFF) == np.uint64(53):
        push_todo(todo, batch, i, TODO_DNS_TCP, flows, row)
