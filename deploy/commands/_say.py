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


@contextmanager
def failing_well() -> Iterator[None]:
    """Turn the errors that users can mend into messages: 3 for a store held by another process, else 1."""
    from deploy.assembly import SchoolError
    from pipeline.store import StoreBusy, StoreError

    try:
        yield
    except StoreBusy as error:
        fail(error, 3)
    except (StoreError, SchoolError) as error:
        fail(error)
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
