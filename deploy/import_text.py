"""An import in words: what was read, what changes in rows, for whom, and on which days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.imports.versions import VersionError

if TYPE_CHECKING:
    from pipeline.imports.difference import TableDifference
    from pipeline.imports.read import Import
    from pipeline.imports.versions import Version, Versions
    from pipeline.settings import SchoolSettings

_MARKS_KEPT_DAYS = 7  # a correction tags no day again that is further back


def changes_of(found: Import, present: Mapping[str, bytes]) -> dict[str, TableDifference]:
    """How each table that an import touches changes."""
    from pipeline.imports.difference import difference
    from pipeline.imports.merge import present_rows
    from pipeline.imports.tables import table_of

    changes = {}
    for name, rows in found.merged.rows.items():
        try:
            before = present_rows(table_of(name), present)
        except ValueError:
            before = []  # the present file cannot be read, and this import replaces it
        changes[name] = difference(table_of(name), before, rows)
    return changes


def shown_lines(
    found: Import,
    changes: Mapping[str, TableDifference],
    present: Mapping[str, bytes],
    settings: SchoolSettings,
) -> Iterator[str]:
    """An import before it is applied."""
    from pipeline.imports.difference import describe

    for reading in found.readings:
        yield f"{', '.join(reading.files) or reading.source}: {reading.format}"
        yield from (f"  {note}" for note in reading.notes)
    for change in changes.values():
        yield from describe(change)
    yield from minute_lines(found, present, settings)


def minute_lines(found: Import, present: Mapping[str, bytes], settings: SchoolSettings) -> Iterator[str]:
    """Of which recent days the minutes change, as far back as minute marks are kept."""
    from pipeline.imports.difference import changed_days
    from pipeline.school import SchoolError, missing_of, parse_school

    try:
        before = parse_school(present, settings, missing_of(present))
    except SchoolError:
        return
    today = date.today()
    changed = changed_days(
        before, found.school, [today - timedelta(number) for number in range(_MARKS_KEPT_DAYS, -1, -1)]
    )
    for day, people in changed.items():
        yield f"minutes of {day:%a} {day} change for {len(people)} {'person' if len(people) == 1 else 'people'}"


def retag_lines(version: Version, versions: Versions, settings: SchoolSettings, folder: Path) -> Iterator[str]:
    """What becomes of recent days that an import corrects, and which command judges them anew."""
    from pipeline.imports.difference import changed_days
    from pipeline.school import SchoolError, missing_of, parse_school

    today = date.today()
    try:
        both = versions.before(version.id), versions.present()
        before, after = (parse_school(files, settings, missing_of(files)) for files in both)
    except (SchoolError, VersionError):
        return
    days = changed_days(before, after, [today - timedelta(number) for number in range(_MARKS_KEPT_DAYS, -1, -1)])
    if not days:
        return
    if settings.mode == "aggregate":
        yield (
            "It changes minutes of the last days. This school keeps sums only, nothing per person, so past sums stay "
            f"as they were; the correction holds from {today} on."
        )
        return
    yield f"It changes minutes of {', '.join(map(str, days))}. Their outcomes stay as they were until you run:"
    yield f"schoolgate retag --import {version.id} --school {folder}"


def record_lines(version: Version) -> Iterator[str]:
    """The record of an import for `import list`."""
    names = ", ".join(file.name for file in version.files) or ", ".join(version.undoes)
    when, who = version.applied or version.made, version.applied_by or version.who
    yield f"{version.id}  {version.status:10}  {when}  {who}  {', '.join(version.formats)}: {names}"
    for name, count in version.counts.items():
        yield f"      {name}: {count}"
    for note in version.notes:
        yield f"      {note}"
    for file in version.files:
        yield f"      {file.name} sha256 {file.sha256[:16]}, {file.bytes} bytes"
    if version.school_version:
        yield f"      timetable version {version.school_version}"
