"""Columns to a block of ClickHouse's Native format: what the store sends instead of SQL text.

A block is the number of columns and of rows, then column after column: name, type, values. The layout is that of
https://clickhouse.com/docs/interfaces/formats/Native; each encoder below gives the values of one type, little-endian.
Nothing is ever bent to fit: a value that its type cannot hold is a `ColumnError` that names column and row.
This module knows types only: no tables, no database, no school.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Values = Sequence[object] | npt.NDArray[np.generic]
"""A column: a sequence of Python values, or a numpy array (the fast way for numbers, times and addresses)."""

_NUMBERS: dict[str, np.dtype[np.integer[Any]]] = {
    **{f"UInt{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"Int{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
# LowCardinality: one dictionary a block; bit 9: it comes with the block, bit 10: it replaces the last one.
_DICTIONARY_VERSION = 1
_DICTIONARY_FLAGS = 1 << 9 | 1 << 10


class ColumnError(ValueError):
    """A column holds what its type cannot; the message names column, row where one is to blame, and type."""


class EncodedBlock(NamedTuple):
    """Columns whose values are written out: (name, type, values), all of `rows` rows."""

    rows: int
    columns: tuple[tuple[str, str, bytes], ...]


def encode_block(types: Mapping[str, str], columns: Mapping[str, Values]) -> bytes:
    """One Native block of `columns`, in the order and with the ClickHouse types of `types`: see `encode_columns`."""
    block = encode_columns(types, columns)
    framed = (part for name, kind, data in block.columns for part in (_framed(name), _framed(kind), data))
    return b"".join([_varint(len(types)), _varint(block.rows), *framed])


def encode_columns(types: Mapping[str, str], columns: Mapping[str, Values]) -> EncodedBlock:
    """`columns` written out in the order and with the ClickHouse types of `types` (name -> type).

    All columns must be there and equally long; a type outside this module's set, a missing or surplus column, or a
    value that does not fit raises `ColumnError`. Accepted values: UInt*/Int* whole numbers and bools; Float64 numbers;
    Date `date` or datetime64[D]; DateTime aware `datetime`, datetime64 (UTC) or Unix seconds; String, LowCardinality
    and Enum8 `str`; FixedString(n) `bytes` of at most n, an 'S<n>' array or a uint8 array [rows, n].
    """
    if missing := [name for name in types if name not in columns]:
        raise ColumnError(f"column {missing[0]}: missing")
    if surplus := [name for name in columns if name not in types]:
        raise ColumnError(f"column {surplus[0]}: not one of {', '.join(types)}")
    rows = {name: len(values) for name, values in columns.items()}
    first = next(iter(types))
    if uneven := [name for name in types if rows[name] != rows[first]]:
        raise ColumnError(f"column {uneven[0]}: {rows[uneven[0]]} rows, but {first} has {rows[first]}")
    encoded = []
    for name, kind in types.items():
        values = columns[name]
        try:
            if isinstance(values, np.ndarray) and values.ndim != 1 and not kind.startswith("FixedString"):
                raise ColumnError(f"an array of shape {list(values.shape)} is not one column")
            data = _encoder(kind)(values)
        except (ColumnError, TypeError, OverflowError) as error:
            raise ColumnError(f"column {name} ({kind}): {error}") from None
        encoded.append((name, kind, data))
    return EncodedBlock(rows[first], tuple(encoded))


def enum_words(kind: str) -> dict[str, int]:
    """The words and codes of an Enum8 type such as `Enum8('a' = 1, 'b' = 2)`."""
    return {word: int(code) for word, code in re.findall(r"'([^'\\]*)' = (-?\d+)", kind)}


def _encoder(kind: str) -> Callable[[Values], bytes]:
    name, _, inside = kind.partition("(")
    inside = inside.removesuffix(")")
    if name in _NUMBERS and not inside:
        return lambda values: _whole(values, _NUMBERS[name])
    if kind == "LowCardinality(String)":
        return _low_cardinality
    if name == "Enum8":
        return lambda values: _enum(values, enum_words(kind))
    if name == "FixedString" and inside.isdigit():
        return lambda values: _fixed(values, int(inside))
    simple = {"Float64": _float, "Date": _date, "DateTime('UTC')": _datetime, "String": _string}
    if kind not in simple:
        raise ColumnError("no encoder for this type")
    return simple[kind]


def _whole(values: Values, dtype: np.dtype[np.integer[Any]]) -> bytes:
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "iub":
            raise ColumnError(f"whole numbers are needed, not an array of {values.dtype}")
        array = values
    else:
        for row, value in enumerate(values):
            if not isinstance(value, int | np.integer | np.bool_):
                raise ColumnError(f"row {row}: {value!r:.80} is not a whole number")
        array = np.array(values, dtype=object)
    limits = np.iinfo(dtype)
    if array.size and not np.can_cast(array.dtype, dtype, "safe"):
        for end in (int(array.min()), int(array.max())):
            if not limits.min <= end <= limits.max:
                raise ColumnError(f"{_row(array.tolist(), end)}: outside {limits.min}..{limits.max}")
    return array.astype(dtype).tobytes()


def _float(values: Values) -> bytes:
    array = values if isinstance(values, np.ndarray) else np.array(values)
    if array.size and array.dtype.kind not in "fiu":
        raise ColumnError(f"numbers are needed, not {array.dtype}")
    return array.astype("<f8").tobytes()


def _date(values: Values) -> bytes:
    if isinstance(values, np.ndarray) and values.dtype == np.dtype("datetime64[D]"):
        return _whole(values.astype("i8"), np.dtype("<u2"))
    days = []
    for row, value in enumerate(_listed(values)):
        if not isinstance(value, date) or isinstance(value, datetime):
            raise ColumnError(f"row {row}: {value!r} is not a date")
        days.append(value.toordinal() - _EPOCH_DAY)
    return _whole(days, np.dtype("<u2"))


def _datetime(values: Values) -> bytes:
    if isinstance(values, np.ndarray):
        return _whole(
            values.astype("datetime64[s]").astype("i8") if values.dtype.kind == "M" else values, np.dtype("<u4")
        )
    seconds = []
    for row, value in enumerate(values):
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ColumnError(f"row {row}: {value!r} has no zone")
            value = int(value.astimezone(UTC).replace(microsecond=0).timestamp())
        seconds.append(value)
    return _whole(seconds, np.dtype("<u4"))


def _string(values: Values) -> bytes:
    words = _listed(values)
    framed: dict[object, bytes] = {word: _framed(word) for word in _distinct(words)}
    return b"".join(map(framed.__getitem__, words))


def _low_cardinality(values: Values) -> bytes:
    words = _listed(values)
    if not words:
        return b""
    keys = _distinct(words)
    code: dict[object, int] = {word: index for index, word in enumerate(keys)}
    width = next(w for w in range(4) if len(keys) <= 1 << (8 << w))  # index of UInt8, UInt16, UInt32, UInt64
    indices = np.fromiter(map(code.__getitem__, words), f"<u{1 << width}", len(words))
    head = struct.pack("<QQQ", _DICTIONARY_VERSION, _DICTIONARY_FLAGS | width, len(keys))
    return b"".join([head, *map(_framed, keys), struct.pack("<Q", len(words)), indices.tobytes()])


def _enum(values: Values, codes: Mapping[str, int]) -> bytes:
    words = _listed(values)
    if unknown := [word for word in _distinct(words) if word not in codes]:  # the engine itself would store any code
        raise ColumnError(f"{_row(words, unknown[0])}: not one of {', '.join(codes)}")
    return bytes(codes[str(word)] & 0xFF for word in words)


def _fixed(values: Values, size: int) -> bytes:
    if isinstance(values, np.ndarray):
        if values.dtype == np.uint8 and values.ndim == 2 and values.shape[1] == size:
            return values.tobytes()
        if values.dtype.kind != "S" or values.ndim != 1 or values.dtype.itemsize > size:
            raise ColumnError(f"an array of {values.dtype} {list(values.shape)} does not hold {size} bytes a row")
        return values.astype(f"S{size}").tobytes()
    for row, value in enumerate(values):
        if not isinstance(value, bytes) or len(value) > size:
            raise ColumnError(f"row {row}: {value!r} is not bytes, at most {size}")
    return b"".join(value.ljust(size, b"\0") for value in values if isinstance(value, bytes))


def _listed(values: Values) -> Sequence[object]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def _distinct(words: Sequence[object]) -> list[str]:
    """The different words in order of first appearance; anything but text is refused."""
    distinct = list(dict.fromkeys(words))
    if wrong := [word for word in distinct if not isinstance(word, str)]:
        raise ColumnError(f"{_row(words, wrong[0])}: text is needed")
    return [word for word in distinct if isinstance(word, str)]


def _row(values: Iterable[object], value: object) -> str:
    """Where a value that is to blame stands first, and the value, shortened."""
    row = next(i for i, v in enumerate(values) if v is value or v == value)
    return f"row {row}: {value!r:.80}"


def _framed(text: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ColumnError(f"{text!r:.80} is not Unicode text (it holds half a character)") from None
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    """LEB128: seven bits a byte, lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
