"""Serving the pages: where it is refused, over TLS, to clients that are slow on purpose; and the account command."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from dashboards.accounts import Accounts
from dashboards.settings import PageSettings
from dashboards.web import make_app
from deploy import pages
from deploy.pages import UnsafePages, config_of, refuse_unsafe
from deploy.settings import SettingsError, load_settings
from pcaps.sample_school.facts import HERE
from pipeline.access import Role
from pipeline.store import Result, StoreError
from tests.deploy.certificates import certificate
from tests.deploy.command import many


class NoStore:
    def query(self, sql: str, params: object = None) -> Result:
        raise StoreError("there is no store here")


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "accounts.sqlite", time.time, cost=8)


@pytest.fixture
def settings(tmp_path: Path) -> PageSettings:
    """With a certificate of this machine."""
    made, key = certificate(tmp_path)
    return PageSettings(certificate=made, certificate_key=key)


@contextmanager
def served(app: object, settings: PageSettings) -> Iterator[int]:
    """The pages as `schoolgate serve` serves them; yields the port."""
    server = uvicorn.Server(config_of(app, settings))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def test_beyond_this_machine_pages_need_accounts_and_tls(accounts: Accounts, settings: PageSettings) -> None:
    everywhere = {"host": "0.0.0.0"}
    for unsafe in (PageSettings(**everywhere), settings, PageSettings(proxies=("10.0.0.2",))):
        with pytest.raises(UnsafePages, match="schoolgate account add"):
            refuse_unsafe(unsafe, accounts)
        with pytest.raises(UnsafePages, match="schoolgate account add"):
            refuse_unsafe(unsafe, None)
    accounts.add("sam", "Sam Rees", Role.HEAD)
    with pytest.raises(UnsafePages, match="in the clear"):
        refuse_unsafe(PageSettings(**everywhere), accounts)
    refuse_unsafe(settings.model_copy(update=everywhere), accounts)
    refuse_unsafe(PageSettings(**everywhere, proxies=("10.0.0.2",)), accounts)
    for local in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        refuse_unsafe(PageSettings(host=local), None)


def test_a_certificate_that_cannot_be_used_is_said(accounts: Accounts, settings: PageSettings) -> None:
    accounts.add("sam", "Sam Rees", Role.HEAD)
    assert settings.certificate
    for wrong in ({"certificate_key": settings.certificate}, {"certificate": settings.certificate.with_name("none")}):
        with pytest.raises(UnsafePages, match=r"cannot be used .*correct \[pages\]"):
            refuse_unsafe(settings.model_copy(update=wrong), accounts)


def test_pages_over_tls_have_a_cookie_for_https_alone(accounts: Accounts, settings: PageSettings) -> None:
    accounts.add("sam", "Sam Rees", Role.HEAD)
    app = make_app(NoStore(), settings, accounts=accounts)  # type: ignore[arg-type]
    context = ssl.create_default_context(cafile=str(settings.certificate))
    with served(app, settings) as port:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as line:
            line.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: line.recv(65536), b"")).decode().lower()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", port)) as raw, pytest.raises(ssl.SSLError):
            old.wrap_socket(raw)
    assert "200 ok" in answer.splitlines()[0]
    assert "set-cookie: __host-schoolgate-visit=" in answer
    assert "secure" in answer
    assert "strict-transport-security" in answer
    assert "server:" not in answer


def ended(line: socket.socket) -> bool:
    """Does the server hang up?"""
    line.settimeout(120)
    try:
        return line.recv(65536) == b""
    except ConnectionResetError:
        return True


def test_clients_that_send_nothing_or_half_a_head_are_let_go(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "HEAD_S", 0.2)
    app = make_app(NoStore(), PageSettings(), accounts=accounts)  # type: ignore[arg-type]
    with served(app, PageSettings()) as port:
        silent, half = (socket.create_connection(("127.0.0.1", port)) for _ in range(2))
        half.sendall(b"GET / HTTP/1.1\r\nHost: local")
        with silent, half:
            assert ended(silent)
            assert ended(half)
        monkeypatch.setattr(pages, "HEAD_S", 4.0)  # more than it takes to send a whole head, on any machine
        with socket.create_connection(("127.0.0.1", port)) as line:  # and half a second head after a whole first one
            line.sendall(b"GET /method HTTP/1.1\r\nHost: localhost\r\n\r\n")
            line.settimeout(120)
            answer = line.recv(65536)
            monkeypatch.setattr(pages, "HEAD_S", 0.2)
            line.sendall(b"GET / HTTP/1.1\r\nHost")
            while part := line.recv(65536):
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('proxies = ["the-proxy"]', "is not an address"),
        ('names = ["https://x"]', "is not a host name"),
        ('certificate_key = "k.pem"', "a key without a certificate"),
        ("idle_min = 0", "pages.idle_min"),
    ],
)
def test_settings_of_pages_are_checked(tmp_path: Path, lines: str, words: str) -> None:
    path = tmp_path / "schoolgate.toml"
    path.write_text(f'[school]\nid = "x"\nname = "X"\nzone = "Europe/London"\n[pages]\n{lines}\n')
    with pytest.raises(SettingsError, match=words):
        load_settings(path)


def test_accounts_are_made_listed_and_removed_by_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "school"
    shutil.copytree(HERE, folder)
    at = ["--school", str(folder)]
    add = ["account", "add", "sam", "--role", "network_manager", "--name", "Sam Rees", *at]
    done = many(
        [
            ["account", "list", *at],
            add,
            add,
            ["account", "add", "ann", "--role", "head", "--name", "Somebody Else", *at],
            ["account", "add", "box", "--role", "installer", "--name", "Ifan Box", *at],
            ["account", "list", *at],
            ["account", "role", "box", "--role", "head", *at],
            ["account", "reset", "sam", *at],
            ["account", "remove", "box", *at],
            ["account", "remove", "box", *at],
            ["serve", *at, "--host", "0.0.0.0"],
            ["serve"],
        ]
    )
    said = [(status, out + err) for status, out, err in done]
    assert [status for status, _ in said] == [0, 0, 1, 1, 0, 0, 1, 0, 0, 1, 1, 2]
    for n, words in (
        (0, "There is no account"),
        (1, "Password for once:"),
        (2, "there is an account sam already"),
        (3, "is not in the access file"),
        (5, "waits for the first log-in"),
        (6, "head/Ifan Box is not in the access file"),
        (9, "there is no account 'box'"),
        (10, "in the clear"),
        (11, "name a store"),
    ):
        assert words in said[n][1], (n, said[n])
    once = said[1][1].split("Password for once:")[1].split()[0]
    assert stat.S_IMODE((folder / "accounts.sqlite").stat().st_mode) == 0o600
    trail = (folder / "audit.jsonl").read_text()
    assert once not in trail
    actions = [json.loads(line)["action"] for line in trail.splitlines()]
    assert actions == ["account.added", "account.added", "account.reset", "account.removed"]
