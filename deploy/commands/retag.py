"""`schoolgate retag`: judge past minutes anew after a correction of the school's files."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import click

from deploy.commands._desk import JSON, SCHOOL, STORE
from deploy.commands._say import failing_well

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
    person. The process that has the store does it, if there is one, while fresh minutes come in; meanwhile nothing is
    half changed, and it may be stopped and asked again.

    \b
    Example:  schoolgate retag --import 0007 --school school/ --dry-run
              schoolgate retag --from 2026-11-16 --to 2026-11-17 --school school/
    """
    if import_ and (first or last):
        raise click.UsageError("--import or --from and --to, not both")
    if first and last and first > last:
        raise click.UsageError(f"--from {first:%Y-%m-%d} comes after --to {last:%Y-%m-%d}")
    with failing_well():
        from deploy.acts import RETAG
        from deploy.jobs import have_done

        begin, end = (f"{moment:%Y-%m-%d}" if moment else None for moment in (first, last))
        asked = {"first": begin, "last": end, "import_id": import_ or "", "dry_run": dry_run}
        done = cast(dict[str, list[Any]], have_done(folder, store_path, RETAG, asked, _progress))
    if as_json:
        click.echo(json.dumps(done["days"], indent=1))
        return
    if not done["days"]:
        reach = f"; they are kept of {done['kept'][0]} to {done['kept'][1]}" if done["kept"] else ""
        click.echo(f"Of these days no minutes are kept to be judged anew{reach}.")
    for day in done["days"]:
        _say(day, dry_run)
    if dry_run:
        click.echo("This was a dry run: nothing is stored.")


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"schoolgate: {line}", err=True)


def _say(day: dict[str, Any], dry_run: bool) -> None:
    would = "would change" if dry_run else "changed"
    click.echo(f"{day['day']}: {day['judged']} minutes judged anew, {day['changed']} {would}")
    for move in day["moves"]:
        same = move["was"] == move["becomes"]
        what = f"stay {move['was']}, for another reason" if same else f"{move['was']} -> {move['becomes']}"
        click.echo(f"  {move['minutes']:6}  {what}")
    for why, minutes in day["left"].items():
        click.echo(f"  {minutes:6}  left as they are: {why}")
