"""One year of a school of 1,500 devices in a store: its size, how long it takes to open, and every named question.

    python -m tests.bench.store_year [--folder DIR] [--json] [--rounds 7]

The year is made up (`tests.sample_year`). Questions with days from and to are asked for a week, and for the whole year,
which no page does. Measured in a process of its own that only opens the store: opening, resident memory, the median of
each question, and what it costs the processors. Target: 200 ms each, opening 2 s, 600 MiB, 15 MB on disk per million
rows, 10 GB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipeline.schema import DATABASE
from pipeline.store import open_store
from tests.sample_year import FIRST, LAST, SCHOOL, ZONE, fill, is_school_day


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
                values |= {"kind": "all", "group": "all"}
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


if __name__ == "__main__":
    main()
