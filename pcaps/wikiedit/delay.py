"""A line with a delay, for kernels without netem: `python -m pcaps.wikiedit.delay NEAR FAR MILLISECONDS ...`.

Copies every frame between two devices of its namespace, each way half of the round trip later. The delay of a direction
is constant, so frames wait in a queue and are never reordered. One process serves all lines (three words for each).
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from collections import deque

_BUFFER = 16 << 20
_ALL_PROTOCOLS = 3


def _open(device: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS))
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        raw.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
    raw.bind((device, 0))
    raw.setblocking(False)
    return raw


def carry(lines: list[tuple[str, str, float]]) -> None:
    """Carry frames for ever; a line is (device, device, seconds of the round trip)."""
    waiting: list[tuple[deque[tuple[float, bytes]], socket.socket]] = []
    selector = selectors.DefaultSelector()
    for near, far, round_trip in lines:
        ends = _open(near), _open(far)
        for source, target in (ends, ends[::-1]):
            queue: deque[tuple[float, bytes]] = deque()
            waiting.append((queue, target))
            selector.register(source, selectors.EVENT_READ, (queue, round_trip / 2))
    while True:
        due = min((queue[0][0] for queue, _ in waiting if queue), default=None)
        timeout = None if due is None else max(0.0, due - time.monotonic())
        for key, _ in selector.select(timeout):
            queue, delay = key.data
            raw: socket.socket = key.fileobj  # type: ignore[assignment]
            for _ in range(64):
                try:
                    frame, address = raw.recvfrom(65535)
                except BlockingIOError:
                    break
                if address[2] != socket.PACKET_OUTGOING:
                    queue.append((time.monotonic() + delay, frame))
        now = time.monotonic()
        for queue, target in waiting:
            while queue and queue[0][0] <= now:
                try:
                    target.send(queue[0][1])
                except BlockingIOError:
                    break
                queue.popleft()


if __name__ == "__main__":
    words = sys.argv[1:]
    carry([(words[n], words[n + 1], float(words[n + 2]) / 1e3) for n in range(0, len(words), 3)])
