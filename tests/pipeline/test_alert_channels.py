"""Channels: what really arrives at a mail server, a webhook and syslog; and what is known of an attempt that failed."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.alerts.answers import Answer, Result
from pipeline.alerts.channels import Channel, open_channel
from pipeline.alerts.settings import Address, ChannelError
from pipeline.alerts.syslog import syslog_line
from tests.pipeline.sinks import Hook, MailSink, free_port, hook, mail_sink, text_of

TOOK = Result(Answer.TOOK)
TITLE, BODY = "Schoolgate: Likely edit of cy.wikipedia.org", "First line, 2 < 3 & *no* markup.\n\n- Llanfair: ŵ ŷ\n"


def channel(url: str, name: str = "office") -> Channel:
    return open_channel(Address(name, SecretStr(url)))


def send(url: str) -> Result:
    return channel(url).send(TITLE, BODY, warning=True, id="m1")


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


@pytest.fixture
def web() -> Iterator[Hook]:
    with hook() as server:
        yield server


def test_mail_arrives_as_plain_text_with_no_image(mail: MailSink) -> None:
    assert send(mail.url) == TOOK
    ((_, message),) = mail.got
    assert message["Subject"] == TITLE
    assert text_of(message).strip() == BODY.strip()
    assert not list(message.iter_attachments())
    raw = message.as_string().lower()
    assert "<img" not in raw
    assert "image/" not in raw
    assert "githubusercontent" not in raw


def test_a_webhook_gets_title_and_text(web: Hook) -> None:
    assert send(web.url()) == TOOK
    (body,) = web.got
    assert (body["title"], body["message"].strip()) == (TITLE, BODY.strip())
    assert body["attachments"] == []


def test_a_webhook_that_says_no_has_refused(web: Hook) -> None:
    web.status = 403
    assert send(web.url()) == Result(Answer.REFUSED, "login")
    web.status = 404
    assert send(web.url()) == Result(Answer.REFUSED, "refused")
    web.status = 500  # it may have done it all the same
    assert send(web.url()) == Result(Answer.UNCLEAR, "unclear")


def test_a_webhook_that_hangs_up_in_between_leaves_it_unclear(web: Hook) -> None:
    def hang_up(body: object) -> None:
        raise ConnectionAbortedError

    web.before = hang_up
    web.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    assert send(web.url()).answer is Answer.UNCLEAR
    assert len(web.got) == 1


@pytest.mark.parametrize("scheme", ["json", "mailto", "syslog+tcp", "syslog"])
def test_where_nobody_listens_nothing_was_taken(scheme: str) -> None:
    with free_port() as port:
        url = f"{scheme}://127.0.0.1:{port}/?mode=insecure&from=a@b.example&to=c@d.example"
        assert send(url) == Result(Answer.REFUSED, "connection")


def test_a_mail_server_that_refuses_the_recipient_took_nothing(mail: MailSink) -> None:
    async def refuse(*_: object) -> str:
        return "550 no such user"

    mail.handle_RCPT = refuse  # type: ignore[attr-defined]
    assert send(mail.url) == Result(Answer.REFUSED, "refused")
    assert mail.got == []


def test_syslog_over_udp_tcp_and_a_local_socket_is_rfc_5424(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(120)
        assert send(f"syslog://127.0.0.1:{udp.getsockname()[1]}") == TOOK
        datagram = udp.recv(65_536)
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        tcp.settimeout(120)
        streams: list[bytes] = []
        thread = threading.Thread(target=lambda: streams.append(_everything(tcp)))
        thread.start()
        assert send(f"syslog+tcp://127.0.0.1:{tcp.getsockname()[1]}") == TOOK
        thread.join(120)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
        local.bind(str(tmp_path / "log"))
        local.settimeout(120)
        assert send(f"syslog://{tmp_path / 'log'}") == TOOK
        heard = local.recv(65_536)
    length, _, framed = streams[0].partition(b" ")
    assert int(length) == len(framed)
    form = (
        rb'<132>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [!-~]+ schoolgate - alert \[alert@32473 id="m1"\] \xef\xbb\xbf'
    )
    for line in (datagram, framed, heard):
        assert re.match(form, line), line
        text = line.partition(b"\xef\xbb\xbf")[2].decode("utf-8")
        assert text == f"{TITLE} | First line, 2 < 3 & *no* markup. | - Llanfair: ŵ ŷ"


def _everything(server: socket.socket) -> bytes:
    connection, _ = server.accept()
    with connection:
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_datagram_is_cut_between_two_characters() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(120)
        there = channel(f"syslog://127.0.0.1:{udp.getsockname()[1]}")
        assert there.send(TITLE, "ŵ" * 5000, warning=False, id="m2") == TOOK
        line = udp.recv(65_536)
    assert 2000 < len(line) <= 2048
    assert line.decode("utf-8").endswith("ŵ")


@given(title=st.text(max_size=50), body=st.text(max_size=200), host=st.text(max_size=30), id_=st.text(max_size=10))
def test_a_syslog_line_is_one_line_whatever_is_in_it(title: str, body: str, host: str, id_: str) -> None:
    at = datetime(2026, 11, 17, 10, 42, 7, 123_456, UTC)
    line = syslog_line(at, host, title, body, warning=False, id=id_)
    head, _, text = line.partition(b"\xef\xbb\xbf")
    assert re.fullmatch(
        rb'<133>1 2026-11-17T10:42:07\.123Z [!-~]{1,255} schoolgate - alert \[alert@32473 id="(?:[^"\\\]]|\\.)*"\] ',
        head,
    )
    assert b"\n" not in text
    assert b"\r" not in text
    text.decode("utf-8")


@pytest.mark.parametrize(
    "url", ["nosuch://user:hunter2@host", "mailto://", "syslog+tcp://", "syslog://host:port", "json://"]
)
def test_a_url_that_cannot_be_used_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(ChannelError) as refused:
        channel(url)
    assert "channel office: its URL cannot be used" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_what_apprise_logs_goes_nowhere(web: Hook, capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    listener = logging.Handler(0)
    listener.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(listener)
    level = root.level
    root.setLevel(1)
    try:
        web.status = 403
        send(web.url("hunter2"))
    finally:
        root.removeHandler(listener)
        root.setLevel(level)
    assert heard == []
    assert capfd.readouterr() == ("", "")
