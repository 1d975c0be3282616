"""Kills a process of tests at a step of its work, as a power cut would."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

Step = tuple[Any, str, bool]
"""A class or module, the name of a function of it, and whether the end comes after it."""


def kill_at(step: Step) -> None:
    """This process ends at this step."""
    owner, name, after = step
    function: Callable[..., Any] = getattr(owner, name)

    def killed(*args: Any, **named: Any) -> Any:
        if after:
            function(*args, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)
