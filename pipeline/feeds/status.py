"""What there is to say of each feed: how much was read, how new it is, its clock, what was refused and dropped.

Shown by `schoolgate feeds`, judged by the health checks here (`schoolgate doctor`). Nobody's name is in any of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.feeds.clocks import Times, offset_by_packets
from pipeline.feeds.reading import FeedRead
from sensor.health import Registry, Severity, Verdict, fine, unknown

STALE_S = 24 * 3600
AHEAD_S, BEHIND_S = 60, 3000
MUCH_AHEAD_S = 300
FEW_ROWS = 0.01
ENOUGH_EVENTS = 200


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """A feed that the settings name. newest: Unix seconds of the newest record. offset_s: seconds by which its clock is
    ahead, measured by `offset_by` (`packets` or `file`). locks: how many screens were locked. accounts_dropped: how
    many accounts are not staff's own; events_dropped: of those, of machines and of outer identities."""

    key: str
    title: str
    path: str
    files: tuple[str, ...]
    missing: bool
    records: int
    newest: float | None
    offset_s: float | None
    offset_by: str
    refused: int
    torn: bool
    locks: int
    accounts_dropped: int
    events_dropped: int
    left_out: dict[str, int]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeedsFacts:
    """What the checks look at. now: Unix seconds. routers: hardware addresses taken for routers; behind_routers: how
    many of all `addresses` are only known by one."""

    feeds: tuple[FeedStatus, ...]
    now: float
    routers: int = 0
    behind_routers: int = 0
    addresses: int = 0


def facts_now(feeds: tuple[FeedStatus, ...], counts: Mapping[str, int], now: float) -> FeedsFacts:
    """Facts for the checks from bindings (their `feeds` and `counts`)."""
    behind = counts["behind_routers"]
    return FeedsFacts(feeds, now, counts["routers"], behind, counts["addresses"] + behind)


def statuses(found: Sequence[FeedRead]) -> tuple[FeedStatus, ...]:
    """The status of each feed that was read."""
    none: Times = {}
    seen = next((one.read.starts for one in found if one.feed.key == "sightings"), none)
    return tuple(_status(one, none if one.feed.key == "sightings" else seen) for one in found)


def _status(one: FeedRead, seen: Times) -> FeedStatus:
    log, accounts = one.read.log, one.read.accounts
    by_packets = offset_by_packets(one.read.starts, seen) if seen else None
    dropped = accounts.counts if accounts else {}
    return FeedStatus(
        key=one.feed.key,
        title=one.feed.title,
        path=one.path,
        files=one.files,
        missing=one.missing,
        records=log.records,
        newest=log.newest,
        offset_s=log.offset if by_packets is None else by_packets,
        offset_by="packets" if by_packets is not None else "file" if log.offset is not None else "",
        refused=log.refused,
        torn=log.torn,
        locks=log.locks,
        accounts_dropped=accounts.others if accounts else 0,
        events_dropped=sum(dropped.values()),
        left_out={**log.counts, **{f"of_{name}": n for name, n in dropped.items()}},
        problems=tuple(log.problems),
    )


FEEDS_HEALTH: Registry[FeedsFacts] = Registry()


@FEEDS_HEALTH.check("feeds_there", "Identity feeds")
def _there(f: FeedsFacts) -> Verdict:
    if not f.feeds:
        mend = "Name at least leases and log-ons in [feeds]; until then nobody is known and all use is unknown."
        return Verdict(Severity.WARN, "The settings name no feed.", "0", mend)
    missing = [feed for feed in f.feeds if feed.missing]
    value = f"{len(f.feeds) - len(missing)} of {len(f.feeds)}"
    if missing:
        sentence = f"Not there: {', '.join(feed.path for feed in missing)}."
        return Verdict(Severity.FAIL, sentence, value, "Correct [feeds], or see why nothing writes them.")
    return fine(f"{len(f.feeds)} feeds are there.", value)


@FEEDS_HEALTH.check("feeds_fresh", "Age of the feeds")
def _fresh(f: FeedsFacts) -> Verdict:
    ages = {feed.title: f.now - feed.newest for feed in f.feeds if feed.newest is not None}
    if not ages:
        return unknown("No feed has a record yet.")
    oldest = max(ages, key=ages.__getitem__)
    value = f"{ages[oldest] / 3600:.1f} h"
    old = [title for title, age in ages.items() if age > STALE_S]
    if old:
        mend = "See why nothing is written any more. Weekends and holidays are no reason to worry."
        return Verdict(Severity.WARN, f"No new record for over a day: {', '.join(old)}.", value, mend)
    return fine(f"The oldest is {oldest}, {value}.", value)


@FEEDS_HEALTH.check("feeds_clock", "Clocks of the feeds")
def _clocks(f: FeedsFacts) -> Verdict:
    offsets = [(feed, feed.offset_s) for feed in f.feeds if feed.offset_s is not None]
    if not offsets:
        return unknown("No feed tells the time at which it was written.")
    worst, offset = max(offsets, key=lambda pair: pair[1] if pair[1] > AHEAD_S else abs(pair[1]) / 1000)
    value = f"{offset:+.0f} s"
    if offset > AHEAD_S:
        severity = Severity.FAIL if offset > MUCH_AHEAD_S else Severity.WARN
        return Verdict(severity, f"{worst.title} is {clock_words(offset)}.", value, _clock_mend(worst.key, offset))
    if offset < -BEHIND_S or (worst.offset_by == "packets" and offset < -AHEAD_S):
        sentence = f"{worst.title} is {clock_words(offset)}, or is written with delay."
        return Verdict(Severity.WARN, sentence, value, _clock_mend(worst.key, offset))
    return fine(f"The one farthest off is {worst.title}, {clock_words(offset)}.", value)


def clock_words(offset: float) -> str:
    """An offset for people."""
    size = f"{abs(offset):.0f} s" if abs(offset) < 600 else f"{abs(offset) / 60:.0f} min"
    return f"{size} {'ahead' if offset > 0 else 'behind'}"


def _clock_mend(key: str, offset: float) -> str:
    zones = {"logons": "logons_zone", "radius_detail": "radius_zone"}
    zones |= dict.fromkeys(("windows_dhcp_logs", "windows_leases"), "windows_dhcp_zone")
    if key in zones and abs(offset) > 1800 and abs(offset - round(offset / 3600) * 3600) < 600:
        return f"It is about a whole hour: correct feeds.{zones[key]}."
    return "Let that server follow the same time server as this machine."


@FEEDS_HEALTH.check("feeds_rows", "Rows of the feeds")
def _rows(f: FeedsFacts) -> Verdict:
    refused, records = sum(feed.refused for feed in f.feeds), sum(feed.records for feed in f.feeds)
    value = f"{refused} of {refused + records}"
    if not refused:
        return fine(f"All {records} rows could be read.", value)
    first = next(problem for feed in f.feeds for problem in feed.problems)
    severity = Severity.FAIL if refused > 0.5 * (refused + records) else Severity.WARN
    if refused <= FEW_ROWS * records:
        severity = Severity.OK
    return Verdict(severity, f"{value} rows cannot be read; the first: {first}.", value, "See `schoolgate feeds`.")


@FEEDS_HEALTH.check("feeds_locks", "Locked screens")
def _locks(f: FeedsFacts) -> Verdict:
    logons = next((feed for feed in f.feeds if feed.key == "logons"), None)
    if logons is None or logons.records < ENOUGH_EVENTS:
        return unknown("Too few log-on events to tell whether locked screens are recorded.")
    if logons.locks:
        return fine(f"Locked screens are recorded ({logons.locks}).", str(logons.locks))
    mend = "Audit `Other Logon/Logoff Events` on the computers, and forward events 4800 and 4801."
    what = "No locked screen is recorded: whoever left one unattended is taken to sit there."
    return Verdict(Severity.WARN, what, "0", mend)


@FEEDS_HEALTH.check("feeds_routed", "Hardware addresses of the feeds")
def _routed(f: FeedsFacts) -> Verdict:
    if not f.addresses:
        return unknown("No feed names an address yet.")
    value = f"{f.behind_routers} of {f.addresses}"
    if not f.routers:
        return fine("Each device has its own hardware address.", value)
    mend = "Take ARP and NDP tables on the router that the devices are connected to, and the mirror before it."
    severity = Severity.WARN if f.behind_routers > 0.5 * f.addresses else Severity.OK
    what = f"{value} addresses share {f.routers} hardware addresses: a router stands before them, so they bind nobody."
    return Verdict(severity, what, value, mend)
