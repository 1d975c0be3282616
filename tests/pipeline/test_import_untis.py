"""Untis exports: lessons and their weeks, supervisions, absences, substitutions, holidays, bells; what is dropped."""

from __future__ import annotations

import pytest

from tests.pipeline.importing import Text, cells, imported, refused, rows_of, state_at

STAFF = """staff_id,username,role,contract_start,contract_end,bell_group
T1,LenPh,teacher,,,
T2,HauGe,teacher,,,
T3,Stü,teacher,,,
"""
TIME = "1,4,1,0900,1000\n1,4,2,1020,1120\n1,4,3,1200,1300\n1,4,4,1300,1400\n"
TIME += "".join(f"{day}{line[1:]}\n" for day in "2345" for line in TIME.splitlines())
TERM = "date_from,date_to,kind,value\n2026-09-01,2026-12-18,term,Autumn\n"
WEEKS = "2026-11-16,2026-11-20,week_a,\n2026-11-23,2026-11-27,week_b,\n"
PATTERNS = "staff_id,valid_from,valid_to,week,weekday,start,end,unpaid_break_start,unpaid_break_end\n" + "".join(
    f"{who},,,*,{day},08:30,15:30,,\n" for who in ("T1", "T2", "T3") for day in range(1, 6)
)
PRESENT: dict[str, Text] = {"staff.csv": STAFF, "calendar.csv": TERM + WEEKS, "patterns.csv": PATTERNS}
LESSON = '1055,"5AG","LenPh","F","AWR",{day},{period},,\n'
MONDAY, NEXT_MONDAY = "2026-11-16", "2026-11-23"


def gpu002(number: str, group: str, teacher: str = "LenPh", first: str = "", last: str = "") -> str:
    values = [number, "2", "", "2", "5AG", f'"{teacher}"', "F", "", "", "0", "2.0", group, "", "", first, last, "", ""]
    return ",".join(values) + "\n"


def test_groups_of_lessons_become_weeks() -> None:
    lessons = "".join(f'{n},"5AG","LenPh","F","R",1,{p},,\n' for n, p in (("1", 1), ("2", 2), ("3", 3), ("4", 4)))
    groups = gpu002("1", "") + gpu002("2", "WocheA") + gpu002("3", '"Wk B"') + gpu002("4", "Theme")
    found = imported({"GPU001.TXT": lessons, "GPU002.TXT": groups, "time.txt": TIME}, PRESENT)
    assert cells(found, "timetable", "slot", "week", "activity") == [
        ("P1", "*", "lesson"),
        ("P2", "A", "lesson"),
        ("P3", "B", "lesson"),
        ("P4", "*", "unknown"),
    ]
    assert any("'Theme' (1); their slots stay unknown until you say --map" in note for note in found.readings[1].notes)
    states = {
        day: [state_at(found.school, "T1", day, at) for at in ("09:30", "10:40", "12:30", "13:30")]
        for day in (MONDAY, NEXT_MONDAY)
    }
    assert states == {
        MONDAY: ["teaching", "teaching", "non_contact", "unknown"],
        NEXT_MONDAY: ["teaching", "non_contact", "teaching", "unknown"],
    }
    said = imported({"GPU001.TXT": lessons, "GPU002.TXT": groups, "time.txt": TIME}, PRESENT, "week:Theme=B")
    assert state_at(said.school, "T1", NEXT_MONDAY, "13:30") == "teaching"
    assert state_at(said.school, "T1", MONDAY, "13:30") == "non_contact"


def test_a_lesson_with_contradicting_groups_is_unknown() -> None:
    files = {"GPU001.TXT": LESSON.format(day=1, period=1), "GPU002.TXT": gpu002("1055", "A") + gpu002("1055", "B")}
    assert cells(imported({**files, "time.txt": TIME}, PRESENT), "timetable", "activity") == [("unknown",)]


def test_without_groups_a_two_week_school_is_asked() -> None:
    lesson = LESSON.format(day=1, period=1)
    message = refused({"GPU001.TXT": lesson, "time.txt": TIME}, PRESENT)
    assert message.startswith("GPU001.TXT:1: the calendar has weeks A and B, and GPU001 does not say in which")
    one_week = {**PRESENT, "calendar.csv": TERM}
    assert cells(imported({"GPU001.TXT": lesson, "time.txt": TIME}, one_week), "timetable", "week") == [("*",)]
    first = imported({"GPU001.TXT": lesson, "time.txt": TIME}, PRESENT, week="A")
    both = imported({"GPU001.TXT": LESSON.format(day=2, period=2)}, {**PRESENT, **first.merged.files}, week="B")
    assert cells(both, "timetable", "week", "weekday") == [("A", "1"), ("B", "2")]


def test_dates_of_lessons_are_kept() -> None:
    files = {
        "GPU001.TXT": LESSON.format(day=1, period=1),
        "GPU002.TXT": gpu002("1055", "", "LenPh", "20260901", "20261016"),
    }
    found = imported({**files, "time.txt": TIME}, PRESENT, last="2026-12-18")
    assert cells(found, "timetable", "valid_from", "valid_to") == [("2026-09-01", "2026-10-16")]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_separators_and_encodings_are_found_out(mark: str, encoding: str) -> None:
    row = mark.join(["1055", '"5AG"', '"Stü"', '"F;x,y"', '""', "1", "1", "", ""]) + "\r\n"
    files = {"GPU001.TXT": row.encode(encoding), "time.txt": TIME}
    assert cells(imported(files, {**PRESENT, "calendar.csv": TERM}), "timetable", "staff_id") == [("T3",)]


def test_bells_are_asked_for_separately() -> None:
    present = {**PRESENT, "calendar.csv": TERM}
    message = refused({"GPU001.TXT": LESSON.format(day=1, period=1)}, present)
    assert message == (
        "GPU001.TXT:1: '1' is no slot of bells.csv; import the bells first, or in the same command: bells.csv, or "
        "time.txt of Untis"
    )
    bells = imported({"time.txt": TIME}, present)
    assert cells(bells, "bells", "weekday", "start", "kind")[:6] == [
        *(("1", "09:00", "lesson"), ("1", "10:00", "break"), ("1", "10:20", "lesson")),
        *(("1", "11:20", "lunch"), ("1", "12:00", "lesson"), ("1", "13:00", "lesson")),
    ]


def test_supervision_is_of_the_break_before_the_period() -> None:
    rows = '"S1","HauGe",1,2,20,"",\n"S2","LenPh",1,3,20,,\n"Gate","HauGe",2,2,10,"47~48",\n"S3","",1,2,20,,\n'
    found = imported({"GPU009.TXT": rows, "time.txt": TIME}, PRESENT, last="2026-12-18")
    assert cells(found, "duties", "staff_id", "weekday", "kind", "valid_from") == [
        ("T1", "1", "lunch", ""),
        ("T2", "1", "break", ""),
        ("T2", "2", "break", "2026-11-17"),
        ("T2", "2", "break", "2026-11-24"),
    ]
    assert state_at(found.school, "T2", MONDAY, "10:10") == "duty"
    assert state_at(found.school, "T1", MONDAY, "10:10") == "break"
    assert state_at(found.school, "T2", "2026-12-01", "10:10") == "break"
    assert "1 supervisions have no teacher and are left out" in found.readings[1].notes
    assert refused({"GPU009.TXT": '"S1","HauGe",1,4,20,"",\n', "time.txt": TIME}, PRESENT).startswith(
        "GPU009.TXT:1: bells.csv has no break before P4 on weekday 1; add the break"
    )


def test_absences_without_their_reasons() -> None:
    rows = (
        '9,"L","LenPh","20261116","20261117","2","2","CANARY","CANARY migraine",\n'
        '10,"K","CANARY 8A","20261116","20261116","1","4","CANARY","",\n'
        '11,"L","HauGe","20261118","20261118","1","4","CANARY","",\n'
    )
    found = imported({"GPU013.TXT": rows, "time.txt": TIME}, PRESENT)
    told = cells(found, "exceptions", "date", "staff_id", "start_or_slot", "kind")
    assert [row for row in told if row[1] == "T1"] == [
        *(("2026-11-16", "T1", slot, "absent") for slot in ("LUN-P3", "P2", "P3", "P4")),
        *(("2026-11-17", "T1", slot, "absent") for slot in ("BRK-P2", "P1", "P2")),
    ]
    assert ("2026-11-18", "T2", "", "absent") in told
    assert b"CANARY" not in b"".join(found.merged.files.values())
    assert "CANARY" not in repr((found.readings[-1].notes, found.maps))


def substitution(
    period: str, absent: str, standin: str, kind: str, absence: str = "3", change: str = "202611160700"
) -> str:
    quoted = [f'"{text}"' for text in (absent, standin, "Ma")]
    tail = ["", "", "", '"R1"', '"R2"', "", '"8a~8b"', '"CANARY"', '"CANARY text"', "0", '"8a"', kind, change, '""']
    return ",".join(["12", '"20261116"', period, absence, "124", *quoted, *tail]) + "\n"


@pytest.mark.parametrize(
    ("row", "absent", "standin"),
    [
        (substitution("1", "LenPh", "HauGe", ""), "absent", "cover"),
        (substitution("1", "LenPh", "HauGe", " S"), "absent", "cover"),
        (substitution("1", "LenPh", "HauGe", "W", "0"), "non_contact", "cover"),
        (substitution("1", "LenPh", "HauGe", "E"), "non_contact", "exam"),
        (substitution("1", "LenPh", "", "C", "0"), "non_contact", "non_contact"),
        (substitution("1", "LenPh", "", "L"), "non_contact", "non_contact"),
        (substitution("1", "LenPh", "HauGe", "P"), "unknown", "cover"),
        (substitution("1", "LenPh", "LenPh", "R"), "teaching", "non_contact"),
        (substitution("1", "LenPh", "HauGe", "X"), "unknown", "unknown"),
    ],
)
def test_substitutions(row: str, absent: str, standin: str) -> None:
    timetable = {"GPU001.TXT": LESSON.format(day=1, period=1), "GPU002.TXT": gpu002("1055", ""), "time.txt": TIME}
    found = imported({**timetable, "GPU014.TXT": row}, PRESENT)
    assert state_at(found.school, "T1", MONDAY, "09:30") == absent
    assert state_at(found.school, "T2", MONDAY, "09:30") == standin
    assert b"CANARY" not in b"".join(found.merged.files.values())
    assert {row["entered_at"] for row in rows_of(found, "exceptions")} <= {"2026-11-16T07:00"}


@pytest.mark.parametrize("change", ["202611160700", "202611160800", ""])
def test_who_covers_instead_of_a_cancelled_lesson_covers(change: str) -> None:
    timetable = {"GPU001.TXT": LESSON.format(day=1, period=1), "GPU002.TXT": gpu002("1055", ""), "time.txt": TIME}
    rows = substitution("1", "LenPh", "", "C", "0", change) + substitution("1", "HauGe", "LenPh", "S")
    found = imported({**timetable, "GPU014.TXT": rows}, PRESENT)
    assert state_at(found.school, "T1", MONDAY, "09:30") == "cover"


def test_substitutions_of_break_supervision() -> None:
    rota = {"GPU009.TXT": '"S1","LenPh",1,2,20,,\n', "time.txt": TIME}
    found = imported({**rota, "GPU014.TXT": substitution("2", "LenPh", "HauGe", "B")}, PRESENT, last="2026-12-18")
    assert state_at(found.school, "T1", MONDAY, "10:10") == "break"
    assert state_at(found.school, "T2", MONDAY, "10:10") == "duty"
    unclear = imported({**rota, "GPU014.TXT": substitution("0", "LenPh", "HauGe", "B")}, PRESENT, last="2026-12-18")
    for person in ("T1", "T2"):
        assert [state_at(unclear.school, person, MONDAY, at) for at in ("10:10", "11:30")] == ["unknown"] * 2
        assert state_at(unclear.school, person, MONDAY, "09:30") == "non_contact"


def test_a_later_export_replaces_what_it_said_of_its_dates() -> None:
    first = imported({"GPU014.TXT": substitution("1", "LenPh", "HauGe", ""), "time.txt": TIME}, PRESENT)
    present = {**PRESENT, **first.merged.files}
    later = substitution("2", "LenPh", "HauGe", "") + substitution("1", "LenPh", "HauGe", "").replace(
        "20261116", "20261117", 1
    )
    second = imported({"GPU014.TXT": later}, present)
    assert cells(second, "exceptions", "date", "start_or_slot", "kind") == [
        *(("2026-11-16", "P2", kind) for kind in ("absent", "cover")),
        *(("2026-11-17", "P1", kind) for kind in ("absent", "cover")),
    ]
    third = imported(
        {"GPU014.TXT": substitution("3", "LenPh", "HauGe", "").replace("20261116", "20261118", 1)}, present
    )
    assert len(rows_of(third, "exceptions")) == 4


def test_holidays() -> None:
    rows = '"Weihnachten","Christmas",20261221,20270101,\n"A","Early May",20270503,20270503,"F"\n'
    found = imported({"GPU018.TXT": rows}, PRESENT)
    assert cells(found, "calendar", "date_from", "date_to", "kind")[-2:] == [
        ("2026-12-21", "2027-01-01", "holiday"),
        ("2027-05-03", "2027-05-03", "bank_holiday"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("GPU001.TXT", '1,"5AG","LenPh","F"\n', "GPU001.TXT:1: the row has 4 columns and GPU001 needs 7: missing col"),
        ("GPU001.TXT", LESSON.format(day=1, period=1) + '1,"5AG","Le', "GPU001.TXT:2: the row cannot be read"),
        ("GPU001.TXT", LESSON.format(day=8, period=1), "GPU001.TXT:1: day '8' is not a number from 1 to 7"),
        ("GPU001.TXT", LESSON.format(day=1, period=9), "GPU001.TXT:1: '9' is no slot of bells.csv; say which it is"),
        ("GPU001.TXT", '\n1,"5AG","Nobody","F","R",1,1,,\n', "GPU001.TXT:2: 'Nobody' is not in staff.csv; add the pe"),
        ("GPU001.TXT", b'1,"5AG","Stu\x81","F","R",1,1,,\n', "GPU001.TXT:1: byte 0x81 is not UTF-8 or cp1252"),
        ("GPU001.TXT", "1,x\n".encode("utf-16"), "GPU001.TXT:1: the text is UTF-16"),
        ("GPU001.TXT", "", "GPU001.TXT:1: the file is empty"),
        ("GPU009.TXT", '"S1","Nobody",1,2,20,,\n', "GPU009.TXT:1: 'Nobody' is not in staff.csv"),
        ("GPU009.TXT", '"S1","HauGe",1,2,20,"54",\n', "GPU009.TXT:1: week '54' is not a number from 1 to 53"),
        ("GPU013.TXT", '9,"L","LenPh","20261316","20261316","1","2","",\n', "GPU013.TXT:1: '20261316' is not a date"),
        ("GPU013.TXT", '9,"L","LenPh","20261117","20261116","1","2","",\n', "GPU013.TXT:1: the absence ends on 2026-"),
        ("GPU013.TXT", '9,"L","LenPh","00010101","99991231","1","2","",\n', "GPU013.TXT:1: the absence lasts longer"),
        ("GPU014.TXT", '12,"20261116",2,3,124\n', "GPU014.TXT:1: the row has 5 columns and GPU014 needs 20"),
        ("GPU014.TXT", substitution("1", "LenPh", "Nobody", ""), "GPU014.TXT:1: 'Nobody' is not in staff.csv"),
        ("GPU014.TXT", substitution("1", "LenPh", "HauGe", "", change="20261399"), "GPU014.TXT:1: last change '20261"),
        ("GPU018.TXT", '"A","B",20261221,2026,\n', "GPU018.TXT:1: '2026' is not a date; Untis writes dates as 202611"),
        ("GPU002.TXT", gpu002("1", ""), "GPU002.TXT:1: GPU002 has no days and periods; import it together with GPU001"),
        ("time.txt", "1,4,1,0900,0900\n", "time.txt:1: 0900 is not after 0900; correct the times"),
        ("time.txt", "1,4,1,0900,1000\n1,4,2,0930,1030\n", "time.txt:2: P2 at 09:30 begins before P1 ends"),
        ("time.txt", "1,4,1,0900,2500\n", "time.txt:1: '2500' is not a time"),
    ],
)  # fmt: skip
def test_broken_exports_are_told_with_line_and_mend(name: str, text: Text, message: str) -> None:
    files: dict[str, Text] = {"time.txt": TIME, name: text}
    assert refused(files, {**PRESENT, "calendar.csv": TERM}).startswith(message)


def test_the_same_file_twice_is_told() -> None:
    row = LESSON.format(day=1, period=1)
    message = refused({"GPU001.TXT": row, "gpu001 (2).txt": row}, PRESENT)
    assert message == "gpu001 (2).txt:1: a file of kind gpu001 is already given; import one at a time"
