"""The store on ClickHouse servers: the same tables, questions and promises as the embedded one, over the network.

Theory of operation. Statements travel over `pipeline.wire`; parameters are bound by `sqltext.bound`, because 18.16
knows none and one way that is tested is better than two. Questions run with `readonly=1`. A statement that fails for a
while (connection lost, replica without its keeper, too many parts) is sent again, to the next host first, after a pause
that grows; what is wrong in itself is not. An insert is sent again only where that cannot double it: on a modern server
each piece carries a token (table, batch, piece), in a replicated table equal blocks are one; on a single 18.16 it is
sent again only if the server cannot have begun to store it.
An insert is split into pieces of `PIECE_ROWS`, each stored wholly or not at all; after a `StoreError` send the batch
again, and what is there is left out. A server without replicas that is killed in the instant between its record of a
piece and the piece itself would leave that piece out (pipeline.batchlog mends this for the embedded engine, whose
folder is ours); a keeper writes down both in one step, so exactly once under kills of the server needs replicas.
Who connects as a user that may only read gets no settings through, and needs none.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from clickhouse_driver import errors

from pipeline import ddl, schema
from pipeline.engine import StoreError, complaint
from pipeline.native import ColumnError, EncodedBlock, Values, encode_columns
from pipeline.sqltext import ParameterError, bound
from pipeline.store import Result
from pipeline.upkeep import bring_up, refuse_newer
from pipeline.wire import Address, Unusable, Wire, Wires

QUERY_SECONDS = 30
"""After which a query is given up."""

PIECE_ROWS = 500_000
PAUSES_S = (0.1, 0.5, 2.0)
"""Before a statement is sent again; as often as there are pauses."""

_FOR_A_WHILE = {
    *(32, 95, 209, 210, 279),  # the connection between server and server
    *(202, 252),  # too many queries, too many parts
    *(225, 234, 236, 242, 285, 319, 999),  # a replica without keeper, too few replicas, an insert of unknown fate
}
"""Codes of errors that may be over a little later, or are not there on another host."""
_READONLY = 164
_MUTATION_S = 600.0

T = TypeVar("T")


class ServerStore:
    """A `Store` on servers. Made by `open_server`; a context manager that closes itself. Any number of processes."""

    def __init__(self, address: Address, *, reading: bool = False) -> None:
        """`reading`: changes nothing, and needs a user who may only read. Raises StoreError."""
        self.address = address
        self._wires = Wires(address)
        self._settings: dict[str, object] = {}
        try:
            version = self._try(lambda wire: wire.version, again=True)
            self.dialect = ddl.server_dialect(version, address.cluster)
            self._settings = {"readonly": 1}
            if self.dialect.modern:
                self._settings["session_timezone"] = "UTC"
            if reading:
                refuse_newer(self.select, self.dialect)
            else:
                bring_up(self, self.dialect)
        except StoreError as error:
            self.close()
            text = str(error)
            raise StoreError(text if text.startswith(str(address)) else f"{address}: {text}") from error.__cause__
        except BaseException:
            self.close()
            raise

    def query(self, sql: str, params: Mapping[str, object] | None = None) -> Result:
        """See `Store.query`; gives up after `QUERY_SECONDS`."""
        try:
            text = bound(sql, params or {})
        except ParameterError as error:
            raise StoreError(str(error)) from None

        def ask(wire: Wire) -> Result:
            settings = {"max_execution_time": QUERY_SECONDS, **self._settings} if self._settings else {}
            try:
                return Result(*wire.select(text, settings))
            except errors.ServerException as error:
                if error.code != _READONLY or "setting" not in str(error).split("Stack trace")[0]:
                    raise
            self._settings = {}  # a user of this kind: the server has set what a query may do
            return Result(*wire.select(text, {}))

        return self._try(ask, again=True)

    def select(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a statement of ours without parameters."""
        return self.query(sql).rows

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        """See `Store.insert`."""
        if table not in schema.BY_NAME:
            raise StoreError(f"{table}: no such table; one of {', '.join(schema.BY_NAME)}")
        types = schema.BY_NAME[table].types
        rows = max((len(values) for values in columns.values()), default=0)
        names = ", ".join(f"`{name}`" for name in types)
        statement = f"INSERT INTO {schema.DATABASE}.`{table}` ({names}) VALUES"
        for piece, start in enumerate(range(0, max(rows, 1), PIECE_ROWS)):
            part = columns if rows <= PIECE_ROWS else _slice(columns, start)
            try:
                block = encode_columns(types, part)
            except ColumnError as error:
                raise StoreError(f"{table}: {error}") from None
            if not block.rows:
                return 0
            token = f"{table}/{batch}" + (f"#{piece}" if piece else "")
            self._send(statement, block, self._way(token))
        return rows

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        """See `Store.delete`."""
        database = self.dialect.databases[0]
        try:
            text = bound(f"ALTER TABLE {database}.`{table}`{self._everywhere} DELETE WHERE {where}", params)
        except ParameterError as error:
            raise StoreError(str(error)) from None
        if self.dialect.modern:
            self.execute(f"{text} SETTINGS mutations_sync = 2")
            return
        self.query(f"SELECT count() FROM {database}.`{table}` WHERE {where}", params)  # there, what fails never ends
        self.execute(text)
        deadline = time.monotonic() + _MUTATION_S
        waiting = (
            f"SELECT count() FROM system.mutations WHERE database = '{database}' AND table = {schema.quoted(table)} "
            "AND NOT is_done"
        )
        while self.select(waiting) != [(0,)]:
            if time.monotonic() > deadline:
                raise StoreError(f"{self.address}: deleting from {table} is not done after {_MUTATION_S:.0f} s")
            time.sleep(0.02)

    def execute(self, ddl: str) -> None:
        """See `Store.execute`."""
        settings = dict(self.dialect.statement_settings)
        self._try(lambda wire: wire.execute(ddl, settings=settings), again=True)

    def close(self) -> None:
        """See `Store.close`."""
        self._wires.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def _everywhere(self) -> str:
        return f" ON CLUSTER {self.dialect.cluster}" if self.dialect.cluster else ""

    def _way(self, token: str) -> dict[str, object]:
        """Settings of an insert."""
        way: dict[str, object] = {"insert_distributed_sync": 1} if self.dialect.cluster else {}
        if self.dialect.modern:
            way |= {"insert_deduplicate": 1, "insert_deduplication_token": token, "async_insert": 0}
        return way

    def _send(self, statement: str, block: EncodedBlock, settings: dict[str, object]) -> None:
        """An insert; again where that cannot double it."""
        again = self.dialect.modern or bool(self.dialect.cluster)
        self._try(lambda wire: wire.execute(statement, block, settings=settings), again)

    def _try(self, work: Callable[[Wire], T], again: bool) -> T:
        """`work` on a connection, several times where that helps; `again`: also if rows may have reached a server."""
        for pause in (*PAUSES_S, None):
            sent = False
            try:
                with self._wires.lend() as wire:
                    wire.sent = False
                    try:
                        return work(wire)
                    finally:
                        sent = wire.sent
            except (errors.Error, OSError, EOFError, Unusable) as error:
                if pause is None or not _for_a_while(error) or (sent and not again):
                    raise StoreError(f"{self.address}: {_said(error)}") from error
            self._wires.turn()
            time.sleep(pause * random.uniform(0.5, 1.0))
        raise AssertionError("the last pause is none")


def _for_a_while(error: BaseException) -> bool:
    """Whether the same statement may well succeed a little later, or on another host."""
    if isinstance(error, errors.ServerException):
        return error.code in _FOR_A_WHILE
    lost = (OSError, EOFError, errors.NetworkError, errors.SocketTimeoutError, errors.UnexpectedPacketFromServerError)
    return isinstance(error, lost)


def _said(error: BaseException) -> str:
    """What the server or the network said, in one line."""
    if isinstance(error, errors.ServerException):
        return complaint(Exception(str(error.message).split(" Stack trace:")[0].replace("\n", " ")))
    if isinstance(error, EOFError):
        return "the server ended the connection"
    text = " ".join(str(error).split())
    return text.removeprefix("Code: 210. ").removeprefix("Code: 209. ") or type(error).__name__


def _slice(columns: Mapping[str, Values], start: int) -> dict[str, Values]:
    stop = start + PIECE_ROWS
    return {name: values[start:stop] for name, values in columns.items()}
