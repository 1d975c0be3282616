"""The five boards: Today, Week, Services, Wikipedia edits, Sensor health.

Which question stands where; how a panel is built is for `panels`. Minutes are shown, never numbers of people, and
thresholds stand on health only. The minutes are exact, so these boards are for the network manager: Grafana has log-ins
of its own, and a hidden number of a report could be read here (dashboards.needs).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dashboards import health
from dashboards.grafana.fields import (
    CLOCK,
    COUNT,
    DATE,
    KIND,
    KINDS,
    MINUTES,
    OUTCOMES,
    REASON,
    SECONDS,
    SHARE,
    Field,
    Json,
)
from dashboards.grafana.panels import (
    Box,
    bars,
    bars_over_time,
    board,
    lines_over_time,
    linked,
    numbers,
    over,
    table,
)

FOLDER = Path(__file__).parent
EXACT = "Exact minutes, for the network manager alone: reports and exports hide small numbers."

TODAY, WEEK, SERVICES = "schoolgate-today", "schoolgate-week", "schoolgate-services"
EDITS, HEALTH = "schoolgate-edits", "schoolgate-health"

TOTAL = Field("total", "All minutes", MINUTES)
SHARES = (
    Field("named_share", "Named", SHARE, "#1f5f99", health.NAMED_AT_LEAST),
    Field("person_share", "Person known", SHARE, "#ddcc77", health.PERSON_AT_LEAST),
    Field("timetabled_share", "Timetabled", SHARE, "#4c9f86", health.TIMETABLED_AT_LEAST),
)
LINES = tuple(Field(f.name, f.label, f.unit, f.colour) for f in SHARES)
PACKETS = (Field("packets", "Packets seen", COUNT, "#4c9f86"), Field("lost", "Packets lost", COUNT, "#d9772b"))
DAY = Field("day", "Day", DATE)
SERVICE = Field("service", "Service")
PERIOD = Field("period", "Period", texts={"": "outside the bells"})
WEEKDAYS = tuple(
    Field(day.lower(), day, MINUTES, heat=True) for day in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
)
CERTAINTIES = (
    Field("possible", "Possible", COUNT, "#a9bbd2"),
    Field("likely", "Likely", COUNT, "#1f5f99"),
    Field("confirmed", "Confirmed", COUNT, "#332288"),
)
ALERTS, IN_ALERTS = Field("alerts", "Alerts", COUNT), Field("edits", "Edits in them", COUNT)
NETWORK = Field("segment", "Network")
WIKI, CERTAINTY = Field("wiki", "Wiki"), Field("certainty", "Certainty")
GROUP = Field("people", "Group of staff", texts={"all": "all staff"})


def today() -> Json:
    """The day in minutes: what the Today page shows."""
    return board(
        TODAY,
        "Schoolgate: Today",
        f"Minutes of social-media use by staff on the last day of the chosen time. Minutes, never people. {EXACT}",
        [
            linked(numbers("health_strip", Box(0, 0, 24, 4), [PACKETS[0], *SHARES]), "Sensor health", HEALTH),
            linked(numbers("day_totals", Box(0, 4, 24, 4), [TOTAL, *OUTCOMES]), "The week", WEEK),
            bars_over_time("day_by_five", Box(0, 8, 24, 10), OUTCOMES),
            linked(table("day_by_kind", Box(0, 18, 14, 9), [KIND, TOTAL, *OUTCOMES]), "Services", SERVICES),
            table("day_reasons", Box(14, 18, 10, 9), [TOTAL, REASON]),
            bars("day_by_period", Box(0, 27, 14, 9), PERIOD, OUTCOMES),
            linked(table("day_services", Box(14, 27, 10, 9), [KIND, SERVICE, TOTAL]), "Services", SERVICES),
        ],
        time=("now/d", "now/d"),
        bells="day_bells",
    )


def week() -> Json:
    """The school week: when minutes fall, and how the weeks before were."""
    return board(
        WEEK,
        "Schoolgate: Week",
        f"Minutes of social-media use by staff over the chosen time, by day and bell period, never people. {EXACT}",
        [
            numbers("week_totals", Box(0, 0, 18, 4), [TOTAL, *OUTCOMES]),
            numbers(
                "week_paused",
                Box(18, 0, 6, 4),
                [Field("paused", "Paused", MINUTES), Field("minutes_withdrawn", "Withdrawn", MINUTES)],
            ),
            bars_over_time("use_over_time", Box(0, 4, 24, 9), OUTCOMES),
            bars("week_by_day", Box(0, 13, 12, 9), DAY, OUTCOMES),
            table("week_pattern", Box(12, 13, 12, 9), [PERIOD, *WEEKDAYS, TOTAL]),
            linked(table("week_by_kind", Box(0, 22, 14, 9), [KIND, TOTAL, *OUTCOMES]), "Services", SERVICES),
            bars("week_by_group", Box(14, 22, 10, 9), GROUP, OUTCOMES),
            over(bars("weeks", Box(0, 31, 14, 9), Field("week", "Week from", DATE), OUTCOMES), "8w"),
            table("week_reasons", Box(14, 31, 10, 9), [DAY, TOTAL, REASON]),
            linked(
                table(
                    "week_observed",
                    Box(0, 40, 24, 7),
                    [
                        DAY,
                        Field("week", "Letter"),
                        Field("first", "First bell", CLOCK),
                        Field("last", "Last bell", CLOCK),
                        Field("fives", "Five minutes observed", COUNT),
                    ],
                ),
                "Sensor health",
                HEALTH,
            ),
        ],
        time=("now/w", "now/w"),
        bells="bell_periods",
    )


def services() -> Json:
    """What is used: kinds of policy clause 2.3 and single services."""
    return board(
        SERVICES,
        "Schoolgate: Services",
        f"Minutes of use by kind of service (policy clause 2.3) and by service over the chosen time. {EXACT}",
        [
            bars("week_by_kind", Box(0, 0, 12, 9), KIND, OUTCOMES),
            bars("kinds_by_day", Box(12, 0, 12, 9), DAY, KINDS),
            bars_over_time("use_over_time", Box(0, 9, 24, 9), OUTCOMES),
            table("week_services", Box(0, 18, 14, 12), [KIND, SERVICE, TOTAL, *OUTCOMES]),
            table("week_pattern", Box(14, 18, 10, 12), [PERIOD, *WEEKDAYS, TOTAL]),
            over(
                table(
                    "services_by_week",
                    Box(0, 30, 24, 10),
                    [Field("week", "Week from", DATE), KIND, SERVICE, TOTAL, *OUTCOMES[3:]],
                ),
                "8w",
            ),
        ],
        time=("now-27d/d", "now/d"),
        bells="",
    )


def edits() -> Json:
    """Possible edits of open encyclopaedias (clause 6.11), as alerts told of them."""
    return board(
        EDITS,
        "Schoolgate: Wikipedia edits",
        "Alerts of possible edits of wikis (policy clause 6.11). Each may be wrong; reading is never recorded.",
        [
            numbers(
                "edits_totals", Box(0, 0, 24, 4), [ALERTS, *CERTAINTIES, Field("waiting", "Not noticed yet", COUNT)]
            ),
            bars("edits_by_day", Box(0, 4, 14, 9), DAY, CERTAINTIES),
            table("edits_by_period", Box(14, 4, 10, 9), [Field("period_kind", "Period"), NETWORK, ALERTS, IN_ALERTS]),
            table("week_edits", Box(0, 13, 14, 9), [WIKI, CERTAINTY, NETWORK, ALERTS, IN_ALERTS]),
            linked(
                numbers("health_strip", Box(14, 13, 10, 9), [PACKETS[0], SHARES[0]]),
                "Sensor health",
                HEALTH,
            ),
            table(
                "edit_alerts",
                Box(0, 22, 24, 10),
                [
                    Field("at", "Time", CLOCK),
                    WIKI,
                    CERTAINTY,
                    NETWORK,
                    PERIOD,
                    IN_ALERTS,
                    Field("notice", "Notice"),
                ],
            ),
        ],
        time=("now-27d/d", "now/d"),
        bells="",
    )


def sensor_health() -> Json:
    """How far the figures can be trusted, and where data is lost."""
    return board(
        HEALTH,
        "Schoolgate: Sensor health",
        f"From packet to page: what was seen, named, tied to a person, timetabled and stored. {EXACT}",
        [
            numbers("health_strip", Box(0, 0, 16, 4), [*PACKETS, *SHARES]),
            numbers(
                "day_stored",
                Box(16, 0, 8, 4),
                [
                    Field("windows", "Windows of five minutes", COUNT),
                    Field("last", "Newest window", "dateTimeFromNow"),
                ],
            ),
            bars_over_time("coverage_by_five", Box(0, 4, 12, 9), PACKETS),
            lines_over_time("coverage_by_five", Box(12, 4, 12, 9), LINES),
            table("coverage_week", Box(0, 13, 24, 8), [DAY, *PACKETS, Field("flows", "Flows", COUNT), *LINES]),
            table("week_reasons", Box(0, 21, 14, 9), [DAY, TOTAL, REASON]),
            table(
                "segments_by_day",
                Box(14, 21, 10, 9),
                [
                    DAY,
                    *(Field(s, f"{s.capitalize()} slices", COUNT) for s in ("staff", "pupil", "guest", "unknown")),
                ],
            ),
            bars(
                "hidden_by_day",
                Box(0, 30, 12, 9),
                DAY,
                [
                    Field("ech", "Encrypted hello", COUNT, "#332288"),
                    Field("doh", "DNS over HTTPS", COUNT, "#88ccee"),
                    Field("dot", "DNS over TLS", COUNT, "#44aa99"),
                    Field("doq", "DNS over QUIC", COUNT, "#999933"),
                    Field("vpn", "VPN", COUNT, "#cc6677"),
                ],
            ),
            table(
                "stored_by_day",
                Box(12, 30, 12, 9),
                [
                    DAY,
                    Field("stored_share", "Of the day stored", SHARE),
                    Field("delay", "Delay", SECONDS, most=health.BEHIND_AT_MOST.total_seconds()),
                    Field("longest", "Longest delay", SECONDS),
                ],
            ),
            table(
                "alerts_of_health",
                Box(0, 39, 12, 8),
                [
                    Field("raised", "Raised", CLOCK),
                    Field("kind", "What"),
                    Field("subject", "Check"),
                    Field("recovered", "Over", CLOCK),
                ],
            ),
            table(
                "deliveries_by_day",
                Box(12, 39, 12, 8),
                [
                    DAY,
                    Field("sent", "Sent", COUNT),
                    Field("waiting", "Waiting", COUNT),
                    Field("failed", "Failed", COUNT, most=1),
                    Field("doubtful", "Perhaps twice", COUNT),
                ],
            ),
        ],
        time=("now-6d/d", "now/d"),
        bells="",
    )


BOARDS: Mapping[str, Json] = MappingProxyType(
    {
        "today": today(),
        "week": week(),
        "services": services(),
        "wikipedia-edits": edits(),
        "sensor-health": sensor_health(),
    }
)
"""Every board by the name of its file."""


def rendered(name: str) -> str:
    """A board as it is committed."""
    return json.dumps(BOARDS[name], indent=2, ensure_ascii=False) + "\n"


def write_all(folder: Path) -> list[Path]:
    """Write every board as `NAME.json` into `folder` (made if missing); returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in BOARDS:
        path = folder / f"{name}.json"
        path.write_text(rendered(name), "utf-8")
        paths.append(path)
    return paths
