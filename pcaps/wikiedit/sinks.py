"""A mail server and a webhook that write down when what arrives: `python -m pcaps.wikiedit.sinks FILE`.

They listen on ports 2525 and 8099 of the loopback; a line of FILE is {"time", "channel", "title", "text"}.
"""

from __future__ import annotations

import email
import json
import sys
import time
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

MAIL_PORT, HOOK_PORT = 2525, 8099


def _note(path: Path, channel: str, title: str, text: str) -> None:
    row = {"time": time.time(), "channel": channel, "title": title, "text": text}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


class _Mail:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        _note(self._path, "mail", str(message["Subject"]), str(body.get_content()) if body else "")
        return "250 OK"


def main() -> None:
    """Listen for ever."""
    path = Path(sys.argv[1])

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _note(path, "webhook", str(body.get("title", "")), str(body.get("message", "")))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    Controller(_Mail(path), hostname="127.0.0.1", port=MAIL_PORT).start()
    server = ThreadingHTTPServer(("127.0.0.1", HOOK_PORT), Hook)
    path.touch()
    server.serve_forever()


if __name__ == "__main__":
    main()
