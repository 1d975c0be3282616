"""What every engine does with rows and questions: round trips, exactly once, threads, injection, refusals.

The same tests run on chDB and on a ClickHouse server; what the server of 2018 lacks is listed in `engines.LACKS`.
Tests of one store share it and use school ids of their own.
"""

import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import ddl, schema, upkeep
from pipeline.native import Values
from pipeline.store import Store, StoreError, batches
from tests.pipeline.engines import EngineUnderTest, engine

DAY = date(2026, 11, 17)
NOON = datetime(2026, 11, 17, 12, 0, tzinfo=UTC)
FAILS_LATE = (
    "SELECT number, throwIf(number = 70000) FROM numbers(100000) SETTINGS max_block_size = 1000, max_threads = 1"
)


@pytest.fixture(scope="module", params=["chdb", "server"])
def tested(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineUnderTest]:
    with engine(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


@pytest.fixture(scope="module")
def store(tested: EngineUnderTest) -> Store:
    return tested.store


@pytest.fixture
def school() -> str:
    return f"ysgol-{uuid.uuid4().hex[:12]}"


def coverage(school: str, values: list[int]) -> dict[str, Values]:
    rows = len(values)
    return {
        "school": [school] * rows,
        "day": [DAY] * rows,
        "start": [NOON] * rows,
        "metric": [f"m{i}" for i in range(rows)],
        "value": values,
        **{name: ["v1"] * rows for name in schema.VERSIONS},
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
def test_every_table_gives_back_what_was_put_in(store: Store, school: str, name: str) -> None:
    types = schema.BY_NAME[name].types
    columns: dict[str, Values] = {column: SAMPLES[kind] for column, kind in types.items()} | {"school": [school] * 2}
    assert store.insert(name, columns, "one") == 2
    quoted = ", ".join(f"`{column}`" for column in types)
    final = "FINAL " if schema.BY_NAME[name].engine.startswith("Replacing") else ""
    result = store.query(f"SELECT {quoted} FROM schoolgate.{name} {final}WHERE school = {{s:String}}", {"s": school})
    assert result.columns == tuple(types)
    assert result.types == tuple(types.values())
    first, last = zip(*columns.values(), strict=True)
    assert set(result.rows) == ({last} if name == "school_info" else {first, last})  # one school, one row: the newest


def test_arrays_of_numpy_are_columns_too(store: Store, school: str) -> None:
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
@settings(max_examples=80)
def test_a_parameter_arrives_as_it_was(
    tested: EngineUnderTest,
    text: str,
    words: list[str],
    number: int,
    day: date,
    minutes: int,
    offset: int,
    ratio: float,
    maybe: str | None,
) -> None:
    if not tested.has("dates after 2105"):
        minutes = min(minutes, 4_291_747_199)
    instant = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=minutes)).astimezone(
        timezone(timedelta(hours=offset))
    )
    sql = (
        "SELECT {text:String}, {words:Array(String)}, {number:UInt64}, {day:Date}, {instant:DateTime('UTC')}, "
        "{ratio:Float64}, {maybe:Nullable(String)}, {days:Array(Date)}, {none:Array(Int16)}"
    )
    if not tested.has("smallest floats") and abs(ratio) < sys.float_info.min:
        ratio = 0.0
    if not tested.has("dates after 2105"):
        day = min(day, date(2105, 12, 31))
    sent = {
        "text": text,
        "words": words,
        "number": number,
        "day": day,
        "instant": instant,
        "ratio": ratio,
        "maybe": maybe,
    }
    (row,) = tested.store.query(sql, sent | {"days": [day, day], "none": []}).rows
    assert row[:5] == (text, words, number, day, instant)
    assert repr(row[5] + 0.0) == repr(ratio + 0.0)  # nobody asks for the sign of zero
    assert row[6:] == (maybe, [day, day], [])


def test_a_bool_arrives_as_it_was(tested: EngineUnderTest) -> None:
    tested.needs("bool")
    assert tested.store.query("SELECT {yes:Bool}, {no:Bool}", {"yes": True, "no": False}).rows == [(True, False)]


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
def test_an_injection_stays_data_in_parameter_batch_and_cell(tested: EngineUnderTest, school: str, evil: str) -> None:
    store = tested.store
    assert store.query("SELECT {x:String}", {"x": evil}).rows == [(evil,)]
    assert store.query("SELECT has({x:Array(String)}, {y:String})", {"x": [evil], "y": evil}).rows == [(1,)]
    columns = coverage(school, [1]) | {"metric": [evil]}
    for _ in range(2 if tested.has("deduplication") else 1):
        assert store.insert("coverage", columns, f"{school}{evil}") == 1
    found = store.query(
        "SELECT metric FROM schoolgate.coverage WHERE school = {s:String} AND metric = {m:String}",
        {"s": school, "m": evil},
    )
    assert found.rows == [(evil,)]
    assert store.query(
        "SELECT count() > 0 FROM system.tables WHERE database = 'schoolgate' AND name = 'batch'"
    ).rows == [(1,)]


def test_a_query_cannot_write(store: Store, tmp_path: Path) -> None:
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


def test_a_failed_query_leaves_nothing_to_the_next(store: Store) -> None:
    for _ in range(3):
        with pytest.raises(StoreError):
            store.query(FAILS_LATE.split(" SETTINGS")[0])
        assert store.query("SELECT 47 AS x").rows == [(47,)]


def test_a_query_that_takes_too_long_is_given_up(tested: EngineUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tested.store
    monkeypatch.setattr("pipeline.store.QUERY_SECONDS", 1)
    monkeypatch.setattr("pipeline.server.QUERY_SECONDS", 1)
    with pytest.raises(StoreError, match=r"(?i)timeout exceeded"):
        store.query("SELECT sum(sipHash64(number)) FROM (SELECT number FROM system.numbers LIMIT 100000000000)")
    assert store.query("SELECT 47").rows == [(47,)]


def test_a_query_that_needs_too_much_memory_fails_alone(store: Store) -> None:
    with pytest.raises(StoreError, match=r"(?i)memory limit .*exceeded"):
        store.query("SELECT length(groupArray(number)) FROM (SELECT number FROM system.numbers LIMIT 400000000)")
    assert store.query("SELECT 47").rows == [(47,)]


def test_an_error_says_what_the_engine_said_and_no_more(store: Store) -> None:
    with pytest.raises(StoreError) as caught:
        store.query("SELECT nothing FROM schoolgate.bell WHERE school = {s:String}", {"s": "x"})
    assert "nothing" in str(caught.value)
    assert "DB::Exception" not in str(caught.value)
    with pytest.raises(StoreError, match="`day` is not set"):
        store.query("SELECT {day:Date}")
    with pytest.raises(StoreError, match=r"parameter day \(Date\)"):
        store.query("SELECT {day:Date}", {"day": "tomorrow"})


def test_a_batch_that_comes_twice_is_there_once(tested: EngineUnderTest, school: str) -> None:
    tested.needs("deduplication")
    store = tested.store
    for table_columns in (coverage(school, [5, 6]), coverage(school, [5, 6])):
        assert store.insert("coverage", table_columns, f"{school}/s/1") == 2
    assert store.insert("coverage", coverage(school, [5, 6]), f"{school}/s/2") == 2  # equal rows, another window
    assert totals(store, school) == (4, 22)


def test_a_batch_over_several_months_and_many_rows_is_one_batch(tested: EngineUnderTest, school: str) -> None:
    store = tested.store
    rows = 1_500_000  # more than the engine takes in one block
    columns: dict[str, Values] = {
        "school": [school] * rows,
        "day": np.repeat(np.array(["2026-10-31", "2026-11-01", "2026-12-01"], "M8[D]"), rows // 3),
        "start": np.zeros(rows, "u4"),
        "metric": ["packets"] * rows,
        "value": np.ones(rows, "u8"),
        **{name: ["v1"] * rows for name in schema.VERSIONS},
    }
    for _ in range(2 if tested.has("deduplication") else 1):
        assert store.insert("coverage", columns, f"{school}/big") == rows
    assert totals(store, school) == (rows, rows)


def test_the_last_written_bell_and_school_hold(store: Store, school: str) -> None:
    bell = {"school": [school], "day": [DAY], "slot": ["P1"], "kind": ["lesson"], "start": [NOON], "week": ["A"]}
    bell |= {name: ["v1"] for name in schema.VERSIONS}
    for version, end in enumerate((NOON, NOON + timedelta(hours=1))):
        store.insert("bell", bell | {"end": [end]}, f"{school}/bells/{version}")
    found = store.query("SELECT end FROM schoolgate.bell FINAL WHERE school = {s:String}", {"s": school})
    assert found.rows == [(NOON + timedelta(hours=1),)]


def test_the_batches_of_a_school(store: Store, school: str) -> None:
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
    store: Store, school: str, table: str, change: Mapping[str, Values], message: str
) -> None:
    with pytest.raises(StoreError, match=message):
        store.insert(table, coverage(school, [1]) | change, "bad")
    assert totals(store, school) == (0, 0)


def test_no_rows_are_no_batch(store: Store, school: str) -> None:
    assert store.insert("coverage", coverage(school, []), school) == 0
    assert store.insert("coverage", coverage(school, [1]), school) == 1
    assert totals(store, school) == (1, 1)


def test_readers_see_whole_batches_while_the_owner_inserts(store: Store, school: str) -> None:
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
        reader.join(150)
    assert not wrong
    assert seen
    assert {count % size for count in seen} == {0}
    assert totals(store, school) == (size * rounds, size * rounds)


def test_the_tables_are_those_declared_with_their_comments(tested: EngineUnderTest) -> None:
    store = tested.store
    dialect = store.dialect
    assert ddl.migration(upkeep.read_tables(store.select, dialect), dialect) == ([], [])
    found = store.query("SELECT table, name, type, comment FROM system.columns WHERE database = 'schoolgate'").rows
    assert set(found) == {(t.name, c.name, c.type, c.about) for t in schema.TABLES for c in t.columns}
    assert store.query("SELECT version FROM schoolgate.schema_version").rows == [(schema.VERSION,)]


def test_what_is_deleted_is_gone_when_it_is_said(store: Store, school: str) -> None:
    store.insert("coverage", coverage(school, [1, 2, 3, 4]), school)
    where = "school = {s:String} AND has({values:Array(UInt64)}, value)"
    for _ in range(2):
        store.delete("coverage", where, {"s": school, "values": [1, 3]})
        assert totals(store, school) == (2, 6)
    store.delete("coverage", "school = {s:String} AND metric = {m:String}", {"s": school, "m": "' OR 1 = 1 --"})
    assert totals(store, school) == (2, 6)
    with pytest.raises(StoreError, match="parameter `s` is not set"):
        store.delete("coverage", "school = {s:String}", {})


def totals(store: Store, school: str) -> tuple[int, int]:
    """Rows and sum of a school's coverage."""
    sql = "SELECT count(), sum(value) FROM schoolgate.coverage WHERE school = {s:String}"
    ((rows, value),) = store.query(sql, {"s": school}).rows
    return int(str(rows)), int(str(value))
