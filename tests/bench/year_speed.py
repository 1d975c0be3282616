"""A year of timetable and a day tagged again: seconds, one core. Run: python -m tests.bench.year_speed [--json]

The school has 200 staff: the sample school's 60, some of them several times, its terms stretched to a year, and
fifteen dated exceptions a day. `read` is its files; `year` every minute of every person of 365 dates; `day` a date
computed anew and its traffic of 600 devices judged (a million slices); `retag` what a correction costs: the files read
and that day's minute marks judged anew in the store, when sixty people turn out to have been away.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from random import Random

from pcaps.sample_school.facts import HERE
from pipeline.assess import Assessor
from pipeline.gather import Clients, gather, window_starts
from pipeline.place import Planner
from pipeline.profile import load_profile
from pipeline.pseudonym import Pseudonyms
from pipeline.retag import retag
from pipeline.school import School, parse_school
from pipeline.settings import SchoolSettings
from pipeline.store import open_store
from tests.bench.judge_speed import bindings, made_up
from tests.pipeline.judging import DAY, small_catalogue

STAFF, FIRST, DAYS = 200, date(2026, 9, 1), 365
SLICES = 1_000_000
LAST = FIRST + timedelta(DAYS - 1)
Table = list[dict[str, str]]


def files() -> dict[str, bytes]:
    """The school's files, by name."""
    tables = {path.name: _read(path) for path in sorted(HERE.glob("*.csv"))}
    ids = [row["staff_id"] for row in tables["staff.csv"]]
    clones = [(ids[n % len(ids)], "" if n < len(ids) else f"x{n // len(ids)}") for n in range(STAFF)]
    for name in ("staff.csv", "patterns.csv", "timetable.csv", "duties.csv"):
        own: dict[str, Table] = {}
        for row in tables[name]:
            own.setdefault(row["staff_id"], []).append(row)
        tables[name] = [_renamed(row, who + suffix, suffix) for who, suffix in clones for row in own.get(who, ())]
    tables["calendar.csv"] = _calendar()
    tables["exceptions.csv"] = _exceptions([who + suffix for who, suffix in clones])
    del tables["devices.csv"], tables["official_sites.csv"]
    return {name: _written(rows) for name, rows in tables.items()}


def measure() -> dict[str, float]:
    """Processor seconds of each part."""
    data = files()
    start = time.process_time()
    school = _school(data)
    read = time.process_time()
    planner = Planner(school)
    for n in range(DAYS):
        planner.plan(FIRST + timedelta(n))
    compiled = time.process_time()

    catalogue, profile, known = small_catalogue(), load_profile("cwmbran"), bindings(school)
    traffic_table = made_up(SLICES, "07:00", 11 * 60)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.process_time()
        judge = Assessor(_school(data), catalogue, profile, known, Pseudonyms(Path(folder) / "keys"))
        judge.places.plan(DAY.toordinal())
        clients = Clients()
        traffic, counts = gather(traffic_table, clients, judge.scope)
        rows = judge.rows(traffic, clients, window_starts(traffic, counts), counts)
        end = time.process_time()
        with open_store(Path(folder) / "store") as store:
            for start_, tables in rows.items():
                for table, columns in tables.items():
                    store.insert(table, columns, str(start_))
            away = [f"{DAY},{person.staff_id},P2,,trip,," for person in school.staff[::3]]
            data["exceptions.csv"] += "\n".join([*(f"{line}{DAY}T16:00" for line in away), ""]).encode()
            again = time.process_time()
            anew = Assessor(_school(data), catalogue, profile, None, Pseudonyms(Path(folder) / "keys"))
            (done,) = retag(store, anew, [DAY], dry_run=False)
            retagged = time.process_time() - again
    found = {"staff": STAFF, "days": DAYS, "read": read - start, "year": compiled - read, "day": end - begin}
    return found | {"retag": retagged, "marks": done.looked, "changed": done.changed}


def main() -> None:
    """Measures and prints."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--json", action="store_true")
    options = arguments.parse_args()
    found = measure()
    if options.json:
        print(json.dumps(found))
        return
    print(f"read   {found['read']:6.2f} s   files of {STAFF} staff")
    print(f"year   {found['year']:6.2f} s   {DAYS} days of {STAFF} staff compiled")
    print(f"day    {found['day']:6.2f} s   a day of {SLICES:,} slices judged")
    marks = f"{found['marks']:,} minutes judged anew, {found['changed']:,} changed"
    print(f"retag  {found['retag']:6.2f} s   a day re-tagged in the store: files read, {marks}")


def _school(data: dict[str, bytes]) -> School:
    settings = {"id": "year", "name": "Year", "zone": "Europe/London", "mode": "pseudonymous", "notice_date": FIRST}
    return parse_school(data, SchoolSettings.model_validate(settings))


def _renamed(row: dict[str, str], who: str, suffix: str) -> dict[str, str]:
    row = {**row, "staff_id": who}
    if "username" in row:
        row["username"] = ";".join(name + suffix for name in row["username"].split(";") if name)
    if row.get("valid_to"):
        row["valid_to"] = LAST.isoformat()
    return row


def _calendar() -> Table:
    weeks = [
        (FIRST + timedelta(7 * n - FIRST.weekday()), FIRST + timedelta(7 * n + 4 - FIRST.weekday())) for n in range(53)
    ]
    rows = [(FIRST, LAST, "term", "A year"), (date(2026, 12, 21), date(2027, 1, 1), "holiday", "")]
    rows += [(monday, friday, f"week_{'ab'[n % 2]}", "") for n, (monday, friday) in enumerate(weeks)]
    names = ("date_from", "date_to", "kind", "value")
    return [dict(zip(names, (a.isoformat(), b.isoformat(), kind, value), strict=True)) for a, b, kind, value in rows]


def _exceptions(people: list[str]) -> Table:
    rng = Random(1)
    rows = []
    for n in range(DAYS):
        day = FIRST + timedelta(n)
        if day.isoweekday() < 6:
            for who in rng.sample(people, 15):
                kind, slot = rng.choice([("absent", ""), ("cover", "P2"), ("cover", "P3"), ("cancelled", "P1")])
                rows.append(
                    {"date": day.isoformat(), "staff_id": who, "start_or_slot": slot, "end": "", "kind": kind}
                    | {"ref": "", "entered_at": f"{day}T07:50"}
                )
    return rows


def _read(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _written(rows: Table) -> bytes:
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return text.getvalue().encode()


if __name__ == "__main__":
    main()
