"""First flights that real QUIC stacks sent over loopback: every datagram, by whom, and what is true of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Flight:
    """One recorded beginning of a connection. `name`: what the client was told to ask for."""

    label: str
    stack: str
    name: str
    version: int  # of the first datagram
    datagrams: tuple[tuple[str, bytes], ...]  # ("client" or "server", bytes), in the order they were sent

    @property
    def client(self) -> tuple[bytes, ...]:
        """What the client sent."""
        return tuple(data for sender, data in self.datagrams if sender == "client")


def flights() -> list[Flight]:
    """The recorded flights, in order of label."""
    out = []
    for line in (HERE / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        data, datagrams = (HERE / f"{row['label']}.bin").read_bytes(), []
        for sender, size in row["datagrams"]:
            datagrams.append((sender, data[:size]))
            data = data[size:]
        out.append(Flight(row["label"], row["stack"], row["name"], row["version"], tuple(datagrams)))
    return out
