"""Prints how right the sensor is on real captures.

    python -m tests.sensor.golden_report [--json] [--per-file] [--missed]

SCHOOLGATE_CAPTURES names the folder (see tests.sensor.golden). The exit status is 1 where the sensor is below what
tests/sensor/test_golden.py asks for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.sensor.golden import Case, Golden, What, captures_folder, measure

LEAST = {What.NAME: 0.995, What.ANSWER: 0.99, What.HOST: 0.99}


def good_enough(golden: Golden) -> bool:
    return not golden.wrong and not golden.broken and all(golden.share(what) >= least for what, least in LEAST.items())


def counted(cases: Iterable[tuple[str, Case]]) -> list[dict[str, Any]]:
    """Right and all cases for each label, in order of the labels."""
    right, total = Counter[str](), Counter[str]()
    for label, case in cases:
        right[label] += case.right
        total[label] += 1
    return [{"of": label, "right": right[label], "cases": total[label]} for label in sorted(total)]


def tables(golden: Golden, per_file: bool) -> dict[str, list[dict[str, Any]]]:
    """The same figures three ways: by what was read, by class, by file."""
    found = {
        "all": counted((case.what, case) for case in golden.cases),
        "class": counted((f"{case.what}: {kind}", case) for case in golden.cases for kind in case.classes),
    }
    if per_file:
        found["file"] = counted((f"{case.file}: {case.what}", case) for case in golden.cases)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sensor.golden_report", description="How right on real captures."
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--per-file", action="store_true", help="also a table with a row for each capture")
    parser.add_argument("--missed", action="store_true", help="also list what was missed")
    options = parser.parse_args()
    folder = captures_folder()
    if folder is None:
        print("set SCHOOLGATE_CAPTURES to a folder with captures and truth_sni.jsonl", file=sys.stderr)
        return 2
    golden = measure(folder)
    found = tables(golden, options.per_file)
    missed = {what: golden.missed(what) for what in What} if options.missed else {}
    if options.json:
        print(
            json.dumps(
                {**found, "wrong": golden.wrong, "broken": golden.broken, **({"missed": missed} if missed else {})}
            )
        )
    else:
        for title, lines in found.items():
            print(f"| {title} | right | of | share |\n|---|---|---|---|")
            for line in lines:
                print(f"| {line['of']} | {line['right']} | {line['cases']} | {line['right'] / line['cases']:.2%} |")
            print()
        for what, lost in missed.items():
            for text in lost:
                print(f"missed {what}: {text}")
        print(f"{len(golden.wrong)} wrong names, {len(golden.broken)} captures ended badly")
        for text in [*golden.wrong, *golden.broken]:
            print(f"  {text}")
    return 0 if good_enough(golden) else 1


if __name__ == "__main__":
    sys.exit(main())
