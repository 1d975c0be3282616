"""Python values to ClickHouse's text forms and back: parameters of a query, rows of its result.

A parameter is written for the type that the SQL declares for it (`{name:Type}`), so that it can only ever be a value.
There are two ways, with the same types and the same refusals. `encode_parameters` writes the texts that an engine binds
itself: tabs, quotes and backslashes escaped as https://clickhouse.com/docs/interfaces/formats/TabSeparated says.
`bound` puts literals in the places of the marks, for servers that know no parameters: each is a call or a cast that
gives exactly the declared type, its text between quotes in which neither quote nor backslash stands unescaped.
What the type cannot hold is refused here, because the engine would bend it (300 as UInt8 is 44 there).
Rows arrive as JSONCompactEachRowWithNamesAndTypes under `READ_SETTINGS`. No database here, only text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from operator import index
from typing import TypeVar

T = TypeVar("T")

READ_FORMAT = "JSONCompactEachRowWithNamesAndTypes"
READ_SETTINGS: dict[str, str] = {
    "session_timezone": "'UTC'",
    "date_time_output_format": "'unix_timestamp'",  # an instant, whatever the zone of the column
    "output_format_json_quote_64bit_integers": "0",
    "output_format_json_quote_denormals": "1",
    "output_format_json_quote_decimals": "1",
    "output_format_json_named_tuples_as_objects": "0",
}

_DECLARED = re.compile(r"\{\s*(\w+)\s*:\s*([^{}]+?)\s*\}")
_MARK = re.compile(r"'(?:[^'\\]|\\.)*'|`[^`]*`|" + _DECLARED.pattern)  # a literal, a quoted name, or a mark
_ESCAPES = str.maketrans(
    {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\b": "\\b", "\f": "\\f", "'": "\\'"}
)
_ELEMENT_NAME = re.compile(r"^\w+ (?=\w)")  # of a named tuple
_WHOLE = re.compile(r"(U?)Int(8|16|32|64|128|256)")
_TYPE = re.compile(r"[A-Za-z0-9_(),= ]*(?:'[A-Za-z0-9_/ ]*'[A-Za-z0-9_(),= ]*)*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE_RANGE = (date(1970, 1, 1), date(2149, 6, 6))  # UInt16 days
_DATETIME_RANGE = (_EPOCH, datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC))  # UInt32 seconds


class ParameterError(ValueError):
    """A value does not fit the type that the query declares for it."""


def encode_parameters(sql: str, values: Mapping[str, object], complete: bool = False) -> dict[str, str]:
    """The text form of each value that `sql` declares as `{name:Type}`; values it does not name are left out.
    `complete`: refuse if one is not set.

    str, bool, whole numbers, floats, `date`, aware `datetime` (any zone), None (for Nullable) and lists of these (for
    Array). Raises `ParameterError` naming the parameter.
    """
    texts = {}
    for name, kind in _DECLARED.findall(sql):
        if name in values and name not in texts:
            texts[name] = _said(_parameter, name, values[name], kind)
        elif complete and name not in values:
            raise ParameterError(f"parameter `{name}` is not set")
    return texts


def bound(sql: str, values: Mapping[str, object]) -> str:
    """`sql` with a literal of the declared type in the place of each `{name:Type}`; what stands between quotes stays.

    Takes the values that `encode_parameters` takes. Raises `ParameterError` naming the parameter, also if it is not
    set.
    """

    def literal(mark: re.Match[str]) -> str:
        name, kind = mark[1], mark[2]
        if name is None:
            return mark[0]
        if name not in values:
            raise ParameterError(f"parameter `{name}` is not set")
        return _said(_literal, name, values[name], kind)

    return _MARK.sub(literal, sql)


def _said(write: Callable[[object, str], str], name: str, value: object, kind: str) -> str:
    """The text of a value; what is wrong with it names the parameter."""
    try:
        return write(value, kind)
    except (ParameterError, TypeError, OverflowError) as error:
        raise ParameterError(f"parameter {name} ({kind}): {error}") from None


def _literal(value: object, kind: str) -> str:
    """An expression that is this value in exactly this type, in every version of ClickHouse since 18.16."""
    if (inner := _inner(kind, "LowCardinality")) is not None:
        return _literal(value, inner)
    if (inner := _inner(kind, "Nullable")) is not None:
        plain = "NULL" if value is None else _literal(value, inner)
        return f"CAST({plain} AS {_spelt(kind)})"
    if value is None:
        raise ParameterError("None needs a Nullable type")
    if (inner := _inner(kind, "Array")) is not None:
        elements = ", ".join(_literal(element, inner) for element in _elements(value))
        return f"CAST([{elements}] AS {_spelt(kind)})" if elements else f"CAST('[]' AS {_spelt(kind)})"
    if whole := _WHOLE.fullmatch(kind):
        return f"to{kind}({_whole(value, unsigned=bool(whole[1]), bits=int(whole[2]))})"
    if kind in ("Float32", "Float64"):
        number = _parameter(value, kind)
        tiny = "e-" in number and int(number.partition("e-")[2]) > 300  # 18.16 cannot read the smallest as numbers
        return f"to{kind}('{number}')" if tiny else f"to{kind}({number})"
    if kind == "Bool":
        return f"CAST({int(_checked(value, bool, 'a bool'))} AS Bool)"
    text = f"'{_plain(value, kind).translate(_ESCAPES)}'"
    if kind == "Date":
        return f"toDate({text})"
    if kind in ("DateTime", "DateTime('UTC')"):
        return f"toDateTime({text}, 'UTC')"
    if kind == "String":
        return text
    if kind == "UUID":
        return f"toUUID({text})"
    return f"CAST({text} AS {_spelt(kind)})"


def _spelt(kind: str) -> str:
    """A type as it is written in a cast; the mark comes from our own SQL, but nothing may end the cast early."""
    if kind.count("(") != kind.count(")") or not _TYPE.fullmatch(kind):
        raise ParameterError("not a type that this store binds")
    return kind


def _elements(value: object) -> Iterable[object]:
    if not isinstance(value, Sequence | set | frozenset) or isinstance(value, str | bytes):
        raise ParameterError(f"{value!r:.80} is not a list")
    return value


def _parameter(value: object, kind: str, inside: bool = False) -> str:
    """Text of a value; `inside` an array texts are quoted and NULL is a word."""
    if (inner := _inner(kind, "LowCardinality")) is not None:
        return _parameter(value, inner, inside)
    if (inner := _inner(kind, "Nullable")) is not None:
        return _parameter(value, inner, inside) if value is not None else ("NULL" if inside else "\\N")
    if value is None:
        raise ParameterError("None needs a Nullable type")
    if (inner := _inner(kind, "Array")) is not None:
        return "[" + ",".join(_parameter(element, inner, inside=True) for element in _elements(value)) + "]"
    if whole := _WHOLE.fullmatch(kind):
        return _whole(value, unsigned=bool(whole[1]), bits=int(whole[2]))
    if kind in ("Float32", "Float64"):
        if not isinstance(value, int | float):
            raise ParameterError(f"{value!r:.80} is not a number")
        return repr(float(value))
    if kind == "Bool":
        return "true" if _checked(value, bool, "a bool") else "false"
    text = _plain(value, kind).translate(_ESCAPES)
    return f"'{text}'" if inside else text


def _plain(value: object, kind: str) -> str:
    if kind == "Date":
        if isinstance(value, datetime):
            raise ParameterError(f"{value!r} is a datetime, not a date")
        day = _checked(value, date, "a date")
        if not _DATE_RANGE[0] <= day <= _DATE_RANGE[1]:
            raise ParameterError(f"{day} is outside {_DATE_RANGE[0]}..{_DATE_RANGE[1]}")
        return day.isoformat()
    if kind in ("DateTime", "DateTime('UTC')"):
        instant = _checked(value, datetime, "a datetime")
        if instant.tzinfo is None:
            raise ParameterError(f"{instant} has no zone")
        if not _DATETIME_RANGE[0] <= instant <= _DATETIME_RANGE[1]:
            raise ParameterError(f"{instant} is outside {_DATETIME_RANGE[0]}..{_DATETIME_RANGE[1]}")
        return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if kind.split("(")[0] not in ("String", "FixedString", "Enum8", "Enum16", "UUID"):
        raise ParameterError("a type this store does not bind; times are DateTime('UTC')")
    text = _checked(value, str, "text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ParameterError("is not Unicode text (it holds half a character)") from None
    return text


def _whole(value: object, unsigned: bool, bits: int) -> str:
    number = index(value)  # type: ignore[arg-type]  # TypeError is this function's answer to anything else
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= number <= high:
        raise ParameterError(f"{number} is outside {low}..{high}")
    return str(number)


def _checked(value: object, kind: type[T], name: str) -> T:
    if not isinstance(value, kind):
        raise ParameterError(f"{value!r:.80} is not {name}")
    return value


def decode_rows(body: bytes) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[object, ...]]]:
    """Column names, ClickHouse types and rows of a result in `READ_FORMAT`; a statement without a result gives none.

    Date is a `date`, every DateTime an aware `datetime` in UTC, whole numbers are ints, floats (NaN and infinities
    too) floats, Decimal a `Decimal`, FixedString `bytes`, Array a list, Tuple a tuple; everything else is as in JSON.
    """
    if not body:
        return (), (), []
    lines = body.decode("utf-8", "surrogateescape").rstrip("\n").split("\n")
    names, types, *rows = json.loads(f"[{','.join(lines)}]")
    columns = zip(*rows, strict=True)
    return tuple(names), tuple(types), read_rows(types, columns, _READERS)


Leaves = Mapping[str, Callable[[object], object]]
"""What makes a value of the form in which an engine gave it, by the name of its type; nothing where they are equal."""


def read_rows(types: Sequence[str], columns: Iterable[Iterable[object]], leaves: Leaves) -> list[tuple[object, ...]]:
    """Rows of values from columns as an engine gave them; `leaves` for simple types, the rest is made up of them."""
    readers = [_reader(kind, leaves) for kind in types]
    read = [column if reader is None else map(reader, column) for reader, column in zip(readers, columns, strict=False)]
    return list(zip(*read, strict=True))


def _reader(kind: str, leaves: Leaves) -> Callable[[object], object] | None:
    """What makes a value of the form in which it came, or None where they are the same."""
    if (inner := _inner(kind, "LowCardinality")) is not None:
        return _reader(inner, leaves)
    if (inner := _inner(kind, "Nullable")) is not None:
        present = _reader(inner, leaves)
        return present and (lambda value: None if value is None else present(value))
    if (inner := _inner(kind, "Array")) is not None:
        element = _reader(inner, leaves)
        return element and (lambda value: [element(v) for v in value])  # type: ignore[attr-defined]
    if (inner := _inner(kind, "Tuple")) is not None:
        parts = [_reader(_ELEMENT_NAME.sub("", part), leaves) for part in _split(inner)]
        return lambda value: tuple(r(v) if r else v for r, v in zip(parts, value, strict=True))  # type: ignore[call-overload]
    return leaves.get(kind.split("(")[0])


_READERS: Leaves = {
    "Date": lambda value: date.fromisoformat(str(value)),
    "Date32": lambda value: date.fromisoformat(str(value)),
    "DateTime": lambda value: datetime.fromtimestamp(int(value), UTC),  # type: ignore[call-overload]
    "DateTime64": lambda value: _EPOCH + timedelta(microseconds=int(Decimal(str(value)) * 1_000_000)),
    "Float32": float,  # type: ignore[dict-item]
    "Float64": float,  # type: ignore[dict-item]
    "Decimal": lambda value: Decimal(str(value)),
    "FixedString": lambda value: str(value).encode("utf-8", "surrogateescape"),
    "String": lambda value: _mended(str(value)),
}


def _mended(text: str) -> str:
    return text if text.isascii() else readable(text.encode("utf-8", "surrogateescape"))


def readable(text: object) -> str:
    """Bytes as text; broken UTF-8, if any, is replaced, so that it can be written again."""
    return bytes(text).decode("utf-8", "replace")  # type: ignore[call-overload, no-any-return]


def _inner(kind: str, wrapper: str) -> str | None:
    """What stands inside `wrapper(...)`, or None if `kind` is something else."""
    return kind[len(wrapper) + 1 : -1] if kind.startswith(f"{wrapper}(") else None


def _split(kinds: str) -> list[str]:
    """The parts of a comma-separated list of types, with brackets respected."""
    parts, depth, start = [], 0, 0
    for position, character in enumerate(kinds):
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 0:
            parts.append(kinds[start:position])
            start = position + 1
    return [part.strip() for part in [*parts, kinds[start:]]]
