"""Namespaces of the laboratory: the wiki's server, clients each on a line with a delay of its own, no way out.

A client's capture is taken in its own namespace, which is what a mirror port near the client sees. Segmentation offload
is off everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from pcaps.use.network import ip, within

PREFIX = os.environ.get("WIKI_LABORATORY", "wl")  # another one for a second laboratory on the same machine
SERVER, LINE = f"{PREFIX}-server", f"{PREFIX}-line"
TEXT, UPLOAD = "10.99.0.10", "10.99.0.11"
TEXT_HOSTS = (
    "en.wikipedia.org",
    "cy.wikipedia.org",
    "en.m.wikipedia.org",
    "www.wikipedia.org",
    "meta.wikimedia.org",
    "commons.wikimedia.org",
    "auth.wikimedia.org",
    "login.wikimedia.org",
    "intake-analytics.wikimedia.org",
    "intake-logging.wikimedia.org",
    "hcaptcha.wikimedia.org",
    "assets-hcaptcha.wikimedia.org",
    "imgs-hcaptcha.wikimedia.org",
    "report-hcaptcha.wikimedia.org",
)
UPLOAD_HOST = "upload.wikimedia.org"
ROUND_TRIPS_MS = (8, 28, 90, 45, 15, 60, 22, 120)
_OFFLOADS = ("tso", "off", "gso", "off", "gro", "off", "tx", "off")


def client_address(number: int) -> str:
    """The address of a client, counted from 1."""
    return f"10.88.{number}.2"


def client_namespace(number: int) -> str:
    """The namespace of a client, counted from 1."""
    return f"{PREFIX}-c{number}"


class Network:
    """Context manager: the namespaces and their lines exist inside of it."""

    def __init__(self, clients: int) -> None:
        self.clients = range(1, clients + 1)
        self._names = [SERVER, LINE]
        self._carrier: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Network:
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _build(self) -> None:
        if Path(f"/run/netns/{SERVER}").exists():
            self._names.clear()
            each = f"for n in $(ip netns | grep -o '^{PREFIX}-[^ ]*')"
            mend = f"{each}; do ip netns pids $n | xargs -r kill; ip netns del $n; done"
            raise RuntimeError(f"{SERVER} is there: another laboratory runs, or one was killed; if none runs: {mend}")
        for name in (SERVER, LINE):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for address in (TEXT, UPLOAD):
            ip("-n", SERVER, "addr", "add", f"{address}/32", "dev", "lo")
        hosts = f"127.0.0.1 localhost\n{TEXT} {' '.join(TEXT_HOSTS)}\n{UPLOAD} {UPLOAD_HOST}\n"
        words: list[str] = []
        for n in self.clients:
            name, near, far = client_namespace(n), f"near{n}", f"far{n}"
            self._names.append(name)
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", near, "netns", LINE)
            ip("-n", SERVER, "link", "add", f"c{n}", "type", "veth", "peer", "name", far, "netns", LINE)
            ip("-n", name, "addr", "add", f"{client_address(n)}/24", "dev", "eth0")
            ip("-n", SERVER, "addr", "add", f"10.88.{n}.1/24", "dev", f"c{n}")
            for space, device in ((name, "eth0"), (SERVER, f"c{n}"), (LINE, near), (LINE, far)):
                ip("-n", space, "link", "set", device, "up")
                subprocess.run(within(space, ["ethtool", "-K", device, *_OFFLOADS]), check=True, capture_output=True)
            for device in (near, far):
                quiet = ["sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1"]
                subprocess.run(within(LINE, quiet), check=True)
            ip("-n", name, "route", "add", "default", "via", f"10.88.{n}.1")
            folder = Path("/etc/netns") / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "hosts").write_text(hosts, encoding="utf-8")
            (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="utf-8")
            words += [near, far, str(ROUND_TRIPS_MS[(n - 1) % len(ROUND_TRIPS_MS)])]
        command = within(LINE, ["nice", "-n", "-15", sys.executable, "-m", "pcaps.wikiedit.delay", *words])
        self._carrier = subprocess.Popen(command)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._carrier:
            self._carrier.kill()
            self._carrier.wait()
        for name in reversed(self._names):
            subprocess.run(("ip", "netns", "del", name), capture_output=True, check=False)
            shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
