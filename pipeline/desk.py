"""A desk: one person at work on people's data, with everything that is needed for it, and the trail that sees it all.

Every privacy module takes a Desk. `at_work` wraps an act: whatever is refused or fails inside is written into the audit
trail before the error goes on. It knows no command line; a web page will sit at the same desk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.access import Actor, Person, Refused
from pipeline.audit import AuditTrail
from pipeline.chain import Entry
from pipeline.pseudonym import Pseudonyms
from pipeline.school import School
from pipeline.store import Store

if TYPE_CHECKING:
    from pipeline.alerts.lookup import AlertTracer, Traced


@dataclass(frozen=True)
class Desk:
    """`people`: everybody in the access file. `keys` None: the school keeps no pseudonyms. `now` gives Unix seconds."""

    trail: AuditTrail
    people: tuple[Person, ...]
    actor: Actor
    school: School
    keys: Pseudonyms | None = None
    _store: Store | None = None
    now: Callable[[], float] = time.time
    tracer: AlertTracer | None = None

    @property
    def store(self) -> Store:
        """The store, for acts that need it."""
        if self._store is None:
            raise Refused("this needs the store; give it")
        return self._store

    @property
    def pseudonyms(self) -> Pseudonyms:
        """The keys. Raises Refused where a school keeps nothing about single people."""
        if self.keys is None:
            raise Refused("this school keeps sums only (mode aggregate): there is nothing about single people to see")
        return self.keys

    def trace(self, alert: str) -> Traced:
        """Where an alert leads. Raises Refused, also where a school keeps nothing about single people."""
        _ = self.pseudonyms
        if self.tracer is None:
            raise Refused("this needs the school's feeds; give its folder")
        return self.tracer.trace(alert)

    @property
    def time(self) -> datetime:
        """The present time in UTC, in whole seconds."""
        return datetime.fromtimestamp(int(self.now()), UTC)

    def note(self, action: str, subjects: Sequence[str] = (), **details: object) -> Entry:
        """Writes down what the actor is about to see or has done."""
        return self.trail.add(action, self.actor.who, subjects=subjects, details=details)

    @contextmanager
    def at_work(self, action: str, subjects: Sequence[str] = (), **details: object) -> Iterator[None]:
        """Writes down an act that is refused or fails, and lets the error go on."""
        try:
            yield
        except (ValueError, OSError) as error:
            result = "refused" if isinstance(error, Refused) else "failed"
            why = str(error) if isinstance(error, Refused) else type(error).__name__
            self.trail.add(action, self.actor.who, result=result, subjects=subjects, details={**details, "why": why})
            raise

    def whose_pseudonym(self, pseudonym: str) -> str:
        """The staff id behind a pseudonym. Raises Refused for one that leads nowhere."""
        found = self.pseudonyms.whose(pseudonym, self.school.numbers)
        if found is None:
            raise Refused(f"{pseudonym} leads to nobody: its key is gone, or the person has left the staff list")
        return found
