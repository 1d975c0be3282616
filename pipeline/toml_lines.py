"""In which line of a TOML text each key stands. The standard library's parser does not say.

Theory of operation: a TOML statement (a header, or a key with its value, over several lines or not) parses on its
own, and no shorter run of its lines does. So lines are gathered until they parse; what they define, below the header
that was read last, stands there. It knows nothing of what the keys mean.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping

Key = tuple[str | int, ...]  # as ("segment", 1, "vlans", 0): keys, and positions in arrays


def key_lines(text: str) -> dict[Key, int]:
    """The line (from 1) of every key, table and array item of a valid TOML text: where its statement begins."""
    lines: dict[Key, int] = {}
    here: Key = ()
    latest: dict[Key, int] = {}  # position of the newest table of each array of tables
    begin, statement = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line.rstrip("\r") + "\n"
        try:
            found = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            here = _header(found, latest)
            keys: Iterator[Key] = iter([here])
        else:
            keys = _keys(found, here)
        for key in keys:
            for length in range(1, len(key) + 1):
                lines.setdefault(key[:length], begin)
        begin, statement = number + 1, ""
    return lines


def line_of(lines: Mapping[Key, int], key: Key) -> int:
    """The line of a key, or of the nearest table around it that is there."""
    return next((lines[key[:length]] for length in range(len(key), 0, -1) if key[:length] in lines), 1)


def _header(found: dict[str, object], latest: dict[Key, int]) -> Key:
    """The key of the table that a header opens; an array of tables gets the next position, which `latest` remembers."""
    key: Key = ()
    table: object = found
    while isinstance(table, dict) and table:
        ((name, table),) = table.items()
        key = (*key, name)
        if isinstance(table, list):
            latest[key] = latest.get(key, -1) + 1
            table = table[0]
        if key in latest:
            key = (*key, latest[key])
    return key


def _keys(value: object, at: Key) -> Iterator[Key]:
    """Every key below `at`, those of inner tables and arrays too."""
    inner: Iterator[tuple[str | int, object]] = iter(())
    if isinstance(value, dict):
        inner = iter(value.items())
    elif isinstance(value, list):
        inner = iter(enumerate(value))
    for name, part in inner:
        yield (*at, name)
        yield from _keys(part, (*at, name))
