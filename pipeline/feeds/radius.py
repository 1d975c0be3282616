"""FreeRADIUS detail files: who authenticated with 802.1X on which hardware address, from accounting.

Theory. One block a message, ended by an empty line: a line with the date, then `<tab>Attribute = value`. Messages of
one session share Acct-Session-Id, NAS and Calling-Station-Id (the hardware address, in any spelling). Start opens it,
Stop ends it, Interim-Update shows that it lives. The time is Timestamp (the server's clock) less Acct-Delay-Time. A
session whose Start was not seen began Acct-Session-Time before its first message.

Stops get lost. A session without one ends twice its Interim interval (its own, else the feed's) after its last message,
or `session_s` where there are no Interims; at Session-Timeout after its start; when its NAS restarts (Accounting-On,
Accounting-Off); or when another session of the same hardware address starts, for a card is at one port only. Two
sessions that both live on overlap, and their people are nobody. Within a session an account counts from the message
that first names it (a computer that authenticated by itself may keep its session when somebody logs on).

The address is often absent on Wi-Fi (Framed-IP-Address): then leases tell which addresses the hardware address had.
Outer identities (`anonymous@`) and machines name nobody; their sessions only end earlier ones. Of a message only the
attributes named here are read, never a password.

Source: RFC 2866, RFC 2869; FreeRADIUS, rlm_detail.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from zoneinfo import ZoneInfo

from pipeline.feeds.accounts import Accounts
from pipeline.feeds.holdings import Records
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, address_of, hardware, lines

_KINDS = dict.fromkeys(("start", "1"), "start") | dict.fromkeys(("stop", "2"), "stop")
_KINDS |= dict.fromkeys(("interim-update", "alive", "3"), "interim")
_KINDS |= dict.fromkeys(("accounting-on", "7", "accounting-off", "8"), "restart")
_ORDER = ("start", "interim", "stop")
_READ = frozenset(
    (
        *("Acct-Status-Type", "User-Name", "SAM-Account-Name", "Calling-Station-Id", "Acct-Session-Id"),
        *("NAS-IP-Address", "NAS-Identifier", "Framed-IP-Address", "Framed-IPv6-Address", "Timestamp"),
        *("Event-Timestamp", "Acct-Delay-Time", "Acct-Session-Time", "Session-Timeout", "Acct-Interim-Interval"),
    )
)
_ATTRIBUTE = re.compile(r"\s+(\S+?)(?::\d+)? [+:]?= ?(.*)")
_NO_ADDRESS = frozenset({"0.0.0.0", "255.255.255.254", "255.255.255.255", "::"})
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Session:
    """A hardware address was on the network for an account, Unix seconds [start, end). account: person number, or
    below 0 a number for one account that is no member of staff."""

    mac: int
    account: int
    start: float
    end: float
    at: str


@dataclass(frozen=True, slots=True)
class _Message:
    time: float
    kind: str
    named: bool  # does it name anybody, be it a machine?
    account: int | None
    file: str
    line: int
    addresses: tuple[bytes, ...]
    lived: float | None
    timeout: float | None
    interval: float | None


@dataclass(slots=True)
class _Life:
    """One life of a session id, which may come back: its messages in order."""

    mac: int
    nas: str
    messages: list[_Message]

    @property
    def start(self) -> float:
        first = self.messages[0]
        return first.time if first.kind == "start" else first.time - min(first.lived or 0.0, _DAY_S)

    @property
    def heard(self) -> float:
        return self.messages[-1].time

    @property
    def stopped(self) -> bool:
        return self.messages[-1].kind == "stop"

    def gaps(self) -> list[float]:
        """Seconds between its signs of life."""
        alive = [m.time for m in self.messages if m.kind != "stop"]
        said = [m.interval for m in self.messages if m.interval]
        return said or [later - sooner for sooner, later in pairwise(alive) if later > sooner]


def read_radius(
    files: Iterable[FeedFile], log: FeedLog, accounts: Accounts, zone: ZoneInfo, session_s: float
) -> tuple[dict[int, list[Session]], Records]:
    """Sessions by hardware address, and the addresses that they name."""
    messages: defaultdict[tuple[str, str, int], list[_Message]] = defaultdict(list)
    restarts: defaultdict[str, list[float]] = defaultdict(list)
    for file in files:
        for line, values in _blocks(file, log):
            kind = _KINDS.get(values.get("Acct-Status-Type", "").lower())
            if kind is None:
                log.counts["not_accounting"] += 1
            elif (time := _time(values, zone)) is None:
                log.refuse(FeedError(file.name, line, "the message has no time", "look at what wrote this file"))
            else:
                log.take(time)
                nas = values.get("NAS-IP-Address") or values.get("NAS-Identifier", "")
                mac = hardware(_station(values.get("Calling-Station-Id", "")))
                if kind == "restart":
                    restarts[nas].append(time)
                elif mac is None:
                    log.counts["without_hardware"] += 1
                else:
                    key = nas, values.get("Acct-Session-Id", ""), mac
                    messages[key].append(_message(time, kind, accounts, file.name, line, values))
        log.finish(file)
    lives = [life for key, own in sorted(messages.items()) for life in _lives(key, own)]
    ends = _ends(lives, restarts, session_s)
    records = Records("802.1X address")
    sessions: defaultdict[int, list[Session]] = defaultdict(list)
    for life, end in zip(lives, ends, strict=True):
        sessions[life.mac] += _sessions(life, end)
        for m in life.messages:
            for address in m.addresses if m.kind != "stop" else ():
                records.add(address, life.mac, m.time, end, m.file, m.line)
    return {mac: sorted(own, key=lambda s: (s.start, s.end, s.account)) for mac, own in sessions.items()}, records


def _message(time: float, kind: str, accounts: Accounts, file: str, line: int, values: Mapping[str, str]) -> _Message:
    name = values.get("SAM-Account-Name") or values.get("User-Name", "")
    texts = [values.get(name, "") for name in ("Framed-IP-Address", "Framed-IPv6-Address")]
    addresses = tuple(a for text in texts if text not in _NO_ADDRESS and (a := address_of(text)) is not None)
    numbers = (_number(values.get(n)) for n in ("Acct-Session-Time", "Session-Timeout", "Acct-Interim-Interval"))
    account = accounts.number(name) if name else None
    return _Message(time, kind, bool(name), account, file, line, addresses, *numbers)


def _blocks(file: FeedFile, log: FeedLog) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Whole messages: the line on which each begins, and the attributes that are read. Timestamp is always the last."""
    begun, broken, values = 0, False, dict[str, str]()
    for line, text in lines(file, log):
        wrong = ""
        if not text.strip():
            if begun and not broken:
                yield begun, values
            begun = 0
        elif not text[0].isspace():
            wrong = "the message before has no end" if begun and not broken else ""
            begun, broken, values = line, False, {"date": text}
        elif found := _ATTRIBUTE.fullmatch(text):
            if found[1] in _READ:
                values[found[1]] = _unquoted(found[2].strip())
        elif begun and not broken:
            wrong, broken = "the line is no `Attribute = value`", True
        if wrong:
            log.refuse(FeedError(file.name, line, wrong, "look at what wrote this file"))
    if begun and not broken and "Timestamp" in values:
        yield begun, values
    else:
        log.torn |= bool(begun)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return re.sub(r"\\+", r"\\", text.replace('\\"', '"'))


def _station(text: str) -> str:
    """The hardware address of a Calling-Station-Id; some devices put a network's name after it."""
    found = re.match(r"(?:[0-9A-Fa-f]{2}[:\- ]?){5}[0-9A-Fa-f]{2}(?=:[^:]*$|$)", text.strip())
    return found[0] if found else text


def _number(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdecimal() and len(text) < 11 else None


def _time(values: Mapping[str, str], zone: ZoneInfo) -> float | None:
    delay = min(_number(values.get("Acct-Delay-Time")) or 0.0, _DAY_S)
    for text in (values.get("Timestamp", ""), values.get("Event-Timestamp", ""), values["date"]):
        if (number := _number(text)) is not None:
            return number - delay
        if (moment := _moment(text, zone)) is not None:
            return moment - delay
    return None


def _moment(text: str, zone: ZoneInfo) -> float | None:
    """`Nov 17 2026 08:10:00 GMT` or `Tue Nov 17 08:10:00 2026`; other zones' abbreviations are taken for `zone`."""
    words = text.split()
    shown = ZoneInfo("UTC") if words[-1:] in (["UTC"], ["Z"]) else zone
    for form, n in (("%b %d %Y %H:%M:%S", 4), ("%a %b %d %H:%M:%S %Y", 5)):
        try:
            return datetime.strptime(" ".join(words[:n]), form).replace(tzinfo=shown).timestamp()
        except ValueError:
            continue
    return None


def _lives(key: tuple[str, str, int], messages: Iterable[_Message]) -> Iterator[_Life]:
    """The lives of a session id: a Start begins one; what comes after its Stop is late and says nothing."""
    life: _Life | None = None
    for message in sorted(messages, key=lambda m: (m.time, _ORDER.index(m.kind))):
        if life is None or (message.kind == "start" and message.time > life.messages[0].time):
            if life is not None:
                yield life
            life = _Life(key[2], key[0], [message])
        elif not life.stopped:
            life.messages.append(message)
    if life is not None:
        yield life


def _ends(lives: Sequence[_Life], restarts: Mapping[str, Sequence[float]], session_s: float) -> list[float]:
    """When each life ended, at the latest."""
    gaps = [gap for life in lives for gap in life.gaps()]
    usual = median(gaps) if gaps else None
    starts: defaultdict[int, list[float]] = defaultdict(list)
    for life in lives:
        starts[life.mac].append(life.start)
    found = []
    for life in lives:
        own = life.gaps()
        interval = median(own) if own else usual
        limits = [life.heard + (2 * interval if interval else session_s)]
        limits += [max(life.start + m.timeout, life.heard) for m in life.messages if m.timeout]
        limits += [time for time in (*restarts.get(life.nas, ()), *starts[life.mac]) if time > life.heard]
        found.append(life.heard if life.stopped else min(limits))
    return found


def _sessions(life: _Life, end: float) -> Iterator[Session]:
    """Who had the life, each account from the message that first names it until one names another."""
    said: dict[float, dict[int, _Message]] = {}
    for m in life.messages:
        if m.named:
            own = said.setdefault(m.time, {})
            if m.account is not None:
                own.setdefault(m.account, m)
    since: dict[int, tuple[float, _Message]] = {}
    for time, accounts in said.items():
        begin = life.start if time == life.messages[0].time else time
        for account in sorted(set(since) - set(accounts)):
            start, m = since.pop(account)
            yield Session(life.mac, account, start, begin, f"{m.file}:{m.line}")
        for account, m in accounts.items():
            since.setdefault(account, (begin, m))
    for account, (start, m) in since.items():
        if start < end:
            yield Session(life.mac, account, start, end, f"{m.file}:{m.line}")
