"""A Linux TPACKET_V3 capture ring: the kernel writes packets into shared memory, we walk its blocks in place.

`Ring` opens the interface promiscuously (CAP_NET_RAW is enough) and gives whole blocks; a block goes back to the
kernel when the caller is done with it. Drops are counted by the kernel and read here. It does not read packets.

Sources: Linux Documentation/networking/packet_mmap.rst, include/uapi/linux/if_packet.h.
"""

from __future__ import annotations

import errno
import mmap
import select
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sensor import walk

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 263, 1, 5, 6, 10
TPACKET_V3, PACKET_MR_PROMISC, ETH_P_ALL = 2, 1, 3
TP_STATUS_KERNEL, TP_STATUS_USER = 0, 1
BLOCK_BYTES = 1 << 20
FRAME_BYTES = 2048
RETIRE_MS = 100  # a block that is not full is handed over after this long
_STATUS_WORD, _PACKETS_WORD, _FIRST_WORD = 2, 3, 4  # 32-bit words of struct tpacket_block_desc


class RingError(OSError):
    """The interface cannot be watched; the message says what to do."""


class Ring:
    """An open ring on one interface; a context manager."""

    def __init__(self, interface: str, ring_mib: int = 64) -> None:
        self.interface = interface
        self.drops = 0
        self.freezes = 0
        self._blocks = max(2, ring_mib * (1 << 20) // BLOCK_BYTES)
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        except PermissionError:
            raise RingError(
                errno.EPERM,
                f"may not capture on {interface}: CAP_NET_RAW is missing; run as root, or once: "
                f"sudo setcap cap_net_raw+ep {sys.executable}",
            ) from None
        try:
            index = socket.if_nametoindex(interface)
        except OSError:
            self._socket.close()
            raise RingError(errno.ENODEV, f"there is no interface {interface}; see: ip -br link") from None
        try:
            self._map(index)
        except OSError as error:
            self._socket.close()
            raise RingError(
                error.errno, f"cannot capture on {interface}: {error.strerror}; is it there and is there memory?"
            ) from None
        self._poll = select.poll()
        self._poll.register(self._socket.fileno(), select.POLLIN | select.POLLERR)
        self._at = 0
        self.state = walk.new_state()
        self.state[walk.FORMAT] = walk.FORMAT_RING
        self.state[walk.LINK] = 1

    def _map(self, index: int) -> None:
        """Set up the ring and share its memory."""
        s = self._socket
        s.setsockopt(SOL_PACKET, PACKET_VERSION, struct.pack("i", TPACKET_V3))
        frames = BLOCK_BYTES // FRAME_BYTES * self._blocks
        request = struct.pack("IIIIIII", BLOCK_BYTES, self._blocks, FRAME_BYTES, frames, RETIRE_MS, 0, 0)
        s.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        size = BLOCK_BYTES * self._blocks
        self._memory = mmap.mmap(s.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._words = np.frombuffer(self._memory, np.uint32)
        self._bytes = np.frombuffer(self._memory, np.uint8)
        s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, struct.pack("iHH8s", index, PACKET_MR_PROMISC, 0, b""))
        s.bind((self.interface, ETH_P_ALL))

    def __enter__(self) -> Ring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop capturing and give the memory back."""
        self._words, self._bytes = np.zeros(0, np.uint32), np.zeros(0, np.uint8)
        self._socket.close()

    def wait(self, timeout_ms: int) -> bool:
        """Is a block ready? Waits at most so long. Raises RingError if the interface has gone down."""
        if self._words[self._at * (BLOCK_BYTES // 4) + _STATUS_WORD] & TP_STATUS_USER:
            return True
        for _, event in self._poll.poll(timeout_ms):
            if event & select.POLLERR:
                code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise RingError(code, f"{self.interface}: the interface went away")
        return bool(self._words[self._at * (BLOCK_BYTES // 4) + _STATUS_WORD] & TP_STATUS_USER)

    @contextmanager
    def block(self) -> Iterator[tuple[Any, int, int]]:
        """The next ready block as (buffer, first header, end); afterwards it belongs to the kernel again.

        Sets `state` for the walker. Call only after `wait` said yes.
        """
        base = self._at * BLOCK_BYTES
        header = base // 4
        self.state[walk.LEFT] = int(self._words[header + _PACKETS_WORD])
        try:
            yield self._bytes, base + int(self._words[header + _FIRST_WORD]), base + BLOCK_BYTES
        finally:
            self._words[header + _STATUS_WORD] = TP_STATUS_KERNEL
            self._at = (self._at + 1) % self._blocks

    def read_drops(self) -> None:
        """Add the kernel's drop counters since the last call to `drops` and `freezes`."""
        _, drops, freezes = struct.unpack("III", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        self.drops += drops
        self.freezes += freezes
