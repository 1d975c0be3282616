"""One school week as the report tells it: how much could be seen, what happened, what is usual, what changed.

It asks the store and puts the answers together; what may be published of them is decided in dashboards.figures, how far
they can be trusted in dashboards.trust, and what they may be compared with in dashboards.usual. A week is Monday to
Friday, and the weekend's days only where bells rang on them. What is told is `Said` in no language yet. It knows no
HTML, and nothing of a school's files: see dashboards.standing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.figures import OUTCOMES, OUTSIDE, Figures, published, shares
from dashboards.health import NAMED_AT_LEAST
from dashboards.queries import Row, ask, ask_one
from dashboards.said import Said, counted
from dashboards.schools import SchoolInfo
from dashboards.suppression import SMALL, Shown, shown
from dashboards.trust import Coverage, coverage_of, expected, seen
from dashboards.usual import PastWeek, Usual, usual_of
from pipeline.words import Outcome, Reason

if TYPE_CHECKING:
    from pipeline.store import Store

WEEKS_BACK = 8
"""Weeks before this one that the range is taken from."""


class WeekError(ValueError):
    """A text that names no ISO week."""


@dataclass(frozen=True, slots=True)
class WeekView:
    """Everything the report shows of a week. `missing_days` are weekdays of which the store has no bells, `school_days`
    counts days with bells that were seen. `staff`: people of whom the minutes are, 0 if that is not known. `basis`:
    what the figures rest on. `people`: with an episode outside allowed times, None if that is not known."""

    school: SchoolInfo
    iso_week: str
    monday: date
    last: date
    letters: tuple[str, ...]
    missing_days: tuple[date, ...]
    school_days: int
    coverage: Coverage
    figures: Figures
    observed: frozenset[date]
    people: Shown | None
    reasons: tuple[tuple[str, str], ...]
    past: tuple[PastWeek, ...]
    usual: Mapping[str, Usual]
    not_compared: Said | None
    edits: tuple[tuple[Shown, Row], ...]
    ignored: Row
    contests: Row
    retention: Row
    changes: tuple[Said, ...]
    actions: tuple[Said, ...]
    basis: Mapping[str, object]

    @property
    def staff(self) -> int:
        return self.school.group_sizes.get("all", 0)

    @property
    def this(self) -> PastWeek:
        return self.past[-1]

    @property
    def empty(self) -> bool:
        """Nothing was observed in the week."""
        nothing = not self.figures.total.high and self.coverage.readable is None
        return nothing and not self.coverage.observed

    @property
    def days(self) -> tuple[date, ...]:
        """Monday to Friday, and the weekend's days if bells rang on them."""
        return tuple(self.monday + timedelta(days=n) for n in range((self.last - self.monday).days + 1))


def monday_of(iso_week: str) -> date:
    """The Monday of '2026-W47'; WeekError for anything else."""
    found = re.fullmatch(r"(\d{4})-W(\d{2})", iso_week)
    try:
        if found is None:
            raise ValueError
        return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise WeekError(f"{iso_week!r} is not an ISO week; write it as 2026-W47") from None


def week_of(day: date) -> str:
    """The ISO week of a day, as '2026-W47'."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def week_view(store: Store, school: SchoolInfo, iso_week: str, before: Mapping[str, Shown] | None = None) -> WeekView:
    """The week as it stands in the store; `before`: the figures of the issue before. Raises WeekError, StoreError."""
    monday = monday_of(iso_week)
    back: dict[str, object] = {"school": school.id, "from_": monday - timedelta(weeks=WEEKS_BACK)}
    back["to"] = monday + timedelta(days=6)
    bells = _by_week(ask(store, "week_observed", **back))
    last = max([monday + timedelta(days=4), *(row["day"] for row in bells.get(monday, []))])
    this: dict[str, object] = {"school": school.id, "from_": monday, "to": last}
    covered = _by_week(ask(store, "coverage_week", **back))
    rows = [_by_week(ask(store, name, **back)) for name in ("week_by_day", "days_by_group", "days_by_kind")]
    reasons = ask(store, "week_reasons", **this)
    duty_missing = any(r["reason"] == Reason.DUTY_DATA_MISSING for r in reasons)
    past, figures, coverage = [], None, None
    for at in (monday - timedelta(weeks=n) for n in range(WEEKS_BACK, -1, -1)):
        days = bells.get(at, [])
        end = max([at + timedelta(days=4), *(row["day"] for row in days)])
        by_day, by_group, by_kind = ([row for row in part.get(at, []) if row["day"] <= end] for part in rows)
        if at != monday and not by_day and not seen(days):
            continue
        figures = published(by_day, by_group, by_kind, school.group_sizes, before if at == monday else None)
        partial = sum(d["day"].weekday() < 5 for d in days) < 5
        here = [row for row in covered.get(at, []) if row["day"] <= end]
        unknown = figures.outcomes[Outcome.UNKNOWN.value]
        coverage = coverage_of(days, here, figures.total, unknown, duty_missing and at == monday, partial)
        past.append(_past_week(at, figures, days, coverage, school.group_sizes.get("all", 0)))
    assert figures is not None
    assert coverage is not None
    days = bells.get(monday, [])
    usual, not_compared = usual_of(past[-1], past[:-1])
    versions = ask(store, "week_versions", **this)
    paused = ask_one(store, "week_paused", **this)
    in_zone = {**this, "zone": school.zone}
    return WeekView(
        school=school,
        iso_week=iso_week,
        monday=monday,
        last=last,
        letters=tuple(sorted({d["week"] for d in days if d["week"]})),
        missing_days=tuple(
            day for n in range(5) if (day := monday + timedelta(days=n)) not in {d["day"] for d in days}
        ),
        school_days=len(seen(days)),
        coverage=coverage,
        figures=figures,
        observed=frozenset([d["day"] for d in seen(days)] + [date.fromisoformat(day) for day in figures.days]),
        people=_people(store, figures, this),
        reasons=tuple(shares(_sums(reasons), sum(r["total"] for r in reasons))),
        past=tuple(past),
        usual=usual,
        not_compared=not_compared,
        edits=tuple((shown(row["alerts"], step=1), row) for row in ask(store, "week_edits", **this)),
        ignored=ask_one(store, "week_ignored", **this),
        contests=ask_one(store, "contests_decided", **in_zone),
        retention=ask_one(store, "retention_kept", **this),
        changes=(*_changes(versions, days, reasons), *_kept_out(paused)),
        actions=_actions(reasons, coverage),
        basis=_basis(versions, paused, coverage),
    )


def _by_week(rows: Iterable[Row]) -> dict[date, list[Row]]:
    weeks: dict[date, list[Row]] = {}
    for row in rows:
        weeks.setdefault(row["day"] - timedelta(days=row["day"].weekday()), []).append(row)
    return weeks


def _past_week(monday: date, figures: Figures, days: Sequence[Row], coverage: Coverage, staff: int) -> PastWeek:
    """A week's rates: minutes per 100 observed staff-hours, or per school day if nobody knows how many staff there
    are."""
    there = seen(days)
    hours = staff * sum(min(day["fives"], expected(day)) for day in there) / 12
    by = hours / 100 if hours else max(len(there), 1)
    rates = {outcome: figures.outcomes[outcome].about / by for outcome in OUTCOMES}
    return PastWeek(monday, rates, len(there), coverage.observed, coverage.classified)


def _people(store: Store, figures: Figures, this: Mapping[str, object]) -> Shown | None:
    """People with an episode, rounded; None where none is kept although there were minutes."""
    n = ask_one(store, "week_people", **this)["people"]
    return shown(n) if n or not figures.outcomes[OUTSIDE].high else None


def _sums(reasons: Sequence[Row]) -> list[tuple[str, int]]:
    sums: dict[str, int] = {}
    for row in reasons:
        sums[row["reason"]] = sums.get(row["reason"], 0) + row["total"]
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


def _basis(versions: Sequence[Row], paused: Row, coverage: Coverage) -> dict[str, object]:
    found: dict[str, object] = {
        name: sorted({str(row[name]) for row in versions}) for name in ("policy", "catalogue", "timetable")
    }
    return found | {"withdrawn": int(paused["withdrawn"]), "observed": round(coverage.observed or 0.0, 2)}


def _changes(versions: Sequence[Row], days: Sequence[Row], reasons: Sequence[Row]) -> list[Said]:
    changes = []
    parts = {
        "catalogue": "Service catalogue: version {version} from {day}.",
        "policy": "Policy profile: version {version} from {day}.",
        "timetable": "School’s files: version {version} from {day}.",
    }
    for column, text in parts.items():
        known: list[str] = []
        for row in versions:
            if row[column] not in known:
                known.append(row[column])
                if len(known) > 1:
                    changes.append(Said(text, {"version": row[column], "day": row["day"]}))
    for day in days:
        observed = day["fives"] / max(expected(day), 1)
        if observed < 0.95:
            values = {"day": day["day"], "share": words.share(observed)}
            changes.append(Said("{day}: {share} of the school day was observed.", values))
    if unrostered := [r for r in reasons if r["reason"] == Reason.DUTY_DATA_MISSING]:
        values = {"days": tuple(r["day"] for r in unrostered)}
        changes.append(Said("{days}: no duty rota for some of break or lunch, so its minutes are unknown.", values))
    return changes


def _kept_out(row: Row) -> Iterable[Said]:
    """What the school itself kept out of the figures: pauses, and episodes withdrawn after a contest."""
    if row["paused"]:
        hours, minutes = divmod(int(row["paused"]), 60)
        why = tuple(Said(words.PAUSES.get(str(reason), str(reason))) for reason in row["reasons"])
        yield Said(
            "Monitoring was paused for {hours} h {minutes} min ({why}): nothing was observed then.",
            {"hours": hours, "minutes": minutes, "why": why},
        )
    if row["withdrawn"]:
        yield counted(
            int(row["withdrawn"]),
            "{n} episode was withdrawn after a contest; its minutes are counted as unknown.",
            "{n} episodes were withdrawn after a contest; their minutes are counted as unknown.",
        )


def _actions(reasons: Sequence[Row], coverage: Coverage) -> tuple[Said, ...]:
    """At most three things to do, the most rewarding first; never about a person."""
    actions = []
    if coverage.observed is not None and coverage.observed < 0.95:
        actions.append("See when the sensor was off or the mirror port silent (schoolgate doctor).")
    for reason, minutes in _sums(reasons):
        if minutes >= SMALL and reason in words.MENDS:
            actions.append(words.MENDS[Reason(reason)])
    if coverage.readable is not None and coverage.readable < NAMED_AT_LEAST:
        actions.append("Ask for encrypted names (ECH, DNS over HTTPS) and VPNs to be off on staff devices.")
    return tuple(Said(action) for action in dict.fromkeys(actions))[:3]
