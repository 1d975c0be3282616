"""Looking for a name in the payload of a flow that has none yet.

A ClientHello whose segments come in order is read here (sensor.gather); what is rarer (segments out of order, several
TLS records, QUIC, DTLS, an HTTP request, a header before the hello) is only recognised by its first bytes and put on
the to-do list for Python. A hello need not come first: after STARTTLS, SOCKS or X.224 a dialogue goes before it, so a
TCP flow is looked at until it has spent LOOK_BUDGET, of which bulk takes much and lines of text little, or its client
has sent LOOK_BYTES; a UDP flow for MAX_LOOKED datagrams. Only the client's own bytes count, and of several versions
of a byte the first. It does not know services.

Sources: RFC 8446 5.1 (TLS records), RFC 9147 4 (DTLS), RFC 9000 17.2 and RFC 8999 (QUIC long headers), RFC 9110 9
(HTTP methods), haproxy.org proxy-protocol.txt 2.
"""

from __future__ import annotations

import numpy as np

from sensor.frames import PSH, SYN
from sensor.gather import GAP, SEEN_BEFORE, add_bytes, free_place, take_place
from sensor.layout import (
    BURST_NOW,
    C_NAMED,
    CLIENT_IS_B,
    ECH,
    EVIDENCE_MASK,
    EVIDENCE_SHIFT,
    FLAGS,
    G_HELD,
    G_OWNER,
    G_START,
    G_STATE,
    G_WANTED,
    GATHER_BYTES,
    GATHER_HANDED,
    GATHER_USED,
    LOOK_BUDGET,
    LOOK_BYTES,
    LOOK_DONE,
    LOOK_GATHER,
    LOOK_HERE,
    LOOK_MASK,
    LOOK_PYTHON,
    LOOKED_MASK,
    LOOKED_SHIFT,
    LOW32,
    NAME,
    NEXT_SEQUENCE,
    PARTIAL,
    PAYLOAD_SEEN,
    PROGRESS,
    SYN_SEEN,
    T_END,
    T_FILLER,
    T_NEXT,
    T_PAYLOAD,
    T_SEQUENCE,
    TODO_GATHERED,
    TODO_STREAM,
    UID,
    WATCHED,
)
from sensor.load import kernel, load8, load32
from sensor.names import INCOMPLETE, MAX_NAME, NOT_HELLO, find_hello_name, intern
from sensor.todo import is_dns_over_tcp, note_opening, open_flow, push_dns_over_tcp, push_todo

MAX_METHOD = 20  # the longest registered one has 17 letters (UPDATEREDIRECTREF)


@kernel
def _push_segment(todo, batch, i, flows, row, filler):
    """A segment of the client, for `sensor.streams`; T_NEXT: the first byte that no hello can lie before, or -1."""
    n = np.uint64(todo.count[0])
    push_todo(todo, batch, i, TODO_STREAM, flows, row)
    if flows.cold[row, NEXT_SEQUENCE] != -1:
        todo.signed[n, T_NEXT] = (flows.cold[row, NEXT_SEQUENCE] + flows.cold[row, PROGRESS]) & LOW32
    todo.signed[n, T_FILLER] = 1 if filler else 0


@kernel
def _push_gathered(todo, batch, i, flows, row):
    """What has been gathered of a hello; the place is Python's until it has read it."""
    n = np.uint64(todo.count[0])
    gather = todo.gather
    place = flows.cold[row, PROGRESS]
    push_todo(todo, batch, i, TODO_GATHERED, flows, row)
    gather.places[place, G_STATE] = GATHER_HANDED
    todo.signed[n, T_PAYLOAD] = place * GATHER_BYTES
    todo.signed[n, T_END] = place * GATHER_BYTES + gather.places[place, G_HELD]
    todo.signed[n, T_SEQUENCE] = gather.places[place, G_START]
    todo.signed[n, T_NEXT] = gather.places[place, G_START]


@kernel
def _http_like(buf, p, end):
    """Do the bytes start like an HTTP/1 request: a common method, or any other before a path, "*" or "http"?

    Dialogues that lead to STARTTLS also begin with a word and a space (RFC 9110 9, RFC 9112 3.2).
    """
    if not 65 <= load8(buf, p, end) <= 90:
        return False
    word = load32(buf, p, end)
    if (
        word == 0x47455420  # "GET "
        or word == 0x504F5354  # "POST"
        or word == 0x48454144  # "HEAD"
        or word == 0x50555420  # "PUT "
        or word == 0x4F505449  # "OPTI"
        or word == 0x434F4E4E  # "CONN"
        or word == 0x44454C45  # "DELE"
        or word == 0x50415443  # "PATC"
    ):
        return True
    for k in range(1, MAX_METHOD + 1):
        byte = load8(buf, p + k, end)
        if byte == 32:
            target = load8(buf, p + k + 1, end)
            cut = p + k + 5 > end and (p + k + 1 == end or target | 0x20 == 0x68)
            whole = load32(buf, p + k + 1, end) | 0x20202020 == 0x68747470
            return k >= 3 and (target == 42 or target == 47 or whole or cut)
        if not (65 <= byte <= 90 or byte == 45 or byte == 95):
            return p + k == end and k >= 3  # a method and no more
    return False


@kernel
def _header_like(buf, p, end):
    """Do the bytes start like a header that a hello may follow at once: PROXY (v1, v2), MySQL's request for TLS?"""
    word = load32(buf, p, end)
    return word == 0x50524F58 or word == 0x0D0A0D0A or word == 0x20000001


@kernel
def _is_filler(buf, batch, i, p, end):
    """An ACK with link-layer padding inside its IP length; or, seldom, a few zero bytes of the stream."""
    if end - p > 6 or batch.flags[i] & (PSH | SYN):
        return False
    total = 0
    for k in range(end - p):
        total += load8(buf, p + k, end)
    return total == 0


@kernel
def _named(flows, row, batch, i, names, buf, start, length, end, todo, counters):
    """Give the flow of packet `i` the name at buf[start : start + length]; returns the flags that come with it."""
    name = intern(names, buf, start, length, end)
    if name and flows.halves[row, NAME] == 0:
        counters[C_NAMED] += 1
        note_opening(batch, i, name, names, todo)
    flows.halves[row, NAME] = name
    return 1 << EVIDENCE_SHIFT | (WATCHED if names.watch[np.uint64(name)] else 0)


@kernel
def _gather_more(buf, flows, row, batch, i, sequence, names, todo, counters, filler):
    """The client's next segment, of a flow whose hello is being gathered."""
    gather = todo.gather
    place = flows.cold[row, PROGRESS]
    flags = np.int64(flows.halves[row, FLAGS])
    if gather.places[place, G_OWNER] != flows.cold[row, UID] or gather.places[place, G_STATE] != GATHER_USED:
        flows.halves[row, FLAGS] = (flags & ~LOOK_MASK) | LOOK_DONE
        return
    how = GAP if filler else add_bytes(gather, place, buf, batch.payload[i], batch.payload_end[i], sequence)
    if how == SEEN_BEFORE:
        return
    if how == GAP:
        _push_gathered(todo, batch, i, flows, row)
        _push_segment(todo, batch, i, flows, row, filler)
        flows.halves[row, FLAGS] = (flags & ~LOOK_MASK) | LOOK_PYTHON | WATCHED
        return
    start = place * GATHER_BYTES
    end = start + gather.places[place, G_HELD]
    whole = gather.places[place, G_HELD] >= gather.places[place, G_WANTED]
    if flows.halves[row, NAME] and not whole:
        return
    what, at, length, ech, _ = find_hello_name(gather.bytes, start, end)
    if 0 < length <= MAX_NAME:
        given = _named(flows, row, batch, i, names, gather.bytes, at, length, end, todo, counters)
        flags = (flags & ~EVIDENCE_MASK) | given
    if ech:
        flags |= ECH
    if whole or what == NOT_HELLO:
        flags = (flags & ~(LOOK_MASK | PARTIAL)) | LOOK_DONE
        free_place(gather, place)
    flows.halves[row, FLAGS] = flags


@kernel
def _begin_gathering(buf, p, end, sequence, flows, row, from_b, todo, size):
    """Take the beginning of a hello of `size` bytes; False if it is not for this room."""
    if size == 0 or size > GATHER_BYTES:
        return False
    client = flows.cold[row, 3 if from_b else 1]
    place = take_place(todo.gather, flows.cold[row, UID], client, sequence, size)
    if place < 0:
        return False
    add_bytes(todo.gather, place, buf, p, end, sequence)
    flows.cold[row, PROGRESS] = place
    return True


@kernel
def _cost(buf, p, end):
    """What a payload without a hello takes from the flow's budget: lines of a dialogue little, bulk much."""
    if end - p > 512:
        return 8
    return 1 if load8(buf, end - 1, end) == 10 else 3


@kernel
def look_tcp(buf, flows, row, batch, i, names, todo, counters):
    """Look at the payload of a TCP flow that has no name yet."""
    p = batch.payload[i]
    end = batch.payload_end[i]
    flags = np.int64(flows.halves[row, FLAGS])
    b = batch.source_is_b[i]
    from_client = (flags & CLIENT_IS_B != 0) == (b != 0)
    filler = _is_filler(buf, batch, i, p, end)
    sequence = (batch.sequence[i] + (1 if batch.flags[i] & SYN else 0)) & LOW32
    if flags & LOOK_MASK == LOOK_PYTHON:
        if from_client:
            _push_segment(todo, batch, i, flows, row, filler)
            return
        if flags & SYN_SEEN or find_hello_name(buf, p, end)[0] == NOT_HELLO:
            return
    if flags & LOOK_MASK == LOOK_GATHER:
        if from_client:
            _gather_more(buf, flows, row, batch, i, sequence, names, todo, counters, filler)
        return
    if filler:
        return
    if is_dns_over_tcp(buf, p, end, batch, i):
        push_dns_over_tcp(batch, i, flows, row, todo)
        return
    if flags & LOOKED_MASK == 0:
        open_flow(batch, i, flags, todo, counters)
    known = from_client and flows.cold[row, NEXT_SEQUENCE] != -1
    ahead = 0
    if known:
        ahead = (sequence - flows.cold[row, NEXT_SEQUENCE] - flows.cold[row, PROGRESS]) & LOW32
        if ahead >= 1 << 31:  # it begins with bytes already looked at: what came first counts
            p += (1 << 32) - ahead
            sequence = (sequence - ahead) & LOW32
            ahead = 0
            if p >= end:
                return
    what, start, length, ech, size = find_hello_name(buf, p, end)
    if what != NOT_HELLO and not from_client:
        if flags & SYN_SEEN:
            what = NOT_HELLO  # the other end's bytes name nothing
        else:
            flags ^= CLIENT_IS_B  # who greets first is the client
            flows.halves[row, BURST_NOW] = 0
            flows.cold[row, NEXT_SEQUENCE] = -1
            from_client = True
    if what != NOT_HELLO:
        if 0 < length <= MAX_NAME:
            given = _named(flows, row, batch, i, names, buf, start, length, end, todo, counters)
            flags = (flags & ~EVIDENCE_MASK) | given
        if ech:
            flags |= ECH
        if what != INCOMPLETE:
            flags = (flags & ~LOOK_MASK) | LOOK_DONE
        else:
            gathered = ahead == 0 and _begin_gathering(buf, p, end, sequence, flows, row, b, todo, size)
            flags = (flags & ~LOOK_MASK) | (PARTIAL | LOOK_GATHER if gathered else LOOK_PYTHON | WATCHED)
    elif not flags & SYN_SEEN and 0x170301 <= load32(buf, p, end) >> 8 <= 0x170304:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE  # in the middle of a TLS connection
    elif from_client:
        first = load8(buf, p, end)
        begins = (65 <= first <= 90 or first == 13 or first == 32) and not flags & PAYLOAD_SEEN
        short = end - p < 6 and (first == 22 or begins)  # too short to show what it begins
        late = not known and not flags & PAYLOAD_SEEN  # perhaps the later part of a hello, come first
        http = _http_like(buf, p, end)
        if 0 < ahead < 65536 or short or late or http or _header_like(buf, p, end):
            flags = (flags & ~LOOK_MASK) | LOOK_PYTHON | (WATCHED if http or 0 < ahead else 0)
        elif known and ahead == 0:
            flows.cold[row, PROGRESS] += batch.payload_length[i] - (p - batch.payload[i])
            if flows.cold[row, PROGRESS] > LOOK_BYTES:
                flags = (flags & ~LOOK_MASK) | LOOK_DONE
    looked = ((flags & LOOKED_MASK) >> LOOKED_SHIFT) + _cost(buf, p, end)
    if looked >= LOOK_BUDGET and flags & LOOK_MASK == LOOK_HERE:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    flags = (flags & ~LOOKED_MASK) | min(looked, LOOK_BUDGET) << LOOKED_SHIFT
    if from_client:
        flags |= PAYLOAD_SEEN
    flows.halves[row, FLAGS] = flags
    if flags & LOOK_MASK == LOOK_PYTHON:
        _push_segment(todo, batch, i, flows, row, False)
