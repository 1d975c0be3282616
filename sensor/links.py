"""Link layers that are rarer than Ethernet: where the network header begins, and what it is.

Each function takes the offset of its header and answers (Ethertype, offset of what follows); Ethertype 0 = nothing
that leads to IP. It does not know IP.

Sources: tcpdump.org/linktypes.html; RFC 1661 and 1662 (PPP), RFC 1042 and IEEE 802.2 (LLC and SNAP), IEEE 802.11-2020
9.2.4 and 9.3.2 (data frames), radiotap.org; tcpdump.org/linktypes/LINKTYPE_NFLOG.html; RFC 1051 and 1201 (ARCNET).
"""

from __future__ import annotations

from sensor.load import inlined, kernel, load8, load16, load32
from sensor.wire import (
    ETHERNET,
    ETHERTYPES,
    IPV4,
    IPV6,
    LINK_80211,
    LINK_ARCNET,
    LINK_CISCO_HDLC,
    LINK_ETHERNET,
    LINK_IPV4,
    LINK_IPV6,
    LINK_LOOP,
    LINK_NFLOG,
    LINK_NULL,
    LINK_PKTAP,
    LINK_PPI,
    LINK_PPP,
    LINK_PPP_ETHERNET,
    LINK_PPP_HDLC,
    LINK_RADIOTAP,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
    MPLS,
    PPPOE,
    RAW_BSD,
    RAW_OPENBSD,
)

UNKNOWN_LINK = -1
LLC_SNAP, LLC_IP = 0xAAAA03, 0x060603
NFLOG_PAYLOAD, MAX_ATTRIBUTES = 9, 64
ARCNET_IP, ARCNET_RFC1051_IP = 0xD4, 0xF0


@kernel
def by_version(buf, p, end):
    """IP itself: the first four bits say which (RFC 791 3.1, RFC 8200 3)."""
    version = load8(buf, p, end) >> 4
    if version == 4:
        return IPV4, p
    if version == 6:
        return IPV6, p
    return 0, p


@kernel
def read_ppp(buf, p, end):
    """A PPP frame, with or without HDLC address and control; the protocol may be compressed (RFC 1661 6.5, 6.6)."""
    if load16(buf, p, end) == 0xFF03:
        p += 2
    protocol = load8(buf, p, end)
    if protocol & 1:
        p += 1
    else:
        protocol = load16(buf, p, end)
        p += 2
    if protocol == 0x21:
        return IPV4, p
    if protocol == 0x57:
        return IPV6, p
    if protocol == 0x281:
        return MPLS, p
    return 0, p


@kernel
def read_llc(buf, p, end):
    """IEEE 802.2: SNAP with an Ethertype (RFC 1042, or 802.1H with its own OUI), or IP right behind the LLC header."""
    head = load32(buf, p, end)
    if head >> 8 == LLC_SNAP:
        organisation = load32(buf, p + 2, end) & 0xFFFFFF
        if organisation == 0 or organisation == 0xF8:
            ethertype = load16(buf, p + 6, end)
            return (ethertype if ethertype >= ETHERTYPES else 0), p + 8
    elif head >> 8 == LLC_IP:
        return IPV4, p + 3
    return 0, p


@kernel
def read_80211(buf, p, end):
    """What lies behind the LLC header of an 802.11 data frame in the clear (in CAPWAP, Cisco swaps its first bytes)."""
    control = load8(buf, p, end)
    flags = load8(buf, p + 1, end)
    if control & 0x0F != 8 and flags & 0x0F == 8:
        control, flags = flags, control
    if control & 0x0F != 8 or control & 0x40 or flags & 0x44:  # not data, no data, or more fragments or encrypted
        return 0, p
    size = 24
    if flags & 3 == 3:  # between access points: a fourth address
        size += 6
    if control & 0x80:  # with QoS
        if load8(buf, p + size, end) & 0x80:  # several packets in one frame
            return 0, p
        size += 2
        if flags & 0x80:  # HT control
            size += 4
    if load32(buf, p + size, end) >> 8 != LLC_SNAP and size & 3:
        size = (size + 3) & ~3  # radiotap may say that the header is padded to four bytes
    return read_llc(buf, p + size, end)


@kernel
def _read_family(buf, p, end):
    """The address family that BSD's null and loop links begin with, in either byte order."""
    family = load32(buf, p, end)
    if family > 0xFFFF:  # written by a little-endian host
        family = (family >> 24) | ((family >> 8) & 0xFF00)
    if family == 2:
        return IPV4, p + 4
    if family == 24 or family == 28 or family == 30 or family == 10:
        return IPV6, p + 4
    return 0, p


@inlined
def _little(buf, p, end):
    """A 16-bit number, its low byte first."""
    return load8(buf, p + 1, end) << 8 | load8(buf, p, end)


@kernel
def _read_nflog(buf, p, end):
    """Linux's NFLOG: attributes of a length and a type in the host's byte order, one of them the packet."""
    p += 4
    for _ in range(MAX_ATTRIBUTES):
        size = load16(buf, p, end)
        kind = load16(buf, p + 2, end)
        if kind & 0xFF == 0 and kind:  # written by a little-endian host: types are small numbers
            size = (size & 0xFF) << 8 | size >> 8
            kind = kind >> 8
        if size < 4 or p + size > end:
            return 0, p
        if kind == NFLOG_PAYLOAD:
            return by_version(buf, p + 4, end)
        p += (size + 3) & ~3
    return 0, p


@kernel
def _read_arcnet(buf, p, end):
    """ARCNET as Linux shows it: addresses, offset, protocol; RFC 1201 adds a split flag and a sequence number."""
    protocol = load8(buf, p + 4, end)
    if protocol == ARCNET_RFC1051_IP:
        return by_version(buf, p + 5, end)
    if protocol == ARCNET_IP and load8(buf, p + 5, end) == 0:  # not split
        return by_version(buf, p + 8, end)
    return 0, p


@kernel
def read_link(buf, p, end, link):
    """The frame of a capture whose link is not Ethernet; Ethertype UNKNOWN_LINK if nobody here knows it."""
    if link == LINK_PPI:  # headers that tell the link of the frame behind them
        link = _little(buf, p + 4, end)
        p += _little(buf, p + 2, end)
    elif link == LINK_PKTAP:
        link = _little(buf, p + 8, end)
        p += _little(buf, p, end)
    if link == LINK_ETHERNET:
        return load16(buf, p + 12, end), p + 14
    if link == LINK_SLL:
        return load16(buf, p + 14, end), p + 16
    if link == LINK_SLL2:
        return load16(buf, p, end), p + 20
    if link in (LINK_RAW, RAW_BSD, RAW_OPENBSD, LINK_IPV4, LINK_IPV6):
        return by_version(buf, p, end)
    if link in (LINK_NULL, LINK_LOOP):
        return _read_family(buf, p, end)
    if link == LINK_PPP_ETHERNET:
        return PPPOE, p
    if link in (LINK_PPP, LINK_PPP_HDLC) and load16(buf, p, end) & 0x7FFF != 0x0F00:
        return read_ppp(buf, p, end)
    if link in (LINK_PPP, LINK_PPP_HDLC, LINK_CISCO_HDLC):
        return load16(buf, p + 2, end), p + 4
    if link == LINK_80211:
        return read_80211(buf, p, end)
    if link == LINK_RADIOTAP:
        return read_80211(buf, p + _little(buf, p + 2, end), end)
    if link == LINK_NFLOG:
        return _read_nflog(buf, p, end)
    if link == LINK_ARCNET:
        return _read_arcnet(buf, p, end)
    return UNKNOWN_LINK, p


@kernel
def looks_like_ethernet(buf, p, end):
    """Does an Ethernet frame begin here? True only if its type is a usual one and fits what follows."""
    ethertype = load16(buf, p + 12, end)
    if ethertype == IPV4:
        return load8(buf, p + 14, end) >> 4 == 4
    if ethertype == IPV6:
        return load8(buf, p + 14, end) >> 4 == 6
    if ethertype < ETHERTYPES:
        service = load16(buf, p + 14, end)
        return service == 0xAAAA or service == 0x4242 or service == 0xFEFE or service == 0xE0E0
    return (
        ethertype == 0x0806  # ARP
        or ethertype == 0x8100 or ethertype == 0x88A8 or ethertype == 0x9100  # VLAN tags
        or ethertype == 0x8847 or ethertype == 0x8848  # MPLS
        or ethertype == 0x8863 or ethertype == 0x8864  # PPPoE
        or ethertype == 0x888E or ethertype == 0x88CC or ethertype == 0x88E5  # 802.1X, LLDP, MACsec
        or ethertype == ETHERNET
    )  # fmt: skip
