"""One connection to a ClickHouse server: the native protocol by clickhouse-driver, with blocks of our own encoder.

The driver shakes hands, speaks TLS, compresses and reads results; inserts take the bytes of `pipeline.native`, which
costs a fifth of what the driver needs for the same columns. A connection belongs to one thread at a time: `Wires` lends
them out and takes back only those whose statement went well. Hosts are tried in turn, the one that answered last first.
It knows addresses and blocks: no tables, no retries, no meaning.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from clickhouse_driver import Client
from clickhouse_driver.block import BlockInfo, ColumnOrientedBlock
from clickhouse_driver.defines import (
    DBMS_MIN_REVISION_WITH_BLOCK_INFO,
    DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION,
    DBMS_MIN_REVISION_WITH_TEMPORARY_TABLES,
)
from clickhouse_driver.protocol import ClientPacketTypes
from clickhouse_driver.varint import write_varint
from clickhouse_driver.writer import write_binary_str, write_binary_uint8

from pipeline.native import EncodedBlock
from pipeline.sqltext import Leaves, read_rows, readable

logging.getLogger("clickhouse_driver").addHandler(logging.NullHandler())  # what failed is told by the error

CONNECT_SECONDS = 3
"""After which a host that does not answer is passed over."""

ANSWER_SECONDS = 45
"""After which a server that has gone silent in the middle of a statement is given up."""

NATIVE_PORT, NATIVE_TLS_PORT = 9000, 9440


@dataclass(frozen=True)
class Address:
    """Where the servers are and who we are there; `hosts` are replicas that hold the same, the first that answers will
    do. `cluster`: the name under which the servers know each other; '' for a server of its own."""

    hosts: tuple[tuple[str, int], ...]
    user: str = "default"
    password: str = field(default="", repr=False)
    secure: bool = True
    ca: Path | None = None
    cluster: str = ""

    def __str__(self) -> str:
        return ", ".join(f"{host}:{port}" for host, port in self.hosts)


class Unusable(ValueError):
    """The connections are closed, or the server's table is not the one that is meant."""


class Wire(Client):  # type: ignore[misc]
    """A driver's client that inserts an `EncodedBlock` as it is: `execute(statement, block)`.

    `sent`: whether anything of the last block may have reached the server.
    """

    sent = False

    def establish_connection(self, settings: Any) -> None:
        """The driver's step before each statement; a host that takes connections and says nothing is soon left."""
        self.connection.send_receive_timeout = CONNECT_SECONDS
        super().establish_connection(settings)
        self.connection.socket.settimeout(ANSWER_SECONDS)

    def send_data(
        self, sample_block: Any, data: EncodedBlock, types_check: bool = False, columnar: bool = False
    ) -> int:
        """The driver's step of an insert that sends the rows; the server has said which columns it expects."""
        ours = [(name, kind) for name, kind, _ in data.columns]
        if (theirs := list(sample_block.columns_with_types)) != ours:
            raise Unusable(f"the server's columns are {theirs}, not {ours}")
        self.sent = True
        connection = self.connection
        revision = connection.server_info.used_revision
        write_varint(ClientPacketTypes.DATA, connection.fout)
        if revision >= DBMS_MIN_REVISION_WITH_TEMPORARY_TABLES:
            write_binary_str("", connection.fout)
        stream = connection.block_out
        if revision >= DBMS_MIN_REVISION_WITH_BLOCK_INFO:
            BlockInfo().write(stream.fout)
        write_varint(len(data.columns), stream.fout)
        write_varint(data.rows, stream.fout)
        for name, kind, values in data.columns:
            write_binary_str(name, stream.fout)
            write_binary_str(kind, stream.fout)
            if revision >= DBMS_MIN_REVISION_WITH_CUSTOM_SERIALIZATION:
                write_binary_uint8(0, stream.fout)  # none
            stream.fout.write(values)
        stream.finalize()
        self.receive_profile_events()
        connection.send_data(ColumnOrientedBlock())
        self.receive_profile_events()
        return data.rows

    def select(
        self, sql: str, settings: Mapping[str, object]
    ) -> tuple[tuple[str, ...], tuple[str, ...], list[tuple[object, ...]]]:
        """Column names, types and rows of one statement, with the values that `sqltext.decode_rows` gives."""
        columns, described = self.execute(sql, settings=dict(settings), with_column_types=True, columnar=True)
        names, types = tuple(name for name, _ in described), tuple(kind for _, kind in described)
        zone = ZoneInfo(self.connection.server_info.get_timezone())
        return names, types, read_rows(types, columns, _leaves(zone))

    @property
    def version(self) -> tuple[int, int]:
        """Of the server, as (18, 16); connects if need be."""
        if not self.connection.connected:
            self.connection.connect()
        info = self.connection.server_info
        return info.version_major, info.version_minor


def _leaves(zone: ZoneInfo) -> Leaves:
    """Values as the driver gives them to values of ours; it gives times of columns without a zone in the server's."""

    def instant(value: Any) -> datetime:
        aware: datetime = value if value.tzinfo else value.replace(tzinfo=zone)
        return aware.astimezone(UTC)

    return {"String": readable, "DateTime": instant, "DateTime64": instant, "UUID": str, "IPv4": str, "IPv6": str}


class Wires:
    """Connections to one address, each lent to one thread at a time."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._idle: list[Wire] = []
        self._process = os.getpid()
        self._first = 0
        self._closed = False

    @contextlib.contextmanager
    def lend(self) -> Iterator[Wire]:
        """A connection for one statement; closed if the block raises. Raises Unusable after `close`."""
        with self._lock:
            if self._closed:
                raise Unusable("the store is closed")
            if self._process != os.getpid():  # a forked process must not speak on its parent's connections
                self._idle, self._process = [], os.getpid()
            wire = self._idle.pop() if self._idle else self._new()
        try:
            yield wire
        except BaseException:
            wire.disconnect()
            raise
        with self._lock:
            answered = (wire.connection.host, wire.connection.port)
            if answered in self.address.hosts:
                self._first = self.address.hosts.index(answered)
            if not self._closed:
                self._idle.append(wire)
                return
        wire.disconnect()

    def turn(self) -> None:
        """Let new connections begin with the next host; the idle ones end."""
        with self._lock:
            self._first = (self._first + 1) % len(self.address.hosts)
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.disconnect()

    def close(self) -> None:
        """End all connections; those that are lent end when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.disconnect()

    def _new(self) -> Wire:
        address = self.address
        (host, port), *others = _from(address.hosts, self._first)
        more: dict[str, object] = {}
        if others:
            more["alt_hosts"] = ",".join(f"{other}:{number}" for other, number in others)
        if address.secure:
            more |= {"secure": True, "verify": True}
            if address.ca:
                more["ca_certs"] = str(address.ca)
        return Wire(
            host,
            port,
            user=address.user,
            password=address.password,
            client_name="schoolgate",
            compression="lz4",
            connect_timeout=CONNECT_SECONDS,
            sync_request_timeout=CONNECT_SECONDS,
            send_receive_timeout=CONNECT_SECONDS,
            tcp_keepalive=True,
            settings={"strings_as_bytes": True},
            **more,
        )


def _from(hosts: Sequence[tuple[str, int]], first: int) -> Sequence[tuple[str, int]]:
    return [*hosts[first:], *hosts[:first]]
