"""Address and minute -> person or nobody, with a grade (domain.md 3): who may be said to have used an address.

Feeds become bindings: an address is lent to a device (leases), at the device somebody is logged on (events) or it is
assigned to somebody (devices.csv). Grades here: B, one member of staff is logged on and unlocked; C, the device is
assigned to one person and nobody is logged on; D, the device is shared or the account is nobody's own; N, the rest.
Ambiguity is nobody: several accounts at once, or two devices of different people in one minute, give `several_people`.
When all sessions are locked nobody uses the device (`locked`).

A minute belongs to who had it in any part of it; if a log-on covers a part of it, the log-on decides. A locally
administered (randomised) hardware address is never looked up in devices.csv; it only keeps its device number.
A log-on binds to a host by its name in devices.csv, or by the name in its lease if devices.csv has no such host and all
leases of that name went to one hardware address.
It does not know times of day, and names of accounts do not reach it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.calendar import LocalClock
from pipeline.feeds import Event, Lease, Sitting, host_name, read_events, read_leases, sittings
from pipeline.rows import Device
from pipeline.school import School
from pipeline.settings import FeedSettings
from pipeline.tables import InputError, zone_of
from pipeline.words import Grade, Reason

RANDOMISED = 0x02 << 40
_MAX_MINUTE = (1 << 32) - 1
_KEPT_PROBLEMS = 20
Who = tuple[npt.NDArray[np.int32], npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int32]]


class Claim(NamedTuple):
    """Who an address belongs to for some time. account: person number, -1 nobody. evidence: positions in the sources of
    log-on, lease and register, -1 for none."""

    person: int
    grade: Grade
    reason: Reason
    device: int
    evidence: tuple[int, int, int]


class _Piece(NamedTuple):
    """A claim for Unix seconds [start, end)."""

    start: float
    end: float
    claim: Claim


@dataclass(frozen=True, eq=False)
class Bindings:
    """All bindings of a school as sorted columns; `who` looks whole columns up in them.

    sources: texts that say where a fact is from. counts: what was read and dropped. problems: the first broken rows.
    missing: feeds that are set but not there."""

    sources: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    off: bool = False
    _addresses: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty((0, 2), np.uint64))
    _mixed: npt.NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    _keys: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _ends: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    _claims: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 7), np.int32))

    def find(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
        """Addresses ('S16', or uint64[n, 2] as high and low half) and UTC minutes uint32[n] -> binding int64[n], -1 none."""
        if not len(self._keys):
            return np.full(len(minutes), -1, np.int64)
        pairs = _halves(address)
        at = np.searchsorted(self._mixed, _mix(pairs))
        at[at == len(self._mixed)] = 0
        known = (self._addresses[at, 0] == pairs[:, 0]) & (self._addresses[at, 1] == pairs[:, 1])
        minute = minutes.astype(np.int64)
        binding = np.searchsorted(self._keys, (at << 32) | minute, side="right") - 1
        ok = known & (binding >= 0) & (self._keys[binding] >> 32 == at) & (minute < self._ends[binding])
        return np.where(ok, binding, -1)

    def who(self, address: npt.NDArray[np.generic], minutes: npt.NDArray[np.uint32]) -> Who:
        """Addresses and UTC minutes (as in `find`) -> person int32[n] (-1 nobody), grade int8[n], reason int8[n] (why
        nobody; none for a person), device int32[n] (a small number, the same for all addresses of a device; -1 none)."""
        binding = self.find(address, minutes)
        nobody = Reason.IDENTITY_OFF if self.off else Reason.NO_PERSON
        last = np.array([[-1, Grade.NONE.code, nobody.code, -1]], np.int32)
        table = np.concatenate([self._claims[:, :4], last])
        person, grade, reason, device = (np.ascontiguousarray(table[:, column]) for column in range(4))
        at = np.where(binding < 0, len(table) - 1, binding)
        small = grade.astype(np.int8), reason.astype(np.int8)
        return person.take(at), small[0].take(at), small[1].take(at), device.take(at)

    def source(self, binding: int) -> str:
        """What a binding (of `find`) rests on, for people: log-on, lease, register, each with its place in its file."""
        if binding < 0:
            return "no feed binds this address in this minute"
        return "; ".join(self.sources[at] for at in self._claims[binding, 4:].tolist() if at >= 0)


def load_bindings(school: School, feeds: FeedSettings, folder: Path) -> Bindings:
    """Reads the feeds that the settings name, relative to `folder`; raises FeedError where a file has a wrong header."""
    if school.settings.identity == "none":
        return Bindings(off=True)
    files: dict[str, list[tuple[str, bytes]]] = {"leases": [], "logons": []}
    missing = []
    if feeds.kea_leases is not None:
        paths = [folder / f"{feeds.kea_leases}{older}" for older in (".2", ".1", "")]
        files["leases"] = [(path.name, path.read_bytes()) for path in paths if path.is_file()]
        missing += [] if paths[-1].is_file() else [str(feeds.kea_leases)]
    if feeds.logons is not None:
        path = folder / feeds.logons
        files["logons"] = [(path.name, path.read_bytes())] if path.is_file() else []
        missing += [] if path.is_file() else [str(feeds.logons)]
    return parse_bindings(school, feeds, files["leases"], files["logons"], missing)


def parse_bindings(
    school: School,
    feeds: FeedSettings,
    leases: Sequence[tuple[str, bytes]],
    logons: Sequence[tuple[str, bytes]],
    missing: Sequence[str] = (),
) -> Bindings:
    """Bindings from the contents of the feeds, (name, bytes) each, the oldest first; `load_bindings` without the disk."""
    problems: list[InputError] = []
    counts: Counter[str] = Counter()
    lent = read_leases(leases, problems)
    events: list[Event] = []
    for file, data in logons:
        events += read_events(file, data, school.staff, zone_of(feeds.logons_zone), problems, counts)
    counts["addresses"], counts["events"], counts["broken_rows"] = len(lent), len(events), len(problems)
    counts["leases"] = sum(map(len, lent.values()))
    maker = _Maker(school, lent, sittings(events))
    segments: list[tuple[int, int, Claim]] = []
    keys: list[int] = []
    addresses = np.frombuffer(b"".join(lent), ">u8").astype(np.uint64).reshape(-1, 2)
    mixed = _mix(addresses)
    order = np.argsort(mixed, kind="stable")
    names = list(lent)
    for number, position in enumerate(order.tolist()):
        pieces = [piece for lease in lent[names[position]] for piece in maker.pieces(lease)]
        own = _by_minute(pieces)
        segments += own
        keys += [number << 32 | start for start, _, _ in own]
    return Bindings(
        sources=tuple(maker.sources),
        counts=dict(counts),
        problems=tuple(map(str, problems[:_KEPT_PROBLEMS])),
        missing=tuple(missing),
        _addresses=addresses[order],
        _mixed=mixed[order],
        _keys=np.array(keys, np.int64),
        _ends=np.array([end for _, end, _ in segments], np.int64),
        _claims=np.array([_row(claim) for _, _, claim in segments], np.int32).reshape(-1, 7),
    )


def _row(claim: Claim) -> tuple[int, ...]:
    return claim.person, claim.grade.code, claim.reason.code, claim.device, *claim.evidence


def _halves(address: npt.NDArray[np.generic]) -> npt.NDArray[np.uint64]:
    if address.dtype.kind in "SV":
        return np.ascontiguousarray(address).view(">u8").reshape(-1, 2).astype(np.uint64)
    return address.astype(np.uint64, copy=False)


def _mix(pairs: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """One number for the two halves of an address: the low half alone for IPv4, spread by an odd factor for IPv6."""
    mixed: npt.NDArray[np.uint64] = pairs[:, 1] ^ (pairs[:, 0] * np.uint64(0x9E3779B97F4A7C15))
    return mixed


class _Maker:
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
        self._devices: dict[str, int] = {}
        for device in school.devices:
            self._devices.setdefault(device.asset_tag or f"{device.mac:012x}", len(self._devices))
        for mac in sorted({lease.mac for leases in lent.values() for lease in leases} - set(self._register)):
            self._devices.setdefault(f"{mac:012x}", len(self._devices))

    def pieces(self, lease: Lease) -> list[_Piece]:
        """Who a lease's address belongs to, from its start to its end, without gaps."""
        found: list[_Piece] = []
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

    def _of_device(self, device: Device, lease: Lease, start: float, end: float, at: int) -> list[_Piece]:
        number = self._devices[device.asset_tag or f"{device.mac:012x}"]
        evidence = (-1, at, self._source(f"register (devices.csv:{device.line})"))
        if device.shared or (device.person is None):
            reason = Reason.SHARED_DEVICE if device.shared else Reason.NO_PERSON
            grade = Grade.D if device.shared else Grade.NONE
            idle = Claim(-1, grade, reason, number, evidence)
        else:
            idle = Claim(device.person, Grade.C, Reason.NONE, number, evidence)
        return self._with_sittings(host_name(device.hostname), idle, start, end)

    def _unregistered(self, lease: Lease, start: float, end: float, at: int) -> list[_Piece]:
        number = self._devices.get(f"{lease.mac:012x}", -1)
        idle = Claim(-1, Grade.NONE, Reason.NO_PERSON, number, (-1, at, -1))
        name = lease.hostname
        sure = not lease.mac & RANDOMISED and name not in self._hosts and self._claimants[name] == {lease.mac}
        return self._with_sittings(name if sure else "", idle, start, end)

    def _with_sittings(self, host: str, idle: Claim, start: float, end: float) -> list[_Piece]:
        found: list[_Piece] = []
        for sitting in self._seated.get(host, ()) if host else ():
            if sitting.start < end and start < sitting.end:
                if sitting.start > start:
                    found.append(_Piece(start, sitting.start, idle))
                found.append(_Piece(max(start, sitting.start), min(end, sitting.end), self._seat(sitting, idle)))
                start = min(end, sitting.end)
        if start < end:
            found.append(_Piece(start, end, idle))
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


def _by_minute(pieces: Sequence[_Piece]) -> list[tuple[int, int, Claim]]:
    """An address's claims in whole minutes, [start, end) in order: a minute that several pieces share is merged."""
    shared: defaultdict[int, list[Claim]] = defaultdict(list)
    found: list[tuple[int, int, Claim]] = []
    for piece in pieces:
        first, last = math.ceil(piece.start / 60), math.floor(piece.end / 60)
        if first < last:
            found.append((first, last, piece.claim))
        for minute in {math.floor(piece.start / 60)} if first * 60 != piece.start else ():
            shared[minute].append(piece.claim)
        if last * 60 != piece.end and (last >= first or first * 60 == piece.start):
            shared[last].append(piece.claim)
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
    elsewhere = {c.person for c in claims if c.device != best.device and c.grade is not Grade.NONE} - {best.person}
    if len(logged_on) > 1 or (best.person >= 0 and elsewhere) or len({c.person for c in ranks[4]} | logged_on) > 2:
        return Claim(-1, Grade.NONE, Reason.SEVERAL_PEOPLE, best.device, best.evidence)
    return best
