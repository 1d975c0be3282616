"""One school day of Ysgol Enghraifft: a capture, the day's identity feeds, and the truth of what people did.

    python -m pcaps.sample_school.generate OUT_DIR [--seed 7] [--day 2026-11-17] [--scale 1.0]

writes OUT_DIR/day.pcap (nanosecond pcap of one mirror port, VLAN tags, 07:30 to 17:30 local time, bulk packets cut),
OUT_DIR/feeds/kea-leases4.csv, OUT_DIR/feeds/logons.csv and OUT_DIR/truth.jsonl. `--scale` shrinks pupils, guests and
noise; staff and the feeds stay whole. The same seed, day and scale give the same bytes.

A line of truth is one activity: {"staff_id" (who really did it; null for pupils, guests and unknown people), "device",
"segment", "service", "kind", "role_mix" (connections by role of the host), "from", "to" (local), "minutes" (UTC minutes
since 1970), "activity", "scripted", "grade", "state", "allowed", "expected_outcome" (null: nothing is stored, or a
boundary decides), "near_boundary"}. In a scripted use every one of its minutes is active and no other minute is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from pcaps.sample_school.facts import HERE, SAMPLE_DAY, SEED
from pcaps.sample_school.feeds import lease_file, logon_file
from pcaps.sample_school.frames import Writer
from pcaps.sample_school.network import network
from pcaps.sample_school.packets import Shelf
from pcaps.sample_school.rota import Rota, clock_of
from pcaps.sample_school.script import Script, Use
from pcaps.sample_school.services import SERVICES
from pcaps.sample_school.traffic import Traffic
from pcaps.sample_school.wire import Wire

ZONE = ZoneInfo("Europe/London")
Report = Callable[[str, float], None]


def midnight_of(day: date) -> int:
    """Unix seconds of the start of a local day."""
    return int(datetime.combine(day, time(), ZONE).timestamp())


def plan(school: Path, day: date, seed: int, scale: float) -> Script:
    """The script of a day, drawn from the tables of a school. ValueError for a day without school."""
    rota = Rota(school, day)
    return Script(rota, network(rota), seed, scale)


def feeds(school: Path, day: date, seed: int) -> dict[str, str]:
    """The day's identity feeds by file name. They do not depend on the scale."""
    script = plan(school, day, seed, 0.0)
    midnight = midnight_of(day)
    return {
        "kea-leases4.csv": lease_file(script.machines, midnight),
        "logons.csv": logon_file(script.sessions, script.machines, midnight),
    }


def truth_row(use: Use, roles: dict[str, int], midnight: int) -> dict[str, object]:
    first = midnight // 60 + use.start
    return {
        "staff_id": use.staff_id or None,
        "device": use.device,
        "segment": use.segment,
        "service": use.service,
        "kind": SERVICES[use.service].kind,
        "role_mix": roles,
        "from": clock_of(use.start),
        "to": clock_of(use.end),
        "minutes": list(range(first, first + use.end - use.start)),
        "activity": use.activity,
        "scripted": use.scripted,
        "grade": use.grade,
        "state": use.state or None,
        "allowed": use.allowed,
        "expected_outcome": use.expected,
        "near_boundary": use.near_boundary,
    }


def generate(out: Path, day: date, seed: int, scale: float, report: Report) -> int:
    """Write all files of a day into `out`; returns the number of packets."""
    report("script", 0.0)
    script = plan(HERE, day, seed, scale)
    midnight = midnight_of(day)
    wire = Wire(Random(f"wire {seed}"))
    traffic = Traffic(wire, midnight * 10**9, seed)
    rows = [truth_row(u, traffic.play(u, script.machines[u.device]), midnight) for u in script.uses]
    report("noise", 0.1)
    for machine in script.machines.values():
        traffic.noise(machine, scale)
    report("shapes of frames", 0.2)
    writer = Writer(wire, Shelf(seed), seed)
    (out / "feeds").mkdir(parents=True, exist_ok=True)
    count = writer.write(out / "day.pcap", lambda share: report("packets", 0.4 + 0.55 * share))
    for name, text in feeds(HERE, day, seed).items():
        (out / "feeds" / name).write_text(text, encoding="utf-8", newline="")
    lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (out / "truth.jsonl").write_text(lines, encoding="utf-8", newline="")
    report("done", 1.0)
    return count


def _bar(step: str, share: float) -> None:
    if sys.stderr.isatty():
        filled = round(30 * share)
        sys.stderr.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {share:4.0%} {step:18}" + "\n" * (share == 1.0))
    elif share in {0.0, 0.1, 0.2, 1.0}:
        sys.stderr.write(f"{share:4.0%} {step}\n")


def main() -> int:
    about, _, detail = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m pcaps.sample_school.generate",
        description=about,
        epilog=detail,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT_DIR", help="folder for day.pcap, feeds/ and truth.jsonl")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of everything random (default 7)")
    parser.add_argument("--day", type=date.fromisoformat, default=SAMPLE_DAY, help="school day (default 2026-11-17)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of pupils, guests and noise (default 1.0)")
    given = parser.parse_args()
    try:
        count = generate(given.out, given.day, given.seed, given.scale, _bar)
    except ValueError as wrong:
        parser.error(str(wrong))
    size = (given.out / "day.pcap").stat().st_size
    print(f"{given.out / 'day.pcap'}: {count:,} packets, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
