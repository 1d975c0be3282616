"""Who says that it has which address: ARP, and NDP's solicitations and advertisements, one packet each.

Theory. Only the sender is believed, and only of its own: in ARP the sender's pair (requests, replies and gratuitous
announcements alike), in a neighbour solicitation the source with the source link-layer option, in an advertisement the
target with the target link-layer option. Who asks whether an address is free has none yet: an ARP probe comes from
0.0.0.0, duplicate address detection from ::. An advertisement that must not override what is known (RFC 4861 7.2.8) is
somebody's who answers for others, or an anycast address: it says nothing. Neighbours do not lie behind routers: hop
limit 255, ICMPv6 right behind the IPv6 header, whole and with the right checksum, or it is not read.

It does not know whose address it is, nor whether others claim it too. Anybody on the link may lie in these protocols;
`sensor.sightings` and `pipeline.feeds.neighbours` say what becomes of contradictions.

Sources: RFC 826, RFC 5227 1.1 (probes, announcements), RFC 4861 4.3, 4.4, 4.6.1, 7.1, RFC 4862 5.4, RFC 6980.
"""

from __future__ import annotations

from typing import NamedTuple

from sensor.wire import ICMPV6, NEIGHBOUR_ADVERTISEMENT, NEIGHBOUR_SOLICITATION

ARP_SIZE, NEIGHBOUR_SIZE = 28, 64  # the latter: IPv6 header, ICMPv6 header, target
_ETHERNET, _IEEE_802 = 1, 6
_REQUEST, _REPLY = 1, 2
_SOURCE_OPTION, _TARGET_OPTION = 1, 2
_OVERRIDE = 0x20
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Sighting(NamedTuple):
    """An address belongs to a hardware address. lease_s: for how long at least, if somebody who lends it said so."""

    address: bytes  # 16 bytes; IPv4 as ::ffff:a.b.c.d
    mac: int
    how: str  # arp, ndp, dhcp; duid: the hardware address that a DHCPv6 client made its identifier of
    lease_s: int = 0


class Unreadable(ValueError):
    """A packet breaks its protocol's rules."""


def read_neighbour(packet: bytes) -> Sighting | None:
    """What an ARP packet, or an IPv6 packet with NDP in it, says of its sender; None if nothing. Raises Unreadable."""
    if packet[:1] == b"\0":  # ARP begins with the hardware type, IPv6 with 6
        return _arp(packet)
    return _ndp(packet)


def mac_of(octets: bytes) -> int:
    """One card's hardware address; 0 for groups of cards and for none."""
    return 0 if octets[0] & 1 else int.from_bytes(octets, "big")


def mapped(octets: bytes) -> bytes:
    """An IPv4 address as 16 bytes."""
    return _MAPPED + octets


def is_mapped(address: bytes) -> bool:
    """Is this an IPv4 address as 16 bytes? IPv6 has none on a wire."""
    return address.startswith(_MAPPED)


def _arp(packet: bytes) -> Sighting | None:
    if len(packet) < ARP_SIZE:
        raise Unreadable("ARP is cut short")
    hardware, operation = int.from_bytes(packet[:2], "big"), int.from_bytes(packet[6:8], "big")
    if hardware not in (_ETHERNET, _IEEE_802) or packet[2:6] != b"\x08\x00\x06\x04":
        raise Unreadable("ARP of other links or protocols")
    if operation not in (_REQUEST, _REPLY):  # RARP, InARP
        return None
    mac, address = mac_of(packet[8:14]), packet[14:18]
    if not mac:
        raise Unreadable("ARP without a sender")
    return Sighting(mapped(address), mac, "arp") if address != b"\0\0\0\0" else None


def _ndp(packet: bytes) -> Sighting | None:
    whole = 40 + int.from_bytes(packet[4:6], "big")
    if len(packet) < max(whole, NEIGHBOUR_SIZE) or whole < NEIGHBOUR_SIZE:
        raise Unreadable("NDP is cut short")
    packet = packet[:whole]
    if packet[6] != ICMPV6 or packet[7] != 255 or packet[41] != 0 or not _checks(packet):
        raise Unreadable("NDP from elsewhere, or broken")
    source, kind, target = packet[8:24], packet[40], packet[48:64]
    if target[0] == 0xFF or is_mapped(target) or is_mapped(source):
        raise Unreadable("NDP for a group, or for IPv4")
    option = _link_layer(packet[64:], _SOURCE_OPTION if kind == NEIGHBOUR_SOLICITATION else _TARGET_OPTION)
    if kind == NEIGHBOUR_SOLICITATION:
        if not any(source):
            if option:
                raise Unreadable("an address is looked for by nobody with hardware")
            return None
        address = source
    elif kind == NEIGHBOUR_ADVERTISEMENT:
        if not packet[44] & _OVERRIDE:
            return None
        address = target
    else:
        return None
    return Sighting(address, option, "ndp") if option else None


def _link_layer(options: bytes, wanted: int) -> int:
    """The hardware address in the first option of this type; 0 if there is none."""
    found = 0
    while options:
        size = options[1] * 8 if len(options) > 1 else 0
        if not size or size > len(options):
            raise Unreadable("an NDP option is cut short")
        if options[0] == wanted and size == 8 and not found:
            found = mac_of(options[2:8])
        options = options[size:]
    return found


def _checks(packet: bytes) -> bool:
    """Is the ICMPv6 checksum right (RFC 4443 2.3)?"""
    body = packet[40:]
    covered = packet[8:40] + len(body).to_bytes(4, "big") + b"\0\0\0\x3a" + body + b"\0" * (len(body) % 2)
    total = sum(int.from_bytes(covered[at : at + 2], "big") for at in range(0, len(covered), 2))
    return total % 0xFFFF == 0 and total > 0
