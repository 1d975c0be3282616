"""Windows log-on events as CSV: who logged on where, off, and who locked the screen.

Theory. 4624 of the types 2, 7, 10 and 11 (console, unlock, remote desktop, cached) is a person at a computer; type 3,
which domain controllers write by the thousand (a drive, a printer), is none, and all other types are services. 4634 and
4647 log off by TargetLogonId; 4800 and 4801 lock and unlock; 4779 and 4778 disconnect a remote desktop from a session
and connect it again, which is much the same. The last two call their columns AccountName, AccountDomain and LogonID.

Whose account it is: `pipeline.feeds.accounts`; the computer's own accounts (domain = computer) are not the school's.
What sessions follow from events: `pipeline.feeds.sittings`. Times are ISO, in `zone` if they do not say their own.

Source: Microsoft Learn, "Audit logon events", events 4624, 4634, 4647, 4778, 4779, 4800, 4801.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.feeds.accounts import Accounts
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, host_name, table

LOG_ON, LOG_OFF, USER_LOG_OFF, LOCK, UNLOCK, CONNECT, DISCONNECT = 4624, 4634, 4647, 4800, 4801, 4778, 4779
EVENTS = {str(n): n for n in (LOG_ON, LOG_OFF, USER_LOG_OFF, LOCK, UNLOCK, CONNECT, DISCONNECT)}
_UNLOCK_TYPE, _REMOTE_TYPE = "7", "10"
_INTERACTIVE = frozenset({"2", _UNLOCK_TYPE, _REMOTE_TYPE, "11"})
_COLUMNS = ("TimeCreated", "EventId", "Computer", "TargetUserName", "TargetLogonId", "LogonType")
_OPTIONAL = ("TargetDomainName", "AccountName", "AccountDomain", "LogonID")


@dataclass(frozen=True, slots=True)
class Event:
    """A log-on event. account: person number, or below 0 a number for one account that is no member of staff."""

    time: float
    event: int
    host: str
    account: int
    session: str
    unlock: bool
    remote: bool
    at: str


def read_logons(files: Iterable[FeedFile], log: FeedLog, accounts: Accounts, zone: ZoneInfo) -> list[Event]:
    """The events that say who sits where."""
    found: list[Event] = []
    for file in files:
        for line, cells in table(file, log, _COLUMNS, _OPTIONAL):
            when, number, computer, name, session, kind, domain, name2, domain2, session2, _ = cells
            event = EVENTS.get(number)
            if event is None:
                if not number.isdecimal():
                    log.refuse(FeedError(file.name, line, f"EventId {number!r} is no number", "export the number"))
                continue
            if kind not in _INTERACTIVE and (kind or event == LOG_ON):
                log.counts["not_at_the_computer"] += 1
                continue
            host, name = host_name(computer), name or name2
            time = _moment(when, zone)
            if time is None:
                mend = "write it as 2026-11-17T08:10:00, with Z or an offset if it is not local time"
                log.refuse(FeedError(file.name, line, f"TimeCreated {when!r} is not a date and time", mend))
                continue
            log.take(time)
            log.locks += event == LOCK
            account = accounts.number(name, domain or domain2, host)
            if account is not None:
                unlock = event == UNLOCK or (event == LOG_ON and kind == _UNLOCK_TYPE)
                remote = kind == _REMOTE_TYPE or event == CONNECT
                key = (session or session2).lower()
                found.append(Event(time, event, host, account, key, unlock, remote, f"{file.name}:{line}"))
        log.finish(file)
    return found


def _moment(text: str, zone: ZoneInfo) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        return None
