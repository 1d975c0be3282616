"""What is found out about a flow after its packets were metered, carried to the flow and to its slices.

What Python found in hellos is told to the flow table, and slices that were written before that wait here, bounded,
until their flow's name is settled or WAIT_NS are over. Flows without a name get one from DNS if this client was told
one; a name that only hides another (ECH) is the last to be believed.

It does not drive the kernel (`sensor.meter`) and reads no packets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sensor import late, layout
from sensor.dnsmemory import DnsMemory
from sensor.memory import as_slices
from sensor.namebook import NameBook
from sensor.names import OUTER
from sensor.openings import Openings
from sensor.readers import DNS, Finding

MAX_WAITING = 1 << 18  # slices that wait for a name
MAX_FOUND = 1 << 14  # names found for flows whose slices may still lie in the kernel's buffer
_OPENED = [0, 1, layout.S_FLOW_FIRST, layout.S_VLAN]
WAIT_NS = 60 * layout.SECOND  # how long they wait at most


class Settling:
    """See the module's header. `flows` and `memory` give the flow table and the names that clients were told, as they
    are now; `dropped` counts slices for which there was no room."""

    def __init__(
        self,
        book: NameBook,
        openings: Openings | None,
        counters: Any,
        flows: Callable[[], layout.Flows],
        memory: Callable[[], DnsMemory],
    ) -> None:
        self._book, self._openings, self._counters = book, openings, counters
        self._flows, self._memory = flows, memory
        self._findings: list[tuple[int, ...]] = []  # not yet told to the table; see late.settle
        self._noted: list[tuple[int, int, int, int, int]] = []  # openings, not yet told
        self._found: dict[int, tuple[int, int]] = {}  # flow -> name and flags that Python read since the last drain
        self._waiting = np.zeros((0, layout.SLICE), np.uint64)
        self.dropped = 0
        self.flows_ech = 0  # flows whose only name hides another

    def settle(self, words: list[int], finding: Finding) -> None:
        """Note what the readers found for a flow: for the table, and for slices of it that have not been given out."""
        number = self._book.number_of(finding.name) if finding.name else 0
        uid = words[layout.T_UID]
        flags = finding.evidence << layout.EVIDENCE_SHIFT
        flags |= (layout.PARTIAL if finding.partial else 0) | (layout.ECH if finding.ech else 0)
        sender = words[layout.T_FROM_B]
        if number:
            flags |= layout.WATCHED if self._book.table.watch[number] > 0 else 0
            self._found[uid] = number, flags
            if self._openings and finding.hello and self._book.table.service[number] == 0:
                vlan = int(self._flows().cold[words[layout.T_ROW], layout.VLAN])
                self._noted.append((words[2 * sender], words[2 * sender + 1], words[layout.T_TIME], 0, vlan))
        self._findings.append((words[layout.T_ROW], uid, number, flags, int(finding.done), sender, finding.hello))

    def note_openings(self, todo: layout.Todo) -> None:
        """Keep those notes of the kernel whose names turned out to be in no catalogue."""
        count = int(todo.opened[0])
        todo.opened[0] = 0
        if self._openings and count:
            self._openings.add(todo.openings, count, self._book.table.service)

    def tell_table(self) -> None:
        """Carry what was found to the flows; many at once, as a call of the kernel costs more than a finding."""
        if self._openings and self._noted:
            self._openings.note(self._noted)
            self._noted.clear()
        if self._findings:
            late.settle(self._flows(), np.array(self._findings, np.int64), self._counters)
            self._findings.clear()

    def named(self, slices: layout.Slices, count: int) -> tuple[layout.Slices, int]:
        """The kernel's named slices that can be given out; those whose name turned out to hide another wait."""
        if self._book.has_outer:
            rows = slices.words[:count]
            outer = self._is_outer(rows)
            if outer.any():
                self._waiting = np.concatenate([self._waiting, rows[outer]])
                rows = rows[~outer]
                return as_slices(rows), len(rows)
        return slices, count

    def resolved(self, rows: Any, *, final: bool) -> Any:
        """The slices of what waits, and of these rows, whose name is settled. What was found is forgotten."""
        rows = np.concatenate([self._waiting, rows])
        known = self._resolve(rows, final) if len(rows) else rows
        self._found.clear()
        return known

    @property
    def many_found(self) -> bool:
        return len(self._found) > MAX_FOUND

    @property
    def first_minute(self) -> int | None:
        """The earliest minute of a slice that waits."""
        return int(self._waiting.view(np.uint32)[:, layout.S_MINUTE].min()) if len(self._waiting) else None

    def forget_names(self) -> None:
        """Names get new numbers: the flows of what waits say theirs anew."""
        self._waiting.view(np.uint32)[:, layout.S_NAME] = 0

    def _is_outer(self, rows: Any) -> Any:
        return self._book.table.service[rows.view(np.uint32)[:, layout.S_NAME]] == OUTER

    def _resolve(self, rows: Any, final: bool) -> Any:
        """Names for rows written before their flow had one; those still looked for go back to wait."""
        view = as_slices(rows)
        late.refresh(self._flows(), view)
        self._name_ended(view)
        outer = self._is_outer(rows)
        nameless = (view.halves[:, layout.S_NAME] == 0) | outer
        waiting = nameless & (view.halves[:, layout.S_FLAGS] & layout.LOOK_MASK != layout.LOOK_DONE)
        waiting &= self._counters[layout.C_LATEST] - view.signed[:, layout.S_LAST] < WAIT_NS
        if final:
            waiting[:] = False
        over = nameless & ~waiting
        self.flows_ech += int(np.count_nonzero(over & outer & (view.halves[:, layout.S_FLAGS] & layout.OLD == 0)))
        ports = rows[:, 4] >> np.uint64(32) & np.uint64(0xFFFF)
        told = over & self._memory().may_know(rows[:, 1], rows[:, 3])
        for port in layout.DNS_PORTS:
            told &= ports != port
        self._name_from_dns(view, np.flatnonzero(told))
        late.give_up(self._flows(), view, over, self._book.table.service)
        self._waiting = rows[waiting]
        if len(self._waiting) > MAX_WAITING:
            self.dropped += len(self._waiting) - MAX_WAITING
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
            began = int(view.signed[n, layout.S_FLOW_FIRST]) / layout.SECOND
            told = self._memory().names(client, server, began)
            services = {self._book.lookup(name) for name in told}
            if len(services) == 1 and OUTER not in services:
                view.halves[n, layout.S_NAME] = self._book.number(told[0])
                if self._openings and services == {0} and not view.halves[n, layout.S_FLAGS] & layout.OLD:
                    client_high, client_low, opened, vlan = view.signed[n, _OPENED].tolist()
                    self._openings.note([(client_high, client_low, opened, 0, vlan)])
                view.halves[n, layout.S_FLAGS] = (
                    int(view.halves[n, layout.S_FLAGS]) & ~layout.EVIDENCE_MASK | DNS << layout.EVIDENCE_SHIFT
                )
