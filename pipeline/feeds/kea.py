"""Kea's memfile lease files, v4 (`kea-leases4.csv`) and v6 (`kea-leases6.csv`).

Theory. The file is a journal: every change of a lease appends a row, and a clean-up (LFC) now and then writes a shorter
one. Its siblings `.2`, `.1`, `.output` and `.completed` hold what the clean-up is at; all that are there are read, and
rows that are in several count once. A lease starts at expire - valid_lifetime and is renewed by a row with a later
start. valid_lifetime 0 or state 3 is a release; Kea writes it with the start of the lease, which does not tell when:
then the lease is kept until it expires or the address is lent again, for nobody else uses it meanwhile. State 1
(declined) ends a lease; state 2 (expired, reclaimed) is history, its row repeats the lease. Files of older versions
lack the last columns (state, user_context, hwaddr). Commas within cells are written `&#x2c`, never quoted.

Not bound: delegated prefixes (lease_type 2); rows without hardware, and those of v6 whose hardware was guessed from the
DUID (hwaddr_source 2), as cloned machines share it.

Source: Kea, src/lib/dhcpsrv/csv_lease_file4.h, csv_lease_file6.h, lease.h; src/lib/dhcp/hwaddr.h.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.feeds.holdings import Records
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, address_of, hardware, host_name, table

SIBLINGS = (".2", ".1", ".output", ".completed", "")
_COLUMNS = ("address", "valid_lifetime", "expire")
_ONLY = {4: "hwaddr", 6: "duid"}  # which column of its own each version needs
_OPTIONAL = ("hwaddr", "state", "hostname", "lease_type", "hwaddr_source")
_DECLINED, _RELEASED, _PREFIX, _GUESSED = "1", "3", "2", "2"


def read_kea(files: Iterable[FeedFile], log: FeedLog, version: int) -> Records:
    """The leases of a lease file of DHCPv4 or v6 and its siblings, in any order. Raises FeedError for another file."""
    records = Records("lease")
    for file in files:
        for line, (address, lifetime, expire, _, mac, state, host, kind, source, _) in table(
            file, log, (*_COLUMNS, _ONLY[version]), _OPTIONAL
        ):
            packed, number = address_of(address), hardware(mac)
            if packed is None or not _numbers(lifetime, expire) or (state and not state.isdecimal()):
                log.refuse(_broken(file, line, address, packed))
                continue
            end = int(expire)
            start = end - int(lifetime)
            log.take(start)
            if kind == _PREFIX:
                log.counts["prefixes"] += 1
            elif state in (_DECLINED, _RELEASED) or lifetime == "0":
                records.add(packed, None, start, start, file.name, line)
            elif number is None or source == _GUESSED:
                log.counts["without_hardware"] += 1
            else:
                records.add(packed, number, start, end, file.name, line, host_name(host))
        log.finish(file)
    return records


def _numbers(*cells: str) -> bool:
    return all(cell.isascii() and cell.isdecimal() and len(cell) < 13 for cell in cells)


def _broken(file: FeedFile, line: int, address: str, packed: bytes | None) -> FeedError:
    what = f"address {address!r} is no IP address" if packed is None else "lifetime, expire or state is no number"
    return FeedError(file.name, line, what, "look at what wrote this row")
