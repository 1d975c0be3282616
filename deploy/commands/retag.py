"""`schoolgate retag`: judge past minutes anew after a correction of the school's files."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.changes import account
from deploy.commands._desk import JSON, SCHOOL, STORE, trail_of
from deploy.commands._say import fail, failing_well

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from pipeline.assess import Assessor
    from pipeline.retag import DayAnew

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("retag")
@SCHOOL
@STORE
@click.option("--from", "first", type=_DAY, help="First day; else the first of which minutes are kept.")
@click.option("--to", "last", type=_DAY, help="Last day; else the last one.")
@click.option("--import", "import_", metavar="ID", help="Only the days whose minutes this import changed.")
@click.option("--dry-run", is_flag=True, help="Only say what would change; store nothing.")
@JSON
def command(
    folder: Path,
    store_path: Path | None,
    first: datetime | None,
    last: datetime | None,
    import_: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Judge past minutes anew by the school's files as they are now, after a correction; keep the old outcomes.

    It reaches as far back as minutes are kept (7 days, pseudonymous mode). Sums and episodes follow; `why` tells what
    was before. Killed or run twice, it comes to the same. Minutes that were allowed stay allowed: they are not kept by
    person. Nothing else may have the store open.

    \b
    Example:  schoolgate retag --import 0007 --school school/ --dry-run
              schoolgate retag --from 2026-11-16 --to 2026-11-17 --school school/
    """
    if import_ and (first or last):
        raise click.UsageError("--import or --from and --to, not both")
    if first and last and first > last:
        raise click.UsageError(f"--from {first:%Y-%m-%d} comes after --to {last:%Y-%m-%d}")
    with failing_well():
        from deploy.assembly import read_school
        from deploy.stores import owning
        from pipeline.retag import marked_days, retag

        files = read_school(folder)
        settings = files.settings
        if settings.school.mode == "aggregate":
            fail(
                "this school keeps sums only (mode aggregate), nothing per person: past sums stay as they were judged, "
                "and a correction holds from the moment it is applied"
            )
        judge = _judge(files)
        trail = trail_of(files)
        with owning(store_path, settings.store, make=False) as store:
            kept = marked_days(store, settings.school.id)
            changed = _changed_by(files, import_, kept) if import_ else set(kept)
            begin, end = (moment.date() if moment else None for moment in (first, last))
            chosen = [day for day in kept if day in changed and (begin or day) <= day <= (end or day)]
            details: dict[str, object] = {"days": [day.isoformat() for day in chosen], "import": import_ or ""}
            if not dry_run:
                trail.add("retag.begun", {"account": account()}, details=details | judge.versions)
            done = retag(store, judge, chosen, dry_run=dry_run)
            if not dry_run:
                counts = {"minutes": sum(day.looked for day in done), "changed": sum(day.changed for day in done)}
                trail.add("retag.done", {"account": account()}, details=details | counts)
    if as_json:
        click.echo(json.dumps([_facts(day) for day in done], indent=1))
        return
    if not done:
        reach = f"; they are kept of {kept[0]} to {kept[-1]}" if kept else ""
        click.echo(f"Of these days no minutes are kept to be judged anew{reach}.")
    for day in done:
        _say(day, dry_run)
    if dry_run:
        click.echo("This was a dry run: nothing is stored.")


def _judge(files: SchoolFiles) -> Assessor:
    """What judges. The identity feeds are not needed: it is known whose minutes they are."""
    from pipeline.assess import Assessor
    from pipeline.profile import load_profile
    from pipeline.pseudonym import Pseudonyms
    from sensor.catalogue import load_catalogue

    settings = files.settings
    catalogue = load_catalogue(settings.sensor.services, settings.sensor.exempt_sites)
    profile = load_profile(settings.school.policy_profile, files.folder)
    return Assessor(files.school, catalogue, profile, None, Pseudonyms(settings.school.pseudonym_keys))


def _changed_by(files: SchoolFiles, import_: str, days: list[date]) -> set[date]:
    """Of these days those whose minutes an import changed."""
    from pipeline.imports.difference import changed_days
    from pipeline.imports.versions import Versions
    from pipeline.school import missing_of, parse_school, table_paths

    versions = Versions(files.folder, table_paths(files.folder, files.settings.feeds))
    former = versions.before(import_)
    before = parse_school(former, files.settings.school, missing_of(former))
    return set(changed_days(before, files.school, days))


def _say(day: DayAnew, dry_run: bool) -> None:
    would = "would change" if dry_run else "changed"
    click.echo(f"{day.day}: {day.looked} minutes judged anew, {day.changed} {would}")
    for (was, becomes), minutes in sorted(day.moves.items()):
        what = f"stay {was}, for another reason" if was == becomes else f"{was} -> {becomes}"
        click.echo(f"  {minutes:6}  {what}")
    for why, minutes in sorted(day.left.items()):
        click.echo(f"  {minutes:6}  left as they are: {why}")


def _facts(day: DayAnew) -> dict[str, object]:
    moves = [{"was": was, "becomes": becomes, "minutes": n} for (was, becomes), n in sorted(day.moves.items())]
    return {"day": day.day.isoformat(), "judged": day.looked, "changed": day.changed, "moves": moves} | {
        "left": dict(sorted(day.left.items()))
    }
