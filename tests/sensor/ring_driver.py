"""Runs inside a network namespace that test_ring made: sends into one end of a veth pair and captures at the other.

Its argument names a scenario; it prints what the sensor saw as one JSON object.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sensor.ring import Ring, RingError
from sensor.slices import unpack_vlan
from tests.sensor.building import (
    Packet,
    Talk,
    client_hello,
    dns_answer,
    ethernet,
    feed,
    new_sensor,
    quic_datagrams,
    udp,
)

SENDER, LISTENER = "sg-send", "sg-hear"
PATIENCE_S = 20


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


if __name__ == "__main__":
    scenario = sys.argv[1]
    if scenario in ("many", "answers"):
        packets = {"many": many, "answers": answers}[scenario]()
        print(json.dumps(seen(packets) | {"sent": len(packets), "sent_bytes": sum(ip_bytes(p.frame) for p in packets)}))
    else:
        print(json.dumps({"going away": going_away, "missing": missing}[scenario]()))
