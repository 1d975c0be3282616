"""How many aggregate rows a second reach the embedded store: rows of `use_five`, in batches of 100,000.

    python -m tests.bench.store_insert [--batches 10] [--json] [--one-core] [--server]

The rows are made before the clock starts; timed are encoding, insert and fsync. Target: 500,000 rows/s on one core.
With `--server` they go to Debian's clickhouse-server, started here, over loopback (compressed): target 100,000 rows/s.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline import schema
from pipeline.native import Values, encode_block
from pipeline.server import ServerStore
from pipeline.store import Store, open_store
from pipeline.wire import Address
from tests.pipeline import servers

BATCH = 100_000
WORDS = {
    "school": 1,
    "kind": 10,
    "service": 60,
    "outcome": 5,
    "reason": 20,
    "policy": 1,
    "catalogue": 1,
    "timetable": 1,
}


def rows(seed: int) -> dict[str, Values]:
    """One batch: a day's five minutes, realistic numbers of different words, plain Python lists for words."""
    random = np.random.default_rng(seed)
    day = np.datetime64("2025-09-01", "D") + seed % 365

    def words(column: str, distinct: int) -> list[str]:
        return [f"{column}_{i}" for i in random.integers(0, distinct, BATCH)]

    columns: dict[str, Values] = {column: words(column, distinct) for column, distinct in WORDS.items()}
    columns["level"] = [("service", "kind", "all")[i] for i in random.integers(0, 3, BATCH)]
    columns["day"] = np.full(BATCH, day)
    columns["start"] = day.astype("M8[s]") + np.sort(random.integers(0, 288, BATCH)) * 300
    columns["minutes"] = random.integers(1, 100, BATCH)
    columns["bytes_up"] = (random.pareto(1.2, BATCH) * 500).astype("u8")
    columns["bytes_down"] = (random.pareto(1.1, BATCH) * 3000).astype("u8")
    return columns


@contextmanager
def _embedded() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder, "store")) as store:
        yield store


@contextmanager
def _server() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        process = servers.server(Path(folder))
        try:
            process.start()
            with ServerStore(Address((("127.0.0.1", process.port),), secure=False)) as store:
                yield store
        finally:
            process.kill()


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("--batches", type=int, default=10)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--one-core", action="store_true", help="keep the store's threads on one core")
    arguments.add_argument("--server", action="store_true", help="into a server over loopback, not into chDB")
    options = arguments.parse_args()
    if options.one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    made = [rows(seed) for seed in range(options.batches)]
    total = BATCH * options.batches
    start = time.perf_counter()
    for columns in made:
        encode_block(schema.BY_NAME["use_five"].types, columns)
    encoded = time.perf_counter() - start
    opened = _server() if options.server else _embedded()
    with opened as store:
        processor, start = time.process_time(), time.perf_counter()
        for number, columns in enumerate(made):
            store.insert("use_five", columns, f"bench/{number}")
        inserted, used = time.perf_counter() - start, time.process_time() - processor
        sql = (
            "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts "
            "WHERE active AND database = 'schoolgate' AND table = 'use_five'"
        )
        ((stored, size),) = store.query(sql).rows
    figures = {
        "rows": stored,
        "encode_rows_per_s": round(total / encoded),
        "insert_rows_per_s": round(total / inserted),
        "insert_rows_per_cpu_s": round(total / used),
        "bytes_per_row": round(int(str(size)) / total, 1),
        "resident_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(figures) if options.json else "\n".join(f"{k:22} {v:>12,}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
