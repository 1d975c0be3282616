"""Many rounds of chaos on the sample day: `python -m tests.chaos ROUNDS [--seed N]`, which deploy/chaos calls.

Prints a line a round: seed, faults, starts, and whether the store is exactly that of an undisturbed run. Ends with 1 at
the first round that is not, and keeps its folder; the seed plays the same faults again, though never the same instants.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from pcaps.sample_school.facts import HERE, SAMPLE_DAY, SEED
from pcaps.sample_school.generate import generate
from tests.chaos.files import cut
from tests.chaos.rounds import play, undisturbed
from tests.chaos.servers import play as play_server

SCALE = 0.02  # of the day's bytes; its flows and minutes are all there


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rounds", type=int)
    parser.add_argument("--server", action="store_true", help="into Debian's ClickHouse server, which is struck, too")
    parser.add_argument("--seed", type=int, default=1, help="of the first round (default: 1)")
    chosen = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="chaos-"))
    shutil.copytree(HERE, place / "school")
    generate(place / "school", SAMPLE_DAY, SEED, SCALE, lambda step, share: None)
    tables = cut(place / "school", place / "school" / "day.pcap", place / "tables")
    day = undisturbed(place / "school", place / "tables", place / "undisturbed")
    print(f"{tables} tables, {day.took_s:.1f} s undisturbed", flush=True)
    struck: Counter[str] = Counter()
    exact = 0
    for seed in range(chosen.seed, chosen.seed + chosen.rounds):
        folder = place / f"round-{seed}"
        round_ = (play_server if chosen.server else play)(day, folder, seed)
        struck.update(kind for _, kind in round_.faults)
        listed = ", ".join(f"{kind} at {at} s" for at, kind in round_.faults) or "over before the first fault"
        print(f"seed {seed}: {listed}; {round_.starts} starts, {round_.complaints} refusals: ", end="")
        twice = f"complete, {round_.doubled} rows twice" if round_.doubled else "exact"
        exact += not round_.doubled
        print("; ".join(round_.wrong) or twice, flush=True)
        if round_.wrong:
            print(f"see {folder}")
            return 1
        shutil.rmtree(folder)
    faults = ", ".join(f"{kind} {n}" for kind, n in sorted(struck.items()))
    each = "each time" if exact == chosen.rounds else f"{exact} times, else complete with rows twice"
    print(f"For CHANGELOG: {chosen.rounds} rounds, {struck.total()} faults ({faults}): totals exact {each}")
    shutil.rmtree(place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
