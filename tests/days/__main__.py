"""Generates school days, replays them and prints how right the product was: python -m tests.days [--seeds 10] [--json].

The sample day, and days drawn from seeds (pcaps.school_days): their frames are read by the sensor and judged by the
Assessor, and the minutes are held against the day's own truth, which knows nothing of rules (tests.days.score says how
minutes are counted). All of it goes through frames; no slice is made up. Nothing is kept unless --keep names a folder.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.days.play import SAMPLE, run
from tests.days.score import Score


def line(name: str, found: Score) -> str:
    return (
        f"{name:8} {found.scored:8,} {found.people_minutes:8,} {found.harmless.total():9,} {found.false.total():6}"
        f" {found.false_rate:7.2f} {found.due.total():6,} {found.missed.total():7} {found.missed_share:7.1%}"
        f" {found.used.total():7,} {found.certain_share:8.1%} {found.unfound.total():8,}"
    )


HEAD = (
    f"{'day':8} {'scored':>8} {'persons':>8} {'harmless':>9} {'false':>6} {'/10,000':>7} {'due':>6} {'missed':>7}"
    f" {'share':>7} {'used':>7} {'certain':>8} {'unfound':>8}"
)


def by_behaviour(total: Score) -> list[str]:
    """False tags, misses and certainty by behaviour, as text."""
    lines = ["", "false outside_allowed by behaviour (of harmless person-minutes)"]
    for name in sorted(set(total.harmless) | set(total.false), key=lambda n: (-total.false[n], -total.harmless[n])):
        lines.append(f"  {name:32} {total.false[name]:6} of {total.harmless[name]:8,}")
    lines += ["", "missed real use outside the allowed times"]
    for name in sorted(total.due, key=lambda n: (-total.missed[n], -total.due[n])):
        lines.append(f"  {name:32} {total.missed[name]:6} of {total.due[name]:8,}")
    lines += ["", "use whose outcome is certain"]
    for name in sorted(total.used, key=lambda n: -total.used[n]):
        lines.append(
            f"  {name:32} {total.certain[name]:6,} of {total.used[name]:8,}, not found {total.unfound[name]:,}"
        )
    return [*lines, "", *(f"  {n:6,} {why}" for why, n in total.why.most_common())]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.days", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=10, help="how many generated days (default 10)")
    parser.add_argument(
        "--first", type=int, default=0, help="the first seed (default 0); the sample day goes before seed 0"
    )
    parser.add_argument("--share", type=float, default=0.6, help="share of the staff who do anything (default 0.6)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--errors", type=int, default=0, help="how many single errors to print (default none)")
    parser.add_argument("--keep", type=Path, help="keep the days in this folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    names = [*([SAMPLE] if given.first == 0 else []), *map(str, range(given.first, given.first + given.seeds))]
    total, days = Score(), dict[str, Score]()
    if not given.json:
        print(HEAD)
    with ProcessPoolExecutor(given.jobs, multiprocessing.get_context("spawn")) as pool:
        for name, found in zip(names, pool.map(partial(run, share=given.share, keep=given.keep), names), strict=True):
            days[name] = found
            total.add(found)
            if not given.json:
                print(line(name, found), flush=True)
    if given.json:
        json.dump({"days": {n: asdict(d) for n, d in days.items()}, "total": asdict(total)}, sys.stdout)
    else:
        print(line("all", total), *by_behaviour(total), *total.errors[: given.errors], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
