"""A small assembler for classic BPF, the little machine in the Linux kernel that looks at packets before we do.

Theory of operation. A program is written as steps in order; jumps name labels further down (the machine only jumps
forward). A conditional jump reaches 255 instructions; where a label lies further away the assembler puts an
unconditional jump, which reaches everywhere, behind it. It does not know what a program is for.

Sources: Linux include/uapi/linux/filter.h, net/core/filter.c (the checker), McCanne and Jacobson,
"The BSD Packet Filter" (1993).
"""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import NamedTuple

MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
ANCILLARY = 0xFFFFF000  # SKF_AD_OFF: what the kernel knows of a packet, beside its bytes
PROTOCOL, PACKET_TYPE = ANCILLARY, ANCILLARY + 4
_REACH = 255

# Instruction classes, sizes and modes.
LD, LDX, ST, STX, ALU, JMP, RET, MISC = range(8)
W, H, B = 0x00, 0x08, 0x10
IMM, ABS, IND, MEM, LEN = 0x00, 0x20, 0x40, 0x60, 0x80
ADD, MUL, LSH, RSH, AND, XOR = 0x00, 0x20, 0x60, 0x70, 0x50, 0xA0
JA, JEQ, JGT, JGE, JSET = 0x00, 0x10, 0x20, 0x30, 0x40
K, X = 0x00, 0x08
RET_A = 0x10
TAX, TXA = 0x00, 0x80

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


class ProgramTooLong(ValueError):
    """The kernel takes no program of so many instructions."""


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    jt: int
    jf: int
    k: int


Program = tuple[Instruction, ...]


class _Step(NamedTuple):
    code: int
    k: int = 0
    to: str = ""  # label that a jump leads to
    when: bool = True  # a conditional jump: if the test holds, or if it does not


class Assembler:
    """See the module's header. A is the accumulator, X the index, M[0..15] the memory."""

    def __init__(self) -> None:
        self._steps: list[_Step | str] = []
        self._labels = 0

    def new_label(self) -> str:
        """A label that nobody else has."""
        self._labels += 1
        return f"_{self._labels}"

    def label(self, name: str) -> None:
        """The next instruction is `name`."""
        self._steps.append(name)

    def load(self, size: int, offset: int) -> None:
        """A = the bytes at X + offset."""
        self._steps.append(_Step(LD | size | IND, offset))

    def ancillary(self, what: int) -> None:
        """A = what the kernel knows: PROTOCOL, PACKET_TYPE."""
        self._steps.append(_Step(LD | W | ABS, what))

    def length_to_x(self) -> None:
        """X = length of the packet."""
        self._steps.append(_Step(LDX | W | LEN))

    def value(self, k: int) -> None:
        """A = k."""
        self._steps.append(_Step(LD | IMM, k))

    def recall(self, cell: int) -> None:
        """A = M[cell]."""
        self._steps.append(_Step(LD | MEM, cell))

    def recall_x(self, cell: int) -> None:
        """X = M[cell]."""
        self._steps.append(_Step(LDX | MEM, cell))

    def keep(self, cell: int) -> None:
        """M[cell] = A."""
        self._steps.append(_Step(ST, cell))

    def compute(self, operation: int, k: int) -> None:
        """A = A operation k."""
        self._steps.append(_Step(ALU | operation | K, k & 0xFFFFFFFF))

    def compute_x(self, operation: int) -> None:
        """A = A operation X."""
        self._steps.append(_Step(ALU | operation | X))

    def to_x(self) -> None:
        """X = A."""
        self._steps.append(_Step(MISC | TAX))

    def jump(self, to: str) -> None:
        """Go on at `to`."""
        self._steps.append(_Step(JMP | JA, 0, to))

    def jump_if(self, test: int, k: int, to: str) -> None:
        """Go on at `to` if A test k."""
        self._steps.append(_Step(JMP | test | K, k, to))

    def jump_unless(self, test: int, k: int, to: str) -> None:
        """Go on at `to` unless A test k."""
        self._steps.append(_Step(JMP | test | K, k, to, False))

    def jump_if_x(self, test: int, to: str) -> None:
        """Go on at `to` if A test X."""
        self._steps.append(_Step(JMP | test | X, 0, to))

    def jump_unless_x(self, test: int, to: str) -> None:
        """Go on at `to` unless A test X."""
        self._steps.append(_Step(JMP | test | X, 0, to, False))

    def give(self, k: int) -> None:
        """End with k."""
        self._steps.append(_Step(RET | K, k))

    def give_a(self) -> None:
        """End with A."""
        self._steps.append(_Step(RET | RET_A))

    def assemble(self) -> Program:
        """The program. Raises ProgramTooLong."""
        far: set[int] = set()
        while True:
            places, labels = self._places(far)
            more = {
                n
                for n, step in enumerate(self._steps)
                if isinstance(step, _Step) and self._is_test(step) and labels[step.to] - places[n] - 1 > _REACH
            }
            if more <= far:
                break
            far |= more
        out: list[Instruction] = []
        for n, step in enumerate(self._steps):
            if isinstance(step, str):
                continue
            if not step.to:
                out.append(Instruction(step.code, 0, 0, step.k))
            elif not self._is_test(step):
                out.append(Instruction(step.code, 0, 0, labels[step.to] - places[n] - 1))
            elif n in far:
                out.append(Instruction(step.code, *((0, 1) if step.when else (1, 0)), step.k))
                out.append(Instruction(JMP | JA, 0, 0, labels[step.to] - places[n] - 2))
            else:
                reach = labels[step.to] - places[n] - 1
                out.append(Instruction(step.code, *((reach, 0) if step.when else (0, reach)), step.k))
        if len(out) > MAX_INSTRUCTIONS:
            raise ProgramTooLong(f"{len(out)} instructions, and the kernel takes {MAX_INSTRUCTIONS}")
        return tuple(out)

    @staticmethod
    def _is_test(step: _Step) -> bool:
        return bool(step.to) and step.code & 0xF0 != JA

    def _places(self, far: set[int]) -> tuple[dict[int, int], dict[str, int]]:
        """Where each step and each label comes to lie, if the jumps of `far` take two instructions."""
        places, labels, at = {}, {}, 0
        for n, step in enumerate(self._steps):
            if isinstance(step, str):
                labels[step] = at
                continue
            places[n] = at
            at += 2 if n in far else 1
        return places, labels


ACCEPT_NOTHING: Program = (Instruction(RET | K, 0, 0, 0),)


class _Packed:
    """struct sock_fprog, and the memory that it points to."""

    def __init__(self, program: Program) -> None:
        data = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
        self._memory = ctypes.create_string_buffer(data, len(data))
        self.value = struct.pack("HL", len(program), ctypes.addressof(self._memory))


def attach(to: socket.socket, program: Program) -> None:
    """Let the socket take only what the program says (as many bytes as it returns, 0: nothing). Raises OSError."""
    set_program(to, socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def set_program(to: socket.socket, level: int, option: int, program: Program) -> None:
    """Give a program to a socket option that takes one. Raises OSError."""
    packed = _Packed(program)
    to.setsockopt(level, option, packed.value)


def detach(from_: socket.socket) -> None:
    """Let the socket take everything."""
    from_.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
