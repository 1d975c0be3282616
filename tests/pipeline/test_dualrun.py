"""E15: the first day of a new catalogue version is judged by the version before, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.assess import Assessor
from pipeline.dualrun import by_version, difference
from pipeline.ingest import Ingest
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.words import Grade, Outcome, Reason
from sensor.catalogue import Catalogue
from sensor.words import Action, Kind
from tests.pipeline.judging import SERVICES, MemoryStore, Slice, TableBindings, minute, slice_rows, small_school

PEOPLE = {f"10.0.0.{n}": (n, Grade.B, Reason.NONE, n) for n in range(6)}
PROFILE = replace(load_profile("cwmbran"), services={})
NEXT_DAY = 24 * 60


def catalogue(version: str, **actions: Action) -> Catalogue:
    services = {s.id: replace(s, action=actions.get(s.id, s.action)) for s in SERVICES.values()}
    return Catalogue(version, services, {}, {})


@pytest.fixture
def judge(tmp_path: Path) -> Assessor:
    return Assessor(
        small_school(id="dual"), catalogue("v1"), PROFILE, TableBindings(PEOPLE), Pseudonyms(tmp_path / "keys")
    )


def use(clock: str, service: str = "youtube", later: int = 0) -> list[Slice]:
    return [Slice(minute(clock) + later + n, "10.0.0.0", service, down=2_000_000, bursts=4) for n in range(4)]


def ingest(store: MemoryStore, judge: Assessor, *slices: Slice, finish: bool = True) -> Ingest:
    run = Ingest(store, judge)
    run.add(slice_rows(slices), 0.0)
    if finish:
        run.finish()
    return run


def kept(store: MemoryStore) -> dict[tuple[object, ...], tuple[int, int]]:
    before = store.sums("catalogue_change", "service", "outcome", value="before")
    after = store.sums("catalogue_change", "service", "outcome", value="after")
    return {key: (before[key], after[key]) for key in before}


TAGGED = {("youtube", "count_only"): (4, 0), ("youtube", "outside_allowed"): (0, 4)}


def test_the_first_version_has_none_before_it(judge: Assessor) -> None:
    store = MemoryStore()
    ingest(store, judge, *use("09:20"))
    assert kept(store) == {}


def test_the_first_day_shows_what_the_new_version_changes(judge: Assessor) -> None:
    store = MemoryStore()
    ingest(store, judge, *use("09:20", "facebook"))
    new = replace(judge, catalogue=catalogue("v2", youtube=Action.TAG))
    ingest(store, new, *use("09:40"), *use("09:40", "facebook"), *use("11:25", later=NEXT_DAY))
    assert kept(store) == TAGGED, "facebook has not changed, and the second day is not compared"
    (row, *_) = store.tables["catalogue_change"]
    assert (row["catalogue_before"], row["catalogue"], row["day"]) == ("v1", "v2", date(2026, 11, 17))


def test_whoever_starts_again_on_the_first_day_goes_on_comparing(judge: Assessor) -> None:
    store = MemoryStore()
    ingest(store, judge, *use("09:20", "facebook"))
    new = replace(judge, catalogue=catalogue("v2", youtube=Action.TAG))
    ingest(store, new, *use("09:40"))
    ingest(store, new, *use("11:25"))
    ingest(store, new, *use("11:25", later=NEXT_DAY))
    assert {outcome: n for (_, outcome), n in kept(store).items()} == {"count_only": (8, 0), "outside_allowed": (0, 8)}


def test_a_version_that_comes_while_running_is_compared_too(judge: Assessor) -> None:
    store = MemoryStore()
    run = ingest(store, judge, *use("09:20", "facebook"))
    run.renew(replace(judge, catalogue=catalogue("v2", youtube=Action.TAG)))
    run.add(slice_rows(use("10:30")), 0.0)
    run.finish()
    assert kept(store) == TAGGED


def test_a_service_that_is_new_was_not_stored_before(judge: Assessor) -> None:
    words = {s.id: (s.kind.value, s.action.value) for s in SERVICES.values() if s.id != "tiktok"}
    before = by_version(judge, "v0", words)
    assert before.scope == judge.scope
    assert before.catalogue.services["tiktok"].action is Action.IGNORE
    assert before.catalogue.services["facebook"] == judge.catalogue.services["facebook"]


def test_another_kind_is_a_difference(judge: Assessor) -> None:
    store = MemoryStore()
    ingest(store, judge, *use("09:20", "facebook"))
    moved = replace(SERVICES["youtube"], kind=Kind.PODCAST)
    new = replace(judge, catalogue=Catalogue("v2", {**SERVICES, "youtube": moved}, {}, {}))
    ingest(store, new, *use("09:40"))
    rows = {row["kind"]: (row["before"], row["after"]) for row in store.tables["catalogue_change"]}
    assert rows == {"content_sharing": (4, 0), "podcast": (0, 4)}


row = st.tuples(
    st.sampled_from(("service", "kind", "all")),
    st.sampled_from(("all", "teaching")),
    st.sampled_from(("facebook", "youtube")),
    st.just("forum"),
    st.sampled_from([outcome.value for outcome in Outcome]),
    st.integers(1, 9),
)
NAMES = ("level", "people", "service", "kind", "outcome", "minutes")


def columns(rows: list[tuple[object, ...]]) -> dict[str, list[object]]:
    return {name: [row[n] for row in rows] for n, name in enumerate(NAMES)} if rows else {}


def counted(rows: Mapping[str, list[object]], minutes: str) -> Counter[tuple[object, ...]]:
    return Counter(
        {(s, o): n for s, o, n in zip(rows["service"], rows["outcome"], rows[minutes], strict=True) if n}  # type: ignore[misc]
    )


@given(st.lists(row, max_size=12), st.lists(row, max_size=12))
def test_the_difference_is_what_leads_from_one_to_the_other(
    old: list[tuple[object, ...]], new: list[tuple[object, ...]]
) -> None:
    found = difference(columns(old), columns(new))
    assert difference(columns(new), columns(new)) == {}
    if not found:
        return
    sums = []
    for rows in (old, new):
        own: Counter[tuple[object, ...]] = Counter()
        for level, people, service, _, outcome, minutes in rows:
            if (level, people) == ("service", "all"):
                own[service, outcome] += int(str(minutes))
        sums.append(own)
    same = {key for key in {*sums[0], *sums[1]} if sums[0][key] == sums[1][key]}
    for own, name in zip(sums, ("before", "after"), strict=True):
        assert counted(found, name) == Counter({key: n for key, n in own.items() if key not in same})
