"""From packets of watched flows to their connections: the way into sensor.records.

`follow` goes through Todo.watched. The first packet of a flow takes a place for its connection (`_meet`) if its name
is a wiki's, and leaves a cue; flows whose name is another one after all, or whose host gives no more than a cue, are
watched no longer. Only for a flow without a name it stops: Python knows what DNS said (sensor.uploads). Places are
bounded: if none is free, the one of the next few that has been silent for longest is taken, and counted.
"""

from __future__ import annotations

import numpy as np

from sensor.collect import close_oldest
from sensor.frames import FIN, RST, SYN
from sensor.layout import (
    CLIENT_IS_B,
    COLD,
    EVIDENCE_MASK,
    EVIDENCE_SHIFT,
    FLAGS,
    FLOW_FIRST,
    H_HASH,
    H_RTT,
    HANDSHAKE,
    HANDSHAKES,
    HASH,
    LOOK_DONE,
    LOOK_MASK,
    LOW32,
    NAME,
    PAIRS,
    ROW,
    SYN_SEEN,
    VLAN,
    W_END,
    W_FIRST,
    W_FLAGS,
    W_FROM_CLIENT,
    W_HASH,
    W_HEAD,
    W_LENGTH,
    W_PAYLOAD,
    W_ROW,
    W_SEQUENCE,
    W_TIME,
    WATCH_TOLD,
    WATCHED,
)
from sensor.load import inlined, kernel, prefetch
from sensor.records import free_piece, segment
from sensor.todo import mix_pair
from sensor.watch import (
    CONNECTION,
    CONNECTIONS,
    CUES,
    DOWN,
    F_BEGAN,
    F_CLIENT,
    F_EVIDENCE,
    F_ID,
    F_MIDSTREAM,
    F_PORTS,
    F_SERVER,
    F_VLAN,
    F_WIKI,
    FOLLOWED,
    K_CLOSED,
    K_FACT,
    K_HASH,
    K_IN_BURST,
    K_LAST,
    K_LOGGED,
    K_OPEN,
    K_PENDING,
    K_ROW,
    K_RTT,
    K_SINCE,
    K_TLS13,
    K_USUAL,
    LOG,
    N_CONNECTIONS,
    N_CUES,
    N_CUES_LOST,
    N_EVICTED,
    N_FREE,
    N_HAND,
    N_PLAIN,
    N_SWEPT,
    PLAIN,
    Q_CLIENT,
    Q_EVIDENCE,
    Q_TIME,
    Q_VLAN,
    Q_WIKI,
    S_FROM,
    S_HEAD,
    S_HIGH,
    S_PIECES,
    SIDE,
    UP,
    USUAL,
)

LOOKED_AT = 4  # places, for one to be taken
SWEPT = 64
HTTP_HOST, DNS, NONE = 3, 4, 0  # sensor.words.Evidence
AHEAD = 8  # packets between two steps of fetching what a packet will touch


@kernel
def forget(w, c, now):
    """Free a connection; its open units collect no more."""
    k = w.connection[c]
    for side in range(2):
        while w.side[c, side, S_PIECES]:
            free_piece(w, w.side[c, side], 0)
    while k[K_OPEN]:
        close_oldest(w, c, now)
    if w.of_row[k[K_ROW]] == c:
        w.of_row[k[K_ROW]] = 0
    if k[K_TLS13] == PLAIN:
        w.count[N_PLAIN] -= 1
    k[K_ROW] = 0
    w.free[w.count[N_FREE]] = c
    w.count[N_FREE] += 1


@kernel
def forget_all(w, now):
    """Free every connection: the stream has ended."""
    for c in range(1, CONNECTIONS + 1):
        if w.connection[c, K_ROW]:
            forget(w, c, now)


@kernel
def sweep(w, now, idle, closed_idle):
    """Forget connections that have been silent for so long, among the next SWEPT places."""
    for n in range(SWEPT):
        c = (w.count[N_SWEPT] + n) % CONNECTIONS + 1
        k = w.connection[c]
        silent = now - k[K_LAST]
        if k[K_ROW] and (silent > idle or (k[K_CLOSED] and silent > closed_idle)):
            forget(w, c, now)
    w.count[N_SWEPT] += SWEPT


@kernel
def _place(w, now):
    """A free place."""
    if w.count[N_FREE] == 0:
        best = 0
        for n in range(LOOKED_AT):
            c = (w.count[N_HAND] + n) % CONNECTIONS + 1
            if best == 0 or w.connection[c, K_LAST] < w.connection[best, K_LAST]:
                best = c
        w.count[N_HAND] += LOOKED_AT
        w.count[N_EVICTED] += 1
        forget(w, best, now)
    w.count[N_FREE] -= 1
    return np.int64(w.free[w.count[N_FREE]])


@kernel
def _least_rtt(w, todo, pair, h):
    """The least time from SYN to SYN/ACK that is known of a client and a server; 0: none is."""
    known = w.rtt[pair & (PAIRS - 1)]
    least = known[1] if known[0] == pair else 0
    shake = todo.handshakes[h & (HANDSHAKES - 1)]
    if shake[H_HASH] == h and shake[H_RTT] > 0 and (least == 0 or shake[H_RTT] < least):
        least = shake[H_RTT]
        known[0] = pair
        known[1] = least
    return least


@kernel
def _cue(w, flows, row, client, wiki, evidence, now):
    """Note that a client opened a connection to a wiki's host."""
    if w.count[N_CUES] >= CUES:
        w.count[N_CUES_LOST] += 1
        return
    cue = w.cue[w.count[N_CUES]]
    cue[Q_TIME] = now
    cue[Q_CLIENT] = flows.cold[row, client]
    cue[Q_CLIENT + 1] = flows.cold[row, client + 1]
    cue[Q_VLAN] = flows.cold[row, VLAN]
    cue[Q_WIKI] = wiki
    cue[Q_EVIDENCE] = evidence
    w.count[N_CUES] += 1


@kernel
def admit(w, flows, todo, row, wiki, evidence, now, first):
    """Take a place for the connection in `row` of the flow table, to a wiki (its number); False if only the cue was
    wanted. Not `first`: its place was needed meanwhile."""
    flags = np.int64(flows.halves[row, FLAGS])
    b = flags & CLIENT_IS_B
    client = 2 * b
    server = 2 - client
    own = evidence != DNS and evidence != NONE
    if first and (own or flags & SYN_SEEN):
        _cue(w, flows, row, client, wiki, evidence, now)
    keys = flows.keys
    mixed = mix_pair(keys[row, client], keys[row, client + 1], keys[row, server], keys[row, server + 1])
    pair = np.int64(mixed >> np.uint64(1))
    if own and w.followed[wiki]:
        todo.pairs[mixed >> np.uint64(52)] = mixed
        w.own[pair & (PAIRS - 1), 0] = pair
        w.own[pair & (PAIRS - 1), 1] = wiki
    if w.followed[wiki] != FOLLOWED:
        return False
    c = _place(w, now)
    k = w.connection[c]
    for n in range(CONNECTION):
        k[n] = 0
    k[K_ROW] = row
    k[K_HASH] = flows.signed[row, HASH]
    k[K_LAST] = now
    k[K_RTT] = _least_rtt(w, todo, pair, np.int64(flows.words[row, HASH] >> np.uint64(1)))
    k[K_TLS13] = -1
    if evidence == HTTP_HOST:
        k[K_TLS13] = PLAIN
        w.count[N_PLAIN] += 1
    k[K_PENDING] = -1
    w.count[N_CONNECTIONS] += 1
    k[K_FACT + F_ID] = w.count[N_CONNECTIONS]
    k[K_FACT + F_WIKI] = wiki
    k[K_FACT + F_EVIDENCE] = evidence
    for n in range(2):
        k[K_FACT + F_CLIENT + n] = flows.cold[row, client + n]
        k[K_FACT + F_SERVER + n] = flows.cold[row, server + n]
    ports = np.int64(keys[row, 4] >> np.uint64(32))
    k[K_FACT + F_PORTS] = (ports & 0xFFFF) << 16 | ports >> 16 if b else ports
    k[K_FACT + F_VLAN] = flows.cold[row, VLAN]
    k[K_FACT + F_BEGAN] = flows.cold[row, FLOW_FIRST]
    k[K_FACT + F_MIDSTREAM] = flags & SYN_SEEN == 0
    for side in range(2):
        s = w.side[c, side]
        for n in range(SIDE):
            s[n] = 0
        s[S_HEAD] = -1
        s[S_FROM] = -1
        s[S_HIGH] = -1
    w.of_row[row] = c
    return True


@kernel
def dismiss(w, flows, row):
    """Watch a flow no longer."""
    w.of_row[row] = -1
    flows.halves[row, FLAGS] &= LOW32 ^ (WATCHED | WATCH_TOLD)


@kernel
def _meet(w, flows, names, todo, item):
    """The first packet of a flow; False if nobody here can say what its name is."""
    row = np.uint64(item[W_ROW])
    first = item[W_FLAGS] & W_FIRST != 0
    item[W_FLAGS] &= ~W_FIRST
    if w.of_row[row] > 0:
        forget(w, np.int64(w.of_row[row]), item[W_TIME])
    w.of_row[row] = -1
    if flows.signed[row, HASH] != item[W_HASH]:  # the row is another flow's by now
        return True
    flags = np.int64(flows.halves[row, FLAGS])
    name = np.uint64(flows.halves[row, NAME])
    if name == 0 and flags & LOOK_MASK == LOOK_DONE:
        return False
    wiki = np.int64(names.watch[name])
    evidence = (flags & EVIDENCE_MASK) >> EVIDENCE_SHIFT
    if wiki <= 0 or not admit(w, flows, todo, row, wiki, evidence, item[W_TIME], first):
        dismiss(w, flows, row)
    return True


@inlined
def _fetch(w, flows, todo, items, n, count):
    """Ask for what the packets after packet `n` will touch: first their rows, then connections, then places in logs."""
    if n + 3 * AHEAD >= count:
        return
    prefetch(w.of_row, items[n + 3 * AHEAD, W_ROW])
    item = items[n + 2 * AHEAD]
    row = item[W_ROW]
    c = np.int64(w.of_row[row])
    if c > 0:
        prefetch(w.connection, c * CONNECTION)
        prefetch(w.side, 2 * c * SIDE)
        if item[W_FLAGS] & W_FROM_CLIENT:
            prefetch(w.connection, c * CONNECTION + K_SINCE)
            prefetch(w.connection, c * CONNECTION + K_IN_BURST)
        else:
            prefetch(w.side, (2 * c + 1) * SIDE)
    elif c == 0:
        prefetch(flows.words, row * ROW)
        prefetch(flows.cold, row * COLD)
        prefetch(flows.cold, row * COLD + COLD // 2)
        prefetch(todo.handshakes, ((item[W_HASH] >> 1) & (HANDSHAKES - 1)) * HANDSHAKE)
    c = np.int64(w.of_row[items[n + AHEAD, W_ROW]])
    if c > 0:
        prefetch(w.log, (c * LOG + w.connection[c, K_LOGGED] % LOG) * 2)
        if items[n + AHEAD, W_FLAGS] & W_FROM_CLIENT:
            prefetch(w.usual, c * USUAL + w.connection[c, K_USUAL] % USUAL)


@kernel
def follow(w, flows, names, todo, at, buf):
    """Follow the packets of Todo.watched from `at` on; returns the place of the first one of a flow without a name, or
    their number."""
    items = todo.watched
    count = todo.watching[0]
    for n in range(at, count):
        _fetch(w, flows, todo, items, n, count)
        item = items[n]
        row = item[W_ROW]
        flags = item[W_FLAGS]
        if (flags & W_FIRST or w.of_row[row] == 0) and not _meet(w, flows, names, todo, item):
            return n
        c = np.int64(w.of_row[row])
        if c < 0 or w.connection[c, K_HASH] != item[W_HASH]:
            continue
        k = w.connection[c]
        k[K_LAST] = item[W_TIME]
        if k[K_TLS13] != PLAIN and item[W_LENGTH] > 0 and flags & SYN == 0:
            side = UP if flags & W_FROM_CLIENT else DOWN
            payload, end = item[W_PAYLOAD], item[W_END]
            segment(w, c, side, buf, payload, end, item[W_SEQUENCE], item[W_LENGTH], item[W_TIME], flags >> W_HEAD)
        if flags & (FIN | RST) and k[K_CLOSED] == 0:
            k[K_CLOSED] = item[W_TIME]
    return count
