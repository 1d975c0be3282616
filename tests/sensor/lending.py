"""ARP, NDP and DHCP as scapy writes them, for tests of who is seen to have which address."""

from __future__ import annotations

from collections.abc import Sequence

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_LL,
    DUID_LLT,
    DUID_UUID,
    DHCP6_RelayReply,
    DHCP6_Reply,
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptRelayMsg,
    DHCP6OptServerId,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet as Layer

from tests.sensor.building import Packet, ns

LAPTOP, PC, ROUTER = "00:16:3e:00:00:02", "00:16:3e:00:00:01", "00:16:3e:00:00:fe"
FOUR, OTHER, SIX, LINK = "10.20.0.1", "10.20.0.2", "2001:db8:20:10:5c1e:77aa:1:2", "fe80::216:3eff:fe00:2"
GATEWAY, GATEWAY6, NOBODY = "10.20.7.254", "2001:db8:20:10::1", "00:00:00:00:00:00"


def on_wire(time: float, packet: Layer, source: str = LAPTOP, vlans: Sequence[int] = ()) -> Packet:
    """A frame; outermost VLAN first."""
    frame: Layer = Ether(src=source, dst="ff:ff:ff:ff:ff:ff")
    for vlan in vlans:
        frame = frame / Dot1Q(vlan=vlan)
    return Packet(ns(time), bytes(frame / packet))


def request(address: str = FOUR, mac: str = LAPTOP, target: str = GATEWAY) -> Layer:
    return ARP(op=1, hwsrc=mac, psrc=address, hwdst=NOBODY, pdst=target)


def reply(address: str = FOUR, mac: str = LAPTOP) -> Layer:
    return ARP(op=2, hwsrc=mac, psrc=address, hwdst=ROUTER, pdst=GATEWAY)


def solicitation(source: str = SIX, mac: str | None = LAPTOP, target: str = GATEWAY6, hops: int = 255) -> Layer:
    packet = IPv6(src=source, dst="ff02::1:ff00:1", hlim=hops) / ICMPv6ND_NS(tgt=target)
    return packet / ICMPv6NDOptSrcLLAddr(lladdr=mac) if mac else packet


def advertisement(target: str = SIX, mac: str | None = LAPTOP, override: int = 1, hops: int = 255) -> Layer:
    packet = IPv6(src=LINK, dst="ff02::1", hlim=hops) / ICMPv6ND_NA(tgt=target, R=0, S=0, O=override)
    return packet / ICMPv6NDOptDstLLAddr(lladdr=mac) if mac else packet


def octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ack(
    address: str = FOUR,
    mac: str = LAPTOP,
    *,
    kind: str = "ack",
    lease: int | None = 28_800,
    to: tuple[str, int] = ("255.255.255.255", 68),
) -> Layer:
    """A DHCPv4 server's message; to a relay it goes to port 67."""
    times = [] if lease is None else [("lease_time", lease)]
    options = [("message-type", kind), ("server_id", GATEWAY), *times, ("hostname", b"canary-host"), "end"]
    head = IP(src=GATEWAY, dst=to[0]) / UDP(sport=67, dport=to[1])
    return (
        head / BOOTP(op=2, yiaddr=address, chaddr=octets(mac) + bytes(10), giaddr="10.20.0.254") / DHCP(options=options)
    )


def lent6(address: str = SIX, duid: Layer | None = None, valid: int = 7200, relays: int = 0) -> Layer:
    """A DHCPv6 Reply, in so many relays' messages."""
    message: Layer = (
        DHCP6_Reply(trid=7)
        / DHCP6OptServerId(duid=DUID_LL(lladdr=ROUTER))
        / DHCP6OptClientId(duid=duid or DUID_LLT(lladdr=LAPTOP, timeval=1))
        / DHCP6OptIA_NA(iaid=1, ianaopts=[DHCP6OptIAAddress(addr=address, preflft=valid // 2, validlft=valid)])
    )
    for _ in range(relays):
        message = DHCP6_RelayReply(linkaddr=GATEWAY6, peeraddr=LINK) / DHCP6OptRelayMsg(message=message)
    return IPv6(src=GATEWAY6, dst=LINK) / UDP(sport=547, dport=547 if relays else 546) / message


def by_uuid() -> Layer:
    return DUID_UUID(uuid="11111111-2222-3333-4444-555555555555")
