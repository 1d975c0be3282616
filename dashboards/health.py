"""From packet to page: the steps on which data can be lost in a day, how much is left after each, and what to do.

Each step is one number with a plain sentence and, when it is poor, a mend; `way` adds what exactly was lost at it.
Thresholds exist for health only, never for staff. Minutes of use are told to who may see them (`exact`: see
dashboards.needs); others get shares of them, to the nearest five per cent and of twenty minutes at least, as of a few
minutes a share would tell the number. It does not know how a page or a board draws a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

from dashboards import words
from dashboards.language import Language, say
from dashboards.queries import Row

ENOUGH = 20
"""Minutes of which a share may be told to who may not see minutes."""
LOST_AT_MOST = 0.01
"""Share of packets that may be lost before the step warns."""
NAMED_AT_LEAST = 0.85
"""Share of flows that should carry a name."""
PERSON_AT_LEAST = 0.80
"""Share of minutes of use that should be tied to a person."""
TIMETABLED_AT_LEAST = 0.95
"""Share of those minutes that should find a timetable."""
JUDGED_AT_LEAST = 0.60
"""Share of minutes of use that should come to an outcome other than unknown."""
STORED_AT_LEAST = 0.98
"""Share of the five-minute windows from the first to the last of the day that should be stored."""
BEHIND_AT_MOST = timedelta(minutes=25)
"""Age of the newest stored window on the running day: closed ten minutes after its end, with room to spare."""
FIVE = timedelta(minutes=5)

LOSSES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "seen": {
            "ring_drops": "packets dropped by this machine",
            "nic_drops": "packets dropped by the network card",
            "gap_bytes": "bytes that the switch’s mirror port did not pass on",
        },
        "named": {
            "flows_ech": "connections with an encrypted name (ECH)",
            "flows_doh": "connections to a resolver over HTTPS",
            "flows_dot": "connections to a resolver over TLS",
            "flows_doq": "connections to a resolver over QUIC",
            "flows_vpn": "connections to a VPN",
            "flows_unnamed": "connections without a name for other reasons",
        },
        "judged": {
            "minutes_embedded": "minutes left out (other pages’ buttons and videos)",
            "minutes_background": "minutes left out (tabs in the background)",
            "minutes_inactive": "minutes left out (too little to be use)",
            "minutes_ignored": "minutes left out (services that are never counted)",
            "minutes_before_notice": "minutes left out (before the notice date)",
        },
        "stored": {"minutes_paused": "minutes paused"},
    }
)
"""What is counted as lost or left out at each step: metric -> what it is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the strip. `mend` is empty when there is nothing to do."""

    id: str
    label: str
    value: str
    note: str
    ok: bool
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A step and all that was lost at it: (what, how much) in words."""

    step: Step
    losses: tuple[tuple[str, str], ...]


def steps(
    strip: Row, stored: Row, tz: ZoneInfo, now: datetime | None, lang: Language = "en", *, exact: bool = True
) -> tuple[Step, ...]:
    """The five steps of a day from the answers of `health_strip` and `day_stored`; `now` only on the running day."""
    return (
        _packets(lang, strip["packets"], strip["lost"]),
        _named(lang, strip["named_share"], strip["flows"], strip["flows_hidden"]),
        _person(lang, strip["minutes_use"], strip["minutes_person"], exact),
        _timetabled(lang, strip["minutes_person"], strip["minutes_timetabled"], exact),
        _stored(lang, stored, tz, now),
    )


def way(
    strip: Row,
    totals: Row,
    stored: Row,
    counted: Mapping[str, int],
    tz: ZoneInfo,
    now: datetime | None,
    lang: Language,
    *,
    exact: bool = True,
) -> tuple[Stage, ...]:
    """All six steps, with what was lost at each; `totals`, `counted`: the answers of `day_totals` and `way_of_day`."""
    *first, last = steps(strip, stored, tz, now, lang, exact=exact)
    found = []
    for step in (*first, _judged(lang, totals["total"], totals["unknown"], exact), last):
        losses = LOSSES.get(step.id, {}) if exact or step.id != "judged" else {}
        lost = {what: counted.get(metric, 0) for metric, what in losses.items()}
        found.append(Stage(step, tuple((say(lang, what), words.big(n)) for what, n in lost.items() if n)))
    return tuple(found)


def _packets(lang: Language, packets: int, lost: int) -> Step:
    label = say(lang, "Packets seen")
    if not packets:
        mend = say(lang, "Check the mirror port and its cable.")
        return Step("seen", label, "0", say(lang, "nothing arrived"), False, mend)
    rate = lost / (packets + lost) if lost else 0.0
    note = say(lang, "none lost")
    if lost:
        note = say(lang, "{lost} lost ({share})", lost=words.big(lost), share=words.share(rate))
    poor = rate > LOST_AT_MOST
    mend = say(lang, "The sensor could not keep up: raise sensor.ring_mib or give it a core more.") if poor else ""
    return Step("seen", label, words.big(packets), note, not poor, mend)


def _named(lang: Language, named: float | None, flows: int, hidden: int) -> Step:
    note = say(lang, "no flows")
    if flows:
        share = words.share(hidden / flows)
        note = say(lang, "of {flows} flows; {share} hidden (ECH, DoH, VPN)", flows=words.big(flows), share=share)
    poor = named is not None and named < NAMED_AT_LEAST
    advice = say(lang, "Ask for encrypted names (ECH, DNS over HTTPS) and VPNs to be off on staff devices.")
    return Step("named", say(lang, "Named"), words.share(named), note, not poor, advice if poor else "")


def _person(lang: Language, use: int, known: int, exact: bool) -> Step:
    note = say(lang, "no use to place")
    if use:
        note = say(lang, "{minutes} without a person", minutes=words.minutes(use - known, lang)) if exact else ""
    advice = say(lang, "Connect log-on events or DHCP leases, or list the devices in devices.csv.")
    return _of_minutes(lang, "person", say(lang, "Person known"), known, use, PERSON_AT_LEAST, note, advice, exact)


def _timetabled(lang: Language, known: int, placed: int, exact: bool) -> Step:
    note = say(lang, "nobody to place")
    if known:
        note = say(lang, "{minutes} without a timetable", minutes=words.minutes(known - placed, lang)) if exact else ""
    advice = say(lang, "Import what is missing: bells, working patterns, the duty rota or the cover sheet.")
    return _of_minutes(
        lang, "timetabled", say(lang, "Timetabled"), placed, known, TIMETABLED_AT_LEAST, note, advice, exact
    )


def _judged(lang: Language, use: int, unknown: int, exact: bool) -> Step:
    note = say(lang, "no use to judge")
    if use:
        note = say(lang, "{minutes} unknown", minutes=words.minutes(unknown, lang)) if exact else ""
    advice = say(lang, "The reasons below say what is missing, the most frequent first.")
    return _of_minutes(lang, "judged", say(lang, "Judged"), use - unknown, use, JUDGED_AT_LEAST, note, advice, exact)


def _of_minutes(
    lang: Language, id_: str, label: str, good: int, whole: int, wanted: float, note: str, advice: str, exact: bool
) -> Step:
    """A step that is a share of minutes; `wanted`: below it something should be done."""
    share = good / whole if whole >= (1 if exact else ENOUGH) else None
    told = words.share(share)
    if share is not None and not exact:
        share = round(20 * share) / 20
        told = say(lang, "about {share}", share=words.share(share))
    poor = share is not None and share < wanted
    return Step(id_, label, told, note, not poor, advice if poor else "")


def _stored(lang: Language, stored: Row, tz: ZoneInfo, now: datetime | None) -> Step:
    label = say(lang, "Stored")
    if not stored["windows"]:
        return Step(
            "stored", label, "0 %", say(lang, "nothing stored"), False, say(lang, "See whether the sensor runs.")
        )
    first, last = stored["first"], stored["last"] + FIVE
    expected = round((last - first) / FIVE)
    whole = stored["windows"] / expected
    start, end = (f"{at.astimezone(tz):%H:%M}" for at in (first, last))
    note, late = say(lang, "{start} to {end}", start=start, end=end), False
    if now is not None:
        behind = max(now - last, timedelta())
        age = say(lang, "up to date")
        if behind:
            age = say(lang, "{minutes} behind", minutes=words.minutes(int(behind.total_seconds() // 60), lang))
        note, late = f"{note}, {age}", behind > BEHIND_AT_MOST
    mend = ""
    if late:
        mend = say(lang, "Nothing newer has arrived: see whether the sensor runs and the spool’s disk has room.")
    elif whole < STORED_AT_LEAST:
        gone = words.minutes(5 * (expected - stored["windows"]), lang)
        mend = say(lang, "{minutes} are missing: see when the sensor was off.", minutes=gone)
    return Step("stored", label, words.share(whole), note, not mend, mend)
