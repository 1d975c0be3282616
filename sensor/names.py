"""Names inside the kernel: the server name of a whole ClientHello, and a table that gives each name one number.

`find_hello_name` reads a ClientHello that lies in one piece and one TLS record (the common case; everything else
leaves the kernel for `sensor.tls`). `intern` gives equal names equal ids, so that Python sees each name once. Names are
lower-cased bytes. It does not know services: `Names.service` is filled in by whoever owns the catalogue.

Sources: RFC 8446 4.1.2 and 5.1 (ClientHello, records), RFC 6066 3 (server_name), RFC 9849 5 (encrypted_client_hello).
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import numpy as np

from sensor.layout import WATCH_ASK, WATCH_NO
from sensor.load import fold, inlined, kernel, load8, load16, load64

NOT_HELLO, WHOLE, NAMELESS, INCOMPLETE = 0, 1, 2, 3
MAX_NAME = 1024  # longer than any DNS name (RFC 1035 2.3.4: 255); longer ones are no names
MAX_EXTENSIONS = 256
MIN_HELLO, MAX_SESSION_ID = 38, 32  # bytes of a ClientHello's body, of its legacy_session_id

COUNT, USED_BYTES, KEY = 0, 1, 2  # indices into Names.state; KEY: of the hash, drawn anew for each table

SERVICE_UNKNOWN = -1  # a name that the catalogue has not seen yet
OUTER = -2  # a name that only hides another: the outer one of an encrypted ClientHello
DOH, VPN = -3, -4  # a name of a resolver over HTTPS, or of a tunnel: no service, but what it hides is counted


class Names(NamedTuple):
    """An open-addressing table: slot -> id + 1, and per id its hash, place in the arena and service."""

    slots: Any  # int32, a power of two
    hash: Any  # uint64 per id
    start: Any  # int64 per id, offset in the arena
    length: Any  # int64 per id
    arena: Any  # uint8
    service: Any  # int32 per id: negative as above, 0 = in no catalogue, else 1 + index of (service, role)
    state: Any  # int64: COUNT, USED_BYTES, KEY
    watch: Any  # int16 per id: see WATCH_NO in sensor.layout


def new_names(capacity: int, arena_bytes: int) -> Names:
    """Room for `capacity` names (a power of two); id 0 is 'no name'."""
    names = Names(
        np.zeros(capacity * 2, np.int32),
        np.zeros(capacity, np.uint64),
        np.zeros(capacity, np.int64),
        np.zeros(capacity, np.int64),
        np.zeros(arena_bytes, np.uint8),
        np.full(capacity, SERVICE_UNKNOWN, np.int32),
        np.zeros(3, np.int64),
        np.full(capacity, WATCH_ASK, np.int16),
    )
    names.state[COUNT] = 1
    names.state[KEY] = secrets.randbits(63) | 1  # or somebody could choose names that all fall into one place
    names.service[0] = 0
    names.watch[0] = WATCH_NO
    return names


_START = np.uint64(0xCBF29CE484222325)
_ONES = np.uint64(0x0101010101010101)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_HIGH_BITS = np.uint64(0x8080808080808080)
_TO_A = _ONES * np.uint64(128 - 65)  # added to a byte below 128, sets its top bit from "A" on
_PAST_Z = _ONES * np.uint64(128 - 91)  # the same from what follows "Z" on
_TO_LOWER_BIT = np.uint64(2)


@inlined
def _lower(word):
    """Eight bytes at once, with A-Z made a-z."""
    low = word & _LOW_BITS
    capital = (low + _TO_A) & ~(low + _PAST_Z) & ~word & _HIGH_BITS
    return word | capital >> _TO_LOWER_BIT


@inlined
def _name_word(buf, start, k, length, end):
    """Bytes k..k+7 of the name at buf[start : start + length], lower-cased; 0 for those beyond its end."""
    left = length - k
    if left >= 8:
        return _lower(load64(buf, start + k, end))
    if start + k + 8 <= end:
        beyond = np.uint64(64 - 8 * left)
        return _lower(load64(buf, start + k, end) >> beyond << beyond)
    word = np.uint64(0)
    for n in range(left):
        word |= np.uint64(load8(buf, start + k + n, end)) << np.uint64(56 - 8 * n)
    return _lower(word)


@kernel
def _is_name(names, number, buf, start, length, end):
    """Is the name with this number the one at buf[start : start + length]?"""
    if names.length[number] != length:
        return False
    base = names.start[number]
    for k in range(0, length, 8):
        if _name_word(names.arena, base, k, length, len(names.arena)) != _name_word(buf, start, k, length, end):
            return False
    return True


@kernel
def intern(names, buf, start, length, end):
    """Id of the name at buf[start : start + length], lower-cased; 0 if it is empty, too long or does not fit."""
    if length <= 0 or length > MAX_NAME or start + length > end:
        return 0
    key = np.uint64(names.state[KEY])
    h = _START ^ np.uint64(length)
    for k in range(0, length, 8):
        h = fold(h ^ _name_word(buf, start, k, length, end), key)
    mask = len(names.slots) - 1
    at = np.int64(h & np.uint64(mask))
    while names.slots[at]:
        found = names.slots[at] - 1
        if names.hash[found] == h and _is_name(names, found, buf, start, length, end):
            return found
        at = (at + 1) & mask
    new = names.state[COUNT]
    base = names.state[USED_BYTES]
    if new >= len(names.hash) or base + length > len(names.arena):
        return 0
    for k in range(length):
        byte = load8(buf, start + k, end)
        names.arena[base + k] = byte | 0x20 if 65 <= byte <= 90 else byte
    names.slots[at] = new + 1
    names.hash[new] = h
    names.start[new] = base
    names.length[new] = length
    names.service[new] = SERVICE_UNKNOWN
    names.watch[new] = WATCH_ASK
    names.state[COUNT] = new + 1
    names.state[USED_BYTES] = base + length
    return new


@kernel
def find_hello_name(buf, p, end):
    """Server name of the ClientHello in the TLS record at `p`: (what, offset, length, ech, size).

    what: NOT_HELLO, WHOLE (with a name), NAMELESS, or INCOMPLETE: the segment or the record ends before the hello
    does; its name is given all the same (length > 0) if that is whole. ech: the encrypted_client_hello extension was
    seen. size: bytes of the record and its header up to the hello's end, 0 if the hello is longer than its record.
    """
    if load8(buf, p, end) != 22 or load8(buf, p + 1, end) != 3 or load8(buf, p + 2, end) > 4:
        return NOT_HELLO, 0, 0, 0, 0
    if p + 10 > end:
        return (INCOMPLETE if p + 5 >= end or load8(buf, p + 5, end) == 1 else NOT_HELLO), 0, 0, 0, 0
    record_end = p + 5 + load16(buf, p + 3, end)
    if record_end < p + 10:  # the message's own header goes over several records
        return (INCOMPLETE if load8(buf, p + 5, record_end) == 1 else NOT_HELLO), 0, 0, 0, 0
    if load16(buf, p + 5, end) != 0x0100 or load8(buf, p + 9, end) != 3 or load16(buf, p + 7, end) < MIN_HELLO:
        return NOT_HELLO, 0, 0, 0, 0
    hello_end = p + 9 + load16(buf, p + 7, end)
    incomplete = record_end > end or hello_end > record_end
    size = hello_end - p if hello_end <= record_end else 0
    here = min(hello_end, record_end, end)
    q = p + 9 + 2 + 32
    if load8(buf, q, here) > MAX_SESSION_ID:
        return NOT_HELLO, 0, 0, 0, 0
    q += 1 + load8(buf, q, here)
    q += 2 + load16(buf, q, here)
    q += 1 + load8(buf, q, here)
    stop = min(q + 2 + load16(buf, q, here), hello_end)
    q += 2
    start = 0
    length = 0
    ech = 0
    looking = True
    for _ in range(MAX_EXTENSIONS):
        if q + 4 > min(stop, here):
            break
        kind = load16(buf, q, here)
        width = load16(buf, q + 2, here)
        q += 4
        if kind == 0xFE0D:
            ech = 1
        if kind == 0 and looking and q + width <= stop:
            looking = False
            inner = q + 2
            inner_end = min(inner + load16(buf, q, here), q + width)
            while inner + 3 <= min(inner_end, here):
                length = load16(buf, inner + 1, here)
                if load8(buf, inner, here) == 0:
                    if inner + 3 + length > min(inner_end, here):
                        length = 0
                    start = inner + 3
                    break
                inner += 3 + length
                length = 0
        q += width
    if incomplete:
        return INCOMPLETE, start, length, ech, size
    return (WHOLE if length > 0 else NAMELESS), start, length, ech, size
