"""How many clients' DNS we do not see.

A mirror often shows only what the school's own resolver asks, not what clients ask of it; then no flow can be named by
DNS, and nobody would notice. `count_clients` is told the addresses that opened a flow whose name could be read, and
counts how many lie inside, and how many of these were never given a DNS answer that we saw and still remember. It keeps
no address and knows no names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sensor.dnsmemory import DnsMemory, is_local_address
from sensor.settings import SegmentRule

Ranges = Sequence[tuple[bytes, bytes]]


def inside_ranges(rules: Iterable[SegmentRule]) -> Ranges:
    """First and last address of every subnet that the school named, 16 bytes each."""
    return [
        (_packed(int(subnet.network_address), subnet.version), _packed(int(subnet.broadcast_address), subnet.version))
        for rule in rules
        for subnet in rule.subnets
    ]


def _packed(address: int, version: int) -> bytes:
    return (address | (0xFFFF << 32 if version == 4 else 0)).to_bytes(16, "big")


def count_clients(addresses: npt.NDArray[np.uint64], inside: Ranges, told: DnsMemory) -> tuple[int, int]:
    """(clients inside, those of them without DNS); addresses are uint64[n, 2] in host order.

    Inside is what the school named as a segment, and any private or link-local address.
    """
    packed = addresses.byteswap().tobytes()
    clients = without = 0
    for at in range(0, len(packed), 16):
        address = packed[at : at + 16]
        if is_local_address(address) or any(first <= address <= last for first, last in inside):
            clients += 1
            without += address not in told
    return clients, without
