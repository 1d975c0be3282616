"""Makes a failing input small: fewer bytes, then duller ones, as long as it fails in the same way."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

Run = Callable[[bytes], None]


def how(run: Run, data: bytes) -> str:
    """How an input fails: the exception and where it was raised, '' if it does not."""
    try:
        run(data)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {last.name} at {last.filename.rpartition('/')[2]}:{last.lineno}"
    return ""


def shrink(run: Run, data: bytes, seconds: float = 60.0) -> bytes:
    """The smallest input found in so much processor time that fails as `data` does."""
    reason, until = how(run, data), time.process_time() + seconds
    step = max(1, len(data) // 2)
    while step:
        at = 0
        while at < len(data) and time.process_time() < until:
            less = data[:at] + data[at + step :]
            if how(run, less) == reason:
                data = less
            else:
                at += step
        step //= 2
    for at in range(len(data)):
        dull = data[:at] + b"\0" + data[at + 1 :]
        if time.process_time() < until and how(run, dull) == reason:
            data = dull
    return data
