"""`schoolgate doctor`: is all well? Every health check, with what to do where it is not."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sensor.health import Finding

EXIT = {"ok": 0, "warn": 1, "fail": 2}


@click.command("doctor")
@click.option("--config", "path", type=click.Path(path_type=Path), help="Settings file, or its folder.")
@click.option("--interface", help="Network interface of the mirror port; else sensor.interface of the settings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, path: Path | None, interface: str | None, as_json: bool) -> None:
    """Check the machine, the mirror port, the sensor that runs and the identity feeds, and say what to do.

    Exit status: 0 all is well, 1 there are warnings, 2 something fails. Run it as the user that runs Schoolgate.

    \b
    Example:  schoolgate doctor --config /etc/schoolgate/schoolgate.toml
    """
    from deploy.examining import examine
    from sensor.health import worst

    findings = examine(path, interface)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            click.echo(_line(finding))
    ctx.exit(EXIT[worst(findings)])


def _line(finding: Finding) -> str:
    colour = {"ok": "green", "warn": "yellow", "fail": "red"}.get(finding.severity)
    word = click.style(f"{finding.severity:7}", fg=colour)
    text = f"{word}  {finding.title:32}  {finding.sentence}"
    return f"{text}\n{'':43}-> {finding.mend}" if finding.mend else text
