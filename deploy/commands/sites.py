"""`schoolgate sites`: the register of official school sites (policy clause 7, Appendix B)."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.commands._say import failing_well

if TYPE_CHECKING:
    from pipeline.sitechecks import SiteFacts

_SCHOOL = click.option(
    "--school", "folder", required=True, type=click.Path(exists=True, path_type=Path), help="The school's folder."
)
_DAY = click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="The date to look at; today without.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("sites")
def command() -> None:
    """List or check the official school sites of official_sites.csv.

    \b
    Example:  schoolgate sites list --school school/
              schoolgate sites check --school school/ --day 2026-11-17
    """


@command.command("list")
@_SCHOOL
@_DAY
@_JSON
def list_(folder: Path, day: datetime | None, as_json: bool) -> None:
    """Show every site: where it stands on the day, who runs it, when it opens, is reviewed and closes.

    \b
    Example:  schoolgate sites list --school school/
    """
    facts, ids = _facts(folder, day)
    if as_json:
        click.echo(json.dumps([_site(facts, ids, n) for n in range(len(facts.sites))], indent=1))
        return
    if not facts.sites:
        click.echo("There is no official site in official_sites.csv.")
    for n in range(len(facts.sites)):
        row = _site(facts, ids, n)
        dates = ", ".join(f"{word} {row[name] or '-'}" for word, name in _DATES.items())
        people = ", ".join(f"{name} {_words(row[name])}" for name in ("administrators", "moderators"))
        click.echo(f"{row['site']:8} {row['service']:16} {row['standing']:12} {dates}\n{'':9}{people}")


def _words(names: object) -> str:
    return " ".join(names) if isinstance(names, list) and names else "-"


_DATES = {"live": "go_live", "review": "review_on", "closes": "closure"}


@command.command("check")
@_SCHOOL
@_DAY
@_JSON
def check(folder: Path, day: datetime | None, as_json: bool) -> None:
    """Say what each site lacks, with line, mend and the clause that asks for it, and what falls due.

    Exit status: 0 if no site is refused, else 1. Of a site that is refused the people's use is never taken for
    personal, but it is no official use either: it is unknown.

    \b
    Example:  schoolgate sites check --school school/
    """
    from sensor.health import Severity

    facts, ids = _facts(folder, day)
    from pipeline.sitechecks import SITES
    from pipeline.sites import Standing

    lacking = [lack for state in facts.sites for lack in state.lacks]
    findings = SITES.examine(facts)
    if as_json:
        sites = [_site(facts, ids, n) for n in range(len(facts.sites))]
        found = [{"id": f.id, "severity": f.severity, "sentence": f.sentence, "mend": f.mend} for f in findings]
        click.echo(json.dumps({"day": facts.day.isoformat(), "sites": sites, "checks": found}, indent=1))
    else:
        for lack in lacking:
            click.echo(f"{folder / str(lack)}" if folder.is_dir() else str(lack))
        for finding in findings:
            mend = f" {finding.mend}" if finding.severity is not Severity.OK else ""
            click.echo(f"{finding.severity:5} {finding.title}: {finding.sentence}{mend}")
    if any(state.standing is Standing.REFUSED for state in facts.sites):
        raise click.exceptions.Exit(1)


def _facts(folder: Path, day: datetime | None) -> tuple[SiteFacts, tuple[str, ...]]:
    """The register, and the staff id of each person number."""
    with failing_well():
        from deploy.assembly import read_school
        from pipeline.profile import load_profile
        from pipeline.sitechecks import site_facts
        from sensor.catalogue import load_catalogue

        files = read_school(folder)
        settings = files.settings
        profile = load_profile(settings.school.policy_profile, files.folder)
        services = load_catalogue(settings.sensor.services).services
        facts = site_facts(files.school, profile, services, day.date() if day else date.today())
    return facts, tuple(person.staff_id for person in files.school.staff)


def _site(facts: SiteFacts, ids: tuple[str, ...], n: int) -> dict[str, object]:
    """One site as data."""
    state = facts.sites[n]
    site = state.site
    return {
        "site": site.site_id,
        "service": state.service or site.service,
        "in_catalogue": state.service is not None,
        "account": site.account,
        "standing": state.standing.value,
        "administrators": [ids[person] for person in site.administrators],
        "moderators": [ids[person] for person in site.moderators],
        **{name: on.isoformat() if (on := getattr(site, name)) else "" for name in _DATES.values()},
        "lacks": [
            {"part": lack.part, "what": lack.what, "mend": lack.mend, "clause": lack.clause, "text": lack.text}
            for lack in state.lacks
        ],
    }
