"""Names that come late: what Python read for a flow, carried to the flow and to slices already written.

A row may have been freed or reused in the meantime, so a flow is its row and its number (UID), never the row alone.
"""

from __future__ import annotations

import numpy as np

from sensor.layout import (
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
    S_ROW,
    S_UID,
    UID,
)
from sensor.load import inlined, kernel


@kernel
def settle(flows, row, uid, name, evidence, partial, done, counters):
    """Give a flow what Python read: a name (0 = none), and whether the search is over."""
    if flows.cold[row, UID] != uid:
        return
    flags = np.int64(flows.halves[row, FLAGS])
    if name:
        if flows.halves[row, NAME] == 0:
            counters[C_NAMED] += 1
        flows.halves[row, NAME] = name
        flags = (flags & ~EVIDENCE_MASK) | evidence << EVIDENCE_SHIFT
    flags = (flags & ~PARTIAL) | (PARTIAL if partial else 0)
    if done:
        flags = (flags & ~LOOK_MASK) | LOOK_DONE
    flows.halves[row, FLAGS] = flags


@inlined
def _flow_of(flows, slices, n):
    """Row of the flow that raw slice `n` came from; 0 if it has gone."""
    row = np.uint64(slices.halves[n, S_ROW])
    return row if flows.cold[row, UID] == np.int64(slices.halves[n, S_UID]) else np.uint64(0)


@kernel
def refresh(flows, slices):
    """Fill in names that flows got after their slices were written, and the flows' present flags.

    A flow that has gone is marked LOOK_DONE: nobody will find its name any more.
    """
    kept = OLD | CLIENT_IS_B
    for n in range(len(slices.words)):
        row = _flow_of(flows, slices, n)
        flags = np.int64(slices.halves[n, S_FLAGS])
        if row == 0:
            slices.halves[n, S_FLAGS] = (flags & ~LOOK_MASK) | LOOK_DONE
        else:
            slices.halves[n, S_NAME] = flows.halves[row, NAME]
            slices.halves[n, S_FLAGS] = (np.int64(flows.halves[row, FLAGS]) & ~kept) | (flags & kept)


@kernel
def give_up(flows, slices, which):
    """Tell the flows of the chosen raw slices what was found at last: a name from DNS, or that there is none."""
    for n in range(len(slices.words)):
        if not which[n]:
            continue
        row = _flow_of(flows, slices, n)
        if row == 0 or flows.halves[row, NAME]:
            continue
        flags = np.int64(flows.halves[row, FLAGS])
        name = slices.halves[n, S_NAME]
        if name:
            flows.halves[row, NAME] = name
            flags = (flags & ~EVIDENCE_MASK) | (np.int64(slices.halves[n, S_FLAGS]) & EVIDENCE_MASK)
        elif flags & LOOK_MASK == LOOK_DONE:
            flags |= NO_NAME
        flows.halves[row, FLAGS] = flags
