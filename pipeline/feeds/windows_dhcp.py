"""Windows DHCP: the audit log (`DhcpSrvLog-Mon.log` ...) and the table of `Get-DhcpServerv4Lease | Export-Csv`.

Theory of the log. A long text, then a header that begins with `ID,Date,Time`, then rows in local time (MM/DD/YY). There
is one file a day of the week, overwritten a week later; a restart of the service writes text and header again. Events
10, 11, 20 and 21 lend or renew an address, 12, 13, 16, 17 and 18 take it back (released, in conflict, deleted,
expired); all others concern no address (30 and above: DNS). The log does not say how long a lease is: without the
setting it ends a day after its last renewal. Hardware is bare hex; longer client ids name no card.

Theory of the table. A picture: `ClientId` holds `AddressState` Active (or ActiveReservation) until `LeaseExpiryTime`.
It holds since the picture was taken: column `Taken` (README), else when the file was written; if the setting tells the
length of leases, since the renewal that the expiry shows. Export-Csv writes dates as the server's language does. Day
and month that can be told apart in no row are read so that the lease ends soonest after the picture.

Not read: DhcpV6SrvLog, which names no hardware. An hour that comes twice (end of summer time) is read as the first.

Source: Microsoft Learn, "DHCP audit logging"; docs.nxlog.co, "Windows DHCP Server".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.feeds.holdings import Records
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, address_of, hardware, host_name, lines, table

UNKNOWN_LENGTH_S = 86_400.0
_HEADER = "id,date,time,"
_LENT, _ENDED = frozenset({"10", "11", "20", "21"}), frozenset({"12", "13", "16", "17", "18"})
_EVENT = re.compile(r"\d{2,5},")
_MEND = "look at what wrote this row"
_DATE = re.compile(r"(\d{1,4})[/.\-](\d{1,2})[/.\-](\d{1,4})[ T](\d{1,2}):(\d{2}):(\d{2})(?: ?([AP])M)?")


def read_audit_log(files: Iterable[FeedFile], log: FeedLog, zone: ZoneInfo, lease_s: float | None) -> Records:
    """The leases that the audit logs tell."""
    records = Records("lease")
    length = lease_s or UNKNOWN_LENGTH_S

    @lru_cache(1 << 12)
    def moment(day: str, clock: str) -> float | None:
        try:
            return datetime.strptime(f"{day} {clock}", "%m/%d/%y %H:%M:%S").replace(tzinfo=zone).timestamp()
        except ValueError:
            return None

    for file in files:
        begun = False
        for line, text in lines(file, log, lambda text: text.count(",") >= 7):
            if not begun or not _EVENT.match(text):
                begun = begun or text.lower().startswith(_HEADER)
                continue
            cells = text.split(",")
            if cells[0] not in _LENT and cells[0] not in _ENDED:
                continue
            if len(cells) < 7:
                log.refuse(FeedError(file.name, line, f"the row has only {len(cells)} cells", _MEND))
                continue
            time, address, mac = moment(cells[1], cells[2]), address_of(cells[4].strip()), hardware(cells[6].strip())
            if time is None or address is None:
                what = f"{cells[1]} {cells[2]} {cells[4]!r} is no date, time and address"
                log.refuse(FeedError(file.name, line, what, _MEND))
                continue
            log.take(time)
            if cells[0] in _ENDED:
                records.add(address, None, time, time, file.name, line)
            elif mac is None:
                log.counts["without_hardware"] += 1
            else:
                records.add(address, mac, time, time + length, file.name, line, host_name(cells[5]))
        log.finish(file)
    return records


def read_lease_table(files: Iterable[FeedFile], log: FeedLog, zone: ZoneInfo, lease_s: float | None) -> Records:
    """The leases that a table shows. A table without `Taken` must know when it was written."""
    records = Records("lease")
    columns, optional = ("IPAddress", "AddressState", "ClientId", "LeaseExpiryTime"), ("HostName", "Taken")
    for file in files:
        rows = list(table(file, log, columns, optional))
        expiry_of = _reader_of_dates([row[3] for _, row in rows], zone)
        taken_of = _reader_of_dates([row[5] for _, row in rows], zone)
        for line, (address, state, client, expires, host, taken, _) in rows:
            packed = address_of(address)
            at = taken_of(taken, file.written) if taken else file.written
            if packed is None or at is None:
                what = f"{address!r} is no IP address" if packed is None else "when this was taken is not known"
                log.refuse(FeedError(file.name, line, what, "export it as README says"))
                continue
            end = expiry_of(expires, at) if expires else at + (lease_s or UNKNOWN_LENGTH_S)
            if end is None:
                what = f"LeaseExpiryTime {expires!r} is no date and time"
                log.refuse(FeedError(file.name, line, what, "export it as README says"))
                continue
            log.take(at)
            mac = hardware(client)
            if state.lower() in ("active", "activereservation") and mac is not None:
                start = min(at, end - lease_s) if lease_s and expires else at
                records.add(packed, mac, start, end, file.name, line, host_name(host))
            else:
                log.counts["without_hardware" if mac is None else "not_active"] += 1
        log.finish(file, own_clock=any(row[5] for _, row in rows))
    return records


def _reader_of_dates(texts: Iterable[str], zone: ZoneInfo) -> Callable[[str, float | None], float | None]:
    """Reads dates as all these texts together allow; where they leave it open, as the soonest after a given moment."""
    found = [date for text in texts if (date := _DATE.fullmatch(text)) and len(date[1]) < 4]
    orders = [order for order in ("dmy", "mdy") if all(_parts(date, order) for date in found)]

    def read(text: str, after: float | None) -> float | None:
        date = _DATE.fullmatch(text)
        if date is None or len(date[1]) == 4:
            try:
                moment = datetime.fromisoformat(text)
            except ValueError:
                return None
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
        read_ = [parts.replace(tzinfo=zone).timestamp() for order in orders if (parts := _parts(date, order))]
        later = [time for time in read_ if after is not None and time >= after]
        return min(later or read_, default=None)

    return read


def _parts(date: re.Match[str], order: str) -> datetime | None:
    day, month = (int(date[1]), int(date[2])) if order == "dmy" else (int(date[2]), int(date[1]))
    year, hour = int(date[3]), int(date[4])
    if date[7]:
        hour = hour % 12 + (12 if date[7] == "P" else 0)
    try:
        return datetime(year + 2000 if year < 100 else year, month, day, hour, int(date[5]), int(date[6]))
    except ValueError:
        return None
