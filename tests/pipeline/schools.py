"""Small schools for tests: from rows as text, or random ones from a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from random import Random

from pipeline.school import School, SchoolError, parse_school
from pipeline.settings import SchoolSettings

HEADERS = {
    "staff": "staff_id,username,email,role,fte,contract_start,contract_end,department,bell_group",
    "patterns": "staff_id,valid_from,valid_to,week,weekday,start,end,unpaid_break_start,unpaid_break_end,kind",
    "bells": "schedule,weekday,slot,kind,start,end,group",
    "calendar": "date_from,date_to,kind,value",
    "timetable": "staff_id,week,weekday,slot,activity,class,room,valid_from,valid_to",
    "duties": "staff_id,week,weekday,slot_or_start,end,kind,place,valid_from,valid_to",
    "exceptions": "date,staff_id,start_or_slot,end,kind,ref,entered_at",
    "official_sites": "site_id,service,account,administrators,moderators,purpose,audience,contributors,host,"
    "line_manager,lm_approved_on,network_manager,nm_approved_on,head,head_approved_on,go_live,closure,review_on",
    "devices": "mac,asset_tag,hostname,assigned_staff_id,shared,valid_from,valid_to,ownership",
}
Tables = dict[str, list[str]]
GRID = 10  # random times are multiples of this many minutes
DAYS = [date(2026, 11, 16) + timedelta(days) for days in range(7)]


def files_of(tables: Mapping[str, Sequence[str]]) -> dict[str, bytes]:
    """The files of rows without their headers."""
    return {f"{name}.csv": "\n".join([HEADERS[name], *rows, ""]).encode() for name, rows in tables.items()}


def school_of(
    tables: Mapping[str, Sequence[str]], margin: int = 5, missing: Sequence[str] = (), **settings: object
) -> School:
    """A school in Europe/London from rows by table."""
    values = {"id": "test", "name": "Test", "zone": "Europe/London", "boundary_margin_min": margin, **settings}
    return parse_school(files_of(tables), SchoolSettings.model_validate(values), missing)


def hhmm(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def random_tables(seed: int) -> tuple[Tables, date]:
    """A random school of up to three people and a date on which much may hold."""
    rng = Random(seed)
    day = rng.choice(DAYS[:5] * 3 + DAYS[5:])
    people = [f"S{n}" for n in range(rng.randint(1, 3))]
    tables: Tables = {"staff": [], "bells": _bells(rng, day)}
    names = sorted({row.split(",")[2] for row in tables["bells"]}) or ["P1", "BRK"]

    def times() -> tuple[str, str]:
        start = rng.randrange(7 * 60, 17 * 60, GRID)
        return hhmm(start), hhmm(start + GRID * rng.randint(1, 18))

    def when() -> str:
        return f"{rng.choice(names)}," if rng.random() < 0.6 else ",".join(times())

    def valid() -> str:
        first = rng.choice(["", "2026-09-01", "2026-11-18", "2026-12-01"] if rng.random() < 0.3 else ["", "2026-09-01"])
        return f"{first},{rng.choice(['', '2027-01-01', '2026-12-01'])}"

    def letter() -> str:
        return rng.choice("**AB")

    def weekday() -> int:
        return day.isoweekday() if rng.random() < 0.8 else rng.randint(1, 7)

    for who in people:
        role = rng.choice(["teacher", "teacher", "support", "support", "leadership", "trainee", "governor"])
        end = "2026-11-01" if rng.random() < 0.05 else ""
        tables["staff"].append(f"{who},u{who},,{role},1,,{end},,{rng.choice(['KS3', 'KS4', '', 'ZZ'])}")
    tables["patterns"] = []
    for who in people if rng.random() < 0.9 else []:
        for _ in range(rng.randint(0, 3)):
            start, end = times()
            free = f"{start},{hhmm(int(start[:2]) * 60 + int(start[3:]) + GRID)}" if rng.random() < 0.3 else ","
            row = f"{who},{valid()},{letter()},{weekday()},{start},{end},{free},contracted"
            if loads({**tables, "patterns": [*tables["patterns"], row]}):  # not paid twice
                tables["patterns"].append(row)
    tables["timetable"] = [
        f"{rng.choice(people)},{letter()},{weekday()},{rng.choice(names)},"
        f"{rng.choice(['lesson', 'lesson', 'lesson', 'ppa', 'meeting', 'free', 'released', 'unknown'])},,,{valid()}"
        for _ in range(rng.randint(0, 6))
    ]
    sorts = ["break", "bus", "cover_standby"]
    tables["duties"] = [
        f"{rng.choice(people)},{letter()},{weekday()},{when()},{rng.choice(sorts)},,{valid()}"
        for _ in range(rng.randint(0, 4))
    ]
    kinds = ["absent", "trip", "cover", "duty_swap_to", "duty_swap_from", "exam", "meeting", "inset", "closed", "leave"]
    kinds += ["cancelled", "cancelled", "duty", "released", "unclear"]
    tables["exceptions"] = []
    for _ in range(rng.choice([0, 0, 1, 2, 4, 6])):
        kind, who = rng.choice(kinds), rng.choice([*people, *people, "*"])
        whole = kind in {"absent", "trip", "inset", "closed", "leave", "released", "unclear"} and rng.random() < 0.3
        entered = rng.choice(["", "2026-11-01T08:00", "2026-11-02T08:00", "2026-11-03T08:00"])
        tables["exceptions"].append(f"{day},{who},{',' if whole else when()},{kind},,{entered}")
    tables["calendar"] = _calendar(rng, day)
    return tables, day


def _bells(rng: Random, day: date) -> list[str]:
    rows: list[str] = []
    if rng.random() < 0.08:
        return rows
    for schedule in ("normal", "other"):
        for weekday in ["*", str(day.isoweekday())] if rng.random() < 0.3 else ["*"]:
            for group in ["*", "KS3", "KS4"] if rng.random() < 0.7 else ["*"]:
                wide = group == "*"
                cuts = sorted(rng.sample(range(8 * 60, 16 * 60, GRID), 8 if wide else 3))
                slots = rng.sample(["P1", "P2", "P3", "BRK", "LUN", "REG"], len(cuts) - (3 if wide else 1))
                slots = ["GATE", *slots, "BUS"] if wide else slots
                kinds = {"BRK": "break", "LUN": "lunch", "REG": "registration", "BUS": "after", "GATE": "before"}
                for slot, start, end in zip(slots, cuts, cuts[1:], strict=False):
                    kind = kinds.get(slot, "lesson")
                    if rng.random() < 0.9:
                        rows.append(f"{schedule},{weekday},{slot},{kind},{hhmm(start)},{hhmm(end)},{group}")
    return rows


def _calendar(rng: Random, day: date) -> list[str]:
    rows = []
    if rng.random() < 0.9:
        rows.append("2026-09-01,2026-12-18,term,Autumn")
    for _ in range(rng.choice([0, 1, 1, 1, 1, 2])):
        rows.append(f"2026-11-16,2026-11-20,week_{rng.choice('ab')},")
    for kind, chance in (("holiday", 0.03), ("closure", 0.03), ("bank_holiday", 0.03), ("inset", 0.12), ("inset", 0.1)):
        if rng.random() < chance:
            value = rng.choice(["", "Day one", "09:00-12:30", "15:30-17:00"]) if kind == "inset" else ""
            rows.append(f"{day},{day},{kind},{value}")
    for _ in range(rng.choice([0, 0, 0, 1, 2, 3])):
        first = day - timedelta(rng.randint(0, 3))
        last = rng.choice(["", day + timedelta(rng.randint(0, 3))])
        rows.append(f"{first},{last},bell_override,{rng.choice(['normal', 'other'])}")
    return rows


def loads(tables: Mapping[str, Sequence[str]]) -> bool:
    """Are these files free of faults?"""
    try:
        school_of(tables)
    except SchoolError:
        return False
    return True
