"""The bench captures as files: made when first asked for, kept in a temporary folder, written out to the disk so that
nothing of it is still being written while something is measured, and left in the page cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sensor.bench_traffic import CAPTURES, capture
from tests.bench.quic_traffic import quic_mix

PACKETS = 2_000_000  # of `even`; the others as sensor.bench_traffic.CAPTURES says
QUIC_FLOWS = 10_000
TITLES = {  # with the number of flows
    "even": "{:,} flows used evenly",
    "hot": "80 % of the packets in 2 % of {:,} flows",
    "few": "{:,} flows",
    "million": "{:,} flows of four packets",
    "storm": "handshake storm, {:,} flows of ten packets",
    "hybrid": "handshake storm, {:,} flows, ML-KEM hellos in two segments",
    "quic": "QUIC mix, {:,} flows, every other hello in two Initials",
}


def title(name: str, flows: int) -> str:
    """What a capture is, in words."""
    return TITLES[name].format(flows)


class Captures:
    """See the module's header. `scale` makes them smaller."""

    def __init__(self, folder: Path, scale: float = 1.0) -> None:
        self._folder = folder
        self.scale = scale

    def file(self, name: str) -> Path:
        """The capture's file."""
        path = self._folder / f"{name}.pcap"
        if not path.exists():
            with path.open("wb") as file:
                self._make(name).tofile(file)
                os.fsync(file.fileno())
        return path

    def bytes(self, name: str) -> Any:
        """The capture in memory."""
        return np.fromfile(self.file(name), np.uint8)

    def _make(self, name: str) -> Any:
        if name == "tiny":
            return capture(1_000, 20)
        if name == "quic":
            return quic_mix(max(2, int(QUIC_FLOWS * self.scale)))
        return CAPTURES[name](int(PACKETS * self.scale))
