"""The QUIC clients that this machine may have, and how to make each begin a connection to a port on loopback.

It runs nothing; `pcaps.quic_hellos.record` does. Debian packages: chromium, firefox-esr. Python packages, in any one
venv whose interpreter HELLO_PYTHON names: aioquic, qh3, curl_cffi.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = os.environ.get("HELLO_PYTHON") or sys.executable
NAME = "www.hello.example"


@dataclass(frozen=True, slots=True)
class Client:
    """How to make a stack begin. `command` gets the name, the port and an empty folder."""

    stack: str
    command: Callable[[str, int, Path], Sequence[str]]
    version: Sequence[str]
    files: dict[str, Callable[[str, int], str]] = field(default_factory=dict)


def chromium(*options: str) -> Client:
    def command(name: str, port: int, folder: Path) -> Sequence[str]:
        return (
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}"),
            *("--disable-background-networking", "--disable-component-update", "--enable-quic"),
            *(f"--origin-to-force-quic-on={name}:{port}", *options),
            *(f"--host-resolver-rules=MAP {name} 127.0.0.1,MAP * ~NOTFOUND", f"https://{name}:{port}/"),
        )

    return Client("Chromium (quiche)", command, ("chromium", "--version"))


def preferences(name: str, port: int) -> str:
    chosen = {
        "network.dns.forceResolve": "127.0.0.1",
        "network.http.http3.enable": True,
        "network.http.http3.alt-svc-mapping-for-testing": f"{name};h3=:{port}",
        "network.http.speculative-parallel-limit": 0,
        "app.normandy.enabled": False,
        "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "services.settings.server": "data:,",
    }
    return "".join(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in chosen.items())


def firefox() -> Client:
    def command(name: str, port: int, folder: Path) -> Sequence[str]:
        return ("firefox-esr", "--headless", "--no-remote", "--profile", str(folder), f"https://{name}:{port}/")

    return Client("Firefox (neqo)", command, ("firefox-esr", "--version"), {"user.js": preferences})


CURL = """import sys
from curl_cffi import Curl, CurlOpt
name, port = sys.argv[1], int(sys.argv[2])
c = Curl()
c.setopt(CurlOpt.URL, f'https://{name}:{port}/'.encode())
c.setopt(CurlOpt.RESOLVE, [f'{name}:{port}:127.0.0.1'])
IMPERSONATE
c.setopt(CurlOpt.HTTP_VERSION, 31)
c.setopt(CurlOpt.SSL_VERIFYPEER, 0)
c.perform()
"""


def curl(browser: str = "") -> Client:
    code = CURL.replace("IMPERSONATE", f"c.impersonate({browser!r})" if browser else "")
    return Client(
        f"ngtcp2, BoringSSL (curl_cffi{' as ' + browser if browser else ''})",
        lambda name, port, _: (PYTHON, "-c", code, name, str(port)),
        (PYTHON, "-c", "from curl_cffi import Curl; print(Curl().version().decode())"),
    )


AIOQUIC = """import socket, sys
from {module}.quic.configuration import QuicConfiguration
from {module}.quic.connection import QuicConnection
name, port = sys.argv[1], int(sys.argv[2])
alpn = [f'protocol-{{n:051d}}' for n in range({alpn})] or ['h3']
configuration = QuicConfiguration(is_client=True, server_name=name, alpn_protocols=alpn)
{more}
connection = QuicConnection(configuration=configuration)
connection.connect(('127.0.0.1', port), now=0.0)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for data, _ in connection.datagrams_to_send(now=0.0):
    s.sendto(data, ('127.0.0.1', port))
"""


def aioquic(module: str = "aioquic", alpn: int = 0, more: str = "") -> Client:
    code = AIOQUIC.format(module=module, alpn=alpn, more=more)
    return Client(
        module,
        lambda name, port, _: (PYTHON, "-c", code, name, str(port)),
        (PYTHON, "-c", f"import {module}; print({module!r}, {module}.__version__)"),
    )


V2 = "configuration.original_version = 0x6b3343cf\nconfiguration.supported_versions = [0x6b3343cf, 1]"

CLIENTS: dict[str, Client] = {
    "aioquic": aioquic(),
    "aioquic-v2": aioquic(more=V2),
    "aioquic-long": aioquic(alpn=25),
    "aioquic-very-long": aioquic(alpn=60),
    "aioquic-no-id": aioquic(alpn=25, more="configuration.connection_id_length = 0"),
    "qh3": aioquic("qh3"),
    "chromium": chromium(),
    "chromium-again": chromium(),  # every flight is cut and ordered in another way
    "chromium-third": chromium(),
    "chromium-no-mlkem": chromium("--disable-features=PostQuantumKyber,UseMLKEM"),
    "firefox": firefox(),
    "firefox-again": firefox(),
    "curl": curl(),
    "curl-chrome": curl("chrome146"),
}
