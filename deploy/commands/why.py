"""`schoolgate why`: the evidence chain of one outcome."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._say import fail, failing_well

if TYPE_CHECKING:
    from pipeline.store import Store


@click.command("why")
@click.argument("episode", required=False)
@click.option(
    "--store", "store_path", required=True, type=click.Path(exists=True, path_type=Path), help="Folder of the store."
)
@click.option("--school", "school_id", help="School id, if the store holds several.")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Explain a cell of the pages instead: its day,")
@click.option("--period", default="", help="its bell period ('' outside the bells),")
@click.option("--service", default="", help="and its service (all without).")
@click.option("--list", "list_them", is_flag=True, help="List the ids of the episodes of --day (pseudonymous mode).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    episode: str | None,
    store_path: Path,
    school_id: str | None,
    day: datetime | None,
    period: str,
    service: str,
    list_them: bool,
    as_json: bool,
) -> None:
    """Explain an EPISODE by its id, or the minutes of a bell period: evidence, rule, sources, versions.

    \b
    Example:  schoolgate why --store store/ --day 2026-11-17 --list
              schoolgate why e1f0c404a83b2d11 --store store/
              schoolgate why --store store/ --day 2026-11-17 --period P3 --service facebook
    """
    with failing_well():
        from dashboards.schools import find_school
        from pipeline.store import open_store
        from pipeline.why import why_cell, why_episode

        with open_store(store_path) as store:
            school = find_school(store, school_id).id
            if list_them:
                _list(store, school, day, as_json)
                return
            if episode:
                explanation = why_episode(store, school, episode)
            elif day:
                explanation = why_cell(store, school, day.date(), period, service)
            else:
                raise click.UsageError("name an episode, or a cell with --day (and --period, --service)")
    if explanation is None:
        fail(
            "the store has no use to explain there; "
            f"episodes of a day: schoolgate why --store {store_path} --day DAY --list"
        )
    click.echo(json.dumps(explanation.facts, indent=1) if as_json else explanation.text())


def _list(store: Store, school: str, day: datetime | None, as_json: bool) -> None:
    if day is None:
        raise click.UsageError("--list needs --day")
    found = store.query(
        "SELECT id, service, toUnixTimestamp(min(start)) AS first, sum(minutes) AS total FROM schoolgate.episode "
        "WHERE school = {school:String} AND day = {day:Date} GROUP BY id, service ORDER BY first, id",
        {"school": school, "day": day.date()},
    )
    rows = [(str(id_), str(service), int(str(first)), int(str(total))) for id_, service, first, total in found.rows]
    if as_json:
        listed = [{"episode": row[0], "service": row[1], "start": row[2], "minutes": row[3]} for row in rows]
        click.echo(json.dumps(listed, indent=1))
        return
    for id_, service, first, minutes in rows:
        at = datetime.fromtimestamp(first, UTC)
        click.echo(f"{id_}  {at:%H:%M} UTC  {service}  {minutes} min outside allowed time")
