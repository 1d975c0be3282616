"""From packets of watched flows to their connections: the way into sensor.records.

`follow` goes through Todo.watched. The first packet of a flow takes a place for its connection (`_meet`) if its name
is a wiki's, and leaves a cue; flows whose name is another one after all, or whose host gives no more than a cue, are
watched no longer. The kernel calls it every few batches, while the packets are in the cache, until it stops at a flow
whose name the catalogue has not been asked about, or that has none: Python knows that, and what DNS said
(sensor.uploads). Packets in the clear stay on the list for Python. Places are bounded: if none is free, the one of the
next few that has been silent for longest is taken, and counted.
"""

from __future__ import annotations

import numpy as np

from sensor.collect import close_oldest
from sensor.frames import FIN, RST, SYN
from sensor.layout import (
    BEGUN,
    CLIENT_IS_B,
    COLD,
    EVIDENCE_MASK,
    EVIDENCE_SHIFT,
    FIRST_MS,
    FLAGS,
    FLOW_FIRST,
    H_HASH,
    H_RTT,
    HANDSHAKE,
    HANDSHAKES,
    HASH,
    KEPT,
    LISTED,
    LOOK_DONE,
    LOOK_MASK,
    LOW32,
    NAME,
    PAIRS,
    PLACE,
    ROW,
    SECOND,
    SEEN,
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
    W_PLACE,
    W_ROW,
    W_SEQUENCE,
    W_TIME,
    WATCH_ASK,
    WATCH_ITEM,
    WATCH_TOLD,
    WATCHED,
)
from sensor.load import inlined, kernel, prefetch
from sensor.records import calm, free_piece, next_record, rouse, segment
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
    K_OPEN,
    K_PENDING,
    K_ROW,
    K_RTT,
    K_TLS13,
    L_CALM,
    L_HASH,
    L_LAST,
    L_LOGGED,
    LINE,
    LOG,
    N_CONNECTIONS,
    N_CUES,
    N_CUES_LOST,
    N_EVICTED,
    N_FREE,
    N_HAND,
    N_LATEST,
    N_SWEPT,
    N_SWEPT_AT,
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
)

LOOKED_AT = 4  # places, for one to be taken
SWEPT = 64
SWEEP_EVERY, IDLE, CLOSED_IDLE = SECOND, 600 * SECOND, 5 * SECOND
HTTP_HOST, DNS, NONE = 3, 4, 0  # sensor.words.Evidence
STRETCH = 96  # packets whose connections are fetched at once
HANDSHAKE_RECORD, HELLO = 22, 192  # a record's type, and bytes of its segment in which others begin
UNKNOWN = -1  # see `_meet`


@kernel
def forget(w, c, now):
    """Free a connection; its open units collect no more."""
    k = w.connection[c]
    for side in range(2):
        while w.side[c, side, S_PIECES]:
            free_piece(w, w.side[c, side], 0)
    while k[K_OPEN]:
        close_oldest(w, c, now)
    k[K_ROW] = 0
    w.line[c, L_HASH] = 0
    w.free[w.count[N_FREE]] = c
    w.count[N_FREE] += 1


@kernel
def forget_all(w, now):
    """Free every connection: the stream has ended."""
    for c in range(1, CONNECTIONS + 1):
        if w.connection[c, K_ROW]:
            forget(w, c, now)


@kernel
def sweep(w, now):
    """Once a second of packet time, forget connections that have been silent for long, among the next SWEPT places."""
    if now - w.count[N_SWEPT_AT] <= SWEEP_EVERY:
        return
    w.count[N_SWEPT_AT] = now
    for n in range(SWEPT):
        c = (w.count[N_SWEPT] + n) % CONNECTIONS + 1
        k = w.connection[c]
        silent = now - w.line[c, L_LAST]
        if k[K_ROW] and silent > (CLOSED_IDLE if k[K_CLOSED] else IDLE):
            forget(w, c, now)
    w.count[N_SWEPT] += SWEPT


@inlined
def _place(w, now):
    """A free place; what the next one to be taken has is asked for."""
    if w.count[N_FREE] == 0:
        best = 0
        for n in range(LOOKED_AT):
            c = (w.count[N_HAND] + n) % CONNECTIONS + 1
            if best == 0 or w.line[c, L_LAST] < w.line[best, L_LAST]:
                best = c
        w.count[N_HAND] += LOOKED_AT
        w.count[N_EVICTED] += 1
        forget(w, best, now)
    w.count[N_FREE] -= 1
    after = np.int64(w.free[max(0, w.count[N_FREE] - 1)])
    prefetch(w.line, after * LINE)
    for word in range(0, CONNECTION, LINE):
        prefetch(w.connection, after * CONNECTION + word)
    for word in range(0, 2 * SIDE, LINE):
        prefetch(w.side, 2 * after * SIDE + word)
    return np.int64(w.free[w.count[N_FREE]])


@inlined
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


@inlined
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


@inlined
def _admit(w, flows, todo, row, wiki, evidence, now, first):
    """Take a place for the connection in `row` of the flow table, to a wiki (its number), and return it; 0 if only the
    cue was wanted. Not `first`: its place was needed meanwhile."""
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
        return np.int64(0)
    c = _place(w, now)
    k = w.connection[c]
    for n in range(CONNECTION):
        k[n] = 0
    k[K_ROW] = row
    line = w.line[c]
    line[L_HASH] = flows.signed[row, HASH]
    line[L_LAST] = now
    line[L_LOGGED] = 0
    line[L_CALM] = 0
    k[K_RTT] = _least_rtt(w, todo, pair, np.int64(flows.words[row, HASH] >> np.uint64(1)))
    k[K_TLS13] = -1
    if evidence == HTTP_HOST:
        k[K_TLS13] = PLAIN
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
    flows.halves[row, FIRST_MS] = np.int64(flows.halves[row, FIRST_MS]) & BEGUN | c << PLACE
    return c


@kernel
def admit(w, flows, todo, row, wiki, evidence, now):
    """The same for Python."""
    return _admit(w, flows, todo, row, wiki, evidence, now, True)


@kernel
def dismiss(flows, row):
    """Watch a flow no longer."""
    flows.halves[row, FLAGS] &= LOW32 ^ (WATCHED | WATCH_TOLD)


@inlined
def _meet(w, flows, names, todo, item, learned):
    """The place of a packet's connection, where its flow had none when it came, or has lost it; 0: it is not watched;
    UNKNOWN: nobody here can say whether it leads to a wiki. `learned`: Python has read what it had to."""
    row = np.uint64(item[W_ROW] & LOW32)
    flags = np.int64(flows.halves[row, FLAGS])
    if flows.signed[row, HASH] != item[W_HASH] or flags & WATCHED == 0:  # the row is another flow's by now
        return np.int64(0)
    name = np.uint64(flows.halves[row, NAME])
    if not learned and (name == 0 or names.watch[name] == WATCH_ASK):
        return np.int64(UNKNOWN)
    first = item[W_FLAGS] & W_FIRST != 0
    item[W_FLAGS] &= ~W_FIRST
    c = np.int64(flows.halves[row, FIRST_MS]) >> PLACE
    if c > 0 and w.line[c, L_HASH] == item[W_HASH]:
        if not first:
            return c
        forget(w, c, item[W_TIME])
    if name == 0 and flags & LOOK_MASK == LOOK_DONE:
        return np.int64(UNKNOWN)
    wiki = np.int64(names.watch[name])
    if wiki > 0:
        c = _admit(w, flows, todo, row, wiki, (flags & EVIDENCE_MASK) >> EVIDENCE_SHIFT, item[W_TIME], first)
    if wiki <= 0 or c == 0:
        dismiss(flows, row)
        return np.int64(0)
    return c


@inlined
def _fetch(w, flows, todo, buf, start, stop):
    """Ask for what packets will touch: first the line of their connections, then what that leads to."""
    items = todo.watched
    for n in range(start, stop):
        c = items[n, W_ROW] >> W_PLACE
        if c > 0:
            prefetch(w.line, c * LINE)
        else:
            row = items[n, W_ROW]
            prefetch(flows.words, row * ROW)
            prefetch(flows.cold, row * COLD)
            prefetch(flows.cold, row * COLD + COLD // 2)
            prefetch(todo.handshakes, ((items[n, W_HASH] >> 1) & (HANDSHAKES - 1)) * HANDSHAKE)
    for n in range(start, stop):
        c = items[n, W_ROW] >> W_PLACE
        prefetch(w.log, c * LOG + w.line[c, L_LOGGED] % LOG)
        if items[n, W_FLAGS] & W_FROM_CLIENT or w.line[c, L_CALM] == 0:
            prefetch(w.connection, c * CONNECTION)
            prefetch(w.connection, c * CONNECTION + LINE)
            prefetch(w.side, (2 * c + UP) * SIDE)
            prefetch(w.side, (2 * c + DOWN) * SIDE)
            if items[n, W_FLAGS] >> W_HEAD + 32 == HANDSHAKE_RECORD:  # a hello of the server, and what follows it
                for line in range(items[n, W_PAYLOAD], min(items[n, W_END], items[n, W_PAYLOAD] + HELLO), 64):
                    prefetch(buf, line)


@kernel
def follow(w, flows, names, todo, buf, learned):
    """Follow the packets of Todo.watched, and leave there those in the clear; False if it stopped at one (SEEN) that
    Python must look at first. `learned`: see `_meet`."""
    items = todo.watched
    watching = todo.watching
    count = watching[LISTED]
    if count > watching[SEEN]:
        w.count[N_LATEST] = max(w.count[N_LATEST], items[count - 1, W_TIME])
        sweep(w, w.count[N_LATEST])
    while watching[SEEN] < count:
        stop = min(watching[SEEN] + STRETCH, count)
        _fetch(w, flows, todo, buf, watching[SEEN], stop)
        for n in range(watching[SEEN], stop):
            item = items[n]
            flags = item[W_FLAGS]
            c = item[W_ROW] >> W_PLACE
            if c == 0:  # its connection may have been met since
                c = np.int64(flows.halves[np.uint64(item[W_ROW]), FIRST_MS]) >> PLACE
            if c == 0 or flags & W_FIRST or w.line[c, L_HASH] != item[W_HASH]:
                c = _meet(w, flows, names, todo, item, learned)
                if c == UNKNOWN:
                    watching[SEEN] = n
                    return False
                if c == 0:
                    continue
            w.line[c, L_LAST] = item[W_TIME]
            start, length, now, head = item[W_SEQUENCE], item[W_LENGTH], item[W_TIME], flags >> W_HEAD
            ending = flags & (SYN | FIN | RST)
            if flags & W_FROM_CLIENT == 0 and ending == 0 and next_record(w, c, start, length, now, head):
                continue
            k = w.connection[c]
            if k[K_TLS13] == PLAIN:
                for word in range(WATCH_ITEM):
                    items[watching[KEPT], word] = item[word]
                items[watching[KEPT], W_ROW] = item[W_ROW] & LOW32 | c << W_PLACE
                watching[KEPT] += 1
            elif length > 0 and flags & SYN == 0:
                side = UP if flags & W_FROM_CLIENT else DOWN
                rouse(w, c)
                segment(w, c, side, buf, item[W_PAYLOAD], item[W_END], start, length, now, head)
                calm(w, c)
            if ending & (FIN | RST) and k[K_CLOSED] == 0:
                k[K_CLOSED] = now
        watching[SEEN] = stop
    watching[LISTED] = watching[SEEN] = watching[KEPT]
    return True
