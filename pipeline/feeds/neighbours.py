"""Who was seen at which address: ARP and NDP tables of a router or host, and what the sensor itself sees.

Theory. A sighting says that an address belonged to a hardware address at one moment. It holds until another one is
seen there, at most HOLD_S: an hour for IPv4, whose addresses are lent again; a day for IPv6, where privacy addresses
are used for a day and no other device ever takes them (RFC 8981); or for as long as a DHCP server said. Privacy
addresses are bound in no other way, and never from how an address looks. What becomes of sightings that contradict each
other, `pipeline.feeds.contested` says.

Three formats are told apart by their first bytes:

- Text: any line with an IP address and a hardware address (`ip neigh`, `arp -an`, `arp -a` of Windows, a switch's or
  router's `show ip arp`). Unfinished entries (FAILED, INCOMPLETE) are passed over. A line that is or begins with a time
  (`date -Is`, or in square brackets) dates what follows; without one it is when the file was written.
- CSV with the columns `time, address, mac`; a time is ISO (UTC unless it says otherwise) or Unix seconds.
- Arrow IPC file with the columns `time` (timestamp, or Unix seconds), `address` (text or 16 bytes), `mac` (text or
  number): how a sensor on the mirror port hands over what it sees of ARP, NDP and DHCP. It may have `how` (`duid`: the
  hardware address is only that of a DHCPv6 client's identifier) and `lease_s` (seconds; 0: nobody said).

Link-local, multicast and loopback addresses never cross a gateway and are passed over.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

import pyarrow as pa

from pipeline.feeds.contested import Seen, settle
from pipeline.feeds.holdings import Records
from pipeline.feeds.text import FeedError, FeedFile, FeedLog, address_of, hardware, lines, table

HOLD_S = {4: 3_600.0, 6: 86_400.0}
Sighting = tuple[int, float, str | bytes, str | int, str, float]  # line, time, address, hardware address, how, lease

_ARROW = b"ARROW1"
_MAC = re.compile(
    r"(?<![0-9A-Fa-f:.\-])([0-9A-Fa-f]{1,2}(?:[:\-][0-9A-Fa-f]{1,2}){5}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2})"
    r"(?![0-9A-Fa-f:.\-])"
)
_TIME = re.compile(r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.,]*(?:Z|[+-]\d\d:?\d\d)?|\d{9,11}(?:\.\d+)?)\]?(?=\s|$)")
_UNFINISHED = re.compile(r"\b(failed|incomplete|none|interface)\b", re.IGNORECASE)


def read_neighbours(files: Iterable[FeedFile], log: FeedLog) -> Records:
    """The sightings of all files. Raises FeedError for a file in none of the formats."""
    records = Records("sighting")
    for seen in settle(_sightings(files, log), log.counts):
        records.add(seen.address, seen.mac, seen.time, seen.end, seen.file, seen.line)
    return records


def _sightings(files: Iterable[FeedFile], log: FeedLog) -> Iterator[Seen]:
    for file in files:
        try:
            yield from _of_file(file, log)
        except FeedError as wrong:
            if not file.own:
                raise
            log.refuse(wrong)


def _of_file(file: FeedFile, log: FeedLog) -> Iterator[Seen]:
    with file.open() as stream:
        head = stream.read(256)
    first = head.decode("utf-8", "replace").lstrip("\ufeff").split("\n", 1)[0].lower()
    dated = True
    if head.startswith(_ARROW):
        sightings = _arrow(file)
    elif "," in first and "address" in first and "mac" in first:
        sightings = _csv(file, log)
    else:
        sightings, dated = _text(file, log), bool(_TIME.match(first))
    for line, time, address, mac, how, lease in sightings:
        packed = address if isinstance(address, bytes) else address_of(address)
        number = mac if isinstance(mac, int) else hardware(mac)
        if packed is None or number is None:
            what = f"{address!r} and {mac!r} are no IP address and hardware address"
            log.refuse(FeedError(file.name, line, what, "look at what wrote this row"))
            continue
        log.take(time)
        if hold := _hold(packed):
            yield Seen(packed, time, number, time + max(hold, lease), file.name, line, how)
    log.finish(file, own_clock=dated)


def _csv(file: FeedFile, log: FeedLog) -> Iterator[Sighting]:
    for line, (time, address, mac, _) in table(file, log, ("time", "address", "mac")):
        if (at := _moment(time)) is None:
            what = f"time {time!r} is no date and time"
            log.refuse(FeedError(file.name, line, what, "write it as 2026-11-17T08:10:00Z"))
        else:
            yield line, at, address, mac, "", 0.0


def _text(file: FeedFile, log: FeedLog) -> Iterator[Sighting]:
    at = file.written
    for line, text in lines(file, log):
        if time := _TIME.match(text):
            at, text = _moment(time[1]), text[time.end() :]
        mac = _MAC.search(text)
        words = (word.strip("()") for word in text.replace(mac[0] if mac else "\0", " ").split())
        address = next((word for word in words if ("." in word or ":" in word) and address_of(word)), None)
        if address is None or _UNFINISHED.search(text):
            continue
        if mac is None or at is None:
            what = (
                "no hardware address stands beside the IP address" if mac is None else "when this was seen is unknown"
            )
            log.refuse(FeedError(file.name, line, what, "look at what wrote this line"))
        else:
            yield line, at, address, mac[0], "", 0.0


def _arrow(file: FeedFile) -> Iterator[Sighting]:
    try:
        with file.open() as stream, pa.ipc.open_file(stream) as reader:
            table = reader.read_all()
            found = {name: table[name].to_pylist() for name in ("address", "mac")}
            times = table["time"]
    except (pa.ArrowException, KeyError) as wrong:
        what = str(wrong).split("\n", 1)[0]
        raise FeedError(file.name, 1, f"this Arrow file cannot be read ({what})", "write time, address, mac") from None
    hows = table["how"].to_pylist() if "how" in table.column_names else [""] * len(table)
    leases = table["lease_s"].to_pylist() if "lease_s" in table.column_names else [0] * len(table)
    if pa.types.is_timestamp(times.type):
        seconds = [None if t is None else t / 1e6 for t in times.cast(pa.timestamp("us")).cast(pa.int64()).to_pylist()]
    else:
        seconds = times.cast(pa.float64()).to_pylist()
    columns = zip(seconds, found["address"], found["mac"], hows, leases, strict=True)
    for row, (time, address, mac, how, lease) in enumerate(columns, 1):
        if time is not None:
            yield row, time, address or "", mac if mac is not None else "", str(how or ""), float(lease or 0)


@lru_cache(1 << 10)
def _moment(text: str) -> float | None:
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@lru_cache(1 << 16)
def _hold(address: bytes) -> float:
    """For how long a sighting of this address holds; 0 if it binds nothing."""
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.IPv6Address(address)
    ip = ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip
    passed = ip.is_link_local or ip.is_multicast or ip.is_loopback or ip.is_unspecified
    return 0.0 if passed else HOLD_S[ip.version]
