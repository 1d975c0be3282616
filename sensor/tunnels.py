"""The way to the innermost packet: every header between the link and TCP or UDP that is not ordinary.

`sensor.frames.decode` reads ordinary frames itself and asks `unwrap` for all others: extension headers, options of
size, IP in IP, GRE, Ethernet in IP, MPLS, PPPoE, LLC, UDP tunnels (`sensor.encapsulations`). Innermost addresses
count. The VLAN stack is that of the innermost Ethernet frame if it has tags, else of the ERSPAN header or frame around
it: the tags of the way there are no tags of the client, but better than none. Nesting is bounded. It does not put
fragments together (`sensor.fragments`): a fragment ends the way, and so does ICMP, as a packet quoted in an error
message was not sent again. What neighbours tell each other (ARP, and solicitations and advertisements of NDP) ends it
too, under a reason of its own.

Sources: RFC 791, RFC 8200 4 (extension headers), RFC 2675 (jumbograms), RFC 6946 (atomic fragments), RFC 2003 and 4213
(IP in IP), RFC 4302 2 (AH), RFC 3032 (MPLS), RFC 4023 (MPLS in IP), RFC 4385 and 4448 (Ethernet over MPLS), RFC 2516
(PPPoE), RFC 3378 (EtherIP), RFC 8300 2 (NSH).
"""

from __future__ import annotations

import numpy as np

from sensor.encapsulations import read_gre, read_udp
from sensor.links import by_version, looks_like_ethernet, read_llc, read_ppp
from sensor.load import inlined, kernel, load8, load16, load32
from sensor.wire import (
    AH,
    ARP,
    CISCO_METADATA,
    DESTINATION,
    ETHERNET,
    ETHERNET_IN_IP,
    ETHERTYPES,
    FRAGMENT,
    GRE,
    HOP_BY_HOP,
    ICMPV6,
    IP_IN_IP,
    IPV4,
    IPV6,
    IPV6_IN_IP,
    MOBILITY,
    MPLS,
    MPLS_IN_IP,
    MPLS_UPSTREAM,
    NEIGHBOUR_ADVERTISEMENT,
    NEIGHBOUR_SOLICITATION,
    NSH,
    PPPOE,
    QINQ,
    QINQ_OLD,
    ROUTING,
    SKIP_FRAGMENT,
    SKIP_MALFORMED,
    SKIP_NEIGHBOUR,
    SKIP_NOT_IP,
    SKIP_NOT_TCP_UDP,
    SKIP_TRUNCATED,
    TCP,
    TUNNEL_PORTS,
    UDP,
    VLAN,
)

MAX_HEADERS = 24  # of one frame, apart from extension headers and MPLS labels
MAX_EXTENSIONS = 12
MAX_OPTIONS = 8
MAX_LABELS = 16
MAX_TAGS = 4

_LOW = np.uint64(sum({1 << (port & 63) for port in TUNNEL_PORTS}))
_HIGH = np.uint64(sum({1 << (port >> 6 & 63) for port in TUNNEL_PORTS}))
_SIX_BITS = np.uint64(63)
_SIX = np.uint64(6)
_ONE = np.uint64(1)
_TAG_BITS = np.uint64(16)
_FULL = np.uint64(16 * (MAX_TAGS - 1))


@inlined
def _may_be(port):
    return (_LOW >> (port & _SIX_BITS)) & (_HIGH >> ((port >> _SIX) & _SIX_BITS)) & _ONE


@inlined
def tunnel_ports(ports):
    """Could these two ports (source << 16 | target) be those of a tunnel? Never wrong if it says 0, seldom if 1."""
    return _may_be(np.uint64(ports >> 16)) | _may_be(np.uint64(ports & 0xFFFF))


@inlined
def push_tag(vlan, tag):
    """The stack with one more tag, innermost lowest (sensor.slices.pack_vlan)."""
    return (vlan << _TAG_BITS) | np.uint64(0x1000 | (tag & 0xFFF))


@kernel
def _mpls(buf, p, end):
    """Behind a label stack: IP, or an Ethernet frame with or without a control word (which begins with zero bits)."""
    bottom = 0
    for _ in range(MAX_LABELS):
        bottom = load32(buf, p, end) & 0x100
        p += 4
        if bottom or p >= end:
            break
    if not bottom:
        return 0, p
    kind = by_version(buf, p, end)[0]
    framed = looks_like_ethernet(buf, p, end)
    size = load16(buf, p + 2, end) if kind == IPV4 else load16(buf, p + 4, end) + 40
    if kind and not (framed and p + size > end):
        return kind, p
    if framed:
        return ETHERNET, p
    if load8(buf, p, end) >> 4 == 0 and looks_like_ethernet(buf, p + 4, end):
        return ETHERNET, p + 4
    return 0, p


@kernel
def _nsh(buf, p, end):
    head = load32(buf, p, end)
    at = p + (head >> 16 & 0x3F) * 4
    following = head & 0xFF
    if head >> 30 != 0 or at < p + 8:
        return 0, p
    if following == 1:
        return IPV4, at
    if following == 2:
        return IPV6, at
    if following == 3:
        return ETHERNET, at
    return 0, p


@kernel
def _shim(buf, ethertype, p, end):
    """What lies between link and IP, VLAN tags and Ethernet headers apart: (Ethertype, offset of what follows)."""
    if ethertype in (MPLS, MPLS_UPSTREAM):
        return _mpls(buf, p, end)
    if ethertype == PPPOE:
        if load16(buf, p, end) == 0x1100:  # version, type and code of a session
            return read_ppp(buf, p + 6, end)
    elif ethertype < ETHERTYPES:
        return read_llc(buf, p, end)
    elif ethertype == NSH:
        return _nsh(buf, p, end)
    elif ethertype == CISCO_METADATA:
        return load16(buf, p + 6, end), p + 8
    return 0, p


@kernel
def _jumbo_length(buf, p, end):
    """The length in a hop-by-hop header's jumbo payload option; 0 if there is none."""
    stop = min(p + load8(buf, p + 1, end) * 8 + 8, end)
    p += 2
    for _ in range(MAX_OPTIONS):
        option = load8(buf, p, stop)
        if option == 0xC2 and load8(buf, p + 1, stop) == 4:
            return load32(buf, p + 2, stop)
        p += 1 if option == 0 else 2 + load8(buf, p + 1, stop)
    return 0


@kernel
def _ipv4(buf, p, end):
    """(SKIP reason, protocol, offset of the transport header, end of the packet on the wire)."""
    if p + 20 > end:
        return SKIP_TRUNCATED, 0, p, end
    first = load32(buf, p, end)
    size = (first >> 24 & 15) * 4
    length = first & 0xFFFF
    if length == 0:  # segmentation offload, or BIG TCP: the length was not filled in
        length = end - p
    if first >> 28 != 4 or size < 20 or length < size:
        return SKIP_MALFORMED, 0, p, end
    if load16(buf, p + 6, end) & 0x3FFF:
        return SKIP_FRAGMENT, 0, p, p + length
    protocol = load8(buf, p + 9, end)
    at = p + size
    if protocol == AH:
        protocol = load8(buf, at, end)
        at += load8(buf, at + 1, end) * 4 + 8
    return 0, protocol, at, p + length


@kernel
def _ipv6(buf, p, end):
    """The same for IPv6, behind its extension headers."""
    if p + 40 > end:
        return SKIP_TRUNCATED, 0, p, end
    if load8(buf, p, end) >> 4 != 6:
        return SKIP_MALFORMED, 0, p, end
    protocol = load8(buf, p + 6, end)
    length = load16(buf, p + 4, end)
    at = p + 40
    if length == 0:
        if protocol == HOP_BY_HOP:
            length = _jumbo_length(buf, at, end)
        if length == 0:  # segmentation offload
            length = end - at
    whole = at + length
    for _ in range(MAX_EXTENSIONS):
        if protocol in (HOP_BY_HOP, ROUTING, DESTINATION, MOBILITY):
            protocol = load8(buf, at, end)
            at += load8(buf, at + 1, end) * 8 + 8
        elif protocol == AH:
            protocol = load8(buf, at, end)
            at += load8(buf, at + 1, end) * 4 + 8
        elif protocol == FRAGMENT:
            if load16(buf, at + 2, end) & 0xFFF9:
                return SKIP_FRAGMENT, 0, p, whole
            protocol = load8(buf, at, end)
            at += 8
        else:
            break
        if at > end:
            return SKIP_TRUNCATED, 0, p, whole
    return 0, protocol, at, whole


@kernel
def _carried(buf, protocol, p, end, whole):
    """What a packet of this IP protocol carries: (Ethertype, offset, VLAN id that it tells); Ethertype 0 = nothing."""
    if protocol == UDP:
        ethertype, at = read_udp(buf, p, end, whole)
        return ethertype, at, 0
    if protocol == IP_IN_IP:
        return IPV4, p, 0
    if protocol == IPV6_IN_IP:
        return IPV6, p, 0
    if protocol == GRE:
        return read_gre(buf, p, end)
    if protocol == MPLS_IN_IP:
        return MPLS, p, 0
    if protocol == ETHERNET_IN_IP and load16(buf, p, end) == 0x3000:
        return ETHERNET, p + 2, 0
    return 0, p, 0


@kernel
def unwrap(buf, ethertype, p, end, vlan):
    """Follow the headers from `p` on, where one of type `ethertype` begins, to the innermost packet.

    Returns (SKIP reason, offset of its IP header, transport protocol, offset of the transport header, end of the packet
    on the wire, end of its captured bytes, VLAN stack). For a fragment, ARP and NDP, offset and end are those of the IP
    or ARP packet.
    """
    outer = np.uint64(0)  # the stack of the frame or mirror header around
    for _ in range(MAX_HEADERS):
        if ethertype in (IPV4, IPV6):
            network = p
            if ethertype == IPV4:
                skip, protocol, p, whole = _ipv4(buf, p, end)
            else:
                skip, protocol, p, whole = _ipv6(buf, p, end)
            end = min(end, whole)
            ethertype, tag = 0, 0
            if not skip and protocol != TCP:
                ethertype, inner, tag = _carried(buf, protocol, p, end, whole)
                if not ethertype and protocol != UDP:
                    skip = SKIP_NOT_TCP_UDP
                    if protocol == ICMPV6 and load8(buf, p, end) in (NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT):
                        skip = SKIP_NEIGHBOUR
            if skip or not ethertype:
                return skip, network, protocol, p, whole, end, vlan if vlan else outer
            p = inner
            if tag:
                vlan = push_tag(np.uint64(0), tag)
        elif ethertype in (VLAN, QINQ, QINQ_OLD):
            if p + 4 > end:
                return SKIP_TRUNCATED, p, 0, p, end, end, vlan
            if vlan >> _FULL:
                return SKIP_MALFORMED, p, 0, p, end, end, vlan
            vlan = push_tag(vlan, load16(buf, p, end))
            ethertype = load16(buf, p + 2, end)
            p += 4
        elif ethertype == ETHERNET:
            if p + 14 > end:
                return SKIP_TRUNCATED, p, 0, p, end, end, vlan
            outer = vlan if vlan else outer
            vlan = np.uint64(0)
            ethertype = load16(buf, p + 12, end)
            p += 14
        else:
            if ethertype == ARP:
                return SKIP_NEIGHBOUR, p, 0, p, end, end, vlan if vlan else outer
            ethertype, p = _shim(buf, ethertype, p, end)
            if ethertype == 0:
                return SKIP_NOT_IP, p, 0, p, end, end, vlan
    return SKIP_MALFORMED, p, 0, p, end, end, vlan
