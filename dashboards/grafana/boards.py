"""The two boards: Today, and Sensor health. Which question stands where; how a panel is built is for `panels`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from dashboards import health
from dashboards.grafana.panels import (
    COUNT,
    KIND,
    MINUTES,
    OUTCOMES,
    REASON,
    SHARE,
    Box,
    Field,
    Json,
    bars,
    bars_over_time,
    board,
    lines_over_time,
    numbers,
    table,
)

FOLDER = Path(__file__).parent

TOTAL = Field("total", "All minutes", MINUTES)
SHARES = (
    Field("named_share", "Named", SHARE, "#1f5f99", health.NAMED_AT_LEAST),
    Field("person_share", "Person known", SHARE, "#7d6bb0", health.PERSON_AT_LEAST),
    Field("timetabled_share", "Timetabled", SHARE, "#4c9f86", health.TIMETABLED_AT_LEAST),
)
LINES = tuple(Field(f.name, f.label, f.unit, f.colour) for f in SHARES)
PACKETS = (Field("packets", "Packets seen", COUNT, "#4c9f86"), Field("lost", "Packets lost", COUNT, "#d9772b"))
DAY = Field("day", "Day", "dateTimeAsIso")


def today() -> Json:
    """The day in minutes: what the Today page shows."""
    return board(
        "schoolgate-today",
        "Schoolgate: Today",
        "Minutes of social-media use by all staff together on the last day of the chosen time. Minutes, never people.",
        [
            numbers(1, "health_strip", Box(0, 0, 24, 4), [PACKETS[0], *SHARES]),
            numbers(2, "day_totals", Box(0, 4, 24, 4), [TOTAL, *OUTCOMES]),
            bars_over_time(3, "day_by_five", Box(0, 8, 24, 10), OUTCOMES),
            table(4, "day_by_kind", Box(0, 18, 14, 9), [KIND, TOTAL, *OUTCOMES]),
            table(5, "day_reasons", Box(14, 18, 10, 9), [TOTAL, REASON]),
            bars(6, "day_by_period", Box(0, 27, 14, 9), Field("period", "Period"), OUTCOMES),
            table(7, "day_services", Box(14, 27, 10, 9), [KIND, Field("service", "Service"), TOTAL]),
        ],
        start="now/d",
        end="now/d",
    )


def sensor_health() -> Json:
    """How far the figures can be trusted, and where data is lost."""
    return board(
        "schoolgate-health",
        "Schoolgate: Sensor health",
        "From packet to page: what was seen, named, tied to a person, timetabled and stored over the chosen time.",
        [
            numbers(1, "health_strip", Box(0, 0, 16, 4), [*PACKETS, *SHARES]),
            numbers(
                2,
                "day_stored",
                Box(16, 0, 8, 4),
                [
                    Field("windows", "Windows of five minutes", COUNT),
                    Field("last", "Newest window", "dateTimeFromNow"),
                ],
            ),
            bars_over_time(3, "coverage_by_five", Box(0, 4, 12, 9), PACKETS),
            lines_over_time(4, "coverage_by_five", Box(12, 4, 12, 9), LINES),
            table(5, "coverage_week", Box(0, 13, 24, 8), [DAY, *PACKETS, Field("flows", "Flows", COUNT), *LINES]),
            table(6, "week_reasons", Box(0, 21, 14, 9), [DAY, TOTAL, REASON]),
            table(
                7,
                "segments_by_day",
                Box(14, 21, 10, 9),
                [
                    DAY,
                    *(Field(s, f"{s.capitalize()} slices", COUNT) for s in ("staff", "pupil", "guest", "unknown")),
                ],
            ),
        ],
        start="now-6d/d",
        end="now/d",
    )


BOARDS: Mapping[str, Json] = MappingProxyType({"today": today(), "sensor-health": sensor_health()})
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
