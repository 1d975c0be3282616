"""The embedded store: round trips, exactly once, threads, injection, and what it says when it cannot be had.

chDB holds one folder a process: tests of one store share a module-wide one and use school ids of their own; what needs
another process runs in one.
"""

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from chdb.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import schema
from pipeline.native import Values
from pipeline.store import ChdbStore, StoreBusy, StoreError, batches, open_store

ROOT = Path(__file__).parents[2]
DAY = date(2026, 11, 17)
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
FAILS_LATE = (
    "SELECT number, throwIf(number = 70000) FROM numbers(100000) SETTINGS max_block_size = 1000, max_threads = 1"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    with open_store(tmp_path_factory.mktemp("store") / "school's store") as opened:
        yield opened


@pytest.fixture
def school() -> str:
    return f"ysgol-{uuid.uuid4().hex[:12]}"


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A process of its own that runs a script of this project."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, text=True, **pipes)


def coverage(school: str, values: list[int]) -> dict[str, Values]:
    rows = len(values)
    return {
        "school": [school] * rows,
        "day": [DAY] * rows,
        "start": [NOON] * rows,
        "metric": [f"m{i}" for i in range(rows)],
        "value": values,
    }


SAMPLES: dict[str, list[object]] = {
    "Date": [DAY, date(1970, 1, 1)],
    "DateTime('UTC')": [NOON, datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)],
    "String": ["Ysgol Uwchradd 'y Bont' \\ \t\n", ""],
    "LowCardinality(String)": ["encyclopaedia", ""],
    "Int32": [2**31 - 1, -(2**31)],
    "Int64": [2**53 + 1, -(2**63)],
    "UInt8": [255, 0],
    "UInt16": [65535, 0],
    "UInt32": [2**32 - 1, 0],
    "UInt64": [2**64 - 1, 2**53 + 1],
    "Enum8('service' = 1, 'kind' = 2, 'all' = 3)": ["all", "service"],
}


@pytest.mark.parametrize("name", [table.name for table in schema.TABLES if table.columns[0].name == "school"])
def test_every_table_gives_back_what_was_put_in(store: ChdbStore, school: str, name: str) -> None:
    types = schema.BY_NAME[name].types
    columns: dict[str, Values] = {column: SAMPLES[kind] for column, kind in types.items()} | {"school": [school] * 2}
    assert store.insert(name, columns, "one") == 2
    quoted = ", ".join(f"`{column}`" for column in types)
    result = store.query(f"SELECT {quoted} FROM schoolgate.{name} WHERE school = {{s:String}}", {"s": school})
    assert result.columns == tuple(types)
    assert result.types == tuple(types.values())
    first, last = zip(*columns.values(), strict=True)
    assert set(result.rows) == ({last} if name == "school_info" else {first, last})  # one school, one row: the newest


def test_arrays_of_numpy_are_columns_too(store: ChdbStore, school: str) -> None:
    rows = 3
    minutes = np.arange(rows) * 60 + 1_795_000_000
    columns = coverage(school, [1, 2, 3]) | {
        "day": np.full(rows, DAY, "M8[D]"),
        "start": minutes.astype("u4"),
        "value": np.array([2**63, 1, 0], "u8"),
    }
    assert store.insert("coverage", columns, "numpy") == rows
    result = store.query(
        "SELECT sum(value), max(start), min(day) FROM schoolgate.coverage WHERE school = {s:String}", {"s": school}
    )
    assert result.rows == [(2**63 + 1, datetime.fromtimestamp(int(minutes[-1]), UTC), DAY)]


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    words=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5),
    number=st.integers(0, 2**64 - 1),
    day=st.dates(date(1970, 1, 1), date(2149, 6, 6)),
    minutes=st.integers(0, 2**32 - 1),
    offset=st.integers(-12, 14),
    ratio=st.floats(),
    maybe=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
@settings(max_examples=80, deadline=None)
def test_a_parameter_arrives_as_it_was(
    store: ChdbStore,
    text: str,
    words: list[str],
    number: int,
    day: date,
    minutes: int,
    offset: int,
    ratio: float,
    maybe: str | None,
) -> None:
    instant = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=minutes)).astimezone(
        timezone(timedelta(hours=offset))
    )
    sql = (
        "SELECT {text:String}, {words:Array(String)}, {number:UInt64}, {day:Date}, {instant:DateTime('UTC')}, "
        "{ratio:Float64}, {maybe:Nullable(String)}, {flag:Bool}, {days:Array(Date)}"
    )
    sent = {
        "text": text,
        "words": words,
        "number": number,
        "day": day,
        "instant": instant,
        "ratio": ratio,
        "maybe": maybe,
    }
    (row,) = store.query(sql, sent | {"flag": True, "days": [day, day]}).rows
    assert row[:5] == (text, words, number, day, instant)
    assert repr(row[5]) == repr(ratio)
    assert row[6:] == (maybe, True, [day, day])


@pytest.mark.parametrize(
    "evil",
    [
        "'; DROP TABLE schoolgate.batch; --",
        "\\'",
        "\\",
        "x' OR '1'='1",
        "{day:Date}",
        "\0",
        "a\tb",
        "\\N",
        "`",
        "/*",
        "%s",
    ],
)
def test_an_injection_stays_data_in_parameter_batch_and_cell(store: ChdbStore, school: str, evil: str) -> None:
    assert store.query("SELECT {x:String}", {"x": evil}).rows == [(evil,)]
    assert store.query("SELECT has({x:Array(String)}, {y:String})", {"x": [evil], "y": evil}).rows == [(1,)]
    columns = coverage(school, [1]) | {"metric": [evil]}
    for _ in range(2):
        assert store.insert("coverage", columns, f"{school}{evil}") == 1
    found = store.query(
        "SELECT metric FROM schoolgate.coverage WHERE school = {s:String} AND metric = {m:String}",
        {"s": school, "m": evil},
    )
    assert found.rows == [(evil,)]
    assert store.query(
        "SELECT count() > 0 FROM system.tables WHERE database = 'schoolgate' AND name = 'batch'"
    ).rows == [(1,)]


def test_a_query_cannot_write(store: ChdbStore, tmp_path: Path) -> None:
    for sql in (
        "DROP TABLE schoolgate.batch",
        "SELECT 1; DROP TABLE schoolgate.batch",
        "SET readonly = 0",
        "SELECT count() FROM file('/etc/passwd', 'LineAsString')",
        f"INSERT INTO FUNCTION file('{tmp_path / 'out'}', 'CSV', 'a UInt8') SELECT 1",
    ):
        with pytest.raises(StoreError):
            store.query(sql)
    assert store.query("EXISTS TABLE schoolgate.batch").rows == [(1,)]


def test_a_failed_query_leaves_nothing_to_the_next(store: ChdbStore) -> None:
    for _ in range(3):
        with pytest.raises(StoreError):
            store.query(FAILS_LATE.split(" SETTINGS")[0])
        assert store.query("SELECT 47 AS x").rows == [(47,)]


def test_a_query_that_takes_too_long_is_given_up(store: ChdbStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.store.QUERY_SECONDS", 1)
    with pytest.raises(StoreError, match=r"(?i)timeout exceeded"):
        store.query("SELECT sum(sipHash64(number)) FROM numbers(100000000000)")
    assert store.query("SELECT 47").rows == [(47,)]


def test_a_query_that_needs_too_much_memory_fails_alone(store: ChdbStore) -> None:
    with pytest.raises(StoreError, match="memory limit exceeded"):
        store.query("SELECT length(groupArray(number)) FROM numbers(400000000)")
    assert store.query("SELECT 47").rows == [(47,)]


def test_chdb_still_gives_a_failed_querys_bytes_to_the_next(store: ChdbStore) -> None:
    """The reason for a handle a query. The day this fails, chDB is mended and handles could be kept."""
    handle = Session(str(store.path))
    with pytest.raises(RuntimeError):
        handle.query(FAILS_LATE, "TSV")
    assert len(handle.query("SELECT 47", "TSV").bytes()) > 100_000
    handle.close()


def test_an_error_says_what_the_engine_said_and_no_more(store: ChdbStore) -> None:
    with pytest.raises(StoreError) as caught:
        store.query("SELECT nothing FROM schoolgate.bell WHERE school = {s:String}", {"s": "x"})
    assert "nothing" in str(caught.value)
    assert "DB::Exception" not in str(caught.value)
    with pytest.raises(StoreError, match="`day` is not set"):
        store.query("SELECT {day:Date}")
    with pytest.raises(StoreError, match=r"parameter day \(Date\)"):
        store.query("SELECT {day:Date}", {"day": "tomorrow"})


def test_a_batch_that_comes_twice_is_there_once(store: ChdbStore, school: str) -> None:
    for table_columns in (coverage(school, [5, 6]), coverage(school, [5, 6])):
        assert store.insert("coverage", table_columns, f"{school}/s/1") == 2
    assert store.insert("coverage", coverage(school, [5, 6]), f"{school}/s/2") == 2  # equal rows, another window
    assert totals(store, school) == (4, 22)


def test_a_batch_is_remembered_by_each_table_and_after_reopening(tmp_path: Path) -> None:
    script = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from pipeline.store import open_store
row = {"school": ["a"], "day": [date(2026, 11, 17)], "start": [datetime(2026, 11, 17, tzinfo=UTC)]}
for _ in range(2):
    with open_store(Path(sys.argv[1])) as store:
        store.insert("coverage", row | {"metric": ["packets"], "value": [1]}, "b")
        store.insert("bell", row | {"slot": ["P1"], "kind": ["lesson"], "end": row["start"], "week": ["A"]}, "b")
        store.execute("OPTIMIZE TABLE schoolgate.coverage FINAL")
        print(*(store.query(f"SELECT count() FROM schoolgate.{t}").rows for t in ("coverage", "bell")))
"""
    process = python(script, tmp_path / "store")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "[(1,)] [(1,)]\n" * 2, "")


def test_a_batch_over_several_months_and_many_rows_is_one_batch(store: ChdbStore, school: str) -> None:
    rows = 1_500_000  # more than the engine takes in one block
    columns: dict[str, Values] = {
        "school": [school] * rows,
        "day": np.repeat(np.array(["2026-10-31", "2026-11-01", "2026-12-01"], "M8[D]"), rows // 3),
        "start": np.zeros(rows, "u4"),
        "metric": ["packets"] * rows,
        "value": np.ones(rows, "u8"),
    }
    for _ in range(2):
        assert store.insert("coverage", columns, f"{school}/big") == rows
    assert totals(store, school) == (rows, rows)


def test_the_last_written_bell_and_school_hold(store: ChdbStore, school: str) -> None:
    bell = {"school": [school], "day": [DAY], "slot": ["P1"], "kind": ["lesson"], "start": [NOON], "week": ["A"]}
    for version, end in enumerate((NOON, NOON + timedelta(hours=1))):
        store.insert("bell", bell | {"end": [end]}, f"{school}/bells/{version}")
    found = store.query("SELECT end FROM schoolgate.bell FINAL WHERE school = {s:String}", {"s": school})
    assert found.rows == [(NOON + timedelta(hours=1),)]


def test_the_batches_of_a_school(store: ChdbStore, school: str) -> None:
    for number in range(3):
        name = f"{school}/gate/{number}"
        row: dict[str, Values] = {
            "school": [school],
            "batch": [name],
            "stored": [NOON],
            "window": [NOON + timedelta(minutes=5 * number)],
            "rows": [number],
            "policy": ["p"],
            "catalogue": ["c"],
            "timetable": ["t"],
        }
        store.insert("batch", row, name)
    assert batches(store, school) == {f"{school}/gate/{number}" for number in range(3)}
    assert batches(store, school, NOON + timedelta(minutes=5)) == {f"{school}/gate/{number}" for number in (1, 2)}
    assert batches(store, "another") == set()


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("nothing", {}, "nothing: no such table; one of use_five, "),
        ("coverage", {"value": [-1]}, r"coverage: column value \(UInt64\): row 0: -1: outside"),
        ("coverage", {"colour": ["red"]}, "coverage: column colour: not one of"),
        ("coverage", {"value": [1, 2]}, "coverage: column value: 2 rows, but school has 1"),
    ],
)
def test_a_bad_insert_names_table_and_column_and_stores_nothing(
    store: ChdbStore, school: str, table: str, change: Mapping[str, Values], message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        store.insert(table, coverage(school, [1]) | change, "bad")
    assert totals(store, school) == (0, 0)


def test_no_rows_are_no_batch(store: ChdbStore, school: str) -> None:
    assert store.insert("coverage", coverage(school, []), school) == 0
    assert store.insert("coverage", coverage(school, [1]), school) == 1
    assert totals(store, school) == (1, 1)


def test_readers_see_whole_batches_while_the_owner_inserts(store: ChdbStore, school: str) -> None:
    size, rounds = 1000, 25
    written = threading.Event()
    seen: list[int] = []
    wrong: list[BaseException] = []

    def read() -> None:
        try:
            while not written.is_set():
                with pytest.raises(StoreError):
                    store.query("SELECT throwIf(number = 5000) FROM numbers(10000)")
                seen.append(totals(store, school)[0])
        except BaseException as error:
            wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(rounds):
        store.insert("coverage", coverage(school, [1] * size), f"{school}/{number}")
    written.set()
    for reader in readers:
        reader.join(60)
    assert not wrong
    assert seen
    assert {count % size for count in seen} == {0}
    assert totals(store, school) == (size * rounds, size * rounds)


def test_the_tables_are_those_declared_with_their_comments(store: ChdbStore) -> None:
    found = store.query("SELECT table, name, type, comment FROM system.columns WHERE database = 'schoolgate'").rows
    assert schema.differences([row[:3] for row in found]) == []  # type: ignore[misc]
    assert set(found) == {(t.name, c.name, c.type, c.about) for t in schema.TABLES for c in t.columns}
    assert store.query("SELECT version FROM schoolgate.schema_version").rows == [(schema.VERSION,)]


def test_a_second_opening_shares_and_a_second_path_is_refused(store: ChdbStore, tmp_path: Path) -> None:
    with open_store(store.path) as again:
        assert again.query("SELECT 1").rows == [(1,)]
    again.close()
    with pytest.raises(StoreError, match="the store is closed"):
        again.query("SELECT 1")
    assert store.query("SELECT 1").rows == [(1,)]
    with pytest.raises(StoreError, match=r"this process has the store .* open, and a process can hold one only"):
        open_store(tmp_path / "other")
    assert not (tmp_path / "other").exists()


HOLD = """
import sys
from pathlib import Path
from pipeline.store import open_store
with open_store(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""
TRY = """
import sys
from pathlib import Path
from pipeline.store import StoreBusy, open_store
try:
    open_store(Path(sys.argv[1])).close()
except StoreBusy as busy:
    print(busy.holder)
    sys.exit(str(busy))
print("free")
"""


def test_a_second_process_is_told_who_holds_the_store_and_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "store"
    holder = python(HOLD, path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    second = python(TRY, path)
    out, err = second.communicate(timeout=60)
    assert (second.returncode, out) == (1, f"{holder.pid}\n")
    assert err.count("\n") == 1
    assert f"{path}: the store is held by process {holder.pid} ({sys.executable} -c" in err
    assert f"wait until it ends, or stop it (kill {holder.pid})" in err
    holder.communicate(timeout=60)
    third = python(TRY, path)
    assert third.communicate(timeout=60) == ("free\n", "")


def test_processes_that_open_at_once_are_one_owner_and_clear_refusals(tmp_path: Path) -> None:
    path = tmp_path / "store"
    processes = [python(TRY, path) for _ in range(3)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        opened = out == "free\n" and (not err or "Cannot lock file" in err)  # the engine's own word when it had to wait
        assert opened or "the store is held by" in err, (out, err)


def test_one_path_after_another_in_one_process(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from pipeline.store import open_store
for name in "abab":
    with open_store(Path(sys.argv[1], name)) as store:
        print(store.query("SELECT count() FROM schoolgate.schema_version").rows)
"""
    out, err = python(script, tmp_path).communicate(timeout=60)
    assert (out, err) == ("[(1,)]\n" * 4, "")


def test_a_forked_process_is_refused_instead_of_hanging(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from pipeline.store import StoreError, open_store
store = open_store(Path(sys.argv[1]))
if os.fork() == 0:
    for attempt in (lambda: store.query("SELECT 1"), lambda: open_store(Path(sys.argv[1]))):
        try:
            attempt()
        except StoreError as error:
            print("spawn" in str(error), flush=True)
    os._exit(0)
os.wait()
print(store.query("SELECT 1").rows)
"""
    process = python(script, tmp_path / "store")  # ends without closing: that must be harmless, too
    assert process.communicate(timeout=60) == ("True\nTrue\n[(1,)]\n", "")
    assert process.returncode == 0


NEWER = """
import sys
from pathlib import Path
from pipeline import schema
from pipeline.store import StoreError, open_store
with open_store(Path(sys.argv[1])) as store:
    store.execute(sys.argv[2])
    if len(sys.argv) > 3:
        store.insert("schema_version", {"version": [schema.VERSION + 1], "applied": [0]}, "v")
try:
    open_store(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""


def test_a_store_of_another_schema_is_refused(tmp_path: Path) -> None:
    out, _ = python(NEWER, tmp_path / "a", "SELECT 1", "newer").communicate(timeout=60)
    assert out.startswith(f"{tmp_path / 'a'}: it was written by a newer Schoolgate (schema {schema.VERSION + 1};")
    out, _ = python(NEWER, tmp_path / "b", "ALTER TABLE schoolgate.bell DROP COLUMN week").communicate(timeout=60)
    assert "column bell.week is missing; choose a new folder" in out


def test_a_folder_that_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from pipeline.store import StoreError, open_store
for path in sys.argv[1:]:
    try:
        open_store(Path(path))
    except StoreError as error:
        print(error)
"""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mine.txt").write_text("keep me")
    (tmp_path / "file").write_text("")
    paths = [tmp_path / "letters", tmp_path / "file", tmp_path / "what?", Path("/proc/nothing/here")]
    out, err = python(script, *paths).communicate(timeout=60)
    lines = out.splitlines()
    assert [line.split(": ")[0] for line in lines] == list(map(str, paths)), err
    assert "holds something else" in lines[0]
    assert "folder cannot be used" in lines[1]
    assert "without it" in lines[2]
    assert "folder cannot be used" in lines[3]
    assert [p.name for p in (tmp_path / "letters").iterdir()] == ["mine.txt"]


def test_busy_can_be_told_apart() -> None:
    assert issubclass(StoreBusy, StoreError)
    assert issubclass(StoreError, ValueError)
    assert "held by another process, and" in str(StoreBusy(Path("/x"), None))


def totals(store: ChdbStore, school: str) -> tuple[int, int]:
    """Rows and sum of a school's coverage."""
    sql = "SELECT count(), sum(value) FROM schoolgate.coverage WHERE school = {s:String}"
    ((rows, value),) = store.query(sql, {"s": school}).rows
    return int(str(rows)), int(str(value))
