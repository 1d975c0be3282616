"""What each activity of the script looks like as connections, and the noise of 900 machines beside it.

A scripted minute of use always holds at least four client requests of 300 bytes or more, seconds apart, on the
service's own host (or more than 150 KB from it), and no packet of the use lies outside its minutes. What is not use
stays well below: a widget sends one burst, an idle tab one a minute. It knows no timetable.
"""

from __future__ import annotations

from random import Random

from pcaps.sample_school.network import FIRST, LAST, Device
from pcaps.sample_school.script import Use
from pcaps.sample_school.services import BLIND, MACHINE, PHONE, SERVICES, UPDATES, WORK, ServiceHosts
from pcaps.sample_school.wire import MS, SECOND, Wire

MINUTE = 60 * SECOND


class Traffic:
    """Plays uses and noise onto a wire. `midnight` is the local day's start in nanoseconds since 1970 UTC."""

    def __init__(self, wire: Wire, midnight: int, seed: int) -> None:
        self.wire, self.midnight = wire, midnight
        self.rng = Random(f"traffic {seed}")
        self.roles: dict[str, int] = {}

    def at(self, minute: int, seconds: float) -> int:
        return self.midnight + minute * MINUTE + int(seconds * SECOND)

    def play(self, use: Use, device: Device) -> dict[str, int]:
        """Make a use happen; returns how many connections it made by role of the host."""
        self.roles = {}
        service = SERVICES[use.service]
        {"embedded": self._embedded, "idle": self._idle, "edit": self._edit}.get(use.activity, self._browse)(
            use, device, service
        )
        return self.roles

    def _open(self, role: str, device: Device, host: str, at: int, service: ServiceHosts, six: bool = False) -> int:
        self.roles[role] = self.roles.get(role, 0) + 1
        return self.wire.open(device, host, at, quic=service.quic, six=six)

    # -- use

    def _browse(self, use: Use, device: Device, service: ServiceHosts) -> None:
        """Somebody uses the service: pages on its own host, pictures from its CDN, closed within the last minute."""
        rng, light = self.rng, use.activity == "pupil"
        host = service.primary[0]
        primary = self._open("primary", device, host, self.at(use.start, 1 + 2 * rng.random()), service, use.over6)
        cdn: list[int] = []
        for name in service.cdn[: 1 if light else 2]:
            at = self.at(use.start, 3.4 + rng.random())
            cdn.append(self._open("cdn", device, name, at, service, use.over6))
        for minute in range(use.start, use.end):
            if minute > use.start and (minute - use.start) % 7 == 0:  # a fresh connection now and then
                self.wire.close(primary, self.at(minute - 1, 57 + rng.random()))
                primary = self._open("primary", device, host, self.at(minute, 1 + 2 * rng.random()), service, use.over6)
            if use.style == "ragged" and rng.random() < 0.5:
                self.wire.exchange(primary, self.at(minute, 20 + 20 * rng.random()), 420, 1500)
            elif use.style == "bytes" and rng.random() < 0.7:
                self.wire.exchange(primary, self.at(minute, 15 + 30 * rng.random()), 700, rng.randint(170_000, 240_000))
            else:
                self._requests(minute, primary, cdn, light)
            for flow in cdn:  # an idle connection would be dropped, and opened again
                self.wire.exchange(flow, self.at(minute, 54.6 + rng.random()), 330, rng.randint(1_500, 6_000))
        end = self.at(use.end - 1, 57 + 1.3 * rng.random())
        for flow in (primary, *cdn):
            self.wire.close(flow, end + rng.randrange(200 * MS))

    def _requests(self, minute: int, primary: int, cdn: list[int], light: bool) -> None:
        rng = self.rng
        count = 4 if light else rng.randint(5, 7)
        for n in range(count):
            second = 7 + (n + 0.55 * rng.random()) * 47 / count
            down = rng.randint(1_200, 5_000) if light else rng.randint(2_500, 13_000)
            self.wire.exchange(primary, self.at(minute, second), rng.randint(380, 1180), down)
            for flow in cdn:
                if rng.random() < (0.35 if light else 0.4):
                    later = self.at(minute, second + 0.25 + 0.5 * rng.random())
                    self.wire.exchange(flow, later, rng.randint(310, 620), int(4_000 + 26_000 * rng.random() ** 2))

    # -- what is not use

    def _embedded(self, use: Use, device: Device, service: ServiceHosts) -> None:
        """A news page with a button of the service: its widget host, and one short visit to the service's own host."""
        rng, start = self.rng, 5 + 30 * self.rng.random()
        page = self.wire.open(device, "www.theguardian.com", self.at(use.start, start), quic=0.0)
        self.wire.exchange(page, self.at(use.start, start + 0.2), 820, rng.randint(40_000, 90_000))
        opened = [page]
        for name in service.widget[:1]:
            flow = self._open("widget", device, name, self.at(use.start, start + 0.7), service)
            self.wire.exchange(flow, self.at(use.start, start + 0.95), 480, rng.randint(15_000, 40_000))
            opened.append(flow)
        flow = self._open("primary", device, service.primary[0], self.at(use.start, start + 1.1), service)
        self.wire.exchange(flow, self.at(use.start, start + 1.35), 640, rng.randint(6_000, 22_000))
        for number in (*opened, flow):
            self.wire.close(number, self.at(use.start, start + 12 + rng.random()))

    def _idle(self, use: Use, device: Device, service: ServiceHosts) -> None:
        """A forgotten tab: one poll a minute of less than 2 KB."""
        second = 9 + 10 * self.rng.random()
        flow = self._open("primary", device, service.primary[0], self.at(use.start, second - 0.4), service)
        for minute in range(use.start, use.end):
            at = self.at(minute, second + 0.2 * self.rng.random())
            self.wire.exchange(flow, at, 420, self.rng.randint(500, 900))
        self.wire.close(flow, self.at(use.end - 1, 57))

    def _edit(self, use: Use, device: Device, service: ServiceHosts) -> None:
        """An edit of an encyclopaedia: pages read, the text sent when the summary is typed and again when saved."""
        rng, wire = self.rng, self.wire
        flow = self._open("primary", device, service.primary[0], self.at(use.start, 2), service)
        pictures = self._open("media", device, service.cdn[0], self.at(use.start, 3), service)
        for minute in range(use.start, use.end):
            second = 8 + 10 * rng.random()
            wire.exchange(flow, self.at(minute, second), rng.randint(180, 290), rng.randint(15_000, 60_000))
            wire.exchange(pictures, self.at(minute, second + 0.4), 210, rng.randint(10_000, 50_000))
        text = rng.randint(5_500, 8_500)
        for minute, size, reply in ((use.end - 3, text, 420), (use.end - 2, text + 120, 1_330)):
            at = self.at(minute, 30 + 10 * rng.random())
            wire.exchange(flow, at, 169, 0)  # HEADERS in a record of its own
            wire.exchange(flow, at + 2 * MS, size, reply)
            if reply > 1000:  # the save is answered by a redirect, which the browser follows at once
                wire.exchange(flow, at + 260 * MS, 161, rng.randint(25_000, 40_000))
        for number in (flow, pictures):
            wire.close(number, self.at(use.end - 1, 57))

    # -- noise

    def noise(self, device: Device, scale: float) -> None:
        """A machine's ordinary day: work and makers' hosts, keep-alives, an update here and there."""
        rng = self.rng
        first, last = max(device.start + 1, FIRST), min(device.end - 2, LAST - 1)
        if last <= first:
            return
        hosts: tuple[str, ...] = (*WORK, *MACHINE) if device.segment != "guest" else (*PHONE, *PHONE, *WORK[:12])
        if device.name.startswith("PRINT-"):
            hosts = MACHINE[:2]
        rate = {"staff": 5.0, "pupil": 3.3, "guest": 5.0}[device.segment] * (0.1 if "PRINT" in device.name else 1)
        for _ in range(int((last - first) / 60 * rate * scale + rng.random())):
            at = self.at(first, rng.random() * (last - first) * 60)
            self._visit(device, rng.choice(hosts), at, self.at(last, 30))
        if rng.random() < 0.06 * scale:
            at = self.at(first, 60 + rng.random() * 0.8 * (last - first) * 60)
            self._download(device, rng.choice(UPDATES), at)
        if device.segment != "staff" and rng.random() < 0.06 * scale:
            self._visit(device, rng.choice(BLIND), self.at(first, rng.random() * 3600), self.at(last, 30))
        if device.segment == "staff" and rng.random() < 0.25 * scale:
            self._keepalive(device, rng.choice(("teams.microsoft.com", "outlook.office.com")), first, last)
        if device.segment == "staff" and rng.random() < 0.08:
            self._keepalive(device, "edge-mqtt.facebook.com", first, min(last, first + 90))  # push is no use
        if device.segment == "staff" and rng.random() < 0.2:
            self.wire.ask(device, "www.facebook.com", self.at(first, 60 + rng.random() * 1800))  # an answer, no flow

    def _visit(self, device: Device, host: str, at: int, latest: int) -> None:
        rng = self.rng
        flow = self.wire.open(device, host, at, cached=0.4)
        moment = at + 150 * MS
        for _ in range(rng.choice((1, 1, 2, 2, 3, 5))):
            moment += int((0.15 + 6 * rng.random() ** 2) * SECOND)
            if moment < latest:
                down = int(min(180_000, rng.lognormvariate(8.2, 1.2)))
                self.wire.exchange(flow, moment, rng.randint(250, 1400), down)
        if rng.random() < 0.9:
            self.wire.close(flow, min(moment + int((0.5 + 25 * rng.random()) * SECOND), latest + 2 * SECOND))

    def _download(self, device: Device, host: str, at: int) -> None:
        flow = self.wire.open(device, host, at, quic=0.0)
        for n in range(self.rng.randint(4, 8)):
            self.wire.exchange(flow, at + (n + 1) * 400 * MS, 310, 240_000)
        self.wire.close(flow, at + 6 * SECOND)

    def _keepalive(self, device: Device, host: str, first: int, last: int) -> None:
        rng = self.rng
        begins = first == FIRST and rng.random() < 0.5
        flow = self.wire.open(device, host, self.at(first, 2 + 50 * rng.random()), quic=0.0, headless=begins)
        for minute in range(first + 1, last):
            self.wire.exchange(flow, self.at(minute, 20 + 0.5 * rng.random()), 90, 120)
        self.wire.close(flow, self.at(last, 20))
