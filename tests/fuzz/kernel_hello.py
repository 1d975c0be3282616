"""Fuzz target: the kernel's hello reader against the Python one, and the table that gives names their numbers.

Where the kernel says WHOLE or NAMELESS, `tls.read_stream` says the same of the same bytes; it reads nothing outside
them (interpreted, it raises).
"""

from __future__ import annotations

import numpy as np

from sensor.names import INCOMPLETE, MAX_NAME, NAMELESS, NOT_HELLO, WHOLE, find_hello_name, intern, new_names
from sensor.tls import read_stream
from tests.fuzz import tls_hello
from tests.fuzz.tls_hello import handshake_of

BEFORE, AFTER = b"\x16\x03\x01\x02\x00\x01", b"\x01\x00\x00\x20"  # what lies round the segment in a block
seeds, capture = tls_hello.seeds, tls_hello.capture


def run(data: bytes) -> None:
    block = np.frombuffer(BEFORE + data + AFTER, np.uint8)
    start, end = len(BEFORE), len(BEFORE) + len(data)
    what, at, length = map(int, find_hello_name(block, start, end)[:3])
    reading = read_stream(data)
    if what == WHOLE:
        assert start <= at <= at + length <= end
        name = block[at : at + length].tobytes()
        assert (reading.complete, reading.name) == (True, name), f"kernel: {name!r}, Python: {reading}"
        _interns(name)
    elif what == NAMELESS:
        assert (reading.is_hello, reading.complete, reading.name) == (True, True, None), (
            f"kernel: nameless, Python: {reading}"
        )
    elif what == INCOMPLETE:
        assert data[0] == 22
    else:
        assert what == NOT_HELLO
        odd = data[2:3] > b"\x04" or handshake_of(data)[4:5] != b"\x03"  # versions that no TLS has
        assert odd or not (reading.is_hello and reading.complete), f"kernel: no hello, Python: {reading}"


def _interns(name: bytes) -> None:
    """One number a name, whatever its case; a name that does not fit has none."""
    names = new_names(4, 2 * MAX_NAME)
    raw = np.frombuffer(name, np.uint8)
    number = int(intern(names, raw, 0, len(raw), len(raw)))
    assert number == (1 if len(name) <= MAX_NAME else 0)
    lower = np.frombuffer(name.lower(), np.uint8)
    assert int(intern(names, lower, 0, len(lower), len(lower))) == number
    assert names.arena[: len(raw) if number else 0].tobytes() == (name.lower() if number else b"")
