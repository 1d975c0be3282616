"""An import before and after it is kept, for whoever must decide on it: what it changes, and its record.

The command line and the pages tell an import in their own words; what they tell is computed here, so that the same
files lead to the same difference, the same record and the same days to judge anew wherever somebody applies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from pipeline.imports.difference import TableDifference, changed_days, difference
from pipeline.imports.merge import present_rows
from pipeline.imports.read import Import
from pipeline.imports.tables import table_of
from pipeline.imports.versions import WAITING, Version, VersionError, Versions
from pipeline.school import SchoolError, missing_of, parse_school
from pipeline.settings import SchoolSettings

MARKS_KEPT_DAYS = 7
"""A correction tags no day again that is further back."""


def changes_of(found: Import, present: Mapping[str, bytes]) -> dict[str, TableDifference]:
    """How each table that an import touches changes."""
    changes = {}
    for name, rows in found.merged.rows.items():
        try:
            before = present_rows(table_of(name), present)
        except ValueError:
            before = []  # the present file cannot be read, and this import replaces it
        changes[name] = difference(table_of(name), before, rows)
    return changes


def changed_minutes(
    found: Import, present: Mapping[str, bytes], settings: SchoolSettings, today: date
) -> dict[date, frozenset[str]]:
    """Of which recent days the minutes change and for whom, as far back as minute marks are kept."""
    try:
        before = parse_school(present, settings, missing_of(present))
    except SchoolError:
        return {}
    return changed_days(before, found.school, _recent(today))


def record_of(found: Import, changes: Mapping[str, TableDifference], who: str) -> Version:
    """What people should know of an import that is about to be kept (for `Versions.add`)."""
    return Version(
        "", WAITING, "", who, sorted({reading.format for reading in found.readings}), [], {},
        {name: change.count() for name, change in changes.items()},
        [note for reading in found.readings for note in reading.notes],
        found.school.version,
    )  # fmt: skip


def days_to_judge_anew(version: Version, versions: Versions, settings: SchoolSettings, today: date) -> list[date]:
    """The recent days whose minutes an import, or taking it back, has made something else."""
    try:
        both = versions.before(version.id), versions.present()
        before, after = (parse_school(files, settings, missing_of(files)) for files in both)
    except (SchoolError, VersionError):
        return []
    return list(changed_days(before, after, _recent(today)))


def _recent(today: date) -> list[date]:
    return [today - timedelta(number) for number in range(MARKS_KEPT_DAYS, -1, -1)]
