"""Records the first flights of the QUIC stacks that this machine has: `python -m pcaps.quic_hellos.record [LABEL...]`.

A socket on loopback takes a client's datagrams and answers nothing; of aioquic, client and server also talk to each
other in this process. Of a stack that is not installed nothing is recorded anew and its old record stays.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aioquic
from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import encode_quic_retry, encode_quic_version_negotiation, pull_quic_header
from aioquic.quic.retry import QuicRetryTokenHandler
from aioquic.tls import SessionTicket
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pcaps.quic_hellos import HERE
from pcaps.quic_hellos.clients import CLIENTS, NAME, PYTHON, Client

DEADLINE = float(os.environ.get("HELLO_DEADLINE") or 90)
FLIGHT = 0.1  # seconds after the first datagram; a client sends again what was not answered after 0.3 s or more
V1, V2 = 1, 0x6B3343CF
Datagrams = list[tuple[str, bytes]]


def take(server: socket.socket) -> Datagrams:
    """What the first client that sends a long header packet sends within FLIGHT."""
    until, client, taken = time.monotonic() + DEADLINE, None, []
    while time.monotonic() < until:
        server.settimeout(max(0.01, until - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            data, sender = server.recvfrom(65536)
            if client is None and data[0] & 0x80:
                client, until = sender, time.monotonic() + FLIGHT
            if sender == client:
                taken.append(("client", data))
    return taken


def run(client: Client) -> tuple[str, Datagrams]:
    """A client's version and what it sends to nobody."""
    with (
        tempfile.TemporaryDirectory() as name_of_folder,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
    ):
        folder = Path(name_of_folder)
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        for file, text in client.files.items():
            (folder / file).write_text(text(NAME, port))
        environment = os.environ | {"HOME": name_of_folder, "MOZ_HEADLESS": "1"}
        version = subprocess.run(client.version, capture_output=True, text=True, check=True, env=environment)
        process = subprocess.Popen(
            client.command(NAME, port, folder),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            datagrams = take(server)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
    return (version.stdout or version.stderr).strip().splitlines()[0], datagrams


# -- both sides in this process -------------------------------------------------------------------------------------


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    today = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(today).not_valid_after(today + datetime.timedelta(days=2))
    signed = builder.sign(key, hashes.SHA256())
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(signed.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


class Talk:
    """A client and a server of aioquic; `datagrams` is what passed between them."""

    def __init__(self, client_versions: Sequence[int], server_versions: Sequence[int], alpn: int = 25) -> None:
        protocols = [f"protocol-{n:051d}" for n in range(alpn)]
        self.client = QuicConfiguration(
            is_client=True,
            server_name=NAME,
            alpn_protocols=protocols,
            original_version=client_versions[0],
            supported_versions=list(client_versions),
            verify_mode=0,
        )
        self.server = QuicConfiguration(
            is_client=False, alpn_protocols=protocols, supported_versions=list(server_versions)
        )
        self.tickets: list[SessionTicket] = []
        self.kept: dict[bytes, SessionTicket] = {}
        self.datagrams: Datagrams = []

    def go(self, rounds: int, *, retry: bool = False, early: bytes = b"") -> Datagrams:
        """Let them talk for so many rounds of datagrams."""
        here, there = ("127.0.0.1", 50000), ("127.0.0.1", 443)
        client = QuicConnection(configuration=self.client, session_ticket_handler=self.tickets.append)
        client.connect(there, now=0.0)
        if early:
            client.send_stream_data(0, early)
        server: QuicConnection | None = None
        handler = QuicRetryTokenHandler()
        self.datagrams = []
        for turn in range(rounds):
            now = 0.01 * turn
            for data, _ in client.datagrams_to_send(now=now):
                self.datagrams.append(("client", data))
                if server is None:
                    answer, server = self._meet(data, here, handler if retry else None)
                    if answer:
                        self.datagrams.append(("server", answer))
                        client.receive_datagram(answer, there, now=now)
                        continue
                if server is not None:
                    server.receive_datagram(data, here, now=now)
            if server is not None:
                for data, _ in server.datagrams_to_send(now=now):
                    self.datagrams.append(("server", data))
                    client.receive_datagram(data, there, now=now)
        return self.datagrams

    def _meet(
        self, data: bytes, address: tuple[str, int], retry: QuicRetryTokenHandler | None
    ) -> tuple[bytes, QuicConnection | None]:
        """What a server does with the first datagram: a stateless answer, or a connection."""
        header = pull_quic_header(Buffer(data=data), host_cid_length=8)
        if header.version not in self.server.supported_versions:
            return (
                encode_quic_version_negotiation(
                    source_cid=header.destination_cid,
                    destination_cid=header.source_cid,
                    supported_versions=self.server.supported_versions,
                ),
                None,
            )
        original = header.destination_cid
        source: bytes | None = None
        if retry is not None:
            if not header.token:
                chosen = bytes(range(8))
                token = retry.create_token(
                    address=address,
                    original_destination_connection_id=header.destination_cid,
                    retry_source_connection_id=chosen,
                    now=0.0,
                )
                answer = encode_quic_retry(
                    version=header.version,
                    source_cid=chosen,
                    destination_cid=header.source_cid,
                    original_destination_cid=header.destination_cid,
                    retry_token=token,
                )
                return answer, None
            source = header.destination_cid
            original = retry.validate_token(address=address, destination_cid=source, token=header.token, now=0.0)
        return b"", QuicConnection(
            configuration=self.server,
            original_destination_connection_id=original,
            retry_source_connection_id=source,
            session_ticket_fetcher=self.kept.get,
            session_ticket_handler=lambda ticket: self.kept.update({ticket.ticket: ticket}),
        )


def zero_rtt(talk: Talk) -> Datagrams:
    """A second connection, with the ticket of the first and more early data than a datagram holds."""
    talk.go(6)
    talk.client.session_ticket = talk.tickets[-1]
    return talk.go(1, early=b"early data " * 250)


TALKS: dict[str, tuple[Callable[[], Talk], Callable[[Talk], Datagrams]]] = {
    "aioquic-handshake": (lambda: Talk([V1], [V1]), lambda talk: talk.go(3)),
    "aioquic-retry": (lambda: Talk([V1], [V1]), lambda talk: talk.go(3, retry=True)),
    "aioquic-retry-v2": (lambda: Talk([V2], [V2]), lambda talk: talk.go(3, retry=True)),
    "aioquic-version-negotiation": (lambda: Talk([V1, V2], [V2]), lambda talk: talk.go(3)),
    "aioquic-compatible-version": (lambda: Talk([V1, V2], [V2, V1]), lambda talk: talk.go(3)),
    "aioquic-zero-rtt": (lambda: Talk([V1], [V1], alpn=1), zero_rtt),
}


def talk_of(label: str) -> Datagrams:
    make, go = TALKS[label]
    talk = make()
    with tempfile.TemporaryDirectory() as folder:
        talk.server.load_cert_chain(*certificate(Path(folder)))
        return go(talk)


def record(label: str) -> dict[str, object]:
    """Run a client, store its flight, return its line of truth.jsonl."""
    if label in TALKS:
        stack, version, datagrams = "aioquic", f"aioquic {aioquic.__version__}", talk_of(label)
    else:
        stack = CLIENTS[label].stack
        version, datagrams = run(CLIENTS[label])
    if not datagrams:
        raise RuntimeError("nothing came")
    (HERE / f"{label}.bin").write_bytes(b"".join(data for _, data in datagrams))
    return {
        "label": label,
        "stack": stack,
        "client": version,
        "name": NAME,
        "version": int.from_bytes(datagrams[0][1][1:5], "big"),
        "datagrams": [(sender, len(data)) for sender, data in datagrams],
    }


def main(labels: Sequence[str]) -> None:
    truth = HERE / "truth.jsonl"
    known = {}
    if truth.exists():
        known = {row["label"]: row for row in map(json.loads, truth.read_text(encoding="utf-8").splitlines())}
    for label in labels or [*CLIENTS, *TALKS]:
        try:
            known[label] = record(label)
            print(label, known[label]["datagrams"], known[label]["client"])
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            print(label, "not recorded:", error, "with", PYTHON)
    lines = (json.dumps(known[label]) + "\n" for label in [*CLIENTS, *TALKS] if label in known)
    truth.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
