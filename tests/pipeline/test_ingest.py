"""Exactly once: whatever is interrupted, repeated, cut or delayed, the store ends up the same."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.assess import Assessor
from pipeline.ingest import Ingest, Progress
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.windows import LOOK_AHEAD_MIN, LOOK_BACK_MIN, REACH_MIN, WINDOW_MIN, first_needed
from pipeline.words import Grade, Reason
from tests.pipeline.judging import (
    BrokenDown,
    MemoryStore,
    Slice,
    TableBindings,
    minute,
    slice_rows,
    small_catalogue,
    small_school,
)

SCHOOL = small_school()
PEOPLE = {f"10.0.0.{n}": (n, Grade.B, Reason.NONE, n) for n in range(6)}
FIRST = minute("08:50")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Assessor:
    keys = Pseudonyms(tmp_path_factory.mktemp("keys") / "keys")
    return Assessor(SCHOOL, small_catalogue(), load_profile("cwmbran"), TableBindings(PEOPLE), keys)


def traffic(seed: int, minutes: int = 190) -> list[Slice]:
    """Use by six people in runs, over break and two lessons, with a little of everything else."""
    rng = random.Random(seed)
    found = []
    for _ in range(14):
        client, service = f"10.0.0.{rng.randrange(7)}", rng.choice(("facebook", "instagram", "youtube"))
        at = FIRST + rng.randrange(minutes)
        for _ in range(rng.randrange(30)):
            at += rng.choice((1, 1, 1, 2, 5))
            found.append(
                Slice(at, client, service, down=rng.choice((1000, 200_000, 2_000_000)), bursts=rng.randrange(5))
            )
            found.append(Slice(at, client, service, "cdn", down=150_000, first=100, last=200))
            found.append(Slice(at, "10.1.0.1", "facebook", segment="pupil", down=1))
    return found


def files(slices: list[Slice], rng: random.Random) -> list[tuple[pa.Table, float]]:
    """The slices as a sensor would spool them: pieces of some minutes each, some slices before their minute has ended;
    with what was lost, in the metadata."""
    end = max((s.minute for s in slices), default=FIRST) + 1
    at, left, found = FIRST, list(slices), []
    while at < end:
        until = min(at + rng.choice((1, 2, 5, 12)), end)
        ready = [s.minute < until or (s.minute == until and rng.random() < 0.3) for s in left]
        now = [s for s, is_ready in zip(left, ready, strict=True) if is_ready]
        left = [s for s, is_ready in zip(left, ready, strict=True) if not is_ready]
        rng.shuffle(now)
        table = slice_rows(now)
        metadata = {"until": str(until * 60), "from": str(at * 60), "counters": json.dumps({"packets": len(now) * 10})}
        found.append((table.replace_schema_metadata(metadata), until * 60.0))
        at = until
    return found


def run(judge: Assessor, store: MemoryStore, pieces: list[tuple[pa.Table, float]], **options: int) -> Progress:
    ingest = Ingest(store, judge, now=lambda: 1.0, **options)
    for table, until in pieces:
        ingest.add(table, until)
    return ingest.finish()


@settings(max_examples=25)
@given(st.integers(0, 1 << 32))
def test_cutting_and_grouping_do_not_matter(judge: Assessor, seed: int) -> None:
    slices, rng = traffic(seed), random.Random(seed)
    whole, cut, grouped = MemoryStore(), MemoryStore(), MemoryStore()
    run(judge, whole, files(slices, rng))
    run(judge, cut, files(slices, rng))
    run(judge, grouped, files(slices, rng), gather_windows=7)
    for table in ("use_five", "use_period", "use_day", "episode", "minute_mark", "bell", "school_info"):
        assert whole.contents().get(table) == cut.contents().get(table) == grouped.contents().get(table), table
    assert whole.sums("coverage", "metric", value="value") == cut.sums("coverage", "metric", value="value")


@settings(max_examples=25)
@given(st.integers(0, 1 << 32), st.integers(1, 9))
def test_a_second_replay_changes_nothing(judge: Assessor, seed: int, gather_windows: int) -> None:
    store, rng = MemoryStore(), random.Random(seed)
    pieces = files(traffic(seed), rng)
    first = run(judge, store, pieces)
    before = store.contents()
    second = run(judge, store, pieces, gather_windows=gather_windows)
    assert store.contents() == before
    assert second.windows_stored == 0
    assert second.windows_known == first.windows_stored
    assert second.rows == 0


@settings(max_examples=40)
@given(st.integers(0, 1 << 32), st.integers(0, 40), st.booleans())
def test_crashes_of_a_replay_leave_no_trace(judge: Assessor, seed: int, inserts: int, late: bool) -> None:
    """Killed twice, after any insert, and each time begun again, also with other groups of windows."""
    rng = random.Random(seed)
    pieces = files(traffic(seed, 60), rng)
    undisturbed, store = MemoryStore(), MemoryStore(inserts_left=inserts, dies_late=late)
    run(judge, undisturbed, pieces)
    for left in (rng.randrange(40), None):
        try:
            run(judge, store, pieces, gather_windows=rng.choice((1, 2, 5, 24)))
        except BrokenDown:
            store.inserts_left = left
    store.inserts_left = None
    progress = run(judge, store, pieces, gather_windows=rng.choice((1, 5)))
    assert progress.windows_torn == 0
    assert store.contents() == undisturbed.contents()


def test_an_interrupted_group_is_stored_as_a_whole_or_not_at_all(judge: Assessor) -> None:
    """Other captures in between, with more windows or fewer, do not count anything twice."""
    use = [Slice(FIRST + n, "10.0.0.1", "facebook", down=200_000, bursts=6) for n in range(30)]
    whole, first, longer = [(slice_rows(s), 0.0) for s in (use[:20], use[:7], use)]
    store, expected = MemoryStore(inserts_left=7), MemoryStore()
    with pytest.raises(BrokenDown):
        run(judge, store, [whole], gather_windows=24)
    assert store.sums("coverage", "metric", value="value")[("slices",)] == 20, "one table has the four windows already"
    store.inserts_left = None
    assert run(judge, store, [first]).windows_torn == 2
    assert run(judge, store, [longer]).windows_torn == 0
    run(judge, expected, [longer])
    assert store.contents() == expected.contents()


@dataclass
class MemorySpool:
    """A spool without a disk; it outlives the process."""

    waiting: dict[Path, pa.Table] = field(default_factory=dict)

    def files(self) -> list[Path]:
        return sorted(self.waiting)

    def read(self, path: Path) -> pa.Table:
        return self.waiting[path]

    def remove(self, path: Path) -> None:
        del self.waiting[path]


@settings(max_examples=30)
@given(st.integers(0, 1 << 32))
def test_crashes_of_a_live_run_leave_no_trace(judge: Assessor, seed: int) -> None:
    """The owner dies again and again, after any insert; each time a new one begins with the files that are left."""
    rng = random.Random(seed)
    pieces = files(traffic(seed), rng)
    undisturbed, store, spool = MemoryStore(), MemoryStore(inserts_left=rng.randrange(30)), MemorySpool()
    steady = Ingest(undisturbed, judge, now=lambda: 1.0)
    ingest = None
    for number, (table, until) in enumerate(pieces):
        steady.add(table, until)
        spool.waiting[Path(f"{number:06}")] = table
        while rng.random() < 0.8:  # else the owner is away for a while, and finds more files than one
            try:
                ingest = ingest or Ingest(store, judge, now=lambda: 1.0, gather_windows=rng.choice((1, 1, 3)))
                ingest.drain(spool)
                break
            except BrokenDown:
                store.inserts_left, store.dies_late, ingest = rng.randrange(8, 60), rng.random() < 0.5, None
        if rng.random() < 0.1:
            ingest = None  # an orderly restart
    store.inserts_left = None
    Ingest(store, judge, now=lambda: 1.0).drain(spool)
    assert store.contents() == undisturbed.contents()
    oldest = min((int(str(path)) for path in spool.waiting), default=len(pieces))
    kept_min = LOOK_BACK_MIN + REACH_MIN + LOOK_AHEAD_MIN + 2 * WINDOW_MIN + 15
    assert pieces[oldest][1] >= pieces[-1][1] - kept_min * 60, "files that no window needs any more stay behind"


def of_worker(name: str, pieces: list[tuple[pa.Table, float]]) -> list[tuple[float, pa.Table]]:
    return [(until, t.replace_schema_metadata({**t.schema.metadata, b"sensor": name.encode()})) for t, until in pieces]


@settings(max_examples=30)
@given(st.integers(0, 1 << 32))
def test_windows_wait_for_all_workers(judge: Assessor, seed: int) -> None:
    """Two workers with clients of their own, each at its own pace, the owner dying now and then: as if it were one."""
    rng, slices = random.Random(seed), traffic(seed)
    alone, store, spool = MemoryStore(), MemoryStore(), MemorySpool()
    run(judge, alone, files(slices, rng))
    shares = [[s for s in slices if (int(s.client[-1]) % 2 == 0) is first] for first in (True, False)]
    left = [of_worker(f"eth1-{n}", files(share, rng)) for n, share in enumerate(shares)]
    stale = slice_rows([]).replace_schema_metadata({"until": str((FIRST + 500) * 60), "sensor": "eth1-7"})
    spool.waiting[Path("000000")] = stale  # of an earlier start, with more workers
    number, ingest = 0, None
    while any(left):
        behind = min((n for n in (0, 1) if left[n]), key=lambda n: left[n][0][0])
        ahead = [n for n in (0, 1) if left[n] and left[n][0][0] < left[behind][0][0] + 150]
        number += 1
        spool.waiting[Path(f"{number:06}")] = left[rng.choice(ahead)].pop(0)[1]
        if rng.random() < 0.7:
            ingest = ingest or Ingest(store, judge, now=lambda: 1.0, workers=("eth1-0", "eth1-1"))
            assert ingest.drain(spool).late == 0
        if rng.random() < 0.1:
            ingest = None
    ingest = Ingest(store, judge, now=lambda: 1.0, workers=("eth1-0", "eth1-1"))
    ingest.drain(spool)
    ingest.finish()
    for table in ("use_five", "use_period", "use_day", "episode", "minute_mark"):
        assert store.contents().get(table) == alone.contents().get(table), table
    assert store.sums("coverage", "metric", value="value") == alone.sums("coverage", "metric", value="value")


def test_a_worker_that_brings_nothing_holds_the_others_back_for_a_quarter_of_an_hour(judge: Assessor) -> None:
    store, spool = MemoryStore(), MemorySpool()
    ingest = Ingest(store, judge, workers=("eth1-0", "eth1-1"))
    for n in range(8):
        table = slice_rows([Slice(FIRST + n * 5 + m, "10.0.0.1", "facebook", down=200_000, bursts=6) for m in range(5)])
        metadata = {"until": str((FIRST + n * 5 + 5) * 60), "sensor": "eth1-0"}
        spool.waiting[Path(f"{n:03}")] = table.replace_schema_metadata(metadata)
        ingest.drain(spool)
        assert ingest.progress.windows_stored == max(0, n - 4)


def test_a_file_goes_only_when_no_window_needs_it(judge: Assessor) -> None:
    store, spool = MemoryStore(), MemorySpool()
    ingest = Ingest(store, judge)
    for n in range(30):
        table = slice_rows([Slice(FIRST + n * 5 + m, "10.0.0.1", "facebook", down=200_000, bursts=6) for m in range(5)])
        spool.waiting[Path(f"{n:03}")] = table.replace_schema_metadata({"until": str((FIRST + n * 5 + 5) * 60)})
        ingest.drain(spool)
        stored = {row["window"] for row in store.tables["batch"]}
        first_open = FIRST + n * 5 - 5
        assert len(stored) == max(0, n - 1)
        needed = [path for path, t in spool.waiting.items() if max(t["minute"].to_pylist()) >= first_needed(first_open)]
        assert sorted(spool.waiting) == sorted(needed)


def test_a_slice_that_comes_too_late_is_left_out_and_counted(judge: Assessor) -> None:
    store = MemoryStore()
    ingest = Ingest(store, judge)
    use = [Slice(FIRST + n, "10.0.0.1", "facebook", down=200_000, bursts=6) for n in range(40)]
    ingest.add(slice_rows(use), (FIRST + 40) * 60)
    progress = ingest.add(
        slice_rows([Slice(FIRST + 2, "10.0.0.2", "facebook", down=200_000, bursts=6)]), (FIRST + 41) * 60
    )
    ingest.finish()
    assert progress.late == 1
    assert store.sums("use_day", "level", level="all", people="all") == {("all",): 40}
    assert store.sums("coverage", "metric", value="value")[("slices_late",)] == 1


def test_slices_of_broken_clocks_are_left_out_and_counted(judge: Assessor) -> None:
    store = MemoryStore()
    ingest = Ingest(store, judge)
    at = [0, 1439, 1 << 31, (1 << 32) - 1, FIRST]
    ingest.add(slice_rows([Slice(m, "10.0.0.1", "facebook", down=200_000, bursts=6) for m in at]), 0.0)
    progress = ingest.finish()
    assert (progress.slices, progress.undated, progress.windows_stored) == (5, 4, 1)


def test_a_store_that_refuses_keeps_everything_for_later(judge: Assessor) -> None:
    """An insert that fails raises; the next table goes on where it stopped."""
    store, whole = MemoryStore(inserts_left=9), MemoryStore()
    pieces = files(traffic(5), random.Random(5))
    ingest = Ingest(store, judge, now=lambda: 1.0)
    for table, until in pieces:
        try:
            ingest.add(table, until)
        except BrokenDown:
            store.inserts_left = None
    ingest.finish()
    run(judge, whole, pieces)
    assert store.contents() == whole.contents()


def test_losses_are_counted_in_their_window(judge: Assessor) -> None:
    store = MemoryStore()
    ingest = Ingest(store, judge)
    for n, packets in enumerate((7, 0, 5)):
        at = FIRST + n * 5
        metadata = {"from": str(at * 60), "counters": json.dumps({"packets": packets, "ring_drops": 0})}
        ingest.add(slice_rows([]).replace_schema_metadata(metadata), (at + 5) * 60)
    ingest.finish()
    found = store.sums("coverage", "start", "metric", value="value")
    assert found == {(FIRST * 60, "packets"): 7, ((FIRST + 10) * 60, "packets"): 5}


def test_the_school_is_described_once_and_again_when_it_changes(judge: Assessor, tmp_path: Path) -> None:
    store = MemoryStore()
    run(judge, store, files(traffic(1), random.Random(1)))
    run(judge, store, files(traffic(2), random.Random(1)))
    (row,) = store.tables["school_info"]
    assert json.loads(str(row["group_sizes"])) == {"all": 25, "teaching": 14, "support": 11}
    assert len(store.tables["bell"]) == 6
    other = Assessor(
        small_school(name="New Name"), small_catalogue(), load_profile("cwmbran"), None, Pseudonyms(tmp_path / "keys")
    )
    run(other, store, [])
    assert [row["name"] for row in store.tables["school_info"]] == ["Small School", "New Name"]


@pytest.mark.parametrize(
    ("calendar", "kind", "name"),
    [
        ([], "school", "Autumn 2026"),
        (["2026-11-01,2026-12-18,term,Autumn"], "school", "Autumn"),
        (["2026-11-17,,inset,Staff training"], "inset", "Staff training"),
        (["2026-11-17,,inset,09:00-12:30"], "inset", ""),
        (["2026-11-17,,closure,Snow", "2026-11-16,2026-11-20,holiday,"], "closure", "Snow"),
        (["2026-11-16,2026-11-20,bank_holiday,Twin"], "bank_holiday", "Twin"),
    ],
)
def test_what_sort_of_day_it_was_is_stored_once_and_again_when_it_changes(
    judge: Assessor, tmp_path: Path, calendar: list[str], kind: str, name: str
) -> None:
    store = MemoryStore()
    for _ in range(2):
        run(judge, store, files(traffic(1), random.Random(1)))
    school = small_school(extra={"calendar.csv": calendar})
    other = Assessor(school, small_catalogue(), load_profile("cwmbran"), None, Pseudonyms(tmp_path / "keys"))
    run(other, store, files(traffic(2), random.Random(1)))
    told = [(str(row["day"]), row["kind"], row["name"]) for row in store.tables["school_day"]]
    assert told == list(dict.fromkeys([("2026-11-17", "school", "Autumn 2026"), ("2026-11-17", kind, name)]))


def test_days_that_an_older_version_stored_get_the_name_of_their_term(judge: Assessor) -> None:
    store = MemoryStore()
    old = {"school": judge.school.settings.id, "day": date(2026, 11, 16), "kind": "school", "name": "", "updated": 0}
    store.tables["school_day"].append(old)
    for _ in range(2):
        run(judge, store, [])
    assert [row["name"] for row in store.tables["school_day"]] == ["", "Autumn 2026"]


def test_nothing_stored_names_a_person_or_an_address(judge: Assessor) -> None:
    store = MemoryStore()
    run(judge, store, files(traffic(3), random.Random(3)))
    assert store.tables["episode"]
    text = json.dumps(store.tables, default=str)
    forbidden = [*(p.staff_id for p in SCHOOL.staff), *(name for p in SCHOOL.staff for name in p.usernames)]
    forbidden += ["10.0.0.", "198.51.100", "logons.csv", "leases.csv", "08:00:00"]
    assert not [word for word in forbidden if f'"{word}"' in text or (len(word) > 4 and word in text)]
