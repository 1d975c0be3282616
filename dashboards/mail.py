"""The report as a mail: plain text, the mail's own HTML without images, the page as PDF; and how it is handed over.

One attempt answers one of three things, as for alerts: the server `took` the mail, it surely did not (`refused`), or
nobody can tell (`unclear`: the connection was lost while it was being handed over). All attempts of one report carry
one Message-ID, so that many servers leave out the second of two. Passwords and what servers say are in no message of
ours: what went wrong is a word of `PROBLEMS`. It knows no schedule and writes nothing down.
"""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime
from pathlib import Path

from dashboards.language import Language, say
from dashboards.settings import ReportSettings
from pipeline.alerts.answers import Answer, Result

TIMEOUT_S = 30.0
PROBLEMS: Mapping[str, str] = {
    "connection": "no connection to the mail server",
    "name": "the mail server's name is not known",
    "timeout": "the mail server did not answer in time",
    "certificate": "the mail server's certificate is not trusted",
    "tls": "the mail server does not offer STARTTLS",
    "login": "the mail server refused the log-in",
    "password": "the password file cannot be read, or others can read it",
    "refused": "the mail server refused the mail",
    "some": "the mail server refused some of the addresses",
    "unclear": "it is not clear whether the mail server took it",
    "unset": "nobody is set to send it to, or no server to send it by",
    "gone": "the report is not in the store any more",
}
"""What kept a mail from going, by the word that is kept."""


class MailError(ValueError):
    """The mail cannot be sent by these settings; `word` is of PROBLEMS."""

    def __init__(self, word: str) -> None:
        super().__init__(PROBLEMS[word])
        self.word = word


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    type: str
    content: bytes


def letter(
    settings: ReportSettings,
    to: Sequence[str],
    parts: Mapping[str, str],
    attachments: Iterable[Attachment],
    id_: str,
    duplicate: bool,
) -> EmailMessage:
    """The mail. `parts`: subject, text and html; `id_`: of the report; `duplicate`: it may have come already."""
    subject, text, html = parts["subject"], parts["text"], parts["html"]
    if duplicate:
        notes = [say(lang, DUPLICATE) for lang in settings.languages]
        subject = f"{say(settings.languages[0], '[possible duplicate]')} {subject}"
        text = "\n".join([*notes, "", text])
        html = "".join(f"<p>{note}</p>" for note in notes) + html
    mail = EmailMessage(default.clone(max_line_length=400))  # a subject on one line
    mail["Subject"] = subject
    mail["From"] = Address("Schoolgate", addr_spec=settings.sender or to[0])
    mail["To"] = ", ".join(to)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{id_}@schoolgate.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text)
    mail.add_alternative(f'<!doctype html><html lang="{settings.languages[0]}"><body>{html}</body></html>', "html")
    for one in attachments:
        main, _, sub = one.type.partition("/")
        mail.add_attachment(one.content, maintype=main, subtype=sub, filename=one.name)
    return mail


DUPLICATE = "Possible duplicate: an earlier attempt to send this was cut off, and may have reached you."


def file_name(period: str, number: int, lang: Language, suffix: str) -> str:
    """The name of an attachment, as social-media-2026-W47-en.pdf."""
    version = f"-v{number}" if number > 1 else ""
    return f"social-media-{period.replace('/', '-')}{version}-{lang}.{suffix}"


def hand_over(settings: ReportSettings, mail: EmailMessage) -> Result:
    """One attempt. Raises nothing that a server or the network can cause."""
    try:
        server = _connected(settings)
    except MailError as error:
        return Result(Answer.REFUSED, error.word)
    with contextlib.ExitStack() as stack:
        stack.callback(_quit, server)
        try:
            refused = server.send_message(mail)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError, smtplib.SMTPHeloError):
            return Result(Answer.REFUSED, "refused")
        except (OSError, smtplib.SMTPException):
            return Result(Answer.UNCLEAR, "unclear")
        return Result(Answer.TOOK, "some" if refused else "")


def _connected(settings: ReportSettings) -> smtplib.SMTP:
    """A session that may send. Raises MailError."""
    context = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
    password = _password(settings.password_file)
    try:
        server: smtplib.SMTP
        if settings.tls == "tls":
            server = smtplib.SMTP_SSL(settings.host, settings.port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(settings.host, settings.port, timeout=TIMEOUT_S)
    except ssl.SSLError:
        raise MailError("certificate") from None
    except socket.gaierror:
        raise MailError("name") from None
    except TimeoutError:
        raise MailError("timeout") from None
    except (OSError, smtplib.SMTPException):
        raise MailError("connection") from None
    try:
        if settings.tls == "starttls":
            server.starttls(context=context)
        if settings.user:
            server.login(settings.user, password)
    except ssl.SSLError:
        raise _closed(server, "certificate") from None
    except smtplib.SMTPNotSupportedError:
        raise _closed(server, "tls" if settings.tls == "starttls" else "login") from None
    except smtplib.SMTPAuthenticationError:
        raise _closed(server, "login") from None
    except TimeoutError:
        raise _closed(server, "timeout") from None
    except (OSError, smtplib.SMTPException):
        raise _closed(server, "connection") from None
    return server


def _closed(server: smtplib.SMTP, word: str) -> MailError:
    server.close()
    return MailError(word)


def _quit(server: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException):
        server.quit()


def _password(path: Path | None) -> str:
    """The first line of a file that only its owner may read."""
    if path is None:
        return ""
    try:
        if path.stat().st_mode & 0o077:
            raise MailError("password")
        return path.read_text(encoding="utf-8").split("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise MailError("password") from None
