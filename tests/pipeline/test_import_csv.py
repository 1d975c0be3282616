"""CSV exports: whose columns are ours, what is dropped, what is refused; and what an import changes."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.imports.difference import changed_days, describe, difference
from pipeline.imports.merge import present_rows
from pipeline.imports.text import MAX_BYTES, read_file
from pipeline.school import parse_school
from tests.pipeline.importing import SETTINGS, Text, as_bytes, cells, imported, refused, rows_of
from tests.pipeline.schools import HEADERS, files_of

STAFF = ["T1,t1,,teacher,1,,,Maths,", "T2,t2,t2@x.example,teacher,1,,,Art,"]
PRESENT: dict[str, Text] = dict(
    files_of(
        {
            "staff": STAFF,
            "bells": ["normal,*,P1,lesson,09:00,10:00,*", "normal,*,BRK,break,10:00,10:20,*"],
            "calendar": ["2026-09-01,2026-12-18,term,Autumn"],
        }
    )
)


def sheet(table: str, *rows: str) -> str:
    return "\n".join([HEADERS[table], *rows, ""])


def test_a_table_of_ours_goes_through_unchanged() -> None:
    text = sheet("patterns", "T1,2026-09-01,,*,1,08:30,15:30,12:00,12:30,contracted")
    found = imported({"patterns.csv": text}, PRESENT)
    assert found.merged.files == {"patterns.csv": text.encode()}


def test_columns_are_said_guessed_shown_and_remembered() -> None:
    export = "Code;Login;Post;Start Date;Leaving Date;Site;Tier\nT1;t1;teacher;2020-09-01;;CANARY;KS3\n"
    found = imported({"Staff 2026-11-22.csv": export}, {}, "bell_group=Site", "email==x@y.example", kind="staff")
    assert rows_of(found, "staff")[0]["bell_group"] == "CANARY"
    shown = found.readings[0].notes[-1]
    assert "staff_id <- 'Code'" in shown
    assert "email is always 'x@y.example'" in shown
    assert "columns dropped: Tier" in found.readings[0].notes
    again = imported({"Staff (3).csv": export}, {}, kind="staff", maps=found.maps)
    assert again.merged.files == found.merged.files
    renamed = {"Staff.csv": export.replace("Site", "Campus")}
    with pytest.raises(
        ValueError, match=r"Staff.csv:1: missing column 'Site', which is bell_group by --map now or at an"
    ):
        imported(renamed, {}, kind="staff", maps=found.maps)


def test_words_of_exports_become_ours() -> None:
    text = "Staff,Week,Day,Period,Activity,Valid from,Valid to\nt2,Week B,Tuesday,P1,Teaching,01/09/2026,18/12/2026\n"
    found = imported({"x.csv": text}, PRESENT, "dates=dmy", "kind:Teaching=lesson", kind="timetable")
    assert cells(found, "timetable", "staff_id", "week", "weekday", "slot", "activity", "valid_to") == [
        ("T2", "B", "2", "P1", "lesson", "2026-12-18")
    ]


def test_of_a_release_nobody_learns_what_it_was_for() -> None:
    lessons = sheet("timetable", "T1,*,1,P1,union,,,,", "T2,*,1,P1,Released,,,,")
    told = sheet("exceptions", "2026-11-16,T1,P1,,Trade Union,,", "2026-11-16,T2,P1,,toil,,")
    found = imported({"timetable.csv": lessons, "exceptions.csv": told}, PRESENT)
    assert cells(found, "timetable", "activity") == [("released",)] * 2
    assert cells(found, "exceptions", "kind") == [("released",)] * 2


def test_reasons_and_pupils_are_dropped_on_reading() -> None:
    text = (
        "date,staff_id,start_or_slot,end,kind,ref,entered_at,Reason,Pupil\n"
        "2026-11-16,T1,,,CANARY hospital appointment,CANARY,,CANARY,CANARY\n"
        "2026-11-16,T2,P1,,cover,T1,,CANARY,CANARY\n"
    )
    lessons = sheet("timetable", "T1,*,1,P1,lesson,CANARY Jane,B1,,", "T2,*,1,P1,lesson,10A/Ma1,B1,,")
    found = imported({"cover.csv": text, "timetable.csv": lessons}, PRESENT)
    assert b"CANARY" not in b"".join(found.merged.files.values())
    assert "CANARY" not in repr((found.maps, [reading.notes for reading in found.readings]))
    assert cells(found, "exceptions", "staff_id", "kind", "ref") == [("T1", "absent", ""), ("T2", "cover", "T1")]
    assert cells(found, "timetable", "class") == [("",), ("10A/Ma1",)]


@pytest.mark.parametrize(
    ("table", "rows", "message"),
    [
        ("staff", [STAFF[0], STAFF[0]], "x.csv:3: staff_id 'T1' is already on line 2, and the two contracts overlap;"),
        (
            "staff",
            ["T1,t1,,teacher,1,2020-09-01,2025-08-31,,", "", "T1,t1,,teacher,1,2025-09-01,,,"],
            "x.csv:4: staff_id 'T1' is already on line 2; give each person one row",
        ),
        ("staff", ["T1,t1,,teacher,1,2026-02-30,,,"], "x.csv:2: contract_start '2026-02-30' is not a date; write it"),
        ("staff", ["T1,t1,,teacher,1,30/02/2026,,,"], "x.csv:2: contract_start '30/02/2026' is not a date; write it"),
        ("staff", ["T1,t1,,teacher"], "x.csv:2: the row has 4 cells where the header has 9; complete the row"),
        ("staff", ['T1,t1,,"teacher'], "x.csv:2: the row cannot be read"),
        ("patterns", ["T9,,,*,1,08:30,15:30,,,"], "x.csv:2: staff_id 'T9' is not in staff.csv; add the person there"),
        (
            "patterns",
            ["T1,,,*,1,08:30,15:30,12:00,12:30,", "", "T1,,,B,1,15:15,16:00,,,"],
            "x.csv:4: these hours overlap those of line 2 on the same dates; close the older row with valid_to",
        ),
        ("timetable", ["T1,*,1,P9,lesson,,,,"], "x.csv:2: slot 'P9' is no slot of bells.csv; use a slot of bells.csv"),
        ("duties", ["T1,*,1,BRK,,break,,2026-13-01,"], "x.csv:2: valid_from '2026-13-01' is not a date"),
        ("exceptions", ["2026-11-16,T1,P1,,nonsense,,"], "x.csv:2: kind 'nonsense' is unknown; use one of absent"),
        ("calendar", ["2026-11-20,2026-11-16,term,"], "x.csv:2: date_to 2026-11-16 lies before date_from 2026-11-20"),
        ("bells", ["normal,*,P1,lesson,10:00,09:00,*"], "x.csv:2: end 09:00 is not after start 10:00"),
        ("devices", ["00:16,,,T1,0,,,"], "x.csv:2: mac '00:16' is not a hardware address"),
        ("official_sites", ["OS1,x,,T9,,,,,,,,,,,,,,"], "x.csv:2: administrators: 'T9' is not in staff.csv"),
    ],
)  # fmt: skip
def test_broken_tables_are_told_with_line_and_mend(table: str, rows: list[str], message: str) -> None:
    assert refused({"x.csv": sheet(table, *rows)}, PRESENT, kind=table).startswith(message)


@pytest.mark.parametrize("table", sorted(HEADERS))
def test_a_missing_column_a_wrong_encoding_and_an_empty_file_are_told(table: str) -> None:
    file = f"{table}.csv"
    column = {"bells": "kind", "calendar": "value", "devices": "shared", "staff": "role"}.get(table, "go_live")
    column = {"patterns": "valid_to", "timetable": "activity", "duties": "end", "exceptions": "date"}.get(table, column)
    header = HEADERS[table].replace(f",{column}", ",another").replace("date,", "another,", table == "exceptions")
    assert refused({file: header + "\n"}, PRESENT).startswith(f"{file}:1: missing column {column}; the header has ")
    assert refused({file: HEADERS[table].encode() + b"\nsi\xe2n\n"}, PRESENT) == (
        f"{file}:2: byte 0xe2 is not UTF-8; export it again, or save it, as UTF-8"
    )
    assert refused({file: HEADERS[table].encode("utf-16")}, PRESENT).startswith(f"{file}:1: ")
    assert refused({file: ""}, PRESENT) == f"{file}:1: the file is empty; export it again"


def test_half_a_file_is_noticed_even_at_the_end_of_a_row() -> None:
    rows = [f"T1,*,{day},P1,lesson,,,2026-09-{n:02},2026-09-{n:02}" for day in range(1, 6) for n in range(1, 5)]
    present = {**PRESENT, "timetable.csv": sheet("timetable", *rows)}
    half = {"timetable.csv": sheet("timetable", *rows[:10])}
    assert refused(half, present) == (
        "timetable.csv:11: timetable would have 10 rows instead of 20; if the file is whole and this is right, say "
        "--fewer; else export it again"
    )
    assert len(rows_of(imported(half, present, fewer=True), "timetable")) == 10


def test_a_file_of_200_mb_is_not_even_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "big.csv"
    with path.open("wb") as big:
        big.truncate(200 << 20)
    with pytest.raises(
        ValueError, match=r"^big.csv:1: the file has 200 MB, and an export of a school has less than 16; "
    ):
        read_file(path)
    assert MAX_BYTES < 200 << 20


def test_what_is_missing_elsewhere_is_told_there() -> None:
    present = {**PRESENT, "timetable.csv": sheet("timetable", "T2,*,1,P1,lesson,,,,")}
    message = refused({"staff.csv": sheet("staff", STAFF[0])}, present)
    assert message.startswith("timetable.csv:2: staff_id 'T2' is not in staff.csv, once this import is in force; add")


def test_an_import_may_mend_a_broken_file() -> None:
    broken = {**PRESENT, "staff.csv": "nonsense"}
    assert imported({"staff.csv": sheet("staff", *STAFF)}, broken).school.numbers == {"T1": 0, "T2": 1}


def test_with_keep_only_rows_of_the_same_source_are_replaced() -> None:
    present = {**PRESENT, "exceptions.csv": sheet("exceptions", "2026-11-16,T1,,,absent,,")}
    one = imported({"cover.csv": sheet("exceptions", "2026-11-17,T2,P1,,cover,,")}, present, keep=True)
    two = imported(
        {"cover.csv": sheet("exceptions", "2026-11-18,T2,P1,,cover,,")}, {**present, **one.merged.files}, keep=True
    )
    assert cells(two, "exceptions", "date", "source") == [("2026-11-16", ""), ("2026-11-18", "cover")]


def test_files_of_one_command_find_each_other_in_any_order() -> None:
    files = {
        f"{name}.csv": as_bytes(text) for name, text in (("timetable", sheet("timetable", "T1,*,1,P1,lesson,,,,")),)
    }
    found = imported({**files, **{name: PRESENT[name] for name in ("bells.csv", "staff.csv")}}, {})
    assert len(found.school.timetable) == 1


# --- what changes


def test_the_difference_in_words() -> None:
    old = {"timetable.csv": sheet("timetable", "T1,*,1,P1,lesson,7A,B1,,", "T1,A,2,P1,lesson,,,,", "T2,*,1,P1,ppa,,,,")}
    new = imported(
        {"timetable.csv": sheet("timetable", "T2,,1,P1,PPA,,,,", "T1,*,1,P1,meeting,7A,B1,,", "T2,B,5,P1,lesson,,,,")},
        {**PRESENT, **old},
    )
    before = present_rows("timetable", {name: as_bytes(text) for name, text in old.items()})
    found = difference("timetable", before, new.merged.rows["timetable.csv"])
    assert list(describe(found)) == [
        "timetable.csv: 3 rows now, 3 after: 1 added, 1 removed, 1 changed",
        "  T1: ~ Mon P1 meeting 7A B1: activity lesson -> meeting; - A Tue P1 lesson",
        "  T2: + B Fri P1 lesson",
    ]


def test_which_days_and_people_an_import_changes() -> None:
    week = [date(2026, 11, 16 + number) for number in range(7)]
    files = {name: as_bytes(text) for name, text in PRESENT.items()}
    before = parse_school(files, SETTINGS)
    assert changed_days(before, before, week) == {}
    lesson = imported({"timetable.csv": sheet("timetable", "T2,*,3,P1,lesson,,,,")}, PRESENT).school
    assert changed_days(before, lesson, week) == {week[2]: frozenset({"T2"})}
    named = imported({"staff.csv": sheet("staff", STAFF[1], STAFF[0].replace("t1", "t1;former"))}, PRESENT).school
    assert changed_days(before, named, week) == dict.fromkeys(week, frozenset({"T1"}))
    closed = imported({"exceptions.csv": sheet("exceptions", "2026-11-20,*,,,closed,,")}, PRESENT).school
    assert changed_days(before, closed, week) == {week[4]: frozenset({"T1", "T2"})}
    site = (
        "1,facebook,school,T1,T2,News,Families,none,Facebook,T1,2026-01-01,T2,2026-01-01,T1,2026-01-01,{},2027-07-01,"
    )
    official = imported({"official_sites.csv": sheet("official_sites", site.format("2026-11-20"))}, PRESENT).school
    assert changed_days(before, official, week) == dict.fromkeys(week[4:], frozenset({"T1", "T2"}))


# --- dates from elsewhere


def test_weeks_from_a_list_of_mondays() -> None:
    calendar = ["2026-09-01,2026-12-18,term,Autumn", "2026-10-26,2026-10-30,holiday,Half-term", "2026-09-01,,inset,"]
    present = {**PRESENT, **files_of({"calendar": calendar})}
    mondays = "week_a\n2026-09-07\n2026-09-21\n2026-11-02\n"
    found = imported({"weeks.txt": mondays}, present, kind="weeks")
    letters = {row["date_from"]: row["kind"] for row in rows_of(found, "calendar") if row["kind"].startswith("week")}
    assert letters["2026-08-31"] == letters["2026-09-14"] == "week_b"
    assert letters["2026-09-07"] == letters["2026-11-02"] == "week_a"
    assert "2026-10-26" not in letters
    tuesday = refused({"w.txt": "2026-09-07\n2026-09-15\n"}, present, kind="weeks")
    assert tuesday == "w.txt:2: 2026-09-15 is a Tuesday; write the Monday of its week, 2026-09-14"
    assert refused({"w.txt": "2026-09-07\n2026-09-07\n"}, present, kind="weeks").startswith("w.txt:2: 2026-09-07 is al")
    assert refused({"w.txt": "07/09/2026\n"}, present, kind="weeks").startswith("w.txt:1: '07/09/2026' is not a date")
    assert refused({"w.txt": "2027-09-06\n"}, present, kind="weeks").startswith("w.txt:1: 2027-09-06 lies in no term")


def test_bank_holidays_of_wales() -> None:
    from pipeline.imports.dates import bank_holidays

    found = bank_holidays(date(2026, 9, 1), date(2027, 8, 31), "WLS")
    days = [
        "2026-12-25",
        "2026-12-28",
        "2027-01-01",
        "2027-03-26",
        "2027-03-29",
        "2027-05-03",
        "2027-05-31",
        "2027-08-30",
    ]
    listed = [line.cells["date_from"] for line in found.parts[0].rows]
    assert set(days) <= set(listed) <= {*days, "2026-12-26"}
