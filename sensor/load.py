"""Bounded reads of network bytes: the only way the kernel touches a packet.

`load8/16/32/64(buffer, offset, end)` read big-endian integers from a uint8 array; a read that would pass `end` (or
start below zero) gives 0, so no packet can make the kernel read outside its block. `peek32/64(buffer, offset)` do not
compare: they are for a header whose whole length the caller has just compared with `end`. Each has two bodies from one
contract: an unaligned machine load for Numba, and a Python twin that raises IndexError if a caller ever passes an
`end` beyond the buffer (NUMBA_DISABLE_JIT=1 runs the whole kernel on the twins; tests do).

It also sets Numba's cache folder, keyed by a hash of all kernel sources: Numba's own index does not see changes in
imported modules. It knows nothing of protocols.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
KERNEL_SOURCES = (
    "load.py",
    "wire.py",
    "links.py",
    "encapsulations.py",
    "tunnels.py",
    "duplicates.py",
    "frames.py",
    "names.py",
    "walk.py",
    "layout.py",
    "table.py",
    "gather.py",
    "looking.py",
    "lookudp.py",
    "todo.py",
    "late.py",
    "kernel.py",
    "columns.py",
    "gaps.py",
    "openings.py",
    "watch.py",
    "collect.py",
    "records.py",
    "follow.py",
)


def _cache_folder() -> Path:
    digest = hashlib.sha256()
    for name in KERNEL_SOURCES:
        digest.update((_HERE / name).read_bytes())
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "schoolgate" / f"kernel-{digest.hexdigest()[:16]}"


if "NUMBA_CACHE_DIR" not in os.environ:
    os.environ["NUMBA_CACHE_DIR"] = str(_cache_folder())

import numba  # noqa: E402  (the cache folder must be known before Numba is)
from numba import types  # noqa: E402

INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")

Kernel = Callable[..., Any]


_OPTIONS: Any = {"cache": True, "nogil": True, "boundscheck": False, "error_model": "numpy", "_nrt": False}


def kernel(function: Kernel) -> Kernel:
    """Compile a function for the kernel: cached on disk, without the GIL, without exceptions or reference counts."""
    compiled: Kernel = numba.njit(**_OPTIONS)(function)
    return compiled


def inlined(function: Kernel) -> Kernel:
    """The same for what runs once a packet: an array argument is seven words, so a call costs more than its body."""
    compiled: Kernel = numba.njit(**_OPTIONS, forceinline=True)(function)
    return compiled


if INTERPRETED:

    def _read(buffer: Any, offset: int, end: int, size: int) -> int:
        if offset < 0 or offset + size > end:
            return 0
        if end > len(buffer):
            raise IndexError(f"end {end} lies beyond the buffer of {len(buffer)} bytes")
        return int.from_bytes(bytes(buffer[offset : offset + size]), "big")

    def load8(buffer: Any, offset: int, end: int) -> int:
        return _read(buffer, offset, end, 1)

    def load16(buffer: Any, offset: int, end: int) -> int:
        return _read(buffer, offset, end, 2)

    def load32(buffer: Any, offset: int, end: int) -> int:
        return _read(buffer, offset, end, 4)

    def load64(buffer: Any, offset: int, end: int) -> Any:
        import numpy as np

        return np.uint64(_read(buffer, offset, end, 8))

    def copy_bytes(target: Any, at: int, buffer: Any, offset: int, size: int, end: int) -> int:
        """Copy buffer[offset : offset + size] to target[at:]; returns size, or 0 if either would be left."""
        if size <= 0 or offset < 0 or offset + size > end or at < 0 or at + size > len(target):
            return 0
        if end > len(buffer):
            raise IndexError(f"end {end} lies beyond the buffer of {len(buffer)} bytes")
        target[at : at + size] = buffer[offset : offset + size]
        return size

    def peek32(buffer: Any, offset: int) -> int:
        """As load32, where the caller has already compared the whole header with `end`."""
        if offset < 0 or offset + 4 > len(buffer):
            raise IndexError(f"{offset} lies outside the buffer of {len(buffer)} bytes")
        return _read(buffer, offset, len(buffer), 4)

    def peek64(buffer: Any, offset: int) -> Any:
        """As load64, where the caller has already compared the whole header with `end`."""
        import numpy as np

        return np.uint64(peek32(buffer, offset) << 32 | peek32(buffer, offset + 4))

    def fold(a: Any, b: Any) -> Any:
        """The two halves of the 128-bit product of two uint64, xored."""
        import numpy as np

        product = int(a) * int(b)
        return np.uint64((product ^ product >> 64) & 0xFFFFFFFFFFFFFFFF)

    def swap64(word: Any) -> Any:
        """A 64-bit word with its bytes in the other order."""
        import numpy as np

        return np.uint64(int.from_bytes(int(word).to_bytes(8, "big"), "little"))

    def match_half(index: Any, base: Any, half: Any) -> Any:
        """The entries of index[base : base + 8] (uint64) whose upper 32 bits are `half`, ored together."""
        import numpy as np

        found = 0
        for entry in index[int(base) : int(base) + 8]:
            if int(entry) >> 32 == int(half):
                found |= int(entry)
        return np.uint64(found)

    def prefetch(array: Any, index: int) -> None:
        """A hint to the processor; nothing to do here."""

else:
    from llvmlite import ir
    from numba.core import cgutils
    from numba.extending import intrinsic

    def _raw(bits: int) -> Any:
        result = types.uint64 if bits == 64 else types.int64

        @intrinsic
        def raw(context: Any, buffer: Any, offset: Any) -> Any:
            def build(ctx: Any, builder: Any, signature: Any, args: Any) -> Any:
                array = ctx.make_array(signature.args[0])(ctx, builder, args[0])
                word = ir.IntType(bits)
                address = builder.gep(builder.bitcast(array.data, ir.IntType(8).as_pointer()), [args[1]])
                value = builder.load(builder.bitcast(address, word.as_pointer()))
                value.align = 1
                if bits > 8:
                    value = builder.bswap(value)
                return value if bits == 64 else builder.zext(value, ir.IntType(64))

            return result(buffer, types.int64), build

        return raw

    _raw8, _raw16, _raw32, _raw64 = _raw(8), _raw(16), _raw(32), _raw(64)
    peek32, peek64 = _raw32, _raw64

    @inlined
    def load8(buffer, offset, end):
        if offset < 0 or offset + 1 > end:
            return 0
        return _raw8(buffer, offset)

    @inlined
    def load16(buffer, offset, end):
        if offset < 0 or offset + 2 > end:
            return 0
        return _raw16(buffer, offset)

    @inlined
    def load32(buffer, offset, end):
        if offset < 0 or offset + 4 > end:
            return 0
        return _raw32(buffer, offset)

    @inlined
    def load64(buffer, offset, end):
        if offset < 0 or offset + 8 > end:
            return types.uint64(0)
        return _raw64(buffer, offset)

    @intrinsic
    def _copy(context: Any, target: Any, at: Any, buffer: Any, offset: Any, size: Any) -> Any:
        def build(ctx: Any, builder: Any, signature: Any, args: Any) -> Any:
            to = ctx.make_array(signature.args[0])(ctx, builder, args[0])
            source = ctx.make_array(signature.args[2])(ctx, builder, args[2])
            target_at, source_at = builder.gep(to.data, [args[1]]), builder.gep(source.data, [args[3]])
            cgutils.raw_memcpy(builder, target_at, source_at, args[4], 1)
            return ctx.get_dummy_value()

        return types.void(target, types.int64, buffer, types.int64, types.int64), build

    @kernel
    def copy_bytes(target, at, buffer, offset, size, end):
        if size <= 0 or offset < 0 or offset + size > end or at < 0 or at + size > len(target):
            return 0
        _copy(target, at, buffer, offset, size)  # type: ignore[call-arg]
        return size

    @intrinsic
    def fold(context: Any, a: Any, b: Any) -> Any:
        """The two halves of the 128-bit product of two uint64, xored."""

        def build(ctx: Any, builder: Any, signature: Any, args: Any) -> Any:
            wide, word = ir.IntType(128), ir.IntType(64)
            product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
            high = builder.trunc(builder.lshr(product, wide(64)), word)
            return builder.xor(builder.trunc(product, word), high)

        return types.uint64(types.uint64, types.uint64), build

    @intrinsic
    def swap64(context: Any, word: Any) -> Any:
        """A 64-bit word with its bytes in the other order."""

        def build(ctx: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bswap(args[0])

        return types.uint64(types.uint64), build

    @intrinsic
    def match_half(context: Any, index: Any, base: Any, half: Any) -> Any:
        """The entries of index[base : base + 8] (uint64) whose upper 32 bits are `half`, ored together.

        As one vector: of eight comparisons written out, LLVM makes eight branches that nobody can predict.
        """

        def build(ctx: Any, builder: Any, signature: Any, args: Any) -> Any:
            word = ir.IntType(64)
            eight = ir.VectorType(word, 8)
            view = ctx.make_array(signature.args[0])(ctx, builder, args[0])
            address = builder.gep(view.data, [args[1]])
            entries = builder.load(builder.bitcast(address, eight.as_pointer()))
            entries.align = 8
            empty = ir.Constant(eight, ir.Undefined)
            one = builder.insert_element(empty, args[2], ir.IntType(32)(0))
            halves = builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8))
            same = builder.icmp_unsigned("==", builder.lshr(entries, ir.Constant(eight, [32] * 8)), halves)
            matched = builder.select(same, entries, ir.Constant(eight, [0] * 8))
            kind, name = ir.FunctionType(word, [eight]), "llvm.vector.reduce.or.v8i64"
            reduce = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(reduce, [matched])

        return types.uint64(index, types.uint64, types.uint64), build

    @intrinsic
    def prefetch(context: Any, array: Any, index: Any) -> Any:
        """Ask the processor for the cache line of `array.flat[index]` (any contiguous array; `index` in elements)."""

        def build(ctx: Any, builder: Any, signature: Any, args: Any) -> Any:
            view = ctx.make_array(signature.args[0])(ctx, builder, args[0])
            pointer = builder.bitcast(builder.gep(view.data, [args[1]]), ir.IntType(8).as_pointer())
            i32 = ir.IntType(32)
            function_type = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), i32, i32, i32])
            function = builder.module.declare_intrinsic("llvm.prefetch", [ir.IntType(8).as_pointer()], function_type)
            builder.call(function, [pointer, i32(0), i32(3), i32(1)])
            return ctx.get_dummy_value()

        return types.void(array, types.int64), build
