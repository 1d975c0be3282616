"""Machines of a generated school, who sat at them, and the identity feeds that tell of it, with what feeds lose.

Laptops of one person, classroom and staff-room machines for many, a terminal server, phones with a new hardware address
for each network. A feed may lack a machine's lease, a log-on, a log-off; the forwarder's clock may be off. `proved` says
for a minute whether the feeds, as written, show that one person and nobody else sat there.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random

from pcaps.sample_school.facts import DOMAIN, private_hardware
from pcaps.sample_school.feeds import EVENT_HEADER, lease_file
from pcaps.sample_school.network import Device
from pcaps.school_days.tables import School

Event = tuple[float, int, str, str, str, str, str, str, str]
OPENED, CLOSED = 7 * 60, 18 * 60 + 30  # the capture, in local minutes


@dataclass
class Session:
    """One log-on at a host in the local minutes [start, end). `kind`: 2 at its keyboard, 10 from afar."""

    account: str
    staff_id: str
    host: str
    start: int
    end: int
    kind: str = "2"
    locks: list[tuple[int, int]] = field(default_factory=list)
    on_seen: bool = True
    off_seen: bool = True

    def locked(self, minute: int) -> bool:
        return any(a <= minute < b for a, b in self.locks)

    def free(self) -> list[tuple[int, int]]:
        """The spans in which somebody can sit there."""
        edges = [self.start, *(m for lock in sorted(self.locks) for m in lock), self.end]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


@dataclass
class Network:
    """Everything that is on the network in a day."""

    school: School
    rng: Random
    machines: dict[str, Device] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    unleased: set[str] = field(default_factory=set)  # their leases never reached the file
    phones: dict[str, str] = field(default_factory=dict)  # phone to its owner's account, where it logs on by 802.1X
    six: set[str] = field(default_factory=set)
    offset: float = 0.0  # seconds by which the forwarder's clock is wrong

    def add(self, name: str, start: int, end: int, owner: str = "", segment: str = "staff", mac: str = "") -> Device:
        """Puts a machine on the network; one that is there already stays as long as the longer needs it."""
        start, end = max(start, OPENED - 30), min(end, CLOSED)
        if name in self.machines:
            old = self.machines[name]
            self.machines[name] = replace(old, start=min(old.start, start), end=max(old.end, end))
            return self.machines[name]
        number = len(self.machines) + 1
        base = {"staff": 1, "pupil": 33, "guest": 97}[segment]
        mac = mac or next((r[0] for r in self.school.tables["devices"] if r[2] == name), "") or private_hardware(number)
        address = f"10.20.{base + number // 200}.{10 + number % 200}"
        r = self.rng
        address6 = f"2001:db8:20:10:{r.randrange(1, 65536):x}:{r.randrange(65536):x}:{r.randrange(65536):x}:{number:x}"
        self.machines[name] = Device(name, mac, address, segment, owner, start, end, 14400, False, address6)
        return self.machines[name]

    def proved(self, device: str, who: str, minute: int) -> bool:
        """Do the feeds show, well clear of every change, that this person alone sat at the machine in this minute?"""
        if device in self.phones:
            return True
        if device in self.unleased or device in self.six:
            return False
        here = [s for s in self.sessions if s.host == device and s.on_seen and s.start - 1 <= minute]
        here = [s for s in here if minute <= s.end + 1 or not s.off_seen]
        own = [s for s in here if s.account == who.lower()]
        if len({s.account for s in here}) != 1 or not own or who != own[-1].staff_id:
            return False
        s = own[-1]
        return s.start + 1 < minute < s.end - 1 and not any(a - 1 <= minute <= b + 1 for a, b in s.locks)

    def leases(self, midnight: int) -> str:
        known = {name: m for name, m in self.machines.items() if name not in self.unleased}
        return lease_file(known, midnight)

    def logons(self, midnight: int) -> str:
        """Windows events as the forwarder exports them, its clock `offset` seconds off."""
        rng, events = self.rng, list[Event]()

        def stamp(minute: int) -> float:
            return midnight + minute * 60 + self.offset + rng.randrange(60000) / 1000

        def number() -> str:
            return f"0x{rng.randrange(0x100000, 0xFFFFFFF):X}"

        def write(at: float, event: int, host: str, user: str, key: str, kind: str = "", address: str = "") -> None:
            name = host if event == 4624 else ""
            events.append((at, event, f"{host}.{DOMAIN}", user, "YSGOL", key, kind, address, name))

        for s in self.sessions:
            key, begins, ends = number(), stamp(s.start), stamp(s.end)
            write(begins - 3, 4624, s.host, f"{s.host}$", number(), "3", "-")
            if s.on_seen:
                write(begins, 4624, s.host, s.account, key, s.kind, "127.0.0.1")
            write(begins + 2, 4624, "SRV-DC1", s.account, number(), "3", self.machines[s.host].address)
            for first, last in s.locks if s.on_seen else ():
                write(stamp(first), 4800, s.host, s.account, key)
                back, again = stamp(last), number()
                write(back, 4624, s.host, s.account, again, "7", "127.0.0.1")
                write(back + 0.03, 4634, s.host, s.account, again, "7")
                write(back + 0.05, 4801, s.host, s.account, key)
            if s.off_seen and s.on_seen:
                write(ends, 4647, s.host, s.account, key)
                write(ends + 0.8, 4634, s.host, s.account, key, s.kind)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(EVENT_HEADER.split(","))
        for at, *rest in sorted(events):
            when = datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            writer.writerow([when, *rest])
        return text.getvalue()
