"""The meter: drives the kernel over blocks, does the rare work that the kernel leaves, and hands out slices.

One `Meter` belongs to one stream of packets (a ring or a capture) and one thread. `feed` takes a block; slices go to
`give` as soon as the kernel's buffer of them is full, or at `flush`; what is found out later about their flows is in
`sensor.settling`.

It knows the catalogue only as `lookup`; segments are laid over later, in `sensor.sense`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensor import gaps, kernel, layout, table, walk
from sensor.columns import Sink, no_sink
from sensor.dns import Answers
from sensor.duplicates import new_recent
from sensor.fragments import as_block
from sensor.frames import Batch, new_batch
from sensor.memory import as_slices, new_flows, new_index, new_slices, new_todo
from sensor.namebook import Lookup, NameBook
from sensor.openings import Openings
from sensor.readers import Readers
from sensor.settling import Settling
from sensor.sightings import Sightings
from sensor.uploads import Uploads
from sensor.watch import no_watch
from sensor.wire import SKIP_NAMES, SKIP_TRUNCATED

Give = Callable[[layout.Slices, int], None]  # raw slices and how many; the memory is used again afterwards

SLICE_BUFFER = 1 << 12  # raw slices between drains: half a megabyte, so that they stay in the second-level cache
TODO_BUFFER = 1 << 12
NAME_CAPACITY = 1 << 17
MAX_NESTED = 8  # fragments of fragments of fragments in tunnels
SWEEP_EVERY = 300 * layout.SECOND  # of packet time, in a capture; a live sensor sweeps every minute


@dataclass(frozen=True, slots=True)
class MeterLimits:
    """Bounds of one meter; see sensor.settings for what they mean to a school."""

    max_flows: int = 1 << 20
    tcp_idle_s: int = 3600  # one that wakes up again carries no name; gateways keep it for two hours (RFC 5382 5)
    udp_idle_s: int = 300  # RFC 4787 4.3 advises gateways to keep it for five minutes
    dns_names: int = 1 << 18
    names: int = NAME_CAPACITY
    first_flows: int = 1 << 16  # room in the index at the start; it grows as it must
    claimed_flows: int = 0  # rows whose memory is there from the start
    drop_duplicates: bool = True


class Meter:
    """See the module's header. `emit_all` also gives slices that the catalogue does not want (for `classify`). With a
    `sink` most slices of services go there; it is asked before each call of the kernel, and has room for some."""

    def __init__(
        self,
        lookup: Lookup,
        give: Give,
        limits: MeterLimits | None = None,
        *,
        emit_all: bool = False,
        on_answers: Callable[[bytes, bytes, Answers], None] | None = None,
        openings: Openings | None = None,
        sightings: Sightings | None = None,
        seed: int = 0,
        uploads: Uploads | None = None,
        sink: Callable[[], Sink] | None = None,
    ) -> None:
        nothing = no_sink()
        self._give = give
        self._sink = sink or (lambda: nothing)
        self._limits = limits or MeterLimits()
        self._emit_all = emit_all
        self._seed = np.uint64(seed)
        self._batch = new_batch()
        self._uploads = uploads
        self._watch = uploads.memory if uploads else no_watch()
        self._book = NameBook(lookup, self._limits.names, uploads.number_of if uploads else lambda name: 0)
        self._flows = new_flows(
            min(self._limits.first_flows, self._limits.max_flows),
            self._limits.max_flows,
            min(self._limits.claimed_flows, self._limits.max_flows),
        )
        self._out = new_slices(SLICE_BUFFER)
        self._late = new_slices(SLICE_BUFFER)
        self._todo = new_todo(TODO_BUFFER)
        self.counters = np.zeros(layout.COUNTERS, np.int64)
        self._openings = openings
        self._settling = Settling(
            self._book, openings, self.counters, lambda: self._flows, lambda: self.readers.dns.memory
        )
        on_told = self._learn if uploads else None
        self.readers = Readers(self._settling.settle, self._limits.dns_names, on_answers, on_told, sightings)
        self._recent = new_recent()
        self._gaps = gaps.new_gaps()
        self._interfaces = walk.new_interfaces()
        self._sweep_at = 0
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
            status, position = self._advance(buffer, position, end, walk_state, interfaces)
            self._meter_datagrams()
            if status == layout.BLOCK_DONE or (status == layout.SWEEP_DUE and to_sweep and position > start):
                return int(position)

    def _advance(self, buffer: Any, position: int, end: int, walk_state: Any, interfaces: Any) -> tuple[int, int]:
        """Let the kernel go on until it needs something, and see to that; (why it stopped, where)."""
        status, position = kernel.advance(
            buffer, position, end, walk_state, interfaces, self._batch, self._flows, self._book.table, self._out,
            self._late, self._todo, self._watch, self._sink(), self._kernel_limits(), self._seed, self._recent,
            self._gaps, self.counters,
        )  # fmt: skip
        self._book.learn()
        self._settling.note_openings(self._todo)
        self.readers.work(self._todo, buffer)
        self._settling.tell_table()
        self._follow(buffer)
        if status == layout.TABLE_FULL:
            self._make_room()
        elif status == layout.NAMES_FULL:
            self._drain(force=True)  # what was found speaks of names by their present numbers
            self._book.forget(self._flows.halves[:, layout.NAME])
            self._settling.forget_names()
        elif status == layout.SWEEP_DUE:
            due, self._sweep_at = self._sweep_at, (self.latest_ns // SWEEP_EVERY + 1) * SWEEP_EVERY
            if due:
                self.sweep(self.latest_ns, due // layout.MINUTE_NS)
        self._drain()
        return status, position

    def _learn(self, client: bytes, answers: Answers, now: float) -> None:
        if self._uploads:
            self._uploads.learn(self._todo, client, answers, now)

    def load(self) -> None:
        """Have the compiled parts there that only watched flows need."""
        if self._uploads:
            self._uploads.load(self._flows, self._book.table, self._todo)

    def _follow(self, buffer: Any) -> None:
        """Hand on the packets of watched flows that the kernel has left."""
        if self._uploads:
            self._uploads.follow(self._flows, self._book.table, self._todo, buffer, self.readers.dns.memory)
        else:
            self._todo.watching[:] = 0

    def _meter_datagrams(self) -> None:
        """Meter what fragments were put together to, as if it had been captured so; its frames are counted already."""
        for _ in range(MAX_NESTED):
            datagrams = self.readers.fragments.take()
            if not datagrams:
                return
            block = np.frombuffer(as_block(datagrams, self.swept_until * layout.MINUTE_NS), np.uint8).copy()
            state, interfaces, status, position = walk.new_state(), walk.new_interfaces(), -1, 0
            state[walk.FORMAT] = walk.FORMAT_PCAPNG
            while status != layout.BLOCK_DONE:
                status, position = self._advance(block, position, len(block), state, interfaces)
            self.counters[layout.C_PACKETS] -= len(datagrams)
        self.readers.fragments.dropped += len(self.readers.fragments.take())

    def sweep(self, now_ns: int, before_minute: int) -> None:
        """Write out all minutes before `before_minute`, expire what is idle at `now_ns`."""
        self._sweep(now_ns, before_minute)

    def _sweep(self, now_ns: int, before_minute: int, *, final: bool = False) -> None:
        """`final`: nothing waits for a name any more; flows stay, as taking them all out of the index is dear."""
        self.readers.fragments.expire(now_ns)
        self._meter_datagrams()
        self._drain(force=True)  # rows that wait for their flow's name must ask before the flow goes
        row = 1
        while row >= 0:
            row = kernel.sweep(
                self._flows,
                row,
                before_minute,
                self.latest_ns if final else now_ns,
                self._batch,
                self._book.table,
                self._out,
                self._late,
                self._sink(),
                self._kernel_limits(),
                self.counters,
            )
            self._drain(force=row < 0, final=final)
        gaps.settle_gaps(self._gaps, now_ns)
        self.swept_until = max(self.swept_until, before_minute)

    def finish(self) -> None:
        """Write out everything: the stream has ended. `complete_until` stays, as another stream may go on from here."""
        swept, far = self.swept_until, np.iinfo(np.int64).max >> 1
        self._sweep(far, far, final=True)
        self.swept_until = swept

    def flush(self) -> None:
        """Give out every slice that is written and whose flow's name is settled."""
        self._drain(force=True)

    def take_clients(self) -> Any:
        """Addresses that opened a flow whose name could be read since the last call: uint64[n, 2]; at most CLIENTS."""
        seen = self._todo.clients
        taken = seen[(seen[:, 0] | seen[:, 1]) != 0]
        seen[:] = 0
        return taken

    @property
    def services(self) -> Any:
        """int32 per name number: 0 = the catalogue does not want it, else what `lookup` said of it."""
        return self._book.table.service

    def name_of(self, number: int) -> str:
        """The text of a name id; '' for 0."""
        return self._book.text(number)

    @property
    def complete_until(self) -> int:
        """Unix seconds: every slice of a minute that ended by then has been given out."""
        waiting = self._settling.first_minute
        return 60 * (self.swept_until if waiting is None else min(self.swept_until, waiting))

    @property
    def latest_ns(self) -> int:
        """Packet time of the newest packet, ns."""
        return int(self.counters[layout.C_LATEST])

    def upstream(self) -> dict[str, int]:
        """What sampled TCP flows say of the wire before us: see sensor.gaps."""
        return {name: int(self._gaps[gaps.ROWS, n]) for n, name in enumerate(gaps.COUNTED)}

    def skipped(self) -> Iterator[tuple[str, int]]:
        """Reasons why packets could not be read, with counts; ordinary traffic of other kinds is not among them."""
        for reason in range(SKIP_TRUNCATED, len(SKIP_NAMES)):
            if count := int(self.counters[layout.C_SKIP + reason]):
                yield SKIP_NAMES[reason], count
        fragments = self.readers.fragments
        if lost := fragments.dropped + fragments.expired:
            yield "incomplete fragments", lost

    @property
    def hellos_dropped(self) -> int:
        """Hellos that were not put together for want of room."""
        return self.readers.dropped_looking + int(self._todo.gather.state[layout.GATHER_LOST])

    @property
    def flows_ech(self) -> int:
        """Flows whose only name hides another."""
        return self._settling.flows_ech

    @property
    def dropped_waiting(self) -> int:
        """Slices that waited for a name and for which there was no room."""
        return self._settling.dropped

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
        capacity = len(self._flows.index)
        may_grow = capacity // 2 < self._limits.max_flows
        return layout.Limits(
            min(capacity // 2, self._limits.max_flows),
            int(may_grow),
            self._limits.tcp_idle_s * layout.SECOND,
            self._limits.udp_idle_s * layout.SECOND,
            int(self._emit_all),
            self._sweep_at,
            int(self._limits.drop_duplicates),
            int(self._openings is not None),
        )

    def _make_room(self) -> None:
        """An index of twice the size; the rows stay where they are."""
        self._flows = self._flows._replace(index=new_index(len(self._flows.index)))
        table.fill_index(self._flows, int(self.counters[layout.C_ROWS]))

    def _drain(self, *, force: bool = False, final: bool = False) -> None:
        """Give slices out: named ones always, late ones when there are many, or by force."""
        count = int(self._out.count[0])
        if count:
            self._give(*self._settling.named(self._out, count))
            self._out.count[0] = 0
        count = int(self._late.count[0])
        if force or count > SLICE_BUFFER // 2 or self._settling.many_found:
            known = self._settling.resolved(self._late.words[:count], final=final)
            self._late.count[0] = 0
            if len(known):
                self._give(as_slices(known), len(known))
