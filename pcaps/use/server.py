"""Answers for every name: DNS, and HTTPS over HTTP/1.1, HTTP/2 and HTTP/3 under a test authority.

`python -m pcaps.use.server FOLDER` runs in the namespace that stands for the Internet. Each host name has an address of
its own in 198.18.0.0/15 (the range for benchmarks), except the few that share one in reality too. A path that is no
page gives as many random bytes as it asks for (`n`, or the number in a `/keep/` name, which may be cached), after a
moment of thought, or after `w` milliseconds (long poll).
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import os
import random
import re
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypercorn.asyncio import serve
from hypercorn.config import Config

from pcaps.use.pages import Page
from pcaps.use.sites import page_at

OUTSIDE = ipaddress.ip_network("198.18.0.0/15")
ONE_ADDRESS = ({"www.youtube.com", "i.ytimg.com", "yt3.ggpht.com", "www.google.com"},)
THOUGHT_S = (0.015, 0.12)
KEEP_S = 180  # how long an idle connection is kept, as large sites do
QUIC_HOSTS: tuple[str, ...] = (
    "www.facebook.com",
    "static.xx.fbcdn.net",
    "scontent-lhr8-1.xx.fbcdn.net",
    "www.youtube.com",
)
QUIC_HOSTS += ("i.ytimg.com", *(f"rr{n}---sn-aigl6nzr.googlevideo.com" for n in range(1, 5)), "www.instagram.com")

_HERE = Path(__file__).parent
_BLOB = os.urandom(8 << 20)
_TEXT = b"//" + "".join(f"{b:02x}" for b in _BLOB[: 1 << 20]).encode()
_KEPT = re.compile(r"^/keep/.*-(\d+)\.js$")


def address_of(host: str) -> str:
    """The one address of a host name."""
    family = next((sorted(names)[0] for names in ONE_ADDRESS if host in names), host)
    number = int.from_bytes(hashlib.sha256(family.encode()).digest()[:4], "big") % (OUTSIDE.num_addresses - 2)
    return str(OUTSIDE[number + 1])


# ------------------------------------------------------------------------------------------------------ certificates


class Authority:
    """A test authority that signs for whatever name is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Use corpus test authority")])
        self._contexts: dict[str, ssl.SSLContext] = {}
        key = self._key.public_key()
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        built = self._builder(self._name, key).add_extension(x509.BasicConstraints(True, 0), critical=True)
        authority = built.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))

    def sign(self, names: tuple[str, ...]) -> tuple[Path, Path]:
        """Certificate and key files for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:60])])
        builder = self._builder(subject, key.public_key())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(n) for n in names])
        builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = hashlib.sha256(",".join(names).encode()).hexdigest()[:16]
        pem, private = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pem, private

    def context(self, host: str) -> ssl.SSLContext:
        """What a TLS server shows to a client that asks for `host`."""
        family = next((tuple(sorted(names)) for names in ONE_ADDRESS if host in names), (host,))
        if family[0] not in self._contexts:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.set_alpn_protocols(["h2", "http/1.1"])
            context.load_cert_chain(*self.sign(family))
            self._contexts[family[0]] = context
        return self._contexts[family[0]]


class _Config(Config):
    authority: Authority

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """No alt-svc: browsers do not trust a test authority over QUIC unless they are forced to."""
        return [header for header in super().response_headers(protocol) if header[0] != b"alt-svc"]

    def create_ssl_context(self) -> ssl.SSLContext | None:
        context = super().create_ssl_context()
        if context:

            def choose(connection: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> None:
                connection.context = self.authority.context(host or "no-name.example")

            context.sni_callback = choose
        return context


# -------------------------------------------------------------------------------------------------------------- HTTP


def _html(page: Page) -> bytes:
    """The page: its hints, scripts, frames and description, filled up to its size."""
    lines = ["<!doctype html><meta charset=utf-8><title>page</title>"]
    for hint in page.get("hints", []):
        relation, _, host = hint.partition("_")
        relation = {"dns": "dns-prefetch", "connect": "preconnect", "page": "prefetch"}[relation]
        lines.append(f'<link rel="{relation}" href="https://{host}/">')
    embeds = page.get("embeds", [])
    lines += [f'<script async src="{url}"></script>' for url in page.get("assets", [])]
    lines += [f'<script async src="{url}"></script>' for part in embeds for url in part["scripts"]]
    lines += [f'<iframe width=500 height=300 src="{url}"></iframe>' for part in embeds for url in part["frames"]]
    lines.append("<div style='height:90000px'></div>")
    lines.append(f"<script>const PAGE = {json.dumps({k: v for k, v in page.items() if k != 'assets'})};</script>")
    lines.append(f"<script>{(_HERE / 'page.js').read_text(encoding='utf-8')}</script>")
    body = "\n".join(lines).encode()
    start = random.randrange(1 << 19)
    return body + b"<!--" + _TEXT[start : start + max(0, page["html"] - len(body))] + b"-->"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application."""
    if scope["type"] == "websocket":
        await _socket(scope, receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)
    elif scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})


def _bytes_of(path: str, query: dict[str, str]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    kept = _KEPT.match(path)
    size = int(kept[1]) if kept else int(query.get("n", 2400 if path == "/favicon.ico" else 0))
    start = random.randrange(1 << 18)
    forever = (b"cache-control", b"public, max-age=31536000, immutable")
    if path.endswith(".js"):
        return _TEXT[:2] + _TEXT[start : start + size], [(b"content-type", b"text/javascript"), forever]
    kind = b"image/png" if path == "/favicon.ico" else b"application/octet-stream"
    keep = forever if path == "/favicon.ico" else (b"cache-control", b"private, no-store")
    return _BLOB[start : start + size], [(b"content-type", kind), keep]


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        more = event.get("more_body", False)
    headers = {name.lower(): value for name, value in scope["headers"]}
    host = headers.get(b"host", b"").decode().partition(":")[0]
    path, query = scope["path"], dict(parse_qsl(scope["query_string"].decode()))
    page = page_at(host, path, query)
    if path == "/sw.js":
        body = (_HERE / "worker.js").read_bytes()
        answer = [(b"content-type", b"text/javascript"), (b"cache-control", b"no-cache")]
    elif page:
        body, answer = _html(page), [(b"content-type", b"text/html"), (b"cache-control", b"private, no-store")]
    else:
        body, answer = _bytes_of(path, query)
    crumbs = headers.get(b"cookie", b"")
    domain, size = page["cookies"] if page and "cookies" in page else (".facebook.com", 110)
    if b"sg0=" not in crumbs and ((page and "cookies" in page) or path == "/tr/"):
        for n in range(4):
            crumb = f"sg{n}={_TEXT[n * 999 + 9 : n * 999 + 9 + size // 4].decode()}; Domain={domain}; Path=/; "
            answer.append((b"set-cookie", (crumb + "Max-Age=9000; Secure; SameSite=None").encode()))
    answer.append((b"content-length", str(len(body)).encode()))
    await asyncio.sleep(int(query["w"]) / 1000 if "w" in query else random.uniform(*THOUGHT_S))
    await send({"type": "http.response.start", "status": 200 if body else 204, "headers": answer})
    for at in range(0, max(1, len(body)), 1 << 16):
        chunk = body[at : at + (1 << 16)]
        await send({"type": "http.response.body", "body": chunk, "more_body": at + (1 << 16) < len(body)})


async def _socket(scope: Any, receive: Any, send: Any) -> None:
    query = dict(parse_qsl(scope["query_string"].decode()))
    await receive()
    await send({"type": "websocket.accept"})

    async def speak() -> None:
        while True:
            await asyncio.sleep(random.uniform(float(query["low"]), float(query["high"])))
            size = random.randint(int(query["min"]), int(query["max"]))
            await send({"type": "websocket.send", "bytes": _BLOB[:size]})

    speaking = asyncio.create_task(speak())
    try:
        while (event := await receive())["type"] != "websocket.disconnect":
            if event["type"] == "websocket.receive":
                await send({"type": "websocket.send", "bytes": b"pong"})
    finally:
        speaking.cancel()


# --------------------------------------------------------------------------------------------------------------- DNS


class Names(asyncio.DatagramProtocol):
    """Every name has an IPv4 address for two minutes, and nothing else."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        question = data[12 : at + 5]
        kind = int.from_bytes(data[at + 1 : at + 3], "big")
        answers = 1 if kind == 1 else 0
        reply = data[:2] + b"\x81\x80\x00\x01" + answers.to_bytes(2, "big") + b"\0\0\0\0" + question
        if answers:
            host = ".".join(labels).lower()
            reply += b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x78\x00\x04"
            reply += ipaddress.ip_address(address_of(host)).packed
        self._transport.sendto(reply, address)


async def run(folder: Path, resolver: str) -> None:
    """Serve until killed."""
    authority = Authority(folder)
    config = _Config()
    config.authority = authority
    config.bind = ["0.0.0.0:443"]
    config.quic_bind = sorted({f"{address_of(host)}:443" for host in QUIC_HOSTS})  # answers must come from there
    config.insecure_bind = ["0.0.0.0:80"]
    pem, key = authority.sign(QUIC_HOSTS)
    config.certfile, config.keyfile = str(pem), str(key)
    config.alpn_protocols = ["h2", "http/1.1"]
    config.keep_alive_timeout, config.keep_alive_max_requests = KEEP_S, 100_000
    config.loglevel = "ERROR"
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(Names, local_addr=(resolver, 53))
    (folder / "ready").touch()
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2]))
