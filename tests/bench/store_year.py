"""One year of a school of 1,500 devices in a store: its size, how long it takes to open, and every named question.

    python -m tests.bench.store_year [--folder DIR] [--json] [--rounds 7]

The year is made up, with the numbers of a real one: 195 school days with 200 staff who use 40 services, and 170 days on
which little more than the sensor's own counts come. Its rows are judged as the pipeline's are: three levels, all staff
and three groups, five minutes from 7 to 18 o'clock, twelve bell slots; episodes of 28 days, marks of 7. Questions with
days from and to are asked for a week, and for the whole year, which no page does. Measured in a process of its own that
only opens the store: opening, resident memory, the median of each question, and what it costs the processors. Target:
200 ms each, opening 2 s, 600 MiB, 15 MB on disk per million rows, 10 GB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.native import Values
from pipeline.schema import BY_NAME, DATABASE
from pipeline.store import Store, open_store

SCHOOL, ZONE = "ysgol-mawr", "Europe/London"
FIRST, DAYS = date(2025, 9, 1), 365
LAST = FIRST + timedelta(DAYS - 1)
BREAKS = ((date(2025, 10, 27), 5), (date(2025, 12, 22), 12), (date(2026, 2, 16), 5), (date(2026, 3, 30), 12),
          (date(2026, 5, 25), 5), (date(2026, 7, 21), 42))  # fmt: skip
KINDS = ("social_networking", "microblog", "chatroom", "forum", "blog", "content_sharing", "bookmarking",
         "encyclopaedia", "podcast", "other")  # fmt: skip
SERVICES = tuple(f"service_{n:02}" for n in range(40))
REASONS = {
    "allowed": ("break", "lunch", "outside_hours", "non_contact_allowed"),
    "outside_allowed": ("teaching", "duty"),
    "official_possible": ("official_site",),
    "count_only": ("non_contact", "shared_device", "device_grade"),
    "unknown": ("no_person", "boundary", "duty_data_missing", "ambiguous"),
}
CELLS = [(outcome, reason) for outcome, reasons in REASONS.items() for reason in reasons]
METRICS = (
    *(f"metric_{n:02}" for n in range(24)),
    *("packets", "ring_drops", "nic_drops", "slices", "flows", "flows_named", "flows_ech", "minutes_use"),
    *("minutes_person", "minutes_timetabled", "slices_staff", "slices_pupil", "slices_guest", "slices_unknown"),
)
GROUPS = ("all", "other", "support", "teaching")
SLOTS = ("", "Reg", "P1", "P2", "Break", "P3", "P4", "Lunch", "P5", "P6", "Club", "Detention")
Table = dict[str, Values]


def is_school_day(day: date) -> bool:
    """Whether the school is open."""
    return day.isoweekday() < 6 and not any(begin <= day < begin + timedelta(length) for begin, length in BREAKS)


def month_tables(days: list[date], rng: np.random.Generator) -> Iterator[tuple[str, Table]]:
    """The rows of these days, table by table."""
    open_days = [day for day in days if is_school_day(day)]
    yield "coverage", _coverage(days, rng)
    yield "batch", _batches(days)
    if open_days:
        yield "use_five", _uses(open_days, rng, 132, 30, lambda d, n: {"start": _at(d) + 7 * 3600 + n * 300})
        slots = np.array(SLOTS)
        yield "use_period", _uses(
            open_days, rng, len(GROUPS) * len(SLOTS), 70,
            lambda d, n: {
                "period": slots[n % len(SLOTS)].tolist(),
                "period_kind": ["lesson" if slot[:1] == "P" else slot.lower() for slot in slots[n % len(SLOTS)]],
                "people": np.array(GROUPS)[n // len(SLOTS)].tolist(),
            },
        )  # fmt: skip
        yield "use_day", _uses(open_days, rng, len(GROUPS), 160, lambda d, n: {"people": np.array(GROUPS)[n].tolist()})
        yield "bell", _bells(open_days)
        recent = [day for day in open_days if day > LAST - timedelta(60)]  # the last ones before the holidays
        if recent:
            yield "episode", _personal("episode", recent[-20:], 25, rng)
            yield "minute_mark", _personal("minute_mark", recent[-5:], 2500, rng)


def fill(store: Store) -> int:
    """The whole year, a month at a time; returns the rows."""
    rng, rows = np.random.default_rng(1), 0
    days = [FIRST + timedelta(n) for n in range(DAYS)]
    for month in sorted({(day.year, day.month) for day in days}):
        for table, columns in month_tables([day for day in days if (day.year, day.month) == month], rng):
            rows += store.insert(table, columns, f"{SCHOOL}/{month}")
    info = {"school": SCHOOL, "name": "Ysgol Mawr", "zone": ZONE, "mode": "pseudonymous", "notice": "2025-09-01"}
    info |= {"group_sizes": '{"all": 200, "teaching": 120, "support": 60, "other": 20}', "version": "v1"}
    store.insert("school_info", {**{name: [value] for name, value in info.items()}, "updated": [0]}, "info")
    return rows


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """What a process that only reads this store finds; milliseconds."""
    from dashboards.queries import questions

    start, processor = time.perf_counter(), time.process_time()
    with open_store(folder) as store:
        opened, opening = time.perf_counter() - start, time.process_time() - processor
        week = LAST - timedelta(60)
        day = next(d for d in (week + timedelta(n) for n in range(7)) if is_school_day(d))
        found: dict[str, float] = {}
        cost: dict[str, float] = {}
        for name, question in questions().items():
            spans = [("", day - timedelta(day.weekday()), day - timedelta(day.weekday()) + timedelta(6))]
            if "from" in question.params:
                spans.append((" (year)", FIRST, LAST))
            for label, first, last in spans:
                values = {"school": SCHOOL, "zone": ZONE, "day": day, "from": first, "to": last}
                took, used = [], []
                for _ in range(rounds):
                    start, processor = time.perf_counter(), time.process_time()
                    store.query(question.sql, {p: values[p] for p in question.params})
                    took.append((time.perf_counter() - start) * 1000)
                    used.append((time.process_time() - processor) * 1000)
                found[name + label] = round(statistics.median(took), 1)
                cost[name + label] = round(statistics.median(used), 1)
        sizes = store.query(
            "SELECT table, sum(rows), sum(bytes_on_disk), count() FROM system.parts "
            f"WHERE active AND database = '{DATABASE}' GROUP BY table ORDER BY table"
        ).rows
    tables = {str(name): [int(str(n)) for n in numbers] for name, *numbers in sizes}
    rows, disk = (sum(numbers[n] for numbers in tables.values()) for n in (0, 1))
    slowest = max(found, key=lambda name: found[name])
    return {
        "rows": rows,
        "disk_mb": round(disk / 1e6, 1),
        "mb_per_million_rows": round(disk / rows, 2),
        "open_s": round(opened, 2),
        "open_processor_s": round(opening, 2),
        "resident_mib": int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024,
        "slowest": slowest,
        "slowest_ms": found[slowest],
        "questions_ms": found,
        "questions_processor_ms": cost,
        "tables": tables,
    }


def main() -> None:
    """Makes the year unless the folder has it, measures it in another process, prints."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--folder", type=Path, help="folder of the store; kept, and used again")
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--only-measure", action="store_true", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.only_measure:
        print(json.dumps(measure(options.folder, options.rounds)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch, "store")
        filled = None
        if not folder.exists():
            with open_store(folder) as store:
                start = time.perf_counter()
                rows = fill(store)
                filled = rows / (time.perf_counter() - start)
        command = [sys.executable, "-m", "tests.bench.store_year", "--only-measure", "--folder", str(folder)]
        done = subprocess.run([*command, "--rounds", str(options.rounds)], stdout=subprocess.PIPE, check=True)
        found = json.loads(done.stdout)
    if filled:
        found["made_and_stored_rows_per_s"] = round(filled)
    if options.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        if not isinstance(value, dict):
            print(f"{name:28} {value:>12,}" if not isinstance(value, str) else f"{name:28} {value:>12}")
    for name, (rows, size, parts) in found["tables"].items():
        print(f"  table {name:20} {rows:>12,} rows {size / rows:8.2f} B each, {parts} parts")
    for name, took in sorted(found["questions_ms"].items(), key=lambda item: -item[1]):
        print(f"  {name:30} {took:8.1f} ms, {found['questions_processor_ms'][name]:8.1f} ms of processors")


def _at(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86_400


def _uses(days: list[date], rng: np.random.Generator, cells: int, per_cell: int, place: Any) -> Table:
    """Rows of use: `cells` places a day with about `per_cell` rows at three levels each."""
    shares = {"service": 0.7, "kind": 0.22, "all": 0.08}
    parts: list[Table] = []
    for day in days:
        for level, share in shares.items():
            number = np.sort(rng.integers(0, cells, int(cells * per_cell * share)))
            service = np.minimum((rng.pareto(1.1, len(number)) * 3).astype(int), len(SERVICES) - 1)
            cell = rng.integers(0, len(CELLS), len(number))
            keys = np.unique(number * 10_000 + service * 100 + cell)  # a sum has one row
            number, service, cell = keys // 10_000, keys // 100 % 100, keys % 100
            parts.append(
                {
                    "day": [day] * len(keys),
                    **place(day, number),
                    "level": [level] * len(keys),
                    "kind": [KINDS[n % len(KINDS)] if level != "all" else "" for n in service],
                    "service": [SERVICES[n] if level == "service" else "" for n in service],
                    "outcome": [CELLS[n][0] for n in cell],
                    "reason": [CELLS[n][1] for n in cell],
                    "minutes": rng.integers(1, 40, len(keys)),
                    "bytes_up": (rng.pareto(1.2, len(keys)) * 20_000).astype("i8") % (1 << 40),
                    "bytes_down": (rng.pareto(1.1, len(keys)) * 200_000).astype("i8") % (1 << 40),
                }
            )
    return _finished(parts)


def _coverage(days: list[date], rng: np.random.Generator) -> Table:
    parts: list[Table] = []
    metrics = list(METRICS)
    for day in days:
        seen = len(metrics) if is_school_day(day) else 22
        size = 288 * seen
        scale = np.tile(10.0 ** (np.arange(seen) % 7), 288)
        parts.append(
            {
                "day": [day] * size,
                "start": np.repeat(_at(day) + np.arange(288) * 300, seen),
                "metric": metrics[-seen:] * 288,
                "value": (rng.lognormal(0, 1, size) * scale).astype("u8"),
            }
        )
    return _finished(parts)


def _batches(days: list[date]) -> Table:
    starts = np.concatenate([_at(day) + np.arange(288) * 300 for day in days])
    names = [f"{SCHOOL}/eth1/{start // 60}" for start in starts.tolist()]
    part: Table = {"batch": names, "stored": starts + 900, "window": starts, "rows": np.full(len(starts), 90)}
    return _finished([part])


def _bells(days: list[date]) -> Table:
    n = len(SLOTS) - 1
    parts: list[Table] = []
    for day in days:
        starts = _at(day) + 8 * 3600 + 2400 * np.arange(n)
        columns: Table = {"day": [day] * n, "slot": list(SLOTS[1:]), "kind": ["lesson"] * n, "start": starts}
        parts.append({**columns, "end": starts + 2400, "week": ["A"] * n})
    return _finished(parts)


def _personal(table: str, days: list[date], per_day: int, rng: np.random.Generator) -> Table:
    size = len(days) * per_day
    at = np.repeat([_at(day) for day in days], per_day) + rng.integers(8 * 60, 16 * 60, size) * 60
    known: Table = {
        "day": [day for day in days for _ in range(per_day)],
        "id": [f"e{n:015x}" for n in rng.integers(0, 1 << 60, size)],
        "episode": [f"e{n:015x}" for n in rng.integers(0, 1 << 60, size)],
        "pseudonym": [f"p{n:012x}" for n in rng.integers(0, 200, size)],
        "service": [SERVICES[n] for n in rng.integers(0, len(SERVICES), size)],
        "kind": [KINDS[0]] * size,
        "start": at,
        "last": at + 300,
        "minute": at,
        "minutes": np.full(size, 6),
        "revision": np.zeros(size, "u4"),
        "why": [json.dumps({"evidence": "sni", "bursts": int(n), "bytes": int(n) * 997}) for n in at % 9973],
        "sums": [json.dumps([int(n), int(n) % 31]) for n in at],
    }
    types = BY_NAME[table].types
    words = {name: ["word"] * size for name in types if name not in known and name != "school"}
    return _finished([{name: known.get(name, words.get(name, [])) for name in types if name != "school"}])


def _finished(parts: list[Table]) -> Table:
    """Parts one after the other, with the columns that are the same in every row."""
    columns: Table = {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        if isinstance(values[0], np.ndarray):
            columns[name] = np.concatenate(values)  # type: ignore[arg-type]
        else:
            columns[name] = [value for piece in values for value in piece]
    size = len(next(iter(columns.values())))
    columns["school"] = [SCHOOL] * size
    columns |= {"policy": ["cwmbran.1a2b3c"] * size, "catalogue": ["2026.01"] * size, "timetable": ["f00d"] * size}
    return columns


if __name__ == "__main__":
    main()
