"""Looking for a name in the payload of a flow that has none yet.

A whole ClientHello is read here; what is rarer (a hello in several segments, QUIC, an HTTP request) is only
recognised by its first bytes and put on the to-do list for Python. After MAX_LOOKED payloads a flow is left alone.
It does not know services.

Sources: RFC 8446 5.1 (TLS records), RFC 9000 17.2 and RFC 8999 (QUIC long headers), RFC 9110 9 (HTTP methods).
"""

from __future__ import annotations

import numpy as np

from sensor.frames import PSH, SYN
from sensor.layout import (
    BURST_NOW,
    C_NAMEABLE,
    C_NAMED,
    CLIENT_IS_B,
    EVIDENCE_MASK,
    EVIDENCE_SHIFT,
    FLAGS,
    LOOK_DONE,
    LOOK_HERE,
    LOOK_MASK,
    LOOK_PYTHON,
    LOOKED_MASK,
    LOOKED_SHIFT,
    MAX_LOOKED,
    NAME,
    NEXT_SEQUENCE,
    PAYLOAD_SEEN,
    SYN_SEEN,
    T_END,
    T_FROM_B,
    T_KIND,
    T_NEXT,
    T_PAYLOAD,
    T_ROW,
    T_SEQUENCE,
    T_TIME,
    T_UID,
    T_VLAN,
    TODO_FRAGMENT,
    TODO_QUIC,
    TODO_STREAM,
    UID,
)
from sensor.load import kernel, load8, load16, load32
from sensor.names import INCOMPLETE, MAX_NAME, NAMELESS, NOT_HELLO, WHOLE, find_hello_name, intern


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


@kernel
def _http_method(buf, p, end):
    """Do the bytes start like an HTTP/1 request (RFC 9110 9)?"""
    word = load32(buf, p, end)
    return (
        word == 0x47455420  # "GET "
        or word == 0x504F5354  # "POST"
        or word == 0x48454144  # "HEAD"
        or word == 0x50555420  # "PUT "
        or word == 0x4F505449  # "OPTI"
        or word == 0x434F4E4E  # "CONN"
        or word == 0x44454C45  # "DELE"
        or word == 0x50415443  # "PATC"
    )


@kernel
def look_tcp(buf, flows, row, batch, i, names, todo, counters):
    """Look at the payload of a TCP flow that has no name yet."""
    p = batch.payload[i]
    end = batch.payload_end[i]
    flags = np.int64(flows.halves[row, FLAGS])
    b = batch.source_is_b[i]
    from_client = (flags & CLIENT_IS_B != 0) == (b != 0)
    if end - p <= 6 and not batch.flags[i] & PSH:
        quiet = True
        for k in range(end - p):
            if load8(buf, p + k, end):
                quiet = False
        if quiet:  # an ACK with link-layer padding inside its IP length
            return
    if flags & LOOK_MASK == LOOK_PYTHON:
        if from_client:
            push_todo(todo, batch, i, TODO_STREAM, flows, row)
        return
    if flags & LOOKED_MASK == 0:
        counters[C_NAMEABLE] += 1
    what, start, length = find_hello_name(buf, p, end)
    if what != NOT_HELLO and not flags & SYN_SEEN and not from_client:
        flags ^= CLIENT_IS_B  # who greets first is the client
        flows.halves[row, BURST_NOW] = 0
        from_client = True
    if what == WHOLE and length <= MAX_NAME:
        name = intern(names, buf, start, length, end)
        if name and flows.halves[row, NAME] == 0:
            counters[C_NAMED] += 1
        flows.halves[row, NAME] = name
        flags = (flags & ~(LOOK_MASK | EVIDENCE_MASK)) | LOOK_DONE | 1 << EVIDENCE_SHIFT
    elif what in (NAMELESS, WHOLE):
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    elif what == INCOMPLETE:
        flags = (flags & ~LOOK_MASK) | LOOK_PYTHON
    elif from_client:
        expected = flows.cold[row, NEXT_SEQUENCE]
        ahead = (batch.sequence[i] - expected) & 0xFFFFFFFF
        first = load8(buf, p, end)
        short = end - p < 6 and (first == 22 or 65 <= first <= 90)  # too short to show what it begins
        early = flags & SYN_SEEN and not flags & PAYLOAD_SEEN and (0 < ahead < 65536 or short)
        if early or _http_method(buf, p, end):
            flags = (flags & ~LOOK_MASK) | LOOK_PYTHON
        elif not flags & (SYN_SEEN | PAYLOAD_SEEN) and load8(buf, p, end) != 23:
            flags = (flags & ~LOOK_MASK) | LOOK_PYTHON  # perhaps the later part of a hello, come first
        elif not flags & SYN_SEEN and load16(buf, p, end) == 0x1703:
            flags = (flags & ~LOOK_MASK) | LOOK_DONE  # in the middle of a TLS connection
    looked = ((flags & LOOKED_MASK) >> LOOKED_SHIFT) + 1
    if looked >= MAX_LOOKED and flags & LOOK_MASK == LOOK_HERE:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    flags = (flags & ~LOOKED_MASK) | min(looked, MAX_LOOKED) << LOOKED_SHIFT
    if from_client:
        flags |= PAYLOAD_SEEN
    flows.halves[row, FLAGS] = flags
    if flags & LOOK_MASK == LOOK_PYTHON:
        push_todo(todo, batch, i, TODO_STREAM, flows, row)


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
            or version == 0x709A50C4
        )
    if first & 0x01:
        at = p + 9 if first & 0x08 else p + 1
        return load16(buf, at, end) == 0x5130
    return False


@kernel
def look_udp(buf, flows, row, batch, i, todo, counters):
    """Look at the payload of a UDP flow that has no name yet."""
    flags = np.int64(flows.halves[row, FLAGS])
    from_client = (flags & CLIENT_IS_B != 0) == (batch.source_is_b[i] != 0)
    if from_client and _quic_like(buf, batch.payload[i], batch.payload_end[i]):
        if flags & LOOK_MASK == LOOK_HERE:
            counters[C_NAMEABLE] += 1
        flags = (flags & ~LOOK_MASK) | LOOK_PYTHON
        flows.halves[row, FLAGS] = flags
        push_todo(todo, batch, i, TODO_QUIC, flows, row)
        return
    looked = ((flags & LOOKED_MASK) >> LOOKED_SHIFT) + 1
    if looked >= MAX_LOOKED:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
        looked = MAX_LOOKED
    flows.halves[row, FLAGS] = (flags & ~LOOKED_MASK) | looked << LOOKED_SHIFT
