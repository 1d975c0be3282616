"""Why? A cell of the sums opened: what its minutes became, for which reasons, and where unknown minutes lie.

The answer itself is `pipeline.whycells`, the same as `schoolgate why` gives; this adds what leads on: the periods and
the five minutes that hold minutes with a reason, and in pseudonymous mode the single minutes that were kept. Nothing
here says whose a minute is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from dashboards import words
from dashboards.health import FIVE
from dashboards.queries import Row, ask
from dashboards.schools import SchoolInfo
from pipeline.telling import Explanation
from pipeline.whycells import why_cell
from pipeline.words import Outcome

if TYPE_CHECKING:
    from pipeline.store import Store

MARKS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Where:
    """Which cell: a bell period ('' outside the bells), or the five minutes from `start`, or the whole day."""

    day: date
    period: str | None = None
    start: datetime | None = None
    service: str = ""
    kind: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """Minutes of a cell with one outcome for one reason."""

    outcome: str
    reason: str
    minutes: int
    sentence: str
    mend: str


@dataclass(frozen=True, slots=True)
class ReasonsView:
    """Everything the Why page shows. `places`: where unknown minutes lie in the day; `fives`: five minutes with use of
    the cell and their unknown minutes; `marks`: single minutes that were kept, None where none may be seen."""

    school: SchoolInfo
    where: Where
    explanation: Explanation | None
    counts: tuple[Count, ...]
    places: tuple[Row, ...]
    fives: tuple[tuple[datetime, int, int], ...]
    marks: tuple[Row, ...] | None
    more_marks: int


def reasons_view(store: Store, school: SchoolInfo, where: Where, *, with_marks: bool) -> ReasonsView:
    """The cell as it stands in the store. `with_marks`: the reader may see what is kept about single people."""
    explanation = why_cell(store, school.id, where.day, where.period, where.service, kind=where.kind, start=where.start)
    span = _span(store, school, where)
    fives = [
        (row["time"], sum(row[outcome] for outcome in words.LOOKS), row[Outcome.UNKNOWN])
        for row in ask(store, "day_by_five", school=school.id, day=where.day)
        if span and span[0] <= row["time"] < span[1] and not where.start
    ]
    marks: list[Row] | None = None
    if with_marks and school.mode == "pseudonymous":
        marks = [
            row
            for row in ask(store, "day_marks", school=school.id, day=where.day)
            if (span is None or span[0] <= row["time"] < span[1])
            and where.service in ("", row["service"])
            and (row["reason"] == where.reason if where.reason else row["outcome"] == Outcome.UNKNOWN or span)
        ]
    return ReasonsView(
        school=school,
        where=where,
        explanation=explanation,
        counts=_counts(explanation, where.reason),
        places=tuple(
            row
            for row in ask(store, "day_unknown", school=school.id, day=where.day)
            if where.reason in ("", row["reason"]) and where.period in (None, row["period"])
        ),
        fives=tuple(fives),
        marks=None if marks is None else tuple(marks[:MARKS_SHOWN]),
        more_marks=max(len(marks or ()) - MARKS_SHOWN, 0),
    )


def _span(store: Store, school: SchoolInfo, where: Where) -> tuple[datetime, datetime] | None:
    """When the cell lies; None for the whole day and outside the main bells."""
    if where.start:
        return where.start, where.start + FIVE
    if not where.period:
        return None
    bells = ask(store, "week_bells", school=school.id, from_=where.day, to=where.day)
    return next(((b["time"], b["timeEnd"]) for b in bells if b["slot"] == where.period), None)


def _counts(explanation: Explanation | None, reason: str) -> tuple[Count, ...]:
    counts = explanation.facts["counts"] if explanation else ()
    assert isinstance(counts, list | tuple)
    found = [Count(c["outcome"], c["reason"], c["minutes"], c["sentence"], words.mend_of(c["reason"])) for c in counts]
    first = sorted(found, key=lambda c: (bool(reason) and c.reason != reason, c.outcome != Outcome.UNKNOWN))
    return tuple(first)


def five_of(school: SchoolInfo, day: date, clock: str) -> datetime | None:
    """The five minutes that a local time of a day lies in, None for what is no time."""
    try:
        moment = datetime.strptime(clock, "%H:%M")
    except ValueError:
        return None
    local = datetime(day.year, day.month, day.day, moment.hour, moment.minute, tzinfo=school.tz)
    return local - timedelta(minutes=local.minute % 5)
