"""ISC dhcpd's lease file, `dhcpd.leases`.

Theory. A journal of blocks in braces, in UTC:

    lease 10.20.0.5 {
      starts 2 2026/11/17 08:00:00;
      ends 2 2026/11/17 12:00:00;
      binding state active;
      hardware ethernet 00:16:3e:00:00:01;
      client-hostname "PC-1";
    }

Each change of a lease writes its block again; each renewal has a new `starts`. In state active (or none, as old
versions wrote) `ends` is when it would expire; in states released, expired and free the lease has ended, and `ends` is
when. Abandoned and reset take the address from everybody. `ends never` and dates as `epoch N;` (db-time-format local)
are understood. A block counts once its closing brace is there; text between blocks, comments and blocks of other kinds
(failover, IPv6's ia-na, which names no hardware) are passed over.

Source: dhcpd.leases(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from pipeline.feeds.holdings import MAX_TIME, Records
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, address_of, hardware, host_name, lines

_ENDED = frozenset({"released", "expired", "free", "backup"})
_NOBODYS = frozenset({"abandoned", "reset"})
_KEYS = ("starts ", "ends ", "binding state ", "hardware ethernet ", "client-hostname ")
_DATE = re.compile(r"(?:\d )?(\d{4}/\d\d?/\d\d? \d\d?:\d\d:\d\d)|epoch (\d{1,12})\b")


def read_isc(files: Iterable[FeedFile], log: FeedLog) -> Records:
    """The leases of a lease file, or of several. Broken blocks are refused one by one."""
    records = Records("lease")
    for file in files:
        begun, head, values = 0, "", dict[str, str]()
        for line, text in lines(file, log, lambda text: text.strip() == "}"):
            text = text.strip()
            if text.startswith("lease ") and text.endswith("{"):
                if begun:
                    log.refuse(FeedError(file.name, begun, "the block has no end", "look at what wrote this file"))
                begun, head, values = line, text[6:-1].strip(), {}
            elif begun and text == "}":
                try:
                    _take(file, begun, head, values, records, log)
                except ValueError as wrong:
                    log.refuse(FeedError(file.name, begun, str(wrong), "look at what wrote this block"))
                begun = 0
            elif begun:
                for key in _KEYS:
                    if text.startswith(key):
                        values[key] = text[len(key) :].rstrip(";").strip()
        log.torn |= bool(begun)
        log.finish(file)
    return records


def _take(file: FeedFile, line: int, head: str, values: Mapping[str, str], records: Records, log: FeedLog) -> None:
    starts, ends, state, mac, host = (values.get(key, "") for key in _KEYS)
    if (address := address_of(head)) is None:
        raise ValueError(f"{head!r} is no IP address")
    number = hardware(mac)
    start = _moment(starts)
    end = MAX_TIME if ends in ("never", "") else _moment(ends)
    log.take(end if state in _ENDED and end > start else start)
    if state in _NOBODYS:
        records.add(address, None, start, start, file.name, line)
    elif number is None:
        log.counts["without_hardware"] += 1
    else:
        name = host_name(host.strip('"'))
        records.add(address, number, start, end, file.name, line, name, closed=state in _ENDED)


@lru_cache(1 << 12)
def _moment(text: str) -> float:
    found = _DATE.match(text)
    if not found:
        raise ValueError(f"{text!r} is no date" if text else "the block has no starts")
    if found[2]:
        return float(found[2])
    try:
        return datetime.strptime(found[1], "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no date") from None
