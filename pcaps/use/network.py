"""A little Internet in namespaces: one that answers, one for each client, a bridge between them, a tap on the bridge.

Nothing leaves the machine: there is no route out. Segmentation offload is off everywhere, so the tap sees packets as a
mirror port would. The line itself has no delay; the servers think for a moment instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

WORLD = "use-world"
RESOLVER = "10.20.0.1"
_OFFLOADS = ("tso", "off", "gso", "off", "gro", "off", "tx", "off")
_NEWNET = 0x40000000


def ip(*words: str) -> None:
    """Run iproute2; raises CalledProcessError."""
    subprocess.run(("ip", *words), check=True, capture_output=True)


def within(namespace: str, command: Sequence[str]) -> list[str]:
    """The command that runs `command` in a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


class Network:
    """Context manager: the namespaces exist inside of it."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses
        self._names = [WORLD]

    def __enter__(self) -> Network:
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _build(self) -> None:
        ip("netns", "add", WORLD)
        ip("-n", WORLD, "link", "set", "lo", "up")
        ip("-n", WORLD, "link", "add", "br0", "type", "bridge")
        ip("-n", WORLD, "addr", "add", f"{RESOLVER}/16", "dev", "br0")
        ip("-n", WORLD, "link", "set", "br0", "up")
        ip("-n", WORLD, "route", "add", "local", "198.18.0.0/15", "dev", "lo")
        self._plain(WORLD, "br0")
        for n, address in enumerate(self._addresses):
            name = self.namespace(address)
            self._names.append(name)
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", f"c{n}", "netns", WORLD)
            ip("-n", WORLD, "link", "set", f"c{n}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"{address}/16", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "route", "add", "default", "via", RESOLVER)
            self._plain(name, "eth0")
            self._plain(WORLD, f"c{n}")
            # Windows, which most staff have, sends no TCP timestamps.
            subprocess.run(within(name, ["sysctl", "-qw", "net.ipv4.tcp_timestamps=0"]), check=True)
            folder = Path("/etc/netns") / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "resolv.conf").write_text(f"nameserver {RESOLVER}\n", encoding="utf-8")

    @staticmethod
    def _plain(namespace: str, device: str) -> None:
        subprocess.run(within(namespace, ["ethtool", "-K", device, *_OFFLOADS]), check=True, capture_output=True)

    @staticmethod
    def namespace(address: str) -> str:
        """The namespace of a client's address."""
        return "use-" + "-".join(address.split(".")[2:])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(self._names):
            subprocess.run(("ip", "netns", "del", name), capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            Path("/etc/netns").rmdir()


def socket_within(namespace: str, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket made in a namespace, usable from outside. Raises OSError."""
    made: list[socket.socket | OSError] = []

    def enter() -> None:  # a thread of its own: it does not come back from there
        try:
            with open(f"/run/netns/{namespace}") as handle:
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), _NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            made.append(make())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]
