"""A Linux TPACKET_V3 capture ring: the kernel writes packets into shared memory, we walk its blocks in place.

Theory of operation. `Ring` opens the interface promiscuously (CAP_NET_RAW is enough) and gives whole blocks; a block
goes back to the kernel when the caller is done with it. Several rings share an interface as a fanout group: the kernel
runs `sensor.filters.share_program` on each packet and gives it to one of them. Until a ring has joined its group and
has its filter, it takes nothing, so no packet is taken twice. A ring outlives its process if another one holds its
socket: it is then still a member of its group, which would otherwise deal all clients out anew, and whoever takes the
socket over goes on at the oldest block that was not read.

Drops are counted by the kernel and read here. It does not read packets.

Sources: Linux Documentation/networking/packet_mmap.rst, include/uapi/linux/if_packet.h, net/packet/af_packet.c.
"""

from __future__ import annotations

import errno
import mmap
import select
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor import cbpf, filters, interface

if TYPE_CHECKING:
    from sensor.settings import Subnet

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_RX_RING, PACKET_STATISTICS, PACKET_VERSION = 263, 1, 5, 6, 10
PACKET_FANOUT, PACKET_FANOUT_DATA, FANOUT_CBPF, FANOUT_FLAG_DEFRAG = 18, 22, 6, 0x8000
TPACKET_V3, PACKET_MR_PROMISC, ETH_P_ALL = 2, 1, 3
TP_STATUS_KERNEL, TP_STATUS_USER = 0, 1
BLOCK_BYTES = 1 << 20
FRAME_BYTES = 2048
RETIRE_MS = 100  # a block that is not full is handed over after this long
_STATUS_WORD, _PACKETS_WORD, _FIRST_WORD = 2, 3, 4  # 32-bit words of struct tpacket_block_desc
_LEFT = 6  # sensor.walk.LEFT
_SEQUENCE_WORD = 3  # its 64-bit word: counts the blocks as the kernel opens them


class RingError(OSError):
    """The interface cannot be watched; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Share:
    """Several rings share what comes in. `group`: a number that they have in common, `inside`: where clients live."""

    group: int
    inside: tuple[Subnet, ...]


class Ring:
    """An open ring on one interface; a context manager.

    `exempt`: networks whose packets the kernel is to keep away. `kept`: the socket of a ring of the same size that
    another process had opened. Raises RingError.
    """

    def __init__(
        self,
        name: str,
        ring_mib: int = 64,
        *,
        block_bytes: int = BLOCK_BYTES,
        exempt: Sequence[Subnet] = (),
        share: Share | None = None,
        kept: socket.socket | None = None,
    ) -> None:
        self.drops = 0
        self.freezes = 0
        self._block_bytes = block_bytes
        self._blocks = max(2, ring_mib * (1 << 20) // block_bytes)
        self.socket = kept or _raw_socket(name)
        try:
            if kept:
                name = kept.getsockname()[0] or name  # it may have been renamed
            card = interface.find(name)
            if card is None:
                raise RingError(errno.ENODEV, f"there is no interface {name}; see: ip -br link")
            if card.link_header is None:
                raise RingError(errno.EPFNOSUPPORT, f"{name} carries neither Ethernet nor IP (type {card.hardware})")
            if not card.up and not kept:
                raise RingError(errno.ENETDOWN, f"{name} is down; run: ip link set dev {name} up")
            self.name, self.index = name, card.index
            if not kept:
                self._ask_for_memory(ring_mib)
            self._map()
            if not kept:
                self._bind(card.link_header, exempt, share)
        except OSError as error:
            self.socket.close()
            if isinstance(error, RingError):
                raise
            raise RingError(error.errno, f"cannot capture on {name}: {error.strerror}") from None
        self._poll = select.poll()
        self._poll.register(self.socket.fileno(), select.POLLIN | select.POLLERR)
        self._at = self._oldest() if kept else 0
        self._framed = card.link_header > 0

    @cached_property
    def state(self) -> Any:
        """For the walker; made when it is asked for, as its module takes a while to load and packets come meanwhile."""
        from sensor import walk

        state = walk.new_state()
        state[walk.FORMAT] = walk.FORMAT_RING
        state[walk.LINK] = 1 if self._framed else 101
        return state

    def _ask_for_memory(self, ring_mib: int) -> None:
        self.socket.setsockopt(SOL_PACKET, PACKET_VERSION, struct.pack("i", TPACKET_V3))
        frames = self._block_bytes // FRAME_BYTES * self._blocks
        request = struct.pack("IIIIIII", self._block_bytes, self._blocks, FRAME_BYTES, frames, RETIRE_MS, 0, 0)
        try:
            self.socket.setsockopt(SOL_PACKET, PACKET_RX_RING, request)
        except OSError as error:
            raise _no_memory(self.name, ring_mib, error) from None

    def _map(self) -> None:
        size = self._block_bytes * self._blocks
        try:
            memory = mmap.mmap(self.socket.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except OSError as error:
            raise _no_memory(self.name, size >> 20, error) from None
        self._words = np.frombuffer(memory, np.uint32)
        self._bytes = np.frombuffer(memory, np.uint8)

    def _bind(self, link_header: int, exempt: Sequence[Subnet], share: Share | None) -> None:
        s = self.socket
        cbpf.attach(s, cbpf.ACCEPT_NOTHING)
        member = struct.pack("iHH8s", self.index, PACKET_MR_PROMISC, 0, b"")
        s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, member)
        s.bind((self.name, ETH_P_ALL))
        if share:
            group = (share.group + self.index) & 0xFFFF  # of its own for an interface that comes again
            s.setsockopt(SOL_PACKET, PACKET_FANOUT, struct.pack("I", group | (FANOUT_CBPF | FANOUT_FLAG_DEFRAG) << 16))
            program = filters.share_program(share.inside, link_header)
            cbpf.set_program(s, SOL_PACKET, PACKET_FANOUT_DATA, program)
        if not exempt:
            cbpf.detach(s)
            return
        try:
            cbpf.attach(s, filters.exempt_program(exempt, link_header))
        except OSError as error:
            if error.errno != errno.ENOMEM:
                raise
            mend = "name fewer or wider networks in sensor.exempt, or raise net.core.optmem_max (sysctl)"
            raise RingError(
                errno.ENOMEM, f"the filter of exempt networks is too large for the kernel; {mend}"
            ) from None

    def _oldest(self) -> int:
        """The block to read next in a ring that has been in use."""
        step = self._block_bytes // 4
        ready = self._words[_STATUS_WORD::step] & TP_STATUS_USER != 0
        sequence = self._words.view(np.uint64)[_SEQUENCE_WORD :: step // 2]
        if ready.any():
            return int(np.flatnonzero(ready)[sequence[ready].argmin()])
        return int(sequence.argmax())  # the one that the kernel is filling

    def __enter__(self) -> Ring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop capturing and give the memory back."""
        self._words, self._bytes = np.zeros(0, np.uint32), np.zeros(0, np.uint8)
        self.socket.close()

    def refuse(self) -> None:
        """Take no more packets; those that are in the ring come still."""
        cbpf.attach(self.socket, cbpf.ACCEPT_NOTHING)

    def wait(self, timeout_ms: int) -> bool:
        """Is a block ready? Waits at most so long. Raises RingError once each time the interface goes down."""
        if self._ready():
            return True
        for _, event in self._poll.poll(timeout_ms):
            if event & select.POLLERR:
                code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise RingError(code, f"{self.name}: the interface went away")
        return self._ready()

    def _ready(self) -> bool:
        return bool(self._words[self._at * (self._block_bytes // 4) + _STATUS_WORD] & TP_STATUS_USER)

    @contextmanager
    def block(self) -> Iterator[tuple[Any, int, int]]:
        """The next ready block as (buffer, first header, end); afterwards it belongs to the kernel again.

        Sets `state` for the walker. Call only after `wait` said yes.
        """
        base = self._at * self._block_bytes
        header = base // 4
        self.state[_LEFT] = int(self._words[header + _PACKETS_WORD])
        try:
            yield self._bytes, base + int(self._words[header + _FIRST_WORD]), base + self._block_bytes
        finally:
            self._words[header + _STATUS_WORD] = TP_STATUS_KERNEL
            self._at = (self._at + 1) % self._blocks

    def read_drops(self) -> None:
        """Add the kernel's counters since the last call: packets that found no room, times that the ring was full."""
        _, drops, freezes = struct.unpack("III", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 12))
        self.drops += drops
        self.freezes += freezes


def _raw_socket(name: str) -> socket.socket:
    try:
        return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except PermissionError:
        raise RingError(
            errno.EPERM, f"may not capture on {name}: CAP_NET_RAW is missing; {capability_mend()}"
        ) from None


def capability_mend() -> str:
    """The command that gives this interpreter the capability. It belongs to a file, and a venv may only have a link."""
    python = Path(sys.executable)
    mend = f"run as root, or once: sudo setcap cap_net_raw+ep {python.resolve()}"
    if python.is_symlink():
        mend += " (all who may run that Python could capture then; `python3 -m venv --copies` makes one of your own)"
    return mend


def _no_memory(name: str, ring_mib: int, error: OSError) -> RingError:
    mend = f"lower sensor.ring_mib (it is {ring_mib} for each worker) or free memory"
    return RingError(error.errno, f"no memory for the ring of {name}: {error.strerror}; {mend}")
