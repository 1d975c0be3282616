"""Builders for the sensor's tests: real hellos, packets by hand, capture files, and ways to run the sensor over them.

Hellos come from real stacks (OpenSSL through `ssl`, aioquic); packets and files are put together here byte by byte, so
that a test can say exactly what lies on the wire. Checksums stay zero: the sensor does not read them.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import ipaddress
import itertools
import ssl
import struct
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import QuicProtocolVersion
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sensor import walk
from sensor.catalogue import Catalogue, Hit, Match, Service, Status
from sensor.classify import CLASSIFY_LIMITS, FileReport, classify_file
from sensor.meter import MeterLimits
from sensor.sense import Sensor
from sensor.settings import SegmentRule
from sensor.words import Action, Kind, Role

SECOND = 1_000_000_000
START = 1_763_366_400  # Monday 2025-11-17 08:00:00 UTC: a whole minute
CLIENT, OTHER_CLIENT, SERVER, RESOLVER = "10.20.0.5", "10.20.0.6", "203.0.113.7", "10.20.0.1"


# -- hellos ---------------------------------------------------------------------------------------------------------


@functools.cache
def client_hello(name: str | None, *, alpn: int = 0, tls12: bool = False) -> bytes:
    """The TLS record with OpenSSL's ClientHello; `alpn` made-up protocols of 60 bytes make it longer."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if tls12:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if alpn:
        context.set_alpn_protocols([f"protocol-{n:051d}" for n in range(alpn)])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    record = outgoing.read()
    assert len(record) == 5 + int.from_bytes(record[3:5], "big"), "OpenSSL sends a hello in one record"
    return record


def in_records(record: bytes, *sizes: int) -> bytes:
    """The handshake message of one record, cut into several records; the last one takes what is left."""
    message, out = record[5:], b""
    for size in (*sizes, len(message)):
        if part := message[:size]:
            out += b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part
        message = message[size:]
    return out


def bare_hello(name: bytes | None, *, padding: int = 0, extensions: bytes = b"", kind: int = 0) -> bytes:
    """A small ClientHello message by hand; `extensions` go before server_name, `padding` after it."""
    listed = b"" if name is None else bytes([kind]) + struct.pack(">H", len(name)) + name
    sni = b"" if name is None else struct.pack(">HHH", 0, len(listed) + 2, len(listed)) + listed
    pad = struct.pack(">HH", 21, padding) + bytes(padding) if padding else b""
    block = extensions + sni + pad
    body = (
        b"\x03\x03" + bytes(range(32)) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + struct.pack(">H", len(block)) + block
    )
    return b"\x01" + len(body).to_bytes(3, "big") + body


def record_of(message: bytes) -> bytes:
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


@functools.cache
def quic_datagrams(name: str, *, version: int = 1, alpn: int = 1) -> tuple[bytes, ...]:
    """The first flight of aioquic's client; 40 made-up protocols make it three datagrams."""
    configuration = QuicConfiguration(
        is_client=True,
        server_name=name,
        alpn_protocols=[f"protocol-{n:051d}" for n in range(alpn)],
        original_version=QuicProtocolVersion(version),
        supported_versions=[QuicProtocolVersion(version)],
    )
    connection = QuicConnection(configuration=configuration)
    connection.connect(("203.0.113.7", 443), now=0.0)
    return tuple(data for data, _ in connection.datagrams_to_send(now=0.0))


# -- QUIC packets by hand (a second writing of RFC 9001 5, on purpose not the sensor's) ------------------------------

SALT_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")  # RFC 9001 5.2
SALT_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")  # RFC 9369 3.3.1
SALT_V2_DRAFT = bytes.fromhex("a707c203a59b47184a1d62ca570406ea7ae3e5d3")  # draft-ietf-quic-v2-00 3.3.1
SALT_DRAFT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")  # draft-ietf-quic-tls-29 5.2
SALT_DRAFT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")  # draft-ietf-quic-tls-23 5.2
SALT_DRAFT_22 = bytes.fromhex("7fbcdb0e7c66bbe9193a96cd21519ebd7a02644a")  # draft-ietf-quic-tls-22 5.2
V2 = 0x6B3343CF


def varint(value: int) -> bytes:
    """RFC 9000 16, shortest form."""
    for width, prefix in ((1, 0), (2, 1), (4, 2), (8, 3)):
        if value < 1 << (8 * width - 2):
            return (value | prefix << (8 * width - 2)).to_bytes(width, "big")
    raise ValueError(value)


def crypto_frame(offset: int, data: bytes, kind: int = 6) -> bytes:
    return bytes([kind]) + varint(offset) + varint(len(data)) + data


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    label = b"tls13 " + label
    info = struct.pack(">HB", length, len(label)) + label + b"\0"
    return HKDFExpand(SHA256(), length, info).derive(secret)


@dataclass(frozen=True, slots=True)
class SealingKeys:
    """What seals a client's Initials."""

    aead: AESGCM
    iv: int
    mask: Callable[[bytes], bytes]


@functools.lru_cache(maxsize=512)
def initial_keys(salt: bytes, key_id: bytes) -> SealingKeys:
    extract = HMAC(salt, SHA256())
    extract.update(key_id)
    secret = _expand(extract.finalize(), b"client in", 32)
    prefix = b"quicv2 " if salt in (SALT_V2, SALT_V2_DRAFT) else b"quic "
    key, iv, hp = (_expand(secret, prefix + label, size) for label, size in ((b"key", 16), (b"iv", 12), (b"hp", 16)))
    return SealingKeys(
        AESGCM(key), int.from_bytes(iv, "big"), Cipher(algorithms.AES(hp), modes.ECB()).encryptor().update
    )


def initial_packet(
    payload: bytes, *, salt: bytes = SALT_V1, key_id: bytes = bytes.fromhex("8394c8f03e515708"), **header: Any
) -> bytes:
    """A protected client Initial. `key_id`: the id that keys come from; `header`: see `seal`."""
    return seal(payload, initial_keys(salt, key_id), key_id=key_id, **header)


def seal(
    payload: bytes,
    keys: SealingKeys,
    *,
    key_id: bytes,
    version: int = 1,
    destination: bytes | None = None,
    source: bytes = b"",
    token: bytes = b"",
    number: int = 2,
    number_bytes: int = 4,
    kind: int | None = None,
) -> bytes:
    """The same with keys at hand. `destination`: the id in the header, `key_id` unless given."""
    destination = key_id if destination is None else destination
    type_bits = (1 if version == V2 else 0) if kind is None else kind
    header = bytes([0xC0 | type_bits << 4 | number_bytes - 1]) + version.to_bytes(4, "big")
    header += bytes([len(destination)]) + destination + bytes([len(source)]) + source
    header += varint(len(token)) + token + struct.pack(">H", 0x4000 | number_bytes + len(payload) + 16)
    raw_number = number.to_bytes(number_bytes, "big")
    sealed = keys.aead.encrypt((keys.iv ^ number).to_bytes(12, "big"), payload, header + raw_number)
    mask = keys.mask((raw_number + sealed)[4:20])
    first = header[0] ^ mask[0] & 0x0F
    return bytes([first]) + header[1:] + bytes(a ^ b for a, b in zip(raw_number, mask[1:], strict=False)) + sealed


# -- packets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Packet:
    """A captured frame; `time` in ns since 1970."""

    time: int
    frame: bytes


def ns(seconds: float) -> int:
    """Nanoseconds of a moment `seconds` after START, to the microsecond."""
    return START * SECOND + round(seconds * 1e6) * 1000


def ip(source: str, target: str, protocol: int, body: bytes, *, fragment: int = 0) -> bytes:
    """An IPv4 or IPv6 packet, as the addresses say; `fragment` is the IPv4 flags and offset field."""
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if a.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + a.packed + b.packed + body
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, fragment, 64, protocol, 0) + a.packed + b.packed + body


_FLAG_BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}


def tcp(
    source: str, source_port: int, target: str, target_port: int, *, seq: int = 0, flags: str = "A", data: bytes = b""
) -> bytes:
    """An IP packet with a TCP segment; flags as in scapy ("SA")."""
    bits = sum(_FLAG_BITS[f] for f in flags)
    header = struct.pack(">HHIIBBHHH", source_port, target_port, seq & 0xFFFFFFFF, 0, 0x50, bits, 65535, 0, 0)
    return ip(source, target, 6, header + data)


def udp(source: str, source_port: int, target: str, target_port: int, data: bytes) -> bytes:
    """An IP packet with a UDP datagram."""
    return ip(source, target, 17, struct.pack(">HHHH", source_port, target_port, 8 + len(data), 0) + data)


def ethernet(packet: bytes, vlans: Sequence[int] = ()) -> bytes:
    """An Ethernet frame round an IP packet; outermost VLAN first."""
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    kind = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    return bytes.fromhex("020000000001020000000002") + tags + kind + packet


@dataclass(slots=True)
class Talk:
    """A TCP connection, written packet by packet. Times are seconds after START; `packets` is in order of writing."""

    client: str = CLIENT
    server: str = SERVER
    client_port: int = 50000
    server_port: int = 443
    isn: int = 1000
    vlans: tuple[int, ...] = ()
    packets: list[Packet] = field(default_factory=list)
    sent: int = 0
    received: int = 0

    def _put(self, time: float, packet: bytes) -> Talk:
        self.packets.append(Packet(ns(time), ethernet(packet, self.vlans)))
        return self

    def open(self, time: float) -> Talk:
        """SYN, SYN+ACK, ACK."""
        self._put(time, tcp(self.client, self.client_port, self.server, self.server_port, seq=self.isn, flags="S"))
        self._put(time, tcp(self.server, self.server_port, self.client, self.client_port, seq=7000, flags="SA"))
        return self.segment(time, 0, b"", "A")

    def segment(self, time: float, offset: int, data: bytes, flags: str = "PA") -> Talk:
        """A segment of the client at `offset` of its stream."""
        seq = self.isn + 1 + offset
        return self._put(
            time, tcp(self.client, self.client_port, self.server, self.server_port, seq=seq, flags=flags, data=data)
        )

    def up(self, time: float, data: bytes) -> Talk:
        """The client's next bytes."""
        self.segment(time, self.sent, data)
        self.sent += len(data)
        return self

    def down(self, time: float, data: bytes, flags: str = "PA") -> Talk:
        """The server's next bytes."""
        seq = 7001 + self.received
        self.received += len(data)
        return self._put(
            time, tcp(self.server, self.server_port, self.client, self.client_port, seq=seq, flags=flags, data=data)
        )

    def close(self, time: float) -> Talk:
        return self.segment(time, self.sent, b"", "FA").down(time, b"", "FA")


def datagram(
    time: float, data: bytes, *, client: str = CLIENT, server: str = SERVER, port: int = 50000, server_port: int = 443
) -> Packet:
    """A UDP datagram from client to server."""
    return Packet(ns(time), ethernet(udp(client, port, server, server_port, data)))


def dns_message(qname: str, addresses: Sequence[str], *, ttl: int = 60, cnames: Sequence[str] = ()) -> bytes:
    """A response: the question, a CNAME chain, addresses of the chain's last name. Written without compression."""

    def name(text: str) -> bytes:
        return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"

    def record(owner: str, kind: int, data: bytes) -> bytes:
        return name(owner) + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data

    chain = [qname, *cnames]
    records = [record(a, 5, name(b)) for a, b in itertools.pairwise(chain)]
    for text in addresses:
        address = ipaddress.ip_address(text)
        records.append(record(chain[-1], 1 if address.version == 4 else 28, address.packed))
    head = struct.pack(">HHHHHH", 1, 0x8180, 1, len(records), 0, 0)
    return head + name(qname) + struct.pack(">HH", 1, 1) + b"".join(records)


def dns_answer(time: float, qname: str, addresses: Sequence[str], *, client: str = CLIENT, ttl: int = 60) -> Packet:
    """The resolver's answer to a client, as a packet."""
    message = dns_message(qname, addresses, ttl=ttl)
    return Packet(ns(time), ethernet(udp(RESOLVER, 53, client, 40053, message)))


# -- capture files --------------------------------------------------------------------------------------------------


def pcap(packets: Iterable[Packet], *, order: str = "<", nano: bool = True, link: int = 1, snap: int = 262144) -> bytes:
    """A pcap file; `order` as in struct."""
    out = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap, link)]
    for p in packets:
        seconds, rest = divmod(p.time, SECOND)
        cut = p.frame[:snap]
        out.append(struct.pack(order + "IIII", seconds, rest if nano else rest // 1000, len(cut), len(p.frame)) + cut)
    return b"".join(out)


def start_of(path: Path, most: int) -> bytes:
    """A stored pcap, unpacked; if it has more than `most` bytes, the packets that there is room for."""
    data, at = path.read_bytes(), 24
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if len(data) <= most:
        return data
    while (after := at + 16 + struct.unpack_from("<I", data, at + 8)[0]) <= most:
        at = after
    return data[:at]


def pcapng_block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def pcapng_section(order: str = "<") -> bytes:
    return pcapng_block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def pcapng_interface(
    order: str = "<", *, link: int = 1, resolution: int | None = None, offset: int = 0, snap: int = 0
) -> bytes:
    """An interface; `resolution` is if_tsresol's byte, `offset` if_tsoffset's seconds."""
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset:
        options += struct.pack(order + "HHq", 14, 8, offset)
    if options:
        options += struct.pack(order + "HH", 0, 0)
    return pcapng_block(1, struct.pack(order + "HHI", link, 0, snap) + options, order)


def pcapng_packet(frame: bytes, ticks: int, order: str = "<", *, interface: int = 0) -> bytes:
    body = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return pcapng_block(6, body + frame, order)


# -- running the sensor ---------------------------------------------------------------------------------------------


def small_catalogue() -> Catalogue:
    """Services `one`, `two` and `three`, each with everything below NAME.example."""
    names = ("one", "two", "three")
    services = {n: Service(n, n.title(), Kind.SOCIAL_NETWORKING, Action.TAG, Status.ACTIVE, "") for n in names}
    domains: dict[Any, Hit | None] = {(Match.SUFFIX, f"{n}.example"): Hit(n, Role.PRIMARY) for n in names}
    domains[Match.FULL, "cdn.one.example"] = Hit("one", Role.CDN)
    return Catalogue("2025-11-17.tests", services, domains, {(Match.FULL, "doh.example"): "doh"})


CATALOGUE = small_catalogue()


def classify(
    data: bytes | Iterable[Packet], *, limits: MeterLimits = CLASSIFY_LIMITS, dns_only: bool = False
) -> FileReport:
    """`classify_file` over a file with these bytes, or over a pcap of these packets."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(data if isinstance(data, bytes) else pcap(data))
        file.flush()
        return classify_file(Path(file.name), CATALOGUE, limits=limits, dns_only=dns_only)


def names(packets: Iterable[Packet]) -> list[tuple[str | None, str, bool]]:
    """(name, evidence, partial) of each flow."""
    return [(f["name"], f["evidence"], f["partial"]) for f in classify(packets).flows]


def new_sensor(segments: Sequence[SegmentRule] = (), **limits: int) -> Sensor:
    return Sensor(CATALOGUE, segments, MeterLimits(**limits))


def feed(sensor: Sensor, packets: Iterable[Packet]) -> None:
    """Meter packets as one block of a pcap."""
    data = pcap(packets)
    state, buffer = walk.new_state(), np.frombuffer(bytearray(data), np.uint8)
    state[walk.FORMAT], state[walk.SWAPPED], state[walk.NANO], state[walk.LINK] = walk.FORMAT_PCAP, 1, 1, 1
    assert sensor.feed(buffer, 24, len(data), state, walk.new_interfaces()) == len(data)


def taken(sensor: Sensor) -> list[dict[str, Any]]:
    """Slices that are ready, as rows in order of time."""
    return sorted(sensor.table().to_pylist(), key=lambda row: (row["minute"], row["first_ms"], row["client_port"]))


def slices(packets: Iterable[Packet], **limits: int) -> list[dict[str, Any]]:
    """All slices of a stream of packets."""
    sensor = new_sensor(**limits)
    feed(sensor, packets)
    sensor.meter.finish()
    return taken(sensor)
