"""How many clients' DNS we do not see.

A mirror often shows only what the school's own resolver asks, not what clients ask of it; then no flow can be named by
DNS, and nobody would notice. `count_clients` is told the addresses that opened a flow whose name could be read, and
counts how many lie inside, and how many of these were never given a DNS answer that we saw and still remember. It keeps
no address and knows no names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sensor.dnsmemory import DnsMemory
from sensor.settings import SegmentRule

Ranges = Sequence[tuple[int, int]]

_LOCAL = (  # RFC 1918, 3927, 4193, 4291 2.5.6
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10",
)  # fmt: skip


def _range(subnet: ipaddress.IPv4Network | ipaddress.IPv6Network) -> tuple[int, int]:
    mapped = 0xFFFF << 32 if subnet.version == 4 else 0
    return int(subnet.network_address) | mapped, int(subnet.broadcast_address) | mapped


def inside_ranges(rules: Iterable[SegmentRule]) -> Ranges:
    """First and last address of every subnet that the school named, and of the private and link-local ones."""
    named = [subnet for rule in rules for subnet in rule.subnets]
    return [*map(_range, named), *(_range(ipaddress.ip_network(text)) for text in _LOCAL)]


def _between(addresses: npt.NDArray[np.uint64], first: int, last: int) -> npt.NDArray[np.bool_]:
    high, low = addresses[:, 0], addresses[:, 1]
    (first_high, first_low), (last_high, last_low) = (divmod(address, 1 << 64) for address in (first, last))
    above = (high > first_high) | ((high == first_high) & (low >= first_low))
    inside: npt.NDArray[np.bool_] = above & ((high < last_high) | ((high == last_high) & (low <= last_low)))
    return inside


def count_clients(addresses: npt.NDArray[np.uint64], inside: Ranges, told: DnsMemory) -> tuple[int, int]:
    """(clients inside, those of them without DNS); addresses are uint64[n, 2] in host order."""
    lies_inside = np.zeros(len(addresses), np.bool_)
    for first, last in inside:
        lies_inside |= _between(addresses, first, last)
    clients = addresses[lies_inside].byteswap().view("V16").ravel().tolist()
    return len(clients), len(clients) - told.count(clients)
