"""What commands share: one way to fail, one way to show progress."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click


def fail(message: object, code: int = 1) -> NoReturn:
    """Say what is wrong on stderr and end with `code`."""
    click.echo(f"schoolgate: {message}", err=True)
    raise click.exceptions.Exit(code)


def note(message: str) -> None:
    """Say on stderr what does not stop the work but should be known."""
    click.echo(f"schoolgate: note: {message}", err=True)


OURS = {"sensor", "pipeline", "dashboards", "deploy"}


@contextmanager
def failing_well() -> Iterator[None]:
    """Turn what a user can mend into a message: our own errors, and the system's about files.

    The exit status is 3 for a busy store, else 1. Any other exception is a fault of ours and keeps its traceback.
    """
    try:
        yield
    except ValueError as error:
        if type(error).__module__.partition(".")[0] not in OURS:
            raise
        fail(error, 3 if type(error).__name__ == "StoreBusy" else 1)
    except BrokenPipeError:
        raise
    except OSError as error:
        fail(f"{error.filename or ''}: {error.strerror or error}".lstrip(": "))


class Progress:
    """A bar on stderr, at a terminal only."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total, self._shown = label, max(total, 1), -1
        self._on = sys.stderr.isatty()

    def show(self, done: int) -> None:
        percent = min(100, 100 * done // self._total)
        if self._on and percent != self._shown:
            self._shown = percent
            click.echo(f"\r{self._label}  [{'#' * (percent // 4):25}] {percent:3} %", nl=False, err=True)

    def close(self) -> None:
        if self._on and self._shown >= 0:
            click.echo("", err=True)
