"""One school week as the report tells it: how much could be seen, what happened, what is usual, what changed.

It asks the store and puts the answers together; the figures are those of dashboards.weeks, and what they may be
compared with is decided in dashboards.usual. What is told is `Said` in no language yet. It knows no HTML, and nothing
of a school's files: see dashboards.standing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, timedelta
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.figures import OUTSIDE, Figures, shares_of
from dashboards.health import NAMED_AT_LEAST
from dashboards.hiding import SMALL, Shown, shown
from dashboards.queries import Row, ask, ask_one
from dashboards.said import Said, counted
from dashboards.schools import SchoolInfo
from dashboards.trust import Coverage, expected, observed_share, seen
from dashboards.usual import PastWeek, Usual, usual_of
from dashboards.weeks import Counted, by_reason, weeks_of
from pipeline.words import Outcome, Reason

if TYPE_CHECKING:
    from pipeline.store import Store

WEEKS_BACK = 8
"""Weeks before this one that the range is taken from."""


class WeekError(ValueError):
    """A text that names no ISO week."""


@dataclass(frozen=True, slots=True)
class ComparedWeek:
    """A week beside those before it, as far as they may be compared. `staff`: people of whom the minutes are, 0 if that
    is not known."""

    school: SchoolInfo
    iso_week: str
    counted: Counted
    past: tuple[PastWeek, ...]
    usual: Mapping[str, Usual]
    not_compared: Said | None

    @property
    def monday(self) -> date:
        return self.counted.monday

    @property
    def last(self) -> date:
        return self.counted.last

    @property
    def coverage(self) -> Coverage:
        return self.counted.coverage

    @property
    def figures(self) -> Figures:
        return self.counted.figures

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


@dataclass(frozen=True, slots=True)
class WeekView(ComparedWeek):
    """Everything the report shows of a week. `missing_days` are weekdays of which the store has no bells, `school_days`
    counts days with bells that were seen. `basis`: what the figures rest on. `people`: with an episode outside allowed
    times, None if that is not known."""

    letters: tuple[str, ...]
    missing_days: tuple[date, ...]
    school_days: int
    observed: frozenset[date]
    people: Shown | None
    reasons: tuple[tuple[str, str], ...]
    edits: tuple[tuple[Shown, Row], ...]
    ignored: Row
    contests: Row
    retention: Row
    changes: tuple[Said, ...]
    actions: tuple[Said, ...]
    basis: Mapping[str, object]

    @property
    def holiday(self) -> bool:
        """The calendar has no school day in the week, and some of its days were seen."""
        return not self.missing_days and not self.school_days and not self.coverage.observed

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


def compared_week(store: Store, school: SchoolInfo, iso_week: str) -> ComparedWeek:
    """The week as it stands in the store, beside those before it. Raises WeekError, StoreError."""
    monday = monday_of(iso_week)
    weeks = weeks_of(store, school, monday - timedelta(weeks=WEEKS_BACK), monday)
    past = tuple(one.past(school.group_sizes.get("all", 0)) for one in weeks)
    return ComparedWeek(school, iso_week, weeks[-1], past, *usual_of(past[-1], past[:-1]))


def week_view(store: Store, school: SchoolInfo, iso_week: str) -> WeekView:
    """The week as it stands in the store. Raises WeekError, StoreError."""
    compared = compared_week(store, school, iso_week)
    week, monday = compared.counted, compared.monday
    unknown = by_reason(week.reasons)
    this: dict[str, object] = {"school": school.id, "from_": monday, "to": week.last}
    versions = ask(store, "week_versions", **this)
    paused = ask_one(store, "week_paused", **this)
    known = {row["day"] for row in (*week.days, *week.free)}
    return WeekView(
        **{one.name: getattr(compared, one.name) for one in fields(compared)},
        letters=tuple(sorted({row["week"] for row in week.days if row["week"]})),
        missing_days=tuple(day for n in range(5) if (day := monday + timedelta(days=n)) not in known),
        school_days=len(seen(week.days)),
        observed=frozenset(row["day"] for row in seen(week.days)) | {date.fromisoformat(d) for d in week.figures.days},
        people=_people(store, week.figures, this),
        reasons=tuple(shares_of(unknown, week.figures.outcomes[Outcome.UNKNOWN])),
        edits=tuple((shown(row["alerts"], step=1), row) for row in ask(store, "week_edits", **this)),
        ignored=ask_one(store, "week_ignored", **this),
        contests=ask_one(store, "contests_decided", **this, zone=school.zone),
        retention=ask_one(store, "retention_kept", **this),
        changes=(*_free(week.free), *_changes(versions, week.days, week.reasons), *_kept_out(paused)),
        actions=_actions(unknown, week.coverage),
        basis=basis_of(versions, paused, week.days),
    )


def _people(store: Store, figures: Figures, this: Mapping[str, object]) -> Shown | None:
    """People with an episode, rounded; None where none is kept although there were minutes."""
    n = ask_one(store, "week_people", **this)["people"]
    return shown(n) if n or not figures.outcomes[OUTSIDE].high else None


def basis_of(versions: Sequence[Row], paused: Row, observed: Sequence[Row]) -> dict[str, object]:
    """What the figures of a week rest on: versions, withdrawn episodes, and how much of it was observed."""
    found: dict[str, object] = {
        name: sorted({str(row[name]) for row in versions}) for name in ("policy", "catalogue", "timetable")
    }
    return found | {"withdrawn": int(paused["withdrawn"]), "observed": round(observed_share(observed) or 0.0, 2)}


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


def _free(rows: Sequence[Row]) -> Iterable[Said]:
    """Days that were no ordinary school days; days of one name together."""
    days: dict[tuple[str, str], list[date]] = {}
    for row in rows:
        if row["day"].weekday() < 5:
            days.setdefault((row["kind"], row["name"]), []).append(row["day"])
    for (kind, name), those in days.items():
        what = (
            Said("{kind}: {name}", {"kind": Said(words.FREE[kind]), "name": name}) if name else Said(words.FREE[kind])
        )
        yield Said("{days}: {what}.", {"days": tuple(those), "what": what})


def _kept_out(row: Row) -> Iterable[Said]:
    """What the school itself kept out of the figures: pauses, and episodes withdrawn after a contest."""
    if row["paused"]:
        hours, minutes = divmod(int(row["paused"]), 60)
        why = tuple(Said(words.PAUSES.get(str(reason), str(reason))) for reason in row["reasons"])
        values: dict[str, object] = {"hours": hours, "minutes": minutes, "why": why}
        yield Said(
            "Monitoring was paused for {hours} h {minutes} min ({why}): nothing was observed then."
            if why
            else "Monitoring was paused for {hours} h {minutes} min: nothing was observed then.",
            values,
        )
    if row["withdrawn"]:
        yield counted(
            int(row["withdrawn"]),
            "{n} episode was withdrawn after a contest; its minutes are counted as unknown.",
            "{n} episodes were withdrawn after a contest; their minutes are counted as unknown.",
        )


def _actions(reasons: Mapping[str, int], coverage: Coverage) -> tuple[Said, ...]:
    """At most three things to do, the most rewarding first; never about a person."""
    actions = []
    if coverage.observed is not None and coverage.observed < 0.95:
        actions.append("See when the sensor was off or the mirror port silent (schoolgate doctor).")
    for reason, minutes in reasons.items():
        if minutes >= SMALL and reason in words.MENDS:
            actions.append(words.MENDS[Reason(reason)])
    if coverage.readable is not None and coverage.readable < NAMED_AT_LEAST:
        actions.append("Ask for encrypted names (ECH, DNS over HTTPS) and VPNs to be off on staff devices.")
    return tuple(Said(action) for action in dict.fromkeys(actions))[:3]
