"""What the sensor gives the detector, as plain rows: revisions of upload units, cues of host names, plain requests.

The columns are described in the sensor. A unit is sent again as it grows; each revision holds the whole window so far.
All times are Unix seconds unless they are said to be relative.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline.wiki.cues import Past
from pipeline.wiki.flights import Record


@dataclass(frozen=True, slots=True)
class Unit:
    """One revision of an upload unit."""

    unit: int
    final: bool
    known: float
    connection: int
    opened: float
    client: bytes
    segment: str
    service: str
    wiki: str
    rtt: float  # seconds; 0 = unknown
    usual: int  # the connection's median client record
    records: tuple[Record, ...]  # seconds since `opened`; + client, - server
    earlier: tuple[Past, ...]  # latest first


@dataclass(frozen=True, slots=True)
class HostCue:
    """A client's new connection to, or question for, a host that says something about editing."""

    time: float
    client: bytes
    cue: str


@dataclass(frozen=True, slots=True)
class Request:
    """A POST to a wiki in the clear."""

    time: float
    known: float
    client: bytes
    segment: str
    service: str
    wiki: str
    edit: bool
    status: int  # 0 = no answer seen


def units_of(table: Any) -> Iterator[Unit]:
    """The units of the sensor's Arrow table, in its order."""
    for row in table.to_pylist():
        opened = row["opened"]
        earlier = zip(row["prev_dt_us"], row["prev_up"], row["prev_reply"], strict=True)
        yield Unit(
            unit=row["unit"],
            final=row["final"],
            known=row["known"],
            connection=row["connection"],
            opened=opened,
            client=bytes(row["client"]),
            segment=row["segment"],
            service=row["service"],
            wiki=row["host"],
            rtt=row["rtt_us"] / 1e6,
            usual=row["p50"],
            records=_in_order(row["rec_dt_us"], row["rec_size"]),
            earlier=tuple(Past(opened - age / 1e6, up, reply) for age, up, reply in earlier),
        )


def cues_of(table: Any) -> Iterator[HostCue]:
    """The cues of the sensor's Arrow table."""
    time, client, cue = (table.column(name) for name in ("time", "client", "cue"))
    yield from map(HostCue, time.to_numpy().tolist(), client.to_pylist(), cue.cast("string").to_pylist())


def requests_of(table: Any) -> Iterator[Request]:
    """The requests in the clear of the sensor's Arrow table."""
    for row in table.to_pylist():
        yield Request(
            row["time"], row["known"], bytes(row["client"]), row["segment"], row["service"], row["host"], row["edit"],
            row["status"],
        )  # fmt: skip


def _in_order(times_us: Iterable[int], sizes: Iterable[int]) -> tuple[Record, ...]:
    """Records in the order of time. Those of one direction keep the order of their bytes, in which they are given:
    where packets overtook each other, a record may have been whole before the one ahead of it."""
    latest = [-math.inf, -math.inf]
    records = []
    for time_us, size in zip(times_us, sizes, strict=True):
        latest[size > 0] = max(latest[size > 0], time_us / 1e6)
        records.append((latest[size > 0], size))
    return tuple(sorted(records, key=_time))


def _time(record: Record) -> float:
    return record[0]
