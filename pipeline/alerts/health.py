"""What may go wrong with the monitor and should reach somebody: which health checks raise alerts, and some checks more.

The checks of the sensor, the feeds, the register of sites and privacy have registries of their own; `WATCHED` says
which of their findings become alerts. Here are those that need what none of them has: the store's past, and the outbox.
Loss is one number here, the worst of what the card, the ring and the switch lost. Blindness jumps when the last hour
hides clearly more names than the two weeks before. Nothing is measured here but what `facts_of` asks of the store and
the outbox.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from pipeline.alerts.alert import Kind
from pipeline.alerts.database import Delivery
from pipeline.alerts.words import PROBLEMS
from pipeline.schema import DATABASE
from pipeline.store import Store
from sensor.checks import ENOUGH_BYTES, ENOUGH_FLOWS, HIDING
from sensor.health import Registry, Severity, Verdict, fine, percent, unknown

WATCHED: Mapping[str, Kind] = MappingProxyType(
    {
        "interface": Kind.MIRROR_SILENT,
        "sensor": Kind.MIRROR_SILENT,
        "spool": Kind.STORE,
        "store_disk": Kind.STORE,
        "backups": Kind.STORE,
        "loss": Kind.LOSS,
        "blind_jump": Kind.BLIND_JUMP,
        "feeds_there": Kind.FEED_STALE,
        "feeds_fresh": Kind.FEED_STALE,
        "sites_closing": Kind.SITE_CLOSING,
        "retention": Kind.RETENTION_FAILED,
        "audit": Kind.PRIVACY,
        "pseudonym_keys": Kind.PRIVACY,
        "catalogue_age": Kind.CATALOGUE_OLD,
        "alert_channels": Kind.CHANNEL_DEAD,
    }
)
"""Health check -> the kind of alert that it raises."""

LOST_AT_MOST = 0.01
CATALOGUE_DAYS = 180
JUMP, JUMP_TIMES = 0.10, 2.0
"""The share of hidden names must rise by so much, and to so many times what it was."""
TRIED, DEAD_S = 3, 900.0
"""A channel is dead after so many attempts in a row, or when nobody has tried a message that was due so long ago."""
SHOWN_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Blind:
    """Flows, and how many of them hide their names: in the last hour, and in the two weeks before."""

    flows: int = 0
    hidden: int = 0
    flows_before: int = 0
    hidden_before: int = 0


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """What the checks look at. now: Unix seconds. channels: names of those that are set; trouble: why they cannot be
    read. deliveries: those that are not sent, and the last one of each channel that is."""

    now: float
    today: date
    catalogue: str = ""
    counters: Mapping[str, int] = field(default_factory=dict)
    blind: Blind = Blind()
    channels: Collection[str] = ()
    trouble: str = ""
    deliveries: Sequence[Delivery] = ()


ALERTING: Registry[AlertFacts] = Registry()


@ALERTING.check("loss", "Lost packets")
def _loss(f: AlertFacts) -> Verdict:
    count = f.counters.get
    packets, drops = count("packets", 0), count("ring_drops", 0) + count("nic_drops", 0)
    lost, checked = count("gap_bytes", 0), count("gap_checked_bytes", 0)
    if not packets + drops:
        return unknown("No packets have been counted in the last minutes.")
    shares = {"by this machine": drops / (packets + drops)}
    if checked >= ENOUGH_BYTES:
        shares["before us, by the switch's mirror port"] = lost / checked
    where = max(shares, key=shares.__getitem__)
    value = percent(shares[where])
    if shares[where] <= LOST_AT_MOST:
        return fine(f"{value} of the traffic was lost.", value)
    mend = "`schoolgate doctor` says which: ring, card or switch, and what to do."
    return Verdict(Severity.FAIL, f"{value} of the traffic was lost in the last minutes, {where}.", value, mend)


@ALERTING.check("blind_jump", "Rise of hidden names")
def _blind_jump(f: AlertFacts) -> Verdict:
    blind = f.blind
    if blind.flows < ENOUGH_FLOWS or blind.flows_before < 10 * ENOUGH_FLOWS:
        return unknown("Too few flows to compare the last hour with the two weeks before.")
    now, before = blind.hidden / blind.flows, blind.hidden_before / blind.flows_before
    value = percent(now)
    if now < before + JUMP or now < before * JUMP_TIMES:
        return fine(f"{value} of flows hide their names; {percent(before)} did in the two weeks before.", value)
    mend = "See what has changed: a browser's new default (ECH, DNS over HTTPS), a VPN, another resolver."
    sentence = f"{value} of flows of the last hour hide their names; {percent(before)} did in the two weeks before."
    return Verdict(Severity.WARN, sentence, value, mend)


@ALERTING.check("catalogue_age", "Age of the catalogue")
def _catalogue_age(f: AlertFacts) -> Verdict:
    found = re.match(r"\d{4}-\d\d-\d\d", f.catalogue)
    if not found:
        return unknown("It is not known when the catalogue was last checked.")
    days = (f.today - date.fromisoformat(found[0])).days
    if days <= CATALOGUE_DAYS:
        return fine(f"The services and their names were last checked on {found[0]}.", f"{days} days")
    sentence = f"The services and their names were last checked on {found[0]}; newer ones have no name here."
    return Verdict(Severity.WARN, sentence, f"{days} days", "Upgrade Schoolgate, or add what is missing yourself.")


@ALERTING.check("alerts_set", "Channels of alerts")
def _set(f: AlertFacts) -> Verdict:
    if f.trouble:
        return Verdict(Severity.FAIL, f.trouble, "", "Then try them: schoolgate alerts test")
    if not f.channels:
        mend = "Name one in [alerts] channels, then try it: schoolgate alerts test"
        return Verdict(Severity.WARN, "No channel is set: alerts are kept and sent to nobody.", "0", mend)
    return fine(f"Alerts go to: {', '.join(f.channels)}.", str(len(f.channels)))


@ALERTING.check("alert_channels", "Delivery of alerts")
def _channels(f: AlertFacts) -> Verdict:
    dead = {}
    for one in sorted(f.deliveries, key=lambda one: one.changed):
        if one.state == "pending" and (one.attempt >= TRIED or f.now - one.due > DEAD_S):
            dead[one.channel] = PROBLEMS.get(one.problem, "it has not been tried")
        elif one.state == "failed" and f.now - one.changed < SHOWN_S:
            dead[one.channel] = f"{PROBLEMS.get(one.problem, 'no reason is known')}; a message was given up"
        elif one.state == "sent":
            dead.pop(one.channel, None)
    waiting = sum(one.state in ("pending", "sending") for one in f.deliveries)
    if not dead:
        return fine(f"{waiting} messages wait." if waiting else "Nothing waits.", str(waiting))
    told = "; ".join(f"{channel}: {why}" for channel, why in sorted(dead.items()))
    mend = "Correct the channel, then try it: schoolgate alerts test; `schoolgate alerts list` shows what waits."
    return Verdict(Severity.FAIL, f"Alerts do not arrive. {told}.", str(waiting), mend)


def blind_of(store: Store, school: str, now: float) -> Blind:
    """How much of the last stored hour, and of the two weeks before it, hid its name. Raises StoreError."""
    hidden = ", ".join(f"'{name}'" for name in HIDING)
    shares = ", ".join(
        f"sumIf(value, metric {which} AND start {when} {{since:DateTime('UTC')}})"
        for when in (">=", "<")
        for which in ("= 'flows'", f"IN ({hidden})")
    )
    until = datetime.fromtimestamp(int(now), UTC)
    hour = until - timedelta(minutes=70)  # windows are stored some minutes late
    rows = store.query(
        f"SELECT {shares} FROM {DATABASE}.coverage WHERE school = {{school:String}} "
        "AND start >= {first:DateTime('UTC')} AND start < {now:DateTime('UTC')}",
        {"school": school, "since": hour, "first": until - timedelta(days=14), "now": until},
    ).rows
    return Blind(*(int(str(value)) for value in rows[0]))
