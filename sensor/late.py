"""Names that come late: what Python read for a flow, carried to the flow and to slices already written.

A row may have been freed or reused in the meantime, so a flow is its row and its number (UID), never the row alone.
"""

from __future__ import annotations

import numpy as np

from sensor.layout import (
    BURST_NOW,
    C_NAMED,
    CLIENT_IS_B,
    EVIDENCE_MASK,
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
from sensor.names import OUTER


@kernel
def settle(flows, found, counters):
    """Give flows what Python read, in order: (row, uid, name or 0, flow flags to set, is the search over, is the sender
    the higher end, did it send a hello). Who sent a hello is the client, whoever was seen first."""
    for n in range(len(found)):
        row = found[n, 0]
        if flows.cold[row, UID] != found[n, 1]:
            continue
        flags = np.int64(flows.halves[row, FLAGS]) & ~PARTIAL
        if flags & CLIENT_IS_B != found[n, 5]:
            if not found[n, 6]:
                continue
            flags ^= CLIENT_IS_B
            flows.halves[row, BURST_NOW] = 0
        given = found[n, 3]
        if found[n, 2]:
            if flows.halves[row, NAME] == 0:
                counters[C_NAMED] += 1
            flows.halves[row, NAME] = found[n, 2]
            flags = flags & ~EVIDENCE_MASK
        else:
            given = given & ~EVIDENCE_MASK
        flags |= given
        if found[n, 4]:
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
def give_up(flows, slices, which, service):
    """Tell the flows of the chosen raw slices what was found at last: a name from DNS, or that there is none.

    `service`: of each name. A name from DNS goes before one that only hides another (OUTER).
    """
    for n in range(len(slices.words)):
        if not which[n]:
            continue
        row = _flow_of(flows, slices, n)
        if row == 0 or (flows.halves[row, NAME] and service[flows.halves[row, NAME]] != OUTER):
            continue
        flags = np.int64(flows.halves[row, FLAGS])
        name = slices.halves[n, S_NAME]
        if name:
            flows.halves[row, NAME] = name
            flags = (flags & ~EVIDENCE_MASK) | (np.int64(slices.halves[n, S_FLAGS]) & EVIDENCE_MASK)
        elif flags & LOOK_MASK == LOOK_DONE:
            flags |= NO_NAME
        flows.halves[row, FLAGS] = flags
