"""Typed CSV reading: what is accepted, and what complaints look like."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rows import Week
from pipeline.tables import InputError, Row, clock_minute, mac_number, read_rows

LONDON = ZoneInfo("Europe/London")


def rows(text: str | bytes, *columns: str) -> list[Row]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_rows("x.csv", data, columns or ("a", "b"), InputError))


def row(**cells: str) -> Row:
    return Row("x.csv", 7, cells, InputError)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b\n1,2\n", [("1", "2")]),
        ("\ufeffa,b\r\n1,2\r\n", [("1", "2")]),
        ("\n a , B \n 1 , 2 \n\n,\n3,4", [("1", "2"), ("3", "4")]),
        ("b,extra,a\n2,x,1\n", [("1", "2")]),
        ('a,b\n"x, y","two\nlines"\n', [("x, y", "two\nlines")]),
    ],
)
def test_reads(text: str, values: list[tuple[str, str]]) -> None:
    assert [(r.get("a"), r.get("b")) for r in rows(text)] == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.csv:1: the file is empty; begin it with the header a,b"),
        ("a\n1\n", "x.csv:1: missing column b; the header must have a,b"),
        ("a;b\n1;2\n", "x.csv:1: the cells are separated by semicolons; save it with commas"),
        ("a,b,a\n1,2,3\n", "x.csv:1: column a appears twice; remove one of them"),
        ("a,b\n1,2\n\n3\n", "x.csv:4: the row has 1 cells where the header has 2; complete the row"),
        ('a,b\n"1\n1",2\n3,4,5\n', "x.csv:4: the row has 3 cells where the header has 2"),
        ('a,b\n1,2\n"3,4\n', "x.csv:3: the row cannot be read"),
        ("a,b\n1,2\ncaf\xe9,2\n".encode("cp1252"), "x.csv:3: byte 0xe9 is not UTF-8; save it as CSV UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "x.csv:1: the text is UTF-16; save it as CSV UTF-8"),
        ("a,b\n1,\0\n", "x.csv:2: there is a zero byte in the text; save it as CSV UTF-8"),
    ],
)
def test_complaints_name_file_line_and_mend(text: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        rows(text)
    assert str(caught.value).startswith(message)


def test_cells_have_types() -> None:
    cell = row(
        d="2026-11-17", t="8:05", end="24:00", w="b", n="7", f="1", m="00-16-3E-00-10-0a", e="", i="2026-06-01T09:00"
    )
    assert cell.date("d") == date(2026, 11, 17)
    assert cell.dates("e", "d") == (date.min, date(2026, 11, 17))
    assert cell.span("t", "end") == (485, 1440)
    assert (cell.word("w", Week), cell.word("e", Week, Week.EVERY)) == (Week.B, Week.EVERY)
    assert (cell.number("n", 1, 7), cell.flag("f"), cell.flag("e")) == (7, True, False)
    assert cell.mac("m") == 0x00163E00100A
    assert cell.instant("i", LONDON) == 1780300800  # 08:00 UTC: summer time
    assert row(i="2026-06-01T09:00Z").instant("i", LONDON) == 1780304400
    assert row(s=" T1 ;; T2").names("s") == ("T1", "T2")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: row(d="17/11/2026").date("d"), "d '17/11/2026' is not a date; write it as 2026-11-17"),
        (lambda: row(d="2026-02-30").date("d"), "d '2026-02-30' is not a date"),
        (lambda: row(d="20261117").date("d"), "d '20261117' is not a date"),
        (lambda: row(d="").date("d"), "d '' is not a date"),
        (lambda: row(a="2026-02-02", b="2026-02-01").dates("a", "b"), "b 2026-02-01 lies before a 2026-02-02"),
        (lambda: row(t="25:00").time("t"), "t '25:00' is not a time; write it as 08:45"),
        (lambda: row(t="08:60").time("t"), "t '08:60' is not a time"),
        (lambda: row(a="09:00", b="09:00").span("a", "b"), "b 09:00 is not after a 09:00; correct the times"),
        (lambda: row(w="C").word("w", Week), "w 'C' is unknown; use one of a, b, *"),
        (lambda: row(n="8").number("n", 1, 7), "n '8' is not a number from 1 to 7"),
        (lambda: row(n="9" * 5000).number("n", 1, 7), "n '9999"),
        (lambda: row(n="²").number("n", 1, 7), "n '²' is not a number"),
        (lambda: row(m="00:16").mac("m"), "m '00:16' is not a hardware address"),
        (lambda: row(i="yesterday").instant("i", LONDON), "i 'yesterday' is not a date and time"),
        (lambda: row(s="").text("s"), "s is empty; fill it in or remove the row"),
    ],
)
def test_wrong_cells_are_told(call: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        call()  # type: ignore[operator]
    assert str(caught.value).startswith(f"x.csv:7: {message}")


@given(st.binary(max_size=200))
def test_any_bytes_give_rows_or_an_input_error(data: bytes) -> None:
    with suppress(InputError):
        rows(data)


@given(st.binary(max_size=200))
def test_with_problems_only_the_header_can_fail(data: bytes) -> None:
    problems: list[InputError] = []
    found = list(read_rows("x.csv", b"a,b\n" + data, ("a", "b"), InputError, problems))
    assert all(set(r.cells) >= {"a", "b"} for r in found)


@given(st.integers(0, 1440))
def test_clock_times_go_round(minute: int) -> None:
    assert clock_minute(f"{minute // 60:02}:{minute % 60:02}") == minute


@given(st.integers(0, (1 << 48) - 1), st.sampled_from([":", "-", "", "."]))
def test_hardware_addresses_go_round(number: int, mark: str) -> None:
    digits = f"{number:012X}"
    step = 4 if mark == "." else 2
    assert mac_number(mark.join(digits[i : i + step] for i in range(0, 12, step))) == number
