"""Changes to a school's own file of services (`sensor.services`): the bytes before give the bytes after.

Rows are added at the end, and what is there stays as it is, to the byte; only where a service's own row changes, or the
header lacks a column, is the file written anew. Whether the result can be used is for `load_catalogue` to say. This
module opens no file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

HEADER = ("service", "domain", "match", "role", "name", "kind", "action", "status", "about")


class OwnServicesError(ValueError):
    """The school's file cannot be changed as asked; the message is `FILE:LINE: what is wrong; mend`."""


def with_rows(data: bytes | None, rows: Sequence[Mapping[str, str]], file: str) -> bytes:
    """The file with these rows (cells by column) at its end; `data` None: there is no file yet."""
    header, cells, end = _read(data, file)
    used = [column for column in HEADER if any(row.get(column) for row in rows)]
    if data is None or not header:
        wanted = list(HEADER)
    else:
        wanted = [*header, *(column for column in used if column not in header)]
    added = [[row.get(column, "") for column in wanted] for row in rows]
    if data is not None and wanted == header:
        text = data if data.endswith((b"\n", b"\r")) else data + end.encode()
        return text + _written(added, end)
    padded = [row + [""] * (len(wanted) - len(row)) for row in cells]
    return _bom(data) + _written([wanted, *padded, *added], end)


def with_service(data: bytes | None, service: str, change: Mapping[str, str], file: str) -> bytes:
    """The file with the service's own row (the one without a domain) changed, or added."""
    header, cells, end = _read(data, file)
    at = [
        n
        for n, row in enumerate(cells)
        if _cell(header, row, "service") == service and not _cell(header, row, "domain")
    ]
    if not at:
        return with_rows(data, [{"service": service, **change}], file)
    wanted = [*header, *(column for column in HEADER if change.get(column) and column not in header)]
    rows = [row + [""] * (len(wanted) - len(row)) for row in cells]
    for column, value in change.items():
        if value:
            rows[at[-1]][wanted.index(column)] = value
    return _bom(data) + _written([wanted, *rows], end)


def _read(data: bytes | None, file: str) -> tuple[list[str], list[list[str]], str]:
    """Header, rows and the way lines end."""
    try:
        text = (data or b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise OwnServicesError(f"{file}:{line}: the file is not UTF-8; save it as 'CSV UTF-8'") from None
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(map(str.strip, row))]
    except csv.Error as error:
        raise OwnServicesError(f"{file}:1: the file cannot be read ({error}); mend its quotes") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    return header, rows[1:], "\r\n" if "\r\n" in text else "\n"


def _cell(header: list[str], row: list[str], column: str) -> str:
    at = header.index(column) if column in header else len(row)
    return row[at].strip() if at < len(row) else ""


def _written(rows: Sequence[Sequence[str]], end: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(rows)
    return text.getvalue().encode()


def _bom(data: bytes | None) -> bytes:
    mark = b"\xef\xbb\xbf"
    return mark if data is not None and data.startswith(mark) else b""
