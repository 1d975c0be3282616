"""From leases, the register of devices and who sat at which host to claims on an address, and these minute by minute.

A locally administered (randomised) hardware address is never looked up in devices.csv; it only keeps its device number.
A log-on binds to a host by its name in devices.csv, or by the name in its lease if devices.csv has no such host and all
leases of that name went to one hardware address that is not randomised. A minute belongs to who had it in any part of
it; where a log-on covers a part of it, the log-on decides; two people in one minute are nobody.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from pipeline.calendar import LocalClock
from pipeline.feeds import Lease, Sitting, host_name
from pipeline.rows import Device
from pipeline.school import School
from pipeline.words import Grade, Reason

RANDOMISED = 0x02 << 40
_MAX_MINUTE = (1 << 32) - 1


class Claim(NamedTuple):
    """Who an address belongs to for some time. person: number, -1 nobody. evidence: positions in the sources of
    log-on, lease and register, -1 for none."""

    person: int
    grade: Grade
    reason: Reason
    device: int
    evidence: tuple[int, int, int]


class Piece(NamedTuple):
    """A claim for Unix seconds [start, end)."""

    start: float
    end: float
    claim: Claim


class ClaimMaker:
    """Turns leases into claims with the register and the sittings at hand; collects the texts of the sources."""

    def __init__(
        self, school: School, lent: Mapping[bytes, Sequence[Lease]], seated: Mapping[str, Sequence[Sitting]]
    ) -> None:
        self.sources: list[str] = []
        self._places: dict[str, int] = {}
        self._clock = LocalClock(school.settings.zone)
        self._seated = seated
        self._register: defaultdict[int, list[Device]] = defaultdict(list)
        for device in school.devices:
            if not device.mac & RANDOMISED:
                self._register[device.mac].append(device)
        self._hosts = {host_name(device.hostname) for device in school.devices}
        self._claimants: defaultdict[str, set[int]] = defaultdict(set)
        for leases in lent.values():
            for lease in leases:
                self._claimants[lease.hostname].add(lease.mac)
        self._devices: dict[str | int, int] = {}
        for device in (device for devices in self._register.values() for device in devices):
            number = self._devices.setdefault(device.asset_tag or device.mac, len(self._devices))
            self._devices.setdefault(device.mac, number)
        for mac in sorted({lease.mac for leases in lent.values() for lease in leases} - set(self._register)):
            self._devices[mac] = len(self._devices)

    def pieces(self, lease: Lease) -> list[Piece]:
        """Who a lease's address belongs to, from its start to its end, without gaps."""
        found: list[Piece] = []
        at = self._source(f"lease since {_moment(lease.start)} ({lease.at})")
        start = lease.start
        for device, first, last in self._registered(lease):
            if first > start:
                found += self._unregistered(lease, start, first, at)
            found += self._of_device(device, lease, max(first, lease.start), min(last, lease.end), at)
            start = min(last, lease.end)
        if start < lease.end:
            found += self._unregistered(lease, start, lease.end, at)
        return found

    def _registered(self, lease: Lease) -> list[tuple[Device, float, float]]:
        """The register's rows for a lease, with the Unix seconds in which they hold."""
        rows = []
        for device in self._register.get(lease.mac, ()):
            first = -math.inf if device.valid_from == date.min else self._clock.utc(device.valid_from, 0) * 60
            last = math.inf if device.valid_to == date.max else self._clock.utc(device.valid_to, 1440) * 60
            if first < lease.end and lease.start < last:
                rows.append((device, first, last))
        return sorted(rows, key=lambda row: row[1])

    def _of_device(self, device: Device, lease: Lease, start: float, end: float, at: int) -> list[Piece]:
        number = self._devices[device.asset_tag or device.mac]
        evidence = (-1, at, self._source(f"register (devices.csv:{device.line})"))
        if device.shared or (device.person is None):
            reason = Reason.SHARED_DEVICE if device.shared else Reason.NO_PERSON
            grade = Grade.D if device.shared else Grade.NONE
            idle = Claim(-1, grade, reason, number, evidence)
        else:
            idle = Claim(device.person, Grade.C, Reason.NONE, number, evidence)
        return self._with_sittings(host_name(device.hostname), idle, start, end)

    def _unregistered(self, lease: Lease, start: float, end: float, at: int) -> list[Piece]:
        idle = Claim(-1, Grade.NONE, Reason.NO_PERSON, self._devices[lease.mac], (-1, at, -1))
        name = lease.hostname
        sure = not lease.mac & RANDOMISED and name not in self._hosts and self._claimants[name] == {lease.mac}
        return self._with_sittings(name if sure else "", idle, start, end)

    def _with_sittings(self, host: str, idle: Claim, start: float, end: float) -> list[Piece]:
        found: list[Piece] = []
        for sitting in self._seated.get(host, ()) if host else ():
            if sitting.start < end and start < sitting.end:
                if sitting.start > start:
                    found.append(Piece(start, sitting.start, idle))
                found.append(Piece(max(start, sitting.start), min(end, sitting.end), self._seat(sitting, idle)))
                start = min(end, sitting.end)
        if start < end:
            found.append(Piece(start, end, idle))
        return found

    def _seat(self, sitting: Sitting, idle: Claim) -> Claim:
        source = self._source(f"log-on since {_moment(sitting.since)} ({sitting.at})")
        evidence = (source, *idle.evidence[1:])
        if not sitting.accounts:
            return Claim(-1, Grade.NONE, Reason.LOCKED, idle.device, evidence)
        if len(sitting.accounts) > 1:
            return Claim(-1, Grade.NONE, Reason.SEVERAL_PEOPLE, idle.device, evidence)
        (account,) = sitting.accounts
        if account < 0:
            return Claim(-1, Grade.D, Reason.SHARED_DEVICE, idle.device, evidence)
        return Claim(account, Grade.B, Reason.NONE, idle.device, evidence)

    def _source(self, text: str) -> int:
        if text not in self._places:
            self._places[text] = len(self.sources)
            self.sources.append(text)
        return self._places[text]


def _moment(seconds: float) -> str:
    """Unix seconds as text; the feeds' checked numbers lie within what a datetime can say, or are shown as they are."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.0f}"


def by_minute(pieces: Sequence[Piece]) -> list[tuple[int, int, Claim]]:
    """An address's claims in whole minutes, [start, end) in order: a minute that several pieces share is merged."""
    shared: defaultdict[int, list[Claim]] = defaultdict(list)
    found: list[tuple[int, int, Claim]] = []
    for piece in pieces:
        begin, end = math.ceil(piece.start / 60), math.floor(piece.end / 60)
        if begin < end:
            found.append((begin, end, piece.claim))
        for minute in {math.floor(piece.start / 60), math.ceil(piece.end / 60) - 1}:
            if not begin <= minute < end:
                shared[minute].append(piece.claim)
    found += [(minute, minute + 1, _merge(claims)) for minute, claims in shared.items()]
    joined: list[tuple[int, int, Claim]] = []
    for start, end, claim in sorted(found, key=lambda segment: segment[:2]):
        start, end = max(start, 0), min(end, _MAX_MINUTE)
        if joined and joined[-1][1] == start and joined[-1][2] == claim:
            joined[-1] = joined[-1][0], end, claim
        elif start < end:
            joined.append((start, end, claim))
    return joined


def _merge(claims: Sequence[Claim]) -> Claim:
    """The claim of a minute that several claims share."""
    ranks = (
        [c for c in claims if c.reason is Reason.SEVERAL_PEOPLE],
        [c for c in claims if c.grade in (Grade.A, Grade.B)],
        [c for c in claims if c.reason is Reason.LOCKED],
        [c for c in claims if c.grade is Grade.D],
        [c for c in claims if c.grade is Grade.C],
        list(claims),
    )
    best = next(rank for rank in ranks if rank)[0]
    logged_on = {c.person for c in ranks[1]} | {-2 for c in ranks[3] if c.evidence[0] >= 0}
    assigned = {c.person for c in ranks[4]}
    elsewhere = {c.person for c in claims if c.device != best.device and c.grade is not Grade.NONE} - {best.person}
    if len(logged_on) > 1 or (best.person >= 0 and (elsewhere or (not logged_on and len(assigned) > 1))):
        return Claim(-1, Grade.NONE, Reason.SEVERAL_PEOPLE, best.device, best.evidence)
    return best
