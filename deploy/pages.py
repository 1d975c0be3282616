"""Serves the built-in pages with uvicorn, and says where."""

from __future__ import annotations

import socket
from typing import Any

import click
import uvicorn


def run_pages(app: Any, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError if the address is taken."""
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Schoolgate's pages: http://{shown}:{listener.getsockname()[1]}/  (Ctrl-C ends it)")
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=3)
    uvicorn.Server(config).run(sockets=[listener])
