"""The school's files: what loads, what is missing, and what complaints look like."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipeline.records import COLUMNS
from pipeline.rows import ALL, ExceptionKind, Span, Week
from pipeline.school import LACKING, SchoolError, load_school, parse_school
from pipeline.settings import FeedSettings, SchoolSettings
from tests.pipeline.schools import HEADERS, files_of, school_of

SAMPLE = Path(__file__).parents[2] / "pcaps" / "sample_school" / "school"
SETTINGS = SchoolSettings(id="test", name="Test", zone="Europe/London")
STAFF = ["T1,t1;old.name,t1@x.example,teacher,1.0,2020-09-01,,Maths,KS3", "T2,t2,,support,,,2026-11-30,,"]
BELLS = ["normal,*,P1,lesson,09:00,10:00,*", "normal,*,BRK,break,11:00,11:20,*"]
GOOD = {
    "staff": STAFF,
    "bells": BELLS,
    "patterns": ["T1,2026-09-01,,*,2,08:30,15:30,12:00,12:30,contracted"],
    "calendar": ["2026-09-01,2026-12-18,term,Autumn", "2026-11-27,,inset,09:00-12:30", "2026-12-01,,inset,Day two"],
    "timetable": ["T1,A,2,P1,lesson,7A,B1,,"],
    "duties": ["T1,*,2,BRK,,break,Yard,,", "T2,B,2,15:00,15:20,bus,Bay,,"],
    "exceptions": ["2026-11-17,*,,,closed,,", "2026-11-17,T1,BRK,,swap_to,,2026-11-16T12:00"],
    "official_sites": ["OS1,Facebook,x,T1;T2,T2,,,,,L1,2026-08-01,,,,,2026-09-01,2026-12-31,"],
    "devices": ["00:16:3e:00:00:01,A1,PC-1,T1,0,,,school", "00:16:3e:00:00:02,A2,PC-2,,1,,,"],
}


def test_rows_become_records() -> None:
    school = school_of(GOOD)
    assert school.numbers == {"T1": 0, "T2": 1}
    assert school.staff[0].usernames == ("t1", "old.name")
    assert (school.staff[0].contract_end, school.staff[1].contract_end) == (date.max, date(2026, 11, 30))
    assert (school.patterns[0].hours, school.patterns[0].unpaid) == (Span(510, 930), Span(720, 750))
    assert [row.hours for row in school.calendar] == [None, Span(540, 750), None]
    assert (school.timetable[0].week, school.duties[1].when) == (Week.A, Span(900, 920))
    assert (school.exceptions[0].person, school.exceptions[0].when) == (ALL, None)
    assert school.exceptions[1].kind is ExceptionKind.SWAP_TO
    assert (school.devices[0].mac, school.devices[0].person, school.devices[1].shared) == (0x163E000001, 0, True)


def test_official_sites_are_read_as_the_form_has_them() -> None:
    (site,) = school_of(GOOD).official_sites
    assert (site.service, site.administrators, site.moderators, site.line) == ("facebook", (0, 1), (1,), 2)
    assert (site.line_manager, site.lm_approved_on, site.head) == ("L1", date(2026, 8, 1), "")
    assert (site.go_live, site.closure, site.review_on) == (date(2026, 9, 1), date(2026, 12, 31), None)


def test_the_version_is_of_the_contents() -> None:
    files = files_of(GOOD)
    one = parse_school(files, SETTINGS)
    assert one.version == parse_school(dict(reversed(files.items())), SETTINGS).version
    files["duties.csv"] += b"\n"
    assert one.version != parse_school(files, SETTINGS).version


def test_only_staff_is_needed_and_the_rest_is_named_as_missing(tmp_path: Path) -> None:
    feeds = FeedSettings()
    with pytest.raises(SchoolError, match=r"staff\.csv:1: there is no such file in .*; put the list of staff there"):
        load_school(tmp_path, SETTINGS, feeds)
    for name, data in files_of(GOOD).items():
        (tmp_path / name).write_bytes(data)
    assert load_school(tmp_path, SETTINGS, feeds).missing == ()
    (tmp_path / "duties.csv").unlink()
    (tmp_path / "devices.csv").rename(tmp_path / "assets.csv")
    assert load_school(tmp_path, SETTINGS, feeds).missing == ("duties.csv", "devices.csv")
    assert load_school(tmp_path, SETTINGS, FeedSettings(devices=Path("assets.csv"))).missing == ("duties.csv",)


def test_the_sample_school_loads() -> None:
    school = load_school(SAMPLE, SETTINGS, FeedSettings())
    assert len(school.staff) == 60
    assert school.missing == ()


@pytest.mark.parametrize(
    ("table", "row", "message"),
    [
        ("staff", "T1,x,,teacher,,,,,", "staff_id 'T1' is already on line 2; give each person one row and own names"),
        ("staff", "T3,T2,,teacher,,,,,", "username 't2' is already on line 3"),
        ("staff", "T3,,,pupil,,,,,", "role 'pupil' is unknown; use one of teacher, support, leadership, contractor"),
        ("staff", "*,,,teacher,,,,,", "staff_id '*' stands for everybody"),
        ("staff", ",x,,teacher,,,,,", "staff_id is empty"),
        ("staff", "T3,x,,teacher,,2026-13-01,,,", "contract_start '2026-13-01' is not a date; write it as 2026-11-17"),
        ("staff", "T3,x,,teacher", "the row has 4 cells where the header has 9; complete the row"),
        ("patterns", "T9,,,*,1,08:00,16:00,,,", "staff_id 'T9' is not in staff.csv; add the person there"),
        ("patterns", "T1,,,*,0,08:00,16:00,,,", "weekday '0' is not a number from 1 to 7"),
        ("patterns", "T1,,,*,1,16:00,08:00,,,", "end 08:00 is not after start 16:00"),
        ("patterns", "T1,,,*,1,08:00,16:00,12:00,,", "unpaid_break_end '' is not a time"),
        ("patterns", "T1,,,*,1,08:00,16:00,07:00,07:30,", "the unpaid break lies outside start and end"),
        (
            "patterns",
            "T1,2026-10-01,,A,2,08:30,14:00,,,",
            "these hours overlap those of line 2 on the same dates; close the older row with valid_to",
        ),
        ("bells", "normal,*,P1,lesson,12:00,13:00,*", "slot 'P1' is already on line 2; name each slot of a day once"),
        ("bells", "normal,*,P2,lesson,09:30,10:30,", "slot 'P2' overlaps 'P1' of line 2; correct the times"),
        ("bells", "normal,*,08:00,lesson,08:00,08:30,*", "slot '08:00' looks like a time; name it, such as P1"),
        ("bells", "normal,*,P9,assembly,12:00,13:00,*", "kind 'assembly' is unknown; use one of lesson, registration"),
        ("calendar", "2026-11-20,2026-11-16,term,", "date_to 2026-11-16 lies before date_from 2026-11-20"),
        ("calendar", "2026-11-20,,bell_override,exams", "value 'exams' is no schedule of bells.csv; use one of normal"),
        ("calendar", "2026-11-20,,bell_override,", "value is empty"),
        ("calendar", "2026-11-20,,inset,12:30-09:00", "value '12:30-09:00' are no hours; write them as 09:00-12:30"),
        ("timetable", "T1,A,2,P7,lesson,,,,", "slot 'P7' is no slot of bells.csv; use a slot of bells.csv (BRK, P1)"),
        ("timetable", "T1,C,2,P1,lesson,,,,", "week 'C' is unknown; use one of a, b, *"),
        ("duties", "T1,*,2,08:25,,gate,,,", "slot_or_start 08:25 has no end; write when it ends"),
        ("duties", "T1,*,2,BRK,11:20,break,,,", "slot 'BRK' has an end of its own; leave end empty"),
        ("duties", "T1,*,2,25:99,11:20,break,,,", "slot_or_start '25:99' is not a time"),
        ("duties", "T1,*,2,,,break,,,", "slot_or_start is empty"),
        ("exceptions", "2026-11-17,T1,,,cover,,", "cover needs a slot or times; write them in start_or_slot and end"),
        ("exceptions", "2026-11-17,T1,,10:00,absent,,", "there is an end but no start_or_slot; write when it starts"),
        ("exceptions", "2026-11-17,T1,P1,,cover,,17/11/2026", "entered_at '17/11/2026' is not a date and time"),
        ("exceptions", "2026-11-17,T9,,,absent,,", "staff_id 'T9' is not in staff.csv"),
        ("official_sites", "OS2,x,,T9,,,,,,,,,,,,,,", "administrators: 'T9' is not in staff.csv"),
        ("official_sites", "OS1,x,,T1,,,,,,,,,,,,,,", "site_id 'OS1' is already on line 2; give each site one row"),
        ("devices", "00:16:3e:00:00:01,,,T2,0,,,", "this mac is already on line 2 for the same dates; close the older"),
        ("devices", "0016,,,T2,0,,,", "mac '0016' is not a hardware address"),
        ("devices", "00:16:3e:00:00:03,,,,yes,,,", "shared 'yes' is not a number from 0 to 1"),
    ],
)
def test_broken_rows_are_told_with_file_line_and_mend(table: str, row: str, message: str) -> None:
    tables = {**GOOD, table: [*GOOD[table], row]}
    with pytest.raises(SchoolError) as caught:
        school_of(tables)
    assert str(caught.value).startswith(f"{table}.csv:{len(GOOD[table]) + 2}: {message}")


@pytest.mark.parametrize("table", sorted(HEADERS))
def test_a_missing_column_is_told(table: str) -> None:
    needed = {"bells": "kind", "calendar": "value", "devices": "shared", "official_sites": "closure", "staff": "role"}
    column = needed.get(table, "end" if table in ("patterns", "duties", "exceptions") else "slot")
    files = files_of(GOOD)
    files[f"{table}.csv"] = files[f"{table}.csv"].replace(f",{column}".encode(), b",another", 1)
    with pytest.raises(SchoolError, match=rf"^{table}\.csv:1: missing column {column}; the header must have "):
        parse_school(files, SETTINGS)


def test_a_wrong_encoding_is_told() -> None:
    files = files_of(GOOD)
    files["staff.csv"] += "T3,siân,,teacher,,,,,\n".encode("cp1252")
    with pytest.raises(SchoolError, match=r"^staff\.csv:4: byte 0xe2 is not UTF-8; save it as CSV UTF-8"):
        parse_school(files, SETTINGS)


@pytest.mark.parametrize(
    "row",
    [
        "T1,,2026-08-31,*,2,08:30,15:30,,,",  # the year before
        "T1,,,*,3,08:30,15:30,,,",  # another day
        "T1,,,*,2,15:30,17:00,,,",  # afterwards
        "T1,,,*,2,12:00,12:30,,,",  # in the unpaid break
        "T1,,,*,2,11:50,12:50,,,",  # a second post within the day
    ],
)
def test_one_person_may_have_several_posts(row: str) -> None:
    assert len(school_of({**GOOD, "patterns": [*GOOD["patterns"], row]}).patterns) == 2


def test_rows_know_their_line_and_what_a_missing_file_means_is_said() -> None:
    school = school_of(GOOD)
    assert [row.line for row in (*school.staff, *school.bells, *school.calendar)] == [2, 3, 2, 3, 2, 3, 4]
    assert set(LACKING) == set(COLUMNS) - {"staff.csv"}


def test_a_governor_is_in_scope() -> None:
    assert school_of({"staff": ["G1,g1,,governor,,,,,"]}).staff[0].role == "governor"


def test_one_mac_may_change_hands_between_dates() -> None:
    rows = ["00:16:3e:00:00:01,A,PC,T1,0,,2026-10-31,school", "00:16:3e:00:00:01,A,PC,T2,0,2026-11-01,,school"]
    assert [device.person for device in school_of({"staff": STAFF, "devices": rows}).devices] == [0, 1]
