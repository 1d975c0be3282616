"""Syslog as a channel: RFC 5424 over UDP (RFC 5426: one datagram, at most 2,048 bytes, and nobody answers), over TCP
(RFC 6587: octet counting), or to the local socket. One line for each message.
"""

from __future__ import annotations

import contextlib
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import SplitResult

from pipeline.alerts.answers import Answer, Result
from pipeline.alerts.settings import ChannelError

PATIENCE_S = 8.0
_DATAGRAM = 2048
_LOCAL0, _NOTICE, _WARNING = 16, 5, 4


@dataclass(frozen=True, slots=True)
class SyslogTarget:
    """`udp` or `tcp` to a host, or `local` to a socket of this machine."""

    sort: str
    host: str = ""
    port: int = 0
    path: str = ""


def syslog_target(name: str, parts: SplitResult) -> SyslogTarget:
    wrong = f"channel {name}: its URL cannot be used; write syslog://HOST[:PORT], syslog+tcp://HOST[:PORT] or syslog:///dev/log"
    try:
        port = parts.port
    except ValueError:
        raise ChannelError(wrong) from None
    tcp = parts.scheme.lower() == "syslog+tcp"
    if parts.hostname:
        return SyslogTarget("tcp" if tcp else "udp", parts.hostname, port or (601 if tcp else 514))
    if tcp or not parts.path.startswith("/"):
        raise ChannelError(wrong)
    return SyslogTarget("local", path=parts.path)


class SyslogChannel:
    """One line for each message, at facility local0."""

    def __init__(self, name: str, target: SyslogTarget) -> None:
        self.name = name
        self._target = target

    def send(self, title: str, body: str, *, warning: bool, id: str) -> Result:
        line = syslog_line(datetime.now(UTC), socket.gethostname(), title, body, warning=warning, id=id)
        try:
            return {"udp": self._udp, "tcp": self._tcp, "local": self._local}[self._target.sort](line)
        except socket.gaierror:
            return Result(Answer.REFUSED, "name")
        except (ConnectionRefusedError, FileNotFoundError, PermissionError):
            return Result(Answer.REFUSED, "connection")
        except TimeoutError:
            return Result(Answer.UNCLEAR, "timeout")
        except OSError:
            return Result(Answer.UNCLEAR, "unclear")

    def _udp(self, line: bytes) -> Result:
        target = self._target
        family, kind, protocol, _, where = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as out:
            out.connect(where)
            out.send(_cut(line, _DATAGRAM))
            out.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                out.recv(1)  # nothing answers; but an ICMP message that nobody listens there is reported here
        return Result(Answer.TOOK)

    def _tcp(self, line: bytes) -> Result:
        try:
            out = socket.create_connection((self._target.host, self._target.port), PATIENCE_S)
        except TimeoutError:
            return Result(Answer.REFUSED, "timeout")
        with out:
            out.sendall(b"%d " % len(line) + line)
            out.shutdown(socket.SHUT_WR)
            out.settimeout(2.0)
            with contextlib.suppress(TimeoutError):  # a server that waits for more has it all the same
                out.recv(1)
        return Result(Answer.TOOK)

    def _local(self, line: bytes) -> Result:
        for kind, end in ((socket.SOCK_DGRAM, b""), (socket.SOCK_STREAM, b"\n")):
            with socket.socket(socket.AF_UNIX, kind) as out:
                out.settimeout(PATIENCE_S)
                try:
                    out.connect(self._target.path)
                except OSError as error:
                    if kind == socket.SOCK_DGRAM and not isinstance(error, FileNotFoundError | ConnectionRefusedError):
                        continue  # it is a stream
                    raise
                out.sendall(_cut(line, _DATAGRAM) + end)
                return Result(Answer.TOOK)
        return Result(Answer.REFUSED, "connection")


def syslog_line(at: datetime, host: str, title: str, body: str, *, warning: bool, id: str) -> bytes:
    """A message of RFC 5424: priority, version, time, host, application, process, id of the message, no structured
    data but the id, and the text as UTF-8 with the mark that says so."""
    priority = _LOCAL0 * 8 + (_WARNING if warning else _NOTICE)
    time = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = re.sub(r"[^!-~]", "", host)[:255] or "-"
    safe = re.sub(r'(["\\\]])', r"\\\1", re.sub(r"[^ -~]", "", id))
    text = " | ".join(line for line in (part.strip() for part in f"{title}\n{body}".splitlines()) if line)
    text = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    head = f'<{priority}>1 {time} {name} schoolgate - alert [alert@32473 id="{safe}"] '
    return head.encode("ascii") + b"\xef\xbb\xbf" + text.encode("utf-8")


def _cut(line: bytes, most: int) -> bytes:
    """The line cut to so many bytes, between two characters."""
    if len(line) <= most:
        return line
    return line[:most].decode("utf-8", "ignore").encode("utf-8")
