"""The shapes of frames: real bytes for each kind of packet, built once by scapy and aioquic, to be copied in bulk.

A `Shape` is a whole frame without its changing fields (addresses, ports, numbers, checksums: `frames` fills those).
TLS hellos are shaped as Windows (517 bytes, padded) and Chrome with a post-quantum key share (two segments) send them;
QUIC Initials come from aioquic with its randomness replaced, so that the same seed gives the same bytes.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from unittest import mock

import aioquic.tls
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.x509.oid import NameOID
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from pcaps.sample_school.wire import SEGMENT

SNAP = 128  # bytes kept of bulk packets
DATAGRAM = 1250  # payload of a full QUIC packet
L2 = 18  # Ethernet and one VLAN tag
PAYLOADS = {"tcp4": L2 + 40, "tcp6": L2 + 60, "udp4": L2 + 28, "udp6": L2 + 48}


@dataclass(frozen=True)
class Shape:
    """One frame to be copied. `bulk` ones are cut at SNAP; `fresh` lists payload spans that differ in each copy."""

    frame: bytes
    family: str  # tcp4, tcp6, udp4, udp6
    bulk: bool
    fresh: tuple[tuple[int, int], ...] = ()
    header: int = 0  # bytes before the payload
    dns: bool = False  # the payload begins with an id to be filled in
    receiver: int = 0  # where in the payload the receiver's QUIC connection id goes; 0 for nowhere
    sender: int = 0  # the same for the sender's


def tls_hello(host: str, modern: bool, rng: Random) -> bytes:
    """A ClientHello record for a host: `modern` with a post-quantum share (about 1,800 bytes), else 517 bytes."""

    def ext(kind: int, body: bytes) -> bytes:
        return struct.pack("!HH", kind, len(body)) + body

    name = host.encode()
    sni = ext(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name)
    share = struct.pack("!HH", 0x001D, 32) + rng.randbytes(32)
    groups, grease = [0x001D, 0x0017, 0x0018], b""
    if modern:
        share = struct.pack("!HHB", 0x3A3A, 1, 0) + struct.pack("!HH", 0x11EC, 1216) + rng.randbytes(1216) + share
        groups, grease = [0x3A3A, 0x11EC, *groups], ext(0x6A6A, b"")
    body = grease + sni + ext(23, b"") + ext(65281, b"\0")
    body += ext(10, struct.pack("!H", 2 * len(groups)) + b"".join(struct.pack("!H", g) for g in groups))
    body += ext(11, b"\1\0") + ext(35, b"") + ext(16, b"\0\x0c\x02h2\x08http/1.1") + ext(5, b"\1\0\0\0\0")
    body += ext(13, b"\0\x10\x04\x03\x08\x04\x04\x01\x05\x03\x08\x05\x05\x01\x08\x06\x06\x01") + ext(18, b"")
    body += ext(51, struct.pack("!H", len(share)) + share) + ext(45, b"\1\1")
    body += ext(43, (b"\x06\x5a\x5a" if modern else b"\x04") + b"\x03\x04\x03\x03") + ext(27, b"\2\0\2")
    ciphers = [0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x009D]
    head = b"\x03\x03" + rng.randbytes(32) + b"\x20" + rng.randbytes(32)
    head += struct.pack("!H", 2 * len(ciphers)) + b"".join(struct.pack("!H", c) for c in ciphers) + b"\1\0"
    if modern:  # Chrome sends a random "encrypted hello" even to servers that offer none
        body += ext(0xFE0D, b"\0\0\1\0\1\x5c\0\x20" + rng.randbytes(32) + b"\0\xd0" + rng.randbytes(208))
    else:
        body += ext(21, bytes(502 - len(head) - len(body)))
    hello = head + struct.pack("!H", len(body)) + body
    message = b"\1" + len(hello).to_bytes(3, "big") + hello
    return b"\x16\x03\x01" + struct.pack("!H", len(message)) + message


def server_hello(rng: Random) -> bytes:
    """The start of a TLS 1.3 server flight: ServerHello, ChangeCipherSpec, then an encrypted record; 1,460 bytes."""
    exts = b"\0\x2b\0\x02\x03\x04" + b"\0\x33\0\x24\0\x1d\0\x20" + rng.randbytes(32)
    hello = b"\x03\x03" + rng.randbytes(32) + b"\x20" + rng.randbytes(32) + b"\x13\x01\0"
    hello += struct.pack("!H", len(exts)) + exts
    message = b"\2" + len(hello).to_bytes(3, "big") + hello
    flight = b"\x16\x03\x03" + struct.pack("!H", len(message)) + message + b"\x14\x03\x03\0\1\1\x17\x03\x03\x0c\x80"
    return flight + rng.randbytes(SEGMENT - len(flight))


def frame(family: str, payload: bytes, flags: str = "A", options: bool = False) -> bytes:
    """A whole frame with scapy: VLAN, IPv4 or IPv6, TCP or UDP."""
    layer = IP(src="192.0.2.1", dst="192.0.2.2", id=0, flags="DF") if family[-1] == "4" else IPv6()
    if family.startswith("tcp"):
        extra = [("MSS", SEGMENT), ("NOP", None), ("WScale", 8), ("NOP", None), ("NOP", None), ("SAckOK", b"")]
        layer /= TCP(flags=flags, window=1026, options=extra if options else [])
    else:
        layer /= UDP()
    return bytes(Ether(dst="00:16:3e:00:00:01", src="00:16:3e:00:00:02") / Dot1Q(vlan=1) / layer / Raw(payload))


def dns_question(host: str, kind: str) -> bytes:
    """A query as a stub resolver sends it; the id is filled in later."""
    return bytes(DNS(id=0, rd=1, qd=DNSQR(qname=host, qtype=kind)))


def dns_answer(host: str, kind: str, alias: str, addresses: tuple[str, ...], ttl: int) -> bytes:
    """The answer to `dns_question`, through a CNAME where the host has one."""
    owner, records = host, []
    if alias:
        records.append(DNSRR(rrname=host, type="CNAME", ttl=ttl * 4, rdata=alias))
        owner = alias
    records += [DNSRR(rrname=owner, type=kind, ttl=ttl, rdata=a) for a in addresses]
    return bytes(DNS(id=0, qr=1, rd=1, ra=1, qd=DNSQR(qname=host, qtype=kind), an=records))


@contextmanager
def _fixed_randomness(rng: Random) -> Iterator[None]:
    """aioquic draws from the system; for the time of this block it draws from `rng`."""

    def new_x25519() -> x25519.X25519PrivateKey:
        return x25519.X25519PrivateKey.from_private_bytes(rng.randbytes(32))

    def new_curve(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(rng.getrandbits(200) + 1, curve)

    keys = SimpleNamespace(
        X25519PrivateKey=SimpleNamespace(generate=new_x25519), X25519PublicKey=x25519.X25519PublicKey
    )
    curves = SimpleNamespace(**{**vars(ec), "generate_private_key": new_curve})
    backend = SimpleNamespace(
        x25519_supported=lambda: True, ed25519_supported=lambda: True,
        x448_supported=lambda: False, ed448_supported=lambda: False,
    )  # fmt: skip
    with (
        mock.patch.object(os, "urandom", rng.randbytes),
        mock.patch.object(aioquic.tls, "x25519", keys),
        mock.patch.object(aioquic.tls, "ec", curves),
        mock.patch.object(aioquic.tls, "default_backend", return_value=backend),
    ):
        yield


class QuicPeer:
    """Makes the first flights of QUIC connections with aioquic: a client, and a server with its own certificate."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.key = ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server.example")])
        start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        builder = x509.CertificateBuilder(name, name, self.key.public_key(), 7, start, end)
        self.certificate = builder.sign(self.key, None)

    def flights(self, host: str, version2: bool, long_hello: bool) -> tuple[list[bytes], list[bytes]]:
        """UDP payloads of the client's first flight and of the server's answer to it."""
        alpn = ["h3"] + [f"grease-{n:02}-{'x' * 48}" for n in range(17)] * long_hello
        with _fixed_randomness(self.rng):
            settings = QuicConfiguration(is_client=True, server_name=host, alpn_protocols=alpn)
            if version2:
                settings.original_version = QuicProtocolVersion.VERSION_2
            client = QuicConnection(configuration=settings)
            client.connect(("192.0.2.2", 443), now=0.0)
            sent = [data for data, _ in client.datagrams_to_send(now=0.0)]
            server = QuicConnection(
                configuration=QuicConfiguration(
                    is_client=False, alpn_protocols=["h3"], certificate=self.certificate, private_key=self.key
                ),
                original_destination_connection_id=client.original_destination_connection_id,
            )
            for data in sent:
                server.receive_datagram(data, ("192.0.2.1", 50000), now=0.01)
            answer = [data for data, _ in server.datagrams_to_send(now=0.01)]
        return sent, answer
