"""Brings the tables of an engine to the present schema when it is opened, and refuses those of a newer one.

What is there is read from the engine's own system tables, compared (`ddl.migration`), checked and altered; a process
that is killed in between, or another one that does the same at the same time, does no harm. The version that a store
has been through is written down last.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Protocol

from pipeline import ddl, schema
from pipeline.ddl import Dialect, Found
from pipeline.engine import StoreError
from pipeline.native import Values


class Openable(Protocol):
    """What is needed of a store that is being opened."""

    def select(self, sql: str) -> list[tuple[object, ...]]: ...

    def execute(self, ddl: str) -> None: ...

    def insert(self, table: str, columns: dict[str, Values], batch: str) -> int: ...


def bring_up(
    store: Openable,
    dialect: Dialect,
    changing: Callable[[bool], AbstractContextManager[None]] = lambda new: nullcontext(),
) -> None:
    """Make the tables of a new store, and alter those of an older one. Raises StoreError, for a newer one too.

    `changing` is entered while tables are changed, if they are; it is told whether there were none.
    """
    found = read_tables(store.select, dialect)
    version = version_of(store.select, found)
    try:
        schema.check_version(version)
        checks, statements = ddl.migration(found, dialect)
        for check in checks:
            if (rows := int(str(store.select(check.sql)[0][0]))) > 0:
                raise schema.SchemaError(f"{check.refusal} ({rows} rows)")
    except schema.SchemaError as error:
        mend = "" if version > schema.VERSION else "; nothing was changed: choose a new store, and replay the captures"
        raise StoreError(f"{error}{mend}") from None
    if not statements and version == schema.VERSION:
        return
    with changing(not version):
        for statement in statements:
            store.execute(statement)
        if version < schema.VERSION:
            applied: dict[str, Values] = {"version": [schema.VERSION], "applied": [datetime.now(UTC)]}
            store.insert("schema_version", applied, f"version/{schema.VERSION}")


def refuse_newer(select: Callable[[str], list[tuple[object, ...]]], dialect: Dialect) -> None:
    """Raises StoreError for a store that holds no tables of ours, or those of a newer version."""
    found = read_tables(select, dialect)
    try:
        schema.check_version(version_of(select, found))
    except schema.SchemaError as error:
        raise StoreError(str(error)) from None
    if not found:
        raise StoreError("there are no tables of Schoolgate yet; start the owner of the store first (schoolgate run)")


def version_of(select: Callable[[str], list[tuple[object, ...]]], found: list[Found]) -> int:
    """The newest schema version that the store has been through; 0 for none."""
    if not any(table.name == "schema_version" and table.database == schema.DATABASE for table in found):
        return 0
    return int(str(select(f"SELECT max(version) FROM {schema.DATABASE}.schema_version")[0][0]))


def read_tables(select: Callable[[str], list[tuple[object, ...]]], dialect: Dialect) -> list[Found]:
    """The tables in the databases of the store."""
    names = ", ".join(map(schema.quoted, dialect.databases))
    comment, codec = ("comment", "compression_codec") if dialect.modern else ("''", "''")
    columns: dict[tuple[str, str], dict[str, tuple[str, str, str]]] = {}
    for row in select(
        f"SELECT database, table, name, type, comment, {codec} FROM system.columns WHERE database IN ({names})"
    ):
        database, table, name, kind, about, packed = map(str, row)
        columns.setdefault((database, table), {})[name] = (kind, about, packed)
    tables = select(
        f"SELECT database, name, engine, partition_key, sorting_key, {comment}, engine_full FROM system.tables "
        f"WHERE database IN ({names})"
    )
    found = []
    for row in tables:
        database, name, engine, partition, order, about, text = map(str, row)
        found.append(Found(database, name, engine, partition, order, about, text, columns.get((database, name), {})))
    return found
