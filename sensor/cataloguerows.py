"""The catalogue's CSV files as rows: a header with known columns, whole rows, words out of a list.

Whatever is wrong ends in a CatalogueError that names file, line and mend. What the rows mean, `sensor.catalogue` knows.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import NoReturn, TypeVar

W = TypeVar("W", bound=StrEnum)


class CatalogueError(ValueError):
    """A catalogue file cannot be used; the message is `FILE:LINE: what is wrong; mend`."""


def word(path: Path, line: int, column: str, text: str, words: type[W]) -> W:
    """A cell that must be one of the words."""
    try:
        return words(text)
    except ValueError:
        fail(path, line, f"{column} {text!r} is not known", f"use one of {', '.join(words)}")


def rows(
    path: Path, required: tuple[str, ...], optional: tuple[str, ...], data: bytes | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file as (line, cells by column), cells stripped, empty rows left out. `data`: its bytes."""
    try:
        text = (path.read_bytes() if data is None else data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        fail(path, line, "the file is not UTF-8", "save it as 'CSV UTF-8'")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        missing = [column for column in required if column not in header]
        strange = [column for column in header if column not in required + optional]
        if missing or strange or len(set(header)) < len(header):
            wrong = f"the header row is {','.join(header)!r}"
            fail(
                path,
                1,
                wrong,
                f"it must be {','.join(required)}" + (", then any of " + ",".join(optional)) * bool(optional),
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                wrong = f"{len(cells)} cells instead of {len(header)}"
                fail(path, reader.line_num, wrong, "put cells that contain a comma in double quotes")
            yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        fail(path, reader.line_num, f"the row cannot be read ({error})", "mend its quotes")


def fail(path: Path, line: int, wrong: str, mend: str) -> NoReturn:
    """Raises CatalogueError."""
    raise CatalogueError(f"{path}:{line}: {wrong}; {mend}")
