"""Raw slices turned into columns, in one pass: the kernel writes rows, Arrow wants columns.

`unpack` reads each row once and writes every column of sensor.slices.SLICE_SCHEMA in its final type; words (service,
role, evidence, segment) as small codes. It does not know what the codes stand for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sensor import layout
from sensor.load import kernel


class Columns(NamedTuple):
    """One array a column; client and server as two uint64 each, host order."""

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
    burst_bytes: Any
    burst_largest: Any
    gap_sum: Any
    gap_sumsq: Any


_TYPES = {
    **dict.fromkeys(("minute", "packets_up", "packets_down", "bursts", "burst_bytes", "burst_largest"), np.uint32),
    **dict.fromkeys(("first_ms", "last_ms", "client_port", "server_port"), np.uint16),
    **dict.fromkeys(("segment", "service", "role", "evidence"), np.int16),
    **dict.fromkeys(("client", "server", "vlan", "bytes_up", "bytes_down"), np.uint64),
    **dict.fromkeys(("gap_sum", "gap_sumsq"), np.float64),
    "first_of_flow": np.bool_,
    "transport": np.uint8,
}


def new_columns(rows: int) -> Columns:
    return Columns(
        *(np.empty((rows, 2) if name in ("client", "server") else rows, _TYPES[name]) for name in Columns._fields)
    )


class Segments(NamedTuple):
    """Address ranges with a segment code each, wider ranges first, and a code per VLAN id."""

    first: Any  # uint64[n, 2]
    last: Any  # uint64[n, 2]
    code: Any  # int16[n]
    by_vlan: Any  # int16[4096]


@kernel
def unpack(words, halves, gaps, pair, service_of, role_of, segments, c):
    """Fill columns `c` from raw slices; `pair` is 1 + index of the (service, role) pair of each row.

    A client's segment is that of its narrowest subnet; if its innermost VLAN says another one, it is unknown (0).
    """
    for n in range(len(words)):
        minute = np.int64(halves[n, layout.S_MINUTE])
        start = minute * layout.MINUTE_NS
        begun = np.int64(halves[n, layout.S_BEGUN])
        c.minute[n] = minute
        c.first_ms[n] = begun & layout.BEGUN_MASK
        c.last_ms[n] = max(0, min(59_999, (np.int64(words[n, layout.S_LAST]) - start) // layout.MILLISECOND))
        flags = np.int64(halves[n, layout.S_FLAGS])
        c.first_of_flow[n] = flags & layout.OLD == 0
        high = words[n, 0]
        low = words[n, 1]
        c.client[n, 0] = high
        c.client[n, 1] = low
        c.server[n, 0] = words[n, 2]
        c.server[n, 1] = words[n, 3]
        ports = words[n, 4]
        c.client_port[n] = ports >> np.uint64(48)
        c.server_port[n] = (ports >> np.uint64(32)) & np.uint64(0xFFFF)
        c.transport[n] = (ports >> np.uint64(24)) & np.uint64(0xFF)
        vlan = words[n, layout.S_VLAN]
        c.vlan[n] = vlan
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
        c.segment[n] = found
        c.service[n] = service_of[pair[n]]
        c.role[n] = role_of[pair[n]]
        c.evidence[n] = (flags & layout.EVIDENCE_MASK) >> layout.EVIDENCE_SHIFT
        c.bytes_up[n] = words[n, layout.S_BYTES_UP]
        c.bytes_down[n] = words[n, layout.S_BYTES_DOWN]
        c.packets_up[n] = halves[n, layout.S_PACKETS_UP]
        c.packets_down[n] = halves[n, layout.S_PACKETS_DOWN]
        c.bursts[n] = begun >> layout.BURSTS_AT
        c.burst_bytes[n] = halves[n, layout.S_BURST_BYTES]
        c.burst_largest[n] = halves[n, layout.S_BURST_LARGEST]
        c.gap_sum[n] = gaps[n, layout.S_GAP_SUM]
        c.gap_sumsq[n] = gaps[n, layout.S_GAP_SUMSQ]
