"""Changed copies of network bytes: what a mutation-based fuzzer does, and what breaks parsers of length fields.

`mutate` changes a seed in one to six steps. Besides single bytes and bits it goes for what network formats are made of:
16- and 32-bit lengths (a little too large, a little too small, all ones), records put in twice, pieces of other
seeds put in or over. The same `random.Random` gives the same copy. It knows no protocol.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

MAX_BYTES = 1 << 14
WORTHWHILE = (0, 1, 2, 4, 7, 8, 16, 20, 22, 32, 40, 63, 64, 127, 128, 129, 192, 254, 255)
WORTHWHILE_16 = (0, 1, 7, 8, 20, 255, 256, 0x7FFF, 0x8000, 0xFFF0, 0xFFFF)


def mutate(data: bytes, chance: random.Random, others: Sequence[bytes] = (), limit: int = MAX_BYTES) -> bytes:
    """A changed copy of `data`, at most `limit` bytes long; pieces may come from `others`."""
    out = bytearray(data or b"\0")
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        chance.choice(_STEPS)(out, chance, others)
        if not out:
            out.append(0)
    return bytes(out[:limit])


def _byte(out: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    out[chance.randrange(len(out))] = chance.choice((*WORTHWHILE, chance.randrange(256)))


def _bit(out: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)


def _word(out: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    """A 16- or 32-bit number, in either byte order, a little changed or set to an extreme."""
    width = chance.choice((2, 2, 4))
    if len(out) < width:
        return
    at, order = chance.randrange(len(out) - width + 1), chance.choice(("big", "big", "little"))
    value = int.from_bytes(out[at : at + width], order)
    value = (
        value + chance.choice((-8, -4, -2, -1, 1, 2, 4, 8)) if chance.random() < 0.6 else chance.choice(WORTHWHILE_16)
    )
    out[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, order)


def _stretch(out: bytearray, chance: random.Random) -> tuple[int, int]:
    at = chance.randrange(len(out))
    return at, min(len(out), at + chance.choice((1, 2, 4, 8, 20, 60, 300, 1500)))


def _cut(out: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    del out[chance.randrange(len(out)) :]


def _delete(out: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    at, stop = _stretch(out, chance)
    del out[at:stop]


def _repeat(out: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    """Put a stretch in again, once or often."""
    at, stop = _stretch(out, chance)
    out[stop:stop] = out[at:stop] * chance.choice((1, 1, 2, 20))


def _move(out: bytearray, chance: random.Random, _: Sequence[bytes]) -> None:
    at, stop = _stretch(out, chance)
    piece = out[at:stop]
    del out[at:stop]
    to = chance.randrange(len(out) + 1)
    out[to:to] = piece


def _splice(out: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    """Put a piece of another seed in, or over what is there."""
    other = bytearray(chance.choice(others)) if others else bytearray(out)
    if not other:
        return
    at, stop = _stretch(other, chance)
    to = chance.randrange(len(out) + 1)
    out[to : to + (stop - at if chance.random() < 0.5 else 0)] = other[at:stop]


def _append(out: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    out += chance.choice(others) if others else bytes(out)


_STEPS = (_byte, _byte, _bit, _word, _word, _word, _cut, _delete, _repeat, _move, _splice, _append)
