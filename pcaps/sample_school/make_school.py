"""Writes the made-up school "Ysgol Enghraifft": schoolgate.toml, the canonical CSV files and the sample day's feeds.

Everything is drawn from fixed seeds: `python -m pcaps.sample_school.make_school` gives the same bytes each time.
Nobody here exists: staff are T01, L01, S01 ..., addresses end in `.example`, hardware addresses come from a range that
virtual machines use. It knows nothing of traffic; `pcaps.sample_school.script` decides what people do.
"""

from __future__ import annotations

import argparse
import csv
import io
from datetime import date, timedelta
from pathlib import Path
from random import Random

from pcaps.sample_school.facts import HERE, SAMPLE_DAY, SEED, TERM
from pcaps.sample_school.generate import feeds
from pcaps.sample_school.people import (
    DEPARTMENTS,
    PART_TIME,
    Rows,
    bell_group,
    devices,
    official_sites,
    patterns,
    staff,
    teachers,
)

TAUGHT_FROM, TAUGHT_TO = "2026-09-03", "2026-12-18"
TUTORS = 28  # teachers with a form
LESSONS = ("P1", "P2", "P3", "P4", "P5")
# slot, kind, group, start, end: Monday to Thursday, then Friday
BELLS = (
    ("GATE", "before", "*", "08:25", "08:40"),
    ("REG", "registration", "*", "08:40", "09:00"),
    ("P1", "lesson", "*", "09:00", "10:00"),
    ("P2", "lesson", "*", "10:00", "11:00"),
    ("BRK", "break", "*", "11:00", "11:20"),
    ("P3", "lesson", "*", "11:20", "12:20"),
    ("LUN", "lunch", "KS3", "12:20", "13:05"),
    ("P4", "lesson", "KS3", "13:05", "14:05"),
    ("P4", "lesson", "KS4", "12:20", "13:20"),
    ("LUN", "lunch", "KS4", "13:20", "14:05"),
    ("P5", "lesson", "*", "14:05", "15:05"),
    ("BUS", "after", "*", "15:05", "15:20"),
)
FRIDAY = (
    ("GATE", "before", "*", "08:25", "08:40"),
    ("REG", "registration", "*", "08:40", "08:50"),
    ("P1", "lesson", "*", "08:50", "09:40"),
    ("P2", "lesson", "*", "09:40", "10:30"),
    ("BRK", "break", "*", "10:30", "10:50"),
    ("P3", "lesson", "*", "10:50", "11:40"),
    ("LUN", "lunch", "KS3", "11:40", "12:15"),
    ("P4", "lesson", "KS3", "12:15", "13:05"),
    ("P4", "lesson", "KS4", "11:40", "12:30"),
    ("LUN", "lunch", "KS4", "12:30", "13:05"),
    ("BUS", "after", "*", "13:05", "13:20"),
)
SHORT = (  # the last day of term
    ("REG", "registration", "*", "08:40", "09:30"),
    ("P1", "lesson", "*", "09:30", "10:20"),
    ("BRK", "break", "*", "10:20", "10:40"),
    ("P2", "lesson", "*", "10:40", "12:00"),
)


def week_of(day: date) -> str:
    """Week letter of a school day: teaching weeks alternate from 31 August 2026 and half term does not count."""
    monday = day - timedelta(days=day.weekday())
    count = (monday - date(2026, 8, 31)).days // 7
    return "AB"[(count - (monday > date(2026, 10, 26))) % 2]


def bells() -> Rows:
    rows: Rows = []
    for weekday in range(1, 6):
        for slot, kind, group, start, end in FRIDAY if weekday == 5 else BELLS:
            rows.append(("normal", str(weekday), slot, kind, start, end, group))
    for weekday in range(1, 6):
        for slot, kind, group, start, end in SHORT:
            rows.append(("short", str(weekday), slot, kind, start, end, group))
    return rows


def calendar() -> Rows:
    rows: Rows = [(TERM[0].isoformat(), TERM[1].isoformat(), "term", "Autumn 2026")]
    rows += [(d, d, "inset", "INSET") for d in ("2026-09-01", "2026-09-02", "2026-11-27")]
    rows.append(("2026-10-26", "2026-10-30", "holiday", "Half term"))
    rows.append(("2026-12-21", "2027-01-01", "holiday", "Christmas"))
    rows += [("2026-12-25", "2026-12-25", "bank_holiday", "Christmas Day")]
    rows += [("2026-12-28", "2026-12-28", "bank_holiday", "Boxing Day (substitute)")]
    rows += [("2027-01-01", "2027-01-01", "bank_holiday", "New Year's Day")]
    rows.append(("2026-12-18", "2026-12-18", "bell_override", "short"))
    monday = date(2026, 8, 31)
    while monday <= TERM[1]:
        if monday != date(2026, 10, 26):
            friday = monday + timedelta(days=4)
            rows.append((monday.isoformat(), friday.isoformat(), f"week_{week_of(monday).lower()}", ""))
        monday += timedelta(days=7)
    return rows


def _works(who: str, weekday: int, slot: str) -> bool:
    days = PART_TIME.get(who)
    if days is None:
        return True
    if weekday not in days:
        return False
    starts = {
        s: start for s, _, group, start, _ in (FRIDAY if weekday == 5 else BELLS) if group in {"*", bell_group(who)}
    }
    ends = {s: end for s, _, group, _, end in (FRIDAY if weekday == 5 else BELLS) if group in {"*", bell_group(who)}}
    return slot in starts and days[weekday][0] <= starts[slot] and ends[slot] <= days[weekday][1]


def timetable() -> Rows:
    """Both weeks. A free period is sometimes a `ppa` row and sometimes a gap: no row is not free time."""
    rows: Rows = []
    rng = Random("ysgol-enghraifft timetable")

    def add(who: str, week: str, day: int, slot: str, activity: str, group: str = "", room: str = "") -> None:
        rows.append((who, week, str(day), slot, activity, group, room, TAUGHT_FROM, TAUGHT_TO))

    for n, who in enumerate(teachers()):
        subject = DEPARTMENTS[n % 10][:2]
        for week in "AB":
            for day in range(1, 6):
                if n < TUTORS:
                    add(who, week, day, "REG", "lesson", f"{7 + n % 5}{'ABCDEF'[n // 5]}", f"B{n + 1:02}")
                for slot in LESSONS[: 4 if day == 5 else 5]:
                    taught, free = rng.random() < 0.8, rng.random() < 0.5
                    year = 7 + rng.randrange(5)
                    if not _works(who, day, slot):
                        continue
                    if taught:
                        add(
                            who,
                            week,
                            day,
                            slot,
                            "lesson",
                            f"{year}{'ABCDEF'[rng.randrange(6)]}/{subject}",
                            f"B{n + 1:02}",
                        )
                    elif free:
                        add(who, week, day, slot, "ppa")
    for n in range(1, 7):
        who = f"L{n:02}"
        for week in "AB":
            add(who, week, 2, "P2", "meeting", "", "SLT")
            for day, slot in ((1, "P3"), (2, "P4"), (3, "P1"), (4, "P5"))[: 4 if n > 2 else 2]:
                add(who, week, day, slot, "lesson", f"{7 + n % 5}A/{DEPARTMENTS[n][:2]}", f"C{n:02}")
    for n, who in enumerate(("S04", "S05", "S06", "S07", "S12")):
        for week in "AB":
            for day in range(1, 6):
                for slot in LESSONS[:3] if who == "S12" else LESSONS[: 4 if day == 5 else 5]:
                    if (n + day + int(slot[1])) % 6:
                        add(who, week, day, slot, "lesson", f"{7 + n % 5}B/support", f"B{n + 3:02}")
    return rows


def duties() -> Rows:
    """The rota. Break and gate are shared out; lunch is done by midday supervisors and a few volunteers."""
    rows: Rows = []
    full_time = [t for t in teachers() if t not in PART_TIME and t not in {"T03", "T12", "T33"}]
    turn = 0

    def add(who: str, week: str, day: int, start: str, end: str, kind: str, place: str) -> None:
        rows.append((who, week, str(day), start, end, kind, place, TAUGHT_FROM, TAUGHT_TO))

    for week in "AB":
        for day in range(1, 6):
            for k, place in enumerate(("Yard", "Canteen", "Field", "Main corridor", "Library")):
                add(full_time[(turn + k) % len(full_time)], week, day, "BRK", "", "break", place)
            add(f"L{day % 6 + 1:02}", week, day, "BRK", "", "break", "Yard")
            gate, bus = full_time[(turn + 11) % len(full_time)], full_time[(turn + 17) % len(full_time)]
            add(gate, week, day, "08:25", "08:40", "gate", "Front gate")
            add(bus, week, day, "13:05" if day == 5 else "15:05", "13:20" if day == 5 else "15:20", "bus", "Bus bay")
            lunch = [t for t in full_time[turn % len(full_time) :] + full_time if bell_group(t) == "KS3"][3]
            add(lunch, week, day, "LUN", "", "lunch", "Canteen")
            lunch = [t for t in full_time[turn % len(full_time) :] + full_time if bell_group(t) == "KS4"][4]
            add(lunch, week, day, "LUN", "", "lunch", "Canteen")
            start, end = ("11:40", "13:05") if day == 5 else ("12:20", "14:05")
            for who in ("S08", "S09"):
                add(who, week, day, start, end, "lunch", "Canteen" if who == "S08" else "Yard")
            add("S12", week, day, start, "12:40" if day == 5 else "13:20", "lunch", "Yard")
            turn += 7
    return rows


def _sample_rows(rows: Rows, who: str, slot: str) -> bool:
    """Does this person have a timetable row on the sample day (week A, Tuesday) in this slot?"""
    return any(r[0] == who and r[1] == "A" and r[2] == "2" and r[3] == slot for r in rows)


def exceptions(lessons: Rows, rota: Rows) -> Rows:
    """Dated exceptions around the sample day: absence with cover, trip, exam, meetings, duty swap, home working."""
    rows: Rows = []
    day = SAMPLE_DAY.isoformat()

    def add(
        who: str, start: str, end: str, kind: str, ref: str = "", entered: str = "2026-11-16T15:42:00", on: str = day
    ) -> None:
        rows.append((on, who, start, end, kind, ref, entered))

    free = [t for t in teachers() if t not in PART_TIME and t not in {"T33", "T19", "T22", "T03", "T12"}]
    add("T33", "", "", "absent", "", "2026-11-17T07:21:00")
    for slot in LESSONS:
        if any(r[:5] == ("T33", "A", "2", slot, "lesson") for r in lessons):
            cover = next(t for t in free if not any(r[:5] == (t, "A", "2", slot, "lesson") for r in lessons))
            free.remove(cover)
            add(cover, slot, "", "cover", "T33", "2026-11-17T07:48:00")
    add("T19", "09:00", "15:05", "trip", "museum", "2026-11-03T10:05:00")
    invigilator = next(t for t in free if any(r[:5] == (t, "A", "2", "P3", "lesson") for r in lessons))
    free.remove(invigilator)
    add(invigilator, "P3", "", "exam", "mock", "2026-11-10T12:00:00")
    free_p5 = next(t for t in free if not any(r[:5] == (t, "A", "2", "P5", "lesson") for r in lessons))
    add(free_p5, "P5", "", "meeting", "pupil review")
    for who in ("T04", "T14", "T24", "T34"):
        add(who, "15:25", "16:25", "meeting", "Science department", "2026-09-04T09:00:00")
    on_duty = [r[0] for r in rota if r[1] == "A" and r[2] == "2" and r[3] == "BRK" and r[0][0] == "T"]
    taker = next(t for t in free if t not in on_duty)
    add(on_duty[0], "BRK", "", "duty_swap_from", taker, "2026-11-17T08:10:00")
    add(taker, "BRK", "", "duty_swap_to", on_duty[0], "2026-11-17T08:10:00")
    add("S01", "13:05", "16:00", "home_working", "", "2026-11-12T11:30:00")
    add("T08", "", "", "absent", "", "2026-11-16T07:15:00", "2026-11-16")
    add("T30", "P2", "", "cover", "T08", "2026-11-16T07:50:00", "2026-11-16")
    add("T21", "", "", "leave", "", "2026-11-09T13:00:00", "2026-11-18")
    add("T26", "LUN", "", "duty_swap_from", "T27", "2026-11-17T14:30:00", "2026-11-19")
    add("T27", "LUN", "", "duty_swap_to", "T26", "2026-11-17T14:30:00", "2026-11-19")
    return sorted(rows, key=lambda r: (r[0], r[1], r[2]))


TOML = """\
# Ysgol Enghraifft: a made-up school. Nobody in these files exists.

[school]
id = "ysgol-enghraifft"
name = "Ysgol Enghraifft"
zone = "Europe/London"
mode = "pseudonymous"
notice_date = 2026-09-01
boundary_margin_min = 5
policy_profile = "cwmbran"

[feeds]
devices = "devices.csv"
kea_leases = "feeds/kea-leases4.csv"
logons = "feeds/logons.csv"

[[segment]]
segment = "staff"
vlans = [10]
subnets = ["10.20.0.0/21", "2001:db8:20:10::/64"]

[[segment]]
segment = "pupil"
vlans = [20]
subnets = ["10.20.32.0/19"]

[[segment]]
segment = "guest"
vlans = [30]
subnets = ["10.20.96.0/20"]
"""

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
    "access": "name,role,staff_id,account",
}
ACCESS = (  # who may ask, approve and read
    ("Sam Rees", "network_manager", "S11", ""),
    ("Ann Bowen", "head", "L01", ""),
    ("Dewi Prys", "dpo", "", ""),
    ("Mair Lloyd", "chair_of_governors", "", ""),
    ("Nia Pugh", "staff", "T03", ""),
)


def school_files() -> dict[str, str]:
    """Every file of the school but the feeds of a day: name to text."""
    lessons, rota = timetable(), duties()
    tables = {
        "staff": staff(), "patterns": patterns(), "bells": bells(), "calendar": calendar(), "timetable": lessons,
        "duties": rota, "exceptions": exceptions(lessons, rota), "official_sites": official_sites(),
        "devices": devices(), "access": ACCESS,
    }  # fmt: skip
    files = {"schoolgate.toml": TOML}
    for name, rows in tables.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADERS[name].split(","))
        writer.writerows(rows)
        files[f"{name}.csv"] = text.getvalue()
    return files


def write_school(out: Path) -> None:
    """Write the school's files, and beside them the feeds of the sample day, into a folder."""
    (out / "feeds").mkdir(parents=True, exist_ok=True)
    for name, text in school_files().items():
        (out / name).write_text(text, encoding="utf-8", newline="")
    for name, text in feeds(out, SAMPLE_DAY, SEED).items():
        (out / "feeds" / name).write_text(text, encoding="utf-8", newline="")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pcaps.sample_school.make_school", description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: the committed school)")
    write_school(parser.parse_args().out)


if __name__ == "__main__":
    main()
