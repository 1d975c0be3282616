"""`schoolgate resume`: observe again after a pause."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.commands._desk import AS, SCHOOL, desk_of


@click.command("resume")
@SCHOOL
@AS
def command(folder: Path, named: str) -> None:
    """End the pause that lasts.

    \b
    Example:  schoolgate resume --school school/ --as "head/Ann Bowen"
    """
    with desk_of(folder, named, "pause.end", with_store=False) as desk:
        from pipeline.access import Role, refuse_unless_role
        from pipeline.pause import end

        with desk.at_work("pause.end"):
            refuse_unless_role(desk.actor, {Role.HEAD, Role.NETWORK_MANAGER, Role.CHAIR}, "resume the monitoring")
            ended = end(folder if folder.is_dir() else folder.parent, desk.now())
        desk.note("pause.ended", reason=ended.reason.value)
    click.echo("Monitoring is on again.")
