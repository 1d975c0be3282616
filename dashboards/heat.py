"""A school week as the Week page tells it: a heat map of bell period by weekday, and what is usual.

Each cell is the minutes of use of all staff together in one period of one day, by outcome, with the part of the period
that was observed: a pale cell may be a quiet lesson or a blind sensor, and the page must not mix them up. What is usual
comes from `week`, as in the report. It formats for people but knows no HTML; nothing here counts people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from dashboards.bars import Bar, outcome_bar
from dashboards.day import OUTCOMES, days_with_data
from dashboards.health import FIVE
from dashboards.queries import Row, ask
from dashboards.schools import SchoolInfo
from dashboards.week import ComparedWeek, compared_week, monday_of, week_of
from dashboards.weeks import by_reason

if TYPE_CHECKING:
    from pipeline.store import Store

STEPS = 6
"""Depths of colour, from hardly any to the most of the week."""
THIN = 0.95
"""Below this observed part a cell says how much was seen."""
ALL_USE = "total"
SHOWN = (ALL_USE, *OUTCOMES)
"""What the heat map can show: all use, or the minutes of one outcome."""
LAG = timedelta(minutes=20)
"""How long after its end a period of the running day may still be on its way into the store."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One period of one day. `minutes` by outcome and in total; `observed` is a share, None where the day has no such
    period or its time has not come. `depth`: 0 for nothing, up to STEPS."""

    day: date
    minutes: Row
    observed: float | None
    coming: bool
    depth: int
    bar: Bar

    @property
    def thin(self) -> bool:
        """Was too little of it observed to take its figure for the whole?"""
        return self.observed is not None and self.observed < THIN


@dataclass(frozen=True, slots=True)
class Line:
    """One bell period across the week; `slot` is the school's name for it, '' outside the bells."""

    slot: str
    kind: str
    times: str
    cells: tuple[Cell, ...]

    @property
    def open(self) -> bool:
        """Does clause 6.13 allow use to those not on duty?"""
        return self.kind in ("break", "lunch")


@dataclass(frozen=True, slots=True)
class HeatView:
    """Everything the Week page shows. `show`: what the colour stands for, one of SHOWN; `reasons`: unknown minutes by
    reason, the most frequent first; `unknown_on`: each with the days on which there were some; `day_totals`: None of a
    day of which nothing was seen."""

    week: ComparedWeek
    show: str
    days: tuple[date, ...]
    lines: tuple[Line, ...]
    day_totals: tuple[int | None, ...]
    totals: Row
    reasons: tuple[tuple[str, int], ...]
    previous: str
    following: str
    unknown_on: frozenset[tuple[str, date]]


def heat_view(store: Store, school: SchoolInfo, week: str | None, show: str, now: datetime) -> HeatView:
    """The week (the latest with data if None) as it stands in the store at `now` (aware). Raises WeekError."""
    known = sorted({week_of(day) for day in days_with_data(store, school)})
    week = week or (known[-1] if known else week_of(now.astimezone(school.tz).date()))
    monday = monday_of(week)
    span: dict[str, object] = {"school": school.id, "from_": monday, "to": monday + timedelta(days=6)}
    used = ask(store, "week_by_period", **span)
    bells = ask(store, "week_bells", **span)
    seen = {row["time"] for row in ask(store, "coverage_by_five", **span) if row["packets"] or row["slices"]}
    days = _days(monday, used, bells)
    show = show if show in SHOWN else ALL_USE
    lines = _lines(school, days, used, bells, seen, show, now)
    seen_days = {time.astimezone(school.tz).date() for time in seen}
    unknown = ask(store, "week_reasons", **span)
    return HeatView(
        week=compared_week(store, school, week),
        show=show,
        days=days,
        lines=lines,
        day_totals=tuple(sum(r[show] for r in used if r["day"] == day) if day in seen_days else None for day in days),
        previous=max((w for w in known if w < week), default=""),
        following=min((w for w in known if w > week), default=""),
        totals={name: sum(row[name] for row in used) for name in SHOWN},
        reasons=tuple(by_reason(unknown).items()),
        unknown_on=frozenset((row["reason"], row["day"]) for row in unknown),
    )


def _days(monday: date, used: Sequence[Row], bells: Sequence[Row]) -> tuple[date, ...]:
    """Monday to Friday, and the weekend's days if there was use or a bell."""
    busy = {row["day"] for row in (*used, *bells)}
    week = [monday + timedelta(days=i) for i in range(7)]
    return tuple(day for day in week if day.weekday() < 5 or day in busy)


def _lines(
    school: SchoolInfo,
    days: Sequence[date],
    used: Sequence[Row],
    bells: Sequence[Row],
    seen: set[datetime],
    show: str,
    now: datetime,
) -> tuple[Line, ...]:
    """Periods by their time of day; what lies outside the bells comes last."""
    rung: dict[str, dict[date, Row]] = {}
    for bell in bells:
        rung.setdefault(bell["slot"], {})[bell["day"]] = bell
    minutes: dict[tuple[str, date], Row] = {}
    kinds: dict[str, str] = {}
    for row in used:
        kinds.setdefault(row["period"], row["period_kind"])
        minutes[row["period"], row["day"]] = _sum(minutes.get((row["period"], row["day"])), row)
    most = max((row[show] for row in minutes.values()), default=0)
    widest = max((row[ALL_USE] for row in minutes.values()), default=0)

    def clock(slot: str) -> tuple[bool, str, str]:
        times = [bell["time"].astimezone(school.tz).strftime("%H:%M") for bell in rung.get(slot, {}).values()]
        return (not times, min(times, default=""), slot)

    lines = []
    for slot in sorted({*rung, *kinds}, key=clock):
        on = rung.get(slot, {})
        cells = []
        for day in days:
            found = minutes.get((slot, day))
            observed, coming = _observed(on.get(day), seen, now)
            row = found or {**dict.fromkeys(SHOWN, 0)}
            if found and observed is None and not on.get(day):
                observed = 1.0  # use outside this day's main bells: what is there was seen
            cells.append(Cell(day, row, observed, coming, _depth(row[show], most), outcome_bar(row, widest)))
        kind = next((bell["kind"] for bell in on.values()), kinds.get(slot, ""))
        lines.append(Line(slot, kind, _times(school, on.values()), tuple(cells)))
    return tuple(lines)


def _sum(row: Row | None, more: Row) -> Row:
    return {name: more[name] + (row[name] if row else 0) for name in SHOWN}


def _observed(bell: Row | None, seen: set[datetime], now: datetime) -> tuple[float | None, bool]:
    """The observed part of a period, and whether it (or its way into the store) is still to come."""
    if bell is None:
        return None, False
    if bell["timeEnd"] + LAG > now:
        return None, True
    t = bell["time"] - timedelta(seconds=bell["time"].timestamp() % FIVE.total_seconds())
    fives = []
    while t < bell["timeEnd"]:
        fives.append(t in seen)
        t += FIVE
    return sum(fives) / len(fives) if fives else None, False


def _times(school: SchoolInfo, bells: Iterable[Row]) -> str:
    """'08:50 to 09:50' where it is so on every day, else ''."""
    found = {
        tuple(bell[name].astimezone(school.tz).strftime("%H:%M") for name in ("time", "timeEnd")) for bell in bells
    }
    return " to ".join(found.pop()) if len(found) == 1 else ""


def _depth(value: int, most: int) -> int:
    return 0 if value <= 0 or most <= 0 else max(1, -(-value * STEPS // most))
