"""Machines of a generated school, and who sat at them.

Laptops of one person, classroom and staff-room machines for many, a terminal server, phones with a new hardware address
for each network. What the feeds will lack is noted here: a machine's lease, a log-on, a log-off. `proved` says for a
minute whether the feeds show that one person and nobody else sat there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from pcaps.sample_school.facts import private_hardware
from pcaps.sample_school.network import Device
from pcaps.school_days.tables import School

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
    six: set[str] = field(default_factory=set)  # they also talk from IPv6 addresses that no lease tells of
    seen6: bool = False  # a router's neighbour tables tell whose those are
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
        if device in self.unleased or (device in self.six and not self.seen6):
            return False
        here = [s for s in self.sessions if s.host == device and s.on_seen and s.start - 1 <= minute]
        here = [s for s in here if minute <= s.end + 1 or not s.off_seen]
        own = [s for s in here if s.account == who.lower()]
        if len({s.account for s in here}) != 1 or not own or who != own[-1].staff_id:
            return False
        s = own[-1]
        return s.start + 1 < minute < s.end - 1 and not any(a - 1 <= minute <= b + 1 for a, b in s.locks)
