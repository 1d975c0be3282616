"""The memory of watched connections: TLS records of wikis, and the upload units that are being collected.

As in sensor.layout, rows are runs of 64-bit words and these names are offsets into them; there is no code here but
`new_watch`, and all of it is fixed in size. sensor.records, sensor.collect and sensor.follow work on it, sensor.units
reads the units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor.layout import PAIRS, SECOND
from sensor.memory import claim, new_memory

CONNECTIONS = 1 << 12
UNITS = 1 << 9  # open at once, of all connections
UNIT_RECORDS = 512
LOG = 64  # records of a connection that are remembered
USUAL = 32  # client records that show what is usual
PIECES = 1 << 12  # segments beyond holes, of all connections
OWN_PIECES = 12  # of one direction
CANDIDATES = 16  # headers noted in a piece
OPEN_UNITS = 4  # of one connection
HOLES = 4  # known at once in one direction
CUES = 1 << 13  # connections opened, between two looks
WINDOW = 20 * SECOND  # after a unit opened
LOOK_BACK = 3 * SECOND  # before
ASSUMED_RTT = 100_000_000

# A connection in short, one cache line: the flow's hash, when its last packet came, records ever logged. L_CALM:
# nothing is going on (sensor.records), so that this line and the log are all that a record from the server touches;
# only then do L_HEAD and L_HIGH hold, instead of the direction's S_HEAD and S_HIGH.
L_HASH, L_LAST, L_LOGGED, L_CALM, L_HEAD, L_HIGH = 0, 1, 2, 3, 4, 5
LINE = 8
# All else of a connection. K_TLS13: does it use TLS 1.3, -1: nobody has seen, PLAIN: it is HTTP in the clear. K_ROW: of
# the flow table, 0 = this place is free. K_UNIT: OPEN_UNITS places in `unit`, plus one. K_PENDING: size of the client's
# record that is not whole yet, or -1; when its header came (K_SINCE), its last byte so far, its end. K_BURST: bytes of
# a burst without its first record, when that began, when the last one was whole. K_RUN: the burst has opened a unit.
# K_FACT: what each of its units repeats.
K_TLS13, K_RTT, K_PENDING, K_BURST_AT, K_OPEN, K_SINCE, K_SEEN, K_END = 0, 1, 2, 3, 4, 5, 6, 7
K_CLIENTS, K_USUAL, K_RUN, K_BURST, K_BURST_SINCE, K_IN_BURST, K_WIDE, K_ROW = 8, 9, 10, 11, 12, 13, 14, 15
K_CLOSED, K_UNIT = 16, 17
K_FACT = K_UNIT + OPEN_UNITS
PLAIN = 2
FOLLOWED, SHARED = 1, 2  # records of its connections are wanted; only a cue is, but its servers are those of wikis too
# Facts: number of the connection, wiki, evidence, addresses, ports (client's first), VLANs, beginning, was it not seen.
F_ID, F_WIKI, F_EVIDENCE, F_CLIENT, F_SERVER, F_PORTS, F_VLAN, F_BEGAN, F_MIDSTREAM = 0, 1, 2, 3, 5, 7, 8, 9, 10
FACTS = 11
CONNECTION = 32
# A direction, one cache line and what is seldom needed. S_HEAD: sequence number of the next header, -1 while it is
# looked for; S_GOT: bytes of it that have come, S_BYTES: these; S_FROM: where the chain broke, -1 if it has not begun.
S_HEAD, S_GOT, S_BYTES, S_HIGH, S_FROM, S_PIECES, S_LOST, S_SCANS = 0, 1, 2, 3, 4, 5, 6, 7
S_HOLE, S_PIECE = 8, 8 + 2 * HOLES
# Since when bytes come between which no header was found (0: none do), and until when they came.
S_SINCE, S_UNTIL = S_PIECE + OWN_PIECES, S_PIECE + OWN_PIECES + 1
SIDE = 32
UP, DOWN = 0, 1
# A place in the log: microseconds, modulo LOG_TIME + 1, before the size in LOG_SIZE bits. No two times in it look
# alike, as a connection that is silent for ten minutes is forgotten.
LOG_SIZE, LOG_TIME = 26, (1 << 38) - 1
# A piece: where it begins, its length, when it came, its first four and last four bytes, its candidates.
P_START, P_LENGTH, P_TIME, P_FIRST, P_LAST, P_COUNT, P_CANDIDATE = 0, 1, 2, 3, 4, 5, 6
PIECE = P_CANDIDATE + CANDIDATES
# A unit. U_STATE: 0 free, 1 open, 2 closed (at U_CLOSED). U_BEFORE: records from before it opened. U_LOST: bytes
# missing when it opened, U_MISSING: when it was closed. U_DROPPED: records that had no room.
U_STATE, U_PLACE, U_OPENED, U_COUNT, U_BEFORE, U_LOST, U_MISSING, U_DROPPED = 0, 1, 2, 3, 4, 5, 6, 7
U_P15, U_P50, U_P70, U_P85, U_SERIAL, U_CLIENTS, U_CLOSED, U_RTT, U_TLS13, U_FACT = 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
UNIT = U_FACT + FACTS + 4
R_TIME, R_KNOWN, R_SIZE = 0, 1, 2  # a record of a unit; R_SIZE: negative from the server
# A cue: a client opened a connection to a wiki's host.
Q_TIME, Q_CLIENT, Q_VLAN, Q_WIKI, Q_EVIDENCE = 0, 1, 3, 4, 5
CUE = 6
# Counters, and how much of each stack or buffer is in use.
N_CONNECTIONS, N_EVICTED, N_RECORDS, N_UNITS, N_UNITS_CUT, N_RESYNCED, N_PIECES_LOST, N_CUES_LOST = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
)
N_FREE_PIECES, N_FREE, N_HAND, N_CUES, N_OPEN, N_SWEPT = 8, 9, 10, 11, 12, 13
N_LATEST, N_SWEPT_AT = 14, 15  # packet time, ns: of the newest watched packet, and when places were looked through
COUNTS = 16


def _zeros(shape: tuple[int, ...]) -> Any:
    """int64 zeros on pages that are there at once."""
    size = int(np.prod(shape))
    memory = new_memory(8 * size)
    claim(memory, 8 * size)
    return np.frombuffer(memory, np.int64, size).reshape(shape)


class Watch(NamedTuple):
    """See the module's header; place 0 of `connection` is no connection."""

    line: Any  # int64[CONNECTIONS + 1, LINE]
    connection: Any  # int64[CONNECTIONS + 1, CONNECTION]
    side: Any  # int64[CONNECTIONS + 1, 2, SIDE]
    log: Any  # int64[CONNECTIONS + 1, LOG]: time and size (negative from the server)
    usual: Any  # int32[CONNECTIONS + 1, USUAL]
    free: Any  # int32[CONNECTIONS]: a stack
    piece: Any  # int64[PIECES, PIECE]
    free_piece: Any  # int32[PIECES]: a stack
    unit: Any  # int64[UNITS, UNIT]
    records: Any  # int64[UNITS, UNIT_RECORDS, 3]
    cue: Any  # int64[CUES, CUE]
    followed: Any  # uint8 by wiki (Names.watch): FOLLOWED, SHARED or 0
    rtt: Any  # int64[PAIRS, 2]: pair of client and server, least time from SYN to SYN/ACK
    own: Any  # int64[PAIRS, 2]: pair, wiki that the client's own bytes named
    scratch: Any  # int64[USUAL]
    count: Any  # int64[COUNTS]


def no_watch() -> Watch:
    """Nobody watches anything."""
    return Watch(*(np.zeros((0,) * of.ndim, of.dtype) for of in new_watch(0)))


def new_watch(wikis: int) -> Watch:
    """Room for connections to so many wikis."""
    watch = Watch(
        _zeros((CONNECTIONS + 1, LINE)),
        _zeros((CONNECTIONS + 1, CONNECTION)),
        _zeros((CONNECTIONS + 1, 2, SIDE)),
        _zeros((CONNECTIONS + 1, LOG)),
        np.zeros((CONNECTIONS + 1, USUAL), np.int32),
        np.arange(CONNECTIONS, 0, -1, dtype=np.int32),
        np.zeros((PIECES, PIECE), np.int64),
        np.arange(PIECES, dtype=np.int32),
        np.zeros((UNITS, UNIT), np.int64),
        np.zeros((UNITS, UNIT_RECORDS, 3), np.int64),
        np.zeros((CUES, CUE), np.int64),
        np.zeros(wikis, np.uint8),
        np.zeros((PAIRS, 2), np.int64),
        np.zeros((PAIRS, 2), np.int64),
        np.zeros(USUAL, np.int64),
        np.zeros(COUNTS, np.int64),
    )
    watch.count[N_FREE_PIECES] = PIECES
    watch.count[N_FREE] = CONNECTIONS
    return watch
