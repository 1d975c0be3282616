"""`schoolgate dpia`: the draft of the impact assessment and the record of processing, from the settings."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from deploy.commands._desk import OUT, SCHOOL, desk_of, put_out
from deploy.commands._say import failing_well
from deploy.commands.notice import facts_of_school, say_currency


@click.command("dpia")
@SCHOOL
@click.option("--record", is_flag=True, help="The record of processing (Article 30) instead.")
@click.option("--sign", is_flag=True, help="Write down that this version is signed off; needs --as.")
@click.option("--as", "named", metavar="ROLE/NAME", help="Who signs: a row of access.csv.")
@click.option("--review-on", type=click.DateTime(["%Y-%m-%d"]), help="When it is looked at again.")
@click.option("--check", is_flag=True, help="Only say whether the one signed last is of the present settings.")
@OUT
def command(
    folder: Path,
    record: bool,
    sign: bool,
    named: str | None,
    review_on: datetime | None,
    check: bool,
    out: Path | None,
) -> None:
    """Write the draft of a data protection impact assessment; what only people can answer is marked in it.

    \b
    Example:  schoolgate dpia --school school/ --out dpia.md
              schoolgate dpia --school school/ --sign --as "dpo/Dewi Prys" --review-on 2027-11-01
    """
    from dashboards import documents

    with failing_well():
        from deploy.assembly import read_school

        files = read_school(folder)
        facts = facts_of_school(files)
        if check:
            say_currency(files, facts, "impact assessment")
            return
        today = datetime.now(UTC).date()
        text = documents.record_of_processing(facts) if record else documents.assessment(facts, today)
    put_out(text, out, f"Draft, version {facts.version}")
    if sign:
        if not named:
            raise click.UsageError("--sign needs --as ROLE/NAME")
        with desk_of(folder, named, "dpia.sign", with_store=False) as desk:
            from pipeline.access import Role, refuse_unless_role
            from pipeline.notice import SIGNED

            with desk.at_work("dpia.sign"):
                refuse_unless_role(desk.actor, {Role.HEAD, Role.DPO}, "sign the impact assessment")
            desk.note(SIGNED, version=facts.version, review_on=review_on.date().isoformat() if review_on else "")
        click.echo(f"Version {facts.version} is written down as signed.", err=True)
