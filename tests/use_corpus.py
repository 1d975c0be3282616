"""Prints how well use is told from widgets and sleeping tabs: `python -m tests.use_corpus [--half tune|held] [--all]`.

Every capture of pcaps/use goes through the sensor and the rules of use; each labelled minute is then right or wrong. A
minute of `use` is found if the rules call it active. A `widget` or `background` minute counts only if the sensor saw
traffic of the service in it (the others prove nothing) and is wrong if it is called active. Where the script's browser
brings back yesterday's tabs, its start is the log-on, and rule E5 holds the minutes after a log-on against nobody: they
are not counted as called use. `edge` minutes are not scored, nor are services that the catalogue ignores.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from pcaps.use import HALVES, INSIDE, Labelled, captures, truth
from pipeline.assess import Assessor
from pipeline.gather import Clients, gather
from pipeline.profile import load_profile
from sensor.capture import open_capture
from sensor.catalogue import load_catalogue
from sensor.sense import sensor_of
from sensor.settings import SegmentRule, SensorSettings
from sensor.slices import unpack_address
from sensor.words import Action, Segment
from tests.pipeline.judging import small_school

LEAST_FOUND, MOST_CALLED = 0.97, 0.005
NOT_USE = ("widget", "background", "none")
BROWSER_STARTS_AT_LOG_ON = ("restored", "left_open")


@dataclass(frozen=True, slots=True)
class Judged:
    """A labelled minute, whether traffic of its service was seen in it, and whether it was called use."""

    of: Labelled
    seen: bool
    called: bool

    @property
    def scored(self) -> bool:
        return self.of.label == "use" or (self.of.label in NOT_USE and self.seen)

    @property
    def wrong(self) -> bool:
        return self.scored and self.called != (self.of.label == "use")


def slices_of(path: Path) -> pa.Table:
    """All slices of a capture; its clients are staff."""
    segments = (SegmentRule(segment=Segment.STAFF, subnets=(ipaddress.ip_network(INSIDE),)),)
    sensor = sensor_of(SensorSettings.model_validate({"segments": segments}))
    tables = []
    for _ in open_capture(path).read(sensor.feed_capture):
        tables.append(sensor.table())
    sensor.meter.finish()
    tables.append(sensor.table())
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


def called_use(table: pa.Table, assessor: Assessor) -> set[tuple[str, str, int]]:
    """Address, service and minute of all that the rules call active. Nobody is known; each address is for itself."""
    clients = Clients()
    traffic, _ = gather(table, clients, assessor.scope)
    called = set()
    for number, address in enumerate(clients.addresses()):
        use = assessor.findings(traffic.take(traffic.who == number), clients).use
        who = unpack_address(address.ljust(16, b"\0"))
        services = [assessor.scope.services[s] for s in use.service.tolist()]
        called |= {(who, service, minute) for service, minute in zip(services, use.minute.tolist(), strict=True)}
    return called


def seen_minutes(table: pa.Table) -> set[tuple[str, str, int]]:
    """Address, service and minute of all slices, whatever the role of the host."""
    rows = table.select(["client", "service", "minute"]).group_by(["client", "service", "minute"]).aggregate([])
    columns = [rows.column(name).to_pylist() for name in ("client", "service", "minute")]
    return {(unpack_address(client), service, minute) for client, service, minute in zip(*columns, strict=True)}


@cache
def judge(half: str) -> tuple[Judged, ...]:
    """Every labelled minute of a half, judged."""
    catalogue = load_catalogue()
    profile = load_profile("cwmbran")
    log_on_min = profile.doubt.log_on_min
    assessor = Assessor(small_school(mode="aggregate"), catalogue, profile, None)
    seen: set[tuple[str, str, int]] = set()
    called: set[tuple[str, str, int]] = set()
    for path in captures(half):
        table = slices_of(path)
        seen |= seen_minutes(table)
        called |= called_use(table, assessor)
    rows = [row for row in truth(half) if catalogue.services[row.service].action != Action.IGNORE]
    began = {(row.client, row.scenario): 1 << 40 for row in rows}
    for row in rows:
        began[row.client, row.scenario] = min(began[row.client, row.scenario], row.minute)

    def fresh(row: Labelled) -> bool:
        since = row.minute - began[row.client, row.scenario]
        return row.scenario in BROWSER_STARTS_AT_LOG_ON and row.label != "use" and since < log_on_min

    keys = [(row.client, row.service, row.minute) for row in rows]
    return tuple(
        Judged(row, key in seen, key in called and not fresh(row)) for row, key in zip(rows, keys, strict=True)
    )


def shares(judged: Iterable[Judged]) -> tuple[float, float]:
    """Share of use that was found; share of widget and background minutes that were called use."""
    count: Counter[tuple[bool, bool]] = Counter()
    for row in judged:
        if row.scored and row.of.label != "none":
            count[row.of.label == "use", row.called] += 1
    use, other = count[True, True] + count[True, False], count[False, True] + count[False, False]
    return count[True, True] / max(use, 1), count[False, True] / max(other, 1)


def confusion(judged: Iterable[Judged]) -> Iterator[str]:
    """The table, a line per scenario and browser, and a sum."""
    rows = [row for row in judged if row.scored]
    total: Counter[tuple[tuple[str, str], str]] = Counter()
    wrong: Counter[tuple[tuple[str, str], str]] = Counter()
    for row in rows:
        for key in ((row.of.scenario, row.of.browser), ("all", row.of.browser), ("all", "")):
            total[key, row.of.label] += 1
            wrong[key, row.of.label] += row.wrong
    yield f"{'scenario':18}{'browser':10}" + "".join(f"{word:>18}" for word in ("use missed", *NOT_USE))
    for key in sorted({key for key, _ in total}, key=lambda key: (key[0] == "all", key)):
        cells = [f"{wrong[key, w]} of {total[key, w]}" if total[key, w] else "" for w in ("use", *NOT_USE)]
        yield f"{key[0]:18}{key[1]:10}" + "".join(f"{cell:>18}" for cell in cells)


def main() -> None:
    """Print the figures of a half, and with --all each wrong minute."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--half", choices=HALVES, default="tune")
    parser.add_argument("--all", action="store_true", help="print every minute that is wrong")
    parser.add_argument("--json", action="store_true", help="print only the two shares, as JSON")
    args = parser.parse_args()
    judged = judge(args.half)
    found, called = shares(judged)
    if args.json:
        print(json.dumps({"half": args.half, "use_found": found, "others_called_use": called}))
        return
    print("\n".join(confusion(judged)))
    print(f"\nuse found {found:.1%} (at least {LEAST_FOUND:.0%}), others called use {called:.2%} (at most 0.5%)")
    for row in judged if args.all else ():
        if row.wrong:
            of = row.of
            print(f"{of.client:15} {of.scenario:15} {of.browser:9} {of.service:10} {of.minute} {of.label} {of.seconds}")


if __name__ == "__main__":
    main()
