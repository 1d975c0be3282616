"""A small school by hand, in which each edge case of domain.md 2.7 has somebody to happen to, and a way to ask it."""

from __future__ import annotations

from datetime import date

from pipeline.place import place_day
from pipeline.words import Allowed, Reason, State
from tests.pipeline.schools import school_of

TUESDAY, SUNDAY = date(2026, 11, 17), date(2026, 10, 25)
TERM = "2026-09-01,2026-12-18,term,Autumn"
STAFF = [
    "T1,t1,,teacher,,,,,KS3",
    "T2,t2,,teacher,,,,,KS4",
    "PT,pt,,teacher,,,,,KS3",  # works on Mondays, and on Tuesdays of week B
    "HD,hd,,leadership,,,,,KS3",
    "OF,of,,support,,,,,KS3",  # office, unpaid lunch
    "TA,ta,,support,,,,,KS3",  # assistant and midday supervisor
    "TR,tr,,trainee,,,,,KS3",  # no pattern
    "EX,ex,,teacher,,,2026-11-16,,KS3",  # has left
    "NG,ng,,teacher,,,,,",  # no bell group
]
BELLS = [
    "normal,*,GATE,before,08:25,08:40,*",
    "normal,*,REG,registration,08:40,09:00,*",
    "normal,*,P1,lesson,09:00,10:00,*",
    "normal,*,P2,lesson,10:00,11:00,*",
    "normal,*,BRK,break,11:00,11:20,*",
    "normal,*,P3,lesson,11:20,12:20,*",
    "normal,*,LUN,lunch,12:20,13:00,KS3",
    "normal,*,P4,lesson,13:00,14:00,KS3",
    "normal,*,P4,lesson,12:20,13:20,KS4",
    "normal,*,LUN,lunch,13:20,14:00,KS4",
    "normal,*,P5,lesson,14:00,15:00,*",
    "normal,*,BUS,after,15:00,15:20,*",
    "exams,*,P1,lesson,09:30,12:00,*",
    "exams,*,LUN,lunch,12:00,13:00,*",
]
PATTERNS = [
    *(f"{who},,,*,2,08:25,15:20,,," for who in ("T1", "T2", "NG")),
    "PT,,,*,1,08:25,15:20,,,",
    "PT,,,B,2,08:25,15:20,,,",
    "OF,,,*,2,08:00,16:00,12:30,13:10,",
    "TA,,,*,2,08:40,14:00,12:20,13:00,",
    "TA,,,*,2,12:40,13:20,,,",
]
TIMETABLE = [
    "T1,A,2,REG,lesson,,,,",
    "T1,A,2,P1,lesson,,,,",
    "T1,A,2,P2,ppa,,,,",
    "T1,A,2,P4,lesson,,,,",
    "T2,A,2,P4,lesson,,,,",
    "T1,B,2,P5,lesson,,,,",
    "HD,A,2,P1,lesson,,,,",
    "HD,A,2,P2,meeting,,,,",
    "HD,A,2,P3,leadership,,,,",
    "TR,A,2,P1,lesson,,,,",
]
DUTIES = ["T1,*,2,BRK,,break,Yard,2026-09-01,2026-12-18", "T2,*,2,15:20,15:40,bus,Bay,2026-09-01,2026-12-18"]
BASE = {
    "staff": STAFF,
    "bells": BELLS,
    "patterns": PATTERNS,
    "timetable": TIMETABLE,
    "duties": DUTIES,
    "calendar": [TERM, "2026-11-16,,week_a,"],
}
YES, NO, UNKNOWN = "yes", "no", "unknown"


def minute_of(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def at(who: str, clock: str, day: date = TUESDAY, margin: int = 0, **tables: list[str]) -> tuple[str, str, str]:
    """State, allowed and reason of a minute; keyword `more_X` adds rows to a table, `X` replaces it."""
    changed = dict(BASE)
    for name, rows in tables.items():
        table = name.removeprefix("more_")
        changed[table] = [*changed.get(table, []), *rows] if name != table else rows
    school = school_of(changed, margin)
    plan, minute = place_day(school, day), minute_of(clock)
    person = school.numbers[who]
    codes = (plan.state[person, minute], plan.allowed[person, minute], plan.reason[person, minute])
    return list(State)[codes[0]].value, list(Allowed)[codes[1]].value, list(Reason)[codes[2]].value
