"""The slice: what one flow did in one clock minute of packet time. This is all that leaves the sensor.

One row a slice, as Arrow. `SLICE_SCHEMA` is the contract between `sensor/` and `pipeline/`; each field carries its
own description in its metadata (`about`), and `describe()` prints them. It does not know people, times of day or
policies.

A slice without a service says only that a client of the staff segment asked some site that is in no catalogue, and
when: the first time in each second. Server, ports, evidence and all counts are zero (see sensor.openings).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

WORD = pa.dictionary(pa.int16(), pa.string())


def field_of(name: str, kind: pa.DataType, about: str) -> pa.Field:
    return pa.field(name, kind, nullable=False, metadata={"about": about})


SLICE_SCHEMA = pa.schema(
    [
        field_of("minute", pa.uint32(), "clock minute of packet time, in minutes since 1970-01-01 00:00 UTC"),
        field_of("first_ms", pa.uint16(), "first packet, milliseconds after the minute began"),
        field_of("last_ms", pa.uint16(), "last packet, milliseconds after the minute began"),
        field_of("first_of_flow", pa.bool_(), "true for the slice that holds the flow's first packet"),
        field_of("client", pa.binary(16), "address that sent the SYN or first datagram; IPv4 as ::ffff:a.b.c.d"),
        field_of("server", pa.binary(16), "the other address, same form"),
        field_of("client_port", pa.uint16(), "transport port of the client"),
        field_of("server_port", pa.uint16(), "transport port of the server"),
        field_of("transport", pa.uint8(), "IP protocol number: 6 TCP, 17 UDP"),
        field_of("vlan", pa.uint64(), "VLAN stack, see pack_vlan; 0 when untagged"),
        field_of("segment", WORD, "staff, pupil, guest or unknown: the configured segment of the client"),
        field_of("service", WORD, "catalogue id of the service; empty: a site in no catalogue was asked, see below"),
        field_of("role", WORD, "role of the host name (sensor.words.Role)"),
        field_of("evidence", WORD, "how the name is known (sensor.words.Evidence)"),
        field_of("bytes_up", pa.uint64(), "IP total lengths sent by the client"),
        field_of("bytes_down", pa.uint64(), "IP total lengths sent by the server"),
        field_of("packets_up", pa.uint32(), "packets sent by the client"),
        field_of("packets_down", pa.uint32(), "packets sent by the server"),
        field_of("bursts", pa.uint32(), "client bursts: >= 300 payload bytes sent after >= 1 s of client silence"),
        field_of("burst_seconds", pa.uint64(), "bit s: a burst reached 300 bytes in second s of the minute"),
        field_of("burst_bytes", pa.uint32(), "payload bytes of those bursts"),
        field_of("burst_largest", pa.uint32(), "payload bytes of the largest burst"),
        field_of(
            "gap_sum",
            pa.float64(),
            "seconds between successive bursts of the flow (the moments when each reached 300 bytes), summed",
        ),
        field_of("gap_sumsq", pa.float64(), "the same squared, summed"),
    ]
)

_KINDS = [(field.name, field.type) for field in SLICE_SCHEMA]


def describe() -> str:
    """The schema as text, one column a line: name, type, what it holds."""
    return "\n".join(f"{f.name:14} {f.type!s:38} {(f.metadata or {})[b'about'].decode()}" for f in SLICE_SCHEMA)


def pack_vlan(tags: list[int]) -> int:
    """VLAN ids, outermost first (at most four), as one number: 16 bits a tag, 0x1000 | id, outermost highest."""
    packed = 0
    for tag in tags[:4]:
        packed = packed << 16 | 0x1000 | tag & 0xFFF
    return packed


def unpack_vlan(packed: int) -> list[int]:
    """The inverse of `pack_vlan`."""
    tags = []
    while packed:
        tags.append(packed & 0xFFF)
        packed >>= 16
    return tags[::-1]


def pack_address(text: str) -> bytes:
    """An address as 16 bytes; IPv4 as ::ffff:a.b.c.d."""
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def unpack_address(packed: bytes) -> str:
    """The inverse of `pack_address`."""
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _typed(column: npt.NDArray[np.generic] | pa.Array, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column if column.type == kind else column.cast(kind)
    return pa.array(column, kind)


def slice_table(columns: Mapping[str, npt.NDArray[np.generic] | pa.Array], metadata: Mapping[str, str]) -> pa.Table:
    """A table of slices with file-level metadata.

    `catalogue`: its version. `sensor`: its name. `until` (Unix seconds): every slice of a minute that ended before is
    in this or an earlier file. `counters` (JSON) and `from` (Unix seconds): what was counted since then.
    """
    schema = SLICE_SCHEMA.with_metadata({k.encode(): v.encode() for k, v in metadata.items()})
    arrays = [_typed(columns[name], kind) for name, kind in _KINDS]
    return pa.Table.from_arrays(arrays, schema=schema)
