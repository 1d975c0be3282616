"""Which reports are due: computed from what was issued and the school's calendar, whenever somebody asks.

Nothing counts hours or remembers alarms. A week is due from a time on that the settings name (`Fri 17:00`: Friday of
the week itself; from Monday to Thursday: of the week after), by the clock on the school's wall, and stays due until it
is in the table of issues. So a machine that was off catches up, week by week, in order, each once. A week whose
weekdays are all holidays is left out with the calendar's word for it; INSET days are work. At the first start nothing
older than `FIRST_WEEKS` is due, and never anything from before the notice or before the store has data; what is older
than `CATCH_UP_WEEKS` when its turn comes is left out as old. A term of the calendar is due, where the settings want it,
with the week that its last day lies in, until there is an issue of it that was made since; one that was asked for
before its end does not count.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from dashboards.week import week_of
from pipeline.alerts.limits import moment_of
from pipeline.calendar import school_day
from pipeline.issued import TERM, Issue
from pipeline.rows import CalendarKind
from pipeline.school import School
from pipeline.tables import zone_of
from pipeline.terms import Term, terms

FIRST_WEEKS = 4
"""How many weeks back the first report may be."""
CATCH_UP_WEEKS = 12
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SCHEDULED = "scheduled"
"""Among the basis of an issue: it was due, and nobody asked for it."""


@dataclass(frozen=True, slots=True)
class When:
    """When a week's report is due."""

    weekday: int
    clock: time

    @classmethod
    def of(cls, text: str) -> When:
        """As the settings write it: `Fri 17:00`."""
        day, _, clock = text.partition(" ")
        return cls(DAYS.index(day[:3].lower()), time.fromisoformat(clock))

    def moment(self, monday: date, zone: str) -> float:
        """Unix seconds at which the report of a week is due."""
        later = 0 if self.weekday >= 4 else 7
        return moment_of(monday + timedelta(days=self.weekday + later), self.clock, zone_of(zone))


@dataclass(frozen=True, slots=True)
class Due:
    """A week that is due. `why`: it is left out, as `holiday` (`name`: the calendar's word) or `old`."""

    monday: date
    period: str
    why: str = ""
    name: str = ""


def period_of(term: Term) -> str:
    """How the table of issues calls a term."""
    return f"{TERM}{term.first.isoformat()}"


def is_term(period: str) -> bool:
    """Is it a term that the table of issues calls so, and no week?"""
    return period.startswith(TERM)


def due_weeks(school: School, when: When, now: float, known: Collection[Issue], first_data: date | None) -> list[Due]:
    """The weeks that are due and not in `known`, in order. `first_data`: first day that the store has data of."""
    zone, notice = school.settings.zone, school.settings.notice_date
    if notice is None or first_data is None:
        return []
    done = {issue.period for issue in known}
    scheduled = [issue.day for issue in known if issue.basis.get(SCHEDULED) and not is_term(issue.period)]
    today = datetime.fromtimestamp(now, zone_of(zone)).date()
    last = today - timedelta(days=today.weekday())
    start = min(scheduled, default=last - timedelta(weeks=FIRST_WEEKS))
    start = max(start, _monday(notice), _monday(first_data))
    weeks = (start + timedelta(weeks=n) for n in range((last - start).days // 7 + 1))
    due = [monday for monday in weeks if week_of(monday) not in done and when.moment(monday, zone) <= now]
    return [_due(school, monday, last) for monday in due]


def due_terms(school: School, when: When, now: float, known: Collection[Issue], first_data: date | None) -> list[Term]:
    """The terms that are over and of which no issue was made since, in order; parameters as of `due_weeks`."""
    zone, notice = school.settings.zone, school.settings.notice_date
    if notice is None or first_data is None:
        return []
    today = datetime.fromtimestamp(now, zone_of(zone)).date()
    oldest = max(today - timedelta(weeks=CATCH_UP_WEEKS), notice, first_data)
    found = []
    for term in terms(school.calendar):
        over = over_at(term, when, zone)
        done = any(issue.period == period_of(term) and issue.made >= over for issue in known)
        if over <= now and term.last >= oldest and not done:
            found.append(term)
    return found


def over_at(term: Term, when: When, zone: str) -> float:
    """Unix seconds at which the report of a term is due."""
    return when.moment(_monday(term.last), zone)


def _due(school: School, monday: date, last: date) -> Due:
    period = week_of(monday)
    free = [school_day(school, monday + timedelta(days=n)) for n in range(5)]
    if all(day.kind.free for day in free):
        names = [row.value for day in free for row in day.rows if row.kind in _FREE and row.value]
        return Due(monday, period, "holiday", names[0] if names else "")
    if monday < last - timedelta(weeks=CATCH_UP_WEEKS):
        return Due(monday, period, "old")
    return Due(monday, period)


_FREE = (CalendarKind.HOLIDAY, CalendarKind.BANK_HOLIDAY, CalendarKind.CLOSURE)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


class TermError(ValueError):
    """A text that names no term of the calendar."""


def find_term(school: School, text: str) -> Term:
    """The term of that name, or the one that a day lies in. Raises TermError."""
    known = terms(school.calendar)
    for term in known:
        if text.casefold() == term.name.casefold():
            return term
    try:
        day = date.fromisoformat(text)
    except ValueError:
        names = ", ".join(term.name for term in known) or "none"
        raise TermError(f"{text!r} is no term; calendar.csv has {names}; a day, as 2026-11-17, will do too") from None
    for term in known:
        if term.first <= day <= term.last:
            return term
    raise TermError(f"{text} lies in no term of calendar.csv; add the term there, or choose another day")
