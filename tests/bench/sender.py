"""Sends packets as fast as a core can, or at a rate: python -m tests.bench.sender INTERFACE SECONDS RATE CORE

A PACKET_TX_RING that bypasses the queueing discipline: frames lie in memory shared with Linux and one system call sends
a batch of them. On a veth pair that is about twice as fast as sendmmsg and fourteen times tcpreplay, as no frame is
copied before the receiver's ring takes it. The ring holds one bench capture; each time round the client's ports are
changed, so that VARIANTS times as many flows pass, each with handshake and hello, before they come again. RATE 0 is as
fast as it goes. Prints one JSON object.

Sources: Linux Documentation/networking/packet_mmap.rst, include/uapi/linux/if_packet.h.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import socket
import struct
import sys
import time
from typing import Any

import numpy as np

from sensor.bench import HEADER
from sensor.bench_traffic import capture
from sensor.ring import PACKET_VERSION, SOL_PACKET

PACKET_TX_RING, PACKET_QDISC_BYPASS, TPACKET_V2 = 13, 20, 1
AVAILABLE, SEND_REQUEST, WRONG_FORMAT = 0, 1, 4
FRAME, DATA = 2048, 32  # bytes of a ring frame, and where in it the packet begins (TPACKET2_HDRLEN - sockaddr_ll)
BLOCK, BLOCKS = 1 << 20, 128
FRAMES = BLOCK * BLOCKS // FRAME
VARIANTS = 30
FLOWS = FRAMES * 3 // 100
BATCH = 64


class Sender:
    """A transmit ring on an interface, filled with one capture."""

    def __init__(self, interface: str) -> None:
        s = self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        s.setsockopt(SOL_PACKET, PACKET_VERSION, struct.pack("i", TPACKET_V2))
        s.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        s.setsockopt(SOL_PACKET, PACKET_TX_RING, struct.pack("IIII", BLOCK, BLOCKS, FRAME, FRAMES))
        memory = mmap.mmap(s.fileno(), BLOCK * BLOCKS)
        s.bind((interface, 0))
        self._words = np.frombuffer(memory, np.uint32).reshape(FRAMES, FRAME // 4)
        self._bytes = np.frombuffer(memory, np.uint8).reshape(FRAMES, FRAME)
        self._port = np.zeros(FRAMES, np.int64)  # place of the low byte of the client's port
        self._low = np.zeros(FRAMES, np.uint8)
        self._fill(capture(FRAMES, FLOWS))

    def _fill(self, packets: Any) -> None:
        at = HEADER
        for n in range(FRAMES):
            size = int.from_bytes(packets[at + 8 : at + 12].tobytes(), "little")
            frame = packets[at + 16 : at + 16 + size]
            self._bytes[n, DATA : DATA + size] = frame
            self._words[n, 1] = size
            self._port[n] = DATA + (35 if frame[36] == 1 and frame[37] == 187 else 37)  # the other one is 443
            at += 16 + size
        self._low[:] = self._bytes[np.arange(FRAMES), self._port]

    def send(self, seconds: float, rate: float) -> dict[str, float]:
        """Sends for so long; gives packets, seconds and packets that Linux refused."""
        gc.disable()
        sent = at = variant = refused = 0
        rows = np.arange(FRAMES)
        begin = time.perf_counter()
        while (now := time.perf_counter() - begin) < seconds:
            if rate and sent > now * rate:
                continue
            batch = slice(at, at + BATCH)
            status = self._words[batch, 0]
            if status.any():
                refused += int((status == WRONG_FORMAT).sum())
                if (status == SEND_REQUEST).any() or (status > WRONG_FORMAT).any():
                    self._socket.send(b"")
                    continue
            self._bytes[rows[batch], self._port[batch]] = self._low[batch] ^ variant
            self._words[batch, 0] = SEND_REQUEST
            self._socket.send(b"")
            sent += BATCH
            at += BATCH
            if at == FRAMES:
                at, variant = 0, (variant + 1) % VARIANTS
        return {"sent": sent, "seconds": time.perf_counter() - begin, "refused": refused}


def main() -> None:
    interface, seconds, rate, core = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    os.sched_setaffinity(0, {core})
    print(json.dumps(Sender(interface).send(seconds, rate)))


if __name__ == "__main__":
    main()
