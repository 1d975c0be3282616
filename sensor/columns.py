"""Raw slices turned into columns, in one pass: the kernel writes rows, Arrow wants columns.

`unpack` reads each row while it is still in the cache, leaves out what the catalogue does not want, and writes every
column of sensor.slices.SLICE_SCHEMA in its final type; words (service, role, evidence, segment) as small codes. It does
not know what the codes stand for.
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
def unpack(slices, count, pair_of, service_of, role_of, segments, c, at):
    """Write the first `count` raw slices to columns `c` from row `at`; returns the row after the last one written.

    `pair_of` a name is 0 if no catalogue entry wants it, else 1 + index of its (service, role) pair.
    """
    words = slices.words
    halves = slices.halves
    for row in range(count):
        n = np.uint64(row)
        pair = pair_of[np.uint64(halves[n, layout.S_NAME])]
        if pair <= 0:
            continue
        minute = np.int64(halves[n, layout.S_MINUTE])
        start = minute * layout.MINUTE_NS
        c.minute[at] = minute
        c.first_ms[at] = halves[n, layout.S_BEGUN]
        c.last_ms[at] = max(0, min(59_999, (np.int64(words[n, layout.S_LAST]) - start) // layout.MILLISECOND))
        flags = np.int64(halves[n, layout.S_FLAGS])
        c.first_of_flow[at] = flags & layout.OLD == 0
        high = words[n, 0]
        low = words[n, 1]
        c.client[at, 0] = swap64(high)
        c.client[at, 1] = swap64(low)
        c.server[at, 0] = swap64(words[n, 2])
        c.server[at, 1] = swap64(words[n, 3])
        ports = words[n, 4]
        c.client_port[at] = ports >> np.uint64(48)
        c.server_port[at] = (ports >> np.uint64(32)) & np.uint64(0xFFFF)
        c.transport[at] = (ports >> np.uint64(24)) & np.uint64(0xFF)
        vlan = words[n, layout.S_VLAN]
        c.vlan[at] = vlan
        c.segment[at] = segment_of(high, low, vlan, segments)
        c.service[at] = service_of[pair]
        c.role[at] = role_of[pair]
        c.evidence[at] = (flags & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT
        c.bytes_up[at] = words[n, layout.S_BYTES_UP]
        c.bytes_down[at] = words[n, layout.S_BYTES_DOWN]
        c.packets_up[at] = halves[n, layout.S_PACKETS_UP]
        c.packets_down[at] = halves[n, layout.S_PACKETS_DOWN]
        seconds = np.int64(words[n, layout.S_BURST_SECONDS])
        c.burst_seconds[at] = seconds
        bursts = 0
        while seconds:
            seconds &= seconds - 1
            bursts += 1
        c.bursts[at] = bursts
        c.burst_bytes[at] = halves[n, layout.S_BURST_BYTES]
        c.burst_largest[at] = halves[n, layout.S_BURST_LARGEST]
        c.gap_sum[at] = slices.gaps[n, layout.S_GAP_SUM]
        c.gap_sumsq[at] = slices.gaps[n, layout.S_GAP_SUMSQ]
        at += 1
    return at
