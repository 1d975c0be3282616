"""`schoolgate contest`: say that an episode is wrong, and decide about it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploy.commands._desk import AS, JSON, SCHOOL, STORE, desk_of
from deploy.commands._say import failing_well, note

_REASONS = ("cover", "swap", "official_work", "not_me", "wrong_service", "other")


@click.group("contest")
def command() -> None:
    """Contest an episode, and decide about it within 30 days.

    \b
    Example:  schoolgate contest open e1f0c404a83b2d11 --reason cover --text "..." --school school/ --as staff/Nia
              schoolgate contest uphold c0f1e2d3c4 --text "..." --school school/ --as "head/Ann Bowen"
    """


@command.command("open")
@click.argument("episode")
@click.option("--reason", required=True, type=click.Choice(_REASONS), help="Why the episode is wrong.")
@click.option("--text", required=True, help="The same in words; they stay in the audit trail.")
@SCHOOL
@AS
@STORE
def open_(episode: str, reason: str, text: str, folder: Path, named: str, store_path: Path | None) -> None:
    """Contest EPISODE: your own; the head, the chair or the data protection officer may do it for somebody.

    \b
    Example:  schoolgate contest open e1f0c404a83b2d11 --reason cover --text "..." --school school/ --as staff/Nia
    """
    with failing_well():
        from deploy.acts import OPEN
        from deploy.jobs import have_done

        asked = {"named": named, "episode": episode, "reason": reason, "text": text}
        done = have_done(folder, store_path, OPEN, asked, note)
    click.echo(f"Contest {done['contest']} is open; it must be answered by {done['due']}.")


@command.command("list")
@SCHOOL
@AS
@STORE
@JSON
def list_(folder: Path, named: str, store_path: Path | None, as_json: bool) -> None:
    """List contests, with the days that are left of the 30.

    \b
    Example:  schoolgate contest list --school school/ --as "dpo/Dewi Prys"
    """
    with desk_of(folder, named, "contest.list", store_path, with_store=True) as desk:
        from pipeline.access import Role, refuse_unless_role
        from pipeline.contest import Status, contests

        with desk.at_work("contest.list"):
            refuse_unless_role(desk.actor, {Role.HEAD, Role.CHAIR, Role.DPO}, "list the contests")
        desk.note("contest.listed")
        rows = [
            {
                "contest": one.id,
                "episode": one.episode,
                "reason": one.reason.value,
                "status": one.status.value,
                "opened": one.opened.isoformat(),
                "due": one.due.isoformat(),
                "days_left": one.days_left(desk.time) if one.status is Status.OPEN else None,
            }
            for one in contests(desk.store, desk.school.settings.id)
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    for row in rows:
        left = "" if row["days_left"] is None else f", {row['days_left']} days left"
        click.echo(f"{row['contest']}  {row['status']:9} {row['reason']:14} episode {row['episode']}{left}")


def _decide(contest: str, text: str, folder: Path, named: str, store_path: Path | None, status: str) -> None:
    with failing_well():
        from deploy.acts import DECIDE
        from deploy.jobs import have_done

        asked = {"named": named, "contest": contest, "status": status, "text": text}
        done = have_done(folder, store_path, DECIDE, asked, note)
    more = "; the episode is withdrawn and out of the sums" if status == "upheld" else ""
    click.echo(f"Contest {done['contest']} is {done['status']}{more}.")


@command.command("uphold")
@click.argument("contest")
@click.option("--text", required=True, help="Why, in words.")
@SCHOOL
@AS
@STORE
def uphold(contest: str, text: str, folder: Path, named: str, store_path: Path | None) -> None:
    """Agree: withdraw the episode and take it out of all sums.

    \b
    Example:  schoolgate contest uphold c0f1e2d3c4 --text "..." --school school/ --as "head/Ann Bowen"
    """
    _decide(contest, text, folder, named, store_path, "upheld")


@command.command("reject")
@click.argument("contest")
@click.option("--text", required=True, help="Why, in words.")
@SCHOOL
@AS
@STORE
def reject(contest: str, text: str, folder: Path, named: str, store_path: Path | None) -> None:
    """Disagree: the episode stays as it is.

    \b
    Example:  schoolgate contest reject c0f1e2d3c4 --text "..." --school school/ --as "head/Ann Bowen"
    """
    _decide(contest, text, folder, named, store_path, "rejected")
