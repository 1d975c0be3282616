"""Record walkers: where each captured frame of a block lies, when it came and on which link.

Each walker fills up to `most` rows of a `sensor.frames.Batch` and returns (rows, position after the last whole
record). The three formats are pcap (four byte-order and resolution variants), pcapng and the blocks of a Linux
TPACKET_V3 ring. A record that makes no sense stops the walk: `state[BROKEN]` holds its offset + 1. Walkers do not
read frames.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, Linux include/uapi/linux/if_packet.h.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.load import inlined, kernel, load8, load16, load32, peek32, peek64, prefetch

# Indices into the int64 state array that a walker keeps between calls. PLACES: how many records `read_ahead` has found,
# NEXT: how many of them were walked; where they lie begins at PLACE. The rest is `read_ahead`'s own, by lane.
FORMAT, SWAPPED, NANO, LINK, BROKEN, INTERFACES, LEFT, PLACES, NEXT = 0, 1, 2, 3, 4, 5, 6, 7, 8
LANES, LANE_BYTES, LANE_RECORDS = 8, 1 << 17, 1 << 10
HEADERS = 16 + 14 + 20 + 20  # of a record, Ethernet, IPv4 and TCP
LANE, STOP = 9, 10 + LANES
PLACE = STOP + LANES + 1
DRAFT = PLACE + LANES * LANE_RECORDS + 1
STATE_SIZE = DRAFT + LANES * LANE_RECORDS
FORMAT_PCAP, FORMAT_PCAPNG, FORMAT_RING = 1, 2, 3

GUESS_SECONDS, GUESS_BYTES, GUESS_REACH = 1 << 12, 1 << 17, 1 << 14  # what `read_ahead` takes for a record
GUESS_USUAL = 512  # how far it goes for that, mostly
MAX_RECORD = 1 << 20  # no link has larger frames; tcpdump's own limit is 256 KiB
MAX_BLOCK = 1 << 24  # pcapng blocks of other kinds (name tables, secrets) may be longer
MAX_INTERFACES = 256
MAX_SECONDS = 1 << 33  # the year 2242: a capture that says more does not say when
PCAPNG_SECTION, PCAPNG_INTERFACE, PCAPNG_PACKET, PCAPNG_SIMPLE, PCAPNG_ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_EACH, _LOW_BITS, _HIGH_BITS = (np.uint64(byte * 0x0101010101010101) for byte in (0x01, 0x7F, 0x80))

# Linux ring: struct tpacket3_hdr and block header offsets (little-endian hosts).
TP_STATUS_VLAN_VALID = 1 << 4
RING_FIRST, RING_COUNT = 16, 12


def new_state() -> Any:
    return np.zeros(STATE_SIZE, np.int64)


def new_interfaces() -> Any:
    """Per pcapng interface: link type, ticks a second (-k for 2^k), offset in seconds, snap length."""
    return np.zeros((MAX_INTERFACES, 4), np.int64)


@inlined
def swap32(v):
    return ((v & 0xFF) << 24) | ((v & 0xFF00) << 8) | ((v >> 8) & 0xFF00) | ((v >> 24) & 0xFF)


@inlined
def _get32(buf, offset, end, swapped):
    """A 32-bit field in the file's own byte order; `swapped` means little-endian."""
    v = load32(buf, offset, end)
    return swap32(v) if swapped else v


@inlined
def _get16(buf, offset, end, swapped):
    v = load16(buf, offset, end)
    return ((v & 0xFF) << 8) | (v >> 8) if swapped else v


@kernel
def _guess_record(buf, at, end, swapped, seconds):
    """Where a pcap record seems to begin, at `at` or soon after: two headers in a row that make sense; else `end`.

    The highest byte of its seconds is that of `seconds`, mostly; it is looked for in eight places at once.
    """
    highest = np.uint64(seconds >> 24) * _EACH
    its_place = 3 if swapped else 0
    stop = min(at + GUESS_REACH, end - 32)
    for p in range(at, stop, 8):
        other = peek64(buf, p + its_place) ^ highest
        if (((other & _LOW_BITS) + _LOW_BITS) | other) & _HIGH_BITS == _HIGH_BITS:  # no byte is zero
            continue
        for q in range(p, min(p + 8, stop)):
            if abs(_get32(buf, q, end, swapped) - seconds) < GUESS_SECONDS:
                captured = _get32(buf, q + 8, end, swapped)
                following = q + 16 + captured
                if captured <= GUESS_BYTES and abs(_get32(buf, following, end, swapped) - seconds) < GUESS_SECONDS:
                    return q
    return end


@kernel
def read_ahead(buf, pos, end, state):
    """Say where the next records probably begin, read from several places of a pcap file at once.

    A record only says where the next one begins, so walking waits for memory at each. The file ahead is cut into lanes;
    each lane is walked from a record that is guessed, all of them in turn, so that the waits overlap. What joins up
    from `pos` on is taken over. It is a guess all the same: the walk compares every step, and a wrong guess costs time
    and nothing else.
    """
    swapped = state[SWAPPED]
    seconds = _get32(buf, pos, end, swapped)
    for lane in range(LANES):
        state[LANE + lane] = _guess_record(buf, pos + lane * LANE_BYTES, end, swapped, seconds) if lane else pos
    state[LANE + LANES] = min(state[LANE + LANES - 1] + LANE_BYTES, end)
    for lane in range(LANES + 1):
        state[STOP + lane] = state[LANE + lane]
    n = 0
    going = True
    while going and n < LANE_RECORDS:
        going = False
        for lane in range(LANES):
            p = state[np.uint64(LANE + lane)]
            state[np.uint64(DRAFT + lane * LANE_RECORDS + n)] = p
            following = p + 16 + _get32(buf, p + 8, end, swapped)
            whole = following <= end
            p = following if whole else p
            prefetch(buf, p)  # a header may lie in two lines, of which the length above is in the second
            prefetch(buf, p + HEADERS - 1)  # and addresses and ports in the line after that
            state[np.uint64(LANE + lane)] = p
            going |= whole & (p < state[np.uint64(STOP + lane + 1)])
        n += 1
    total = 0
    joint = pos
    for lane in range(LANES):
        if state[DRAFT + lane * LANE_RECORDS] != joint:
            break
        for at in range(n):
            p = state[DRAFT + lane * LANE_RECORDS + at]
            following = state[DRAFT + lane * LANE_RECORDS + at + 1] if at + 1 < n else state[LANE + lane]
            if p >= state[STOP + lane + 1] or p == following:  # the next lane's, or cut off by the block's end
                break
            state[PLACE + total] = p
            total += 1
            joint = following
    state[PLACE + total] = joint
    state[PLACES] = total
    state[NEXT] = 0
    for lane in range(1, LANES):  # where the next records will be guessed
        for line in range(0, GUESS_USUAL, 64):
            prefetch(buf, joint + lane * LANE_BYTES + line)


@inlined
def _put_record(buf, p, swapped, scale, link, batch, n, following):
    """A record whose header lies within the block."""
    seconds = peek32(buf, p)
    fraction = peek32(buf, p + 4)
    if swapped:
        seconds = swap32(seconds)
        fraction = swap32(fraction)
    batch.time[n] = seconds * 1_000_000_000 + fraction * scale
    batch.frame[n] = p + 16
    batch.end[n] = following
    batch.link[n] = link
    batch.tag[n] = 0


@inlined
def _walk_placed(buf, pos, end, state, batch, most):
    """Records that `read_ahead` has placed, so that none waits for the one before: (rows, position after them).

    No rows if the first one is not placed at `pos` or any of them is wrong. Places only ever rise by a header or more,
    so if the last one lies within the block, all headers do.
    """
    at = np.uint64(PLACE + state[NEXT])
    most = min(most, state[PLACES] - state[NEXT])
    if most <= 0 or state[at] != pos or state[at + np.uint64(most)] > end:
        return 0, pos
    swapped = state[SWAPPED]
    scale = 1 if state[NANO] else 1000
    link = state[LINK]
    wrong = 0
    for row in range(most):
        n = np.uint64(row)
        p = state[at + n]
        following = state[at + n + np.uint64(1)]
        captured = peek32(buf, p + 8)
        if swapped:
            captured = swap32(captured)
        wrong |= (following - p - 16) ^ captured | (captured > MAX_RECORD)
        _put_record(buf, p, swapped, scale, link, batch, n, following)
    if wrong:
        state[PLACES] = 0
        return 0, pos
    state[NEXT] += most
    return most, state[at + np.uint64(most)]


@inlined
def walk_pcap(buf, pos, end, state, batch, most):
    """Records of a pcap file: 16-byte header (seconds, fraction, captured, original), then the frame."""
    if state[NEXT] >= state[PLACES] or state[PLACE + state[NEXT]] != pos:
        read_ahead(buf, pos, end, state)
    n, after = _walk_placed(buf, pos, end, state, batch, most)
    if n:
        return n, after
    swapped = state[SWAPPED]
    scale = 1 if state[NANO] else 1000
    while n < most and pos + 16 <= end:
        captured = _get32(buf, pos + 8, end, swapped)
        if captured > MAX_RECORD:
            state[BROKEN] = pos + 1
            break
        if pos + 16 + captured > end:
            break
        _put_record(buf, pos, swapped, scale, state[LINK], batch, np.uint64(n), pos + 16 + captured)
        pos += 16 + captured
        n += 1
    return n, pos


@inlined
def _nanoseconds(ticks_high, ticks_low, resolution, offset):
    """Packet time of a 64-bit tick count, resolution as `new_interfaces` says; 0 if it is beyond MAX_SECONDS."""
    ticks = ((ticks_high & 0x7FFFFFFF) << 32) | ticks_low
    if resolution < 0:
        shift = -resolution
        seconds = ticks >> shift
        fraction = np.int64((ticks - (seconds << shift)) * 1e9 / 2.0**shift)
    else:
        seconds = ticks // resolution
        fraction = np.int64((ticks - seconds * resolution) * (1e9 / resolution))
    seconds += offset
    if ticks_high >> 31 or seconds < 0 or seconds > MAX_SECONDS:
        return 0
    return seconds * 1_000_000_000 + fraction


@kernel
def _interface(buf, pos, stop, swapped, state, interfaces):
    """Interface Description Block: link type, snap length, options if_tsresol (9) and if_tsoffset (14)."""
    n = state[INTERFACES]
    if n >= MAX_INTERFACES:
        return
    interfaces[n, 0] = _get16(buf, pos + 8, stop, swapped)
    interfaces[n, 1] = 1_000_000
    interfaces[n, 2] = 0
    interfaces[n, 3] = _get32(buf, pos + 12, stop, swapped)
    q = pos + 16
    while q + 4 <= stop - 4:
        code = _get16(buf, q, stop, swapped)
        size = _get16(buf, q + 2, stop, swapped)
        if code == 0:
            break
        if code == 9 and size == 1:
            r = load8(buf, q + 4, stop)
            if r & 0x80:
                interfaces[n, 1] = -(min(r & 0x7F, 62))
                if r & 0x7F == 0:
                    interfaces[n, 1] = 1
            else:
                ticks = 1
                for _ in range(min(r, 18)):
                    ticks *= 10
                interfaces[n, 1] = ticks
        elif code == 14 and size == 8:
            high = _get32(buf, q + 4 if not swapped else q + 8, stop, swapped)
            low = _get32(buf, q + 8 if not swapped else q + 4, stop, swapped)
            interfaces[n, 2] = ((high - (1 << 32) if high >> 31 else high) << 32) | low  # signed
        q += 4 + ((size + 3) & ~3)
    state[INTERFACES] = n + 1


@inlined
def walk_pcapng(buf, pos, end, state, interfaces, batch, most):
    """Blocks of a pcapng file; packets of interfaces never described stop the walk."""
    n = 0
    while n < most and pos + 12 <= end:
        kind = load32(buf, pos, end)
        if kind == PCAPNG_SECTION:  # a section may change the byte order and forgets the interfaces
            magic = load32(buf, pos + 8, end)
            state[SWAPPED] = 1 if magic == 0x4D3C2B1A else 0
            if magic != 0x4D3C2B1A and magic != 0x1A2B3C4D:
                state[BROKEN] = pos + 1
                break
            state[INTERFACES] = 0
        swapped = state[SWAPPED]
        if swapped and kind != PCAPNG_SECTION:
            kind = swap32(kind)
        size = _get32(buf, pos + 4, end, swapped)
        if size < 12 or size > MAX_BLOCK:
            state[BROKEN] = pos + 1
            break
        if pos + size > end:
            break
        stop = pos + size
        if kind == PCAPNG_INTERFACE:
            _interface(buf, pos, stop, swapped, state, interfaces)
        elif kind in (PCAPNG_ENHANCED, PCAPNG_PACKET):
            if kind == PCAPNG_ENHANCED:
                which = _get32(buf, pos + 8, stop, swapped)
            else:
                which = _get16(buf, pos + 8, stop, swapped)
            captured = _get32(buf, pos + 20, stop, swapped)
            if which >= state[INTERFACES] or captured > size - 32:
                state[BROKEN] = pos + 1
                break
            high = _get32(buf, pos + 12, stop, swapped)
            low = _get32(buf, pos + 16, stop, swapped)
            batch.time[np.uint64(n)] = _nanoseconds(high, low, interfaces[which, 1], interfaces[which, 2])
            batch.frame[np.uint64(n)] = pos + 28
            batch.end[np.uint64(n)] = pos + 28 + captured
            batch.link[np.uint64(n)] = interfaces[which, 0]
            batch.tag[np.uint64(n)] = 0
            n += 1
        elif kind == PCAPNG_SIMPLE:
            if state[INTERFACES] == 0:
                state[BROKEN] = pos + 1
                break
            captured = min(_get32(buf, pos + 8, stop, swapped), size - 16)
            if interfaces[0, 3]:
                captured = min(captured, interfaces[0, 3])
            batch.time[np.uint64(n)] = 0  # simple packets carry no time
            batch.frame[np.uint64(n)] = pos + 12
            batch.end[np.uint64(n)] = pos + 12 + captured
            batch.link[np.uint64(n)] = interfaces[0, 0]
            batch.tag[np.uint64(n)] = 0
            n += 1
        pos = stop
    return n, pos


@inlined
def walk_ring(buf, pos, end, state, batch, most):
    """Frames of one TPACKET_V3 block; state[LEFT] counts those not yet walked, `pos` is the next header.

    struct tpacket3_hdr, little-endian: next offset 0, seconds 4, nanoseconds 8, captured 12, length 16, status 20,
    mac 24 (16 bits), hash 28, VLAN tci 32 (32 bits).
    """
    n = 0
    while n < most and state[LEFT] > 0 and pos + 48 <= end:
        captured = _get32(buf, pos + 12, end, 1)
        mac = _get16(buf, pos + 24, end, 1)
        batch.time[np.uint64(n)] = _get32(buf, pos + 4, end, 1) * 1_000_000_000 + _get32(buf, pos + 8, end, 1)
        batch.frame[np.uint64(n)] = pos + mac
        batch.end[np.uint64(n)] = min(pos + mac + captured, end)
        batch.link[np.uint64(n)] = state[LINK]
        tag = 0
        if _get32(buf, pos + 20, end, 1) & TP_STATUS_VLAN_VALID:
            tag = 0x1000 | (_get32(buf, pos + 32, end, 1) & 0xFFF)
        batch.tag[np.uint64(n)] = tag
        n += 1
        state[LEFT] -= 1
        step = _get32(buf, pos, end, 1)
        if step == 0:
            pos = end
            break
        pos += step
    return n, pos
