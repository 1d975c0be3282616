"""Native blocks against chDB itself: what it reads from ours, and what it writes of its own accord, is the same."""

import struct
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from chdb.session import Session
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.native import ColumnError, encode_block, enum_words
from pipeline.sqltext import READ_FORMAT, READ_SETTINGS, decode_rows
from pipeline.store import ChdbStore, open_store

LEVEL = "Enum8('low' = -128, 'a b' = 0, 'high' = 127)"
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def whole(bits: int, signed: bool) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


VALUES: dict[str, st.SearchStrategy[object]] = {
    **{f"UInt{bits}": whole(bits, False) for bits in (8, 16, 32, 64)},
    **{f"Int{bits}": whole(bits, True) for bits in (8, 16, 32, 64)},
    "Float64": st.floats(allow_nan=False),
    "Date": st.dates(date(1970, 1, 1), date(2149, 6, 6)),
    "DateTime('UTC')": st.integers(0, 2**32 - 1).map(lambda s: EPOCH + timedelta(seconds=s)),
    "String": WORDS,
    "LowCardinality(String)": st.one_of(WORDS, st.sampled_from(["", "facebook", "wikipedia"])),
    LEVEL: st.sampled_from(list(enum_words(LEVEL))),
    "FixedString(16)": st.binary(min_size=16, max_size=16),
}
TYPES = {f"c{number}": kind for number, kind in enumerate(VALUES)}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A bare chDB session beside an open store, with a table of every type."""
    with open_store(tmp_path_factory.mktemp("native") / "store") as store:
        assert isinstance(store, ChdbStore)
        bare = Session(str(store.path))
        bare.query(
            "CREATE TABLE schoolgate.every (" + ", ".join(f"{n} {k}" for n, k in TYPES.items()) + ") ENGINE = Memory"
        )
        bare.query("SET " + ", ".join(f"{name} = {value}" for name, value in READ_SETTINGS.items()))
        yield bare
        bare.close()


def stored(session: Session, block: bytes) -> list[tuple[object, ...]]:
    session.query("TRUNCATE TABLE schoolgate.every")
    stream = session.send_insert("INSERT INTO schoolgate.every", "Native")
    stream.append(block)
    stream.finish()
    return decode_rows(session.query("SELECT * FROM schoolgate.every", READ_FORMAT).bytes())[2]


@given(st.lists(st.tuples(*VALUES.values()), min_size=1, max_size=40))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_chdb_reads_back_every_value_and_writes_the_same_bytes(
    session: Session, rows: list[tuple[object, ...]]
) -> None:
    columns = {name: list(column) for name, column in zip(TYPES, zip(*rows, strict=True), strict=True)}
    assert stored(session, encode_block(TYPES, columns)) == rows
    plain = {
        name: kind for name, kind in TYPES.items() if not kind.startswith("Low")
    }  # chDB sorts dictionaries its way
    own = session.query(f"SELECT {', '.join(plain)} FROM schoolgate.every FORMAT Native").bytes()
    own = own.replace(b"\x08DateTime", b"\x0fDateTime('UTC')", 1)  # it leaves the zone out when it writes
    assert own == encode_block(plain, {name: columns[name] for name in plain})


@pytest.mark.parametrize("distinct", [1, 255, 256, 257, 65_536, 65_537])
def test_dictionaries_of_every_index_width(session: Session, distinct: int) -> None:
    words = [f"w{i % distinct}" for i in range(70_000)]
    session.query("CREATE OR REPLACE TABLE schoolgate.words (w LowCardinality(String)) ENGINE = Memory")
    stream = session.send_insert("INSERT INTO schoolgate.words", "Native")
    stream.append(encode_block({"w": "LowCardinality(String)"}, {"w": words}))
    stream.finish()
    _, _, rows = decode_rows(session.query("SELECT w FROM schoolgate.words", READ_FORMAT).bytes())
    assert [word for (word,) in rows] == words


@pytest.mark.parametrize(
    ("kind", "array", "values"),
    [
        ("UInt32", np.array([0, 7], "i8"), [0, 7]),
        ("UInt64", np.array([True, False]), [1, 0]),
        ("Int16", [np.int64(-3), True], [-3, 1]),
        ("Float64", np.array([1, 2], "u1"), [1.0, 2.0]),
        ("Date", np.array(["2026-11-17", "1970-01-01"], "M8[D]"), [date(2026, 11, 17), date(1970, 1, 1)]),
        ("DateTime('UTC')", np.array([60, 120], "u4"), [60, 120]),
        ("DateTime('UTC')", np.array(["1970-01-01T00:01", "1970-01-01T00:02"], "M8[m]"), [60, 120]),
        ("String", np.array(["a", "bc"]), ["a", "bc"]),
        ("LowCardinality(String)", np.array(["a", "a"], object), ["a", "a"]),
        ("FixedString(4)", np.array([b"ab\0\0", b"abcd"], "S4"), [b"ab", b"abcd"]),
        ("FixedString(2)", np.array([[1, 0], [0, 0]], "u1"), [b"\1\0", b"\0\0"]),
    ],
)
def test_an_array_is_the_same_column_as_a_list(kind: str, array: np.ndarray, values: list[object]) -> None:
    assert encode_block({"c": kind}, {"c": array}) == encode_block({"c": kind}, {"c": values})


def test_a_word_of_a_vocabulary_is_its_text() -> None:
    class Fruit(StrEnum):
        PEAR = "pear"

    for kind in ("String", "LowCardinality(String)", "Enum8('pear' = 1)"):
        assert encode_block({"c": kind}, {"c": [Fruit.PEAR, "pear"]}) == encode_block({"c": kind}, {"c": ["pear"] * 2})


def test_the_hour_that_comes_twice_stays_two_instants() -> None:
    london = ZoneInfo("Europe/London")
    twice = [datetime(2026, 10, 25, 1, 30, tzinfo=london, fold=fold) for fold in (0, 1)]
    seconds = [1_792_888_200, 1_792_891_800]
    kind = {"c": "DateTime('UTC')"}
    assert encode_block(kind, {"c": twice}) == encode_block(kind, {"c": seconds})
    assert struct.unpack("<II", encode_block(kind, {"c": twice})[-8:]) == tuple(seconds)


@pytest.mark.parametrize(
    ("kind", "values", "blame"),
    [
        ("UInt8", [1, 256], "row 1: 256: outside 0..255"),
        ("UInt8", np.array([3, -1]), "row 1: -1: outside"),
        ("UInt64", [2**64], "outside"),
        ("Int8", [-129], "outside"),
        ("UInt8", [1.5], "row 0: 1.5 is not a whole number"),
        ("UInt8", [0, None], "row 1: None is not a whole number"),
        ("UInt8", np.array([1.0]), "array of float64"),
        ("UInt8", np.zeros((2, 2), "u1"), "not one column"),
        ("Float64", ["1"], "numbers are needed"),
        ("Date", [datetime(2026, 1, 1, tzinfo=UTC)], "is not a date"),
        ("Date", [20_000], "is not a date"),
        ("Date", [date(1969, 12, 31)], "outside 0..65535"),
        ("Date", np.array(["NaT"], "M8[D]"), "outside"),
        ("DateTime('UTC')", [datetime(2026, 1, 1)], "has no zone"),
        ("DateTime('UTC')", [datetime(2107, 1, 1, tzinfo=timezone(timedelta(hours=1)))], "outside"),
        ("String", ["a", None], "row 1: None: text is needed"),
        ("String", [b"a"], "text is needed"),
        ("String", [["a"]], "unhashable"),
        ("String", ["\ud800"], "half a character"),
        (LEVEL, ["low", "medium"], "row 1: 'medium': not one of low, a b, high"),
        ("FixedString(2)", [b"abc"], "row 0: b'abc' is not bytes, at most 2"),
        ("FixedString(2)", ["ab"], "is not bytes"),
        ("FixedString(2)", np.array([b"abc"]), "does not hold 2 bytes"),
        ("Array(UInt8)", [[1]], "no encoder"),
        ("DateTime('Europe/London')", [0], "no encoder"),
    ],
)
def test_what_does_not_fit_is_refused_with_column_row_and_type(kind: str, values: list[object], blame: str) -> None:
    with pytest.raises(ColumnError) as caught:
        encode_block({"minutes": kind}, {"minutes": values})
    assert str(caught.value).startswith(f"column minutes ({kind}): ")
    assert blame in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1]}, "column b: missing"),
        ({"a": [1], "b": [1], "z": [1]}, "column z: not one of a, b"),
        ({"a": [1, 2], "b": [1]}, "column b: 1 rows, but a has 2"),
    ],
)
def test_columns_must_be_those_of_the_table(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(ColumnError, match=message):
        encode_block({"a": "UInt8", "b": "UInt8"}, columns)
