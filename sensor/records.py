"""TLS records of watched connections: their sizes and times, from five bytes of each; nothing else is read or kept.

Theory of operation. A TCP stream of TLS is a chain: each record's header says how long it is, so it also says where
the next header lies. Per direction the sequence number of the next header is known; whatever lies between is body and
may come in any order, twice, merged to large frames or never. A segment that begins beyond the next header has come too
early: of it stay the first and last four bytes (a header may lie across its edges), and place and length of everything
in it that looks like a header, in one of a bounded number of pieces; when the chain arrives there, the right ones are
used. If what is missing does not come (for PATIENCE, or while the other end answers), or the capture began in the
middle, the chain goes on at the next thing that looks like a header (three bytes and a plausible length: by chance once
in 50,000 full segments, and then the next link does not fit); what was in between counts as one record of so many
bytes. Records of other types than 23 are stepped over.

A record of the client has the time of its last byte, one of the server that of its first: between them lies what the
server, and the way, took. What is done with records is for sensor.collect. Sources: RFC 8446 5.1, 5.2 (at most
2^14 + 256 bytes), RFC 5246 6.2 (2^14 + 2048), RFC 9293 3.4.
"""

from __future__ import annotations

import numpy as np

from sensor.collect import TAG_13, add_record, end_up, end_up_here, log_record
from sensor.layout import LOW32, SECOND
from sensor.load import inlined, kernel, load8, load16, load32
from sensor.watch import (
    ASSUMED_RTT,
    CANDIDATES,
    DOWN,
    HOLES,
    K_BURST_AT,
    K_END,
    K_OPEN,
    K_PENDING,
    K_RTT,
    K_SEEN,
    K_TLS13,
    L_CALM,
    L_HEAD,
    L_HIGH,
    N_FREE_PIECES,
    N_PIECES_LOST,
    N_RESYNCED,
    OWN_PIECES,
    P_CANDIDATE,
    P_COUNT,
    P_FIRST,
    P_LAST,
    P_LENGTH,
    P_START,
    P_TIME,
    S_BYTES,
    S_FROM,
    S_GOT,
    S_HEAD,
    S_HIGH,
    S_HOLE,
    S_LOST,
    S_PIECE,
    S_PIECES,
    S_SCANS,
    S_SINCE,
    S_UNTIL,
    UP,
)

PATIENCE = SECOND // 2  # for what is missing
SCANS = 64  # segments searched in vain before only their first bytes are looked at
MAX_RECORD = 18432
FAR = 1 << 24  # bytes: beyond that, a segment belongs to something else
HANDSHAKE, DATA, SERVER_HELLO, SUPPORTED_VERSIONS = 22, 23, 2, 43


@inlined
def _ahead(a, b):
    """How far sequence number `a` is beyond `b`."""
    return ((a - b + (1 << 31)) & LOW32) - (1 << 31)


@inlined
def _is_header(kind, version, length, inside):
    """Can these be a record's type, version and length? `inside`: in the middle of a segment, where chance has more
    room, only application data counts."""
    if inside:
        return (kind == DATA) & (version == 0x0303) & (length >= 17) & (length <= MAX_RECORD)
    known = (kind >= 20) & (kind <= DATA) & (version >= 0x0300) & (version <= 0x0304)
    return known & (length > 0) & (length <= MAX_RECORD)


@inlined
def _found(w, c, side, kind, length, end, time, now):
    """A header of `kind`; its record has `length` bytes and ends at sequence number `end`."""
    if side == UP and w.connection[c, K_PENDING] >= 0:
        end_up(w, c, w.connection[c, K_SEEN], now)
    if kind == DATA:
        add_record(w, c, side, length, end, time, now)


@kernel
def free_piece(w, s, n):
    """Give back the direction's piece `n`."""
    w.free_piece[w.count[N_FREE_PIECES]] = s[S_PIECE + n]
    w.count[N_FREE_PIECES] += 1
    s[S_PIECES] -= 1
    for k in range(n, s[S_PIECES]):
        s[S_PIECE + k] = s[S_PIECE + k + 1]


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
    place = np.int64(w.free_piece[w.count[N_FREE_PIECES]])
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
        if kind == DATA or at == p:
            size = load16(buf, at + 3, end)
            if _is_header(kind, load16(buf, at + 1, end), size, at > p):
                piece[P_CANDIDATE + count] = (at - p) << 32 | size << 8 | kind
                count += 1
        at += 1
    piece[P_COUNT] = count
    s[S_PIECE + s[S_PIECES]] = place
    s[S_PIECES] += 1
    return True


@kernel
def _break_chain(s):
    """The next header is not where it should be."""
    if s[S_HEAD] >= 0 and s[S_FROM] < 0:
        s[S_FROM] = s[S_HEAD]
    s[S_HEAD] = -1
    s[S_GOT] = 0
    s[S_BYTES] = 0


@inlined
def _note_skipped(s, since, until):
    """Bytes came in which no header was found."""
    if s[S_SINCE] == 0:
        s[S_SINCE] = since
    s[S_UNTIL] = until


@kernel
def _count_skipped(w, c, side, s, head, time, now):
    """What lies between where the chain broke and `head` counts as one record."""
    skipped = _ahead(head, s[S_FROM])
    if 22 <= skipped < FAR:
        _found(w, c, side, DATA, skipped - 5, head, s[S_SINCE] if s[S_SINCE] else time, now)
        if side == UP and s[S_SINCE]:
            w.connection[c, K_SEEN] = s[S_UNTIL]
    s[S_SINCE] = 0
    s[S_UNTIL] = 0


@kernel
def _end_skipped(w, c, s, now):
    """There is an answer to what the client sent without a header that we could read."""
    _count_skipped(w, c, UP, s, s[S_HIGH], now, now)
    if w.connection[c, K_PENDING] >= 0:
        end_up(w, c, w.connection[c, K_SEEN], now)
    s[S_FROM] = s[S_HIGH]


@kernel
def _resume(w, c, side, s, head, time, now):
    """The chain goes on at `head`."""
    if s[S_FROM] >= 0:
        w.count[N_RESYNCED] += 1
        _count_skipped(w, c, side, s, head, time, now)
        s[S_FROM] = -1
    s[S_HEAD] = head
    s[S_GOT] = 0
    s[S_BYTES] = 0
    s[S_SCANS] = 0


@inlined
def _take_header(w, c, side, s, time, now):
    """Five bytes of a header are there: the record that it begins; False if it is none."""
    kind = s[S_BYTES] >> 32
    length = s[S_BYTES] & 0xFFFF
    if not _is_header(kind, (s[S_BYTES] >> 16) & 0xFFFF, length, False):
        return False
    end = (s[S_HEAD] + 5 + length) & LOW32
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
                _break_chain(s)
            free_piece(w, s, n)
            moved = True
            break


@kernel
def _skip_hole(w, c, side, s, now):
    """What is missing does not come: go on at the first candidate beyond it."""
    _break_chain(s)
    while s[S_PIECES] and s[S_HEAD] < 0:
        first = 0
        for n in range(1, s[S_PIECES]):
            if _ahead(w.piece[s[S_PIECE + n], P_START], w.piece[s[S_PIECE + first], P_START]) < 0:
                first = n
        piece = w.piece[s[S_PIECE + first]]
        if piece[P_COUNT] == 0:
            _note_skipped(s, piece[P_TIME], piece[P_TIME])
            free_piece(w, s, first)
            continue
        head = (piece[P_START] + (piece[P_CANDIDATE] >> 32)) & LOW32
        _resume(w, c, side, s, head, piece[P_TIME], now)
        _use_pieces(w, c, side, s, now)


@kernel
def _find_header(s, buf, p, end):
    """Offset of the first thing in a segment that looks like a header; -1 if there is none."""
    if p + 5 <= end and _is_header(load8(buf, p, end), load16(buf, p + 1, end), load16(buf, p + 3, end), False):
        return 0
    if s[S_SCANS] >= SCANS:
        return -1
    s[S_SCANS] += 1
    for at in range(p + 1, end - 4):
        if load8(buf, at, end) == DATA and _is_header(DATA, load16(buf, at + 1, end), load16(buf, at + 3, end), True):
            return at - p
    return -1


@inlined
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
            s[hole] = (s[hole] + after) & LOW32
            s[hole + 1] -= after
        else:
            s[hole + 1] = first  # of what is missing behind it, none is found any more


@kernel
def _read_hello(w, c, buf, p, end):
    """A ServerHello: does it choose TLS 1.3? (RFC 8446 4.1.3, 4.2.1)"""
    if load8(buf, p + 5, end) != SERVER_HELLO or p + 5 + load16(buf, p + 3, end) > end:
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
        if load16(buf, q, end) == SUPPORTED_VERSIONS:
            w.connection[c, K_TLS13] = np.int64(load16(buf, q + 4, end) == 0x0304)
            return
        q += 4 + load16(buf, q + 2, end)


@inlined
def next_record(w, c, start, length, now, head):
    """Take a segment from the server on a calm connection, if it comes in order and is of one record; else False.

    It leaves what `segment` would: that is for all others, and this for most."""
    line = w.line[c]
    size = head & 0xFFFF
    if line[L_CALM] == 0 or start != line[L_HIGH]:
        return False
    if start == line[L_HEAD]:
        if size + 5 < length or not _is_header(head >> 32, (head >> 16) & 0xFFFF, size, True):
            return False
        line[L_HEAD] = (start + 5 + size) & LOW32
        log_record(w, c, now, TAG_13 - size)
    elif _ahead(line[L_HEAD], start) < length:
        return False
    line[L_HIGH] = (start + length) & LOW32
    return True


@inlined
def rouse(w, c):
    """Before `segment`: what is known of a calm connection goes to where that looks for it."""
    line = w.line[c]
    if line[L_CALM]:
        w.side[c, DOWN, S_HEAD] = line[L_HEAD]
        w.side[c, DOWN, S_HIGH] = line[L_HIGH]


@inlined
def calm(w, c):
    """After `segment`: is the connection calm, so that a record from the server does no more than come to the log?

    It is if no unit is open, no record of the client's is on its way or waits for its answer, and nothing is missing.
    """
    k = w.connection[c]
    up = w.side[c, UP]
    s = w.side[c, DOWN]
    whole = (up[S_PIECES] | s[S_PIECES] | s[S_GOT]) == 0 and up[S_HEAD] >= 0 and s[S_HEAD] >= 0
    idle = k[K_OPEN] == 0 and k[K_PENDING] < 0 and k[K_BURST_AT] == 0
    line = w.line[c]
    line[L_CALM] = whole and idle and k[K_TLS13] & 1  # TLS 1.3, or nobody has seen
    line[L_HEAD] = s[S_HEAD]
    line[L_HIGH] = s[S_HIGH]


@inlined
def segment(w, c, side, buf, p, end, start, length, now, head):
    """A segment of payload: `length` bytes from sequence number `start`, of which buf[p:end] were captured.

    `head`: its first five bytes, or 0; `buf` has fallen out of the cache by now.
    """
    s = w.side[c, side]
    k = w.connection[c]
    beyond = (start + length) & LOW32
    if s[S_HIGH] < 0 or abs(_ahead(start, s[S_HIGH])) > FAR:  # a beginning, or nothing that belongs together
        while s[S_PIECES]:
            free_piece(w, s, 0)
        if s[S_HIGH] >= 0:
            s[S_FROM] = -1
            s[S_SINCE] = 0
            s[S_UNTIL] = 0
        s[S_HEAD] = -1
        s[S_HIGH] = start
    if start != s[S_HIGH]:
        _note_holes(s, start, length)
    new = _ahead(beyond, s[S_HIGH]) > 0
    if new:
        s[S_HIGH] = beyond
    if side == UP and k[K_PENDING] >= 0 and _ahead(start, k[K_END]) < 0 and (new or length > 0):
        if _ahead(beyond, k[K_END]) >= 0:
            end_up(w, c, now, now)
        elif new:
            k[K_SEEN] = now
    if side == DOWN and w.side[c, UP, S_PIECES] > 0:
        up = w.side[c, UP]
        waited = now - w.piece[up[S_PIECE], P_TIME]
        if waited > PATIENCE or waited > (3 * (k[K_RTT] if k[K_RTT] else ASSUMED_RTT)) // 4:
            _skip_hole(w, c, UP, up, now)
    if side == DOWN and new and w.side[c, UP, S_HEAD] < 0:
        up = w.side[c, UP]
        waited = now - up[S_UNTIL]
        if up[S_UNTIL] and up[S_FROM] >= 0 and waited > (3 * (k[K_RTT] if k[K_RTT] else ASSUMED_RTT)) // 4:
            _end_skipped(w, c, up, now)
    if s[S_HEAD] < 0:
        at = _find_header(s, buf, p, end)
        if at < 0:
            if side == UP and new:
                _note_skipped(s, now, now)
            return
        _resume(w, c, side, s, (start + at) & LOW32, now, now)
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
                    _resume(w, c, side, s, (start + found) & LOW32, now, now)
                elif _ahead(s[S_HEAD] + s[S_GOT], start) < 0:
                    _keep_piece(w, s, buf, p, end, start, length, now)
                    break
                continue
            break
        if p + at >= end:  # it was cut off
            _break_chain(s)
            break
        if s[S_GOT] == 0 and p + at + 5 <= end:
            if at == 0 and head:
                s[S_BYTES] = head
            else:
                s[S_BYTES] = load8(buf, p + at, end) << 32 | load32(buf, p + at + 1, end)
            if side == DOWN and s[S_BYTES] >> 32 == HANDSHAKE and k[K_TLS13] < 0:
                _read_hello(w, c, buf, p + at, end)
        else:
            while s[S_GOT] < 5 and p + at < end and at < length:
                s[S_BYTES] = s[S_BYTES] << 8 | load8(buf, p + at, end)
                s[S_GOT] += 1
                at += 1
            if s[S_GOT] < 5:
                continue
        if not _take_header(w, c, side, s, now, now):
            _break_chain(s)
            found = _find_header(s, buf, p + at + 1, end) if p + at + 1 < end else -1
            if found < 0:
                break
            _resume(w, c, side, s, (start + at + 1 + found) & LOW32, now, now)
    if s[S_PIECES]:
        _use_pieces(w, c, side, s, now)
    if side == UP and k[K_PENDING] >= 0 and _ahead(s[S_HIGH], k[K_END]) >= 0:
        end_up_here(w, c, now, now)
