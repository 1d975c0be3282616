"""`schoolgate grafana`: the dashboards as code."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from deploy.commands._say import fail, failing_well
from deploy.commands._store import STORE_THERE

URL = click.option("--url", envvar="GRAFANA_URL", required=True, help="Address of Grafana; or GRAFANA_URL.")
TOKEN = click.option(
    "--token",
    envvar="GRAFANA_TOKEN",
    required=True,
    help="Token of a service account (role Editor); better in GRAFANA_TOKEN.",
)


@click.group("grafana")
def command() -> None:
    """The Grafana dashboards: written as files, checked, pushed. Grafana needs a ClickHouse server as the store: the
    embedded one opens no port.

    \b
    Example:  schoolgate grafana write /etc/grafana
              schoolgate grafana check --store store/ --day 2026-11-17
              schoolgate grafana push --url https://grafana.example.org --dry-run
    """


@command.command("write")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def write(folder: Path) -> None:
    """Write dashboards and provisioning files into FOLDER, laid out as Grafana's own /etc/grafana.

    Data source and dashboards are then there when Grafana starts. Its plugin grafana-clickhouse-datasource must be
    installed, and its environment must hold SCHOOLGATE_CLICKHOUSE_HOST and SCHOOLGATE_CLICKHOUSE_PASSWORD (of the user
    grafana that `schoolgate store users` makes).

    \b
    Example:  schoolgate grafana write /etc/grafana
    """
    with failing_well():
        from dashboards.grafana.provision import write as write_files

        for path in write_files(folder):
            click.echo(path)


@command.command("check")
@STORE_THERE
@click.option("--day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="A day with data.")
@click.option("--school", "school_id", help="School id, if the store holds several.")
def check(store_path: Path, day: datetime, school_id: str | None) -> None:
    """Run the SQL of every panel, variable and annotation on a store, over the week that ends with the day.

    Status 1 if an answer lacks what its panel shows, or if there is nothing at all to show. A panel without rows is
    told, and is no fault: a week may well have no alerts.

    \b
    Example:  schoolgate grafana check --store store/ --day 2026-11-17
    """
    with failing_well():
        from dashboards.grafana.check import check as check_panels
        from dashboards.schools import find_school
        from deploy.stores import reading

        with reading(store_path) as store:
            results = check_panels(store, find_school(store, school_id), day.date())
    for result in results:
        found = result.fault or ("good" if result.rows else "no rows")
        click.echo(f"{result.board:16} {result.panel:40} {result.rows:5} rows  {found}")
    if any(result.fault for result in results):
        fail("some panels are at fault")
    if not any(result.rows for result in results if not result.panel.startswith("variable")):
        fail(f"no panel has anything to show of the week up to {day:%Y-%m-%d}; choose a day with data")


@command.command("push")
@URL
@TOKEN
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def push(url: str, token: str, dry_run: bool) -> None:
    """Put the dashboards into a running Grafana; doing it again changes nothing.

    \b
    Example:  GRAFANA_TOKEN=... schoolgate grafana push --url https://grafana.example.org
    """
    with failing_well():
        from dashboards.grafana.remote import push as push_boards

        for change in push_boards(url, token, dry_run):
            click.echo(change)


@command.command("diff")
@URL
@TOKEN
def diff(url: str, token: str) -> None:
    """Show how the dashboards in Grafana differ from those of this version; status 1 if they do.

    \b
    Example:  GRAFANA_TOKEN=... schoolgate grafana diff --url https://grafana.example.org
    """
    with failing_well():
        from dashboards.grafana.remote import diff as diff_boards

        lines = diff_boards(url, token)
    for line in lines:
        click.echo(line)
    if lines:
        fail("the dashboards differ")


@command.command("export")
@URL
@TOKEN
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def export(url: str, token: str, folder: Path) -> None:
    """Fetch the dashboards of Grafana's folder Schoolgate into FOLDER, those that you have made there too.

    \b
    Example:  GRAFANA_TOKEN=... schoolgate grafana export --url https://grafana.example.org kept/
    """
    with failing_well():
        from dashboards.grafana.remote import export as export_boards

        for path in export_boards(url, token, folder):
            click.echo(path)
