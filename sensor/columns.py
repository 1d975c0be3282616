"""Raw slices turned into columns, in one pass: the kernel writes rows, Arrow wants columns.

The kernel itself writes what it can to a `Sink` (sensor.table); what needs Python first comes as raw slices, and
`unpack` reads each while it is still in the cache and leaves out what the catalogue does not want. Either way every
column of sensor.slices.SLICE_SCHEMA is written in its final type; words (service, role, evidence, segment) as small
codes. It does not know what the codes stand for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor import layout
from sensor.load import inlined, kernel, swap64
from sensor.memory import Pool


class Columns(NamedTuple):
    """One array a column; client and server as two uint64 each, in network order."""

    minute: Any
    first_ms: Any
    last_ms: Any
    first_of_flow: Any
    client: Any
    server: Any
    client_port: Any
    server_port: Any
    transport: Any
    vlan: Any
    segment: Any
    service: Any
    role: Any
    evidence: Any
    bytes_up: Any
    bytes_down: Any
    packets_up: Any
    packets_down: Any
    bursts: Any
    burst_seconds: Any
    burst_bytes: Any
    burst_largest: Any
    gap_sum: Any
    gap_sumsq: Any


_POOL = Pool()
_PAIRS = ("client", "server")
_TYPES = {
    **dict.fromkeys(("minute", "packets_up", "packets_down", "bursts", "burst_bytes", "burst_largest"), np.uint32),
    **dict.fromkeys(("first_ms", "last_ms", "client_port", "server_port"), np.uint16),
    **dict.fromkeys(("segment", "service", "role", "evidence"), np.int16),
    **dict.fromkeys(("client", "server", "vlan", "bytes_up", "bytes_down", "burst_seconds"), np.uint64),
    **dict.fromkeys(("gap_sum", "gap_sumsq"), np.float64),
    "first_of_flow": np.bool_,
    "transport": np.uint8,
}


def new_columns(rows: int) -> Columns:
    """Columns for so many slices, side by side in one piece of memory."""
    widths = [np.dtype(_TYPES[name]).itemsize * (2 if name in _PAIRS else 1) for name in Columns._fields]
    starts = np.cumsum([0, *(width * rows + (-width * rows) % 64 for width in widths)])
    memory = _POOL.take(int(starts[-1]))
    columns: list[Any] = []
    for name, start, width in zip(Columns._fields, starts[:-1], widths, strict=True):
        column: Any = memory[start : start + width * rows].view(_TYPES[name])
        columns.append(column.reshape(-1, 2) if name in _PAIRS else column)
    return Columns(*columns)


class Segments(NamedTuple):
    """Address ranges with a segment code each, wider ranges first, and a code per VLAN id."""

    first: Any  # uint64[n, 2]
    last: Any  # uint64[n, 2]
    code: Any  # int16[n]
    by_vlan: Any  # int16[4096]


class Sink(NamedTuple):
    """Columns to be filled, and what must be known for that."""

    columns: Columns  # with no rows at all, the kernel gives raw slices only
    filled: Any  # int64[1]: how many rows are
    service_of: Any  # int16 by pair of service and role
    role_of: Any
    segments: Segments


def no_sink() -> Sink:
    """One that takes nothing."""
    columns: list[Any] = [np.zeros((0, 2) if name in _PAIRS else 0, _TYPES[name]) for name in Columns._fields]
    codes, nowhere = np.zeros(1, np.int16), np.zeros((0, 2), np.uint64)
    segments = Segments(nowhere, nowhere, np.zeros(0, np.int16), np.zeros(4096, np.int16))
    return Sink(Columns(*columns), np.zeros(1, np.int64), codes, codes, segments)


@inlined
def segment_of(high, low, vlan, segments):
    """The segment of a client: that of its narrowest subnet; if its innermost VLAN says another one, unknown (0)."""
    found = 0
    for r in range(len(segments.code)):
        first = segments.first
        last = segments.last
        above = high > first[r, 0] or (high == first[r, 0] and low >= first[r, 1])
        below = high < last[r, 0] or (high == last[r, 0] and low <= last[r, 1])
        if above and below:
            found = segments.code[r]
    if vlan:
        tagged = segments.by_vlan[np.int64(vlan & np.uint64(0xFFF))]
        if found == 0:
            found = tagged
        elif tagged and tagged != found:
            found = 0
    return found


@kernel
def segments_of(clients, vlans, segments, codes):
    """The segment of each client (two words) in its VLANs, into `codes`."""
    for n in range(len(codes)):
        codes[n] = segment_of(clients[n, 0], clients[n, 1], vlans[n], segments)


@inlined
def put(
    sink, pair, minute, begun, last, flags, client_high, client_low, server_high, server_low, ports, vlan, up, down,
    packets_up, packets_down, seconds, burst_bytes, burst_largest, gap_sum, gap_sumsq,
):  # fmt: skip
    """Append a slice to the sink's columns; `ports` and protocol as in a flow's key, the client's first."""
    c = sink.columns
    k = np.uint64(sink.filled[0])
    c.minute[k] = minute
    c.first_ms[k] = begun
    c.last_ms[k] = max(0, min(59_999, (last - minute * layout.MINUTE_NS) // layout.MILLISECOND))
    c.first_of_flow[k] = flags & layout.OLD == 0
    c.client[k, 0] = swap64(client_high)
    c.client[k, 1] = swap64(client_low)
    c.server[k, 0] = swap64(server_high)
    c.server[k, 1] = swap64(server_low)
    c.client_port[k] = ports >> np.uint64(48)
    c.server_port[k] = (ports >> np.uint64(32)) & np.uint64(0xFFFF)
    c.transport[k] = (ports >> np.uint64(24)) & np.uint64(0xFF)
    c.vlan[k] = vlan
    c.segment[k] = segment_of(client_high, client_low, vlan, sink.segments)
    c.service[k] = sink.service_of[pair]
    c.role[k] = sink.role_of[pair]
    c.evidence[k] = (flags & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT
    c.bytes_up[k] = up
    c.bytes_down[k] = down
    c.packets_up[k] = packets_up
    c.packets_down[k] = packets_down
    c.burst_seconds[k] = seconds
    bursts = 0
    while seconds:
        seconds &= seconds - 1
        bursts += 1
    c.bursts[k] = bursts
    c.burst_bytes[k] = burst_bytes
    c.burst_largest[k] = burst_largest
    c.gap_sum[k] = gap_sum
    c.gap_sumsq[k] = gap_sumsq
    sink.filled[0] += 1


@kernel
def unpack(slices, count, pair_of, sink):
    """Append the first `count` raw slices to the sink's columns, where there is room for them.

    `pair_of` a name is 0 if no catalogue entry wants it, else 1 + index of its (service, role) pair.
    """
    words = slices.words
    halves = slices.halves
    gaps = slices.gaps
    for row in range(count):
        n = np.uint64(row)
        pair = pair_of[np.uint64(halves[n, layout.S_NAME])]
        if pair <= 0:
            continue
        put(
            sink, pair, np.int64(halves[n, layout.S_MINUTE]), halves[n, layout.S_BEGUN],
            np.int64(words[n, layout.S_LAST]), np.int64(halves[n, layout.S_FLAGS]), words[n, 0], words[n, 1],
            words[n, 2], words[n, 3], words[n, 4], words[n, layout.S_VLAN], words[n, layout.S_BYTES_UP],
            words[n, layout.S_BYTES_DOWN], halves[n, layout.S_PACKETS_UP], halves[n, layout.S_PACKETS_DOWN],
            np.int64(words[n, layout.S_BURST_SECONDS]), halves[n, layout.S_BURST_BYTES],
            halves[n, layout.S_BURST_LARGEST], gaps[n, layout.S_GAP_SUM], gaps[n, layout.S_GAP_SUMSQ],
        )  # fmt: skip
