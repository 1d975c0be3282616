"""Fuzz target: `dns.read_answers` on arbitrary messages, and what `DnsMemory` makes of them.

The input is a list of messages to two clients. The memory stays within its capacity and only says names that were
asked for.
"""

from __future__ import annotations

from sensor.dns import read_answers
from sensor.dnsmemory import MANY, DnsMemory
from sensor.slices import pack_address
from tests.fuzz.parts import join, split
from tests.sensor.building import CLIENT, RESOLVER, Packet, dns_message, ethernet, ns, pcap, udp

CLIENTS = pack_address("10.20.0.5"), pack_address("10.20.0.6")
CAPACITY = 4


def seeds() -> list[bytes]:
    plain = dns_message("www.one.example", ["203.0.113.7", "2001:db8::7"])
    chain = dns_message("a.example", ["203.0.113.8"], cnames=["b.example", "c.example"], ttl=5)
    compressed = bytes.fromhex(
        "123481800001000200000000037777770365786d00000100010c00c00005000100000010"[:-8]
        + "c00c00050001000000100006036564676503c010"
    )
    packed = (
        plain[:12]
        + plain[12:33]
        + b"".join(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + bytes([203, 0, 113, n]) for n in (7, 9))
    )
    loop = plain[:12] + b"\xc0\x0c\0\x01\0\x01\xc0\x0e\0\x01\0\x01\0\0\0\x3c\0\x04\xcb\0\x71\x07"
    svcb = (
        plain[:6]
        + b"\0\x01\0\0\0\0"
        + plain[12:33]
        + bytes.fromhex("c00c004100010000012c000d000100000100060268320268330000")
    )
    return [
        join([plain]),
        join([chain, plain]),
        join([packed, loop]),
        join([svcb]),
        join([compressed]),
        join([plain[:40]]),
    ]


def run(data: bytes) -> None:
    memory, asked = DnsMemory(CAPACITY), {MANY}
    for n, message in enumerate(split(data)):
        answers = read_answers(message)
        if answers is None:
            continue
        asked.add(answers.qname)
        assert _printable(answers.qname)
        servers = set()
        for record in answers.records:
            assert _printable(record.name)
            assert _printable(record.target)
            assert 0 <= record.ttl < 1 << 32
            assert (len(record.address), bool(record.target)) in ((16, False), (0, True), (0, False))
            servers.add(record.address)
        for service in answers.services:
            assert _printable(service.target)
            assert all(len(hint) == 16 for hint in service.hints)
            servers.update(service.hints)
        memory.learn(CLIENTS[n % 2], answers, 1000.0 * n)
        assert len(memory) <= CAPACITY
        for server in servers:
            for client in CLIENTS:
                assert set(memory.names(client, server, 1000.0 * n)) <= asked


def _printable(name: str) -> bool:
    return all(0x21 <= ord(c) <= 0x7E for c in name) and name == name.lower()


def capture(data: bytes) -> bytes:
    """The messages on the wire, as a capture file."""
    return pcap(Packet(ns(n), ethernet(udp(RESOLVER, 53, CLIENT, 40053, m))) for n, m in enumerate(split(data)))
