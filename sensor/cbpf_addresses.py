"""Writes, for classic BPF, the search for the addresses that count in a packet: those that `sensor.frames` would find.

Theory of operation. The search goes behind VLAN tags (the outer one is not in the frame, the kernel has taken it out),
PPPoE and MPLS, and into up to two tunnels of the kinds that mirrors use: GRE, ERSPAN I, II and III, VXLAN, Geneve,
TZSP, IP in IP. `sensor.tunnels` knows more (GTP-U, Teredo, CAPWAP, L2TP, NSH, MPLS in UDP, Ethernet in IP): those count
by the addresses outside, so that all clients behind one such tunnel meet one worker, and an exempt one inside it is not
recognised. What is no IP, ARP among it, has no address here. There are no loops in this machine, so each level is
written out once more. Every load is checked against the packet's length first, as one outside would end the program. It
does not know what is done with the addresses.

Sources: RFC 2784, 2890 (GRE), draft-foschiano-erspan-03, RFC 7348 4.1, 5 (VXLAN), RFC 8926 3.4 (Geneve), RFC 2516 4
(PPPoE), RFC 3032 2.1 (MPLS), RFC 8200 4; Linux Documentation/networking/filter.rst.
"""

from __future__ import annotations

from collections.abc import Callable

from sensor.cbpf import ADD, AND, JEQ, JGT, JSET, LSH, PROTOCOL, RSH, Assembler, B, H, W

LEVELS = 3  # IP headers looked at: two tunnels, and what is in them
TAGS = 3  # VLAN tags in a frame, beside the one that the kernel takes out
LABELS = 4  # MPLS
EXTENSIONS = 2  # IPv6 extension headers before a tunnel or ports

# Memory cells. Addresses take one word (IPv4) or four (IPv6). FLAG is free after the search.
OFFSET, _TYPE, FAMILY, _PROTOCOL, SOURCE, TARGET, SOURCE_PORT, TARGET_PORT, FLAG, CELLS = (
    0,
    1,
    2,
    3,
    4,
    8,
    12,
    13,
    14,
    15,
)
FOUND, NOTHING = "found", "nothing"  # labels at which the search ends; at FOUND the cells are filled

_IPV4, _IPV6, _BRIDGED, _VLAN_TYPES = 0x0800, 0x86DD, 0x6558, (0x8100, 0x88A8, 0x9100)
_PPPOE, _MPLS, _ERSPAN, _ERSPAN_3 = 0x8864, 0x8847, 0x88BE, 0x22EB
_VXLAN_PORTS, _GENEVE_PORT, _TZSP_PORT = (4789, 8472), 6081, 37008


class AddressWalk:
    """Writes the search; `on_addresses` (given 4 or 6) writes what is to be done with the addresses of each level."""

    def __init__(self, a: Assembler, on_addresses: Callable[[int], None], *, ports: bool = True) -> None:
        self._a, self._on_addresses, self._ports = a, on_addresses, ports

    def write(self) -> None:
        """M[OFFSET] is the offset of the network header."""
        self._a.ancillary(PROTOCOL)
        self._a.keep(_TYPE)
        for level in range(LEVELS):
            self._level(level)

    def _level(self, level: int) -> None:
        a, last = self._a, level == LEVELS - 1
        nothing = NOTHING if level == 0 else FOUND  # a tunnel with something else inside: its own addresses
        if level:
            a.jump(FOUND)
            a.label(f"ethernet {level}")
            self._need(14, nothing)
            a.load(H, 12)
            a.keep(_TYPE)
            self._skip(14)
        a.label(f"type {level}")
        self._tags(nothing)
        a.recall(_TYPE)
        a.jump_if(JEQ, _IPV4, f"ip4 {level}")
        a.jump_if(JEQ, _IPV6, f"ip6 {level}")
        a.jump_if(JEQ, _PPPOE, f"pppoe {level}")
        a.jump_if(JEQ, _MPLS, f"mpls {level}")
        a.jump(nothing)
        self._pppoe(level, nothing)
        self._mpls(level, nothing)
        self._ip6(level, nothing)
        self._ip4(level, nothing)
        a.label(f"transport {level}")
        a.recall(_PROTOCOL)
        if not last:
            a.jump_if(JEQ, 47, f"gre {level}")
            a.jump_if(JEQ, 17, f"udp {level}")
            for number, kind in ((4, _IPV4), (41, _IPV6)):
                other = a.new_label()
                a.jump_unless(JEQ, number, other)
                a.value(kind)
                a.keep(_TYPE)
                a.jump(f"type {level + 1}")
                a.label(other)
        else:
            a.jump_if(JEQ, 17, f"ports {level}")
        a.jump_if(JEQ, 6, f"ports {level}")
        a.jump(FOUND)
        if not last:
            self._gre(level)
            self._udp(level)
        a.label(f"ports {level}")
        if self._ports:
            self._need(4, FOUND)
            a.load(H, 0)
            a.keep(SOURCE_PORT)
            a.load(H, 2)
            a.keep(TARGET_PORT)
        if last:
            a.jump(FOUND)

    def _need(self, size: int, otherwise: str) -> None:
        """X = M[OFFSET], if so many bytes lie there."""
        a = self._a
        a.length_to_x()
        a.recall(OFFSET)
        a.compute(ADD, size)
        a.jump_if_x(JGT, otherwise)
        a.recall_x(OFFSET)

    def _skip(self, size: int) -> None:
        self._a.recall(OFFSET)
        self._a.compute(ADD, size)
        self._a.keep(OFFSET)

    def _skip_loaded(self) -> None:
        self._a.recall_x(OFFSET)
        self._a.compute_x(ADD)
        self._a.keep(OFFSET)

    def _tags(self, nothing: str) -> None:
        a, done = self._a, self._a.new_label()
        for _ in range(TAGS):
            tag = a.new_label()
            a.recall(_TYPE)
            for kind in _VLAN_TYPES:
                a.jump_if(JEQ, kind, tag)
            a.jump(done)
            a.label(tag)
            self._need(4, nothing)
            a.load(H, 2)
            a.keep(_TYPE)
            self._skip(4)
        a.label(done)

    def _pppoe(self, level: int, nothing: str) -> None:
        a = self._a
        a.label(f"pppoe {level}")
        self._need(8, nothing)
        a.load(H, 6)
        a.keep(_TYPE)
        self._skip(8)
        a.recall(_TYPE)
        a.jump_if(JEQ, 0x21, f"ip4 {level}")
        a.jump_if(JEQ, 0x57, f"ip6 {level}")
        a.jump(nothing)

    def _mpls(self, level: int, nothing: str) -> None:
        a, inner = self._a, f"behind labels {level}"
        a.label(f"mpls {level}")
        for _ in range(LABELS):
            self._need(4, nothing)
            a.load(B, 2)
            a.keep(_TYPE)
            self._skip(4)
            a.recall(_TYPE)
            a.jump_if(JSET, 1, inner)
        a.jump(nothing)
        a.label(inner)
        self._need(1, nothing)
        a.load(B, 0)
        a.compute(RSH, 4)
        a.jump_if(JEQ, 4, f"ip4 {level}")
        a.jump_if(JEQ, 6, f"ip6 {level}")
        a.jump(nothing)

    def _ip4(self, level: int, nothing: str) -> None:
        a = self._a
        a.label(f"ip4 {level}")
        self._need(20, nothing)
        a.value(4)
        a.keep(FAMILY)
        for cell, offset in ((SOURCE, 12), (TARGET, 16)):
            a.load(W, offset)
            a.keep(cell)
        self._on_addresses(4)
        a.recall_x(OFFSET)
        a.load(H, 6)
        a.jump_if(JSET, 0x1FFF, FOUND)  # a later fragment: no ports, no tunnel
        a.load(B, 9)
        a.keep(_PROTOCOL)
        a.load(B, 0)
        a.compute(AND, 15)
        a.compute(LSH, 2)
        self._skip_loaded()

    def _ip6(self, level: int, nothing: str) -> None:
        a = self._a
        a.label(f"ip6 {level}")
        self._need(40, nothing)
        a.value(6)
        a.keep(FAMILY)
        for cell, offset in ((SOURCE, 8), (TARGET, 24)):
            for word in range(4):
                a.load(W, offset + 4 * word)
                a.keep(cell + word)
        self._on_addresses(6)
        a.recall_x(OFFSET)
        a.load(B, 6)
        a.keep(_PROTOCOL)
        self._skip(40)
        for _ in range(EXTENSIONS):
            options, fragment, done = a.new_label(), a.new_label(), a.new_label()
            a.recall(_PROTOCOL)
            for kind in (0, 43, 60):
                a.jump_if(JEQ, kind, options)
            a.jump_if(JEQ, 44, fragment)
            a.jump(f"transport {level}")
            a.label(fragment)
            self._need(8, FOUND)
            a.load(H, 2)
            a.jump_if(JSET, 0xFFF8, FOUND)
            a.load(B, 0)
            a.keep(_PROTOCOL)
            self._skip(8)
            a.jump(done)
            a.label(options)
            self._need(8, FOUND)
            a.load(B, 0)
            a.keep(_PROTOCOL)
            a.load(B, 1)
            a.compute(LSH, 3)
            a.compute(ADD, 8)
            self._skip_loaded()
            a.label(done)
        a.jump(f"transport {level}")

    def _gre(self, level: int) -> None:
        a, inner = self._a, level + 1
        a.label(f"gre {level}")
        self._need(4, FOUND)
        a.load(H, 0)
        a.jump_if(JSET, 0x4007, FOUND)  # source routes, and PPTP's other version
        a.keep(FLAG)
        a.load(H, 2)
        a.keep(_TYPE)
        for bit, shift in ((0x8000, 13), (0x2000, 11), (0x1000, 10)):  # checksum, key, sequence: four bytes each
            a.recall(FLAG)
            a.compute(AND, bit)
            a.compute(RSH, shift)
            self._skip_loaded()
        self._skip(4)
        a.recall(_TYPE)
        second, third = a.new_label(), a.new_label()
        a.jump_if(JEQ, _BRIDGED, f"ethernet {inner}")
        a.jump_if(JEQ, _ERSPAN, second)
        a.jump_if(JEQ, _ERSPAN_3, third)
        a.jump(f"type {inner}")
        a.label(second)
        a.recall(FLAG)
        a.jump_unless(JSET, 0x1000, f"ethernet {inner}")  # type I has neither sequence number nor header
        self._skip(8)
        a.jump(f"ethernet {inner}")
        a.label(third)
        self._need(12, FOUND)
        a.load(B, 11)
        a.compute(AND, 1)  # an optional subheader of eight bytes
        a.compute(LSH, 3)
        a.compute(ADD, 12)
        self._skip_loaded()
        a.jump(f"ethernet {inner}")

    def _udp(self, level: int) -> None:
        a, inner = self._a, level + 1
        a.label(f"udp {level}")
        vxlan, geneve, tzsp = a.new_label(), a.new_label(), a.new_label()
        self._need(16, f"ports {level}")
        a.load(H, 2)
        for port in _VXLAN_PORTS:
            a.jump_if(JEQ, port, vxlan)
        a.jump_if(JEQ, _GENEVE_PORT, geneve)
        a.jump_if(JEQ, _TZSP_PORT, tzsp)
        a.jump(f"ports {level}")
        a.label(vxlan)
        a.load(B, 8)
        a.jump_unless(JSET, 8, f"ports {level}")
        self._skip(16)
        a.jump(f"ethernet {inner}")
        a.label(tzsp)  # only as MikroTik sends it: a received frame, and no fields
        a.load(W, 8)
        a.jump_unless(JEQ, 0x01000001, f"ports {level}")
        a.load(B, 12)
        a.jump_unless(JEQ, 1, f"ports {level}")
        self._skip(13)
        a.jump(f"ethernet {inner}")
        a.label(geneve)
        a.load(B, 8)
        a.jump_if(JSET, 0xC0, f"ports {level}")  # another version
        a.load(H, 10)
        a.keep(_TYPE)
        a.load(B, 8)
        a.compute(AND, 0x3F)
        a.compute(LSH, 2)
        a.compute(ADD, 16)
        self._skip_loaded()
        a.recall(_TYPE)
        a.jump_if(JEQ, _BRIDGED, f"ethernet {inner}")
        a.jump(f"type {inner}")
