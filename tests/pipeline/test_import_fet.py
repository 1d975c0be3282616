"""FET: real schools' tables, solved by FET itself, against what FET says of every teacher in another file."""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from deploy.cli import schoolgate
from pipeline.imports.fet import clock_range
from pipeline.place import place_day
from pipeline.school import School
from pipeline.words import State
from tests.pipeline.importing import cells, imported, refused, rows_of, state_at

EXAMPLES = Path("/usr/share/doc/fet-data/examples/FET-5-official")
TERM = "date_from,date_to,kind,value\n2026-09-01,2026-12-18,term,Autumn\n"
HEADER = '"Activity Id","Day","Hour","Students Sets","Subject","Teachers","Activity Tags","Room","Comments"\n'
MONDAY = date(2026, 11, 16)


@dataclass(frozen=True)
class Solved:
    """A table that FET solved: its CSV, and per teacher the (day, hour) labels in which FET's XML has an activity."""

    csv: bytes
    busy: dict[str, set[tuple[str, str]]]
    hours: list[str]


def solve(example: str, folder: Path) -> Solved:
    """Lets FET place what it can in a few seconds: the ten-day cycle takes it minutes, and most of it will do."""
    source = EXAMPLES / example
    command = ["fet-cl", f"--inputfile={source}", f"--outputdir={folder}", "--exportcsv=true", "--timelimitseconds=6"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    name = source.stem
    whole = (folder / "csv" / name / f"{name}_timetable.csv").is_file()
    place = name if whole else f"{name}-highest"
    table = folder / "csv" / place / f"{name}_timetable.csv"
    assert table.is_file(), done.stdout + done.stderr
    tree = ET.parse(folder / "timetables" / place / f"{name}_teachers.xml")
    busy = {
        str(teacher.get("name")): {
            (str(day.get("name")), str(hour.get("name")))
            for day in teacher.iter("Day")
            for hour in day.iter("Hour")
            if hour.find("Activity") is not None
        }
        for teacher in tree.iter("Teacher")
    }
    hours = list(dict.fromkeys(str(hour.get("name")) for hour in tree.iter("Hour")))
    return Solved(table.read_bytes(), busy, hours)


def agree(school: School, solved: Solved, days: dict[str, date], times: dict[str, tuple[int, int]]) -> int:
    """Every teacher is teaching in exactly the minutes that FET says; returns how many slots were compared."""
    teaching = State.TEACHING.code
    compared = 0
    plans = {label: place_day(school, day) for label, day in days.items()}
    for teacher, busy in solved.busy.items():
        for label, plan in plans.items():
            expected = np.zeros(1440, np.bool_)
            for hour, (start, end) in times.items():
                expected[start:end] |= (label, hour) in busy
                compared += 1
            if teacher in school.numbers:
                assert ((plan.state[school.numbers[teacher]] == teaching) == expected).all(), (teacher, label)
            else:
                assert not expected.any(), f"{teacher} teaches and is not known"
    return compared


def staff_of(solved: Solved) -> str:
    names = "".join(f'"{name}",,,teacher,,,,,\n' for name in sorted(solved.busy))
    return "staff_id,username,email,role,fte,contract_start,contract_end,department,bell_group\n" + names


def test_a_school_of_104_teachers(tmp_path: Path) -> None:
    solved = solve("United-Arab-Emirates/IBDP-School-2016.fet", tmp_path)
    assert len(solved.busy) == 104
    bells = "schedule,weekday,slot,kind,start,end,group\n"
    times = {hour: (480 + 45 * number, 525 + 45 * number) for number, hour in enumerate(solved.hours)}
    for weekday in (7, 1, 2, 3, 4):
        for number, (start, end) in enumerate(times.values(), 1):
            at = [f"{minute // 60:02}:{minute % 60:02}" for minute in (start, end)]
            bells += f"normal,{weekday},P{number},lesson,{at[0]},{at[1]},*\n"
    present = {"staff.csv": staff_of(solved), "bells.csv": bells, "calendar.csv": TERM}
    found = imported({"IBDP-School-2016_timetable.csv": solved.csv}, present)
    sunday = MONDAY - timedelta(1)
    days = {
        label: sunday + timedelta(number)
        for number, label in enumerate(["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday"])
    }
    assert agree(found.school, solved, days, times) == 104 * 5 * 7


def test_a_ten_day_cycle_with_clock_labels(tmp_path: Path) -> None:
    solved = solve("South-Africa/Western-Cape/Robertson/MHS_Covid_Final.fet", tmp_path)
    weeks = "2026-11-16,2026-11-20,week_a,\n2026-11-23,2026-11-27,week_b,\n"
    found = imported({"MHS_Covid_Final_timetable.csv": solved.csv}, {"calendar.csv": TERM + weeks}, add_staff=True)
    days = {f"Day {n + 1}": MONDAY + timedelta(n % 5 + 7 * (n // 5)) for n in range(10)}
    times = {hour: found_range for hour in solved.hours if (found_range := clock_range(hour))}
    assert len(times) == len(solved.hours) == 22
    assert {day for busy in solved.busy.values() for day, _ in busy} == set(days)
    assert agree(found.school, solved, days, times) == len(solved.busy) * 10 * 22


def test_a_college_in_the_united_kingdom_by_the_commands(tmp_path: Path) -> None:
    solved = solve("United-Kingdom/Hopwood/Hopwood.fet", tmp_path / "fet")
    school = tmp_path / "school"
    school.mkdir()
    (school / "schoolgate.toml").write_text('[school]\nid = "h"\nname = "H"\nzone = "Europe/London"\n')
    (school / "calendar.csv").write_text(TERM)
    (tmp_path / "Hopwood_timetable.csv").write_bytes(solved.csv)
    run = CliRunner()
    words = ["import", str(tmp_path / "Hopwood_timetable.csv"), "--school", str(school), "--add-staff", "--apply"]
    done = run.invoke(schoolgate, words)
    assert done.exit_code == 0, done.stderr
    compared = 0
    for teacher, busy in solved.busy.items():
        for number, label in enumerate(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]):
            day = MONDAY + timedelta(number)
            shown = run.invoke(schoolgate, ["state", teacher, day.isoformat(), "--school", str(school)])
            expected = {clock_range(hour) for on, hour in busy if on == label}
            if shown.exit_code:
                assert not expected
                continue
            taught = np.zeros(1441, np.bool_)
            for start, end in re.findall(r"(?m)^(\d\d:\d\d)-(\d\d:\d\d)  teaching ", shown.stdout):
                at = [int(text[:2]) * 60 + int(text[3:]) for text in (start, end)]
                taught[at[0] : at[1]] = True
            wanted = np.zeros(1441, np.bool_)
            for times in expected:
                assert times is not None
                wanted[times[0] : times[1]] = True
            assert (taught == wanted).all(), (teacher, label)
            compared += len(solved.hours)
    assert compared > 26 * 4 * 5


def table(*rows: str) -> str:
    return "\ufeff" + HEADER + "".join(row + "\n" for row in rows)


STAFF = "staff_id,username,role,contract_start,contract_end,bell_group\nT1,t1,teacher,,,\nT2,t2,teacher,,,\n"
BELLS = (
    "schedule,weekday,slot,kind,start,end,group\nnormal,*,P1,lesson,09:00,10:00,*\nnormal,*,P2,lesson,10:00,11:00,*\n"
)
PRESENT = {"staff.csv": STAFF, "bells.csv": BELLS, "calendar.csv": TERM}


def test_teachers_are_split_and_students_are_dropped() -> None:
    found = imported({"x.csv": table('"1","Monday","P1","CANARY Jane Doe","Maths","T1+t2","","R1","CANARY"')}, PRESENT)
    assert cells(found, "timetable", "staff_id", "weekday", "slot") == [("T1", "1", "P1"), ("T2", "1", "P1")]
    assert b"CANARY" not in b"".join(found.merged.files.values())


def test_an_activity_without_a_time_is_left_out_and_told() -> None:
    found = imported(
        {"x.csv": table('"1","","","8A","Ma","T1","","",""', '"2","Mon","P2","8A","Ma","T1","","",""')}, PRESENT
    )
    assert len(rows_of(found, "timetable")) == 1
    assert found.readings[0].notes == ["1 activities have no time yet and are left out"]


def test_names_of_people_slots_days_and_subjects_can_be_said_and_are_remembered() -> None:
    rows = table('"1","First","Early","8A","Plan","Ann Other","","",""')
    said = ("person:Ann Other=T2", "slot:Early=P1", "day:First=3", "subject:Plan=ppa")
    found = imported({"x 2026-11-22.csv": rows}, PRESENT, *said)
    assert cells(found, "timetable", "staff_id", "weekday", "slot", "activity") == [("T2", "3", "P1", "ppa")]
    again = imported({"x 2026-11-29.csv": rows}, PRESENT, maps=found.maps)
    assert again.merged.files == found.merged.files


def test_breaks_between_clock_labels_are_guessed_and_shown() -> None:
    rows = table(*(f'"1","Monday","{h}","","Ma","T1","","",""' for h in ("9.00-10.00", "10.20 - 12.00", "12:40~14h00")))
    found = imported({"x.csv": rows}, {"staff.csv": STAFF, "calendar.csv": TERM})
    kinds = cells(found, "bells", "start", "end", "kind")
    assert kinds[1::2] == [("10:00", "10:20", "break"), ("12:00", "12:40", "lunch")]
    assert "10:00-10:20 break, 12:00-12:40 lunch" in found.readings[0].notes[0]
    assert state_at(found.school, "T1", "2026-11-16", "10:30") == "teaching"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ['"1","Monday","P1","8A","Ma","T9","","",""'],
            "x.csv:2: 'T9' is not in staff.csv; add the person there, or say",
        ),
        (
            ['"1","Monday","P7","8A","Ma","T1","","",""'],
            "x.csv:2: 'P7' is no slot of bells.csv; say which it is: --map",
        ),
        (['"1","Monday","Tutor 1","8A","Ma","T1","","",""'], "x.csv:2: 'Tutor 1' is no slot of bells.csv; say which"),
        (['"1","Monday","12:00-13:00","","Ma","T1","","",""'], "x.csv:2: no slot of bells.csv is from 12:00 to 13:00"),
        (['"1","Someday","P1","8A","Ma","T1","","",""'], "x.csv:2: 'Someday' is no day of a week"),
        (
            ['"1","Day 6","P1","8A","Ma","T1","","",""'],
            "x.csv:2: the cycle ends with 'Day 6', so it is neither one week",
        ),
        (['"1","","P1","8A","Ma","T1","","",""'], "x.csv:2: the activity has a day or an hour, but not both"),
        (['"1","Monday","P1","8A","Ma"'], "x.csv:2: the row has 5 cells where the header has 9; the file is not whole"),
        (['"1","Monday","P1","8'], "x.csv:2: the row cannot be read"),
    ],
)
def test_broken_tables_are_told_with_line_and_mend(rows: list[str], message: str) -> None:
    assert refused({"x.csv": table(*rows)}, PRESENT).startswith(message)


def test_a_missing_column_and_a_wrong_encoding_are_told() -> None:
    text = table('"1","Monday","P1","8A","Ma","T1","","",""')
    assert refused({"x.csv": text.replace('"Subject"', '"Thing"')}, PRESENT).startswith(
        "x.csv:1: missing column Subject;"
    )
    broken = text.removeprefix("\ufeff").replace("8A", "8Â").encode("cp1252")
    assert refused({"x.csv": broken}, PRESENT).startswith("x.csv:2: byte 0xc2 is not UTF-8; export it again")
