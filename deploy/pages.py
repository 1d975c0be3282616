"""Serves the built-in pages with uvicorn, and says where."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from typing import Any

import click
import uvicorn


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, its address said. Raises OSError naming the address if it cannot be had."""
    shown = f"[{host}]" if ":" in host else host
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(error.errno, f"the pages cannot be served here: {error.strerror}", f"{shown}:{port}") from error
    click.echo(f"Schoolgate's pages: http://{shown}:{listener.getsockname()[1]}/  (Ctrl-C ends it)")
    return listener


class PagesServer(uvicorn.Server):
    """Ends what streams before it waits for open connections."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        for close in self.config.app.state.closing:  # type: ignore[union-attr]
            close()
        await super().shutdown(sockets)


class _Server(PagesServer):
    """Ends on a signal and lets the caller go on; uvicorn's own raises the signal anew, and the store stays open."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield


def run_pages(app: Any, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError if the address cannot be had."""
    listener = listen(host, port)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3
    )
    _Server(config).run(sockets=[listener])
