"""Loss upstream of the sensor, estimated from what TCP says: bytes that must have passed and that we never saw.

Theory of operation. One flow in SAMPLED (by its keyed hash) is followed in a small table of its own. Per direction the
row knows the next sequence number; a segment that begins beyond it leaves a hole, and so does an acknowledgment of
bytes that have not come. What comes later into a hole (reordered, or sent again because it was lost before the mirror)
fills it; a hole that is still open FILL_NS of packet time later is lost, as is the oldest of more than HOLES at once.
Bytes before the first data segment of a direction are not missed: the capture may have begun late. `checked` is what
passed, seen or not, so lost / checked is the share that the mirror, its cable or the card lost.

The same rows tell a mirror that shows one direction only: of JUDGED_AFTER packets of a flow, did all come from one end?

It is an estimate: few elephants may hide between the sampled flows, a direction never seen at all loses nothing here
(it counts as one-way), and a jump of a gigabyte or more is a new beginning.

Sources: RFC 9293 3.4 (sequence space), 3.8.4 (keep-alives), RFC 7323 2.3 (largest window).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.frames import ACK, FIN, RST, SYN, TCP
from sensor.load import inlined, kernel, load8, load32, prefetch

SAMPLED = np.uint64(31 << 40)  # hash bits that are zero in a flow that is followed
ROWS = 2048  # in use at once
HOLES = 4
JUDGED_AFTER = 16
FILL_NS = 10_000_000_000
IDLE_NS = 30_000_000_000  # after which another flow may take the row
_FAR = 1 << 30

# A row: the flow, then per direction the next sequence number (-1: not known) and HOLES times start, size and birth.
_HASH, _LAST, _PACKETS, _SEEN, _SIDES = 0, 1, 2, 3, 4
_SIDE = 1 + 3 * HOLES
_ROW = _SIDES + 2 * _SIDE
_COUNTS = ROWS  # the last row holds what is counted
LOST, CHECKED, FLOWS, ONE_WAY = 0, 1, 2, 3
COUNTED = ("gap_bytes", "gap_checked_bytes", "tcp_sampled", "tcp_one_way")


def new_gaps() -> Any:
    """An empty table, with its counts."""
    return np.zeros((ROWS + 1, _ROW), np.int64)


@kernel
def _ahead(a, b):
    """How far sequence number `a` is beyond `b`."""
    return ((a - b + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


@kernel
def _lose(gaps, row, side, before):
    """Give up the holes of a direction that were born before `before`."""
    for hole in range(side + 1, side + _SIDE, 3):
        if gaps[row, hole + 1] and gaps[row, hole + 2] < before:
            gaps[_COUNTS, LOST] += gaps[row, hole + 1]
            gaps[row, hole + 1] = 0


@kernel
def _open(gaps, row, side, start, size, now):
    """Remember a hole; of too many the oldest is lost."""
    at = side + 1
    for hole in range(side + 1, side + _SIDE, 3):
        if gaps[row, hole + 1] == 0:
            at = hole
            break
        if gaps[row, hole + 2] < gaps[row, at + 2]:
            at = hole
    gaps[_COUNTS, LOST] += gaps[row, at + 1]
    gaps[row, at] = start
    gaps[row, at + 1] = size
    gaps[row, at + 2] = now


@kernel
def _fill(gaps, row, side, start, size):
    """Bytes have come that may lie in holes."""
    for hole in range(side + 1, side + _SIDE, 3):
        length = gaps[row, hole + 1]
        if length == 0:
            continue
        first = max(0, _ahead(start, gaps[row, hole]))
        after = min(length, _ahead(start + size, gaps[row, hole]))
        if after <= first:
            continue
        gaps[row, hole + 1] = first
        if after < length:
            begin = (gaps[row, hole] + after) & 0xFFFFFFFF
            if first == 0:
                gaps[row, hole] = begin
                gaps[row, hole + 1] = length - after
            else:
                _open(gaps, row, side, begin, length - after, gaps[row, hole + 2])


@kernel
def _acknowledged(buf, batch, i):
    """The acknowledgment number, or -1: the TCP header is the one that ends where the payload begins."""
    ports = np.int64(batch.key[i, 4] >> np.uint64(32))
    if batch.source_is_b[i]:
        ports = (ports & 0xFFFF) << 16 | ports >> 16
    payload = batch.payload[i]
    for words in range(5, 16):
        at = payload - 4 * words
        fits = load8(buf, at + 12, payload) >> 4 == words and load32(buf, at + 4, payload) == batch.sequence[i]
        if fits and load32(buf, at, payload) == ports:
            return load32(buf, at + 8, payload)
    return -1


@inlined
def _row_of(h):
    return np.int64((h >> np.uint64(45)) % np.uint64(ROWS))


@inlined
def fetch_gaps(batch, i, gaps):
    """Ask for the row of packet `i`'s flow, which is sampled."""
    at = _row_of(batch.hash[i]) * _ROW
    for word in range(0, _ROW, 8):
        prefetch(gaps, at + word)


@kernel
def look_for_gaps(buf, batch, i, gaps):
    """Follow packet `i`, of a sampled flow."""
    if np.int64(batch.key[i, 4] >> np.uint64(24)) & 0xFF != TCP:
        return
    now = batch.time[i]
    h = np.int64(batch.hash[i] >> np.uint64(1)) | 1  # 0 is a free row
    row = _row_of(batch.hash[i])
    if gaps[row, _HASH] != h:
        if gaps[row, _HASH] and now - gaps[row, _LAST] < IDLE_NS:
            return
        _lose(gaps, row, _SIDES, 1 << 62)
        _lose(gaps, row, _SIDES + _SIDE, 1 << 62)
        gaps[row, _HASH] = h
        gaps[row, _PACKETS] = 0
        gaps[row, _SEEN] = 0
        gaps[row, _SIDES] = -1
        gaps[row, _SIDES + _SIDE] = -1
    gaps[row, _LAST] = now
    b = batch.source_is_b[i]
    gaps[row, _SEEN] |= 1 << b
    gaps[row, _PACKETS] += 1
    if gaps[row, _PACKETS] == JUDGED_AFTER:
        gaps[_COUNTS, FLOWS] += 1
        gaps[_COUNTS, ONE_WAY] += gaps[row, _SEEN] != 3
    flags = batch.flags[i]
    if flags & RST:  # its numbers need not fit
        return
    side = _SIDES + b * _SIDE
    other = _SIDES + (1 - b) * _SIDE
    start = batch.sequence[i]
    size = batch.payload_length[i]
    if flags & SYN:
        _lose(gaps, row, side, 1 << 62)
        if flags & ACK == 0:
            _lose(gaps, row, other, 1 << 62)
            gaps[row, other] = -1
        gaps[row, side] = (start + 1 + size) & 0xFFFFFFFF
        gaps[_COUNTS, CHECKED] += size
    elif gaps[row, side] < 0:
        if size > 1:  # a keep-alive repeats a byte of before
            gaps[row, side] = (start + size + (flags & FIN)) & 0xFFFFFFFF
            gaps[_COUNTS, CHECKED] += size
    else:
        ahead = _ahead(start, gaps[row, side])
        beyond = ahead + size + (flags & FIN)
        if ahead > _FAR or ahead < -_FAR:
            _lose(gaps, row, side, 1 << 62)
            gaps[row, side] = (start + size + (flags & FIN)) & 0xFFFFFFFF
        else:
            if ahead > 0:
                _open(gaps, row, side, gaps[row, side], ahead, now)
            elif size:
                _fill(gaps, row, side, start, size)
            if beyond > 0:
                gaps[_COUNTS, CHECKED] += beyond
                gaps[row, side] = (start + size + (flags & FIN)) & 0xFFFFFFFF
    if flags & ACK and gaps[row, other] >= 0:
        acknowledged = _acknowledged(buf, batch, i)
        ahead = _ahead(acknowledged, gaps[row, other])
        if acknowledged >= 0 and 0 < ahead < _FAR:
            _open(gaps, row, other, gaps[row, other], ahead, now)
            gaps[_COUNTS, CHECKED] += ahead
            gaps[row, other] = acknowledged


@kernel
def settle_gaps(gaps, now):
    """Count as lost what has not come until `now` (ns of packet time)."""
    for row in range(ROWS):
        if gaps[row, _HASH]:
            _lose(gaps, row, _SIDES, now - FILL_NS)
            _lose(gaps, row, _SIDES + _SIDE, now - FILL_NS)
