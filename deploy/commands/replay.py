"""`schoolgate replay`: captures through the whole way into a store, exact and repeatable."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.commands._say import Progress, fail, failing_well, note
from deploy.commands._store import STORE_ANY

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from deploy.replayed import ReplayedEdits
    from pipeline.feeds.reading import Memory
    from pipeline.ingest import Ingest
    from pipeline.store import Store
    from sensor.sense import Sensor

MANY_SLICES = 1 << 17


@click.command("replay")
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
@STORE_ANY
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(captures: tuple[Path, ...], folder: Path, store_path: Path, as_json: bool) -> None:
    """Run CAPTURES, in the order of time, through the whole way: name, place, judge, store.

    Edits of wikis become alerts in the store; nothing is sent.

    Replaying the same captures into the same store again changes nothing.

    \b
    Example:  schoolgate replay day.pcap --school school/ --store store/
    """
    with failing_well():
        from deploy.assembly import assemble, read_school
        from deploy.replayed import ReplayedEdits
        from pipeline.feeds.reading import Memory
        from pipeline.ingest import Ingest
        from sensor.capture import CaptureError, open_capture
        from sensor.sense import sensor_of

        files = read_school(folder)
        memory = Memory()
        assessor = assemble(files, note, memory)
        try:
            opened = [open_capture(path) for path in captures]
        except CaptureError as error:
            fail(error, 2)
        with _to_itself(store_path) as store:
            # Feeding everything before judging lets many windows be judged together: the rows are the same.
            ingest = Ingest(store, assessor, "replay", gather_windows=24)
            sensor = sensor_of(files.settings.sensor)
            gc.freeze()  # the program, the school and the catalogue stay: no need to look through them again and again
            with ReplayedEdits(files, assessor.profile, sensor, store) as edits:
                counters = _sense(opened, files, sensor, ingest, memory, edits)
                progress = ingest.finish()
                found = edits.finish()
            gc.unfreeze()
            totals = _totals(store, files.settings.school.id)
    result: dict[str, Any] = {"counters": counters, **{name: getattr(progress, name) for name in progress.__slots__}}
    result |= {"edits": found, "minutes": totals}
    click.echo(json.dumps(result, indent=1) if as_json else _summary(result))
    if progress.late:
        fail(
            f"{progress.late} slices came after their windows had been stored, and the store lacks them; "
            "give all captures at once, in the order of time, and a new store"
        )


@contextmanager
def _to_itself(path: Path) -> Iterator[Store]:
    """The store, for nobody but us: what is replayed and what a live sensor brings would take each other for late."""
    from deploy.stores import owning
    from pipeline.store import StoreBusy

    try:
        with owning(path) as store:
            yield store
    except StoreBusy as busy:
        fail(
            f"{busy.held}. Replay into one of its own (--store NEW) and look at that "
            f"(schoolgate serve --store NEW --port 8351), or {busy.stop} first",
            3,
        )


def _sense(
    captures: Sequence[Any], files: SchoolFiles, sensor: Sensor, ingest: Ingest, memory: Memory, edits: ReplayedEdits
) -> dict[str, int]:
    from deploy.mirror import Mirror

    mirror = Mirror(files, sensor, memory)
    bar = Progress("Replaying", sum(c.size for c in captures))
    before = swept = 0
    for capture in captures:
        for _ in capture.read(sensor.feed_capture):
            bar.show(before + capture.position)
            mirror.look()
            edits.look()
            if sensor.waiting < MANY_SLICES and sensor.meter.swept_until == swept:
                continue  # a few large tables cost less than many small ones
            swept = sensor.meter.swept_until
            if ingest.closes(sensor.meter.complete_until):
                mirror.tell(ingest)
            ingest.add(sensor.table(), sensor.meter.complete_until)
        before += capture.size
        if capture.note:
            click.echo(f"{capture.path}: {capture.note}", err=True)
    sensor.meter.finish()
    mirror.look()
    mirror.tell(ingest)
    ingest.add(sensor.table(), sensor.meter.complete_until)
    bar.close()
    return sensor.counters()


def _totals(store: Any, school: str) -> dict[str, dict[str, int]]:
    rows = store.query(
        "SELECT toString(day), outcome, sum(minutes) FROM schoolgate.use_day "
        "WHERE school = {school:String} AND people = 'all' AND level = 'all' GROUP BY day, outcome "
        "ORDER BY day, outcome",
        {"school": school},
    ).rows
    totals: dict[str, dict[str, int]] = {}
    for day, outcome, minutes in rows:
        totals.setdefault(str(day), {})[str(outcome)] = int(minutes)
    return totals


def _summary(result: dict[str, Any]) -> str:
    counters = result["counters"]
    lines = [
        f"{counters['packets']} packets, {counters['flows']} flows, {counters['flows_named']} named; "
        f"{result['slices']} slices of catalogue services",
        f"{result['windows_stored']} five-minute windows stored, {result['windows_known']} were stored already",
    ]
    if result["edits"]:
        lines.append(f"{result['edits']} edits of wikis that are possible or likely")
    for day, outcomes in result["minutes"].items():
        listed = ", ".join(f"{outcome} {minutes}" for outcome, minutes in outcomes.items())
        lines.append(f"{day}: minutes of use by outcome: {listed or 'none'}")
    return "\n".join(lines)
