"""From log-on events to who sat at each computer.

Theory. A log-on opens a session (type 7, an unlock, only if the account has none), a log-off ends it by its log-on id.
Lock and unlock, disconnect and connect concern the account on that computer. Log-offs get lost: a session of whose
account nothing was heard for SESSION_CAP_S is over. Events of one moment are played in one order, whichever way the
file has them: log-ons, unlocks, locks, log-offs.

A computer on which two accounts were present over remote desktop at once, or three in any way, serves many (RDS,
Citrix): nothing it does can be tied to one of them, not even while only one is on, and `shared` says so.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.feeds.logons import CONNECT, DISCONNECT, LOCK, LOG_OFF, LOG_ON, UNLOCK, USER_LOG_OFF, Event

SESSION_CAP_S = 16 * 3600
_ORDER = (LOG_ON, UNLOCK, CONNECT, LOCK, DISCONNECT, USER_LOG_OFF, LOG_OFF)
_MANY, _MANY_REMOTE = 3, 2


@dataclass(frozen=True, slots=True)
class Sitting:
    """Who sat at a computer, Unix seconds [start, end). accounts: those logged on and not locked; empty where all
    sessions are locked. since and at: of the log-on that this rests on. shared: the computer serves many. aside: while
    somebody is there, another account's session is locked or disconnected, and its programs run on."""

    start: float
    end: float
    accounts: frozenset[int]
    since: float
    at: str
    shared: bool = False
    aside: bool = False


def sittings(events: Iterable[Event]) -> Mapping[str, list[Sitting]]:
    """Who sat at each computer, in order, not overlapping; times when no session is known are left out."""
    hosts: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        hosts[event.host].append(event)
    return {host: _Host().play(sorted(own, key=_order)) for host, own in hosts.items()}


def _order(event: Event) -> tuple[float, int, int, str, bool, bool]:
    return event.time, _ORDER.index(event.event), event.account, event.session, event.unlock, event.remote


@dataclass(slots=True)
class _Session:
    account: int
    since: float
    remote: bool
    at: str


class _Host:
    """The sessions of one computer while its events are played."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}  # by log-on id
        self._heard: dict[int, float] = {}  # account: time of its last event
        self._locked: set[int] = set()
        self._sittings: list[Sitting] = []
        self._from = -math.inf
        self._serves_many = False
        self._due = -math.inf  # before this no session ends for want of events

    def play(self, events: Sequence[Event]) -> list[Sitting]:
        for event in events:
            self._expire(event.time)
            self._close(event.time)
            self._take(event)
        self._expire(math.inf)
        if self._serves_many:
            return [replace(sitting, shared=True) for sitting in self._sittings]
        return self._sittings

    def _take(self, event: Event) -> None:
        mine = [session for session in self._sessions.values() if session.account == event.account]
        if event.event in (LOG_OFF, USER_LOG_OFF):
            self._sessions.pop(event.session, None)
            if event.event == USER_LOG_OFF:
                self._sessions.pop(_nameless(event.account), None)
        else:
            if not mine or (event.event == LOG_ON and not event.unlock):
                key = event.session or _nameless(event.account)
                self._sessions[key] = _Session(event.account, event.time, event.remote, event.at)
            away = event.event in (LOCK, DISCONNECT)
            (self._locked.add if away else self._locked.discard)(event.account)
        self._heard[event.account] = event.time
        self._locked &= {session.account for session in self._sessions.values()}

    def _expire(self, now: float) -> None:
        """Ends the sessions of accounts of which nothing was heard for too long, in the order in which they end."""
        while self._sessions and now >= self._due:
            account = min((session.account for session in self._sessions.values()), key=lambda a: (self._heard[a], a))
            end = self._heard[account] + SESSION_CAP_S
            if end > now:
                self._due = end
                return
            self._close(end)
            self._sessions = {key: session for key, session in self._sessions.items() if session.account != account}
            self._locked.discard(account)

    def _close(self, now: float) -> None:
        """Writes down what was true until now."""
        if self._sessions and now > self._from:
            present = [session for session in self._sessions.values() if session.account not in self._locked]
            first = min(present or self._sessions.values(), key=lambda session: (session.since, session.at))
            accounts = frozenset(session.account for session in present)
            aside = bool(accounts) and any(session.account not in accounts for session in self._sessions.values())
            remote = {session.account for session in present if session.remote}
            self._serves_many |= len(accounts) >= _MANY or len(remote) >= _MANY_REMOTE
            last = self._sittings[-1] if self._sittings else None
            same = last is not None and (last.end, last.accounts, last.at, last.aside)
            if last is not None and same == (self._from, accounts, first.at, aside):
                self._sittings[-1] = replace(last, end=now)
            else:
                self._sittings.append(Sitting(self._from, now, accounts, first.since, first.at, aside=aside))
        self._from = now


def _nameless(account: int) -> str:
    """Key of the session of an account whose events carry no logon id."""
    return f"account {account}"
