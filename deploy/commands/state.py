"""`schoolgate state`: what one person was scheduled to do."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from deploy.commands._say import fail, failing_well


@click.command("state")
@click.argument("staff")
@click.argument("day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]))
@click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(staff: str, day: datetime, folder: Path, as_json: bool) -> None:
    """Show what STAFF (a staff id) was scheduled to do on DATE, in local time, the whole day without gaps.

    \b
    Example:  schoolgate state T01 2026-11-17 --school school/
    """
    with failing_well():
        from deploy.assembly import read_school
        from pipeline.place import place_day, state_rows
        from pipeline.words import Reason

        school = read_school(folder).school
        number = school.numbers.get(staff)
        if number is None:
            some = ", ".join(sorted(school.numbers)[:5])
            fail(f"{folder}/staff.csv has no staff id {staff!r}; ids are such as {some}")
        rows = state_rows(place_day(school, day.date()), number)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        click.echo(f"{row['from']}-{row['to']}  {row['state']:16} {row['allowed']:8} {Reason(row['reason']).sentence}")
