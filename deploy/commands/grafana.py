"""`schoolgate grafana`: the dashboards as code."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from deploy.commands._say import fail, failing_well
from deploy.commands._store import STORE_THERE


@click.group("grafana")
def command() -> None:
    """Write, check or push the Grafana dashboards. Grafana needs a ClickHouse server: the embedded store opens no port.

    \b
    Example:  schoolgate grafana write grafana/
              schoolgate grafana check --store store/ --day 2026-11-17
              schoolgate grafana push --url https://grafana.example.org
    """


@command.command("write")
@click.argument("folder", type=click.Path(path_type=Path))
def write(folder: Path) -> None:
    """Write the dashboards' JSON to FOLDER.

    \b
    Example:  schoolgate grafana write grafana/
    """
    with failing_well():
        from dashboards.grafana.boards import write_all

        folder.mkdir(parents=True, exist_ok=True)
        for path in write_all(folder):
            click.echo(path)


@command.command("check")
@STORE_THERE
@click.option("--day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="A day with data.")
@click.option("--school", "school_id", help="School id, if the store holds several.")
def check(store_path: Path, day: datetime, school_id: str | None) -> None:
    """Run every panel's SQL on a store; fails if one has no rows or odd columns.

    \b
    Example:  schoolgate grafana check --store store/ --day 2026-11-17
    """
    with failing_well():
        from dashboards.grafana.check import check as check_panels
        from dashboards.schools import find_school
        from deploy.stores import reading

        with reading(store_path) as store:
            results = check_panels(store, find_school(store, school_id), day.date())
    faults = [result.fault or ("" if result.rows else "no rows") for result in results]
    for result, fault in zip(results, faults, strict=True):
        click.echo(f"{result.board:14} {result.panel:40} {result.rows:5} rows  {fault or 'good'}")
    if any(faults):
        fail("some panels are at fault")


@command.command("push")
@click.option("--url", required=True, help="Address of Grafana.")
@click.option("--token", envvar="GRAFANA_TOKEN", required=True, help="Service account token; better in GRAFANA_TOKEN.")
def push(url: str, token: str) -> None:
    """Put the dashboards into a running Grafana; doing it again changes nothing.

    \b
    Example:  GRAFANA_TOKEN=... schoolgate grafana push --url https://grafana.example.org
    """
    with failing_well():
        from dashboards.grafana.push import push as push_boards

        for line in push_boards(url, token):
            click.echo(line)
