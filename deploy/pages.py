"""Serves the built-in pages with uvicorn, and says where; refuses to where it would not be safe.

Beyond this machine the pages are served with accounts only, and only over TLS: their own, or that of a proxy named in
the settings. A client that takes too long over a request's head is let go; how many are served at once is bounded.
What uvicorn would believe of a proxy is switched off: dashboards.guard decides that.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dashboards.accounts import Accounts
from dashboards.settings import PageSettings

if TYPE_CHECKING:
    from pipeline.jobs import Jobs
    from pipeline.store import Store

HEAD_S = 20.0
"""How long the head of a request may take."""
AT_ONCE = 400


class UnsafePages(ValueError):
    """The pages cannot be served as the settings want it; the message says what to set."""


def open_accounts(settings: PageSettings) -> Accounts:
    """The accounts of a school's pages. Raises AccountError."""
    return Accounts(
        settings.accounts, time.time, idle_s=60.0 * settings.idle_min, longest_s=3600.0 * settings.session_h
    )


def refuse_unsafe(settings: PageSettings, accounts: Accounts | None) -> None:
    """Raises UnsafePages where others than this machine's users could reach pages without log-in or without TLS."""
    beyond = not settings.local or bool(settings.proxies) or settings.certificate is not None
    if beyond and (accounts is None or not accounts.all()):
        mend = "make one with `schoolgate account add`, or leave pages.host at 127.0.0.1 and take proxies out"
        raise UnsafePages(f"pages.host {settings.host}: beyond this machine the pages need accounts; {mend}")
    if not settings.local and settings.certificate is None and not settings.proxies:
        mend = "set pages.certificate and pages.certificate_key, or pages.proxies to the proxy that has TLS"
        raise UnsafePages(f"pages.host {settings.host}: passwords would be sent in the clear; {mend}")
    if settings.certificate is not None:
        _context(settings.certificate, settings.certificate_key)


def _context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """TLS 1.2 and later with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or error
        raise UnsafePages(f"{certificate}: the certificate cannot be used ({why}); correct [pages]") from None
    return context


def listen(settings: PageSettings) -> socket.socket:
    """A listening socket, its address said. Raises OSError naming the address if it cannot be had."""
    host, port = settings.host, settings.port
    shown = f"[{host}]" if ":" in host else host
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(error.errno, f"the pages cannot be served here: {error.strerror}", f"{shown}:{port}") from error
    scheme = "https" if settings.certificate else "http"
    click.echo(f"Schoolgate's pages: {scheme}://{shown}:{listener.getsockname()[1]}/  (Ctrl-C ends it)")
    return listener


class _Protocol(H11Protocol):
    """Lets go a client that does not send the head of a request in time."""

    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._look = self.loop.call_later(HEAD_S / 2, self._look_again, self)

    def _look_again(self, before: object) -> None:
        """Twice in a row part of a head, or nothing at all yet, and no request in between: that is too slow."""
        begun = self.cycle is None or bool(self.conn.trailing_data[0])
        if self.conn.their_state is h11.IDLE and begun and before is self.cycle:
            self.transport.close()
        elif not self.transport.is_closing():
            self._look = self.loop.call_later(HEAD_S / 2, self._look_again, self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)


def config_of(app: Any, settings: PageSettings) -> uvicorn.Config:
    """How uvicorn is to serve."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=AT_ONCE,
        h11_max_incomplete_event_size=32 << 10,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=3,
    )
    config.load()
    if settings.certificate is not None:
        config.ssl = _context(settings.certificate, settings.certificate_key)
    return config


def app_of(
    store: Store, settings: PageSettings, school: Path | None, accounts: Accounts | None, jobs: Jobs | None = None
) -> Any:
    """The pages, with the office of the school whose files lie at `school`; `jobs`: those of this process."""
    from dashboards.web import make_app
    from deploy.office import SchoolOffice

    return make_app(store, settings, accounts=accounts, office=SchoolOffice(school, jobs) if school else None)


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


def run_pages(app: Any, settings: PageSettings) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError if the address cannot be had."""
    listener = listen(settings)
    _Server(config_of(app, settings)).run(sockets=[listener])
