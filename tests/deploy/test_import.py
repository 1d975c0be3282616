"""`schoolgate import`: looking, applying, listing, taking back; killed at any moment; what was dropped is nowhere."""

from __future__ import annotations

import json
import shutil
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.assembly import read_school
from deploy.cli import schoolgate
from pipeline.imports import journal
from pipeline.imports.versions import Versions
from pipeline.school import table_paths
from pipeline.settings import FeedSettings
from tests.pipeline.schools import HEADERS

SETTINGS = '[school]\nid = "s"\nname = "S"\nzone = "Europe/London"\n'
STAFF = "T1,t1,,teacher,1,,,,\nT2,t2,,teacher,1,,,,\n"
LESSONS = "T1,*,1,P1,lesson,7A,B1,,\n"


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def school(tmp_path: Path) -> Path:
    folder = tmp_path / "school"
    folder.mkdir()
    (folder / "schoolgate.toml").write_text(SETTINGS)
    put(folder / "staff.csv", "staff", STAFF)
    put(folder / "bells.csv", "bells", "normal,*,P1,lesson,09:00,10:00,*\nnormal,*,P2,lesson,10:00,11:00,*\n")
    put(folder / "calendar.csv", "calendar", "2026-09-01,2026-12-18,term,Autumn\n")
    put(folder / "timetable.csv", "timetable", LESSONS)
    return folder


def put(path: Path, table: str, rows: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(HEADERS[table] + "\n" + rows)
    return path


def run(school: Path, *words: object) -> Result:
    return CliRunner().invoke(schoolgate, ["import", *map(str, words), "--school", str(school)])


def well(school: Path, *words: object) -> str:
    done = run(school, *words)
    assert done.exit_code == 0, done.stderr
    return done.stdout


def contents(school: Path) -> dict[str, bytes]:
    """The school's files, without what imports keep beside them."""
    return {path.name: path.read_bytes() for path in school.iterdir() if path.is_file()}


def versions_of(school: Path) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(well(school, "list", "--json"))
    return listed


def new_lessons(school: Path, slot: str = "P2") -> Path:
    return put(
        school.parent / "new" / "timetable.csv", "timetable", f"T1,*,1,{slot},lesson,,,,\nT2,*,2,P1,lesson,,,,\n"
    )


def test_a_dry_run_shows_the_difference_and_keeps_nothing(school: Path) -> None:
    before = contents(school)
    shown = well(school, new_lessons(school), "--dry-run")
    assert "timetable.csv: 1 rows now, 2 after: 2 added, 1 removed" in shown
    assert "  T1: + Mon P2 lesson; - Mon P1 lesson 7A B1" in shown
    assert "This was a dry run: nothing is kept." in shown
    assert contents(school) == before
    assert not (school / "imports").exists()


def test_an_import_waits_is_applied_and_is_taken_back_byte_for_byte(school: Path) -> None:
    (school / "timetable.csv").write_bytes(("\ufeff" + HEADERS["timetable"] + "\r\n" + LESSONS).encode())
    (school / "timetable.csv").chmod(0o640)
    before = contents(school)
    assert "Import 0001 waits; nothing has changed yet." in well(school, new_lessons(school))
    assert contents(school) == before
    applied = well(school, "apply")
    assert "Import 0001 is in force: timetable.csv." in applied
    changed = contents(school)
    assert changed["timetable.csv"] == new_lessons(school).read_bytes()
    assert stat.S_IMODE((school / "timetable.csv").stat().st_mode) == 0o640
    assert {name for name in changed if changed[name] != before[name]} == {"timetable.csv"}
    assert "taken back: 0001; restored: timetable.csv" in well(school, "rollback")
    assert contents(school) == before
    assert [version["status"] for version in versions_of(school)] == ["taken back", "in force"]


def test_a_file_that_was_not_there_is_gone_again(school: Path) -> None:
    duties = put(school.parent / "new" / "duties.csv", "duties", "T1,*,1,P1,,gate,,,2026-12-18\n")
    before = contents(school)
    well(school, duties, "--apply")
    assert (school / "duties.csv").is_file()
    well(school, "rollback", "1")
    assert contents(school) == before


def test_the_record_tells_source_time_person_and_timetable_version(school: Path) -> None:
    well(school, new_lessons(school), "--apply")
    (version,) = versions_of(school)
    assert version["files"][0]["name"] == "timetable.csv"
    assert len(version["files"][0]["sha256"]) == 64
    assert version["who"]
    assert version["applied"].endswith("Z")
    assert version["school_version"] == read_school(school).school.version
    listed = well(school, "list")
    assert f"timetable version {version['school_version']}" in listed
    assert "0001  in force" in listed


def test_several_are_taken_back_together_and_one_after_the_other(school: Path) -> None:
    states = [contents(school)]
    for slot in ("P1", "P2"):
        well(school, new_lessons(school, slot), "--apply")
        states.append(contents(school))
    well(school, "rollback")
    assert contents(school) == states[1]
    well(school, "rollback")
    assert contents(school) == states[0]
    for slot in ("P1", "P2"):
        well(school, new_lessons(school, slot), "--apply")
    assert "taken back: 0005, 0006" in well(school, "rollback", "5")
    assert contents(school) == states[0]


def test_edits_by_hand_are_not_lost_unasked(school: Path) -> None:
    well(school, new_lessons(school))
    put(school / "timetable.csv", "timetable", LESSONS * 1 + "T2,*,3,P1,lesson,,,,\n")
    done = run(school, "apply")
    assert (done.exit_code, done.stderr) == (
        1,
        "schoolgate: timetable.csv has changed since import 0001 was read; import timetable.csv again\n",
    )
    well(school, new_lessons(school), "--apply")
    put(school / "timetable.csv", "timetable", LESSONS)
    done = run(school, "rollback")
    assert done.exit_code == 1
    assert done.stderr.startswith("schoolgate: timetable.csv was changed by hand after import 0002; say --force")
    assert (school / "timetable.csv").read_text() == HEADERS["timetable"] + "\n" + LESSONS
    well(school, "rollback", "--force")
    assert "T2,*,3,P1,lesson" in (school / "timetable.csv").read_text()


@pytest.mark.parametrize("words", [("apply",), ("apply", "7"), ("rollback",), ("rollback", "0007")])
def test_what_is_not_there_cannot_be_applied_or_taken_back(school: Path, words: tuple[str, ...]) -> None:
    done = run(school, *words)
    assert done.exit_code == 1
    assert done.stderr.startswith("schoolgate: no import ")


def test_broken_input_is_one_line_and_leaves_everything_as_it_was(school: Path) -> None:
    well(school, new_lessons(school), "--apply")
    before = {path: path.read_bytes() for path in school.rglob("*") if path.is_file()}
    broken = {
        "timetable.csv": HEADERS["timetable"] + "\nT9,*,1,P1,lesson,,,,\n",
        "staff.csv": HEADERS["staff"] + "\n" + STAFF + "T1,x,,teacher,1,,,,\n",
        "GPU001.TXT": '1,"5A","T1","Ma","R",1,1\n2,"5A","T2","Ma","R',
        "duties.ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n",
        "x_timetable.csv": '"Activity Id","Day","Hour","Subject","Teachers"\n"1","Monday","P1"\n',
    }
    for name, text in broken.items():
        path = school.parent / "new" / name
        path.write_text(text)
        for more in ((), ("--apply",), ("--dry-run",)):
            done = run(school, path, "--to", "2026-12-18", "--from", "2026-09-01", *more)
            assert done.exit_code == 1
            assert done.stderr.startswith(f"schoolgate: {name}:")
            assert done.stderr.count("\n") == 1
            assert done.stdout == ""
    big = school.parent / "new" / "exceptions.csv"
    with big.open("wb") as out:
        out.truncate(200 << 20)
    done = run(school, big, "--apply")
    assert (done.exit_code, done.stderr.startswith("schoolgate: exceptions.csv:1: the file has 200 MB")) == (1, True)
    assert {path: path.read_bytes() for path in school.rglob("*") if path.is_file()} == before


def test_nothing_that_was_dropped_lies_anywhere(school: Path) -> None:
    new = school.parent / "new"
    new.mkdir()
    (new / "cover.csv").write_text(
        HEADERS["exceptions"] + ",Reason\n2026-11-16,T1,,,absent,CANARY,,CANARY\n2026-11-16,T2,P1,,cover,,,CANARY\n"
    )
    (new / "GPU013.TXT").write_text('9,"L","T1","20261116","20261116","","","CANARY","CANARY",\n')
    (new / "feed.ics").write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:CANARY\r\nDTSTART:20261117T110000\r\n"
        "DTEND:20261117T112000\r\nSUMMARY:Meeting about CANARY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    for words in (("cover.csv", "--as", "exceptions"), ("GPU013.TXT",), ("feed.ics", "--person", "T1")):
        shown = well(school, new / words[0], *words[1:], "--apply")
        assert "CANARY" not in shown
    well(school, "rollback")
    for path in school.rglob("*"):
        assert "CANARY" not in path.name
        assert path.is_dir() or b"CANARY" not in path.read_bytes(), path


def test_a_column_map_is_remembered_beside_the_imports(school: Path) -> None:
    export = school.parent / "Staff list 2026-11-22.csv"
    export.write_text("Ref,Logon,Role,Start,End,Tier\nT1,t1,teacher,,,\nT2,t2,teacher,,,\n")
    said = ["--map", "staff_id=Ref", "--map", "contract_start=Start", "--map", "contract_end=End"]
    well(school, export, "--as", "staff", *said, "--apply")
    export = export.rename(school.parent / "Staff list 2026-11-29.csv")
    shown = well(school, export, "--as", "staff")
    assert "staff_id <- 'Ref'" in shown
    assert "nothing changes" in shown
    assert json.loads((school / "imports" / "maps.json").read_text())["staff list"]["staff_id"] == "Ref"


# --- killed at any moment


def test_killed_at_any_write_the_files_belong_together(school: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All old or all new for every reader, and the next command ends what was begun."""
    new = school.parent / "new"
    put(new / "staff.csv", "staff", STAFF + "T3,t3,,teacher,1,,,,\n")
    put(new / "timetable.csv", "timetable", "T3,*,1,P1,lesson,,,,\n")
    put(new / "duties.csv", "duties", "T3,*,1,P1,,gate,,,2026-12-18\n")
    well(school, *sorted(new.iterdir()))
    old = read_school(school).school.version
    whole = journal.write_whole
    seen = set()
    for writes in range(1, 40):
        copy = school.parent / f"copy{writes}"
        shutil.copytree(school, copy)
        left = [writes]

        def killed(
            path: Path, data: bytes, like: Path | None = None, *, private: bool = False, left: list[int] = left
        ) -> None:
            left[0] -= 1
            if left[0] == 0:
                path.with_name(f".{path.name}.new").write_bytes(data[: len(data) // 2])
                raise Killed
            whole(path, data, like, private=private)

        for module in ("journal", "versions"):
            monkeypatch.setattr(f"pipeline.imports.{module}.write_whole", killed)
        versions = Versions(copy, table_paths(copy, FeedSettings()))
        with suppress(Killed):
            versions.apply(None, "somebody")
        monkeypatch.setattr("pipeline.imports.journal.write_whole", whole)
        monkeypatch.setattr("pipeline.imports.versions.write_whole", whole)
        found = read_school(copy).school
        assert (len(found.staff), found.timetable[0].person, len(found.duties)) in {(2, 0, 0), (3, 2, 1)}
        seen.add(found.version)
        well(copy, "apply") if found.version == old else run(copy, "apply")
        assert len(read_school(copy).school.staff) == 3
        assert [v.status for v in versions.all()] == ["in force"]
        assert not list((copy / "imports" / "0001").glob("after*"))
        well(copy, "rollback")
        assert contents(copy) == contents(school)
        if left[0] > 0:
            break
    assert len(seen) == 2
    assert left[0] > 0


def test_who_reads_while_imports_are_applied_reads_files_that_belong_together(school: Path) -> None:
    new = school.parent / "new"
    put(new / "staff.csv", "staff", STAFF.replace("T1", "T3"))
    put(new / "timetable.csv", "timetable", LESSONS.replace("T1", "T3"))
    well(school, *sorted(new.iterdir()))
    versions = Versions(school, table_paths(school, FeedSettings()))
    done = threading.Event()
    wrong: list[Exception] = []
    reads: list[str] = []

    def read() -> None:
        while not done.is_set() or not reads:
            try:  # a lesson of somebody who is not in staff.csv would be refused
                reads.append(read_school(school).school.staff[0].staff_id)
            except Exception as error:
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    versions.apply(None, "somebody")
    for _ in range(15):
        versions.rollback(None, "somebody")
        waiting = versions.add(
            {}, {n: (new / n).read_bytes() for n in ("staff.csv", "timetable.csv")}, {}, versions.all()[0]
        )
        versions.apply(waiting.id, "somebody")
    done.set()
    reader.join()
    assert not wrong
    assert set(reads) <= {"T1", "T3"}


def test_old_versions_are_forgotten_but_their_records_stay(school: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.imports.versions.KEPT", 3)
    for number in range(5):
        well(school, new_lessons(school, f"P{number % 2 + 1}"), "--apply")
    own = school / "imports"
    assert len(list(own.glob("*/version.json"))) == 5
    assert len(list(own.glob("*/before"))) == 3
    done = run(school, "rollback", "1")
    assert done.stderr.startswith("schoolgate: the files from before import 0001 are no longer kept")


def test_bank_holidays(school: Path) -> None:
    shown = well(school, "bank-holidays", "--from", "2026-09-01", "--to", "2027-08-31", "--apply")
    assert "+ on 2026-12-25 bank_holiday Christmas Day" in shown
    again = well(school, "bank-holidays", "--from", "2026-09-01", "--to", "2027-08-31", "--dry-run")
    assert "calendar.csv: 10 rows now, 10 after: nothing changes" in again


@pytest.mark.parametrize(
    "words", [("x.csv",), ("--as", "nonsense", "staff.csv"), ("--map", "day:X=9", "staff.csv"), ()]
)
def test_wrong_usage(school: Path, words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(schoolgate, ["import", *words])
    assert done.exit_code == 2
    assert done.stdout == ""
