"""Which address a DHCP server has just lent to which hardware address: DHCPv4 and DHCPv6 replies, one datagram each.

Theory. Only a server's last word counts: ACK in DHCPv4, Reply in DHCPv6, also on the way through relays. In DHCPv4 the
client's hardware address stands in the message. In DHCPv6 there is only its identifier (DUID), which many systems make
of the hardware address of one of their cards, perhaps not of the one that is used now: such a sighting says `duid`, and
who reads it must have it confirmed. A lease that is refused, or whose time is over, is none; an ACK to INFORM lends
nothing.

Bounds: options are walked once, relays nested as deep as RFC 8415 7.6 allows. Host names, user classes and everything
else in the options are not looked at.

Sources: RFC 2131 2, 3.4, 4.1, RFC 2132 9, RFC 3396 (long options; not joined: none of these is long), RFC 8415 7.3,
8, 9, 11, 21.4, 21.6, RFC 4361 6.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from sensor.neighbours import Sighting, Unreadable, is_mapped, mac_of, mapped

DHCP_SIZE = 240  # the fixed part and the cookie
MAX_OPTIONS, MAX_RELAYS, MAX_ADDRESSES = 256, 8, 16
MAX_LEASE_S = 86_400  # longer ones are believed for a day

_REPLY4, _ETHERNET, _COOKIE = 2, 1, b"\x63\x82\x53\x63"
_PAD, _OVERLOAD, _TYPE, _LEASE_TIME, _END = 0, 52, 53, 51, 255
_ACK = b"\x05"

_REPLY6, _RELAY_REPLY = 7, 13
_CLIENT_ID, _IA_NA, _IA_TA, _IA_ADDRESS, _RELAYED = 1, 3, 4, 5, 9
_DUID_LLT, _DUID_LL = 1, 3


def read_lease(datagram: bytes) -> list[Sighting]:
    """What a server's datagram (from port 67 or 547) lends. Raises Unreadable."""
    if not datagram:
        raise Unreadable("DHCP is empty")
    if datagram[0] in (1, _REPLY4) and datagram[236:240] == _COOKIE:
        return _dhcp4(datagram)
    return _dhcp6(datagram)


def _dhcp4(message: bytes) -> list[Sighting]:
    if message[0] != _REPLY4 or message[1:3] != bytes((_ETHERNET, 6)):
        return []
    options = dict(_options4(message[DHCP_SIZE:]))
    overload = options.get(_OVERLOAD, b"\0")[:1]
    for bit, field in ((1, message[108:236]), (2, message[44:108])):
        if overload and overload[0] & bit:
            options = dict(_options4(field)) | options
    address, mac = message[16:20], mac_of(message[28:34])
    if options.get(_TYPE) != _ACK or address == b"\0\0\0\0" or not mac:
        return []
    return [Sighting(mapped(address), mac, "dhcp", _lease(options.get(_LEASE_TIME, b"")))]


def _options4(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            raise Unreadable("a DHCP option is cut short")
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def _dhcp6(message: bytes) -> list[Sighting]:
    for _ in range(MAX_RELAYS + 1):
        if message[:1] != bytes((_RELAY_REPLY,)):
            break
        if len(message) < 34:
            raise Unreadable("a relayed DHCPv6 message is cut short")
        inner = [data for kind, data in _options6(message[34:]) if kind == _RELAYED]
        if len(inner) != 1:
            raise Unreadable("a relay carries no message")
        message = inner[0]
    if len(message) < 4:
        raise Unreadable("DHCPv6 is cut short")
    if message[0] != _REPLY6:
        return []
    options = list(_options6(message[4:]))
    macs = {_duid_mac(data) for kind, data in options if kind == _CLIENT_ID}
    if len(macs) != 1 or not (mac := macs.pop()):
        return []
    lent = [address for kind, data in options for address in _lent(kind, data)]
    return [Sighting(address, mac, "duid", lease) for address, lease in lent[:MAX_ADDRESSES]]


def _lent(kind: int, data: bytes) -> Iterator[tuple[bytes, int]]:
    """The addresses of an identity association, with their valid lifetimes."""
    if kind not in (_IA_NA, _IA_TA):
        return
    fixed = 12 if kind == _IA_NA else 4
    if len(data) < fixed:
        raise Unreadable("an identity association is cut short")
    for inner, body in _options6(data[fixed:]):
        if inner == _IA_ADDRESS:
            if len(body) < 24:
                raise Unreadable("an address is cut short")
            lease = _lease(body[20:24])
            if lease and not is_mapped(body[:16]):
                yield body[:16], lease


def _options6(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    for _ in range(MAX_OPTIONS):
        if at == len(data):
            return
        kind, size = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 4 + size > len(data):
            raise Unreadable("a DHCPv6 option is cut short")
        yield kind, data[at + 4 : at + 4 + size]
        at += 4 + size
    raise Unreadable("DHCPv6 options without end")


def _duid_mac(duid: bytes) -> int:
    """The hardware address in a DUID made of one; 0 for other sorts."""
    kind, link = int.from_bytes(duid[:2], "big"), int.from_bytes(duid[2:4], "big")
    size = {_DUID_LLT: 14, _DUID_LL: 10}.get(kind)
    return mac_of(duid[-6:]) if link == _ETHERNET and len(duid) == size else 0


def _lease(field: bytes) -> int:
    return min(int.from_bytes(field, "big"), MAX_LEASE_S) if len(field) == 4 else 0
