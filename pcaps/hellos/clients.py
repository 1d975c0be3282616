"""The TLS clients that this machine may have, and how to make each send a hello to a port on loopback.

It runs nothing; `pcaps.hellos.record` does. Debian packages: openssl, curl, git, wget, gnutls-bin, libnss3-tools,
chromium, firefox-esr, nodejs, rclone, a JDK. Python packages, in any one venv whose interpreter HELLO_PYTHON names:
pyopenssl, pycurl, curl_cffi, utls, rtls, uv, tlslite-ng, python-mbedtls.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = os.environ.get("HELLO_PYTHON") or sys.executable
LONG_NAME = "a-long-name-" + "of-many-letters-" * 3 + "." + "in-two-labels-" * 4 + "end.example"


@dataclass(frozen=True, slots=True)
class Client:
    """How to make a stack send a hello. `command` gets the name, the port and an empty folder."""

    stack: str
    command: Callable[[str, int, Path], Sequence[str]]
    version: Sequence[str] = ()
    name: str | None = "www.hello.example"
    udp: bool = False
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


def s_client(*options: str, name: str | None = "www.hello.example", udp: bool = False) -> Client:
    def command(host: str, port: int, _: Path) -> Sequence[str]:
        server_name = ("-servername", host) if name else ("-noservername",)
        return ("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *server_name, *options)

    return Client("OpenSSL s_client", command, ("openssl", "version"), name, udp)


def gnutls(*options: str, udp: bool = False) -> Client:
    def command(name: str, port: int, _: Path) -> Sequence[str]:
        return ("gnutls-cli", "--insecure", "--sni-hostname", name, "-p", str(port), *options, "127.0.0.1")

    return Client("GnuTLS gnutls-cli", command, ("gnutls-cli", "--version"), udp=udp)


def nss(*options: str, name: str = "www.hello.example") -> Client:
    def command(host: str, port: int, _: Path) -> Sequence[str]:
        return ("tstclnt", "-D", "-h", "127.0.0.1", "-p", str(port), "-a", host, "-o", *options)

    return Client("NSS tstclnt", command, ("dpkg-query", "-W", "libnss3-tools"), name)


def chromium(*options: str) -> Client:
    def command(name: str, port: int, folder: Path) -> Sequence[str]:
        return (
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={folder}"),
            *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
            *(f"--host-resolver-rules=MAP {name} 127.0.0.1,MAP * ~NOTFOUND", *options, f"https://{name}:{port}/"),
        )

    return Client("Chromium", command, ("chromium", "--version"))


FIREFOX_PREFERENCES = {
    "network.dns.forceResolve": "127.0.0.1",
    "network.http.http3.enable": False,
    "security.tls.ech.grease_probability": 100,
    "security.tls.enable_kyber": True,
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
}


def firefox(**changed: object) -> Client:
    preferences = FIREFOX_PREFERENCES | {key.replace("__", "."): value for key, value in changed.items()}
    text = "".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in preferences.items())

    def command(name: str, port: int, folder: Path) -> Sequence[str]:
        return ("firefox-esr", "--headless", "--no-remote", "--profile", str(folder), f"https://{name}:{port}/")

    return Client("Firefox", command, ("firefox-esr", "--version"), files={"user.js": text})


def python(stack: str, code: str, version: str, interpreter: str = PYTHON, udp: bool = False) -> Client:
    """A few lines of Python that know `name`, `port` and `connected`, a socket."""
    begin = "import sys, socket\nname, port = sys.argv[1], int(sys.argv[2])\n"
    begin += "" if udp else "connected = socket.create_connection(('127.0.0.1', port))\n"
    return Client(
        stack,
        lambda name, port, _: (interpreter, "-c", begin + code, name, str(port)),
        (interpreter, "-c", version),
        udp=udp,
    )


PYOPENSSL = "from OpenSSL import SSL\ncontext = SSL.Context(SSL.TLS_CLIENT_METHOD)\n{}\n"
PYOPENSSL += "c = SSL.Connection(context, connected)\nc.set_tlsext_host_name(name.encode())\nc.set_connect_state()\n"
PYOPENSSL += "c.do_handshake()"
OPENSSL_VERSION = "from OpenSSL import SSL; print(SSL.SSLeay_version(0).decode())"


def pyopenssl(more: str = "") -> Client:
    return python("OpenSSL (pyOpenSSL)", PYOPENSSL.format(more), OPENSSL_VERSION)


def curl_cffi(browser: str) -> Client:
    code = "from curl_cffi import Curl, CurlOpt\nc = Curl()\n"
    code += "c.setopt(CurlOpt.URL, f'https://{name}:{port}/'.encode())\n"
    code += f"c.setopt(CurlOpt.RESOLVE, [f'{{name}}:{{port}}:127.0.0.1'])\nc.impersonate({browser!r})\nc.perform()"
    version = "import curl_cffi; print('curl_cffi', curl_cffi.__version__)"
    return python(f"BoringSSL (curl_cffi as {browser})", code, version)


def wrapped(stack: str, module: str) -> Client:
    """A module with the interface of `ssl`."""
    code = (
        f"import {module} as ssl\ncontext = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\ncontext.check_hostname = False\n"
    )
    code += "context.verify_mode = ssl.CERT_NONE\ncontext.wrap_socket(connected, server_hostname=name)"
    return python(stack, code, f"import {module} as ssl; print(ssl.OPENSSL_VERSION, getattr(ssl, '__version__', ''))")


MBEDTLS = "from mbedtls import tls\nc = tls.ClientContext(tls.{0}Configuration(validate_certificates=False))\n"
MBEDTLS += "c = c.wrap_socket(connected, server_hostname=name)\nc.do_handshake()"
MBEDTLS_UDP = "connected = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nconnected.connect(('127.0.0.1', port))\n"
MBEDTLS_VERSION = "import mbedtls; print(mbedtls.version.version)"

JAVA = """
import java.net.Socket;
import javax.net.ssl.*;
public class Hello {
    public static void main(String[] a) throws Exception {
        var plain = new Socket("127.0.0.1", Integer.parseInt(a[1]));
        var s = (SSLSocket) ((SSLSocketFactory) SSLSocketFactory.getDefault()).createSocket(plain, a[0], 443, true);
        s.startHandshake();
    }
}
"""


def java(home: str) -> Client:
    program = f"/usr/lib/jvm/{home}/bin/java"
    return Client(
        "Java (JSSE)",
        lambda name, port, folder: (program, str(folder / "Hello.java"), name, str(port)),
        (program, "--version"),
        files={"Hello.java": JAVA},
    )


NODE = "const [host, port] = process.argv.slice(1)\n"
NODE += "require('tls').connect({host: '127.0.0.1', port: +port, servername: host}).on('error', () => 0)"


def proxied(stack: str, version: Sequence[str], *command: str) -> Client:
    """A program that reaches any name through an HTTP proxy; {url} stands for where to go."""
    return Client(
        stack,
        lambda name, port, folder: tuple(c.format(url=f"https://{name}:8443/", folder=folder) for c in command),
        version,
        environment={"https_proxy": "http://127.0.0.1:{port}", "HTTPS_PROXY": "http://127.0.0.1:{port}"},
    )


def ech_config(public_name: str) -> str:
    """An ECHConfigList (RFC 9849 4) with a key that nobody has: base point of X25519, HKDF-SHA256, AES-128-GCM."""
    contents = bytes([7]) + struct.pack(">HH", 0x20, 32) + bytes([9]) + bytes(31) + struct.pack(">HHH", 4, 1, 1)
    contents += bytes([0, len(public_name)]) + public_name.encode() + b"\0\0"
    config = struct.pack(">HH", 0xFE0D, len(contents)) + contents
    return base64.b64encode(struct.pack(">H", len(config)) + config).decode()


OUTER = "cloudflare-ech.com"
LONG_ALPN = ",".join(f"protocol-{n:051d}" for n in range(25))

CLIENTS: dict[str, Client] = {
    "openssl": s_client(),
    "openssl-tls12": s_client("-tls1_2"),
    "openssl-tls10": s_client("-tls1", "-cipher", "ALL:@SECLEVEL=0"),
    "openssl-no-name": s_client(name=None),
    "openssl-long": s_client("-alpn", LONG_ALPN, "-groups", "X25519:P-256:P-384"),
    "openssl-long-name": s_client(name=LONG_NAME),
    "python-ssl": wrapped("OpenSSL (Python's ssl)", "ssl"),
    "openssl4": pyopenssl(),
    "openssl4-tls12": pyopenssl("context.set_max_proto_version(SSL.TLS1_2_VERSION)"),
    "openssl4-alpn": pyopenssl("context.set_alpn_protos([b'h2', b'http/1.1'])"),
    "curl": Client(
        "curl, OpenSSL",
        lambda n, p, _: ("curl", "-sk", "--resolve", f"{n}:{p}:127.0.0.1", f"https://{n}:{p}/"),
        ("curl", "--version"),
    ),
    "curl-openssl3": python(
        "curl, OpenSSL (PycURL)",
        "import pycurl\nc = pycurl.Curl()\nc.setopt(c.RESOLVE, [f'{name}:{port}:127.0.0.1'])\n"
        "c.setopt(c.URL, f'https://{name}:{port}/')\nc.perform()",
        "import pycurl; print(pycurl.version)",
    ),
    "curl-gnutls": Client(
        "curl, GnuTLS (git)",
        lambda n, p, _: (
            *("git", "-c", f"http.curloptResolve={n}:{p}:127.0.0.1", "-c", "http.sslVerify=false"),
            *("ls-remote", f"https://{n}:{p}/x"),
        ),
        ("dpkg-query", "-W", "libcurl3-gnutls"),
    ),
    "boringssl-chrome": curl_cffi("chrome131"),
    "boringssl-chrome-old": curl_cffi("chrome99"),
    "boringssl-safari": curl_cffi("safari184"),
    "boringssl-firefox": curl_cffi("firefox135"),
    "boringssl": wrapped("BoringSSL (utls)", "utls"),
    "rustls": wrapped("rustls (rtls)", "rtls"),
    "rustls-uv": proxied(
        "rustls (uv)",
        ("uv", "--version"),
        *("uv", "--no-cache", "--no-config", "pip", "install", "--target", "{folder}", "--index-url", "{url}", "x"),
    ),
    "gnutls": gnutls(),
    "gnutls-tls12": gnutls("--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.2"),
    "wget": proxied("GnuTLS (wget)", ("wget", "--version"), "wget", "-q", "-t", "1", "-O", "-", "{url}"),
    "nss": nss(),
    "nss-tls12": nss("-V", "tls1.2:tls1.2"),
    "nss-ech-grease": nss("-i", "100"),
    "nss-ech": Client(
        "NSS tstclnt, real ECH",
        lambda name, port, _: (
            *("tstclnt", "-D", "-h", "127.0.0.1", "-p", str(port), "-a", "www.inner.example", "-o"),
            *("-N", ech_config(name)),
        ),
        ("dpkg-query", "-W", "libnss3-tools"),
        OUTER,
    ),
    "chromium": chromium(),
    "chromium-tls12": chromium("--ssl-version-max=tls1.2"),
    "chromium-again": chromium(),  # every hello has its extensions in another order
    "firefox": firefox(),
    "firefox-no-mlkem": firefox(security__tls__enable_kyber=False),
    "firefox-no-ech": firefox(security__tls__ech__grease_probability=0),
    "java17": java("java-17-openjdk-amd64"),
    "java25": java("temurin-25-jdk-amd64"),
    "node": Client(
        "OpenSSL (node)", lambda name, port, _: ("node", "-e", NODE, name, str(port)), ("node", "--version")
    ),
    "go": proxied("Go crypto/tls (rclone)", ("rclone", "version"), "rclone", "lsd", ":http:", "--http-url", "{url}"),
    "tlslite": python(
        "tlslite-ng",
        "from tlslite.api import TLSConnection\nTLSConnection(connected).handshakeClientCert(serverName=name)",
        "import tlslite; print('tlslite-ng', tlslite.__version__)",
    ),
    "mbedtls": python("Mbed TLS", MBEDTLS.format("TLS"), MBEDTLS_VERSION),
    "dtls-openssl": s_client("-dtls1_2", udp=True),
    "dtls-openssl-10": s_client("-dtls1", "-cipher", "ALL:@SECLEVEL=0", udp=True),
    "dtls-openssl-fragments": s_client("-dtls1_2", "-mtu", "256", "-alpn", LONG_ALPN, udp=True),
    "dtls-gnutls": gnutls("--udp", udp=True),
    "dtls-mbedtls": python("Mbed TLS", MBEDTLS_UDP + MBEDTLS.format("DTLS"), MBEDTLS_VERSION, udp=True),
}
