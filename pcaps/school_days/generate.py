"""A school day by seed: a school's folder with tables, settings, feeds, the capture, and the truth of the day.

    python -m pcaps.school_days.generate OUT_DIR --seed 3 [--share 1.0]

writes OUT_DIR/schoolgate.toml, the CSV tables, OUT_DIR/feeds/, OUT_DIR/day.pcap and OUT_DIR/truth.jsonl. The same seed
and share give the same bytes. Frames larger than the wire's, as a capture with receive offload shows them, keep the
files small; their lengths are those of the bytes sent.

A line of truth is one deed of a person or a program with one site: {"behaviour", "label" (use, official, embedded,
background, pupil), "staff_id" (who really did it or sat there; null for nobody known), "device", "service", "tagged"
(the policy is about it; else the school only counts it), "hidden" (the hello was encrypted), "minutes": [[UTC minute
since 1970, level, state, allowed, near, proved], ...]}. level: 2 the person did something in this minute, 1 a page or
program did, 0 only a connection ended. near: less than the school's margin from a change of what is allowed. proved:
the feeds show who sat there. All of it is written from the script; the product's rules have no part in it. What nobody
but those present could know is not scripted, such as a colleague at a screen left open.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
from datetime import datetime, time
from pathlib import Path
from random import Random

from pcaps.sample_school.frames import Writer
from pcaps.sample_school.make_school import TOML
from pcaps.sample_school.packets import Shelf
from pcaps.sample_school.wire import SEGMENT, Wire
from pcaps.school_days.browser import Deed
from pcaps.school_days.feeds import ZONE, feed_files
from pcaps.school_days.hosts import SITES, directory
from pcaps.school_days.rota import Rota, allowed, near_change
from pcaps.school_days.script import Script
from pcaps.school_days.tables import School, build, header

OFFLOADED = 40 * SEGMENT


def settings(school: School, feeds: dict[str, tuple[str, str]]) -> str:
    """schoolgate.toml of the school."""
    text = TOML.replace("ysgol-enghraifft", f"ysgol-{school.seed}").replace("Ysgol Enghraifft", f"Ysgol {school.seed}")
    text = text.replace("boundary_margin_min = 5", f"boundary_margin_min = {school.margin}")
    named = "".join(f'{setting} = "feeds/{name}"\n' for setting, (name, _) in feeds.items())
    return re.sub(r"kea_leases = .*\nlogons = .*\n", named, text)


def write_school(school: School, feeds: dict[str, tuple[str, str]], out: Path) -> None:
    """Settings, CSV tables and feeds."""
    (out / "feeds").mkdir(parents=True, exist_ok=True)
    (out / "schoolgate.toml").write_text(settings(school, feeds), encoding="utf-8")
    for name, contents in feeds.values():
        (out / "feeds" / name).write_text(contents, encoding="utf-8", newline="")
    for name, rows in school.tables.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header(name))
        writer.writerows(rows)
        (out / f"{name}.csv").write_text(text.getvalue(), encoding="utf-8", newline="")


def truth_rows(script: Script, midnight: int) -> list[dict[str, object]]:
    """The deeds of a day, with the state of their minutes."""
    answers = {who: allowed(states) for who, states in script.states.items()}
    near = {who: near_change(day, script.school.margin) for who, day in answers.items()}

    def minute(deed: Deed, local: int, level: int) -> list[object]:
        who, at = deed.staff_id, midnight // 60 + local
        if not who:
            return [at, level, "", "unknown", False, False]
        proved = script.network.proved(deed.device, who, local)
        return [at, level, script.states[who][local], answers[who][local], near[who][local], proved]

    return [
        {
            "behaviour": deed.behaviour,
            "label": deed.label,
            "staff_id": deed.staff_id or None,
            "device": deed.device,
            "segment": script.network.machines[deed.device].segment,
            "service": deed.service,
            "tagged": deed.service in SITES and SITES[deed.service].tagged,
            "hidden": deed.hidden,
            "minutes": [minute(deed, local, level) for local, level in sorted(deed.minutes.items())],
        }
        for deed in script.deeds
        if deed.minutes
    ]


def generate(out: Path, seed: int, share: float = 1.0) -> int:
    """Write a day into `out`; returns the number of packets. `share` of the staff do anything."""
    school = build(seed)
    midnight = int(datetime.combine(school.day, time(), ZONE).timestamp())
    wire = Wire(Random(f"wire {seed}"), directory(), OFFLOADED)
    script = Script(school, Rota(school), wire, midnight * 10**9, share)
    write_school(school, feed_files(script.network, midnight), out)
    count = Writer(wire, Shelf(seed, directory().aliases, copies=2), seed).write(out / "day.pcap", lambda share: None)
    lines = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in truth_rows(script, midnight))
    (out / "truth.jsonl").write_text(lines, encoding="utf-8", newline="")
    return count


def main() -> None:
    about, _, detail = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m pcaps.school_days.generate",
        description=about,
        epilog=detail,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--seed", type=int, default=0, help="which school and day (default 0)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the staff who do anything (default 1.0)")
    given = parser.parse_args()
    print(f"{given.out / 'day.pcap'}: {generate(given.out, given.seed, given.share):,} packets")


if __name__ == "__main__":
    main()
