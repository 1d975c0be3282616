"""Contests: who may, and that the sums afterwards are those of a world in which the episode was never tagged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pipeline.access import Refused
from pipeline.aggregate import levels, use_day, use_five, use_period
from pipeline.contest import ContestReason, Status, contests, decide, open_contest, settle, statuses
from pipeline.gather import Clients, gather
from pipeline.judge import parts
from pipeline.native import Values
from pipeline.store import ChdbStore, StoreError, open_store
from pipeline.words import Outcome, Reason
from tests.pipeline.desks import CHAIR, DPO, HEAD, NM, SCHOOL, STAFF, Office, use
from tests.pipeline.judging import Slice, slice_rows

WHY = "I covered 9B for a colleague who was ill."
Sums = Counter[tuple[object, ...]]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with open_store(tmp_path / "store") as store:
        yield Office(tmp_path, store)


def stored(store: ChdbStore, column: str = "minutes") -> Sums:
    """All sums by table and what they are of, without those that are 0."""
    found: Sums = Counter()
    for table, keys in (("use_five", "start"), ("use_period", "period, period_kind, people"), ("use_day", "people")):
        names = f"'{table}', day, {keys}, level, kind, service, outcome, reason, policy, catalogue, timetable"
        for row in store.query(f"SELECT {names}, sum({column}) FROM schoolgate.{table} GROUP BY {names}").rows:
            *key, n = row
            if n:
                found[tuple(map(str, key))] = int(str(n))
    return found


def judged_anew(office: Office, slices: list[Slice], withdrawn: set[str]) -> Sums:
    """The sums as judging alone would make them if the minutes of these episodes were unknown from the start."""
    judge, clients = office.assessor(), Clients()
    found = judge.findings(gather(slice_rows(slices), clients, judge.scope)[0], clients)
    part = parts(found.use)
    for row in np.flatnonzero(found.outcome == Outcome.OUTSIDE_ALLOWED.code).tolist():
        staff_id, service = SCHOOL.staff[found.person[row]].staff_id, judge.scope.services[found.use.service[row]]
        if office.keys.episode("Autumn 2026", staff_id, service, str(int(part[row]))) in withdrawn:
            found.outcome[row], found.reason[row] = Outcome.UNKNOWN.code, Reason.WITHDRAWN.code
    outcomes, labels = judge._outcomes(found, np.ones(len(found.use), bool))
    at = levels(outcomes, labels)
    sums: Sums = Counter()
    for table, windows in (
        ("use_five", use_five(at, labels)),
        ("use_period", use_period(at, labels)),
        ("use_day", use_day(at, labels)),
    ):
        for start, columns in windows:
            rows = judge._completed(table, start, columns)
            keys = {"use_five": ["start"], "use_period": ["period", "period_kind", "people"], "use_day": ["people"]}
            names = ["day", *keys[table], "level", "kind", "service", "outcome", "reason"]
            names += ["policy", "catalogue", "timetable"]
            for n in range(len(columns["minutes"])):
                key = [rows[name][n] for name in names]
                if table == "use_five":
                    at_ = np.datetime64(int(str(key[1])), "s").astype("datetime64[s]").item()
                    key[1] = f"{at_}+00:00"
                sums[(table, *map(str, key))] += int(str(columns["minutes"][n]))
    return Counter({key: n for key, n in sums.items() if n})


def busy_day(seed: int) -> list[Slice]:
    """Several people, several services at a time, over lessons, break and lunch."""
    rng, found = random.Random(seed), []
    for _ in range(40):
        person, clock = rng.randrange(16), f"{rng.randrange(9, 15):02}:{rng.randrange(60):02}"
        service = rng.choice(("facebook", "instagram", "tiktok", "twitter", "youtube"))
        for piece in use(person, clock, rng.randrange(2, 14), service):
            found.append(replace(piece, down=2_000_000, bursts=9))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_sums_are_those_of_a_day_without_the_episode(office: Office, seed: int) -> None:
    slices, rng = busy_day(seed), random.Random(seed)
    office.observe(slices)
    assert office.store is not None
    assert stored(office.store) == judged_anew(office, slices, set())
    bytes_before = sum(stored(office.store, "bytes_down").values())
    episodes = [
        str(id_) for (id_,) in office.store.query("SELECT DISTINCT id FROM schoolgate.episode ORDER BY id").rows
    ]
    chosen = rng.sample(episodes, min(len(episodes), 6))
    assert len(chosen) > 3
    for n, episode in enumerate(chosen, 1):
        contest = open_contest(office.desk(CHAIR), episode, ContestReason.COVER, WHY)
        try:
            decide(office.desk(HEAD), contest.id, Status.UPHELD, "The cover sheet says so.")
        except Refused:  # it is the head's own
            decide_as_second(office, contest.id)
        assert stored(office.store) == judged_anew(office, slices, set(chosen[:n])), n
    assert sum(stored(office.store, "bytes_down").values()) == bytes_before
    assert min(stored(office.store, "bytes_down").values()) >= 0


def decide_as_second(office: Office, contest: str) -> None:
    """The head's episode, contested by the chair: opened anew by the data protection officer, decided by the chair."""
    assert office.store is not None
    (row,) = [c for c in contests(office.store, "small") if c.id == contest]
    desk = office.desk(DPO)
    desk.note("contest.opened", contest=contest)
    decide(office.desk(CHAIR), row.id, Status.UPHELD, "The cover sheet says so.")


def test_a_contest_from_the_first_word_to_the_last(office: Office) -> None:
    office.observe(use(0, "09:10", 8) + use(0, "11:30", 5))
    assert office.store is not None
    episode, other = office.episodes("T00")
    contest = open_contest(office.desk(STAFF), episode, ContestReason.COVER, WHY)
    assert (contest.status, contest.days_left(office.desk(NM).time)) == (Status.OPEN, 30)
    with pytest.raises(Refused, match="contested already"):
        open_contest(office.desk(STAFF), episode, ContestReason.OTHER, WHY)
    done = decide(office.desk(HEAD), contest.id, Status.UPHELD, "Cover sheet found.")
    assert done.status is Status.UPHELD
    (row,) = contests(office.store, "small")
    assert (row.applied, row.opened_by, row.decided_by) == (True, "staff", "head")
    assert statuses(office.store, "small") == {episode: "upheld"}
    with pytest.raises(Refused, match="upheld already"):
        decide(office.desk(HEAD), contest.id, Status.REJECTED, "No.")
    with pytest.raises(Refused, match="contested already"):
        open_contest(office.desk(STAFF), episode, ContestReason.OTHER, WHY)
    marks = office.store.query("SELECT count() FROM schoolgate.minute_mark WHERE outcome = 'outside_allowed'").rows
    left = office.store.query("SELECT sum(minutes) FROM schoolgate.episode WHERE id = {e:String}", {"e": other}).rows
    assert marks == left, "the marks of the other episode stay"
    counted = office.store.query(
        "SELECT metric, sum(value) FROM schoolgate.coverage WHERE metric LIKE '%withdrawn' GROUP BY metric"
    ).rows
    assert {str(name): n for name, n in counted}["episodes_withdrawn"] == 1
    text = "\n".join(str(row) for row in office.store.query("SELECT * FROM schoolgate.contest").rows)
    assert WHY not in text
    assert "Nia" not in text


def test_a_rejected_episode_stays_and_may_be_contested_again(office: Office) -> None:
    office.observe(use(0, "09:10", 8))
    assert office.store is not None
    before = stored(office.store)
    (episode,) = office.episodes("T00")
    contest = open_contest(office.desk(STAFF), episode, ContestReason.NOT_ME, WHY)
    decide(office.desk(HEAD), contest.id, Status.REJECTED, "The log-on was yours.")
    assert stored(office.store) == before
    again = open_contest(office.desk(STAFF), episode, ContestReason.OTHER, WHY)
    assert again.id != contest.id


def test_who_may_contest_and_who_may_decide(office: Office) -> None:
    office.observe(use(0, "09:10", 8) + use(2, "11:30", 8))
    (episode,), (of_head,) = office.episodes("T00"), office.episodes("T02")
    for named in ("staff/Ifan Hall", NM):
        with pytest.raises(Refused, match="may not contest an episode of somebody else"):
            open_contest(office.desk(named), episode, ContestReason.COVER, WHY)
    with pytest.raises(Refused, match="in words"):
        open_contest(office.desk(STAFF), episode, ContestReason.COVER, " ")
    own = open_contest(office.desk(STAFF), episode, ContestReason.COVER, WHY)
    for named in (STAFF, NM, DPO):
        with pytest.raises(Refused):
            decide(office.desk(named), own.id, Status.UPHELD, "Yes.")
    heads = open_contest(office.desk(HEAD), of_head, ContestReason.COVER, WHY)
    for named in (HEAD, "staff/Ann B. Bowen", DPO):
        with pytest.raises(Refused):
            decide(office.desk(named), heads.id, Status.UPHELD, "Yes.")
    decide(office.desk(CHAIR), heads.id, Status.UPHELD, "Yes.")
    decide(office.desk(HEAD), own.id, Status.UPHELD, "Yes.")
    refused = [entry for entry in office.trail.entries() if entry.result == "refused"]
    assert len(refused) == 9


def test_an_episode_that_may_still_grow_is_not_withdrawn_yet(office: Office) -> None:
    office.observe(use(0, "09:10", 8))
    (episode,) = office.episodes("T00")
    contest = open_contest(office.desk(STAFF), episode, ContestReason.COVER, WHY)
    office.clock[0] -= 86_400 - 10 * 3600
    with pytest.raises(Refused, match=r"decide it after 11:1\d UTC"):
        decide(office.desk(HEAD), contest.id, Status.UPHELD, "Yes.")
    office.clock[0] += timedelta(hours=2).total_seconds()
    decide(office.desk(HEAD), contest.id, Status.UPHELD, "Yes.")


class Breaks:
    """The store, dying at the n-th change after a decision is begun."""

    def __init__(self, store: ChdbStore, left: int) -> None:
        self._store, self._left = store, left
        self.query, self.close = store.query, store.close

    def insert(self, table: str, columns: Mapping[str, Values], batch: str) -> int:
        self._spend()
        return self._store.insert(table, columns, batch)

    def delete(self, table: str, where: str, params: Mapping[str, object]) -> None:
        self._spend()
        self._store.delete(table, where, params)

    def execute(self, ddl: str) -> None:
        self._spend()
        self._store.execute(ddl)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise StoreError("the power is gone")


@pytest.mark.parametrize("left", range(8))
def test_a_decision_that_is_interrupted_is_finished_once(office: Office, left: int) -> None:
    slices = use(0, "09:10", 8) + use(0, "09:12", 8, "instagram")
    office.observe(slices)
    assert office.store is not None
    first, second = office.episodes("T00")
    for episode in (first, second):
        open_contest(office.desk(STAFF), episode, ContestReason.COVER, WHY)
    one, two = (c.id for c in sorted(contests(office.store, "small"), key=lambda c: c.episode))
    broken = replace(office.desk(HEAD), _store=Breaks(office.store, left))
    with pytest.raises(StoreError):
        decide(broken, one, Status.UPHELD, "Yes.")
    if left > 0:
        assert settle(office.store, "small", "Europe/London") <= 1
        assert stored(office.store) == judged_anew(office, slices, {first})
    else:
        decide(office.desk(HEAD), one, Status.UPHELD, "Yes.")
    decide(office.desk(HEAD), two, Status.UPHELD, "Yes.")
    assert settle(office.store, "small", "Europe/London") == 0
    assert stored(office.store) == judged_anew(office, slices, {first, second})
