"""A mirror port for the live test: one client's frames, copied among a lot of other traffic.

`python -m pcaps.wikiedit.mirror FROM-NAMESPACE FROM-DEVICE TO-NAMESPACE TO-DEVICE` copies every frame of a device, both
ways, to another device, for ever. `write_background` makes a capture of other clients' TLS flows for tcpreplay.
"""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
import struct
import sys
from pathlib import Path

from pcaps.use.network import socket_within

_ALL_PROTOCOLS, _BUFFER = 3, 32 << 20


def raw_socket(namespace: str, device: str) -> socket.socket:
    """A packet socket on a device of another namespace. Raises OSError."""

    def make() -> socket.socket:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        raw.bind((device, 0))
        return raw

    return socket_within(namespace, make)


def copy(source: socket.socket, target: socket.socket) -> None:
    """Copy frames for ever."""
    while True:
        target.send(source.recv(65535))


def _hello(context: ssl.SSLContext, name: str) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def _frame(up: bool, flow: tuple[bytes, int, bytes], sequences: list[int], flags: int, data: bytes) -> bytes:
    client, port, server = flow
    ends, ports = (client + server, (port, 443)) if up else (server + client, (443, port))
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(data), 0, 0x4000, 62, 6, 0) + ends
    tcp = struct.pack(">HHIIBBHHH", *ports, sequences[not up], sequences[up], 0x50, flags, 501, 0, 0)
    sequences[not up] += len(data) + (flags & 2) // 2
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + tcp + data


def write_background(path: Path, flows: int = 200, seed: int = 1) -> None:
    """TLS flows of other clients to other hosts, mixed; about nine in ten bytes come down."""
    rng = random.Random(seed)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ways: list[list[bytes]] = []
    for number in range(flows):
        client = bytes((10, 20, rng.randrange(8), rng.randrange(1, 255)))
        server = bytes((198, 18, rng.randrange(256), rng.randrange(1, 255)))
        flow, at = (client, 20_000 + number, server), [rng.randrange(1 << 30), rng.randrange(1 << 30)]
        frames = [_frame(True, flow, at, 2, b""), _frame(False, flow, at, 0x12, b""), _frame(True, flow, at, 0x10, b"")]
        frames.append(_frame(True, flow, at, 0x18, _hello(context, f"www{number}.example.org")))
        for _ in range(int(rng.lognormvariate(4.0, 1.2)) + 3):
            frames.append(_frame(True, flow, at, 0x18, b"\x17\x03\x03\x01\x00" + bytes(256)))
            for _ in range(rng.randint(1, 3)):
                frames.append(_frame(False, flow, at, 0x18, b"\x17\x03\x03\x05\xa3" + bytes(1443)))
            frames.append(_frame(True, flow, at, 0x10, b""))
        ways.append([*frames, _frame(False, flow, at, 0x11, b""), _frame(True, flow, at, 0x11, b"")])
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        moment, open_flows = 0, ways[:60]
        waiting = ways[60:]
        while open_flows:
            which = rng.randrange(len(open_flows))
            for frame in open_flows[which][:4]:
                file.write(struct.pack("<IIII", moment // 10**6, moment % 10**6, len(frame), len(frame)) + frame)
                moment += 30
            del open_flows[which][:4]
            if not open_flows[which]:
                open_flows[which : which + 1] = [waiting.pop()] if waiting else []


if __name__ == "__main__":
    copy(raw_socket(*sys.argv[1:3]), raw_socket(*sys.argv[3:5]))
