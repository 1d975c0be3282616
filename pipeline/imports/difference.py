"""What an import changes, for the people who must decide on it: rows, people, and minutes of past days.

Rows are compared as sets of cells, whatever their order; a row that is gone and one that is new with the same key
(pipeline.imports.tables.KEYS) are one that has changed. `changed_days` compares what the minutes mean: it is what a
correction has to tag again, as far as minute marks are kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from pipeline.imports.tables import KEYS, TABLES, Line

if TYPE_CHECKING:
    from pipeline.place import DayPlan
    from pipeline.school import School

_DAYS = ("", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LAST = {"valid_from": "valid_to", "date_from": "date_to"}
_PERSON = {"devices": "assigned_staff_id"}
Row = Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A row that is new (`before` None), gone (`after` None) or different."""

    before: Row | None
    after: Row | None

    @property
    def row(self) -> Row:
        return self.after or self.before or {}


@dataclass(frozen=True)
class TableDifference:
    """The changes of one table."""

    table: str
    rows_before: int
    rows_after: int
    changes: Sequence[Change]

    def count(self) -> str:
        """`12 added, 3 removed, 1 changed`."""
        added = sum(change.before is None for change in self.changes)
        removed = sum(change.after is None for change in self.changes)
        counts = (("added", added), ("removed", removed), ("changed", len(self.changes) - added - removed))
        return ", ".join(f"{number} {word}" for word, number in counts if number) or "nothing changes"

    def by_person(self) -> dict[str, list[Change]]:
        """The changes of each person, by staff id; '' and '*' are everybody's."""
        found: defaultdict[str, list[Change]] = defaultdict(list)
        for change in self.changes:
            found[change.row.get(_PERSON.get(self.table, "staff_id"), "")].append(change)
        return dict(sorted(found.items()))


def difference(table: str, before: Iterable[Line], after: Iterable[Line]) -> TableDifference:
    """How a table changes."""
    columns = TABLES[table]
    old = [tuple(_normal(column, line.cells.get(column, "")) for column in columns) for line in before]
    new = [tuple(_normal(column, line.cells.get(column, "")) for column in columns) for line in after]
    gone, come = Counter(old) - Counter(new), Counter(new) - Counter(old)
    places = [columns.index(column) for column in KEYS[table]]
    waiting: defaultdict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
    for row in sorted(gone.elements()):
        waiting[tuple(row[place] for place in places)].append(row)
    changes = []
    for row in sorted(come.elements()):
        same = waiting[tuple(row[place] for place in places)]
        changes.append(Change(_row(columns, same.pop(0)) if same else None, _row(columns, row)))
    changes += [Change(_row(columns, row), None) for rows in waiting.values() for row in rows]
    return TableDifference(table, len(old), len(new), changes)


def describe(found: TableDifference, people: int = 20, each: int = 4) -> Iterator[str]:
    """The difference as lines for people: the counts, then each person's changes in a few words."""
    yield f"{found.table}.csv: {found.rows_before} rows now, {found.rows_after} after: {found.count()}"
    groups = found.by_person()
    for number, (person, changes) in enumerate(groups.items()):
        if number == people:
            yield f"  and {len(groups) - people} more"
            return
        shown = [_change(found.table, change) for change in changes[:each]]
        if len(changes) > each:
            shown.append(f"and {len(changes) - each} more")
        who = f"{person}: " if person and found.table != "staff" else ""
        yield f"  {who}{'; '.join(shown)}"


def _change(table: str, change: Change) -> str:
    words = _words(table, change.row)
    if change.before is None:
        return f"+ {words}"
    if change.after is None:
        return f"- {words}"
    cells = [
        f"{column} {before or '(empty)'} -> {change.after[column] or '(empty)'}"
        for column, before in change.before.items()
        if before != change.after[column]
    ]
    return f"~ {words}: {', '.join(cells)}"


def _words(table: str, row: Row) -> str:
    """A row in a few words, without whose it is."""
    skipped = {"staff_id"} if table not in ("staff", "devices") else set()
    words = []
    for column in TABLES[table]:
        value = row.get(column, "")
        if not value or column in skipped or (column in ("week", "group") and value == "*"):
            continue
        if column == "weekday" and value in "1234567":
            value = _DAYS[int(value)]
        elif column in ("valid_from", "date_from") and value == row.get(_LAST[column]):
            value = f"on {value}"
        elif column in ("valid_from", "date_from"):
            value = f"from {value}"
        elif column in ("valid_to", "date_to"):
            if value in (row.get("valid_from"), row.get("date_from")):
                continue
            value = f"to {value}"
        elif column == "entered_at":
            continue
        words.append(value)
    return " ".join(words)


def _normal(column: str, value: str) -> str:
    if column == "week":
        return value.upper() or "*"
    return value.lower() if column in ("kind", "activity", "role", "ownership") else value


def _row(columns: Sequence[str], values: Sequence[str]) -> Row:
    return dict(zip(columns, values, strict=True))


def changed_days(before: School, after: School, days: Iterable[date]) -> dict[date, frozenset[str]]:
    """The dates of which at least one minute means something else after an import, and for whom (staff ids).

    A person is named whose state, answer, reason or bell slot changes in any minute, who comes or goes, who is known
    by other account names or devices than before, or who runs other official sites: such use must be tied and judged
    again. Dates without a change are left out."""
    from pipeline.place import place_day

    renamed = {
        person
        for person in before.numbers.keys() | after.numbers.keys()
        if _known_by(before, person) != _known_by(after, person)
    }
    found = {}
    for day in days:
        old, new = place_day(before, day), place_day(after, day)
        people = renamed | {
            person
            for person in before.numbers.keys() & after.numbers.keys()
            if _minutes(old, before.numbers[person]) != _minutes(new, after.numbers[person])
            or _sites_of(before, person, day) != _sites_of(after, person, day)
        }
        if people:
            found[day] = frozenset(people)
    return found


def _known_by(school: School, person: str) -> object:
    number = school.numbers.get(person)
    if number is None:
        return None
    staff = school.staff[number]
    devices = sorted(
        (device.mac, device.hostname, device.shared, device.valid_from, device.valid_to, device.ownership)
        for device in school.devices
        if device.person == number
    )
    return staff.usernames, staff.role, devices


def _sites_of(school: School, person: str, day: date) -> list[object]:
    """The official sites that a person runs, as the register has them, from the day on that they are live."""
    number, ids = school.numbers[person], [one.staff_id for one in school.staff]
    return [
        (
            replace(site, line=0, administrators=(), moderators=()),
            sorted(ids[n] for n in site.administrators),
            sorted(ids[n] for n in site.moderators),
        )
        for site in sorted(school.official_sites, key=lambda site: site.site_id)
        if number in (*site.administrators, *site.moderators) and (site.go_live is None or site.go_live <= day)
    ]


def _minutes(plan: DayPlan, number: int) -> tuple[object, ...]:
    slots = tuple((slot.name, slot.kind) for slot in plan.slots)
    row = plan.slot[plan.group[number]]
    names = [slots[place] if place >= 0 else "" for place in row[[0, *((row[1:] != row[:-1]).nonzero()[0] + 1)]]]
    cuts = (row[1:] != row[:-1]).nonzero()[0].tobytes()
    codes = tuple(column[number].tobytes() for column in (plan.state, plan.allowed, plan.reason))
    return (*codes, cuts, tuple(names))
