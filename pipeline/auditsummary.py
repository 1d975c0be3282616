"""The month in the audit trail, for the data protection officer: how often what was done, refused or failed, by role.

It counts; nobody is named, and neither are those whom the entries are about. Months are the school's own. What an
action means is said by those who write the entries; `ABOUT` says it once more for people, by what stands before the
point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from pipeline.chain import Entry

ABOUT = {
    "lookup": "names behind pseudonyms",
    "why": "explanations of one person's outcomes",
    "state": "what a minute was for one person",
    "subject": "exports for the person concerned",
    "contest": "contested outcomes",
    "alert": "alerts",
    "audit": "the trail itself",
    "config": "settings and rules",
    "retag": "past minutes judged anew",
    "retention": "removal by age",
    "pause": "monitoring paused",
    "notice": "the notice to staff",
    "dpia": "the impact assessment",
}
PROGRAM = "program"  # no role: what the box does by itself, or an account that the access file does not list


@dataclass(frozen=True, slots=True)
class Line:
    """How often one action ended in one way, by role; `times` is the sum."""

    about: str
    action: str
    result: str
    times: int
    by_role: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A month (its first day). `lines` in order of action; what was refused or failed comes before what was done."""

    month: date
    entries: int
    refused: int
    failed: int
    lines: tuple[Line, ...]


def month_before(now: datetime) -> date:
    """The first day of the last whole month."""
    return date(now.year - (now.month == 1), (now.month - 2) % 12 + 1, 1)


def summarise(entries: Iterable[Entry], month: date, zone: tzinfo) -> Summary:
    """The entries of the month that contains `month`, in the school's time zone."""
    counted: dict[tuple[str, str], Counter[str]] = {}
    for entry in entries:
        local = entry.at.astimezone(zone)
        if (local.year, local.month) == (month.year, month.month):
            roles = counted.setdefault((entry.action, entry.result), Counter())
            roles[entry.who.get("role") or PROGRAM] += 1
    lines = tuple(
        Line(ABOUT.get(action.partition(".")[0], ""), action, result, roles.total(), tuple(sorted(roles.items())))
        for (action, result), roles in sorted(counted.items(), key=lambda item: (item[0][0], item[0][1] == "done"))
    )
    ended = Counter[str]()
    for line in lines:
        ended[line.result] += line.times
    return Summary(month.replace(day=1), ended.total(), ended["refused"], ended["failed"], lines)
