"""What is never kept: before the notice, in a pause, of restricted people, of exempt sites, of pupils."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.assess import Assessor
from pipeline.identity import parse_bindings
from pipeline.ingest import Ingest
from pipeline.pause import FILE, Pause, PauseError, PauseReason, begin, end, filled, pause_at, paused_in, read_pauses
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.restriction import Restriction, RestrictionError, RestrictionReason, read_restrictions
from pipeline.school import School, load_school, parse_school
from pipeline.settings import FeedSettings
from pipeline.windows import WINDOW_MIN
from pipeline.words import Grade, Reason
from sensor.catalogue import load_catalogue
from tests.pipeline.desks import use
from tests.pipeline.judging import (
    DAY,
    MemoryStore,
    Slice,
    TableBindings,
    minute,
    slice_rows,
    small_catalogue,
    small_school,
)

PEOPLE = {f"10.0.0.{n}": (n, Grade.B, Reason.NONE, n) for n in range(20)}
SAMPLE = Path(__file__).parents[2] / "pcaps/sample_school/school"


class Unasked(TableBindings):
    """Bindings that nobody may ask."""

    def who(self, address: Any, minutes: Any) -> Any:
        assert not len(address), "somebody was looked up"
        return super().who(address, minutes)


def stored(tmp_path: Path, school: School, slices: list[Slice], bindings: object = None) -> MemoryStore:
    store = MemoryStore()
    keys = Pseudonyms(tmp_path / "keys")
    known = bindings or TableBindings(PEOPLE)
    judge = Assessor(school, small_catalogue(), load_profile("cwmbran"), known, keys)  # type: ignore[arg-type]
    ingest = Ingest(store, judge, now=lambda: 1.0)
    table = slice_rows(slices)
    first = min(s.minute for s in slices) * 60
    counters = {"from": str(first), "counters": json.dumps({"packets": 100})}
    ingest.add(table.replace_schema_metadata(counters), 0.0)
    ingest.finish()
    return store


def minutes(store: MemoryStore) -> int:
    return sum(store.sums("use_day", "outcome", level="all", people="all").values())


@pytest.mark.parametrize("mode", ["aggregate", "pseudonymous"])
def test_before_the_notice_date_nobody_is_looked_up_and_nothing_is_judged(tmp_path: Path, mode: str) -> None:
    """Up to the last minute of the day before; in aggregate mode also without any date."""
    slices = use(0, "23:40", 30)
    eve = small_school(mode=mode, notice_date=date(2026, 11, 18))
    store = stored(tmp_path, eve, [s for s in slices if s.minute < minute("23:59") + 1], Unasked({}))
    assert not {"use_five", "use_period", "use_day", "episode", "minute_mark"} & {
        t for t, r in store.tables.items() if r
    }
    assert store.sums("coverage", "metric", value="value")[("minutes_before_notice",)] == 20
    assert not (tmp_path / "keys").exists()
    assert minutes(stored(tmp_path, eve, slices)) == 10, "monitoring begins with the day"
    if mode == "aggregate":
        assert minutes(stored(tmp_path, small_school(mode=mode, notice_date=None), slices, Unasked({}))) == 0


def test_a_paused_minute_is_not_observed_and_the_coverage_says_why(tmp_path: Path) -> None:
    slices = use(0, "09:00", 60)
    pause = Pause(minute("09:12"), minute("09:33"), PauseReason.INDUSTRIAL_ACTION)
    school = replace(small_school(), pauses=(pause,))
    store = stored(tmp_path, school, slices)
    assert minutes(store) == 60 - 21
    marks = {row["minute"] for row in store.tables["minute_mark"]}
    assert not marks & {m * 60 for m in range(pause.start, pause.end)}
    cover = store.sums("coverage", "start", "metric", value="value")
    paused = {start: n for (start, metric), n in cover.items() if metric == "minutes_paused_industrial_action"}
    assert paused == {
        minute(t) * 60: n for t, n in (("09:10", 3), ("09:15", 5), ("09:20", 5), ("09:25", 5), ("09:30", 3))
    }
    for clock in ("09:15", "09:20", "09:25"):
        seen = {metric for start, metric in cover if start == minute(clock) * 60}
        assert seen == {"minutes_paused", "minutes_paused_industrial_action"}, "not observed"


def test_windows_without_any_slice_are_reported_as_paused_too(tmp_path: Path) -> None:
    """While the school pauses no sensor runs, so nothing comes that would open a window."""
    slices = use(0, "09:00", 10) + use(0, "10:00", 10)
    pause = Pause(minute("09:08"), minute("10:00"), PauseReason.EVACUATION)
    store = stored(tmp_path, replace(small_school(), pauses=(pause,)), slices)
    paused = {
        key[0]: n
        for key, n in store.sums("coverage", "start", "metric", value="value").items()
        if key[1] == "minutes_paused"
    }
    assert sum(paused.values()) == 52
    assert sorted(paused) == [m * 60 for m in range(minute("09:05"), minute("10:00"), 5)]
    before = store.contents()
    keys = Pseudonyms(tmp_path / "keys")
    school = replace(small_school(), pauses=(pause,))
    judge = Assessor(school, small_catalogue(), load_profile("cwmbran"), TableBindings(PEOPLE), keys)
    Ingest(store, judge, now=lambda: 1.0).finish()
    assert store.contents() == before


def test_a_restart_in_a_pause_loses_no_reason(tmp_path: Path) -> None:
    school = replace(small_school(), pauses=(Pause(minute("09:10"), minute("09:40"), PauseReason.EVACUATION),))
    keys = Pseudonyms(tmp_path / "keys")
    judge = Assessor(school, small_catalogue(), load_profile("cwmbran"), TableBindings(PEOPLE), keys)
    store = MemoryStore()
    for slices in (use(0, "09:00", 10), use(0, "09:40", 10)):
        ingest = Ingest(store, judge, now=lambda: 1.0)
        ingest.add(slice_rows(slices), 0.0)
        ingest.finish()
    assert store.sums("coverage", "metric", value="value")[("minutes_paused",)] == 30


def test_a_pause_is_begun_and_ended(tmp_path: Path) -> None:
    now = datetime(2026, 11, 17, 9, 0, 30, tzinfo=UTC).timestamp()
    begin(tmp_path, now, PauseReason.EVACUATION, "head")
    with pytest.raises(PauseError, match="a pause lasts already"):
        begin(tmp_path, now + 60, PauseReason.OTHER, "head")
    (pause,) = read_pauses((tmp_path / FILE).read_bytes())
    assert pause.open
    assert pause_at(now + 1e6, (pause,)) == pause
    end(tmp_path, now + 90)
    (pause,) = read_pauses((tmp_path / FILE).read_bytes())
    assert (pause.start, pause.end) == (minute("09:00"), minute("09:02")), "every minute that it touches"
    with pytest.raises(PauseError, match="no pause to end"):
        end(tmp_path, now + 120)
    with pytest.raises(PauseError, match="not in the future"):
        begin(tmp_path, now + 200, PauseReason.OTHER, "head", until=now + 100)
    begin(tmp_path, now + 200, PauseReason.OTHER, "head", until=now + 3600)
    assert pause_at(now + 3700, read_pauses((tmp_path / FILE).read_bytes())) is None
    assert len(read_pauses((tmp_path / FILE).read_bytes())) == 2


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 80)), max_size=5), st.integers(0, 300), st.integers(0, 300)
)
def test_filled_windows_are_those_that_are_paused_from_end_to_end(
    spans: list[tuple[int, int]], first: int, last: int
) -> None:
    pauses = [Pause(start, start + length, PauseReason.OTHER) for start, length in spans]
    alone = {w for p in pauses for w in range(0, 400, 5) if p.start <= w and w + WINDOW_MIN <= p.end}
    wanted = {w for w in alone if first // 5 * 5 <= w and w + WINDOW_MIN <= last // 5 * 5}
    assert set(filled(pauses, first, last).tolist()) == wanted
    for window in wanted:
        assert paused_in(window, window + WINDOW_MIN, pauses).total() == WINDOW_MIN


@pytest.mark.parametrize("mode", ["aggregate", "pseudonymous"])
def test_of_a_restricted_person_nothing_is_stored(tmp_path: Path, mode: str) -> None:
    """The store is the one in which the person did nothing."""
    others, own = use(1, "09:00", 20), use(0, "09:05", 20)
    row = Restriction(0, DAY, DAY, RestrictionReason.DISPUTE)
    school = replace(small_school(mode=mode), restrictions=(row,))
    with_own, without = stored(tmp_path, school, others + own), stored(tmp_path, school, others)
    for table in ("use_five", "use_period", "use_day", "episode", "minute_mark"):
        assert with_own.contents().get(table) == without.contents().get(table), table
    judged = {key: n for key, n in with_own.sums("coverage", "metric", value="value").items() if "minutes" in str(key)}
    assert judged == {
        key: n for key, n in without.sums("coverage", "metric", value="value").items() if "minutes" in str(key)
    }
    free = replace(school, restrictions=(replace(row, date_from=date(2026, 11, 18), date_to=date.max),))
    assert minutes(stored(tmp_path, free, others + own)) == 40


def test_restrictions_and_pauses_are_no_new_timetable(tmp_path: Path) -> None:
    """They change what is kept, not what is judged; and both files are optional."""
    files = {p.name: p.read_bytes() for p in SAMPLE.glob("*.csv") if p.name != "access.csv"}
    settings = small_school().settings
    bare = parse_school(files, settings)
    more = {
        "restrictions.csv": b"staff_id,date_from,date_to,reason\nT03,2026-11-01,,released\n",
        "pauses.csv": b"paused_from,paused_until,reason,by\n2026-11-17T09:00:00Z,,other,head\n",
    }
    full = parse_school(files | more, settings)
    assert full.version == bare.version
    assert (len(full.restrictions), len(full.pauses)) == (1, 1)
    for name, data in (files | more).items():
        (tmp_path / name).write_bytes(data)
    assert load_school(tmp_path, settings, FeedSettings()).restrictions == full.restrictions


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"staff_id,date_from,date_to\nT00,,\n", "restrictions.csv:1: missing column reason"),
        (
            b"staff_id,date_from,date_to,reason\nT99,,,released\n",
            "restrictions.csv:2: staff_id 'T99' is not in staff.csv",
        ),
        (b"staff_id,date_from,date_to,reason\nT00,,,whim\n", "restrictions.csv:2: reason 'whim' is unknown"),
        (
            b"staff_id,date_from,date_to,reason\nT00,,,Union\n",
            "restrictions.csv:2: reason tells of health, belief or a u",
        ),
        (
            b"staff_id,date_from,date_to,reason\nT00,2026-02-30,,released\n",
            "restrictions.csv:2: date_from '2026-02-30'",
        ),
    ],
)
def test_a_wrong_file_of_restrictions_is_one_message(data: bytes, message: str) -> None:
    with pytest.raises(RestrictionError) as error:
        read_restrictions(data, small_school().numbers)
    assert str(error.value).startswith(message)


def test_exempt_sites_are_never_named_whatever_a_school_adds(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    rows = ["ourunion,neu.org.uk,suffix,primary,Our Union,forum,tag", "ourunion,forum.neu.org.uk,full,primary,,,"]
    rows += ["ourunion,union.example,suffix,primary,,,", "ourunion,ok.example,suffix,primary,,,"]
    path.write_text("service,domain,match,role,name,kind,action\n" + "\n".join(rows) + "\n")
    catalogue = load_catalogue(path, ("union.example", "facebook.com"))
    for host in ("neu.org.uk", "www.NEU.org.uk.", "forum.neu.org.uk", "a.union.example", "www.facebook.com"):
        assert catalogue.lookup(host) is None, host
    assert catalogue.lookup("ok.example") is not None
    assert catalogue.lookup("notneu.org.uk") is None
    assert catalogue.lookup("fb.com") is not None
    assert catalogue.version != load_catalogue(path).version


def test_accounts_of_pupils_are_forgotten_as_they_are_read() -> None:
    """Neither a name nor a session of theirs is in what identity keeps."""
    school = small_school()
    leases = b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state\n"
    leases += b"10.0.0.9,00:16:3e:00:00:09,,86400,1795046400,1,0,0,pc-9,0\n"
    logons = b"TimeCreated,EventId,Computer,TargetUserName,TargetDomainName,TargetLogonId,LogonType,IpAddress,"
    logons += b"WorkstationName\n"
    logons += b"2026-11-17T08:00:00Z,4624,pc-9,canarypupil07,SCHOOL,0x1,2,-,pc-9\n"
    bindings = parse_bindings(
        school, FeedSettings(), {"kea_leases": [("l.csv", leases)], "logons": [("e.csv", logons)]}
    )
    assert b"canarypupil" not in pickle.dumps(
        {name: value for name, value in vars(bindings).items() if name != "off"}, 5
    )
