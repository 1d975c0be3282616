"""`schoolgate rules`: the rules as sentences, which are their documentation."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploy.commands._say import failing_well


@click.command("rules")
@click.option(
    "--school",
    "folder",
    type=click.Path(exists=True, path_type=Path),
    help="A school's folder, for its own limits; the shipped profile without.",
)
@click.option("--markdown", "as_page", is_flag=True, help="Print the page of documentation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path | None, as_page: bool, as_json: bool) -> None:
    """Print every rule: when traffic is use (E), and what becomes of a minute of use (O, the first that fits decides).

    \b
    Example:  schoolgate rules --school school/
    """
    with failing_well():
        from deploy.assembly import read_school
        from pipeline.outcomes import Rulebook, as_markdown, as_text, every_rule
        from pipeline.profile import load_profile
        from pipeline.settings import SchoolSettings

        if folder:
            files = read_school(folder)
            settings = files.settings.school
            profile = load_profile(settings.policy_profile, files.folder)
            book = Rulebook(profile, settings.boundary_margin_min)
        else:
            shipped = SchoolSettings.model_fields
            book = Rulebook(load_profile(shipped["policy_profile"].default), shipped["boundary_margin_min"].default)
    if as_json:
        rules = [book.cited(rule) for rule in every_rule()]
        click.echo(json.dumps({"policy": book.version, "rules": rules}, indent=1))
    else:
        click.echo(as_markdown(book) if as_page else as_text(book), nl=not as_page)
