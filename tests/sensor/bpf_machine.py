"""A second writing of the kernel's classic BPF machine and of its checker (net/core/filter.c), for tests."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass

from sensor.cbpf import Instruction

WORD = 0xFFFFFFFF
COMPUTE = {
    0x00: operator.add,
    0x10: operator.sub,
    0x20: operator.mul,
    0x40: operator.or_,
    0x50: operator.and_,
    0x60: operator.lshift,
    0x70: operator.rshift,
    0xA0: operator.xor,
}
SIZES = {0x00: 4, 0x08: 2, 0x10: 1}


@dataclass(frozen=True)
class Skb:
    """A packet as the kernel gives it to a program."""

    data: bytes
    protocol: int
    type: int = 3  # PACKET_OTHERHOST


def check(program: Sequence[Instruction]) -> None:
    """What the kernel checks before it takes a program: length, codes, jumps inside, cells written before read."""
    assert 0 < len(program) <= 4096
    written: dict[int, int] = {}
    here = 0
    for at, (code, jt, jf, k) in enumerate(program):
        here = here & written.pop(at) if at in written else here
        kind = code & 7
        targets: list[int] = []
        if code in (0x02, 0x03):
            assert k < 16
            here |= 1 << k
        elif code in (0x60, 0x61):
            assert here >> k & 1, f"cell {k} is read at {at} and not written on every way"
        elif kind == 5:
            targets = [at + 1 + k] if code & 0xF0 == 0 else [at + 1 + jt, at + 1 + jf]
        elif kind == 4:
            assert code & 0xF0 in (0x00, 0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x80, 0xA0)
            assert not (code & 0xF0 in (0x60, 0x70) and k >= 32)
        elif kind == 6:
            assert code in (0x06, 0x16)
        else:
            assert code in (0x00, 0x01, 0x81, 0x80, 0x07, 0x87, 0x20, 0x28, 0x30, 0x40, 0x48, 0x50), hex(code)
        for target in targets:
            assert target < len(program)
            written[target] = written.get(target, -1) & here
        if targets:
            here = -1
    assert program[-1].code & 7 == 6


def run(program: Sequence[Instruction], skb: Skb) -> int:
    """What the program returns for a packet; a load outside the packet ends it with 0."""
    a = x = at = 0
    memory = [0] * 16
    while True:
        code, jt, jf, k = program[at]
        at += 1
        kind, operand = code & 7, x if code & 8 else k
        if kind == 0 or kind == 1:
            mode = code & 0xE0
            if mode == 0x00:
                value = k
            elif mode == 0x60:
                value = memory[k]
            elif mode == 0x80:
                value = len(skb.data)
            elif k >= 0xFFFFF000:
                value = {0: skb.protocol, 4: skb.type}[k - 0xFFFFF000]
            else:
                start = k + (x if mode == 0x40 else 0) & WORD
                piece = skb.data[start : start + SIZES[code & 0x18]]
                if len(piece) < SIZES[code & 0x18]:
                    return 0
                value = int.from_bytes(piece, "big")
            a, x = (a, value) if kind else (value, x)
        elif kind == 2:
            memory[k] = a
        elif kind == 3:
            memory[k] = x
        elif kind == 4:
            a = COMPUTE[code & 0xF0](a, operand) & WORD
        elif kind == 5:
            what = code & 0xF0
            if what == 0:
                at += k
            else:
                true = {0x10: a == operand, 0x20: a > operand, 0x30: a >= operand, 0x40: bool(a & operand)}[what]
                at += jt if true else jf
        elif kind == 6:
            return a if code & 0x10 else k
        else:
            a, x = (x, x) if code & 0x80 else (a, a)
