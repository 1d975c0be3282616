"""Records the ClientHellos of the TLS stacks that this machine has: `python -m pcaps.hellos.record [LABEL...]`.

A server on loopback takes the client's first bytes until its hello is whole, answers nothing and hangs up. Of a stack
that is not installed nothing is recorded anew and its old record stays.

What it writes of extensions it reads by itself, on purpose not with the sensor's reader.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from pcaps.hellos import HERE
from pcaps.hellos.clients import CLIENTS, PYTHON, Client

DEADLINE = float(os.environ.get("HELLO_DEADLINE") or 90)
MLKEM_GROUPS = {0x11EB, 0x11EC, 0x11ED, 0x6399, 0x0200, 0x0201, 0x0202}  # hybrids, Kyber's draft, ML-KEM alone


# -- taking a hello -------------------------------------------------------------------------------------------------


def stream_hello(data: bytes) -> bytes | None:
    """The records at the stream's beginning that hold the whole hello, if they are all here."""
    message, at = b"", 0
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        message += data[at + 5 : at + 5 + size]
        at += 5 + size
        if at <= len(data) and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            return data[:at]
    return None


def datagram_hello(datagrams: Sequence[bytes]) -> list[bytes] | None:
    """The datagrams that hold the first hello's fragments, if they are all here."""
    total, have, used = -1, 0, []
    for data in datagrams:
        used.append(data)
        at = 0
        while at + 25 <= len(data):
            total = int.from_bytes(data[at + 14 : at + 17], "big")
            have += int.from_bytes(data[at + 22 : at + 25], "big")
            at += 13 + int.from_bytes(data[at + 11 : at + 13], "big")
        if have >= total >= 0:
            return used
    return None


def extensions(parts: Sequence[bytes], udp: bool) -> Iterator[tuple[int, bytes]]:
    """Extension types and bodies of a whole hello."""
    message = b""
    for data in parts:
        at = 0
        while at < len(data):
            head, length_at = (13, 11) if udp else (5, 3)
            size = int.from_bytes(data[at + length_at : at + length_at + 2], "big")
            message += data[at + head + (12 if udp else 0) : at + head + size]
            at += head + size
    body = message if udp else message[4:]
    at = 34
    for width in (1, 1, 2, 1) if udp else (1, 2, 1):
        at += width + int.from_bytes(body[at : at + width], "big")
    at += 2
    while at + 4 <= len(body):
        kind, size = struct.unpack_from(">HH", body, at)
        yield kind, body[at + 4 : at + 4 + size]
        at += 4 + size


def groups(key_share: bytes) -> set[int]:
    out, at = set(), 2
    while at + 4 <= len(key_share):
        group, size = struct.unpack_from(">HH", key_share, at)
        out.add(group)
        at += 4 + size
    return out


def take_tcp(server: socket.socket, name: str | None, until: float) -> list[bytes] | None:
    """The hello of the first connection that sends one for `name`; a CONNECT before it is granted."""
    found: list[bytes] = []
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        data = b""
        with connection, contextlib.suppress(OSError):
            connection.settimeout(max(1.0, until - time.monotonic()))
            while more := connection.recv(65536):
                data += more
                if data.startswith(b"CONNECT ") and data.endswith(b"\r\n\r\n"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    data = b""
                elif hello := stream_hello(data):
                    if name is None or name.encode() in hello:
                        found.append(hello)
                        done.set()
                    return

    server.settimeout(0.2)
    while not done.is_set() and time.monotonic() < until:
        with contextlib.suppress(TimeoutError):
            threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
    return found[:1] or None


def take_udp(server: socket.socket, until: float) -> list[bytes] | None:
    datagrams: list[bytes] = []
    while time.monotonic() < until:
        server.settimeout(max(0.1, until - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            datagrams.append(server.recv(65536))
            if hello := datagram_hello(datagrams):
                return hello
    return None


def record(label: str, client: Client) -> dict[str, object]:
    """Run a client, store its hello, return its line of truth.jsonl."""
    with (
        tempfile.TemporaryDirectory() as name_of_folder,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM if client.udp else socket.SOCK_STREAM) as server,
    ):
        folder = Path(name_of_folder)
        for file, text in client.files.items():
            (folder / file).write_text(text)
        server.bind(("127.0.0.1", 0))
        if not client.udp:
            server.listen(16)
        port = server.getsockname()[1]
        environment = os.environ | {"HOME": name_of_folder, "MOZ_HEADLESS": "1"}
        environment |= {key: value.format(port=port) for key, value in client.environment.items()}
        environment["PATH"] = f"{Path(PYTHON).parent}:{environment['PATH']}"
        command = client.command(client.name or "", port, folder)
        version = subprocess.run(client.version, capture_output=True, text=True, check=True, env=environment)
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + DEADLINE
            parts = take_udp(server, until) if client.udp else take_tcp(server, client.name, until)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            with contextlib.suppress(OSError):
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
    if not parts:
        raise RuntimeError("no hello came")
    found = list(extensions(parts, client.udp))
    (HERE / f"{label}.bin").write_bytes(b"".join(parts))
    return {
        "label": label,
        "stack": client.stack,
        "version": (version.stdout or version.stderr).strip().splitlines()[0].replace("\t", " "),
        "transport": "udp" if client.udp else "tcp",
        "name": client.name,
        "ech": any(kind == 0xFE0D for kind, _ in found),
        "mlkem": any(kind == 51 and groups(body) & MLKEM_GROUPS for kind, body in found),
        "parts": [len(p) for p in parts],
        "extensions": [kind for kind, _ in found],
    }


def main(labels: Sequence[str]) -> None:
    truth = HERE / "truth.jsonl"
    known = {}
    if truth.exists():
        known = {row["label"]: row for row in map(json.loads, truth.read_text(encoding="utf-8").splitlines())}
    for label in labels or CLIENTS:
        try:
            known[label] = record(label, CLIENTS[label])
            print(label, known[label]["parts"], known[label]["version"])
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            print(label, "not recorded:", error)
    lines = (json.dumps(known[label]) + "\n" for label in CLIENTS if label in known)
    truth.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
