"""Copies of the outbox in the store, for the pages and the report: tables `alert` and `alert_delivery`.

Every change of an alert or a delivery raises its revision; what the store has not yet is inserted as one batch under
the name of its content, and the table keeps the highest revision of each. Killed in between, the same batch is sent
again and left out. Names and notes of acknowledgements stay in the outbox.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import date

from pipeline.alerts.outbox import Outbox
from pipeline.native import Values
from pipeline.store import Store

Row = dict[str, object]


def copy_changes(outbox: Outbox, store: Store, school: str) -> int:
    """Brings what has changed into the store; returns the number of rows. Raises StoreError."""
    done = 0
    for table, source, cells in (("alert", "alert", _alert), ("alert_delivery", "delivery", _delivery)):
        rows = _unstored(outbox, source)
        if rows:
            columns = _columns(rows, cells, school)
            store.insert(table, columns, f"{school}/{table}/{_name(rows)}")
            _stored(outbox, source, rows)
            done += len(rows)
    return done


def _unstored(outbox: Outbox, table: str) -> list[Row]:
    """Rows of `alert` or `delivery` that have changed since the store had them."""
    if table == "alert":
        return outbox.rows("SELECT * FROM alert WHERE stored < revision LIMIT 1000")
    return outbox.rows(
        "SELECT d.*, m.day, m.made, m.sort, m.alerts FROM delivery d JOIN message m ON m.id = d.message "
        "WHERE d.stored < d.revision LIMIT 1000"
    )


def _stored(outbox: Outbox, table: str, rows: list[Row]) -> None:
    """These rows, as they were then, are in the store."""
    key = ("id",) if table == "alert" else ("message", "channel")
    where = " AND ".join(f"{name} = ?" for name in key)
    with outbox.change() as database:
        for row in rows:
            values = [str(row[name]) for name in key]
            sql = f"UPDATE {table} SET stored = max(stored, ?) WHERE {where}"
            database.execute(sql, (int(str(row["revision"])), *values))


def _columns(rows: list[Row], cells: Callable[[Row], Row], school: str) -> dict[str, Values]:
    found = [{"school": school, **cells(row)} for row in rows]
    return {name: [row[name] for row in found] for name in found[0]}


def _alert(row: Row) -> Row:
    words = ("id", "kind", "subject", "certainty", "wiki", "service", "segment", "period", "period_kind", "rule", "why")
    times = ("raised", "at", "last", "recovered", "acknowledged")
    return {
        **{name: str(row[name]) for name in words},
        **{name: _second(row[name]) for name in times},
        "day": date.fromisoformat(str(row["day"])),
        "percent": int(100 * float(str(row["probability"]))),
        "edits": int(str(row["count"])),
        "revision": int(str(row["revision"])),
    }


def _delivery(row: Row) -> Row:
    words = ("message", "sort", "channel", "state", "problem")
    return {
        **{name: str(row[name]) for name in words},
        **{name: _second(row[name]) for name in ("made", "changed")},
        "day": date.fromisoformat(str(row["day"])),
        "alerts": len(json.loads(str(row["alerts"]))),
        "attempt": int(str(row["attempt"])),
        "possible_duplicate": int(str(row["possible_duplicate"])),
        "revision": int(str(row["revision"])),
    }


def _second(value: object) -> int:
    """Unix seconds that the store can hold."""
    return min(max(0, int(float(str(value)))), (1 << 32) - 1)


def _name(rows: list[Row]) -> str:
    keys = [[row.get("id"), row.get("message"), row.get("channel"), row["revision"]] for row in rows]
    return hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:16]
