"""Typed reading of CSV files: every complaint names the file, the line and the mend.

UTF-8 (a byte-order mark is tolerated), commas, a header row. Column names are matched without regard to case or order;
columns that nobody asked for are ignored; empty lines are skipped. A file is read whole or not at all, unless the
caller passes `problems`: then broken rows are put there and the rest is read (a file that a machine is still writing
may end in a torn line). This module knows no school: which columns a file has is said by its caller.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo

DAY_MIN = 1440
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_MAC = re.compile(r"[0-9a-f]{12}")
Word = TypeVar("Word", bound=StrEnum)


class InputError(ValueError):
    """Something in a file that people or machines wrote is wrong: `FILE:LINE: what; mend`."""

    def __init__(self, file: str, line: int, what: str, mend: str) -> None:
        super().__init__(f"{file}:{line}: {what}; {mend}")
        self.file, self.line, self.what, self.mend = file, line, what, mend


def clock_minute(text: str) -> int | None:
    """`8:45` or `08:45` as minutes after midnight, up to `24:00`; None if it is no such time."""
    found = _CLOCK.fullmatch(text)
    if found is None or int(found[2]) > 59 or (minute := int(found[1]) * 60 + int(found[2])) > DAY_MIN:
        return None
    return minute


def mac_number(text: str) -> int | None:
    """A hardware address in any usual spelling (`00:16:3e:00:10:00`, `00-16-...`, `0016.3e00.1000`, `0:16:3e:0:10:0`)
    as a number."""
    parts = re.split(r"[:\- ]", text.strip().lower())
    digits = "".join(part.zfill(2) for part in parts) if len(parts) == 6 else "".join(parts).replace(".", "")
    return int(digits, 16) if _MAC.fullmatch(digits) else None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file with typed access to its cells. Accessors raise the file's `InputError`."""

    file: str
    line: int
    cells: Mapping[str, str]
    error: type[InputError]

    def fail(self, what: str, mend: str) -> InputError:
        """An error at this row, to be raised by the caller."""
        return self.error(self.file, self.line, what, mend)

    def get(self, name: str) -> str:
        """The cell without surrounding blanks; empty if the column or the value is missing."""
        return self.cells.get(name, "")

    def text(self, name: str) -> str:
        """The cell, which must not be empty."""
        if not (value := self.get(name)):
            raise self.fail(f"{name} is empty", "fill it in or remove the row")
        return value

    def date(self, name: str, default: dt.date | None = None) -> dt.date:
        """An ISO date; `default` for an empty cell where one is given."""
        value = self.get(name)
        if not value and default is not None:
            return default
        try:
            if not _DATE.fullmatch(value):
                raise ValueError
            return dt.date.fromisoformat(value)
        except ValueError:
            raise self.fail(f"{name} {value!r} is not a date", "write it as 2026-11-17") from None

    def dates(self, first: str, last: str) -> tuple[dt.date, dt.date]:
        """Two dates, both inclusive, either of them open when empty."""
        start, end = self.date(first, dt.date.min), self.date(last, dt.date.max)
        if end < start:
            raise self.fail(f"{last} {end} lies before {first} {start}", "swap or correct the dates")
        return start, end

    def time(self, name: str) -> int:
        """A local wall-clock time as minutes after midnight."""
        value = self.get(name)
        if (minute := clock_minute(value)) is None:
            raise self.fail(f"{name} {value!r} is not a time", "write it as 08:45")
        return minute

    def span(self, start: str, end: str) -> tuple[int, int]:
        """Two times of one day, minutes [start, end)."""
        first, last = self.time(start), self.time(end)
        if last <= first:
            raise self.fail(f"{end} {self.get(end)} is not after {start} {self.get(start)}", "correct the times")
        return first, last

    def instant(self, name: str, zone: dt.tzinfo) -> float | None:
        """An ISO date and time as Unix seconds, in `zone` unless it says its own; None for an empty cell."""
        value = self.get(name)
        if not value:
            return None
        try:
            moment = dt.datetime.fromisoformat(value)
            return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
        except (ValueError, OverflowError):
            mend = "write it as 2026-11-17T08:10:00, with Z or an offset if it is not local time"
            raise self.fail(f"{name} {value!r} is not a date and time", mend) from None

    def word(self, name: str, words: type[Word], default: Word | None = None) -> Word:
        """One of the words of an enumeration, in any case; `default` for an empty cell where one is given."""
        value = self.get(name)
        if not value and default is not None:
            return default
        try:
            return words(value.lower())
        except ValueError:
            raise self.fail(f"{name} {value!r} is unknown", f"use one of {', '.join(words)}") from None

    def number(self, name: str, low: int, high: int) -> int:
        """A whole number from low to high."""
        value = self.get(name)
        if not (value.isascii() and value.isdigit() and len(value) < 20 and low <= int(value) <= high):
            raise self.fail(f"{name} {value!r} is not a number from {low} to {high}", "correct it")
        return int(value)

    def flag(self, name: str) -> bool:
        """0 or 1; empty is 0."""
        return bool(self.number(name, 0, 1)) if self.get(name) else False

    def mac(self, name: str) -> int:
        """A hardware address as a number."""
        if (number := mac_number(self.get(name))) is None:
            raise self.fail(f"{name} {self.get(name)!r} is not a hardware address", "write it as 00:16:3e:12:34:56")
        return number

    def names(self, name: str) -> tuple[str, ...]:
        """Several names in one cell, separated by semicolons."""
        return tuple(part.strip() for part in self.get(name).split(";") if part.strip())


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name that the settings have already checked."""
    return ZoneInfo(name)


def read_rows(
    file: str,
    data: bytes,
    columns: Sequence[str],
    error: type[InputError] = InputError,
    problems: list[InputError] | None = None,
) -> Iterator[Row]:
    """The rows of a CSV file in order. `file` is the name that errors show, `columns` must all be in the header.

    Raises `error` for a wrong encoding, a missing column, half a row; with `problems` only for a wrong header."""
    text = _decode(file, data, error) if problems is None else data.decode("utf-8-sig", errors="replace")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as broken:
            fault = error(file, line, f"the row cannot be read ({broken})", "check the quotation marks of this row")
            if problems is None or not header:
                raise fault from None
            problems.append(fault)
            break
        values = [cell.strip() for cell in cells]
        if any(values):
            if not header:
                header = header_of(file, line, values, columns, error)
            elif len(values) == len(header):
                yield Row(file, line, dict(zip(header, values, strict=True)), error)
            else:
                what = f"the row has {len(values)} cells where the header has {len(header)}"
                fault = error(file, line, what, "complete the row, or quote cells that hold commas")
                if problems is None:
                    raise fault
                problems.append(fault)
        line = reader.line_num + 1
    if not header:
        raise error(file, 1, "the file is empty", f"begin it with the header {','.join(columns)}")


UTF_16 = (b"\xff\xfe", b"\xfe\xff")
"""How text in UTF-16 begins, which spreadsheets call Unicode."""


def _decode(file: str, data: bytes, error: type[InputError]) -> str:
    mend = "save it as CSV UTF-8"
    if data[:2] in UTF_16:
        raise error(file, 1, "the text is UTF-16", mend)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        raise error(file, line, f"byte 0x{data[wrong.start]:02x} is not UTF-8", mend) from None
    if (zero := text.find("\0")) >= 0:
        raise error(file, text.count("\n", 0, zero) + 1, "there is a zero byte in the text", mend)
    return text


def header_of(file: str, line: int, values: list[str], columns: Sequence[str], error: type[InputError]) -> list[str]:
    """The names of a header's cells, those of `columns` in their own spelling; raises `error` if one lacks or is there
    twice."""
    names = [value.lower() for value in values]
    if len(names) == 1 and ";" in names[0] and len(columns) > 1:
        raise error(file, line, "the cells are separated by semicolons", "save it with commas")
    if missing := [column for column in columns if column.lower() not in names]:
        what = f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        raise error(file, line, what, f"the header must have {','.join(columns)}")
    if twice := sorted(name for name, n in Counter(names).items() if name and n > 1):
        raise error(file, line, f"column {twice[0]} appears twice", "remove one of them")
    known = {column.lower(): column for column in columns}
    return [known.get(name, name) for name in names]
