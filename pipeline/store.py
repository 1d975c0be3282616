"""The store: one interface, and behind it the embedded ClickHouse (chDB) in the one process that owns its folder.

Theory of operation. The folder belongs to one process (`engine`). Every query and every insert opens a handle of its
own (half a millisecond): after a failed query chDB puts that query's bytes in front of the *next* result of the same
handle, so no handle here ever has a next result; and threads never meet on one. Queries run with `readonly=1`. Values
are bound (`{name:Type}`), never pasted.
An insert is one Native block under a deduplication token (table and batch): once `insert` has returned, the rows are on
the disk; a batch that is sent again is left out. The block is read from a file in memory by INSERT SELECT: chDB's
streaming insert says nothing when the disk is too full to commit; and what it has written is looked at, because on a
full disk the engine does not always say (`parts`), and it remembers batches a moment too early (`batchlog`). Never fork
a process that has a store open: start new ones (spawn).
It does not know what the rows mean, nor when they may be dropped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from pipeline import batchlog, ddl, parts, schema, upkeep
from pipeline.engine import MAKING, Engine, Handle, StoreBusy, StoreError, complaint
from pipeline.native import ColumnError, Values, encode_block
from pipeline.sqltext import READ_FORMAT, READ_SETTINGS, ParameterError, bound, decode_rows, encode_parameters
from sensor.durable import sync_folder

__all__ = ["ChdbStore", "Result", "Store", "StoreBusy", "StoreError", "batches", "open_store"]

QUERY_SECONDS = 30
"""After which a query is given up."""

ROOM_BYTES = 32 << 20
"""That must be free before tables are made or changed: the engine tears a definition that finds no room."""


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a query, with the name and the ClickHouse type of each column (values: see `sqltext.decode_rows`)."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[tuple[object, ...]]


class Store(Protocol):
    """What the pipeline and the pages ask of a store; safe to call from several threads."""

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> Result:
        """Rows of one SELECT; `params` are bound to its `{name:Type}`. Writes nothing. Raises `StoreError`."""
        ...

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        """Store one batch of rows, exactly once: returns their number, also if the table had `batch` already.

        All columns of the table, equally long. One batch name stands for one content: other rows under a name that
        the table remembers are left out too. When it has returned, the rows outlive any crash; if it raises
        `StoreError`, send the same batch again.
        """
        ...

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        """Delete the rows of a table for which `where` holds; when it has returned they are gone. Raises `StoreError`.

        `params` are bound to the `{name:Type}` of `where`. Doing it again does no harm.
        """
        ...

    def execute(self, ddl: str) -> None:
        """Run one statement that changes tables or partitions, and may be run again. Raises `StoreError`."""
        ...

    def close(self) -> None:
        """Let go of the store; closing twice is harmless."""
        ...


def batches(store: Store, school: str, since: datetime | None = None) -> set[str]:
    """Names of a school's stored batches (table `batch`); with `since`, of windows that begin then or later."""
    sql = f"SELECT DISTINCT batch FROM {schema.DATABASE}.batch WHERE school = {{school:String}}"
    params: dict[str, object] = {"school": school}
    if since is not None:
        sql += " AND window >= {since:DateTime('UTC')}"
        params["since"] = since
    return {str(name) for (name,) in store.query(sql, params).rows}


def open_store(path: Path) -> ChdbStore:
    """The embedded store in the folder `path`, made with its tables if it is not there yet.

    Opening the same path again in one process shares the engine; each store is closed on its own.
    Raises `StoreBusy` if another process has it; `StoreError` if this process has another store open, if a newer
    version wrote it, if the folder holds something else, or if the engine cannot start.
    """
    store = ChdbStore(path.resolve())
    try:
        store.bring_up()
    except BaseException:
        store.close()
        raise
    return store


class ChdbStore:
    """A `Store` on the process's engine. Made by `open_store`; a context manager that closes itself."""

    dialect = ddl.CHDB

    def __init__(self, path: Path) -> None:
        self._engine = Engine.join(path, self)

    def bring_up(self) -> None:
        """Make the tables, or bring them to the present schema. Raises StoreError."""
        try:
            with self._engine.writing:
                if not self._engine.looked:
                    parts.forget_broken(self._told, self.execute)
                upkeep.bring_up(self, self.dialect, lambda new: _changing(self.path, new))
        except StoreError as error:
            text = str(error)
            raise StoreError(text if text.startswith(str(self.path)) else f"{self.path}: {text}") from error.__cause__

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self._engine.path

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> Result:
        """See `Store.query`; gives up after `QUERY_SECONDS`."""
        try:
            texts = encode_parameters(sql, params or {}, complete=True)
        except ParameterError as error:
            raise StoreError(str(error)) from None
        return Result(*decode_rows(self.answer(sql, texts)))

    def answer(self, sql: str, texts: Mapping[str, str]) -> bytes:
        """The engine's answer in `READ_FORMAT`; `texts` are parameters as `encode_parameters` writes them."""
        settings = READ_SETTINGS | {"max_execution_time": str(QUERY_SECONDS), "readonly": "1"}
        with self._handle() as handle:
            handle.query("SET " + ", ".join(f"{name} = {value}" for name, value in settings.items()))
            return handle.query(sql, READ_FORMAT, params=dict(texts)).bytes()

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        """See `Store.insert`."""
        if table not in schema.BY_NAME:
            raise StoreError(f"{table}: no such table; one of {', '.join(schema.BY_NAME)}")
        types = schema.BY_NAME[table].types
        try:
            block = encode_block(types, columns)
        except ColumnError as error:
            raise StoreError(f"{table}: {error}") from None
        rows = len(columns[next(iter(types))])
        if rows:
            names = ", ".join(f"`{name}`" for name in types)
            structure = schema.quoted(", ".join(f"`{name}` {kind}" for name, kind in types.items()))
            token = schema.quoted(f"{table}/{batch}")
            with self._engine.writing, _in_memory(block) as path:
                insert = (
                    f"INSERT INTO {schema.DATABASE}.`{table}` ({names}) "
                    f"SELECT {names} FROM file('{path}', 'Native', {structure}) "
                    f"SETTINGS insert_deduplication_token = {token}, max_block_size = {rows}, max_threads = 1"
                )
                try:
                    self._do(insert)
                finally:
                    forgot = self._forget_phantoms(table)  # of this try, or of one before it
                if forgot:
                    self._do(insert)
                if self._look_at(table):
                    raise StoreError(f"{self.path}: the disk filled up while rows of {table} were written; make room")
        return rows

    def look(self) -> None:
        """Looks for parts that a full disk has torn since the last look, and mends what can be mended."""
        for table in schema.BY_NAME:
            with self._engine.writing:
                self._look_at(table)

    def _look_at(self, table: str) -> bool:
        """See `parts.mend`."""
        since, now = self._engine.looked.get(table, 0), int(time.time())
        torn = parts.mend(self._told, self.execute, table, since)
        self._engine.looked[table] = now - 2  # times of parts are whole seconds, and may be set a moment before
        return torn

    def _forget_phantoms(self, table: str) -> bool:
        """Did the table believe that it has a batch of which it has no part? See `batchlog`."""
        try:
            found = batchlog.mend(self.path / "data" / schema.DATABASE / table)
        except OSError as error:
            what = f"the memory of batches cannot be kept ({error.strerror})"
            raise StoreError(f"{self.path}: {what}; make room") from None
        if found:
            for word in ("DETACH", "ATTACH"):
                self.execute(f"{word} TABLE {schema.DATABASE}.`{table}`")
        return found

    def _told(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a statement of ours that a reader may not make."""
        with self._handle() as handle:
            return decode_rows(handle.query(sql, READ_FORMAT).bytes())[2]

    def select(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a statement of ours without parameters."""
        return self.query(sql).rows

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        """See `Store.delete`."""
        try:
            text = bound(f"ALTER TABLE {schema.DATABASE}.`{table}` DELETE WHERE {where}", params)
        except ParameterError as error:
            raise StoreError(str(error)) from None
        self.execute(f"{text} SETTINGS mutations_sync = 2")

    def execute(self, ddl: str) -> None:
        """See `Store.execute`."""
        self._do(ddl)

    def _do(self, statement: str) -> None:
        with self._handle() as handle:
            handle.query(statement)

    @contextlib.contextmanager
    def unfinished(self) -> Iterator[None]:
        """While a new store is filled: if the block does not end well, the next opening finds an empty store."""
        mark = self.path / MAKING
        mark.touch()
        sync_folder(self.path)
        yield
        mark.unlink()
        sync_folder(self.path)

    def close(self) -> None:
        """See `Store.close`; the engine ends with its last store."""
        self._engine.leave(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _handle(self) -> Iterator[Handle]:
        """A handle for one statement; the engine's complaints become `StoreError`."""
        handle = self._engine.handle(self)
        try:
            yield handle
        except RuntimeError as error:
            raise StoreError(f"{self.path}: {complaint(error)}") from error
        finally:
            handle.close()


@contextlib.contextmanager
def _in_memory(block: bytes) -> Iterator[str]:
    """A path at which this process can read `block`; it takes no room on any disk."""
    with open(os.memfd_create("block"), "wb") as file:
        file.write(block)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


@contextlib.contextmanager
def _changing(path: Path, new: bool) -> Iterator[None]:
    """While tables are made or altered; those of a new store are made anew if they could not be made whole."""
    free = shutil.disk_usage(path).free
    if free < ROOM_BYTES:
        raise StoreError(
            f"{path}: only {free >> 20} MiB are free on that disk, too few to make or change tables safely; "
            f"make room for {ROOM_BYTES >> 20} MiB"
        )
    mark = path / MAKING
    if new:
        mark.touch()
    yield
    if any(path.stat().st_size == 0 for path in path.rglob("*.sql")):  # the engine does not say so
        raise StoreError(f"{path}: the disk filled up while the tables were made; make room and try again")
    mark.unlink(missing_ok=True)
