"""Names inside the kernel: the server name of a whole ClientHello, and a table that gives each name one number.

`find_hello_name` reads a ClientHello that lies whole inside one TCP segment (the common case; everything else leaves
the kernel for `sensor.tls`). `intern` gives equal names equal ids, so that Python sees each name once. Names are
lower-cased bytes. It does not know services: `Names.service` is filled in by whoever owns the catalogue.

Sources: RFC 8446 4.1.2 and 5.1 (ClientHello, records), RFC 6066 3 (server_name).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor.load import kernel, load8, load16, load32

NOT_HELLO, WHOLE, NAMELESS, INCOMPLETE = 0, 1, 2, 3
MAX_NAME = 1024  # longer than any DNS name (RFC 1035 2.3.4: 255); longer ones are no names
MAX_EXTENSIONS = 256

COUNT, USED_BYTES = 0, 1  # indices into Names.state

SERVICE_UNKNOWN = -1  # a name that the catalogue has not seen yet


class Names(NamedTuple):
    """An open-addressing table: slot -> id + 1, and per id its hash, place in the arena and service."""

    slots: Any  # int32, a power of two
    hash: Any  # uint64 per id
    start: Any  # int64 per id, offset in the arena
    length: Any  # int64 per id
    arena: Any  # uint8
    service: Any  # int32 per id: SERVICE_UNKNOWN, 0 = in no catalogue, else 1 + index of (service, role)
    state: Any  # int64: COUNT, USED_BYTES


def new_names(capacity: int, arena_bytes: int) -> Names:
    """Room for `capacity` names (a power of two); id 0 is 'no name'."""
    names = Names(
        np.zeros(capacity * 2, np.int32),
        np.zeros(capacity, np.uint64),
        np.zeros(capacity, np.int64),
        np.zeros(capacity, np.int64),
        np.zeros(arena_bytes, np.uint8),
        np.full(capacity, SERVICE_UNKNOWN, np.int32),
        np.zeros(2, np.int64),
    )
    names.state[COUNT] = 1
    names.service[0] = 0
    return names


_FNV = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_S29 = np.uint64(29)


@kernel
def _lower(byte):
    return byte | 0x20 if 65 <= byte <= 90 else byte


@kernel
def intern(names, buf, start, length, end):
    """Id of the name at buf[start : start + length], lower-cased; 0 if it is empty, too long or does not fit."""
    if length <= 0 or length > MAX_NAME or start + length > end:
        return 0
    h = _FNV
    for k in range(length):
        h = (h ^ np.uint64(_lower(load8(buf, start + k, end)))) * _PRIME
    h = h ^ (h >> _S29)
    mask = len(names.slots) - 1
    at = np.int64(h & np.uint64(mask))
    while names.slots[at]:
        found = names.slots[at] - 1
        if names.hash[found] == h and names.length[found] == length:
            base = names.start[found]
            same = True
            for k in range(length):
                if names.arena[base + k] != _lower(load8(buf, start + k, end)):
                    same = False
                    break
            if same:
                return found
        at = (at + 1) & mask
    new = names.state[COUNT]
    base = names.state[USED_BYTES]
    if new >= len(names.hash) or base + length > len(names.arena):
        return 0
    for k in range(length):
        names.arena[base + k] = _lower(load8(buf, start + k, end))
    names.slots[at] = new + 1
    names.hash[new] = h
    names.start[new] = base
    names.length[new] = length
    names.service[new] = SERVICE_UNKNOWN
    names.state[COUNT] = new + 1
    names.state[USED_BYTES] = base + length
    return new


@kernel
def find_hello_name(buf, p, end):
    """Server name of the ClientHello in the TLS record at `p`: (what, offset, length).

    what: NOT_HELLO, WHOLE, NAMELESS or INCOMPLETE.

    INCOMPLETE means that the segment or the record ends before the hello does.
    """
    if load8(buf, p, end) != 22 or load8(buf, p + 1, end) != 3 or load8(buf, p + 2, end) > 4:
        return NOT_HELLO, 0, 0
    if p + 9 > end:
        return INCOMPLETE, 0, 0
    record_end = p + 5 + load16(buf, p + 3, end)
    if load8(buf, p + 5, end) != 1:
        return NOT_HELLO, 0, 0
    hello_end = p + 9 + (load32(buf, p + 5, end) & 0xFFFFFF)
    if record_end > end or hello_end > record_end:
        return INCOMPLETE, 0, 0
    q = p + 9 + 2 + 32
    q += 1 + load8(buf, q, hello_end)
    q += 2 + load16(buf, q, hello_end)
    q += 1 + load8(buf, q, hello_end)
    if q + 2 > hello_end:
        return NAMELESS, 0, 0
    stop = min(q + 2 + load16(buf, q, hello_end), hello_end)
    q += 2
    for _ in range(MAX_EXTENSIONS):
        if q + 4 > stop:
            break
        kind = load16(buf, q, stop)
        size = load16(buf, q + 2, stop)
        q += 4
        if kind == 0 and q + size <= stop:
            inner = q + 2
            inner_end = min(inner + load16(buf, q, stop), q + size)
            while inner + 3 <= inner_end:
                length = load16(buf, inner + 1, inner_end)
                if load8(buf, inner, inner_end) == 0:
                    if length == 0 or inner + 3 + length > inner_end:
                        return NAMELESS, 0, 0
                    return WHOLE, inner + 3, length
                inner += 3 + length
            return NAMELESS, 0, 0
        q += size
    return NAMELESS, 0, 0
