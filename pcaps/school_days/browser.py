"""The connections of one machine: requests in, connections that are kept, dropped and opened again out.

A `Deed` is one thing that a person or a program does with one site; it notes the minutes in which it was on the wire.
Requests are collected in any order and played in order of time by `flush`: a request goes over the connection that the
machine has to its host, unless that was idle for longer than the server keeps it. It knows no people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from pcaps.sample_school.network import Device
from pcaps.sample_school.wire import MS, SECOND, Wire
from pcaps.school_days.hosts import HIDDEN, SITES

TAIL, TRAFFIC, ACTED = 0, 1, 2  # only an ending connection; the page or program by itself; a person did something
_ECH = {"quizlet.com"} | {host for site in SITES.values() if site.ech for host in (site.page, *site.media)}
_HELD = {site.push for site in SITES.values() if site.push}


@dataclass
class Deed:
    """One activity. `label`: use, official, embedded or background. `minutes`: local minute to TAIL ... ACTED."""

    behaviour: str
    label: str
    staff_id: str
    device: str
    service: str
    hidden: bool = False  # the hello is encrypted
    minutes: dict[int, int] = field(default_factory=dict)

    def mark(self, second: float, level: int) -> None:
        minute = int(second // 60)
        self.minutes[minute] = max(level, self.minutes.get(minute, TAIL))


@dataclass
class _Kept:
    flow: int
    last: float
    idle: float
    deed: Deed | None


class Browser:
    """A machine's network stack. Seconds are local, from midnight; `midnight` is in nanoseconds since 1970 UTC."""

    def __init__(self, wire: Wire, device: Device, midnight: int, rng: Random, ech: bool = False, six: float = 0.0,
                 fallback: float = 0.0) -> None:  # fmt: skip
        self.wire, self.device, self.midnight, self.rng = wire, device, midnight, rng
        self.ech, self.six, self.fallback = ech, six, fallback
        self._requests: list[tuple[float, int, str, int, int, Deed | None, int]] = []
        self._asked: list[tuple[float, str]] = []

    def send(
        self, host: str, second: float, up: int, down: int, deed: Deed | None = None, level: int = TRAFFIC
    ) -> None:
        """A request of `up` bytes and its answer of `down`."""
        self._requests.append((second, len(self._requests), host, up, down, deed, level))

    def ask(self, host: str, second: float) -> None:
        """A name is looked up and nothing more."""
        self._asked.append((second, host))

    def _at(self, second: float) -> int:
        return self.midnight + int(second * SECOND)

    def _open(self, host: str, second: float, deed: Deed | None) -> int:
        rng, site = self.rng, SITES.get(deed.service) if deed else None
        quic = site.quic if site else None
        if quic and rng.random() < self.fallback:
            quic = 0.0
        hidden = self.ech and host in _ECH
        if deed and hidden:
            deed.hidden = True
        six = bool(self.device.address6) and rng.random() < self.six
        return self.wire.open(
            self.device, host, self._at(second), quic=quic, six=six, cached=0.1, hello=HIDDEN if hidden else ""
        )

    def flush(self, first: float, last: float) -> None:
        """Plays everything that lies in [first, last) seconds, while the machine is on the network."""
        kept: dict[str, _Kept] = {}
        for second, host in self._asked:
            if first <= second < last:
                self.wire.ask(self.device, host, self._at(second))
        for second, _, host, up, down, deed, level in sorted(self._requests, key=lambda request: request[:2]):
            if not first <= second < last:
                continue
            conn = kept.get(host)
            if conn is not None and second - conn.last > conn.idle:
                self._close(conn, conn.last + conn.idle)
                conn = None
            at = second
            if conn is None:
                idle = 3600.0 if host in _HELD else self.rng.uniform(45, 260)
                conn = kept[host] = _Kept(self._open(host, second, deed), second, idle, deed)
                at = second + 0.13
                if deed:
                    deed.mark(second, TRAFFIC)
            self.wire.exchange(conn.flow, self._at(at), up, down)
            if deed:
                deed.mark(at, level)
                deed.mark(at + 0.3, TAIL)
                conn.deed = deed
            conn.last = max(conn.last, at + 0.3)
        for conn in kept.values():
            end = conn.last + conn.idle
            if end < last + 20:
                self._close(conn, end)

    def _close(self, conn: _Kept, second: float) -> None:
        self.wire.close(conn.flow, self._at(second) + self.rng.randrange(40 * MS))
        if conn.deed:
            conn.deed.mark(second, TAIL)
            conn.deed.mark(second + 0.1, TAIL)
