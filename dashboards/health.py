"""From packet to page: the steps on which data can be lost in a day, how much is left after each, and what to do.

Each step is one number with a plain sentence and, when it is poor, a mend. Thresholds exist for health only, never for
staff. It does not know how a page or a board draws a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dashboards import words
from dashboards.queries import Row

LOST_AT_MOST = 0.01
"""Share of packets that may be lost before the step warns."""
NAMED_AT_LEAST = 0.85
"""Share of flows that should carry a name."""
PERSON_AT_LEAST = 0.80
"""Share of minutes of use that should be tied to a person."""
TIMETABLED_AT_LEAST = 0.95
"""Share of those minutes that should find a timetable."""
STORED_AT_LEAST = 0.98
"""Share of the five-minute windows from the first to the last of the day that should be stored."""
BEHIND_AT_MOST = timedelta(minutes=25)
"""Age of the newest stored window on the running day: closed ten minutes after its end, with room to spare."""
FIVE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the strip. `mend` is empty when there is nothing to do."""

    id: str
    label: str
    value: str
    note: str
    ok: bool
    mend: str = ""


def steps(strip: Row, stored: Row, tz: ZoneInfo, now: datetime | None) -> tuple[Step, ...]:
    """The five steps of a day from the answers of `health_strip` and `day_stored`; `now` only on the running day."""
    return (
        _packets(strip["packets"], strip["lost"]),
        _named(strip["named_share"], strip["flows"], strip["flows_hidden"]),
        _person(strip["person_share"], strip["minutes_use"] - strip["minutes_person"]),
        _timetabled(strip["timetabled_share"], strip["minutes_person"] - strip["minutes_timetabled"]),
        _stored(stored, tz, now),
    )


def _packets(packets: int, lost: int) -> Step:
    rate = lost / (packets + lost) if lost else 0.0
    note = "none lost" if not lost else f"{words.big(lost)} lost ({words.share(rate)})"
    if not packets:
        return Step("seen", "Packets seen", "0", "nothing arrived", False, "Check the mirror port and its cable.")
    mend = "" if rate <= LOST_AT_MOST else "The sensor could not keep up: raise sensor.ring_mib or give it a core more."
    return Step("seen", "Packets seen", words.big(packets), note, not mend, mend)


def _named(named: float | None, flows: int, hidden: int) -> Step:
    note = (
        "no flows"
        if not flows
        else f"of {words.big(flows)} flows; {words.share(hidden / flows)} hidden (ECH, DoH, VPN)"
    )
    poor = named is not None and named < NAMED_AT_LEAST
    mend = "Ask for encrypted names (ECH, DNS over HTTPS) and VPNs to be off on staff devices." if poor else ""
    return Step("named", "Named", words.share(named), note, not poor, mend)


def _person(known: float | None, without: int) -> Step:
    note = "no use to place" if known is None else f"{words.minutes(without)} without a person"
    poor = known is not None and known < PERSON_AT_LEAST
    mend = "Connect log-on events or DHCP leases, or list the devices in devices.csv." if poor else ""
    return Step("person", "Person known", words.share(known), note, not poor, mend)


def _timetabled(placed: float | None, without: int) -> Step:
    note = "nobody to place" if placed is None else f"{words.minutes(without)} without a timetable"
    poor = placed is not None and placed < TIMETABLED_AT_LEAST
    mend = "Import what is missing: bells, working patterns, the duty rota or the cover sheet." if poor else ""
    return Step("timetabled", "Timetabled", words.share(placed), note, not poor, mend)


def _stored(stored: Row, tz: ZoneInfo, now: datetime | None) -> Step:
    if not stored["windows"]:
        return Step("stored", "Stored", "0 %", "nothing stored", False, "See whether the sensor runs.")
    first, last = stored["first"], stored["last"] + FIVE
    expected = round((last - first) / FIVE)
    whole = stored["windows"] / expected
    span = f"{first.astimezone(tz):%H:%M} to {last.astimezone(tz):%H:%M}"
    if now is None:
        note, late = span, False
    else:
        behind = max(now - last, timedelta())
        age = f"{words.minutes(int(behind.total_seconds() // 60))} behind" if behind else "up to date"
        note, late = f"{span}, {age}", behind > BEHIND_AT_MOST
    if late:
        mend = "Nothing newer has arrived: see whether the sensor runs and the spool's disk has room."
    elif whole < STORED_AT_LEAST:
        mend = f"{words.minutes(5 * (expected - stored['windows']))} are missing: see when the sensor was off."
    else:
        mend = ""
    return Step("stored", "Stored", words.share(whole), note, not mend, mend)
