"""Parts of tables that a full disk has torn, found before anybody relies on them.

Theory of operation. When a disk is full to the last byte, the embedded engine may finish a part although its files
could not be written, and say nothing: of an insert as of a merge in the background. So whatever parts are new since the
last look are compared with their checksums before an insert is acknowledged, and every minute by the owner. A torn part
of an insert is dropped, which also makes the table forget its batch: it is sent again. Of a torn merge the sources are
still there (`old_parts_lifetime`): the table is loaded anew and takes them. What is found torn when a store is opened
was never acknowledged: the engine has put it aside, and the table must forget that it ever had the batch.
Tried on 26.9.2: seven of nine hundred inserts into a disk that somebody filled again and again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from pipeline.engine import StoreError
from pipeline.schema import BY_NAME, DATABASE, DEDUPLICATION_WINDOW, quoted

Select = Callable[[str], list[tuple[object, ...]]]
Execute = Callable[[str], None]
_WINDOW = "non_replicated_deduplication_window"


def mend(select: Select, execute: Execute, table: str, since: int) -> bool:
    """Looks at the parts of a table that are new since then (Unix seconds); did an insert leave a torn one?"""
    dropped = reload = False
    name = f"{DATABASE}.`{table}`"
    listed = select(
        f"SELECT name, level FROM system.parts WHERE database = '{DATABASE}' AND table = {quoted(table)} AND active "
        f"AND toUnixTimestamp(modification_time) >= {since}"
    )
    for part, level in listed:
        if _whole(select, name, str(part)):
            continue
        if level:
            reload = True
        else:
            execute(f"ALTER TABLE {name} DROP PART {quoted(str(part))}")
            dropped = True
    if reload:
        execute(f"DETACH TABLE {name}")
        execute(f"ATTACH TABLE {name}")
        forget_broken(select, execute)
    return dropped


def forget_broken(select: Select, execute: Execute) -> None:
    """After a start: removes what the engine found broken; tables whose inserts were torn forget their batches."""
    found = select(
        "SELECT table, name, level FROM system.detached_parts "
        f"WHERE database = '{DATABASE}' AND startsWith(reason, 'broken')"
    )
    for table in {str(table) for table, _, level in found if not level and table in BY_NAME}:
        for size in (0, DEDUPLICATION_WINDOW):
            execute(f"ALTER TABLE {DATABASE}.`{table}` MODIFY SETTING {_WINDOW} = {size}")
    for of, name, _ in found:
        execute(
            f"ALTER TABLE {DATABASE}.`{of}` DROP DETACHED PART {quoted(str(name))} SETTINGS allow_drop_detached = 1"
        )


def _whole(select: Select, table: str, part: str) -> bool:
    """Does a part hold what its checksums say? One that has just been merged away does."""
    with contextlib.suppress(StoreError):
        found = select(f"CHECK TABLE {table} PART {quoted(part)} SETTINGS check_query_single_value_result = 0")
        return all(row[1] for row in found)
    return select(f"SELECT count() FROM system.parts WHERE active AND name = {quoted(part)}") == [(0,)]
