"""A small school's day in a real store, and desks at which its people sit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pipeline.access import find_actor, read_access
from pipeline.assess import Assessor
from pipeline.audit import AuditTrail
from pipeline.desk import Desk
from pipeline.ingest import Ingest
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms, term_of
from pipeline.school import School
from pipeline.store import ChdbStore
from pipeline.words import Grade, Reason
from tests.pipeline.judging import (
    DAY,
    MIDNIGHT,
    Slice,
    TableBindings,
    minute,
    slice_rows,
    small_catalogue,
    small_school,
)

ACCESS = b"""name,role,staff_id,account
Sam Rees,network_manager,S01,
Ann Bowen,head,T02,
Dewi Prys,dpo,,
Mair Lloyd,chair_of_governors,,
Nia Pugh,staff,T00,
Ifan Hall,staff,T04,
Ann B. Bowen,staff,T02,
Elin Wyn,network_manager,S02,wyn
"""
NM, HEAD, DPO, CHAIR = "network_manager/Sam Rees", "head/Ann Bowen", "dpo/Dewi Prys", "chair_of_governors/Mair Lloyd"
STAFF = "staff/Nia Pugh"
SCHOOL = small_school()
PEOPLE = {f"10.0.0.{n}": (n, Grade.B, Reason.NONE, n) for n in range(20)}


@dataclass
class Office:
    """One school: `clock` is the present, a day after DAY's midnight."""

    folder: Path
    store: ChdbStore | None = None
    clock: list[float] = field(default_factory=lambda: [float(MIDNIGHT * 60 + 86_400)])

    @property
    def trail(self) -> AuditTrail:
        return AuditTrail(self.folder / "audit.jsonl", lambda: self.clock[0])

    @property
    def keys(self) -> Pseudonyms:
        return Pseudonyms(self.folder / "keys")

    def desk(self, named: str, account: str = "root") -> Desk:
        people = read_access(ACCESS, SCHOOL.numbers)
        actor = find_actor(people, named, account)
        return Desk(self.trail, people, actor, SCHOOL, self.keys, self.store, lambda: self.clock[0])

    def assessor(self, school: School = SCHOOL) -> Assessor:
        return Assessor(school, small_catalogue(), load_profile("cwmbran"), TableBindings(PEOPLE), self.keys)

    def observe(self, slices: list[Slice], school: School = SCHOOL) -> None:
        assert self.store is not None
        ingest = Ingest(self.store, self.assessor(school), now=lambda: self.clock[0], gather_windows=12)
        ingest.add(slice_rows(slices), 0.0)
        ingest.finish()

    def pseudonym(self, staff_id: str) -> str:
        return self.keys.of(term_of(SCHOOL.calendar, DAY), staff_id)

    def said(self) -> list[tuple[str, str]]:
        return [(entry.action, entry.result) for entry in self.trail.entries()]

    def episodes(self, staff_id: str) -> list[str]:
        assert self.store is not None
        sql = "SELECT DISTINCT id FROM schoolgate.episode WHERE pseudonym = {p:String} ORDER BY id"
        return [str(id_) for (id_,) in self.store.query(sql, {"p": self.pseudonym(staff_id)}).rows]


def use(person: int, clock: str, minutes: int, service: str = "facebook") -> list[Slice]:
    """So many minutes of use by a person from this time on."""
    client = f"10.0.0.{person}"
    return [Slice(minute(clock) + n, client, service, up=900 + n, down=200_000 + n, bursts=6) for n in range(minutes)]
