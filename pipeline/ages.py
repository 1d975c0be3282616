"""How long the rows of each table are kept, and which rows of a table outside the store are too old (backups).

The rules that let rows of a store go are pipeline.retention's; here are only the numbers, and the same rule for rows as
columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.audit import KEEP_DAYS
from pipeline.calendar import LocalClock

MONTHS_14 = 426
"""Days."""
DAYS: dict[str, int] = {
    "minute_mark": 7,
    "mark_former": 7,
    "episode": 28,
    "contest": 56,
    "use_five": MONTHS_14,
    "use_period": MONTHS_14,
    "use_day": MONTHS_14,
    "coverage": MONTHS_14,
    "catalogue_change": MONTHS_14,
    "bell": MONTHS_14,
    "school_day": MONTHS_14,
    "batch": MONTHS_14,
    "alert": MONTHS_14,
    "alert_delivery": MONTHS_14,
    "report": MONTHS_14,
    "report_delivery": MONTHS_14,
    "retention_proof": KEEP_DAYS,
}
"""For how many days the rows of each table are kept. An open contest outlives its days."""
HELD_AT_MOST = 90
"""Days after which an episode goes although its contest is open."""


@dataclass(frozen=True)
class Age:
    """What is too old on `today`; episodes and contests of `held` stay while a contest is open."""

    today: date
    zone: str
    held: frozenset[str] = frozenset()

    def first_day(self, table: str) -> date | None:
        """The first day of which rows of a table are kept; None: they do not age."""
        return self.today - timedelta(DAYS[table]) if table in DAYS else None

    def too_old(self, table: str, rows: pa.Table) -> pa.ChunkedArray:
        """Which rows had to go."""
        first = self.first_day(table)
        assert first is not None
        if "window" in rows.column_names:
            since = LocalClock(self.zone).utc(first, 0) * 60
            return pc.less(rows["window"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()), since)
        old = pc.less(rows["day"], pa.scalar(first, pa.date32()))
        if table not in ("episode", "contest"):
            return old
        held = pc.is_in(rows["id"], pa.array(sorted(self.held), pa.string()))
        if table == "episode":
            last = pa.scalar(self.today - timedelta(HELD_AT_MOST), pa.date32())
            held = pc.and_(held, pc.greater_equal(rows["day"], last))
        return pc.and_(old, pc.invert(held))
