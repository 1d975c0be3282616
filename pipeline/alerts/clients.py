"""Which address an alert was about: kept apart from everything, for look-up alone, and for 28 days.

Only in pseudonymous mode, and only of the staff's networks: pupils and guests are never looked at one by one, so there
is nothing to keep. The file has mode 0600 and lies beside the outbox; what leaves by age is overwritten. It is written
before the alert is, so that no alert can point to an address that a crash has lost.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from pipeline.alerts.database import OutboxError, open_private, writing

FILE = "clients.sqlite"
KEEP_DAYS = 28
_TABLE = "CREATE TABLE IF NOT EXISTS client (alert TEXT, address BLOB, at REAL, PRIMARY KEY (alert, address, at));"


@dataclass(frozen=True, slots=True)
class Seen:
    """An address (16 bytes, IPv4 mapped) at a moment (Unix seconds)."""

    address: bytes
    at: float


class AlertClients:
    """The addresses behind alerts, in the folder of the outbox."""

    def __init__(self, folder: Path) -> None:
        try:
            self._database = open_private(folder / FILE, _TABLE, journal="DELETE")
        except (OSError, sqlite3.Error) as error:
            what = error.strerror if isinstance(error, OSError) else error
            raise OutboxError(f"{folder / FILE}: it cannot be opened ({what}); correct [alerts]") from None

    def keep(self, alert: str, address: bytes, at: float) -> None:
        with writing(self._database) as database:
            database.execute("INSERT OR IGNORE INTO client VALUES (?, ?, ?)", (alert, address, at))

    def of(self, alert: str) -> tuple[Seen, ...]:
        """What was kept for an alert, by time."""
        rows = self._database.execute("SELECT address, at FROM client WHERE alert = ? ORDER BY at", (alert,))
        return tuple(Seen(bytes(address), float(at)) for address, at in rows)

    def prune(self, before: float) -> int:
        """Removes what was seen before; returns how many."""
        with writing(self._database) as database:
            return database.execute("DELETE FROM client WHERE at < ?", (before,)).rowcount

    def older(self, before: float) -> int:
        return int(self._database.execute("SELECT count(*) FROM client WHERE at < ?", (before,)).fetchone()[0])

    def close(self) -> None:
        self._database.close()
