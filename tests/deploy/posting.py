"""A school whose reports go to a mail server of a test: its folder, its store, the server with and without TLS."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.assembly import SchoolFiles, read_school
from tests.pipeline.sinks import MailSink

ROOT = Path(__file__).parents[2]
LONDON = ZoneInfo("Europe/London")
TO = "head@school.example"


def at(*moment: int) -> float:
    """Unix seconds of a time on the school's wall."""
    return datetime(*moment, tzinfo=LONDON).timestamp()  # type: ignore[arg-type,misc]


def school_folder(folder: Path, store: Path, **report: object) -> Path:
    """The sample school with a copy of a store, its reports set as told."""
    shutil.copytree(ROOT / "pcaps/sample_school/school", folder)
    shutil.copytree(store, folder / "store", symlinks=True)
    set_report(folder, **report)
    return folder


def set_report(folder: Path, **report: object) -> None:
    """Writes the table [report] anew."""
    path = folder / "schoolgate.toml"
    text = path.read_text("utf-8").partition("\n[report]\n")[0]
    values = {"to": [TO], "host": "127.0.0.1", "tls": "none", "languages": ["en"]} | report
    lines = [f"{name} = {_toml(value)}" for name, value in values.items()]
    path.write_text("\n".join([text, "[report]", *lines, ""]), "utf-8")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, list | int) else repr(value)


def files_of(folder: Path) -> SchoolFiles:
    return read_school(folder)


@contextmanager
def tls_sink(paths: tuple[Path, Path], user: str, password: str) -> Iterator[MailSink]:
    """A mail server with this certificate and key, which takes mail only after STARTTLS and a log-in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paths)
    sink = MailSink()
    sink.SMTP_kwargs |= {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": lambda server, session, envelope, mechanism, data: _known(data, user, password),
    }
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()


def _known(data: object, user: str, password: str) -> object:
    from aiosmtpd.smtp import AuthResult, LoginPassword

    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (user.encode(), password.encode()))


def parts(mail: EmailMessage) -> dict[str, list[bytes]]:
    """Content type -> contents, of everything in a mail."""
    found: dict[str, list[bytes]] = {}
    for part in mail.walk():
        if not part.is_multipart():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            found.setdefault(part.get_content_type(), []).append(content)
    return found
