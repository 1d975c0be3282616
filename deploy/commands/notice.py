"""`schoolgate notice`: what staff must be told, from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._desk import OUT, SCHOOL, desk_of, put_out
from deploy.commands._say import fail, failing_well

if TYPE_CHECKING:
    from deploy.assembly import SchoolFiles
    from pipeline.notice import Facts


@click.command("notice")
@SCHOOL
@click.option("--lang", default="en", show_default=True, type=click.Choice(["en", "cy"]), help="English or Welsh.")
@click.option("--banner", is_flag=True, help="The short text for log-on screens and signs, in both languages.")
@click.option("--issue", is_flag=True, help="Write down that this version was given to staff; needs --as.")
@click.option("--as", "named", metavar="ROLE/NAME", help="Who issues it: a row of access.csv.")
@click.option("--check", is_flag=True, help="Only say whether the notice issued last is of the present settings.")
@OUT
def command(
    folder: Path, lang: str, banner: bool, issue: bool, named: str | None, check: bool, out: Path | None
) -> None:
    """Write the notice to staff; its version changes whenever the settings do.

    \b
    Example:  schoolgate notice --school school/ --lang cy --out hysbysiad.txt
              schoolgate notice --school school/ --issue --as "dpo/Dewi Prys"
    """
    from dashboards import documents

    with failing_well():
        from deploy.assembly import read_school

        files = read_school(folder)
        facts = facts_of_school(files)
        if check:
            say_currency(files, facts, "notice")
            return
        text = documents.banner(facts) if banner else documents.notice(facts, "cy" if lang == "cy" else "en")
    put_out(text, out, f"Notice, version {facts.version}")
    if issue:
        if not named:
            raise click.UsageError("--issue needs --as ROLE/NAME")
        with desk_of(folder, named, "notice.issue", with_store=False) as desk:
            from pipeline.access import Role, refuse_unless_role
            from pipeline.notice import ISSUED

            with desk.at_work("notice.issue"):
                refuse_unless_role(desk.actor, {Role.HEAD, Role.DPO, Role.NETWORK_MANAGER}, "issue the notice")
            desk.note(ISSUED, version=facts.version, lang=lang)
        click.echo(f"Version {facts.version} is written down as issued.", err=True)


def facts_of_school(files: SchoolFiles) -> Facts:
    """The facts of a school's settings."""
    from pipeline.notice import facts_of
    from pipeline.profile import load_profile
    from sensor.exempt import exempt_sites

    s = files.settings
    profile = load_profile(s.school.policy_profile, files.folder)
    exempt = exempt_sites(s.sensor.exempt_sites)
    return facts_of(s.school, s.sensor, s.feeds, s.privacy, s.report.contact, profile, exempt)


def say_currency(files: SchoolFiles, facts: Facts, document: str) -> None:
    """Say whether a document is current; exit status 1 if it is not."""
    from deploy.desk import trail_of
    from pipeline.notice import ISSUED, SIGNED, Currency, currency

    found = currency(trail_of(files).entries(), ISSUED if document == "notice" else SIGNED, facts.version)
    if found is not Currency.CURRENT:
        fail(f"the {document} is {found}: the settings are now of version {facts.version}")
    click.echo(f"The {document} of version {facts.version} is current.")
