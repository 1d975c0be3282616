"""A small school with its files, quickly read: for tests of imports."""

from __future__ import annotations

from pathlib import Path

from tests.pipeline.schools import HEADERS

SETTINGS = """[school]
id = "ysgol-enghraifft"
name = "Ysgol Enghraifft"
zone = "Europe/London"
mode = "pseudonymous"
notice_date = 2026-09-01
"""
BELLS = """normal,*,P1,lesson,09:00,10:00,*
normal,*,P2,lesson,10:00,11:00,*
normal,*,BRK,break,11:00,11:20,*
"""
STAFF = "".join(f"T{n},t{n},,teacher,1,,,,\n" for n in range(1, 15))
LESSONS = "T1,*,1,P1,lesson,7A,B1,,\n"
ACCESS = (
    "name,role,staff_id,account\nSam Rees,network_manager,T3,\nAnn Bowen,head,T4,\nDewi Prys,dpo,,\n"
    "Mair Lloyd,chair_of_governors,,\n"
)


def make_school(folder: Path) -> Path:
    """The school's folder, with tables that can be read."""
    folder.mkdir()
    (folder / "schoolgate.toml").write_text(SETTINGS)
    (folder / "access.csv").write_text(ACCESS)
    tables = {
        "staff": STAFF,
        "bells": BELLS,
        "calendar": "2026-09-01,2026-12-18,term,Autumn\n",
        "timetable": LESSONS,
    }
    for table, rows in tables.items():
        (folder / f"{table}.csv").write_text(HEADERS[table] + "\n" + rows)
    return folder
