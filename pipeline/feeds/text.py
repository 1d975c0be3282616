"""Files that other machines are still writing: their whole lines, their tables, and an account of what was read.

Theory. A feed is appended to while it is read, so its last line may be torn. Half a user name may be somebody else's,
so a line without its line break counts only if all that is used of it is followed by something else; else it is read
whole next time. A broken line in the middle is refused with file and line, and the rest is read. Lines are read one
block at a time: a file's size does not matter.

Encodings: UTF-8 with or without a mark; UTF-16 with its mark (PowerShell's Export-Csv and `>` write it); a line that is
no UTF-8 is taken for Windows-1252. Anything else with zero bytes in it (an EVTX, a zip, UTF-16 without a mark) is
refused by name. A quoted cell may hold commas but no line break: no feed writes any.

It does not know what the lines mean.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from pipeline.feeds.clocks import offset_by_file
from pipeline.tables import InputError, header_of, mac_number
from sensor.slices import pack_address

KEPT_PROBLEMS = 20
MAX_LINE = 1 << 16
_CHUNK = 1 << 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FORMATS = ((b"\x1f\x8b", "gzip"), (b"PK\x03\x04", "zip or Excel"), (b"ElfFile", "EVTX"), (b"regf", "a registry hive"))


class FeedError(InputError):
    """An identity feed cannot be read."""


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A file of a feed. `name` is shown; `written`: when it was last written, Unix seconds, None if nobody knows.
    own: the sensor wrote it, so a broken one is passed over."""

    name: str
    open: Callable[[], BinaryIO]
    written: float | None = None
    own: bool = False

    @classmethod
    def at(cls, path: Path, *, own: bool = False) -> FeedFile:
        """A file on disk; one that was rotated away meanwhile is empty."""

        def opened() -> BinaryIO:
            try:
                return path.open("rb")
            except FileNotFoundError:
                return io.BytesIO()

        try:
            written = path.stat().st_mtime
        except FileNotFoundError:
            written = None
        return cls(path.name, opened, written, own)

    @classmethod
    def of(cls, name: str, data: bytes, written: float | None = None, *, own: bool = False) -> FeedFile:
        """A file in memory."""
        return cls(name, lambda: io.BytesIO(data), written, own)


@dataclass(slots=True)
class FeedLog:
    """What was read of one feed: records taken, the newest moment that any of them tells, what was left out and why.
    locks: how many screens were locked.

    `offset`: of the clock, by the file that was written last (see `pipeline.feeds.clocks`)."""

    records: int = 0
    newest: float | None = None
    offset: float | None = None
    refused: int = 0
    torn: bool = False
    locks: int = 0
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    _here: float | None = None
    _last_written: float | None = None

    def take(self, moment: float) -> None:
        """A record was read that was written at this moment by the clock of whoever wrote it."""
        self.records += 1
        if self._here is None or moment > self._here:
            self._here = moment

    def refuse(self, wrong: InputError) -> None:
        """A row cannot be read."""
        self.refused += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(str(wrong))

    def finish(self, file: FeedFile, *, own_clock: bool = True) -> None:
        """The file is read. own_clock False: its records' times are its file's, which says nothing of any clock."""
        if self._here is not None:
            self.newest = self._here if self.newest is None else max(self.newest, self._here)
            if own_clock and file.written is not None and file.written >= (self._last_written or 0):
                self._last_written, self.offset = file.written, offset_by_file(self._here, file.written)
        self._here = None


def lines(file: FeedFile, log: FeedLog, whole: Callable[[str], bool] = lambda text: False) -> Iterator[tuple[int, str]]:
    """The whole lines of a file with their numbers from 1, without line breaks. Raises FeedError if it is no text.

    whole: is a last line, which has no line break, whole as far as it is used?"""
    number = 0
    with file.open() as stream:
        for block in _blocks(file, stream, log, whole):
            strange = "\0" in block
            for line in block.split("\n"):
                number += 1
                if (strange and "\0" in line) or len(line) > MAX_LINE:
                    what = "there are zero bytes in this line" if "\0" in line else "the line is endless"
                    log.refuse(FeedError(file.name, number, what, "look at what wrote this file"))
                else:
                    yield number, line[:-1] if line.endswith("\r") else line


def _blocks(file: FeedFile, stream: BinaryIO, log: FeedLog, whole: Callable[[str], bool]) -> Iterator[str]:
    """Text in blocks of whole lines, each without its last line break."""
    chunk = stream.read(_CHUNK)
    codec, mark = _codec(file, chunk)
    decoder = codecs.getincrementaldecoder(codec)("replace")
    chunk, raw, rest = chunk[mark:], b"", ""
    while chunk:
        if codec == "utf-8":
            head, found, raw = (raw + chunk).rpartition(b"\n")
            raw = raw[: MAX_LINE + 1]
            if found:
                yield _decode(head)
        else:
            text, ended, rest = (rest + decoder.decode(chunk)).rpartition("\n")
            rest = rest[: MAX_LINE + 1]
            if ended:
                yield text
        chunk = stream.read(_CHUNK)
    last = rest or _decode_line(raw)
    if last and whole(last):
        yield last
    elif last:
        log.torn = True


def _decode(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\n".join(map(_decode_line, data.split(b"\n")))


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("cp1252", errors="replace")


def _codec(file: FeedFile, head: bytes) -> tuple[str, int]:
    for mark, codec in _MARKS:
        if head.startswith(mark):
            return codec, len(mark)
    for magic, name in _FORMATS:
        if head.startswith(magic):
            raise FeedError(file.name, 1, f"this is {name}, not text", "unpack it, or export it as CSV UTF-8")
    if b"\0" in head.partition(b"\n")[0]:
        mend = "write it as UTF-8, in PowerShell with -Encoding utf8"
        raise FeedError(file.name, 1, "there are zero bytes, so this is no UTF-8 text", mend)
    return "utf-8", 0


def table(
    file: FeedFile, log: FeedLog, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of a CSV file: line and the cells of `columns` and `optional` (empty where the file has no such column).

    Lines before the header that begin with # (`#TYPE` of Export-Csv) and a header that comes again are passed over.
    Raises FeedError if a column of `columns` lacks."""
    pick: Callable[[list[str]], tuple[str, ...]] | None = None
    header: list[str] = []
    at: list[int] = []

    def whole(text: str) -> bool:
        used = [place for place in at if place < len(header)]
        return text.count(",") == len(header) - 1 and '"' not in text and max(used, default=0) < len(header) - 1

    for number, line in lines(file, log, whole):
        if not line or line.isspace():
            continue
        if header:
            cells = line.split(",") if '"' not in line else _quoted(file, number, line, log)
            if len(cells) != len(header):
                if cells:
                    what = f"the row has {len(cells)} cells where the header has {len(header)}"
                    log.refuse(FeedError(file.name, number, what, "look at what wrote this row"))
            elif pick is not None and cells != header:
                cells.append("")
                yield number, tuple(cell.strip() for cell in pick(cells))
        elif not line.startswith("#"):
            header = _quoted(file, number, line, log)
            known = header_of(file.name, number, [cell.strip() for cell in header], columns, FeedError)
            lower = [name.lower() for name in known]
            at = [lower.index(name.lower()) if name.lower() in lower else len(lower) for name in (*columns, *optional)]
            pick = itemgetter(*at, len(lower))  # one more, so that even a single column comes as a tuple


def _quoted(file: FeedFile, number: int, line: str, log: FeedLog) -> list[str]:
    """The cells of a line with quotation marks; none if they do not match, which is noted."""
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error as broken:
        what = f"the row cannot be read ({broken})"
        log.refuse(FeedError(file.name, number, what, "check the quotation marks of this row"))
        return []


@lru_cache(1 << 16)
def hardware(text: str) -> int | None:
    """The hardware address of one network card, in any spelling; None for anything else."""
    number = mac_number(text)
    return number if number and not number >> 40 & 1 else None


@lru_cache(1 << 17)
def address_of(text: str) -> bytes | None:
    """An IP address as 16 bytes, None if it is none."""
    try:
        return pack_address(text.partition("%")[0])
    except ValueError:
        return None


@lru_cache(1 << 14)
def host_name(text: str) -> str:
    """A computer's short name in lower case, without its domain."""
    return text.strip().lower().split(".", 1)[0]
