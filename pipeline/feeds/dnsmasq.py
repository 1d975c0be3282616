"""dnsmasq's lease file: `expiry mac address name client-id`, one line a lease.

Theory. The file is a picture, not a journal: dnsmasq writes it anew at each change, so ended leases are gone from it.
It tells when a lease expires (Unix seconds, 0 never), not when it began. A lease of length L was renewed at expiry - L
and holds since then at least; the settings say L (the shortest, where networks differ), and if no lease of the file has
that much time left, L is taken as the most that one has. A lease that was renewed only later than that, or never ends,
is known to hold since the file was written. After the line `duid ...` come leases of IPv6, which name no hardware (an
IAID stands in its place) and are passed over. Unknown names are `*`.

Refused: files of builds without a clock, whose first column is a length.

Source: dnsmasq, src/lease.c; dnsmasq(8), --dhcp-leasefile.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.feeds.holdings import Records
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, address_of, hardware, host_name, lines

DAY_S = 86_400
_NO_CLOCK = 1_000_000_000  # an expiry before 2001 is a length


def read_dnsmasq(files: Iterable[FeedFile], log: FeedLog, lease_s: float) -> Records:
    """The leases that the files show; their length is `lease_s`. A file must know when it was written."""
    records = Records("lease")
    for file in files:
        found: list[tuple[int, int, bytes, int, str]] = []
        for line, text in lines(file, log, lambda text: len(text.split()) == 5):
            cells = text.split()
            if not cells or cells[0] == "duid":
                continue
            address = address_of(cells[2]) if len(cells) in (4, 5) else None
            if address is None or not (cells[0].isascii() and cells[0].isdecimal() and len(cells[0]) < 13):
                what = "the line is not `expiry mac address name client-id`"
                log.refuse(FeedError(file.name, line, what, "look at what wrote this file"))
            elif 0 < (expiry := int(cells[0])) < _NO_CLOCK:
                what = "the first column is a length, not a time of day"
                raise FeedError(file.name, line, what, "build dnsmasq without HAVE_BROKEN_RTC")
            elif (mac := hardware(cells[1])) is None:
                log.counts["without_hardware"] += 1
            else:
                found.append((line, expiry, address, mac, "" if cells[3] == "*" else host_name(cells[3])))
        if file.written is None:
            if found:
                log.refuse(FeedError(file.name, 1, "nobody knows when this file was written", "name the file itself"))
            continue
        length = min(lease_s, max((expiry - file.written for _, expiry, *_ in found), default=0.0))
        for line, expiry, address, mac, host in found:
            end = expiry or file.written + DAY_S
            start = min(file.written, expiry - length) if expiry else file.written
            log.take(file.written)
            records.add(address, mac, start, end, file.name, line, host)
        log.finish(file, own_clock=False)
    return records
