"""`schoolgate config`: check and show the settings."""

from __future__ import annotations

import json
from pathlib import Path

import click

from deploy.commands._say import failing_well

_FILE = click.option(
    "--config",
    "path",
    default="schoolgate.toml",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Settings file, or its folder.",
)


@click.group("config")
def command() -> None:
    """Check or show the settings.

    \b
    Example:  schoolgate config check --config school/schoolgate.toml
              schoolgate config show --config school/
    """


@command.command("check")
@_FILE
def check(path: Path) -> None:
    """Say all that is wrong with the settings and the school's files, each with line and mend.

    \b
    Example:  schoolgate config check --config school/schoolgate.toml
    """
    notes: list[str] = []
    with failing_well():
        from deploy.assembly import assemble, read_school

        files = read_school(path)
        assemble(files, notes.append)
    click.echo(f"{files.settings.school.name}: settings and {len(files.school.staff)} staff read; nothing is wrong.")
    for text in notes:
        click.echo(f"note: {text}")


@command.command("show")
@_FILE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(path: Path, as_json: bool) -> None:
    """Print every setting as it is used, and where it comes from.

    \b
    Example:  schoolgate config show --config school/ --json
    """
    with failing_well():
        from deploy.assembly import settings_path
        from deploy.settings import effective, load_settings

        settings = effective(load_settings(settings_path(path)))
    if as_json:
        click.echo(json.dumps([s._asdict() for s in settings], indent=1))
        return
    for setting in settings:
        click.echo(f"{setting.key} = {setting.value or '(not set)'}    # {setting.origin}")
