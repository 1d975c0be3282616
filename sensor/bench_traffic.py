"""Captures for measuring: interleaved TLS flows in memory, sizes as on a gateway (755 B mean), over half an hour.

Every flow is SYN, SYN/ACK, ACK and a whole ClientHello one after the other, then data both ways among all other
flows. Which flow comes next is drawn evenly, or with 80 % of packets from 2 % of the flows. It makes bytes; it
measures nothing.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from sensor.load import kernel

NAMES = (
    "www.facebook.com", "static.xx.fbcdn.net", "x.com", "abs.twimg.com", "en.wikipedia.org", "www.youtube.com",
    "rr3---sn-aigl6nsr.googlevideo.com", "www.tiktok.com", "www.instagram.com", "www.reddit.com", "www.bbc.co.uk",
    "hwb.gov.wales", "login.microsoftonline.com", "outlook.office365.com", "www.google.com", "fonts.gstatic.com",
    "teams.microsoft.com", "classroom.google.com", "www.sims.co.uk", "update.googleapis.com",
)  # fmt: skip


def client_hello(name: str) -> bytes:
    """A TLS 1.3 ClientHello record of a browser's size with this server name (RFC 8446 4.1.2)."""
    host = name.encode()
    server_name = struct.pack(">HBH", len(host) + 3, 0, len(host)) + host
    extensions = (
        (0x0A0A, b""), (10, b"\x00\x04\x00\x1d\x00\x17"), (16, b"\x00\x0c\x02h2\x08http/1.1"),
        (43, b"\x04\x03\x04\x03\x03"),
        (51, b"\x00\x24\x00\x1d\x00\x20" + b"k" * 32), (0, server_name), (21, bytes(150)),
    )  # fmt: skip
    listed = b"".join(struct.pack(">HH", kind, len(body)) + body for kind, body in extensions)
    body = b"\x03\x03" + b"r" * 32 + b"\x20" + b"s" * 32 + struct.pack(">H", 32) + b"\x13\x01" * 16 + b"\x01\x00"
    body += struct.pack(">H", len(listed)) + listed
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


@kernel
def _put(buf, at, value, size):
    for k in range(size):
        buf[at + k] = (value >> (8 * (size - 1 - k))) & 255


@kernel
def _fill(buf, packets, flows, hot, step_ns, hellos, hello_at, hello_size, state, seed):
    np.random.seed(seed)
    at = 24
    time = 1_795_200_000 * 1_000_000_000
    f = 0
    for _ in range(packets):
        if state[f] == 0 or state[f] > 3:  # a handshake is not interrupted: it takes milliseconds, not minutes
            f = int(flows * (0.02 if np.random.random() < hot else 1.0) * np.random.random())
        stage = state[f]
        state[f] = stage + 1
        up = stage != 1
        size = 0
        h = f % len(hello_at)
        if stage == 3:
            size = hello_size[h]
        elif stage > 3:
            r = np.random.random()
            up = r < 0.42
            if 0.35 <= r < 0.42:
                size = int(80 + 400 * np.random.random())
            elif 0.42 <= r < 0.9:
                size = 1400
            elif r >= 0.9:
                size = int(1400 * np.random.random())
        total = 54 + size
        time += step_ns if stage == 0 or stage > 3 else 1_000_000
        seconds = time // 1_000_000_000
        for k in range(4):  # the pcap header is little-endian
            buf[at + k] = (seconds >> (8 * k)) & 255
            buf[at + 4 + k] = ((time - seconds * 1_000_000_000) >> (8 * k)) & 255
            buf[at + 8 + k] = (total >> (8 * k)) & 255
            buf[at + 12 + k] = (total >> (8 * k)) & 255
        p = at + 16
        _put(buf, p + 12, 0x0800, 2)
        _put(buf, p + 14, 0x4500, 2)
        _put(buf, p + 16, 40 + size, 2)
        _put(buf, p + 22, 0x4006, 2)
        client = 0x0A140000 + (f * 7) % 1500
        server = 0x5DB80000 + (f * 7919) % 0xFFFFFF
        port = 1024 + (f * 31) % 60000
        _put(buf, p + 26, client if up else server, 4)
        _put(buf, p + 30, server if up else client, 4)
        _put(buf, p + 34, port if up else 443, 2)
        _put(buf, p + 36, 443 if up else port, 2)
        _put(buf, p + 38, 1000 + (0 if stage == 0 else 1), 4)
        _put(buf, p + 46, 0x5002 if stage == 0 else 0x5012 if stage == 1 else 0x5010, 2)
        if stage == 3:
            for k in range(size):
                buf[p + 54 + k] = hellos[hello_at[h] + k]
        elif size:
            _put(buf, p + 54, 0x170303, 3)
        at = p + total
    return at


def capture(packets: int, flows: int, *, hot: float = 0.8, minutes: int = 34, seed: int = 1) -> Any:
    """A nanosecond pcap of Ethernet frames as a uint8 array; packet times spread over `minutes`."""
    hellos = [client_hello(name) for name in NAMES]
    sizes = np.array([len(h) for h in hellos])
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    buf = np.zeros(24 + packets * 900 + 4096, np.uint8)
    buf[:24] = np.frombuffer(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1), np.uint8)
    joined = np.frombuffer(b"".join(hellos), np.uint8).copy()
    step = minutes * 60 * 1_000_000_000 // packets
    used = _fill(buf, packets, flows, hot, step, joined, starts, sizes, np.zeros(flows, np.int32), seed)
    return buf[:used].copy()
