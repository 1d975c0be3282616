"""Whose device an alert was about: for an approved look-up (pipeline.lookup) and nothing else.

The alert leads to the address that was kept apart (pipeline.alerts.clients), and the feeds say who was known to use it
in that minute, as for any other minute. Where they name nobody, or not always the same person, it is nobody. Pupils
and guests are never looked up: their identities are not even loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.access import Refused
from pipeline.alerts.alert import Alert
from pipeline.alerts.clients import KEEP_DAYS, AlertClients
from pipeline.alerts.outbox import Outbox
from pipeline.identity import Bindings
from pipeline.school import School
from pipeline.words import Grade, Reason
from sensor.slices import unpack_address

if TYPE_CHECKING:
    from pipeline.desk import Desk


@dataclass(frozen=True, slots=True)
class Trace:
    """One edit of an alert: Unix seconds, address, who used it (a staff id; '' nobody), how surely, and by what."""

    at: float
    address: str
    staff_id: str
    grade: Grade
    source: str


@dataclass(frozen=True, slots=True)
class Traced:
    """An alert and where it leads. `staff_id`: '' if to nobody, or not to one person only."""

    alert: Alert
    traces: tuple[Trace, ...]

    @property
    def staff_id(self) -> str:
        found = {trace.staff_id for trace in self.traces}
        return found.pop() if len(found) == 1 else ""


class AlertTracer:
    """Traces alerts of a school in whose folder of alerts the addresses lie; `bindings` are read when needed."""

    def __init__(self, folder: Path, school: School, bindings: Callable[[], Bindings]) -> None:
        self._folder, self._school, self._bindings = folder, school, bindings

    def trace(self, id_: str) -> Traced:
        """Raises Refused where there is nothing that may be looked up."""
        if not self._folder.is_dir():
            raise Refused(f"there is no alert {id_!r}; `schoolgate alerts list` shows those there are")
        with closing(Outbox(self._folder)) as outbox:
            alert = outbox.alert(id_)
        if alert is None:
            raise Refused(f"there is no alert {id_!r}; `schoolgate alerts list` shows those there are")
        if alert.kind.operational:
            raise Refused(f"alert {id_} is about the monitor itself; there is nobody behind it")
        if alert.segment != "staff":
            whose = {"pupil": "the pupils'", "guest": "the guests'"}.get(alert.segment, "an unknown")
            raise Refused(f"alert {id_} is of {whose} network: only staff may be looked up, nothing else is kept")
        with closing(AlertClients(self._folder)) as clients:
            seen = clients.of(id_)
        if not seen:
            raise Refused(f"the address behind alert {id_} is not kept any more; it leaves after {KEEP_DAYS} days")
        bindings = self._bindings()
        addresses = np.array([one.address for one in seen], "S16")
        minutes = np.array([int(one.at // 60) for one in seen], np.uint32)
        person, grade, reason, _ = bindings.who(addresses, minutes)
        found = bindings.find(addresses, minutes)
        traces = []
        for n, one in enumerate(seen):
            known = int(person[n]) >= 0
            source = bindings.source(int(found[n])) if known else list(Reason)[int(reason[n])].sentence
            staff_id = self._school.staff[int(person[n])].staff_id if known else ""
            traces.append(Trace(one.at, unpack_address(one.address), staff_id, list(Grade)[int(grade[n])], source))
        return Traced(alert, tuple(traces))


def staff_behind(desk: Desk, alert: str) -> str:
    """The staff id that an alert leads to, '' if it leads to nobody. Raises Refused where nothing may be known."""
    traced = desk.trace(alert)
    if traced.staff_id:
        person, day = desk.school.numbers[traced.staff_id], date.fromisoformat(traced.alert.day)
        rows = (row for row in desk.school.restrictions if row.person == person)
        if any(row.date_from <= day <= row.date_to for row in rows):
            raise Refused("use of these data is restricted (restrictions.csv)")
    return traced.staff_id


def days_of_alert(desk: Desk, alert: str) -> tuple[date, date]:
    """The day of an alert, as a range. Raises Refused where it may not be looked up."""
    with desk.at_work("lookup.request", [alert]):
        day = date.fromisoformat(desk.trace(alert).alert.day)
    return day, day
