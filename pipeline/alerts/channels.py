"""Channels: how a message leaves. Mail, Teams, webhooks and the rest through Apprise, syslog by ourselves.

A channel answers one of three things: it `took` the message, it surely did not (`refused`), or nobody can tell
(`unclear`: it was cut off after the first byte). Apprise only says yes or no, so what it logs meanwhile is read, kept
for this thread alone and thrown away: it may hold addresses and keys. What is told to people is a word of
`words.PROBLEMS`. Mail is plain text; no channel gets an image.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from collections.abc import Iterator
from typing import Any, Protocol
from urllib.parse import urlsplit

from pipeline.alerts.answers import Answer, Result
from pipeline.alerts.settings import Address, ChannelError
from pipeline.alerts.syslog import SyslogChannel, syslog_target

_SURE = (  # what Apprise, smtplib, requests or urllib3 log -> the word for it; none of them has handed anything over
    (r"getaddrinfo|Name or service not known|NameResolutionError|nodename nor servname|No address associated", "name"),
    (r"CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLCertVerificationError", "certificate"),
    (r"Connection refused|Failed to establish a new connection|unreachable|No route to host", "connection"),
    (r"ConnectTimeout|connect timeout", "timeout"),
    (r"SMTPAuthenticationError|\(53[045],|STARTTLS extension not supported|SMTPNotSupportedError", "login"),
    (r"SMTPRecipientsRefused|SMTPSenderRefused|SMTPDataError|SMTPHeloError", "refused"),
    (r"\((?:4[0-9]{2}|5[0-9]{2}), b['\"]", "refused"),
    (r"error[=: (]*40[13]\b|Unauthorized|Forbidden", "login"),
    (r"error[=: (]*4\d\d\b", "refused"),
)


class Channel(Protocol):
    """Something that messages can be sent to; used by one thread."""

    @property
    def name(self) -> str: ...

    def send(self, title: str, body: str, *, warning: bool, id: str) -> Result:
        """One attempt, within some seconds. Raises nothing."""
        ...


def open_channel(address: Address) -> Channel:
    """The channel of an address. Raises ChannelError, which does not hold the URL."""
    url = address.url.get_secret_value()
    parts = urlsplit(url)
    if parts.scheme.lower() in ("syslog", "syslog+tcp"):
        return SyslogChannel(address.name, syslog_target(address.name, parts))
    return AppriseChannel(address)


# ---------------------------------------------------------------------------------------------------------- Apprise


class AppriseChannel:
    """Any URL of Apprise."""

    def __init__(self, address: Address) -> None:
        self.name = address.name
        with _listening():
            self._plugin = _plugin(address.url.get_secret_value())
        if self._plugin is None:
            mend = "see Apprise's list of URLs; the last part must be the URL"
            raise ChannelError(f"channel {self.name}: its URL cannot be used; {mend}")

    def send(self, title: str, body: str, *, warning: bool, id: str) -> Result:
        from apprise import NotifyFormat, NotifyType

        sort = NotifyType.WARNING if warning else NotifyType.INFO
        with _listening() as said:
            try:
                if self._plugin.notify(body=body, title=title, notify_type=sort, body_format=NotifyFormat.TEXT):
                    return Result(Answer.TOOK)
            except Exception as error:  # a plugin's own fault must not end the thread that sends for all
                said.append(f"{type(error).__name__}: {error}")
        return _meaning("\n".join(said))


def _plugin(url: str) -> Any:
    """Apprise's object for a URL: text only, no image, nothing kept on disk."""
    from apprise import Apprise, AppriseAsset, NotifyFormat, PersistentStoreMode

    asset = AppriseAsset(
        app_id="Schoolgate",
        app_desc="Schoolgate",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        async_mode=False,
        secure_logging=True,
        storage_mode=PersistentStoreMode.MEMORY,
        plugin_paths=[],
    )
    plugin = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if plugin is not None:
        if plugin.notify_format == NotifyFormat.HTML:
            plugin.notify_format = NotifyFormat.TEXT
        plugin.request_rate_per_sec = 0  # how many may go is decided before (pipeline.alerts.limits)
        if hasattr(plugin, "include_image"):
            plugin.include_image = False
    return plugin


def _meaning(said: str) -> Result:
    """What a failed attempt was, from what was logged."""
    for pattern, word in _SURE:
        if re.search(pattern, said):
            return Result(Answer.REFUSED, word)
    return Result(Answer.UNCLEAR, "unclear")


class _Listener(logging.Handler):
    """Keeps what a thread that asked for it logs."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.mine = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        kept = getattr(self.mine, "kept", None)
        if kept is not None and len(kept) < 200:
            kept.append(record.getMessage()[:500])


_LISTENER = _Listener()


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """What Apprise and what it uses log in this thread meanwhile; it goes nowhere else."""
    for name in ("apprise", "urllib3"):
        log = logging.getLogger(name)
        if _LISTENER not in log.handlers:
            log.addHandler(_LISTENER)
            log.setLevel(logging.DEBUG)
            log.propagate = False
    kept: list[str] = []
    _LISTENER.mine.kept = kept
    try:
        yield kept
    finally:
        _LISTENER.mine.kept = None
