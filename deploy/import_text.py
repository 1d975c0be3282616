"""An import in words: what was read, what changes in rows, for whom, and on which days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.imports.difference import TableDifference
    from pipeline.imports.read import Import
    from pipeline.imports.versions import Version, Versions
    from pipeline.settings import SchoolSettings


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
    from pipeline.imports.proposal import changed_minutes

    changed = changed_minutes(found, present, settings, date.today())
    for day, people in changed.items():
        yield f"minutes of {day:%a} {day} change for {len(people)} {'person' if len(people) == 1 else 'people'}"


def retag_lines(version: Version, versions: Versions, settings: SchoolSettings, folder: Path) -> Iterator[str]:
    """What becomes of recent days that an import corrects, and which command judges them anew."""
    from pipeline.imports.proposal import days_to_judge_anew

    today = date.today()
    days = days_to_judge_anew(version, versions, settings, today)
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
