"""How one input stands for several things: byte strings with a length before each, as fuzzers can change them."""

from __future__ import annotations

from collections.abc import Iterable


def split(data: bytes, at_most: int = 32) -> list[bytes]:
    """Byte strings, each after its length in two bytes; the last may be cut short."""
    parts = []
    while len(data) >= 2 and len(parts) < at_most:
        size = int.from_bytes(data[:2], "big")
        parts.append(data[2 : 2 + size])
        data = data[2 + size :]
    return parts


def join(parts: Iterable[bytes]) -> bytes:
    """The inverse of `split`."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
