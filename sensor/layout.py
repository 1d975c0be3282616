"""The memory that kernel and meter share: rows of flows, raw slices, to-do items, counters, and what their words mean.

A flow has a hot row, one cache line that every packet touches, and a cold row for all else. Numba works on plain
arrays, so a row is a run of machine words and these names are offsets into it. There is no code here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

# Hot row, 64-bit words: one cache line.
HASH, LAST, BYTES_AB, BYTES_BA = 0, 1, 2, 3  # HASH 0 = free row; LAST packet time, ns
# The same row as 32-bit words. LAST_UP: client payload last seen, low 32 bits of milliseconds.
PACKETS_AB, PACKETS_BA, NAME, FLAGS, MINUTE, LAST_UP, BURST_NOW, FIRST_MS = 8, 9, 10, 11, 12, 13, 14, 15
ROW = 8
# Cold row: touched when a flow is made, looked at, sends a burst or is written out. 0-4 flow key, as in Batch.key.
FLOW_FIRST, VLAN, NEXT_SEQUENCE, UID, BURST_BEFORE, GAP_SUM, GAP_SUMSQ = 5, 6, 7, 8, 9, 10, 11
BURSTS, BURST_BYTES, BURST_LARGEST = 12, 13, 14
COLD = 16

# Flow flags.
CLIENT_IS_B, SYN_SEEN, CLOSED, PARTIAL, OLD, NO_NAME, PAYLOAD_SEEN, BURST_SEEN = 1, 2, 4, 8, 16, 32, 64, 128
LOOK_MASK = 3 << 8
LOOK_HERE, LOOK_PYTHON, LOOK_DONE = 0, 1 << 8, 2 << 8
LOOKED_SHIFT, LOOKED_MASK = 10, 15 << 10
IS_TCP = 1 << 14
EVIDENCE_SHIFT, EVIDENCE_MASK = 16, 7 << 16
MAX_LOOKED = 12

# Raw slice, 64-bit words; 0-3 client and server address, 4 ports and protocol.
S_MINUTE, S_FIRST, S_LAST, S_BYTES_UP, S_BYTES_DOWN, S_VLAN, S_FLOW_FIRST, S_GAP_SUM, S_GAP_SUMSQ = (
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    13,
)
# The same as 32-bit words.
S_PACKETS_UP, S_PACKETS_DOWN, S_NAME, S_FLAGS, S_UID, S_BURSTS, S_BURST_BYTES, S_BURST_LARGEST = (
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
)
SLICE = 18

# To-do item, 64-bit words: 0-4 flow key.
T_KIND, T_TIME, T_PAYLOAD, T_END, T_SEQUENCE, T_UID, T_FROM_B, T_NEXT = 5, 6, 7, 8, 9, 10, 11, 12
TODO = 16
TODO_STREAM, TODO_QUIC, TODO_DNS = 1, 2, 3

# Counters. NAMEABLE: flows that carried something a name can be read from.
C_PACKETS, C_BYTES, C_FLOWS, C_NAMED, C_EVICTED, C_LATEST, C_USED, C_UID, C_EXPIRED, C_NAMEABLE = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
)
C_SKIP = 10  # + SKIP reason
COUNTERS = 20

# Why `advance` returned.
BLOCK_DONE, SLICES_FULL, TODO_FULL, NAMES_FULL, TABLE_FULL, SWEEP_DUE = 0, 1, 2, 3, 4, 5

DNS_PORTS = (53, 5353, 5355)  # DNS, mDNS, LLMNR

SECOND = 1_000_000_000
MINUTE_NS = 60 * SECOND
MILLISECOND = 1_000_000
BURST_MIN = 300  # payload bytes (rule E3)
BURST_SILENCE_MS = 1000
ABSENT = np.uint64(1 << 63)
ONE = np.uint64(1)
LOW32 = 0xFFFFFFFF


class Flows(NamedTuple):
    """The table, as several views of the same memory."""

    words: Any  # uint64[capacity, ROW]
    signed: Any  # int64 view
    halves: Any  # uint32 view [capacity, 2 * ROW]
    cold: Any  # int64[capacity, COLD]
    keys: Any  # uint64 view of cold
    gaps: Any  # float64 view of cold


class Slices(NamedTuple):
    """Raw slices waiting to be drained."""

    words: Any  # uint64[n, SLICE]
    signed: Any  # int64 view
    halves: Any  # uint32 view
    gaps: Any  # float64 view
    count: Any  # int64[1]


class Todo(NamedTuple):
    """Packets that Python must look at, oldest first."""

    words: Any  # uint64[n, TODO]
    signed: Any  # int64 view
    count: Any  # int64[1]


class Limits(NamedTuple):
    """Settings of the loop."""

    max_used: int  # flows before the table must grow or evict
    may_grow: int
    tcp_idle: int  # ns
    udp_idle: int  # ns
    emit_all: int  # also write slices that no catalogue entry will want
    sweep_at: int  # return SWEEP_DUE when packet time reaches this
