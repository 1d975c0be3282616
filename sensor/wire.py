"""Numbers that standards give to what lies on a wire, and why a frame gives no row. There is no code here.

Sources: tcpdump.org/linktypes.html; IANA registries "IEEE 802 Numbers" (Ethertypes), "Protocol Numbers" and "Service
Names and Port Numbers"; IEEE 802.1Q, 802.1ad.
"""

from __future__ import annotations

# Link types of capture files.
LINK_NULL, LINK_ETHERNET, LINK_PPP, LINK_PPP_HDLC, LINK_PPP_ETHERNET, LINK_RAW = 0, 1, 9, 50, 51, 101
LINK_CISCO_HDLC, LINK_80211, LINK_LOOP, LINK_SLL, LINK_RADIOTAP, LINK_ARCNET = 104, 105, 108, 113, 127, 129
LINK_PPI, LINK_IPV4, LINK_IPV6, LINK_NFLOG, LINK_PKTAP, LINK_SLL2 = 192, 228, 229, 239, 258, 276
RAW_BSD, RAW_OPENBSD = 12, 14  # what BSDs wrote for raw IP

# Ethertypes; a smaller number than ETHERTYPES is a length (IEEE 802.3), and an LLC header follows.
ETHERTYPES = 0x600
IPV4, ARP, IPV6, VLAN, QINQ, QINQ_OLD = 0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8, 0x9100
MPLS, MPLS_UPSTREAM, PPPOE, CISCO_METADATA, NSH = 0x8847, 0x8848, 0x8864, 0x8909, 0x894F
ETHERNET = 0x6558  # transparent Ethernet bridging: a whole Ethernet frame follows
ERSPAN, ERSPAN_3, WCCP, PPP_IN_GRE, PPP_3GPP2 = 0x88BE, 0x22EB, 0x883E, 0x880B, 0x8881

# IP protocols.
IP_IN_IP, TCP, UDP, IPV6_IN_IP, ROUTING, FRAGMENT, GRE, AH = 4, 6, 17, 41, 43, 44, 47, 51
HOP_BY_HOP, DESTINATION, ETHERNET_IN_IP, MOBILITY, MPLS_IN_IP = 0, 60, 97, 135, 137

# UDP ports of tunnels.
VXLAN_PORT, VXLAN_LINUX_PORT, VXLAN_GPE_PORT, GENEVE_PORT, GTP_PORT = 4789, 8472, 4790, 6081, 2152
TEREDO_PORT, CAPWAP_PORT, TZSP_PORT, MPLS_PORT, L2TP_PORT = 3544, 5247, 37008, 6635, 1701
TUNNEL_PORTS = (
    VXLAN_PORT, VXLAN_LINUX_PORT, VXLAN_GPE_PORT, GENEVE_PORT, GTP_PORT,
    TEREDO_PORT, CAPWAP_PORT, TZSP_PORT, MPLS_PORT, L2TP_PORT,
)  # fmt: skip

# ICMPv6, and of its types those by which neighbours find each other (RFC 4861 4.3, 4.4).
ICMPV6, NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT = 58, 135, 136

# Why a frame gives no row. The first five are no loss: traffic of other kinds, pieces that are put together elsewhere,
# packets seen a second time, ARP and NDP. The others could not be read.
SKIP_NOT_IP, SKIP_NOT_TCP_UDP, SKIP_FRAGMENT, SKIP_DUPLICATE, SKIP_NEIGHBOUR = 1, 2, 3, 4, 5
SKIP_TRUNCATED, SKIP_MALFORMED, SKIP_LINK_TYPE = 6, 7, 8
SKIP_NAMES = (
    "",
    "not IP",
    "neither TCP nor UDP",
    "IP fragment",
    "duplicate",
    "ARP or NDP",
    "cut short",
    "malformed",
    "unknown link type",
)
