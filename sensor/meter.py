"""The meter: drives the kernel over blocks, does the rare work that the kernel leaves, and hands out slices.

One `Meter` belongs to one stream of packets (a ring or a capture) and one thread. `feed` takes a block; after it,
`take` gives the slices that are ready as a `RawSlices` (numpy columns, names resolved to services). Slices of flows
whose name is still being looked for wait here, bounded. Flows without a name get one from DNS if this client was
told one.

It knows the catalogue only as `lookup`; segments are laid over later, in `sensor.sense`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensor import kernel, late, layout, table
from sensor.dns import Answers
from sensor.frames import SKIP_NAMES, SKIP_TRUNCATED, Batch, new_batch
from sensor.memory import as_slices, new_flows, new_slices
from sensor.namebook import Lookup, NameBook, name_text
from sensor.readers import DNS, Finding, Readers
from sensor.walk import new_interfaces

SLICE_BUFFER = 1 << 13  # raw slices between drains: 1.2 MB, so that they stay in the second-level cache
TODO_BUFFER = 1 << 12
MAX_WAITING = 1 << 18  # slices that wait for a name
WAIT_NS = 60 * layout.SECOND  # how long they wait at most
NAME_CAPACITY = 1 << 17
SWEEP_EVERY = 300 * layout.SECOND  # of packet time, in a capture; a live sensor sweeps every minute


@dataclass(frozen=True, slots=True)
class RawSlices:
    """Drained slices: the kernel's rows, with per row the service number (0 = none; see `Lookup`)."""

    words: Any  # uint64[n, SLICE]
    service: Any  # int32[n]

    @property
    def halves(self) -> Any:
        return self.words.view(np.uint32)

    @property
    def gaps(self) -> Any:
        return self.words.view(np.float64)

    @property
    def signed(self) -> Any:
        return self.words.view(np.int64)


@dataclass(frozen=True, slots=True)
class MeterLimits:
    """Bounds of one meter; see sensor.settings for what they mean to a school."""

    max_flows: int = 1 << 20
    tcp_idle_s: int = 3600  # one that wakes up again carries no name; gateways keep it for two hours (RFC 5382 5)
    udp_idle_s: int = 300  # RFC 4787 4.3 advises gateways to keep it for five minutes
    dns_names: int = 1 << 18
    names: int = NAME_CAPACITY
    first_flows: int = 1 << 16  # room at the start; the table grows as it must


class Meter:
    """See the module's header. `emit_all` also gives slices that the catalogue does not want (for `classify`)."""

    def __init__(
        self,
        lookup: Lookup,
        limits: MeterLimits | None = None,
        *,
        emit_all: bool = False,
        on_answers: Callable[[bytes, bytes, Answers], None] | None = None,
        seed: int = 0,
    ) -> None:
        self._limits = limits or MeterLimits()
        self._emit_all = emit_all
        self._seed = np.uint64(seed)
        self._batch = new_batch()
        self._book = NameBook(lookup, self._limits.names)
        self.readers = Readers(self._settle, self._limits.dns_names, on_answers)
        self._flows = new_flows(min(self._limits.first_flows, self._limits.max_flows))
        self._out = new_slices(SLICE_BUFFER)
        self._late = new_slices(SLICE_BUFFER)
        todo = np.zeros((TODO_BUFFER, layout.TODO), np.uint64)
        self._todo = layout.Todo(todo, todo.view(np.int64), np.zeros(1, np.int64))
        self.counters = np.zeros(layout.COUNTERS, np.int64)
        self._interfaces = new_interfaces()
        self._sweep_at = 0
        self._found: dict[int, tuple[int, int]] = {}  # flow -> name and flags that Python read since the last drain
        self._waiting = np.zeros((0, layout.SLICE), np.uint64)
        self._ready: list[RawSlices] = []
        self.dropped_waiting = 0
        self.swept_until = 0  # minute: every slice of an earlier minute has been written

    # -- driving the kernel -------------------------------------------------------------------------------------

    def feed(
        self, buffer: Any, start: int, end: int, walk_state: Any, interfaces: Any | None = None, to_sweep: bool = False
    ) -> int:
        """Meter the records in buffer[start:end]; returns where the first unfinished record begins.

        With `to_sweep` it returns after each sweep (every SWEEP_EVERY of packet time), so that the caller can take
        slices and counters of that stretch; it has made no progress only when no whole record is left.
        """
        interfaces = self._interfaces if interfaces is None else interfaces
        position = start
        while True:
            status, position = kernel.advance(
                buffer, position, end, walk_state, interfaces, self._batch, self._flows, self._book.table, self._out,
                self._late, self._todo, self._kernel_limits(), self._seed, self.counters,
            )  # fmt: skip
            self._book.learn()
            self.readers.work(self._todo, buffer)
            if status == layout.TABLE_FULL:
                self._make_room()
            elif status == layout.NAMES_FULL:
                self._drain()
                self._book.forget(self._flows.halves[:, layout.NAME])
            elif status == layout.SWEEP_DUE:
                if self._sweep_at:
                    self.sweep(int(self.counters[layout.C_LATEST]), self._sweep_at // layout.MINUTE_NS)
                self._sweep_at = (self.latest_ns // SWEEP_EVERY + 1) * SWEEP_EVERY
            self._drain()
            if status == layout.BLOCK_DONE or (status == layout.SWEEP_DUE and to_sweep and position > start):
                return int(position)

    def sweep(self, now_ns: int, before_minute: int) -> None:
        """Write out all minutes before `before_minute`, expire what is idle at `now_ns`."""
        self._drain()  # rows that wait for their flow's name must ask before the flow goes
        slot = 0
        while slot >= 0:
            slot = kernel.sweep(
                self._flows,
                slot,
                before_minute,
                now_ns,
                self._book.table,
                self._out,
                self._late,
                self._kernel_limits(),
                self.counters,
            )
            self._drain()
        self.swept_until = max(self.swept_until, before_minute)

    def finish(self) -> None:
        """Write out everything: the stream has ended. `complete_until` stays, as another stream may go on from here."""
        swept, far = self.swept_until, np.iinfo(np.int64).max >> 1
        self.sweep(far, far)
        self._drain(final=True)
        self.swept_until = swept

    def take(self) -> list[RawSlices]:
        """Slices that are ready since the last call, in batches."""
        ready, self._ready = self._ready, []
        return ready

    def name_of(self, number: int) -> str:
        """The text of a name id; '' for 0."""
        return self._book.text(number)

    @property
    def complete_until(self) -> int:
        """Unix seconds: every slice of a minute that ended by then has been given out."""
        minute = self.swept_until
        if len(self._waiting):
            minute = min(minute, int(self._waiting[:, layout.S_MINUTE].min()))
        return minute * 60

    @property
    def latest_ns(self) -> int:
        """Packet time of the newest packet, ns."""
        return int(self.counters[layout.C_LATEST])

    def skipped(self) -> Iterator[tuple[str, int]]:
        """Reasons why frames could not be read, with counts; ordinary traffic of other kinds is not among them."""
        for reason in range(SKIP_TRUNCATED, len(SKIP_NAMES)):
            if count := int(self.counters[layout.C_SKIP + reason]):
                yield SKIP_NAMES[reason], count

    # -- looking on (sensor.explain) ----------------------------------------------------------------------------

    @property
    def decoded(self) -> Batch:
        """The frames of the last batch as the kernel decoded them; the first row is the first frame fed."""
        return self._batch

    @property
    def flows(self) -> layout.Flows:
        """The flow table as it is now; growing replaces it."""
        return self._flows

    # -- the rare work ------------------------------------------------------------------------------------------

    def _kernel_limits(self) -> layout.Limits:
        capacity = len(self._flows.words)
        may_grow = capacity // 2 < self._limits.max_flows
        return layout.Limits(
            min(capacity // 2, self._limits.max_flows),
            int(may_grow),
            self._limits.tcp_idle_s * layout.SECOND,
            self._limits.udp_idle_s * layout.SECOND,
            int(self._emit_all),
            self._sweep_at,
        )

    def _make_room(self) -> None:
        larger = new_flows(len(self._flows.words))
        table.rehash(self._flows, larger)
        self._flows = larger

    def _settle(self, row: Any, finding: Finding) -> None:
        """Carry what the readers found to its flow, and to slices of it that have not been given out."""
        number = self._book.number(name_text(finding.name)) if finding.name else 0
        if number:
            partial = layout.PARTIAL if finding.partial else 0
            self._found[int(row[layout.T_UID])] = number, finding.evidence << layout.EVIDENCE_SHIFT | partial
        late.settle(
            self._flows, row[:5], int(row[layout.T_UID]), number, finding.evidence, finding.partial, int(finding.done),
            self._seed, self.counters,
        )  # fmt: skip

    # -- slices -------------------------------------------------------------------------------------------------

    def _drain(self, final: bool = False) -> None:
        count = int(self._out.count[0])
        if count:
            self._give(self._out.words[:count].copy())
            self._out.count[0] = 0
        count = int(self._late.count[0])
        if count or final or len(self._waiting):
            rows = np.concatenate([self._waiting, self._late.words[:count]])
            self._late.count[0] = 0
            self._give(self._resolve(rows, final))
        self._found.clear()

    def _give(self, rows: Any) -> None:
        service = self._book.table.service[rows.view(np.uint32)[:, layout.S_NAME]]
        if not self._emit_all and len(service) and service.min() <= 0:
            wanted = service > 0
            rows, service = rows[wanted], service[wanted]
        if len(rows):
            self._ready.append(RawSlices(rows, service))

    def _resolve(self, rows: Any, final: bool) -> Any:
        """Names for rows written before their flow had one; those still looked for go back to wait."""
        view = as_slices(rows)
        late.refresh(self._flows, view, self._seed)
        self._name_ended(view)
        nameless = view.halves[:, layout.S_NAME] == 0
        waiting = nameless & (view.halves[:, layout.S_FLAGS] & layout.LOOK_MASK != layout.LOOK_DONE)
        waiting &= self.counters[layout.C_LATEST] - view.signed[:, layout.S_LAST] < WAIT_NS
        if final:
            waiting[:] = False
        over = nameless & ~waiting
        ports = rows[:, 4] >> np.uint64(32) & np.uint64(0xFFFF)
        told = over & self.readers.dns.may_know(rows[:, 1], rows[:, 3])
        for port in layout.DNS_PORTS:
            told &= ports != port
        self._name_from_dns(view, np.flatnonzero(told))
        late.give_up(self._flows, view, over, self._seed)
        self._waiting = rows[waiting]
        if len(self._waiting) > MAX_WAITING:
            self.dropped_waiting += len(self._waiting) - MAX_WAITING
            self._waiting = self._waiting[-MAX_WAITING:]
        return rows[~waiting]

    def _name_ended(self, view: layout.Slices) -> None:
        """Names for flows that ended before Python had read them, in the same block."""
        if not self._found:
            return
        halves = view.halves
        ended = np.flatnonzero(
            (halves[:, layout.S_NAME] == 0) & (halves[:, layout.S_FLAGS] & layout.LOOK_MASK == layout.LOOK_DONE)
        )
        for n in ended[np.isin(halves[ended, layout.S_UID], list(self._found))]:
            halves[n, layout.S_NAME], flags = self._found[int(halves[n, layout.S_UID])]
            halves[n, layout.S_FLAGS] |= flags

    def _name_from_dns(self, view: layout.Slices, which: Any) -> None:
        """The last resort for flows without a name: what this client was told about this server (design: DNS evidence).

        Names of different services for one address are doubt, and doubt is no name.
        """
        for n in which:
            row = view.words[n]
            client, server = row[0:2].byteswap().tobytes(), row[2:4].byteswap().tobytes()
            told = self.readers.dns.names(client, server, int(view.signed[n, layout.S_FLOW_FIRST]) / layout.SECOND)
            if told and len({self._book.lookup(name) for name in told}) == 1:
                view.halves[n, layout.S_NAME] = self._book.number(told[0])
                view.halves[n, layout.S_FLAGS] = (
                    int(view.halves[n, layout.S_FLAGS]) & ~layout.EVIDENCE_MASK | DNS << layout.EVIDENCE_SHIFT
                )
