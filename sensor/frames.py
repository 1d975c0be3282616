"""From a captured frame to addresses, ports and payload: link layer, VLAN tags, IP, TCP or UDP.

`decode` reads one frame of a block and writes what the flow table needs into row `i` of a `Batch`. Ordinary frames
(Ethernet, VLAN tags, IPv4 or IPv6 without extension headers, TCP or UDP) are read here; the way through anything else
is `sensor.links` and `sensor.tunnels`, called for seldom. Every read is bounded (`sensor.load`); whatever a frame says,
the answer is a row or one of the SKIP reasons. It does not know flows, names or time.

Sources: RFC 791, RFC 8200 3, RFC 9293 3.1, RFC 768, IEEE 802.1Q.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor.duplicates import BARE
from sensor.links import UNKNOWN_LINK, read_link
from sensor.load import fold, inlined, kernel, load8, load16, load32, load64, peek32, peek64
from sensor.tunnels import push_tag, tunnel_ports, unwrap
from sensor.wire import (
    IPV4,
    IPV6,
    LINK_ETHERNET,
    QINQ,
    QINQ_OLD,
    SKIP_FRAGMENT,
    SKIP_LINK_TYPE,
    SKIP_MALFORMED,
    SKIP_NEIGHBOUR,
    SKIP_TRUNCATED,
    VLAN,
)
from sensor.wire import TCP as TCP
from sensor.wire import UDP as UDP

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

BATCH = 48  # packets decoded before the flow table is touched: hides cache misses, and fits the first-level cache


class Batch(NamedTuple):
    """One row a packet. Of a fragment, ARP and NDP only `payload` and `payload_end` (the IP or ARP packet) and `vlan`
    are set."""

    frame: Any  # int64 offset of the frame in the block
    end: Any  # int64 end of its captured bytes
    time: Any  # int64 packet time, ns since 1970
    link: Any  # int64 link type
    tag: Any  # int64 VLAN tag that the ring delivered beside the frame: 0x1000 | id, or 0
    skip: Any  # int64 SKIP reason (sensor.wire), 0 = a row
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
    signature: Any  # uint64 of all that a router leaves alone (sensor.duplicates), 0 = the packet has no checksum
    hops: Any  # int64 time to live or hop limit, and duplicates.BARE
    closing: Any  # int64 rows of this batch whose flows' minute is over and will be written; a list, not a column
    passing: Any  # int64 the same for flows that nobody wants


def new_batch() -> Batch:
    columns = [
        np.zeros(
            (BATCH, 5) if name == "key" else BATCH,
            np.uint64 if name in ("key", "hash", "vlan", "row", "signature") else np.int64,
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
_S8 = np.uint64(8)
_S56 = np.uint64(56)
_S60 = np.uint64(60)
_LOW16 = np.uint64(0xFFFF)
_LOW32 = np.uint64(0xFFFFFFFF)
_ZERO = np.uint64(0)
_PLAIN_IPV4 = np.uint64(0x45)  # version, and a header of five words
_FRAGMENT = np.uint64(0x3FFF)  # more fragments, and the offset
_IPV6 = np.uint64(6)
_USED = np.uint64(1)
_TOP = np.uint64(1 << 63)


@inlined
def hash_key(k0, k1, k2, k3, k4, seed):
    """A flow key as 64 bits, keyed by `seed`; never 0. Folded 128-bit products, as in wyhash: quick and well mixed."""
    h = fold(k0 ^ seed ^ _M1, k1 ^ seed ^ _M2) ^ fold(k2 ^ seed ^ _M3, k3 ^ seed ^ _M4)
    return fold(h ^ seed, k4 ^ _MIX) | _TOP


@kernel
def _inner_header(buf, p, end):
    """(source, target, what a router leaves alone, hops) of the IP header at `p`; addresses as two words each."""
    if load8(buf, p, end) >> 4 == 4:
        source, target = _V4 | np.uint64(load32(buf, p + 12, end)), _V4 | np.uint64(load32(buf, p + 16, end))
        zero = np.uint64(0)
        return zero, source, zero, target, np.uint64(load32(buf, p + 4, end)), load8(buf, p + 8, end)
    a0, a1 = load64(buf, p + 8, end), load64(buf, p + 16, end)
    b0, b1 = load64(buf, p + 24, end), load64(buf, p + 32, end)
    return a0, a1, b0, b1, np.uint64(load32(buf, p, end) & 0xFFFF), load8(buf, p + 7, end)


@inlined
def decode(buf, batch, i, seed):
    """Read frame `i` of the batch; fill its row or set its SKIP reason."""
    p = batch.frame[i]
    end = batch.end[i]
    vlan = np.uint64(batch.tag[i])
    if batch.link[i] == LINK_ETHERNET:
        ethertype = load16(buf, p + 12, end)
        p += 14
        while ethertype in (VLAN, QINQ, QINQ_OLD):
            if p + 4 > end or vlan >> _S48:
                batch.skip[i] = SKIP_TRUNCATED if p + 4 > end else SKIP_MALFORMED
                return
            vlan = push_tag(vlan, load16(buf, p, end))
            ethertype = load16(buf, p + 2, end)
            p += 4
    else:
        ethertype, p = read_link(buf, p, end, batch.link[i])
        if ethertype == UNKNOWN_LINK:
            batch.skip[i] = SKIP_LINK_TYPE
            return
    network = p
    plain = False
    protocol = 0
    whole = end  # where the IP packet ends on the wire
    a0 = np.uint64(0)
    b0 = np.uint64(0)
    a1 = np.uint64(0)
    b1 = np.uint64(0)
    same = np.uint64(0)  # what a router leaves alone in the IP header: identification, or flow label
    hops = 0
    ports = 0
    if ethertype == IPV4 and p + 40 <= end:  # no shorter than IP and TCP without options
        first = peek64(buf, p)
        second = peek64(buf, p + 8)
        same = first & _LOW32
        protocol = np.int64(second >> _S48) & 0xFF
        hops = np.int64(second >> _S56)
        a1 = _V4 | (second & _LOW32)
        b1 = _V4 | np.uint64(peek32(buf, p + 16))
        whole = p + (np.int64(first >> _S32) & 0xFFFF)
        p += 20
        plain = (first >> _S56 == _PLAIN_IPV4) & (first & _FRAGMENT == _ZERO) & (whole >= p)
        ports = peek32(buf, p)
    elif ethertype == IPV6 and p + 60 <= end:
        first = peek64(buf, p)
        same = first >> _S32 & _LOW16
        protocol = np.int64(first >> _S8) & 0xFF
        hops = np.int64(first) & 0xFF
        whole = p + 40 + (np.int64(first >> _S16) & 0xFFFF)
        a0 = peek64(buf, p + 8)
        a1 = peek64(buf, p + 16)
        b0 = peek64(buf, p + 24)
        b1 = peek64(buf, p + 32)
        p += 40
        plain = (first >> _S60 == _IPV6) & (whole > p)
        ports = peek32(buf, p)
    if not (plain and (protocol == TCP or (protocol == UDP and not tunnel_ports(ports)))):
        skip, network, protocol, p, whole, end, vlan = unwrap(buf, ethertype, network, end, vlan)
        batch.skip[i] = skip
        if skip:
            if skip in (SKIP_FRAGMENT, SKIP_NEIGHBOUR):
                batch.payload[i] = network
                batch.payload_end[i] = end
                batch.vlan[i] = vlan
            return
        a0, a1, b0, b1, same, hops = _inner_header(buf, network, end)
        ports = load32(buf, p, end)
    length = whole - network
    if whole < end:
        end = whole  # what follows is link-layer padding
    if protocol == TCP:
        if p + 20 > end:
            batch.skip[i] = SKIP_TRUNCATED
            return
        unique = peek64(buf, p + 4)  # sequence and acknowledgement
        checked = peek64(buf, p + 12)  # header length, flags, window, checksum, urgent pointer
        header = np.int64(checked >> _S60) * 4
        if header < 20:
            batch.skip[i] = SKIP_MALFORMED
            return
        batch.sequence[i] = np.int64(unique >> _S32)
        batch.flags[i] = np.int64(checked >> _S48) & 0xFF
        checksum = checked >> _S16 & _LOW16
    else:
        header = 8
        if p + 8 > end:
            batch.skip[i] = SKIP_TRUNCATED
            return
        checked = np.uint64(peek32(buf, p + 4))  # length, checksum
        datagram = np.int64(checked >> _S16)
        if datagram >= 8 and p + datagram < whole:
            whole = p + datagram
            if whole < end:
                end = whole
        batch.flags[i] = 0
        unique = np.uint64(0)
        checksum = checked & _LOW16
    source = np.uint64(ports >> 16)
    target = np.uint64(ports & 0xFFFF)
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
    h = hash_key(a0, a1, b0, b1, k4, seed)
    batch.hash[i] = h
    signature = fold(h ^ unique ^ _M1, checked ^ (same << _S32) ^ np.uint64(is_b) ^ _M2)
    batch.signature[i] = signature if checksum else np.uint64(0)
    batch.hops[i] = hops | (BARE if same <= _LOW16 else 0)
    batch.source_is_b[i] = is_b
    batch.length[i] = length
    batch.payload[i] = p
    batch.payload_end[i] = end
    batch.payload_length[i] = whole - p if whole > p else 0
    batch.vlan[i] = vlan
    batch.skip[i] = 0
