"""The school's files are taken up when they change, and not before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deploy.assembly import SchoolError, SchoolWatch, read_school

SAMPLE = Path(__file__).parents[2] / "pcaps" / "sample_school" / "school"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "school"))


def test_nothing_is_read_again_while_nothing_changes(folder: Path) -> None:
    watch = SchoolWatch(read_school(folder))
    assert watch.renewed() is None
    assert watch.renewed() is None


def test_a_new_line_in_a_feed_is_taken_up_once(folder: Path) -> None:
    watch = SchoolWatch(read_school(folder))
    logons = read_school(folder).settings.feeds.logons
    assert logons is not None
    with logons.open("a") as feed:
        feed.write("2026-11-17T16:59:00Z,4624,LT-001,t01,SCHOOL,0x1,2,-,LT-001\n")
    assert watch.renewed() is not None
    assert watch.renewed() is None


def test_a_new_timetable_is_another_import(folder: Path) -> None:
    files = read_school(folder)
    watch = SchoolWatch(files)
    duties = folder / "duties.csv"
    duties.write_text("\n".join(duties.read_text().splitlines()[:-1]) + "\n")
    renewed = watch.renewed()
    assert renewed is not None
    assert renewed.versions["timetable"] != files.school.version


def test_a_broken_file_is_named_and_the_mended_one_taken_up(folder: Path) -> None:
    watch = SchoolWatch(read_school(folder))
    staff = folder / "staff.csv"
    good = staff.read_text()
    staff.write_text(good + "half a row\n")
    with pytest.raises(SchoolError, match=r"staff\.csv:\d+: "):
        watch.renewed()
    assert watch.renewed() is None
    staff.write_text(good + "\n")
    assert watch.renewed() is not None
