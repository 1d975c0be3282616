"""`schoolgate why`: the evidence chain of one outcome."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from deploy.commands._desk import AS_IF_SAID, note_look
from deploy.commands._say import fail, failing_well
from deploy.commands._store import ABOUT

if TYPE_CHECKING:
    from pipeline.store import Store


@click.command("why")
@click.argument("episode", required=False)
@click.option("--store", "store_path", type=click.Path(exists=True, path_type=Path), help=ABOUT)
@click.option(
    "--school",
    "school_id",
    metavar="DIR|ID",
    help="The school's folder: its store, and its trail takes the look down. Or an id, if the store holds several.",
)
@AS_IF_SAID
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Explain a cell of the sums instead: its day,")
@click.option("--period", help="its bell period ('' outside the bells; the whole day without),")
@click.option("--at", metavar="HH:MM", help="or the five minutes around this local time,")
@click.option("--service", default="", help="its service,")
@click.option("--kind", default="", help="or its kind of service (all without),")
@click.option("--people", default="all", show_default=True, help="and its group of staff.")
@click.option("--pseudonym", help="Explain one minute of a person: the one at --day, --at and --service.")
@click.option("--list", "list_them", is_flag=True, help="List the ids of the episodes of --day (pseudonymous mode).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    episode: str | None,
    store_path: Path | None,
    school_id: str | None,
    named: str | None,
    day: datetime | None,
    period: str | None,
    at: str | None,
    service: str,
    kind: str,
    people: str,
    pseudonym: str | None,
    list_them: bool,
    as_json: bool,
) -> None:
    """Explain an EPISODE by its id, one minute of it, or a cell of the sums: evidence, rules, sources, versions.

    It never says whose an episode is; `schoolgate lookup` does that, for two people and a reason.

    \b
    Example:  schoolgate why --store store/ --day 2026-11-17 --list
              schoolgate why e1f0c404a83b2d11 --school school/ --as "head/Ann Bowen"
              schoolgate why --store store/ --pseudonym p0a1b2c3d4e5f --day 2026-11-17 --at 10:21 --service facebook
              schoolgate why --store store/ --day 2026-11-17 --period P3 --service facebook
              schoolgate why --store store/ --day 2026-11-17 --kind forum --people teaching
    """
    with failing_well():
        from dashboards.schools import find_school
        from deploy.stores import reading
        from pipeline.why import why_episode, why_minute
        from pipeline.whycells import why_cell

        if at and period is not None:
            raise click.UsageError("give --period or --at, not both")
        folder = Path(school_id) if school_id and ("/" in school_id or Path(school_id).is_dir()) else None
        settings = None
        if folder is not None:
            from deploy.assembly import read_school

            files = read_school(folder)
            school_id, settings = files.school.settings.id, files.settings.store
            if episode or pseudonym:
                subject = episode or str(pseudonym)
                note_look(files, named, "why.shown", [subject], **({"day": f"{day:%Y-%m-%d}"} if day else {}))
        elif named:
            raise click.UsageError("--as needs --school DIR, whose access file says who you are")
        if store_path is None and settings is None:
            raise click.UsageError("give --store, or --school DIR whose settings name the store")
        with reading(store_path, settings) as store:
            school = find_school(store, school_id)
            moment = _moment(day, at, school.tz)
            if list_them:
                _list(store, school.id, day, as_json)
                return
            if episode:
                explanation = why_episode(store, school.id, episode)
            elif pseudonym:
                if moment is None or not service:
                    raise click.UsageError("--pseudonym needs --day, --at and --service")
                explanation = why_minute(store, school.id, pseudonym, moment, service)
            elif day:
                start = moment and moment.replace(minute=moment.minute // 5 * 5)
                explanation = why_cell(
                    store, school.id, day.date(), period, service, kind=kind, people=people, start=start
                )
            else:
                raise click.UsageError("name an episode, or a cell with --day (and --period or --at, --service)")
    if explanation is None:
        fail(
            "the store has no use to explain there; "
            f"episodes of a day: schoolgate why --store {store_path} --day DAY --list"
        )
    click.echo(json.dumps(explanation.facts, indent=1) if as_json else explanation.text())


def _moment(day: datetime | None, at: str | None, zone: ZoneInfo) -> datetime | None:
    """A local time of the day in UTC."""
    if at is None:
        return None
    if day is None:
        raise click.UsageError("--at needs --day")
    try:
        clock = datetime.strptime(at, "%H:%M")
    except ValueError:
        raise click.UsageError(f"--at {at!r} is not a time; write it as 10:20") from None
    return day.replace(hour=clock.hour, minute=clock.minute, tzinfo=zone).astimezone(UTC)


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
