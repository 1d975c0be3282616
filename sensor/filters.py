"""Two programs that the kernel runs on every packet: which worker takes it, and whether it may reach us at all.

`share_program` picks one end of a packet as the client and returns a hash of its address alone; the kernel takes that
modulo the number of workers. The client is the end that lies in an inside subnet. If both ends do (a client and the
school's own resolver) or neither does, it is the end with the higher port number, as servers have low ones; of equal
ports, or where there are none, the end with the lower address. So both directions, and everything of one client, lead
to one worker. Later fragments of such a pair have no ports and go by the lower address; those between a client and the
outside are not affected. Fragments of a tunnel's outer IPv4 packets are joined by the kernel first
(PACKET_FANOUT_FLAG_DEFRAG); those of outer IPv6 packets are not, and go by the tunnel's addresses. ARP goes to the
first worker. GTP-U, Teredo, CAPWAP and other rare tunnels are not looked into: one such tunnel is one client.

`exempt_program` refuses packets with either end in an exempt network, at every level of `sensor.cbpf_addresses`: what a
tunnel from an exempt address carries is refused too.

An IPv4 subnet costs one instruction an end, an IPv6 /64 four; adjacent subnets are joined first. About 1,400 IPv4 or
350 IPv6 inside subnets fit into the 4,096 instructions that the kernel takes, a third as many exempt ones, as those are
looked for at every level; settings with more are refused.

Sources: Linux net/packet/af_packet.c, Documentation/networking/packet_mmap.rst.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from itertools import groupby

from sensor.cbpf import AND, JEQ, JGE, JGT, MUL, PACKET_TYPE, RSH, XOR, Assembler, Program
from sensor.cbpf_addresses import (
    CELLS,
    FAMILY,
    FLAG,
    FOUND,
    NOTHING,
    OFFSET,
    SOURCE,
    SOURCE_PORT,
    TARGET,
    TARGET_PORT,
    AddressWalk,
)
from sensor.settings import SegmentRule, Subnet

ACCEPT = 0xFFFFFFFF
OUTGOING = 4  # PACKET_OUTGOING
_AT_ONCE = 200  # comparisons that share one jump to a place far away

PRIVATE: tuple[Subnet, ...] = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
)
"""RFC 1918, 3927, 4193, 4291."""


def inside_subnets(segments: Sequence[SegmentRule]) -> tuple[Subnet, ...]:
    """Where clients live: the segments' subnets; private addresses too, if a segment is known by VLANs alone."""
    named = tuple(subnet for rule in segments for subnet in rule.subnets)
    return named if segments and all(rule.subnets for rule in segments) else (*named, *PRIVATE)


def share_program(inside: Sequence[Subnet], link_header: int = 14) -> Program:
    """For PACKET_FANOUT_CBPF: the same number for every packet of one client. `inside`: the school's subnets.

    Raises cbpf.ProgramTooLong. The kernel runs it on the network header, and on the link header for packets that this
    machine itself sends.
    """
    a = Assembler()
    a.value(0)
    for cell in range(CELLS):  # the kernel's checker wants every cell written on every way
        a.keep(cell)
    a.ancillary(PACKET_TYPE)
    a.jump_unless(JEQ, OUTGOING, "incoming")
    a.value(link_header)
    a.keep(OFFSET)
    a.label("incoming")
    AddressWalk(a, lambda family: None).write()
    a.label(NOTHING)
    a.give(0)
    a.label(FOUND)
    a.recall(FAMILY)
    a.jump_if(JEQ, 6, "choose 6")
    for family in (4, 6):
        a.label(f"choose {family}")
        _choose(a, family, [n for n in inside if n.version == family])
    return a.assemble()


def exempt_program(exempt: Sequence[Subnet], link_header: int = 14) -> Program:
    """For SO_ATTACH_FILTER on a raw packet socket: 0 for packets of an exempt network. Raises cbpf.ProgramTooLong."""
    a = Assembler()

    def refuse(family: int) -> None:
        for cell in (SOURCE, TARGET):
            _jump_if_in(a, cell, [n for n in exempt if n.version == family], "refused")

    a.value(link_header)
    a.keep(OFFSET)
    AddressWalk(a, refuse, ports=False).write()
    a.label(NOTHING)
    a.label(FOUND)
    a.give(ACCEPT)
    a.label("refused")
    a.give(0)
    return a.assemble()


def _jump_if_in(a: Assembler, cell: int, networks: Iterable[Subnet], to: str) -> None:
    """Go on at `to` if the address in the cell lies in one of the networks, which are all of one family."""
    joined: list[Subnet] = list(ipaddress.collapse_addresses(networks))  # type: ignore[type-var]
    for length, group in groupby(sorted(joined, key=lambda n: n.prefixlen), key=lambda n: n.prefixlen):
        alike = list(group)
        room = max(1, _AT_ONCE // max(1, length // 16))
        for at in range(0, len(alike), room):
            hit, over = a.new_label(), a.new_label()
            _jump_if_one_of(a, cell, length, alike[at : at + room], hit)
            a.jump(over)
            a.label(hit)
            a.jump(to)
            a.label(over)


def _jump_if_one_of(a: Assembler, cell: int, length: int, networks: Sequence[Subnet], to: str) -> None:
    """The same for networks of one prefix length."""
    whole, rest = divmod(length, 32)
    mask = 0xFFFFFFFF << 32 - rest & 0xFFFFFFFF
    if length <= 32:  # one word decides: it is loaded once
        a.recall(cell)
        a.compute(AND, mask if length < 32 else 0xFFFFFFFF)
        for network in networks:
            a.jump_if(JEQ, _words(network)[0], to)
        return
    for network in networks:
        words, other = _words(network), a.new_label()
        for n in range(whole + bool(rest)):
            a.recall(cell + n)
            if n == whole:
                a.compute(AND, mask)
            if n == whole + bool(rest) - 1:
                a.jump_if(JEQ, words[n], to)
            else:
                a.jump_unless(JEQ, words[n], other)
        a.label(other)


def _words(network: Subnet) -> list[int]:
    packed = network.network_address.packed
    return [int.from_bytes(packed[at : at + 4], "big") for at in range(0, len(packed), 4)]


def _choose(a: Assembler, family: int, inside: Sequence[Subnet]) -> None:
    """End with the hash of the client's address."""
    size = 1 if family == 4 else 4
    a.value(0)
    a.keep(FLAG)
    source_in, target_in, only_source, asked = (f"{what} {family}" for what in ("in", "also in", "source", "asked"))
    target, by_ports = f"target {family}", f"by ports {family}"
    _jump_if_in(a, SOURCE, inside, source_in)
    a.jump(asked)
    a.label(source_in)
    a.value(1)
    a.keep(FLAG)
    a.label(asked)
    _jump_if_in(a, TARGET, inside, target_in)
    a.recall(FLAG)
    a.jump_if(JEQ, 1, only_source)
    a.jump(by_ports)
    a.label(target_in)
    a.recall(FLAG)
    a.jump_unless(JEQ, 1, target)
    a.label(by_ports)
    a.recall_x(TARGET_PORT)
    a.recall(SOURCE_PORT)
    a.jump_if_x(JGT, only_source)
    a.jump_unless_x(JGE, target)
    for word in range(size):
        a.recall_x(TARGET + word)
        a.recall(SOURCE + word)
        a.jump_if_x(JGT, target)
        a.jump_unless_x(JGE, only_source)
    a.label(only_source)
    _hash(a, SOURCE, size)
    a.label(target)
    _hash(a, TARGET, size)


def _hash(a: Assembler, cell: int, size: int) -> None:
    """End with the address's words multiplied and folded: close addresses are spread evenly, also over two workers."""
    a.recall(cell)
    a.compute(MUL, 0x9E3779B1)
    for word in range(1, size):
        a.recall_x(cell + word)
        a.compute_x(XOR)
        a.compute(MUL, 0x9E3779B1)
    for multiplier in (0x85EBCA77, 0xC2B2AE3D):
        a.to_x()
        a.compute(RSH, 15)
        a.compute_x(XOR)
        a.compute(MUL, multiplier)
    a.to_x()
    a.compute(RSH, 16)
    a.compute_x(XOR)
    a.give_a()
