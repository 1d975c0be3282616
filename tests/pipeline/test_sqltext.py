"""Parameters and rows as text, without a database; the round trip through chDB is in test_store.py."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from pipeline.sqltext import ParameterError, decode_rows, encode_parameters

BST = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("String", "a\tb\nc\\d'e", "a\\tb\\nc\\\\d\\'e"),
        ("String", "\\N", "\\\\N"),
        ("LowCardinality(String)", "", ""),
        ("Nullable(String)", None, "\\N"),
        ("Nullable(UInt8)", 7, "7"),
        ("Array(String)", ["a'b", "c\\"], "['a\\'b','c\\\\']"),
        ("Array(Nullable(String))", [None, "NULL"], "[NULL,'NULL']"),
        ("Array(Date)", (date(2026, 11, 17),), "['2026-11-17']"),
        ("Array(Array(UInt8))", [[1], []], "[[1],[]]"),
        ("Int64", -(2**63), "-9223372036854775808"),
        ("Float64", 1e300, "1e+300"),
        ("Bool", False, "false"),
        ("Date", date(2026, 11, 17), "2026-11-17"),
        ("DateTime('UTC')", datetime(2026, 7, 1, 9, 0, tzinfo=BST), "2026-07-01 08:00:00"),
        ("DateTime", datetime(2026, 7, 1, 9, 0, 0, 999_999, tzinfo=UTC), "2026-07-01 09:00:00"),
    ],
)
def test_a_value_is_written_for_its_declared_type(kind: str, value: object, text: str) -> None:
    assert encode_parameters(f"SELECT {{ x : {kind} }}", {"x": value}) == {"x": text}


@pytest.mark.parametrize(
    ("kind", "value", "blame"),
    [
        ("UInt8", 256, "256 is outside 0..255"),
        ("Int8", -129, "outside"),
        ("UInt64", "1; DROP TABLE t", "cannot be interpreted as an integer"),
        ("UInt64", 1.0, "cannot be interpreted as an integer"),
        ("Float64", "1", "not a number"),
        ("Bool", 1, "not a bool"),
        ("String", 5, "not text"),
        ("String", None, "needs a Nullable type"),
        ("String", "\ud800", "half a character"),
        ("Array(String)", "abc", "not a list"),
        ("Array(UInt8)", [1, None], "needs a Nullable type"),
        ("Date", "2026-11-17", "not a date"),
        ("Date", datetime(2026, 11, 17, tzinfo=UTC), "a datetime, not a date"),
        ("Date", date(1969, 12, 31), "outside 1970-01-01"),
        ("DateTime('UTC')", datetime(2026, 11, 17), "has no zone"),
        ("DateTime('UTC')", datetime(1969, 12, 31, tzinfo=UTC), "outside"),
        ("DateTime('Europe/London')", datetime(2026, 11, 17, tzinfo=UTC), "does not bind"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(kind: str, value: object, blame: str) -> None:
    with pytest.raises(ParameterError) as caught:
        encode_parameters(f"SELECT {{day:{kind}}}", {"day": value})
    assert str(caught.value).startswith(f"parameter day ({kind}): ")
    assert blame in str(caught.value)


def test_only_what_the_query_names_is_bound() -> None:
    sql = "-- {school:String}\nSELECT {day:Date}, {day:Date}"
    assert encode_parameters(sql, {"day": date(2026, 1, 2), "other": object()}) == {"day": "2026-01-02"}


def test_rows_get_the_types_of_their_columns() -> None:
    names = '["a","b","c","d","e","f","g","h"]'
    types = (
        '["UInt64","Nullable(Date)","DateTime(\'UTC\')","Array(LowCardinality(Nullable(Float64)))",'
        '"Decimal(9, 2)","FixedString(3)","Tuple(n Nullable(String), DateTime64(3, \'Europe\\/London\'))","String"]'
    )
    row = b'[18446744073709551615,null,"1795366164",[1,null,"-inf"],"1.50","\xff\\u0000a",["x","1.5"],"\xc3\xa9\xff"]'
    body = f"{names}\n{types}\n".encode() + row + b"\n"
    columns, kinds, rows = decode_rows(body)
    assert columns == tuple("abcdefgh")
    assert kinds[0] == "UInt64"
    (read,) = rows
    assert read == (
        2**64 - 1,
        None,
        datetime(2026, 11, 22, 16, 49, 24, tzinfo=UTC),
        [1.0, None, float("-inf")],
        Decimal("1.50"),
        b"\xff\0a",
        ("x", datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        "é\ufffd",
    )
    assert isinstance(read[3], list)
    assert isinstance(read[3][0], float)


def test_no_rows_and_no_result() -> None:
    assert decode_rows(b"") == ((), (), [])
    assert decode_rows(b'["a"]\n["Date"]\n') == (("a",), ("Date",), [])
