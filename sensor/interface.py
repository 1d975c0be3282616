"""What the system says of a network interface: is it there, is it up, what does it carry, what did it drop?

It asks through a socket and /proc/net, which see the network namespace of this process, unlike /sys. Nothing here needs
a capability. It opens no capture.

Sources: netdevice(7), Linux include/uapi/linux/if_arp.h, ethtool.h; net/core/net-procfs.c (columns of /proc/net/dev).
"""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCETHTOOL = 0x8913, 0x8927, 0x8946
IFF_UP, IFF_RUNNING = 0x1, 0x40
ETHTOOL_GGRO, ETHTOOL_GFLAGS, FLAG_LRO, FLAG_STRIPS_VLAN = 0x2B, 0x25, 1 << 15, 1 << 8
ARPHRD_ETHER, ARPHRD_LOOPBACK = 1, 772
_BARE_IP = (512, 768, 769, 776, 778, 0xFFFE)  # PPP, tunnels and tun: packets without a link header
DEVICES = Path("/proc/net/dev")


@dataclass(frozen=True, slots=True)
class Interface:
    """An interface as it is now. `carrier`: something is connected to it."""

    name: str
    index: int
    up: bool
    carrier: bool
    hardware: int

    @property
    def link_header(self) -> int | None:
        """Bytes before the network header; None if the sensor cannot read what it carries."""
        if self.hardware in (ARPHRD_ETHER, ARPHRD_LOOPBACK):
            return 14
        return 0 if self.hardware in _BARE_IP else None


def find(name: str) -> Interface | None:
    """The interface of this name, None if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
        try:
            flags = struct.unpack_from("H", _request(ask, SIOCGIFFLAGS, name), 16)[0]
            hardware = struct.unpack_from("H", _request(ask, SIOCGIFHWADDR, name), 16)[0]
            index = socket.if_nametoindex(name)
        except OSError:
            return None
    return Interface(name, index, bool(flags & IFF_UP), bool(flags & IFF_RUNNING), hardware)


def name_of(index: int) -> str | None:
    """What the interface with this index is called now; None if it is gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return None


def dropped(name: str) -> int | None:
    """Packets that the card or its driver dropped since it is there: no room, missed, queue overrun."""
    for line in DEVICES.read_text().splitlines():
        device, colon, columns = line.strip().partition(":")
        if colon and device == name:
            words = columns.split()  # bytes, packets, errors, drops (missed ones too), overruns of the queue
            return int(words[3]) + int(words[4])
    return None


@dataclass(frozen=True, slots=True)
class Offloads:
    """What the card or driver does to packets before we see them; None: it does not say."""

    gro: bool | None
    lro: bool | None
    strips_vlan: bool | None


def offloads(name: str) -> Offloads:
    """See Offloads."""
    gro, flags = _ethtool(name, ETHTOOL_GGRO), _ethtool(name, ETHTOOL_GFLAGS)
    return Offloads(
        None if gro is None else bool(gro),
        None if flags is None else bool(flags & FLAG_LRO),
        None if flags is None else bool(flags & FLAG_STRIPS_VLAN),
    )


def _ethtool(name: str, command: int) -> int | None:
    value = array.array("I", [command, 0])  # struct ethtool_value
    request = struct.pack("16sP16x", name.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ask:
        try:
            fcntl.ioctl(ask, SIOCETHTOOL, request)
        except OSError:
            return None
    return value[1]


def _request(ask: socket.socket, command: int, name: str) -> bytes:
    """struct ifreq as the system fills it. Raises OSError."""
    return fcntl.ioctl(ask, command, struct.pack("16s24x", name.encode()))
