"""TLS records of watched connections: their sizes and times, from five bytes of each; nothing else is read or kept.

Theory of operation. A TCP stream of TLS is a chain: each record's header says how long it is, so it also says where
the next header lies. `follow` goes through the packets of watched flows (Todo.watched) and knows, per direction, the
sequence number of the next header; whatever lies between is body and may come in any order, twice, merged to large
frames or never. A segment that begins beyond the next header has come too early: of it stay the first and last four
bytes (a header may lie across its edges), and place and length of everything in it that looks like a header, in one of
a bounded number of pieces; when the chain arrives there, the right ones are used. If what is missing does not come, or
the capture began in the middle, the chain goes on at the next thing that looks like a header (three bytes and a
plausible length: by chance once in 50,000 full segments, and then the next link does not fit); what was in between
counts as one record of so many bytes. Plaintext records (types other than 23) are stepped over.

A record of the client has the time of its last byte, one of the server that of its first: between them lies what the
server, and the way, took. Records go to a short log of the connection, and from there to the open upload units
(`_open_unit`): a unit opens at a record, or a burst, that is larger than the connection's usual request, and collects
the records of LOOK_BACK before and WINDOW after it.

It does not know names, clients or what a unit is good for; sensor.uploads does. All memory is here, fixed, and laid
out by `new_watch`. Sources: RFC 8446 5.1, 5.2 (records, at most 2^14 + 256 bytes), RFC 5246 6.2 (2^14 + 2048), RFC 9293
3.4.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor.frames import FIN, RST, SYN
from sensor.layout import (
    SECOND,
    W_END,
    W_FIRST,
    W_FLAGS,
    W_FROM_CLIENT,
    W_LENGTH,
    W_PAYLOAD,
    W_ROW,
    W_SEQUENCE,
    W_TIME,
)
from sensor.load import inlined, kernel, load8, load16, load32, prefetch

CONNECTIONS = 1 << 12
UNITS = 1 << 9  # open at once
UNIT_RECORDS = 512
LOG = 64  # records of a connection that are remembered
USUAL = 32  # client records that show what is usual
PIECES = 1 << 12  # segments beyond holes, of all connections
OWN_PIECES = 12  # of one direction
CANDIDATES = 12  # headers noted in a piece
OPEN_UNITS = 4  # of one connection
HOLES = 4  # known at once in one direction
WINDOW = 20 * SECOND
LOOK_BACK = 3 * SECOND
PATIENCE = SECOND  # for what is missing
SCANS = 64  # segments searched in vain before only their first bytes are looked at
MAX_RECORD = 18432
LEAST_UPLOAD = 600  # bytes of a client's record
FIRST_RECORDS, LEAST_FIRST = 4, 1000  # a connection's first ones carry settings and headers that are new to the server
WIDE = 6  # requests at once: a browser's
LEAST_BODY = 100  # bytes of what a script sends after a request's header
ASSUMED_RTT = 100_000_000
NOT_TLS = 2

# A connection, 64-bit words, two cache lines. K_STATE: 0 free, 1 TLS, NOT_TLS. K_UNIT: OPEN_UNITS places in `unit`,
# plus one. K_PENDING: size of the client's record that is not whole yet, or -1; since when, last byte seen, its end.
K_STATE, K_ROW, K_HASH, K_LAST, K_CLOSED, K_RTT, K_CLIENTS, K_LOGGED = 0, 1, 2, 3, 4, 5, 6, 7
K_TLS13, K_PENDING, K_SINCE, K_SEEN, K_END, K_OPEN, K_USUAL, K_RUN = 8, 9, 10, 11, 12, 13, 14, 15
K_BURST, K_BURST_SINCE, K_BURST_AT, K_UNIT = 16, 17, 18, 19
K_IN_BURST, K_WIDE = 23, 24
CONNECTION = 32
# A direction, one cache line and what is seldom needed. S_HEAD: sequence number of the next header, -1 while it is looked
# for; S_GOT: bytes of it that have come, S_BYTES: these; S_FROM: where the chain broke, -1 if it has not begun.
S_HEAD, S_GOT, S_BYTES, S_HIGH, S_FROM, S_PIECES, S_LOST, S_SCANS = 0, 1, 2, 3, 4, 5, 6, 7
S_HOLE, S_PIECE = 8, 8 + 2 * HOLES
SIDE = S_PIECE + OWN_PIECES
UP, DOWN = 0, 1
# A piece: where it begins, its length, when it came, its first four and last four bytes, its candidates.
P_START, P_LENGTH, P_TIME, P_FIRST, P_LAST, P_COUNT, P_CANDIDATE = 0, 1, 2, 3, 4, 5, 6
PIECE = P_CANDIDATE + CANDIDATES
# A unit. U_STATE: 0 free, 1 open, 2 closed (at U_CLOSED); U_DROPPED: records that had no room.
U_STATE, U_CONNECTION, U_OPENED, U_LAST_UP, U_COUNT, U_BEFORE, U_LOST, U_DROPPED = 0, 1, 2, 3, 4, 5, 6, 7
U_P15, U_P50, U_P70, U_P85, U_SERIAL, U_MISSING, U_CLIENTS, U_CLOSED = 8, 9, 10, 11, 12, 13, 14, 15
UNIT = 16
R_TIME, R_KNOWN, R_SIZE = 0, 1, 2  # a record of a unit; R_SIZE: negative from the server
# Counters.
N_RECORDS, N_UNITS, N_UNITS_CUT, N_RESYNCED, N_PIECES_LOST, N_SERIAL, N_PACKETS, N_FREE_PIECES = 0, 1, 2, 3, 4, 5, 6, 7
COUNTS = 8


class Watch(NamedTuple):
    """The memory of watched connections; place 0 of `connection` is no connection."""

    of_row: Any  # int32 per row of the flow table: place in `connection`, 0 = none, -1 = not wanted
    connection: Any  # int64[CONNECTIONS + 1, CONNECTION]
    side: Any  # int64[CONNECTIONS + 1, 2, SIDE]
    log: Any  # int64[CONNECTIONS + 1, LOG, 2]: time, size (negative from the server)
    usual: Any  # int32[CONNECTIONS + 1, USUAL]
    piece: Any  # int64[PIECES, PIECE]
    free: Any  # int32[PIECES]: a stack
    unit: Any  # int64[UNITS, UNIT]
    records: Any  # int64[UNITS, UNIT_RECORDS, 3]
    scratch: Any  # int64[USUAL]
    count: Any  # int64[COUNTS]


def new_watch(rows: int) -> Watch:
    """Room for the connections of a flow table of so many rows."""
    watch = Watch(
        np.zeros(rows + 1, np.int32),
        np.zeros((CONNECTIONS + 1, CONNECTION), np.int64),
        np.zeros((CONNECTIONS + 1, 2, SIDE), np.int64),
        np.zeros((CONNECTIONS + 1, LOG, 2), np.int64),
        np.zeros((CONNECTIONS + 1, USUAL), np.int32),
        np.zeros((PIECES, PIECE), np.int64),
        np.arange(PIECES, dtype=np.int32),
        np.zeros((UNITS, UNIT), np.int64),
        np.zeros((UNITS, UNIT_RECORDS, 3), np.int64),
        np.zeros(USUAL, np.int64),
        np.zeros(COUNTS, np.int64),
    )
    watch.count[N_FREE_PIECES] = PIECES
    return watch


@inlined
def _ahead(a, b):
    """How far sequence number `a` is beyond `b`."""
    return ((a - b + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


@inlined
def _plausible(kind, version, length, inside):
    """Can these be a record's type, version and length? `inside`: in the middle of a segment, where chance has more
    room, only application data counts."""
    if inside:
        return (kind == 23) & (version == 0x0303) & (17 <= length) & (length <= MAX_RECORD)
    return (
        (20 <= kind) & (kind <= 23) & (0x0300 <= version) & (version <= 0x0304) & (0 < length) & (length <= MAX_RECORD)
    )


# -- units -----------------------------------------------------------------------------------------------------------


@kernel
def _percentile(scratch, count, share):
    """Of the first `count` sorted numbers, by the nearest rank."""
    return scratch[min(count - 1, (share * count) // 100)] if count > 0 else 0


@kernel
def _sort_usual(w, c, most):
    """The sizes of the connection's last `most` client records, in order, in `scratch`; how many there are."""
    total = w.connection[c, K_USUAL]
    count = min(total, most)
    for n in range(count):
        value = np.int64(w.usual[c, (total - 1 - n) % USUAL])
        at = n
        while at > 0 and w.scratch[at - 1] > value:
            w.scratch[at] = w.scratch[at - 1]
            at -= 1
        w.scratch[at] = value
    return count


@kernel
def _append(w, u, time, known, size):
    """A record for an open unit. From the third of a run of large server records on, they count as one."""
    unit = w.unit[u]
    n = unit[U_COUNT]
    rows = w.records[u]
    if size <= -1000 and n >= 3 and rows[n - 1, R_SIZE] <= -1000 and rows[n - 2, R_SIZE] <= -1000:
        if (
            rows[n - 3, R_SIZE] <= -1000
            and time - rows[n - 1, R_TIME] < 50_000_000
            and rows[n - 1, R_SIZE] > -(1 << 30)
        ):
            rows[n - 1, R_SIZE] += size
            return
    if n >= UNIT_RECORDS:
        unit[U_DROPPED] += 1
        return
    rows[n, R_TIME] = time
    rows[n, R_KNOWN] = known
    rows[n, R_SIZE] = size
    unit[U_COUNT] = n + 1


@kernel
def _close_oldest(w, c, now):
    """Let the oldest open unit of a connection collect no more."""
    u = w.connection[c, K_UNIT] - 1
    w.unit[u, U_STATE] = 2
    w.unit[u, U_CLOSED] = now
    for k in range(OPEN_UNITS - 1):
        w.connection[c, K_UNIT + k] = w.connection[c, K_UNIT + k + 1]
    w.connection[c, K_OPEN] -= 1


@kernel
def _open_unit(w, c, since, known):
    """Begin a unit at a client's record or burst that began at `since`; what the log has of before comes with it."""
    u = -1
    for n in range(UNITS):
        at = (w.count[N_SERIAL] + n) % UNITS
        if w.unit[at, U_STATE] == 0:
            u = at
            break
    if u < 0:
        w.count[N_UNITS_CUT] += 1
        return
    if w.connection[c, K_OPEN] >= OPEN_UNITS:
        _close_oldest(w, c, known)
        w.count[N_UNITS_CUT] += 1
    unit = w.unit[u]
    count = _sort_usual(w, c, 16)
    unit[U_P15] = _percentile(w.scratch, count, 15)
    unit[U_P70] = _percentile(w.scratch, count, 70)
    count = _sort_usual(w, c, USUAL)
    unit[U_P50] = _percentile(w.scratch, count, 50)
    unit[U_P85] = _percentile(w.scratch, count, 85)
    w.count[N_SERIAL] += 1
    w.count[N_UNITS] += 1
    unit[U_STATE] = 1
    unit[U_CONNECTION] = c
    unit[U_OPENED] = since
    unit[U_COUNT] = 0
    unit[U_DROPPED] = 0
    unit[U_LOST] = w.side[c, UP, S_LOST] + w.side[c, DOWN, S_LOST]
    unit[U_MISSING] = 0
    unit[U_SERIAL] = w.count[N_SERIAL]
    unit[U_CLIENTS] = w.connection[c, K_CLIENTS]
    logged = w.connection[c, K_LOGGED]
    for n in range(max(0, logged - LOG), logged):
        if w.log[c, n % LOG, 0] >= since - LOOK_BACK:
            _append(w, u, w.log[c, n % LOG, 0], known, w.log[c, n % LOG, 1])
    unit[U_BEFORE] = unit[U_COUNT]
    w.connection[c, K_UNIT + w.connection[c, K_OPEN]] = u + 1
    w.connection[c, K_OPEN] += 1


@kernel
def _add_up(w, c, since, time, known, size):
    """A whole record of the client's: does it, or the burst that it ends, look like an upload?"""
    k = w.connection[c]
    rtt = k[K_RTT] if k[K_RTT] else ASSUMED_RTT
    reach = rtt + rtt // 2 + 30_000_000
    if since - k[K_BURST_AT] > reach:
        k[K_BURST] = 0
        k[K_BURST_SINCE] = since
        k[K_IN_BURST] = 0
        k[K_RUN] = 0
    k[K_BURST_AT] = time
    if k[K_IN_BURST]:
        k[K_BURST] += size
    if size > 20:
        k[K_IN_BURST] += 1
    if k[K_IN_BURST] >= WIDE and k[K_BURST] < WIDE * 1000:
        k[K_WIDE] = 1
    first = k[K_CLIENTS] < FIRST_RECORDS
    upload = k[K_WIDE] == 0 and not first and k[K_BURST] >= LEAST_BODY
    if size >= (LEAST_FIRST if first else LEAST_UPLOAD):
        count = _sort_usual(w, c, USUAL)
        usual = _percentile(w.scratch, count, 50)
        upload = usual < LEAST_UPLOAD or size * 100 > usual * 120 or size * 100 < usual * 85
    if upload and k[K_RUN] == 0:
        _open_unit(w, c, k[K_BURST_SINCE], known)
        k[K_RUN] = 1
    if 20 < size < 9000:
        w.usual[c, k[K_USUAL] % USUAL] = size
        k[K_USUAL] += 1
    k[K_CLIENTS] += 1


@kernel
def _log(w, c, time, known, size):
    """Keep a record: in the log, and in every open unit."""
    k = w.connection[c]
    at = k[K_LOGGED] % LOG
    w.log[c, at, 0] = time
    w.log[c, at, 1] = size
    k[K_LOGGED] += 1
    w.count[N_RECORDS] += 1
    while k[K_OPEN] and known > w.unit[k[K_UNIT] - 1, U_OPENED] + WINDOW:
        _close_oldest(w, c, w.unit[k[K_UNIT] - 1, U_OPENED] + WINDOW)
    for n in range(k[K_OPEN]):
        _append(w, k[K_UNIT + n] - 1, time, known, size)


@kernel
def _finish_pending(w, c, time, known):
    """The client's record has come to its end."""
    k = w.connection[c]
    size = k[K_PENDING]
    k[K_PENDING] = -1
    _add_up(w, c, k[K_SINCE], time, known, size)
    _log(w, c, time, known, size)


@kernel
def _found(w, c, side, kind, length, end, time, now):
    """A header: a record of `kind` and `length` whose body ends at sequence number `end`; `time`: when it came."""
    k = w.connection[c]
    if side == UP and k[K_PENDING] >= 0:
        _finish_pending(w, c, k[K_SEEN], now)
    if kind != 23:
        return
    size = max(0, length - (17 if k[K_TLS13] != 0 else 24))
    if side == DOWN:
        if size > 250 and time - k[K_BURST_AT] > (3 * (k[K_RTT] if k[K_RTT] else ASSUMED_RTT)) // 4:
            k[K_BURST_AT] = 0  # an answer: what the client sends next is something new
        _log(w, c, time, now, -size)
    else:
        k[K_PENDING] = size
        k[K_SINCE] = time
        k[K_SEEN] = time
        k[K_END] = end


# -- the chain -------------------------------------------------------------------------------------------------------


@kernel
def _free_piece(w, s, n):
    """Give back the direction's piece `n`."""
    w.free[w.count[N_FREE_PIECES]] = s[S_PIECE + n]
    w.count[N_FREE_PIECES] += 1
    s[S_PIECES] -= 1
    s[S_PIECE + n] = s[S_PIECE + s[S_PIECES]]


@kernel
def _keep_piece(w, s, buf, p, end, start, length, now):
    """Note what may be headers in a segment that has come too early; False if there is no room."""
    if s[S_PIECES] >= OWN_PIECES or w.count[N_FREE_PIECES] == 0:
        w.count[N_PIECES_LOST] += 1
        return False
    for n in range(s[S_PIECES]):
        if w.piece[s[S_PIECE + n], P_START] == start and w.piece[s[S_PIECE + n], P_LENGTH] >= length:
            return True
    w.count[N_FREE_PIECES] -= 1
    place = np.int64(w.free[w.count[N_FREE_PIECES]])
    piece = w.piece[place]
    piece[P_START] = start
    piece[P_LENGTH] = length
    piece[P_TIME] = now
    piece[P_FIRST] = 0
    piece[P_LAST] = 0
    for n in range(4):
        piece[P_FIRST] = piece[P_FIRST] << 8 | load8(buf, p + n, end)
        piece[P_LAST] = piece[P_LAST] << 8 | (load8(buf, p + length - 4 + n, end) if length - 4 + n >= 0 else 0)
    count = 0
    at = p
    while at + 5 <= end and count < CANDIDATES:
        kind = load8(buf, at, end)
        if 20 <= kind <= 23:
            size = load16(buf, at + 3, end)
            if _plausible(kind, load16(buf, at + 1, end), size, at > p and kind == 23):
                piece[P_CANDIDATE + count] = (at - p) << 32 | size << 8 | kind
                count += 1
        at += 1
    piece[P_COUNT] = count
    s[S_PIECE + s[S_PIECES]] = place
    s[S_PIECES] += 1
    return True


@kernel
def _break_chain(w, s, at):
    """The chain is lost at sequence number `at`."""
    if s[S_HEAD] >= 0 and s[S_FROM] < 0:
        s[S_FROM] = s[S_HEAD]
    s[S_HEAD] = -1
    s[S_GOT] = 0
    s[S_BYTES] = 0


@kernel
def _resume(w, c, side, s, head, time, now):
    """The chain goes on at `head`; what was skipped counts as one record."""
    if s[S_FROM] >= 0:
        skipped = _ahead(head, s[S_FROM])
        w.count[N_RESYNCED] += 1
        s[S_FROM] = -1
        if 22 <= skipped < 1 << 24:
            _found(w, c, side, 23, skipped - 5, head, time, now)
    s[S_HEAD] = head
    s[S_GOT] = 0
    s[S_BYTES] = 0
    s[S_SCANS] = 0


@kernel
def _take_header(w, c, side, s, time, now):
    """Five bytes of a header are there: the record that it begins; False if it is none."""
    kind = s[S_BYTES] >> 32
    length = s[S_BYTES] & 0xFFFF
    if not _plausible(kind, (s[S_BYTES] >> 16) & 0xFFFF, length, False):
        return False
    end = (s[S_HEAD] + 5 + length) & 0xFFFFFFFF
    _found(w, c, side, kind, length, end, time, now)
    s[S_HEAD] = end
    s[S_GOT] = 0
    s[S_BYTES] = 0
    return True


@kernel
def _through_piece(w, c, side, s, place, now):
    """Follow the chain through a piece that it has reached; False if what is there does not fit."""
    piece = w.piece[place]
    while True:
        at = _ahead(s[S_HEAD] + s[S_GOT], piece[P_START])
        left = piece[P_LENGTH] - at
        if left <= 0:
            return True
        if s[S_GOT] == 0 and left >= 5:
            found = -1
            for n in range(piece[P_COUNT]):
                if piece[P_CANDIDATE + n] >> 32 == at:
                    found = piece[P_CANDIDATE + n]
            if found < 0:
                return False
            s[S_BYTES] = (found & 0xFF) << 32 | 0x0303 << 16 | (found >> 8) & 0xFFFF
        elif s[S_GOT] == 0:
            s[S_BYTES] = piece[P_LAST] & ((1 << (8 * left)) - 1)
            s[S_GOT] = left
            return True
        else:
            need = 5 - s[S_GOT]
            if at + need > min(4, piece[P_LENGTH]):
                return False
            for n in range(need):
                s[S_BYTES] = s[S_BYTES] << 8 | (piece[P_FIRST] >> (8 * (3 - at - n))) & 0xFF
        if not _take_header(w, c, side, s, piece[P_TIME], now):
            return False


@kernel
def _use_pieces(w, c, side, s, now):
    """Go on through the pieces as far as the chain leads."""
    moved = True
    while moved and s[S_PIECES] and s[S_HEAD] >= 0:
        moved = False
        for n in range(s[S_PIECES]):
            place = s[S_PIECE + n]
            at = _ahead(s[S_HEAD] + s[S_GOT], w.piece[place, P_START])
            if at < 0:
                continue
            if at < w.piece[place, P_LENGTH] and not _through_piece(w, c, side, s, place, now):
                _break_chain(w, s, s[S_HEAD])
            _free_piece(w, s, n)
            moved = True
            break


@kernel
def _skip_hole(w, c, side, s, now):
    """What is missing does not come: go on at the first candidate beyond it."""
    _break_chain(w, s, s[S_HEAD])
    while s[S_PIECES] and s[S_HEAD] < 0:
        first = 0
        for n in range(1, s[S_PIECES]):
            if _ahead(w.piece[s[S_PIECE + n], P_START], w.piece[s[S_PIECE + first], P_START]) < 0:
                first = n
        piece = w.piece[s[S_PIECE + first]]
        if piece[P_COUNT] == 0:
            _free_piece(w, s, first)
            continue
        head = (piece[P_START] + (piece[P_CANDIDATE] >> 32)) & 0xFFFFFFFF
        _resume(w, c, side, s, head, piece[P_TIME], now)
        _use_pieces(w, c, side, s, now)


@kernel
def _find_header(s, buf, p, end):
    """Offset of the first thing in a segment that looks like a header; -1 if there is none."""
    if p + 5 <= end and _plausible(load8(buf, p, end), load16(buf, p + 1, end), load16(buf, p + 3, end), False):
        return 0
    if s[S_SCANS] >= SCANS:
        return -1
    s[S_SCANS] += 1
    for at in range(p + 1, end - 4):
        if load8(buf, at, end) == 23 and _plausible(23, load16(buf, at + 1, end), load16(buf, at + 3, end), True):
            return at - p
    return -1


@kernel
def _note_holes(s, start, length):
    """Count what is missing: a hole opens before what comes too early, and closes when it comes."""
    ahead = _ahead(start, s[S_HIGH])
    if ahead > 0:
        at = S_HOLE
        for hole in range(S_HOLE, S_HOLE + 2 * HOLES, 2):
            if s[hole + 1] == 0:
                at = hole
                break
        s[at] = s[S_HIGH]
        s[at + 1] = ahead
        s[S_LOST] += ahead
        return
    for hole in range(S_HOLE, S_HOLE + 2 * HOLES, 2):
        if s[hole + 1] == 0:
            continue
        first = max(0, _ahead(start, s[hole]))
        after = min(s[hole + 1], _ahead(start + length, s[hole]))
        if after <= first:
            continue
        s[S_LOST] -= after - first
        if first == 0:
            s[hole] = (s[hole] + after) & 0xFFFFFFFF
            s[hole + 1] -= after
        else:
            s[hole + 1] = first  # of what is missing behind it, none is found any more


@kernel
def _read_hello(w, c, buf, p, end):
    """A ServerHello: does it choose TLS 1.3? (RFC 8446 4.1.3, 4.2.1)"""
    if load8(buf, p, end) != 22 or load8(buf, p + 5, end) != 2:
        return
    q = p + 9 + 2 + 32
    q += 1 + load8(buf, q, end)
    q += 3
    stop = min(end, q + 2 + load16(buf, q, end))
    q += 2
    w.connection[c, K_TLS13] = 0
    for _ in range(16):
        if q + 6 > stop:
            return
        if load16(buf, q, end) == 43:
            w.connection[c, K_TLS13] = np.int64(load16(buf, q + 4, end) == 0x0304)
            return
        q += 4 + load16(buf, q + 2, end)


@kernel
def _segment(w, c, side, buf, p, end, start, length, now):
    """A segment of payload: `length` bytes from sequence number `start`, of which buf[p:end] were captured."""
    s = w.side[c, side]
    k = w.connection[c]
    beyond = (start + length) & 0xFFFFFFFF
    if s[S_HIGH] < 0 or abs(_ahead(start, s[S_HIGH])) > 1 << 24:  # a beginning, or nothing that belongs together
        while s[S_PIECES]:
            _free_piece(w, s, 0)
        if s[S_HIGH] >= 0:
            s[S_FROM] = -1
        s[S_HEAD] = -1
        s[S_HIGH] = start
    if start != s[S_HIGH]:
        _note_holes(s, start, length)
    new = _ahead(beyond, s[S_HIGH]) > 0
    if new:
        s[S_HIGH] = beyond
    if side == UP and k[K_PENDING] >= 0 and _ahead(start, k[K_END]) < 0 and (new or length > 0):
        if _ahead(beyond, k[K_END]) >= 0:
            _finish_pending(w, c, now, now)
        elif new:
            k[K_SEEN] = now
    if s[S_HEAD] < 0:
        at = _find_header(s, buf, p, end)
        if at < 0:
            return
        _resume(w, c, side, s, (start + at) & 0xFFFFFFFF, now, now)
    while s[S_HEAD] >= 0:
        at = _ahead(s[S_HEAD] + s[S_GOT], start)
        if at >= length:
            break
        if at < 0:  # the header lies in what has not come
            early = s[S_PIECES] > 0 and now - w.piece[s[S_PIECE], P_TIME] > PATIENCE
            if early or not _keep_piece(w, s, buf, p, end, start, length, now):
                _skip_hole(w, c, side, s, now)
                if s[S_HEAD] < 0:
                    found = _find_header(s, buf, p, end)
                    if found < 0:
                        break
                    _resume(w, c, side, s, (start + found) & 0xFFFFFFFF, now, now)
                elif _ahead(s[S_HEAD] + s[S_GOT], start) < 0:
                    _keep_piece(w, s, buf, p, end, start, length, now)
                    break
                continue
            break
        if p + at >= end:  # it was cut off
            _break_chain(w, s, s[S_HEAD])
            break
        if s[S_GOT] == 0 and p + at + 5 <= end:
            s[S_BYTES] = load8(buf, p + at, end) << 32 | load32(buf, p + at + 1, end)
            if side == DOWN and s[S_BYTES] >> 32 == 22 and k[K_TLS13] < 0:
                _read_hello(w, c, buf, p + at, end)
        else:
            while s[S_GOT] < 5 and p + at < end and at < length:
                s[S_BYTES] = s[S_BYTES] << 8 | load8(buf, p + at, end)
                s[S_GOT] += 1
                at += 1
            if s[S_GOT] < 5:
                continue
        if not _take_header(w, c, side, s, now, now):
            _break_chain(w, s, s[S_HEAD])
            found = _find_header(s, buf, p + at + 1, end) if p + at + 1 < end else -1
            if found < 0:
                break
            _resume(w, c, side, s, (start + at + 1 + found) & 0xFFFFFFFF, now, now)
    if s[S_PIECES]:
        _use_pieces(w, c, side, s, now)
    if side == UP and k[K_PENDING] >= 0 and _ahead(s[S_HIGH], k[K_END]) >= 0:
        _finish_pending(w, c, now, now)


@kernel
def release(w, u):
    """Free a unit."""
    c = w.unit[u, U_CONNECTION]
    for n in range(w.connection[c, K_OPEN]):
        if w.connection[c, K_UNIT + n] - 1 == u:
            for k in range(n, w.connection[c, K_OPEN] - 1):
                w.connection[c, K_UNIT + k] = w.connection[c, K_UNIT + k + 1]
            w.connection[c, K_OPEN] -= 1
            break
    w.unit[u, U_STATE] = 0


@kernel
def forget(w, c, now):
    """Free a connection; its open units collect no more."""
    for side in range(2):
        s = w.side[c, side]
        while s[S_PIECES]:
            _free_piece(w, s, 0)
    while w.connection[c, K_OPEN]:
        _close_oldest(w, c, now)
    row = w.connection[c, K_ROW]
    if w.of_row[row] == c:
        w.of_row[row] = 0
    w.connection[c, K_STATE] = 0


@kernel
def begin(w, c, row, h, state, rtt):
    """Take place `c` for the connection in `row` of the flow table."""
    k = w.connection[c]
    for n in range(CONNECTION):
        k[n] = 0
    k[K_STATE] = state
    k[K_ROW] = row
    k[K_HASH] = h
    k[K_RTT] = rtt
    k[K_TLS13] = -1
    k[K_PENDING] = -1
    for side in range(2):
        s = w.side[c, side]
        for n in range(SIDE):
            s[n] = 0
        s[S_HEAD] = -1
        s[S_FROM] = -1
        s[S_HIGH] = -1
    w.of_row[row] = c


@kernel
def follow(w, todo, at, buf):
    """Follow the packets of Todo.watched from `at` on; returns the place of one whose connection is not known yet, or
    their number."""
    items = todo.watched
    count = todo.watching[0]
    for n in range(at, count):
        item = items[n]
        if n + 8 < count:
            c = np.int64(w.of_row[items[n + 8, W_ROW]])
            if c > 0:
                prefetch(w.connection, c * CONNECTION)
                prefetch(w.connection, c * CONNECTION + 8)
                prefetch(w.side, (2 * c + (items[n + 8, W_FLAGS] & W_FROM_CLIENT == 0)) * SIDE)
        c = np.int64(w.of_row[item[W_ROW]])
        if item[W_FLAGS] & W_FIRST or c == 0:
            return n
        if c < 0 or w.connection[c, K_STATE] == 0:
            continue
        k = w.connection[c]
        k[K_LAST] = item[W_TIME]
        w.count[N_PACKETS] += 1
        flags = item[W_FLAGS]
        if k[K_STATE] != NOT_TLS and item[W_LENGTH] > 0 and flags & SYN == 0:
            side = UP if flags & W_FROM_CLIENT else DOWN
            payload, end = item[W_PAYLOAD], item[W_END]
            _segment(w, c, side, buf, payload, end, item[W_SEQUENCE], item[W_LENGTH], item[W_TIME])
        if flags & (FIN | RST) and k[K_CLOSED] == 0:
            k[K_CLOSED] = item[W_TIME]
    return count
