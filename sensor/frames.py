"""From a captured frame to addresses, ports and payload: link layer, VLAN tags, IP, TCP or UDP.

`decode` reads one frame of a block and writes what the flow table needs into row `i` of a `Batch`. Every read is
bounded (`sensor.load`); whatever a frame says, the answer is a row or one of the SKIP reasons. Innermost addresses
count: IP in IP is unwrapped. It does not know flows, names or time.

Sources: RFC 791, RFC 8200 4 (extension headers), RFC 2003/4213 (IP in IP), IEEE 802.1Q/ad,
tcpdump.org/linktypes.html.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor.load import fold, inlined, load8, load16, load32, load64

# Link types of capture files (tcpdump.org/linktypes.html).
LINK_NULL, LINK_ETHERNET, LINK_PPP, LINK_RAW, LINK_LOOP, LINK_SLL = 0, 1, 9, 101, 108, 113
LINK_IPV4, LINK_IPV6, LINK_SLL2 = 228, 229, 276
RAW_LINKS = (12, 14, LINK_RAW, LINK_IPV4, LINK_IPV6)
KNOWN_LINKS = (LINK_NULL, LINK_ETHERNET, LINK_PPP, *RAW_LINKS, LINK_LOOP, LINK_SLL, LINK_SLL2)

# Why a frame gives no row. The first two are ordinary traffic that is not ours; the rest could not be read.
SKIP_NOT_IP, SKIP_NOT_TCP_UDP, SKIP_TRUNCATED, SKIP_FRAGMENT, SKIP_MALFORMED, SKIP_LINK_TYPE = 1, 2, 3, 4, 5, 6
SKIP_NAMES = ("", "not IP", "neither TCP nor UDP", "cut short", "later IP fragment", "malformed", "unknown link type")

TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MAX_TUNNELS = 8
MAX_EXTENSIONS = 12
MAX_TAGS = 4

BATCH = 48  # packets decoded before the flow table is touched: hides cache misses, and fits the first-level cache


class Batch(NamedTuple):
    """One row a packet."""

    frame: Any  # int64 offset of the frame in the block
    end: Any  # int64 end of its captured bytes
    time: Any  # int64 packet time, ns since 1970
    link: Any  # int64 link type
    tag: Any  # int64 VLAN tag that the ring delivered beside the frame: 0x1000 | id, or 0
    skip: Any  # int64 SKIP reason, 0 = a row
    key: Any  # uint64[BATCH, 5] flow key: lower address, higher address, ports and protocol
    hash: Any  # uint64 of the key
    row: Any  # uint64 row of the flow table that the index named; perhaps another flow's, or 0
    source_is_b: Any  # int64 1 if the sender is the higher endpoint
    length: Any  # int64 IP total length
    flags: Any  # int64 TCP flags
    sequence: Any  # int64 TCP sequence number
    payload: Any  # int64 offset of the transport payload
    payload_end: Any  # int64 its end, within captured bytes
    payload_length: Any  # int64 its length on the wire
    vlan: Any  # uint64 VLAN stack (sensor.slices.pack_vlan)
    closing: Any  # int64 rows of this batch whose flows are in an earlier minute; a list, not a column


def new_batch() -> Batch:
    columns = [
        np.zeros(
            (BATCH, 5) if name == "key" else BATCH,
            np.uint64 if name in ("key", "hash", "vlan", "row") else np.int64,
        )
        for name in Batch._fields
    ]
    return Batch(*columns)


_M1 = np.uint64(0x9E3779B97F4A7C15)
_M2 = np.uint64(0xC2B2AE3D27D4EB4F)
_M3 = np.uint64(0x165667B19E3779F9)
_M4 = np.uint64(0x27D4EB2F165667C5)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_S32 = np.uint64(32)
_S16 = np.uint64(16)
_S24 = np.uint64(24)
_S48 = np.uint64(48)
_V4 = np.uint64(0x0000FFFF00000000)
_USED = np.uint64(1)
_TOP = np.uint64(1 << 63)


@inlined
def hash_key(k0, k1, k2, k3, k4, seed):
    """A flow key as 64 bits, keyed by `seed`; never 0. Folded 128-bit products, as in wyhash: quick and well mixed."""
    h = fold(k0 ^ seed ^ _M1, k1 ^ seed ^ _M2) ^ fold(k2 ^ seed ^ _M3, k3 ^ seed ^ _M4)
    return fold(h ^ seed, k4 ^ _MIX) | _TOP


@inlined
def _link(buf, p, end, link):
    """Ethertype and offset of the network header: (ethertype, offset); ethertype 0 = not IP, -1 = unknown link."""
    if link == LINK_ETHERNET:
        return load16(buf, p + 12, end), p + 14
    if link == LINK_SLL:
        return load16(buf, p + 14, end), p + 16
    if link == LINK_SLL2:
        return load16(buf, p, end), p + 20
    if link in (LINK_RAW, 12, 14, LINK_IPV4, LINK_IPV6):
        version = load8(buf, p, end) >> 4
        if version == 4:
            return 0x0800, p
        if version == 6:
            return 0x86DD, p
        return 0, p
    if link in (LINK_NULL, LINK_LOOP):
        family = load32(buf, p, end)
        if family > 0xFFFF:  # written by a little-endian host
            family = (family >> 24) | ((family >> 8) & 0xFF00)
        if family == 2:
            return 0x0800, p + 4
        if family == 24 or family == 28 or family == 30 or family == 10:
            return 0x86DD, p + 4
        return 0, p + 4
    if link == LINK_PPP:
        if load16(buf, p, end) == 0xFF03:
            p += 2
        protocol = load8(buf, p, end)
        if protocol & 1:  # RFC 1661 6.5: the protocol field may be compressed to one byte
            p += 1
        else:
            protocol = load16(buf, p, end)
            p += 2
        if protocol == 0x21:
            return 0x0800, p
        if protocol == 0x57:
            return 0x86DD, p
        return 0, p
    return -1, p


@inlined
def decode(buf, batch, i, seed):
    """Read frame `i` of the batch; fill its row or set its SKIP reason."""
    p = batch.frame[i]
    end = batch.end[i]
    ethertype, p = _link(buf, p, end, batch.link[i])
    if ethertype < 0:
        batch.skip[i] = SKIP_LINK_TYPE
        return
    vlan = np.uint64(batch.tag[i])
    tags = 1 if batch.tag[i] else 0
    while ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100:
        if tags == MAX_TAGS or p + 4 > end:
            batch.skip[i] = SKIP_MALFORMED
            return
        tags += 1
        vlan = (vlan << _S16) | np.uint64(0x1000 | (load16(buf, p, end) & 0xFFF))
        ethertype = load16(buf, p + 2, end)
        p += 4
    a0 = np.uint64(0)
    a1 = np.uint64(0)
    b0 = np.uint64(0)
    b1 = np.uint64(0)
    protocol = 0
    length = 0
    whole = end  # where the IP packet ends on the wire
    for _ in range(MAX_TUNNELS):
        if ethertype == 0x0800:
            if p + 20 > end:
                batch.skip[i] = SKIP_TRUNCATED
                return
            header = (load8(buf, p, end) & 15) * 4
            if load8(buf, p, end) >> 4 != 4 or header < 20:
                batch.skip[i] = SKIP_MALFORMED
                return
            length = load16(buf, p + 2, end)
            if length == 0:  # segmentation offload: the length was not filled in yet
                length = end - p
            if length < header:
                batch.skip[i] = SKIP_MALFORMED
                return
            whole = p + length
            if load16(buf, p + 6, end) & 0x1FFF:
                batch.skip[i] = SKIP_FRAGMENT
                return
            protocol = load8(buf, p + 9, end)
            a0 = np.uint64(0)
            b0 = np.uint64(0)
            a1 = _V4 | np.uint64(load32(buf, p + 12, end))
            b1 = _V4 | np.uint64(load32(buf, p + 16, end))
            p += header
        elif ethertype == 0x86DD:
            if p + 40 > end:
                batch.skip[i] = SKIP_TRUNCATED
                return
            if load8(buf, p, end) >> 4 != 6:
                batch.skip[i] = SKIP_MALFORMED
                return
            length = load16(buf, p + 4, end) + 40
            if length == 40:  # jumbogram or segmentation offload
                length = end - p
            whole = p + length
            protocol = load8(buf, p + 6, end)
            a0 = load64(buf, p + 8, end)
            a1 = load64(buf, p + 16, end)
            b0 = load64(buf, p + 24, end)
            b1 = load64(buf, p + 32, end)
            p += 40
            for _ in range(MAX_EXTENSIONS):
                if protocol == 0 or protocol == 43 or protocol == 60 or protocol == 135:
                    protocol = load8(buf, p, end)
                    p += load8(buf, p + 1, end) * 8 + 8
                elif protocol == 51:
                    protocol = load8(buf, p, end)
                    p += load8(buf, p + 1, end) * 4 + 8
                elif protocol == 44:
                    if load16(buf, p + 2, end) & 0xFFF8:
                        batch.skip[i] = SKIP_FRAGMENT
                        return
                    protocol = load8(buf, p, end)
                    p += 8
                else:
                    break
                if p > end:
                    batch.skip[i] = SKIP_TRUNCATED
                    return
        else:
            batch.skip[i] = SKIP_NOT_IP
            return
        if protocol == 4:
            ethertype = 0x0800
        elif protocol == 41:
            ethertype = 0x86DD
        else:
            break
    if whole < end:
        end = whole  # what follows is link-layer padding
    if protocol == TCP:
        header = (load8(buf, p + 12, end) >> 4) * 4
        if p + 20 > end:
            batch.skip[i] = SKIP_TRUNCATED
            return
        if header < 20:
            batch.skip[i] = SKIP_MALFORMED
            return
        batch.sequence[i] = load32(buf, p + 4, end)
        batch.flags[i] = load8(buf, p + 13, end)
    elif protocol == UDP:
        header = 8
        if p + 8 > end:
            batch.skip[i] = SKIP_TRUNCATED
            return
        datagram = load16(buf, p + 4, end)
        if datagram >= 8 and p + datagram < whole:
            whole = p + datagram
            if whole < end:
                end = whole
        batch.flags[i] = 0
    else:
        batch.skip[i] = SKIP_NOT_TCP_UDP
        return
    source = np.uint64(load16(buf, p, end))
    target = np.uint64(load16(buf, p + 2, end))
    p += header
    # Which end comes first is a coin toss, so without a branch: swap by mask.
    is_b = np.int64((a0 > b0) | ((a0 == b0) & ((a1 > b1) | ((a1 == b1) & (source > target)))))
    swap = np.uint64(-is_b)
    a0, b0 = a0 ^ ((a0 ^ b0) & swap), b0 ^ ((a0 ^ b0) & swap)
    a1, b1 = a1 ^ ((a1 ^ b1) & swap), b1 ^ ((a1 ^ b1) & swap)
    source, target = source ^ ((source ^ target) & swap), target ^ ((source ^ target) & swap)
    k4 = (source << _S48) | (target << _S32) | (np.uint64(protocol) << _S24) | _USED
    key = batch.key
    key[i, 0] = a0
    key[i, 1] = a1
    key[i, 2] = b0
    key[i, 3] = b1
    key[i, 4] = k4
    batch.hash[i] = hash_key(a0, a1, b0, b1, k4, seed)
    batch.source_is_b[i] = is_b
    batch.length[i] = length
    batch.payload[i] = p
    batch.payload_end[i] = end
    batch.payload_length[i] = whole - p if whole > p else 0
    batch.vlan[i] = vlan
    batch.skip[i] = 0
