"""`schoolgate state`: what people were scheduled to do, whether that allows personal use, and which rows say so."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._desk import AS_IF_SAID, note_look
from deploy.commands._say import fail, failing_well, note

if TYPE_CHECKING:
    from pipeline.deciding import Range
    from pipeline.school import School

_COLUMNS = ("staff_id", "date", "from", "to", "state", "allowed", "reason", "rows")


@click.command("state")
@click.argument("words", nargs=-1, required=True, metavar="[WHO] DATE")
@click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
@click.option("--at", metavar="HH:MM", help="Only the minutes around this local time.")
@click.option("--all", "everybody", is_flag=True, help="Everybody instead of WHO, as CSV (or --json).")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@AS_IF_SAID
def command(
    words: tuple[str, ...],
    folder: Path,
    at: str | None,
    everybody: bool,
    as_csv: bool,
    as_json: bool,
    named: str | None,
) -> None:
    """Show what WHO (a staff id or user name) was scheduled to do on DATE, in local time, the whole day without gaps.

    Each line has a range of minutes, the state, whether the policy allows personal use then, why, and the rows of the
    school's files that decided it. Where the school keeps an audit trail, it says that you looked at WHO's day.

    \b
    Example:  schoolgate state T01 2026-11-17 --school school/
              schoolgate state T01 2026-11-17 --at 11:10 --school school/
              schoolgate state --all 2026-11-17 --school school/ > day.csv
    """
    if len(words) != (1 if everybody else 2):
        raise click.UsageError("name a DATE, and nobody, with --all" if everybody else "name WHO and DATE")
    if as_csv and as_json:
        raise click.UsageError("--csv or --json, not both")
    day = _day(words[-1])
    minute = None if at is None else _minute(at)
    with failing_well():
        from deploy.assembly import read_school
        from pipeline.deciding import Deciding, exists
        from pipeline.profile import load_profile

        files = read_school(folder)
        school = files.school
        profile = load_profile(files.settings.school.policy_profile, files.folder)
        people = range(len(school.staff)) if everybody else [_person(school, words[0], folder)]
        if minute is not None and not exists(school.settings.zone, day, minute):
            note(f"{at} does not exist on {day} in {school.settings.zone}: the clock goes forward")
        looked_at = [] if everybody else [school.staff[person].staff_id for person in people]
        note_look(files, named, "state.shown", looked_at, day=day.isoformat())
        deciding = Deciding(school, day, profile.allow)
        found = {
            school.staff[person].staff_id: [
                r for r in deciding.ranges(person) if minute is None or r.start <= minute < r.end
            ]
            for person in people
        }
    if as_json:
        click.echo(json.dumps(_facts(school, day, found, everybody), indent=1))
    elif everybody or as_csv:
        click.echo(_table(day, found), nl=False)
    else:
        for ranges in found.values():
            for r in ranges:
                row = _row(r)
                told = f"{row['from']}-{row['to']}  {row['state']:16} {row['allowed']:8} {r.reason.sentence}"
                click.echo(f"{told}  [{', '.join(r.rows)}]" if r.rows else told)


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise click.UsageError(f"{text!r} is not a date; write it as 2026-11-17") from None


def _minute(text: str) -> int:
    from pipeline.tables import DAY_MIN, clock_minute

    minute = clock_minute(text)
    if minute is None or minute == DAY_MIN:
        raise click.UsageError(f"--at {text!r} is not a time of day; write it as 11:10")
    return minute


def _person(school: School, who: str, folder: Path) -> int:
    number = school.numbers.get(who)
    if number is None:
        number = next((n for n, person in enumerate(school.staff) if who.lower() in person.usernames), None)
    if number is None:
        some = ", ".join(sorted(school.numbers)[:5])
        fail(f"{folder}/staff.csv has no staff id {who!r}; ids are such as {some}")
    return number


def _row(r: Range) -> dict[str, str]:
    from pipeline.place import clock_text

    return {
        "from": clock_text(r.start),
        "to": clock_text(r.end),
        "state": r.state.value,
        "allowed": r.allowed.value,
        "reason": r.reason.value,
        "rows": " ".join(r.rows),
    }


def _table(day: date, found: dict[str, list[Range]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    table.writeheader()
    for staff_id, ranges in found.items():
        table.writerows({"staff_id": staff_id, "date": day.isoformat(), **_row(r)} for r in ranges)
    return text.getvalue()


def _facts(school: School, day: date, found: dict[str, list[Range]], everybody: bool) -> object:
    from pipeline.calendar import LocalClock

    zone = school.settings.zone
    clock = LocalClock(zone)
    facts = {who: [r.facts(clock, day, zone) for r in ranges] for who, ranges in found.items()}
    return facts if everybody else next(iter(facts.values()))
