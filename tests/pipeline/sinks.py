"""Where alerts arrive in tests, on the loopback interface: a mail server, a webhook, syslog servers."""

from __future__ import annotations

import email
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

PATIENCE_S = 150.0
PATIENT = f"cto={PATIENCE_S}&rto={PATIENCE_S}"
"""In an address: how long the sender waits for a connection and for an answer, instead of four seconds."""


def wait_for(condition: Callable[[], object], what: str = "") -> None:
    """Until it holds; fails after PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what or "it did not happen"
        time.sleep(0.02)


class MailSink(Controller):
    """A real mail server that keeps what it gets, with the time at which it did."""

    def __init__(self) -> None:
        self.got: list[tuple[float, EmailMessage]] = []
        super().__init__(self, hostname="127.0.0.1", port=0, ready_timeout=PATIENCE_S)

    async def handle_DATA(self, server: object, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        self.got.append((time.time(), message))
        return "250 OK"

    def _trigger_server(self) -> None:
        """The port is known only now, as it was asked for as 0."""
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?mode=insecure&from=gate@school.example&to=it@school.example&{PATIENT}"

    def texts(self) -> list[tuple[str, str]]:
        return [(str(message["Subject"]), text_of(message)) for _, message in self.got]


def text_of(message: EmailMessage) -> str:
    """The plain text of a mail that has nothing else."""
    assert message.get_content_type() == "text/plain"
    return str(message.get_content()).replace("\r\n", "\n")


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    sink = MailSink()
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


class Hook(ThreadingHTTPServer):
    """A webhook that keeps the JSON it gets. `before`: called with each body before it is answered with `status`."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        self.before: Callable[[dict[str, Any]], None] = lambda body: None
        super().__init__(("127.0.0.1", 0), _Handler)

    def url(self, secret: str = "s3cret") -> str:
        return f"json://user:{secret}@127.0.0.1:{self.server_address[1]}/hook?{PATIENT}"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status < 400:
            self.server.got.append(body)
        self.server.before(body)
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hook() -> Iterator[Hook]:
    server = Hook()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def free_port() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
