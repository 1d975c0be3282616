"""ClientHellos that real TLS stacks sent over loopback: the client's bytes, and what is true of them (truth.jsonl)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Hello:
    """One recorded hello. `parts`: the stream as one part, or DTLS datagrams; `name`: what the client was told to ask
    for (for real ECH the outer name), None if it sent none."""

    label: str
    stack: str
    transport: str  # tcp or udp
    name: str | None
    ech: bool  # the encrypted_client_hello extension, real or GREASE
    mlkem: bool  # a key share with ML-KEM
    parts: tuple[bytes, ...]

    @property
    def stream(self) -> bytes:
        """All bytes, one after another."""
        return b"".join(self.parts)


def hellos(transport: str = "tcp") -> list[Hello]:
    """The recorded hellos of a transport, in order of label."""
    out = []
    for line in (HERE / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["transport"] == transport:
            data, parts = (HERE / f"{row['label']}.bin").read_bytes(), []
            for size in row["parts"]:
                parts.append(data[:size])
                data = data[size:]
            fields = (row[f] for f in ("label", "stack", "transport", "name", "ech", "mlkem"))
            out.append(Hello(*fields, tuple(parts)))
    return out
