"""One school week as the report tells it: how much could be seen, what happened, and what is usual.

Figures are rounded to five minutes, groups of staff under ten are never shown, and weeks are compared only with enough
weeks like them (at least four school days, classified alike). Source: the project's reporting rules after UK practice
of statistical disclosure control. It formats numbers for people but knows no HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.health import FIVE, NAMED_AT_LEAST
from dashboards.queries import Row, ask, ask_one
from dashboards.schools import SchoolInfo
from pipeline.words import Outcome, Reason

if TYPE_CHECKING:
    from pipeline.store import Store

OUTCOMES = tuple(o.value for o in words.LOOKS)
ROUNDED_TO = 5
"""Minutes."""
SMALLEST_GROUP = 10
"""People a group of staff must have to be shown."""
WEEKS_BACK = 8
"""Weeks before this one that the range is taken from; the median is taken from the last four like ones."""
LIKE_WEEKS = 4
"""Like weeks needed before anything is compared."""
FULL_WEEK = 4
"""School days a week needs to be like another."""
SAME_COVERAGE = 0.10
"""How far the classified shares of two weeks may lie apart for them to be compared."""


class WeekError(ValueError):
    """A text that names no ISO week."""


class Confidence(StrEnum):
    """How far a week's figures can be trusted."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares of a week, 0 to 1; None where there was nothing to take a share of. `partial`: weekdays are missing."""

    observed: float | None
    readable: float | None
    linked: float | None
    classified: float | None
    duty_missing: bool
    partial: bool

    @property
    def confidence(self) -> Confidence:
        """HIGH from 80 % classified and 95 % observed, MEDIUM from 50 % classified, else LOW.

        Missing duty data and weekdays that the store knows nothing of cap it at MEDIUM.
        """
        classified, observed = self.classified or 0.0, self.observed or 0.0
        if classified >= 0.80 and observed >= 0.95 and not (self.duty_missing or self.partial):
            return Confidence.HIGH
        return Confidence.MEDIUM if classified >= 0.50 else Confidence.LOW

    @property
    def too_little(self) -> bool:
        """Under 40 % classified only ranges are shown."""
        return (self.classified or 0.0) < 0.40


@dataclass(frozen=True, slots=True)
class Usual:
    """What like weeks before had, in minutes per school day."""

    median: float
    low: float
    high: float

    def place(self, value: float) -> str:
        """Where a value lies; 'higher' and 'lower' only outside the range."""
        if value > self.high:
            return "higher than in the weeks compared"
        return "lower than in the weeks compared" if value < self.low else "within the usual range"


@dataclass(frozen=True, slots=True)
class PastWeek:
    """A week on the line of weeks: minutes outside allowed times per school day; `like` if it may be compared."""

    monday: date
    outside: float
    like: bool


@dataclass(frozen=True, slots=True)
class WeekView:
    """Everything the report shows; minutes are exact here and rounded when shown.

    `missing_days` are weekdays of which the store has no bells, `school_days` counts days with bells that were seen.
    """

    school: SchoolInfo
    iso_week: str
    monday: date
    letters: tuple[str, ...]
    missing_days: tuple[date, ...]
    school_days: int
    coverage: Coverage
    totals: Row
    days: tuple[Row, ...]
    kinds: tuple[Row, ...]
    groups: tuple[Row, ...]
    reasons: tuple[tuple[str, int], ...]
    past: tuple[PastWeek, ...]
    usual: Mapping[str, Usual]
    not_compared: str
    edits: tuple[Row, ...]
    changes: tuple[str, ...]
    actions: tuple[str, ...]

    @property
    def sunday(self) -> date:
        return self.monday + timedelta(days=6)

    @property
    def empty(self) -> bool:
        """Nothing was observed in the week."""
        return not self.coverage.observed and not self.totals["total"] and self.coverage.readable is None

    def per_day(self, outcome: str) -> float:
        """Minutes of an outcome per school day."""
        return float(self.totals[outcome]) / max(self.school_days, 1)


def monday_of(iso_week: str) -> date:
    """The Monday of '2026-W47'; WeekError for anything else."""
    found = re.fullmatch(r"(\d{4})-W(\d{2})", iso_week)
    try:
        if found is None:
            raise ValueError
        return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise WeekError(f"{iso_week!r} is not an ISO week; write it as 2026-W47") from None


def rounded(minutes: float) -> str:
    """Minutes as the report shows them: to the nearest five, 1 to 4 as '< 5'."""
    if 0 < minutes < ROUNDED_TO:
        return f"< {ROUNDED_TO}"
    return f"{ROUNDED_TO * round(minutes / ROUNDED_TO):,}"


def publishable(sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Groups of staff whose figures may stand beside those of all staff, given sizes with 'all' among them.

    Each has at least ten people, and so has whoever is left over: the difference to 'all' would show them.
    """
    groups = sorted((g for g, n in sizes.items() if g != "all" and n >= SMALLEST_GROUP), key=lambda g: (-sizes[g], g))
    while groups and 0 != sizes.get("all", 0) - sum(sizes[g] for g in groups) < SMALLEST_GROUP:
        groups.pop()
    return tuple(groups)


def week_view(store: Store, school: SchoolInfo, iso_week: str) -> WeekView:
    """The week as it stands in the store. Raises WeekError."""
    monday = monday_of(iso_week)
    who = {"school": school.id}
    this: dict[str, object] = {**who, "from_": monday, "to": monday + timedelta(days=6)}
    back: dict[str, object] = {**who, "from_": monday - timedelta(weeks=WEEKS_BACK), "to": monday + timedelta(days=6)}
    observed = _by_week(ask(store, "week_observed", **back))
    coverage_rows = _by_week(ask(store, "coverage_week", **back))
    totals = ask_one(store, "week_totals", **this)
    reasons = ask(store, "week_reasons", **this)
    coverage = _coverage(observed.get(monday, []), coverage_rows.get(monday, []), totals, reasons)
    days = observed.get(monday, [])
    past = _past(monday, ask(store, "weeks", **back), observed, coverage)
    usual, not_compared = _usual([p for p in past if p[0].monday < monday], len(_seen(days)))
    shown = publishable(school.group_sizes)
    return WeekView(
        school=school,
        iso_week=iso_week,
        monday=monday,
        letters=tuple(sorted({d["week"] for d in days if d["week"]})),
        missing_days=_missing(monday, days),
        school_days=len(_seen(days)),
        coverage=coverage,
        totals=totals,
        days=_days(monday, ask(store, "week_by_day", **this), days),
        kinds=tuple(ask(store, "week_by_kind", **this)),
        groups=tuple(g for g in ask(store, "week_by_group", **this) if g["people"] in shown),
        reasons=_sums((r["reason"], r["total"]) for r in reasons),
        past=tuple(p for p, _ in past),
        usual=usual,
        not_compared=not_compared,
        edits=tuple(ask(store, "week_edits", **this)),
        changes=(
            *_changes(ask(store, "week_versions", **this), days, reasons),
            *_kept_out(ask_one(store, "week_paused", **this)),
        ),
        actions=_actions(reasons, coverage),
    )


def _by_week(rows: Iterable[Row]) -> dict[date, list[Row]]:
    weeks: dict[date, list[Row]] = {}
    for row in rows:
        weeks.setdefault(row["day"] - timedelta(days=row["day"].weekday()), []).append(row)
    return weeks


def _seen(days: Iterable[Row]) -> list[Row]:
    return [d for d in days if d["fives"]]


def _missing(monday: date, days: Sequence[Row]) -> tuple[date, ...]:
    weekdays = [monday + timedelta(days=i) for i in range(5)]
    return tuple(day for day in weekdays if day not in {d["day"] for d in days})


def _expected(day: Row) -> int:
    return int((day["last"] - day["first"]) / FIVE)


def _coverage(days: Sequence[Row], rows: Sequence[Row], totals: Row, reasons: Sequence[Row]) -> Coverage:
    def part(of: float, whole: float) -> float | None:
        return of / whole if whole else None

    def total(name: str) -> int:
        return sum(r[name] for r in rows)

    return Coverage(
        observed=part(sum(min(d["fives"], _expected(d)) for d in days), sum(_expected(d) for d in days)),
        readable=part(total("flows_named"), total("flows")),
        linked=part(total("minutes_timetabled"), total("minutes_use")),
        classified=part(totals["total"] - totals[Outcome.UNKNOWN], totals["total"]),
        duty_missing=any(r["reason"] == Reason.DUTY_DATA_MISSING for r in reasons),
        partial=sum(d["day"].weekday() < 5 for d in days) < 5,
    )


def _days(monday: date, rows: Sequence[Row], observed: Sequence[Row]) -> tuple[Row, ...]:
    """Monday to Friday, and the weekend's days if anything was used; `observed` is false where nothing was seen."""
    used = {r["day"]: r for r in rows}
    seen = {d["day"] for d in _seen(observed)}
    none = dict.fromkeys(("total", *OUTCOMES), 0)
    week = [monday + timedelta(days=i) for i in range(7)]
    shown = [day for day in week if day in used or day.weekday() < 5]
    return tuple({**none, **used.get(d, {}), "day": d, "observed": d in seen or d in used} for d in shown)


def _past(
    monday: date, weeks: Sequence[Row], observed: Mapping[date, Sequence[Row]], coverage: Coverage
) -> list[tuple[PastWeek, Row]]:
    """The weeks up to this one, each with its minutes per school day by outcome."""
    past = []
    for row in weeks:
        days = len(_seen(observed.get(row["week"], ())))
        classified = 1 - row[Outcome.UNKNOWN] / row["total"] if row["total"] else None
        alike = None not in (classified, coverage.classified) and (
            abs((classified or 0) - (coverage.classified or 0)) <= SAME_COVERAGE
        )
        rates = {o: row[o] / max(days, 1) for o in OUTCOMES}
        like = days >= FULL_WEEK and (alike or row["week"] == monday)
        past.append((PastWeek(row["week"], rates[Outcome.OUTSIDE_ALLOWED], like), {"week": row["week"], **rates}))
    return past


def _usual(before: Sequence[tuple[PastWeek, Row]], school_days: int) -> tuple[dict[str, Usual], str]:
    """What is usual per outcome, or the sentence that says why nothing is compared."""
    like = [rates for week, rates in before if week.like]
    if school_days < FULL_WEEK:
        days = f"{school_days} school day{'' if school_days == 1 else 's'}"
        return {}, f"Only {days} of this week could be seen; weeks are compared from {FULL_WEEK} school days."
    if len(like) < LIKE_WEEKS:
        return {}, (
            f"Not enough weeks to compare: {len(like)} of the {LIKE_WEEKS} needed before this one "
            "had four school days and a like share of classified minutes."
        )
    usual = {}
    for outcome in OUTCOMES:
        values = [rates[outcome] for rates in like]
        usual[outcome] = Usual(median(values[-LIKE_WEEKS:]), min(values), max(values))
    return usual, ""


def _sums(pairs: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    sums: dict[str, int] = {}
    for name, value in pairs:
        sums[name] = sums.get(name, 0) + value
    return tuple(sorted(sums.items(), key=lambda item: (-item[1], item[0])))


def _changes(versions: Sequence[Row], days: Sequence[Row], reasons: Sequence[Row]) -> tuple[str, ...]:
    changes = []
    parts = {"catalogue": "Service catalogue", "policy": "Policy profile", "timetable": "School’s files"}
    for column, what in parts.items():
        seen: list[str] = []
        for row in versions:
            if row[column] not in seen:
                seen.append(row[column])
                if len(seen) > 1:
                    changes.append(f"{what}: version {row[column]} from {words.short_day(row['day'])}.")
    for day in days:
        observed = day["fives"] / max(_expected(day), 1)
        if observed < 0.95:
            changes.append(f"{words.short_day(day['day'])}: {words.share(observed)} of the school day was observed.")
    if unrostered := [r for r in reasons if r["reason"] == Reason.DUTY_DATA_MISSING]:
        on = ", ".join(words.short_day(r["day"]) for r in unrostered)
        lost = rounded(sum(r["total"] for r in unrostered))
        changes.append(f"{on}: no duty rota for some of break or lunch, so {lost} minutes are unknown.")
    return tuple(changes)


def _kept_out(row: Row) -> Iterable[str]:
    """What the school itself kept out of the figures: pauses, and episodes withdrawn after a contest."""
    if row["paused"]:
        hours, minutes = divmod(int(row["paused"]), 60)
        why = ", ".join(str(reason).replace("_", " ") for reason in row["reasons"])
        yield f"Monitoring was paused for {hours} h {minutes} min ({why}): nothing was observed then."
    if row["withdrawn"]:
        n = int(row["withdrawn"])
        what = "episode was" if n == 1 else "episodes were"
        yield f"{n} {what} withdrawn after a contest; the minutes are counted as unknown, also in earlier weeks."


def _actions(reasons: Sequence[Row], coverage: Coverage) -> tuple[str, ...]:
    """At most three things to do, the most rewarding first; never about a person."""
    actions = []
    if coverage.observed is not None and coverage.observed < 0.95:
        actions.append("See when the sensor was off or the mirror port silent (schoolgate doctor).")
    for reason, minutes in _sums((r["reason"], r["total"]) for r in reasons):
        if minutes >= ROUNDED_TO and reason in words.MENDS:
            actions.append(words.MENDS[Reason(reason)])
    if coverage.readable is not None and coverage.readable < NAMED_AT_LEAST:
        actions.append("Ask for encrypted names (ECH, DNS over HTTPS) and VPNs to be off on staff devices.")
    return tuple(dict.fromkeys(actions))[:3]
