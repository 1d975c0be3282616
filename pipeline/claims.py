"""From holdings, the register of devices, 802.1X sessions and log-ons to claims on an address, minute by minute.

Theory. An address is held by a hardware address. That may be in devices.csv (never if it is locally administered, as
randomised ones are); people may be known at it: by 802.1X sessions of the hardware address, and by who sits at the
computer of that name. A log-on binds to a host by its name in devices.csv, or by the name that its lease gives, if
devices.csv has no such host and all holdings of that name are of one hardware address that is not randomised.

Present are the accounts of sessions and sittings together. One member of staff: grade A if 802.1X says so, else B; one
other account: D; several: nobody, also if the session of one of them is locked, as its programs run on. A locked screen
is nobody, whatever 802.1X says: it tells who connected, not who sits there. A computer that serves many is D. A minute
belongs to who had the address in any part of it; where somebody's presence covers a part of it, that decides; two
people, or two devices that are not one person's, are nobody.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from pipeline.calendar import LocalClock
from pipeline.feeds.holdings import Holding
from pipeline.feeds.radius import Session
from pipeline.feeds.sittings import Sitting
from pipeline.feeds.text import host_name
from pipeline.rows import Device
from pipeline.school import School
from pipeline.spans import overlay
from pipeline.words import Grade, Reason

RANDOMISED = 0x02 << 40
_MAX_MINUTE = (1 << 32) - 1


class Claim(NamedTuple):
    """Who an address belongs to for some time. person: number, -1 nobody. evidence: positions in the sources of who
    was present, of the holding and of the register, -1 for none."""

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
    """Turns holdings into claims with the register, sessions and sittings at hand; collects the sources' texts."""

    def __init__(
        self,
        school: School,
        holdings: Sequence[Holding],
        sessions: Mapping[int, Sequence[Session]],
        seated: Mapping[str, Sequence[Sitting]],
    ) -> None:
        self.sources: list[str] = []
        self._places: dict[str, int] = {}
        self._clock = LocalClock(school.settings.zone)
        self._sessions, self._seated = sessions, seated
        self._present: dict[tuple[int, str], list[tuple[float, float, tuple[Session | Sitting, ...]]]] = {}
        self._register: defaultdict[int, list[Device]] = defaultdict(list)
        for device in school.devices:
            if not device.mac & RANDOMISED:
                self._register[device.mac].append(device)
        self._hosts = {host_name(device.hostname) for device in school.devices}
        self._claimants: defaultdict[str, set[int]] = defaultdict(set)
        for holding in holdings:
            self._claimants[holding.host].add(holding.mac)
        self._devices: dict[str | int, int] = {}
        for device in (device for devices in self._register.values() for device in devices):
            number = self._devices.setdefault(device.asset_tag or device.mac, len(self._devices))
            self._devices.setdefault(device.mac, number)
        for mac in sorted({holding.mac for holding in holdings} - set(self._register)):
            self._devices[mac] = len(self._devices)

    def pieces(self, holding: Holding) -> list[Piece]:
        """Who a holding's address belongs to, from its start to its end, without gaps."""
        found: list[Piece] = []
        at = self._source(f"{holding.sort} since {_moment(holding.start)} ({holding.at})")
        start = holding.start
        for device, first, last in self._registered(holding):
            if first > start:
                found += self._unregistered(holding, start, first, at)
            found += self._of_device(device, holding, max(first, holding.start), min(last, holding.end), at)
            start = min(last, holding.end)
        if start < holding.end:
            found += self._unregistered(holding, start, holding.end, at)
        return found

    def _registered(self, holding: Holding) -> list[tuple[Device, float, float]]:
        """The register's rows for a holding, with the Unix seconds in which they hold."""
        rows = []
        for device in self._register.get(holding.mac, ()):
            first = -math.inf if device.valid_from == date.min else self._clock.utc(device.valid_from, 0) * 60
            last = math.inf if device.valid_to == date.max else self._clock.utc(device.valid_to, 1440) * 60
            if first < holding.end and holding.start < last:
                rows.append((device, first, last))
        return sorted(rows, key=lambda row: row[1])

    def _of_device(self, device: Device, holding: Holding, start: float, end: float, at: int) -> list[Piece]:
        number = self._devices[device.asset_tag or device.mac]
        evidence = (-1, at, self._source(f"register (devices.csv:{device.line})"))
        if device.shared or (device.person is None):
            reason = Reason.SHARED_DEVICE if device.shared else Reason.NO_PERSON
            grade = Grade.D if device.shared else Grade.NONE
            idle = Claim(-1, grade, reason, number, evidence)
        else:
            idle = Claim(device.person, Grade.C, Reason.NONE, number, evidence)
        return self._with_people(holding.mac, host_name(device.hostname), idle, start, end)

    def _unregistered(self, holding: Holding, start: float, end: float, at: int) -> list[Piece]:
        idle = Claim(-1, Grade.NONE, Reason.NO_PERSON, self._devices[holding.mac], (-1, at, -1))
        name = holding.host
        sure = not holding.mac & RANDOMISED and name not in self._hosts and self._claimants[name] == {holding.mac}
        return self._with_people(holding.mac, name if sure else "", idle, start, end)

    def _with_people(self, mac: int, host: str, idle: Claim, start: float, end: float) -> list[Piece]:
        found: list[Piece] = []
        for first, last, present in self._people(mac, host):
            if first < end and start < last:
                if first > start:
                    found.append(Piece(start, first, idle))
                found.append(Piece(max(start, first), min(end, last), self._claim(present, idle)))
                start = min(end, last)
        if start < end:
            found.append(Piece(start, end, idle))
        return found

    def _people(self, mac: int, host: str) -> list[tuple[float, float, tuple[Session | Sitting, ...]]]:
        """Sessions and sittings at a device, laid over each other."""
        key = mac, host
        if key not in self._present:
            own: list[Session | Sitting] = list(self._sessions.get(mac, ()))
            own += self._seated.get(host, ()) if host else ()
            self._present[key] = list(overlay((fact.start, fact.end, fact) for fact in own))
        return self._present[key]

    def _claim(self, present: Iterable[Session | Sitting], idle: Claim) -> Claim:
        sittings = [fact for fact in present if isinstance(fact, Sitting)]
        sessions = [fact for fact in present if isinstance(fact, Session)]
        texts = [f"802.1X session since {_moment(s.start)} ({s.at})" for s in sessions]
        texts += [f"log-on since {_moment(s.since)} ({s.at})" for s in sittings]
        evidence = (self._source("; ".join(texts)), *idle.evidence[1:])
        if any(sitting.shared for sitting in sittings):
            return Claim(-1, Grade.D, Reason.SHARED_DEVICE, idle.device, evidence)
        if sittings and not any(sitting.accounts for sitting in sittings):
            return Claim(-1, Grade.NONE, Reason.LOCKED, idle.device, evidence)
        connected = {session.account for session in sessions}
        accounts = connected.union(*(sitting.accounts for sitting in sittings))
        if len(accounts) > 1 or any(sitting.aside for sitting in sittings):
            return Claim(-1, Grade.NONE, Reason.SEVERAL_PEOPLE, idle.device, evidence)
        (account,) = accounts
        if account < 0:
            return Claim(-1, Grade.D, Reason.SHARED_DEVICE, idle.device, evidence)
        return Claim(account, Grade.A if account in connected else Grade.B, Reason.NONE, idle.device, evidence)

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


def by_minute(pieces: Iterable[Piece]) -> list[tuple[int, int, Claim]]:
    """An address's claims in whole minutes, [start, end) in order: what several pieces share is merged."""
    spans = [(math.floor(piece.start / 60), math.ceil(piece.end / 60), piece.claim) for piece in pieces]
    joined: list[tuple[int, int, Claim]] = []
    for first, last, claims in overlay(spans):
        start, end, claim = max(int(first), 0), min(int(last), _MAX_MINUTE), _merge(claims)
        if joined and joined[-1][1] == start and joined[-1][2] == claim:
            joined[-1] = joined[-1][0], end, claim
        elif start < end:
            joined.append((start, end, claim))
    return joined


def _merge(claims: Sequence[Claim]) -> Claim:
    """The claim of a minute that several claims share."""
    if len(claims) == 1:
        return claims[0]
    ranks = (
        [c for c in claims if c.reason is Reason.SEVERAL_PEOPLE],
        [c for c in claims if c.grade is Grade.A],
        [c for c in claims if c.grade is Grade.B],
        [c for c in claims if c.reason is Reason.LOCKED],
        [c for c in claims if c.grade is Grade.D],
        [c for c in claims if c.grade is Grade.C],
        list(claims),
    )
    best = min(next(rank for rank in ranks if rank), key=lambda c: (c.person, c.device))
    if best.person < 0:
        return best
    present = {c.person for c in claims if c.evidence[0] >= 0 and c.reason is not Reason.LOCKED}
    held = {c.device for c in claims}
    people = present or {c.person for c in claims}
    if len(people) > 1 or (len(held) > 1 and {c.person for c in claims} != {best.person}):
        return Claim(-1, Grade.NONE, Reason.SEVERAL_PEOPLE, best.device, best.evidence)
    return best
