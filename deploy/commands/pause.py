"""`schoolgate pause`: stop observing for a time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from deploy.commands._desk import AS, SCHOOL, desk_of

_REASONS = (
    *("industrial_action", "evacuation", "exam_emergency", "bereavement"),
    *("legal_advice", "maintenance", "other"),
)


@click.command("pause")
@SCHOOL
@AS
@click.option("--reason", required=True, type=click.Choice(_REASONS), help="Why; pages and reports show it.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%dT%H:%M"]), help="When it ends, in local time; without it `resume` ends it."
)
def command(folder: Path, named: str, reason: str, until: datetime | None) -> None:
    """Stop observing at once. What happens meanwhile is not kept, and is reported as not observed.

    \b
    Example:  schoolgate pause --school school/ --as "head/Ann Bowen" --reason industrial_action
    """
    with desk_of(folder, named, "pause.begin", with_store=False) as desk:
        from pipeline.access import Role, refuse_unless_role
        from pipeline.pause import PauseReason, begin
        from pipeline.tables import zone_of

        end = until.replace(tzinfo=zone_of(desk.school.settings.zone)).timestamp() if until else None
        with desk.at_work("pause.begin", reason=reason):
            refuse_unless_role(desk.actor, {Role.HEAD, Role.NETWORK_MANAGER, Role.CHAIR}, "pause the monitoring")
            begin(
                folder if folder.is_dir() else folder.parent,
                desk.now(),
                PauseReason(reason),
                desk.actor.person.role,
                end,
            )
        desk.note("pause.begun", reason=reason, until=until.isoformat() if until else "")
    click.echo(f"Paused ({reason}){f' until {until:%Y-%m-%d %H:%M}' if until else ''}: nobody is observed.")
