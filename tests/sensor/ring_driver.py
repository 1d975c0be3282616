"""Runs inside a network namespace that test_ring made: sends into one end of a veth pair and captures at the other.

Its argument names a scenario; it prints what the sensor saw as one JSON object.
"""

from __future__ import annotations

import ipaddress
import json
import re
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sensor.filters import inside_subnets
from sensor.ring import Ring, RingError, Share
from sensor.settings import SegmentRule
from sensor.slices import unpack_vlan
from tests.sensor.building import (
    Packet,
    Talk,
    client_hello,
    dns_answer,
    ethernet,
    feed,
    ip,
    new_sensor,
    quic_datagrams,
    tcp,
    udp,
)
from tests.sensor.wrapping import TUNNELS, gre, mpls, pppoe, wrapped

SENDER, LISTENER = "sg-send", "sg-hear"
PATIENCE_S = 150


def seen(packets: Sequence[Packet], ring_mib: int = 8) -> dict[str, Any]:
    """Send the packets, read the ring until all are counted (or patience ends), and give totals and slices."""
    sensor = new_sensor()
    feed(sensor, [])  # the first run compiles the kernel
    with Ring(LISTENER, ring_mib) as ring, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((SENDER, 0))
        for packet in packets:
            out.send(packet.frame)
        end = time.monotonic() + PATIENCE_S
        blocks = 0
        while sensor.counters()["packets"] < len(packets) and time.monotonic() < end:
            if ring.wait(100):
                with ring.block() as (buffer, start, stop):
                    sensor.feed(buffer, start, stop, ring.state)
                blocks += 1
        more = ring.wait(300)
        ring.read_drops()
        drops = [ring.drops, ring.freezes]
    sensor.meter.finish()
    rows = sensor.table().to_pylist()
    return {
        "counters": sensor.counters(),
        "drops": drops,
        "more": more,
        "blocks": blocks,
        "age": max((abs(time.time() - row["minute"] * 60 - row["last_ms"] / 1000) for row in rows), default=None),
        "vlans": sorted({tuple(unpack_vlan(row["vlan"])) for row in rows}),
        "services": Counter(f"{row['service']} {row['evidence']}" for row in rows),
        "packets": sum(row["packets_up"] + row["packets_down"] for row in rows),
        "bytes": sum(row["bytes_up"] + row["bytes_down"] for row in rows),
    }


def ip_bytes(frame: bytes) -> int:
    """What lies behind the Ethernet header and its VLAN tags."""
    at = 12
    while frame[at : at + 2] == b"\x81\x00":
        at += 4
    return len(frame) - at - 2


def many() -> list[Packet]:
    """Named flows, untagged and under one to three VLAN tags; a hello in two segments; QUIC; large and small frames."""
    packets = []
    hello = client_hello("www.one.example")
    for n in range(120):
        vlans = ((), (10,), (100, 20), (4094, 1, 7))[n % 4]
        talk = Talk(client_port=20000 + n, vlans=vlans).open(0).up(0, hello[: 517 if n % 3 else 300])
        if n % 3 == 0:
            talk.up(0, hello[300:])
        for i in range(20):
            talk.up(0, b"u" * (i * 60)).down(0, b"d" * (1400 - i * 70))
        packets += talk.packets
    for data in quic_datagrams("www.two.example", alpn=40):
        packets.append(Packet(0, ethernet(udp("10.20.0.5", 50000, "203.0.113.7", 443, data), (10,))))
    return packets


def answers() -> list[Packet]:
    """More DNS answers in one block than the meter's to-do list holds."""
    return [dns_answer(0, f"n{n}.one.example", ["203.0.113.7"]) for n in range(9000)]


def going_away() -> dict[str, Any]:
    """What the ring says when its interface is set down."""
    with Ring(LISTENER, 2) as ring:
        subprocess.run(["ip", "link", "set", LISTENER, "down"], check=True)
        try:
            while not ring.wait(1000):
                pass
        except RingError as error:
            return {"said": error.strerror}
        finally:
            subprocess.run(["ip", "link", "set", LISTENER, "up"], check=True)
    return {"said": None}


def missing() -> dict[str, Any]:
    """What the ring says of an interface that is not there."""
    try:
        Ring("sg-nowhere", 2)
    except RingError as error:
        return {"said": error.strerror}
    return {"said": None}


# -- packets that say whose they are


def frames(ring: Ring) -> list[bytes]:
    """What the ring holds, and what it is still being given."""
    found = []
    while ring.wait(500):
        with ring.block() as (buffer, at, end):
            for _ in range(ring.state[6]):
                step, size, mac = (int.from_bytes(buffer[at + o : at + o + n], "little") for o, n in FIELDS)
                found.append(buffer[at + mac : min(end, at + mac + size)].tobytes())
                at += step
    return found


FIELDS = ((0, 4), (12, 4), (24, 2))  # of struct tpacket3_hdr: next header, bytes kept, offset of the frame


def marks(rings: Iterable[Ring]) -> list[Counter[str]]:
    """For each ring the marks of the packets that it has got."""
    return [Counter(m.decode() for f in frames(ring) for m in re.findall(rb"<mark ([^>]*)>", f)) for ring in rings]


def send(wire: Iterable[bytes]) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((SENDER, 0))
        for frame in wire:
            out.send(frame)


def in_fragments(frame: bytes, size: int = 64) -> list[bytes]:
    """An Ethernet frame with an IPv4 packet, as the fragments of that packet, the last one first."""
    head, body = frame[14:34], frame[34:]
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    out = []
    for n, part in enumerate(parts):
        field = n * size // 8 | (0x2000 if n < len(parts) - 1 else 0)
        new = bytearray(head)
        struct.pack_into(">H", new, 2, 20 + len(part))
        struct.pack_into(">H", new, 6, field)
        out.append(frame[:14] + bytes(new) + part)
    return out[::-1]


def both_ways(client: str, server: str, mark: str) -> list[bytes]:
    """IP packets of a client, over TCP and UDP: to a server and back, to its resolver, which is inside, and back."""
    data = f"<mark {mark}>".encode()
    found = [
        tcp(client, 50000, server, 443, data=data),
        tcp(server, 443, client, 50000, data=data),
        udp(client, 50001, server, 443, data),
        udp(server, 443, client, 50001, data),
    ]
    resolver = "10.20.0.1" if ipaddress.ip_address(client).version == 4 else "fd00:20::1"
    return [*found, udp(client, 40053, resolver, 53, data), udp(resolver, 53, client, 40053, data)]


def wire_of(packets: Sequence[bytes]) -> list[bytes]:
    """The packets under tags and labels and in tunnels."""
    out: list[bytes] = []
    for packet in packets:
        out += [ethernet(packet, tags) for tags in ((), (10,), (100, 20), (4094, 1, 7))]
        out += [mpls(packet, 2), pppoe(packet)]
        out += [ethernet(wrapped(packet, [name], [("172.31.0.1", "172.31.0.2")]), (5,)) for name in TUNNELS]
        out += [ethernet(wrapped(packet, [name], [("fd77::1", "fd77::2")])) for name in TUNNELS]
        deep = wrapped(packet, ["GRE", "ERSPAN II"], [("172.31.1.1", "172.31.1.2"), ("172.31.0.1", "172.31.0.2")])
        out.append(ethernet(deep))
    return out


def shared() -> dict[str, Any]:
    """Two rings of one interface: what each has got, by client."""
    rules = [SegmentRule(segment="staff", subnets=("10.20.0.0/16", "fd00:20::/64"))]  # type: ignore[arg-type]
    share = Share(4711, inside_subnets(rules))
    clients = [f"10.20.{n}.{n * 7 % 250 + 2}" for n in range(24)] + [f"fd00:20::{n:x}:1" for n in range(8)]
    wire, sent = [], Counter[str]()
    for n, client in enumerate(clients):
        server = f"203.0.113.{n}" if "." in client else f"2001:db8::{n:x}"
        packets = wire_of(both_ways(client, server, client))
        sent[client] = len(packets) + 6
        wire += packets
        for packet in both_ways(client, server, client):
            erspan = gre(0x88BE, bytes(8) + ethernet(packet + bytes(100)), f"172.31.2.{n + 1}", "172.31.0.2", 0x1000)
            fragments = in_fragments(ethernet(erspan))
            for fragment in fragments:
                wire.append(fragment)
    hello_each = [ethernet(both_ways(c, "203.0.113.9" if "." in c else "2001:db8::9", c)[0]) for c in clients]
    with Ring(LISTENER, 8, share=share) as one, Ring(LISTENER, 8, share=share) as two:
        send(wire)
        got = marks([one, two])
        for ring in (one, two):
            ring.read_drops()
        drops = [one.drops, two.drops]
        # Its process dies, but somebody holds its socket: the other one's clients stay with it, its own wait.
        held = two.socket.dup()
        two.close()
        send(hello_each)
        (first,) = marks([one])
        with Ring(LISTENER, 8, share=share, kept=held) as three:
            send(hello_each)
            again = marks([one, three])
    return {"sent": sent, "got": got, "drops": drops, "first": first, "again": again}


def exempt() -> dict[str, Any]:
    """What comes through when some networks are exempt."""
    networks = [ipaddress.ip_network(text) for text in ("10.9.0.0/16", "fd00:9::/64")]
    wire, sent = [], Counter[str]()
    for client, server, mark in (
        ("10.9.3.4", "203.0.113.7", "exempt client"),
        ("10.20.0.5", "10.9.200.1", "exempt server"),
        ("fd00:9::5", "2001:db8::7", "exempt client, IPv6"),
        ("10.20.0.5", "203.0.113.7", "other client"),
        ("fd00:20::5", "2001:db8::7", "other client, IPv6"),
    ):
        packets = wire_of(both_ways(client, server, mark)[:4])
        sent[mark] = len(packets)
        wire += packets
    inner = tcp("10.20.0.5", 1, "203.0.113.7", 2, data=b"<mark exempt tunnel>")
    wire.append(ethernet(wrapped(inner, ["GRE"], [("10.9.0.1", "192.0.2.1")])))
    wire.append(bytes(12) + b"\x08\x06" + b"<mark no IP>")
    wire.append(ethernet(ip("10.20.0.5", "10.20.0.1", 1, b"<mark ping>")))
    with Ring(LISTENER, 8, exempt=networks) as ring:
        send(wire)
        return {"sent": sent, "got": marks([ring])[0]}


def split() -> dict[str, Any]:
    """Hellos over two blocks: small blocks, and between the halves of each hello more than a block of others."""
    sensor, hello = new_sensor(), client_hello("www.one.example")
    feed(sensor, [])
    packets: list[Packet] = []
    for n in range(20):
        talk = Talk(client_port=20000 + n).open(0).up(0, hello[:200])
        noise = Talk(client_port=30000 + n, server_port=5222)
        for _ in range(8):
            noise.up(0, bytes(1200))
        packets += [*talk.packets, *noise.packets, *Talk(client_port=20000 + n).segment(0, 200, hello[200:]).packets]
    blocks = 0
    with Ring(LISTENER, 1, block_bytes=8192) as ring:
        send(p.frame for p in packets)
        while ring.wait(500):
            with ring.block() as (buffer, start, stop):
                sensor.feed(buffer, start, stop, ring.state)
            blocks += 1
        ring.read_drops()
    sensor.meter.finish()
    rows = sensor.table().to_pylist()
    named = Counter(f"{row['service']} {row['evidence']}" for row in rows)
    return {"named": named, "blocks": blocks, "drops": ring.drops}


SCENARIOS = {
    "going away": going_away,
    "missing": missing,
    "shared": shared,
    "exempt": exempt,
    "split": split,
}

if __name__ == "__main__":
    scenario = sys.argv[1]
    if scenario in ("many", "answers"):
        packets = {"many": many, "answers": answers}[scenario]()
        print(json.dumps(seen(packets) | {"sent": len(packets), "sent_bytes": sum(ip_bytes(p.frame) for p in packets)}))
    else:
        print(json.dumps(SCENARIOS[scenario]()))
