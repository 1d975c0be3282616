"""The numbers of the design, measured: python -m tests.bench [WHAT...] [--quick] [--rounds N] [--json] [--markdown]

Without WHAT everything but `found` and `queries`, in less than a quarter of an hour. --quick takes a few minutes, with
captures of a tenth of the size, to see that it works: its figures mean little. `--json` prints everything unrounded,
`--markdown` the table as README has it. `--save FILE` also keeps the JSON, and `--read FILE` prints from that instead
of measuring. Nothing is installed: a peer that is missing is named, with the command that gets it (`deploy/peers` gets
them all).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sensor.bench import machine
from tests.bench import live, parts
from tests.bench.captures import Captures
from tests.bench.parts import Bench
from tests.bench.table import Report, Row, from_json, markdown, text, to_json

QUICK = 0.1


def live_part(bench: Bench) -> Iterator[Row]:
    """Live, if this machine lets us."""
    if why := live.lacking():
        bench.lacking.append(why)
        return
    yield from live.rows() if bench.captures.scale == 1 else live.rows(5.0, 2.0)


PARTS: dict[str, tuple[Callable[[Bench], Iterator[Row]], str]] = {
    "sensor": (parts.sensor, "kernel and full sensor beside the header-touch limit"),
    "edits": (parts.edits, "what watching wikis costs the full sensor"),
    "names": (parts.names, "handshake storms and QUIC: packets and named flows a second"),
    "memory": (parts.memory, "memory of a million flows"),
    "start": (parts.start, "warm start to the first packet"),
    "cores": (parts.cores, "two workers on two cores"),
    "way": (parts.way, "replay: capture file to tagged aggregates"),
    "judge": (parts.judge, "place and judge; rows into the store"),
    "year": (parts.year, "a year of a school in the store: questions, opening, memory, size"),
    "queries": (parts.queries, "every named query on that year, each with its target"),
    "peers": (parts.peers, "ndpiReader, NFStream and nfpcapd on the same files"),
    "live": (live_part, "packets lost on a veth pair, by rate (root)"),
    "found": (parts.found, "names on real captures (SCHOOLGATE_CAPTURES), ours and the peers'"),
}
NOT_UNASKED = ("found", "queries")


def run(wanted: Sequence[str], rounds: int, quick: bool) -> Report:
    """Measures these parts, one after the other."""
    scale, lacking = QUICK if quick else 1.0, list[str]()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="schoolgate-bench-") as name:
        bench = Bench(Captures(Path(name), scale), Path(name), rounds, lacking)
        for part in wanted:
            print(f"measuring {part}: {PARTS[part][1]}", file=sys.stderr)
            try:
                rows.extend(PARTS[part][0](bench))
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:  # the other parts are worth having
                lacking.append(f"{part} failed: {error}")
    settings = {"rounds": rounds} | ({"captures scaled by": scale} if quick else {})
    return Report(machine(), settings, tuple(rows), tuple(lacking))


def main() -> None:
    listed = "\n".join(f"  {name:8} {what}" for name, (_, what) in PARTS.items())
    arguments = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=f"{(__doc__ or '').partition(': python')[0]}\n\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument(
        "what", nargs="*", choices=[*PARTS, []], metavar="WHAT", help="all but found and queries by default"
    )
    arguments.add_argument("--rounds", type=int, default=5, help="medians of so many rounds (peers, replay: at most 3)")
    arguments.add_argument("--quick", action="store_true", help="captures of a tenth of the size, short live trials")
    arguments.add_argument("--read", type=Path, help="print from a --save of an earlier run, measure nothing")
    arguments.add_argument("--save", type=Path, help="also write the JSON to this file")
    shape = arguments.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true")
    shape.add_argument("--markdown", action="store_true", help="the table as README has it")
    options = arguments.parse_args()
    if options.read:
        report = from_json(options.read.read_text(encoding="utf-8"))
    else:
        wanted = options.what or [name for name in PARTS if name not in NOT_UNASKED]
        report = run(wanted, max(1, options.rounds), options.quick)
    if options.save:
        options.save.write_text(to_json(report) + "\n", encoding="utf-8")
    print(to_json(report) if options.json else markdown(report) if options.markdown else text(report))


if __name__ == "__main__":
    main()
