"""Requests to send a report now: files in the folder of reports, taken up by the process that has the store.

Whoever cannot write to the store leaves one; it stays until the mail is sent or given up, because addresses are in no
table. Only what the file system promises is needed: a file is there whole, or not at all.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboards.settings import is_address
from sensor.durable import write_whole

REQUESTS = "requests"


class AskError(ValueError):
    """What is asked for cannot be sent; the message says how to ask."""


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants a report sent now: the last issue of a period, made if there is none. `to`: else those set."""

    id: str
    period: str
    to: tuple[str, ...] = ()


def requests(folder: Path) -> list[Request]:
    """What was asked for and is not done yet, the oldest first."""
    found = []
    for path in sorted((folder / REQUESTS).glob("*.json")):
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            found.append(Request(path.stem, str(told["period"]), tuple(map(str, told["to"]))))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # half-written, or just done
    return found


def check_addresses(period: str, to: Sequence[str]) -> None:
    """Raises AskError for one that is none, and for any where no period is named: what is due has its readers."""
    if wrong := next((text for text in to if not is_address(text)), None):
        raise AskError(f"{wrong[:60]!r} is not a mail address; write it as head@school.example")
    if to and not period:
        raise AskError("what is due goes to those that are set; name the week or the term that others are to get")


def ask_for(folder: Path, period: str, to: Sequence[str]) -> Request:
    """Leaves a request; on the disk when this returns. Raises OSError."""
    where = folder / REQUESTS
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    request = Request(f"{int(time.time())}-{secrets.token_hex(4)}", period, tuple(to))
    body = json.dumps({"period": period, "to": list(to)})
    write_whole(where / f"{request.id}.json", body.encode(), private=True)
    return request
