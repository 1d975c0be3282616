"""Looking for a name in the datagrams of a UDP flow that has none yet.

Client hellos of QUIC, Google's QUIC and DTLS are recognised by their first bytes and put on the to-do list, and so is
what looks like a DNS response from a port that is not DNS's own. Who sent the first datagram is taken for the client;
as a capture may begin in the middle, a server's QUIC datagrams go on the list as well: only a client's can be opened,
so the reader finds out. After MAX_LOOKED datagrams without a hello a flow is left alone. What a DHCP server sends
is left to Python for another reason: it tells who has an address.

Sources: RFC 9147 4 (DTLS), RFC 9000 17.2 and RFC 8999 (QUIC long headers), RFC 1035 4.1.1 (DNS header), RFC 2131 4.1
and RFC 8415 7.2 (ports of DHCP).
"""

from __future__ import annotations

import numpy as np

from sensor.layout import (
    CLIENT_IS_B,
    DHCP_SERVER_PORTS,
    DNS_PORTS,
    FLAGS,
    LOOK_DONE,
    LOOK_HERE,
    LOOK_MASK,
    LOOK_PYTHON,
    LOOKED_MASK,
    LOOKED_SHIFT,
    MAX_LOOKED,
    TODO_DHCP,
    TODO_DNS,
    TODO_DTLS,
    TODO_QUIC,
)
from sensor.load import kernel, load8, load16, load32
from sensor.todo import open_flow, push_todo, push_told


@kernel
def _dtls_like(buf, p, end):
    """Could this datagram begin a DTLS 1.0-1.3 client hello? (RFC 6347 4.1, RFC 9147 4; the first flight is plain)."""
    version = load16(buf, p + 1, end)
    return load8(buf, p, end) == 22 and (version == 0xFEFF or version == 0xFEFD) and load8(buf, p + 13, end) == 1


@kernel
def _quic_like(buf, p, end):
    """Could this datagram carry a QUIC or gQUIC client hello? (RFC 9000 17.2, RFC 8999; gQUIC public header)."""
    if end - p < 64:
        return False
    first = load8(buf, p, end)
    if first & 0x80:
        version = load32(buf, p + 1, end)
        if version == 0 or load8(buf, p + 5, end) > 20:
            return version & 0xFFFF0000 == 0x51300000
        return (
            version == 1
            or version == 0x6B3343CF
            or version >> 8 == 0xFF0000
            or version & 0x0F0F0F0F == 0x0A0A0A0A
            or version >> 16 == 0x5130  # "Q0.."
            or version >> 16 == 0x5430  # "T0.."
            or version >> 12 == 0xFACEB
            or version == 0x709A50C4  # drafts of version 2
            or version == 0xFF020000
        )
    if first & 0x01:  # gQUIC's public header; up to Q032 an id of 4 bytes or 1 was possible
        if first & 0x08:
            return load16(buf, p + 9, end) == 0x5130 or (first & 0x04 == 0 and load16(buf, p + 5, end) == 0x5130)
        return load16(buf, p + (2 if first & 0x04 else 1), end) == 0x5130
    return False


@kernel
def _dns_like(buf, p, end):
    """Does this look like a DNS response to one question? The reader decides."""
    flags = load16(buf, p + 2, end)
    return (
        end - p >= 28
        and flags & 0xF840 == 0x8000
        and load16(buf, p + 4, end) == 1
        and 1 <= load16(buf, p + 6, end) <= 64
        and load16(buf, p + 8, end) <= 64
        and load16(buf, p + 10, end) <= 64
    )


@kernel
def look_udp(buf, flows, row, batch, i, todo, counters):
    """Look at the payload of a UDP flow that has no name yet."""
    p = batch.payload[i]
    end = batch.payload_end[i]
    flags = np.int64(flows.halves[row, FLAGS])
    from_client = (flags & CLIENT_IS_B != 0) == (batch.source_is_b[i] != 0)
    source = np.int64(batch.key[i, 4] >> np.uint64(32 if batch.source_is_b[i] else 48)) & 0xFFFF
    kind = 0
    if source in DHCP_SERVER_PORTS:
        push_told(buf, todo, batch, i, TODO_DHCP, counters)
        return  # and looked at again: a server tells a relay everything in one flow
    if source not in DNS_PORTS:  # what comes from these is on the list already
        if _quic_like(buf, p, end):
            kind = TODO_QUIC
        elif from_client and _dtls_like(buf, p, end):
            kind = TODO_DTLS
        elif _dns_like(buf, p, end):
            kind = TODO_DNS
    if kind:
        push_todo(todo, batch, i, kind, flows, row)
    if from_client and kind in (TODO_QUIC, TODO_DTLS):
        if flags & LOOK_MASK == LOOK_HERE:
            open_flow(batch, i, flags, todo, counters)
        flows.halves[row, FLAGS] = (flags & ~LOOK_MASK) | LOOK_PYTHON
        return
    looked = ((flags & LOOKED_MASK) >> LOOKED_SHIFT) + 1
    if looked >= MAX_LOOKED:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
        looked = MAX_LOOKED
    flows.halves[row, FLAGS] = (flags & ~LOOKED_MASK) | looked << LOOKED_SHIFT
