"""Reads the identity feeds: Kea's lease file as leases of an address, Windows log-on events as who sat at a host.

Leases (domain.md 3): append-only, a lease starts at expire - valid_lifetime, the last row of an address and start wins,
a new row for the address ends the one before, whoever it is for. A row with valid_lifetime 0 or state 3 is a release;
Kea itself writes it with the start of the lease, which does not tell when: then the lease is kept until it expires or
the address is lent again, for nobody else uses it meanwhile. State 1 (declined) ends a lease, state 2 (reclaimed) is
history. Renewals by the same hardware address are one lease.

Log-on events: 4624 of the types 2, 7, 10 and 11 opens a session (type 7, an unlock, only if the account has none), 4634
and 4647 end it by TargetLogonId, 4800 and 4801 lock and unlock the account on that host. A session without any event
for SESSION_CAP_S is over, since log-offs get lost. Machine accounts and Windows' own are dropped. Of an account that is
not in staff.csv (a pupil's, a generic one) only is kept that there is somebody; its name is forgotten here.

Broken rows are told in `problems` and skipped; an empty file is one that nothing was written to yet. This module does
not know which address a host has.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from pipeline.rows import Staff
from pipeline.tables import InputError, Row, mac_number, read_rows
from sensor.slices import pack_address

SESSION_CAP_S = 16 * 3600
LEASE_COLUMNS = ("address", "hwaddr", "valid_lifetime", "expire")
EVENT_COLUMNS = (
    *("TimeCreated", "EventId", "Computer", "TargetUserName", "TargetDomainName"),
    *("TargetLogonId", "LogonType"),
)
LOG_ON, LOG_OFF, USER_LOG_OFF, LOCK, UNLOCK = 4624, 4634, 4647, 4800, 4801
_EVENTS = (LOG_ON, LOG_OFF, USER_LOG_OFF, LOCK, UNLOCK)
UNLOCK_TYPE = "7"
INTERACTIVE = frozenset({"2", UNLOCK_TYPE, "10", "11"})
_WINDOWS = frozenset({"window manager", "font driver host", "nt authority", "nt service", "iis apppool"})
_DECLINED, _RELEASED = 1, 3


class FeedError(InputError):
    """An identity feed cannot be read."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An address lent to a hardware address, Unix seconds [start, end)."""

    address: bytes
    mac: int
    hostname: str
    start: float
    end: float
    at: str  # FILE:LINE of its first row


@dataclass(frozen=True, slots=True)
class Event:
    """A log-on event. account: person number, or below 0 a number for one account that is no member of staff."""

    time: float
    event: int
    host: str
    account: int
    session: str
    unlock: bool
    at: str


@dataclass(frozen=True, slots=True)
class Sitting:
    """Who sat at a host, Unix seconds [start, end). accounts: those logged on and not locked; empty where all sessions
    are locked. since and at: of the log-on that this rests on."""

    start: float
    end: float
    accounts: frozenset[int]
    since: float
    at: str


def host_name(text: str) -> str:
    """A computer's short name in lower case, without its domain."""
    return text.strip().lower().split(".", 1)[0]


def read_leases(files: Sequence[tuple[str, bytes]], problems: list[InputError]) -> dict[bytes, list[Lease]]:
    """Leases per address, in order, not overlapping. `files` are (name, contents), the oldest first."""
    rows: defaultdict[bytes, list[tuple[Lease, int, float]]] = defaultdict(list)
    for file, data in files:
        if not data.strip():
            continue
        for row in read_rows(file, data, LEASE_COLUMNS, FeedError, problems):
            try:
                if (found := _lease(row)) is not None:
                    rows[found[0].address].append(found)
            except InputError as wrong:
                problems.append(wrong)
    return {address: _in_order(found) for address, found in rows.items()}


def _lease(row: Row) -> tuple[Lease, int, float] | None:
    """A row as (lease, state, valid lifetime); None for rows that bind no address to hardware."""
    mac = mac_number(row.get("hwaddr"))
    state = row.number("state", 0, 255) if row.get("state") else 0
    if row.get("lease_type") == "2" or (mac is None and state != _DECLINED):
        return None
    lifetime, expire = row.number("valid_lifetime", 0, 1 << 32), row.number("expire", 0, 1 << 40)
    try:
        address = pack_address(row.text("address"))
    except ValueError:
        raise row.fail(f"address {row.get('address')!r} is no IP address", "look at what wrote this row") from None
    name, at = host_name(row.get("hostname")), f"{row.file}:{row.line}"
    return Lease(address, -1 if mac is None else mac, name, expire - lifetime, expire, at), state, lifetime


def _in_order(rows: list[tuple[Lease, int, float]]) -> list[Lease]:
    found: list[Lease] = []
    for lease, state, lifetime in sorted(rows, key=lambda row: row[0].start):
        gone = state == _RELEASED or not lifetime
        if found and found[-1].end > lease.start:
            last = found.pop()
            if last.start < lease.start:
                joined = not gone and state != _DECLINED and last.mac == lease.mac
                found.append(replace(last, end=lease.end if joined else lease.start))
                if joined:
                    continue
            elif gone:
                found.append(last)
        if not gone and state != _DECLINED:
            found.append(lease)
    return found


def read_events(
    file: str,
    data: bytes,
    staff: Sequence[Staff],
    zone: ZoneInfo,
    problems: list[InputError],
    counts: Counter[str],
) -> list[Event]:
    """The log-on events that say who sits where. Times without a zone are in `zone`. Counts what it drops."""
    people = {name: number for number, person in enumerate(staff) for name in person.usernames}
    mails = {person.email: number for number, person in enumerate(staff) if person.email}
    others: dict[str, int] = {}
    found: list[Event] = []
    for row in read_rows(file, data, EVENT_COLUMNS, FeedError, problems) if data.strip() else ():
        try:
            event, sort = row.number("EventId", 0, 1 << 32), row.get("LogonType")
            if event not in _EVENTS or (sort not in INTERACTIVE and (sort or event == LOG_ON)):
                continue
            name = row.get("TargetUserName").lower().rpartition("\\")[2]
            if name.endswith("$") or row.get("TargetDomainName").lower() in _WINDOWS:
                counts["events_of_machines"] += 1
                continue
            time = row.instant("TimeCreated", zone)
            if time is None or name in ("", "-"):
                raise row.fail("the event has no time or no account", "look at what wrote this row")
            account = mails.get(name, people.get(name.partition("@")[0]))
            if account is None:
                counts["events_of_other_accounts"] += 1
                account = -1 - others.setdefault(name, len(others) + 1)
            host, session = host_name(row.get("Computer")), row.get("TargetLogonId").lower()
            unlock = event == UNLOCK or (event == LOG_ON and sort == UNLOCK_TYPE)
            found.append(Event(time, event, host, account, session, unlock, f"{file}:{row.line}"))
        except InputError as wrong:
            problems.append(wrong)
    return found


def sittings(events: Iterable[Event]) -> Mapping[str, list[Sitting]]:
    """Who sat at each host, in order, not overlapping; times when no session is known are left out."""
    hosts: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        hosts[event.host].append(event)
    return {host: _Host().play(sorted(own, key=lambda event: event.time)) for host, own in hosts.items()}


class _Host:
    """The sessions of one host while its events are played."""

    def __init__(self) -> None:
        self._sessions: dict[str, tuple[int, float, str]] = {}  # logon id: account, since, at
        self._heard: dict[int, float] = {}  # account: time of its last event
        self._locked: set[int] = set()
        self._sittings: list[Sitting] = []
        self._from = -math.inf

    def play(self, events: Sequence[Event]) -> list[Sitting]:
        for event in events:
            self._expire(event.time)
            self._close(event.time)
            self._take(event)
        self._expire(math.inf)
        return self._sittings

    def _take(self, event: Event) -> None:
        mine = [key for key, (account, _, _) in self._sessions.items() if account == event.account]
        if event.event in (LOG_OFF, USER_LOG_OFF):
            self._sessions.pop(event.session, None)
            if event.event == USER_LOG_OFF:
                self._sessions.pop(_nameless(event.account), None)
        else:
            if not mine or (event.event == LOG_ON and not event.unlock):
                key = event.session or _nameless(event.account)
                self._sessions[key] = event.account, event.time, event.at
            (self._locked.add if event.event == LOCK else self._locked.discard)(event.account)
        self._heard[event.account] = event.time
        self._locked &= {account for account, _, _ in self._sessions.values()}

    def _expire(self, now: float) -> None:
        """Ends the sessions of accounts of which nothing was heard for too long, in the order in which they end."""
        while self._sessions:
            account = min((account for account, _, _ in self._sessions.values()), key=lambda a: (self._heard[a], a))
            end = self._heard[account] + SESSION_CAP_S
            if end > now:
                return
            self._close(end)
            self._sessions = {key: session for key, session in self._sessions.items() if session[0] != account}
            self._locked.discard(account)

    def _close(self, now: float) -> None:
        """Writes down what was true until now."""
        if self._sessions and now > self._from:
            present = [session for session in self._sessions.values() if session[0] not in self._locked]
            _, since, at = min(present or self._sessions.values(), key=lambda session: (session[1], session[2]))
            accounts = frozenset(account for account, _, _ in present)
            last = self._sittings[-1] if self._sittings else None
            if last is not None and (last.end, last.accounts, last.at) == (self._from, accounts, at):
                self._sittings[-1] = replace(last, end=now)
            else:
                self._sittings.append(Sitting(self._from, now, accounts, since, at))
        self._from = now


def _nameless(account: int) -> str:
    """Key of the session of an account whose events carry no logon id."""
    return f"account {account}"
