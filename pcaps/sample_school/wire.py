"""Connections as the script needs them, kept as plain lists of flows and exchanges; `frames` turns them into packets.

A flow is opened, carries exchanges (the client sends so many bytes, the server answers so many) and is closed. Before
most flows the client asks the resolver for the name. Times are nanoseconds since 1970 in UTC. It knows no people.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from pcaps.sample_school.network import Device
from pcaps.sample_school.services import SERVICES, quic_hosts, server_address6, server_addresses

SECOND = 1_000_000_000
MS = 1_000_000
SEGMENT = 1460  # largest TCP payload on this wire
RESOLVER = "10.20.128.53"
ALIASES = {host: target for s in SERVICES.values() for host, target in s.alias.items()}
TTL = 300
TCP, QUIC, DNS = range(3)


@dataclass
class Flows:
    """One row a flow. `look` chooses among the shapes of a hello; `end` is 0 for flows that the capture outlives."""

    kind: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    device: list[str] = field(default_factory=list)
    host: list[str] = field(default_factory=list)
    hello: list[str] = field(default_factory=list)  # the name in the hello: another than `host` where that is hidden
    client: list[str] = field(default_factory=list)
    server: list[str] = field(default_factory=list)
    port: list[int] = field(default_factory=list)
    rtt: list[int] = field(default_factory=list)
    look: list[int] = field(default_factory=list)
    headless: list[bool] = field(default_factory=list)  # began before the capture: no hello
    swapped: list[bool] = field(default_factory=list)  # the two segments of the hello arrive in the wrong order


@dataclass(frozen=True)
class Directory:
    """Where hosts live: their addresses, their CNAMEs, and which of them may be reached over QUIC."""

    quic: frozenset[str]
    addresses: Callable[[str], tuple[str, ...]]
    address6: Callable[[str], str]
    aliases: Mapping[str, str]


def sample_directory() -> Directory:
    """The hosts of the sample day."""
    return Directory(frozenset(quic_hosts()), server_addresses, server_address6, ALIASES)


@dataclass
class Exchanges:
    """One row an exchange: `up` bytes from the client at `at`, `down` bytes from the server after `delay`."""

    flow: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    delay: list[int] = field(default_factory=list)


class Wire:
    """Collects the day's connections. All randomness comes from `rng`. No frame carries more than `segment` bytes of
    TCP payload: more than SEGMENT is what a capture with receive offload shows."""

    def __init__(self, rng: Random, directory: Directory | None = None, segment: int = SEGMENT) -> None:
        self.rng = rng
        self.directory = directory or sample_directory()
        self.segment = segment
        self.flows, self.exchanges = Flows(), Exchanges()
        self.asked: set[tuple[str, str, int]] = set()
        self.ports: dict[str, int] = {}
        self.addresses: dict[str, tuple[str, ...]] = {}
        self.address6: dict[str, str] = {}
        self.machines: dict[str, Device] = {}

    def _add(self, kind: int, device: Device, host: str, at: int, client: str, server: str, rtt: int, look: int,
             headless: bool = False, swapped: bool = False, hello: str = "") -> int:  # fmt: skip
        self.machines[device.name] = device
        port = self.ports.get(device.name, self.rng.randrange(49152, 60000))
        self.ports[device.name] = port + 1 if port < 65535 else 49152
        f = self.flows
        values = (kind, at, 0, device.name, host, hello or host, client, server, port, rtt, look, headless, swapped)
        columns = (
            f.kind,
            f.start,
            f.end,
            f.device,
            f.host,
            f.hello,
            f.client,
            f.server,
            f.port,
            f.rtt,
            f.look,
            f.headless,
            f.swapped,
        )
        for column, value in zip(columns, values, strict=True):
            column.append(value)  # type: ignore[attr-defined]
        return len(f.kind) - 1

    def ask(self, device: Device, host: str, at: int, six: bool = False) -> None:
        """A DNS question at `at` and its answer, unless the client still remembers an earlier one."""
        if host not in self.addresses:
            self.addresses[host], self.address6[host] = self.directory.addresses(host), self.directory.address6(host)
        key = (device.name, host, at // (TTL * SECOND) * 2 + six)
        if key not in self.asked:
            self.asked.add(key)
            rtt = self.rng.randrange(400_000, 8 * MS)
            self._add(DNS, device, host, at, device.address, RESOLVER, rtt, 1 if six else 0)

    def open(self, device: Device, host: str, at: int, quic: float | None = None, six: bool = False,
             headless: bool = False, cached: float = 0.15, hello: str = "") -> int:  # fmt: skip
        """A connection to a host, first packet at `at`; the question for its name goes before. `hello` is the name that
        the hello shows, if another. Returns its number."""
        rng = self.rng
        if host not in self.addresses:
            self.addresses[host], self.address6[host] = self.directory.addresses(host), self.directory.address6(host)
        if rng.random() >= cached and not headless:
            self.ask(device, host, at - rng.randrange(12 * MS, 40 * MS))
        server = self.address6[host] if six else rng.choice(self.addresses[host])
        client = device.address6 if six else device.address
        over_quic = host in self.directory.quic and rng.random() < (0.35 if quic is None else quic)
        look = rng.randrange(8) if not hello else rng.randrange(3)
        swapped = not over_quic and look < 3 and rng.random() < 0.03
        rtt = rng.randrange(7 * MS, 28 * MS)
        return self._add(
            QUIC if over_quic else TCP, device, host, at, client, server, rtt, look, headless, swapped, hello
        )

    def exchange(self, flow: int, at: int, up: int, down: int) -> None:
        """The client sends `up` bytes of payload at `at`; the server answers with `down` bytes."""
        e = self.exchanges
        e.flow.append(flow)
        e.at.append(at)
        e.up.append(up)
        e.down.append(down)
        e.delay.append(self.flows.rtt[flow] + self.rng.randrange(2 * MS, 60 * MS))

    def close(self, flow: int, at: int) -> None:
        """The client closes the connection at `at`; the last packet follows within a round trip."""
        self.flows.end[flow] = at
