"""A school whose reports go to a mail server of a test: its folder, its store, the server with and without TLS."""

from __future__ import annotations

import ipaddress
import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    lines = [
        f"{name} = {str(value) if isinstance(value, list | int) else repr(value)}" for name, value in values.items()
    ]
    path.write_text("\n".join([text, "[report]", *lines, ""]), "utf-8")


def files_of(folder: Path) -> SchoolFiles:
    return read_school(folder)


def certificate(folder: Path) -> Path:
    """A certificate of 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@contextmanager
def tls_sink(certificate: Path, user: str, password: str) -> Iterator[MailSink]:
    """A mail server that takes mail only after STARTTLS and a log-in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
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
