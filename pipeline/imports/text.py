"""Reads the cells of an exported text file: size, encoding, separator, quotation marks, and a line number for each row.

UTF-8 (with or without a byte-order mark), and Windows' western code page where the format allows it; commas,
semicolons or tabs. What cannot be read is refused with file, line and mend. Nothing here knows what the cells mean.
"""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.imports.tables import ImportRefused
from pipeline.tables import UTF_16

MAX_BYTES = 16 << 20  # a year's substitutions of a large school are under 2 MB
MAX_ROWS = 200_000
_SEPARATORS = ",;\t"


class Cells(NamedTuple):
    """One row of a file: its line number and its cells without surrounding blanks."""

    line: int
    values: list[str]

    def at(self, position: int) -> str:
        """The cell at a position counted from 1, as formats without a header do; empty beyond the last."""
        return self.values[position - 1] if position <= len(self.values) else ""


def read_file(path: Path) -> bytes:
    """A file's bytes; refused before it is read if it is too large to be a school's export. Raises OSError."""
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ImportRefused(path.name, 1, "this is no file that can be read twice", "save it as a file first")
    size = state.st_size
    if size > MAX_BYTES:
        what = f"the file has {size / (1 << 20):.0f} MB, and an export of a school has less than {MAX_BYTES >> 20}"
        raise ImportRefused(path.name, 1, what, "look whether it is the right file, or export fewer years")
    return path.read_bytes()


def decode(file: str, data: bytes, encodings: Sequence[str] = ("utf-8-sig",)) -> str:
    """The text in the first encoding that fits."""
    if data[:2] in UTF_16:
        raise ImportRefused(file, 1, "the text is UTF-16", "save it as CSV UTF-8, not as Unicode text")
    wrong: UnicodeDecodeError | None = None
    text = None
    for encoding in encodings:
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError as error:
            wrong = wrong or error
    if text is None:
        assert wrong is not None
        line = data.count(b"\n", 0, wrong.start) + 1
        what = f"byte 0x{data[wrong.start]:02x} is not {' or '.join(_names(encodings))}"
        raise ImportRefused(file, line, what, "export it again, or save it, as UTF-8")
    if (zero := text.find("\0")) >= 0:
        what = "there is a zero byte in the text"
        raise ImportRefused(file, text.count("\n", 0, zero) + 1, what, "save it as text in UTF-8")
    return text


def separator_of(text: str) -> str:
    """The separator that the first line with any has most of, outside quotation marks."""
    for line in text.splitlines()[:20]:
        bare = "".join(line.split('"')[::2])
        counts = {mark: bare.count(mark) for mark in _SEPARATORS}
        if any(counts.values()):
            return max(_SEPARATORS, key=lambda mark: counts[mark])
    return ","


def read_cells(file: str, text: str, separator: str) -> list[Cells]:
    """Every row that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    found: list[Cells] = []
    line = 1
    while True:
        try:
            values = [cell.strip() for cell in next(reader)]
        except StopIteration:
            break
        except csv.Error as broken:
            mend = "check the quotation marks of this row; if it is the last, the file is not whole: export it again"
            raise ImportRefused(file, line, f"the row cannot be read ({broken})", mend) from None
        if any(values):
            found.append(Cells(line, values))
            if len(found) > MAX_ROWS:
                what = f"there are more than {MAX_ROWS} rows"
                raise ImportRefused(file, line, what, "look whether it is the right file")
        line = reader.line_num + 1
    if not found:
        raise ImportRefused(file, 1, "the file is empty", "export it again")
    return found


def _names(encodings: Sequence[str]) -> list[str]:
    return ["UTF-8" if name == "utf-8-sig" else name for name in encodings]
