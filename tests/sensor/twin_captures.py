"""Captures for the differential tests, put together by hand: one of everything that the kernel treats differently."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

from scapy.layers.inet import IP, TCP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop
from scapy.layers.l2 import CookedLinux, Dot1AD, Dot1Q
from scapy.layers.l2 import Ether as AnyEther

from pcaps.hellos import hellos
from tests.sensor.building import (
    SERVER,
    Packet,
    Talk,
    client_hello,
    crypto_frame,
    datagram,
    dns_answer,
    initial_packet,
    ns,
    pcap,
    pcapng_block,
    pcapng_interface,
    pcapng_packet,
    pcapng_section,
    quic_datagrams,
)
from tests.sensor.lending import PC, ack, advertisement, lent6, on_wire, reply, request, solicitation
from tests.sensor.wiki_traffic import cut, joined, packets_of, repeated, shuffled, visit
from tests.sensor.wrappings import LINKS, OVER_IP, OVER_LINK, TEREDO, Wrap

HELLO = client_hello("www.facebook.com")
LONG = client_hello("www.instagram.com", alpn=25)
ETHER = AnyEther(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def conversation() -> list[Packet]:
    """Minutes, bursts, a reused port, FIN and RST."""
    talk = Talk().open(0.5).up(0.6, HELLO)
    for i in range(30):
        talk.up(1 + i * 7, b"u" * (50 * (i % 9))).down(1.5 + i * 7, b"d" * 200)
    again = Talk(isn=5_000_000).open(300).up(300.1, client_hello("www.reddit.com")).down(301, b"", "RA")
    late = Talk().up(700, b"\x17\x03\x03\0\5hello")
    return [*talk.close(250).packets, *again.packets, *late.packets]


def pieces() -> list[Packet]:
    """A hello in five segments, backwards; HTTP; a tunnel."""
    talk = Talk().open(0)
    for i, at in enumerate(range(1200, -1, -300)):
        talk.segment(1 + i / 10, at, LONG[at : at + 300])
    request = (
        Talk(client_port=50001, server_port=80).open(2).up(2.1, b"GET / HTTP/1.1\r\nHost: www.twitter.com\r\n\r\n")
    )
    proxy = (
        Talk(client_port=50002, server_port=3128)
        .open(3)
        .up(3.1, b"CONNECT x.com:443 HTTP/1.1\r\nHost: x.com:443\r\n\r\n")
    )
    return [*talk.packets, *request.packets, *proxy.down(3.2, b"HTTP/1.1 200 OK\r\n\r\n").up(3.3, HELLO).packets]


def gathered() -> list[Packet]:
    """Hellos of real stacks in segments in order, with a gap, a retransmission and padded ACKs; DTLS in fragments."""
    packets: list[Packet] = []
    for n, hello in enumerate(hellos()):
        talk, step = Talk(client_port=50100 + n).open(n), 100 + 90 * n
        for i, at in enumerate(range(0, len(hello.stream), step)):
            talk.segment(n + i / 10, at, hello.stream[at : at + step + n % 3])
            if n % 5 == 1:
                talk.segment(n + i / 10, at + step, bytes(2), "A").segment(n + i / 10, 0, b"x" * step)
        packets += talk.packets if n % 4 else talk.packets[:4] + talk.packets[:3:-1]
    for n, hello in enumerate(hellos("udp")):
        packets += [datagram(50 + n, part, port=50200 + n) for part in hello.parts]
    return packets


def datagrams() -> list[Packet]:
    """QUIC in several datagrams, versions 1, 2 and a draft; DNS and a flow that it names."""
    out = [datagram(i / 10, d, port=50001) for i, d in enumerate(quic_datagrams("www.tiktok.com", alpn=40)[::-1])]
    out += [datagram(1, d, port=50002) for d in quic_datagrams("www.tiktok.com", version=0x6B3343CF)]
    out += [datagram(2, initial_packet(crypto_frame(0, HELLO[5:]), version=0xFF000022), port=50003)]
    out += [dns_answer(3, "www.snapchat.com", [SERVER, "2001:db8::7"], ttl=30)]
    return out + Talk(client_port=50004, server_port=5222).open(4).up(4.1, b"hello, world").packets


def shapes() -> list[Packet]:
    """Tags, tunnels and extension headers."""
    tcp = TCP(sport=50000, dport=443, flags="PA") / HELLO
    four, six = IP(src="10.20.0.5", dst="203.0.113.7") / tcp, IPv6(src="fd00::5", dst="2001:db8::7") / tcp
    frames = [
        ETHER / Dot1AD(vlan=5) / Dot1Q(vlan=6) / four,
        ETHER / IP(src="192.0.2.1", dst="192.0.2.2") / six,
        ETHER / IPv6(src="fe80::1", dst="fe80::2") / IPv6ExtHdrHopByHop() / four,
        ETHER / IPv6(src="fd00::5", dst="2001:db8::7") / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / tcp,
        ETHER / IP(src="10.20.0.5", dst="203.0.113.7", flags="MF") / tcp,
        ETHER / IP(src="10.20.0.5", dst="203.0.113.7", frag=9, proto=6) / HELLO,
    ]
    return [Packet(ns(i), bytes(f)) for i, f in enumerate(frames)]


def tunnels() -> list[Packet]:
    """Every wrapping, plain and in another one, and cut at some places."""
    four, six = IP(src="10.20.0.5", dst="203.0.113.7"), IPv6(src="fd00::5", dst="2001:db8::7")
    tcp = TCP(sport=50000, dport=443, flags="PA") / HELLO
    frames = [bytes(wrap(four / tcp)) for wrap in OVER_LINK.values()]
    frames += [bytes(ETHER / wrap(packet / tcp)) for wrap in OVER_IP.values() for packet in (four, six)]
    frames += [bytes(ETHER / TEREDO[name](OVER_IP["GRE in IPv6"](six / tcp))) for name in TEREDO]
    frames += [frame[:size] for frame in frames for size in (30, 60, 90, 120)]
    return [Packet(ns(i), frame) for i, frame in enumerate(frames)]


def fragments() -> list[Packet]:
    """Hellos in fragments: in order, backwards, overlapping, twice, in a tunnel, without the last one."""
    out: list[bytes] = []
    for number in range(6):
        packet = IP(src="10.20.0.5", dst="203.0.113.7", id=number) / TCP(sport=50000 + number, dport=443) / HELLO
        pieces = [OVER_IP["VXLAN"](piece) if number == 4 else piece for piece in fragment(packet, 200)]
        order = [pieces, pieces[::-1], [*pieces, *pieces], pieces[:1] + pieces, pieces[1:] + pieces[:1], pieces[:-1]]
        out += [bytes(ETHER / piece) for piece in order[number]]
    return [Packet(ns(i / 100), frame) for i, frame in enumerate(out)]


def neighbours() -> list[Packet]:
    """ARP, NDP and DHCP, whole, cut, on VLANs, in a tunnel, again and again; and a flow."""
    layers = [request(), request(mac=PC), reply(), solicitation(), solicitation("::", None), advertisement()]
    layers += [ack(), ack(to=("10.20.0.254", 67)), lent6(), lent6(relays=2)]
    out = [on_wire(n / 4, layer, vlans=(5, 10)[: n % 3]) for n, layer in enumerate(layers * 2)]
    out += [Packet(p.time, p.frame[:size]) for p in out[:20] for size in (20, 41, 60, 90)]
    out += [on_wire(9, OVER_IP["VXLAN"](layer)) for layer in layers[6:]]
    return [*out, *Talk().open(10).up(10.1, HELLO).packets]


def seen_twice() -> list[Packet]:
    """A mirror on both sides of a router, and one that shows a port's packets as they come and go."""
    out = []
    for i, p in enumerate(conversation()):
        packet = IP(p.frame[14:])
        del packet.chksum, packet[TCP].chksum
        frame, packet.ttl = bytes(ETHER / packet), packet.ttl - i % 2
        del packet.chksum
        out += [Packet(p.time, frame), Packet(p.time + 300_000 * (i % 5), bytes(ETHER / packet))]
    return out


def pcapng(order: str, packets: int = 20) -> bytes:
    out = pcapng_section(order) + pcapng_interface(order, resolution=9) + pcapng_interface(order, resolution=0x80 | 20)
    for i, p in enumerate(conversation()[:packets]):
        out += pcapng_packet(p.frame, p.time if i % 2 == 0 else (p.time << 20) // 10**9, order, interface=i % 2)
    return out + pcapng_block(3, b"\0\0\0\x40" + bytes(64), order)


def crowd() -> list[Packet]:
    """More packets than a batch and more flows than the table begins with, over some minutes."""
    packets = []
    for n in range(180):
        talk = Talk(client_port=20_000 + n % 150, isn=n).open(n).up(n + 0.1, HELLO[: 517 if n % 5 else 90])
        packets += talk.up(n + 75, b"x" * 300).packets
    return sorted(packets, key=lambda p: p.time)


def times_that_no_clock_has() -> bytes:
    """pcapng ticks and offsets beyond what 64 bits of nanoseconds hold."""
    out, frame = b"", conversation()[0].frame
    for ticks in (0, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1):
        for resolution in (0, 6, 9, 18, 0x80, 0x80 | 20, 0x80 | 63):
            for offset in (0, -3600, 2**62, -(2**63)):
                out += pcapng_section() + pcapng_interface(resolution=resolution, offset=offset)
                out += pcapng_packet(frame, ticks)
    return out


def raw(header: bytes, link: int) -> Callable[[], bytes]:
    """The pieces behind another link header."""
    return lambda: pcap([Packet(p.time, header + p.frame[14:]) for p in pieces()], link=link)


def wiki() -> list[Packet]:
    """An upload to a wiki, out of order, in part twice, some of it merged; and one of which something is missing."""
    chance, said = random.Random(7), [s for s in visit() if s.time < 7 and (s.up or len(s.data) < 1400)]
    mixed = packets_of(shuffled(repeated(said, chance), chance))
    other = packets_of(joined(cut([s for s in said if s.up], 900)), port=50001)
    lost = packets_of([s for n, s in enumerate(said) if n % 9 != 5], port=50002)
    return sorted([*mixed, *other, *lost], key=lambda packet: packet.time)


def on(link: int, wrap: Wrap) -> Callable[[], bytes]:
    """The pieces on another link."""
    return lambda: pcap([Packet(p.time, bytes(wrap(IP(p.frame[14:])))) for p in pieces()], link=link)


CAPTURES: dict[str, Callable[[], bytes]] = {
    "conversation": lambda: pcap(conversation()),
    "conversation, big-endian, microseconds": lambda: pcap(conversation(), order=">", nano=False),
    "conversation, cut frames": lambda: pcap(conversation(), snap=80),
    "pieces": lambda: pcap(pieces()),
    "gathered": lambda: pcap(gathered()),
    "datagrams": lambda: pcap(datagrams()),
    "crowd": lambda: pcap(crowd()),
    "shapes": lambda: pcap(shapes()),
    "wiki": lambda: pcap(wiki()),
    "tunnels": lambda: pcap(tunnels()),
    "fragments": lambda: pcap(fragments()),
    "neighbours": lambda: pcap(neighbours()),
    "seen twice": lambda: pcap(seen_twice()),
    **{f"link, {name}": on(*link) for name, link in LINKS.items()},
    "raw": raw(b"", 101),
    "cooked": raw(bytes(CookedLinux()), 113),
    "null": raw(b"\2\0\0\0", 0),
    "ppp": raw(b"\xff\x03\0\x21", 9),
    "pcapng": lambda: pcapng("<"),
    "pcapng, big-endian": lambda: pcapng(">"),
    "times that no clock has": times_that_no_clock_has,
    "packed": lambda: gzip.compress(pcap(datagrams())),
}
