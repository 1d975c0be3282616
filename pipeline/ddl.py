"""The tables of `pipeline.schema` as statements of an engine, and what makes the tables that are there those declared.

Theory of operation. Only what ClickHouse 18.16 and later understand is declared; a `Dialect` says what an engine can
besides: comments, codecs, removal by age, settings that make inserts safe, and whether it is a cluster. On a cluster
each table is two: the rows are in the database `LOCAL`, in a replicated table of each shard, and `DATABASE` has a
Distributed table of the same name over it, so that every question is the same everywhere. All rows of a school are in
one shard: its name is the sharding key, or FINAL and deduplication would see only parts of it.
A migration has no steps of its own: what is there (`Found`) is compared with what is declared, and the differences are
altered, in any number of runs. What would lose something is refused with `SchemaError`: a column or key that is not
declared any more, another order of rows, or a type that cannot hold what is stored (`checks` asks for that first).
No engine here, only text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.native import enum_words
from pipeline.schema import DATABASE, DEDUPLICATION_WINDOW, GONE_DAYS, TABLES, Column, SchemaError, Table, quoted

LOCAL = f"{DATABASE}_local"
"""The database of a cluster's replicated tables."""

_SAFE = (
    ("fsync_after_insert", 1),  # an acknowledged batch is on the disk, also after a power cut
    ("fsync_part_directory", 1),
    ("min_rows_to_fsync_after_merge", 1),
    ("old_parts_lifetime", 480),  # seconds; chDB's own default of 0 drops what a merge read before it is synced
)
_ALONE = ("non_replicated_deduplication_window", DEDUPLICATION_WINDOW)
_REPLICATED = (
    ("replicated_deduplication_window", DEDUPLICATION_WINDOW),
    ("replicated_deduplication_window_seconds", 31 * 86_400),
)
_CODECS = {"Date": "Delta(2), ZSTD(1)", "DateTime('UTC')": "DoubleDelta, ZSTD(1)"}
_WHOLE = re.compile(r"(U?)Int(8|16|32|64)")


@dataclass(frozen=True)
class Dialect:
    """What an engine can do beyond the common subset."""

    name: str
    table_settings: tuple[tuple[str, int], ...] = ()
    statement_settings: Mapping[str, object] = field(default_factory=dict)
    modern: bool = True
    """Whether it knows comments of tables, codecs, deduplication tokens, zones of a session and waiting mutations."""
    comments: bool = True
    """Whether columns keep comments."""
    ages: bool = False
    """Whether rows leave by age also if no owner of the store is running."""
    cluster: str = ""
    """The cluster's name; '' for a single engine."""

    @property
    def databases(self) -> tuple[str, ...]:
        """Those that hold the declared tables, the one with the rows first."""
        return (LOCAL, DATABASE) if self.cluster else (DATABASE,)


CHDB = Dialect("chDB", (_ALONE, *_SAFE))


MODERN = (23, 8)
"""The first version of ClickHouse that gets all that a store can have; exactly once is promised from here on."""


def server_dialect(version: tuple[int, int], cluster: str = "") -> Dialect:
    """Of a ClickHouse server of this version; what is older than `MODERN` gets the common subset, as 18.16 has it."""
    if version >= MODERN:
        own = _REPLICATED if cluster else (_ALONE,)
        return Dialect("ClickHouse", (*own, *_SAFE), ages=True, cluster=cluster)
    return Dialect(
        "ClickHouse 18.16",
        _REPLICATED if cluster else (),
        {"allow_experimental_low_cardinality_type": 1},
        modern=False,
        comments=not cluster,  # with comments its second replica finds the table of the first too different
        cluster=cluster,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A table that a database has: its engine, keys and comment, `text` with the rest of its declaration, and its
    columns by name as (type, comment, codec)."""

    database: str
    name: str
    engine: str
    partition: str
    order: str
    comment: str
    text: str
    columns: Mapping[str, tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Check:
    """A question whose answer, a number of rows, must be 0 before `migration` may be carried out."""

    sql: str
    refusal: str


def create_statements(dialect: Dialect) -> list[str]:
    """The DDL that makes an empty server this schema; each statement may be run again."""
    databases = [f"CREATE DATABASE IF NOT EXISTS {name}{_on(dialect)}" for name in dialect.databases]
    return [*databases, *(_create(table, name, dialect) for table in TABLES for name in dialect.databases)]


def migration(found: Iterable[Found], dialect: Dialect) -> tuple[list[Check], list[str]]:
    """What makes these tables those declared: what must hold first, and statements that may be run again.

    Raises `SchemaError` for what cannot be altered without losing something; tables that are not declared stay.
    """
    have = {(table.database, table.name): table for table in found}
    checks, statements = [], []
    if missing := [name for name in dialect.databases if not any(key[0] == name for key in have)]:
        statements += [f"CREATE DATABASE IF NOT EXISTS {name}{_on(dialect)}" for name in missing]
    for table in TABLES:
        for database in dialect.databases:
            there = have.get((database, table.name))
            if there is None:
                statements.append(_create(table, database, dialect))
                continue
            _refuse_other(table, there, dialect)
            changes, more = _altered(table, there, dialect)
            checks += more
            alter = f"ALTER TABLE {database}.`{table.name}`{_on(dialect)} "
            statements += [alter + change for change in (*changes, *_properties(table, there, dialect))]
    return checks, statements


def _on(dialect: Dialect) -> str:
    return f" ON CLUSTER {dialect.cluster}" if dialect.cluster else ""


def _create(table: Table, database: str, dialect: Dialect) -> str:
    spread = dialect.cluster and database == DATABASE
    columns = ",\n".join(f"  `{column.name}` {_described(column, dialect, not spread)}" for column in table.columns)
    head = f"CREATE TABLE IF NOT EXISTS {database}.`{table.name}`{_on(dialect)} (\n{columns}\n)\n"
    if spread:
        key = table.columns[0].name
        body = f"ENGINE = Distributed({dialect.cluster}, {LOCAL}, `{table.name}`, cityHash64(`{key}`))"
    else:
        order = ", ".join(f"`{name}`" for name in table.order)
        body = f"ENGINE = {_engine(table, dialect)}\nPARTITION BY {table.partition}\nORDER BY ({order})"
        if age := _age(table, dialect):
            body += f"\nTTL {age}"
        if dialect.table_settings:
            body += "\nSETTINGS " + ", ".join(f"{name} = {value}" for name, value in dialect.table_settings)
    return head + body + (f"\nCOMMENT {quoted(table.about)}" if dialect.modern else "")


def _engine(table: Table, dialect: Dialect) -> str:
    if not dialect.cluster:
        return table.engine
    name, _, inside = table.engine.partition("(")
    paths = f"'/clickhouse/tables/{{shard}}/{DATABASE}/{table.name}', '{{replica}}'"
    return f"Replicated{name}({paths}{', ' + inside.rstrip(')') if inside else ''})"


def _age(table: Table, dialect: Dialect) -> str:
    """The expression after which rows leave by themselves; a day more than anything is ever kept."""
    if not dialect.ages or table.name not in GONE_DAYS:
        return ""
    column = next(name for name in ("day", "window") if name in table.types)
    return f"{column} + toIntervalDay({GONE_DAYS[table.name] + 1})"


def _described(column: Column, dialect: Dialect, packed: bool) -> str:
    codec = f" CODEC({_codec(column)})" if dialect.modern and packed else ""
    return f"{column.type} COMMENT {quoted(column.about)}{codec}" if dialect.comments else column.type


def _codec(column: Column) -> str:
    if _WHOLE.fullmatch(column.type):
        return "T64, ZSTD(1)"
    return _CODECS.get(column.type, "ZSTD(1)")


def _altered(table: Table, there: Found, dialect: Dialect) -> tuple[list[str], list[Check]]:
    """The changes of a table's columns, and what must hold for them."""
    spread = bool(dialect.cluster) and there.database == DATABASE
    changes, comments, checks = [], [], []
    before = ""
    for column in table.columns:
        name, place = f"`{column.name}`", f" AFTER `{before}`" if before else ""
        described = _described(column, dialect, not spread) if dialect.modern else column.type
        have = there.columns.get(column.name)
        before = column.name
        if have is None:
            if column.name in table.order and not spread:
                raise SchemaError(f"column {table.name}.{column.name} is missing, and the table is sorted by it")
            changes.append(f"ADD COLUMN{' IF NOT EXISTS' if dialect.modern else ''} {name} {described}{place}")
            if dialect.comments:
                comments.append(f"COMMENT COLUMN {name} {quoted(column.about)}")
            continue
        kind, about, codec = have
        if kind != column.type and not spread and (check := _fits(table, column, kind, there.database)):
            checks.append(check)
        packed = spread or not dialect.modern or codec == f"CODEC({_codec(column)})"
        if kind != column.type or (dialect.modern and not (packed and about == column.about)):
            changes.append(f"MODIFY COLUMN {name} {described}")
        if dialect.comments and about != column.about:
            comments.append(f"COMMENT COLUMN {name} {quoted(column.about)}")
    if dialect.modern:
        return [", ".join(changes)] if changes else [], checks
    return [*changes, *comments], checks


def _fits(table: Table, column: Column, kind: str, database: str) -> Check | None:
    """What must hold that a column's values survive the change of its type; None if they always do. Raises
    SchemaError for a change that nothing makes safe."""
    old, new = _WHOLE.fullmatch(kind), _WHOLE.fullmatch(column.type)
    key = {*table.order, *re.findall(r"\w+", table.partition)}
    if column.name in key and not _wider_enum(kind, column.type):
        raise SchemaError(f"column {table.name}.{column.name} is {kind}, not {column.type}, and rows are sorted by it")
    if old and new:
        (unsigned, bits), (less, more) = (bool(old[1]), int(old[2])), (bool(new[1]), int(new[2]))
        if (unsigned == less and more >= bits) or (unsigned and not less and more > bits):
            return None
        return Check(
            f"SELECT count() FROM {database}.`{table.name}` WHERE to{column.type}(`{column.name}`) != `{column.name}`",
            f"column {table.name}.{column.name} holds values that {column.type} cannot",
        )
    texts = {"String", "LowCardinality(String)"}
    if (column.type in texts and (kind in texts or kind.startswith("Enum8("))) or _wider_enum(kind, column.type):
        return None
    raise SchemaError(f"column {table.name}.{column.name} is {kind} and cannot become {column.type}")


def _wider_enum(kind: str, wanted: str) -> bool:
    both = kind.startswith("Enum8(") and wanted.startswith("Enum8(")
    return both and enum_words(kind).items() <= enum_words(wanted).items()


def _refuse_other(table: Table, there: Found, dialect: Dialect) -> None:
    """Raises SchemaError if the table's rows are kept in another way, or it has columns that are not declared."""
    if surplus := [name for name in there.columns if name not in table.types]:
        raise SchemaError(f"column {table.name}.{surplus[0]} is not declared, and dropping it would lose it")
    if dialect.cluster and there.database == DATABASE:
        if there.engine != "Distributed":
            raise SchemaError(f"table {table.name} is {there.engine}, but the store is set up as a cluster")
        return
    engine = ("Replicated" if dialect.cluster else "") + table.engine.partition("(")[0]
    if there.engine != engine:
        raise SchemaError(f"table {table.name} is {there.engine}, not {engine}")
    if _names(there.order) != list(table.order) or _plain(there.partition) != _plain(table.partition):
        raise SchemaError(
            f"table {table.name} is sorted by {there.order} and split by {there.partition}, "
            f"not by {', '.join(table.order)} and {table.partition}"
        )


def _properties(table: Table, there: Found, dialect: Dialect) -> list[str]:
    """Changes of what belongs to the table as a whole."""
    if not dialect.modern or (dialect.cluster and there.database == DATABASE):
        return []
    changes = []
    if there.comment != table.about:
        changes.append(f"MODIFY COMMENT {quoted(table.about)}")
    if (age := _age(table, dialect)) and f"TTL {age}" not in there.text:
        changes.append(f"MODIFY TTL {age} SETTINGS materialize_ttl_after_modify = 0")
    settings = [f"{name} = {value}" for name, value in dialect.table_settings]
    if missing := [setting for setting in settings if not re.search(rf"\b{setting}\b", there.text)]:
        changes.append(f"MODIFY SETTING {', '.join(missing)}")
    return changes


def _names(order: str) -> list[str]:
    return [name.strip(" `()") for name in order.split(",")]


def _plain(expression: str) -> str:
    """A partition expression in one spelling; the empty tuple is none."""
    return re.sub(r"[\s`]", "", expression).replace("tuple()", "")
