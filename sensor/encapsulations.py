"""What a GRE header or a UDP datagram carries, if it is a tunnel: ERSPAN, VXLAN, Geneve, GTP-U, Teredo, CAPWAP and kin.

Functions take the offset of their header and answer (Ethertype, offset of what follows, VLAN tag); Ethertype 0 = no
tunnel. Anybody may send anything to the port of a tunnel, so a datagram is one only if every field of the tunnel's
header that has a fixed value has it, and what follows begins as it must. A frame that was cut before that is believed.
They do not know which addresses the packet came from, and keep nothing: a fragmented CAPWAP or L2TP frame stays what
it is outside.

Sources: RFC 2784, 2890, 2637 (GRE), draft-foschiano-erspan-03, RFC 7348 5 and draft-ietf-nvo3-vxlan-gpe-13 3 (VXLAN),
draft-smith-vxlan-group-policy-05, RFC 8926 3.4 (Geneve), 3GPP TS 29.281 5.1 (GTP-U), RFC 4380 5.1.1 (Teredo),
RFC 5415 4.3 (CAPWAP), RFC 7510 (MPLS in UDP), RFC 2661 3.1 (L2TP), draft-mclaggan-wccp-v2rev1-00 4.12 (WCCP), TZSP as
MikroTik sends it.
"""

from __future__ import annotations

from sensor.links import by_version, looks_like_ethernet, read_80211, read_ppp
from sensor.load import kernel, load8, load16, load32
from sensor.wire import (
    CAPWAP_PORT,
    ERSPAN,
    ERSPAN_3,
    ETHERNET,
    GENEVE_PORT,
    GTP_PORT,
    IPV4,
    IPV6,
    L2TP_PORT,
    MPLS,
    MPLS_PORT,
    NSH,
    PPP_3GPP2,
    PPP_IN_GRE,
    TEREDO_PORT,
    TZSP_PORT,
    VXLAN_GPE_PORT,
    VXLAN_LINUX_PORT,
    VXLAN_PORT,
    WCCP,
)

MAX_EXTENSIONS = 8
MAX_FIELDS = 32


@kernel
def _checked(buf, ethertype, p, end, whole):
    """`ethertype` if what begins at `p` can be that, else 0. `whole`: where the datagram ends on the wire."""
    if p + (15 if ethertype == ETHERNET else 1) > end:
        return ethertype if end < whole else 0
    if ethertype in (IPV4, IPV6):
        return ethertype if by_version(buf, p, end)[0] == ethertype else 0
    if ethertype == ETHERNET:
        return ethertype if looks_like_ethernet(buf, p, end) else 0
    return ethertype


@kernel
def _erspan(buf, p, end, numbered):
    """ERSPAN I has no header of its own; II (numbered) has 8 bytes."""
    if numbered or (load8(buf, p, end) >> 4 == 1 and not looks_like_ethernet(buf, p, end)):
        return ETHERNET, p + 8, load16(buf, p, end) & 0xFFF
    return ETHERNET, p, 0


@kernel
def _erspan_3(buf, p, end):
    """12 bytes, and 8 more if the O bit says so; frame types other than Ethernet and IP are not for us."""
    last = load16(buf, p + 10, end)
    kind = last >> 10 & 31
    vlan = load16(buf, p, end) & 0xFFF
    p += 20 if last & 1 else 12
    if kind == 0:
        return ETHERNET, p, vlan
    if kind == 2:
        return by_version(buf, p, end)[0], p, vlan
    return 0, p, 0


@kernel
def read_gre(buf, p, end):
    """A GRE header, with checksum, key and sequence number as its flags say; version 1 (PPTP) carries PPP."""
    flags = load16(buf, p, end)
    kind = load16(buf, p + 2, end)
    p += 4
    if flags & 0x4000 or p > end:  # routing (RFC 1701) is deprecated
        return 0, p, 0
    if flags & 0x8000:
        p += 4
    if flags & 0x2000:
        p += 4
    if flags & 0x1000:
        p += 4
    version = flags & 7
    if version == 1 and kind == PPP_IN_GRE:
        if flags & 0x0080:
            p += 4
        if not flags & 0x1000:  # an acknowledgement alone
            return 0, p, 0
        kind, p = read_ppp(buf, p, end)
        return kind, p, 0
    if version != 0:
        return 0, p, 0
    if kind == ERSPAN:
        return _erspan(buf, p, end, flags & 0x1000 != 0)
    if kind == ERSPAN_3:
        return _erspan_3(buf, p, end)
    if kind == WCCP:
        if load8(buf, p, end) >> 4 != 4:  # version 2 has a header of four bytes
            p += 4
        return IPV4, p, 0
    if kind == PPP_3GPP2:
        kind, p = read_ppp(buf, p, end)
    return kind, p, 0


@kernel
def _vxlan_gpe(buf, p, end, whole):
    flags = load32(buf, p, end)
    kind = flags & 0xFF
    if flags >> 24 & 0xFC != 0x0C or flags & 0x00FFFF00 or load8(buf, p + 7, end) != 0:
        return 0, p
    if kind == 1:
        kind = IPV4
    elif kind == 2:
        kind = IPV6
    elif kind == 3:
        kind = ETHERNET
    elif kind == 4:
        kind = NSH
    else:
        return 0, p
    return _checked(buf, kind, p + 8, end, whole), p + 8


@kernel
def _vxlan(buf, p, end, whole):
    flags = load32(buf, p, end)
    if flags >> 24 == 0x0C:
        return _vxlan_gpe(buf, p, end, whole)  # drafts had it on the same port
    grouped = flags & 0xFFB70000 == 0x88000000  # group policy: flags G, I and in the second byte D, A; then a group
    if (flags != 0x08000000 and not grouped) or load8(buf, p + 7, end) != 0:
        return 0, p
    return _checked(buf, ETHERNET, p + 8, end, whole), p + 8


@kernel
def _geneve(buf, p, end, whole):
    head = load32(buf, p, end)
    kind = head & 0xFFFF
    at = p + 8 + (head >> 24 & 0x3F) * 4
    known = kind in (ETHERNET, IPV4, IPV6)
    if not known or head >> 30 != 0 or head >> 16 & 0x3F or load8(buf, p + 7, end) != 0 or at > whole:
        return 0, p
    return _checked(buf, kind, at, end, whole), at


@kernel
def _gtp(buf, p, end, whole):
    """A GTPv1-U T-PDU; its optional fields are there all together, then extension headers."""
    head = load32(buf, p, end)
    if head >> 28 != 3 or head >> 24 & 8 or head >> 16 & 0xFF != 0xFF or p + 8 + (head & 0xFFFF) > whole:
        return 0, p
    at = p + 8
    if head >> 24 & 7:
        following = load8(buf, p + 11, end) if head >> 24 & 4 else 0
        at += 4
        for _ in range(MAX_EXTENSIONS):
            size = load8(buf, at, end) * 4
            if following == 0 or size == 0:
                break
            at += size
            following = load8(buf, at - 1, end)
        if following:
            return 0, p
    kind = by_version(buf, at, end)[0]
    if at >= end and end < whole:
        kind = IPV4  # cut short, whatever it was
    return kind, at


@kernel
def _teredo(buf, p, end, whole):
    """IPv6 behind an authentication and an origin indication, if there are any."""
    if load16(buf, p, end) == 1:
        p += 13 + load8(buf, p + 2, end) + load8(buf, p + 3, end)
    if load16(buf, p, end) == 0 and p + 8 < end:
        p += 8
    if (p + 40 > end and end == whole) or p + 40 + load16(buf, p + 4, end) > whole:
        return 0, p
    return _checked(buf, IPV6, p, end, whole), p


@kernel
def _capwap(buf, p, end, whole):
    """A data frame that is neither encrypted nor a fragment: 802.3, or 802.11 as the radio had it."""
    head = load32(buf, p, end)
    at = p + (head >> 19 & 31) * 4
    if head >> 24 != 0 or head & 0x87 or at < p + 8 or at > whole:
        return 0, p
    if head & 0x100:
        if head >> 9 & 31 != 1:
            return 0, p
        kind, inner = read_80211(buf, at, end)
        return _checked(buf, kind, inner, end, whole), inner
    return _checked(buf, ETHERNET, at, end, whole), at


@kernel
def _tzsp(buf, p, end, whole):
    """The stream of a MikroTik sniffer: tagged fields, then the frame."""
    head = load32(buf, p, end)
    kind = head & 0xFFFF
    if head >> 16 != 0x0100 or (kind != 1 and kind != 18):
        return 0, p
    p += 4
    for _ in range(MAX_FIELDS):
        tag = load8(buf, p, end)
        if tag == 1 and p < end:
            if kind == 1:
                return _checked(buf, ETHERNET, p + 1, end, whole), p + 1
            kind, p = read_80211(buf, p + 1, end)
            return kind, p
        p += 1 if tag == 0 else 2 + load8(buf, p + 1, end)
    return 0, p


@kernel
def _l2tp(buf, p, end, whole):
    """A data message of L2TP version 2."""
    flags = load16(buf, p, end)
    if flags & 0xB4FF != 2:
        return 0, p
    at = p + 6
    if flags & 0x4000:
        if p + load16(buf, p + 2, end) != whole:
            return 0, p
        at += 2
    if flags & 0x0800:
        at += 4
    if flags & 0x0200:
        at += 2 + load16(buf, at, end)
    kind, at = read_ppp(buf, at, end)
    return _checked(buf, kind, at, end, whole), at


@kernel
def read_udp(buf, p, end, whole):
    """The datagram whose UDP header begins at `p`: what it carries if it is a tunnel, else Ethertype 0."""
    source = load16(buf, p, end)
    target = load16(buf, p + 2, end)
    size = load16(buf, p + 4, end)
    if size >= 8 and p + size < whole:
        whole = p + size
    end = min(end, whole)
    p += 8
    if target in (VXLAN_PORT, VXLAN_LINUX_PORT):
        return _vxlan(buf, p, end, whole)
    if target == GENEVE_PORT:
        return _geneve(buf, p, end, whole)
    if target == GTP_PORT:
        return _gtp(buf, p, end, whole)
    if source == TEREDO_PORT or target == TEREDO_PORT:
        return _teredo(buf, p, end, whole)
    if source == CAPWAP_PORT or target == CAPWAP_PORT:
        return _capwap(buf, p, end, whole)
    if target == VXLAN_GPE_PORT:
        return _vxlan_gpe(buf, p, end, whole)
    if target == TZSP_PORT:
        return _tzsp(buf, p, end, whole)
    if source == L2TP_PORT or target == L2TP_PORT:
        return _l2tp(buf, p, end, whole)
    if target == MPLS_PORT and p + 4 < whole:
        return MPLS, p
    return 0, p
