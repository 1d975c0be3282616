"""Which feeds there are, and reading all that the settings name into facts: holdings, sessions, sittings.

Theory. Each feed is read by itself and says for itself who held what; where two feeds contradict each other, both stand
and the minute is nobody's (`pipeline.claims`). A feed that is not there is missing, not an error. `Memory` keeps what
was read of files that have not changed since, so that a log-on does not make the lease file be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from pipeline.feeds.accounts import Accounts
from pipeline.feeds.dnsmasq import read_dnsmasq
from pipeline.feeds.holdings import Holding, Records, routers
from pipeline.feeds.isc import read_isc
from pipeline.feeds.kea import SIBLINGS, read_kea
from pipeline.feeds.logons import Event, read_logons
from pipeline.feeds.neighbours import read_neighbours
from pipeline.feeds.radius import Session, read_radius
from pipeline.feeds.sittings import Sitting, sittings
from pipeline.feeds.text import FeedFile, FeedLog
from pipeline.feeds.windows_dhcp import read_audit_log, read_lease_table
from pipeline.school import School
from pipeline.settings import FeedSettings
from pipeline.tables import zone_of


@dataclass(slots=True)
class Read:
    """What one feed says, and the account of its reading. accounts: None where a feed names none."""

    log: FeedLog = field(default_factory=FeedLog)
    holdings: Sequence[Holding] = ()
    starts: Mapping[bytes, npt.NDArray[np.float64]] = field(default_factory=dict)
    sessions: Mapping[int, Sequence[Session]] = field(default_factory=dict)
    events: Sequence[Event] = ()
    accounts: Accounts | None = None


@dataclass(frozen=True, slots=True)
class Feed:
    """A sort of feed. key: its setting; pattern: its files, where the setting names a folder."""

    key: str
    title: str
    pattern: str
    read: Callable[[Iterable[FeedFile], Read, School, FeedSettings], None]

    def files(self, feeds: FeedSettings, folder: Path) -> list[Path]:
        """The files that are there, by name."""
        setting: Path | None = getattr(feeds, self.key)
        if setting is None:
            return []
        path = folder / setting
        if path.is_dir():
            found = [inner for inner in path.rglob(self.pattern) if inner.is_file()]
        elif self.key in _WITH_SIBLINGS:
            found = [sibling for end in SIBLINGS if (sibling := Path(f"{path}{end}")).is_file()]
        else:
            found = [path] if path.is_file() else []
        return sorted(found)


_WITH_SIBLINGS = ("kea_leases", "kea_leases6")


@dataclass(frozen=True, slots=True)
class FeedRead:
    """A feed that the settings name, as it was read. path: as the settings have it. missing: it is not there, though
    siblings may be."""

    feed: Feed
    path: str
    files: tuple[str, ...]
    missing: bool
    read: Read


@dataclass(frozen=True, slots=True)
class Facts:
    """What all feeds say. routers: hardware addresses that are no devices; their holdings are left out."""

    holdings: tuple[Holding, ...] = ()
    sessions: Mapping[int, Sequence[Session]] = field(default_factory=dict)
    sittings: Mapping[str, Sequence[Sitting]] = field(default_factory=dict)
    routers: frozenset[int] = frozenset()
    behind_routers: int = 0
    feeds: tuple[FeedRead, ...] = ()


class Memory:
    """What was read of each feed, as long as its files stay as they were."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[object, Read]] = {}

    def read(self, key: str, state: object, read: Callable[[], Read]) -> Read:
        known = self._read.get(key)
        if known is None or known[0] != state:
            known = self._read[key] = state, read()
        return known[1]


def _zone(name: str | None, school: School) -> ZoneInfo:
    return zone_of(name or school.settings.zone)


def _accounts(school: School, feeds: FeedSettings) -> Accounts:
    return Accounts(school.staff, feeds.domains, feeds.shared_accounts)


def _leases(records: Records, into: Read) -> None:
    into.holdings, into.starts = records.holdings(), records.starts()


def _kea(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    _leases(read_kea(files, into.log, 4), into)


def _kea6(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    _leases(read_kea(files, into.log, 6), into)


def _isc(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    _leases(read_isc(files, into.log), into)


def _dnsmasq(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    _leases(read_dnsmasq(files, into.log, 60 * feeds.dnsmasq_lease_min), into)


def _windows_log(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    length = feeds.windows_lease_h and 3600.0 * feeds.windows_lease_h
    _leases(read_audit_log(files, into.log, _zone(feeds.windows_dhcp_zone, school), length), into)


def _windows_table(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    length = feeds.windows_lease_h and 3600.0 * feeds.windows_lease_h
    _leases(read_lease_table(files, into.log, _zone(feeds.windows_dhcp_zone, school), length), into)


def _radius(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    into.accounts = _accounts(school, feeds)
    zone, length = _zone(feeds.radius_zone, school), 60.0 * feeds.radius_session_min
    into.sessions, records = read_radius(files, into.log, into.accounts, zone, length)
    into.holdings = records.holdings()


def _logons(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    into.accounts = _accounts(school, feeds)
    into.events = read_logons(files, into.log, into.accounts, zone_of(feeds.logons_zone))


def _neighbours(files: Iterable[FeedFile], into: Read, school: School, feeds: FeedSettings) -> None:
    _leases(read_neighbours(files, into.log), into)


SIGHTINGS = "sightings"
FEEDS = (
    Feed("kea_leases", "Kea DHCP", "*leases4.csv*", _kea),
    Feed("kea_leases6", "Kea DHCPv6", "*leases6.csv*", _kea6),
    Feed("isc_leases", "ISC DHCP", "*.leases", _isc),
    Feed("dnsmasq_leases", "dnsmasq", "*.leases", _dnsmasq),
    Feed("windows_dhcp_logs", "Windows DHCP log", "DhcpSrvLog-*.log", _windows_log),
    Feed("windows_leases", "Windows DHCP leases", "*.csv", _windows_table),
    Feed("radius_detail", "FreeRADIUS", "*detail*", _radius),
    Feed("logons", "Windows log-ons", "*.csv", _logons),
    Feed("neighbours", "ARP and NDP tables", "*", _neighbours),
    Feed(SIGHTINGS, "Seen by the sensor", "*", _neighbours),
)


def feed_files(feeds: FeedSettings, folder: Path) -> list[Path]:
    """Every file of every feed that is there."""
    return [path for feed in FEEDS for path in feed.files(feeds, folder)]


def read_feeds(
    school: School,
    feeds: FeedSettings,
    folder: Path,
    memory: Memory | None = None,
    seen: Sequence[FeedFile] = (),
) -> Facts:
    """Reads the feeds that the settings name, relative to `folder`. Raises FeedError for a file of another format.

    seen: files of what the sensor itself saw, besides those of the settings; one that changes has another name or time.
    """
    memory = memory or Memory()
    found = []
    for feed in FEEDS:
        setting: Path | None = getattr(feeds, feed.key)
        more = seen if feed.key == SIGHTINGS else ()
        if setting is None and not more:
            continue
        paths = feed.files(feeds, folder)
        state = _state(paths, school, feeds), tuple((file.name, file.written) for file in more)
        read = memory.read(feed.key, state, partial(_read, feed, paths, more, school, feeds))
        missing = setting is not None and not (folder / setting).exists()
        names = (*(path.name for path in paths), *(file.name for file in more))
        found.append(FeedRead(feed, str(setting or "the mirror"), names, missing, read))
    return facts_of(found)


def parse_feeds(school: School, feeds: FeedSettings, files: Mapping[str, Sequence[FeedFile]]) -> Facts:
    """`read_feeds` without the disk: files by feed (the key of its setting)."""
    found = []
    for feed in FEEDS:
        if feed.key in files:
            read = Read()
            feed.read(files[feed.key], read, school, feeds)
            found.append(FeedRead(feed, feed.key, tuple(file.name for file in files[feed.key]), False, read))
    return facts_of(found)


def _read(feed: Feed, paths: Sequence[Path], more: Sequence[FeedFile], school: School, feeds: FeedSettings) -> Read:
    read = Read()
    feed.read(chain(map(FeedFile.at, paths), more), read, school, feeds)
    return read


def _state(paths: Iterable[Path], school: School, feeds: FeedSettings) -> object:
    """Changes when reading again may give something else."""
    stats = ((str(path), path.stat()) for path in paths if path.exists())
    return tuple((path, s.st_ino, s.st_size, s.st_mtime_ns) for path, s in stats), school.version, feeds


def facts_of(found: Sequence[FeedRead]) -> Facts:
    """The facts of feeds that were read."""
    held = [holding for feed in found for holding in feed.read.holdings]
    no_devices = routers(held)
    holdings = tuple(holding for holding in held if holding.mac not in no_devices)
    sessions: dict[int, list[Session]] = {}
    for feed in found:
        for mac, own in feed.read.sessions.items():
            sessions.setdefault(mac, []).extend(own)
    seated = sittings(event for feed in found for event in feed.read.events)
    behind = len({holding.address for holding in held if holding.mac in no_devices})
    return Facts(holdings, sessions, seated, no_devices, behind, tuple(found))
