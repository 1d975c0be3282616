"""Names that come late: what Python read for a flow, carried to the flow and to slices already written.

The table may have moved, expired or reused a row in the meantime, so a flow is found by key and number (UID), never by
its place.
"""

from __future__ import annotations

import numpy as np

from sensor.frames import hash_key
from sensor.layout import (
    ABSENT,
    C_NAMED,
    CLIENT_IS_B,
    EVIDENCE_MASK,
    EVIDENCE_SHIFT,
    FLAGS,
    LOOK_DONE,
    LOOK_MASK,
    NAME,
    NO_NAME,
    OLD,
    PARTIAL,
    S_FLAGS,
    S_NAME,
    S_UID,
    UID,
)
from sensor.load import inlined, kernel
from sensor.table import find, swap_ports


@kernel
def settle(flows, key, uid, name, evidence, partial, done, seed, counters):
    """Give a flow what Python read: a name (0 = none), and whether the search is over."""
    slot = find(flows, hash_key(key[0], key[1], key[2], key[3], key[4], seed))
    if slot & ABSENT or flows.cold[slot, UID] != uid:
        return
    flags = np.int64(flows.halves[slot, FLAGS])
    if name:
        if flows.halves[slot, NAME] == 0:
            counters[C_NAMED] += 1
        flows.halves[slot, NAME] = name
        flags = (flags & ~EVIDENCE_MASK) | evidence << EVIDENCE_SHIFT
    flags = (flags & ~PARTIAL) | (PARTIAL if partial else 0)
    if done:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    flows.halves[slot, FLAGS] = flags


@inlined
def _flow_of(flows, rows, n, seed):
    """Slot of the flow that raw slice `n` came from; bit ABSENT set if it has gone."""
    w = rows.words
    if np.int64(rows.halves[n, S_FLAGS]) & CLIENT_IS_B:
        h = hash_key(w[n, 2], w[n, 3], w[n, 0], w[n, 1], swap_ports(w[n, 4]), seed)
    else:
        h = hash_key(w[n, 0], w[n, 1], w[n, 2], w[n, 3], w[n, 4], seed)
    slot = find(flows, h)
    if not slot & ABSENT and flows.cold[slot, UID] != np.int64(rows.halves[n, S_UID]):
        return ABSENT
    return slot


@kernel
def refresh(flows, rows, seed):
    """Fill in names that flows got after their slices were written, and the flows' present flags.

    A flow that has gone is marked LOOK_DONE: nobody will find its name any more.
    """
    kept = OLD | CLIENT_IS_B
    for n in range(len(rows.words)):
        slot = _flow_of(flows, rows, n, seed)
        flags = np.int64(rows.halves[n, S_FLAGS])
        if slot & ABSENT:
            rows.halves[n, S_FLAGS] = (flags & ~LOOK_MASK) | LOOK_DONE
        else:
            rows.halves[n, S_NAME] = flows.halves[slot, NAME]
            rows.halves[n, S_FLAGS] = (np.int64(flows.halves[slot, FLAGS]) & ~kept) | (flags & kept)


@kernel
def give_up(flows, rows, which, seed):
    """Tell the flows of the chosen raw slices what was found at last: a name from DNS, or that there is none."""
    for n in range(len(rows.words)):
        if not which[n]:
            continue
        slot = _flow_of(flows, rows, n, seed)
        if slot & ABSENT or flows.halves[slot, NAME]:
            continue
        flags = np.int64(flows.halves[slot, FLAGS])
        name = rows.halves[n, S_NAME]
        if name:
            flows.halves[slot, NAME] = name
            flags = (flags & ~EVIDENCE_MASK) | (np.int64(rows.halves[n, S_FLAGS]) & EVIDENCE_MASK)
        elif flags & LOOK_MASK == LOOK_DONE:
            flags |= NO_NAME
        flows.halves[slot, FLAGS] = flags
