"""Tells what a file is and reads it: the one way from exports to the files that a school would have.

Files of one command belong together: tables of ours and bells are read first, so that the others find people and slots
in them; Untis files are read as one export. Nothing is written here.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from pipeline.imports import untis
from pipeline.imports.columns import match_table, read_table
from pipeline.imports.dates import read_weeks
from pipeline.imports.fet import is_fet, read_fet
from pipeline.imports.known import Known, present_school
from pipeline.imports.merge import Merged, check, merge, present_rows
from pipeline.imports.said import Said
from pipeline.imports.tables import TABLES, ImportRefused, Line, Part, Reading
from pipeline.imports.text import decode, read_cells, separator_of
from pipeline.rows import Week
from pipeline.school import School
from pipeline.settings import SchoolSettings

KINDS = (*TABLES, "fet", "ical", "weeks", *(f"gpu{number}" for number in untis.NUMBERS), "untis-time")
_DATED = re.compile(r"[ _.-]*(?:\d{4}-?\d{2}-?\d{2}(?:[T _-]?\d{4,6})?|\(\d+\))")


@dataclass(frozen=True)
class Asked:
    """What the command line says about an import."""

    kind: str = ""
    source: str = ""
    entries: Mapping[str, str] = field(default_factory=dict)
    first: date | None = None
    last: date | None = None
    week: Week | None = None
    person: str = ""
    add_staff: bool = False
    fewer: bool = False
    keep: bool = False


@dataclass(frozen=True)
class Import:
    """An import that has been checked: what was read, the new files, and the school that they make."""

    readings: Sequence[Reading]
    merged: Merged
    school: School
    maps: Mapping[str, Mapping[str, str]]  # all sources' entries, as they are to be remembered


@dataclass(frozen=True)
class _File:
    name: str
    data: bytes
    kind: str


def read_import(
    files: Mapping[str, bytes],
    present: Mapping[str, bytes],
    settings: SchoolSettings,
    maps: Mapping[str, Mapping[str, str]],
    asked: Asked,
) -> Import:
    """Reads exports (name -> contents) into the school's files. Raises ImportRefused for the first thing wrong."""
    listed = [_File(name, data, asked.kind or kind_of(name, data)) for name, data in files.items()]
    remembered = {source: dict(entries) for source, entries in maps.items()}
    parts: list[Part] = []
    readings: list[Reading] = []
    for batch in _batches(listed):
        source = asked.source or source_of(batch[0].name, batch[0].kind)
        working = {**present, **merge(present, parts, fewer=True).files}
        known = Known(
            present_school(working, settings),
            Said({**maps.get(source, {}), **asked.entries}),
            asked.first,
            asked.last,
            asked.week,
            asked.person,
            asked.add_staff,
        )
        reading = _read(batch, source, known, asked)
        if known.new_staff:
            parts.append(Part("staff", _with_staff(present, parts, known.new_staff)))
            reading = replace(reading, notes=[*reading.notes, f"{len(known.new_staff)} people added to staff.csv"])
        readings.append(reading)
        parts += _tagged(reading, asked.keep)
        if reading.said:
            remembered[source] = dict(reading.said)
    merged = merge(present, parts, asked.fewer)
    return Import(readings, merged, check(present, merged, settings), remembered)


def finish(
    reading: Reading, present: Mapping[str, bytes], settings: SchoolSettings, maps: Mapping[str, Mapping[str, str]]
) -> Import:
    """The same for rows that come from no file."""
    merged = merge(present, reading.parts, fewer=True)
    return Import([reading], merged, check(present, merged, settings), maps)


def kind_of(name: str, data: bytes) -> str:
    """What a file is, by its name and first lines; refused if that cannot be told."""
    if number := untis.number_of(name):
        return "untis-time" if number == untis.TIMES else f"gpu{number}"
    head = data[:4096].lstrip(b"\xef\xbb\xbf \r\n")
    if head[:15].upper() == b"BEGIN:VCALENDAR" or name.lower().endswith(".ics"):
        return "ical"
    stem = Path(name).stem.lower()
    if not data.strip():
        raise ImportRefused(name, 1, "the file is empty", "export it again")
    if head[:2] in (b"PK", b"\xd0\xcf"):
        raise ImportRefused(name, 1, "this is a workbook or an archive", "save the sheet as CSV UTF-8")
    if stem in TABLES:
        return stem
    text = decode(name, data.removeprefix(BOM_UTF8), ("utf-8-sig", "cp1252"))
    header = read_cells(name, "\n".join(text.splitlines()[:1]) or text, separator_of(text))[0].values
    if is_fet(header):
        return "fet"
    if table := match_table(header):
        return table
    raise ImportRefused(name, 1, "it cannot be told what this file is", f"say --as KIND, one of {', '.join(KINDS)}")


def _batches(files: Sequence[_File]) -> list[list[_File]]:
    """Files in the order in which they must be read; those of Untis together, after tables and before feeds."""
    order = {table: number for number, table in enumerate(TABLES)}
    exports = [f for f in files if f.kind.startswith(("gpu", "untis"))]
    times = [f for f in exports if f.kind == "untis-time"]
    tables = sorted((f for f in files if f.kind in order), key=lambda f: order[f.kind])
    weeks = [f for f in files if f.kind == "weeks"]
    rest = [f for f in files if f.kind in ("fet", "ical")]
    for group in (times, [f for f in exports if f.kind != "untis-time"]):
        for number, file in enumerate(group):
            if file.kind in (other.kind for other in group[:number]):
                raise ImportRefused(
                    file.name, 1, f"a file of kind {file.kind} is already given", "import one at a time"
                )
    lessons = [f for f in exports if f.kind != "untis-time"]
    single = [[f] for f in tables + weeks]
    return [*single, *([times] if times else []), *([lessons] if lessons else []), *([f] for f in rest)]


def source_of(name: str, kind: str) -> str:
    """The name under which what was said of a source is remembered: its file's, without dates and copies."""
    if kind.startswith(("gpu", "untis")):
        return "untis"
    return _DATED.sub("", Path(name).stem).lower().strip() or kind


def _read(batch: Sequence[_File], source: str, known: Known, asked: Asked) -> Reading:
    file = batch[0]
    if file.kind.startswith(("gpu", "untis")):
        named = {f.kind.removeprefix("gpu").removeprefix("untis-"): (f.name, f.data) for f in batch}
        return untis.read_untis(named, source, known)
    if file.kind == "fet":
        return read_fet(file.name, file.data, source, known)
    if file.kind == "weeks":
        return read_weeks(file.name, file.data, source, known)
    table = file.kind if file.kind in TABLES else ""
    if file.kind == "ical" or file.data[:4096].lstrip(b"\xef\xbb\xbf \r\n")[:15].upper() == b"BEGIN:VCALENDAR":
        from pipeline.imports.ical import read_ical

        return read_ical(file.name, file.data, source, known, table)
    return read_table(file.name, file.data, table, source, known)


def _tagged(reading: Reading, keep: bool) -> list[Part]:
    """The parts; with `keep` none replaces what other sources said."""
    return [part if part.tag or not keep else replace(part, tag=reading.source) for part in reading.parts]


def _with_staff(present: Mapping[str, bytes], parts: Sequence[Part], new: Mapping[str, Line]) -> list[Line]:
    now = merge(present, parts, fewer=True).rows.get("staff.csv") or present_rows("staff", present)
    return [*now, *new.values()]
